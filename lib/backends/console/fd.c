/* SPDX-License-Identifier: MIT */
/* fd.c - a console on descriptors of the application's. The end of input is not its end. */
#include <errno.h>
#include <stdlib.h>

#include "backends/console/stream_priv.h"
#include "core/error_priv.h"

static int fd_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	return vmm__stream_attach(state, port, loop);
}

static size_t fd_write(void *state, const void *data, size_t len)
{
	return vmm__stream_write(state, data, len);
}

static void fd_readable(void *state)
{
	vmm__stream_readable(state);
}

static void fd_detach(void *state)
{
	vmm__stream_detach(state);
}

static void fd_destroy(void *state)
{
	vmm__stream_finish(state);
	free(state);
}

static const struct vmm_console_ops fd_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "fd",
	.attach = fd_attach,
	.write = fd_write,
	.readable = fd_readable,
	.detach = fd_detach,
	.destroy = fd_destroy,
};

int vmm_console_open_fd(int input_fd, int output_fd, struct vmm_chardev **ret_chardev)
{
	struct nbio in = { .fd = -1 }, out = { .fd = -1 };
	struct stream *s;
	int r = 0;

	if (!ret_chardev || (input_fd <= 0 && output_fd <= 0))
		return vmm__fail(-EINVAL, "a descriptor console needs a descriptor");

	if (input_fd > 0)
		r = vmm__nbio_open(&in, input_fd, false);
	if (r == 0 && output_fd > 0)
		r = vmm__nbio_open(&out, output_fd, true);
	if (r < 0)
		goto close_both;

	s = malloc(sizeof(*s));
	if (!s) {
		r = vmm__fail(-ENOMEM, "no memory for a descriptor console");
		goto close_both;
	}
	vmm__stream_init(s, &in, &out);
	r = vmm_console_create(&fd_ops, s, ret_chardev);
	if (r < 0)
		fd_destroy(s);
	return r;

close_both:
	vmm__nbio_close(&in);
	vmm__nbio_close(&out);
	return r;
}
