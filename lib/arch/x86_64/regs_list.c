/* SPDX-License-Identifier: MIT */
/* regs_list.c - registers by name, for people. */
#include "arch/arch_debug_priv.h"

#define REG(member)	{ #member, x->member }
#define SEGMENT(member)							\
	{ #member, x->member.selector }, { #member ".base", x->member.base },	\
	{ #member ".limit", (uint64_t)x->member.attributes << 32 | x->member.limit }

uint32_t vmm__arch_list_regs(const struct vmm_regs *regs, struct arch_reg *list, uint32_t max)
{
	const struct vmm_x86_regs *x = &regs->x86;
	/* Three to a line. A segment's attributes stand above its limit, as in a descriptor. */
	const struct arch_reg all[] = {
		REG(rip), REG(rflags), REG(rsp), REG(rbp), REG(rax), REG(rbx), REG(rcx), REG(rdx),
		REG(rsi), REG(rdi), REG(r8), REG(r9), REG(r10), REG(r11), REG(r12), REG(r13),
		REG(r14), REG(r15), REG(cr0), REG(cr2), REG(cr3), REG(cr4), REG(cr8), REG(efer),
		SEGMENT(cs), SEGMENT(ss), SEGMENT(ds), SEGMENT(es), SEGMENT(fs), SEGMENT(gs),
		SEGMENT(tr), SEGMENT(ldt),
		REG(apic_base), REG(gdt_base), REG(gdt_limit), REG(idt_base), REG(idt_limit),
	};
	uint32_t n = sizeof(all) / sizeof(all[0]);

	if (regs->arch != VMM_ARCH_X86_64)
		return 0;
	if (n > max)
		n = max;
	for (uint32_t i = 0; i < n; i++)
		list[i] = all[i];
	return n;
}
