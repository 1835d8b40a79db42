/* SPDX-License-Identifier: MIT */
/*
 * queue_priv.h - a virtqueue as the device core sets it up, and what a ring
 * format gives to it.
 *
 * A queue is touched by its device's loop only. What the driver writes into
 * registers stays in struct virtio until the queue goes up.
 */
#ifndef DEVICES_VIRTIO_QUEUE_PRIV_H
#define DEVICES_VIRTIO_QUEUE_PRIV_H

#include <stdbool.h>
#include <linux/virtio_ring.h>
#include <libvmm/device.h>

struct mem_region;
struct vmm_mem;

/* Chains that one kick may take before the other sources of the loop have their turn. */
#define QUEUE_BUDGET		256
#define QUEUE_NO_BUDGET		UINT64_MAX	/* outside of a kick: the device's own pace */

enum queue_state {
	QUEUE_UP	= 0,	/* the only one in which the ring is looked at */
	QUEUE_DOWN	= 1,	/* not enabled, or reset */
	QUEUE_PAUSED	= 2,	/* the device may not use the guest's memory now */
	QUEUE_BROKEN	= 3,	/* the driver broke the rules */
};

/* What the driver asked for. */
struct queue_setup {
	vmm_gpa_t desc;
	vmm_gpa_t driver;
	vmm_gpa_t device;
	uint32_t size;
	bool indirect;		/* VIRTIO_F_RING_INDIRECT_DESC was negotiated */
	bool event_idx;		/* VIRTIO_F_RING_EVENT_IDX was negotiated */
	bool packed;		/* VIRTIO_F_RING_PACKED was negotiated */
};

/*
 * A ring format. pop() asks vmm__queue_open() before it looks at the ring, and
 * then says in @ready how many chains may be had without asking again, within the
 * budget. push() comes with a head that was in flight, what was remembered of it, and a
 * length that was checked; with @more, the driver does not get to see it before the
 * push that follows at once. unpop() comes with what was remembered of the last chain.
 */
struct ring_ops {
	int (*up)(struct vmm_queue *q, const struct queue_setup *setup);
	int (*pop)(struct vmm_queue *q, struct vmm_chain *chain);
	void (*push)(struct vmm_queue *q, uint16_t head, uint64_t flight, uint32_t written,
		     bool more);
	void (*unpop)(struct vmm_queue *q, uint64_t flight);
	bool (*wants_interrupt)(struct vmm_queue *q);
};

/* VIRTIO 1.2, 2.7. Host pointers were checked when the queue went up; indices are ours alone. */
struct split_ring {
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	const __virtio16 *heads;	/* avail->ring */
	uint32_t mask;		/* size - 1 */
	uint32_t next_avail;	/* its low 16 bits count */
	uint16_t seen_avail;	/* avail->idx when we last looked */
	uint16_t next_used;
	uint16_t told_used;	/* next_used when we last asked what the driver wants */
	bool armed;		/* the driver was asked to notify of the next chain */
	bool event_idx;
};

/* VIRTIO 1.2, 2.8. Likewise; a place in the ring is an index and the lap's wrap counter. */
struct packed_ring {
	struct vring_packed_desc *desc;
	const struct vring_packed_desc_event *driver;
	struct vring_packed_desc_event *device;
	uint32_t size;
	uint32_t next_avail;
	uint32_t next_used;
	uint32_t in_use;	/* descriptors of the chains in flight */
	uint16_t avail_flags;	/* AVAIL and USED, as of a descriptor that is available in this lap */
	uint16_t used_flags;	/* and as of one that is used */
	uint32_t untold;	/* descriptors used since we last asked what the driver wants */
	uint64_t *held;		/* the used descriptor that is to be written last, and: */
	uint64_t held_rest;
	bool armed;		/* the driver was asked to notify of the next chain */
	bool event_idx;
};

struct vmm_queue {
	uint32_t ready;		/* chains to be had without a look at state, budget or ring */
	uint32_t state;		/* enum queue_state */
	int32_t last_head;	/* what unpop takes back; -1: nothing */
	const struct ring_ops *ring;
	uint64_t *in_flight;	/* by head: IN_FLIGHT | bytes of the in part, or 0 */
	const struct mem_region *region;	/* of the last buffer; any at first */
	union {
		struct split_ring split;
		struct packed_ring packed;
	};

	uint64_t budget;	/* beyond those that are ready */
	uint16_t generation;	/* of the activation; never 0 */
	bool cut;		/* a pop found the budget spent */
	bool indirect;
	uint32_t size;
	uint32_t max_size;
	const struct vmm_mem *mem;

	uint32_t index;
	void (*interrupt)(struct vmm_queue *q);
	void (*broke)(struct vmm_queue *q, const char *why);
	void *owner;
};

#define IN_FLIGHT	(1ull << 32)
#define FLIGHT_SHIFT	33	/* above it: the ring format's */

extern const struct ring_ops vmm__ring_split;
extern const struct ring_ops vmm__ring_packed;

/* A queue that is down. -ENOMEM. */
int vmm__queue_init(struct vmm_queue *q, const struct vmm_mem *mem, uint32_t max_size);
void vmm__queue_finish(struct vmm_queue *q);

/* -EINVAL or -EFAULT with words: the driver's addresses cannot be; the queue stays down. */
int vmm__queue_up(struct vmm_queue *q, const struct queue_setup *setup);
void vmm__queue_down(struct vmm_queue *q);

void vmm__queue_set_state(struct vmm_queue *q, enum queue_state state);
/* Until the next call; @cut tells afterwards whether it was too little. */
void vmm__queue_set_budget(struct vmm_queue *q, uint64_t budget);

/* From a ring format, before it looks: 1, or what pop() answers without a look. */
int vmm__queue_open(struct vmm_queue *q);

/*
 * From a ring format going up: the host bytes of one part of it, in one region and aligned
 * as the specification wants (VIRTIO 1.2, 2.7 and 2.8.10.1). NULL with words.
 */
void *vmm__queue_part(const struct vmm_queue *q, const char *what, vmm_gpa_t gpa, uint64_t len,
		      unsigned align, unsigned access);

/* From a ring format: the driver lied. Returns -EBADMSG. */
int vmm__queue_break(struct vmm_queue *q, const char *why);

#endif
