/* SPDX-License-Identifier: MIT */
/*
 * block.c - the life of a disk's requests: submit, commit, complete, drain.
 *
 * A backend may answer in any thread, and even inside submit(). Answers are
 * therefore only put in a list, under a lock held for a few instructions, and
 * given to the front end by a deferred call on the loop: a batch at a time, and
 * never on top of the stack of a submit.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backends/block/block_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define SEGMENTS_MAX	128u
#define BLOCK_MAX	4096u

struct vmm_blk {
	struct vmm_blk_ops ops;
	void *state;
	struct vmm_blk_info info;

	/* The front end's. */
	struct vmm_loop *loop;		/* NULL: not in use */
	void (*settled)(void *data);
	void *data;
	struct vmm_deferred deliver;
	uint32_t in_flight;		/* submitted, done() not yet called */
	bool uncommitted;

	/* Answers on their way to the loop. */
	pthread_mutex_t lock;
	pthread_cond_t answered;	/* while draining */
	struct blk_io *first;
	struct blk_io **last;
	uint32_t nr_answered;
	bool draining;
};

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
	if (blk->draining)
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

static void deliver(struct vmm_blk *blk, struct blk_io *io)
{
	while (io) {
		struct blk_io *next = io->next;

		blk->in_flight--;
		io->done(io, io->result);
		io = next;
	}
}

/* On the loop. What is answered meanwhile waits for the next turn. */
static void deliver_batch(struct vmm_deferred *deferred)
{
	struct vmm_blk *blk = (struct vmm_blk *)((char *)deferred - offsetof(struct vmm_blk, deliver));
	struct blk_io *batch;

	pthread_mutex_lock(&blk->lock);
	batch = take_answers(blk);
	pthread_mutex_unlock(&blk->lock);
	if (!batch)
		return;

	deliver(blk, batch);
	blk->settled(blk->data);
}

/* ---- requests ---- */

void vmm__blk_submit(struct vmm_blk *blk, struct blk_io *io)
{
	io->blk = blk;
	io->req.reserved = 0;
	blk->in_flight++;

	/* Written only by ourselves: read without the lock. */
	if (blk->draining) {
		vmm_blk_complete(&io->req, -ECANCELED);
		return;
	}
	blk->uncommitted = true;
	blk->ops.submit(blk->state, &io->req);
}

void vmm__blk_commit(struct vmm_blk *blk)
{
	if (!blk->uncommitted)
		return;
	blk->uncommitted = false;
	if (blk->ops.commit)
		blk->ops.commit(blk->state);
}

static void set_draining(struct vmm_blk *blk, bool draining)
{
	pthread_mutex_lock(&blk->lock);
	blk->draining = draining;
	pthread_mutex_unlock(&blk->lock);
}

void vmm__blk_drain(struct vmm_blk *blk)
{
	vmm__blk_commit(blk);
	set_draining(blk, true);
	blk->ops.drain(blk->state);

	while (blk->in_flight > 0) {
		struct blk_io *batch;

		/* A thread of the backend's may still be on its way through vmm_blk_complete(). */
		pthread_mutex_lock(&blk->lock);
		while (blk->nr_answered < blk->in_flight)
			pthread_cond_wait(&blk->answered, &blk->lock);
		batch = take_answers(blk);
		pthread_mutex_unlock(&blk->lock);
		deliver(blk, batch);
	}
	set_draining(blk, false);
}

/* ---- in and out of use ---- */

int vmm__blk_attach(struct vmm_blk *blk, struct vmm_loop *loop, void (*settled)(void *data),
		    void *data)
{
	int r;

	if (blk->loop)
		return vmm__fail(-EBUSY, "this disk is in use by a guest already");

	vmm_deferred_init(&blk->deliver, loop, deliver_batch);
	blk->settled = settled;
	blk->data = data;
	if (blk->ops.attach) {
		r = blk->ops.attach(blk->state, loop);
		if (r < 0)
			return vmm__fail(r, "the \"%s\" disk did not attach: %s", blk->ops.name,
					 strerrordesc_np(-r));
	}
	blk->loop = loop;
	return 0;
}

