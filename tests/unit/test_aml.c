/* SPDX-License-Identifier: MIT */
/* test_aml.c - the AML writer against bytes worked out by hand from ACPI 6.4, chapter 20. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/aml_priv.h"

static uint8_t bytes[1 << 20];
static struct aml aml;

static void setup(void)
{
	memset(bytes, 0xee, sizeof(bytes));
	vmm__aml_init(&aml, bytes, sizeof(bytes));
}

#define CK_BYTES(...)								\
	do {									\
		static const uint8_t want[] = { __VA_ARGS__ };			\
										\
		ck_assert(!aml.failed);						\
		ck_assert_uint_eq(aml.length, sizeof(want));			\
		ck_assert_mem_eq(bytes, want, sizeof(want));			\
	} while (0)

START_TEST(an_integer_takes_as_few_bytes_as_it_can)
{
	vmm__aml_int(&aml, 0);
	vmm__aml_int(&aml, 1);
	vmm__aml_int(&aml, 2);
	vmm__aml_int(&aml, 0xff);
	vmm__aml_int(&aml, 0x100);
	vmm__aml_int(&aml, 0x10000);
	vmm__aml_int(&aml, 0x100000000);
	CK_BYTES(0, 1, 0x0a, 2, 0x0a, 0xff, 0x0b, 0, 1, 0x0c, 0, 0, 1, 0,
		 0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
}
END_TEST

START_TEST(names_are_padded_and_paths_are_prefixed)
{
	vmm__aml_path(&aml, "X");
	vmm__aml_path(&aml, "\\_SB");
	vmm__aml_path(&aml, "\\_SB.PCI0");
	vmm__aml_path(&aml, "A.B.C");
	CK_BYTES('X', '_', '_', '_', '\\', '_', 'S', 'B', '_',
		 '\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0',
		 0x2f, 3, 'A', '_', '_', '_', 'B', '_', '_', '_', 'C', '_', '_', '_');
}
END_TEST

START_TEST(an_eisa_id_is_three_letters_and_four_digits)
{
	vmm__aml_eisa_id(&aml, "PNP0A08");
	CK_BYTES(0x0c, 0x41, 0xd0, 0x0a, 0x08);
}
END_TEST

START_TEST(a_device_has_its_length_in_front)
{
	vmm__aml_device(&aml, "RTC0");
	vmm__aml_name(&aml, "_UID");
	vmm__aml_int(&aml, 7);
	vmm__aml_end(&aml);
	CK_BYTES(0x5b, 0x82, 12, 'R', 'T', 'C', '0', 0x08, '_', 'U', 'I', 'D', 0x0a, 7);
}
END_TEST

START_TEST(nested_terms_count_each_other)
{
	vmm__aml_scope(&aml, "S");
	vmm__aml_package(&aml, 1);
	vmm__aml_string(&aml, "a");
	vmm__aml_end(&aml);
	vmm__aml_end(&aml);
	CK_BYTES(0x10, 11, 'S', '_', '_', '_', 0x12, 5, 1, 0x0d, 'a', 0);
}
END_TEST

/* The body lengths around which the length's own size changes: 63, 4095, 2^20 - 1 counted all. */
static const struct { size_t body; uint8_t head[4]; size_t head_size; } lengths[] = {
	{ 62, { 63 }, 1 },
	{ 63, { 0x41, 0x04 }, 2 },
	{ 4093, { 0x4f, 0xff }, 2 },
	{ 4094, { 0x81, 0x00, 0x01 }, 3 },
	{ 65536, { 0x83, 0x00, 0x10 }, 3 },
};

START_TEST(a_length_grows_with_the_body)
{
	const size_t body = lengths[_i].body, head = lengths[_i].head_size;
	uint8_t b = 0x11;

	vmm__aml_if(&aml);
	for (size_t i = 0; i < body; i++)
		vmm__aml_bytes(&aml, &b, 1);
	vmm__aml_end(&aml);

	ck_assert(!aml.failed);
	ck_assert_uint_eq(aml.length, 1 + head + body);
	ck_assert_uint_eq(bytes[0], 0xa0);
	ck_assert_mem_eq(bytes + 1, lengths[_i].head, head);
	ck_assert_uint_eq(bytes[1 + head], 0x11);
	ck_assert_uint_eq(bytes[aml.length - 1], 0x11);
}
END_TEST

START_TEST(a_buffer_counts_its_bytes)
{
	vmm__aml_buffer(&aml);
	vmm__aml_bytes(&aml, "abc", 3);
	vmm__aml_end(&aml);
	CK_BYTES(0x11, 6, 0x0a, 3, 'a', 'b', 'c');
}
END_TEST

