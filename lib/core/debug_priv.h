/* SPDX-License-Identifier: MIT */
/*
 * debug_priv.h - a guest under a debugger: who stops, for what, and who goes on.
 *
 * One debugger at a time. While it holds the guest all vCPUs are parked and the guest is paused;
 * a hit of any vCPU holds it again. Calls come from the debugger's thread, the guest's loop.
 */
#ifndef CORE_DEBUG_PRIV_H
#define CORE_DEBUG_PRIV_H

#include "arch/arch_debug_priv.h"
#include "core/vm_priv.h"

#define SOFT_BREAKPOINTS_MAX	256u

/* An instruction of the guest's that a breakpoint stands in place of. */
struct soft_breakpoint {
	uint64_t address;
	vmm_gpa_t gpa;			/* where that was when it was put there */
	uint8_t saved[4];
};

/* Guarded by vm->lock. */
struct guest_debug {
	bool holding;
	struct arch_watch watches[ARCH_WATCHES_MAX];
	struct soft_breakpoint soft[SOFT_BREAKPOINTS_MAX];
	uint32_t nr_soft;
	struct vcpu_debug {
		struct arch_debug set;	/* what KVM was told */
		struct arch_hit hit;	/* not told to the debugger yet */
		bool crashed;		/* it is about to stop the guest */
	} *vcpus;
};

/* Take the guest for debugging: @changed is deferred after each change of its state. -EBUSY. */
int vmm__debug_attach(struct vmm *vm, struct vmm_deferred *changed);

/* All breakpoints out, everybody goes on. */
void vmm__debug_detach(struct vmm *vm);

/* Whether all vCPUs are parked for the debugger. */
bool vmm__debug_holds(struct vmm *vm);

/* Have them park. */
void vmm__debug_stop(struct vmm *vm);

enum debug_action { DEBUG_FREEZE, DEBUG_CONTINUE, DEBUG_STEP };

/* Let them go on, @actions for each vCPU. */
int vmm__debug_run(struct vmm *vm, const uint8_t *actions);

/* Why the guest is held: the vCPU and what it hit, or that it crashed. False: no vCPU's doing. */
bool vmm__debug_take_hit(struct vmm *vm, uint32_t *ret_vcpu, struct arch_hit *ret_hit,
			 struct arch_watch *ret_watch, bool *ret_crashed);

/* While it is held: a vCPU's registers, as arch_gdb has them. */
int vmm__debug_read_regs(struct vmm *vm, uint32_t vcpu, uint8_t *ret_block);
int vmm__debug_write_regs(struct vmm *vm, uint32_t vcpu, const uint8_t *block);

/* Memory by the vCPU's page tables. Reads show what is under breakpoints. Returns bytes, or -errno for none. */
int vmm__debug_read(struct vmm *vm, uint32_t vcpu, uint64_t address, void *dst, size_t len);
int vmm__debug_write(struct vmm *vm, uint32_t vcpu, uint64_t address, const void *src, size_t len);

/* Breakpoints in memory (kind ARCH_WATCH_NONE) and of the processor. -ENOSPC, -EINVAL, -EFAULT, -ENOENT. */
int vmm__debug_insert(struct vmm *vm, uint32_t vcpu, const struct arch_watch *watch);
int vmm__debug_remove(struct vmm *vm, const struct arch_watch *watch);

/* ---- for the vCPU's thread ---- */

/* KVM_EXIT_DEBUG. False: nobody debugs this guest. */
bool vmm__debug_exit(struct vmm_vcpu *vcpu);

/*
 * The guest is about to stop for a crash: let a debugger look first. True: it was none, go on.
 * (A KVM that emulates the instruction may not know the one that a breakpoint is made of.)
 */
bool vmm__debug_crash(struct vmm_vcpu *vcpu);

/* ---- for the files of the debugger, with the guest's lock ---- */

/* Held, and all vCPUs parked. */
bool vmm__debug_parked(const struct vmm *vm);

/* The breakpoint in memory at @address, or NULL; and its removal from memory. */
struct soft_breakpoint *vmm__debug_soft_find(struct guest_debug *debug, uint64_t address);
void vmm__debug_soft_take_out(struct vmm *vm, const struct soft_breakpoint *b);

/* With the guest. */
void vmm__debug_finish(struct vmm *vm);

#endif
