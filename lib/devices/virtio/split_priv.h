/* SPDX-License-Identifier: MIT */
/*
 * split_priv.h - what a busy split ring does most, without a call: give out a chain of
 * one buffer that we knew of when we last looked, and take it back.
 */
#ifndef DEVICES_VIRTIO_SPLIT_PRIV_H
#define DEVICES_VIRTIO_SPLIT_PRIV_H

#include "devices/virtio/chain_priv.h"

#define LOAD16(p)	le16toh(__atomic_load_n((p), __ATOMIC_RELAXED))
#define STORE16(p, v)	__atomic_store_n((p), htole16(v), __ATOMIC_RELAXED)
#define STORE32(p, v)	__atomic_store_n((p), htole32(v), __ATOMIC_RELAXED)

/* What was gathered is the device's from here on. */
static inline void split_take(struct vmm_queue *q, uint16_t head, struct vmm_chain *chain)
{
	chain->head = head;
	chain->generation = q->generation;
	q->in_flight[head] = IN_FLIGHT | chain->in_len;
	q->last_head = head;
	q->ready--;
	q->split.next_avail++;
}

/* False: it takes ring->pop(), which begins anew with nothing kept of what was read here. */
static inline bool split_pop_short(struct vmm_queue *q, struct vmm_chain *chain)
{
	struct split_ring *s = &q->split;
	struct raw_desc d;
	uint16_t head;

	if (unlikely(q->ready == 0))
		return false;
	head = LOAD16(&s->heads[s->next_avail & s->mask]);
	if (unlikely(head > s->mask || q->in_flight[head]))
		return false;
	d = desc_fetch(&s->desc[head]);
	if (unlikely(!chain_single(q, &d, chain)))
		return false;

	split_take(q, head, chain);
	return true;
}

static inline void split_give(struct split_ring *s, uint16_t head, uint32_t written, bool more)
{
	vring_used_elem_t *elem = &s->used->ring[s->next_used & s->mask];

	STORE32(&elem->id, head);
	STORE32(&elem->len, written);
	s->next_used++;
	/* Buffers and elements before the index. */
	if (!more)
		__atomic_store_n(&s->used->idx, htole16(s->next_used), __ATOMIC_RELEASE);
}

#endif
