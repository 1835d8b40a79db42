/* SPDX-License-Identifier: MIT */
/*
 * core.c - a vCPU's registers as the notes of a core file.
 *
 * NT_PRSTATUS is what gdb reads (System V ABI and Linux' elfcore.h). The note "QEMU" holds the
 * control registers and descriptor tables, without which crash does not find a kernel that
 * was loaded at a random address.
 */
#include <elf.h>
#include <string.h>
#include <sys/procfs.h>

#include "arch/arch_debug_priv.h"

struct qemu_segment {
	uint32_t selector, limit, flags, pad;
	uint64_t base;
};

struct qemu_cpu {
	uint32_t version, size;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	struct qemu_segment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
	uint64_t cr[5];
	uint64_t kernel_gs_base;
};

uint16_t vmm__arch_core_machine(void)
{
	return EM_X86_64;
}

static size_t add_note(unsigned char *notes, const char *name, uint32_t type, const void *body,
		       size_t bytes)
{
	const size_t name_bytes = strlen(name) + 1, name_room = (name_bytes + 3) & ~(size_t)3;
	const Elf64_Nhdr header = {
		.n_namesz = (uint32_t)name_bytes, .n_descsz = (uint32_t)bytes, .n_type = type,
	};
	const size_t room = sizeof(header) + name_room + ((bytes + 3) & ~(size_t)3);

	memset(notes, 0, room);
	memcpy(notes, &header, sizeof(header));
	memcpy(notes + sizeof(header), name, name_bytes);
	memcpy(notes + sizeof(header) + name_room, body, bytes);
	return room;
}

/* In the order of user_regs_struct. */
static void prstatus_regs(const struct vmm_x86_regs *x, struct elf_prstatus *status)
{
	const uint64_t regs[] = {
		x->r15, x->r14, x->r13, x->r12, x->rbp, x->rbx, x->r11, x->r10, x->r9, x->r8,
		x->rax, x->rcx, x->rdx, x->rsi, x->rdi, UINT64_MAX, x->rip, x->cs.selector,
		x->rflags, x->rsp, x->ss.selector, x->fs.base, x->gs.base, x->ds.selector,
		x->es.selector, x->fs.selector, x->gs.selector,
	};

	_Static_assert(sizeof(regs) == sizeof(status->pr_reg), "the layout of elf_gregset_t");
	memcpy(&status->pr_reg, regs, sizeof(regs));
}

/* Attributes as in the second word of a descriptor. */
static struct qemu_segment segment(const struct vmm_x86_segment *s)
{
	return (struct qemu_segment){
		.selector = s->selector, .limit = s->limit, .base = s->base,
		.flags = (s->attributes & 0xffu) << 8 | (s->attributes & 0xf00u) << 12,
	};
}

static struct qemu_cpu qemu_state(const struct vmm_x86_regs *x)
{
	return (struct qemu_cpu){
		.version = 1, .size = sizeof(struct qemu_cpu),
		.rax = x->rax, .rbx = x->rbx, .rcx = x->rcx, .rdx = x->rdx, .rsi = x->rsi,
		.rdi = x->rdi, .rsp = x->rsp, .rbp = x->rbp, .r8 = x->r8, .r9 = x->r9,
		.r10 = x->r10, .r11 = x->r11, .r12 = x->r12, .r13 = x->r13, .r14 = x->r14,
		.r15 = x->r15, .rip = x->rip, .rflags = x->rflags,
		.cs = segment(&x->cs), .ds = segment(&x->ds), .es = segment(&x->es),
		.fs = segment(&x->fs), .gs = segment(&x->gs), .ss = segment(&x->ss),
		.ldt = segment(&x->ldt), .tr = segment(&x->tr),
		.gdt = { .limit = x->gdt_limit, .base = x->gdt_base },
		.idt = { .limit = x->idt_limit, .base = x->idt_base },
		.cr = { x->cr0, 0, x->cr2, x->cr3, x->cr4 },
	};
}

size_t vmm__arch_core_notes(const struct vmm_regs *regs, uint32_t thread, void *ret_notes)
{
	struct elf_prstatus status = { .pr_pid = (int)thread };
	struct qemu_cpu qemu = qemu_state(&regs->x86);
	size_t bytes;

	_Static_assert(sizeof(status) + sizeof(qemu) + 64 <= ARCH_NOTES_MAX, "ARCH_NOTES_MAX");
	prstatus_regs(&regs->x86, &status);
	bytes = add_note(ret_notes, "CORE", NT_PRSTATUS, &status, sizeof(status));
	return bytes + add_note((unsigned char *)ret_notes + bytes, "QEMU", 0, &qemu, sizeof(qemu));
}
