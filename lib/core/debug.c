/* SPDX-License-Identifier: MIT */
/* debug.c - holding a guest for a debugger, what its vCPUs hit, and how they go on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/debug_priv.h"
#include "core/error_priv.h"

/* ---- attaching ---- */

static struct guest_debug *debug_new(uint32_t nr_vcpus)
{
	struct guest_debug *debug = calloc(1, sizeof(*debug));

	if (!debug)
		return NULL;
	debug->vcpus = calloc(nr_vcpus, sizeof(debug->vcpus[0]));
	if (!debug->vcpus) {
		free(debug);
		return NULL;
	}
	return debug;
}

void vmm__debug_finish(struct vmm *vm)
{
	if (vm->debug)
		free(vm->debug->vcpus);
	free(vm->debug);
}

int vmm__debug_attach(struct vmm *vm, struct vmm_deferred *changed)
{
	int r = 0;

	if (vm->flags & VMM_F_CALLER_VCPUS)
		return vmm__fail(-EOPNOTSUPP, "the caller runs the vCPUs of %s", vm->name);
	if (!vmm__arch_gdb())
		return vmm__fail(-EOPNOTSUPP, "guests of this architecture cannot be debugged");
	pthread_mutex_lock(&vm->lock);
	if (vm->debugger)
		r = vmm__fail(-EBUSY, "%s has a debugger already", vm->name);
	else if (!vm->debug && !(vm->debug = debug_new(vm->nr_vcpus)))
		r = vmm__fail(-ENOMEM, "no memory for debugging");
	else
		vm->debugger = changed;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* With the lock. */
static void stop(struct vmm *vm)
{
	if (vm->debug->holding)
		return;
	vm->debug->holding = true;
	vmm__state_hold(vm);
}

static void let_go(struct vmm *vm)
{
	if (!vm->debug->holding)
		return;
	vm->debug->holding = false;
	vmm__state_unhold(vm);
}

static bool is_on(const struct vmm *vm)
{
	return vm->state == VMM_STATE_RUNNING || vm->state == VMM_STATE_PAUSED;
}

static bool parked(const struct vmm *vm)
{
	return vm->debug && vm->debug->holding && vm->state == VMM_STATE_PAUSED;
}

static int apply(struct vmm *vm, uint32_t vcpu, bool on, bool step)
{
	struct arch_debug *set = &vm->debug->vcpus[vcpu].set;

	set->on = on;
	set->step = step;
	memcpy(set->watches, vm->debug->watches, sizeof(set->watches));
	return vmm__arch_debug_set(vm->vm_fd, vm->vcpus[vcpu].fd, set);
}

/* ---- breakpoints in memory, with the lock ---- */

static void soft_take_out(struct vmm *vm, const struct soft_breakpoint *b)
{
	const struct arch_gdb *arch = vmm__arch_gdb();
	uint8_t now[4];

	/* Whatever has been written over it meanwhile stays. */
	if (vmm_mem_read(&vm->mem, b->gpa, now, arch->breakpoint_bytes) == 0 &&
	    memcmp(now, arch->breakpoint, arch->breakpoint_bytes) == 0)
		(void)!vmm_mem_write(&vm->mem, b->gpa, b->saved, arch->breakpoint_bytes);
}

static struct soft_breakpoint *soft_find(struct guest_debug *debug, uint64_t address)
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

	if (soft_find(vm->debug, address))
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
	struct soft_breakpoint *b = soft_find(vm->debug, address);

	if (!b)
		return vmm__fail(-ENOENT, "no breakpoint at 0x%llx", (unsigned long long)address);
	soft_take_out(vm, b);
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
	if (!parked(vm))
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

/* ---- stopping and going on ---- */

bool vmm__debug_holds(struct vmm *vm)
{
	bool held;

	pthread_mutex_lock(&vm->lock);
	held = parked(vm);
	pthread_mutex_unlock(&vm->lock);
	return held;
}

void vmm__debug_stop(struct vmm *vm)
{
	pthread_mutex_lock(&vm->lock);
	stop(vm);
	pthread_mutex_unlock(&vm->lock);
}

int vmm__debug_run(struct vmm *vm, const uint8_t *actions)
{
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (!parked(vm))
		r = vmm__fail(-EBUSY, "%s is not held", vm->name);
	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++) {
		struct vcpu_debug *v = &vm->debug->vcpus[i];

		vm->vcpus[i].frozen = actions[i] == DEBUG_FREEZE;
		r = apply(vm, i, true, actions[i] == DEBUG_STEP);
		/* A breakpoint that still stands is hit again; what a watch saw is not. */
		if (v->hit.kind != ARCH_HIT_WATCH)
			v->hit.kind = ARCH_HIT_NONE;
	}
	if (r == 0)
		let_go(vm);
	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++) {
		if (vm->debug->vcpus[i].hit.kind != ARCH_HIT_NONE)
			stop(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

bool vmm__debug_take_hit(struct vmm *vm, uint32_t *ret_vcpu, struct arch_hit *ret_hit,
			 struct arch_watch *ret_watch, bool *ret_crashed)
{
	bool found = false;

	pthread_mutex_lock(&vm->lock);
	for (uint32_t i = 0; i < vm->nr_vcpus && !found; i++) {
		struct vcpu_debug *v = &vm->debug->vcpus[i];

		if (v->hit.kind == ARCH_HIT_NONE && !v->crashed)
			continue;
		found = true;
		*ret_vcpu = i;
		*ret_hit = v->hit;
		*ret_crashed = v->crashed;
		if (v->hit.kind == ARCH_HIT_WATCH)
			*ret_watch = v->set.watches[v->hit.index];
		v->hit.kind = ARCH_HIT_NONE;
		v->crashed = false;
	}
	pthread_mutex_unlock(&vm->lock);
	return found;
}

void vmm__debug_detach(struct vmm *vm)
{
	struct guest_debug *debug = vm->debug;

	pthread_mutex_lock(&vm->lock);
	vm->debugger = NULL;
	while (debug->nr_soft > 0)
		soft_take_out(vm, &debug->soft[--debug->nr_soft]);
	memset(debug->watches, 0, sizeof(debug->watches));
	for (uint32_t i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpus[i].frozen = false;
		debug->vcpus[i].hit.kind = ARCH_HIT_NONE;
		/* One that runs is told when it comes back: it must not be waited for. */
		if (parked(vm) || !is_on(vm))
			(void)apply(vm, i, false, false);
		else
			debug->vcpus[i].set.on = false;
	}
	let_go(vm);
	pthread_mutex_unlock(&vm->lock);
}

/* ---- on the vCPU's thread ---- */

bool vmm__debug_exit(struct vmm_vcpu *vcpu)
{
	struct vmm *vm = vcpu->vm;
	struct vcpu_debug *v;
	struct arch_hit hit;

	pthread_mutex_lock(&vm->lock);
	if (!vm->debug) {
		pthread_mutex_unlock(&vm->lock);
		return false;
	}
	v = &vm->debug->vcpus[vcpu->id];
	if (!vm->debugger) {
		/* It left while this vCPU ran; its breakpoints are out already. */
		(void)apply(vm, vcpu->id, false, false);
		pthread_mutex_unlock(&vm->lock);
		return true;
	}
	hit = vmm__arch_debug_hit(vcpu->run, &v->set);
	if (hit.kind == ARCH_HIT_NONE ||
	    (hit.kind == ARCH_HIT_BREAKPOINT && !soft_find(vm->debug, hit.address))) {
		(void)vmm__arch_debug_reinject(vm->vm_fd, vcpu->fd, vcpu->run, &v->set);
	} else {
		v->hit = hit;
		stop(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return true;
}

/* With the lock: the vCPU stands on a breakpoint, which KVM could not carry out. */
static bool on_breakpoint(struct vmm_vcpu *vcpu, uint64_t *ret_address)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	if (vmm__arch_read_regs(vcpu->fd, &regs) < 0)
		return false;
	*ret_address = vmm__arch_pc(&regs);
	return soft_find(vcpu->vm->debug, *ret_address) != NULL;
}

bool vmm__debug_crash(struct vmm_vcpu *vcpu)
{
	struct vmm *vm = vcpu->vm;
	struct vcpu_debug *v;
	bool look, breakpoint = false;

	pthread_mutex_lock(&vm->lock);
	look = vm->debugger && is_on(vm) && !vm->stopping;
	if (look) {
		v = &vm->debug->vcpus[vcpu->id];
		breakpoint = on_breakpoint(vcpu, &v->hit.address);
		if (breakpoint)
			v->hit.kind = ARCH_HIT_BREAKPOINT;
		v->crashed = !breakpoint;
		stop(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	if (look && !breakpoint)
		(void)vmm__state_park(vcpu);
	return breakpoint;
}

/* ---- registers ---- */

int vmm__debug_read_regs(struct vmm *vm, uint32_t vcpu, uint8_t *ret_block)
{
	int r;

	pthread_mutex_lock(&vm->lock);
	r = parked(vm) ? vmm__arch_gdb_read(vm->vcpus[vcpu].fd, ret_block)
		       : vmm__fail(-EBUSY, "%s is not held", vm->name);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vmm__debug_write_regs(struct vmm *vm, uint32_t vcpu, const uint8_t *block)
{
	int r;

	pthread_mutex_lock(&vm->lock);
	r = parked(vm) ? vmm__arch_gdb_write(vm->vcpus[vcpu].fd, block)
		       : vmm__fail(-EBUSY, "%s is not held", vm->name);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* ---- memory, by pages of the vCPU's tables ---- */

#define PAGE	4096u

static uint32_t breakpoint_bytes(void)
{
	const uint32_t n = vmm__arch_gdb()->breakpoint_bytes, most = sizeof(((struct soft_breakpoint *)0)->saved);

	return n < most ? n : most;
}

/* With the lock: the bytes of a read that lie under breakpoints are those that were there. */
static void uncover(const struct guest_debug *debug, uint64_t address, uint8_t *bytes, size_t len)
{
	const uint32_t n = breakpoint_bytes();

	for (uint32_t i = 0; i < debug->nr_soft; i++) {
		for (uint32_t j = 0; j < n; j++) {
			uint64_t offset = debug->soft[i].address + j - address;

			if (offset < len)
				bytes[offset] = debug->soft[i].saved[j];
		}
	}
}

/* A write under a breakpoint changes what comes back when that is taken out. */
static void cover(struct guest_debug *debug, uint64_t address, uint8_t *bytes, size_t len)
{
	const struct arch_gdb *arch = vmm__arch_gdb();
	const uint32_t n = breakpoint_bytes();

	for (uint32_t i = 0; i < debug->nr_soft; i++) {
		for (uint32_t j = 0; j < n; j++) {
			uint64_t offset = debug->soft[i].address + j - address;

			if (offset >= len)
				continue;
			debug->soft[i].saved[j] = bytes[offset];
			bytes[offset] = arch->breakpoint[j];
		}
	}
}

/* With the lock: one piece that lies in one page. */
static int transfer(struct vmm *vm, uint32_t vcpu, uint64_t address, uint8_t *bytes, size_t len,
		    bool write)
{
	vmm_gpa_t gpa;
	int r = vmm__arch_translate(vm->vcpus[vcpu].fd, address, &gpa);

	if (r < 0)
		return r;
	if (!write) {
		r = vmm_mem_read(&vm->mem, gpa, bytes, len);
		if (r == 0)
			uncover(vm->debug, address, bytes, len);
		return r;
	}
	r = vmm_mem_read(&vm->mem, gpa, &(uint8_t){ 0 }, 1);
	if (r < 0)
		return r;
	cover(vm->debug, address, bytes, len);
	return vmm_mem_write(&vm->mem, gpa, bytes, len);
}

static int transfer_all(struct vmm *vm, uint32_t vcpu, uint64_t address, void *dst, const void *src,
			size_t len)
{
	uint8_t page[PAGE];
	size_t done = 0;
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (!parked(vm))
		r = vmm__fail(-EBUSY, "%s is not held", vm->name);
	while (done < len && r == 0) {
		size_t n = PAGE - (address + done) % PAGE;

		n = len - done < n ? len - done : n;
		if (src)
			memcpy(page, (const uint8_t *)src + done, n);
		r = transfer(vm, vcpu, address + done, page, n, src != NULL);
		if (r == 0 && dst)
			memcpy((uint8_t *)dst + done, page, n);
		done += r == 0 ? n : 0;
	}
	pthread_mutex_unlock(&vm->lock);
	return done > 0 || r == 0 ? (int)done : r;
}

int vmm__debug_read(struct vmm *vm, uint32_t vcpu, uint64_t address, void *dst, size_t len)
{
	return transfer_all(vm, vcpu, address, dst, NULL, len);
}

int vmm__debug_write(struct vmm *vm, uint32_t vcpu, uint64_t address, const void *src, size_t len)
{
	return transfer_all(vm, vcpu, address, NULL, src, len);
}
