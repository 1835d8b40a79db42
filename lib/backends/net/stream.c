/* SPDX-License-Identifier: MIT */
/*
 * stream.c - a stream socket to a program that has the rest of the network.
 *
 * Frames of one turn of the guest's leave in one write, and what one read brings
 * goes to the guest frame by frame (framing.c). When the guest has no buffer the
 * socket is not read, and when the peer does not read the guest waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "backends/net/framing_priv.h"
#include "backends/net/net_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/unix_socket_priv.h"

#define RECONNECT_MS	1000u
#define READ_MAX	(64u << 10)	/* bytes that one turn takes in */

struct stream {
	struct unix_path path;
	bool listens, has_path;
	uint32_t reconnect_ms;
	int given_fd;			/* of a config with a descriptor; else -1 */

	struct vmm_net_port *port;
	struct vmm_loop *loop;
	int listen_fd, fd;		/* -1: none */
	struct vmm_source *listener, *source;
	struct vmm_timer *timer;	/* looks for the peer again */
	struct framing in, out;
	bool no_buffer;			/* the guest has none: do not read */
	bool full;			/* the guest waits to write */
	uint64_t lost_out, lost_in;	/* frames */
};

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* ---- the peer comes and goes ---- */

static void stream_ready(void *data, uint32_t revents);

static void stream_watch(struct stream *s)
{
	bool waits = s->out.end > s->out.at;

	if (s->source)
		(void)vmm_source_watch(s->source, (s->no_buffer ? 0 : (uint32_t)EPOLLIN) |
						  (waits ? (uint32_t)EPOLLOUT : 0));
}

static void listen_watch(struct stream *s)
{
	if (s->listener)
		(void)vmm_source_watch(s->listener, s->fd < 0 ? EPOLLIN : 0);
}

static void look_later(struct stream *s)
{
	struct timespec t;

	if (!s->has_path || s->listens)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	vmm_timer_set(s->timer, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec +
				s->reconnect_ms * 1000000ull);
}

/* A peer, from now on; @fd is ours to close. */
static int peer_take(struct stream *s, int fd)
{
	int r = vmm_loop_add_fd(s->loop, fd, EPOLLIN, stream_ready, s, &s->source);

	if (r < 0) {
		close(fd);
		return r;
	}
	s->fd = fd;
	s->no_buffer = false;
	listen_watch(s);
	vmm_net_port_carrier(s->port, 1);
	return 0;
}

static void peer_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	vmm_source_remove(s->source);
	s->source = NULL;
	close(s->fd);
	s->fd = -1;
	count(&s->lost_out, s->out.frames);
	vmm__framing_clear(&s->in);
	vmm__framing_clear(&s->out);
	s->full = false;
}

static void peer_lost(struct stream *s)
{
	bool full = s->full;

	peer_close(s);
	vmm_net_port_carrier(s->port, 0);
	/* What waited is lost with the rest. */
	if (full)
		vmm_net_port_writable(s->port, 0);
	listen_watch(s);
	look_later(s);
}

/* A unix socket connects at once or not at all. */
static void look(void *data)
{
	struct stream *s = data;
	int fd = s->fd < 0 ? vmm__unix_socket(SOCK_STREAM) : -1;

	if (fd < 0) {
		if (s->fd < 0)
			look_later(s);
		return;
	}
	if (connect(fd, (const struct sockaddr *)&s->path.address, s->path.length) < 0) {
		close(fd);
		look_later(s);
	} else if (peer_take(s, fd) < 0) {
		look_later(s);
	}
}

static void listener_ready(void *data, uint32_t revents)
{
	struct stream *s = data;
	int fd = s->fd < 0 ? accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;

	if (fd >= 0)
		(void)peer_take(s, fd);
}

/* ---- to the guest ---- */

/* Give it the frames that are whole. False: the peer broke the framing. */
static bool deliver(struct stream *s)
{
	const unsigned char *bytes;
	uint32_t length;
	bool given = false;
	int r;

	while ((r = vmm__framing_first(&s->in, &bytes, &length)) > 0) {
		const struct iovec iov = { (void *)(uintptr_t)bytes, length };
		const struct vmm_net_frame frame = { .iov = &iov, .nr_iov = 1, .length = length };
		int said = vmm_net_receive(s->port, &frame);

		if (said == -EAGAIN) {
			s->no_buffer = true;
			break;
		}
		given = true;
		vmm__framing_taken(&s->in, length);
	}
	if (given)
		vmm_net_receive_commit(s->port, 0);
	return r >= 0;
}

