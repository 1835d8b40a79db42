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

int vmm_net_create(const struct vmm_net_ops *ops, void *state, struct vmm_netdev **ret_netdev)
{
	struct vmm_netdev *netdev;
	int r;

	if (!ops || !ret_netdev)
		return vmm__fail(-EINVAL, "vmm_net_create: a table and a place for the result");

	netdev = calloc(1, sizeof(*netdev));
	if (!netdev)
		return vmm__fail(-ENOMEM, "no memory for a network backend");

	r = vmm__config_copy(&netdev->ops, sizeof(netdev->ops), ops, ops->size, sizeof(size_t));
	if (r == 0 && (!netdev->ops.attach || !netdev->ops.transmit ||
		       !netdev->ops.detach))
		r = vmm__fail(-EINVAL, "network backend: attach, transmit and detach are required");
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

int vmm_net_receive_begin(struct vmm_net_port *port, struct iovec *iov, uint32_t max)
{
	uint64_t length = 0;
	int n;

	if (port->lent != 0 || max == 0) {
		vmm__fail(-EINVAL, "vmm_net_receive_begin: %s",
			  max == 0 ? "no room for a segment" : "a buffer is lent already");
		return -EINVAL;
	}

	n = port->ops->receive_begin(port->front, iov, max);
	for (int i = 0; i < n; i++)
		length += iov[i].iov_len;
	port->lent = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
	return n;
}

void vmm_net_receive_end(struct vmm_net_port *port, uint32_t length)
{
	uint32_t lent = port->lent;

	/* A reset took the buffer back. */
	if (lent == 0)
		return;

	port->lent = 0;
	port->ops->receive_end(port->front, length < lent ? length : lent);
}

/* Spread @frame over the @nr segments of @to, which together hold it. */
static void frame_copy(const struct iovec *to, int nr, const struct vmm_net_frame *frame)
{
	size_t used = 0;	/* bytes of *@to */

	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		const unsigned char *from = frame->iov[i].iov_base;
		size_t left = frame->iov[i].iov_len;

		while (left > 0 && nr > 0) {
			size_t n = to->iov_len - used < left ? to->iov_len - used : left;

			memcpy((unsigned char *)to->iov_base + used, from, n);
			from += n;
			left -= n;
			used += n;
			if (used == to->iov_len) {
				to++;
				nr--;
				used = 0;
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
	if (length != frame->length || length < NET_ETH_HEADER)
		return vmm__fail(-EINVAL, "frame of %u bytes in segments of %llu", frame->length,
				 (unsigned long long)length);
	if (frame->flags != 0 || frame->gso_type != 0)
		return vmm__fail(-EINVAL, "frame with an offload that was not agreed on");

	n = vmm_net_receive_begin(port, iov, VMM_CHAIN_MAX);
	if (n < 0)
		return n;
	if (length > port->lent) {
		vmm_net_receive_end(port, 0);
		return vmm__fail(-EMSGSIZE, "frame of %u bytes is larger than the guest takes",
				 frame->length);
	}

	frame_copy(iov, n, frame);
	vmm_net_receive_end(port, frame->length);
	return 0;
}

void vmm_net_receive_commit(struct vmm_net_port *port)
{
	port->ops->receive_commit(port->front);
}

void vmm_net_port_writable(struct vmm_net_port *port)
{
	port->ops->writable(port->front);
}
