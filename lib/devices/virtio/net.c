/* SPDX-License-Identifier: MIT */
/*
 * net.c - virtio-net (VIRTIO 1.2, section 5.1): one receive and one transmit queue.
 *
 * Frames are moved, never interpreted: what the guest transmits goes to the
 * backend where it lies, and the backend fills the guest's receive buffers where
 * they lie. Nothing is ever in flight between two callbacks. A transmitted frame
 * is taken or put back, a receive buffer is filled or put back, so a reset has
 * nothing to wait for.
 *
 * No offload is offered, so the header that precedes each frame says nothing: it
 * is skipped on the way out and zero on the way in.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include <libvmm/vmm.h>
#include "backends/net/net_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

enum { RX = 0, TX = 1, NR_QUEUES = 2 };	/* VIRTIO 1.2, 5.1.2 */

#define HDR_BYTES	sizeof(struct virtio_net_hdr_v1)

/* What of struct virtio_net_config is there: up to mtu. */
#define CONFIG_BYTES	(offsetof(struct virtio_net_config, mtu) + sizeof(uint16_t))

#define MTU_MIN		68u	/* VIRTIO 1.2, 5.1.4.1 */

#define TURN_MAX	256	/* frames transmitted before others have their turn */

struct net {
	struct vmm_netdev *netdev;
	struct vmm_net_port port;
	struct vmm_device *dev;		/* while the driver runs it; changes on the loop only */
	struct vmm_deferred resume;	/* transmit again */
	bool tx_held;			/* do not transmit before @resume: the backend is full, or
					   others have their turn */
	bool rx_wanted;			/* the backend was told that there is no buffer */
	struct vmm_chain tx;
	struct vmm_chain rx;		/* the buffer that is lent */
};

/* Describe @from without its first @skip bytes as at most @max segments. */
static uint32_t iov_skip(const struct iovec *from, uint32_t nr, size_t skip, struct iovec *to,
			 uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nr && n < max; i++) {
		size_t cut = from[i].iov_len < skip ? from[i].iov_len : skip;

		skip -= cut;
		if (cut == from[i].iov_len)
			continue;
		to[n].iov_base = (unsigned char *)from[i].iov_base + cut;
		to[n].iov_len = from[i].iov_len - cut;
		n++;
	}
	return n;
}

/* ---- to the guest ---- */

/*
 * VIRTIO 1.2, 5.1.6.3: without merged buffers, each chain takes a whole frame
 * behind its header. One too small for a frame gets none; one too small for any
 * frame is no buffer.
 */
static int net_receive_begin(void *front, struct iovec *iov, uint32_t max)
{
	struct net *net = front;

	if (!net->dev ||
	    vmm_queue_pop(vmm_device_queue(net->dev, RX), &net->rx) <= 0) {
		net->rx_wanted = true;
		return -EAGAIN;
	}

	if (net->rx.in_len < HDR_BYTES + NET_ETH_HEADER) {
		vmm_device_break(net->dev, "a receive buffer is too small for any frame");
		net->rx_wanted = true;
		return -EAGAIN;
	}
	return (int)iov_skip(&net->rx.iov[net->rx.nr_out], net->rx.nr_in, HDR_BYTES, iov, max);
}

static void net_receive_end(void *front, uint32_t length)
{
	/* No offload, and one buffer holds the frame (VIRTIO 1.2, 5.1.6.4.1). */
	const struct virtio_net_hdr_v1 header = { .num_buffers = htole16(1) };
	struct net *net = front;
	struct vmm_queue *queue = vmm_device_queue(net->dev, RX);

	if (length == 0) {
		vmm_queue_unpop(queue);
		return;
	}

	vmm_chain_write(&net->rx, 0, &header, sizeof(header));
	vmm_queue_push(queue, &net->rx, (uint32_t)(HDR_BYTES + length));
}

static void net_receive_commit(void *front)
{
	struct net *net = front;

	if (net->dev)
		vmm_queue_notify(vmm_device_queue(net->dev, RX));
}

static void net_receivable(struct net *net)
{
	if (!net->rx_wanted)
		return;

	net->rx_wanted = false;
	if (net->netdev->ops.receivable)
		net->netdev->ops.receivable(net->netdev->state);
}

/* ---- from the guest ---- */

/* Returns 0 when the chain is done with, -EAGAIN to keep it, -EBADMSG on a lie. */
static int net_transmit_one(struct net *net)
{
	struct vmm_chain *chain = &net->tx;
	struct iovec iov[VMM_CHAIN_MAX];
	struct vmm_net_frame frame = { .iov = iov };

	if (chain->out_len < HDR_BYTES) {
		vmm_device_break(net->dev, "a transmit buffer is smaller than its header");
		return -EBADMSG;
	}

	/* As a wire does, lose what is no frame. */
	frame.length = chain->out_len - (uint32_t)HDR_BYTES;
	if (frame.length < NET_ETH_HEADER || frame.length > NET_FRAME_MAX)
		return 0;

	frame.nr_iov = iov_skip(chain->iov, chain->nr_out, HDR_BYTES, iov, VMM_CHAIN_MAX);
	return net->netdev->ops.transmit(net->netdev->state, &frame) == -EAGAIN ? -EAGAIN : 0;
}

static void net_transmit(struct net *net)
{
	struct vmm_queue *queue = vmm_device_queue(net->dev, TX);
	int r = 0, n;

	for (n = 0; n < TURN_MAX && r == 0 && vmm_queue_pop(queue, &net->tx) > 0; n++) {
		r = net_transmit_one(net);
		if (r == 0)
			vmm_queue_push(queue, &net->tx, 0);
	}

	if (r == -EAGAIN) {
		vmm_queue_unpop(queue);
		net->tx_held = true;
	} else if (n == TURN_MAX) {
		net->tx_held = true;
		vmm_defer(&net->resume);
	}
	if (net->netdev->ops.commit)
		net->netdev->ops.commit(net->netdev->state);
	vmm_queue_notify(queue);
}

