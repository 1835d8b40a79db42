/* SPDX-License-Identifier: MIT */
/*
 * vcpu.c - the thread that runs a vCPU, and how to get it back out of KVM.
 *
 * We live in someone else's process and may not install signal handlers. The
 * kick signal therefore stays blocked in the vCPU thread and is unblocked only
 * inside KVM_RUN (KVM_SET_SIGNAL_MASK). A kick makes KVM_RUN return EINTR and
 * leaves the signal pending; we take it with sigtimedwait(). Its disposition
 * is never used. A kick that comes early stays pending: it cannot be lost.
 *
 * A signal of that number that somebody sends to the whole process may land
 * here too and is taken for a kick; an application that uses the number itself
 * gives us another (vmm_config.kick_signal).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/debug_priv.h"
#include "core/error_priv.h"
#include "core/stats_priv.h"
#include "core/thread_priv.h"
#include "core/vm_priv.h"

#define KERNEL_SIGSET	8	/* bytes in the kernel's sigset_t */

/* ---- the kick ---- */

/* Let only the kick through while in KVM_RUN. */
int vmm__vcpu_arm_kick(const struct vmm_vcpu *vcpu)
{
	_Alignas(struct kvm_signal_mask)
	unsigned char buffer[sizeof(struct kvm_signal_mask) + KERNEL_SIGSET];
	struct kvm_signal_mask *mask = (struct kvm_signal_mask *)buffer;
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, vcpu->vm->kick_signal);
	mask->len = KERNEL_SIGSET;
	memcpy(mask->sigset, &all, KERNEL_SIGSET);

	if (ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, mask) < 0)
		return vmm__fail_errno("KVM_SET_SIGNAL_MASK");
	return 0;
}

void vmm__vcpu_take_kick(const struct vmm_vcpu *vcpu)
{
	const struct timespec now = { 0 };
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, vcpu->vm->kick_signal);
	while (sigtimedwait(&kick, NULL, &now) > 0)
		continue;
}

void vmm__vcpu_kick(struct vmm_vcpu *vcpu)
{
	if (vcpu->has_thread)
		(void)pthread_kill(vcpu->thread, vcpu->vm->kick_signal);
}

void vmm__vcpu_settle(struct vmm_vcpu *vcpu)
{
	struct vmm_exit exit = VMM_EXIT_INIT;

	/* An access that crosses pages comes in parts: 0 says that there is one more. */
	vcpu->run->immediate_exit = 1;
	while (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
		(void)vmm__vcpu_exit(vcpu, &exit);
	vcpu->run->immediate_exit = 0;
}

/* ---- the thread ---- */

static const char *exit_name(uint32_t reason)
{
	const char *name = vmm__arch_exit_name(reason);

	if (name)
		return name;
	switch (reason) {
	case KVM_EXIT_INTERNAL_ERROR:	return "KVM internal error";
	case KVM_EXIT_FAIL_ENTRY:	return "the processor refused to enter the guest";
	case KVM_EXIT_HLT:		return "halted for ever";
	case KVM_EXIT_IO:		return "port access";
	case KVM_EXIT_MMIO:		return "memory access";
	default:			return "unknown exit";
	}
}

static void stop_crashed(struct vmm_vcpu *vcpu, const struct vmm_exit *exit)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	if (vmm__debug_crash(vcpu))
		return;
	info.reason = VMM_STOP_CRASHED;
	info.vcpu = vcpu->id;
	info.exit_reason = exit->kvm_reason;
	info.nr_exit_data = exit->nr_data;
	memcpy(info.exit_data, exit->data, sizeof(info.exit_data));
	snprintf(info.words, sizeof(info.words), "vCPU %u: %s (KVM exit %u, %llu)", vcpu->id,
		 exit_name(exit->kvm_reason), exit->kvm_reason, (unsigned long long)exit->data[0]);
	if (vmm__arch_read_regs(vcpu->fd, &info.regs) < 0)
		info.regs.arch = VMM_ARCH_NONE;
	vmm__state_stop(vcpu->vm, &info);
}

