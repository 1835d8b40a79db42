/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/common.h> - types and rules shared by every libvmm header.
 *
 * Return values. A function that can fail returns int: 0 or a positive count
 * on success, a negative errno value on failure. On failure no ret_ parameter
 * has been written. vmm_last_error() then says, in words, what went wrong in
 * the calling thread.
 *
 * One meaning for each errno, everywhere:
 *   -EINVAL      an argument of the caller's is missing or out of range
 *   -E2BIG       a config or table sets a field this library is too old to know
 *   -EBUSY       the object is in the wrong state for this call
 *   -ENODEV      no /dev/kvm, or a KVM that lacks something required
 *   -EACCES, -EPERM, -ENOENT, …   what the system said of a path or descriptor
 *   -EFAULT      a guest address that is not guest memory
 *   -EBADMSG     the guest broke a protocol
 *   -ENOEXEC     not an image that can be booted
 *   -ENOSPC      no room: an image that does not fit, no free slot or interrupt
 *   -EOPNOTSUPP  not on this architecture, or built without that library
 *   -ENOMEM      out of memory, or of a limit of the system
 *   -EDEADLK     the call would wait for its own thread
 *
 * Config structs and tables of functions open with `size`, the sizeof() that
 * the caller was compiled with; the _INIT macros set it. Zero in any other
 * field asks for the default. Fields are only ever appended, and reserved
 * bytes must be zero, so old callers work with new libraries and new callers
 * are told (-E2BIG) what an old library cannot do.
 *
 * Descriptors. A descriptor passed in is duplicated and stays the caller's to
 * close; one returned is borrowed. In a config, a descriptor of 0 or below
 * means "not given": a program whose descriptor happens to be number 0
 * duplicates it first.
 */
#ifndef LIBVMM_COMMON_H
#define LIBVMM_COMMON_H

#include <stddef.h>
#include <stdint.h>

#define VMM_API		__attribute__((visibility("default")))
#define VMM_MUST_CHECK	__attribute__((warn_unused_result))

/* What the _INIT macros are made of: the size, and zeros. */
#ifdef __cplusplus
template <typename type> inline type vmm_sized()
{
	type sized = type();

	sized.size = sizeof(type);
	return sized;
}
#define VMM_SIZED(type)	vmm_sized<type>()
#else
#define VMM_SIZED(type)	{ .size = sizeof(type) }
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A guest physical address. Never a pointer; never added to one. */
typedef uint64_t vmm_gpa_t;

struct vmm;		/* <libvmm/vmm.h>: one guest */
struct vmm_loop;	/* <libvmm/loop.h>: descriptors, timers, deferred calls */
struct vmm_mem;		/* <libvmm/memory.h>: a guest's memory */
struct vmm_vcpu;	/* <libvmm/vcpu.h>: one virtual CPU */
struct vmm_device;	/* <libvmm/device.h>: a virtio device */
struct vmm_stats;	/* <libvmm/stats.h>: a reading of statistics */
struct vmm_queue;	/* <libvmm/device.h>: the device side of a virtqueue */

/**
 * Describe the last failure in this thread, for people to read.
 *
 * The string belongs to the library and lasts until the next libvmm call in
 * the same thread. It is never NULL. Do not parse it: branch on the errno.
 */
VMM_API const char *vmm_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
