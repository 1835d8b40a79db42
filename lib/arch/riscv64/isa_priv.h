/* SPDX-License-Identifier: MIT */
/* isa_priv.h - the names of what a processor can do, as a device tree tells them. */
#ifndef ARCH_RISCV64_ISA_PRIV_H
#define ARCH_RISCV64_ISA_PRIV_H

#include <stddef.h>
#include <stdint.h>

#define RISCV_ISA_BYTES	1024u	/* for either form of all the names there are */

/* What a vCPU is, from KVM's registers: the same for all of a guest. */
struct riscv_cpu {
	uint64_t extensions[4];		/* a bit for each KVM_RISCV_ISA_EXT_ID */
	uint64_t timebase;		/* Hz */
	uint64_t satp_mode;		/* 8, 9, 10: Sv39, Sv48, Sv57 */
	uint64_t zicbom_block_size;	/* bytes; 0: not known */
	uint64_t zicboz_block_size;
};

int vmm__riscv_cpu_read(int vcpu_fd, struct riscv_cpu *ret_cpu);

/*
 * "rv64imafdc_zicbom_…", for riscv,isa: single letters in the canonical order, then the
 * rest (RISC-V unprivileged, chapter 36). Returns the length, without the zero behind it.
 */
size_t vmm__riscv_isa_string(const struct riscv_cpu *cpu, char isa[RISCV_ISA_BYTES]);

/* The names, each with a zero behind it, for riscv,isa-extensions. Returns the bytes. */
size_t vmm__riscv_isa_list(const struct riscv_cpu *cpu, char list[RISCV_ISA_BYTES]);

/* "riscv,sv39" …, for mmu-type; NULL: translation is off. */
const char *vmm__riscv_mmu_type(const struct riscv_cpu *cpu);

#endif
