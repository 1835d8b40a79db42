/* SPDX-License-Identifier: MIT */
/* host.c - what this machine's KVM offers, asked without creating a guest. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <libvmm/host.h>
#include <libvmm/version.h>
#include <libvmm/vmm.h>
#include "arch/arch_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/kvm_priv.h"

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif

static const struct {
	int cap;
	uint32_t flag;
} optional[] = {
	{ KVM_CAP_IRQCHIP,		VMM_HOST_IRQCHIP },
	{ KVM_CAP_IRQFD,		VMM_HOST_IRQFD },
	{ KVM_CAP_IOEVENTFD,		VMM_HOST_IOEVENTFD },
	{ KVM_CAP_SIGNAL_MSI,		VMM_HOST_MSI },
	{ KVM_CAP_READONLY_MEM,		VMM_HOST_READONLY_MEM },
	{ KVM_CAP_DIRTY_LOG_RING,	VMM_HOST_DIRTY_RING },
	{ KVM_CAP_X86_USER_SPACE_MSR,	VMM_HOST_USER_MSR },
	{ KVM_CAP_BINARY_STATS_FD,	VMM_HOST_STATS },
};

static bool io_uring_works(void)
{
#ifdef HAVE_LIBURING
	struct io_uring ring;

	if (io_uring_queue_init(2, &ring, 0) == 0) {
		io_uring_queue_exit(&ring);
		return true;
	}
#endif
	return false;
}

static bool tun_opens(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static uint32_t host_flags(int kvm_fd)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		if (vmm__kvm_cap(kvm_fd, optional[i].cap) > 0)
			flags |= optional[i].flag;
	}
	if (vmm__arch_hardware())
		flags |= VMM_HOST_HARDWARE;
	if (io_uring_works())
		flags |= VMM_HOST_IO_URING;
	if (tun_opens())
		flags |= VMM_HOST_TUN;
#ifdef HAVE_SLIRP
	flags |= VMM_HOST_USER_NET;
#endif
	return flags;
}

static void host_fill(int kvm_fd, struct vmm_host_info *info)
{
	struct sysinfo si;
	int max = vmm__kvm_cap(kvm_fd, KVM_CAP_MAX_VCPUS);
	int recommended = vmm__kvm_cap(kvm_fd, KVM_CAP_NR_VCPUS);

	info->arch = vmm__arch_id();
	info->flags = host_flags(kvm_fd);
	info->kvm_api_version = KVM_API_VERSION;
	info->recommended_vcpus = recommended > 0 ? (uint32_t)recommended : 4;
	info->max_vcpus = max > 0 ? (uint32_t)max : info->recommended_vcpus;
	if (info->max_vcpus > VMM_VCPUS_MAX)
		info->max_vcpus = VMM_VCPUS_MAX;
	info->max_memory_slots = (uint32_t)vmm__kvm_cap(kvm_fd, KVM_CAP_NR_MEMSLOTS);
	info->gpa_bits = vmm__arch_gpa_bits(kvm_fd);
	if (sysinfo(&si) == 0)
		info->memory_bytes = (uint64_t)si.totalram * si.mem_unit;
	info->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	if (vmm__kvm_check(kvm_fd, false) == 0)
		info->flags |= VMM_HOST_USABLE;
	else
		snprintf(info->missing, sizeof(info->missing), "%s", vmm_last_error());
}

int vmm_host_query(int kvm_fd, struct vmm_host_info *ret_info)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;
	int fd, r;

	if (!ret_info || ret_info->size < sizeof(ret_info->size))
		return vmm__fail(-EINVAL, "no place for the answer: use VMM_HOST_INFO_INIT");

	r = vmm__kvm_open(kvm_fd, &fd);
	if (r < 0)
		return r;
	host_fill(fd, &info);
	close(fd);

	vmm__config_answer(ret_info, ret_info->size, &info, sizeof(info));
	return 0;
}

uint32_t vmm_version(void)
{
	return VMM_VERSION_MAJOR << 16 | VMM_VERSION_MINOR << 8 | VMM_VERSION_PATCH;
}
