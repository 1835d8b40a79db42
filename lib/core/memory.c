/* SPDX-License-Identifier: MIT */
/*
 * memory.c - translation and copying between guest addresses and host memory.
 *
 * Every range check in the library is the one in mem_span(). Arithmetic on
 * guest numbers is written so that it cannot wrap: compare offsets and
 * remainders, never sums.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/memory_priv.h"
#include "core/ram_priv.h"

/* The host bytes at @gpa, and how many of @len lie in the same region. */
static unsigned char *mem_span(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len,
			       unsigned access, uint64_t *ret_len)
{
	for (size_t i = 0; i < mem->nr_regions; i++) {
		const struct mem_region *r = &mem->regions[i];
		uint64_t offset = gpa - r->gpa;

		if (gpa < r->gpa || offset >= r->size)
			continue;
		if ((access & VMM_MEM_WRITE) && r->read_only)
			return NULL;

		*ret_len = len < r->size - offset ? len : r->size - offset;
		return r->host + offset;
	}

	return NULL;
}

static int mem_fault(const struct vmm_mem *mem, vmm_gpa_t gpa, unsigned access)
{
	uint64_t span;

	if ((access & VMM_MEM_WRITE) && mem_span(mem, gpa, 1, VMM_MEM_READ, &span))
		return vmm__fail(-EACCES, "guest memory at 0x%llx is read-only",
				 (unsigned long long)gpa);
	return vmm__fail(-EFAULT, "no such guest memory: 0x%llx", (unsigned long long)gpa);
}

/*
 * memcpy() from memory the guest shares. The barrier keeps the compiler from
 * reading the source a second time after the copy has been checked.
 */
static void copy_once(void *dst, const void *src, size_t len)
{
	memcpy(dst, src, len);
	__asm__ volatile("" : : : "memory");
}

int vmm_mem_iov(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len, unsigned access,
		struct iovec *iov, size_t max)
{
	size_t n = 0;

	while (len > 0) {
		uint64_t span;
		unsigned char *host = mem_span(mem, gpa, len, access, &span);

		if (!host)
			return mem_fault(mem, gpa, access);
		if (n == max)
			return vmm__fail(-ENOBUFS, "guest range needs over %zu segments", max);

		iov[n++] = (struct iovec){ .iov_base = host, .iov_len = span };
		gpa += span;
		len -= span;
	}

	return (int)n;
}

int vmm_mem_read(const struct vmm_mem *mem, vmm_gpa_t gpa, void *dst, size_t len)
{
	struct iovec iov[MEM_REGIONS_MAX];
	unsigned char *to = dst;
	int n = vmm_mem_iov(mem, gpa, len, VMM_MEM_READ, iov, MEM_REGIONS_MAX);

	if (n < 0)
		return n;

	for (int i = 0; i < n; i++) {
		copy_once(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}

	return 0;
}

int vmm_mem_write(const struct vmm_mem *mem, vmm_gpa_t gpa, const void *src, size_t len)
{
	struct iovec iov[MEM_REGIONS_MAX];
	const unsigned char *from = src;
	int n = vmm_mem_iov(mem, gpa, len, VMM_MEM_WRITE, iov, MEM_REGIONS_MAX);

	if (n < 0)
		return n;

	for (int i = 0; i < n; i++) {
		copy_once(iov[i].iov_base, from, iov[i].iov_len);
		from += iov[i].iov_len;
	}

	return 0;
}

void *vmm__mem_ptr(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len, unsigned access)
{
	uint64_t span;
	unsigned char *host = mem_span(mem, gpa, len, access, &span);

	return host && span == len ? host : NULL;
}

int vmm__mem_zero(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len)
{
	struct iovec iov[MEM_REGIONS_MAX];
	int n = vmm_mem_iov(mem, gpa, len, VMM_MEM_WRITE, iov, MEM_REGIONS_MAX);

	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);

	return n < 0 ? n : 0;
}

int vmm__mem_read_file(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len, int fd,
		       uint64_t offset)
{
	while (len > 0) {
		uint64_t span;
		unsigned char *host = mem_span(mem, gpa, len, VMM_MEM_WRITE, &span);
		ssize_t n;

		if (!host)
			return mem_fault(mem, gpa, VMM_MEM_WRITE);

		n = pread(fd, host, span < 1u << 30 ? span : 1u << 30, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmm__fail_errno("cannot read the file");
		if (n == 0)
			return vmm__fail(-EIO, "the file ended %llu bytes early",
					 (unsigned long long)len);
		gpa += (uint64_t)n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}

	return 0;
}

static uint16_t *mem_u16(const struct vmm_mem *mem, vmm_gpa_t gpa, unsigned access)
{
	unsigned char *host = vmm__mem_ptr(mem, gpa, sizeof(uint16_t), access);

	if (!host || (uintptr_t)host % sizeof(uint16_t) != 0)
		return NULL;

	return (uint16_t *)(void *)host;
}

int vmm__mem_load16(const struct vmm_mem *mem, vmm_gpa_t gpa, uint16_t *ret_value)
{
	const uint16_t *p = mem_u16(mem, gpa, VMM_MEM_READ);

	if (!p)
		return -EFAULT;

	*ret_value = le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
	return 0;
}

int vmm__mem_store16(const struct vmm_mem *mem, vmm_gpa_t gpa, uint16_t value)
{
	uint16_t *p = mem_u16(mem, gpa, VMM_MEM_WRITE);

	if (!p)
		return -EFAULT;

	__atomic_store_n(p, htole16(value), __ATOMIC_RELEASE);
	return 0;
}

/* ---- what there is, and giving it back ---- */

static uint64_t page_bytes(const struct mem_region *r)
{
	return r->ram ? r->ram->page_bytes : (uint64_t)sysconf(_SC_PAGESIZE);
}

size_t vmm_mem_ranges(const struct vmm_mem *mem, struct vmm_mem_range *ret_ranges, size_t max)
{
	for (size_t i = 0; i < mem->nr_regions && i < max; i++) {
		const struct mem_region *r = &mem->regions[i];

		ret_ranges[i] = (struct vmm_mem_range){
			.gpa = r->gpa,
			.bytes = r->size,
			.page_bytes = page_bytes(r),
			.access = VMM_MEM_READ | (r->read_only ? 0 : VMM_MEM_WRITE),
		};
	}
	return mem->nr_regions;
}

/* The region that holds all of the segment and may be written, or NULL. */
static const struct mem_region *region_of(const struct vmm_mem *mem, const struct iovec *iov)
{
	for (size_t i = 0; i < mem->nr_regions; i++) {
		const struct mem_region *r = &mem->regions[i];
		uintptr_t offset = (uintptr_t)iov->iov_base - (uintptr_t)r->host;

		if (offset < r->size && iov->iov_len <= r->size - offset)
			return r->read_only ? NULL : r;
	}
	return NULL;
}

uint64_t vmm_mem_discard(const struct vmm_mem *mem, const struct iovec *iov, size_t n)
{
	uint64_t done = 0;

	for (size_t i = 0; i < n; i++) {
		const struct mem_region *r = region_of(mem, &iov[i]);
		uint64_t page, before, len;
		unsigned char *start = iov[i].iov_base;

		if (!r)
			continue;
		page = page_bytes(r);
		before = -(uintptr_t)start & (page - 1);
		if (iov[i].iov_len <= before)
			continue;
		len = (iov[i].iov_len - before) & ~(page - 1);
		if (len > 0 && vmm__ram_discard(r->ram, start + before, len))
			done += len;
	}
	return done;
}
