/* SPDX-License-Identifier: MIT */
/*
 * reset.c - a vCPU as after reset, new or used, and the boot processor at a kernel's entry.
 *
 * KVM lists what state a vCPU has, whatever the host's processor is, so the walk over that
 * list leaves nothing out; what a number stands for decides what it is after reset. KVM has
 * the values that a new vCPU starts with: nearly all zero. Other vCPUs than the first are
 * stopped, as SBI's hart state management wants it, which resets them once more when the
 * guest starts them.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/riscv64/layout_priv.h"
#include "arch/riscv64/one_reg_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "core/error_priv.h"

#define SCOUNTEREN	7u	/* cycle, time and instret are there in user mode: as KVM begins */

static uint64_t type_of(uint64_t id)
{
	return id & KVM_REG_RISCV_TYPE_MASK;
}

/* Registers of 64 bits or less. False: it is no state, or stays as it is. */
static bool reset_value(uint64_t id, const struct arch_cpu *cpu, uint64_t *ret_value)
{
	*ret_value = 0;
	switch (type_of(id)) {
	case KVM_REG_RISCV_CORE:
		*ret_value = id == RISCV_MODE ? KVM_RISCV_MODE_S : 0;
		return true;
	case KVM_REG_RISCV_CSR:
		*ret_value = id == RISCV_CSR(scounteren) ? SCOUNTEREN : 0;
		return true;
	case KVM_REG_RISCV_FP_F:
	case KVM_REG_RISCV_FP_D:
		return true;
	case KVM_REG_RISCV_TIMER:
		/* The counter is the whole guest's. When the next event is, comes apart. */
		return id == RISCV_TIMER(time) && cpu->id == 0;
	case KVM_REG_RISCV_SBI_STATE:
		/* Steal time is not reported until the guest says where: all ones in the low half. */
		if ((id & KVM_REG_RISCV_SUBTYPE_MASK) != KVM_REG_RISCV_SBI_STA)
			return false;
		if ((id & UINT16_MAX) == KVM_REG_RISCV_SBI_STA_REG(shmem_lo))
			*ret_value = UINT64_MAX;
		return true;
	default:
		return false;
	}
}

/* All of the vector unit but its length in bytes, which is no state. */
static bool is_vector(uint64_t id)
{
	return type_of(id) == KVM_REG_RISCV_VECTOR &&
	       (id & UINT16_MAX) != KVM_REG_RISCV_VECTOR_CSR_REG(vlenb);
}

static int registers_reset(int vcpu_fd, const struct arch_cpu *cpu)
{
	static const unsigned char zeros[RISCV_REG_BYTES_MAX];
	struct kvm_reg_list *list;
	int r = vmm__riscv_reg_list(vcpu_fd, &list);

	if (r < 0)
		return r;
	for (uint64_t i = 0; i < list->n && r == 0; i++) {
		uint64_t value;

		/* Little endian: a narrow register takes the low bytes. */
		if (is_vector(list->reg[i]))
			r = vmm__riscv_set_reg(vcpu_fd, list->reg[i], zeros);
		else if (reset_value(list->reg[i], cpu, &value))
			r = vmm__riscv_set_reg(vcpu_fd, list->reg[i], &value);
	}
	free(list);
	return r;
}

/* No event is due. A timer that is on is set to never first: that takes back one that fired. */
static int timer_reset(int vcpu_fd)
{
	uint64_t state;
	int r = vmm__riscv_get(vcpu_fd, RISCV_TIMER(state), &state);

	if (r == 0)
		r = vmm__riscv_set(vcpu_fd, RISCV_TIMER(compare), UINT64_MAX);
	if (r < 0 || state != KVM_RISCV_TIMER_STATE_ON)
		return r;
	r = vmm__riscv_set(vcpu_fd, RISCV_TIMER(state), KVM_RISCV_TIMER_STATE_ON);
	if (r == 0)
		r = vmm__riscv_set(vcpu_fd, RISCV_TIMER(state), KVM_RISCV_TIMER_STATE_OFF);
	return r;
}

static int mp_state_reset(int vcpu_fd, const struct arch_cpu *cpu)
{
	const struct kvm_mp_state state = {
		.mp_state = cpu->id == 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_STOPPED,
	};

	if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &state) < 0)
		return vmm__fail_errno("cannot reset a vCPU's run state");
	return 0;
}

/* Linux, Documentation/arch/riscv/boot.rst: a0 the hart's number, a1 the tree, no translation. */
static int enter(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry)
{
	int r = vmm__riscv_set(vcpu_fd, RISCV_CORE(0), entry->entry);

	if (r == 0)
		r = vmm__riscv_set(vcpu_fd, RISCV_CORE(10), cpu->id);
	if (r == 0)
		r = vmm__riscv_set(vcpu_fd, RISCV_CORE(11), entry->argument);
	return r;
}

int vmm__arch_vcpu_reset(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry)
{
	int r = registers_reset(vcpu_fd, cpu);

	if (r == 0)
		r = timer_reset(vcpu_fd);
	if (r == 0 && entry && cpu->id == 0)
		r = enter(vcpu_fd, cpu, entry);
	if (r == 0)
		r = mp_state_reset(vcpu_fd, cpu);
	return r;
}
