/* SPDX-License-Identifier: MIT */
/* test_watchdog.c - the i6300esb as Linux drives it, and as nobody should. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/legacy/i6300esb_priv.h"
#include "fake_machine.h"

enum { TIMER1, TIMER2 = 4, INTERRUPT = 8, RELOAD = 12, CONFIG = 0x60, LOCK = 0x68 };
enum { FEED = 0x100, TIMED_OUT = 0x200, LOCKED = 1, ENABLE = 2, FREE_RUN = 4 };

static struct i6300esb *watchdog;
static uint64_t since;
static unsigned expired;
static uint64_t ecam, bar;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t get_since(void *data)
{
	return since;
}

static void note_expired(void *data)
{
	expired++;
}

static void setup(void)
{
	struct i6300esb_host host = { .running_since = get_since, .expired = note_expired };

	fake_setup(true);
	host.pci = fake.pci;
	host.loop = fake.loop;
	expired = 0;
	since = 1;
	ck_assert_int_eq(vmm__i6300esb_create(&host, &watchdog), 0);
	ecam = vmm__arch_layout(-1)->ecam_base + (1u << 15);
	bar = fake_read(ecam + 0x10, 4) & ~15ull;
}

static void teardown(void)
{
	vmm__i6300esb_destroy(watchdog);
	fake_teardown();
}

/* As Linux does: unlock, then the write. */
static void put(uint32_t reg, uint32_t width, uint32_t value)
{
	fake_write(bar + RELOAD, 2, 0x80);
	fake_write(bar + RELOAD, 2, 0x86);
	fake_write(bar + reg, width, value);
}

/* @n thousandths of a second in each stage, nearly. */
static void start(uint32_t n)
{
	fake_write(ecam + CONFIG, 2, 0x0003);
	put(TIMER1, 4, n);
	put(TIMER2, 4, n);
	fake_write(ecam + LOCK, 1, ENABLE);
	put(RELOAD, 2, FEED);
}

static void run_ms(unsigned ms)
{
	uint64_t end = now_ns() + ms * 1000000ull;

	while (now_ns() < end) {
		fake_run();
		usleep(1000);
	}
}

/* Until it has expired @n times; a busy machine may take long. */
static void run_until_expired(unsigned n)
{
	uint64_t end = now_ns() + 20000000000ull;

	while (expired < n && now_ns() < end)
		run_ms(5);
	ck_assert_uint_ge(expired, n);
}

START_TEST(linux_finds_it)
{
	ck_assert_uint_eq(fake_read(ecam, 4), 0x25ab8086);
	ck_assert_uint_eq(fake_read(ecam + 0x0a, 2), 0x0880);
	ck_assert_uint_ne(bar, 0);
	fake_write(ecam + 0x10, 4, 0xffffffff);
	ck_assert_uint_eq(fake_read(ecam + 0x10, 4), 0xfffffff0);
}
END_TEST

START_TEST(a_guest_that_feeds_it_lives_and_one_that_stops_does_not)
{
	uint64_t fed;

	start(300);
	for (int i = 0; i < 20; i++) {
		run_ms(20);
		put(RELOAD, 2, FEED);
	}
	ck_assert_uint_eq(expired, 0);
	fed = now_ns();
	run_until_expired(1);
	/* Two stages of 300 times 2^15 clocks of 33 MHz. */
	ck_assert_uint_ge(now_ns() - fed, 2 * 295000000ull);
	ck_assert_uint_eq(fake_read(bar + RELOAD, 2) & TIMED_OUT, TIMED_OUT);
	run_ms(700);
	ck_assert_uint_eq(expired, 1);
	put(RELOAD, 2, TIMED_OUT);
	ck_assert_uint_eq(fake_read(bar + RELOAD, 2) & TIMED_OUT, 0);
}
END_TEST

START_TEST(nothing_happens_before_it_is_enabled_or_after_it_is_disabled)
{
	put(TIMER1, 4, 10);
	put(TIMER2, 4, 10);
	put(RELOAD, 2, FEED);
	run_ms(100);
	ck_assert_uint_eq(expired, 0);
	fake_write(ecam + LOCK, 1, ENABLE);
	fake_write(ecam + LOCK, 1, 0);
	run_ms(100);
	ck_assert_uint_eq(expired, 0);
	fake_write(ecam + LOCK, 1, ENABLE);
	run_until_expired(1);
}
END_TEST

static const uint16_t sequences[][3] = {
	{ 0x80, 0x80, 0 }, { 0x86, 0x80, 0 }, { 0x86, 0x86, 0 }, { 0, 0x80, 0x86 ^ 1 }, { 0x80, 0x100, 0x86 }, { 0, 0, 0 },
};

