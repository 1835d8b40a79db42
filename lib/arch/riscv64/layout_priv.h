/* SPDX-License-Identifier: MIT */
/*
 * layout_priv.h - where everything lies in a riscv64 guest's physical address space.
 *
 *	0x0c000000 .. 0x0c5fffff     PLIC, where there is no AIA
 *	0x0d000000 .. 0x0d003fff     APLIC, supervisor domain
 *	0x10000000                   serial port
 *	0x10001000                   real time clock
 *	0x10002000                   panic device
 *	0x10100000 ..                virtio-mmio windows
 *	0x28000000 ..                IMSIC interrupt files, a page for each vCPU
 *	0x30000000 .. 0x300fffff     PCI configuration space, bus 0
 *	0x40000000 .. 0x7fffffff     PCI memory window, 32 bit
 *	2 GiB      .. 1 TiB          RAM
 *	1 TiB      .. 2 TiB          PCI memory window, 64 bit
 *
 * All of it fits into the 41 bits that the smallest G-stage translation has (Sv39x4).
 */
#ifndef ARCH_RISCV64_LAYOUT_PRIV_H
#define ARCH_RISCV64_LAYOUT_PRIV_H

#include <libvmm/common.h>

#define RISCV_PLIC_BASE		0x0c000000ull
#define RISCV_PLIC_SIZE		0x00600000ull
#define RISCV_APLIC_BASE	0x0d000000ull
#define RISCV_SERIAL_BASE	0x10000000ull
#define RISCV_SERIAL_SIZE	0x100ull
#define RISCV_RTC_BASE		0x10001000ull
#define RISCV_RTC_SIZE		0x1000ull
#define RISCV_PVPANIC_BASE	0x10002000ull
#define RISCV_MMIO_BASE		0x10100000ull
#define RISCV_MMIO_STRIDE	0x1000u
#define RISCV_IMSIC_BASE	0x28000000ull
#define RISCV_ECAM_BASE		0x30000000ull
#define RISCV_ECAM_SIZE		0x00100000ull	/* one bus */
#define RISCV_PCI_BASE		0x40000000ull
#define RISCV_PCI_SIZE		0x40000000ull
#define RISCV_RAM_BASE		0x80000000ull
#define RISCV_RAM_END		0x10000000000ull
#define RISCV_PCI64_BASE	0x10000000000ull
#define RISCV_PCI64_SIZE	0x10000000000ull

/* GSI n is source n of the APLIC or the PLIC, whose sources begin with 1. */
#define RISCV_NR_PINS		64u
#define RISCV_GSI_SERIAL	1u
#define RISCV_GSI_RTC		2u
#define RISCV_GSI_BUTTON	3u		/* power button: an edge */
#define RISCV_GSI_PCI		4u		/* of slot n: 4 + n % 8 */
#define RISCV_NR_GSI_PCI	8u
#define RISCV_GSI_FREE		16u		/* from here on for devices with a wire */

/* boot_entry.kind: the Image's entry, a0 the hart's number, a1 the device tree. */
#define RISCV_BOOT_IMAGE	1u

#endif
