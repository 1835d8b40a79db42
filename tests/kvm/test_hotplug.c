/* SPDX-License-Identifier: MIT */
/* test_hotplug.c - devices that come to a guest that runs, and go. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/block.h>
#include <libvmm/device.h>
#include <libvmm/rng.h>

#include "harness.h"

static struct guest guest;
static unsigned fds_before;

static void setup(void)
{
	fds_before = harness_count_fds();
	guest_create(&guest, NULL);
}

static void teardown(void)
{
	guest_destroy(&guest);
	ck_assert_uint_eq(harness_count_fds(), fds_before);
}

static void run(uint32_t seed)
{
	guest.params[PARAM_SEED] = seed;
	guest_start(&guest, "slots");
	guest_wait_step(&guest, STEP_UP, 1);
}

static void check(int r, const char *what)
{
	ck_assert_msg(r == 0, "%s: %d, %s", what, r, vmm_last_error());
}

static struct vmm_device *add_rng(void)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;
	struct vmm_device *dev = NULL;

	config.name = "dice";
	check(vmm_add_rng(guest.vm, &config, &dev), "vmm_add_rng");
	return dev;
}

/* The next event of a removal, within @ms; false: there is none. */
static bool removed(const char *name, int ms)
{
	struct pollfd p = { .fd = vmm_event_fd(guest.vm), .events = POLLIN };
	struct vmm_event event = VMM_EVENT_INIT;

	for (int waited = 0; waited <= ms; waited += 10) {
		while (vmm_next_event(guest.vm, &event) == 1) {
			if (event.type != VMM_EVENT_DEVICE_REMOVED)
				continue;
			ck_assert_str_eq(event.device, name);
			return true;
		}
		(void)poll(&p, 1, 10);
	}
	return false;
}

static int patience(void)
{
	return harness_patience(20) * 1000;
}

START_TEST(what_comes_is_used_and_what_is_asked_for_goes)
{
	unsigned fds;

	run(0);
	fds = harness_count_fds();
	for (uint32_t i = 1; i <= 5; i++) {
		struct vmm_device *dev = add_rng();

		guest_wait_step(&guest, STEP_CAME, i);
		check(vmm_remove_device(guest.vm, dev, 0), "vmm_remove_device");
		ck_assert(removed("dice", patience()));
		guest_wait_step(&guest, STEP_WENT, i);
		ck_assert_int_eq(vmm_remove_device(guest.vm, dev, 0), -ENOENT);
		/* All but the timer that removing needs. */
		ck_assert_uint_eq(harness_count_fds(), fds);
	}
}
END_TEST

START_TEST(what_is_torn_out_is_gone_at_once)
{
	run(SLOTS_REFUSE);
	for (uint32_t i = 1; i <= 3; i++) {
		struct vmm_device *dev = add_rng();

		guest_wait_step(&guest, STEP_CAME, i);
		check(vmm_remove_device(guest.vm, dev, VMM_REMOVE_SURPRISE), "vmm_remove_device");
		ck_assert_int_eq(vmm_remove_device(guest.vm, dev, VMM_REMOVE_SURPRISE), -ENOENT);
		ck_assert(removed("dice", patience()));
	}
}
END_TEST

/* A guest that never ejects a slot that was vacated keeps it, and no more than that. */
START_TEST(a_slot_is_given_anew_only_once_the_guest_let_go_of_it)
{
	int added = 0;

	run(SLOTS_REFUSE | SLOTS_HAMMER);
	for (; added < 40; added++) {
		struct vmm_device *dev = NULL;
		int r = vmm_add_rng(guest.vm, NULL, &dev);

		if (r < 0) {
			ck_assert_int_eq(r, -ENOSPC);
			break;
		}
		check(vmm_remove_device(guest.vm, dev, VMM_REMOVE_SURPRISE), "vmm_remove_device");
	}
	ck_assert_int_eq(added, 31);
	/* A reset makes all of them free. */
	check(vmm_reset(guest.vm), "vmm_reset");
	guest_wait_step(&guest, STEP_UP, 2);
	(void)add_rng();
}
END_TEST

