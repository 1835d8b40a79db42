/* SPDX-License-Identifier: MIT */
/* vm_priv.h - what the architecture keeps of one VM: its GIC, and what its vCPUs are made of. */
#ifndef ARCH_AARCH64_VM_PRIV_H
#define ARCH_AARCH64_VM_PRIV_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/common.h>

struct arch_vm {
	int kvm_fd;
	int vm_fd;
	uint32_t nr_vcpus;
	bool irqchip;

	uint32_t gic;			/* version: 2 or 3; 0: none */
	int gic_fd;
	int its_fd;			/* -1: messages cannot be translated */

	struct kvm_vcpu_init init;	/* what every vCPU is made with */
	bool sve;
	bool pmu;
	vmm_gpa_t steal;		/* where stolen time is told; 0: it is not */
};

/* A vCPU's affinity, as KVM chooses it (MPIDR_EL1: Aff2 23:16, Aff1 15:8, Aff0 7:0). */
uint32_t vmm__a64_affinity(uint32_t id);

/* ---- gic.c ---- */

/* The GIC, of version @wanted (0: the best that the host has). Before the vCPUs. */
int vmm__gic_create(struct arch_vm *vm, uint32_t wanted);
/* Once all vCPUs are there. */
int vmm__gic_complete(struct arch_vm *vm);
void vmm__gic_destroy(struct arch_vm *vm);

/* gic_reset.c: as after power on; no vCPU runs. */
int vmm__gic_reset(struct arch_vm *vm);

/* ---- counters.c ---- */

/* What KVM has of a PMU and of stolen time, for each vCPU. Once the GIC is complete. */
struct vmm_mem;
int vmm__counters_complete(struct arch_vm *vm, const int *vcpu_fds, const struct vmm_mem *mem);

#endif
