/* SPDX-License-Identifier: MIT */
/* vcpu.c - what a new vCPU is told once: its CPUID table. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/cpuid_priv.h"
#include "core/error_priv.h"

int vmm__arch_vcpu_init(int kvm_fd, int vcpu_fd, const struct arch_cpu *cpu)
{
	struct cpuid_host host = { 0 };
	struct kvm_cpuid2 *table;
	int r;

	table = calloc(1, sizeof(*table) + CPUID_ENTRIES_MAX * sizeof(table->entries[0]));
	if (!table)
		return vmm__fail(-ENOMEM, "no memory for a CPUID table");

	table->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, table) < 0) {
		r = vmm__fail_errno("cannot ask KVM for the processor's features");
		goto free_table;
	}

	r = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
	host.tsc_khz = r > 0 ? (uint32_t)r : 0;
	host.tsc_deadline = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;

	r = vmm__cpuid_build(table, cpu, &host);
	if (r < 0)
		goto free_table;
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, table) < 0)
		r = vmm__fail_errno("cannot set the features of vCPU %u", cpu->id);

free_table:
	free(table);
	return r;
}
