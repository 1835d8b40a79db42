/* SPDX-License-Identifier: MIT */
/*
 * block_priv.h - the seam between a disk's front end and what stands behind it.
 *
 * A front end owns its requests (struct blk_io, embedded in whatever it keeps for each) and
 * sees of a backend only these calls; a backend sees only <libvmm/block.h>. What concerns
 * every disk (limits of rate, counters, a layer in between) belongs here, between the two.
 *
 * All calls are made on the loop of the backend, or while it is kept still.
 */
#ifndef BACKENDS_BLOCK_BLOCK_PRIV_H
#define BACKENDS_BLOCK_BLOCK_PRIV_H

#include <libvmm/block.h>

/* One request. @req, @done and @lane are filled by the front end; the rest is block.c's. */
struct blk_io {
	struct vmm_blk_request req;	/* first: what the backend is lent */
	void (*done)(struct blk_io *io, int result);	/* on the loop, never inside submit */
	struct vmm_blk *blk;
	struct blk_io *next;
	uint64_t start_ns;
	int result;
	uint32_t lane;			/* whose counters it counts in: < nr_lanes */
};

/* Who uses a backend. */
struct blk_front {
	/*
	 * Called once after each batch of done() calls, the place for what is better done once:
	 * one interrupt, one commit.
	 */
	void (*settled)(void *data);
	/* The disk has another size from now on. Optional. On the loop, or with it entered. */
	void (*resized)(void *data, uint64_t capacity);
	void *data;
	uint32_t nr_lanes;		/* queues, each with its own counters; 0: 1 */
};

/* Take @blk into use. @front is read during the call. -EBUSY: in use already. */
int vmm__blk_attach(struct vmm_blk *blk, struct vmm_loop *loop, const struct blk_front *front);

/* Start @io. It belongs to @blk until io->done() is called. */
void vmm__blk_submit(struct vmm_blk *blk, struct blk_io *io);

/* No more is coming this turn. Nothing to do when nothing was submitted. */
void vmm__blk_commit(struct vmm_blk *blk);

/*
 * Have every request answered and its done() called before returning. What a done() submits
 * meanwhile is answered with -ECANCELED. settled() is not called.
 */
void vmm__blk_drain(struct vmm_blk *blk);

#define BLK_ALL_LANES	UINT32_MAX

/*
 * Have every request of @lane answered and its done() called. Those of other lanes lose nothing by
 * it: what their done() submits is done too, and what the rate holds back of them stays
 * held. settled() is not called.
 */
void vmm__blk_drain_lane(struct vmm_blk *blk, uint32_t lane);

/* Undo vmm__blk_attach(), after vmm__blk_drain(). */
void vmm__blk_detach(struct vmm_blk *blk);

#endif
