/* SPDX-License-Identifier: MIT */
/*
 * net_priv.h - a virtio network interface, inside (VIRTIO 1.2, 5.1).
 *
 * net.c makes it and is what the library calls; net_rx.c and net_tx.c move frames,
 * net_hdr.c judges what the driver says of them, net_ctrl.c answers its control
 * queue, net_filter.c is the filter that this sets, net_control.c is what the application
 * may change and read. All but that runs on the device's loop.
 */
#ifndef DEVICES_VIRTIO_NET_PRIV_H
#define DEVICES_VIRTIO_NET_PRIV_H

#include <pthread.h>
#include <linux/virtio_net.h>
#include <stdbool.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "backends/net/net_priv.h"
#include "core/rate_priv.h"

/* Newer than some systems' headers (VIRTIO 1.3, 5.1.3 and 5.1.6). */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4		54
#define VIRTIO_NET_F_GUEST_USO6		55
#define VIRTIO_NET_F_HOST_USO		56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5
#endif

#define NET_HDR_BYTES	((uint32_t)sizeof(struct virtio_net_hdr_v1))
#define NET_PAIRS_MAX	VMM_NET_QUEUE_PAIRS_MAX

/* ---- the filter (VIRTIO 1.2, 5.1.6.5.1 to 5.1.6.5.3) ---- */

#define NET_MACS_MAX	64	/* addresses of each kind that are kept; beyond that all of it pass */
#define NET_VLANS	4096

struct net_macs {
	uint8_t mac[NET_MACS_MAX][6];
	uint32_t nr;
	bool overflow;			/* there were more: none is dropped */
};

struct net_filter {
	uint8_t mac[6];			/* the interface's own */
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	bool by_vlan;			/* VLANs are filtered */
	struct net_macs unicast, multicast;
	uint8_t vlans[NET_VLANS / 8];
};

/* As after a reset: everything passes. */
void vmm__net_filter_reset(struct net_filter *f, const uint8_t mac[6], bool by_vlan);

/* Whether a frame that begins with @head, of @len (14 or more) bytes, is wanted. */
bool vmm__net_filter_passes(const struct net_filter *f, const uint8_t *head, size_t len);

#define NET_FILTER_HEAD	18u	/* bytes of a frame that the filter looks at: up to a VLAN tag */

/* ---- headers ---- */

/* Feature bits for offloads, each way, and back: what was agreed on and makes sense together. */
void vmm__net_offer_offloads(const struct vmm_net_info *info, struct vmm_features *features);
uint32_t vmm__net_taken(const struct vmm_features *features);
uint32_t vmm__net_given(const struct vmm_features *features);
uint32_t vmm__net_sane(uint32_t offloads);
/* The same as a driver writes it: feature bits in one word (5.1.6.5.6.1). */
uint64_t vmm__net_given_bits(uint32_t offloads);

/*
 * Fill the offload fields of @frame, whose length is set, from what the driver wrote before
 * it. False: it asks for what cannot be, or what was not agreed on.
 */
bool vmm__net_header_take(const struct virtio_net_hdr_v1 *header, uint32_t offloads,
			  struct vmm_net_frame *frame);

/* The other way; num_buffers is 0. False: the guest does not take what @frame needs. */
bool vmm__net_header_give(const struct vmm_net_frame *frame, uint32_t offloads,
			  struct virtio_net_hdr_v1 *ret_header);

/* ---- one pair of queues ---- */

/* Written on the loop, read anywhere: whole words. Indices are offsets in struct vmm_net_stats. */
#define NET_COUNT(pair, counter, n) \
	__atomic_store_n(&(pair)->stats.counter, (pair)->stats.counter + (n), __ATOMIC_RELAXED)

#define NET_STOCK_BUFFERS	VMM_CHAIN_MAX
#define NET_STOCK_SEGMENTS	(4 * VMM_CHAIN_MAX)

struct net_buffer {
	uint16_t head;
	uint16_t generation;
	uint16_t nr;			/* segments */
	uint32_t bytes;
};