static void stop_asked(struct vmm_vcpu *vcpu, uint32_t reason, const char *words)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	if (reason != VMM_STOP_POWEROFF &&
	    (reason != VMM_STOP_RESET || vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN))
		(void)vmm__debug_crash(vcpu);
	info.reason = reason;
	info.vcpu = vcpu->id;
	info.exit_reason = vcpu->run->exit_reason;
	snprintf(info.words, sizeof(info.words), "%s", words);
	/* A triple fault is how some kernels reboot, and how others crash: say where. */
	if (reason != VMM_STOP_POWEROFF && vmm__arch_read_regs(vcpu->fd, &info.regs) < 0)
		info.regs.arch = VMM_ARCH_NONE;
	vmm__state_stop(vcpu->vm, &info);
}

/* What a guest with threads of ours does about an exit that no range answered. */
static void thread_exit(struct vmm_vcpu *vcpu, const struct vmm_exit *exit)
{
	switch (exit->type) {
	case VMM_EXIT_PORT:
		vmm__log(&vcpu->vm->log, LOG_PORT, VMM_LOG_DEBUG, "%s of port 0x%llx, %u bytes: nothing there",
			 exit->write ? "write" : "read", (unsigned long long)exit->address, exit->width);
		break;
	case VMM_EXIT_MMIO:
		vmm__log(&vcpu->vm->log, LOG_MMIO, VMM_LOG_DEBUG, "%s of address 0x%llx, %u bytes: nothing there",
			 exit->write ? "write" : "read", (unsigned long long)exit->address, exit->width);
		break;
	case VMM_EXIT_POWEROFF:
		stop_asked(vcpu, VMM_STOP_POWEROFF, "the guest powered itself off");
		break;
	case VMM_EXIT_RESET:
		stop_asked(vcpu, VMM_STOP_RESET, "the guest asked for a reset");
		break;
	case VMM_EXIT_SHUTDOWN:
		stop_asked(vcpu, VMM_STOP_RESET, "triple fault");
		break;
	case VMM_EXIT_PANIC:
		stop_asked(vcpu, VMM_STOP_PANIC, "the guest's kernel panicked");
		break;
	default:
		if (exit->kvm_reason != KVM_EXIT_DEBUG || !vmm__debug_exit(vcpu))
			stop_crashed(vcpu, exit);
	}
}

static void run_failed(struct vmm_vcpu *vcpu)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	int error = errno;

	(void)vmm__debug_crash(vcpu);
	info.reason = VMM_STOP_CRASHED;
	info.vcpu = vcpu->id;
	info.exit_reason = vcpu->run->exit_reason;
	snprintf(info.words, sizeof(info.words), "vCPU %u: KVM_RUN failed: %s", vcpu->id,
		 strerrordesc_np(error));
	if (vmm__arch_read_regs(vcpu->fd, &info.regs) < 0)
		info.regs.arch = VMM_ARCH_NONE;
	vmm__state_stop(vcpu->vm, &info);
}

/* Who asks for the thread's number waits for it: it is said before anything else is done. */
static void say_tid(struct vmm_vcpu *vcpu)
{
	struct vmm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->lock);
	vcpu->tid = (uint32_t)gettid();
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	if (vm->vcpu_thread)
		vm->vcpu_thread(vm->vcpu_thread_data, vm, vcpu->id, vcpu->tid);
}

static void take_back_tid(struct vmm_vcpu *vcpu)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	pthread_mutex_lock(&vcpu->vm->lock);
	vcpu->cpu_ns += (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	vcpu->tid = 0;
	vcpu->starting = false;
	pthread_mutex_unlock(&vcpu->vm->lock);
}