/* False: there is no peer any more. */
static bool take_in(struct stream *s)
{
	uint32_t room;
	unsigned char *to = vmm__framing_room(&s->in, &room);
	ssize_t got = recv(s->fd, to, room < READ_MAX ? room : READ_MAX, MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	vmm__framing_added(&s->in, (uint32_t)got);
	if (deliver(s))
		return true;
	count(&s->lost_in, 1);
	return false;
}

static void stream_receivable(void *state, uint32_t queue)
{
	struct stream *s = state;

	s->no_buffer = false;
	if (s->fd >= 0 && !deliver(s)) {
		count(&s->lost_in, 1);
		peer_lost(s);
		return;
	}
	stream_watch(s);
}

/* ---- from the guest ---- */

/* False: there is no peer any more. */
static bool flush(struct stream *s)
{
	while (s->out.end > s->out.at) {
		ssize_t sent = send(s->fd, s->out.bytes + s->out.at, s->out.end - s->out.at,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN;
		vmm__framing_sent(&s->out, (uint32_t)sent);
	}
	return true;
}

static void stream_commit(void *state, uint32_t queue)
{
	struct stream *s = state;

	if (s->fd < 0 || s->out.end == s->out.at)
		return;
	if (flush(s))
		stream_watch(s);
	else
		peer_lost(s);
}

static int stream_transmit(void *state, const struct vmm_net_frame *frame)
{
	struct stream *s = state;

	if (s->fd < 0)
		return -ENOTCONN;
	if (vmm__framing_append(&s->out, frame))
		return 0;
	stream_commit(s, 0);
	if (s->fd < 0)
		return -ENOTCONN;
	if (vmm__framing_append(&s->out, frame))
		return 0;
	s->full = true;
	return -EAGAIN;
}

static void stream_ready(void *data, uint32_t revents)
{
	struct stream *s = data;
	bool alive = true;

	if (revents & EPOLLOUT)
		alive = flush(s);
	if (alive && !s->no_buffer && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		alive = take_in(s);
	else if (s->no_buffer && (revents & (EPOLLHUP | EPOLLERR)))
		alive = false;
	if (!alive) {
		peer_lost(s);
		return;
	}
	if (s->full && s->out.end == s->out.at) {
		s->full = false;
		vmm_net_port_writable(s->port, 0);
	}
	stream_watch(s);
}

/* ---- life ---- */

static void stream_detach(void *state)
{
	struct stream *s = state;

	peer_close(s);
	vmm_source_remove(s->listener);
	s->listener = NULL;
	if (s->listen_fd >= 0) {
		close(s->listen_fd);
		s->listen_fd = -1;
		vmm__unix_unlink(&s->path);
	}
	vmm_timer_remove(s->timer);
	s->timer = NULL;
	vmm__framing_finish(&s->in);
	vmm__framing_finish(&s->out);
	s->port = NULL;
}

static int start_listening(struct stream *s)
{
	int r = vmm__unix_serve(&s->path, 0, 1);

	if (r < 0)
		return r;
	s->listen_fd = r;
	return vmm_loop_add_fd(s->loop, s->listen_fd, EPOLLIN, listener_ready, s, &s->listener);
}

static int start(struct stream *s)
{
	int fd;

	if (s->has_path && s->listens)
		return start_listening(s);
	if (s->has_path) {
		look(s);
		return 0;
	}
	/* Kept too, for a guest that could not be given to at the first try. */
	fd = vmm__unix_dup(s->given_fd, SOCK_STREAM);
	return fd < 0 ? fd : peer_take(s, fd);
}

static int stream_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct stream *s = state;
	int r;

	s->port = port;
	s->loop = loop;
	vmm_net_port_carrier(port, 0);
	r = vmm__framing_init(&s->in);
	if (r == 0)
		r = vmm__framing_init(&s->out);
	if (r == 0)
		r = vmm_loop_add_timer(loop, look, s, &s->timer);
	if (r == 0)
		r = start(s);
	if (r < 0)
		stream_detach(s);
	return r;
}

static void stream_stats(void *state, struct vmm_net_stats *stats)
{
	const struct stream *s = state;

	stats->backend_tx_lost += __atomic_load_n(&s->lost_out, __ATOMIC_RELAXED);
	stats->backend_rx_lost += __atomic_load_n(&s->lost_in, __ATOMIC_RELAXED);
}

static void stream_destroy(void *state)
{
	struct stream *s = state;

	if (s->given_fd >= 0)
		close(s->given_fd);
	free(s);
}

static const struct vmm_net_ops stream_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "stream",
	.attach = stream_attach,
	.transmit = stream_transmit,
	.commit = stream_commit,
	.receivable = stream_receivable,
	.stats = stream_stats,
	.detach = stream_detach,
	.destroy = stream_destroy,
};

static int stream_init(struct stream *s, const struct vmm_net_stream_config *c)
{
	if (c->reserved || (c->flags & ~(uint32_t)VMM_NET_STREAM_LISTEN))
		return vmm__fail(-EINVAL, "stream network: unknown flags, or reserved bytes set");
	if ((c->path != NULL) + (c->fd > 0) != 1)
		return vmm__fail(-EINVAL, "stream network: a path or a descriptor, one of the two");
	if (!c->path && c->flags)
		return vmm__fail(-EINVAL, "stream network: a connected descriptor cannot listen");
	s->reconnect_ms = c->reconnect_ms ? c->reconnect_ms : RECONNECT_MS;
	s->listens = c->flags & VMM_NET_STREAM_LISTEN;
	s->has_path = c->path != NULL;
	if (c->path)
		return vmm__unix_path_set(&s->path, c->path);
	s->given_fd = vmm__unix_dup(c->fd, SOCK_STREAM);
	return s->given_fd < 0 ? s->given_fd : 0;
}

int vmm_net_open_stream(const struct vmm_net_stream_config *config,
			struct vmm_netdev **ret_netdev)
{
	struct vmm_net_stream_config c;
	struct stream *s;
	int r;

	if (!config || !ret_netdev)
		return vmm__fail(-EINVAL,
				 "vmm_net_open_stream: a config and a place for the result");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return vmm__fail(-ENOMEM, "no memory for a stream network");
	s->given_fd = s->listen_fd = s->fd = -1;
	r = stream_init(s, &c);
	if (r == 0)
		r = vmm_net_create(&stream_ops, s, NULL, ret_netdev);
	if (r < 0)
		stream_destroy(s);
	return r;
}
