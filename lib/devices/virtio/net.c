/* SPDX-License-Identifier: MIT */
/*
 * net.c - virtio-net (VIRTIO 1.2, section 5.1): the device, from its plugging in on.
 *
 * Frames are moved, never interpreted, and where they lie: what the guest transmits
 * goes to the backend out of guest memory (net_tx.c), and the backend fills the guest's
 * receive buffers (net_rx.c). No frame is kept between two callbacks, so a reset has
 * nothing to wait for.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <libvmm/vmm.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "devices/virtio/net_priv.h"

/* What of struct virtio_net_config is there: up to mtu. */
#define CONFIG_BYTES	(offsetof(struct virtio_net_config, mtu) + sizeof(uint16_t))

#define MTU_MIN		68u	/* VIRTIO 1.2, 5.1.4.1 */
#define MTU_USUAL	1500u
#define VLAN_TAG	4u

/* ---- time ---- */

uint64_t vmm__net_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void vmm__net_wait(struct net *net, uint64_t at)
{
	if (net->timer_ns != 0 && net->timer_ns <= at)
		return;
	net->timer_ns = at;
	vmm_timer_set(net->timer, at);
}

static void net_expired(void *data)
{
	struct net *net = data;

	net->timer_ns = 0;
	if (!net->dev)
		return;
	for (uint32_t i = 0; i < net->pairs_now && net->dev; i++) {
		vmm__net_rx_expired(&net->pairs[i]);
		if (net->dev)
			vmm__net_tx_expired(&net->pairs[i]);
	}
}

/* ---- the device ---- */

void vmm__net_agreed(struct net *net)
{
	if (net->netdev->ops.agreed)
		net->netdev->ops.agreed(net->netdev->state, net->given_now, net->pairs_now);
}

/* How many bytes of buffers hold any frame that the backend may have for the guest. */
static uint32_t room_for_any(const struct net *net)
{
	uint32_t mtu = net->mtu > MTU_USUAL ? net->mtu : MTU_USUAL;
	uint32_t frame = NET_ETH_HEADER + VLAN_TAG + mtu;

	return NET_HDR_BYTES + (net->given & ~(uint32_t)VMM_NET_CSUM ? NET_FRAME_MAX : frame);
}

static int net_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct net *net = vmm_device_state(dev);

	net->features = *features;
	net->taken = vmm__net_taken(features);
	net->given = net->given_now = vmm__net_given(features);
	net->merge = vmm_features_has(features, VIRTIO_NET_F_MRG_RXBUF);
	net->rx_room = room_for_any(net);
	net->pairs_now = 1;
	vmm__net_filter_reset(&net->filter, net->mac,
			      vmm_features_has(features, VIRTIO_NET_F_CTRL_VLAN));
	pthread_mutex_lock(&net->lock);
	net->announces = vmm_features_has(features, VIRTIO_NET_F_GUEST_ANNOUNCE);
	pthread_mutex_unlock(&net->lock);

	/* All queues are kicked next. */
	net->dev = dev;
	vmm__net_agreed(net);
	return 0;
}

static void net_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct net *net = vmm_device_state(dev);
	uint32_t index = vmm_queue_index(queue);
	struct net_pair *pair;

	if (vmm_features_has(&net->features, VIRTIO_NET_F_CTRL_VQ) &&
	    index == net_ctrl_queue(net)) {
		vmm__net_ctrl(net, queue);
		return;
	}
	if (index / 2 >= net->pairs_now)
		return;

	pair = &net->pairs[index / 2];
	if (index % 2 == 0)
		vmm__net_receivable(pair);
	else if (!pair->tx_held)
		vmm__net_transmit(pair);
}

static void net_reset(struct vmm_device *dev)
{
	struct net *net = vmm_device_state(dev);

	net->dev = NULL;
	net->features = (struct vmm_features){ 0 };
	net->given = net->given_now = net->taken = 0;
	net->pairs_now = 1;
	net->port.lent = 0;
	for (uint32_t i = 0; i < net->nr_pairs; i++) {
		vmm__net_tx_reset(&net->pairs[i]);
		vmm__net_rx_reset(&net->pairs[i]);
	}
	vmm__net_agreed(net);

	vmm_device_set_config(dev, 0, net->mac, sizeof(net->mac), false);
	pthread_mutex_lock(&net->lock);
	net->announce = net->announces = false;
	vmm__net_show_status(net, false);
	pthread_mutex_unlock(&net->lock);
}

static void net_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct net *net = vmm_device_state(dev);
	uint32_t index = vmm_queue_index(queue);

	if (index / 2 >= net->nr_pairs || index == net_ctrl_queue(net))
		return;
	if (index % 2 == 1) {
		vmm__net_tx_reset(&net->pairs[index / 2]);
		return;
	}
	net->port.lent = 0;
	vmm__net_rx_reset(&net->pairs[index / 2]);
}

/* ---- making one ---- */

static void net_free(struct net *net)
{
	for (uint32_t i = 0; i < net->nr_pairs; i++)
		vmm_deferred_cancel(&net->pairs[i].resume);
	vmm_timer_remove(net->timer);
	pthread_mutex_destroy(&net->lock);
	free(net->pairs);
	free(net);
}

