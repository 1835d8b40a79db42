/* SPDX-License-Identifier: MIT */
/*
 * frames_priv.h - a bounded queue of Ethernet frames, for a backend that must keep some.
 *
 * All memory is taken at once, so that no amount of traffic makes it grow, and
 * pages that were never used cost nothing.
 */
#ifndef BACKENDS_NET_FRAMES_PRIV_H
#define BACKENDS_NET_FRAMES_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#define FRAMES_BYTES	1514u	/* of one frame: an MTU of 1500 and the Ethernet header */

struct frame_slot {
	uint16_t length;
	unsigned char bytes[FRAMES_BYTES];
};

struct frames {
	struct frame_slot *slots;
	uint32_t max;
	uint32_t first;
	uint32_t nr;
};

int vmm__frames_init(struct frames *frames, uint32_t max);
void vmm__frames_finish(struct frames *frames);

/* The slot to fill for a frame that joins the end, NULL when full. Then vmm__frames_added(). */
struct frame_slot *vmm__frames_next(struct frames *frames);
void vmm__frames_added(struct frames *frames);

/* The frame that has waited longest, NULL when empty. Then vmm__frames_removed(). */
const struct frame_slot *vmm__frames_first(const struct frames *frames);
void vmm__frames_removed(struct frames *frames);

#endif
