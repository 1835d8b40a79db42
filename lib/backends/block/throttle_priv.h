/* SPDX-License-Identifier: MIT */
/* throttle_priv.h - requests of a disk that wait because of its rate. On the loop. */
#ifndef BACKENDS_BLOCK_THROTTLE_PRIV_H
#define BACKENDS_BLOCK_THROTTLE_PRIV_H

#include "backends/block/block_priv.h"
#include "core/rate_priv.h"

struct blk_throttle {
	struct rate rate;
	struct vmm_timer *timer;	/* NULL: not in use */
	struct blk_io *first;		/* held back, in their order */
	struct blk_io **last;
	uint64_t nr_held;		/* atomic: read by any thread */
	uint64_t nr_throttled;		/* likewise: ever */
};

void vmm__throttle_init(struct blk_throttle *t);

/* Whether @io may start now. If not it is held, until vmm__throttle_next() gives it out. */
bool vmm__throttle_pass(struct blk_throttle *t, struct blk_io *io, uint64_t now_ns);

/*
 * The next one that may start. NULL: none may or none is there; the timer is set for the
 * moment to ask again.
 */
struct blk_io *vmm__throttle_next(struct blk_throttle *t, uint64_t now_ns);

/* Give up those that are held of @lane, or of BLK_ALL_LANES: the list of them. */
struct blk_io *vmm__throttle_drop(struct blk_throttle *t, uint32_t lane);

#endif
