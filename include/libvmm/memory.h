/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/memory.h> - the only way from a guest address to guest bytes.
 *
 * The guest may change its memory at any moment, also between two reads. So:
 * copy a structure out once with vmm_mem_read(), check the copy, use the copy.
 * vmm_mem_iov() hands out host pointers for payload that is moved but never
 * interpreted (disk sectors, packets).
 *
 * Thread safety of all: any thread, for as long as the guest exists.
 */
#ifndef LIBVMM_MEMORY_H
#define LIBVMM_MEMORY_H

#include <sys/uio.h>
#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	VMM_MEM_READ	= 1 << 0,
	VMM_MEM_WRITE	= 1 << 1,
};

/**
 * Copy [gpa, gpa + len) to @dst. The range may cross regions of memory.
 *
 * Returns 0 or -EFAULT (some of the range is not guest memory; nothing copied).
 */
VMM_API int vmm_mem_read(const struct vmm_mem *mem, vmm_gpa_t gpa,
			 void *dst, size_t len) VMM_MUST_CHECK;

/**
 * Copy @src to [gpa, gpa + len). The range is checked before the first byte.
 *
 * Returns 0, -EFAULT, or -EACCES (read-only memory; nothing written).
 */
VMM_API int vmm_mem_write(const struct vmm_mem *mem, vmm_gpa_t gpa,
			  const void *src, size_t len) VMM_MUST_CHECK;

/**
 * Describe [gpa, gpa + len) as at most @max host segments.
 *
 * @access is what will be done with them, VMM_MEM_READ and/or VMM_MEM_WRITE.
 * The segments are borrowed: valid until vmm_destroy().
 *
 * Returns their number (0 for an empty range), -EFAULT, -EACCES (read-only) or
 * -ENOBUFS (more than @max).
 */
VMM_API int vmm_mem_iov(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t len,
			unsigned access, struct iovec *iov, size_t max) VMM_MUST_CHECK;

/** A range of guest memory. */
struct vmm_mem_range {
	vmm_gpa_t gpa;
	uint64_t bytes;
	uint64_t page_bytes;	/* of the host's pages behind it */
	uint32_t access;	/* VMM_MEM_READ, and VMM_MEM_WRITE unless it is read-only */
	uint32_t reserved;
};

/**
 * Describe guest memory, in order of address: write up to @max ranges.
 * Returns how many there are, which may be more.
 */
VMM_API size_t vmm_mem_ranges(const struct vmm_mem *mem, struct vmm_mem_range *ret_ranges,
			      size_t max);

/**
 * Give the memory that @iov names (by vmm_mem_iov(), or of a device's chain) back to the
 * host. It reads as zeros then, and takes memory again when it is next touched. Whole pages of
 * the host's only; what is not guest memory, is read-only, or cannot be given back
 * (a file on a file system without holes) is left as it is.
 *
 * Memory of huge pages (VMM_RAM_HUGE) is reserved when the guest is created. What is given
 * back is not: when others have taken the host's last huge page meanwhile, touching it is
 * SIGBUS, which ends the process. So only where the host keeps enough of them.
 *
 * Returns how many bytes were given back.
 */
VMM_API uint64_t vmm_mem_discard(const struct vmm_mem *mem, const struct iovec *iov, size_t n);

#ifdef __cplusplus
}
#endif
#endif
