/* SPDX-License-Identifier: MIT */
/* host.c - whether this host and its KVM can run x86-64 guests. */
#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"

uint32_t vmm__arch_id(void)
{
	return VMM_ARCH_X86_64;
}

bool vmm__arch_hardware(void)
{
	unsigned eax, ebx, ecx, edx;

	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & 1u << 5))		/* VMX */
		return true;
	return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && (ecx & 1u << 2);	/* SVM */
}

int vmm__arch_check(int kvm_fd)
{
	static const struct {
		int cap;
		const char *name;
	} required[] = {
		{ KVM_CAP_IRQCHIP, "an interrupt controller in the kernel" },
		{ KVM_CAP_SET_TSS_ADDR, "KVM_SET_TSS_ADDR" },
		{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR" },
		{ KVM_CAP_EXT_CPUID, "KVM_SET_CPUID2" },
		{ KVM_CAP_MP_STATE, "KVM_SET_MP_STATE" },
		{ KVM_CAP_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS" },
		{ KVM_CAP_DEBUGREGS, "KVM_SET_DEBUGREGS" },
		{ KVM_CAP_XSAVE, "KVM_SET_XSAVE" },
		{ KVM_CAP_XCRS, "KVM_SET_XCRS" },
		{ KVM_CAP_PIT2, "a timer (i8254) in the kernel" },
		{ KVM_CAP_PIT_STATE2, "KVM_SET_PIT2" },
		{ KVM_CAP_ADJUST_CLOCK, "KVM_SET_CLOCK" },
	};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, required[i].cap) <= 0)
			return vmm__fail(-ENODEV, "this KVM lacks %s", required[i].name);
	}

	return 0;
}
