/* SPDX-License-Identifier: MIT */
/* memory_priv.h - guest memory as the core builds it. */
#ifndef CORE_MEMORY_PRIV_H
#define CORE_MEMORY_PRIV_H

#include <stdbool.h>
#include <libvmm/memory.h>

#define MEM_REGIONS_MAX	8

struct ram;

struct mem_region {
	vmm_gpa_t gpa;
	uint64_t size;
	unsigned char *host;
	bool read_only;
	const struct ram *ram;	/* what @host is a slice of; NULL: private memory of the process */
};

/* Sorted by gpa, disjoint, and fixed before the first vCPU runs: no lock. */
struct vmm_mem {
	struct mem_region regions[MEM_REGIONS_MAX];
	size_t nr_regions;
};

/*
 * The host bytes of [gpa, gpa + len) when @r holds all of it and allows @access,
 * else NULL. (A @gpa below the region makes an offset past its end.)
 */
static inline unsigned char *mem_region_ptr(const struct mem_region *r, vmm_gpa_t gpa, uint64_t len,
					    unsigned access)
{
	uint64_t offset = gpa - r->gpa;

	if (offset >= r->size || len > r->size - offset || (r->read_only && (access & VMM_MEM_WRITE)))
		return NULL;
	return r->host + offset;
}

/* Ring indices: one load or store of naturally aligned guest memory. */
int vmm__mem_load16(const struct vmm_mem *mem, vmm_gpa_t gpa, uint16_t *ret_value);
int vmm__mem_store16(const struct vmm_mem *mem, vmm_gpa_t gpa, uint16_t value);

/*
 * The host bytes of [gpa, gpa + len) when they lie in one region that allows
 * @access, else NULL. For rings, whose addresses are validated once, when the
 * queue goes up: regions do not change while a guest runs.
 */
void *vmm__mem_ptr(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len, unsigned access);

/* Read @len bytes of a file at @offset straight into guest memory. -EIO at an early end. */
int vmm__mem_read_file(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len, int fd,
		       uint64_t offset);

/* Fill with zeros. */
int vmm__mem_zero(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len);

#endif
