/* SPDX-License-Identifier: MIT */
/*
 * throttle.c - requests of a disk that wait because of its rate.
 *
 * They wait in one list, in the order they came, whatever their kind: a small one does not
 * overtake a large one for which there is not enough left. One timer says when the first
 * may go.
 */
#include "backends/block/throttle_priv.h"

void vmm__throttle_init(struct blk_throttle *t)
{
	t->first = NULL;
	t->last = &t->first;
}

/* Bytes that are moved. To make a hole, or to flush, moves none. */
static uint64_t cost_bytes(const struct blk_io *io)
{
	return io->req.op <= VMM_BLK_WRITE ? io->req.length : 0;
}

static void count(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

bool vmm__throttle_pass(struct blk_throttle *t, struct blk_io *io, uint64_t now_ns)
{
	uint64_t again;

	if (!t->first) {
		if (!vmm__rate_limited(&t->rate))
			return true;
		again = vmm__rate_take(&t->rate, cost_bytes(io), 1, now_ns);
		if (again == 0)
			return true;
		vmm_timer_set(t->timer, again);
	}
	io->next = NULL;
	*t->last = io;
	t->last = &io->next;
	count(&t->nr_held, 1);
	count(&t->nr_throttled, 1);
	return false;
}

struct blk_io *vmm__throttle_next(struct blk_throttle *t, uint64_t now_ns)
{
	struct blk_io *io = t->first;
	uint64_t again;

	if (!io)
		return NULL;
	again = vmm__rate_take(&t->rate, cost_bytes(io), 1, now_ns);
	if (again != 0) {
		vmm_timer_set(t->timer, again);
		return NULL;
	}
	t->first = io->next;
	if (!t->first)
		t->last = &t->first;
	count(&t->nr_held, (uint64_t)-1);
	return io;
}

struct blk_io *vmm__throttle_drop(struct blk_throttle *t, uint32_t lane)
{
	struct blk_io *held = t->first, *list = NULL, **last = &list, *next;
	uint64_t nr_held = 0;

	vmm__throttle_init(t);
	for (; held; held = next) {
		struct blk_io ***to = lane == BLK_ALL_LANES || held->lane == lane ? &last : &t->last;

		next = held->next;
		held->next = NULL;
		**to = held;
		*to = &held->next;
		nr_held += to == &t->last;
	}
	__atomic_store_n(&t->nr_held, nr_held, __ATOMIC_RELAXED);
	return list;
}
