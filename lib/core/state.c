/* SPDX-License-Identifier: MIT */
/*
 * state.c - running, paused, stopped: who asks, who answers, who is told.
 *
 * A request sets a flag, raises attention and kicks the vCPUs. Each vCPU that sees
 * attention parks. The last one to park carries out what was asked (paused; reset), the
 * last one to leave hands the rest of a stop to the loop, where the devices live.
 * Nobody who asks waits.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/error_priv.h"
#include "core/supervisor_priv.h"
#include "core/vm_priv.h"

void vmm__state_init(struct vmm *vm)
{
	vm->cancel.in_place = vm->flags & VMM_F_CALLER_VCPUS;
	vm->stop = (struct vmm_stop_info)VMM_STOP_INFO_INIT;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	pthread_mutex_init(&vm->devices_lock, NULL);
	pthread_cond_init(&vm->devices_changed, NULL);
}

void vmm__state_finish(struct vmm *vm)
{
	pthread_cond_destroy(&vm->devices_changed);
	pthread_mutex_destroy(&vm->devices_lock);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
}

/* ---- with the lock ---- */

/* Nobody's vCPU may run: the application paused it, or somebody looks into it. */
static bool held(const struct vmm *vm)
{
	return vm->pause_wanted || vm->holds > 0;
}

static void set_attention(struct vmm *vm)
{
	bool wanted = vm->stopping || held(vm) || vm->reset_wanted;

	__atomic_store_n(&vm->attention, wanted, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&vm->changed);
	if (!wanted)
		return;
	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		vmm__vcpu_kick(&vm->vcpus[i]);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void set_state(struct vmm *vm, uint32_t state)
{
	struct vmm_event event = VMM_EVENT_INIT;

	/* Also read without the lock. */
	__atomic_store_n(&vm->state, state, __ATOMIC_RELEASE);
	if (state == VMM_STATE_RUNNING)
		vm->running_since = now_ns();
	event.type = VMM_EVENT_STATE;
	event.value = state;
	if (state == VMM_STATE_STOPPED) {
		event.reason = vm->stop.reason;
		memcpy(event.words, vm->stop.words, sizeof(event.words));
	}
	vmm__events_push(&vm->events, &event);
	pthread_cond_broadcast(&vm->changed);
	if (vm->debugger)
		(void)vmm_defer(vm->debugger);
	if (vm->supervision)
		vmm__supervision_changed(vm->supervision);
}

static bool is_on(const struct vmm *vm)
{
	return vm->state == VMM_STATE_RUNNING || vm->state == VMM_STATE_PAUSED;
}

/* ---- stopping ---- */

/* On the loop: no vCPU runs any more, so nobody rings the queues. */
void vmm__state_finish_stop(struct vmm_deferred *deferred)
{
	struct vmm *vm = (struct vmm *)((char *)deferred - offsetof(struct vmm, finish));

	vmm__machine_quiet(vm);
	pthread_mutex_lock(&vm->lock);
	if (vm->stopping) {
		vm->stopping = vm->pause_wanted = vm->reset_wanted = false;
		set_attention(vm);
		set_state(vm, VMM_STATE_STOPPED);
	}
	pthread_mutex_unlock(&vm->lock);
}

void vmm__state_stop(struct vmm *vm, const struct vmm_stop_info *info)
{
	bool first, idle;

	pthread_mutex_lock(&vm->lock);
	first = is_on(vm) && !vm->stopping;
	if (first) {
		vm->stopping = true;
		vm->stop = *info;
		__atomic_store_n(&vm->cancel.told, true, __ATOMIC_RELEASE);
		set_attention(vm);
	}
	idle = vm->alive == 0;
	pthread_mutex_unlock(&vm->lock);

	if (!first)
		return;
	vmm__machine_wake_callers(vm);
	if (idle)
		(void)vmm_defer(&vm->finish);
}

void vmm__state_vcpu_left(struct vmm *vm)
{
	bool last;

	pthread_mutex_lock(&vm->lock);
	last = --vm->alive == 0 && vm->stopping;
	pthread_mutex_unlock(&vm->lock);
	if (last)
		(void)vmm_defer(&vm->finish);
}

int vmm_stop(struct vmm *vm)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	uint32_t state;

	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	state = vmm_state(vm);
	if (state == VMM_STATE_CREATED)
		return vmm__fail(-EBUSY, "%s was not started", vm->name);

	info.reason = VMM_STOP_REQUESTED;
	info.vcpu = ~0u;
	snprintf(info.words, sizeof(info.words), "stopped by the application");
	vmm__state_stop(vm, &info);
	return 0;
}

/* ---- parking ---- */

/* By the last vCPU to park, with the lock, which is let go meanwhile. */
static void carry_out_reset(struct vmm *vm)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_event event = VMM_EVENT_INIT;
	bool restart;
	int r;

	pthread_mutex_unlock(&vm->lock);
	r = vmm__machine_reboot(vm);
	if (r < 0 && r != -ECANCELED) {
		info.reason = VMM_STOP_CRASHED;
		info.vcpu = ~0u;
		snprintf(info.words, sizeof(info.words), "reset failed: %.140s", vmm_last_error());
		vmm__state_stop(vm, &info);
	}
	pthread_mutex_lock(&vm->lock);

	restart = vm->restarting;
	vm->reset_wanted = vm->pause_wanted = vm->restarting = false;
	set_attention(vm);
	if (vm->stopping)
		return;
	if (!restart) {
		vm->resets++;
		event.type = VMM_EVENT_RESET;
		vmm__events_push(&vm->events, &event);
	}
	if (vm->state != VMM_STATE_RUNNING && !held(vm))
		set_state(vm, VMM_STATE_RUNNING);
}

