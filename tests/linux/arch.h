/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what differs between architectures for a stock Linux guest.
 */
#ifndef LINUX_ARCH_H
#define LINUX_ARCH_H

#include <stdbool.h>

#include <libvmm/boot.h>
#include <libvmm/vmm.h>

#include "files.h"

#if defined(__x86_64__)
#define SERIAL_CONSOLE	"ttyS0"
#define EARLY_CONSOLE	"earlyprintk=ttyS0"
#define USUAL_PROTOCOL	VMM_BOOT_PVH
#define HAS_BUTTON	1
#else
#define EARLY_CONSOLE	"earlycon"
#define USUAL_PROTOCOL	VMM_BOOT_IMAGE
/* Whether the stock kernel has a driver for the power button. */
#if defined(__riscv)
#define HAS_BUTTON	0
#else
#define HAS_BUTTON	1
#endif
#if defined(__aarch64__)
#define SERIAL_CONSOLE	"ttyAMA0"
#else
#define SERIAL_CONSOLE	"ttyS0"
#endif
#endif

/* The kernel's file for a protocol; VMM_BOOT_AUTO is a compressed Image. */
static inline enum file_kind arch_kernel(uint32_t protocol)
{
	switch (protocol) {
	case VMM_BOOT_BZIMAGE:
		return FILE_BZIMAGE;
	case VMM_BOOT_IMAGE:
		return FILE_IMAGE;
	case VMM_BOOT_AUTO:
		return FILE_IMAGE_GZ;
	default:
		return FILE_VMLINUX;
	}
}

/* Whether devices have message signalled interrupts: a PLIC takes none. */
static inline bool arch_has_messages(void)
{
#ifdef __riscv
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm;

	config.ram_bytes = 1 << 20;
	config.irqchip = VMM_IRQCHIP_AIA;
	if (vmm_create(&config, &vm) < 0)
		return false;
	vmm_destroy(vm);
#endif
	return true;
}

#endif