static void net_destroy(void *state)
{
	struct net *net = state;

	vmm__netdev_detach(net->netdev);
	vmm_net_destroy(net->netdev);
	net_free(net);
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
	uint32_t most;

	if (!c->backend)
		return vmm__fail(-EINVAL, "a network interface needs a backend");
	most = c->backend->info.queue_pairs;
	if (c->reserved)
		return vmm__fail(-EINVAL, "network interface: reserved bytes are not zero");
	if (c->flags & ~(uint32_t)(VMM_NET_LINK_DOWN | VMM_NET_PLAIN))
		return vmm__fail(-EINVAL, "network interface: flags 0x%x are not VMM_NET_ ones",
				 c->flags);
	if (c->mac[0] & 1)
		return vmm__fail(-EINVAL, "%02x:%02x:%02x:%02x:%02x:%02x is a group's MAC address",
				 c->mac[0], c->mac[1], c->mac[2], c->mac[3], c->mac[4], c->mac[5]);
	if (c->mtu != 0 && c->mtu < MTU_MIN)
		return vmm__fail(-EINVAL, "MTU %u is under %u", c->mtu, MTU_MIN);
	if (c->queue_pairs > most)
		return vmm__fail(-EINVAL, "%u pairs of queues; the backend has %u", c->queue_pairs,
				 most);
	if (c->queue_pairs == 0)
		c->queue_pairs = most;
	return net_choose_mac(c->mac);
}

static void net_features(const struct vmm_net_config *c, struct vmm_features *features)
{
	static const uint8_t always[] = {
		VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_MRG_RXBUF,
		VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_RX_EXTRA,
		VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_GUEST_ANNOUNCE,
	};

	for (size_t i = 0; i < sizeof(always); i++)
		vmm_features_add(features, always[i]);
	if (c->mtu != 0)
		vmm_features_add(features, VIRTIO_NET_F_MTU);
	if (c->queue_pairs > 1)
		vmm_features_add(features, VIRTIO_NET_F_MQ);
	if (c->flags & VMM_NET_PLAIN)
		return;
	vmm__net_offer_offloads(&c->backend->info, features);
	if (c->backend->info.gives != 0)
		vmm_features_add(features, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
}

static int net_plug(struct vmm *vm, const struct vmm_net_config *c, struct net *net)
{
	struct virtio_net_config space = {
		.status = htole16(net->up ? VIRTIO_NET_S_LINK_UP : 0),
		.max_virtqueue_pairs = htole16((uint16_t)c->queue_pairs),
		.mtu = htole16(c->mtu),
	};
	struct vmm_device_config config = VMM_DEVICE_CONFIG_INIT;

	memcpy(space.mac, c->mac, sizeof(space.mac));
	config.ops = &net_ops;
	config.state = net;
	config.name = c->name ? c->name : "net";
	config.config_space = &space;
	config.config_bytes = CONFIG_BYTES;
	config.nr_queues = 2 * c->queue_pairs + 1;
	config.queue_size = c->queue_size;
	config.transport = c->transport;
	config.loop = net->loop;
	net_features(c, &config.features);
	return vmm_add_device(vm, &config, &net->plugged);
}

static int net_alloc(struct vmm *vm, const struct vmm_net_config *c, struct net **ret_net)
{
	struct net *net = calloc(1, sizeof(*net));
	struct net_pair *pairs = calloc(c->queue_pairs, sizeof(*pairs));
	int r = -ENOMEM;

	if (!net || !pairs) {
		vmm__fail(-ENOMEM, "no memory for a network interface");
		goto free_both;
	}
	net->loop = c->loop ? c->loop : vmm_loop_of(vm);
	net->netdev = c->backend;
	net->port = (struct vmm_net_port){ .ops = &vmm__net_front_ops, .front = net };
	net->pairs = pairs;
	net->nr_pairs = c->queue_pairs;
	net->pairs_now = 1;
	net->mtu = c->mtu;
	memcpy(net->mac, c->mac, sizeof(net->mac));
	net->link = !(c->flags & VMM_NET_LINK_DOWN);
	net->carrier = true;
	net->up = net->link;
	r = vmm_loop_add_timer(net->loop, net_expired, net, &net->timer);
	if (r < 0)
		goto free_both;

	pthread_mutex_init(&net->lock, NULL);
	for (uint32_t i = 0; i < net->nr_pairs; i++) {
		pairs[i].net = net;
		pairs[i].index = i;
		vmm_deferred_init(&pairs[i].resume, net->loop, vmm__net_resume);
	}
	*ret_net = net;
	return 0;

free_both:
	free(pairs);
	free(net);
	return r;
}

int vmm_add_net(struct vmm *vm, const struct vmm_net_config *config, struct vmm_device **ret_dev)
{
	struct vmm_net_config c;
	struct vmm_loop *loop;
	struct net *net = NULL;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "vmm_add_net: a guest and a config");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r == 0)
		r = net_check(&c);
	if (r == 0)
		r = net_alloc(vm, &c, &net);
	if (r < 0)
		return r;

	/* A frame may come before there is a device to give it to. */
	loop = net->loop;
	vmm_loop_enter(loop);
	r = vmm__netdev_attach(net->netdev, &net->port, loop);
	if (r < 0)
		goto free_net;
	r = net_plug(vm, &c, net);
	if (r < 0)
		goto detach;
	vmm_loop_leave(loop);
	if (ret_dev)
		*ret_dev = net->plugged;
	return 0;

detach:
	vmm__netdev_detach(net->netdev);
free_net:
	net_free(net);
	vmm_loop_leave(loop);
	return r;
}
