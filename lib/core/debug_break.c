/* SPDX-License-Identifier: MIT */
/* debug_break.c - a debugger's breakpoints: in the guest's memory, and those of the processor. */
#include <errno.h>
#include <string.h>

#include "core/debug_priv.h"
#include "core/error_priv.h"

/* ---- breakpoints in memory, with the lock ---- */

void vmm__debug_soft_take_out(struct vmm *vm, const struct soft_breakpoint *b)
{
	const struct arch_gdb *arch = vmm__arch_gdb();
	uint8_t now[4];

	/* Whatever has been written over it meanwhile stays. */
	if (vmm_mem_read(&vm->mem, b->gpa, now, arch->breakpoint_bytes) == 0 &&
	    memcmp(now, arch->breakpoint, arch->breakpoint_bytes) == 0)
		(void)!vmm_mem_write(&vm->mem, b->gpa, b->saved, arch->breakpoint_bytes);
}

struct soft_breakpoint *vmm__debug_soft_find(struct guest_debug *debug, uint64_t address)
{
	for (uint32_t i = 0; i < debug->nr_soft; i++) {
		if (debug->soft[i].address == address)
			return &debug->soft[i];
	}
	return NULL;
}

static int soft_insert(struct vmm *vm, uint32_t vcpu, uint64_t address)
{
	const struct arch_gdb *arch = vmm__arch_gdb();
	struct soft_breakpoint b = { .address = address };
	int r;

	if (vmm__debug_soft_find(vm->debug, address))
		return 0;
	if (vm->debug->nr_soft == SOFT_BREAKPOINTS_MAX)
		return vmm__fail(-ENOSPC, "all %u breakpoints are in use", SOFT_BREAKPOINTS_MAX);
	r = vmm__arch_translate(vm->vcpus[vcpu].fd, address, &b.gpa);
	if (r == 0)
		r = vmm_mem_read(&vm->mem, b.gpa, b.saved, arch->breakpoint_bytes);
	if (r == 0)
		r = vmm_mem_write(&vm->mem, b.gpa, arch->breakpoint, arch->breakpoint_bytes);
	if (r == 0)
		vm->debug->soft[vm->debug->nr_soft++] = b;
	return r;
}

static int soft_remove(struct vmm *vm, uint64_t address)
{
	struct soft_breakpoint *b = vmm__debug_soft_find(vm->debug, address);

	if (!b)
		return vmm__fail(-ENOENT, "no breakpoint at 0x%llx", (unsigned long long)address);
	vmm__debug_soft_take_out(vm, b);
	*b = vm->debug->soft[--vm->debug->nr_soft];
	return 0;
}

/* ---- those of the processor, with the lock ---- */

static struct arch_watch *watch_find(struct guest_debug *debug, const struct arch_watch *watch)
{
	for (uint32_t i = 0; i < vmm__arch_gdb()->nr_watches; i++) {
		struct arch_watch *w = &debug->watches[i];

		if (w->kind == watch->kind && (w->kind == ARCH_WATCH_NONE ||
		    (w->address == watch->address && w->bytes == watch->bytes)))
			return w;
	}
	return NULL;
}

static int watch_insert(struct guest_debug *debug, const struct arch_watch *watch)
{
	const struct arch_watch none = { .kind = ARCH_WATCH_NONE };
	struct arch_watch *room;

	if (!vmm__arch_watch_possible(watch))
		return vmm__fail(-EINVAL, "the processor cannot watch %u bytes there", watch->bytes);
	if (watch_find(debug, watch))
		return 0;
	room = watch_find(debug, &none);
	if (!room)
		return vmm__fail(-ENOSPC, "the processor has no watchpoint left");
	*room = *watch;
	return 0;
}

int vmm__debug_insert(struct vmm *vm, uint32_t vcpu, const struct arch_watch *watch)
{
	int r;

	pthread_mutex_lock(&vm->lock);
	if (!vmm__debug_parked(vm))
		r = vmm__fail(-EBUSY, "%s is not held", vm->name);
	else if (watch->kind == ARCH_WATCH_NONE)
		r = soft_insert(vm, vcpu, watch->address);
	else
		r = watch_insert(vm->debug, watch);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vmm__debug_remove(struct vmm *vm, const struct arch_watch *watch)
{
	struct arch_watch *w;
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (watch->kind == ARCH_WATCH_NONE) {
		r = soft_remove(vm, watch->address);
	} else {
		w = watch_find(vm->debug, watch);
		if (w)
			*w = (struct arch_watch){ .kind = ARCH_WATCH_NONE };
		else
			r = vmm__fail(-ENOENT, "no such watchpoint");
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}