START_TEST(a_guest_that_refuses_keeps_its_device_until_it_is_torn_out)
{
	struct vmm_device *dev;

	run(SLOTS_REFUSE);
	dev = add_rng();
	guest_wait_step(&guest, STEP_CAME, 1);
	check(vmm_remove_device(guest.vm, dev, 0), "vmm_remove_device");
	ck_assert(!removed("dice", 300));
	check(vmm_remove_device(guest.vm, dev, 0), "vmm_remove_device, again");
	ck_assert(!removed("dice", 300));
	check(vmm_remove_device(guest.vm, dev, VMM_REMOVE_SURPRISE), "vmm_remove_device");
	ck_assert(removed("dice", patience()));
}
END_TEST

START_TEST(a_guest_cannot_eject_what_nobody_asked_for)
{
	struct vmm_device *dev;

	run(SLOTS_UNASKED);
	dev = add_rng();
	guest_wait_step(&guest, STEP_CAME, 1);
	guest_wait_step(&guest, STEP_ROUND, 1);
	ck_assert(!removed("dice", 300));
	check(vmm_remove_device(guest.vm, dev, 0), "vmm_remove_device");
	ck_assert(removed("dice", patience()));
}
END_TEST

START_TEST(a_reset_forgets_that_a_device_was_to_go)
{
	struct vmm_device *dev;

	run(SLOTS_REFUSE);
	dev = add_rng();
	guest_wait_step(&guest, STEP_CAME, 1);
	check(vmm_remove_device(guest.vm, dev, 0), "vmm_remove_device");
	guest.params[PARAM_SEED] = SLOTS_UNASKED;
	check(vmm_reset(guest.vm), "vmm_reset");
	guest_wait_step(&guest, STEP_UP, 2);
	ck_assert(!removed("dice", 500));
	check(vmm_remove_device(guest.vm, dev, 0), "vmm_remove_device");
	ck_assert(removed("dice", patience()));
}
END_TEST

/* Devices come and go while the guest accesses whatever is in slot 1. */
START_TEST(a_device_may_go_in_the_middle_of_an_access)
{
	run(SLOTS_HAMMER);
	for (int i = 0; i < 100; i++) {
		struct vmm_device *dev = add_rng();

		usleep((useconds_t)(i % 7) * 500);
		check(vmm_remove_device(guest.vm, dev, VMM_REMOVE_SURPRISE), "vmm_remove_device");
		ck_assert(removed("dice", patience()));
		guest_wait_step(&guest, STEP_WENT, 1);
	}
}
END_TEST

/* ---- late completions ---- */

static struct {
	pthread_t thread;
	struct vmm_blk_request *held;
	bool submitted, completed, drained, destroyed;	/* atomic */
} slow;

static void *answer_late(void *data)
{
	usleep(200000);
	__atomic_store_n(&slow.completed, true, __ATOMIC_RELEASE);
	vmm_blk_complete(data, 0);
	return NULL;
}

static void slow_submit(void *state, struct vmm_blk_request *req)
{
	if (pthread_create(&slow.thread, NULL, answer_late, req) != 0)
		abort();
	__atomic_store_n(&slow.submitted, true, __ATOMIC_RELEASE);
}

static void slow_drain(void *state)
{
	if (__atomic_load_n(&slow.submitted, __ATOMIC_ACQUIRE) && !slow.drained)
		pthread_join(slow.thread, NULL);
	slow.drained = true;
}

static void slow_destroy(void *state)
{
	ck_assert(__atomic_load_n(&slow.completed, __ATOMIC_ACQUIRE));
	slow.destroyed = true;
}

static const struct vmm_blk_ops slow_ops = {
	.size = sizeof(struct vmm_blk_ops), .name = "slow",
	.submit = slow_submit, .drain = slow_drain, .destroy = slow_destroy,
};

/* Torn out and asked for: a request that is answered late finds all of it there, or waits. */
START_TEST(a_device_goes_with_a_request_in_flight)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_device *dev;

	memset(&slow, 0, sizeof(slow));
	info.capacity = 1 << 20;
	run(0);
	check(vmm_blk_create(&slow_ops, NULL, &info, &config.backend), "vmm_blk_create");
	config.name = "slow";
	check(vmm_add_block(guest.vm, &config, &dev), "vmm_add_block");
	guest_wait_step(&guest, STEP_CAME, 1);
	while (!__atomic_load_n(&slow.submitted, __ATOMIC_ACQUIRE))
		usleep(1000);
	check(vmm_remove_device(guest.vm, dev, _i ? VMM_REMOVE_SURPRISE : 0), "vmm_remove_device");
	ck_assert(removed("slow", patience()));
	ck_assert(slow.drained && slow.destroyed);
}
END_TEST

