/* SPDX-License-Identifier: MIT */
/* test_acpi.c - the ACPI and SMBIOS tables as a guest reads them from its memory. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/common.h>
#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/tables_priv.h"
#include "core/memory_priv.h"

static unsigned char ram[1 << 20];
static struct vmm_mem mem;
static struct machine_desc desc;

static void setup(void)
{
	memset(ram, 0, sizeof(ram));
	mem = (struct vmm_mem){
		.regions = { { .gpa = 0, .size = sizeof(ram), .host = ram } },
		.nr_regions = 1,
	};
	desc = (struct machine_desc){
		.nr_vcpus = 2,
		.threads_per_core = 1,
		.nr_sockets = 1,
		.has_pci = true,
		.has_serial = true,
		.name = "guest",
	};
}

static uint64_t get(const unsigned char *at, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << 8 * i;

	return value;
}

static unsigned sum(const unsigned char *at, size_t bytes)
{
	unsigned char total = 0;

	for (size_t i = 0; i < bytes; i++)
		total = (unsigned char)(total + at[i]);

	return total;
}

static const unsigned char *table_at(uint64_t gpa)
{
	ck_assert_uint_ge(gpa, X86_ACPI);
	ck_assert_uint_lt(gpa, X86_ACPI + X86_ACPI_SIZE - 36);
	ck_assert_uint_eq(sum(ram + gpa, get(ram + gpa + 4, 4)), 0);
	return ram + gpa;
}

/* As a guest does: the first signature on a 16-byte boundary. */
static const unsigned char *xsdt_find(void)
{
	const unsigned char *rsdp = NULL;

	for (size_t at = 0xe0000; at < 0x100000 && !rsdp; at += 16) {
		if (memcmp(ram + at, "RSD PTR ", 8) == 0)
			rsdp = ram + at;
	}
	ck_assert_ptr_eq(rsdp, ram + X86_ACPI);
	ck_assert_uint_eq(sum(rsdp, 20), 0);
	ck_assert_uint_eq(sum(rsdp, 36), 0);
	ck_assert_uint_eq(rsdp[15], 2);

	return table_at(get(rsdp + 24, 8));
}

static const unsigned char *table_find(const char *signature)
{
	const unsigned char *xsdt = xsdt_find();
	size_t length = get(xsdt + 4, 4);

	ck_assert_mem_eq(xsdt, "XSDT", 4);
	for (size_t at = 36; at < length; at += 8) {
		const unsigned char *table = table_at(get(xsdt + at, 8));

		if (memcmp(table, signature, 4) == 0)
			return table;
	}

	return NULL;
}

START_TEST(the_tables_are_found_from_their_root)
{
	const unsigned char *fadt;

	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	fadt = table_find("FACP");
	ck_assert_ptr_nonnull(fadt);
	ck_assert_ptr_nonnull(table_find("APIC"));
	ck_assert_ptr_nonnull(table_find("MCFG"));
	ck_assert_mem_eq(table_at(get(fadt + 140, 8)), "DSDT", 4);
	ck_assert_uint_eq(get(fadt + 40, 4), get(fadt + 140, 8));
}
END_TEST

START_TEST(the_machine_is_hardware_reduced_and_can_be_reset_and_put_to_sleep)
{
	const unsigned char *fadt;

	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	fadt = table_find("FACP");
	ck_assert_uint_eq(get(fadt + 112, 4) & (1 << 20 | 1 << 10), 1 << 20 | 1 << 10);
	/* Address space, width, offset, access, address. */
	ck_assert_mem_eq(fadt + 116, "\1\10\0\1\x02\x06\0\0\0\0\0\0", 12);
	ck_assert_uint_eq(fadt[128], 1);
	ck_assert_mem_eq(fadt + 244, "\1\10\0\1\x00\x06\0\0\0\0\0\0", 12);
	ck_assert_mem_eq(fadt + 256, "\1\10\0\1\x01\x06\0\0\0\0\0\0", 12);
	ck_assert_uint_eq(get(fadt + 109, 2) & 2, 0);		/* no i8042 to look for */
}
END_TEST