static void *vcpu_main(void *arg)
{
	struct vmm_vcpu *vcpu = arg;
	struct vmm *vm = vcpu->vm;
	struct vmm_exit exit = VMM_EXIT_INIT;

	say_tid(vcpu);
	if (vmm__vcpu_arm_kick(vcpu) < 0)
		run_failed(vcpu);

	for (;;) {
		/* Set before the kick is sent: what comes after this look ends KVM_RUN at once. */
		if (__atomic_load_n(&vm->attention, __ATOMIC_ACQUIRE)) {
			vmm__vcpu_settle(vcpu);
			if (!vmm__state_park(vcpu))
				break;
		}
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno != EINTR && errno != EAGAIN)
				run_failed(vcpu);
			count_up(&vcpu->exits.interrupted);
			vmm__vcpu_take_kick(vcpu);
			continue;
		}
		if (vmm__vcpu_exit(vcpu, &exit) != 0)
			thread_exit(vcpu, &exit);
	}

	take_back_tid(vcpu);
	vmm__state_vcpu_left(vm);
	return NULL;
}

int vmm__vcpu_start(struct vmm_vcpu *vcpu)
{
	struct vmm *vm = vcpu->vm;
	char name[96];
	int r;

	/* The kernel keeps 15 bytes: the number must be among them. */
	snprintf(name, sizeof(name), "vmm/%.6s/cpu%u", vm->name, vcpu->id);
	pthread_mutex_lock(&vm->lock);
	/* Now: while it runs KVM lets nobody ask for it. */
	if (vcpu->stats_fd < 0)
		vcpu->stats_fd = vmm__kvm_stats_open(vcpu->fd);
	r = vmm__thread_create(&vcpu->thread, name, vcpu_main, vcpu);
	vcpu->has_thread = r == 0;
	vcpu->joinable = r == 0;
	vcpu->starting = r == 0;
	if (r == 0 && vcpu->cpus)
		(void)pthread_setaffinity_np(vcpu->thread, sizeof(*vcpu->cpus), vcpu->cpus);
	pthread_mutex_unlock(&vm->lock);
	return r;
}

void vmm__vcpu_join(struct vmm_vcpu *vcpu)
{
	if (!vcpu->joinable)
		return;
	pthread_join(vcpu->thread, NULL);
	pthread_mutex_lock(&vcpu->vm->lock);
	vcpu->has_thread = false;
	pthread_mutex_unlock(&vcpu->vm->lock);
	vcpu->joinable = false;
}

/* ---- life ---- */

int vmm__vcpu_init(struct vmm_vcpu *vcpu, struct vmm *vm, uint32_t id, size_t run_size)
{
	const struct arch_cpu cpu = {
		.vm = vm->arch, .id = id, .nr = vm->nr_vcpus, .threads_per_core = vm->threads_per_core,
		.nr_sockets = vm->nr_sockets, .nested = vm->flags & VMM_F_NESTED,
		.irqchip = !(vm->flags & VMM_F_KVM_ONLY),
	};
	int number = vmm__arch_vcpu_id(&cpu), r;

	*vcpu = (struct vmm_vcpu){ .vm = vm, .id = id, .fd = -1, .stats_fd = -1, .run_size = run_size };
	if (number < 0)
		return number;
	vcpu->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, (unsigned long)number);
	if (vcpu->fd < 0)
		return vmm__fail_errno("cannot create vCPU %u", id);

	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		r = vmm__fail_errno("cannot map vCPU %u", id);
		vcpu->run = NULL;
		goto finish;
	}
	r = vmm__arch_vcpu_init(vm->kvm_fd, vcpu->fd, &cpu);
	if (r < 0)
		goto finish;
	return 0;

finish:
	vmm__vcpu_finish(vcpu);
	return r;
}

void vmm__vcpu_finish(struct vmm_vcpu *vcpu)
{
	if (vcpu->fd < 0)
		return;
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->stats_fd >= 0)
		close(vcpu->stats_fd);
	close(vcpu->fd);
	free(vcpu->cpus);
	*vcpu = (struct vmm_vcpu){ .fd = -1, .stats_fd = -1 };
}
