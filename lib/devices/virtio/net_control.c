/* SPDX-License-Identifier: MIT */
/*
 * net_control.c - what the application changes and reads of an interface that runs: its
 * link, announcements, counters. From any thread, so nothing here touches a queue.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "core/config_priv.h"
#include "core/error_priv.h"
#include "devices/virtio/net_priv.h"

/* VIRTIO 1.2, 5.1.4. */
void vmm__net_show_status(struct net *net, bool notify)
{
	bool up = net->link && net->carrier;
	uint16_t status = htole16((uint16_t)((up ? VIRTIO_NET_S_LINK_UP : 0) |
					     (net->announce ? VIRTIO_NET_S_ANNOUNCE : 0)));

	__atomic_store_n(&net->up, up, __ATOMIC_RELAXED);
	if (net->plugged)
		vmm_device_set_config(net->plugged, offsetof(struct virtio_net_config, status),
				      &status, sizeof(status), notify);
}

void vmm__net_carrier(struct net *net, bool carrier)
{
	pthread_mutex_lock(&net->lock);
	if (net->carrier != carrier) {
		net->carrier = carrier;
		vmm__net_show_status(net, true);
	}
	pthread_mutex_unlock(&net->lock);
}

int vmm_net_set_link(struct vmm_device *dev, int up)
{
	struct net *net;

	if (!dev)
		return vmm__fail(-EINVAL, "vmm_net_set_link: no interface");
	net = vmm_device_state(dev);
	pthread_mutex_lock(&net->lock);
	if (net->link != (up != 0)) {
		net->link = up != 0;
		vmm__net_show_status(net, true);
	}
	pthread_mutex_unlock(&net->lock);
	return 0;
}

int vmm_net_announce(struct vmm_device *dev)
{
	struct net *net;

	if (!dev)
		return vmm__fail(-EINVAL, "vmm_net_announce: no interface");
	net = vmm_device_state(dev);
	pthread_mutex_lock(&net->lock);
	/* 5.1.4.1: only for a driver that said it can. */
	if (net->announces) {
		net->announce = true;
		vmm__net_show_status(net, true);
	}
	pthread_mutex_unlock(&net->lock);
	return 0;
}

int vmm_net_set_rate(struct vmm_device *dev, const struct vmm_rate *from_guest,
		     const struct vmm_rate *to_guest)
{
	struct rate tx, rx;
	struct net *net;
	uint64_t now = vmm__net_now();
	int r;

	if (!dev)
		return vmm__fail(-EINVAL, "vmm_net_set_rate: no interface");
	net = vmm_device_state(dev);
	vmm_loop_enter(net->loop);
	tx = net->tx_rate;
	rx = net->rx_rate;
	r = vmm__rate_set(&tx, from_guest, now);
	if (r == 0)
		r = vmm__rate_set(&rx, to_guest, now);
	if (r == 0) {
		net->tx_rate = tx;
		net->rx_rate = rx;
		if (!vmm__rate_limited(&rx))
			net->rx_owed = 0;
		/* What waits is looked at anew. */
		vmm__net_wait(net, now);
	}
	vmm_loop_leave(net->loop);
	return r;
}

#define FIRST_COUNTER	(offsetof(struct vmm_net_stats, rx_frames) / sizeof(uint64_t))
#define NR_COUNTERS	(sizeof(struct vmm_net_stats) / sizeof(uint64_t))

static void stats_add(const struct net_pair *pair, struct vmm_net_stats *sum)
{
	const uint64_t *from = (const uint64_t *)(const void *)&pair->stats;
	uint64_t *to = (uint64_t *)(void *)sum;

	for (size_t i = FIRST_COUNTER; i < NR_COUNTERS; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

int vmm_net_stats(struct vmm_device *dev, uint32_t pair, struct vmm_net_stats *ret_stats)
{
	struct vmm_net_stats sum = VMM_NET_STATS_INIT;
	struct net *net;

	if (!dev || !ret_stats || ret_stats->size < sizeof(size_t))
		return vmm__fail(-EINVAL, "vmm_net_stats: an interface and a place for the result");
	net = vmm_device_state(dev);
	if (pair != VMM_NET_ALL_PAIRS && pair >= net->nr_pairs)
		return vmm__fail(-EINVAL, "pair %u of %u", pair, net->nr_pairs);

	for (uint32_t i = 0; i < net->nr_pairs; i++) {
		if (pair == VMM_NET_ALL_PAIRS || pair == i)
			stats_add(&net->pairs[i], &sum);
	}
	if (pair == VMM_NET_ALL_PAIRS && net->netdev->ops.stats)
		net->netdev->ops.stats(net->netdev->state, &sum);
	vmm__config_answer(ret_stats, ret_stats->size, &sum, sizeof(sum));
	return 0;
}
