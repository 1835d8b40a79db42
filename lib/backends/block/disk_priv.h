/* SPDX-License-Identifier: MIT */
/*
 * disk_priv.h - what a disk's backend is to the library: block.c moves its requests, disk.c
 * makes it and changes it, stats.c counts.
 */
#ifndef BACKENDS_BLOCK_DISK_PRIV_H
#define BACKENDS_BLOCK_DISK_PRIV_H

#include <pthread.h>
#include <stdbool.h>

#include "backends/block/block_priv.h"
#include "backends/block/throttle_priv.h"

#define BLK_OPS	(VMM_BLK_WRITE_ZEROES + 1)

/* Of one queue. Written on the loop only, read by any thread: 64 bits at a time, relaxed. */
struct blk_lane {
	struct vmm_blk_count op[BLK_OPS];
};

struct vmm_blk {
	struct vmm_blk_ops ops;
	void *state;
	struct vmm_blk_info info;	/* its capacity is atomic */

	/* The front end's. */
	struct vmm_loop *loop;		/* NULL: not in use */
	struct blk_front front;
	struct vmm_deferred deliver;
	uint64_t now_ns;		/* the time, as of this turn's first request */
	uint64_t in_flight;		/* submitted, done() not yet called; atomic for readers */
	bool uncommitted;
	bool cancelling;		/* what is submitted is cancelled */
	struct blk_throttle throttle;
	struct blk_lane *lanes;		/* from the first attach on */
	uint32_t nr_lanes;

	/* Answers on their way to the loop. */
	pthread_mutex_t lock;
	pthread_cond_t answered;
	struct blk_io *first;
	struct blk_io **last;
	uint64_t nr_answered;
	bool waiting;			/* for an answer, on @answered */
};

uint64_t vmm__blk_clock(void);

/* What was held back and may go now. */
void vmm__blk_release(struct vmm_blk *blk);

/* For vmm__blk_attach(). */
void vmm__blk_deliver(struct vmm_deferred *deferred);

/* Room for so many lanes. What was counted stays. -ENOMEM. */
int vmm__blk_lanes(struct vmm_blk *blk, uint32_t nr_lanes);

/* @io has been answered. */
void vmm__blk_count(struct vmm_blk *blk, const struct blk_io *io, uint64_t now_ns);

#endif
