/* SPDX-License-Identifier: MIT */
/* actions.c - what the buttons of the page do to a guest. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <libvmm/vcpu.h>

#include "farm.h"

/* A guest that was stopped, or has ended, is started; any other has its reset button pressed. */
static int restart(struct guest *g)
{
	return vmm_state(g->vm) == VMM_STATE_STOPPED ? vmm_start(g->vm) : vmm_reset(g->vm);
}

static int resume(struct guest *g)
{
	g->crash_when_paused = false;
	return vmm_resume(g->vm);
}

static int stop(struct guest *g)
{
	g->crash_when_paused = false;
	return vmm_stop(g->vm);
}

static int pause_(struct guest *g)
{
	return vmm_pause(g->vm);
}

/* ---- a crash on purpose ---- */

/*
 * The first vCPU goes on where there is neither RAM nor a device, without page tables that
 * could make something of that address: KVM cannot fetch an instruction there, on any host.
 */
#ifdef __x86_64__
static int spoil(struct vmm_vcpu *vcpu)
{
	struct kvm_mp_state runs = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vmm_regs regs = VMM_REGS_INIT;
	int r = vmm_vcpu_read_regs(vcpu, &regs);

	if (r < 0)
		return r;
	regs.x86.cr0 = 0x11; /* protected mode, without paging */
	regs.x86.cr4 = 0;
	regs.x86.efer = 0;
	regs.x86.cs.base = 0;
	regs.x86.cs.limit = ~0u;
	regs.x86.cs.attributes = 0xc9b; /* 32-bit code, present, granular */
	regs.x86.rflags = 2;
	regs.x86.rip = 0xd0000000; /* in the hole below 4 GiB */
	r = vmm_vcpu_write_regs(vcpu, &regs);
	if (r < 0)
		return r;
	/* One that sleeps in HLT would sleep on. */
	return ioctl(vmm_vcpu_fd(vcpu), KVM_SET_MP_STATE, &runs) < 0 ? -errno : 0;
}
#else
static int spoil(struct vmm_vcpu *vcpu)
{
	return -EOPNOTSUPP;
}
#endif

void action_crash_now(struct guest *g)
{
	int r = spoil(vmm_vcpu(g->vm, 0));

	if (r < 0)
		snprintf(g->last, sizeof(g->last), "it could not be crashed: %s",
			 r == -EOPNOTSUPP ? "not on this architecture" : vmm_last_error());
	if (vmm_resume(g->vm) < 0)
		snprintf(g->last, sizeof(g->last), "it does not go on: %s", vmm_last_error());
}

/* A vCPU's registers can be written only while it stands still. */
static int crash(struct guest *g)
{
	int r;

	if (vmm_state(g->vm) == VMM_STATE_PAUSED) {
		action_crash_now(g);
		return 0;
	}
	r = vmm_pause(g->vm);
	if (r == 0)
		g->crash_when_paused = true;
	return r;
}

static const struct {
	const char *word;
	int (*act)(struct guest *g);
} actions[NR_ACTIONS] = {
	[PAUSE] = { "pause", pause_ },      [RESUME] = { "resume", resume },
	[STOP] = { "stop", stop },          [CRASH] = { "crash", crash },
	[RESTART] = { "restart", restart },
};

int action_find(const char *word)
{
	for (int i = 0; i < NR_ACTIONS; i++) {
		if (strcmp(actions[i].word, word) == 0)
			return i;
	}
	return -1;
}

int action_do(struct guest *g, enum action action)
{
	return actions[action].act(g);
}
