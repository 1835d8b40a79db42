/* SPDX-License-Identifier: MIT */
/*
 * pty.c - a console on a pseudo terminal of its own.
 *
 * While no program has the terminal open its output is refused: there is no cable
 * in the socket. The kernel does not say when the terminal's size changes, so we
 * look when the guest writes, which it does at least to echo.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "backends/console/stream_priv.h"
#include "core/error_priv.h"

struct pty {
	struct stream stream;
	uint16_t columns, rows;
	char path[64];
};

static int pty_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	struct pty *p = state;

	return vmm__stream_attach(&p->stream, port, loop);
}

static void look_at_size(struct pty *p)
{
	struct winsize size;

	if (ioctl(p->stream.out.fd, TIOCGWINSZ, &size) < 0 ||
	    (size.ws_col == p->columns && size.ws_row == p->rows))
		return;
	p->columns = size.ws_col;
	p->rows = size.ws_row;
	vmm_console_port_resize(p->stream.port, p->columns, p->rows);
}

static size_t pty_write(void *state, const void *data, size_t len)
{
	struct pty *p = state;

	look_at_size(p);
	return vmm__stream_write(&p->stream, data, len);
}

static void pty_readable(void *state)
{
	struct pty *p = state;

	vmm__stream_readable(&p->stream);
}

static void pty_detach(void *state)
{
	struct pty *p = state;

	vmm__stream_detach(&p->stream);
}

static void pty_destroy(void *state)
{
	struct pty *p = state;

	vmm__stream_finish(&p->stream);
	free(p);
}

static const struct vmm_console_ops pty_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "pty",
	.attach = pty_attach,
	.write = pty_write,
	.readable = pty_readable,
	.detach = pty_detach,
	.destroy = pty_destroy,
};

/* ---- opening ---- */

/*
 * Open the other side once, to make it raw: the guest edits its lines itself. And
 * only once it was closed does our side show that nobody is there.
 */
static int make_raw(int master)
{
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), r = 0;
	struct termios termios;

	if (slave < 0)
		return vmm__fail_errno("cannot open a pseudo terminal's other side");
	if (tcgetattr(slave, &termios) < 0)
		r = vmm__fail_errno("cannot read a pseudo terminal's settings");
	if (r == 0) {
		cfmakeraw(&termios);
		if (tcsetattr(slave, TCSANOW, &termios) < 0)
			r = vmm__fail_errno("cannot make a pseudo terminal raw");
	}
	close(slave);
	return r;
}

/* Both of its directions, each with a descriptor, since a loop takes one only once. */
static int pty_open(struct nbio *ret_in, struct nbio *ret_out, char *path, size_t path_size)
{
	int in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), out = -1, r;

	if (in < 0)
		return vmm__fail_errno("cannot open a pseudo terminal");
	if (grantpt(in) < 0 || unlockpt(in) < 0 || ptsname_r(in, path, path_size) != 0) {
		r = vmm__fail_errno("cannot set up a pseudo terminal");
		goto close_in;
	}
	r = make_raw(in);
	if (r < 0)
		goto close_in;
	out = fcntl(in, F_DUPFD_CLOEXEC, 0);
	if (out < 0) {
		r = vmm__fail_errno("cannot duplicate a pseudo terminal's descriptor");
		goto close_in;
	}

	vmm__nbio_adopt_pty(ret_in, in);
	vmm__nbio_adopt_pty(ret_out, out);
	return 0;

close_in:
	close(in);
	return r;
}

int vmm_console_open_pty(struct vmm_chardev **ret_chardev, const char **ret_path)
{
	struct nbio in, out;
	struct pty *p;
	int r;

	if (!ret_chardev)
		return vmm__fail(-EINVAL, "no place for the console backend");
	p = calloc(1, sizeof(*p));
	if (!p)
		return vmm__fail(-ENOMEM, "no memory for a pseudo terminal");

	r = pty_open(&in, &out, p->path, sizeof(p->path));
	if (r < 0) {
		free(p);
		return r;
	}
	vmm__stream_init(&p->stream, &in, &out);

	r = vmm_console_create(&pty_ops, p, ret_chardev);
	if (r < 0) {
		pty_destroy(p);
		return r;
	}
	if (ret_path)
		*ret_path = p->path;
	return 0;
}
