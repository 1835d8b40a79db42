/* SPDX-License-Identifier: MIT */
/*
 * unix.c - a console on a unix socket of its own, for one client at a time.
 *
 * A client that has closed only its direction still reads, as at the end of a pipe; it has
 * gone when it has closed both. What it said before goes to the guest first.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backends/console/stream_priv.h"
#include "core/error_priv.h"
#include "core/unix_socket_priv.h"

#define RETRY_NS	200000000u	/* when the process had no descriptor for a client */
#define BACKLOG		8

struct unix_console {
	struct stream stream;		/* of the client */
	bool client;			/* there is one */
	bool refused;			/* the front end waits to hear of room */
	struct vmm_console_port *port;
	struct vmm_loop *loop;
	int fd;				/* listening; -1: not attached */
	struct vmm_source *source;
	struct vmm_source *hangup;	/* of a client that says no more */
	struct vmm_timer *retry;
	struct unix_path path;
};

/* ---- the client ---- */

static struct unix_console *owner_of(struct stream *s)
{
	return (struct unix_console *)((char *)s - offsetof(struct unix_console, stream));
}

static void client_close(struct unix_console *u)
{
	if (!u->client)
		return;
	vmm_source_remove(u->hangup);
	u->hangup = NULL;
	u->refused = u->refused || u->stream.out_refused;
	vmm__stream_detach(&u->stream);
	vmm__stream_finish(&u->stream);
	u->client = false;
}

static void client_gone(struct unix_console *u)
{
	client_close(u);
	vmm_console_port_connected(u->port, false);
	(void)vmm_source_watch(u->source, EPOLLIN);
}

static void hung_up(void *data, uint32_t revents)
{
	client_gone(data);
}

static void ended(struct stream *s)
{
	struct unix_console *u = owner_of(s);
	struct pollfd p = { .fd = s->in.fd };

	if ((poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR))) ||
	    vmm_loop_add_fd(u->loop, s->in.fd, EPOLLHUP, hung_up, u, &u->hangup) < 0)
		client_gone(u);
}

/* Each direction has a descriptor, since a loop takes one only once. */
static int client_open(struct unix_console *u, int fd)
{
	struct nbio in = { .fd = fd, .kind = NBIO_SOCKET }, out = in;
	int r;

	out.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (out.fd < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	vmm__stream_init(&u->stream, &in, &out);
	u->stream.ended = ended;
	r = vmm__stream_attach(&u->stream, u->port, u->loop);
	if (r < 0)
		vmm__stream_finish(&u->stream);
	return r;
}

/* ---- who comes ---- */

static void retry_later(struct unix_console *u)
{
	struct timespec t;

	(void)vmm_source_watch(u->source, 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	vmm_timer_set(u->retry, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + RETRY_NS);
}

static void retry(void *data)
{
	struct unix_console *u = data;

	if (!u->client && vmm_source_watch(u->source, EPOLLIN) < 0)
		retry_later(u);
}

static void accept_client(void *data, uint32_t revents)
{
	struct unix_console *u = data;
	int fd = accept4(u->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0 || client_open(u, fd) < 0) {
		retry_later(u);
		return;
	}
	u->client = true;
	/* The next one waits in the backlog. */
	(void)vmm_source_watch(u->source, 0);
	vmm_console_port_connected(u->port, true);
	if (u->refused) {
		u->refused = false;
		vmm_console_port_writable(u->port);
	}
}

/* ---- the backend's table ---- */

static size_t unix_write(void *state, const void *data, size_t len)
{
	struct unix_console *u = state;

	if (u->client)
		return vmm__stream_write(&u->stream, data, len);
	u->refused = true;
	return 0;
}

static void unix_readable(void *state)
{
	struct unix_console *u = state;

	if (u->client)
		vmm__stream_readable(&u->stream);
}

static void unix_detach(void *state)
{
	struct unix_console *u = state;

	client_close(u);
	vmm_source_remove(u->source);
	u->source = NULL;
	vmm_timer_remove(u->retry);
	u->retry = NULL;
	vmm__unix_unlink(&u->path);
	close(u->fd);
	u->fd = -1;
}

static int unix_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	struct unix_console *u = state;
	int r = vmm__unix_serve(&u->path, 0, BACKLOG);

	if (r < 0)
		return r;
	u->fd = r;
	u->port = port;
	u->loop = loop;
	r = vmm_loop_add_timer(loop, retry, u, &u->retry);
	if (r == 0)
		r = vmm_loop_add_fd(loop, u->fd, EPOLLIN, accept_client, u, &u->source);
	if (r < 0) {
		unix_detach(u);
		return r;
	}
	vmm_console_port_connected(port, false);
	return 0;
}

static void unix_destroy(void *state)
{
	free(state);
}

static const struct vmm_console_ops unix_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "unix",
	.attach = unix_attach,
	.write = unix_write,
	.readable = unix_readable,
	.detach = unix_detach,
	.destroy = unix_destroy,
};

int vmm_console_open_unix(const char *path, struct vmm_chardev **ret_chardev)
{
	struct unix_console *u;
	int r;

	if (!path || !ret_chardev)
		return vmm__fail(-EINVAL, "vmm_console_open_unix: a path and a place");
	u = calloc(1, sizeof(*u));
	if (!u)
		return vmm__fail(-ENOMEM, "no memory for a unix socket console");
	u->fd = -1;
	r = vmm__unix_path_set(&u->path, path);
	if (r == 0)
		r = vmm_console_create(&unix_ops, u, ret_chardev);
	if (r < 0)
		free(u);
	return r;
}
