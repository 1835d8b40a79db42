/* SPDX-License-Identifier: MIT */
/*
 * net.c - a network backend made from a table, and its way to the front end.
 *
 * Nothing is queued here: a frame goes straight from one side to the other or
 * the side that gives it is told -EAGAIN, and keeps or drops it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "backends/net/net_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

static int info_check(struct vmm_net_info *info)
{
	const uint32_t tso = VMM_NET_TSO4 | VMM_NET_TSO6;
	const uint32_t sides[] = { info->takes, info->gives };

	if (info->queue_pairs == 0)
		info->queue_pairs = 1;
	if (info->queue_pairs > VMM_NET_QUEUE_PAIRS_MAX)
		return vmm__fail(-EINVAL, "network backend: %u pairs of queues; at most %u can be",
				 info->queue_pairs, VMM_NET_QUEUE_PAIRS_MAX);
	if (info->reserved)
		return vmm__fail(-EINVAL, "network backend: reserved bytes are not zero");
	for (int i = 0; i < 2; i++) {
		if ((sides[i] & ~(uint32_t)VMM_NET_OFFLOADS) ||
		    (sides[i] != 0 && !(sides[i] & VMM_NET_CSUM)) ||
		    ((sides[i] & VMM_NET_ECN) && !(sides[i] & tso)))
			return vmm__fail(-EINVAL, "network backend: offloads 0x%x cannot be",
					 sides[i]);
	}
	return 0;
}

static int netdev_init(struct vmm_netdev *netdev, const struct vmm_net_ops *ops,
		       const struct vmm_net_info *info)
{
	int r = vmm__config_copy(&netdev->ops, sizeof(netdev->ops), ops, ops->size,
				 sizeof(size_t));

	if (r == 0 && info)
		r = vmm__config_copy(&netdev->info, sizeof(netdev->info), info, info->size,
				     sizeof(size_t));
	if (r < 0)
		return r;
	if (!netdev->ops.attach || !netdev->ops.transmit || !netdev->ops.detach)
		return vmm__fail(-EINVAL,
				 "network backend: attach, transmit and detach are required");
	return info_check(&netdev->info);
}

int vmm_net_create(const struct vmm_net_ops *ops, void *state, const struct vmm_net_info *info,
		   struct vmm_netdev **ret_netdev)
{
	struct vmm_netdev *netdev;
	int r;

	if (!ops || !ret_netdev)
		return vmm__fail(-EINVAL, "vmm_net_create: a table and a place for the result");

	netdev = calloc(1, sizeof(*netdev));
	if (!netdev)
		return vmm__fail(-ENOMEM, "no memory for a network backend");
	r = netdev_init(netdev, ops, info);
	if (r < 0) {
		free(netdev);
		return r;
	}

	netdev->state = state;
	*ret_netdev = netdev;
	return 0;
}

void vmm_net_destroy(struct vmm_netdev *netdev)
{
	if (!netdev)
		return;
	if (netdev->ops.destroy)
		netdev->ops.destroy(netdev->state);
	free(netdev);
}

int vmm__netdev_attach(struct vmm_netdev *netdev, struct vmm_net_port *port, struct vmm_loop *loop)
{
	int r;

	if (netdev->loop)
		return vmm__fail(-EBUSY, "network backend \"%s\" has a guest already",
				 netdev->ops.name ? netdev->ops.name : "net");

	r = netdev->ops.attach(netdev->state, port, loop);
	if (r < 0)
		return r;

	netdev->loop = loop;
	return 0;
}

void vmm__netdev_detach(struct vmm_netdev *netdev)
{
	netdev->ops.detach(netdev->state);
	netdev->loop = NULL;
}

static int receive_begin(struct vmm_net_port *port, uint32_t queue, uint32_t need,
			 struct iovec *iov, uint32_t max)
{
	uint64_t length = 0;
	int n;

	if (port->lent != 0 || max == 0)
		return vmm__fail(-EINVAL, "vmm_net_receive_begin: %s",
				 max == 0 ? "no room for a segment" : "buffers are lent already");

	n = port->ops->receive_begin(port->front, queue, need, iov, max);
	for (int i = 0; i < n; i++)
		length += iov[i].iov_len;
	port->lent = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
	port->queue = queue;
	return n;
}

int vmm_net_receive_begin(struct vmm_net_port *port, uint32_t queue, struct iovec *iov,
			  uint32_t max)
{
	return receive_begin(port, queue, 0, iov, max);
}

int vmm_net_receive_end(struct vmm_net_port *port, const struct vmm_net_frame *frame)
{
	struct vmm_net_frame given = { 0 };
	uint32_t lent = port->lent;

	/* A reset took the buffers back. */
	if (lent == 0)
		return 0;
	port->lent = 0;
	if (frame)
		given = *frame;
	given.queue = (uint16_t)port->queue;
	return port->ops->receive_end(port->front, &given, lent);
}

/* Spread @frame over the @nr segments of @to, which together hold it. */
static void frame_copy(const struct iovec *to, int nr, const struct vmm_net_frame *frame)
{
	size_t used = 0;	/* bytes of *@to */

	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		const unsigned char *from = frame->iov[i].iov_base;
		size_t left = frame->iov[i].iov_len;

		while (left > 0 && nr > 0) {
			size_t span = to->iov_len - used;

			if (span > left)
				span = left;
			memcpy((unsigned char *)to->iov_base + used, from, span);
			from += span;
			left -= span;
			used += span;
			if (used == to->iov_len) {
				used = 0;
				to++;
				nr--;
			}
		}
	}
}

int vmm_net_receive(struct vmm_net_port *port, const struct vmm_net_frame *frame)
{
	struct iovec iov[VMM_CHAIN_MAX];
	uint64_t length = 0;
	int n;

	for (uint32_t i = 0; i < frame->nr_iov; i++)
		length += frame->iov[i].iov_len;
	if (length != frame->length || length < NET_ETH_HEADER || length > NET_FRAME_MAX)
		return vmm__fail(-EINVAL, "frame of %u bytes in segments of %llu", frame->length,
				 (unsigned long long)length);

	n = receive_begin(port, frame->queue, frame->length, iov, VMM_CHAIN_MAX);
	if (n < 0)
		return n;
	/* Shorter than its segments: the front end sees that, and counts. */
	if (length <= port->lent)
		frame_copy(iov, n, frame);
	return vmm_net_receive_end(port, frame);
}

void vmm_net_receive_commit(struct vmm_net_port *port, uint32_t queue)
{
	port->ops->receive_commit(port->front, queue);
}

void vmm_net_port_writable(struct vmm_net_port *port, uint32_t queue)
{
	port->ops->writable(port->front, queue);
}

void vmm_net_port_carrier(struct vmm_net_port *port, int carrier)
{
	port->ops->carrier(port->front, carrier != 0);
}
