/* SPDX-License-Identifier: MIT */
/* cpuid_priv.h - what a vCPU's CPUID instruction answers. */
#ifndef ARCH_X86_64_CPUID_PRIV_H
#define ARCH_X86_64_CPUID_PRIV_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;
struct arch_cpu;

#define CPUID_ENTRIES_MAX	256u

struct cpuid_host {
	uint32_t tsc_khz;	/* of the guest's TSC; 0: unknown */
	bool tsc_deadline;	/* KVM's APIC timer has deadline mode */
};

/*
 * Turn KVM's supported table into the vCPU's own. @table has room for
 * CPUID_ENTRIES_MAX entries. -EINVAL: impossible topology; -ENOSPC.
 */
int vmm__cpuid_build(struct kvm_cpuid2 *table, const struct arch_cpu *cpu,
		     const struct cpuid_host *host);

#endif
