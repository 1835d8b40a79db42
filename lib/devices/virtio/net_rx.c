/* SPDX-License-Identifier: MIT */
/*
 * net_rx.c - frames to the guest (VIRTIO 1.2, 5.1.6.3 and 5.1.6.4).
 *
 * Receive buffers are taken off the ring into a stock, because nobody knows how
 * long the next frame is before it is there: what is lent is enough for any, and what
 * the frame did not need stays in the stock for the one after it. Without merged
 * buffers the stock is one buffer, which takes a whole frame.
 *
 * When the guest has some buffers, but fewer than the largest frame needs, the backend is
 * told to wait for more; not for long, since a driver may never have more than that.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "core/error_priv.h"
#include "devices/virtio/net_priv.h"

#define PATIENCE_NS	5000000u	/* for a driver to add to what is too little for any frame */

static struct vmm_queue *rx_queue(const struct net_pair *pair)
{
	return vmm_device_queue(pair->net->dev, 2 * pair->index);
}

/* ---- the stock ---- */

static void stock_clear(struct net_stock *s)
{
	s->first_buffer = s->nr_buffers = 0;
	s->first_iov = s->nr_iov = 0;
	s->bytes = 0;
}

/* Have room behind what is there for one more buffer. */
static bool stock_room(struct net_stock *s, uint32_t nr_iov)
{
	if (s->nr_buffers == NET_STOCK_BUFFERS || s->nr_iov + nr_iov > VMM_CHAIN_MAX)
		return s->nr_buffers == 0;
	if (s->first_iov + s->nr_iov + nr_iov > NET_STOCK_SEGMENTS) {
		memmove(s->iov, s->iov + s->first_iov, s->nr_iov * sizeof(s->iov[0]));
		s->first_iov = 0;
	}
	if (s->first_buffer + s->nr_buffers == NET_STOCK_BUFFERS) {
		memmove(s->buffers, s->buffers + s->first_buffer,
			s->nr_buffers * sizeof(s->buffers[0]));
		s->first_buffer = 0;
	}
	return true;
}

static void stock_add(struct net_stock *s, const struct vmm_chain *chain)
{
	s->buffers[s->first_buffer + s->nr_buffers++] = (struct net_buffer){
		.head = chain->head,
		.generation = chain->generation,
		.nr = chain->nr_in,
		.bytes = chain->in_len,
	};
	memcpy(s->iov + s->first_iov + s->nr_iov, chain->iov + chain->nr_out,
	       chain->nr_in * sizeof(s->iov[0]));
	s->nr_iov += chain->nr_in;
	s->bytes += chain->in_len;
}

static void stock_drop_first(struct net_stock *s)
{
	const struct net_buffer *b = &s->buffers[s->first_buffer];

	s->first_iov += b->nr;
	s->nr_iov -= b->nr;
	s->bytes -= b->bytes;
	s->first_buffer++;
	if (--s->nr_buffers == 0)
		stock_clear(s);
}

/* 5.1.6.3.1: the least that a buffer may be. */
static bool buffer_fits(const struct net *net, const struct vmm_chain *chain)
{
	return chain->in_len >= NET_HDR_BYTES + (net->merge ? 0 : NET_ETH_HEADER);
}

/* Until there are @room bytes, header included, or no more to be had. */
static void stock_fill(struct net_pair *pair, uint64_t room)
{
	struct net_stock *s = &pair->stock;
	struct net *net = pair->net;
	struct vmm_queue *queue = rx_queue(pair);

	while (s->bytes < room && (net->merge || s->nr_buffers == 0) &&
	       vmm_queue_pop(queue, &pair->rx) > 0) {
		if (!buffer_fits(net, &pair->rx)) {
			vmm_device_break(net->dev, "a receive buffer is too small for any frame");
			stock_clear(s);
			return;
		}
		if (!stock_room(s, pair->rx.nr_in)) {
			vmm_queue_unpop(queue);
			return;
		}
		stock_add(s, &pair->rx);
	}
}

