/* SPDX-License-Identifier: MIT */
/* test_plic.c - the interrupt controller as harts and wires see it. */
#include <check.h>
#include <stdlib.h>

#include "arch/riscv64/plic_priv.h"

#define HARTS		3u
#define PRIORITY(n)	(4u * (n))
#define PENDING(n)	(0x1000u + 4 * (n))
#define ENABLE(hart, n)	(0x2000u + 0x80 * (hart) + 4 * (n))
#define THRESHOLD(hart)	(0x200000u + 0x1000 * (hart))
#define CLAIM(hart)	(THRESHOLD(hart) + 4)

static struct plic *plic;
static bool up[HARTS];
static unsigned drives;

static void drive(void *data, uint32_t hart, bool level)
{
	ck_assert_ptr_eq(data, up);
	ck_assert_uint_lt(hart, HARTS);
	up[hart] = level;
	drives++;
}

static void setup(void)
{
	const struct plic_config config = { .nr_harts = HARTS, .drive = drive, .data = up };

	ck_assert_int_eq(vmm__plic_create(&config, &plic), 0);
	vmm__plic_reset(plic);
}

static void teardown(void)
{
	vmm__plic_destroy(plic);
}

static uint32_t get(uint64_t offset)
{
	return (uint32_t)vmm__plic_range.read(plic, offset, 4);
}

static void set(uint64_t offset, uint32_t value)
{
	vmm__plic_range.write(plic, offset, 4, value);
}

/* @source at @priority for @hart. */
static void use(uint32_t source, uint32_t priority, uint32_t hart)
{
	uint32_t at = ENABLE(hart, source / 32);

	set(PRIORITY(source), priority);
	set(at, get(at) | 1u << source % 32);
}

START_TEST(a_wire_raises_the_hart_that_enabled_it)
{
	use(5, 1, 1);
	vmm__plic_set_line(plic, 5, true);
	ck_assert(!up[0] && up[1] && !up[2]);
	ck_assert_uint_eq(get(PENDING(0)), 1u << 5);
	ck_assert_uint_eq(get(CLAIM(0)), 0);
	ck_assert_uint_eq(get(CLAIM(1)), 5);
	ck_assert(!up[1]);
	ck_assert_uint_eq(get(PENDING(0)), 0);
	ck_assert_uint_eq(get(CLAIM(1)), 0);
}
END_TEST

START_TEST(a_wire_that_stays_up_interrupts_again_after_completion)
{
	use(40, 1, 0);
	vmm__plic_set_line(plic, 40, true);
	ck_assert_uint_eq(get(CLAIM(0)), 40);
	ck_assert(!up[0]);
	set(CLAIM(0), 40);
	ck_assert(up[0]);
	ck_assert_uint_eq(get(CLAIM(0)), 40);
	vmm__plic_set_line(plic, 40, false);
	set(CLAIM(0), 40);
	ck_assert(!up[0]);
}
END_TEST

START_TEST(a_request_outlives_its_wire)
{
	use(3, 1, 0);
	vmm__plic_set_line(plic, 3, true);
	vmm__plic_set_line(plic, 3, false);
	ck_assert(up[0]);
	ck_assert_uint_eq(get(CLAIM(0)), 3);
	set(CLAIM(0), 3);
	ck_assert(!up[0]);
}
END_TEST

START_TEST(an_edge_during_service_is_not_lost_nor_doubled)
{
	use(9, 1, 0);
	vmm__plic_pulse(plic, 9);
	vmm__plic_pulse(plic, 9);	/* merges with the one that waits for the gateway */
	ck_assert_uint_eq(get(CLAIM(0)), 9);
	vmm__plic_pulse(plic, 9);
	vmm__plic_pulse(plic, 9);
	ck_assert_uint_eq(get(CLAIM(0)), 0);
	set(CLAIM(0), 9);
	ck_assert(up[0]);
	ck_assert_uint_eq(get(CLAIM(0)), 9);
	set(CLAIM(0), 9);
	ck_assert(!up[0]);
}
END_TEST

START_TEST(the_highest_priority_is_claimed_first_then_the_lowest_number)
{
	use(10, 2, 0);
	use(11, 7, 0);
	use(12, 7, 0);
	use(63, 1, 0);
	for (uint32_t s = 10; s < 13; s++)
		vmm__plic_set_line(plic, s, true);
	vmm__plic_set_line(plic, 63, true);
	ck_assert_uint_eq(get(CLAIM(0)), 11);
	ck_assert_uint_eq(get(CLAIM(0)), 12);
	ck_assert_uint_eq(get(CLAIM(0)), 10);
	ck_assert_uint_eq(get(CLAIM(0)), 63);
	ck_assert_uint_eq(get(CLAIM(0)), 0);
}
END_TEST

START_TEST(the_threshold_holds_back_but_does_not_hide)
{
	use(7, 3, 0);
	set(THRESHOLD(0), 3);
	vmm__plic_set_line(plic, 7, true);
	ck_assert(!up[0]);
	ck_assert_uint_eq(get(CLAIM(0)), 7);	/* chapter 8 */
	set(CLAIM(0), 7);
	ck_assert(!up[0]);
	set(THRESHOLD(0), 2);
	ck_assert(up[0]);
	set(THRESHOLD(0), 0xffffffff);
	ck_assert_uint_eq(get(THRESHOLD(0)), 7);
	ck_assert(!up[0]);
}
END_TEST

