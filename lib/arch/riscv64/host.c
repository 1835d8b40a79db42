/* SPDX-License-Identifier: MIT */
/* host.c - what the host's processor and its KVM have for guests of this architecture. */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"

#define SV39X4_BITS	41

static int cap(int kvm_fd, int number)
{
	int value = ioctl(kvm_fd, KVM_CHECK_EXTENSION, (unsigned long)number);

	return value < 0 ? 0 : value;
}

uint32_t vmm__arch_id(void)
{
	return VMM_ARCH_RISCV64;
}

/* There is no KVM on RISC-V but through the hypervisor extension. */
bool vmm__arch_hardware(void)
{
	return true;
}

uint32_t vmm__arch_gpa_bits(int kvm_fd)
{
	int bits = kvm_fd < 0 ? 0 : cap(kvm_fd, KVM_CAP_VM_GPA_BITS);

	return bits > 0 ? (uint32_t)bits : SV39X4_BITS;
}

unsigned long vmm__arch_vm_type(int kvm_fd)
{
	return 0;
}

int vmm__arch_check(int kvm_fd)
{
	if (!cap(kvm_fd, KVM_CAP_ONE_REG))
		return vmm__fail(-ENODEV, "this KVM lacks registers by number (capability %d)",
				 KVM_CAP_ONE_REG);
	return 0;
}