START_TEST(a_machine_without_pci_has_no_mcfg)
{
	desc.has_pci = false;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	ck_assert_ptr_null(table_find("MCFG"));
}
END_TEST

START_TEST(mcfg_names_one_bus)
{
	const unsigned char *mcfg;

	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	mcfg = table_find("MCFG");
	ck_assert_uint_eq(get(mcfg + 4, 4), 60);
	ck_assert_uint_eq(get(mcfg + 44, 8), vmm__arch_layout(-1)->ecam_base);
	ck_assert_uint_eq(get(mcfg + 52, 8), 0);
}
END_TEST

/* 2 packages of 3 cores with 2 threads: the core takes two bits of the id. */
START_TEST(madt_lists_each_processor_by_its_apic_id)
{
	static const unsigned char ids[12] = { 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13 };
	const unsigned char *madt;

	desc.nr_vcpus = 12;
	desc.threads_per_core = 2;
	desc.nr_sockets = 2;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	madt = table_find("APIC");
	for (unsigned i = 0; i < 12; i++) {
		const unsigned char *entry = madt + 44 + 8 * i;

		ck_assert_mem_eq(entry, "\0\10", 2);
		ck_assert_uint_eq(entry[2], i);
		ck_assert_uint_eq(entry[3], ids[i]);
		ck_assert_uint_eq(get(entry + 4, 4), 1);
	}
	ck_assert_mem_eq(madt + 44 + 96, "\1\14\0\0\0\0\xc0\xfe\0\0\0\0", 12);
}
END_TEST

START_TEST(the_largest_machine_fits)
{
	desc.nr_vcpus = 255;
	desc.nr_mmio = MACHINE_MMIO_MAX;
	for (uint32_t i = 0; i < MACHINE_MMIO_MAX; i++) {
		desc.mmio[i].base = X86_MMIO_BASE + i * X86_MMIO_STRIDE;
		desc.mmio[i].size = X86_MMIO_STRIDE;
		desc.mmio[i].gsi = 5;
	}
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	ck_assert_ptr_nonnull(table_find("APIC"));
}
END_TEST

START_TEST(tables_that_do_not_fit_are_an_error)
{
	static uint8_t area[0x10000], untouched[0x10000];
	int full = vmm__acpi_build(area, sizeof(area), X86_ACPI, &desc);

	ck_assert_int_gt(full, 0);
	for (size_t size = 0; size < (size_t)full; size++) {
		memset(area, 0, sizeof(area));
		ck_assert_int_eq(vmm__acpi_build(area, size, X86_ACPI, &desc), -ENOSPC);
		ck_assert_mem_eq(area + size, untouched, sizeof(area) - size);
	}
}
END_TEST

START_TEST(a_guest_too_small_for_tables_is_told)
{
	mem.regions[0].size = 0xe8000;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "1 MiB"));
}
END_TEST

/* mov dx, 0x602; mov al, 1; out dx, al: what a jump to f000:fff0 finds. */
START_TEST(the_reset_vector_resets)
{
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	ck_assert_mem_eq(ram + 0xffff0, "\xba\x02\x06\xb0\x01\xee", 6);
}
END_TEST

START_TEST(an_impossible_topology_is_refused)
{
	desc.nr_vcpus = 5;
	desc.threads_per_core = 2;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), -EINVAL);
}
END_TEST

/* ---- SMBIOS ---- */

/* The structure of @type, walking as a guest does. */
static const unsigned char *smbios_find(unsigned type)
{
	const unsigned char *entry = ram + X86_SMBIOS, *s, *end;

	ck_assert_mem_eq(entry, "_SM3_", 5);
	ck_assert_uint_eq(sum(entry, entry[6]), 0);
	s = ram + get(entry + 16, 8);
	end = s + get(entry + 12, 4);
	while (s < end) {
		const unsigned char *next = s + s[1];

		if (s[0] == type)
			return s;
		while (next[0] || next[1])
			next++;
		s = next + 2;
	}
	ck_assert_ptr_eq(s, end);

	return NULL;
}