/* ---- while it does not run ---- */

START_TEST(before_the_start_and_after_the_stop_devices_go_at_once)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;
	struct vmm_device *dev[3];

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 3; i++) {
			config.transport = i == 1 ? VMM_TRANSPORT_PCI : VMM_TRANSPORT_MMIO;
			config.name = "still";
			check(vmm_add_rng(guest.vm, &config, &dev[i]), "vmm_add_rng");
		}
		for (int i = 0; i < 3; i++) {
			check(vmm_remove_device(guest.vm, dev[i], 0), "vmm_remove_device");
			ck_assert_int_eq(vmm_remove_device(guest.vm, dev[i], 0), -ENOENT);
			ck_assert(removed("still", patience()));
		}
		if (round == 0) {
			run(0);
			check(vmm_stop(guest.vm), "vmm_stop");
			check(vmm_wait(guest.vm, NULL), "vmm_wait");
		}
	}
	/* What comes to a stopped guest is there when it is started again. */
	dev[0] = add_rng();
	guest_start(&guest, "slots");
	guest_wait_step(&guest, STEP_UP, 2);
	check(vmm_remove_device(guest.vm, dev[0], 0), "vmm_remove_device");
	ck_assert(removed("dice", patience()));
}
END_TEST

START_TEST(only_pci_devices_come_and_go_while_it_runs)
{
	struct vmm_rng_config config = VMM_RNG_CONFIG_INIT;
	struct vmm_device *dev;

	config.transport = VMM_TRANSPORT_MMIO;
	check(vmm_add_rng(guest.vm, &config, &dev), "vmm_add_rng");
	run(0);
	ck_assert_int_eq(vmm_add_rng(guest.vm, &config, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(vmm_remove_device(guest.vm, dev, 0), -EOPNOTSUPP);
	ck_assert_int_eq(vmm_remove_device(guest.vm, dev, VMM_REMOVE_SURPRISE), -EOPNOTSUPP);
	ck_assert_int_eq(vmm_remove_device(guest.vm, dev, 2), -EINVAL);
	ck_assert_int_eq(vmm_remove_device(guest.vm, NULL, 0), -EINVAL);
	ck_assert_int_eq(vmm_remove_device(NULL, dev, 0), -EINVAL);
}
END_TEST

START_TEST(a_guest_is_destroyed_with_devices_that_are_on_their_way)
{
	struct vmm_device *dev[8];

	run(SLOTS_HAMMER);
	for (int i = 0; i < 8; i++)
		dev[i] = add_rng();
	for (int i = 0; i < 8; i++)
		check(vmm_remove_device(guest.vm, dev[i], i & 1 ? VMM_REMOVE_SURPRISE : 0),
		      "vmm_remove_device");
}
END_TEST

int main(void)
{
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int failed = harness_skip();

	if (failed)
		return failed;
	suite = suite_create("hotplug");
	tcase = tcase_create("hotplug");
	runner = srunner_create(suite);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, harness_patience(120));
	tcase_add_test(tcase, what_comes_is_used_and_what_is_asked_for_goes);
	tcase_add_test(tcase, what_is_torn_out_is_gone_at_once);
	tcase_add_test(tcase, a_slot_is_given_anew_only_once_the_guest_let_go_of_it);
	tcase_add_test(tcase, a_guest_that_refuses_keeps_its_device_until_it_is_torn_out);
	tcase_add_test(tcase, a_guest_cannot_eject_what_nobody_asked_for);
	tcase_add_test(tcase, a_reset_forgets_that_a_device_was_to_go);
	tcase_add_test(tcase, a_device_may_go_in_the_middle_of_an_access);
	tcase_add_loop_test(tcase, a_device_goes_with_a_request_in_flight, 0, 2);
	tcase_add_test(tcase, before_the_start_and_after_the_stop_devices_go_at_once);
	tcase_add_test(tcase, only_pci_devices_come_and_go_while_it_runs);
	tcase_add_test(tcase, a_guest_is_destroyed_with_devices_that_are_on_their_way);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