/* Whether what the stock holds may be written to now. */
static bool stock_usable(struct net_pair *pair)
{
	struct net_stock *s = &pair->stock;
	const struct net_buffer *b = &s->buffers[s->first_buffer];
	int r;

	if (s->nr_buffers == 0)
		return true;
	r = vmm_queue_holds(rx_queue(pair), b->head, b->generation);
	if (r == -ESTALE)
		stock_clear(s);
	return r != -EAGAIN;
}

/* ---- lending it ---- */

static int rx_wait(struct net_pair *pair)
{
	pair->rx_wanted = true;
	NET_COUNT(pair, rx_no_buffer, 1);
	return -EAGAIN;
}

/* All of the stock behind the header of its first buffer. */
static int rx_lend(const struct net_stock *s, struct iovec *iov, uint32_t max)
{
	const struct iovec *from = s->iov + s->first_iov;
	size_t skip = NET_HDR_BYTES;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->nr_iov && n < max; i++) {
		size_t cut = from[i].iov_len < skip ? from[i].iov_len : skip;

		skip -= cut;
		if (cut == from[i].iov_len)
			continue;
		iov[n].iov_base = (unsigned char *)from[i].iov_base + cut;
		iov[n++].iov_len = from[i].iov_len - cut;
	}
	return (int)n;
}

/* More buffers than @room may be there to be had later: wait for those. */
static bool rx_patient(struct net_pair *pair, uint64_t room)
{
	if (pair->stock.bytes >= room || !pair->net->merge) {
		pair->rx_scarce = false;
		return false;
	}
	if (pair->rx_scarce)
		return false;
	vmm__net_wait(pair->net, vmm__net_now() + PATIENCE_NS);
	return true;
}

/*
 * How long the next frame is, may not be known before it is there. So each is taken out of
 * the rate before the one after it.
 */
static bool rx_allowed(struct net_pair *pair)
{
	struct net *net = pair->net;
	uint64_t at;

	if (net->rx_owed == 0)
		return true;
	at = vmm__rate_take(&net->rx_rate, net->rx_owed, 1, vmm__net_now());
	if (at == 0) {
		net->rx_owed = 0;
		return true;
	}
	NET_COUNT(pair, rx_limited, 1);
	pair->rx_wanted = true;
	vmm__net_wait(net, at);
	return false;
}

static struct net_pair *rx_pair(struct net *net, uint32_t queue)
{
	return &net->pairs[queue % (net->dev ? net->pairs_now : 1)];
}

static int rx_begin(void *front, uint32_t queue, uint32_t need, struct iovec *iov, uint32_t max)
{
	struct net *net = front;
	struct net_pair *pair = rx_pair(net, queue);
	uint64_t room = need ? (uint64_t)need + NET_HDR_BYTES : net->rx_room;
	int n;

	if (!net->dev)
		return rx_wait(pair);
	if (!net_up(net)) {
		NET_COUNT(pair, rx_link_down, 1);
		return -ENETDOWN;
	}
	if (!rx_allowed(pair))
		return -EAGAIN;
	if (!stock_usable(pair))
		return rx_wait(pair);
	if (pair->stock.bytes < room)
		stock_fill(pair, room);
	if (pair->stock.nr_buffers == 0 || rx_patient(pair, room))
		return rx_wait(pair);

	n = rx_lend(&pair->stock, iov, max);
	/* Merged buffers of headers alone. */
	return n > 0 ? n : rx_wait(pair);
}

/* ---- filling it ---- */

/* Copy between @bytes and what was lent, from @offset of the stock on. */
static void stock_copy(struct net_stock *s, size_t offset, void *bytes, size_t len, bool write)
{
	const struct iovec *iov = s->iov + s->first_iov;
	unsigned char *at = bytes;

	for (uint32_t i = 0; i < s->nr_iov && len > 0; i++) {
		unsigned char *host = iov[i].iov_base;
		size_t span;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		span = iov[i].iov_len - offset < len ? iov[i].iov_len - offset : len;
		if (write)
			memcpy(host + offset, at, span);
		else
			memcpy(at, host + offset, span);
		at += span;
		len -= span;
		offset = 0;
	}
}

static int rx_check(struct net_pair *pair, const struct vmm_net_frame *frame, uint32_t lent,
		    struct virtio_net_hdr_v1 *header)
{
	uint8_t head[NET_FILTER_HEAD];
	size_t len = frame->length < sizeof(head) ? frame->length : sizeof(head);

