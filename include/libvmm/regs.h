/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/regs.h> - a vCPU's registers, as a value.
 *
 * The layouts of all architectures are always declared, so that a program on one
 * machine can read a record made on another. @arch says which one it is.
 */
#ifndef LIBVMM_REGS_H
#define LIBVMM_REGS_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vmm_arch {
	VMM_ARCH_NONE	= 0,
	VMM_ARCH_X86_64	= 1,
};

/** A segment register with its hidden part (Intel SDM volume 3, 3.4.3). */
struct vmm_x86_segment {
	uint64_t base;
	uint32_t limit;		/* in bytes, granularity applied */
	uint16_t selector;
	uint16_t attributes;	/* as in a VMCB: type 0-3, S 4, DPL 5-6, P 7, AVL 8, L 9, DB 10, G 11, unusable 12 */
};

/** x86_64: general, control and segment registers. */
struct vmm_x86_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base;
	struct vmm_x86_segment cs, ds, es, fs, gs, ss, tr, ldt;
	uint64_t gdt_base, idt_base;
	uint32_t gdt_limit, idt_limit;
};

/** A vCPU's registers. */
struct vmm_regs {
	size_t size;		/* sizeof(struct vmm_regs), set by the caller */
	uint32_t arch;		/* enum vmm_arch */
	uint32_t reserved;
	union {
		struct vmm_x86_regs x86;
		uint64_t raw[128];	/* no architecture's is larger */
	};
};

#define VMM_REGS_INIT	VMM_SIZED(struct vmm_regs)

#ifdef __cplusplus
}
#endif
#endif
