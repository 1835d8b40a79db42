/* SPDX-License-Identifier: MIT */
/*
 * test_interrupts.c - MSI-X interrupts reach a guest that sleeps, and obey its masks.
 *
 * A KVM that emulates ring 0 takes no interrupts in a guest without a system of its
 * own: skipped there.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <libvmm/device.h>
#include <libvmm/host.h>
#include <libvmm/rng.h>

#include "harness.h"

START_TEST(interrupts_wake_a_guest_and_obey_its_masks)
{
	struct vmm_rng_config rng = VMM_RNG_CONFIG_INIT;
	struct guest guest;

	guest_create(&guest, NULL);
	rng.transport = VMM_TRANSPORT_PCI;
	ck_assert_int_eq(vmm_add_rng(guest.vm, &rng, NULL), 0);
	guest_start(&guest, "interrupts");
	guest_wait_done(&guest);
	guest_destroy(&guest);
}
END_TEST

int main(void)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int failed = harness_skip();

	if (failed)
		return failed;
	if (vmm_host_query(0, &info) < 0 || !(info.flags & VMM_HOST_HARDWARE)) {
		printf("this KVM emulates ring 0: no interrupts there\n");
		return SKIP;
	}

	suite = suite_create("interrupts");
	tcase = tcase_create("msix");
	runner = srunner_create(suite);
	tcase_set_timeout(tcase, 40);
	tcase_add_loop_test(tcase, interrupts_wake_a_guest_and_obey_its_masks, 0, 3);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
