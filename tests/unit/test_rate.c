/* SPDX-License-Identifier: MIT */
/* test_rate.c - token buckets: rates kept exactly, bursts, debts, changes on the way. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "core/rate_priv.h"

#define SECOND	1000000000ull
#define START	(1000 * SECOND)

static struct rate rate;

static void limit(uint64_t bytes, uint64_t bytes_burst, uint64_t ops, uint64_t ops_burst,
		  uint64_t now)
{
	struct vmm_rate limits = VMM_RATE_INIT;

	limits.bytes_per_second = bytes;
	limits.bytes_burst = bytes_burst;
	limits.ops_per_second = ops;
	limits.ops_burst = ops_burst;
	ck_assert_int_eq(vmm__rate_set(&rate, &limits, now), 0);
}

/* Operations of @bytes that start until @end, each as early as it may. */
static uint64_t started(uint64_t bytes, uint64_t *now, uint64_t end)
{
	uint64_t n = 0;

	while (*now < end) {
		uint64_t again = vmm__rate_take(&rate, bytes, 1, *now);

		if (again == 0) {
			n++;
			continue;
		}
		/* Not an assertion for each: there are millions. */
		if (again <= *now)
			ck_abort_msg("told to come again in the past");
		*now = again;
	}
	return n;
}

static void setup(void)
{
	rate = (struct rate){ .bytes = { 0 } };
}

START_TEST(without_a_limit_nothing_ever_waits)
{
	ck_assert(!vmm__rate_limited(&rate));
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(vmm__rate_take(&rate, UINT64_MAX, UINT64_MAX, START), 0);
	limit(0, 0, 5, 0, START);
	ck_assert(vmm__rate_limited(&rate));
	ck_assert_int_eq(vmm__rate_set(&rate, NULL, START), 0);
	ck_assert(!vmm__rate_limited(&rate));
}
END_TEST

/* Rates that divide a second, that do not, and that are beyond a nanosecond. */
static const uint64_t rates[] = { 1, 3, 7, 1000, 999983, 1000000 };

START_TEST(a_rate_is_kept_exactly_over_a_long_time)
{
	uint64_t per_second = rates[_i], seconds = per_second > 1000 ? 3 : 1000, now = START, n;

	limit(0, 0, per_second, 1, START);
	n = started(4096, &now, START + seconds * SECOND);
	ck_assert_uint_ge(n, per_second * seconds);
	ck_assert_uint_le(n, per_second * seconds + 1);
}
END_TEST

START_TEST(bytes_are_limited_whatever_the_size_of_an_operation)
{
	uint64_t now = START, n;

	/* The burst is a tenth of a second's, less than one operation: it is owed. */
	limit(1000000, 0, 0, 0, START);
	n = started(300000, &now, START + 100 * SECOND);
	ck_assert_uint_ge(n, 333);
	ck_assert_uint_le(n, 334);
}
END_TEST

START_TEST(the_stricter_of_both_limits_counts)
{
	uint64_t now = START, n;

	limit(1000000, 1, 10, 1, START);
	n = started(1000, &now, START + 100 * SECOND);
	ck_assert_uint_ge(n, 1000);
	ck_assert_uint_le(n, 1001);
	n = started(1000000, &now, START + 200 * SECOND);
	ck_assert_uint_ge(n, 99);
	ck_assert_uint_le(n, 101);
}
END_TEST

START_TEST(a_rest_saves_up_a_burst_and_no_more)
{
	uint64_t now = START;

	limit(0, 0, 100, 50, START);
	ck_assert_uint_eq(started(0, &now, START + 1), 50);
	/* A long rest, then a short one. */
	now = START + 3600 * SECOND;
	ck_assert_uint_eq(started(0, &now, START + 3600 * SECOND + 1), 50);
	now = START + 3600 * SECOND + SECOND / 10;
	ck_assert_uint_eq(started(0, &now, START + 3600 * SECOND + SECOND / 10 + 1), 10);
}
END_TEST

START_TEST(it_may_start_at_the_time_it_was_told_and_not_before)
{
	uint64_t again;

	limit(1000, 1000, 0, 0, START);
	ck_assert_uint_eq(vmm__rate_take(&rate, 5000, 1, START), 0);
	again = vmm__rate_take(&rate, 1, 1, START);
	/* 1000 were there, 4000 are owed, and one more is wanted. */
	ck_assert_uint_eq(again, START + 4001 * (SECOND / 1000));
	ck_assert_uint_eq(vmm__rate_take(&rate, 1, 1, again - 1), again);
	ck_assert_uint_eq(vmm__rate_take(&rate, 1, 1, again), 0);
}
END_TEST

