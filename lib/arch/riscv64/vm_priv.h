/* SPDX-License-Identifier: MIT */
/* vm_priv.h - what the architecture keeps of a guest. */
#ifndef ARCH_RISCV64_VM_PRIV_H
#define ARCH_RISCV64_VM_PRIV_H

#include "arch/arch_priv.h"
#include "arch/riscv64/isa_priv.h"

struct plic;

struct arch_vm {
	int vm_fd;
	uint32_t nr_vcpus;
	bool irqchip;			/* the machine has an interrupt controller */
	struct riscv_cpu cpu;		/* since vmm__arch_vm_complete() */

	bool has_aia;			/* it is KVM's AIA, else a PLIC of ours */
	int aia_fd;			/* -1: none (yet) */
	uint32_t nr_ids;		/* interrupt identities of each IMSIC file */

	struct plic *plic;		/* NULL: the controller is KVM's AIA, or there is none */
	int *vcpu_fds;			/* for it, borrowed */
};

/* ---- aia.c ---- */

/* Whether this KVM has the device. */
bool vmm__riscv_aia_offered(int vm_fd);

/* Once all vCPUs are there, before any of them runs. */
int vmm__riscv_aia_create(struct arch_vm *vm);

/* As after power on; no vCPU runs. */
int vmm__riscv_aia_reset(const struct arch_vm *vm);

#endif
