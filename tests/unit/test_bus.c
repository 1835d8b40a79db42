/* SPDX-License-Identifier: MIT */
/* test_bus.c - which range answers an access, also while ranges move. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "bus/bus_priv.h"

static struct bus bus;
static uint64_t last_offset, last_value;
static uint32_t last_width;

static uint64_t echo_read(void *state, uint64_t offset, uint32_t width)
{
	return (uint64_t)(uintptr_t)state + offset;
}

static void note_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	last_offset = offset;
	last_width = width;
	last_value = value;
}

static const struct vmm_range_ops ops = {
	.size = sizeof(ops), .name = "test", .read = echo_read, .write = note_write,
};

static int add(uint64_t base, uint64_t length, uintptr_t state)
{
	struct bus_range range = {
		.base = base, .length = length, .ops = &ops, .state = (void *)state,
	};

	return vmm__bus_add(&bus, &range);
}

static void setup(void)
{
	ck_assert_int_eq(vmm__bus_init(&bus, "test", 0), 0);
}

static void teardown(void)
{
	vmm__bus_finish(&bus);
}

START_TEST(an_access_goes_to_the_range_that_has_all_of_it)
{
	uint64_t value;

	ck_assert_int_eq(add(0x2000, 0x10, 0x200000), 0);
	ck_assert_int_eq(add(0x1000, 0x10, 0x100000), 0);
	ck_assert(vmm__bus_read(&bus, 0x100c, 4, &value));
	ck_assert_uint_eq(value, 0x10000c);
	ck_assert(vmm__bus_write(&bus, 0x2008, 8, 42));
	ck_assert_uint_eq(last_offset, 8);
	ck_assert_uint_eq(last_width, 8);
	ck_assert_uint_eq(last_value, 42);

	ck_assert(!vmm__bus_read(&bus, 0x100d, 4, &value));
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert(!vmm__bus_read(&bus, 0xfff, 1, &value));
	ck_assert(!vmm__bus_read(&bus, 0x1010, 1, &value));
	ck_assert(!vmm__bus_read(&bus, 0, 8, &value));
	ck_assert(!vmm__bus_write(&bus, UINT64_MAX, 8, 1));
}
END_TEST

START_TEST(ranges_may_touch_but_not_overlap)
{
	ck_assert_int_eq(add(0x1000, 0x10, 0), 0);
	ck_assert_int_eq(add(0x1010, 0x10, 0), 0);
	ck_assert_int_eq(add(0xff0, 0x10, 0), 0);
	ck_assert_int_eq(add(0x100f, 1, 0), -EEXIST);
	ck_assert_int_eq(add(0x1000, 0x10, 0), -EEXIST);
	ck_assert_int_eq(add(0, 0x10000, 0), -EEXIST);
	ck_assert_int_eq(add(0xfe0, 0x11, 0), -EEXIST);
}
END_TEST

START_TEST(an_absurd_range_is_refused)
{
	ck_assert_int_eq(add(0x1000, 0, 0), -EINVAL);
	ck_assert_int_eq(add(UINT64_MAX, 2, 0), -EINVAL);
	ck_assert_int_eq(add(UINT64_MAX, 1, 0), 0);
	bus.limit = 65536;
	ck_assert_int_eq(add(65535, 2, 0), -EINVAL);
	ck_assert_int_eq(add(65536, 1, 0), -EINVAL);
	ck_assert_int_eq(add(65535, 1, 0), 0);
}
END_TEST

START_TEST(many_ranges_are_found_and_removed)
{
	uint64_t value;

	for (uint64_t i = 0; i < 300; i++)
		ck_assert_int_eq(add((i * 7919 % 300) * 32, 16, 0), 0);
	for (uint64_t i = 0; i < 300; i++) {
		ck_assert(vmm__bus_read(&bus, i * 32 + 15, 1, &value));
		ck_assert(!vmm__bus_read(&bus, i * 32 + 16, 1, &value));
	}
	for (uint64_t i = 0; i < 300; i += 2)
		vmm__bus_remove(&bus, i * 32);
	vmm__bus_remove(&bus, 12345);
	for (uint64_t i = 0; i < 300; i++)
		ck_assert(vmm__bus_read(&bus, i * 32, 1, &value) == (i % 2 == 1));
}
END_TEST

static void *look(void *arg)
{
	uint64_t value;

	/* The fixed range is found whatever happens beside it. */
	while (!__atomic_load_n((bool *)arg, __ATOMIC_RELAXED)) {
		ck_assert(vmm__bus_read(&bus, 0x5000, 4, &value));
		ck_assert_uint_eq(value, 0x55);
		if (vmm__bus_read(&bus, 0x1008, 4, &value))
			ck_assert_uint_eq(value, 0x11 + 8);
	}
	return NULL;
}

START_TEST(a_range_may_move_while_others_are_looked_up)
{
	pthread_t threads[2];
	bool stop = false;

	ck_assert_int_eq(add(0x5000, 16, 0x55), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, look, &stop), 0);
	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(add(0x1000, 16, 0x11), 0);
		if (i < 200)
			ck_assert_int_eq(add(0x10000 + i * 16, 16, 0), 0);
		vmm__bus_remove(&bus, 0x1000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bus");
	TCase *tcase = tcase_create("bus");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_access_goes_to_the_range_that_has_all_of_it);
	tcase_add_test(tcase, ranges_may_touch_but_not_overlap);
	tcase_add_test(tcase, an_absurd_range_is_refused);
	tcase_add_test(tcase, many_ranges_are_found_and_removed);
	tcase_add_test(tcase, a_range_may_move_while_others_are_looked_up);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
