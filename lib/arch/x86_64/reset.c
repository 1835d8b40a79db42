/* SPDX-License-Identifier: MIT */
/*
 * reset.c - a vCPU as after reset, new or used, and the boot processor at a kernel's entry.
 *
 * Register values after reset: Intel SDM volume 3, 10.1 (table 10-1).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/msr_priv.h"
#include "core/error_priv.h"

#define CR0_PE		(1ull << 0)
#define CR0_ET		(1ull << 4)
#define CR0_NW		(1ull << 29)
#define CR0_CD		(1ull << 30)
#define CR0_PG		(1ull << 31)
#define CR4_PAE		(1ull << 5)
#define EFER_LME	(1ull << 8)
#define EFER_LMA	(1ull << 10)
#define APIC_BASE_BSP	(1ull << 8)
#define APIC_BASE_ON	(1ull << 11)

#define XSAVE_BYTES	16384	/* no processor's extended state is larger */

/* Segment types (Intel SDM volume 3, 3.4.5.1 and 3.5). */
enum { SEG_LDT = 2, SEG_DATA = 3, SEG_CODE = 11, SEG_TSS_BUSY = 11 };

/* ---- what only KVM sees: nesting, events, floating point, debugging, APIC ---- */

/* Leave nested virtualization: the other registers are those of its guest otherwise. */
static int leave_nested(int vcpu_fd)
{
	const size_t bytes = sizeof(struct kvm_nested_state) + 3 * 4096;
	struct kvm_nested_state *state = calloc(1, bytes);
	uint16_t format;
	int r = 0;

	if (!state)
		return vmm__fail(-ENOMEM, "no memory for nested state");

	state->size = (uint32_t)bytes;
	if (ioctl(vcpu_fd, KVM_GET_NESTED_STATE, state) < 0)
		goto out;			/* a KVM without it */

	format = state->format;
	memset(state, 0, sizeof(*state));
	state->format = format;
	state->size = sizeof(*state);
	if (format == KVM_STATE_NESTED_FORMAT_SVM) {
		state->flags = KVM_STATE_NESTED_GIF_SET;
	} else {
		state->hdr.vmx.vmxon_pa = UINT64_MAX;
		state->hdr.vmx.vmcs12_pa = UINT64_MAX;
	}
	if (ioctl(vcpu_fd, KVM_SET_NESTED_STATE, state) < 0)
		r = vmm__fail_errno("cannot take a vCPU out of nested virtualization");

out:
	free(state);
	return r;
}

static int events_reset(int vcpu_fd)
{
	struct kvm_vcpu_events events;
	uint32_t valid;

	if (ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events) < 0)
		return vmm__fail_errno("cannot read a vCPU's pending events");

	valid = events.flags;		/* the parts this KVM has */
	memset(&events, 0, sizeof(events));
	events.flags = valid | KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	if (ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &events) < 0)
		return vmm__fail_errno("cannot clear a vCPU's pending events");

	return 0;
}

static int fpu_reset(int vcpu_fd)
{
	const uint16_t fcw = 0x37f;
	const uint32_t mxcsr = 0x1f80;
	const uint64_t given = 3;	/* x87 and SSE; what is not given is initialised */
	struct kvm_xcrs xcrs;
	unsigned char *xsave = calloc(1, XSAVE_BYTES);
	int r;

	if (!xsave)
		return vmm__fail(-ENOMEM, "no memory for extended state");

	/* Intel SDM volume 1, 13.4: FCW, MXCSR, and XSTATE_BV after the legacy region. */
	memcpy(xsave, &fcw, sizeof(fcw));
	memcpy(xsave + 24, &mxcsr, sizeof(mxcsr));
	memcpy(xsave + 512, &given, sizeof(given));
	r = ioctl(vcpu_fd, KVM_SET_XSAVE, xsave);
	free(xsave);
	if (r < 0)
		return vmm__fail_errno("cannot reset a vCPU's floating point unit");

	if (ioctl(vcpu_fd, KVM_GET_XCRS, &xcrs) < 0 || xcrs.nr_xcrs == 0)
		return 0;		/* a processor without XSAVE */
	xcrs.xcrs[0].value = 1;
	if (ioctl(vcpu_fd, KVM_SET_XCRS, &xcrs) < 0)
		return vmm__fail_errno("cannot reset a vCPU's XCR0");

	return 0;
}

static int debug_reset(int vcpu_fd)
{
	const struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };

	if (ioctl(vcpu_fd, KVM_SET_DEBUGREGS, &debug) < 0)
		return vmm__fail_errno("cannot reset a vCPU's debug registers");

	return 0;
}

static void apic_set(struct kvm_lapic_state *apic, size_t offset, uint32_t value)
{
	memcpy(apic->regs + offset, &value, sizeof(value));
}

/*
 * Intel SDM volume 3, 11.4.7.1. The version register stays what KVM says; it tells whether
 * there is a vector for corrected machine checks, at 0x2f0.
 */
