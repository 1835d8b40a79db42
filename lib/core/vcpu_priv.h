/* SPDX-License-Identifier: MIT */
/* vcpu_priv.h - one KVM vCPU and what runs it. */
#ifndef CORE_VCPU_PRIV_H
#define CORE_VCPU_PRIV_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/vcpu.h>
#include "core/exits_priv.h"

struct kvm_run;

struct vmm_vcpu {
	struct vmm *vm;
	uint32_t id;
	int fd;
	struct kvm_run *run;		/* shared with the kernel */
	size_t run_size;

	pthread_t thread;		/* ours, or the caller's that attached */
	bool has_thread;		/* guarded by vm->lock: it may be kicked */
	bool joinable;			/* ours, and not joined yet: for who has claimed the guest */
	bool in_run;			/* guarded by vm->lock: the caller is in vmm_vcpu_run() */
	bool kicked;			/* atomic: vmm_vcpu_kick() */
	bool frozen;			/* guarded by vm->lock: stays parked while others run */
	bool regs_written;		/* guarded by vm->lock: since the last start */
	uint32_t answering;		/* atomic: odd while a range answers an access of its */
	uint32_t answering_then;	/* when graves were dug: see hotplug.c */
	sigset_t mask_before;		/* of the caller's thread */
	cpu_set_t *cpus;		/* NULL: not pinned */
	bool starting;			/* guarded by vm->lock: made and not at its end */
	uint32_t tid;			/* guarded by vm->lock: of our thread while it runs, else 0 */
	uint64_t cpu_ns;		/* likewise: processor time of the threads it had before */
	int stats_fd;			/* KVM's statistics, or -1 */
	struct exit_log exits;		/* by the thread that runs it */
};

int vmm__vcpu_init(struct vmm_vcpu *vcpu, struct vmm *vm, uint32_t id, size_t run_size);
void vmm__vcpu_finish(struct vmm_vcpu *vcpu);

int vmm__vcpu_start(struct vmm_vcpu *vcpu);
void vmm__vcpu_join(struct vmm_vcpu *vcpu);

/* Bring it out of KVM. With vm->lock. */
void vmm__vcpu_kick(struct vmm_vcpu *vcpu);

/* ---- for whoever runs one: vcpu.c and run.c ---- */

int vmm__vcpu_arm_kick(const struct vmm_vcpu *vcpu);
void vmm__vcpu_take_kick(const struct vmm_vcpu *vcpu);

/* Have KVM finish an access that it gave to us, so that the registers are whole. */
void vmm__vcpu_settle(struct vmm_vcpu *vcpu);

/*
 * Answer the exit in vcpu->run. Returns 0 when it was answered, or 1 with
 * *@ret_exit filled for somebody else to answer.
 */
int vmm__vcpu_exit(struct vmm_vcpu *vcpu, struct vmm_exit *ret_exit);

#endif
