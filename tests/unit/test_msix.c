/* SPDX-License-Identifier: MIT */
/* test_msix.c - vectors that are masked, moved and signalled in every order. */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdlib.h>

#include "bus/msix_priv.h"
#include "fake_machine.h"

enum { BAR = MSIX_BAR_LENGTH, NR = 40, MESSAGE = 0xfee01000, FIRST_GSI = 24 };

static struct msix msix;
static int fds_before;

static void setup(void)
{
	fds_before = fake_count_fds();
	fake_setup(false);
	ck_assert_int_eq(vmm__msix_init(&msix, &fake.irqs, NR), 0);
}

static void teardown(void)
{
	vmm__msix_finish(&msix);
	vmm__msix_finish(&msix);	/* of a finished one: nothing */
	fake_teardown();
	ck_assert_int_eq(fake_count_fds(), fds_before);
}

static uint32_t get(uint32_t offset)
{
	return (uint32_t)vmm__msix_range.read(&msix, offset, 4);
}

static void put(uint32_t offset, uint32_t value)
{
	vmm__msix_range.write(&msix, offset, 4, value);
}

static uint32_t entry(uint32_t vector, uint32_t field)
{
	return vector * PCI_MSIX_ENTRY_SIZE + field;
}

static void mask(uint32_t vector, bool masked)
{
	put(entry(vector, PCI_MSIX_ENTRY_VECTOR_CTRL), masked);
}

static void message(uint32_t vector, uint32_t data)
{
	put(entry(vector, PCI_MSIX_ENTRY_LOWER_ADDR), MESSAGE);
	put(entry(vector, PCI_MSIX_ENTRY_UPPER_ADDR), 0);
	put(entry(vector, PCI_MSIX_ENTRY_DATA), data);
}

static bool pending(uint32_t vector)
{
	return get(MSIX_PBA_OFFSET + vector / 32 * 4) >> vector % 32 & 1;
}

START_TEST(an_idle_table_costs_nothing)
{
	int fds = fake_count_fds();

	vmm__msix_control(&msix, true, false);
	for (uint32_t i = 0; i < NR; i++) {
		message(i, i);
		mask(i, false);
		vmm__msix_signal(&msix, i);
	}
	ck_assert_uint_eq(fake.route_changes, 0);
	ck_assert_int_eq(fake_count_fds(), fds);
	ck_assert_uint_eq(get(MSIX_PBA_OFFSET), 0);
}
END_TEST

START_TEST(an_unmasked_vector_is_kvms)
{
	vmm__msix_control(&msix, true, false);
	ck_assert_int_eq(vmm__msix_use(&msix, 3), 0);
	message(3, 0x31);
	ck_assert_int_eq(fake.irqfds[FIRST_GSI], -1);
	mask(3, false);
	ck_assert_int_ge(fake.irqfds[FIRST_GSI], 0);
	ck_assert_uint_eq(fake.routes[FIRST_GSI].address, MESSAGE);
	ck_assert_uint_eq(fake.routes[FIRST_GSI].data, 0x31);
	ck_assert_uint_eq(fake.route_changes, 1);
	vmm__msix_signal(&msix, 3);
	ck_assert(!pending(3));		/* KVM takes it at once */
	ck_assert_uint_eq(fake_raised(FIRST_GSI), 1);
}
END_TEST

/* Each way to keep a vector from KVM; what is signalled meanwhile waits and is not lost. */
static void by_vector(bool masked) { mask(5, masked); }
static void by_function(bool masked) { vmm__msix_control(&msix, true, masked); }
static void by_enable(bool masked) { vmm__msix_control(&msix, !masked, false); }

static void (*const ways[])(bool masked) = { by_vector, by_function, by_enable };

START_TEST(a_masked_vector_keeps_its_signal)
{
	vmm__msix_control(&msix, true, false);
	ck_assert_int_eq(vmm__msix_use(&msix, 5), 0);
	message(5, 1);
	mask(5, false);
	for (int round = 0; round < 3; round++) {
		ways[_i](true);
		ck_assert_int_eq(fake.irqfds[FIRST_GSI], -1);
		ck_assert(!pending(5));
		vmm__msix_signal(&msix, 5);
		ck_assert(pending(5));
		ck_assert_uint_eq(get(MSIX_PBA_OFFSET), 1 << 5);
		ck_assert_uint_eq(get(MSIX_PBA_OFFSET + 4), 0);
		ways[_i](false);
		ck_assert(!pending(5));
		ck_assert_uint_eq(fake_raised(FIRST_GSI), 1);
	}
	/* The message did not change, so neither did the route. */
	ck_assert_uint_eq(fake.route_changes, 1);
}
END_TEST

