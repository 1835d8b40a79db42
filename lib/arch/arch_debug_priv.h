/* SPDX-License-Identifier: MIT */
/*
 * arch_debug_priv.h - what an architecture gives to those who look into a guest.
 *
 * An architecture without it builds debug_none.c, which lists nothing and answers -EOPNOTSUPP.
 */
#ifndef ARCH_ARCH_DEBUG_PRIV_H
#define ARCH_ARCH_DEBUG_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libvmm/common.h>
#include <libvmm/regs.h>

/* ---- registers for people ---- */

#define ARCH_REGS_MAX	128u

struct arch_reg {
	const char *name;
	uint64_t value;
};

/*
 * The registers in @regs by name, in an order for people. Works for what the architecture of
 * this build knows. Returns how many; at most @max.
 */
uint32_t vmm__arch_list_regs(const struct vmm_regs *regs, struct arch_reg *list, uint32_t max);

/* ---- a core file ---- */

#define ARCH_NOTES_MAX	2048u

/* ELF's number for the machine (EM_*). */
uint16_t vmm__arch_core_machine(void);

/*
 * The notes that tell the registers of a vCPU, as a core file has them: those of thread @thread.
 * Fills @ret_notes, ARCH_NOTES_MAX bytes aligned to 8, and returns how many; a multiple of 4.
 */
size_t vmm__arch_core_notes(const struct vmm_regs *regs, uint32_t thread, void *ret_notes);

/* ---- a debugger ---- */

struct kvm_run;

/* gdb's remote protocol numbers registers, and sends all of them as one block of bytes. */
struct arch_gdb {
	const char *target;		/* target.xml */
	uint32_t nr_regs;
	uint32_t block_bytes;
	uint32_t nr_watches;		/* breakpoints and watchpoints of the processor */
	uint8_t breakpoint[4];		/* the instruction that stops */
	uint32_t breakpoint_bytes;
};

#define ARCH_GDB_BLOCK_MAX	2048u
#define ARCH_WATCHES_MAX	16u

/* NULL: not for this architecture. */
const struct arch_gdb *vmm__arch_gdb(void);

/* Where register @n lies in the block. False: there is none such. */
bool vmm__arch_gdb_place(uint32_t n, uint32_t *ret_offset, uint32_t *ret_bytes);

/* The block of a vCPU that does not run. */
int vmm__arch_gdb_read(int vcpu_fd, uint8_t *ret_block);
int vmm__arch_gdb_write(int vcpu_fd, const uint8_t *block);

/* Where the vCPU's page tables have @address. -EFAULT: nowhere. */
int vmm__arch_translate(int vcpu_fd, uint64_t address, vmm_gpa_t *ret_gpa);

enum arch_watch_kind {
	ARCH_WATCH_NONE		= 0,
	ARCH_WATCH_EXEC		= 1,
	ARCH_WATCH_WRITE	= 2,
	ARCH_WATCH_ACCESS	= 3,
};

struct arch_watch {
	uint32_t kind;			/* enum arch_watch_kind */
	uint32_t bytes;
	uint64_t address;
};

/* Whether the processor can watch that. */
bool vmm__arch_watch_possible(const struct arch_watch *watch);

/* What a vCPU is to stop for. */
struct arch_debug {
	bool on;			/* else all the rest is off, too */
	bool step;
	struct arch_watch watches[ARCH_WATCHES_MAX];	/* the first nr_watches of arch_gdb */
};

/* Apply it; the vCPU does not run, or runs in this thread and has just come back. */
int vmm__arch_debug_set(int vm_fd, int vcpu_fd, const struct arch_debug *debug);

/* Give the guest the exception with which it stopped: it was its own. */
int vmm__arch_debug_reinject(int vm_fd, int vcpu_fd, const struct kvm_run *run,
			     const struct arch_debug *debug);

enum arch_hit_kind {
	ARCH_HIT_NONE		= 0,	/* nothing that was asked for */
	ARCH_HIT_STEP		= 1,
	ARCH_HIT_BREAKPOINT	= 2,	/* the instruction, whoever put it there, at @address */
	ARCH_HIT_WATCH		= 3,	/* watch @index */
};

struct arch_hit {
	uint32_t kind;			/* enum arch_hit_kind */
	uint32_t index;
	uint64_t address;
};

/* Where the next instruction is. */
uint64_t vmm__arch_pc(const struct vmm_regs *regs);

/* What KVM_EXIT_DEBUG in @run says. */
struct arch_hit vmm__arch_debug_hit(const struct kvm_run *run, const struct arch_debug *debug);

#endif
