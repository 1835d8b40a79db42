/* SPDX-License-Identifier: MIT */
/*
 * acpi.c - the static ACPI tables (ACPI 6.4, chapter 5): RSDP, XSDT, FADT, MADT, MCFG,
 * and the DSDT's header.
 */
#include <errno.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/aml_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/tables_priv.h"
#include "arch/x86_64/topology_priv.h"
#include "core/error_priv.h"
#include "devices/legacy/power_priv.h"
#include "devices/legacy/rtc_cmos_priv.h"

enum { HEADER = 36, RSDP = 36, RSDP_V1 = 20, FADT = 276, TABLES_MAX = 4 };

/* FADT flags (5.2.9). */
enum {
	FADT_WBINVD		= 1 << 0,
	FADT_C1			= 1 << 2,
	FADT_NO_POWER_BUTTON	= 1 << 4,	/* not a fixed one */
	FADT_NO_SLEEP_BUTTON	= 1 << 5,
	FADT_RESET_REGISTER	= 1 << 10,
	FADT_HARDWARE_REDUCED	= 1 << 20,
	/* IA-PC boot architecture flags (5.2.9.3); no i8042 bit: nothing is plugged into it. */
	BOOT_LEGACY_DEVICES	= 1 << 0,
	BOOT_NO_VGA		= 1 << 2,
	BOOT_NO_ASPM		= 1 << 4,
};

struct acpi_area {
	uint8_t *bytes;
	size_t size;
	size_t used;
	vmm_gpa_t gpa;
	vmm_gpa_t tables[TABLES_MAX];	/* that the XSDT lists */
	size_t nr_tables;
};

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* Make @length bytes add up to 0. */
static void checksum(uint8_t *bytes, size_t length, size_t at)
{
	uint8_t sum = 0;

	bytes[at] = 0;
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[at] = (uint8_t)-sum;
}

/* Where the next table goes, or NULL. */
static uint8_t *table_space(struct acpi_area *area, size_t length)
{
	size_t start = (area->used + 15) & ~(size_t)15;

	if (start > area->size || length > area->size - start)
		return NULL;

	area->used = start + length;
	return area->bytes + start;
}

static void table_header(uint8_t *table, const char *signature, uint8_t revision, size_t length)
{
	memcpy(table, signature, 4);
	put(table + 4, length, 4);
	table[8] = revision;
	memcpy(table + 10, "LIBVMM", 6);
	memcpy(table + 16, "LIBVMM  ", 8);
	put(table + 24, 1, 4);
	memcpy(table + 28, "VMM ", 4);
	put(table + 32, 1, 4);
	checksum(table, length, 9);
}

static vmm_gpa_t table_gpa(const struct acpi_area *area, const uint8_t *table)
{
	return area->gpa + (vmm_gpa_t)(table - area->bytes);
}

static int table_list(struct acpi_area *area, const uint8_t *table)
{
	area->tables[area->nr_tables++] = table_gpa(area, table);
	return 0;
}

static int no_room(const char *table)
{
	return vmm__fail(-ENOSPC, "no room for the ACPI table %s", table);
}

/* A Generic Address Structure (5.2.3.2): one byte at a port. */
static void port_register(uint8_t *at, uint16_t port)
{
	at[0] = AML_SPACE_IO;
	at[1] = 8;
	at[3] = 1;
	put(at + 4, port, 8);
}

static int write_dsdt(struct acpi_area *area, const struct machine_desc *desc, vmm_gpa_t *ret_gpa)
{
	uint8_t *table = table_space(area, HEADER);
	struct aml aml;

	if (!table)
		return no_room("DSDT");

	vmm__aml_init(&aml, table + HEADER, area->size - area->used);
	vmm__dsdt_write(&aml, desc);
	if (aml.failed)
		return no_room("DSDT");

	area->used += aml.length;
	table_header(table, "DSDT", 2, HEADER + aml.length);
	*ret_gpa = table_gpa(area, table);
	return 0;
}

