/* SPDX-License-Identifier: MIT */
/* host.c - whether this host and its KVM can run aarch64 guests. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"

uint32_t vmm__arch_id(void)
{
	return VMM_ARCH_AARCH64;
}

/* KVM exists only where the processor has EL2: who can open /dev/kvm has the hardware. */
bool vmm__arch_hardware(void)
{
	return true;
}

int vmm__arch_check(int kvm_fd)
{
	static const struct {
		int cap;
		const char *name;
	} required[] = {
		{ KVM_CAP_ONE_REG, "registers by number" },
		{ KVM_CAP_DEVICE_CTRL, "KVM_CREATE_DEVICE" },
		{ KVM_CAP_ARM_PSCI_0_2, "PSCI 0.2" },
		{ KVM_CAP_VCPU_ATTRIBUTES, "attributes of vCPUs" },
	};

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, required[i].cap) <= 0)
			return vmm__fail(-ENODEV, "this KVM lacks %s", required[i].name);
	}

	return 0;
}
