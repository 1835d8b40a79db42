/* SPDX-License-Identifier: MIT */
/* vcpu.c - what a new vCPU is told once: which calls of the firmware's come to us. */
#include <errno.h>

#include "arch/riscv64/one_reg_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "core/error_priv.h"

/* Harts are numbered as KVM numbers vCPUs; a device tree has no order of threads. */
int vmm__arch_vcpu_id(const struct arch_cpu *cpu)
{
	return (int)cpu->id;
}

/*
 * The debug console is off in KVM until someone wants its calls. KVMs before 6.8 do not know
 * it: their guests find none.
 */
int vmm__arch_vcpu_init(int kvm_fd, int vcpu_fd, const struct arch_cpu *cpu)
{
	const uint64_t console = RISCV_SBI_EXT(KVM_RISCV_SBI_EXT_DBCN);
	uint64_t on;

	if (!cpu->irqchip || !vmm__riscv_has(vcpu_fd, console, &on))
		return 0;
	return vmm__riscv_set(vcpu_fd, console, 1);
}
