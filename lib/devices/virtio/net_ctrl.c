/* SPDX-License-Identifier: MIT */
/*
 * net_ctrl.c - the control queue (VIRTIO 1.2, 5.1.6.5).
 *
 * Each command is copied out whole, checked and carried out, or refused with
 * VIRTIO_NET_ERR; one whose feature was not agreed on is refused. A command that
 * cannot be answered breaks the device.
 */
#include <endian.h>
#include <string.h>

#include "devices/virtio/net_priv.h"

/* The longest command that is understood: two lists of addresses. */
#define TABLES_MAX	(2 * (sizeof(uint32_t) + 6 * 1024))

struct command {
	struct virtio_net_ctrl_hdr head;
	uint32_t len;				/* bytes of @data */
	unsigned char data[TABLES_MAX];
};

static bool has(const struct net *net, unsigned feature)
{
	return vmm_features_has(&net->features, feature);
}

/* ---- what frames are wanted ---- */

static bool do_rx(struct net *net, const struct command *c)
{
	bool extra = c->head.cmd >= VIRTIO_NET_CTRL_RX_ALLUNI;
	struct net_filter *f = &net->filter;
	bool *const switches[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &f->promisc,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &f->allmulti,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &f->alluni,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &f->nomulti,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &f->nouni,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &f->nobcast,
	};

	if (!has(net, extra ? VIRTIO_NET_F_CTRL_RX_EXTRA : VIRTIO_NET_F_CTRL_RX) ||
	    c->head.cmd >= sizeof(switches) / sizeof(switches[0]) || c->len != 1)
		return false;
	*switches[c->head.cmd] = c->data[0] != 0;
	return true;
}

/* One list: a count, and so many addresses. Returns its bytes, 0: it is not whole. */
static uint32_t macs_take(const unsigned char *data, uint32_t len, struct net_macs *macs)
{
	uint32_t nr;

	if (len < sizeof(nr))
		return 0;
	memcpy(&nr, data, sizeof(nr));
	nr = le32toh(nr);
	if (nr > (len - sizeof(nr)) / 6)
		return 0;

	macs->overflow = nr > NET_MACS_MAX;
	macs->nr = macs->overflow ? 0 : nr;
	memcpy(macs->mac, data + sizeof(nr), (size_t)macs->nr * 6);
	return (uint32_t)sizeof(nr) + nr * 6;
}

static bool set_macs(struct net *net, const struct command *c)
{
	struct net_macs unicast, multicast;
	uint32_t first, second;

	first = macs_take(c->data, c->len, &unicast);
	if (first == 0)
		return false;
	second = macs_take(c->data + first, c->len - first, &multicast);
	if (second == 0 || first + second != c->len)
		return false;
	net->filter.unicast = unicast;
	net->filter.multicast = multicast;
	return true;
}

static bool do_mac(struct net *net, const struct command *c)
{
	if (c->head.cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET && has(net, VIRTIO_NET_F_CTRL_RX))
		return set_macs(net, c);
	if (c->head.cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET || c->len != 6 ||
	    !has(net, VIRTIO_NET_F_CTRL_MAC_ADDR) || (c->data[0] & 1))
		return false;
	memcpy(net->filter.mac, c->data, 6);
	vmm_device_set_config(net->dev, 0, c->data, 6, false);
	return true;
}

static bool do_vlan(struct net *net, const struct command *c)
{
	uint16_t vlan;

	if (!has(net, VIRTIO_NET_F_CTRL_VLAN) || c->len != sizeof(vlan))
		return false;
	memcpy(&vlan, c->data, sizeof(vlan));
	vlan = le16toh(vlan);
	if (vlan >= NET_VLANS)
		return false;

	if (c->head.cmd == VIRTIO_NET_CTRL_VLAN_ADD)
		net->filter.vlans[vlan / 8] |= (uint8_t)(1 << vlan % 8);
	else if (c->head.cmd == VIRTIO_NET_CTRL_VLAN_DEL)
		net->filter.vlans[vlan / 8] &= (uint8_t)~(1 << vlan % 8);
	else
		return false;
	return true;
}

/* ---- the rest ---- */

static bool do_announce(struct net *net, const struct command *c)
{
	if (c->head.cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK || !has(net, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	pthread_mutex_lock(&net->lock);
	net->announce = false;
	vmm__net_show_status(net, false);
	pthread_mutex_unlock(&net->lock);
	return true;
}

static bool do_mq(struct net *net, const struct command *c)
{
	uint16_t pairs;

	if (c->head.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || !has(net, VIRTIO_NET_F_MQ) ||
	    c->len != sizeof(pairs))
		return false;
	memcpy(&pairs, c->data, sizeof(pairs));
	pairs = le16toh(pairs);
	if (pairs == 0 || pairs > net->nr_pairs)
		return false;

	net->pairs_now = pairs;
	vmm__net_agreed(net);
	/* What was offered on those that are used now, and was left alone until now. */
	for (uint32_t i = 0; i < pairs; i++) {
		net->pairs[i].tx_held = true;
		vmm_defer(&net->pairs[i].resume);
	}
	return true;
}

static bool do_offloads(struct net *net, const struct command *c)
{
	uint32_t given = 0;
	uint64_t bits;

	if (c->head.cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
	    !has(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) || c->len != sizeof(bits))
		return false;
	memcpy(&bits, c->data, sizeof(bits));
	bits = le64toh(bits);
	if (bits & ~vmm__net_given_bits(net->given))
		return false;

	for (uint32_t o = 1; o <= VMM_NET_OFFLOADS; o <<= 1) {
		if (vmm__net_given_bits(o) & bits)
			given |= o;
	}
	net->given_now = vmm__net_sane(given);
	vmm__net_agreed(net);
	return true;
}

/* ---- the queue ---- */

static bool carry_out(struct net *net, const struct command *c)
{
	switch (c->head.class) {
	case VIRTIO_NET_CTRL_RX:
		return do_rx(net, c);
	case VIRTIO_NET_CTRL_MAC:
		return do_mac(net, c);
	case VIRTIO_NET_CTRL_VLAN:
		return do_vlan(net, c);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return do_announce(net, c);
	case VIRTIO_NET_CTRL_MQ:
		return do_mq(net, c);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
		return do_offloads(net, c);
	default:
		return false;
	}
}

/* Returns false when the device is broken. */
static bool answer(struct net *net, struct vmm_queue *queue)
{
	struct vmm_chain *chain = &net->ctrl;
	struct command c;
	uint8_t ack = VIRTIO_NET_ERR;

	if (vmm_chain_read(chain, 0, &c.head, sizeof(c.head)) != sizeof(c.head) ||
	    chain->in_len < sizeof(ack)) {
		vmm_device_break(net->dev, "a control command without a head or room for an answer");
		return false;
	}
	c.len = chain->out_len - (uint32_t)sizeof(c.head);
	if (c.len <= sizeof(c.data) &&
	    vmm_chain_read(chain, sizeof(c.head), c.data, c.len) == c.len && carry_out(net, &c))
		ack = VIRTIO_NET_OK;
	vmm_chain_write(chain, 0, &ack, sizeof(ack));
	vmm_queue_push(queue, chain, sizeof(ack));
	return true;
}

void vmm__net_ctrl(struct net *net, struct vmm_queue *queue)
{
	while (vmm_queue_pop(queue, &net->ctrl) > 0) {
		if (!answer(net, queue))
			return;
	}
	vmm_queue_notify(queue);
}
