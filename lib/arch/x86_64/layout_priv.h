/* SPDX-License-Identifier: MIT */
/*
 * layout_priv.h - where everything lies in an x86-64 guest's physical address space.
 *
 *	0            .. 3 GiB          RAM (the first MiB as below)
 *	3 GiB        .. 0xdfffffff     PCI memory window, 32 bit
 *	0xe0000000   .. 0xe00fffff     PCI configuration space, bus 0
 *	0xe8000000   ..                virtio-mmio windows
 *	0xfec00000                     IOAPIC
 *	0xfee00000                     local APICs
 *	0xfffbc000   .. 0xfffbffff     pages that KVM needs for itself on Intel
 *	4 GiB        .. ram_max        the rest of RAM
 *	ram_max      ..                PCI memory window, 64 bit
 *
 * The first MiB is RAM throughout, and so are the 384 KiB where a PC has its
 * video memory and firmware; the memory map keeps the guest out of those.
 */
#ifndef ARCH_X86_64_LAYOUT_PRIV_H
#define ARCH_X86_64_LAYOUT_PRIV_H

#include <libvmm/common.h>

#define X86_HOLE_BASE		0xc0000000ull
#define X86_HOLE_END		0x100000000ull

#define X86_PCI_BASE		0xc0000000ull
#define X86_PCI_SIZE		0x20000000ull
#define X86_ECAM_BASE		0xe0000000ull
#define X86_ECAM_SIZE		0x00100000ull	/* one bus */
#define X86_MMIO_BASE		0xe8000000ull
#define X86_MMIO_STRIDE		0x1000u
#define X86_IOAPIC_BASE		0xfec00000ull
#define X86_LAPIC_BASE		0xfee00000ull
#define X86_IDENTITY_MAP	0xfffbc000ull
#define X86_TSS_BASE		0xfffbd000ull

/* The first MiB: what is there when the boot processor starts. */
#define X86_GDT			0x00000500ull
#define X86_START_INFO		0x00006000ull	/* hvm_start_info and what it points to */
#define X86_BOOT_PARAMS		0x00007000ull
#define X86_PAGE_TABLES		0x00009000ull	/* six pages: 4 GiB mapped one to one */
#define X86_CMDLINE		0x00020000ull
#define X86_CMDLINE_SIZE	0x00010000ull
#define X86_LOW_END		0x0009fc00ull	/* RAM that is free for use ends here */
#define X86_ACPI		0x000e0000ull	/* the RSDP first, where the guest scans for it */
#define X86_ACPI_SIZE		0x00010000ull
#define X86_SMBIOS		0x000f0000ull
#define X86_SMBIOS_SIZE		0x0000fff0ull
#define X86_RESET_VECTOR	0x000ffff0ull	/* where a PC's firmware starts, also again */
#define X86_HIGH_START		0x00100000ull

/* Interrupts. GSI n is pin n of the IOAPIC, and for n < 16 ISA interrupt n. */
#define X86_NR_PINS		24u
#define X86_GSI_KEYBOARD	1u
#define X86_GSI_COM1		4u
#define X86_GSI_EVENTS		9u		/* power button, PCI slots */
#define X86_GSI_PCI		16u		/* of slot n, pin p (from 0): 16 + (n + p) % 8 */
#define X86_NR_GSI_PCI		8u

/* Ports. */
#define X86_PORT_I8042		0x60
#define X86_PORT_RTC		0x70
#define X86_PORT_COM1		0x3f8
#define X86_PORT_PVPANIC	0x505
#define X86_PORT_POWER		0x600
#define X86_PORT_POWER_SIZE	8
#define X86_PORT_SLOTS		0x610
#define X86_PORT_SLOTS_SIZE	12

struct arch_hotplug;
extern const struct arch_hotplug vmm__x86_hotplug;

/* How the boot processor is started: boot_entry.kind. */
enum x86_boot_kind {
	X86_BOOT_PVH		= 1,	/* 32-bit protected mode, EBX: hvm_start_info */
	X86_BOOT_LINUX64	= 2,	/* long mode, RSI: boot_params */
};

/* Selectors in the table at X86_GDT: those that the 64-bit Linux boot protocol names. */
#define X86_SEL_CODE32		0x08
#define X86_SEL_CODE64		0x10
#define X86_SEL_DATA		0x18
#define X86_SEL_TSS		0x20
#define X86_GDT_ENTRIES		6

#endif