/* Receive buffers that were taken off the ring and hold nothing yet. */
struct net_stock {
	struct net_buffer buffers[NET_STOCK_BUFFERS];
	struct iovec iov[NET_STOCK_SEGMENTS];
	uint32_t first_buffer, nr_buffers;
	uint32_t first_iov, nr_iov;
	uint64_t bytes;
};

struct net_pair {
	struct net *net;
	uint32_t index;

	/* To the guest. */
	struct net_stock stock;
	struct vmm_chain rx;		/* scratch */
	bool rx_wanted;			/* the backend waits for receivable() */
	bool rx_scarce;			/* waited in vain for enough: take what there is */

	/* From the guest. */
	struct vmm_chain tx;
	struct vmm_deferred resume;	/* transmit again */
	bool tx_held;			/* do not transmit before @resume: the backend is full, or
					   others have their turn, or: */
	bool tx_limited;		/* the rate does not allow it before the timer */
	uint32_t tx_paid;		/* bytes of the frame that is held, taken out of the rate */

	struct vmm_net_stats stats;
};

struct net {
	struct vmm_netdev *netdev;
	struct vmm_net_port port;
	struct vmm_loop *loop;
	struct vmm_timer *timer;	/* for all that waits for a while */
	uint64_t timer_ns;		/* what it is set to; 0: it is not */

	struct vmm_device *dev;		/* while the driver runs it; changes on the loop only */
	struct vmm_features features;	/* agreed on */
	uint32_t taken, given;		/* offloads agreed on: of the guest's frames, and to it */
	uint32_t given_now;		/* of @given, what the driver wants now */
	bool merge;			/* a frame may lie in several buffers */
	uint32_t rx_room;		/* bytes of buffers that take any frame, header included */
	uint32_t pairs_now;		/* that the driver uses */
	struct rate rx_rate, tx_rate;
	uint32_t rx_owed;		/* bytes of the last frame to the guest, still to be taken
					   out of its rate; 0: none */
	struct net_filter filter;
	struct vmm_chain ctrl;		/* scratch */

	uint8_t mac[6];			/* configured */
	uint16_t mtu;
	uint32_t nr_pairs;
	struct net_pair *pairs;

	/* Set from any thread. */
	pthread_mutex_t lock;		/* of these, and of the status in the config space */
	bool link, carrier;
	bool announces, announce;	/* the driver can; it has been asked to */
	bool up;			/* link and carrier; read without the lock */
	struct vmm_device *plugged;	/* from vmm_add_net() on */
};

/* A driver may leave out MQ: then the control queue comes after the first pair (5.1.2). */
static inline uint32_t net_ctrl_queue(const struct net *net)
{
	return vmm_features_has(&net->features, VIRTIO_NET_F_MQ) ? 2 * net->nr_pairs : 2;
}

static inline bool net_up(const struct net *net)
{
	return __atomic_load_n(&net->up, __ATOMIC_RELAXED);
}

uint64_t vmm__net_now(void);

/* Have @net looked at again at @at of vmm__net_now(). */
void vmm__net_wait(struct net *net, uint64_t at);

/* ---- net_rx.c ---- */

extern const struct net_front_ops vmm__net_front_ops;

/* The driver has given buffers, or something else that the backend waits for has come. */
void vmm__net_receivable(struct net_pair *pair);
void vmm__net_rx_expired(struct net_pair *pair);
void vmm__net_rx_reset(struct net_pair *pair);

/* ---- net_tx.c ---- */

void vmm__net_transmit(struct net_pair *pair);
void vmm__net_resume(struct vmm_deferred *deferred);
void vmm__net_tx_expired(struct net_pair *pair);
void vmm__net_tx_reset(struct net_pair *pair);

/* ---- net_ctrl.c ---- */

void vmm__net_ctrl(struct net *net, struct vmm_queue *queue);

/* What is agreed on changed: tell the backend. */
void vmm__net_agreed(struct net *net);

/* ---- net_control.c ---- */

/* With the lock: what the driver is to see now; @notify: tell it of a change. */
void vmm__net_show_status(struct net *net, bool notify);
void vmm__net_carrier(struct net *net, bool carrier);

#endif
