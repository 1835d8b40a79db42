/* SPDX-License-Identifier: MIT */
/*
 * net_tx.c - frames from the guest (VIRTIO 1.2, 5.1.6.2).
 *
 * A frame goes to the backend where it lies in guest memory, behind a copy of its
 * header that was checked. It is taken or put back on the ring, so nothing is ever in
 * flight here between two callbacks.
 */
#include <errno.h>

#include "devices/virtio/net_priv.h"

#define TURN_MAX	256	/* frames transmitted before others have their turn */

/* Describe @from without its first @skip bytes. */
static uint32_t iov_skip(const struct iovec *from, uint32_t nr, size_t skip, struct iovec *to)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nr; i++) {
		size_t cut = from[i].iov_len < skip ? from[i].iov_len : skip;

		skip -= cut;
		if (cut == from[i].iov_len)
			continue;
		to[n].iov_base = (unsigned char *)from[i].iov_base + cut;
		to[n++].iov_len = from[i].iov_len - cut;
	}
	return n;
}

/* What the backend made of a frame: 0 when it is done with, or -EAGAIN. */
static int tx_settle(struct net_pair *pair, const struct vmm_net_frame *frame, int r)
{
	pair->tx_paid = r == -EAGAIN ? frame->length : 0;
	if (r == -EAGAIN) {
		NET_COUNT(pair, tx_full, 1);
		return r;
	}
	if (r < 0) {
		NET_COUNT(pair, tx_refused, 1);
		return 0;
	}
	NET_COUNT(pair, tx_frames, 1);
	NET_COUNT(pair, tx_bytes, frame->length);
	return 0;
}

/*
 * Take the frame out of the rate. One that the backend did not take at first has paid, unless
 * the driver made it longer meanwhile.
 */
static bool tx_allowed(struct net_pair *pair, uint32_t length)
{
	struct net *net = pair->net;
	uint64_t at;

	if (!vmm__rate_limited(&net->tx_rate) || length <= pair->tx_paid)
		return true;
	at = vmm__rate_take(&net->tx_rate, length - pair->tx_paid, pair->tx_paid == 0,
			    vmm__net_now());
	if (at == 0)
		return true;
	NET_COUNT(pair, tx_limited, 1);
	pair->tx_limited = true;
	vmm__net_wait(net, at);
	return false;
}

/* Returns 0 when the chain is done with, -EAGAIN to keep it, -EBADMSG on a lie. */
static int transmit_one(struct net_pair *pair)
{
	struct net *net = pair->net;
	struct vmm_chain *chain = &pair->tx;
	struct virtio_net_hdr_v1 header;
	struct iovec iov[VMM_CHAIN_MAX];
	struct vmm_net_frame frame = { .iov = iov, .queue = (uint16_t)pair->index };

	if (vmm_chain_read(chain, 0, &header, sizeof(header)) != sizeof(header)) {
		vmm_device_break(net->dev, "a transmit buffer is smaller than its header");
		return -EBADMSG;
	}

	/* As a wire does, lose what is no frame. */
	frame.length = chain->out_len - NET_HDR_BYTES;
	if (frame.length < NET_ETH_HEADER || frame.length > NET_FRAME_MAX) {
		NET_COUNT(pair, tx_bad_length, 1);
		return 0;
	}
	if (!vmm__net_header_take(&header, net->taken, &frame)) {
		NET_COUNT(pair, tx_bad_header, 1);
		return 0;
	}
	if (!net_up(net)) {
		NET_COUNT(pair, tx_link_down, 1);
		return 0;
	}
	if (!tx_allowed(pair, frame.length))
		return -EAGAIN;
	frame.nr_iov = iov_skip(chain->iov, chain->nr_out, NET_HDR_BYTES, iov);
	return tx_settle(pair, &frame, net->netdev->ops.transmit(net->netdev->state, &frame));
}

void vmm__net_transmit(struct net_pair *pair)
{
	struct net *net = pair->net;
	struct vmm_queue *queue = vmm_device_queue(net->dev, 2 * pair->index + 1);
	int r = 0, n;

	for (n = 0; n < TURN_MAX && r == 0 && vmm_queue_pop(queue, &pair->tx) > 0; n++) {
		r = transmit_one(pair);
		if (r == 0)
			vmm_queue_push(queue, &pair->tx, 0);
	}

	if (r == -EAGAIN) {
		vmm_queue_unpop(queue);
		pair->tx_held = true;
	} else if (n == TURN_MAX) {
		pair->tx_held = true;
		vmm_defer(&pair->resume);
	}
	if (net->netdev->ops.commit)
		net->netdev->ops.commit(net->netdev->state, pair->index);
	vmm_queue_notify(queue);
}

void vmm__net_tx_reset(struct net_pair *pair)
{
	pair->tx_held = pair->tx_limited = false;
	pair->tx_paid = 0;
}

void vmm__net_tx_expired(struct net_pair *pair)
{
	if (!pair->tx_limited)
		return;
	pair->tx_limited = pair->tx_held = false;
	vmm__net_transmit(pair);
}

/* Deferred, so that a backend may say so from inside its transmit(). */
void vmm__net_resume(struct vmm_deferred *deferred)
{
	struct net_pair *pair =
		(struct net_pair *)((char *)deferred - offsetof(struct net_pair, resume));

	if (!pair->net->dev || pair->index >= pair->net->pairs_now || !pair->tx_held ||
	    pair->tx_limited)
		return;
	pair->tx_held = false;
	vmm__net_transmit(pair);
}
