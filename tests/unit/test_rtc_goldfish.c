/* SPDX-License-Identifier: MIT */
/* test_rtc_goldfish.c - the clock as its driver uses it: time, setting, alarm. */
#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <libvmm/loop.h>

#include "bus/bus_priv.h"
#include "devices/legacy/rtc_goldfish_priv.h"
#include "fake_irqs.h"

#define BASE	0x10001000u
#define GSI	2u
#define SECOND	1000000000ull

enum {
	TIME_LOW = 0, TIME_HIGH = 4, ALARM_LOW = 8, ALARM_HIGH = 12, IRQ_ENABLED = 16,
	CLEAR_ALARM = 20, ALARM_STATUS = 24, CLEAR_INTERRUPT = 28,
};

static struct bus mmio;
static struct vmm_loop *loop;
static struct rtc_goldfish *rtc;

static void setup(void)
{
	struct rtc_goldfish_place place = { .bus = &mmio, .base = BASE, .gsi = GSI };

	ck_assert_int_eq(vmm__bus_init(&mmio, "MMIO", 0), 0);
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	place.loop = loop;
	ck_assert_int_eq(vmm__goldfish_create(&place, &rtc), 0);
}

static void teardown(void)
{
	uint64_t value;

	vmm__goldfish_destroy(rtc);
	ck_assert(!vmm__bus_read(&mmio, BASE, 4, &value));
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	vmm__bus_finish(&mmio);
}

static uint32_t get(uint32_t reg)
{
	uint64_t value;

	ck_assert(vmm__bus_read(&mmio, BASE + reg, 4, &value));
	return (uint32_t)value;
}

static void set(uint32_t reg, uint32_t value)
{
	ck_assert(vmm__bus_write(&mmio, BASE + reg, 4, value));
}

static void set64(uint32_t low, uint64_t value)
{
	set(low + 4, (uint32_t)(value >> 32));
	set(low, (uint32_t)value);
}

static uint64_t guest_time(void)
{
	uint64_t low = get(TIME_LOW);

	return (uint64_t)get(TIME_HIGH) << 32 | low;
}

static uint64_t host_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static bool line(void)
{
	return __atomic_load_n(&fake_lines[GSI], __ATOMIC_RELAXED);
}

/* Turns of the loop until the wire is up or @ms are over. */
static bool wait_line(int ms)
{
	uint64_t end = host_time() + (uint64_t)ms * 1000000;

	while (!line() && host_time() < end) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		(void)poll(&p, 1, 10);
		while (vmm_loop_dispatch(loop) > 0)
			continue;
	}
	return line();
}

START_TEST(it_shows_the_hosts_time)
{
	uint64_t before = host_time(), now = guest_time(), after = host_time();

	ck_assert_uint_le(before, now);
	ck_assert_uint_le(now, after);
}
END_TEST

START_TEST(it_goes_on_from_what_was_set)
{
	uint64_t now;

	set64(TIME_LOW, 1000 * SECOND);
	now = guest_time();
	ck_assert_uint_ge(now, 1000 * SECOND);
	ck_assert_uint_lt(now, 1060 * SECOND);
	/* Not a reset's business. */
	vmm__goldfish_reset(rtc);
	now = guest_time();
	ck_assert_uint_ge(now, 1000 * SECOND);
	ck_assert_uint_lt(now, 1060 * SECOND);
}
END_TEST

START_TEST(the_high_half_belongs_to_the_low_half_read_before)
{
	/* The low half wraps a millisecond from now. */
	set64(TIME_LOW, (5ull << 32) - 1000000);
	for (;;) {
		uint64_t a = guest_time(), b = guest_time();

		ck_assert_uint_le(a, b);
		ck_assert_uint_lt(b - a, SECOND);
		if (b >> 32 == 5)
			break;
	}
}
END_TEST

START_TEST(an_alarm_raises_the_wire_until_it_is_seen)
{
	set(IRQ_ENABLED, 1);
	set64(ALARM_LOW, guest_time() + 30000000);
	ck_assert_uint_eq(get(ALARM_STATUS), 1);
	ck_assert(wait_line(5000));
	ck_assert_uint_eq(get(ALARM_STATUS), 0);
	set(CLEAR_INTERRUPT, 1);
	ck_assert(!line());
	ck_assert(!wait_line(50));
}
END_TEST