START_TEST(pending_bits_past_32_are_in_the_next_word)
{
	ck_assert_int_eq(vmm__msix_use(&msix, 33), 0);
	vmm__msix_signal(&msix, 33);
	ck_assert_uint_eq(get(MSIX_PBA_OFFSET), 0);
	ck_assert_uint_eq(get(MSIX_PBA_OFFSET + 4), 2);
	ck_assert_uint_eq(vmm__msix_range.read(&msix, MSIX_PBA_OFFSET, 8), 2ull << 32);
	put(MSIX_PBA_OFFSET + 4, 0);
	ck_assert_uint_eq(get(MSIX_PBA_OFFSET + 4), 2);
}
END_TEST

START_TEST(a_message_that_changes_unmasked_is_routed_anew)
{
	vmm__msix_control(&msix, true, false);
	ck_assert_int_eq(vmm__msix_use(&msix, 0), 0);
	message(0, 1);
	mask(0, false);
	message(0, 2);
	ck_assert_uint_eq(fake.routes[FIRST_GSI].data, 2);
	ck_assert_int_ge(fake.irqfds[FIRST_GSI], 0);
}
END_TEST

START_TEST(a_message_that_kvm_refuses_leaves_the_signal_pending)
{
	vmm__msix_control(&msix, true, false);
	ck_assert_int_eq(vmm__msix_use(&msix, 0), 0);
	message(0, 1);
	fake.refuse_routes = true;
	mask(0, false);
	vmm__msix_signal(&msix, 0);
	ck_assert_int_eq(fake.irqfds[FIRST_GSI], -1);
	ck_assert(pending(0));
	fake.refuse_routes = false;
	message(0, 2);
	ck_assert_uint_eq(fake_raised(FIRST_GSI), 1);
}
END_TEST

START_TEST(vectors_that_are_not_there_are_refused)
{
	ck_assert_int_eq(vmm__msix_use(&msix, NR), -EINVAL);
	ck_assert_int_eq(vmm__msix_use(&msix, UINT32_MAX), -EINVAL);
	vmm__msix_signal(&msix, NR);
	vmm__msix_signal(&msix, 0xffff);
	fake.refuse_gsis = true;
	ck_assert_int_eq(vmm__msix_use(&msix, 0), -ENOSPC);
	fake.refuse_gsis = false;
	ck_assert_int_eq(vmm__msix_use(&msix, 0), 0);
	ck_assert_int_eq(vmm__msix_use(&msix, 0), 0);
}
END_TEST

START_TEST(a_table_has_between_one_and_128_vectors)
{
	struct msix other;

	ck_assert_int_eq(vmm__msix_init(&other, &fake.irqs, 0), -EINVAL);
	ck_assert_int_eq(vmm__msix_init(&other, &fake.irqs, 129), -EINVAL);
	ck_assert_int_eq(vmm__msix_init(&other, &fake.irqs, 128), 0);
	vmm__msix_range.write(&other, 127 * 16, 8, UINT64_MAX);
	vmm__msix_finish(&other);
}
END_TEST

START_TEST(every_offset_and_width_of_the_bar_is_answered)
{
	message(0, 0x1234);
	message(NR - 1, 0x4321);
	for (uint32_t offset = 0; offset < MSIX_BAR_LENGTH; offset++) {
		for (uint32_t width = 1; width <= 8 && offset + width <= BAR; width *= 2) {
			uint64_t value = vmm__msix_range.read(&msix, offset, width);

			if (width < 4 || offset % width || offset >= NR * 16)
				ck_assert_uint_eq(value, 0);
		}
	}
	ck_assert_uint_eq(get(entry(0, PCI_MSIX_ENTRY_DATA)), 0x1234);
	ck_assert_uint_eq(get(entry(0, PCI_MSIX_ENTRY_LOWER_ADDR)), MESSAGE);
	ck_assert_uint_eq(get(entry(0, PCI_MSIX_ENTRY_VECTOR_CTRL)), 1);
	ck_assert_uint_eq(vmm__msix_range.read(&msix, entry(0, 8), 8), 0x100001234);

	for (uint32_t offset = 0; offset < MSIX_BAR_LENGTH; offset++) {
		for (uint32_t width = 1; width <= 8 && offset + width <= BAR; width *= 2)
			vmm__msix_range.write(&msix, offset, width, UINT64_MAX);
	}
	/* Bits that are not there stay 0. */
	ck_assert_uint_eq(get(entry(1, PCI_MSIX_ENTRY_LOWER_ADDR)), 0xfffffffc);
	ck_assert_uint_eq(get(entry(1, PCI_MSIX_ENTRY_VECTOR_CTRL)), 1);
	ck_assert_uint_eq(get(MSIX_PBA_OFFSET), 0);
}
END_TEST

