/* SPDX-License-Identifier: MIT */
/*
 * counters.c - the performance monitors, and the time that was stolen (Linux,
 * Documentation/virt/kvm/devices/vcpu.rst). Both are there where KVM has them.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

static int set(int vcpu_fd, uint32_t group, uint64_t attr, const void *value)
{
	const struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &a);
}

static int pmu_init(int vcpu_fd)
{
	const int irq = A64_FIRST_PPI + A64_PPI_PMU;

	if (set(vcpu_fd, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_IRQ, &irq) < 0 ||
	    set(vcpu_fd, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, NULL) < 0)
		return vmm__fail_errno("cannot set up a vCPU's performance monitors");
	return 0;
}

/* The end of RAM, which the tree reserves. A guest with next to no RAM goes without. */
static void steal_place(struct arch_vm *vm, const struct vmm_mem *mem)
{
	const struct mem_region *ram = &mem->regions[0];

	if (ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_STEAL_TIME) > 0 &&
	    ram->size >= 16 * A64_STEAL_SIZE)
		vm->steal = (ram->gpa + ram->size - A64_STEAL_SIZE) & ~(A64_STEAL_SIZE - 1);
}

static int steal_init(const struct arch_vm *vm, int vcpu_fd, uint32_t id)
{
	const uint64_t ipa = vm->steal + (uint64_t)id * A64_STEAL_STRIDE;

	if (set(vcpu_fd, KVM_ARM_VCPU_PVTIME_CTRL, KVM_ARM_VCPU_PVTIME_IPA, &ipa) < 0)
		return vmm__fail_errno("cannot tell vCPU %u the time stolen from it", id);
	return 0;
}

int vmm__counters_complete(struct arch_vm *vm, const int *vcpu_fds, const struct vmm_mem *mem)
{
	int r = 0;

	steal_place(vm, mem);
	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++) {
		if (vm->pmu)
			r = pmu_init(vcpu_fds[i]);
		if (r == 0 && vm->steal)
			r = steal_init(vm, vcpu_fds[i], i);
	}
	return r;
}
