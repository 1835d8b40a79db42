/* SPDX-License-Identifier: MIT */
/*
 * disk.c - a disk's backend as a thing: made, taken into use, changed, destroyed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/block/disk_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define SEGMENTS_MAX	128u
#define BLOCK_MAX	4096u
#define SEGMENT_BYTES	(4u << 20)

/* ---- in and out of use ---- */

static void timer_expired(void *data)
{
	vmm__blk_release(data);
}

int vmm__blk_attach(struct vmm_blk *blk, struct vmm_loop *loop, const struct blk_front *front)
{
	int r;

	if (blk->loop)
		return vmm__fail(-EBUSY, "this disk is in use by a guest already");
	r = vmm__blk_lanes(blk, front->nr_lanes ? front->nr_lanes : 1);
	if (r < 0)
		return r;
	r = vmm_loop_add_timer(loop, timer_expired, blk, &blk->throttle.timer);
	if (r < 0)
		return r;

	vmm_deferred_init(&blk->deliver, loop, vmm__blk_deliver);
	blk->front = *front;
	if (blk->ops.attach) {
		r = blk->ops.attach(blk->state, loop);
		if (r < 0) {
			r = vmm__fail(r, "the \"%s\" disk did not attach: %s", blk->ops.name,
				      strerrordesc_np(-r));
			goto remove_timer;
		}
	}
	blk->loop = loop;
	return 0;

remove_timer:
	vmm_timer_remove(blk->throttle.timer);
	blk->throttle.timer = NULL;
	return r;
}

void vmm__blk_detach(struct vmm_blk *blk)
{
	vmm_timer_remove(blk->throttle.timer);
	blk->throttle.timer = NULL;
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
			       VMM_BLK_CAN_ZERO | VMM_BLK_CAN_THROUGH;

	if (info->block_size == 0)
		info->block_size = 512;
	if (info->physical_block_size == 0)
		info->physical_block_size = info->block_size;
	if (info->max_segments == 0)
		info->max_segments = SEGMENTS_MAX;
	if (info->max_segment_bytes == 0)
		info->max_segment_bytes = SEGMENT_BYTES;
	if (info->discard_granularity == 0)
		info->discard_granularity = info->physical_block_size;
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
	if (info->max_segment_bytes < BLOCK_MAX)
		return vmm__fail(-EINVAL, "max_segment_bytes %u is below %u",
				 info->max_segment_bytes, BLOCK_MAX);
	if (info->optimal_io_bytes % info->block_size != 0 ||
	    info->discard_granularity % info->block_size != 0)
		return vmm__fail(-EINVAL, "optimal_io_bytes %u and discard_granularity %u are not both "
				 "whole blocks of %u", info->optimal_io_bytes,
				 info->discard_granularity, info->block_size);
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
	vmm__throttle_init(&blk->throttle);
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
	free(blk->lanes);
	free(blk);
}

int vmm_blk_info(const struct vmm_blk *blk, struct vmm_blk_info *ret_info)
{
	struct vmm_blk_info info;

	if (!blk || !ret_info || ret_info->size < sizeof(ret_info->size))
		return vmm__fail(-EINVAL, "no disk, or info without its size: use the _INIT macro");

	info = blk->info;
	info.capacity = __atomic_load_n(&blk->info.capacity, __ATOMIC_RELAXED);
	vmm__config_answer(ret_info, ret_info->size, &info, sizeof(info));
	return 0;
}

/* ---- changes on the way ---- */

/* Keep the loop still, if there is one yet. */
static void enter(struct vmm_blk *blk)
{
	if (blk->loop)
		vmm_loop_enter(blk->loop);
}

static void leave(struct vmm_blk *blk)
{
	if (blk->loop)
		vmm_loop_leave(blk->loop);
}

/* What the backend says to it. The rounded size goes to *@capacity. */
static int resize(struct vmm_blk *blk, uint64_t *capacity)
{
	int r = 0;

	if (blk->ops.resize)
		r = blk->ops.resize(blk->state, *capacity, capacity);
	else if (*capacity == 0)
		r = vmm__fail(-EINVAL, "a \"%s\" disk cannot tell its size", blk->ops.name);
	if (r < 0)
		return r;
	*capacity -= *capacity % blk->info.block_size;
	if (*capacity == 0)
		return vmm__fail(-EINVAL, "a disk needs a capacity of one block of %u bytes",
				 blk->info.block_size);
	return 0;
}

int vmm_blk_resize(struct vmm_blk *blk, uint64_t capacity)
{
	int r;

	if (!blk)
		return vmm__fail(-EINVAL, "no disk to resize");
	enter(blk);
	r = resize(blk, &capacity);
	if (r == 0 && capacity != blk->info.capacity) {
		__atomic_store_n(&blk->info.capacity, capacity, __ATOMIC_RELAXED);
		if (blk->loop && blk->front.resized)
			blk->front.resized(blk->front.data, capacity);
	}
	leave(blk);
	return r;
}

int vmm_blk_set_rate(struct vmm_blk *blk, const struct vmm_rate *rate)
{
	int r;

	if (!blk)
		return vmm__fail(-EINVAL, "no disk to limit");
	enter(blk);
	r = vmm__rate_set(&blk->throttle.rate, rate, vmm__blk_clock());
	/* What waits may go sooner now, or later. */
	if (r == 0 && blk->loop)
		vmm__blk_release(blk);
	leave(blk);
	return r;
}
