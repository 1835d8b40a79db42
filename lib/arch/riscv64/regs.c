/* SPDX-License-Identifier: MIT */
/*
 * regs.c - a vCPU's registers between KVM's numbers and the public layout.
 *
 * A table says which number is which field; what a processor lacks (a floating point
 * unit) reads as zero and is not written. The timer is left out: its counter is the
 * machine's, not one vCPU's.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/riscv64/one_reg_priv.h"
#include "core/error_priv.h"

#define CSR(name)	{ RISCV_CSR(name), offsetof(struct vmm_riscv64_regs, name) }

static const struct {
	uint64_t id;
	size_t offset;
} fields[] = {
	{ RISCV_MODE, offsetof(struct vmm_riscv64_regs, mode) },
	CSR(sstatus), CSR(sie), CSR(stvec), CSR(sscratch), CSR(sepc), CSR(scause), CSR(stval),
	CSR(sip), CSR(satp), CSR(scounteren), CSR(senvcfg),
};

#define NR_FIELDS	(sizeof(fields) / sizeof(fields[0]))
#define F_REG(n)	(RISCV_REG_32 | KVM_REG_RISCV_FP_F | (n))
#define D_REG(n)	(RISCV_REG_64 | KVM_REG_RISCV_FP_D | (n))
#define NAN_BOX		0xffffffff00000000ull

/* Bits of the double registers, or of the single ones boxed (RISC-V unprivileged, 21.2). */
static uint32_t float_bits(int vcpu_fd)
{
	uint64_t value;

	if (vmm__riscv_has(vcpu_fd, RISCV_ISA_EXT(KVM_RISCV_ISA_EXT_D), &value) && value)
		return 64;
	if (vmm__riscv_has(vcpu_fd, RISCV_ISA_EXT(KVM_RISCV_ISA_EXT_F), &value) && value)
		return 32;
	return 0;
}

/*
 * The control and status register: number 32 of either set. KVM keeps the sets in the same
 * place, so that the one of single registers would lie in the midst of the double ones.
 */
static uint64_t fcsr(uint32_t bits)
{
	return bits == 64 ? RISCV_REG_32 | KVM_REG_RISCV_FP_D | 32 : F_REG(32);
}

static int read_floats(int vcpu_fd, struct vmm_riscv64_regs *x)
{
	uint32_t bits = float_bits(vcpu_fd), single;
	int r = 0;

	for (uint32_t i = 0; i < 32 && bits && r == 0; i++) {
		if (bits == 64) {
			r = vmm__riscv_get(vcpu_fd, D_REG(i), &x->f[i]);
		} else {
			r = vmm__riscv_get_reg(vcpu_fd, F_REG(i), &single);
			x->f[i] = NAN_BOX | single;
		}
	}
	if (bits && r == 0)
		r = vmm__riscv_get_reg(vcpu_fd, fcsr(bits), &x->fcsr);
	return r;
}

static int write_floats(int vcpu_fd, const struct vmm_riscv64_regs *x)
{
	uint32_t bits = float_bits(vcpu_fd), single;
	int r = 0;

	for (uint32_t i = 0; i < 32 && bits && r == 0; i++) {
		single = (uint32_t)x->f[i];
		r = bits == 64 ? vmm__riscv_set(vcpu_fd, D_REG(i), x->f[i]) :
				 vmm__riscv_set_reg(vcpu_fd, F_REG(i), &single);
	}
	if (bits && r == 0)
		r = vmm__riscv_set_reg(vcpu_fd, fcsr(bits), &x->fcsr);
	return r;
}

int vmm__arch_read_regs(int vcpu_fd, struct vmm_regs *ret_regs)
{
	struct vmm_riscv64_regs x = { .pc = 0 };
	int r = vmm__riscv_get(vcpu_fd, RISCV_CORE(0), &x.pc);

	for (uint32_t i = 1; i < 32 && r == 0; i++)
		r = vmm__riscv_get(vcpu_fd, RISCV_CORE(i), &x.x[i]);
	for (size_t i = 0; i < NR_FIELDS && r == 0; i++)
		r = vmm__riscv_get_reg(vcpu_fd, fields[i].id, (char *)&x + fields[i].offset);
	if (r == 0)
		r = read_floats(vcpu_fd, &x);
	if (r < 0)
		return r;

	ret_regs->arch = VMM_ARCH_RISCV64;
	ret_regs->riscv64 = x;
	return 0;
}

int vmm__arch_write_regs(int vcpu_fd, const struct vmm_regs *regs)
{
	const struct vmm_riscv64_regs *x = &regs->riscv64;
	int r;

	if (regs->arch != VMM_ARCH_RISCV64)
		return vmm__fail(-EINVAL, "registers of architecture %u, not of riscv64", regs->arch);
	if (x->mode > KVM_RISCV_MODE_S)
		return vmm__fail(-EINVAL, "mode %llu is neither user (0) nor supervisor (1)",
				 (unsigned long long)x->mode);

	r = vmm__riscv_set(vcpu_fd, RISCV_CORE(0), x->pc);
	for (uint32_t i = 1; i < 32 && r == 0; i++)
		r = vmm__riscv_set(vcpu_fd, RISCV_CORE(i), x->x[i]);
	for (size_t i = 0; i < NR_FIELDS && r == 0; i++)
		r = vmm__riscv_set_reg(vcpu_fd, fields[i].id, (const char *)x + fields[i].offset);
	return r == 0 ? write_floats(vcpu_fd, x) : r;
}