	if (frame->length < NET_ETH_HEADER)
		return vmm__fail(-EINVAL, "a frame of %u bytes", frame->length);
	if (frame->length > lent) {
		NET_COUNT(pair, rx_too_large, 1);
		return vmm__fail(-EMSGSIZE, "frame of %u bytes is larger than the guest takes",
				 frame->length);
	}
	if (!vmm__net_header_give(frame, pair->net->given_now, header)) {
		NET_COUNT(pair, rx_offload, 1);
		return vmm__fail(-EPROTO, "frame with an offload that was not agreed on");
	}
	stock_copy(&pair->stock, NET_HDR_BYTES, head, len, false);
	if (vmm__net_filter_passes(&pair->net->filter, head, len))
		return 1;
	NET_COUNT(pair, rx_filtered, 1);
	return 0;
}

/* 5.1.6.4.1: each buffer is full but the last one. */
static uint32_t rx_use(struct net_pair *pair, uint32_t bytes, struct vmm_used *used)
{
	struct net_stock *s = &pair->stock;
	uint32_t n = 0;

	while (bytes > 0) {
		const struct net_buffer *b = &s->buffers[s->first_buffer];
		uint32_t written = bytes < b->bytes ? bytes : b->bytes;

		used[n++] = (struct vmm_used){
			.head = b->head,
			.generation = b->generation,
			.written = written,
		};
		bytes -= written;
		stock_drop_first(s);
	}
	return n;
}

/* How many buffers of the stock hold @bytes. */
static uint32_t rx_buffers(const struct net_stock *s, uint64_t bytes)
{
	uint32_t n = 0;

	for (uint64_t room = 0; room < bytes; n++)
		room += s->buffers[s->first_buffer + n].bytes;
	return n;
}

static int rx_end(void *front, const struct vmm_net_frame *frame, uint32_t lent)
{
	struct net *net = front;
	struct net_pair *pair = rx_pair(net, frame->queue);
	struct vmm_used used[NET_STOCK_BUFFERS];
	struct virtio_net_hdr_v1 header;
	uint32_t bytes = NET_HDR_BYTES + frame->length;
	int r;

	if (frame->length == 0)
		return 0;
	r = rx_check(pair, frame, lent, &header);
	if (r <= 0)
		return r;

	header.num_buffers = htole16((uint16_t)rx_buffers(&pair->stock, bytes));
	stock_copy(&pair->stock, 0, &header, sizeof(header), true);
	vmm_queue_push_all(rx_queue(pair), used, rx_use(pair, bytes, used));
	if (vmm__rate_limited(&net->rx_rate))
		net->rx_owed = frame->length;
	NET_COUNT(pair, rx_frames, 1);
	NET_COUNT(pair, rx_bytes, frame->length);
	return 0;
}

static void rx_commit(void *front, uint32_t queue)
{
	struct net *net = front;

	if (net->dev)
		vmm_queue_notify(rx_queue(rx_pair(net, queue)));
}

/* ---- events ---- */

void vmm__net_receivable(struct net_pair *pair)
{
	struct vmm_netdev *netdev = pair->net->netdev;

	if (!pair->rx_wanted)
		return;
	pair->rx_wanted = false;
	if (netdev->ops.receivable)
		netdev->ops.receivable(netdev->state, pair->index);
}

void vmm__net_rx_expired(struct net_pair *pair)
{
	/* Whatever it waited for: asking again finds out. */
	pair->rx_scarce = true;
	vmm__net_receivable(pair);
}

void vmm__net_rx_reset(struct net_pair *pair)
{
	stock_clear(&pair->stock);
	pair->rx_scarce = false;
}

static void rx_writable(void *front, uint32_t queue)
{
	struct net *net = front;

	vmm_defer(&net->pairs[queue % net->nr_pairs].resume);
}

static void rx_carrier(void *front, bool carrier)
{
	vmm__net_carrier(front, carrier);
}

const struct net_front_ops vmm__net_front_ops = {
	.receive_begin = rx_begin,
	.receive_end = rx_end,
	.receive_commit = rx_commit,
	.writable = rx_writable,
	.carrier = rx_carrier,
};
