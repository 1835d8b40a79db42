/* SPDX-License-Identifier: MIT */
/*
 * vcpu.c - a vCPU as after power on, new or used, and the boot processor at a kernel's entry
 * (Linux, Documentation/arch/arm64/booting.rst).
 */
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "core/error_priv.h"

#define CORE_REG(field)									\
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE |				\
	 offsetof(struct kvm_regs, field) / sizeof(uint32_t))

/* KVM numbers vCPUs as they are made, and gives each 16 of them an affinity of their own. */
int vmm__arch_vcpu_id(const struct arch_cpu *cpu)
{
	uint64_t groups = (uint64_t)cpu->threads_per_core * cpu->nr_sockets;

	if (cpu->nr == 0 || groups == 0 || cpu->nr % groups != 0)
		return vmm__fail(-EINVAL, "%u vCPUs are not %u packages of cores with %u threads",
				 cpu->nr, cpu->nr_sockets, cpu->threads_per_core);
	return (int)cpu->id;
}

uint32_t vmm__a64_affinity(uint32_t id)
{
	return (id & 15) | (id >> 4 & 0xff) << 8 | (id >> 12 & 0xff) << 16;
}

static int set_reg(int vcpu_fd, uint64_t id, uint64_t value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	if (ioctl(vcpu_fd, KVM_SET_ONE_REG, &reg) < 0)
		return vmm__fail_errno("cannot set register 0x%llx of a vCPU", (unsigned long long)id);
	return 0;
}

/* All registers as after reset: the same call for a new vCPU and for a used one. */
static int power_on(int vcpu_fd, const struct arch_cpu *cpu)
{
	struct kvm_vcpu_init init = cpu->vm->init;

	/* The others wait for PSCI's CPU_ON. */
	if (cpu->id != 0 && cpu->irqchip)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
	if (ioctl(vcpu_fd, KVM_ARM_VCPU_INIT, &init) < 0)
		return vmm__fail_errno("KVM does not make vCPU %u of this host's kind", cpu->id);
	return 0;
}

int vmm__arch_vcpu_init(int kvm_fd, int vcpu_fd, const struct arch_cpu *cpu)
{
	int part = KVM_ARM_VCPU_SVE, r = power_on(vcpu_fd, cpu);

	if (r == 0 && cpu->vm->sve && ioctl(vcpu_fd, KVM_ARM_VCPU_FINALIZE, &part) < 0)
		r = vmm__fail_errno("cannot settle the vector lengths of vCPU %u", cpu->id);
	return r;
}

int vmm__arch_vcpu_reset(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry)
{
	int r = power_on(vcpu_fd, cpu);

	/* The counter begins at 0 again; it is one for all. */
	if (r == 0 && cpu->id == 0)
		r = set_reg(vcpu_fd, KVM_REG_ARM_TIMER_CNT, 0);
	if (r < 0 || !entry || cpu->id != 0)
		return r;

	/* KVM's reset leaves EL1 with interrupts masked and the MMU off, as a kernel wants it. */
	r = set_reg(vcpu_fd, CORE_REG(regs.pc), entry->entry);
	if (r == 0)
		r = set_reg(vcpu_fd, CORE_REG(regs.regs[0]), entry->argument);
	return r;
}
