/* SPDX-License-Identifier: MIT */
/* reg.c - a vCPU's registers: as a value, and one by one by KVM's numbers. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/kvm_priv.h"
#include "core/vm_priv.h"

/* With vm->lock. */
static int check_still(const struct vmm_vcpu *vcpu)
{
	const struct vmm *vm = vcpu->vm;

	if (vm->flags & VMM_F_CALLER_VCPUS) {
		if (vcpu->in_run)
			return vmm__fail(-EBUSY, "vCPU %u is in vmm_vcpu_run()", vcpu->id);
	} else if (vm->state == VMM_STATE_RUNNING || vm->stopping) {
		return vmm__fail(-EBUSY, "vCPU %u runs: pause the guest first", vcpu->id);
	}
	return 0;
}

/* ---- as a value ---- */

int vmm_vcpu_read_regs(struct vmm_vcpu *vcpu, struct vmm_regs *ret_regs)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	int r;

	if (!vcpu || !ret_regs || ret_regs->size < sizeof(ret_regs->size))
		return vmm__fail(-EINVAL, "no vCPU, or no place for registers: use VMM_REGS_INIT");

	pthread_mutex_lock(&vcpu->vm->lock);
	r = check_still(vcpu);
	if (r == 0)
		r = vmm__arch_read_regs(vcpu->fd, &regs);
	pthread_mutex_unlock(&vcpu->vm->lock);

	if (r == 0)
		vmm__config_answer(ret_regs, ret_regs->size, &regs, sizeof(regs));
	return r;
}

int vmm_vcpu_write_regs(struct vmm_vcpu *vcpu, const struct vmm_regs *regs)
{
	struct vmm_regs copy;
	int r;

	if (!vcpu || !regs)
		return vmm__fail(-EINVAL, "no vCPU or no registers");
	r = vmm__config_copy(&copy, sizeof(copy), regs, regs->size, sizeof(copy.size));
	if (r < 0)
		return r;
	if (copy.arch != vmm__arch_id())
		return vmm__fail(-EINVAL, "registers of architecture %u, this is %u", copy.arch,
				 vmm__arch_id());

	pthread_mutex_lock(&vcpu->vm->lock);
	r = check_still(vcpu);
	if (r == 0)
		r = vmm__arch_write_regs(vcpu->fd, &copy);
	if (r == 0)
		vcpu->regs_written = true;
	pthread_mutex_unlock(&vcpu->vm->lock);
	return r;
}

/* ---- one by one ---- */

/* With vm->lock. */
static int check_numbers(const struct vmm_vcpu *vcpu)
{
	int r = check_still(vcpu);

	if (r == 0 && vmm__kvm_cap(vcpu->vm->kvm_fd, KVM_CAP_ONE_REG) == 0)
		r = vmm__fail(-EOPNOTSUPP, "this KVM does not number registers");
	return r;
}

static int list_locked(const struct vmm_vcpu *vcpu, uint64_t *ret_ids, size_t max)
{
	struct kvm_reg_list count = { .n = 0 }, *list;
	int r = check_numbers(vcpu);

	if (r < 0)
		return r;
	/* Asked for none it says how many there are, and that this is too few. */
	if (ioctl(vcpu->fd, KVM_GET_REG_LIST, &count) < 0 && errno != E2BIG)
		return vmm__fail_errno("cannot count a vCPU's registers");

	list = calloc(1, sizeof(*list) + count.n * sizeof(list->reg[0]));
	if (!list)
		return vmm__fail(-ENOMEM, "no memory for a list of registers");
	list->n = count.n;
	if (ioctl(vcpu->fd, KVM_GET_REG_LIST, list) < 0) {
		r = vmm__fail_errno("cannot list a vCPU's registers");
	} else {
		r = (int)list->n;
		for (size_t i = 0; i < max && i < list->n; i++)
			ret_ids[i] = list->reg[i];
	}
	free(list);
	return r;
}

int vmm_vcpu_list_regs(struct vmm_vcpu *vcpu, uint64_t *ret_ids, size_t max)
{
	int r;

	if (!vcpu || (!ret_ids && max > 0))
		return vmm__fail(-EINVAL, "no vCPU, or no place for the list");
	pthread_mutex_lock(&vcpu->vm->lock);
	r = list_locked(vcpu, ret_ids, max);
	pthread_mutex_unlock(&vcpu->vm->lock);
	return r;
}

static int one_reg(struct vmm_vcpu *vcpu, unsigned long request, uint64_t id, const void *value,
		   size_t size)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };
	int r;

	if (!vcpu || !value)
		return vmm__fail(-EINVAL, "no vCPU, or no value");
	if (size != (size_t)1 << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT))
		return vmm__fail(-EINVAL, "register 0x%llx has not %zu bytes", (unsigned long long)id,
				 size);

	pthread_mutex_lock(&vcpu->vm->lock);
	r = check_numbers(vcpu);
	if (r == 0 && ioctl(vcpu->fd, request, &reg) < 0)
		r = vmm__fail_errno("register 0x%llx of vCPU %u", (unsigned long long)id, vcpu->id);
	else if (r == 0 && request == KVM_SET_ONE_REG)
		vcpu->regs_written = true;
	pthread_mutex_unlock(&vcpu->vm->lock);
	return r;
}

int vmm_vcpu_get_reg(struct vmm_vcpu *vcpu, uint64_t id, void *ret_value, size_t size)
{
	return one_reg(vcpu, KVM_GET_ONE_REG, id, ret_value, size);
}

int vmm_vcpu_set_reg(struct vmm_vcpu *vcpu, uint64_t id, const void *value, size_t size)
{
	return one_reg(vcpu, KVM_SET_ONE_REG, id, value, size);
}