static int write_fadt(struct acpi_area *area, const struct machine_desc *desc, vmm_gpa_t dsdt)
{
	uint8_t *table = table_space(area, FADT);
	uint16_t boot = BOOT_NO_VGA | BOOT_NO_ASPM;

	if (!table)
		return no_room("FADT");

	put(table + 40, dsdt, 4);
	table[45] = 4;				/* an enterprise server */
	table[108] = RTC_CENTURY;
	if (desc->has_serial)
		boot |= BOOT_LEGACY_DEVICES;
	put(table + 109, boot, 2);
	put(table + 112, FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
			 FADT_RESET_REGISTER | FADT_HARDWARE_REDUCED, 4);
	port_register(table + 116, X86_PORT_POWER + POWER_RESET);
	table[128] = POWER_RESET_VALUE;
	table[131] = 4;				/* version 6.4 */
	put(table + 140, dsdt, 8);
	port_register(table + 244, X86_PORT_POWER + POWER_SLEEP_CONTROL);
	port_register(table + 256, X86_PORT_POWER + POWER_SLEEP_STATUS);
	memcpy(table + 268, "LIBVMM", 6);	/* hypervisor vendor */
	table_header(table, "FACP", 6, FADT);

	return table_list(area, table);
}

/* The GSIs are the IOAPIC's pins and the ISA interrupts the first of them: no overrides. */
static int write_madt(struct acpi_area *area, const struct machine_desc *desc)
{
	size_t length = HEADER + 8 + 8 * (size_t)desc->nr_vcpus + 12 + 6;
	uint8_t *table = table_space(area, length), *entry;
	struct x86_topology topology;
	int r;

	if (!table)
		return no_room("MADT");
	r = vmm__x86_topology(desc->nr_vcpus, desc->threads_per_core, desc->nr_sockets, &topology);
	if (r < 0)
		return r;

	put(table + 36, X86_LAPIC_BASE, 4);
	put(table + 40, 1, 4);			/* there are PICs too */
	entry = table + 44;
	for (uint32_t i = 0; i < desc->nr_vcpus; i++, entry += 8) {
		entry[0] = 0;			/* local APIC */
		entry[1] = 8;
		entry[2] = (uint8_t)i;
		entry[3] = (uint8_t)vmm__x86_apic_id(&topology, i);
		put(entry + 4, 1, 4);		/* enabled */
	}

	entry[0] = 1;				/* IOAPIC, GSIs from 0 on */
	entry[1] = 12;
	put(entry + 4, X86_IOAPIC_BASE, 4);
	entry += 12;

	entry[0] = 4;				/* NMI: every processor's LINT1 */
	entry[1] = 6;
	entry[2] = 0xff;
	entry[5] = 1;
	table_header(table, "APIC", 5, length);

	return table_list(area, table);
}

static int write_mcfg(struct acpi_area *area)
{
	size_t length = HEADER + 8 + 16;
	uint8_t *table = table_space(area, length);

	if (!table)
		return no_room("MCFG");

	put(table + 44, X86_ECAM_BASE, 8);	/* segment 0, buses 0 to 0 */
	table_header(table, "MCFG", 1, length);

	return table_list(area, table);
}

static int write_xsdt(struct acpi_area *area, vmm_gpa_t *ret_gpa)
{
	size_t length = HEADER + 8 * area->nr_tables;
	uint8_t *table = table_space(area, length);

	if (!table)
		return no_room("XSDT");

	for (size_t i = 0; i < area->nr_tables; i++)
		put(table + HEADER + 8 * i, area->tables[i], 8);
	table_header(table, "XSDT", 1, length);
	*ret_gpa = table_gpa(area, table);

	return 0;
}

static void write_rsdp(uint8_t *rsdp, vmm_gpa_t xsdt)
{
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "LIBVMM", 6);
	rsdp[15] = 2;
	put(rsdp + 20, RSDP, 4);
	put(rsdp + 24, xsdt, 8);
	checksum(rsdp, RSDP_V1, 8);
	checksum(rsdp, RSDP, 32);
}

int vmm__acpi_build(uint8_t *bytes, size_t size, vmm_gpa_t gpa, const struct machine_desc *desc)
{
	struct acpi_area area = { .bytes = bytes, .size = size, .gpa = gpa };
	vmm_gpa_t dsdt = 0, xsdt = 0;
	uint8_t *rsdp = table_space(&area, RSDP);
	int r;

	if (!rsdp)
		return no_room("RSDP");

	r = write_dsdt(&area, desc, &dsdt);
	if (r == 0)
		r = write_fadt(&area, desc, dsdt);
	if (r == 0)
		r = write_madt(&area, desc);
	if (r == 0 && desc->has_pci)
		r = write_mcfg(&area);
	if (r == 0)
		r = write_xsdt(&area, &xsdt);
	if (r < 0)
		return r;

	write_rsdp(rsdp, xsdt);
	return (int)area.used;
}