static int apic_reset(int vcpu_fd, const struct arch_cpu *cpu)
{
	static const uint16_t vectors[] = { 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x2f0 };
	struct kvm_lapic_state old, apic = { .regs = { 0 } };
	int id = vmm__arch_vcpu_id(cpu);
	size_t last_vector;

	if (id < 0)
		return id;
	if (ioctl(vcpu_fd, KVM_GET_LAPIC, &old) < 0)
		return vmm__fail_errno("cannot read a vCPU's local APIC");

	memcpy(apic.regs + 0x30, old.regs + 0x30, 4);
	last_vector = (unsigned char)old.regs[0x32];
	apic_set(&apic, 0x20, (uint32_t)id << 24);
	apic_set(&apic, 0xe0, 0xffffffff);			/* destination format: flat */
	apic_set(&apic, 0xf0, 0xff);				/* spurious vector, disabled */
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]) && i <= last_vector; i++)
		apic_set(&apic, vectors[i], 1u << 16);		/* masked */
	/* The PIC's output is wired to the boot processor: open, for systems that use no APIC. */
	if (cpu->id == 0)
		apic_set(&apic, 0x350, 7u << 8);

	if (ioctl(vcpu_fd, KVM_SET_LAPIC, &apic) < 0)
		return vmm__fail_errno("cannot reset a vCPU's local APIC");

	return 0;
}

static int mp_state_reset(int vcpu_fd, const struct arch_cpu *cpu)
{
	const struct kvm_mp_state state = {
		.mp_state = cpu->id == 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED,
	};

	if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &state) < 0)
		return vmm__fail_errno("cannot reset a vCPU's run state");

	return 0;
}

/* ---- the registers that everybody knows ---- */

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code64)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.db = !code64,
		.l = code64,
		.g = 1,
	};
}

static struct kvm_segment real_mode(uint8_t type)
{
	return (struct kvm_segment){ .limit = 0xffff, .type = type, .present = 1, .s = 1 };
}

static void sregs_reset(struct kvm_sregs *s, const struct arch_cpu *cpu)
{
	const struct kvm_segment data = real_mode(SEG_DATA);

	*s = (struct kvm_sregs){
		.cs = real_mode(SEG_CODE),
		.ds = data, .es = data, .fs = data, .gs = data, .ss = data,
		.tr = real_mode(SEG_TSS_BUSY),
		.ldt = real_mode(SEG_LDT),
		.gdt.limit = 0xffff,
		.idt.limit = 0xffff,
		.cr0 = CR0_CD | CR0_NW | CR0_ET,
		.apic_base = X86_LAPIC_BASE | (cpu->irqchip ? APIC_BASE_ON : 0) |
			     (cpu->id == 0 ? APIC_BASE_BSP : 0),
	};
	s->cs.selector = 0xf000;
	s->cs.base = 0xffff0000;
	s->tr.s = 0;
	s->ldt.s = 0;
}

/* As the PVH and the 64-bit Linux boot protocols want it; the tables are in guest memory. */
static void enter(struct kvm_sregs *s, struct kvm_regs *g, const struct boot_entry *entry)
{
	bool long_mode = entry->kind == X86_BOOT_LINUX64;

	s->cs = flat(long_mode ? X86_SEL_CODE64 : X86_SEL_CODE32, SEG_CODE, long_mode);
	s->ds = s->es = s->fs = s->gs = s->ss = flat(X86_SEL_DATA, SEG_DATA, false);
	s->tr = (struct kvm_segment){
		.limit = 0x67, .selector = X86_SEL_TSS, .type = SEG_TSS_BUSY, .present = 1,
	};
	s->gdt.base = X86_GDT;
	s->gdt.limit = X86_GDT_ENTRIES * 8 - 1;
	s->idt.limit = 0;
	s->cr0 = CR0_PE | CR0_ET;
	*g = (struct kvm_regs){ .rip = entry->entry, .rflags = 2 };

	if (long_mode) {
		s->cr0 |= CR0_PG;
		s->cr3 = X86_PAGE_TABLES;
		s->cr4 = CR4_PAE;
		s->efer = EFER_LME | EFER_LMA;
		g->rsi = entry->argument;
	} else {
		g->rbx = entry->argument;
	}
}

static int registers_reset(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry)
{
	/* EDX says which processor it is; nobody looks since CPUID does. */
	struct kvm_regs g = { .rip = 0xfff0, .rdx = 0x600, .rflags = 2 };
	struct kvm_sregs s;

	sregs_reset(&s, cpu);
	if (entry && cpu->id == 0)
		enter(&s, &g, entry);

	if (ioctl(vcpu_fd, KVM_SET_SREGS, &s) < 0)
		return vmm__fail_errno("cannot reset a vCPU's system registers");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &g) < 0)
		return vmm__fail_errno("cannot reset a vCPU's registers");

	return 0;
}

int vmm__arch_vcpu_reset(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry)
{
	int r = cpu->nested ? leave_nested(vcpu_fd) : 0;

	if (r == 0)
		r = events_reset(vcpu_fd);
	if (r == 0)
		r = fpu_reset(vcpu_fd);
	if (r == 0)
		r = debug_reset(vcpu_fd);
	if (r == 0)
		r = vmm__msr_reset(vcpu_fd);
	/* The system registers hold the APIC's mode, which decides how its registers are read. */
	if (r == 0)
		r = registers_reset(vcpu_fd, cpu, entry);
	if (r == 0 && cpu->irqchip)
		r = apic_reset(vcpu_fd, cpu);
	if (r == 0 && cpu->irqchip)
		r = mp_state_reset(vcpu_fd, cpu);

	return r;
}
