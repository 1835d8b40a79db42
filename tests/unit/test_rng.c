/* SPDX-License-Identifier: MIT */
/* test_rng.c - entropy for guests that ask for little, for 4 GiB, or for nothing. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/rng.h>
#include "fake_virtio.h"

enum { TURN = 64 << 10 };

static void setup(void)
{
	machine_make();
	ck_assert_int_eq(vmm_add_rng(THE_VM, NULL, NULL), 0);
	driver_start();
}

static void teardown(void)
{
	machine_unmake();
}

/* Bytes in [at, at + len) that are not zero any more. */
static uint32_t filled(uint32_t at, uint32_t len)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < len; i++)
		n += machine.ram[at + i] != 0;
	return n;
}

START_TEST(a_request_is_filled_with_noise_and_no_further)
{
	driver_buffer(0, 0, DATA, 64, true);
	driver_desc(0, 1, DATA + 4096, 300, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	driver_desc(0, 2, DATA + 8192, 300, VRING_DESC_F_WRITE, 0);
	driver_offer(0, 1);
	driver_kick(0);
	machine_run();

	ck_assert_uint_eq(driver_used(0), 2);
	ck_assert_uint_eq(driver_used_len(0, 0), 64);
	ck_assert_uint_eq(driver_used_len(0, 1), 600);
	ck_assert_uint_gt(filled(DATA, 64), 32);
	ck_assert_uint_gt(filled(DATA + 4096, 300), 200);
	ck_assert_uint_gt(filled(DATA + 8192, 300), 200);
	ck_assert_uint_eq(filled(DATA + 64, 4096 - 64), 0);
	ck_assert_uint_eq(filled(DATA + 4096 + 300, 4096 - 300), 0);
	ck_assert_uint_eq(filled(DATA + 8192 + 300, 4096), 0);
	ck_assert_int_ge(machine.queue_interrupts[0], 1);
}
END_TEST

START_TEST(a_request_of_gigabytes_is_answered_in_part)
{
	for (unsigned i = 0; i < 60; i++)
		driver_desc(0, i, DATA, RAM - DATA,
			    VRING_DESC_F_WRITE | (i < 59 ? VRING_DESC_F_NEXT : 0), (uint16_t)(i + 1));
	driver_offer(0, 0);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 1);
	ck_assert_uint_eq(driver_used_len(0, 0), TURN);
	ck_assert_uint_eq(filled(DATA + TURN, RAM - DATA - TURN), 0);
}
END_TEST

START_TEST(a_flood_of_requests_is_answered_a_bounded_part_a_turn)
{
	uint16_t before = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(0, i, DATA, 32 << 10, true);
	driver_kick(0);
	/* The first turn has two shares; from then on ringing makes no difference. */
	machine_turn();
	ck_assert_uint_le(driver_used(0), 4);
	for (int turns = 0; driver_used(0) < ENTRIES; turns++) {
		before = driver_used(0);
		driver_kick(0);
		ck_assert(machine_turn());
		ck_assert_uint_le(driver_used(0) - before, 2);
		ck_assert_int_lt(turns, ENTRIES);
	}
	for (uint16_t i = 0; i < ENTRIES; i++) {
		ck_assert_uint_gt(driver_used_len(0, i), 0);
		ck_assert_uint_le(driver_used_len(0, i), 32 << 10);
	}
	ck_assert_int_eq(machine_run(), 0);
}
END_TEST

START_TEST(a_flood_of_small_requests_is_bounded_too)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(0, i, DATA + i, 1, true);
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, 0));
	ck_assert_uint_eq(driver_used(0), 32);
	machine_run();
	ck_assert_uint_eq(driver_used(0), ENTRIES);
}
END_TEST

START_TEST(a_request_for_nothing_gets_nothing)
{
	driver_buffer(0, 0, DATA, 0, true);
	driver_buffer(0, 1, DATA, 100, false);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 2);
	ck_assert_uint_eq(driver_used_len(0, 0), 0);
	ck_assert_uint_eq(driver_used_len(0, 1), 0);
	ck_assert_uint_eq(filled(DATA, 100), 0);
}
END_TEST

START_TEST(a_buffer_that_is_not_memory_breaks_the_device_until_its_reset)
{
	driver_buffer(0, 0, RAM - 4, 8, true);
	driver_kick(0);
	machine_run();
	ck_assert_int_eq(machine.broken, 1);
	ck_assert_uint_eq(filled(RAM - 4, 4), 0);
	driver_start();
	driver_buffer(0, 0, DATA, 64, true);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(driver_used_len(0, 0), 64);
}
END_TEST