START_TEST(a_large_buffer_counts_in_a_word)
{
	uint8_t zeros[300] = { 0 };

	vmm__aml_buffer(&aml);
	vmm__aml_bytes(&aml, zeros, sizeof(zeros));
	vmm__aml_end(&aml);
	ck_assert_uint_eq(aml.length, 1 + 2 + 3 + 300);
	ck_assert_mem_eq(bytes, "\x11\x41\x13\x0b\x2c\x01", 6);
}
END_TEST

START_TEST(resources_end_with_a_tag)
{
	vmm__aml_resources(&aml);
	vmm__aml_resource_ports(&aml, 0x3f8, 8);
	vmm__aml_resource_interrupt(&aml, 4, true);
	vmm__aml_end(&aml);
	CK_BYTES(0x11, 22, 0x0a, 19, 0x47, 1, 0xf8, 0x03, 0xf8, 0x03, 1, 8,
		 0x89, 6, 0, 3, 1, 4, 0, 0, 0, 0x79, 0);
}
END_TEST

START_TEST(windows_say_first_last_and_length)
{
	vmm__aml_resource_buses(&aml, 0, 0);
	vmm__aml_resource_memory(&aml, 0xe0000000, 0x100000);
	vmm__aml_resource_window32(&aml, 0xc0000000, 0x20000000);
	vmm__aml_resource_window64(&aml, 1ull << 39, 1ull << 38);
	CK_BYTES(0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0,
		 0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0,
		 0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff, 0xff, 0xdf,
		 0, 0, 0, 0, 0, 0, 0, 0x20,
		 0x8a, 43, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0,
		 0, 0, 0, 0, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xbf, 0, 0, 0,
		 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0);
}
END_TEST

START_TEST(registers_are_a_region_and_its_fields)
{
	static const char *const names[] = { "AAAA", NULL, "CCCC" };

	vmm__aml_registers(&aml, "REGS", AML_SPACE_IO, 0x600, 8, names, 3);
	CK_BYTES(0x5b, 0x80, 'R', 'E', 'G', 'S', 1, 0x0b, 0, 6, 0x0a, 3,
		 0x5b, 0x81, 18, 'R', 'E', 'G', 'S', 1, 'A', 'A', 'A', 'A', 8, 0, 8,
		 'C', 'C', 'C', 'C', 8);
}
END_TEST

START_TEST(a_method_says_how_many_arguments_it_takes)
{
	vmm__aml_method(&aml, "_EVT", 1);
	vmm__aml_op(&aml, AML_RETURN);
	vmm__aml_op(&aml, AML_ARG0);
	vmm__aml_end(&aml);
	CK_BYTES(0x14, 8, '_', 'E', 'V', 'T', 0x09, 0xa4, 0x68);
}
END_TEST

/* Whatever the size of the room, nothing is written past it. */
START_TEST(what_does_not_fit_is_told_and_not_written)
{
	for (size_t room = 0; room < 40; room++) {
		setup();
		vmm__aml_init(&aml, bytes, room);
		vmm__aml_device(&aml, "DEV0");
		vmm__aml_name(&aml, "_CRS");
		vmm__aml_resources(&aml);
		vmm__aml_resource_interrupt(&aml, 1, false);
		vmm__aml_end(&aml);
		vmm__aml_end(&aml);
		ck_assert_int_eq(aml.failed, room < 27);
		ck_assert_uint_le(aml.length, room);
		for (size_t i = room; i < 64; i++)
			ck_assert_uint_eq(bytes[i], 0xee);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("aml");
	TCase *tcase = tcase_create("aml");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, an_integer_takes_as_few_bytes_as_it_can);
	tcase_add_test(tcase, names_are_padded_and_paths_are_prefixed);
	tcase_add_test(tcase, an_eisa_id_is_three_letters_and_four_digits);
	tcase_add_test(tcase, a_device_has_its_length_in_front);
	tcase_add_test(tcase, nested_terms_count_each_other);
	tcase_add_loop_test(tcase, a_length_grows_with_the_body, 0,
			    sizeof(lengths) / sizeof(lengths[0]));
	tcase_add_test(tcase, a_buffer_counts_its_bytes);
	tcase_add_test(tcase, a_large_buffer_counts_in_a_word);
	tcase_add_test(tcase, resources_end_with_a_tag);
	tcase_add_test(tcase, windows_say_first_last_and_length);
	tcase_add_test(tcase, registers_are_a_region_and_its_fields);
	tcase_add_test(tcase, a_method_says_how_many_arguments_it_takes);
	tcase_add_test(tcase, what_does_not_fit_is_told_and_not_written);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
