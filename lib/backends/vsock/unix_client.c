/* SPDX-License-Identifier: MIT */
/*
 * unix_client.c - one unix socket behind a connection.
 *
 * Input is watched for while the guest takes it; a guest that has no room stops its
 * own sender, in the kernel's buffer. Output that the socket refuses is the device's to
 * keep. What is watched for nothing is in no set, so that a hang-up does not keep the
 * loop busy; it is found out when somebody next wants something of the socket.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/vsock/unix_priv.h"
#include "core/error_priv.h"

#define PATIENCE_NS	10000000000u	/* for saying where to */

static void watch(struct unix_client *c, uint32_t events)
{
	c->wanted = events;
	if (c->watched == events)
		return;
	if (vmm_source_watch(c->source, events) == 0)
		c->watched = events;
	else
		vmm__unix_tick_later(c->owner);
}

static void watch_also(struct unix_client *c, uint32_t events)
{
	watch(c, c->wanted | events);
}

static void watch_not(struct unix_client *c, uint32_t events)
{
	watch(c, c->wanted & ~events);
}

/* ---- saying where to ---- */

/* A decimal number of 32 bits that fills the line but for a carriage return. */
static bool parse_port(const char *text, const char *end, uint32_t *ret_port)
{
	uint64_t port = 0;

	if (end > text && end[-1] == '\r')
		end--;
	if (text == end || end - text > 10)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + (uint32_t)(*text - '0');
	}
	*ret_port = (uint32_t)port;
	return port <= UINT32_MAX;
}

static bool line_connect(struct unix_client *c, const char *end)
{
	static const char word[] = "CONNECT ";
	uint32_t port;

	if (end - c->line < (ptrdiff_t)strlen(word) || memcmp(c->line, word, strlen(word)) != 0 ||
	    !parse_port(c->line + strlen(word), end, &port))
		return false;
	if (vmm_vsock_connect(c->owner->link, port, c, &c->conn) < 0)
		return false;
	c->deadline = 0;
	watch(c, 0);
	return true;
}

