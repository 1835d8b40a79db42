/* SPDX-License-Identifier: MIT */
/* balloon_priv.h - a memory balloon, shared by the balloon*.c files. */
#ifndef DEVICES_VIRTIO_BALLOON_PRIV_H
#define DEVICES_VIRTIO_BALLOON_PRIV_H

#include <stdbool.h>
#include <linux/virtio_balloon.h>
#include <libvmm/balloon.h>
#include <libvmm/device.h>
#include <libvmm/memory.h>

#define BALLOON_QUEUES	5u		/* VIRTIO 1.2, 5.5.2 */
#define PAGE_SHIFT	VIRTIO_BALLOON_PFN_SHIFT

struct balloon_queue {
	struct vmm_balloon *balloon;
	uint32_t index;
	uint64_t done;			/* bytes of its first chain */
	bool cut;			/* the share of this turn is used up: more comes in the next */
	struct vmm_deferred more;
};

struct vmm_balloon {
	struct vmm_device *dev;
	struct vmm_loop *loop;
	const struct vmm_mem *mem;
	struct vmm_timer *timer;
	uint64_t stats_ns;		/* how often to ask; 0: never */
	bool has_stats;			/* negotiated */
	bool has_reports;
	bool poisoned;			/* free pages must keep what the guest wrote to them */
	bool held;			/* the buffer with figures, which asks for new ones by going back */
	uint16_t held_head, held_generation;
	struct virtio_balloon_config space;
	struct balloon_queue queues[BALLOON_QUEUES];
	struct vmm_balloon_stats stats;	/* written on the loop, read anywhere: atomic, relaxed */
	struct vmm_chain chain;		/* scratch space */
};

static inline void balloon_count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline void balloon_set(uint64_t *figure, uint64_t value)
{
	__atomic_store_n(figure, value, __ATOMIC_RELAXED);
}

/* ---- balloon_pages.c: one turn of a queue ---- */

void vmm__balloon_inflate(struct balloon_queue *q);
void vmm__balloon_deflate(struct balloon_queue *q);
void vmm__balloon_take_reports(struct balloon_queue *q);

#endif
