/* SPDX-License-Identifier: MIT */
/*
 * packed.c - the packed ring (VIRTIO 1.2, section 2.8).
 *
 * Driver and device write to one ring of descriptors, each at a place of its own that
 * goes round; two flags of a descriptor say in which lap it was made available
 * and used. Our places are kept here and never read back.
 *
 * A driver cannot have more descriptors in flight than the ring has, nor a buffer id
 * twice: both are counted, so what is kept for a queue is bounded by its size. As in
 * Linux and in the specification's own example, buffer ids are below that size.
 *
 * Notifications are as with a split ring: not asked for while chains are there, asked
 * for when the ring is found empty, which is then looked at once more.
 */
#include <endian.h>
#include <errno.h>

#include "devices/virtio/packed_priv.h"

/* 2.8.10: offset and wrap counter, then flags; written and read whole. */
#define EVENT(off_wrap, flags)	((uint32_t)(off_wrap) | (uint32_t)(flags) << 16)
#define EVENT_WRAP		(1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static uint32_t driver_event(const struct packed_ring *p)
{
	return le32toh(__atomic_load_n((const uint32_t *)(const void *)p->driver,
				       __ATOMIC_RELAXED));
}

static void set_device_event(struct packed_ring *p, uint32_t event)
{
	__atomic_store_n((uint32_t *)(void *)p->device, htole32(event), __ATOMIC_RELAXED);
}

/* Ask to hear of the next chain, or no longer. */
static void packed_arm(struct packed_ring *p, bool arm)
{
	uint32_t wrap = p->avail_flags & PACKED_AVAIL ? EVENT_WRAP : 0;

	p->armed = arm;
	if (!arm)
		set_device_event(p, EVENT(0, VRING_PACKED_EVENT_FLAG_DISABLE));
	else if (!p->event_idx)
		set_device_event(p, EVENT(0, VRING_PACKED_EVENT_FLAG_ENABLE));
	else
		set_device_event(p, EVENT(p->next_avail | wrap, VRING_PACKED_EVENT_FLAG_DESC));
}

static int packed_up(struct vmm_queue *q, const struct queue_setup *setup)
{
	struct packed_ring p = {
		.size = setup->size,
		.avail_flags = PACKED_AVAIL,	/* both counters begin with 1: 2.8.1 */
		.used_flags = PACKED_AVAIL | PACKED_USED,
		.event_idx = setup->event_idx,
	};

	p.desc = vmm__queue_part(q, "descriptor ring", setup->desc, 16ull * setup->size, 16,
				 VMM_MEM_WRITE);
	p.driver = vmm__queue_part(q, "driver's event", setup->driver, 4, 4, VMM_MEM_READ);
	p.device = vmm__queue_part(q, "device's event", setup->device, 4, 4, VMM_MEM_WRITE);
	if (!p.desc || !p.driver || !p.device)
		return -EFAULT;

	packed_arm(&p, true);
	q->packed = p;
	return 0;
}

/* ---- taking ---- */

