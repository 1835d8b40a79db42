/* SPDX-License-Identifier: MIT */
/* ioevent.c - guest address to eventfd, matched inside KVM. */
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "core/error_priv.h"
#include "core/ioevent_priv.h"

static int ioeventfd(int vm_fd, const struct ioevent *event, uint32_t flags)
{
	struct kvm_ioeventfd e = {
		.datamatch = event->value,
		.addr = event->address,
		.len = event->width,
		.fd = event->fd,
		.flags = flags,
	};

	if (event->match)
		e.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	if (event->port)
		e.flags |= KVM_IOEVENTFD_FLAG_PIO;

	if (ioctl(vm_fd, KVM_IOEVENTFD, &e) < 0)
		return vmm__fail_errno("cannot %s the notification at 0x%llx",
				       flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? "take back" : "set",
				       (unsigned long long)event->address);
	return 0;
}

int vmm__ioevent_assign(int vm_fd, const struct ioevent *event)
{
	return ioeventfd(vm_fd, event, 0);
}

int vmm__ioevent_deassign(int vm_fd, const struct ioevent *event)
{
	return ioeventfd(vm_fd, event, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
