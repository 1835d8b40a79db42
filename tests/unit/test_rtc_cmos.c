/* SPDX-License-Identifier: MIT */
/* test_rtc_cmos.c - the real time clock as a guest reads and sets it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bus/bus_priv.h"
#include "devices/legacy/rtc_cmos_priv.h"

static struct bus ports;
static struct rtc_cmos *rtc;

static void setup(void)
{
	ck_assert_int_eq(vmm__bus_init(&ports, "port", 0x10000), 0);
	ck_assert_int_eq(vmm__rtc_create(&ports, 0x70, &rtc), 0);
}

static void teardown(void)
{
	vmm__rtc_destroy(rtc);
	ck_assert(!vmm__bus_write(&ports, 0x70, 1, 0));
	vmm__bus_finish(&ports);
}

static unsigned get(unsigned reg)
{
	uint64_t value;

	ck_assert(vmm__bus_write(&ports, 0x70, 1, reg));
	ck_assert(vmm__bus_read(&ports, 0x71, 1, &value));
	return (unsigned)value;
}

static void set(unsigned reg, unsigned value)
{
	ck_assert(vmm__bus_write(&ports, 0x70, 1, reg));
	ck_assert(vmm__bus_write(&ports, 0x71, 1, value));
}

static int number(unsigned value)
{
	return get(11) & 4 ? (int)value : (int)(value >> 4) * 10 + (int)(value & 15);
}

static int hour(void)
{
	unsigned value = get(4);

	if (get(11) & 2)
		return number(value);
	return number(value & 0x7f) % 12 + (value & 0x80 ? 12 : 0);
}

/* As careful as a guest: read until two readings agree. */
static time_t guest_time(void)
{
	time_t a = -1, b = -2;

	while (a != b) {
		struct tm tm = {
			.tm_sec = number(get(0)), .tm_min = number(get(2)), .tm_hour = hour(),
			.tm_mday = number(get(7)), .tm_mon = number(get(8)) - 1,
			.tm_year = number(get(9)) + number(get(0x32)) * 100 - 1900,
		};

		b = a;
		a = timegm(&tm);
		ck_assert_int_eq(number(get(6)), tm.tm_wday + 1);
	}

	return a;
}

static void ck_near(time_t a, time_t b)
{
	ck_assert_int_le(labs(a - b), 1);
}

/* BCD or binary, 12 or 24 hours. */
START_TEST(it_shows_the_hosts_time_in_each_format)
{
	set(11, (unsigned)_i << 1);
	ck_near(guest_time(), time(NULL));
}
END_TEST

START_TEST(what_the_guest_sets_is_what_it_reads)
{
	static const uint8_t hours[4] = { 0x83, 0x15, 0x83, 15 };	/* 3 p.m. */

	set(11, 0x80 | (unsigned)_i << 1);
	set(0, _i & 2 ? 7 : 0x07);
	set(2, _i & 2 ? 30 : 0x30);
	set(4, hours[_i]);
	set(7, _i & 2 ? 29 : 0x29);
	set(8, _i & 2 ? 2 : 0x02);
	set(9, _i & 2 ? 24 : 0x24);
	set(0x32, _i & 2 ? 20 : 0x20);
	ck_assert_uint_eq(get(0), 7);		/* held until let go */
	set(11, (unsigned)_i << 1);
	ck_near(guest_time(), 1709220607);	/* 2024-02-29 15:30:07 UTC */
}
END_TEST

START_TEST(midnight_and_noon_are_twelve_on_a_clock_face)
{
	set(11, 0x84);				/* binary, 12 hours, held */
	set(4, 12);
	set(2, 0);
	set(0, 0);
	set(11, 0x04);
	ck_assert_uint_eq(get(4), 12);
	set(11, 0x06);
	ck_assert_uint_eq(get(4), 0);
	set(11, 0x84);
	set(4, 0x80 | 12);
	set(11, 0x04);
	ck_assert_uint_eq(get(4), 0x80 | 12);
	set(11, 0x06);
	ck_assert_uint_eq(get(4), 12);
}
END_TEST