/* What follows the line is for the guest: it is only looked at, then taken up to the line's end. */
static bool line_read(struct unix_client *c)
{
	char *at = c->line + c->line_len, *end;
	size_t room = sizeof(c->line) - c->line_len;
	ssize_t n = recv(c->fd, at, room, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	end = memchr(at, '\n', (size_t)n);
	if (end)
		n = end + 1 - at;
	if (recv(c->fd, at, (size_t)n, MSG_DONTWAIT) != n)
		return false;
	c->line_len += (uint32_t)n;
	if (end)
		return line_connect(c, end);
	return c->line_len < sizeof(c->line);
}

/* ---- from the loop ---- */

/* It may be freed in either call. */
static void serve(struct unix_client *c, uint32_t revents)
{
	struct vsock_unix *u = c->owner;

	u->serving = c;
	if (revents & c->wanted & EPOLLOUT) {
		watch_not(c, EPOLLOUT);
		vmm_vsock_conn_writable(c->conn);
	}
	if (u->serving && (c->wanted & EPOLLIN) && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		c->drained = false;
		vmm_vsock_conn_readable(c->conn);
		/* The guest has no room: read() watches again. */
		if (u->serving && !c->drained)
			watch_not(c, EPOLLIN);
	}
	/* Both of its directions are closed, and what it had sent is read. */
	if (u->serving && c->wanted == EPOLLHUP && (revents & EPOLLHUP)) {
		watch(c, 0);
		vmm_vsock_conn_shutdown(c->conn, VMM_VSOCK_NO_RECEIVE);
	}
	u->serving = NULL;
}

static void ready(void *data, uint32_t revents)
{
	struct unix_client *c = data;

	if (c->conn)
		serve(c, revents);
	else if (!line_read(c))
		vmm__unix_client_free(c);
}

void vmm__unix_client_tick(struct unix_client *c, uint64_t now)
{
	if (c->watched != c->wanted)
		watch(c, c->wanted);
	if (c->deadline == 0)
		return;
	if (c->deadline <= now)
		vmm__unix_client_free(c);
	else
		vmm__unix_tick_later(c->owner);
}

/* ---- the backend's table ---- */

void vmm__unix_connected(void *state, struct vmm_vsock_conn *conn)
{
	struct unix_client *c = vmm_vsock_conn_data(conn);
	char line[32];
	int len = snprintf(line, sizeof(line), "OK %u\n", vmm_vsock_conn_host_port(conn));

	/* The first bytes to a socket: there is room, or nobody there. */
	if (send(c->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) {
		vmm_vsock_conn_reset(conn);
		vmm__unix_client_free(c);
		return;
	}
	watch(c, EPOLLIN);
}

static size_t total(const struct iovec *iov, uint32_t nr_iov)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < nr_iov; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

static struct msghdr message(const struct iovec *iov, uint32_t nr_iov)
{
	union {
		const struct iovec *from;
		struct iovec *to;
	} u = { .from = iov };

	return (struct msghdr){ .msg_iov = u.to, .msg_iovlen = nr_iov };
}

ssize_t vmm__unix_write(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			uint32_t nr_iov)
{
	struct unix_client *c = vmm_vsock_conn_data(conn);
	struct msghdr m = message(iov, nr_iov);
	ssize_t n;

	do {
		n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);

	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n < 0 || (size_t)n < total(iov, nr_iov))
		watch_also(c, EPOLLOUT);
	return n < 0 ? 0 : n;
}

/* The end of input. Of a socket whose other side is wholly gone, or only of one direction. */
static void input_ended(struct unix_client *c, struct vmm_vsock_conn *conn)
{
	struct pollfd p = { .fd = c->fd };

	c->drained = true;
	watch_not(c, EPOLLIN);
	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
		vmm_vsock_conn_shutdown(conn, VMM_VSOCK_NO_RECEIVE);
	else
		watch_also(c, EPOLLHUP);
}

/* Descriptors that are passed along are closed by the kernel, for there is no place for them. */
ssize_t vmm__unix_read(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
		       uint32_t nr_iov)
{
	struct unix_client *c = vmm_vsock_conn_data(conn);
	struct msghdr m = message(iov, nr_iov);
	ssize_t n;

	do {
		n = recvmsg(c->fd, &m, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);

	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n == 0) {
		input_ended(c, conn);
		return 0;
	}
	c->drained = n < 0 || (size_t)n < total(iov, nr_iov);
	if (c->drained)
		watch_also(c, EPOLLIN);
	return n < 0 ? -EAGAIN : n;
}

void vmm__unix_shutdown(void *state, struct vmm_vsock_conn *conn, uint32_t halves)
{
	struct unix_client *c = vmm_vsock_conn_data(conn);

	if (halves & VMM_VSOCK_NO_RECEIVE) {
		watch_not(c, EPOLLIN);
		(void)shutdown(c->fd, SHUT_RD);
	}
	if (halves & VMM_VSOCK_NO_SEND)
		(void)shutdown(c->fd, SHUT_WR);
}

void vmm__unix_closed(void *state, struct vmm_vsock_conn *conn)
{
	vmm__unix_client_free(vmm_vsock_conn_data(conn));
}

/* ---- life ---- */

int vmm__unix_client_new(struct vsock_unix *u, int fd, struct vmm_vsock_conn *conn)
{
	struct unix_client *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		goto close_fd;
	c->owner = u;
	c->fd = fd;
	c->conn = conn;
	c->wanted = c->watched = EPOLLIN;
	r = vmm_loop_add_fd(u->loop, fd, EPOLLIN, ready, c, &c->source);
	if (r < 0)
		goto free_client;
	if (conn) {
		vmm_vsock_conn_set_data(conn, c);
	} else {
		c->deadline = vmm__unix_now() + PATIENCE_NS;
		vmm__unix_tick_later(u);
	}
	c->prev = u->clients.prev;
	c->next = &u->clients;
	u->clients.prev->next = c;
	u->clients.prev = c;
	u->nr_clients++;
	return 0;

free_client:
	free(c);
close_fd:
	close(fd);
	return r;
}

void vmm__unix_client_free(struct unix_client *c)
{
	struct vsock_unix *u = c->owner;

	if (u->serving == c)
		u->serving = NULL;
	vmm_source_remove(c->source);
	close(c->fd);
	c->prev->next = c->next;
	c->next->prev = c->prev;
	u->nr_clients--;
	free(c);
	vmm__unix_listen(u);
}
