/* SPDX-License-Identifier: MIT */
/* program.c - what an application of the installed library starts with. */
#include <errno.h>
#include <stdio.h>
#include <libvmm/host.h>
#include <libvmm/version.h>
#include <libvmm/vmm.h>

int main(void)
{
	const uint32_t header = VMM_VERSION_MAJOR << 16 | VMM_VERSION_MINOR << 8 | VMM_VERSION_PATCH;
	struct vmm_host_info host = VMM_HOST_INFO_INIT;
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm;
	int r;

	if (vmm_version() != header) {
		fprintf(stderr, "header and library differ: 0x%x, 0x%x\n", header, vmm_version());
		return 1;
	}
	if (vmm_create(&config, &vm) != -EINVAL) {
		fprintf(stderr, "a guest without RAM was made\n");
		return 1;
	}
	if (vmm_host_query(0, &host) < 0 || !(host.flags & VMM_HOST_USABLE))
		return 0;	/* linked and ran: all that can be asked without KVM */

	config.ram_bytes = 1 << 20;
	r = vmm_create(&config, &vm);
	if (r < 0) {
		fprintf(stderr, "vmm_create: %d, %s\n", r, vmm_last_error());
		return 1;
	}
	vmm_destroy(vm);
	return 0;
}
