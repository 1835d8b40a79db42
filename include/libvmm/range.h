/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/range.h> - answer a guest's accesses to ports and MMIO addresses.
 *
 * For device models that are not virtio. The callbacks run on the vCPU's thread
 * at the moment of the access, in several threads at once if several vCPUs make
 * one: they lock what they share, and are quick.
 */
#ifndef LIBVMM_RANGE_H
#define LIBVMM_RANGE_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vmm_space {
	VMM_SPACE_MMIO	= 0,
	VMM_SPACE_PORT	= 1,	/* x86 I/O ports */
};

/** What a range does. One const table per kind. Both optional: reads give all ones, writes nothing. */
struct vmm_range_ops {
	size_t size;		/* sizeof(struct vmm_range_ops) */
	const char *name;

	/* Read @width (1, 2, 4 or 8) bytes at @offset from the range's start; they lie inside it. */
	uint64_t (*read)(void *state, uint64_t offset, uint32_t width);

	/* Write the low @width bytes of @value. */
	void (*write)(void *state, uint64_t offset, uint32_t width, uint64_t value);
};

/** A range. */
struct vmm_range_config {
	size_t size;			/* sizeof(struct vmm_range_config) */
	uint32_t space;			/* enum vmm_space */
	uint32_t reserved;
	uint64_t base;
	uint64_t length;		/* > 0; the end must not wrap, nor pass 65536 for ports */
	const struct vmm_range_ops *ops;	/* borrowed: valid until vmm_destroy() */
	void *state;			/* borrowed likewise */
};

#define VMM_RANGE_CONFIG_INIT	VMM_SIZED(struct vmm_range_config)

/**
 * Add a range to a guest that has not been started.
 *
 * Returns 0, -EINVAL, -E2BIG, -EBUSY (started), -EEXIST (overlaps another range,
 * or RAM), -ENOMEM.
 */
VMM_API int vmm_add_range(struct vmm *vm, const struct vmm_range_config *config) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
