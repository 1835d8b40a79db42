/* SPDX-License-Identifier: MIT */
/*
 * dsdt.c - the devices that a guest cannot find by itself, in AML.
 *
 * The machine is "hardware-reduced" (ACPI 6.4, 4.1): no SCI, no fixed power
 * button, no PM timer. So every interrupt is named here, and the power button
 * comes through a generic event device.
 */
#include <stdbool.h>
#include <stdio.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/aml_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/tables_priv.h"
#include "devices/legacy/pci_slots_priv.h"
#include "devices/legacy/power_priv.h"

/* \_S5: what to write to the sleep control register to power off. */
static void sleep_state(struct aml *aml)
{
	vmm__aml_name(aml, "\\_S5");
	vmm__aml_package(aml, 4);
	vmm__aml_int(aml, POWER_SLEEP_TYPE_OFF);
	for (unsigned i = 0; i < 3; i++)
		vmm__aml_int(aml, 0);
	vmm__aml_end(aml);
}

/* ACPI 6.4, 8.4: a device for each local APIC of the MADT, by its _UID. */
static void processors(struct aml *aml, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		char name[16];

		snprintf(name, sizeof(name), "C%03X", i);
		vmm__aml_device(aml, name);
		vmm__aml_name(aml, "_HID");
		vmm__aml_string(aml, "ACPI0007");
		vmm__aml_name(aml, "_UID");
		vmm__aml_int(aml, i);
		vmm__aml_end(aml);
	}
}

