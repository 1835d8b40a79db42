/* SPDX-License-Identifier: MIT */
/*
 * net_priv.h - where a network front end and its backend meet.
 *
 * Each side is a const table to the other: the front end calls the backend
 * through struct vmm_net_ops, the backend calls the front end through the
 * vmm_net_receive and vmm_net_port calls, which end in struct net_front_ops.
 */
#ifndef BACKENDS_NET_NET_PRIV_H
#define BACKENDS_NET_NET_PRIV_H

#include <stdbool.h>
#include <libvmm/net.h>

/* Ethernet: the header, and the largest frame that a backend may be given or may give. */
#define NET_ETH_HEADER		14u
#define NET_FRAME_MAX		(NET_ETH_HEADER + 4 + 65535u)	/* VLAN tag, largest IP packet */

/* What the front end does for its backend. On the loop only. */
struct net_front_ops {
	/*
	 * As vmm_net_receive_begin(). @need is the frame's length, or 0: the largest
	 * that the guest may be given. Less than @need may be lent where there is no more.
	 */
	int (*receive_begin)(void *front, uint32_t queue, uint32_t need, struct iovec *iov,
			     uint32_t max);
	/* As vmm_net_receive_end(); @lent bytes of segments were lent. */
	int (*receive_end)(void *front, const struct vmm_net_frame *frame, uint32_t lent);
	void (*receive_commit)(void *front, uint32_t queue);
	void (*writable)(void *front, uint32_t queue);
	void (*carrier)(void *front, bool carrier);
};

struct vmm_net_port {
	const struct net_front_ops *ops;
	void *front;
	uint32_t lent;			/* bytes of the buffers that are lent; 0: none are */
	uint32_t queue;			/* whose they are */
};

struct vmm_netdev {
	struct vmm_net_ops ops;		/* ours: what an older table lacks is NULL */
	struct vmm_net_info info;	/* ours, checked */
	void *state;
	struct vmm_loop *loop;		/* while attached */
};

/*
 * Attach to a front end and detach from it again, while the caller keeps the
 * callbacks of @loop away. What attach() says; -EBUSY when it is attached already.
 */
int vmm__netdev_attach(struct vmm_netdev *netdev, struct vmm_net_port *port,
		       struct vmm_loop *loop);
void vmm__netdev_detach(struct vmm_netdev *netdev);

#endif
