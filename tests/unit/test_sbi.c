/* SPDX-License-Identifier: MIT */
/* test_sbi.c - calls of a guest to its firmware's console, well meant and hostile. */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/memory.h>
#include "arch/arch_priv.h"
#include "arch/riscv64/sbi_priv.h"
#include "core/memory_priv.h"

#define RAM_GPA	0x80000000ull
#define DBCN	0x4442434eul

enum { SUCCESS = 0, NOT_SUPPORTED = -2, INVALID_PARAM = -3, DENIED = -4 };

static unsigned char ram[8192];
static struct vmm_mem mem;
static struct kvm_run run;
static char printed[4096];
static size_t nr_printed;
static const char *typed;
static size_t room;
static bool absent;

static int console_write(void *data, const void *bytes, size_t len)
{
	ck_assert_ptr_eq(data, printed);
	if (absent)
		return -ENODEV;
	if (len > room)
		len = room;
	memcpy(printed + nr_printed, bytes, len);
	nr_printed += len;
	return (int)len;
}

static int console_read(void *data, void *bytes, size_t len)
{
	size_t n = strlen(typed);

	if (absent)
		return -ENODEV;
	n = n < len ? n : len;
	memcpy(bytes, typed, n);
	typed += n;
	return (int)n;
}

static const struct arch_machine_host host = {
	.mem = &mem, .console_write = console_write, .console_read = console_read, .data = printed,
};

static void setup(void)
{
	memset(&mem, 0, sizeof(mem));
	mem.regions[0] = (struct mem_region){ .gpa = RAM_GPA, .size = sizeof(ram), .host = ram };
	mem.nr_regions = 1;
	memset(ram, 0, sizeof(ram));
	nr_printed = 0;
	room = sizeof(printed);
	typed = "";
	absent = false;
}

/* Returns the error; the value is in @run. */
static long call(unsigned long extension, unsigned long function, unsigned long a0,
		 unsigned long a1, unsigned long a2)
{
	memset(&run, 0, sizeof(run));
	run.exit_reason = KVM_EXIT_RISCV_SBI;
	run.riscv_sbi.extension_id = extension;
	run.riscv_sbi.function_id = function;
	run.riscv_sbi.args[0] = a0;
	run.riscv_sbi.args[1] = a1;
	run.riscv_sbi.args[2] = a2;
	run.riscv_sbi.ret[0] = run.riscv_sbi.ret[1] = 0x5555;
	vmm__riscv_sbi(&host, &run);
	return (long)run.riscv_sbi.ret[0];
}

START_TEST(a_write_prints_the_guests_bytes)
{
	memcpy(ram + 100, "hello", 5);
	ck_assert_int_eq(call(DBCN, 0, 5, RAM_GPA + 100, 0), SUCCESS);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 5);
	ck_assert_int_eq(call(DBCN, 2, '!', 0, 0), SUCCESS);
	ck_assert_uint_eq(nr_printed, 6);
	ck_assert_mem_eq(printed, "hello!", 6);
}
END_TEST

START_TEST(a_long_write_is_done_in_part)
{
	memset(ram, 'x', sizeof(ram));
	ck_assert_int_eq(call(DBCN, 0, 5000, RAM_GPA, 0), SUCCESS);
	ck_assert_uint_ge(run.riscv_sbi.ret[1], 1);
	ck_assert_uint_le(run.riscv_sbi.ret[1], 1024);
	ck_assert_uint_eq(nr_printed, run.riscv_sbi.ret[1]);
	room = 3;
	ck_assert_int_eq(call(DBCN, 0, 10, RAM_GPA, 0), SUCCESS);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 3);
	ck_assert_int_eq(call(DBCN, 0, 0, RAM_GPA, 0), SUCCESS);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 0);
}
END_TEST

START_TEST(a_read_gives_what_was_typed)
{
	typed = "abc";
	ck_assert_int_eq(call(DBCN, 1, 2, RAM_GPA + 8, 0), SUCCESS);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 2);
	ck_assert_mem_eq(ram + 8, "ab\0", 3);
	ck_assert_int_eq(call(DBCN, 1, 2000, RAM_GPA + 8, 0), SUCCESS);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 1);
	ck_assert_int_eq(call(DBCN, 1, 2000, RAM_GPA + 8, 0), SUCCESS);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 0);
}
END_TEST

/* threats: addresses of the guest's that are not its memory. */
START_TEST(memory_that_is_not_there_is_refused_and_loses_nothing)
{
	static const unsigned long bad[][3] = {
		{ 1, 0, 0 }, { 1, RAM_GPA - 1, 0 }, { 1, RAM_GPA + 8192, 0 }, { 2, RAM_GPA + 8191, 0 },
		{ 1, RAM_GPA, 1 }, { 1, RAM_GPA, ~0ul }, { 1024, RAM_GPA + 7169, 0 },
		{ ~0ul, RAM_GPA + 8000, 0 }, { 8, ~0ul - 3, 0 },
	};

	typed = "keep";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (unsigned long function = 0; function < 2; function++) {
			ck_assert_int_eq(call(DBCN, function, bad[i][0], bad[i][1], bad[i][2]),
					 INVALID_PARAM);
			ck_assert_uint_eq(run.riscv_sbi.ret[1], 0);
		}
	}
	ck_assert_uint_eq(nr_printed, 0);
	ck_assert_str_eq(typed, "keep");
}
END_TEST

START_TEST(without_a_console_it_is_denied)
{
	absent = true;
	ck_assert_int_eq(call(DBCN, 0, 5, RAM_GPA, 0), DENIED);
	ck_assert_int_eq(call(DBCN, 1, 5, RAM_GPA, 0), DENIED);
	ck_assert_int_eq(call(DBCN, 2, 'x', 0, 0), DENIED);
	ck_assert_int_eq(call(1, 0, 'x', 0, 0), SUCCESS);
	ck_assert_int_eq(call(2, 0, 0, 0, 0), -1);
}
END_TEST

START_TEST(the_console_of_the_first_version_works)
{
	ck_assert_int_eq(call(1, 0, 'x', 0, 0), SUCCESS);
	ck_assert_uint_eq(nr_printed, 1);
	ck_assert_int_eq(printed[0], 'x');
	ck_assert_int_eq(call(2, 0, 0, 0, 0), -1);
	typed = "\377";
	ck_assert_int_eq(call(2, 0, 0, 0, 0), 255);
}
END_TEST

START_TEST(what_is_unknown_is_not_supported)
{
	ck_assert_int_eq(call(DBCN, 3, 0, 0, 0), NOT_SUPPORTED);
	ck_assert_int_eq(call(DBCN, ~0ul, 0, 0, 0), NOT_SUPPORTED);
	ck_assert_int_eq(call(0x08000000, 0, 0, 0, 0), NOT_SUPPORTED);
	ck_assert_int_eq(call(0x09000000, 1, 2, 3, 4), NOT_SUPPORTED);
	ck_assert_int_eq(call(0, 0, 0, 0, 0), NOT_SUPPORTED);
	ck_assert_uint_eq(run.riscv_sbi.ret[1], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sbi");
	TCase *tc = tcase_create("sbi");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_write_prints_the_guests_bytes);
	tcase_add_test(tc, a_long_write_is_done_in_part);
	tcase_add_test(tc, a_read_gives_what_was_typed);
	tcase_add_test(tc, memory_that_is_not_there_is_refused_and_loses_nothing);
	tcase_add_test(tc, without_a_console_it_is_denied);
	tcase_add_test(tc, the_console_of_the_first_version_works);
	tcase_add_test(tc, what_is_unknown_is_not_supported);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
