/* SPDX-License-Identifier: MIT */
/*
 * chain_priv.h - from descriptors to a chain, for ring formats.
 *
 * What nearly all chains of a busy queue are like, one buffer in the region
 * where the last one was, is done inline.
 */
#ifndef DEVICES_VIRTIO_CHAIN_PRIV_H
#define DEVICES_VIRTIO_CHAIN_PRIV_H

#include <endian.h>

#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/*
 * A descriptor as it lies in guest memory, at any address (an indirect table's is free): the
 * address, then length, flags and next as one word. Fetched once, as two words.
 */
struct raw_desc {
	uint64_t addr;
	uint64_t rest;
} __attribute__((packed));

/* Volatile: the compiler must not fetch a word again after it was checked. */
static inline struct raw_desc desc_fetch(const struct vring_desc *host)
{
	const volatile struct raw_desc *raw = (const volatile void *)host;

	return (struct raw_desc){ .addr = le64toh(raw->addr), .rest = le64toh(raw->rest) };
}

static inline uint32_t desc_len(uint64_t rest)
{
	return (uint32_t)rest;
}

static inline uint32_t desc_flags(uint64_t rest)
{
	return rest >> 32 & 0xffff;
}

static inline uint32_t desc_next(uint64_t rest)
{
	return (uint32_t)(rest >> 48);
}

/* Descriptors in a row in guest memory. */
struct desc_table {
	const struct vring_desc *host;	/* NULL: not in one region; read by address */
	vmm_gpa_t gpa;
	uint32_t size;
};

static inline void chain_clear(struct vmm_chain *chain)
{
	chain->nr_out = chain->nr_in = 0;
	chain->out_len = chain->in_len = 0;
}

/* Add one buffer to what was gathered. NULL, or why it cannot be. */
const char *vmm__chain_add(struct vmm_queue *q, struct vmm_chain *chain, uint64_t addr,
			   uint32_t len, bool in);

/* The indirect table that a descriptor with @flags names. NULL, or why it cannot be. */
const char *vmm__chain_table(struct vmm_queue *q, uint64_t addr, uint32_t len, uint32_t flags,
			     struct desc_table *ret_table);

/* Fetch a descriptor, once. False: it is not in guest memory. */
bool vmm__desc_read(const struct vmm_queue *q, const struct desc_table *table, uint32_t index,
		    struct raw_desc *ret_desc);

/*
 * Gather the chain of a split ring that begins with the descriptor @addr, @rest of a table of @size.
 * NULL, or why it cannot be. chain->head and generation are the caller's.
 */
const char *vmm__chain_walk(struct vmm_queue *q, const struct vring_desc *table, uint32_t size,
			    uint64_t addr, uint64_t rest, struct vmm_chain *chain);

/*
 * The same for a single buffer in the region of the last one. False: it is not that.
 * Not a whole-struct assignment: that would clear 2 KiB of iov.
 */
static inline bool chain_single(const struct vmm_queue *q, const struct raw_desc *d,
				struct vmm_chain *chain)
{
	const struct mem_region *r = q->region;
	uint64_t offset = d->addr - r->gpa, room = r->size;
	uint32_t len = desc_len(d->rest);
	uint32_t flags = desc_flags(d->rest);

	/* As mem_region_ptr(), and no empty buffer: its length less one is past every end. */
	if (unlikely(offset >= room))
		return false;
	room -= offset;
	/* Keeps the compiler from making one sum of both subtractions, with more registers. */
	__asm__("" : "+r"(room));
	if (unlikely((uint64_t)len - 1 >= room))
		return false;
	chain->iov[0].iov_base = r->host + offset;
	chain->iov[0].iov_len = len;

	if (flags == VRING_DESC_F_WRITE && !r->read_only) {
		chain->nr_out = 0;
		chain->nr_in = 1;
		chain->out_len = 0;
		chain->in_len = len;
		return true;
	}
	chain->nr_out = 1;
	chain->nr_in = 0;
	chain->out_len = len;
	chain->in_len = 0;
	return flags == 0;
}

#endif