START_TEST(an_alarm_in_the_past_comes_at_once)
{
	set(IRQ_ENABLED, 1);
	set64(ALARM_LOW, 1);
	ck_assert(wait_line(5000));
	/* The wire follows what is enabled. */
	set(IRQ_ENABLED, 0);
	ck_assert(!line());
	set(IRQ_ENABLED, 1);
	ck_assert(line());
}
END_TEST

START_TEST(an_alarm_that_was_cleared_does_not_come)
{
	set(IRQ_ENABLED, 1);
	set64(ALARM_LOW, guest_time() + 20000000);
	set(CLEAR_ALARM, 1);
	ck_assert_uint_eq(get(ALARM_STATUS), 0);
	ck_assert(!wait_line(60));
}
END_TEST

START_TEST(the_alarm_follows_when_the_clock_is_set)
{
	set(IRQ_ENABLED, 1);
	set64(TIME_LOW, 1000 * SECOND);
	set64(ALARM_LOW, 9000 * SECOND);
	ck_assert(!wait_line(20));
	set64(TIME_LOW, 9001 * SECOND);
	ck_assert(wait_line(5000));
}
END_TEST

/* threats: numbers at the edge of what 64 bits hold. */
START_TEST(an_alarm_at_the_end_of_time_is_none)
{
	set(IRQ_ENABLED, 1);
	set64(ALARM_LOW, UINT64_MAX);
	ck_assert(!wait_line(20));
	set64(TIME_LOW, 0);
	set64(ALARM_LOW, UINT64_MAX);
	ck_assert(!wait_line(20));
	ck_assert_uint_eq(get(ALARM_LOW), UINT32_MAX);
	ck_assert_uint_eq(get(ALARM_HIGH), UINT32_MAX);
}
END_TEST

START_TEST(reset_ends_alarm_and_interrupt)
{
	set(IRQ_ENABLED, 1);
	set64(ALARM_LOW, 1);
	ck_assert(wait_line(5000));
	set64(ALARM_LOW, guest_time() + 20000000);
	vmm__goldfish_reset(rtc);
	ck_assert(!line());
	ck_assert_uint_eq(get(IRQ_ENABLED), 0);
	ck_assert_uint_eq(get(ALARM_STATUS), 0);
	set(IRQ_ENABLED, 1);
	ck_assert(!wait_line(60));
}
END_TEST

START_TEST(only_whole_registers_are_there)
{
	uint64_t value;

	ck_assert(vmm__bus_read(&mmio, BASE, 8, &value));
	ck_assert_uint_eq(value, 0);
	ck_assert(vmm__bus_read(&mmio, BASE, 1, &value));
	ck_assert_uint_eq(value, 0);
	ck_assert(vmm__bus_write(&mmio, BASE + IRQ_ENABLED, 1, 1));
	ck_assert_uint_eq(get(IRQ_ENABLED), 0);
	ck_assert_uint_eq(get(CLEAR_ALARM), 0);
	ck_assert(vmm__bus_read(&mmio, BASE + 2, 4, &value));
	ck_assert_uint_eq(value, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rtc_goldfish");
	TCase *tc = tcase_create("rtc_goldfish");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, it_shows_the_hosts_time);
	tcase_add_test(tc, it_goes_on_from_what_was_set);
	tcase_add_test(tc, the_high_half_belongs_to_the_low_half_read_before);
	tcase_add_test(tc, an_alarm_raises_the_wire_until_it_is_seen);
	tcase_add_test(tc, an_alarm_in_the_past_comes_at_once);
	tcase_add_test(tc, an_alarm_that_was_cleared_does_not_come);
	tcase_add_test(tc, the_alarm_follows_when_the_clock_is_set);
	tcase_add_test(tc, an_alarm_at_the_end_of_time_is_none);
	tcase_add_test(tc, reset_ends_alarm_and_interrupt);
	tcase_add_test(tc, only_whole_registers_are_there);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