START_TEST(one_register_can_be_set_by_itself)
{
	time_t before = guest_time();
	int minute = number(get(2));
	time_t want = before + ((minute + 30) % 60 - minute) * 60;

	set(11, 0x06);
	set(2, (unsigned)(minute + 30) % 60);
	ck_near(guest_time(), want);
}
END_TEST

START_TEST(a_reset_keeps_the_time_and_the_memory)
{
	set(11, 0x86);
	set(9, 99);
	set(0x40, 0x5a);
	vmm__rtc_reset(rtc);
	ck_assert_uint_eq(get(11), 2);
	ck_assert_uint_eq(get(10), 0x26);
	ck_assert_uint_eq(get(9), 0x99);
	ck_assert_uint_eq(get(0x40), 0x5a);
}
END_TEST

START_TEST(registers_that_only_read_cannot_be_written)
{
	set(12, 0xff);
	set(13, 0);
	set(10, 0xff);
	ck_assert_uint_eq(get(12), 0);
	ck_assert_uint_eq(get(13), 0x80);
	ck_assert_uint_eq(get(10) & 0x7f, 0x7f);
	set(0x8f, 0x12);			/* bit 7 is not part of the number */
	ck_assert_uint_eq(get(0x0f), 0x12);
}
END_TEST

/* The promise of MC146818: bit 7 of A clear, and the next 244 us do not change the time. */
START_TEST(an_update_is_announced)
{
	time_t limit = time(NULL) + 15;

	/* It comes each second, but a busy machine may not look in the right 0.2 ms. */
	while (!(get(10) & 0x80))
		ck_assert_int_lt(time(NULL), limit);
	set(11, 0x82);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(get(10) & 0x80, 0);
}
END_TEST

START_TEST(a_time_before_year_0_is_year_0)
{
	set(11, 0x86);
	set(0x32, 0);
	set(9, 0);
	set(8, 0);
	set(7, 0);
	set(11, 0x06);
	ck_assert_uint_eq(get(9), 0);
	ck_assert_uint_eq(get(0x32), 0);
	ck_assert_uint_le(get(8), 12);
}
END_TEST

START_TEST(a_wide_access_is_several_of_a_byte)
{
	uint64_t value;

	ck_assert(vmm__bus_write(&ports, 0x70, 2, 0x7750));
	ck_assert_uint_eq(get(0x50), 0x77);
	ck_assert(vmm__bus_read(&ports, 0x70, 2, &value));
	ck_assert_uint_eq(value, 0x77ff);
}
END_TEST

START_TEST(every_register_takes_every_value)
{
	for (unsigned b = 0; b < 8; b++) {
		for (unsigned reg = 0; reg < 256; reg++) {
			for (unsigned value = 0; value < 256; value += 51) {
				set(11, b << 1 | (value & 1) << 7);
				set(reg, value);
				for (unsigned r = 0; r < 10; r++)
					get(r);
			}
		}
	}
}
END_TEST

START_TEST(ports_that_are_taken_are_an_error)
{
	struct rtc_cmos *second = NULL;

	ck_assert_int_eq(vmm__rtc_create(&ports, 0x71, &second), -EEXIST);
	ck_assert_ptr_null(second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rtc_cmos");
	TCase *tcase = tcase_create("rtc_cmos");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, it_shows_the_hosts_time_in_each_format, 0, 4);
	tcase_add_loop_test(tcase, what_the_guest_sets_is_what_it_reads, 0, 4);
	tcase_add_test(tcase, midnight_and_noon_are_twelve_on_a_clock_face);
	tcase_add_test(tcase, one_register_can_be_set_by_itself);
	tcase_add_test(tcase, a_reset_keeps_the_time_and_the_memory);
	tcase_add_test(tcase, registers_that_only_read_cannot_be_written);
	tcase_add_test(tcase, an_update_is_announced);
	tcase_add_test(tcase, a_time_before_year_0_is_year_0);
	tcase_add_test(tcase, a_wide_access_is_several_of_a_byte);
	tcase_add_test(tcase, every_register_takes_every_value);
	tcase_add_test(tcase, ports_that_are_taken_are_an_error);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