/* Deferred, so that a backend may say so from inside its transmit(). */
static void net_resume(struct vmm_deferred *deferred)
{
	struct net *net = (struct net *)((char *)deferred - offsetof(struct net, resume));

	if (!net->dev || !net->tx_held)
		return;
	net->tx_held = false;
	net_transmit(net);
}

static void net_writable(void *front)
{
	struct net *net = front;

	vmm_defer(&net->resume);
}

static const struct net_front_ops net_front_ops = {
	.receive_begin = net_receive_begin,
	.receive_end = net_receive_end,
	.receive_commit = net_receive_commit,
	.writable = net_writable,
};

/* ---- the device ---- */

static int net_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct net *net = vmm_device_state(dev);

	/* Both queues are kicked next. */
	net->dev = dev;
	return 0;
}

static void net_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct net *net = vmm_device_state(dev);

	if (vmm_queue_index(queue) == RX)
		net_receivable(net);
	else if (!net->tx_held)
		net_transmit(net);
}

static void net_reset(struct vmm_device *dev)
{
	struct net *net = vmm_device_state(dev);

	net->dev = NULL;
	net->tx_held = false;
	net->port.lent = 0;
}

static void net_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct net *net = vmm_device_state(dev);

	if (vmm_queue_index(queue) == RX)
		net->port.lent = 0;
}

static void net_destroy(void *state)
{
	struct net *net = state;

	vmm__netdev_detach(net->netdev);
	vmm_deferred_cancel(&net->resume);
	vmm_net_destroy(net->netdev);
	free(net);
}

static const struct vmm_device_ops net_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-net",
	.virtio_id = VIRTIO_ID_NET,
	.activate = net_activate,
	.kick = net_kick,
	.reset = net_reset,
	.destroy = net_destroy,
	.queue_reset = net_queue_reset,
};

/* A MAC address for a guest that was given none: local and unicast (IEEE 802, 8.2). */
static int net_choose_mac(uint8_t mac[6])
{
	static const uint8_t none[6];

	if (memcmp(mac, none, sizeof(none)) != 0)
		return 0;
	if (getrandom(mac, 6, 0) != 6)
		return vmm__fail_errno("no random bytes for a MAC address");
	mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
	return 0;
}

static int net_check(struct vmm_net_config *c)
{
	if (!c->backend)
		return vmm__fail(-EINVAL, "a network interface needs a backend");
	if (c->reserved)
		return vmm__fail(-EINVAL, "network interface: reserved bytes are not zero");
	if (c->mac[0] & 1)
		return vmm__fail(-EINVAL, "%02x:%02x:%02x:%02x:%02x:%02x is a group's MAC address",
				 c->mac[0], c->mac[1], c->mac[2], c->mac[3], c->mac[4], c->mac[5]);
	if (c->mtu != 0 && c->mtu < MTU_MIN)
		return vmm__fail(-EINVAL, "MTU %u is under %u", c->mtu, MTU_MIN);
	return net_choose_mac(c->mac);
}

static int net_plug(struct vmm *vm, const struct vmm_net_config *c, struct net *net,
		    struct vmm_loop *loop, struct vmm_device **ret_dev)
{
	struct virtio_net_config space = {
		.status = htole16(VIRTIO_NET_S_LINK_UP),
		.mtu = htole16(c->mtu),
	};
	struct vmm_device_config config = VMM_DEVICE_CONFIG_INIT;

	memcpy(space.mac, c->mac, sizeof(space.mac));
	config.ops = &net_ops;
	config.state = net;
	config.name = c->name ? c->name : "net";
	config.config_space = &space;
	config.config_bytes = CONFIG_BYTES;
	config.nr_queues = NR_QUEUES;
	config.queue_size = c->queue_size;
	config.transport = c->transport;
	config.loop = loop;
	vmm_features_add(&config.features, VIRTIO_NET_F_MAC);
	vmm_features_add(&config.features, VIRTIO_NET_F_STATUS);
	if (c->mtu != 0)
		vmm_features_add(&config.features, VIRTIO_NET_F_MTU);

	return vmm_add_device(vm, &config, ret_dev);
}

int vmm_add_net(struct vmm *vm, const struct vmm_net_config *config, struct vmm_device **ret_dev)
{
	struct vmm_net_config c;
	struct vmm_loop *loop;
	struct net *net;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "vmm_add_net: a guest and a config");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;
	r = net_check(&c);
	if (r < 0)
		return r;

	net = calloc(1, sizeof(*net));
	if (!net)
		return vmm__fail(-ENOMEM, "no memory for a network interface");

	loop = c.loop ? c.loop : vmm_loop_of(vm);
	net->netdev = c.backend;
	net->port = (struct vmm_net_port){ .ops = &net_front_ops, .front = net };
	vmm_deferred_init(&net->resume, loop, net_resume);

	/* A frame may come before there is a device to give it to. */
	vmm_loop_enter(loop);
	r = vmm__netdev_attach(net->netdev, &net->port, loop);
	if (r < 0)
		goto free_net;
	r = net_plug(vm, &c, net, loop, ret_dev);
	if (r < 0)
		goto detach;
	vmm_loop_leave(loop);
	return 0;

detach:
	vmm__netdev_detach(net->netdev);
	vmm_deferred_cancel(&net->resume);
free_net:
	free(net);
	vmm_loop_leave(loop);
	return r;
}
