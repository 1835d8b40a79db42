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
	VMM_ARCH_AARCH64	= 2,
	VMM_ARCH_RISCV64	= 3,
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

/**
 * aarch64: general, floating point and EL1 system registers (Arm ARM, D19). All there are,
 * by number: vmm_vcpu_list_regs() of <libvmm/vcpu.h>.
 */
struct vmm_aarch64_regs {
	uint64_t x[31];
	uint64_t sp_el0, sp_el1;
	uint64_t pc, pstate;
	uint64_t elr_el1;
	uint64_t spsr_el1, spsr_abt, spsr_und, spsr_irq, spsr_fiq;
	uint64_t v[32][2];	/* the low half first; of SVE's Z registers the first 128 bits */
	uint32_t fpsr, fpcr;
	uint64_t sctlr_el1, cpacr_el1, tcr_el1, ttbr0_el1, ttbr1_el1, mair_el1, vbar_el1;
	uint64_t esr_el1, far_el1, par_el1, contextidr_el1, mdscr_el1, cntkctl_el1;
	uint64_t tpidr_el0, tpidrro_el0, tpidr_el1;
	uint64_t mpidr_el1;	/* as the vCPU was made: a write must not change it */
};

/** riscv64: general, floating point and supervisor registers (RISC-V ISA volumes I and II). */
struct vmm_riscv64_regs {
	uint64_t pc;
	uint64_t x[32];		/* x[0] is 0 */
	uint64_t mode;		/* 0: user, 1: supervisor */
	uint64_t sstatus, sie, stvec, sscratch, sepc, scause, stval, sip, satp;
	uint64_t scounteren, senvcfg;	/* 0 where the processor has none */
	uint64_t f[32];		/* 0 without the extensions F and D */
	uint32_t fcsr;
	uint32_t reserved;
};

/** A vCPU's registers. */
struct vmm_regs {
	size_t size;		/* sizeof(struct vmm_regs), set by the caller */
	uint32_t arch;		/* enum vmm_arch */
	uint32_t reserved;
	union {
		struct vmm_x86_regs x86;
		struct vmm_aarch64_regs aarch64;
		struct vmm_riscv64_regs riscv64;
		uint64_t raw[192];	/* no architecture's is larger */
	};
};

#define VMM_REGS_INIT	VMM_SIZED(struct vmm_regs)

#ifdef __cplusplus
}
#endif
#endif