static const char *smbios_string(const unsigned char *s, unsigned number)
{
	const char *text = (const char *)s + s[1];

	ck_assert_uint_ne(number, 0);
	while (--number)
		text += strlen(text) + 1;

	return text;
}

START_TEST(smbios_shows_the_uuid_and_the_name)
{
	static const uint8_t uuid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					  0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	const unsigned char *s;

	memcpy(desc.uuid, uuid, sizeof(uuid));
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	s = smbios_find(1);
	ck_assert_ptr_nonnull(s);
	ck_assert_mem_eq(s + 8, "\x33\x22\x11\x00\x55\x44\x77\x66", 8);
	ck_assert_mem_eq(s + 16, uuid + 8, 8);
	ck_assert_str_eq(smbios_string(s, s[4]), "libvmm");
	ck_assert_str_eq(smbios_string(s, s[25]), "guest");
}
END_TEST

START_TEST(smbios_has_no_empty_string)
{
	static const char *const none[] = { NULL, "" };

	desc.name = none[_i];
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	ck_assert_uint_eq(smbios_find(1)[25], 0);
	ck_assert_ptr_nonnull(smbios_find(127));
}
END_TEST

START_TEST(smbios_shows_processors_and_memory)
{
	const unsigned char *s;

	desc.nr_vcpus = 8;
	desc.threads_per_core = 2;
	desc.nr_sockets = 2;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	s = smbios_find(4);
	ck_assert_uint_eq(s[35], 2);
	ck_assert_uint_eq(s[37], 4);
	s = smbios_find(17);
	ck_assert_uint_eq(get(s + 12, 2), 1);
	s = smbios_find(19);
	ck_assert_uint_eq(get(s + 23, 8), sizeof(ram) - 1);
	ck_assert_ptr_nonnull(smbios_find(127));
	ck_assert_ptr_null(smbios_find(99));
}
END_TEST

START_TEST(smbios_that_does_not_fit_is_an_error)
{
	static uint8_t area[0x10000];
	int full = vmm__smbios_build(area, sizeof(area), X86_SMBIOS, &desc, &mem);

	ck_assert_int_gt(full, 0);
	for (size_t size = 0; size < (size_t)full; size++) {
		int r = vmm__smbios_build(area, size, X86_SMBIOS, &desc, &mem);

		ck_assert_int_eq(r, -ENOSPC);
	}
	desc.nr_vcpus = 255;
	desc.nr_sockets = 255;
	ck_assert_int_gt(vmm__smbios_build(area, sizeof(area), X86_SMBIOS, &desc, &mem), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("acpi");
	TCase *tcase = tcase_create("tables");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, the_tables_are_found_from_their_root);
	tcase_add_test(tcase, the_machine_is_hardware_reduced_and_can_be_reset_and_put_to_sleep);
	tcase_add_test(tcase, a_machine_without_pci_has_no_mcfg);
	tcase_add_test(tcase, mcfg_names_one_bus);
	tcase_add_test(tcase, madt_lists_each_processor_by_its_apic_id);
	tcase_add_test(tcase, the_largest_machine_fits);
	tcase_add_test(tcase, tables_that_do_not_fit_are_an_error);
	tcase_add_test(tcase, a_guest_too_small_for_tables_is_told);
	tcase_add_test(tcase, the_reset_vector_resets);
	tcase_add_test(tcase, an_impossible_topology_is_refused);
	tcase_add_test(tcase, smbios_shows_the_uuid_and_the_name);
	tcase_add_loop_test(tcase, smbios_has_no_empty_string, 0, 2);
	tcase_add_test(tcase, smbios_shows_processors_and_memory);
	tcase_add_test(tcase, smbios_that_does_not_fit_is_an_error);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
