/* SPDX-License-Identifier: MIT */
/*
 * debug.c - steps, breakpoints and watchpoints of a vCPU, by KVM_SET_GUEST_DEBUG.
 *
 * Debug registers: Intel SDM volume 3, 17.2.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch_debug_priv.h"
#include "core/error_priv.h"

#define DB_VECTOR	1
#define BP_VECTOR	3
#define DR6_STEP	(1u << 14)
#define NR_WATCHES	4u

int vmm__arch_translate(int vcpu_fd, uint64_t address, vmm_gpa_t *ret_gpa)
{
	struct kvm_translation t = { .linear_address = address };

	if (ioctl(vcpu_fd, KVM_TRANSLATE, &t) < 0)
		return vmm__fail_errno("cannot translate a guest's address");
	if (!t.valid)
		return vmm__fail(-EFAULT, "nothing is mapped at 0x%llx", (unsigned long long)address);
	*ret_gpa = t.physical_address;
	return 0;
}

bool vmm__arch_watch_possible(const struct arch_watch *w)
{
	if (w->kind == ARCH_WATCH_EXEC)
		return true;
	return (w->bytes == 1 || w->bytes == 2 || w->bytes == 4 || w->bytes == 8) &&
	       w->address % w->bytes == 0;
}

/* DR7: an enable bit for each, and four bits of what and how long. */
static uint64_t control_of(const struct arch_watch *w, uint32_t index)
{
	static const uint8_t what[] = { [ARCH_WATCH_EXEC] = 0, [ARCH_WATCH_WRITE] = 1, [ARCH_WATCH_ACCESS] = 3 };
	static const uint8_t length[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	uint64_t four;

	four = what[w->kind] | (w->kind == ARCH_WATCH_EXEC ? 0 : (uint64_t)length[w->bytes] << 2);
	return 1ull << 2 * index | four << (16 + 4 * index);
}

static int set(int vm_fd, int vcpu_fd, const struct arch_debug *debug, uint32_t more)
{
	struct kvm_guest_debug kvm = { 0 };
	int flags = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);

	if (debug->on)
		kvm.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
	if (debug->on && debug->step) {
		kvm.control |= KVM_GUESTDBG_SINGLESTEP;
		/* Else each step ends in the timer's interrupt. */
		if (flags > 0 && (flags & KVM_GUESTDBG_BLOCKIRQ))
			kvm.control |= KVM_GUESTDBG_BLOCKIRQ;
	}
	for (uint32_t i = 0; debug->on && i < NR_WATCHES; i++) {
		if (debug->watches[i].kind == ARCH_WATCH_NONE)
			continue;
		kvm.control |= KVM_GUESTDBG_USE_HW_BP;
		kvm.arch.debugreg[i] = debug->watches[i].address;
		kvm.arch.debugreg[7] |= control_of(&debug->watches[i], i);
	}
	if (kvm.control & KVM_GUESTDBG_USE_HW_BP)
		kvm.arch.debugreg[7] |= 0x600;	/* exact, and the bit that is always one */
	kvm.control |= more;
	if (ioctl(vcpu_fd, KVM_SET_GUEST_DEBUG, &kvm) < 0)
		return vmm__fail_errno("KVM cannot debug this guest");
	return 0;
}

int vmm__arch_debug_set(int vm_fd, int vcpu_fd, const struct arch_debug *debug)
{
	return set(vm_fd, vcpu_fd, debug, 0);
}

int vmm__arch_debug_reinject(int vm_fd, int vcpu_fd, const struct kvm_run *run,
			     const struct arch_debug *debug)
{
	return set(vm_fd, vcpu_fd, debug, run->debug.arch.exception == BP_VECTOR
		   ? KVM_GUESTDBG_INJECT_BP : KVM_GUESTDBG_INJECT_DB);
}

uint64_t vmm__arch_pc(const struct vmm_regs *regs)
{
	return regs->x86.cs.base + regs->x86.rip;
}

struct arch_hit vmm__arch_debug_hit(const struct kvm_run *run, const struct arch_debug *debug)
{
	const struct kvm_debug_exit_arch *arch = &run->debug.arch;
	struct arch_hit hit = { .kind = ARCH_HIT_NONE, .address = arch->pc };

	if (arch->exception == BP_VECTOR) {
		hit.kind = ARCH_HIT_BREAKPOINT;
		return hit;
	}
	for (uint32_t i = 0; i < NR_WATCHES; i++) {
		if (!(arch->dr6 >> i & 1) || debug->watches[i].kind == ARCH_WATCH_NONE)
			continue;
		hit.kind = ARCH_HIT_WATCH;
		hit.index = i;
		hit.address = debug->watches[i].address;
		return hit;
	}
	/* Some KVMs that emulate the instruction say nothing in DR6. */
	if (debug->step && (arch->exception == DB_VECTOR || (arch->dr6 & DR6_STEP)))
		hit.kind = ARCH_HIT_STEP;
	return hit;
}
