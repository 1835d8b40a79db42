/* SPDX-License-Identifier: MIT */
/*
 * packed_priv.h - what a busy packed ring does most, without a call: give out a chain of
 * one buffer.
 */
#ifndef DEVICES_VIRTIO_PACKED_PRIV_H
#define DEVICES_VIRTIO_PACKED_PRIV_H

#include "devices/virtio/chain_priv.h"

#define PACKED_AVAIL	(1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	(1u << VRING_PACKED_DESC_F_USED)
#define PACKED_KIND	(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* Length, buffer id and flags, as one word: so they are fetched, and written, at once. */
static inline uint64_t *packed_rest(const struct packed_ring *p, uint32_t index)
{
	return (uint64_t *)(void *)&p->desc[index].len;
}

static inline uint32_t packed_flags(uint64_t rest)
{
	return (uint32_t)(rest >> 48);
}

static inline uint16_t packed_id(uint64_t rest)
{
	return (uint16_t)(rest >> 32);
}

static inline uint64_t packed_addr(const struct packed_ring *p, uint32_t index)
{
	return le64toh(__atomic_load_n(&p->desc[index].addr, __ATOMIC_RELAXED));
}

/* The next descriptor, if the driver has made it available (2.8.1). */
static inline bool packed_available(const struct packed_ring *p, uint64_t *ret_rest)
{
	/* Pairs with the driver's barrier between a chain and the flags of its first. */
	uint64_t rest = le64toh(__atomic_load_n(packed_rest(p, p->next_avail), __ATOMIC_ACQUIRE));

	*ret_rest = rest;
	return ((packed_flags(rest) ^ p->avail_flags) & (PACKED_AVAIL | PACKED_USED)) == 0;
}

/* What was gathered from @n descriptors is the device's from here on. */
static inline void packed_take(struct vmm_queue *q, uint16_t id, uint32_t n,
			       struct vmm_chain *chain)
{
	struct packed_ring *p = &q->packed;

	chain->head = id;
	chain->generation = q->generation;
	q->in_flight[id] = IN_FLIGHT | chain->in_len | (uint64_t)n << FLIGHT_SHIFT;
	q->last_head = id;
	q->ready--;
	p->in_use += n;
	p->next_avail += n;
	if (p->next_avail >= p->size) {
		p->next_avail -= p->size;
		p->avail_flags ^= PACKED_AVAIL | PACKED_USED;
	}
}

/* False: it takes ring->pop(), which begins anew with nothing kept of what was read here. */
static inline bool packed_pop_short(struct vmm_queue *q, struct vmm_chain *chain)
{
	struct packed_ring *p = &q->packed;
	struct raw_desc d;
	uint64_t rest;
	uint16_t id;

	if (unlikely(q->ready == 0))
		return false;
	if (unlikely(!packed_available(p, &rest)))
		return false;
	id = packed_id(rest);
	if (unlikely(id >= p->size || q->in_flight[id] || p->in_use >= p->size))
		return false;
	d.addr = packed_addr(p, p->next_avail);
	d.rest = (uint32_t)rest | (uint64_t)(packed_flags(rest) & PACKED_KIND) << 32;
	if (unlikely(!chain_single(q, &d, chain)))
		return false;

	packed_take(q, id, 1, chain);
	return true;
}

#endif
