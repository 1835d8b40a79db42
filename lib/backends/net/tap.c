/* SPDX-License-Identifier: MIT */
/*
 * tap.c - frames through a tap interface of the host's.
 *
 * A read fills the guest's receive buffers and a write empties its transmit
 * buffer where they lie; what virtio header the tap has before each frame goes to
 * bytes of our own. While the guest has no buffer the tap is not watched, and the
 * host's queue for it fills and drops, as a wire does.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <libvmm/device.h>
#include "backends/net/net_priv.h"
#include "backends/net/tap_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define TURN_MAX	64	/* frames received in one turn; the loop comes back for more */

/* What we know of the header; a given tap's may be longer, or shorter by num_buffers. */
union tap_header {
	struct virtio_net_hdr_v1 v1;
	unsigned char bytes[TAP_HEADER_MAX];
};

static void tap_watch(struct tap_queue *q)
{
	if (q->source)
		(void)vmm_source_watch(q->source,
				       (q->no_buffer || q->off ? 0 : (uint32_t)EPOLLIN) |
				       (q->full ? (uint32_t)EPOLLOUT : 0));
}

/*
 * The descriptor's own O_NONBLOCK is shared with whoever gave it, so it is set
 * only where the kernel cannot do without (before 6.4).
 */
static ssize_t tap_io(struct tap_queue *q, const struct iovec *iov, int nr,
		      ssize_t (*io)(int, const struct iovec *, int, off_t, int))
{
	ssize_t n = io(q->fd, iov, nr, -1, q->nowait);

	if (n < 0 && errno == EOPNOTSUPP && q->nowait) {
		q->nowait = 0;
		if (fcntl(q->fd, F_SETFL, fcntl(q->fd, F_GETFL) | O_NONBLOCK) < 0)
			return -1;
		n = io(q->fd, iov, nr, -1, 0);
	}
	return n;
}

/* ---- to the guest ---- */

static void tap_lost(struct tap *tap)
{
	__atomic_store_n(&tap->lost, tap->lost + 1, __ATOMIC_RELAXED);
}

/* The kernel is trusted with its header; whether the guest agreed to it, the front end sees. */
static void header_read(const struct tap *tap, const union tap_header *h,
			struct vmm_net_frame *frame)
{
	if (tap->header_bytes == 0)
		return;
	frame->flags = h->v1.flags;
	frame->gso_type = h->v1.gso_type;
	frame->hdr_len = le16toh(h->v1.hdr_len);
	frame->gso_size = le16toh(h->v1.gso_size);
	frame->csum_start = le16toh(h->v1.csum_start);
	frame->csum_offset = le16toh(h->v1.csum_offset);
}

