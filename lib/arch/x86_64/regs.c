/* SPDX-License-Identifier: MIT */
/* regs.c - a vCPU's registers between KVM's layout and the public one. */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"

static struct vmm_x86_segment segment_from_kvm(const struct kvm_segment *s)
{
	return (struct vmm_x86_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.attributes = (uint16_t)((s->type & 15) | (s->s & 1) << 4 | (s->dpl & 3) << 5 |
					 (s->present & 1) << 7 | (s->avl & 1) << 8 |
					 (s->l & 1) << 9 | (s->db & 1) << 10 | (s->g & 1) << 11 |
					 (s->unusable & 1) << 12),
	};
}

static struct kvm_segment segment_to_kvm(const struct vmm_x86_segment *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->attributes & 15,
		.s = s->attributes >> 4 & 1,
		.dpl = s->attributes >> 5 & 3,
		.present = s->attributes >> 7 & 1,
		.avl = s->attributes >> 8 & 1,
		.l = s->attributes >> 9 & 1,
		.db = s->attributes >> 10 & 1,
		.g = s->attributes >> 11 & 1,
		.unusable = s->attributes >> 12 & 1,
	};
}

static int read_both(int vcpu_fd, struct kvm_regs *g, struct kvm_sregs *s)
{
	if (ioctl(vcpu_fd, KVM_GET_REGS, g) < 0)
		return vmm__fail_errno("cannot read a vCPU's registers");
	if (ioctl(vcpu_fd, KVM_GET_SREGS, s) < 0)
		return vmm__fail_errno("cannot read a vCPU's system registers");

	return 0;
}

int vmm__arch_read_regs(int vcpu_fd, struct vmm_regs *ret_regs)
{
	struct kvm_regs g;
	struct kvm_sregs s;
	int r = read_both(vcpu_fd, &g, &s);

	if (r < 0)
		return r;

	ret_regs->arch = VMM_ARCH_X86_64;
	ret_regs->x86 = (struct vmm_x86_regs){
		.rax = g.rax, .rbx = g.rbx, .rcx = g.rcx, .rdx = g.rdx,
		.rsi = g.rsi, .rdi = g.rdi, .rsp = g.rsp, .rbp = g.rbp,
		.r8 = g.r8, .r9 = g.r9, .r10 = g.r10, .r11 = g.r11,
		.r12 = g.r12, .r13 = g.r13, .r14 = g.r14, .r15 = g.r15,
		.rip = g.rip, .rflags = g.rflags,
		.cr0 = s.cr0, .cr2 = s.cr2, .cr3 = s.cr3, .cr4 = s.cr4, .cr8 = s.cr8,
		.efer = s.efer, .apic_base = s.apic_base,
		.cs = segment_from_kvm(&s.cs), .ds = segment_from_kvm(&s.ds),
		.es = segment_from_kvm(&s.es), .fs = segment_from_kvm(&s.fs),
		.gs = segment_from_kvm(&s.gs), .ss = segment_from_kvm(&s.ss),
		.tr = segment_from_kvm(&s.tr), .ldt = segment_from_kvm(&s.ldt),
		.gdt_base = s.gdt.base, .gdt_limit = s.gdt.limit,
		.idt_base = s.idt.base, .idt_limit = s.idt.limit,
	};
	return 0;
}

int vmm__arch_write_regs(int vcpu_fd, const struct vmm_regs *regs)
{
	const struct vmm_x86_regs *x = &regs->x86;
	const struct kvm_regs g = {
		.rax = x->rax, .rbx = x->rbx, .rcx = x->rcx, .rdx = x->rdx,
		.rsi = x->rsi, .rdi = x->rdi, .rsp = x->rsp, .rbp = x->rbp,
		.r8 = x->r8, .r9 = x->r9, .r10 = x->r10, .r11 = x->r11,
		.r12 = x->r12, .r13 = x->r13, .r14 = x->r14, .r15 = x->r15,
		.rip = x->rip, .rflags = x->rflags,
	};
	struct kvm_sregs s;

	if (regs->arch != VMM_ARCH_X86_64)
		return vmm__fail(-EINVAL,
				 "registers of architecture %u, not of x86-64", regs->arch);
	if (x->gdt_limit > UINT16_MAX || x->idt_limit > UINT16_MAX)
		return vmm__fail(-EINVAL, "descriptor table limits 0x%x, 0x%x: at most 0xffff",
				 x->gdt_limit, x->idt_limit);

	/* What the public layout leaves out, an interrupt under way, stays as it is. */
	if (ioctl(vcpu_fd, KVM_GET_SREGS, &s) < 0)
		return vmm__fail_errno("cannot read a vCPU's system registers");

	s.cr0 = x->cr0;
	s.cr2 = x->cr2;
	s.cr3 = x->cr3;
	s.cr4 = x->cr4;
	s.cr8 = x->cr8;
	s.efer = x->efer;
	s.apic_base = x->apic_base;
	s.cs = segment_to_kvm(&x->cs);
	s.ds = segment_to_kvm(&x->ds);
	s.es = segment_to_kvm(&x->es);
	s.fs = segment_to_kvm(&x->fs);
	s.gs = segment_to_kvm(&x->gs);
	s.ss = segment_to_kvm(&x->ss);
	s.tr = segment_to_kvm(&x->tr);
	s.ldt = segment_to_kvm(&x->ldt);
	s.gdt.base = x->gdt_base;
	s.gdt.limit = (uint16_t)x->gdt_limit;
	s.idt.base = x->idt_base;
	s.idt.limit = (uint16_t)x->idt_limit;

	if (ioctl(vcpu_fd, KVM_SET_SREGS, &s) < 0)
		return vmm__fail_errno("KVM refuses these system registers");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &g) < 0)
		return vmm__fail_errno("KVM refuses these registers");

	return 0;
}

/* ---- exits: all that x86-64 has are known to the core ---- */

const char *vmm__arch_exit_name(uint32_t reason)
{
	return NULL;
}

enum arch_exit_kind vmm__arch_exit(struct arch_machine *machine, struct kvm_run *run,
				   struct arch_exit *ret_exit)
{
	return ARCH_EXIT_UNKNOWN;
}
