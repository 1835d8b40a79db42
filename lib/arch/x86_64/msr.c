/* SPDX-License-Identifier: MIT */
/*
 * msr.c - model-specific registers at reset.
 *
 * The table has what a guest can change and would find again, and above all what
 * makes KVM write to guest memory (its clock, steal time, page-ready and end of
 * interrupt words): after a reset that memory is something else's. What this KVM
 * or processor does not have is skipped; what a guest cannot write is as it was.
 *
 * Numbers: Intel SDM volume 4, AMD APM volume 2 (appendix A), and the kernel's
 * Documentation/virt/kvm/x86/msr.rst.
 */
#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "arch/x86_64/msr_priv.h"
#include "core/error_priv.h"

#define MSR_MISC_ENABLE		0x1a0u

/* MISC_ENABLE: what tells of the processor, and fast strings, which firmware turns on. */
#define MISC_ENABLE_CONSTANT	(1ull << 7 | 1ull << 11 | 1ull << 12)
#define MISC_ENABLE_FAST_STRING	(1ull << 0)

/* A run of registers that are there together or not at all. */
struct msr_run {
	uint32_t first;
	uint32_t count;
	uint64_t value;
};

static const struct msr_run resets[] = {
	{ MSR_KVM_SYSTEM_TIME_NEW, 1, 0 },
	{ MSR_KVM_ASYNC_PF_EN, 1, 0 },
	{ MSR_KVM_ASYNC_PF_INT, 1, 0 },
	{ MSR_KVM_STEAL_TIME, 1, 0 },
	{ MSR_KVM_PV_EOI_EN, 1, 0 },
	{ MSR_KVM_POLL_CONTROL, 1, 1 },
	{ 0x0000003b, 1, 0 },			/* TSC_ADJUST, before the TSC itself: */
	{ 0x00000010, 1, 0 },			/* 0 brings it in step with the other vCPUs' */
	{ 0x0000003a, 1, 0 },			/* FEATURE_CONTROL: unlocked */
	{ 0x00000048, 1, 0 },			/* SPEC_CTRL */
	{ 0x00000122, 1, 0 },			/* TSX_CTRL */
	{ 0x00000174, 3, 0 },			/* SYSENTER_CS, ESP, EIP */
	{ 0x0000017a, 1, 0 },			/* MCG_STATUS */
	{ 0x00000186, 4, 0 },			/* performance event selectors */
	{ 0x000001c4, 2, 0 },			/* XFD, XFD_ERR */
	{ 0x000001d9, 1, 0 },			/* DEBUGCTL */
	{ 0x00000200, 16, 0 },			/* variable MTRRs */
	{ 0x00000250, 1, 0 },			/* fixed MTRRs */
	{ 0x00000258, 2, 0 },
	{ 0x00000268, 8, 0 },
	{ 0x000002ff, 1, 1u << 11 | 6 },	/* MTRR_DEF_TYPE: on, write-back: as firmware */
	{ 0x00000277, 1, 0x0007040600070406 },	/* PAT (Intel SDM volume 3, 12.12.4) */
	{ 0x0000038d, 1, 0 },			/* FIXED_CTR_CTRL */
	{ 0x00000570, 1, 0 },			/* RTIT_CTL */
	{ 0x000006a0, 1, 0 },			/* U_CET */
	{ 0x000006a2, 1, 0 },			/* S_CET */
	{ 0x000006a4, 5, 0 },			/* shadow stack pointers and table */
	{ 0x00000d90, 1, 0 },			/* BNDCFGS */
	{ 0x00000da0, 1, 0 },			/* XSS */
	{ 0xc0000081, 4, 0 },			/* STAR, LSTAR, CSTAR, FMASK */
	{ 0xc0000102, 1, 0 },			/* KERNEL_GS_BASE */
	{ 0xc0000103, 1, 0 },			/* TSC_AUX */
	{ 0xc0010000, 4, 0 },			/* performance event selectors, AMD */
	{ 0xc0010114, 1, 0 },			/* VM_CR */
	{ 0xc0010117, 1, 0 },			/* VM_HSAVE_PA */
	{ 0xc001011f, 1, 0 },			/* VIRT_SPEC_CTRL */
};

#define NR_RUNS		(sizeof(resets) / sizeof(resets[0]))
#define MSRS_MAX	96

static struct kvm_msrs *list_new(uint32_t max)
{
	struct kvm_msrs *list = calloc(1, sizeof(*list) + max * sizeof(list->entries[0]));

	if (!list)
		vmm__fail(-ENOMEM, "no memory for a list of registers");
	return list;
}

/* All runs from @run on, in one list. */
static void list_fill(struct kvm_msrs *list, size_t run)
{
	uint32_t n = 0;

	for (; run < NR_RUNS; run++) {
		assert(n + resets[run].count <= MSRS_MAX);
		for (uint32_t i = 0; i < resets[run].count; i++)
			list->entries[n++] = (struct kvm_msr_entry){
				.index = resets[run].first + i,
				.data = resets[run].value,
			};
	}

	list->nmsrs = n;
}

/* The run after the one in which @done registers from the beginning of @run end. */
static size_t run_after(size_t run, uint32_t done)
{
	while (run < NR_RUNS && done >= resets[run].count)
		done -= resets[run++].count;

	return run + 1;
}

static int misc_enable_reset(int vcpu_fd)
{
	struct kvm_msrs *one = list_new(1);
	int r = 0;

	if (!one)
		return -ENOMEM;

	one->nmsrs = 1;
	one->entries[0].index = MSR_MISC_ENABLE;
	if (ioctl(vcpu_fd, KVM_GET_MSRS, one) != 1)
		goto out;		/* it has none */

	one->entries[0].data &= MISC_ENABLE_CONSTANT;
	one->entries[0].data |= MISC_ENABLE_FAST_STRING;
	if (ioctl(vcpu_fd, KVM_SET_MSRS, one) < 0)
		r = vmm__fail_errno("cannot reset a vCPU's MISC_ENABLE");

out:
	free(one);
	return r;
}

int vmm__msr_reset(int vcpu_fd)
{
	struct kvm_msrs *list = list_new(MSRS_MAX);
	size_t run = 0;
	int r = 0;

	if (!list)
		return -ENOMEM;

	/* KVM takes a list up to the first register it does not know. */
	while (run < NR_RUNS) {
		list_fill(list, run);
		r = ioctl(vcpu_fd, KVM_SET_MSRS, list);
		if (r < 0) {
			r = vmm__fail_errno("cannot reset a vCPU's model-specific registers");
			break;
		}
		run = (uint32_t)r == list->nmsrs ? NR_RUNS : run_after(run, (uint32_t)r);
	}

	free(list);
	return r < 0 ? r : misc_enable_reset(vcpu_fd);
}