static void serial(struct aml *aml)
{
	vmm__aml_device(aml, "COM1");
	vmm__aml_name(aml, "_HID");
	vmm__aml_eisa_id(aml, "PNP0501");
	vmm__aml_name(aml, "_UID");
	vmm__aml_int(aml, 0);
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_ports(aml, X86_PORT_COM1, 8);
	vmm__aml_resource_interrupt(aml, X86_GSI_COM1, true);
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

static void clock_device(struct aml *aml)
{
	vmm__aml_device(aml, "RTC0");
	vmm__aml_name(aml, "_HID");
	vmm__aml_eisa_id(aml, "PNP0B00");
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_ports(aml, X86_PORT_RTC, 2);
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

static void panic_port(struct aml *aml)
{
	vmm__aml_device(aml, "PEVT");
	vmm__aml_name(aml, "_HID");
	vmm__aml_string(aml, "QEMU0001");
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_ports(aml, X86_PORT_PVPANIC, 1);
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

/*
 * The power button, and the generic event device (ACPI 6.4, 5.6.9) that tells
 * of it and of PCI slots: reading EVNT takes the pending events and lets the line go.
 */
static void events(struct aml *aml, bool has_pci)
{
	static const char *const names[] = { "EVNT" };

	vmm__aml_device(aml, "PWRB");
	vmm__aml_name(aml, "_HID");
	vmm__aml_eisa_id(aml, "PNP0C0C");
	vmm__aml_name(aml, "_UID");
	vmm__aml_int(aml, 0);
	vmm__aml_end(aml);

	vmm__aml_device(aml, "GED0");
	vmm__aml_name(aml, "_HID");
	vmm__aml_string(aml, "ACPI0013");
	vmm__aml_name(aml, "_UID");
	vmm__aml_int(aml, 0);
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_interrupt(aml, X86_GSI_EVENTS, false);
	vmm__aml_end(aml);
	vmm__aml_registers(aml, "EREG", AML_SPACE_IO, X86_PORT_POWER + POWER_EVENTS, 8, names, 1);

	vmm__aml_method(aml, "_EVT", 1);
	vmm__aml_op(aml, AML_STORE);
	vmm__aml_path(aml, "EVNT");
	vmm__aml_op(aml, AML_LOCAL0);
	vmm__aml_if(aml);
	vmm__aml_op(aml, AML_AND);
	vmm__aml_op(aml, AML_LOCAL0);
	vmm__aml_int(aml, POWER_EVENT_BUTTON);
	vmm__aml_int(aml, 0);			/* no target */
	vmm__aml_op(aml, AML_NOTIFY);
	vmm__aml_path(aml, "PWRB");
	vmm__aml_int(aml, 0x80);		/* pressed (ACPI 6.4, table 5.135) */
	vmm__aml_end(aml);
	if (has_pci) {
		vmm__aml_if(aml);
		vmm__aml_op(aml, AML_AND);
		vmm__aml_op(aml, AML_LOCAL0);
		vmm__aml_int(aml, POWER_EVENT_SLOTS);
		vmm__aml_int(aml, 0);
		vmm__aml_path(aml, "\\_SB.PCI0.SLTS");
		vmm__aml_end(aml);
	}
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

static void virtio_mmio(struct aml *aml, const struct machine_desc *desc, uint32_t i)
{
	char name[16];

	snprintf(name, sizeof(name), "VM%02X", i);
	vmm__aml_device(aml, name);
	vmm__aml_name(aml, "_HID");
	vmm__aml_string(aml, "LNRO0005");
	vmm__aml_name(aml, "_UID");
	vmm__aml_int(aml, i);
	vmm__aml_name(aml, "_CCA");
	vmm__aml_int(aml, 1);
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_memory(aml, (uint32_t)desc->mmio[i].base, desc->mmio[i].size);
	vmm__aml_resource_interrupt(aml, desc->mmio[i].gsi, true);
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

/* ---- the PCI bus ---- */

/* ACPI 6.4, 6.2.13: each slot's pins take turns on the eight inputs. */
static void pci_interrupts(struct aml *aml)
{
	vmm__aml_name(aml, "_PRT");
	vmm__aml_package(aml, 32 * 4);
	for (uint32_t i = 0; i < 32 * 4; i++) {
		uint32_t slot = i / 4, pin = i % 4;

		vmm__aml_package(aml, 4);
		vmm__aml_int(aml, slot << 16 | 0xffff);
		vmm__aml_int(aml, pin);
		vmm__aml_int(aml, 0);		/* no link device: */
		vmm__aml_int(aml, X86_GSI_PCI + (slot + pin) % X86_NR_GSI_PCI);
		vmm__aml_end(aml);
	}
	vmm__aml_end(aml);
}

/*
 * _OSC (PCI Firmware 3.3, 4.5.1): of what the system offers to take over, it
 * gets the PCI Express capability structure. There is no other native feature.
 */
static void pci_osc(struct aml *aml)
{
	/* 33DB4D5B-1FF7-401C-9657-7441C03DD766 */
	static const uint8_t pci_uuid[16] = {
		0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
		0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
	};

	vmm__aml_method(aml, "_OSC", 4);
	vmm__aml_op(aml, AML_CREATE_DWORD_FIELD);
	vmm__aml_op(aml, AML_ARG3);
	vmm__aml_int(aml, 0);
	vmm__aml_path(aml, "CDW1");

	vmm__aml_if(aml);
	vmm__aml_op(aml, AML_EQUAL);
	vmm__aml_op(aml, AML_ARG0);
	vmm__aml_buffer(aml);
	vmm__aml_bytes(aml, pci_uuid, sizeof(pci_uuid));
	vmm__aml_end(aml);

	vmm__aml_op(aml, AML_CREATE_DWORD_FIELD);
	vmm__aml_op(aml, AML_ARG3);
	vmm__aml_int(aml, 8);
	vmm__aml_path(aml, "CDW3");
	vmm__aml_op(aml, AML_AND);
	vmm__aml_path(aml, "CDW3");
	vmm__aml_int(aml, 1 << 4);
	vmm__aml_path(aml, "CDW3");
	vmm__aml_if(aml);
	vmm__aml_op(aml, AML_NOT);
	vmm__aml_op(aml, AML_EQUAL);
	vmm__aml_op(aml, AML_ARG1);
	vmm__aml_int(aml, 1);
	vmm__aml_op(aml, AML_OR);
	vmm__aml_path(aml, "CDW1");
	vmm__aml_int(aml, 1 << 3);		/* unknown revision */
	vmm__aml_path(aml, "CDW1");
	vmm__aml_end(aml);
	vmm__aml_end(aml);

	vmm__aml_else(aml);
	vmm__aml_op(aml, AML_OR);
	vmm__aml_path(aml, "CDW1");
	vmm__aml_int(aml, 1 << 2);		/* unknown UUID */
	vmm__aml_path(aml, "CDW1");
	vmm__aml_end(aml);

	vmm__aml_op(aml, AML_RETURN);
	vmm__aml_op(aml, AML_ARG3);
	vmm__aml_end(aml);
}

/* ---- hot plug (ACPI 6.4, 5.6.6 and 6.3.3) ---- */

#define NR_SLOTS	32u	/* slot 0 is the bridge's */

static const char *slot_name(uint32_t slot, char name[8])
{
	snprintf(name, 8, "S%02X", slot);
	return name;
}

/* A slot whose device can be ejected: what was asked for, the guest does, and then says so. */
static void slot_device(struct aml *aml, uint32_t slot)
{
	char name[8];

	vmm__aml_device(aml, slot_name(slot, name));
	vmm__aml_name(aml, "_ADR");
	vmm__aml_int(aml, slot << 16);
	vmm__aml_name(aml, "_SUN");
	vmm__aml_int(aml, slot);
	vmm__aml_method(aml, "_EJ0", 1);
	vmm__aml_op(aml, AML_STORE);
	vmm__aml_int(aml, 1u << slot);
	vmm__aml_path(aml, "SLEJ");
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

/* Notify the slots of which register @name has the bits. */
static void slots_notify(struct aml *aml, const char *name, uint32_t what)
{
	char slot[8];

	vmm__aml_op(aml, AML_STORE);
	vmm__aml_path(aml, name);
	vmm__aml_op(aml, AML_LOCAL1);
	for (uint32_t i = 1; i < NR_SLOTS; i++) {
		vmm__aml_if(aml);
		vmm__aml_op(aml, AML_AND);
		vmm__aml_op(aml, AML_LOCAL1);
		vmm__aml_int(aml, 1u << i);
		vmm__aml_int(aml, 0);		/* no target */
		vmm__aml_op(aml, AML_NOTIFY);
		vmm__aml_path(aml, slot_name(i, slot));
		vmm__aml_int(aml, what);
		vmm__aml_end(aml);
	}
}

static void pci_slots(struct aml *aml)
{
	static const char *const names[] = { "SLIN", "SLGO", "SLEJ" };

	vmm__aml_registers(aml, "SREG", AML_SPACE_IO, X86_PORT_SLOTS, 32, names, 3);
	for (uint32_t i = 1; i < NR_SLOTS; i++)
		slot_device(aml, i);
	vmm__aml_method(aml, "SLTS", 0);
	slots_notify(aml, "SLIN", 1);		/* device check */
	slots_notify(aml, "SLGO", 3);		/* eject request */
	vmm__aml_end(aml);
}

static void pci(struct aml *aml)
{
	const struct arch_layout *layout = vmm__arch_layout(-1);

	vmm__aml_device(aml, "PCI0");
	vmm__aml_name(aml, "_HID");
	vmm__aml_eisa_id(aml, "PNP0A08");
	vmm__aml_name(aml, "_CID");
	vmm__aml_eisa_id(aml, "PNP0A03");
	vmm__aml_name(aml, "_UID");
	vmm__aml_int(aml, 0);
	vmm__aml_name(aml, "_SEG");
	vmm__aml_int(aml, 0);
	vmm__aml_name(aml, "_BBN");
	vmm__aml_int(aml, 0);
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_buses(aml, 0, 0);
	vmm__aml_resource_ports(aml, 0xcf8, 8);
	vmm__aml_resource_window32(aml, (uint32_t)layout->pci_base, (uint32_t)layout->pci_size);
	vmm__aml_resource_window64(aml, layout->pci64_base, layout->pci64_size);
	vmm__aml_end(aml);
	pci_interrupts(aml);
	pci_osc(aml);
	pci_slots(aml);
	vmm__aml_end(aml);
}

/* Addresses that belong to the board: nothing may be placed there. */
static void motherboard(struct aml *aml, bool has_pci)
{
	vmm__aml_device(aml, "MBRD");
	vmm__aml_name(aml, "_HID");
	vmm__aml_eisa_id(aml, "PNP0C02");
	vmm__aml_name(aml, "_UID");
	vmm__aml_int(aml, 0);
	vmm__aml_name(aml, "_CRS");
	vmm__aml_resources(aml);
	vmm__aml_resource_ports(aml, X86_PORT_POWER, X86_PORT_POWER_SIZE);
	vmm__aml_resource_ports(aml, X86_PORT_SLOTS, X86_PORT_SLOTS_SIZE);
	if (has_pci)
		vmm__aml_resource_memory(aml, X86_ECAM_BASE, X86_ECAM_SIZE);
	vmm__aml_end(aml);
	vmm__aml_end(aml);
}

void vmm__dsdt_write(struct aml *aml, const struct machine_desc *desc)
{
	sleep_state(aml);

	vmm__aml_scope(aml, "\\_SB");
	processors(aml, desc->nr_vcpus);
	motherboard(aml, desc->has_pci);
	if (desc->has_pci)
		pci(aml);
	if (desc->has_serial)
		serial(aml);
	clock_device(aml);
	panic_port(aml);
	events(aml, desc->has_pci);
	for (uint32_t i = 0; i < desc->nr_mmio; i++)
		virtio_mmio(aml, desc, i);
	vmm__aml_end(aml);
}
