/* SPDX-License-Identifier: MIT */
/*
 * layout_priv.h - where everything lies in an aarch64 guest's physical address space.
 *
 *	0x08000000   ..                GIC distributor, CPU interface or message frame, ITS
 *	0x09000000   ..                serial port, clock, panic device
 *	0x0a000000   ..                virtio-mmio windows
 *	0x0c000000   .. 0x0dffffff     GIC redistributors, 128 KiB for each vCPU
 *	0x10000000   .. 0x3effffff     PCI memory window, 32 bit
 *	0x3f000000   .. 0x3f0fffff     PCI configuration space, bus 0
 *	1 GiB        .. ram_max        RAM
 *	ram_max      ..                PCI memory window, 64 bit
 *
 * All that KVM maps is aligned for a host with pages of 64 KiB.
 */
#ifndef ARCH_AARCH64_LAYOUT_PRIV_H
#define ARCH_AARCH64_LAYOUT_PRIV_H

#include <libvmm/common.h>

#define A64_GICD_BASE		0x08000000ull
#define A64_GICD_SIZE		0x00010000ull
#define A64_GICC_BASE		0x08010000ull	/* GICv2 */
#define A64_GICC_SIZE		0x00002000ull
#define A64_V2M_BASE		0x08020000ull	/* GICv2: where messages are sent */
#define A64_V2M_SIZE		0x00001000ull
#define A64_ITS_BASE		0x08080000ull	/* GICv3 */
#define A64_ITS_SIZE		0x00020000ull
#define A64_UART_BASE		0x09000000ull
#define A64_RTC_BASE		0x09010000ull
#define A64_PVPANIC_BASE	0x09020000ull
#define A64_MMIO_BASE		0x0a000000ull
#define A64_MMIO_STRIDE		0x1000u
#define A64_GICR_BASE		0x0c000000ull	/* GICv3 */
#define A64_GICR_STRIDE		0x00020000ull
#define A64_PCI_BASE		0x10000000ull
#define A64_PCI_SIZE		0x2f000000ull
#define A64_ECAM_BASE		0x3f000000ull
#define A64_RAM_BASE		0x40000000ull

/* At the end of RAM: what KVM tells each vCPU of the time that was stolen from it. */
#define A64_STEAL_SIZE		0x00010000ull
#define A64_STEAL_STRIDE	64u

/* Interrupts. GSI n is SPI n, whose interrupt number is 32 + n. */
#define A64_FIRST_SPI		32u
#define A64_NR_PINS		64u
#define A64_GSI_UART		1u
#define A64_GSI_RTC		2u
#define A64_GSI_BUTTON		3u
#define A64_GSI_PCI		4u		/* of slot n, pin p (from 0): 4 + (n + p) % 4 */
#define A64_NR_GSI_PCI		4u
#define A64_GSI_MMIO		16u		/* up to 32 of them */
#define A64_V2M_FIRST		(A64_FIRST_SPI + A64_NR_PINS)	/* interrupts that are messages to the frame */
#define A64_V2M_NR		64u

/* Private interrupts of each processor (PPIs), as device trees number them. */
#define A64_PPI_PMU		7u
#define A64_PPI_TIMER_HYP	10u
#define A64_PPI_TIMER_VIRT	11u
#define A64_PPI_TIMER_SECURE	13u
#define A64_PPI_TIMER		14u
#define A64_FIRST_PPI		16u

#endif
