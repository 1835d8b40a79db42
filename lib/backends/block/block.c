/* SPDX-License-Identifier: MIT */
/*
 * block.c - the life of a disk's requests: submit, hold back, commit, complete, drain.
 *
 * A backend may answer in any thread, and even inside submit(). Answers are
 * therefore only put in a list, under a lock held for a few instructions, and
 * given to the front end by a deferred call on the loop: a batch at a time, and
 * never on top of the stack of a submit.
 */
#include <errno.h>
#include <time.h>

#include "backends/block/disk_priv.h"

/* ---- answers ---- */

void vmm_blk_complete(struct vmm_blk_request *req, int result)
{
	struct blk_io *io = (struct blk_io *)req;
	struct vmm_blk *blk = io->blk;

	io->result = result;
	io->next = NULL;

	/*
	 * The deferred call is made under the lock: whoever drains, and then frees @blk,
	 * cannot see this answer before we are through with @blk.
	 */
	pthread_mutex_lock(&blk->lock);
	*blk->last = io;
	blk->last = &io->next;
	if (blk->nr_answered++ == 0)
		(void)vmm_defer(&blk->deliver);
	if (blk->waiting)
		pthread_cond_signal(&blk->answered);
	pthread_mutex_unlock(&blk->lock);
}

/* With the lock. */
static struct blk_io *take_answers(struct vmm_blk *blk)
{
	struct blk_io *io = blk->first;

	blk->first = NULL;
	blk->last = &blk->first;
	blk->nr_answered = 0;
	return io;
}

static void add_in_flight(struct vmm_blk *blk, uint64_t more)
{
	__atomic_store_n(&blk->in_flight, blk->in_flight + more, __ATOMIC_RELAXED);
}

static void deliver(struct vmm_blk *blk, struct blk_io *io)
{
	uint64_t now = vmm__blk_clock();

	while (io) {
		struct blk_io *next = io->next;

		add_in_flight(blk, (uint64_t)-1);
		vmm__blk_count(blk, io, now);
		io->done(io, io->result);
		io = next;
	}
}

/* On the loop. What is answered meanwhile waits for the next turn. */
void vmm__blk_deliver(struct vmm_deferred *deferred)
{
	struct vmm_blk *blk = (struct vmm_blk *)((char *)deferred - offsetof(struct vmm_blk, deliver));
	struct blk_io *batch;

	pthread_mutex_lock(&blk->lock);
	batch = take_answers(blk);
	pthread_mutex_unlock(&blk->lock);
	if (!batch)
		return;

	deliver(blk, batch);
	blk->front.settled(blk->front.data);
}

/* ---- requests ---- */

uint64_t vmm__blk_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void start(struct vmm_blk *blk, struct blk_io *io)
{
	blk->uncommitted = true;
	blk->ops.submit(blk->state, &io->req);
}

void vmm__blk_submit(struct vmm_blk *blk, struct blk_io *io)
{
	io->blk = blk;
	io->req.reserved = 0;
	add_in_flight(blk, 1);
	/* A turn is one moment: to ask for the time of each request costs more than it tells. */
	if (!blk->uncommitted)
		blk->now_ns = vmm__blk_clock();
	io->start_ns = blk->now_ns;

	if (blk->cancelling)
		vmm_blk_complete(&io->req, -ECANCELED);
	else if (vmm__throttle_pass(&blk->throttle, io, blk->now_ns))
		start(blk, io);
}

void vmm__blk_release(struct vmm_blk *blk)
{
	uint64_t now = vmm__blk_clock();
	struct blk_io *io;

	while ((io = vmm__throttle_next(&blk->throttle, now)))
		start(blk, io);
	vmm__blk_commit(blk);
}

void vmm__blk_commit(struct vmm_blk *blk)
{
	if (!blk->uncommitted)
		return;
	blk->uncommitted = false;
	if (blk->ops.commit)
		blk->ops.commit(blk->state);
}

/* Not let through: a driver could empty its queue so, again and again, whatever its rate. */
static void cancel_held(struct vmm_blk *blk, uint32_t lane)
{
	struct blk_io *io = vmm__throttle_drop(&blk->throttle, lane);

	while (io) {
		struct blk_io *next = io->next;

		vmm_blk_complete(&io->req, -ECANCELED);
		io = next;
	}
}

/* Deliver until nothing is left of what the backend was given, or is yet to be given by done(). */
static void deliver_all(struct vmm_blk *blk)
{
	while (blk->in_flight > blk->throttle.nr_held) {
		struct blk_io *batch;

		vmm__blk_commit(blk);
		blk->ops.drain(blk->state);
		/* A thread of the backend's may still be on its way through vmm_blk_complete(). */
		pthread_mutex_lock(&blk->lock);
		while (blk->nr_answered < blk->in_flight - blk->throttle.nr_held)
			pthread_cond_wait(&blk->answered, &blk->lock);
		batch = take_answers(blk);
		pthread_mutex_unlock(&blk->lock);
		deliver(blk, batch);
	}
}

static void set_waiting(struct vmm_blk *blk, bool waiting)
{
	pthread_mutex_lock(&blk->lock);
	blk->waiting = waiting;
	pthread_mutex_unlock(&blk->lock);
}

void vmm__blk_drain(struct vmm_blk *blk)
{
	vmm__blk_commit(blk);
	blk->cancelling = true;
	set_waiting(blk, true);
	cancel_held(blk, BLK_ALL_LANES);
	/* The backend may have something of its own. */
	if (blk->in_flight == 0)
		blk->ops.drain(blk->state);
	deliver_all(blk);
	set_waiting(blk, false);
	blk->cancelling = false;
}

void vmm__blk_drain_lane(struct vmm_blk *blk, uint32_t lane)
{
	set_waiting(blk, true);
	cancel_held(blk, lane);
	do {
		deliver_all(blk);
		/* What done() has submitted since may be over the rate. */
		cancel_held(blk, lane);
	} while (blk->in_flight > blk->throttle.nr_held);
	set_waiting(blk, false);
}