void vmm__blk_detach(struct vmm_blk *blk)
{
	vmm_deferred_cancel(&blk->deliver);
	if (blk->ops.detach)
		blk->ops.detach(blk->state);
	blk->loop = NULL;
}

/* ---- life ---- */

static bool power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Fill in the defaults, and refuse what no guest could be shown. */
static int info_check(struct vmm_blk_info *info)
{
	const uint32_t known = VMM_BLK_READ_ONLY | VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD |
			       VMM_BLK_CAN_ZERO;

	if (info->block_size == 0)
		info->block_size = 512;
	if (info->physical_block_size == 0)
		info->physical_block_size = info->block_size;
	if (info->max_segments == 0)
		info->max_segments = SEGMENTS_MAX;
	info->size = sizeof(*info);

	if (!power_of_two(info->block_size) || info->block_size < 512 ||
	    info->block_size > BLOCK_MAX)
		return vmm__fail(-EINVAL, "block size %u is not a power of two from 512 to %u",
				 info->block_size, BLOCK_MAX);
	if (!power_of_two(info->physical_block_size) ||
	    info->physical_block_size < info->block_size)
		return vmm__fail(-EINVAL, "physical block size %u is not a power of two from %u",
				 info->physical_block_size, info->block_size);
	if (info->max_segments > SEGMENTS_MAX)
		return vmm__fail(-EINVAL, "max_segments %u is over the limit %u",
				 info->max_segments, SEGMENTS_MAX);
	if (info->flags & ~known)
		return vmm__fail(-EINVAL, "disk flags 0x%x are not those of struct vmm_blk_info",
				 info->flags & ~known);

	info->capacity -= info->capacity % info->block_size;
	if (info->capacity == 0)
		return vmm__fail(-EINVAL, "a disk needs a capacity of one block of %u bytes",
				 info->block_size);
	return 0;
}

int vmm_blk_create(const struct vmm_blk_ops *ops, void *state, const struct vmm_blk_info *info,
		   struct vmm_blk **ret_blk)
{
	struct vmm_blk *blk;
	int r;

	if (!ops || !info || !ret_blk)
		return vmm__fail(-EINVAL, "a disk needs a table, a description and a place to put it");

	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return vmm__fail(-ENOMEM, "no memory for a disk");

	r = vmm__config_copy(&blk->ops, sizeof(blk->ops), ops, ops->size, sizeof(ops->size));
	if (r < 0)
		goto free_blk;
	r = vmm__config_copy(&blk->info, sizeof(blk->info), info, info->size, sizeof(info->size));
	if (r < 0)
		goto free_blk;
	r = info_check(&blk->info);
	if (r < 0)
		goto free_blk;
	if (!blk->ops.name || !blk->ops.submit || !blk->ops.drain) {
		r = vmm__fail(-EINVAL, "a disk's table needs name, submit and drain");
		goto free_blk;
	}

	blk->state = state;
	blk->last = &blk->first;
	pthread_mutex_init(&blk->lock, NULL);
	pthread_cond_init(&blk->answered, NULL);
	*ret_blk = blk;
	return 0;

free_blk:
	free(blk);
	return r;
}

void vmm_blk_destroy(struct vmm_blk *blk)
{
	/* One that is in use is its guest's to destroy. */
	if (!blk || blk->loop)
		return;

	if (blk->ops.destroy)
		blk->ops.destroy(blk->state);
	pthread_cond_destroy(&blk->answered);
	pthread_mutex_destroy(&blk->lock);
	free(blk);
}

int vmm_blk_info(const struct vmm_blk *blk, struct vmm_blk_info *ret_info)
{
	size_t size, common;

	if (!blk || !ret_info || ret_info->size < sizeof(ret_info->size))
		return vmm__fail(-EINVAL, "no disk, or info without its size: use the _INIT macro");

	size = ret_info->size;
	common = size < sizeof(blk->info) ? size : sizeof(blk->info);
	memset(ret_info, 0, size);
	memcpy(ret_info, &blk->info, common);
	ret_info->size = size;
	return 0;
}
