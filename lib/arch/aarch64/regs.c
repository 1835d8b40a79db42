/* SPDX-License-Identifier: MIT */
/* regs.c - a vCPU's registers between KVM's numbers and the public layout; exits of this architecture. */
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"

#define CORE_ID(size, field)								\
	(KVM_REG_ARM64 | (size) | KVM_REG_ARM_CORE | offsetof(struct kvm_regs, field) / sizeof(uint32_t))
#define FIELD(name)	offsetof(struct vmm_aarch64_regs, name)

/* Registers of 64 bits: KVM's number, and where they are in the layout. */
static const struct {
	uint64_t id;
	size_t field;
	bool read_only;
} regs64[] = {
	{ CORE_ID(KVM_REG_SIZE_U64, regs.sp), FIELD(sp_el0), false },
	{ CORE_ID(KVM_REG_SIZE_U64, sp_el1), FIELD(sp_el1), false },
	{ CORE_ID(KVM_REG_SIZE_U64, regs.pc), FIELD(pc), false },
	{ CORE_ID(KVM_REG_SIZE_U64, regs.pstate), FIELD(pstate), false },
	{ CORE_ID(KVM_REG_SIZE_U64, elr_el1), FIELD(elr_el1), false },
	{ CORE_ID(KVM_REG_SIZE_U64, spsr[0]), FIELD(spsr_el1), false },
	{ CORE_ID(KVM_REG_SIZE_U64, spsr[1]), FIELD(spsr_abt), false },
	{ CORE_ID(KVM_REG_SIZE_U64, spsr[2]), FIELD(spsr_und), false },
	{ CORE_ID(KVM_REG_SIZE_U64, spsr[3]), FIELD(spsr_irq), false },
	{ CORE_ID(KVM_REG_SIZE_U64, spsr[4]), FIELD(spsr_fiq), false },
	{ ARM64_SYS_REG(3, 0, 1, 0, 0), FIELD(sctlr_el1), false },
	{ ARM64_SYS_REG(3, 0, 1, 0, 2), FIELD(cpacr_el1), false },
	{ ARM64_SYS_REG(3, 0, 2, 0, 2), FIELD(tcr_el1), false },
	{ ARM64_SYS_REG(3, 0, 2, 0, 0), FIELD(ttbr0_el1), false },
	{ ARM64_SYS_REG(3, 0, 2, 0, 1), FIELD(ttbr1_el1), false },
	{ ARM64_SYS_REG(3, 0, 10, 2, 0), FIELD(mair_el1), false },
	{ ARM64_SYS_REG(3, 0, 12, 0, 0), FIELD(vbar_el1), false },
	{ ARM64_SYS_REG(3, 0, 5, 2, 0), FIELD(esr_el1), false },
	{ ARM64_SYS_REG(3, 0, 6, 0, 0), FIELD(far_el1), false },
	{ ARM64_SYS_REG(3, 0, 7, 4, 0), FIELD(par_el1), false },
	{ ARM64_SYS_REG(3, 0, 13, 0, 1), FIELD(contextidr_el1), false },
	{ ARM64_SYS_REG(2, 0, 0, 2, 2), FIELD(mdscr_el1), false },
	{ ARM64_SYS_REG(3, 0, 14, 1, 0), FIELD(cntkctl_el1), false },
	{ ARM64_SYS_REG(3, 3, 13, 0, 2), FIELD(tpidr_el0), false },
	{ ARM64_SYS_REG(3, 3, 13, 0, 3), FIELD(tpidrro_el0), false },
	{ ARM64_SYS_REG(3, 0, 13, 0, 4), FIELD(tpidr_el1), false },
	{ ARM64_SYS_REG(3, 0, 0, 0, 5), FIELD(mpidr_el1), true },
};

static int one(int vcpu_fd, unsigned long request, uint64_t id, void *value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)value };

	if (ioctl(vcpu_fd, request, &reg) < 0)
		return vmm__fail_errno("cannot %s register 0x%llx of a vCPU",
				       request == KVM_GET_ONE_REG ? "read" : "set", (unsigned long long)id);
	return 0;
}

/* ---- vector registers ---- */

/* A vCPU with SVE shows V registers only as the low ends of its Z registers, 2048 bits each here. */
static bool has_sve(int vcpu_fd)
{
	uint64_t z[32];
	const struct kvm_one_reg reg = { .id = KVM_REG_ARM64_SVE_ZREG(0, 0), .addr = (uintptr_t)z };

	return ioctl(vcpu_fd, KVM_GET_ONE_REG, &reg) == 0;
}

