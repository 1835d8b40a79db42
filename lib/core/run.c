/* SPDX-License-Identifier: MIT */
/*
 * run.c - a vCPU in the caller's own thread, and where vCPUs run.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/stats_priv.h"
#include "core/vm_priv.h"

struct vmm_vcpu *vmm_vcpu(struct vmm *vm, uint32_t index)
{
	return vm && index < vm->nr_vcpus ? &vm->vcpus[index] : NULL;
}

int vmm_vcpu_fd(const struct vmm_vcpu *vcpu)
{
	return vcpu->fd;
}

int vmm_kvm_fd(const struct vmm *vm)
{
	return vm->vm_fd;
}

/* ---- pinning ---- */

static int cpus_to_set(const uint32_t *cpus, uint32_t nr, cpu_set_t *ret_set)
{
	cpu_set_t allowed;

	CPU_ZERO(ret_set);
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return vmm__fail_errno("sched_getaffinity");
	for (uint32_t i = 0; i < nr; i++) {
		if (cpus[i] >= CPU_SETSIZE || !CPU_ISSET(cpus[i], &allowed))
			return vmm__fail(-EINVAL, "host CPU %u is not one that this thread may use",
					 cpus[i]);
		CPU_SET(cpus[i], ret_set);
	}
	if (nr == 0)
		*ret_set = allowed;
	return 0;
}

int vmm_vcpu_pin(struct vmm_vcpu *vcpu, const uint32_t *cpus, uint32_t nr)
{
	cpu_set_t set, *kept;
	int r;

	if (!vcpu || (nr > 0 && !cpus))
		return vmm__fail(-EINVAL, "no vCPU or no list of host CPUs");
	if (vcpu->vm->flags & VMM_F_CALLER_VCPUS)
		return vmm__fail(-EBUSY, "the caller's threads run this vCPU: pin those");
	r = cpus_to_set(cpus, nr, &set);
	if (r < 0)
		return r;
	kept = nr > 0 ? malloc(sizeof(*kept)) : NULL;
	if (nr > 0 && !kept)
		return vmm__fail(-ENOMEM, "no memory for a set of CPUs");

	pthread_mutex_lock(&vcpu->vm->lock);
	if (vcpu->has_thread)
		r = -pthread_setaffinity_np(vcpu->thread, sizeof(set), &set);
	if (r == 0) {
		free(vcpu->cpus);
		vcpu->cpus = kept;
		if (kept)
			*kept = set;
	}
	pthread_mutex_unlock(&vcpu->vm->lock);

	if (r < 0) {
		free(kept);
		return vmm__fail(r, "cannot pin vCPU %u: %s", vcpu->id, strerrordesc_np(-r));
	}
	return 0;
}

uint32_t vmm_vcpu_tid(struct vmm_vcpu *vcpu)
{
	uint32_t tid;

	if (!vcpu)
		return 0;
	pthread_mutex_lock(&vcpu->vm->lock);
	while (vcpu->starting && vcpu->tid == 0)
		pthread_cond_wait(&vcpu->vm->changed, &vcpu->vm->lock);
	tid = vcpu->tid;
	pthread_mutex_unlock(&vcpu->vm->lock);
	return tid;
}

/* ---- the caller's thread ---- */

int vmm_vcpu_attach(struct vmm_vcpu *vcpu)
{
	sigset_t kick;
	int r;

	if (!vcpu)
		return vmm__fail(-EINVAL, "no vCPU");
	if (!(vcpu->vm->flags & VMM_F_CALLER_VCPUS))
		return vmm__fail(-EBUSY, "the library's threads run this guest: see VMM_F_CALLER_VCPUS");

	pthread_mutex_lock(&vcpu->vm->lock);
	r = vcpu->has_thread ? vmm__fail(-EBUSY, "vCPU %u is attached to a thread already", vcpu->id)
			     : vmm__vcpu_arm_kick(vcpu);
	if (r == 0) {
		sigemptyset(&kick);
		sigaddset(&kick, vcpu->vm->kick_signal);
		pthread_sigmask(SIG_BLOCK, &kick, &vcpu->mask_before);
		vcpu->thread = pthread_self();
		vcpu->has_thread = true;
		if (vcpu->stats_fd < 0)
			vcpu->stats_fd = vmm__kvm_stats_open(vcpu->fd);
	}
	pthread_mutex_unlock(&vcpu->vm->lock);
	return r;
}