/* With the link down. As below. */
static int tap_discard(struct tap_queue *q)
{
	unsigned char bytes[TAP_HEADER_MAX + 1];
	const struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };

	if (tap_io(q, &iov, 1, preadv2) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Returns 1 when the guest was given a frame, 0 when one was lost, -EAGAIN, or what read said. */
static int tap_receive(struct tap_queue *q)
{
	struct tap *tap = q->tap;
	struct vmm_net_frame frame = { 0 };
	union tap_header head;
	unsigned char excess;
	struct iovec iov[1 + VMM_CHAIN_MAX + 1];
	ssize_t got;
	int n = vmm_net_receive_begin(tap->port, q->index, iov + 1, VMM_CHAIN_MAX);

	if (n == -ENETDOWN)
		return tap_discard(q);
	if (n < 0) {
		q->no_buffer = true;
		return -EAGAIN;
	}
	iov[0] = (struct iovec){ .iov_base = &head, .iov_len = (size_t)tap->header_bytes };
	/* One byte more tells a frame that fits from one that was cut. */
	iov[++n] = (struct iovec){ .iov_base = &excess, .iov_len = 1 };

	got = tap_io(q, iov, n + 1, preadv2);
	if (got < 0) {
		got = -errno;
		(void)vmm_net_receive_end(tap->port, NULL);
		return got == -EINTR ? 0 : (int)got;
	}

	got -= tap->header_bytes;
	if (got < (ssize_t)NET_ETH_HEADER) {
		(void)vmm_net_receive_end(tap->port, NULL);
		tap_lost(tap);
		return 0;
	}
	header_read(tap, &head, &frame);
	frame.length = (uint32_t)got;
	return vmm_net_receive_end(tap->port, &frame) == 0;
}

static void tap_receive_some(struct tap_queue *q)
{
	bool given = false;
	int r = 0;

	for (int i = 0; i < TURN_MAX && r >= 0; i++) {
		r = tap_receive(q);
		given |= r > 0;
	}
	if (given)
		vmm_net_receive_commit(q->tap->port, q->index);

	/* The interface was removed (EBADFD), or is down (EIO) until it polls readable again. */
	if (r == -EBADFD && !q->off) {
		vmm_source_remove(q->source);
		q->source = NULL;
	}
}

static void tap_ready(void *data, uint32_t revents)
{
	struct tap_queue *q = data;

	if ((revents & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !q->no_buffer && !q->off)
		tap_receive_some(q);
	if (revents & EPOLLOUT) {
		q->full = false;
		vmm_net_port_writable(q->tap->port, q->index);
	}
	/* Polled with an error for ever, though nothing can be read or is wanted. */
	if (q->source && (revents & (EPOLLERR | EPOLLHUP)) && (q->no_buffer || q->off)) {
		vmm_source_remove(q->source);
		q->source = NULL;
	}
	tap_watch(q);
}

static void tap_receivable(void *state, uint32_t queue)
{
	struct tap *tap = state;

	if (queue >= tap->nr_queues)
		return;
	tap->queues[queue].no_buffer = false;
	tap_watch(&tap->queues[queue]);
}

/* ---- from the guest ---- */

static void header_write(const struct vmm_net_frame *frame, union tap_header *h)
{
	memset(h, 0, sizeof(*h));
	h->v1.flags = frame->flags;
	h->v1.gso_type = frame->gso_type;
	h->v1.hdr_len = htole16(frame->hdr_len);
	h->v1.gso_size = htole16(frame->gso_size);
	h->v1.csum_start = htole16(frame->csum_start);
	h->v1.csum_offset = htole16(frame->csum_offset);
}

static int tap_transmit(void *state, const struct vmm_net_frame *frame)
{
	struct tap *tap = state;
	struct tap_queue *q = &tap->queues[frame->queue < tap->nr_queues ? frame->queue : 0];
	struct iovec iov[1 + VMM_CHAIN_MAX];
	union tap_header head;

	if (frame->nr_iov > VMM_CHAIN_MAX)
		return -EMSGSIZE;
	header_write(frame, &head);
	iov[0] = (struct iovec){ .iov_base = &head, .iov_len = (size_t)tap->header_bytes };
	memcpy(iov + 1, frame->iov, frame->nr_iov * sizeof(*iov));

	if (tap_io(q, iov, (int)frame->nr_iov + 1, pwritev2) >= 0)
		return 0;
	/* Refused (interface down, larger than its MTU, gone): lost, as on a wire. */
	if (errno != EAGAIN)
		return -errno;
	q->full = true;
	tap_watch(q);
	return -EAGAIN;
}

/* ---- life ---- */

static void tap_agreed(void *state, uint32_t offloads, uint32_t queue_pairs)
{
	struct tap *tap = state;

	/* Refused only when the interface is gone. */
	(void)vmm__tap_set_offloads(tap, offloads & tap->can);
	for (uint32_t i = 0; i < tap->nr_queues; i++) {
		vmm__tap_use_queue(&tap->queues[i], i < queue_pairs);
		tap->queues[i].no_buffer = false;
		tap_watch(&tap->queues[i]);
	}
}

static void tap_detach(void *state)
{
	struct tap *tap = state;

	for (uint32_t i = 0; i < tap->nr_queues; i++) {
		vmm_source_remove(tap->queues[i].source);
		tap->queues[i].source = NULL;
	}
	tap->port = NULL;
}

static int tap_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct tap *tap = state;
	int r = 0;

	tap->port = port;
	for (uint32_t i = 0; i < tap->nr_queues && r == 0; i++) {
		struct tap_queue *q = &tap->queues[i];

		q->no_buffer = q->full = false;
		r = vmm_loop_add_fd(loop, q->fd, EPOLLIN, tap_ready, q, &q->source);
	}
	if (r < 0) {
		tap_detach(tap);
		return r;
	}
	tap_agreed(tap, 0, 1);
	return 0;
}

static void tap_stats(void *state, struct vmm_net_stats *stats)
{
	const struct tap *tap = state;

	stats->backend_rx_lost += __atomic_load_n(&tap->lost, __ATOMIC_RELAXED);
}

static void tap_destroy(void *state)
{
	struct tap *tap = state;

	vmm__tap_close(tap);
	free(tap);
}

static const struct vmm_net_ops tap_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "tap",
	.attach = tap_attach,
	.transmit = tap_transmit,
	.receivable = tap_receivable,
	.agreed = tap_agreed,
	.stats = tap_stats,
	.detach = tap_detach,
	.destroy = tap_destroy,
};

int vmm_net_open_tap(const struct vmm_net_tap_config *config, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_info info = VMM_NET_INFO_INIT;
	struct vmm_net_tap_config c;
	struct tap *tap;
	int r;

	if (!config || !ret_netdev)
		return vmm__fail(-EINVAL, "vmm_net_open_tap: a config and a place for the result");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;

	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return vmm__fail(-ENOMEM, "no memory for a tap");
	r = vmm__tap_open(tap, &c);
	if (r < 0)
		goto destroy_tap;
	info.takes = info.gives = tap->can;
	info.queue_pairs = tap->nr_queues;
	r = vmm_net_create(&tap_ops, tap, &info, ret_netdev);
	if (r < 0)
		goto destroy_tap;
	return 0;

destroy_tap:
	tap_destroy(tap);
	return r;
}