START_TEST(a_register_is_written_only_after_the_whole_sequence)
{
	put(TIMER1, 4, 0x1234);
	for (int i = 0; i < 3; i++) {
		if (sequences[_i][i])
			fake_write(bar + RELOAD, 2, sequences[_i][i]);
	}
	fake_write(bar + TIMER1, 4, 0x4321);
	ck_assert_uint_eq(fake_read(bar + TIMER1, 4), 0x1234);
	/* And once only. */
	put(TIMER1, 4, 0x11111);
	fake_write(bar + TIMER1, 4, 0x4321);
	ck_assert_uint_eq(fake_read(bar + TIMER1, 4), 0x11111);
	put(TIMER2, 4, 0xffffffff);
	ck_assert_uint_eq(fake_read(bar + TIMER2, 4), 0xfffff);
	put(TIMER2, 2, 1);
	ck_assert_uint_eq(fake_read(bar + TIMER2, 4), 0xfffff);
}
END_TEST

START_TEST(locked_is_locked_until_the_next_reset)
{
	fake_write(ecam + LOCK, 1, ENABLE | LOCKED);
	fake_write(ecam + LOCK, 1, 0);
	ck_assert_uint_eq(fake_read(ecam + LOCK, 1), ENABLE | LOCKED);
	fake_write(ecam + LOCK - 4 + 4, 4, FREE_RUN);
	ck_assert_uint_eq(fake_read(ecam + LOCK, 1), ENABLE | LOCKED);
	vmm__i6300esb_reset(watchdog);
	ck_assert_uint_eq(fake_read(ecam + LOCK, 1), 0);
	fake_write(ecam + LOCK, 1, FREE_RUN);
	ck_assert_uint_eq(fake_read(ecam + LOCK, 1), FREE_RUN);
}
END_TEST

START_TEST(without_output_it_only_counts)
{
	start(10);
	fake_write(ecam + CONFIG, 2, 0x0023);
	fake_write(ecam + LOCK, 1, ENABLE | FREE_RUN);
	run_ms(100);
	ck_assert_uint_eq(expired, 0);
	ck_assert_uint_eq(fake_read(bar + INTERRUPT, 4), 1);
	fake_write(bar + INTERRUPT, 4, 1);
	fake_write(ecam + LOCK, 1, 0);
	ck_assert_uint_eq(fake_read(bar + INTERRUPT, 4), 0);
}
END_TEST

START_TEST(running_free_it_expires_again_and_again_but_not_faster_than_is_good)
{
	uint64_t began = now_ns();

	fake_write(ecam + CONFIG, 2, 0x0007);	/* the fast clock */
	put(TIMER1, 4, 0);
	put(TIMER2, 4, 0);
	fake_write(ecam + LOCK, 1, ENABLE | FREE_RUN);
	run_until_expired(2);
	ck_assert_uint_le(expired, (now_ns() - began) / 20000000u + 1);
}
END_TEST

START_TEST(time_that_the_guest_did_not_run_does_not_count)
{
	unsigned early;

	start(20);
	since = 0;
	run_ms(200);
	ck_assert_uint_eq(expired, 0);
	since = now_ns();
	run_ms(15);
	early = expired;
	if (now_ns() < since + 39000000)
		ck_assert_uint_eq(early, 0);
	run_until_expired(1);
}
END_TEST

START_TEST(a_reset_stops_it_and_leaves_the_word_that_it_was_the_watchdog)
{
	start(10);
	run_until_expired(1);
	start(10);
	vmm__i6300esb_reset(watchdog);
	run_ms(100);
	ck_assert_uint_eq(expired, 1);
	ck_assert_uint_eq(fake_read(bar + RELOAD, 2) & TIMED_OUT, TIMED_OUT);
	ck_assert_uint_eq(fake_read(bar + TIMER1, 4), 0xfffff);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("watchdog");
	TCase *tcase = tcase_create("watchdog");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, linux_finds_it);
	tcase_add_test(tcase, a_guest_that_feeds_it_lives_and_one_that_stops_does_not);
	tcase_add_test(tcase, nothing_happens_before_it_is_enabled_or_after_it_is_disabled);
	tcase_add_loop_test(tcase, a_register_is_written_only_after_the_whole_sequence, 0,
			    (int)(sizeof(sequences) / sizeof(sequences[0])));
	tcase_add_test(tcase, locked_is_locked_until_the_next_reset);
	tcase_add_test(tcase, without_output_it_only_counts);
	tcase_add_test(tcase, running_free_it_expires_again_and_again_but_not_faster_than_is_good);
	tcase_add_test(tcase, time_that_the_guest_did_not_run_does_not_count);
	tcase_add_test(tcase, a_reset_stops_it_and_leaves_the_word_that_it_was_the_watchdog);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
