/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/host.h> - what this machine's KVM offers, without creating a guest.
 */
#ifndef LIBVMM_HOST_H
#define LIBVMM_HOST_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	VMM_HOST_USABLE		= 1 << 0,	/* all that libvmm requires is there */
	VMM_HOST_HARDWARE	= 1 << 1,	/* the processor shows virtualization (VMX, SVM, EL2, H); without it stock
						   kernels may not run even where KVM exists */
	VMM_HOST_IRQCHIP	= 1 << 2,	/* interrupt controller in the kernel */
	VMM_HOST_IRQFD		= 1 << 3,
	VMM_HOST_IOEVENTFD	= 1 << 4,
	VMM_HOST_MSI		= 1 << 5,	/* message signalled interrupts, routed */
	VMM_HOST_READONLY_MEM	= 1 << 6,
	VMM_HOST_DIRTY_RING	= 1 << 7,
	VMM_HOST_USER_MSR	= 1 << 8,	/* MSR accesses can come to user space */
	VMM_HOST_STATS		= 1 << 9,	/* binary statistics */
	VMM_HOST_IO_URING	= 1 << 10,	/* asynchronous disk I/O without threads */
	VMM_HOST_USER_NET	= 1 << 11,	/* built with libslirp */
	VMM_HOST_TUN		= 1 << 12,	/* /dev/net/tun can be opened */
};

/** The answer. */
struct vmm_host_info {
	size_t size;		/* sizeof(struct vmm_host_info), set by the caller */
	uint32_t arch;		/* enum vmm_arch of <libvmm/regs.h> */
	uint32_t flags;		/* VMM_HOST_* */
	uint32_t kvm_api_version;	/* 12 */
	uint32_t max_vcpus;	/* of one guest, as libvmm allows it */
	uint32_t recommended_vcpus;
	uint32_t max_memory_slots;
	uint32_t gpa_bits;	/* width of a guest physical address; 0: unknown */
	uint32_t reserved;
	uint64_t memory_bytes;	/* the host's own RAM */
	uint64_t page_bytes;
	char missing[256];	/* what is required and not there, for people; "" when usable */
};

#define VMM_HOST_INFO_INIT	VMM_SIZED(struct vmm_host_info)

/**
 * Ask. @kvm_fd is an open /dev/kvm, borrowed during the call, or <= 0 to open it.
 *
 * Returns 0 (also when something required is missing: see flags), -EINVAL,
 * -ENOENT (no /dev/kvm), -EACCES, -ENODEV (it is no KVM), ….
 * Thread safety: any thread.
 */
VMM_API int vmm_host_query(int kvm_fd, struct vmm_host_info *ret_info) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
