/* SPDX-License-Identifier: MIT */
/* test_config.c - config structs of older and newer callers. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/common.h>
#include "core/config_priv.h"
#include "core/error_priv.h"

struct ours {
	size_t size;
	int a, b;
};

START_TEST(a_newer_caller_passes_when_the_new_fields_are_zero)
{
	struct { size_t size; int a, b, c, d; } newer = { sizeof(newer), 7, 8, 0, 0 };
	struct ours ours;

	ck_assert_int_eq(vmm__config_copy(&ours, sizeof(ours), &newer, newer.size, 8), 0);
	ck_assert_int_eq(ours.b, 8);
	newer.d = 1;
	ck_assert_int_eq(vmm__config_copy(&ours, sizeof(ours), &newer, newer.size, 8), -E2BIG);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "newer"));
}
END_TEST

START_TEST(an_older_callers_missing_fields_are_zero)
{
	struct { size_t size; int a; } old = { 12, 7 };
	struct ours ours = { 0, 1, 1 };

	ck_assert_int_eq(vmm__config_copy(&ours, sizeof(ours), &old, 12, 8), 0);
	ck_assert_int_eq(ours.a, 7);
	ck_assert_int_eq(ours.b, 0);
}
END_TEST

START_TEST(a_config_without_a_size_is_refused_with_advice)
{
	struct ours none = { 0, 0, 0 }, ours;

	ck_assert_int_eq(vmm__config_copy(&ours, sizeof(ours), &none, none.size, 8), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "_INIT"));
}
END_TEST

START_TEST(words_are_cut_not_overrun)
{
	char wide[1000];

	memset(wide, 'x', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	errno = ENOENT;
	ck_assert_int_eq(vmm__fail_errno("%s", wide), -ENOENT);
	ck_assert_uint_eq(strlen(vmm_last_error()), 255);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, a_newer_caller_passes_when_the_new_fields_are_zero);
	tcase_add_test(tcase, an_older_callers_missing_fields_are_zero);
	tcase_add_test(tcase, a_config_without_a_size_is_refused_with_advice);
	tcase_add_test(tcase, words_are_cut_not_overrun);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
