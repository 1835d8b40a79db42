/* SPDX-License-Identifier: MIT */
/*
 * fake_port.h - a front end without a guest, for tests of what stands behind one.
 *
 * It has a number of receive buffers, keeps the frames that come, and counts
 * what else it is told.
 */
#ifndef TESTS_FAKE_PORT_H
#define TESTS_FAKE_PORT_H

#include <stdint.h>
#include "backends/net/net_priv.h"

enum { FAKE_PORT_FRAMES = 1024, FAKE_PORT_BYTES = 65600 };

struct fake_frame {
	uint32_t length;
	struct vmm_net_frame head;	/* its offloads */
	unsigned char bytes[FAKE_PORT_BYTES];
};

struct fake_port {
	struct vmm_netdev *netdev;
	struct vmm_net_port port;
	uint32_t buffers;		/* receive buffers left */
	uint32_t buffer_bytes;		/* of each */
	uint32_t nr_frames;		/* that came */
	uint32_t next;			/* to be looked at by fake_port_next() */
	uint32_t starved;		/* times a buffer was asked for in vain */
	uint32_t commits;
	uint32_t writables;
	bool down;			/* the link is */
	bool carrier;			/* what the backend said last */
	uint32_t offloads;		/* that the guest agreed to */
	uint32_t refused;		/* frames that needed others */
	uint32_t queue;			/* of the frame that came last */
	struct fake_frame *frames;	/* a ring of FAKE_PORT_FRAMES */
};

/* Attach @netdev, which is the port's from then on; what attach() says. */
int fake_port_attach(struct fake_port *port, struct vmm_netdev *netdev, struct vmm_loop *loop);
void fake_port_detach(struct fake_port *port);	/* and destroy the backend */

/* Have @nr buffers, and tell the backend if it was told there were none. */
void fake_port_buffers(struct fake_port *port, uint32_t nr);

/* As a driver that comes up, or goes (0, 1). */
void fake_port_agree(struct fake_port *port, uint32_t offloads, uint32_t queue_pairs);

/* One frame of the guest's; then fake_port_commit(). Returns what transmit() says. */
int fake_port_send(struct fake_port *port, const void *bytes, size_t length);
/* The same with the offload fields and the queue of @head. */
int fake_port_send_as(struct fake_port *port, const struct vmm_net_frame *head, const void *bytes,
		      size_t length);
void fake_port_commit(struct fake_port *port);

/* The next frame to the guest that was not looked at yet, or NULL. */
const struct fake_frame *fake_port_next(struct fake_port *port);

#endif
