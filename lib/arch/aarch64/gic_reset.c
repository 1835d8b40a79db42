/* SPDX-License-Identifier: MIT */
/*
 * gic_reset.c - the GIC as after power on.
 *
 * KVM resets an ITS, but no GIC: its registers are written one by one, as for a guest that is restored
 * (Linux, Documentation/virt/kvm/devices/arm-vgic-v3.rst and arm-vgic.rst). Registers: Arm IHI 0069
 * (GICv3) and IHI 0048 (GICv2). In a GICv3 that is restored, pending bits are set as a whole by ISPENDR;
 * in a GICv2 they are cleared by ICPENDR.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "core/error_priv.h"

enum {
	GICD_CTLR	= 0x000,
	GICD_IGROUPR	= 0x080,
	GICD_ICENABLER	= 0x180,
	GICD_ISPENDR	= 0x200,
	GICD_ICPENDR	= 0x280,
	GICD_ICACTIVER	= 0x380,
	GICD_IPRIORITYR	= 0x400,
	GICD_ITARGETSR	= 0x800,
	GICD_ICFGR	= 0xc00,
	GICD_IROUTER	= 0x6000,

	GICR_CTLR	= 0x0000,
	GICR_PROPBASER	= 0x0070,
	GICR_PENDBASER	= 0x0078,
	GICR_SGI	= 0x10000,	/* where the registers for SGIs and PPIs begin */

	GICC_CTLR	= 0x00,
	GICC_PMR	= 0x04,
	GICC_BPR	= 0x08,
	GICC_APR	= 0xd0,
};

#define FIRST_WORDS	1u		/* interrupts 0 .. 31 are each processor's own */

struct reset {
	const struct arch_vm *vm;
	int error;
};

/* The first failure is kept. */
static void put(struct reset *r, uint32_t group, uint64_t attr, uint32_t value)
{
	const struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)&value };

	if (r->error == 0 && ioctl(r->vm->gic_fd, KVM_SET_DEVICE_ATTR, &a) < 0)
		r->error = vmm__fail_errno("cannot reset the GIC's register 0x%llx",
					   (unsigned long long)(attr & UINT32_MAX));
}

static void dist(struct reset *r, uint32_t offset, uint32_t value)
{
	put(r, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, offset, value);
}

/* @bits of each interrupt from the first shared one to the last, packed into words. */
static void dist_all(struct reset *r, uint32_t base, uint32_t bits, uint32_t value)
{
	uint32_t nr = A64_FIRST_SPI + A64_NR_PINS + (r->vm->gic == 2 ? A64_V2M_NR : 0);

	for (uint32_t word = FIRST_WORDS * bits; word < nr * bits / 32; word++)
		dist(r, base + 4 * word, value);
}

static void dist_reset(struct reset *r)
{
	bool v2 = r->vm->gic == 2;

	dist(r, GICD_CTLR, 0);
	dist_all(r, GICD_ICENABLER, 1, UINT32_MAX);
	dist_all(r, v2 ? GICD_ICPENDR : GICD_ISPENDR, 1, v2 ? UINT32_MAX : 0);
	dist_all(r, GICD_ICACTIVER, 1, UINT32_MAX);
	dist_all(r, GICD_IPRIORITYR, 8, 0);
	dist_all(r, GICD_ICFGR, 2, 0);
	if (v2) {
		dist_all(r, GICD_ITARGETSR, 8, 0);
		return;
	}
	/* There is one security state: all are of group 1. */
	dist_all(r, GICD_IGROUPR, 1, UINT32_MAX);
	for (uint32_t spi = A64_FIRST_SPI; spi < A64_FIRST_SPI + A64_NR_PINS; spi++) {
		dist(r, GICD_IROUTER + 8 * spi, 0);
		dist(r, GICD_IROUTER + 8 * spi + 4, 0);
	}
}

/* ---- GICv3: a redistributor and system registers for each vCPU ---- */

static uint64_t v3_cpu(uint32_t id)
{
	return (uint64_t)vmm__a64_affinity(id) << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT;
}

static void redist(struct reset *r, uint32_t id, uint32_t offset, uint32_t value)
{
	put(r, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, v3_cpu(id) | offset, value);
}

