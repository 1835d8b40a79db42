/* SPDX-License-Identifier: MIT */
/*
 * chain.c - from descriptors in guest memory to a checked list of host buffers.
 *
 * The driver is not trusted. Each descriptor is fetched once, into a host struct,
 * and all decisions are made on that copy. A chain of more than VMM_CHAIN_MAX
 * descriptors is refused, so that a walk is short even when it goes in circles.
 */
#include <errno.h>
#include <string.h>

#include "devices/virtio/chain_priv.h"

bool vmm__desc_read(const struct vmm_queue *q, const struct desc_table *table, uint32_t index,
		    struct raw_desc *ret_desc)
{
	struct raw_desc raw;

	if (likely(table->host)) {
		*ret_desc = desc_fetch(&table->host[index]);
		return true;
	}
	if (vmm_mem_read(q->mem, table->gpa + sizeof(raw) * (uint64_t)index, &raw, sizeof(raw)) < 0)
		return false;
	*ret_desc = (struct raw_desc){ .addr = le64toh(raw.addr), .rest = le64toh(raw.rest) };
	return true;
}

/* The host bytes of a range in one region. Buffers mostly lie where the last one did. */
static inline unsigned char *queue_host(struct vmm_queue *q, vmm_gpa_t gpa, uint64_t len,
					unsigned access)
{
	unsigned char *host = mem_region_ptr(q->region, gpa, len, access);

	for (size_t i = 0; unlikely(!host) && i < q->mem->nr_regions; i++) {
		host = mem_region_ptr(&q->mem->regions[i], gpa, len, access);
		if (host)
			q->region = &q->mem->regions[i];
	}
	return host;
}

static inline const char *chain_add(struct vmm_queue *q, struct vmm_chain *chain, uint64_t addr,
				    uint32_t len, bool in)
{
	unsigned access = in ? VMM_MEM_WRITE : VMM_MEM_READ;
	unsigned used = chain->nr_out + chain->nr_in;
	unsigned char *host = queue_host(q, addr, len, access);
	int n = len > 0;

	if (unlikely(!in && chain->nr_in > 0))
		return "a readable buffer after a writable one";	/* 2.7.4.2 */
	if (unlikely((uint64_t)chain->out_len + chain->in_len + len > UINT32_MAX))
		return "a chain of 2^32 bytes or more";			/* 2.7.5.2 */

	if (likely(host && used < VMM_CHAIN_MAX)) {
		chain->iov[used] = (struct iovec){ .iov_base = host, .iov_len = len };
	} else if (n > 0) {
		n = vmm_mem_iov(q->mem, addr, len, access, chain->iov + used,
				VMM_CHAIN_MAX - used);
		if (n < 0)
			return n == -ENOBUFS ? "more buffers than a chain may have" :
			       n == -EACCES ? "a writable buffer in read-only memory" :
			       "a buffer that is not in guest memory";
	}

	if (in) {
		chain->nr_in = (uint16_t)(chain->nr_in + n);
		chain->in_len += len;
	} else {
		chain->nr_out = (uint16_t)(chain->nr_out + n);
		chain->out_len += len;
	}
	return NULL;
}

const char *vmm__chain_add(struct vmm_queue *q, struct vmm_chain *chain, uint64_t addr,
			   uint32_t len, bool in)
{
	return chain_add(q, chain, addr, len, in);
}

/* VIRTIO 1.2, 2.7.5.3 and 2.8.7. */
const char *vmm__chain_table(struct vmm_queue *q, uint64_t addr, uint32_t len, uint32_t flags,
			     struct desc_table *table)
{
	if (!q->indirect)
		return "an indirect table that was not negotiated";
	if (flags & VRING_DESC_F_NEXT)
		return "an indirect table with a next descriptor";
	if (len % sizeof(struct vring_desc) != 0)
		return "an indirect table with a ragged end";
	if (len / sizeof(struct vring_desc) > UINT16_MAX)
		return "an indirect table longer than its indices reach";

	table->gpa = addr;
	table->size = len / (uint32_t)sizeof(struct vring_desc);
	table->host = (const void *)queue_host(q, addr, len, VMM_MEM_READ);
	return NULL;
}

const char *vmm__chain_walk(struct vmm_queue *q, const struct vring_desc *host, uint32_t size,
			    uint64_t addr, uint64_t rest, struct vmm_chain *chain)
{
	struct desc_table table = { .host = host, .size = size };
	struct raw_desc d = { .addr = addr, .rest = rest };
	bool indirect = false;
	unsigned left = VMM_CHAIN_MAX;

	chain_clear(chain);

	for (;;) {
		uint32_t next = desc_next(d.rest);
		const char *why;

		if (desc_flags(d.rest) & VRING_DESC_F_INDIRECT) {
			if (indirect)
				return "an indirect table inside another";
			/* 2.7.5.3.2: the write flag of what names a table is ignored. */
			why = vmm__chain_table(q, d.addr, desc_len(d.rest), desc_flags(d.rest),
					       &table);
			indirect = true;
			next = 0;
		} else if (left-- == 0) {
			return "a chain that loops, or is longer than a chain may be";
		} else {
			why = chain_add(q, chain, d.addr, desc_len(d.rest),
					desc_flags(d.rest) & VRING_DESC_F_WRITE);
			if (!why && !(desc_flags(d.rest) & VRING_DESC_F_NEXT))
				return NULL;
		}
		if (why)
			return why;

		if (next >= table.size)
			return "a descriptor outside its table";
		if (!vmm__desc_read(q, &table, next, &d))
			return "an indirect table that is not in guest memory";
	}
}

/* ---- what devices use to look into a chain ---- */

/* Copy between @buf and the bytes from @offset on of @n segments; guest memory is read once. */
static size_t segments_copy(const struct iovec *iov, unsigned n, size_t offset, void *buf,
			    size_t len, bool write)
{
	unsigned char *at = buf;
	size_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		unsigned char *host = iov[i].iov_base;
		size_t span;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		span = iov[i].iov_len - offset;
		if (span > len - done)
			span = len - done;
		if (write)
			memcpy(host + offset, at + done, span);
		else
			memcpy(at + done, host + offset, span);
		done += span;
		offset = 0;
	}

	/* So that what was copied is what gets checked. */
	__asm__ volatile("" : : : "memory");
	return done;
}

size_t vmm_chain_read(const struct vmm_chain *chain, size_t offset, void *dst, size_t len)
{
	return segments_copy(chain->iov, chain->nr_out, offset, dst, len, false);
}

size_t vmm_chain_write(const struct vmm_chain *chain, size_t offset, const void *src, size_t len)
{
	union {
		const void *from;
		void *buf;
	} bytes = { .from = src };

	return segments_copy(chain->iov + chain->nr_out, chain->nr_in, offset, bytes.buf, len,
			     true);
}