static int sve_regs(int vcpu_fd, unsigned long request, struct vmm_aarch64_regs *r)
{
	int e = 0;

	for (unsigned i = 0; i < 32 && e == 0; i++) {
		uint64_t z[32];

		/* What the layout leaves out of a register stays as it is. */
		e = one(vcpu_fd, KVM_GET_ONE_REG, KVM_REG_ARM64_SVE_ZREG(i, 0), z);
		if (e == 0 && request == KVM_SET_ONE_REG) {
			memcpy(z, r->v[i], sizeof(r->v[i]));
			e = one(vcpu_fd, request, KVM_REG_ARM64_SVE_ZREG(i, 0), z);
		} else if (e == 0) {
			memcpy(r->v[i], z, sizeof(r->v[i]));
		}
	}
	return e;
}

static int vector_regs(int vcpu_fd, unsigned long request, struct vmm_aarch64_regs *r)
{
	const size_t words = sizeof(__uint128_t) / sizeof(uint32_t);
	int e = 0;

	if (has_sve(vcpu_fd))
		e = sve_regs(vcpu_fd, request, r);
	else
		for (unsigned i = 0; i < 32 && e == 0; i++)
			e = one(vcpu_fd, request,
				CORE_ID(KVM_REG_SIZE_U128, fp_regs.vregs[0]) + i * words, r->v[i]);
	if (e == 0)
		e = one(vcpu_fd, request, CORE_ID(KVM_REG_SIZE_U32, fp_regs.fpsr), &r->fpsr);
	if (e == 0)
		e = one(vcpu_fd, request, CORE_ID(KVM_REG_SIZE_U32, fp_regs.fpcr), &r->fpcr);
	return e;
}

/* ---- all of them ---- */

static int transfer(int vcpu_fd, unsigned long request, struct vmm_aarch64_regs *r)
{
	const size_t words = sizeof(uint64_t) / sizeof(uint32_t);
	int e = 0;

	for (unsigned i = 0; i < 31 && e == 0; i++)
		e = one(vcpu_fd, request, CORE_ID(KVM_REG_SIZE_U64, regs.regs[0]) + i * words, &r->x[i]);
	for (size_t i = 0; i < sizeof(regs64) / sizeof(regs64[0]) && e == 0; i++) {
		if (request == KVM_SET_ONE_REG && regs64[i].read_only)
			continue;
		e = one(vcpu_fd, request, regs64[i].id, (char *)r + regs64[i].field);
	}
	return e < 0 ? e : vector_regs(vcpu_fd, request, r);
}

int vmm__arch_read_regs(int vcpu_fd, struct vmm_regs *ret_regs)
{
	struct vmm_aarch64_regs r = { 0 };
	int e = transfer(vcpu_fd, KVM_GET_ONE_REG, &r);

	if (e < 0)
		return e;
	ret_regs->arch = VMM_ARCH_AARCH64;
	ret_regs->aarch64 = r;
	return 0;
}

int vmm__arch_write_regs(int vcpu_fd, const struct vmm_regs *regs)
{
	struct vmm_aarch64_regs r = regs->aarch64;
	uint64_t mpidr;
	int e;

	if (regs->arch != VMM_ARCH_AARCH64)
		return vmm__fail(-EINVAL, "registers of architecture %u, not of aarch64", regs->arch);
	e = one(vcpu_fd, KVM_GET_ONE_REG, ARM64_SYS_REG(3, 0, 0, 0, 5), &mpidr);
	if (e < 0)
		return e;
	if (mpidr != r.mpidr_el1)
		return vmm__fail(-EINVAL, "mpidr_el1 is 0x%llx and cannot become 0x%llx",
				 (unsigned long long)mpidr, (unsigned long long)r.mpidr_el1);
	return transfer(vcpu_fd, KVM_SET_ONE_REG, &r);
}

/* ---- exits ---- */

const char *vmm__arch_exit_name(uint32_t reason)
{
	return reason == KVM_EXIT_ARM_NISV ? "an access to a device that the processor does not describe" : NULL;
}

/*
 * KVM gives up where an access to a device is one that the processor does not decode for it (a pair of
 * registers, an atomic operation): no driver does that to a device.
 */
enum arch_exit_kind vmm__arch_exit(struct arch_machine *machine, struct kvm_run *run,
				   struct arch_exit *ret_exit)
{
	if (run->exit_reason != KVM_EXIT_ARM_NISV)
		return ARCH_EXIT_UNKNOWN;
	ret_exit->nr_data = 2;
	ret_exit->data[0] = run->arm_nisv.fault_ipa;
	ret_exit->data[1] = run->arm_nisv.esr_iss;
	return ARCH_EXIT_CRASHED;
}