/* Whether there is a chain; where not, the driver was asked to notify. */
static bool packed_look(struct vmm_queue *q, uint64_t *ret_rest)
{
	struct packed_ring *p = &q->packed;

	while (!packed_available(p, ret_rest)) {
		/* What is ready is had without a look at this, so it ends where we wait. */
		q->budget += q->ready;
		q->ready = 0;
		if (p->armed)
			return false;
		packed_arm(p, true);
		/* Our wish before the second look; pairs with the driver's barrier between its
		 * flags and its look at our wish. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	if (p->armed)
		packed_arm(p, false);
	return true;
}

/* 2.8.7: all of the table is the chain; a descriptor in it has no flag but one. */
static const char *packed_indirect(struct vmm_queue *q, uint64_t addr, uint64_t rest,
				   struct vmm_chain *chain)
{
	struct desc_table table;
	const char *why = vmm__chain_table(q, addr, (uint32_t)rest, packed_flags(rest), &table);

	if (!why && table.size == 0)
		return "an indirect table with nothing in it";
	for (uint32_t i = 0; !why && i < table.size; i++) {
		struct raw_desc d;

		if (i == VMM_CHAIN_MAX)
			return "a chain that is longer than a chain may be";
		if (!vmm__desc_read(q, &table, i, &d))
			return "an indirect table that is not in guest memory";
		why = vmm__chain_add(q, chain, d.addr, (uint32_t)d.rest,
				     packed_flags(d.rest) & VRING_DESC_F_WRITE);
	}
	return why;
}

/* Gather the chain whose first descriptor says @rest. NULL, or why it cannot be. */
static const char *packed_walk(struct vmm_queue *q, uint64_t rest, struct vmm_chain *chain,
			       uint16_t *ret_id, uint32_t *ret_n)
{
	const struct packed_ring *p = &q->packed;
	uint32_t at = p->next_avail, n = 0;
	const char *why;

	chain_clear(chain);
	for (;;) {
		uint64_t addr = packed_addr(p, at);
		uint32_t flags = packed_flags(rest);

		if (++n > VMM_CHAIN_MAX)
			return "a chain that is longer than a chain may be";
		if (flags & VRING_DESC_F_INDIRECT) {
			/* 2.8.19: not in a list with others. */
			why = n > 1 ? "an indirect table after other buffers"
				    : packed_indirect(q, addr, rest, chain);
			break;
		}
		why = vmm__chain_add(q, chain, addr, (uint32_t)rest, flags & VRING_DESC_F_WRITE);
		if (why || !(flags & VRING_DESC_F_NEXT))
			break;

		at = at + 1 < p->size ? at + 1 : 0;
		/* The driver made these available before the first, which was seen. */
		rest = le64toh(__atomic_load_n(packed_rest(p, at), __ATOMIC_RELAXED));
	}
	*ret_id = packed_id(rest);	/* 2.8.6: of the last */
	*ret_n = n;
	return why;
}

/* The whole way, for whatever comes; the usual is in packed_priv.h. */
static int packed_pop(struct vmm_queue *q, struct vmm_chain *chain)
{
	struct packed_ring *p = &q->packed;
	const char *why;
	uint64_t rest;
	uint32_t n;
	uint16_t id;

	if (q->ready == 0) {
		int r = vmm__queue_open(q);

		if (r <= 0)
			return r;
	}
	if (!packed_look(q, &rest))
		return 0;
	if (q->ready == 0) {
		q->ready = p->size < q->budget ? p->size : (uint32_t)q->budget;
		q->budget -= q->ready;
	}

	why = packed_walk(q, rest, chain, &id, &n);
	if (why)
		return vmm__queue_break(q, why);
	if (id >= p->size)
		return vmm__queue_break(q, "a buffer id that is not below the size of the ring");
	if (q->in_flight[id])
		return vmm__queue_break(q, "a chain that is in flight was offered again");
	if (n > p->size - p->in_use)
		return vmm__queue_break(q, "more descriptors in flight than the ring has");
	packed_take(q, id, n, chain);
	return 1;
}

static void packed_unpop(struct vmm_queue *q, uint64_t flight)
{
	struct packed_ring *p = &q->packed;
	uint32_t n = (uint32_t)(flight >> FLIGHT_SHIFT);

	p->in_use -= n;
	if (p->next_avail < n) {
		p->next_avail += p->size;
		p->avail_flags ^= PACKED_AVAIL | PACKED_USED;
	}
	p->next_avail -= n;
}

/* ---- giving back ---- */

/* 2.8.4: one used descriptor for the chain, then on by as many as the chain had. */
static void packed_push(struct vmm_queue *q, uint16_t head, uint64_t flight, uint32_t written,
			bool more)
{
	struct packed_ring *p = &q->packed;
	uint32_t n = (uint32_t)(flight >> FLIGHT_SHIFT);
	uint32_t flags = p->used_flags | (written > 0 ? VRING_DESC_F_WRITE : 0);
	uint64_t rest = htole64(written | (uint64_t)head << 32 | (uint64_t)flags << 48);
	uint64_t *at = packed_rest(p, p->next_used);

	p->in_use -= n;
	p->untold += n;
	p->next_used += n;
	if (p->next_used >= p->size) {
		p->next_used -= p->size;
		p->used_flags ^= PACKED_AVAIL | PACKED_USED;
	}

	if (more && !p->held) {
		p->held = at;
		p->held_rest = rest;
	} else if (more) {
		__atomic_store_n(at, rest, __ATOMIC_RELAXED);
	} else if (p->held) {
		/* 2.8.9: the driver looks at the first, so that comes last. */
		__atomic_store_n(at, rest, __ATOMIC_RELAXED);
		__atomic_store_n(p->held, p->held_rest, __ATOMIC_RELEASE);
		p->held = NULL;
	} else {
		/* The buffer before the flags. */
		__atomic_store_n(at, rest, __ATOMIC_RELEASE);
	}
}

/* 2.8.10 and 2.8.21.3: whether a place that we passed since last time is the one asked for. */
static bool packed_wants_interrupt(struct vmm_queue *q)
{
	struct packed_ring *p = &q->packed;
	uint32_t untold = p->untold;
	bool wrap = p->used_flags & PACKED_USED;
	uint32_t event, flags, asked;

	if (untold == 0)
		return false;
	p->untold = 0;

	/* The used descriptor before the look at what the driver wants; pairs with the driver's
	 * barrier between its wish and its look at the descriptor. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	event = driver_event(p);
	flags = event >> 16 & 3;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !p->event_idx)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (untold > p->size)
		return true;

	/* How far behind us it lies; in the lap before if the counters differ. What lies ahead is
	 * more than a lap behind, or wraps. */
	asked = event & (EVENT_WRAP - 1);
	return p->next_used + (!!(event & EVENT_WRAP) == wrap ? 0 : p->size) - asked - 1 < untold;
}

const struct ring_ops vmm__ring_packed = {
	.up = packed_up,
	.pop = packed_pop,
	.push = packed_push,
	.unpop = packed_unpop,
	.wants_interrupt = packed_wants_interrupt,
};
