/* SPDX-License-Identifier: MIT */
/* test_pl031.c - Arm's real time clock: the time, setting it, and the alarm. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <libvmm/loop.h>
#include "bus/bus_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/pl031_priv.h"

enum { BASE = 0x9010000, GSI = 2 };
enum { DR = 0, MR = 4, LR = 8, CR = 0xc, IMSC = 0x10, RIS = 0x14, MIS = 0x18, ICR = 0x1c };

static struct vmm_loop *loop;
static struct bus mmio;
static struct pl031 *rtc;
static bool wire;

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	ck_assert_uint_eq(gsi, GSI);
	ck_assert(level != wire);
	wire = level;
	return 0;
}

static void put(uint32_t reg, uint32_t value)
{
	ck_assert(vmm__bus_write(&mmio, BASE + reg, 4, value));
}

static uint32_t get(uint32_t reg)
{
	uint64_t value = 0;

	ck_assert(vmm__bus_read(&mmio, BASE + reg, 4, &value));
	return (uint32_t)value;
}

static void setup(void)
{
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	ck_assert_int_eq(vmm__bus_init(&mmio, "MMIO", 0), 0);
	ck_assert_int_eq(vmm__pl031_create(&mmio, BASE, NULL, GSI, loop, &rtc), 0);
}

static void teardown(void)
{
	vmm__pl031_destroy(rtc);
	ck_assert_uint_eq(mmio.nr, 0);
	vmm__bus_finish(&mmio);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
}

static void run(void)
{
	while (vmm_loop_dispatch(loop) > 0)
		continue;
}

/* Run the loop until the wire is up or @ms have passed. */
static void run_until_wire(int ms)
{
	for (int i = 0; i < ms / 10 && !wire; i++) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		(void)poll(&p, 1, 10);
		run();
	}
}

/* The host's time did not jump between the two looks, or they are taken again. */
static void ck_time(int64_t difference)
{
	time_t before, after;
	uint32_t guest;

	do {
		before = time(NULL);
		guest = get(DR);
		after = time(NULL);
	} while (before != after);
	ck_assert_uint_eq(guest, (uint32_t)(before + difference));
}

START_TEST(it_says_what_it_is)
{
	static const uint32_t id[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_eq(get(0xfe0 + 4 * i), id[i]);
	ck_assert_uint_eq(get(CR), 1);
}
END_TEST

START_TEST(it_shows_the_hosts_time_until_it_is_set)
{
	time_t now;

	ck_time(0);
	now = time(NULL);
	put(LR, (uint32_t)now + 1000);
	ck_assert_uint_eq(get(LR), (uint32_t)now + 1000);
	ck_assert_uint_ge(get(DR), (uint32_t)now + 1000);
	ck_assert_uint_le(get(DR), (uint32_t)time(NULL) + 1001);
	/* To the very ends of it, and a reset keeps the time. */
	put(LR, UINT32_MAX);
	ck_assert(get(DR) == UINT32_MAX || get(DR) < 10);
	put(LR, 0);
	ck_assert_uint_lt(get(DR), 10);
	vmm__pl031_reset(rtc);
	ck_assert_uint_lt(get(DR), 20);
}
END_TEST

START_TEST(the_alarm_comes_when_it_is_time)
{
	put(IMSC, 1);
	put(MR, get(DR) + 1);
	run();
	run_until_wire(20000);
	ck_assert(wire);
	ck_assert_uint_eq(get(RIS), 1);
	ck_assert_uint_eq(get(MIS), 1);
	ck_assert_uint_ge(get(DR), get(MR));
	put(ICR, 1);
	ck_assert(!wire);
	ck_assert_uint_eq(get(RIS), 0);
	/* Once: it does not come again by itself. */
	run_until_wire(1500);
	ck_assert(!wire);
}
END_TEST

START_TEST(an_alarm_that_is_masked_waits_and_one_that_is_reset_is_gone)
{
	put(MR, get(DR));
	run();
	ck_assert(!wire);
	ck_assert_uint_eq(get(RIS), 1);
	ck_assert_uint_eq(get(MIS), 0);
	put(IMSC, 1);
	ck_assert(wire);
	vmm__pl031_reset(rtc);
	ck_assert(!wire);
	ck_assert_uint_eq(get(RIS) | get(IMSC) | get(MR), 0);
	put(MR, get(DR) + 1);
	vmm__pl031_reset(rtc);
	put(IMSC, 1);
	run_until_wire(1500);
	ck_assert(!wire);
}
END_TEST

/* The alarm's time is the guest's: who sets the clock to it sets it off. */
START_TEST(setting_the_clock_sets_off_the_alarm)
{
	uint32_t now = get(DR);

	put(IMSC, 1);
	put(MR, now - 1000);		/* in 136 years */
	run();
	ck_assert(!wire);
	put(LR, now - 1000);
	run();
	ck_assert(wire);
}
END_TEST

START_TEST(every_register_takes_every_access)
{
	for (uint64_t offset = 0; offset < 0x1000; offset++) {
		for (uint32_t width = 1; width <= 8 && offset + width <= 0x1000; width *= 2) {
			uint64_t value = 0;

			ck_assert(vmm__bus_write(&mmio, BASE + offset, width, UINT64_MAX));
			ck_assert(vmm__bus_read(&mmio, BASE + offset, width, &value));
			if (width != 4 || offset % 4)
				ck_assert_uint_eq(value, 0);
		}
	}
	run();
	vmm__pl031_reset(rtc);
	ck_assert(!wire);
}
END_TEST

START_TEST(one_that_cannot_be_made_leaves_nothing)
{
	struct pl031 *other;

	ck_assert_int_eq(vmm__pl031_create(&mmio, BASE, NULL, GSI, loop, &other), -EEXIST);
	vmm__pl031_destroy(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pl031");
	TCase *tcase = tcase_create("pl031");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, it_says_what_it_is);
	tcase_add_test(tcase, it_shows_the_hosts_time_until_it_is_set);
	tcase_add_test(tcase, the_alarm_comes_when_it_is_time);
	tcase_add_test(tcase, an_alarm_that_is_masked_waits_and_one_that_is_reset_is_gone);
	tcase_add_test(tcase, setting_the_clock_sets_off_the_alarm);
	tcase_add_test(tcase, every_register_takes_every_access);
	tcase_add_test(tcase, one_that_cannot_be_made_leaves_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