START_TEST(priority_zero_never_interrupts)
{
	use(7, 0, 0);
	vmm__plic_set_line(plic, 7, true);
	ck_assert(!up[0]);
	ck_assert_uint_eq(get(CLAIM(0)), 0);
	set(PRIORITY(7), 0xff);
	ck_assert_uint_eq(get(PRIORITY(7)), 7);
	ck_assert(up[0]);
}
END_TEST

START_TEST(completing_what_is_not_enabled_means_nothing)
{
	use(7, 1, 0);
	vmm__plic_set_line(plic, 7, true);
	ck_assert_uint_eq(get(CLAIM(0)), 7);
	set(CLAIM(1), 7);
	ck_assert(!up[0]);
	set(CLAIM(0), 64);
	set(CLAIM(0), 0xffffffff);
	set(CLAIM(0), 0);
	ck_assert(!up[0]);
	set(CLAIM(0), 7);
	ck_assert(up[0]);
}
END_TEST

START_TEST(two_harts_compete_and_one_claims)
{
	use(20, 1, 0);
	use(20, 1, 2);
	vmm__plic_set_line(plic, 20, true);
	ck_assert(up[0] && up[2]);
	ck_assert_uint_eq(get(CLAIM(2)), 20);
	ck_assert(!up[0] && !up[2]);
	ck_assert_uint_eq(get(CLAIM(0)), 0);
}
END_TEST

/* Starting a hart makes KVM forget what it was told: an access of its own tells it again. */
START_TEST(a_context_register_tells_the_hart_again)
{
	unsigned before;

	use(20, 1, 1);
	vmm__plic_set_line(plic, 20, true);
	up[1] = false;
	before = drives;
	set(THRESHOLD(1), 0);
	ck_assert(up[1]);
	ck_assert_uint_gt(drives, before);
}
END_TEST

START_TEST(reset_forgets_all_but_the_wires)
{
	use(4, 1, 0);
	use(5, 1, 0);
	use(6, 1, 0);
	vmm__plic_set_line(plic, 4, true);
	vmm__plic_pulse(plic, 5);
	vmm__plic_set_line(plic, 6, true);
	ck_assert_uint_eq(get(CLAIM(0)), 4);
	vmm__plic_reset(plic);
	ck_assert(!up[0]);
	ck_assert_uint_eq(get(ENABLE(0, 0)), 0);
	ck_assert_uint_eq(get(PRIORITY(4)), 0);
	use(4, 1, 0);
	use(5, 1, 0);
	ck_assert_uint_eq(get(PENDING(0)), 1u << 4 | 1u << 6);
	ck_assert(up[0]);
}
END_TEST

/* threats: a guest that writes all over the registers reaches nothing beside them. */
START_TEST(registers_that_are_not_there_are_zero)
{
	static const uint64_t offsets[] = {
		PRIORITY(64), 0xffc, PENDING(2), 0x1080, 0x1ffc, ENABLE(0, 2), ENABLE(HARTS, 0),
		ENABLE(HARTS, 1), 0x1ffffc, THRESHOLD(0) + 8, THRESHOLD(HARTS), CLAIM(HARTS), 0x5ffffc,
	};

	for (uint32_t s = 0; s < 200; s++)
		vmm__plic_set_line(plic, s, true);
	vmm__plic_pulse(plic, 64);
	vmm__plic_pulse(plic, UINT32_MAX);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		set(offsets[i], 0xffffffff);
		ck_assert_uint_eq(get(offsets[i]), 0);
	}
	for (uint64_t offset = 0; offset < 0x3000; offset += 4)
		set(offset, 0xffffffff);
	for (uint64_t offset = 0x200000; offset < 0x205000; offset += 8)
		set(offset, 0xffffffff);
	/* Source 0 is none, and cannot be had. */
	ck_assert_uint_eq(get(PRIORITY(0)), 0);
	ck_assert_uint_eq(get(ENABLE(0, 0)), 0xfffffffe);
	ck_assert_uint_eq(get(PENDING(0)), 0xfffffffe);
	/* Only whole registers are. */
	ck_assert_uint_eq(vmm__plic_range.read(plic, PENDING(0), 8), 0);
	ck_assert_uint_eq(vmm__plic_range.read(plic, PENDING(0), 1), 0);
	ck_assert_uint_eq(vmm__plic_range.read(plic, PENDING(0) + 2, 4), 0);
	vmm__plic_range.write(plic, PRIORITY(1), 1, 0);
	ck_assert_uint_eq(get(PRIORITY(1)), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plic");
	TCase *tc = tcase_create("plic");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_wire_raises_the_hart_that_enabled_it);
	tcase_add_test(tc, a_wire_that_stays_up_interrupts_again_after_completion);
	tcase_add_test(tc, a_request_outlives_its_wire);
	tcase_add_test(tc, an_edge_during_service_is_not_lost_nor_doubled);
	tcase_add_test(tc, the_highest_priority_is_claimed_first_then_the_lowest_number);
	tcase_add_test(tc, the_threshold_holds_back_but_does_not_hide);
	tcase_add_test(tc, priority_zero_never_interrupts);
	tcase_add_test(tc, completing_what_is_not_enabled_means_nothing);
	tcase_add_test(tc, two_harts_compete_and_one_claims);
	tcase_add_test(tc, a_context_register_tells_the_hart_again);
	tcase_add_test(tc, reset_forgets_all_but_the_wires);
	tcase_add_test(tc, registers_that_are_not_there_are_zero);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
