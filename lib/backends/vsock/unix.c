/* SPDX-License-Identifier: MIT */
/*
 * unix.c - unix sockets behind a socket device, by the convention of Firecracker's: see
 * <libvmm/vsock.h>.
 *
 * Sockets of the host's are counted, and those too many wait where the kernel keeps
 * them, in the backlog; so do all while the process has no descriptor left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backends/vsock/unix_priv.h"
#include "backends/vsock/vsock_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define TICK_NS		200000000u
#define ACCEPTS		16		/* in one turn */
#define BACKLOG		128
#define PATH_MAX_BYTES	96u		/* and an underscore and ten digits */

/* ---- from the host ---- */

void vmm__unix_listen(struct vsock_unix *u)
{
	bool room = u->nr_clients < u->max_clients && !u->refused;

	if (u->source && vmm_source_watch(u->source, room ? EPOLLIN : 0) < 0) {
		u->refused = true;
		vmm__unix_tick_later(u);
	}
}

static void accept_clients(void *data, uint32_t revents)
{
	struct vsock_unix *u = data;

	for (int i = 0; i < ACCEPTS && u->nr_clients < u->max_clients; i++) {
		int fd = accept4(u->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0 || vmm__unix_client_new(u, fd, NULL) < 0) {
			u->refused = true;
			vmm__unix_tick_later(u);
			break;
		}
	}
	vmm__unix_listen(u);
}

/* ---- from the guest ---- */

static int unix_connect(void *state, struct vmm_vsock_conn *conn)
{
	struct vsock_unix *u = state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (u->nr_clients >= u->max_clients)
		return -ENOSPC;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.*s_%u", (int)PATH_MAX_BYTES,
		 u->path.address.sun_path, vmm_vsock_conn_host_port(conn));
	fd = vmm__unix_socket(SOCK_STREAM);
	if (fd < 0)
		return fd;
	/* It is done at once, or not at all: a full backlog is EAGAIN (unix(7)). */
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	r = vmm__unix_client_new(u, fd, conn);
	if (r < 0)
		return r;
	vmm__unix_listen(u);
	vmm_vsock_conn_accept(conn);
	return 0;
}

/* ---- now and then ---- */

uint64_t vmm__unix_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void vmm__unix_tick_later(struct vsock_unix *u)
{
	if (u->timer_set)
		return;
	u->timer_set = true;
	vmm_timer_set(u->timer, vmm__unix_now() + TICK_NS);
}

static void tick(void *data)
{
	struct vsock_unix *u = data;
	struct unix_client *next;
	uint64_t now = vmm__unix_now();

	u->timer_set = false;
	u->refused = false;
	for (struct unix_client *c = u->clients.next; c != &u->clients; c = next) {
		next = c->next;
		vmm__unix_client_tick(c, now);
	}
	vmm__unix_listen(u);
}

/* ---- life ---- */

static void unix_detach(void *state)
{
	struct vsock_unix *u = state;

	vmm_source_remove(u->source);
	u->source = NULL;
	while (u->clients.next != &u->clients)
		vmm__unix_client_free(u->clients.next);
	vmm_timer_remove(u->timer);
	u->timer = NULL;
	vmm__unix_unlink(&u->path);
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	u->link = NULL;
	u->timer_set = u->refused = false;
}

static int unix_attach(void *state, struct vmm_vsock_link *link, struct vmm_loop *loop)
{
	struct vsock_unix *u = state;
	int r = vmm__unix_serve(&u->path, 0, BACKLOG);

	if (r < 0)
		return r;
	u->fd = r;
	u->link = link;
	u->loop = loop;
	r = vmm_loop_add_timer(loop, tick, u, &u->timer);
	if (r == 0)
		r = vmm_loop_add_fd(loop, u->fd, EPOLLIN, accept_clients, u, &u->source);
	if (r < 0)
		unix_detach(u);
	return r;
}

static void unix_destroy(void *state)
{
	free(state);
}

static const struct vmm_vsock_ops unix_ops = {
	.size = sizeof(struct vmm_vsock_ops),
	.name = "unix",
	.attach = unix_attach,
	.connect = unix_connect,
	.connected = vmm__unix_connected,
	.write = vmm__unix_write,
	.read = vmm__unix_read,
	.shutdown = vmm__unix_shutdown,
	.closed = vmm__unix_closed,
	.detach = unix_detach,
	.destroy = unix_destroy,
};

int vmm_vsock_open_unix(const struct vmm_vsock_unix_config *config, struct vmm_vsock **ret_vsock)
{
	struct vmm_vsock_unix_config c;
	struct vsock_unix *u;
	int r;

	if (!config || !ret_vsock)
		return vmm__fail(-EINVAL, "vmm_vsock_open_unix: a config and a place");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;
	if (c.max_clients == 0)
		c.max_clients = VSOCK_CONNECTIONS;
	if (!c.path || c.path[0] == '\0' || strlen(c.path) > PATH_MAX_BYTES)
		return vmm__fail(-EINVAL, "a unix socket's path of 1 .. %u bytes", PATH_MAX_BYTES);
	if (c.max_clients > VSOCK_CONNECTIONS_MAX || c.reserved)
		return vmm__fail(-EINVAL, "max_clients %u is over %u, or reserved bytes are set",
				 c.max_clients, VSOCK_CONNECTIONS_MAX);

	u = calloc(1, sizeof(*u));
	if (!u)
		return vmm__fail(-ENOMEM, "no memory for a unix socket backend");
	u->fd = -1;
	u->max_clients = c.max_clients;
	u->clients.next = u->clients.prev = &u->clients;
	r = vmm__unix_path_set(&u->path, c.path);
	if (r == 0)
		r = vmm_vsock_create(&unix_ops, u, ret_vsock);
	if (r < 0)
		free(u);
	return r;
}