START_TEST(a_reset_between_two_turns_ends_the_work)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(0, i, DATA, 32 << 10, true);
	driver_kick(0);
	machine_turn();
	driver_reset();
	memset(machine.ram, 0, RAM);
	machine_run();
	ck_assert_uint_eq(filled(0, RAM), 0);
}
END_TEST

START_TEST(a_device_that_goes_with_work_left_leaves_nothing)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(0, i, DATA, 32 << 10, true);
	driver_kick(0);
	machine_turn();
	/* teardown() destroys it now, under the sanitizers' eyes. */
}
END_TEST

static void limit(uint64_t bytes, uint64_t burst)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;
	struct vmm_rate rate = VMM_RATE_INIT;

	machine_unmake();
	machine_make();
	rate.bytes_per_second = bytes;
	rate.bytes_burst = burst;
	config.rate = &rate;
	ck_assert_int_eq(vmm_add_rng(THE_VM, &config, NULL), 0);
	driver_start();
}

START_TEST(a_rate_is_kept_and_waited_for)
{
	struct timespec start, end;
	double seconds;

	limit(20000, 1000);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < 4; i++)
		driver_buffer(0, i, DATA + i * 4096, 1000, true);
	driver_kick(0);
	machine_run();
	/* A burst at once; the rest in its time, and ringing makes no difference. */
	ck_assert_uint_eq(driver_used(0), 1);
	while (driver_used(0) < 4) {
		driver_kick(0);
		machine_run();
		usleep(1000);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	ck_assert(seconds >= 0.149);
	for (uint16_t i = 0; i < 4; i++)
		ck_assert_uint_eq(driver_used_len(0, i), 1000);
	ck_assert_int_eq(machine_run(), 0);
}
END_TEST

START_TEST(a_reset_gives_no_new_burst)
{
	limit(1000, 1000);
	driver_buffer(0, 0, DATA, 1000, true);
	driver_buffer(0, 1, DATA, 1000, true);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 1);
	driver_start();
	driver_buffer(0, 0, DATA, 1000, true);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 0);
	/* teardown() destroys it with the request waiting. */
}
END_TEST

START_TEST(a_rate_that_cannot_be_is_refused)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;
	struct vmm_rate rate = VMM_RATE_INIT;

	rate.bytes_burst = 1;
	config.rate = &rate;
	ck_assert_int_eq(vmm_add_rng(THE_VM, &config, NULL), -EINVAL);
	rate.bytes_per_second = 1;
	machine.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_rng(THE_VM, &config, NULL), -ENOSPC);
}
END_TEST

START_TEST(configs_are_checked_and_it_offers_nothing_of_its_own)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;

	ck_assert_uint_eq(machine.dev->virtio.offered.word[0] & 0x00ffffff, 0);
	ck_assert_uint_eq(machine.dev->ops.virtio_id, VIRTIO_ID_RNG);
	config.reserved = 1;
	ck_assert_int_eq(vmm_add_rng(THE_VM, &config, NULL), -EINVAL);
	config.reserved = 0;
	config.size = 0;
	ck_assert_int_eq(vmm_add_rng(THE_VM, &config, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_rng(NULL, NULL, NULL), -EINVAL);
	machine.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_rng(THE_VM, NULL, NULL), -ENOSPC);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rng");
	TCase *tcase = tcase_create("rng");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_request_is_filled_with_noise_and_no_further);
	tcase_add_test(tcase, a_request_of_gigabytes_is_answered_in_part);
	tcase_add_test(tcase, a_flood_of_requests_is_answered_a_bounded_part_a_turn);
	tcase_add_test(tcase, a_flood_of_small_requests_is_bounded_too);
	tcase_add_test(tcase, a_request_for_nothing_gets_nothing);
	tcase_add_test(tcase, a_buffer_that_is_not_memory_breaks_the_device_until_its_reset);
	tcase_add_test(tcase, a_reset_between_two_turns_ends_the_work);
	tcase_add_test(tcase, a_device_that_goes_with_work_left_leaves_nothing);
	tcase_add_test(tcase, a_rate_is_kept_and_waited_for);
	tcase_add_test(tcase, a_reset_gives_no_new_burst);
	tcase_add_test(tcase, a_rate_that_cannot_be_is_refused);
	tcase_add_test(tcase, configs_are_checked_and_it_offers_nothing_of_its_own);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
