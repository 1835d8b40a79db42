/* SPDX-License-Identifier: MIT */
/*
 * net_filter.c - which frames a driver wants (VIRTIO 1.2, 5.1.6.5.1 to 5.1.6.5.3).
 *
 * A filter saves the guest work and promises nothing: what it lets through too
 * much the driver drops itself.
 */
#include <linux/if_ether.h>
#include <string.h>

#include "devices/virtio/net_priv.h"

void vmm__net_filter_reset(struct net_filter *f, const uint8_t mac[6], bool by_vlan)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->mac, mac, sizeof(f->mac));
	/* As the drivers that never say a word about it expect. */
	f->promisc = true;
	f->by_vlan = by_vlan;
}

static bool macs_have(const struct net_macs *macs, const uint8_t *mac)
{
	for (uint32_t i = 0; i < macs->nr; i++) {
		if (memcmp(macs->mac[i], mac, 6) == 0)
			return true;
	}
	return macs->overflow;
}

static bool vlan_passes(const struct net_filter *f, const uint8_t *head, size_t len)
{
	uint32_t vlan;

	if (!f->by_vlan || len < NET_FILTER_HEAD || head[12] != ETH_P_8021Q >> 8 ||
	    head[13] != (ETH_P_8021Q & 0xff))
		return true;
	vlan = (uint32_t)(head[14] << 8 | head[15]) % NET_VLANS;
	return f->vlans[vlan / 8] >> vlan % 8 & 1;
}

/* "No" is stronger than "all" (5.1.6.5.1.1). */
bool vmm__net_filter_passes(const struct net_filter *f, const uint8_t *head, size_t len)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (f->promisc)
		return true;
	if (!vlan_passes(f, head, len))
		return false;
	if (memcmp(head, broadcast, 6) == 0)
		return !f->nobcast;
	if (head[0] & 1)
		return !f->nomulti && (f->allmulti || macs_have(&f->multicast, head));
	if (f->nouni)
		return false;
	return f->alluni || memcmp(head, f->mac, 6) == 0 || macs_have(&f->unicast, head);
}
