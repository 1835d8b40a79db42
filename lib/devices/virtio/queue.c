/* SPDX-License-Identifier: MIT */
/*
 * queue.c - a virtqueue as a device sees it, whatever the format of its ring.
 *
 * A queue that is up hands out chains that were copied and checked. What is in
 * flight is remembered here, by head and out of the guest's reach: so a chain
 * is given back once, with no more bytes than it has, to the activation it
 * came from. Everything else is harmless.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error_priv.h"
#include "devices/virtio/packed_priv.h"
#include "devices/virtio/split_priv.h"

int vmm__queue_init(struct vmm_queue *q, const struct vmm_mem *mem, uint32_t max_size)
{
	*q = (struct vmm_queue){
		.state = QUEUE_DOWN,
		.last_head = -1,
		.budget = QUEUE_NO_BUDGET,
		.mem = mem,
		.max_size = max_size,
		.ring = &vmm__ring_split,
	};
	q->in_flight = calloc(max_size, sizeof(q->in_flight[0]));
	if (!q->in_flight)
		return vmm__fail(-ENOMEM, "no memory for a queue of %u", max_size);
	return 0;
}

void vmm__queue_finish(struct vmm_queue *q)
{
	free(q->in_flight);
	*q = (struct vmm_queue){ .state = QUEUE_DOWN };
}

void *vmm__queue_part(const struct vmm_queue *q, const char *what, vmm_gpa_t gpa, uint64_t len,
		      unsigned align, unsigned access)
{
	void *host = vmm__mem_ptr(q->mem, gpa, len, access);

	if (!host) {
		vmm__fail(-EFAULT, "queue %u: the %s at 0x%llx is not in guest memory", q->index,
			  what, (unsigned long long)gpa);
		return NULL;
	}
	if (gpa % align != 0 || (uintptr_t)host % align != 0) {
		vmm__fail(-EFAULT, "queue %u: the %s at 0x%llx is not aligned to %u", q->index,
			  what, (unsigned long long)gpa, align);
		return NULL;
	}
	return host;
}

int vmm__queue_up(struct vmm_queue *q, const struct queue_setup *setup)
{
	int r;

	/* 2.7: the size of a split ring is a power of two; that of a packed one is free (2.8.10.1). */
	if (setup->size == 0 || setup->size > q->max_size ||
	    (!setup->packed && (setup->size & (setup->size - 1))))
		return vmm__fail(-EINVAL, "a queue of %u entries cannot be", setup->size);

	q->ring = setup->packed ? &vmm__ring_packed : &vmm__ring_split;
	r = q->ring->up(q, setup);
	if (r < 0)
		return r;

	q->size = setup->size;
	q->indirect = setup->indirect;
	q->region = &q->mem->regions[0];
	q->cut = false;
	q->last_head = -1;
	q->budget = QUEUE_NO_BUDGET;
	/* 0 means "not known" in a chain. */
	if (++q->generation == 0)
		q->generation = 1;
	vmm__queue_set_state(q, QUEUE_UP);
	return 0;
}

void vmm__queue_down(struct vmm_queue *q)
{
	vmm__queue_set_state(q, QUEUE_DOWN);
	q->cut = false;
	q->last_head = -1;
	memset(q->in_flight, 0, q->max_size * sizeof(q->in_flight[0]));
}

int vmm__queue_break(struct vmm_queue *q, const char *why)
{
	vmm__queue_set_state(q, QUEUE_BROKEN);
	q->broke(q, why);
	return vmm__fail(-EBADMSG, "queue %u: %s", q->index, why);
}

void vmm__queue_set_state(struct vmm_queue *q, enum queue_state state)
{
	q->state = state;
	q->ready = 0;
}

void vmm__queue_set_budget(struct vmm_queue *q, uint64_t budget)
{
	q->budget = budget;
	q->ready = 0;
	q->cut = false;
}

int vmm__queue_open(struct vmm_queue *q)
{
	if (q->state == QUEUE_BROKEN)
		return vmm__fail(-EBADMSG, "queue %u was stopped: the driver must reset the device",
				 q->index);
	if (q->state != QUEUE_UP)
		return 0;
	q->cut = q->budget == 0;
	return q->budget > 0;
}

int vmm_queue_pop(struct vmm_queue *q, struct vmm_chain *chain)
{
	if (likely(q->ring == &vmm__ring_split)) {
		if (likely(split_pop_short(q, chain)))
			return 1;
	} else if (likely(packed_pop_short(q, chain))) {
		return 1;
	}

	return q->ring->pop(q, chain);
}

/* What was remembered of a chain that may be given back now, and is no longer in flight; else 0. */
static inline uint64_t flight_end(struct vmm_queue *q, uint16_t head, uint16_t generation)
{
	uint64_t flight;

	/* A queue that is down has nothing in flight; a paused one still takes back what it has. */
	if (unlikely(q->state == QUEUE_BROKEN))
		return 0;
	if (unlikely(head >= q->size))
		return 0;
	if (unlikely(generation != q->generation && generation != 0))
		return 0;

	flight = q->in_flight[head];
	if (unlikely(!(flight & IN_FLIGHT)))
		return 0;
	q->in_flight[head] = 0;
	q->last_head = -1;
	return flight;
}

static inline void push(struct vmm_queue *q, uint16_t head, uint64_t flight, uint32_t written,
			bool more)
{
	uint32_t in_len = (uint32_t)flight;

	q->ring->push(q, head, flight, written < in_len ? written : in_len, more);
}

void vmm_queue_push(struct vmm_queue *q, const struct vmm_chain *chain, uint32_t written)
{
	uint64_t flight = flight_end(q, chain->head, chain->generation);
	uint32_t in_len = (uint32_t)flight;

	if (unlikely(!flight))
		return;
	if (likely(q->ring == &vmm__ring_split))
		split_give(&q->split, chain->head, written < in_len ? written : in_len, false);
	else
		push(q, chain->head, flight, written, false);
}

void vmm_queue_push_all(struct vmm_queue *q, const struct vmm_used *used, uint32_t n)
{
	const struct vmm_used *last = NULL;
	uint64_t last_flight = 0;

	/* One behind, so that the last of those that count is known. */
	for (uint32_t i = 0; i < n; i++) {
		uint64_t flight = flight_end(q, used[i].head, used[i].generation);

		if (!flight)
			continue;
		if (last)
			push(q, last->head, last_flight, last->written, true);
		last = &used[i];
		last_flight = flight;
	}
	if (last)
		push(q, last->head, last_flight, last->written, false);
}

void vmm_queue_unpop(struct vmm_queue *q)
{
	uint64_t flight;

	if (q->last_head < 0 || q->state == QUEUE_DOWN || q->state == QUEUE_BROKEN)
		return;

	flight = q->in_flight[q->last_head];
	q->in_flight[q->last_head] = 0;
	q->last_head = -1;
	q->ring->unpop(q, flight);
}

int vmm_queue_holds(const struct vmm_queue *q, uint16_t head, uint16_t generation)
{
	if (q->state == QUEUE_DOWN || q->state == QUEUE_BROKEN || generation != q->generation ||
	    head >= q->size || !(q->in_flight[head] & IN_FLIGHT))
		return -ESTALE;
	return q->state == QUEUE_UP ? 1 : -EAGAIN;
}

void vmm_queue_notify(struct vmm_queue *q)
{
	if (q->state == QUEUE_DOWN || q->state == QUEUE_BROKEN)
		return;
	if (q->ring->wants_interrupt(q))
		q->interrupt(q);
}

uint32_t vmm_queue_index(const struct vmm_queue *q)
{
	return q->index;
}
