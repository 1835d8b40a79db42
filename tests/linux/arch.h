/* SPDX-License-Identifier: MIT */
/*
 * arch.h - what differs between architectures for a stock Linux guest.
 */
#ifndef LINUX_ARCH_H
#define LINUX_ARCH_H

#include <libvmm/boot.h>

#include "files.h"

#if defined(__x86_64__)
#define SERIAL_CONSOLE	"ttyS0"
#define EARLY_CONSOLE	"earlyprintk=ttyS0"
#define USUAL_PROTOCOL	VMM_BOOT_PVH
#else
#define EARLY_CONSOLE	"earlycon"
#define USUAL_PROTOCOL	VMM_BOOT_IMAGE
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

#endif