static void redist_reset(struct reset *r, uint32_t id)
{
	redist(r, id, GICR_CTLR, 0);
	for (uint32_t half = 0; half < 8; half += 4) {
		redist(r, id, GICR_PROPBASER + half, 0);
		redist(r, id, GICR_PENDBASER + half, 0);
	}
	redist(r, id, GICR_SGI + GICD_IGROUPR, UINT32_MAX);
	redist(r, id, GICR_SGI + GICD_ICENABLER, UINT32_MAX);
	redist(r, id, GICR_SGI + GICD_ISPENDR, 0);
	redist(r, id, GICR_SGI + GICD_ICACTIVER, UINT32_MAX);
	for (uint32_t i = 0; i < 32; i += 4)
		redist(r, id, GICR_SGI + GICD_IPRIORITYR + i, 0);
	redist(r, id, GICR_SGI + GICD_ICFGR + 4, 0);
}

#define ICC(op1, crn, crm, op2)							\
	((op1) << KVM_REG_ARM64_SYSREG_OP1_SHIFT | (crn) << KVM_REG_ARM64_SYSREG_CRN_SHIFT |	\
	 (crm) << KVM_REG_ARM64_SYSREG_CRM_SHIFT | (op2) << KVM_REG_ARM64_SYSREG_OP2_SHIFT |	\
	 3 << KVM_REG_ARM64_SYSREG_OP0_SHIFT)

static void icc_reset(struct reset *r, uint32_t id)
{
	static const struct {
		uint32_t reg;
		bool optional;		/* there with more bits of priority only */
	} regs[] = {
		{ ICC(0, 4, 6, 0), false },		/* PMR */
		{ ICC(0, 12, 8, 3), false },		/* BPR0 */
		{ ICC(0, 12, 12, 3), false },		/* BPR1 */
		{ ICC(0, 12, 12, 6), false },		/* IGRPEN0 */
		{ ICC(0, 12, 12, 7), false },		/* IGRPEN1 */
		{ ICC(0, 12, 8, 4), false },		/* AP0R0 .. 3 */
		{ ICC(0, 12, 8, 5), true }, { ICC(0, 12, 8, 6), true }, { ICC(0, 12, 8, 7), true },
		{ ICC(0, 12, 9, 0), false },		/* AP1R0 .. 3 */
		{ ICC(0, 12, 9, 1), true }, { ICC(0, 12, 9, 2), true }, { ICC(0, 12, 9, 3), true },
	};

	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]) && r->error == 0; i++) {
		const uint64_t zero = 0;
		const struct kvm_device_attr a = {
			.group = KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
			.attr = v3_cpu(id) | regs[i].reg, .addr = (uintptr_t)&zero,
		};

		if (ioctl(r->vm->gic_fd, KVM_SET_DEVICE_ATTR, &a) < 0 && !regs[i].optional)
			r->error = vmm__fail_errno("cannot reset the GIC's system register 0x%x",
						   regs[i].reg);
	}
}

/* ---- GICv2: banked registers, and a CPU interface ---- */

static void v2_cpu_reset(struct reset *r, uint32_t id)
{
	uint64_t cpu = (uint64_t)id << KVM_DEV_ARM_VGIC_CPUID_SHIFT;
	uint32_t group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;

	put(r, group, cpu | GICD_ICENABLER, UINT32_MAX);
	put(r, group, cpu | GICD_ICPENDR, UINT32_MAX);
	put(r, group, cpu | GICD_ICACTIVER, UINT32_MAX);
	for (uint32_t i = 0; i < 32; i += 4)
		put(r, group, cpu | (GICD_IPRIORITYR + i), 0);
	put(r, group, cpu | (GICD_ICFGR + 4), 0);

	group = KVM_DEV_ARM_VGIC_GRP_CPU_REGS;
	put(r, group, cpu | GICC_CTLR, 0);
	put(r, group, cpu | GICC_PMR, 0);
	put(r, group, cpu | GICC_BPR, 0);
	put(r, group, cpu | GICC_APR, 0);
}

/* ---- */

static int its_reset(const struct arch_vm *vm)
{
	const struct kvm_device_attr a = {
		.group = KVM_DEV_ARM_VGIC_GRP_CTRL, .attr = KVM_DEV_ARM_ITS_CTRL_RESET,
	};

	if (vm->its_fd >= 0 && ioctl(vm->its_fd, KVM_SET_DEVICE_ATTR, &a) < 0)
		return vmm__fail_errno("cannot reset the ITS");
	return 0;
}

int vmm__gic_reset(struct arch_vm *vm)
{
	struct reset r = { .vm = vm };

	if (vm->gic == 0)
		return 0;
	r.error = its_reset(vm);
	dist_reset(&r);
	for (uint32_t id = 0; id < vm->nr_vcpus; id++) {
		if (vm->gic == 2) {
			v2_cpu_reset(&r, id);
			continue;
		}
		redist_reset(&r, id);
		icc_reset(&r, id);
	}
	return r.error;
}