START_TEST(what_is_refused_by_one_bucket_is_not_taken_from_the_other)
{
	uint64_t again;

	limit(1000, 1000, 1, 1, START);
	ck_assert_uint_eq(vmm__rate_take(&rate, 1, 1, START), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_gt(vmm__rate_take(&rate, 1000, 1, START), 0);
	again = vmm__rate_take(&rate, 900, 1, START);
	ck_assert_uint_eq(vmm__rate_take(&rate, 900, 1, again), 0);
	ck_assert_uint_le(again, START + SECOND + 1);
}
END_TEST

START_TEST(a_new_rate_counts_at_once_and_keeps_what_is_owed)
{
	uint64_t again;

	limit(1, 1, 0, 0, START);
	ck_assert_uint_eq(vmm__rate_take(&rate, 1000001, 1, START), 0);
	again = vmm__rate_take(&rate, 1, 1, START);
	ck_assert_uint_ge(again, START + 1000000 * SECOND);
	/* A million bytes are owed: a second at the new rate. */
	limit(1000000, 1, 0, 0, START);
	again = vmm__rate_take(&rate, 1, 1, START);
	ck_assert_uint_ge(again, START + SECOND);
	ck_assert_uint_le(again, START + SECOND + 2000);
}
END_TEST

START_TEST(a_change_gives_nothing_away_and_takes_nothing)
{
	uint64_t now = START;

	limit(0, 0, 100, 50, START);
	ck_assert_uint_eq(vmm__rate_take(&rate, 0, 20, START), 0);
	limit(0, 0, 100, 100, START);		/* 30 are held */
	ck_assert_uint_eq(started(0, &now, START + 1), 30);
	now = START;
	limit(0, 0, 100, 10, START);		/* none */
	ck_assert_uint_eq(started(0, &now, START + 1), 0);
	now = START;
	limit(0, 0, 0, 0, START);
	limit(0, 0, 100, 40, START);		/* there was no limit: full */
	ck_assert_uint_eq(started(0, &now, START + 1), 40);
	now = START;
	limit(0, 0, 100, 100, START + SECOND);	/* 40 came and no more */
	limit(0, 0, 100, 5, START + SECOND);	/* 35 do not fit */
	now = START + SECOND;
	ck_assert_uint_eq(started(0, &now, START + SECOND + 1), 5);
}
END_TEST

START_TEST(enormous_numbers_do_not_wrap)
{
	uint64_t again;

	limit(1, 1, VMM__RATE_MAX, VMM__RATE_MAX, START);
	ck_assert_uint_eq(vmm__rate_take(&rate, UINT64_MAX, 1, START), 0);
	again = vmm__rate_take(&rate, 1, 1, START);
	ck_assert_uint_gt(again, START + (1ull << 61));
	limit(VMM__RATE_MAX, VMM__RATE_MAX, VMM__RATE_MAX, 1, START);
	ck_assert_uint_gt(vmm__rate_take(&rate, 1, 1, START), START);
	limit(1, VMM__RATE_MAX, 1, VMM__RATE_MAX, START);
	ck_assert_uint_gt(vmm__rate_take(&rate, 1, 1, START), START);
}
END_TEST

START_TEST(limits_that_make_no_sense_are_refused_and_change_nothing)
{
	const struct vmm_rate wrong[] = {
		{ sizeof(struct vmm_rate), 0, 1, 0, 0 },
		{ sizeof(struct vmm_rate), 0, 0, 0, 1 },
		{ sizeof(struct vmm_rate), VMM__RATE_MAX + 1, 0, 0, 0 },
		{ sizeof(struct vmm_rate), 1, VMM__RATE_MAX + 1, 0, 0 },
		{ sizeof(struct vmm_rate), 0, 0, UINT64_MAX, 0 },
		{ 3, 1, 1, 1, 1 },
	};
	uint64_t now = START;

	limit(0, 0, 7, 7, START);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_int_eq(vmm__rate_set(&rate, &wrong[i], START), -EINVAL);
	ck_assert_uint_eq(started(0, &now, START + 1), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rate");
	TCase *tc = tcase_create("rate");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, without_a_limit_nothing_ever_waits);
	tcase_add_loop_test(tc, a_rate_is_kept_exactly_over_a_long_time, 0,
			    sizeof(rates) / sizeof(rates[0]));
	tcase_add_test(tc, bytes_are_limited_whatever_the_size_of_an_operation);
	tcase_add_test(tc, the_stricter_of_both_limits_counts);
	tcase_add_test(tc, a_rest_saves_up_a_burst_and_no_more);
	tcase_add_test(tc, it_may_start_at_the_time_it_was_told_and_not_before);
	tcase_add_test(tc, what_is_refused_by_one_bucket_is_not_taken_from_the_other);
	tcase_add_test(tc, a_new_rate_counts_at_once_and_keeps_what_is_owed);
	tcase_add_test(tc, a_change_gives_nothing_away_and_takes_nothing);
	tcase_add_test(tc, enormous_numbers_do_not_wrap);
	tcase_add_test(tc, limits_that_make_no_sense_are_refused_and_change_nothing);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