START_TEST(a_reset_masks_and_forgets)
{
	vmm__msix_control(&msix, true, false);
	ck_assert_int_eq(vmm__msix_use(&msix, 2), 0);
	message(2, 9);
	mask(2, false);
	vmm__msix_control(&msix, true, true);
	vmm__msix_signal(&msix, 2);
	vmm__msix_reset(&msix);
	ck_assert_int_eq(fake.irqfds[FIRST_GSI], -1);
	ck_assert(!pending(2));
	ck_assert_uint_eq(get(entry(2, PCI_MSIX_ENTRY_DATA)), 0);
	ck_assert_uint_eq(get(entry(2, PCI_MSIX_ENTRY_VECTOR_CTRL)), 1);
	mask(2, false);
	ck_assert_int_eq(fake.irqfds[FIRST_GSI], -1);
	vmm__msix_control(&msix, true, false);
	ck_assert_int_ge(fake.irqfds[FIRST_GSI], 0);
}
END_TEST

/* ---- changes under traffic ---- */

static bool traffic;

static void *signals(void *arg)
{
	while (__atomic_load_n(&traffic, __ATOMIC_ACQUIRE))
		vmm__msix_signal(&msix, 1);
	return NULL;
}

START_TEST(a_retired_table_gives_everything_back_and_stays_quiet)
{
	vmm__msix_control(&msix, true, false);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(vmm__msix_use(&msix, i), 0);
		message(i, i);
		mask(i, i == 2);
	}
	vmm__msix_retire(&msix);
	for (uint32_t i = 0; i < FAKE_GSIS; i++)
		ck_assert(!fake.gsi_used[i] && fake.irqfds[i] == -1);

	/* Whatever the guest still does to it, and whoever still signals. */
	for (uint32_t i = 0; i < 4; i++) {
		ck_assert_int_eq(vmm__msix_use(&msix, i), -ENODEV);
		mask(i, true);
		message(i, 7);
		mask(i, false);
		vmm__msix_signal(&msix, i);
	}
	vmm__msix_control(&msix, false, true);
	vmm__msix_control(&msix, true, false);
	vmm__msix_reset(&msix);
	vmm__msix_control(&msix, true, false);
	vmm__msix_retire(&msix);
	for (uint32_t i = 0; i < FAKE_GSIS; i++)
		ck_assert(!fake.gsi_used[i] && fake.irqfds[i] == -1);
}
END_TEST

START_TEST(a_table_may_change_under_traffic)
{
	pthread_t thread;

	__atomic_store_n(&traffic, true, __ATOMIC_RELEASE);
	ck_assert_int_eq(pthread_create(&thread, NULL, signals, NULL), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		vmm__msix_control(&msix, i & 1, i & 2);
		ck_assert_int_eq(vmm__msix_use(&msix, 1), 0);
		mask(1, i & 4);
		message(1, i);
		(void)get(MSIX_PBA_OFFSET);
	}
	__atomic_store_n(&traffic, false, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);

	/* Nothing is lost: one more signal, masked, then unmasked, arrives. */
	vmm__msix_control(&msix, true, true);
	mask(1, false);
	vmm__msix_signal(&msix, 1);
	ck_assert(pending(1));
	vmm__msix_control(&msix, true, false);
	ck_assert_uint_ge(fake_raised(FIRST_GSI), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("msix");
	TCase *tcase = tcase_create("msix");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_idle_table_costs_nothing);
	tcase_add_test(tcase, an_unmasked_vector_is_kvms);
	tcase_add_loop_test(tcase, a_masked_vector_keeps_its_signal, 0,
			    (int)(sizeof(ways) / sizeof(ways[0])));
	tcase_add_test(tcase, pending_bits_past_32_are_in_the_next_word);
	tcase_add_test(tcase, a_message_that_changes_unmasked_is_routed_anew);
	tcase_add_test(tcase, a_message_that_kvm_refuses_leaves_the_signal_pending);
	tcase_add_test(tcase, vectors_that_are_not_there_are_refused);
	tcase_add_test(tcase, a_table_has_between_one_and_128_vectors);
	tcase_add_test(tcase, every_offset_and_width_of_the_bar_is_answered);
	tcase_add_test(tcase, a_reset_masks_and_forgets);
	tcase_add_test(tcase, a_retired_table_gives_everything_back_and_stays_quiet);
	tcase_add_test(tcase, a_table_may_change_under_traffic);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
