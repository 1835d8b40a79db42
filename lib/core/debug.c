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

bool vmm__debug_parked(const struct vmm *vm)
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

/* ---- stopping and going on ---- */

bool vmm__debug_holds(struct vmm *vm)
{
	bool held;

	pthread_mutex_lock(&vm->lock);
	held = vmm__debug_parked(vm);
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
	if (!vmm__debug_parked(vm))
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
		vmm__debug_soft_take_out(vm, &debug->soft[--debug->nr_soft]);
	memset(debug->watches, 0, sizeof(debug->watches));
	for (uint32_t i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpus[i].frozen = false;
		debug->vcpus[i].hit.kind = ARCH_HIT_NONE;
		/* One that runs is told when it comes back: it must not be waited for. */
		if (vmm__debug_parked(vm) || !is_on(vm))
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
	    (hit.kind == ARCH_HIT_BREAKPOINT && !vmm__debug_soft_find(vm->debug, hit.address))) {
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
	return vmm__debug_soft_find(vcpu->vm->debug, *ret_address) != NULL;
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
