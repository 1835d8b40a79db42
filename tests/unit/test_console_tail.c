/* SPDX-License-Identifier: MIT */
/* test_console_tail.c - the last bytes of a console, whatever pieces they came in. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console/tail_priv.h"

static struct console_tail *tail;
static char kept[CONSOLE_TAIL], wanted[CONSOLE_TAIL];
static uint64_t total;

static void setup(void)
{
	tail = vmm__console_tail_new("hvc");
	ck_assert_ptr_nonnull(tail);
}

static void teardown(void)
{
	vmm__console_tail_free(tail);
}

static char byte_at(uint64_t n)
{
	return (char)(n * 7 + (n >> 8));
}

static void print(size_t len)
{
	char *bytes = malloc(len ? len : 1);

	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(total + i);
	vmm__console_tail_put(tail, bytes, len);
	total += len;
	free(bytes);
}

static void check_kept(void)
{
	uint64_t told, want = total < CONSOLE_TAIL ? total : CONSOLE_TAIL;
	size_t len = vmm__console_tail_copy(tail, kept, &told);

	ck_assert_uint_eq(told, total);
	ck_assert_uint_eq(vmm__console_tail_total(tail), total);
	ck_assert_uint_eq(len, want);
	for (size_t i = 0; i < len; i++)
		wanted[i] = byte_at(total - len + i);
	ck_assert_mem_eq(kept, wanted, len);
}

START_TEST(the_last_bytes_are_kept_in_order)
{
	static const size_t pieces[] = { 0, 1, 4095, 1, 4096, 4097, 3, 20000, 17, 4093 };

	check_kept();
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		print(pieces[i]);
		check_kept();
	}
	for (int i = 0; i < 3000; i++) {
		print((size_t)i % 11);
		check_kept();
	}
}
END_TEST

START_TEST(a_long_name_is_cut)
{
	char name[100];
	struct console_tail *t;

	memset(name, 'n', sizeof(name));
	name[99] = '\0';
	t = vmm__console_tail_new(name);
	ck_assert_uint_eq(strlen(t->name), sizeof(t->name) - 1);
	vmm__console_tail_free(t);
	vmm__console_tail_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console_tail");
	TCase *tcase = tcase_create("console_tail");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_last_bytes_are_kept_in_order);
	tcase_add_test(tcase, a_long_name_is_cut);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
