/* SPDX-License-Identifier: MIT */
/*
 * stats.c - what was done of a disk's requests.
 *
 * The loop alone writes the counters, so they need no lock and no atomic addition; whoever
 * reads them stops nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/block/disk_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

_Static_assert(BLK_OPS <= sizeof(((struct vmm_blk_stats *)0)->op) / sizeof(struct vmm_blk_count),
	       "each kind has its place");

int vmm__blk_lanes(struct vmm_blk *blk, uint32_t nr_lanes)
{
	struct blk_lane *lanes;

	if (nr_lanes <= blk->nr_lanes)
		return 0;
	lanes = calloc(nr_lanes, sizeof(*lanes));
	if (!lanes)
		return vmm__fail(-ENOMEM, "no memory for the counters of a disk");
	if (blk->nr_lanes > 0)
		memcpy(lanes, blk->lanes, blk->nr_lanes * sizeof(*lanes));
	free(blk->lanes);
	blk->lanes = lanes;
	blk->nr_lanes = nr_lanes;
	return 0;
}

/* Pairs with get(). One writer: a plain load and a store that is whole. */
static void add(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void vmm__blk_count(struct vmm_blk *blk, const struct blk_io *io, uint64_t now_ns)
{
	struct vmm_blk_count *c = &blk->lanes[io->lane].op[io->req.op];

	add(&c->requests, 1);
	if (io->result == 0)
		add(&c->bytes, io->req.length);
	else
		add(&c->errors, 1);
	add(&c->latency_ns, now_ns - io->start_ns);
}

static void gather(const struct blk_lane *lane, struct vmm_blk_stats *stats)
{
	for (size_t i = 0; i < BLK_OPS; i++) {
		stats->op[i].requests += get(&lane->op[i].requests);
		stats->op[i].bytes += get(&lane->op[i].bytes);
		stats->op[i].errors += get(&lane->op[i].errors);
		stats->op[i].latency_ns += get(&lane->op[i].latency_ns);
	}
}

int vmm_blk_stats(const struct vmm_blk *blk, uint32_t queue, struct vmm_blk_stats *ret_stats)
{
	struct vmm_blk_stats stats = VMM_BLK_STATS_INIT;

	if (!blk || !ret_stats || ret_stats->size < sizeof(ret_stats->size))
		return vmm__fail(-EINVAL, "no disk, or counters without their size: use the _INIT macro");
	if (queue != VMM_BLK_ALL_QUEUES && queue >= blk->nr_lanes)
		return vmm__fail(-EINVAL, "this disk has no queue %u", queue);

	for (uint32_t i = 0; i < blk->nr_lanes; i++) {
		if (queue == VMM_BLK_ALL_QUEUES || queue == i)
			gather(&blk->lanes[i], &stats);
	}
	/* Of the whole disk, whichever queue was asked for. */
	stats.in_flight = get(&blk->in_flight);
	stats.held = get(&blk->throttle.nr_held);
	stats.throttled = get(&blk->throttle.nr_throttled);
	vmm__config_answer(ret_stats, ret_stats->size, &stats, sizeof(stats));
	return 0;
}
