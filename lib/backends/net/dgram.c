/* SPDX-License-Identifier: MIT */
/*
 * dgram.c - a datagram socket: a frame is a datagram, both ways without a copy of ours.
 *
 * With paths the socket is not connected, so that the program at the other end may
 * come, go and come again. The kernel does not tell such a socket when there is room
 * in the other's queue again, so then a timer asks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/device.h>
#include "backends/net/net_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/unix_socket_priv.h"

#define TURN_MAX	64		/* frames received in one turn */
#define RETRY_NS	200000u		/* when the peer's queue is full */

struct dgram {
	struct unix_path peer, local;
	bool has_path;
	int given_fd;			/* of a config with a descriptor; else -1 */

	struct vmm_net_port *port;
	int fd;
	struct vmm_source *source;
	struct vmm_timer *timer;
	bool no_buffer;			/* the guest has none: do not read */
	bool full;			/* the guest waits to write */
	uint64_t lost_in;		/* frames */
};

static void dgram_watch(struct dgram *d)
{
	bool out = d->full && !d->has_path;

	if (d->source)
		(void)vmm_source_watch(d->source, (d->no_buffer ? 0 : (uint32_t)EPOLLIN) |
						  (out ? (uint32_t)EPOLLOUT : 0));
}

/* ---- to the guest ---- */

