/* SPDX-License-Identifier: MIT */
/* one_reg.c - get and set a vCPU's registers by KVM's numbers. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "arch/riscv64/one_reg_priv.h"
#include "core/error_priv.h"

int vmm__riscv_get_reg(int vcpu_fd, uint64_t id, void *ret_value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)ret_value };

	if (ioctl(vcpu_fd, KVM_GET_ONE_REG, &reg) < 0)
		return vmm__fail_errno("cannot read a vCPU's register 0x%llx", (unsigned long long)id);
	return 0;
}

int vmm__riscv_set_reg(int vcpu_fd, uint64_t id, const void *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	if (ioctl(vcpu_fd, KVM_SET_ONE_REG, &reg) < 0)
		return vmm__fail_errno("cannot write a vCPU's register 0x%llx", (unsigned long long)id);
	return 0;
}

int vmm__riscv_get(int vcpu_fd, uint64_t id, uint64_t *ret_value)
{
	return vmm__riscv_get_reg(vcpu_fd, id, ret_value);
}

int vmm__riscv_set(int vcpu_fd, uint64_t id, uint64_t value)
{
	return vmm__riscv_set_reg(vcpu_fd, id, &value);
}

bool vmm__riscv_has(int vcpu_fd, uint64_t id, uint64_t *ret_value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)ret_value };

	return ioctl(vcpu_fd, KVM_GET_ONE_REG, &reg) == 0;
}

int vmm__riscv_reg_list(int vcpu_fd, struct kvm_reg_list **ret_list)
{
	struct kvm_reg_list probe = { .n = 0 }, *list;

	/* With room for none it says how many there are. */
	if (ioctl(vcpu_fd, KVM_GET_REG_LIST, &probe) == 0 || errno != E2BIG)
		return vmm__fail(-ENODEV, "this KVM does not list a vCPU's registers");
	list = calloc(1, sizeof(*list) + probe.n * sizeof(list->reg[0]));
	if (!list)
		return vmm__fail(-ENOMEM, "no memory for a list of %llu registers",
				 (unsigned long long)probe.n);
	list->n = probe.n;
	if (ioctl(vcpu_fd, KVM_GET_REG_LIST, list) < 0) {
		int r = vmm__fail_errno("cannot list a vCPU's registers");

		free(list);
		return r;
	}
	*ret_list = list;
	return 0;
}
