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
};

/*
 * A ring format. pop() asks vmm__queue_open() before it looks at the ring, and
 * then says in @ready how many chains it knows of, within the budget. push()
 * comes with a head that is in flight and a length that was checked.
 */
struct ring_ops {
	int (*up)(struct vmm_queue *q, const struct queue_setup *setup);
	int (*pop)(struct vmm_queue *q, struct vmm_chain *chain);
	void (*push)(struct vmm_queue *q, uint16_t head, uint32_t written);
	void (*unpop)(struct vmm_queue *q);
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

struct vmm_queue {
	uint32_t ready;		/* chains to be had without a look at state, budget or ring */
	uint32_t state;		/* enum queue_state */
	int32_t last_head;	/* what unpop takes back; -1: nothing */
	const struct ring_ops *ring;
	uint64_t *in_flight;	/* by head: IN_FLIGHT | bytes of the in part, or 0 */
	const struct mem_region *region;	/* of the last buffer; any at first */
	struct split_ring split;

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

extern const struct ring_ops vmm__ring_split;

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

/* From a ring format: the driver lied. Returns -EBADMSG. */
int vmm__queue_break(struct vmm_queue *q, const char *why);

#endif