int vmm_vcpu_detach(struct vmm_vcpu *vcpu)
{
	int r = 0;

	if (!vcpu)
		return vmm__fail(-EINVAL, "no vCPU");

	pthread_mutex_lock(&vcpu->vm->lock);
	if (!vcpu->has_thread || !(vcpu->vm->flags & VMM_F_CALLER_VCPUS) ||
	    !pthread_equal(vcpu->thread, pthread_self()))
		r = vmm__fail(-EINVAL, "vCPU %u is not attached to this thread", vcpu->id);
	else
		vcpu->has_thread = false;
	pthread_mutex_unlock(&vcpu->vm->lock);

	/* No kick can come any more: take those that did before the mask is as it was. */
	if (r == 0) {
		vmm__vcpu_take_kick(vcpu);
		pthread_sigmask(SIG_SETMASK, &vcpu->mask_before, NULL);
	}
	return r;
}

int vmm_vcpu_kick(struct vmm_vcpu *vcpu)
{
	if (!vcpu)
		return vmm__fail(-EINVAL, "no vCPU");

	__atomic_store_n(&vcpu->kicked, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&vcpu->vm->lock);
	vmm__vcpu_kick(vcpu);
	pthread_mutex_unlock(&vcpu->vm->lock);
	return 0;
}

static int kicked(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	*exit = (struct vmm_exit)VMM_EXIT_INIT;
	exit->type = VMM_EXIT_KICKED;
	exit->kvm_reason = KVM_EXIT_INTR;
	exit->kvm_run = vcpu->run;
	return 0;
}

/* Until there is something for the caller. */
static int run_loop(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	for (;;) {
		/* Pairs with the store in vmm_vcpu_kick(), which comes before its signal. */
		if (__atomic_load_n(&vcpu->kicked, __ATOMIC_ACQUIRE) ||
		    __atomic_load_n(&vcpu->vm->attention, __ATOMIC_ACQUIRE)) {
			__atomic_store_n(&vcpu->kicked, false, __ATOMIC_RELAXED);
			vmm__vcpu_settle(vcpu);
			return kicked(vcpu, exit);
		}
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			int error = errno;

			if (error != EINTR && error != EAGAIN)
				return vmm__fail(-error, "KVM_RUN: %s", strerrordesc_np(error));
			/* Who kicks sets a flag first: a signal whose kick was reported is stale. */
			count_up(&vcpu->exits.interrupted);
			vmm__vcpu_take_kick(vcpu);
			continue;
		}
		if (vmm__vcpu_exit(vcpu, exit) != 0)
			return 0;
	}
}

int vmm_vcpu_run(struct vmm_vcpu *vcpu, struct vmm_exit *ret_exit)
{
	struct vmm_exit exit = VMM_EXIT_INIT;
	size_t size;
	int r;

	if (!vcpu || !ret_exit || ret_exit->size < sizeof(ret_exit->size))
		return vmm__fail(-EINVAL, "no vCPU, or no place for the exit: use VMM_EXIT_INIT");
	if (!vcpu->has_thread || !pthread_equal(vcpu->thread, pthread_self()) ||
	    !(vcpu->vm->flags & VMM_F_CALLER_VCPUS))
		return vmm__fail(-EBUSY, "vCPU %u is not attached to this thread", vcpu->id);
	if (!vmm__state_run_enter(vcpu))
		return vmm__fail(-EBUSY, "the guest is stopped, or was not started");

	size = ret_exit->size;
	if (size == sizeof(exit)) {
		r = run_loop(vcpu, ret_exit);
		ret_exit->size = size;
	} else {
		r = run_loop(vcpu, &exit);
		if (r == 0)
			vmm__config_answer(ret_exit, size, &exit, sizeof(exit));
	}
	vmm__state_run_leave(vcpu);
	return r;
}
