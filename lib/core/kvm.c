/* SPDX-License-Identifier: MIT */
/* kvm.c - /dev/kvm: opening it, and what it must offer. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"
#include "core/kvm_priv.h"

/* What every guest needs, and what a machine with devices needs on top. */
static const struct {
	int cap;
	const char *name;
	bool bare;
} required[] = {
	{ KVM_CAP_USER_MEMORY,		"user memory",		true },
	{ KVM_CAP_IMMEDIATE_EXIT,	"immediate exit",	true },
	{ KVM_CAP_MP_STATE,		"vCPU states",		true },
	{ KVM_CAP_IRQFD,		"irqfd",		false },
	{ KVM_CAP_IOEVENTFD,		"ioeventfd",		false },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH,	"ioeventfd of any length",	false },
	{ KVM_CAP_IRQ_ROUTING,		"interrupt routing",	false },
	{ KVM_CAP_SIGNAL_MSI,		"message signalled interrupts",	false },
};

int vmm__kvm_cap(int kvm_fd, int cap)
{
	int value = ioctl(kvm_fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

	return value < 0 ? 0 : value;
}

static int check_version(int fd, int given)
{
	int version = ioctl(fd, KVM_GET_API_VERSION, 0);

	if (version < 0 && given > 0)
		return vmm__fail(-ENODEV, "descriptor %d is not a /dev/kvm", given);
	if (version < 0)
		return vmm__fail(-ENODEV, "/dev/kvm is there but does not answer as KVM");
	if (version != KVM_API_VERSION)
		return vmm__fail(-ENODEV, "KVM's interface has version %d, %d is needed", version,
				 KVM_API_VERSION);
	return 0;
}

int vmm__kvm_open(int given, int *ret_fd)
{
	int fd, r;

	if (given > 0)
		fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
	else
		fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0 && given > 0)
		return vmm__fail_errno("cannot use descriptor %d as /dev/kvm", given);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return vmm__fail(-EACCES, "no permission for /dev/kvm: join its group (often \"kvm\") "
				 "or pass an open descriptor");
	if (fd < 0)
		return vmm__fail_errno("cannot open /dev/kvm");

	r = check_version(fd, given);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int vmm__kvm_check(int kvm_fd, bool bare)
{
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if ((required[i].bare || !bare) && vmm__kvm_cap(kvm_fd, required[i].cap) == 0)
			return vmm__fail(-ENODEV, "this KVM lacks %s (capability %d)",
					 required[i].name, required[i].cap);
	}
	return bare ? 0 : vmm__arch_check(kvm_fd);
}

int vmm__kvm_create_vm(int kvm_fd, unsigned long type, int *ret_vm_fd)
{
	int fd;

	do
		fd = ioctl(kvm_fd, KVM_CREATE_VM, type);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return vmm__fail_errno("KVM cannot create a guest");

	*ret_vm_fd = fd;
	return 0;
}
