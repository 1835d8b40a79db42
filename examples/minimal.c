/* SPDX-License-Identifier: MIT */
/*
 * minimal.c - from nothing to a kernel's console on this terminal: minimal KERNEL INITRD [CMDLINE...]
 *
 * Ends with 0 when the guest powered itself off, 1 when it did not get that far, 2 on wrong
 * usage, 3 when it asked for a reset.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/vmm.h>

static int fail(const char *what)
{
	fprintf(stderr, "minimal: cannot %s: %s\n", what, vmm_last_error());
	return 1;
}

/* Run a guest that has all it needs, and say how it ended. */
static int run(struct vmm *vm)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	if (vmm_start(vm) < 0)
		return fail("start the guest");
	if (vmm_wait(vm, &info) < 0)
		return fail("wait for the guest");
	if (info.reason == VMM_STOP_POWEROFF)
		return 0;
	fprintf(stderr, "minimal: the guest stopped: %s\n", info.words);
	return info.reason == VMM_STOP_RESET ? 3 : 1;
}

/* Give it a serial port on our standard input and output, and a kernel. */
static int furnish(struct vmm *vm, const struct vmm_boot_config *boot)
{
	struct vmm_console_config serial = VMM_CONSOLE_CONFIG_INIT;
	int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);	/* 0 would mean "none" */

	if (vmm_console_open_fd(input, STDOUT_FILENO, &serial.backend) < 0)
		return fail("use the terminal");
	close(input);
	serial.flags = VMM_CONSOLE_WAIT;
	if (vmm_add_serial(vm, &serial) < 0) {
		vmm_console_destroy(serial.backend);
		return fail("add a serial port");
	}
	return vmm_boot_linux(vm, boot) < 0 ? fail("load the kernel") : 0;
}

int main(int argc, char **argv)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	char cmdline[2048];
	struct vmm *vm;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: minimal KERNEL INITRD [CMDLINE...]\n");
		return 2;
	}
	snprintf(cmdline, sizeof(cmdline), "console=%s", vmm_serial_name());
	for (int i = 3; i < argc; i++)
		snprintf(cmdline + strlen(cmdline), sizeof(cmdline) - strlen(cmdline), " %s", argv[i]);
	boot.kernel_path = argv[1];
	boot.initrd_path = argv[2];
	boot.cmdline = cmdline;
	config.ram_bytes = 512 << 20;
	if (vmm_create(&config, &vm) < 0)
		return fail("create a guest");
	status = furnish(vm, &boot);
	status = status ? status : run(vm);
	vmm_destroy(vm);
	return status;
}