/* With the link down, or for a datagram that is no frame. */
static int discard(struct dgram *d)
{
	char byte;

	if (recv(d->fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Returns 1 when the guest was given a frame, 0 when one was lost, or -errno. */
static int receive_one(struct dgram *d)
{
	struct iovec iov[VMM_CHAIN_MAX];
	struct msghdr m = { .msg_iov = iov };
	struct vmm_net_frame frame = { 0 };
	ssize_t got;
	int n = vmm_net_receive_begin(d->port, 0, iov, VMM_CHAIN_MAX);

	if (n == -ENETDOWN)
		return discard(d);
	if (n < 0) {
		d->no_buffer = true;
		return -EAGAIN;
	}
	m.msg_iovlen = (size_t)n;
	/* The whole length, also of one that does not fit. */
	got = recvmsg(d->fd, &m, MSG_DONTWAIT | MSG_TRUNC);
	if (got < (ssize_t)NET_ETH_HEADER || got > (ssize_t)NET_FRAME_MAX) {
		int error = got < 0 ? errno : 0;

		(void)vmm_net_receive_end(d->port, NULL);
		if (got >= 0)
			__atomic_store_n(&d->lost_in, d->lost_in + 1, __ATOMIC_RELAXED);
		/* ECONNRESET: of a peer that a connected socket had. */
		return error == EINTR || error == ECONNRESET ? 0 : -error;
	}
	frame.length = (uint32_t)got;
	return vmm_net_receive_end(d->port, &frame) == 0;
}

static void dgram_ready(void *data, uint32_t revents)
{
	struct dgram *d = data;
	bool given = false;
	int r = 0;

	for (int i = 0; i < TURN_MAX && r >= 0 && !d->no_buffer; i++) {
		r = receive_one(d);
		given |= r > 0;
	}
	if (given)
		vmm_net_receive_commit(d->port, 0);
	if ((revents & EPOLLOUT) && d->full) {
		d->full = false;
		vmm_net_port_writable(d->port, 0);
	}
	/* A peer that is gone for good would be reported for ever. */
	if ((revents & EPOLLHUP) && !(revents & EPOLLIN)) {
		vmm_source_remove(d->source);
		d->source = NULL;
	}
	dgram_watch(d);
}

static void dgram_receivable(void *state, uint32_t queue)
{
	struct dgram *d = state;

	d->no_buffer = false;
	dgram_watch(d);
}

/* ---- from the guest ---- */

static void dgram_retry(void *data)
{
	struct dgram *d = data;

	if (!d->full)
		return;
	d->full = false;
	vmm_net_port_writable(d->port, 0);
}

static int hold(struct dgram *d)
{
	struct timespec t;

	d->full = true;
	if (d->has_path) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		vmm_timer_set(d->timer, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec +
					RETRY_NS);
	}
	dgram_watch(d);
	return -EAGAIN;
}

static int dgram_transmit(void *state, const struct vmm_net_frame *frame)
{
	struct dgram *d = state;
	const struct msghdr m = {
		.msg_name = d->has_path ? &d->peer.address : NULL,
		.msg_namelen = d->has_path ? d->peer.length : 0,
		.msg_iov = (struct iovec *)(uintptr_t)frame->iov,
		.msg_iovlen = frame->nr_iov,
	};

	if (sendmsg(d->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* Nobody there, or a frame larger than the socket takes: lost, as on a wire. */
	return errno == EAGAIN || errno == ENOBUFS ? hold(d) : -errno;
}

/* ---- life ---- */

static void dgram_detach(void *state)
{
	struct dgram *d = state;

	vmm_source_remove(d->source);
	d->source = NULL;
	vmm_timer_remove(d->timer);
	d->timer = NULL;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	vmm__unix_unlink(&d->local);
	d->port = NULL;
}

static int dgram_start(struct dgram *d)
{
	if (!d->has_path) {
		d->fd = vmm__unix_dup(d->given_fd, SOCK_DGRAM);
		return d->fd < 0 ? d->fd : 0;
	}
	d->fd = vmm__unix_socket(SOCK_DGRAM);
	return d->fd < 0 ? d->fd : vmm__unix_bind(d->fd, &d->local);
}

static int dgram_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct dgram *d = state;
	int r;

	d->port = port;
	d->no_buffer = d->full = false;
	r = dgram_start(d);
	if (r == 0)
		r = vmm_loop_add_timer(loop, dgram_retry, d, &d->timer);
	if (r == 0)
		r = vmm_loop_add_fd(loop, d->fd, EPOLLIN, dgram_ready, d, &d->source);
	if (r < 0)
		dgram_detach(d);
	return r;
}

static void dgram_stats(void *state, struct vmm_net_stats *stats)
{
	const struct dgram *d = state;

	stats->backend_rx_lost += __atomic_load_n(&d->lost_in, __ATOMIC_RELAXED);
}

static void dgram_destroy(void *state)
{
	struct dgram *d = state;

	if (d->given_fd >= 0)
		close(d->given_fd);
	free(d);
}

static const struct vmm_net_ops dgram_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "dgram",
	.attach = dgram_attach,
	.transmit = dgram_transmit,
	.receivable = dgram_receivable,
	.stats = dgram_stats,
	.detach = dgram_detach,
	.destroy = dgram_destroy,
};

static int dgram_init(struct dgram *d, const struct vmm_net_dgram_config *c)
{
	int r;

	if (c->reserved)
		return vmm__fail(-EINVAL, "datagram network: reserved bytes are not zero");
	if (!c->path != !c->local_path || !c->path == (c->fd <= 0))
		return vmm__fail(-EINVAL,
				 "datagram network: two paths or a descriptor, one of the two");
	d->has_path = c->path != NULL;
	if (!c->path) {
		d->given_fd = vmm__unix_dup(c->fd, SOCK_DGRAM);
		return d->given_fd < 0 ? d->given_fd : 0;
	}
	r = vmm__unix_path_set(&d->peer, c->path);
	return r < 0 ? r : vmm__unix_path_set(&d->local, c->local_path);
}

int vmm_net_open_dgram(const struct vmm_net_dgram_config *config, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_dgram_config c;
	struct dgram *d;
	int r;

	if (!config || !ret_netdev)
		return vmm__fail(-EINVAL,
				 "vmm_net_open_dgram: a config and a place for the result");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;

	d = calloc(1, sizeof(*d));
	if (!d)
		return vmm__fail(-ENOMEM, "no memory for a datagram network");
	d->given_fd = d->fd = -1;
	r = dgram_init(d, &c);
	if (r == 0)
		r = vmm_net_create(&dgram_ops, d, NULL, ret_netdev);
	if (r < 0)
		dgram_destroy(d);
	return r;
}
