/* SPDX-License-Identifier: MIT */
/*
 * bench_boot.c - boot a kernel with the least there is to it, and say so on the serial port.
 *
 *	bench_boot KERNEL INITRD CMDLINE [MIB [VCPUS]]
 *
 * The guest's serial port is standard output; compare-boot stops the time. Ends when the
 * guest does. RAM is anonymous, in huge pages where the host has them, as QEMU's is: most
 * hosts give a memfd small pages only, and each page's first use is an exit of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/vmm.h>

#include "bench.h"

int main(int argc, char **argv)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_console_config serial = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm *vm;

	if (argc < 4) {
		fprintf(stderr, "usage: bench_boot KERNEL INITRD CMDLINE [MIB [VCPUS]]\n");
		return 2;
	}
	config.ram_bytes = (argc > 4 ? strtoull(argv[4], NULL, 10) : 512) << 20;
	config.ram_kind = VMM_RAM_ANON;
	config.flags = VMM_F_THP;
	config.nr_vcpus = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 1;
	if (vmm_create(&config, &vm) < 0)
		bench_die("vmm_create");
	if (vmm_console_open_fd(-1, 1, &serial.backend) < 0 || vmm_add_serial(vm, &serial) < 0)
		bench_die("serial port");
	boot.kernel_path = argv[1];
	boot.initrd_path = argv[2];
	boot.cmdline = argv[3];
	if (vmm_boot_linux(vm, &boot) < 0 || vmm_start(vm) < 0 || vmm_wait(vm, &info) < 0)
		bench_die("boot");
	vmm_destroy(vm);
	if (info.reason == VMM_STOP_CRASHED) {
		fprintf(stderr, "the guest crashed: %s\n", info.words);
		return 1;
	}
	return 0;
}
