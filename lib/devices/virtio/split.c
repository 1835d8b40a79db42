/* SPDX-License-Identifier: MIT */
/*
 * split.c - the split ring (VIRTIO 1.2, section 2.7).
 *
 * The three parts of a ring are checked once, when the queue goes up, and
 * kept as host pointers: guest memory does not move while a guest runs. Our own
 * indices are never read back from guest memory.
 *
 * While chains are there the driver is not asked for notifications; it is asked
 * again when the ring is found empty, and then the ring is looked at once more.
 */
#include <endian.h>
#include <errno.h>

#include "devices/virtio/split_priv.h"

/* 2.7.7 and 2.7.8: each side's wish lies after the other side's ring. */
static uint16_t used_event(const struct split_ring *s)
{
	return LOAD16(&s->avail->ring[s->mask + 1]);
}

static void set_avail_event(struct split_ring *s, uint16_t value)
{
	STORE16((__virtio16 *)(void *)&s->used->ring[s->mask + 1], value);
}

static int split_up(struct vmm_queue *q, const struct queue_setup *setup)
{
	struct split_ring s = {
		.mask = setup->size - 1,
		.armed = true,
		.event_idx = setup->event_idx,
	};

	s.desc = vmm__queue_part(q, "descriptor table", setup->desc, 16ull * setup->size, 16,
				 VMM_MEM_READ);
	s.avail = vmm__queue_part(q, "available ring", setup->driver, 6 + 2ull * setup->size, 2,
				  VMM_MEM_READ);
	s.used = vmm__queue_part(q, "used ring", setup->device, 6 + 8ull * setup->size, 4,
				 VMM_MEM_WRITE);
	if (!s.desc || !s.avail || !s.used)
		return -EFAULT;

	s.heads = s.avail->ring;
	STORE16(&s.used->flags, 0);
	if (s.event_idx)
		set_avail_event(&s, 0);
	q->split = s;
	return 0;
}

/* Ask to hear of the next chain, or no longer. */
static void split_arm(struct split_ring *s, bool arm)
{
	s->armed = arm;
	if (!s->event_idx)
		STORE16(&s->used->flags, arm ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (arm)
		set_avail_event(s, (uint16_t)s->next_avail);
	/* Else: an event index that was passed asks for nothing. */
}

/* How many chains we know of; at the end of those the ring is looked at. -EBADMSG. */
static int split_look(struct vmm_queue *q)
{
	struct split_ring *s = &q->split;
	uint16_t pending = (uint16_t)(s->seen_avail - s->next_avail);

	while (pending == 0) {
		/* Pairs with the driver's barrier between the ring's entries and its index. */
		s->seen_avail = le16toh(__atomic_load_n(&s->avail->idx, __ATOMIC_ACQUIRE));
		pending = (uint16_t)(s->seen_avail - s->next_avail);
		if (pending != 0 || s->armed)
			break;
		split_arm(s, true);
		/* Our wish before the second look; pairs with the driver's barrier between its
		 * index and its look at our wish. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}

	if (pending > s->mask + 1)
		return vmm__queue_break(q, "the available index ran ahead");
	if (pending > 0 && s->armed)
		split_arm(s, false);
	return pending;
}

/* The whole way, for whatever comes; the usual is in split_priv.h. */
static int split_pop(struct vmm_queue *q, struct vmm_chain *chain)
{
	struct split_ring *s = &q->split;
	struct raw_desc d;
	const char *why;
	uint16_t head;

	if (q->ready == 0) {
		int r = vmm__queue_open(q);

		if (r > 0)
			r = split_look(q);
		if (r <= 0)
			return r;
		q->ready = (uint32_t)r < q->budget ? (uint32_t)r : (uint32_t)q->budget;
		q->budget -= q->ready;
	}

	head = LOAD16(&s->heads[s->next_avail & s->mask]);
	if (head > s->mask)
		return vmm__queue_break(q, "a head outside the descriptor table");
	if (q->in_flight[head])
		return vmm__queue_break(q, "a chain that is in flight was offered again");

	d = desc_fetch(&s->desc[head]);
	why = vmm__chain_walk(q, s->desc, s->mask + 1, d.addr, d.rest, chain);
	if (why)
		return vmm__queue_break(q, why);
	split_take(q, head, chain);
	return 1;
}

static void split_unpop(struct vmm_queue *q, uint64_t flight)
{
	q->split.next_avail--;
}

static void split_push(struct vmm_queue *q, uint16_t head, uint64_t flight, uint32_t written,
		       bool more)
{
	split_give(&q->split, head, written, more);
}

/* VIRTIO 1.2, 2.7.7. */
static bool split_wants_interrupt(struct vmm_queue *q)
{
	struct split_ring *s = &q->split;
	uint16_t told = s->told_used;

	if (s->next_used == told)
		return false;
	s->told_used = s->next_used;

	/* The used index before the look at what the driver wants; pairs with the driver's
	 * barrier between its wish and its look at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	if (s->event_idx)
		return vring_need_event(used_event(s), s->next_used, told);
	return !(LOAD16(&s->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

const struct ring_ops vmm__ring_split = {
	.up = split_up,
	.pop = split_pop,
	.push = split_push,
	.unpop = split_unpop,
	.wants_interrupt = split_wants_interrupt,
};
