/* SPDX-License-Identifier: MIT */
/* vm.c - a VM's own state: address width, GIC, what its vCPUs are made with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "core/error_priv.h"

/* As wide as KVM can, where it can be told. */
unsigned long vmm__arch_vm_type(int kvm_fd)
{
	int bits = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	return bits > 0 ? KVM_VM_TYPE_ARM_IPA_SIZE((unsigned long)bits) : 0;
}

static bool has(const struct arch_vm *vm, int cap)
{
	return ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static void feature(struct arch_vm *vm, unsigned bit)
{
	vm->init.features[bit / 32] |= 1u << bit % 32;
}

/* All of the host's processor that KVM passes through. */
static int features_choose(struct arch_vm *vm)
{
	if (ioctl(vm->vm_fd, KVM_ARM_PREFERRED_TARGET, &vm->init) < 0)
		return vmm__fail_errno("KVM does not say what a vCPU is here");

	feature(vm, KVM_ARM_VCPU_PSCI_0_2);
	vm->sve = has(vm, KVM_CAP_ARM_SVE);
	if (vm->sve)
		feature(vm, KVM_ARM_VCPU_SVE);
	/* KVM takes both or none. */
	if (has(vm, KVM_CAP_ARM_PTRAUTH_ADDRESS) && has(vm, KVM_CAP_ARM_PTRAUTH_GENERIC)) {
		feature(vm, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
		feature(vm, KVM_ARM_VCPU_PTRAUTH_GENERIC);
	}
	/* Its overflow is an interrupt of the GIC's. */
	vm->pmu = vm->irqchip && has(vm, KVM_CAP_ARM_PMU_V3);
	if (vm->pmu)
		feature(vm, KVM_ARM_VCPU_PMU_V3);
	return 0;
}

int vmm__arch_vm_create(const struct arch_vm_config *config, struct arch_vm **ret_vm)
{
	struct kvm_enable_cap nisv = { .cap = KVM_CAP_ARM_NISV_TO_USER };
	struct arch_vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return vmm__fail(-ENOMEM, "no memory for a guest");
	*vm = (struct arch_vm){
		.kvm_fd = config->kvm_fd, .vm_fd = config->vm_fd, .nr_vcpus = config->nr_vcpus,
		.irqchip = config->irqchip, .gic_fd = -1, .its_fd = -1,
	};
	r = features_choose(vm);
	if (r == 0 && vm->irqchip)
		r = vmm__gic_create(vm, config->irqchip_kind);
	if (r < 0) {
		vmm__arch_vm_destroy(vm);
		return r;
	}

	/* An access that the processor does not describe is an exit of its own, not an error without a name. */
	if (has(vm, KVM_CAP_ARM_NISV_TO_USER))
		(void)ioctl(vm->vm_fd, KVM_ENABLE_CAP, &nisv);
	*ret_vm = vm;
	return 0;
}

void vmm__arch_vm_destroy(struct arch_vm *vm)
{
	if (!vm)
		return;
	vmm__gic_destroy(vm);
	free(vm);
}

const struct arch_pins *vmm__arch_pins(const struct arch_vm *vm)
{
	return NULL;
}

int vmm__arch_vm_complete(struct arch_vm *vm, const int *vcpu_fds, const struct vmm_mem *mem)
{
	int r = vm->irqchip ? vmm__gic_complete(vm) : 0;

	return r < 0 || !vm->irqchip ? r : vmm__counters_complete(vm, vcpu_fds, mem);
}

int vmm__arch_vm_reset(struct arch_vm *vm)
{
	return vmm__gic_reset(vm);
}