bool vmm__state_park(struct vmm_vcpu *vcpu)
{
	struct vmm *vm = vcpu->vm;
	bool go_on;

	pthread_mutex_lock(&vm->lock);
	vm->parked++;
	while (!vm->stopping && (held(vm) || vm->reset_wanted || vcpu->frozen)) {
		bool last = vm->parked == vm->alive;

		/* While a reset is carried out the leader has not parked: none is last. */
		if (last && vm->reset_wanted && !vm->dumping) {
			vm->parked--;
			carry_out_reset(vm);
			vm->parked++;
			continue;
		}
		if (last && held(vm) && vm->state == VMM_STATE_RUNNING)
			set_state(vm, VMM_STATE_PAUSED);
		pthread_cond_wait(&vm->changed, &vm->lock);
	}
	vm->parked--;
	go_on = !vm->stopping;
	pthread_mutex_unlock(&vm->lock);
	return go_on;
}

static int check_ours(const struct vmm *vm)
{
	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	if (vm->flags & VMM_F_CALLER_VCPUS)
		return vmm__fail(-EOPNOTSUPP, "the caller runs the vCPUs of %s", vm->name);
	return 0;
}

int vmm_pause(struct vmm *vm)
{
	int r = check_ours(vm);

	if (r < 0)
		return r;
	pthread_mutex_lock(&vm->lock);
	if (!is_on(vm) || vm->stopping) {
		r = vmm__fail(-EBUSY, "%s does not run", vm->name);
	} else if (!vm->pause_wanted) {
		vm->pause_wanted = true;
		set_attention(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vmm_resume(struct vmm *vm)
{
	int r = check_ours(vm);

	if (r < 0)
		return r;
	pthread_mutex_lock(&vm->lock);
	if (!is_on(vm) || vm->stopping) {
		r = vmm__fail(-EBUSY, "%s is neither running nor paused", vm->name);
	} else if (vm->pause_wanted) {
		vm->pause_wanted = false;
		if (vm->state == VMM_STATE_PAUSED && !held(vm))
			set_state(vm, VMM_STATE_RUNNING);
		set_attention(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

void vmm__state_hold(struct vmm *vm)
{
	vm->holds++;
	set_attention(vm);
}

void vmm__state_unhold(struct vmm *vm)
{
	vm->holds--;
	if (vm->state == VMM_STATE_PAUSED && !held(vm) && !vm->stopping)
		set_state(vm, VMM_STATE_RUNNING);
	set_attention(vm);
}

int vmm_reset(struct vmm *vm)
{
	int r = check_ours(vm);

	if (r < 0)
		return r;
	pthread_mutex_lock(&vm->lock);
	if (!vm->has_boot) {
		r = vmm__fail(-EOPNOTSUPP, "%s has no boot image to begin again from", vm->name);
	} else if (!is_on(vm) || vm->stopping) {
		r = vmm__fail(-EBUSY, "%s is neither running nor paused", vm->name);
	} else {
		vm->reset_wanted = true;
		set_attention(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

/* ---- starting, and the caller's runs ---- */

void vmm__state_started(struct vmm *vm, uint32_t alive)
{
	pthread_mutex_lock(&vm->lock);
	vm->started = true;
	vm->starts++;
	vm->alive = alive;
	vm->stop = (struct vmm_stop_info)VMM_STOP_INFO_INIT;
	__atomic_store_n(&vm->cancel.told, false, __ATOMIC_RELEASE);
	set_attention(vm);
	set_state(vm, VMM_STATE_RUNNING);
	pthread_mutex_unlock(&vm->lock);
}

void vmm__state_start_failed(struct vmm *vm, uint32_t missing)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	pthread_mutex_lock(&vm->lock);
	vm->alive -= missing;
	pthread_mutex_unlock(&vm->lock);

	info.reason = VMM_STOP_CRASHED;
	info.vcpu = ~0u;
	snprintf(info.words, sizeof(info.words), "not all vCPU threads could be started");
	vmm__state_stop(vm, &info);
}

bool vmm__state_run_enter(struct vmm_vcpu *vcpu)
{
	struct vmm *vm = vcpu->vm;
	bool may;

	pthread_mutex_lock(&vm->lock);
	may = !vm->stopping && (vm->state == VMM_STATE_RUNNING ||
				(vm->state == VMM_STATE_CREATED && !vm->has_boot));
	if (may) {
		vcpu->in_run = true;
		vm->alive++;
	}
	pthread_mutex_unlock(&vm->lock);
	return may;
}

void vmm__state_run_leave(struct vmm_vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->vm->lock);
	vcpu->in_run = false;
	pthread_mutex_unlock(&vcpu->vm->lock);
	vmm__state_vcpu_left(vcpu->vm);
}

int vmm__state_claim(struct vmm *vm, bool fresh, const char *what)
{
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (is_on(vm))
		r = vmm__fail(-EBUSY, "%s: %s runs or is paused", what, vm->name);
	else if (fresh && vm->started)
		r = vmm__fail(-EBUSY, "%s: %s was started before", what, vm->name);
	else if (vm->claimed)
		r = vmm__fail(-EBUSY, "%s: another thread changes or starts %s now", what, vm->name);
	else
		vm->claimed = true;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vmm__state_claim_any(struct vmm *vm, const char *what, bool *ret_on)
{
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (vm->stopping)
		r = vmm__fail(-EBUSY, "%s: %s is being stopped", what, vm->name);
	else if (vm->claimed)
		r = vmm__fail(-EBUSY, "%s: another thread changes or starts %s now", what, vm->name);
	else
		vm->claimed = true;
	*ret_on = is_on(vm);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

void vmm__state_release(struct vmm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->claimed = false;
	pthread_mutex_unlock(&vm->lock);
}
