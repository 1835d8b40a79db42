/* SPDX-License-Identifier: MIT */
/*
 * switch_priv.h - a switch and its ports: switch.c makes them, switch_port.c moves frames.
 *
 * A port belongs to the loop of its guest. Others only put mail into its box and wake it,
 * under its lock, which nobody holds for longer than a copy of a frame. Locks, in order: the
 * switch's, a port's, a loop's. Nobody holds two ports' locks.
 */
#ifndef BACKENDS_NET_SWITCH_PRIV_H
#define BACKENDS_NET_SWITCH_PRIV_H

#include <pthread.h>
#include <stdbool.h>

#include <libvmm/loop.h>
#include "backends/net/gso_priv.h"
#include "backends/net/macs_priv.h"
#include "backends/net/mailbox_priv.h"
#include "backends/net/net_priv.h"

#define SWITCH_FLOWS	256u

struct switch_port {
	struct vmm_switch *sw;
	uint32_t index;
	uint64_t mac;			/* the only sender; 0: any; fixed while the port is taken */
	uint32_t queue_pairs;
	bool taken;			/* guarded by the switch's lock */

	pthread_mutex_t lock;		/* of what follows */
	bool attached;
	struct vmm_loop *loop;
	uint32_t offloads;		/* that the guest takes */
	struct mailbox box;
	bool called;			/* @deliver is on its way */
	bool waits;			/* the guest has no buffer */
	uint64_t lost;			/* frames for the guest */

	/* The loop's. */
	struct vmm_net_port *port;
	struct vmm_deferred deliver;
	uint32_t pairs_now;
	uint8_t flows[SWITCH_FLOWS];	/* the pair that the guest sends a flow from */
	uint64_t given;			/* bit n: port n of this loop was given frames in this turn */
	bool cutting;			/* @gso is at work on the first mail */
	bool cut_ready;			/* a segment of it is in @segment */
	struct gso gso;
	unsigned char *segment;
	uint32_t segment_length;
};

struct vmm_switch {
	pthread_mutex_t lock;		/* of the ports' being taken, and of addresses that move */
	uint32_t nr_taken;
	uint64_t box_bytes;
	struct macs macs;
	struct switch_port ports[VMM_SWITCH_PORTS_MAX];
};

extern const struct vmm_net_ops vmm__switch_port_ops;

/* Nobody takes it any more. */
void vmm__switch_port_release(struct switch_port *p);

#endif
