/* SPDX-License-Identifier: MIT */
/* test_machine.c - keyboard controller, power controls and panic port, as drivers use them. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "arch/arch_priv.h"
#include "bus/bus_priv.h"
#include "fake_irqs.h"

enum { DATA = 0x60, COMMAND = 0x64, SLEEP = 0x600, STATUS = 0x601, RESET = 0x602, EVENTS = 0x604,
       PANIC = 0x505, SLOTS_IN = 0x610, SLOTS_GO = 0x614, SLOTS_EJECT = 0x618 };
enum { KEYBOARD_GSI = 1, EVENTS_GSI = 9 };

static struct bus ports, mmio;
static struct irqs irqs;
static struct arch_machine *machine;
static int requests, ejections;
static uint32_t last_ejected;
static enum arch_request last_request;

static void note_request(void *data, enum arch_request request)
{
	requests++;
	last_request = request;
}

static void note_ejected(void *data, uint32_t slots)
{
	ejections++;
	last_ejected = slots;
}

static const struct arch_machine_host host = {
	.mmio = &mmio, .ports = &ports, .irqs = &irqs, .request = note_request,
	.ejected = note_ejected,
};

static void setup(void)
{
	ck_assert_int_eq(vmm__bus_init(&ports, "port", 0x10000), 0);
	ck_assert_int_eq(vmm__bus_init(&mmio, "MMIO", 0), 0);
	ck_assert_int_eq(vmm__arch_machine_create(&host, &machine), 0);
	requests = ejections = 0;
}

static void teardown(void)
{
	vmm__arch_machine_destroy(machine);
	ck_assert_uint_eq(ports.nr, 0);
	ck_assert_uint_eq(mmio.nr, 0);
	vmm__bus_finish(&ports);
	vmm__bus_finish(&mmio);
}

static unsigned in(uint16_t port)
{
	uint64_t value;

	ck_assert(vmm__bus_read(&ports, port, 1, &value));
	return (unsigned)value;
}

static void out(uint16_t port, unsigned value)
{
	ck_assert(vmm__bus_write(&ports, port, 1, value));
}

/* ---- keyboard controller ---- */

/* The answer, and that there was one and is no other. */
static unsigned answer(void)
{
	unsigned value;

	ck_assert_uint_eq(in(COMMAND) & 1, 1);
	value = in(DATA);
	ck_assert_uint_eq(in(COMMAND) & 1, 0);
	return value;
}

START_TEST(the_controller_tests_itself)
{
	ck_assert_uint_eq(in(COMMAND) & 7, 0);
	out(COMMAND, 0xaa);
	ck_assert_uint_eq(answer(), 0x55);
	ck_assert_uint_eq(in(COMMAND) & 4, 4);
	out(COMMAND, 0xab);
	ck_assert_uint_eq(answer(), 0);
}
END_TEST

START_TEST(its_memory_holds_what_is_written)
{
	for (unsigned i = 0; i < 32; i++) {
		out(COMMAND, 0x60 + i);
		out(DATA, 0xe0 + i);
	}
	for (unsigned i = 0; i < 32; i++) {
		out(COMMAND, 0x20 + i);
		ck_assert_uint_eq(answer(), 0xe0 + i);
	}
}
END_TEST

/* As Linux probes: a looped byte that is not marked as the mouse's, and a test that fails. */
START_TEST(there_is_no_mouse_port)
{
	out(COMMAND, 0xd3);
	out(DATA, 0x5a);
	ck_assert_uint_eq(in(COMMAND) & 0x20, 0);
	ck_assert_uint_eq(answer(), 0x5a);
	out(COMMAND, 0xa9);
	ck_assert_uint_eq(answer(), 1);
	out(COMMAND, 0xd4);
	out(DATA, 0xf2);
	ck_assert_uint_eq(in(COMMAND) & 0x41, 0x41);
	ck_assert_uint_eq(answer(), 0xfe);
}
END_TEST

START_TEST(a_keyboard_does_not_answer)
{
	out(DATA, 0xff);
	ck_assert_uint_eq(in(COMMAND) & 0x41, 0x41);	/* timeout */
	ck_assert_uint_eq(answer(), 0xfe);
	ck_assert_uint_eq(in(COMMAND) & 0x40, 0);
}
END_TEST

START_TEST(interrupts_follow_the_output_when_enabled)
{
	out(DATA, 0xf2);
	ck_assert(!fake_lines[KEYBOARD_GSI]);
	in(DATA);
	out(COMMAND, 0x60);
	out(DATA, 0x01);
	ck_assert(!fake_lines[KEYBOARD_GSI]);
	out(DATA, 0xf2);
	ck_assert(fake_lines[KEYBOARD_GSI]);
	in(DATA);
	ck_assert(!fake_lines[KEYBOARD_GSI]);
	out(DATA, 0xf2);
	vmm__arch_machine_reset(machine);
	ck_assert(!fake_lines[KEYBOARD_GSI]);
	ck_assert_uint_eq(in(COMMAND) & 1, 0);
}
END_TEST

START_TEST(pulsing_the_first_output_resets)
{
	for (unsigned command = 0xf0; command <= 0xff; command++) {
		requests = 0;
		out(COMMAND, command);
		ck_assert_int_eq(requests, !(command & 1));
	}
	ck_assert_int_eq(last_request, ARCH_RESET);
}
END_TEST

START_TEST(pulling_the_first_output_low_resets)
{
	out(COMMAND, 0xd0);
	ck_assert_uint_eq(answer(), 3);
	out(COMMAND, 0xd1);
	out(DATA, 0xdd);
	ck_assert_int_eq(requests, 0);
	out(COMMAND, 0xd0);
	ck_assert_uint_eq(answer(), 0xdd);
	out(COMMAND, 0xd1);
	out(DATA, 0xde);
	ck_assert_int_eq(requests, 1);
	ck_assert_int_eq(last_request, ARCH_RESET);
}
END_TEST

START_TEST(a_command_forgets_the_one_that_waits)
{
	out(COMMAND, 0xd1);
	out(COMMAND, 0xae);
	out(DATA, 0x00);
	ck_assert_int_eq(requests, 0);
}
END_TEST

/* Nothing a guest does leaves the input full: a wait for it would last for ever. */
START_TEST(no_sequence_of_bytes_blocks_the_controller)
{
	for (unsigned command = 0; command < 256; command++) {
		for (unsigned data = 0; data < 256; data += 3) {
			out(COMMAND, command);
			ck_assert_uint_eq(in(COMMAND) & 2, 0);
			out(DATA, data);
			ck_assert_uint_eq(in(COMMAND) & 2, 0);
			in(DATA);
			ck_assert_uint_eq(in(COMMAND) & 1, 0);
		}
	}
}
END_TEST

/* ---- power ---- */

START_TEST(only_soft_off_powers_off)
{
	for (unsigned value = 0; value < 256; value++) {
		requests = 0;
		out(SLEEP, value);
		ck_assert_int_eq(requests, (value & 0x20) && (value >> 2 & 7) == 5);
	}
	out(SLEEP, 5 << 2 | 0x20);
	ck_assert_int_eq(last_request, ARCH_POWEROFF);
}
END_TEST

START_TEST(only_the_reset_value_resets)
{
	for (unsigned value = 0; value < 256; value++) {
		requests = 0;
		out(RESET, value);
		ck_assert_int_eq(requests, value == 1);
	}
	out(RESET, 1);
	ck_assert_int_eq(last_request, ARCH_RESET);
}
END_TEST

START_TEST(the_sleep_status_reads_as_nothing)
{
	out(STATUS, 0xff);
	ck_assert_uint_eq(in(STATUS), 0);
	ck_assert_uint_eq(in(SLEEP), 0);
	ck_assert_int_eq(requests, 0);
}
END_TEST

START_TEST(the_button_raises_its_line_until_the_event_is_taken)
{
	ck_assert_uint_eq(in(EVENTS), 0);
	vmm__arch_machine_power_button(machine);
	vmm__arch_machine_power_button(machine);
	ck_assert(fake_lines[EVENTS_GSI]);
	ck_assert_uint_eq(in(EVENTS), 1);
	ck_assert(!fake_lines[EVENTS_GSI]);
	ck_assert_uint_eq(in(EVENTS), 0);
}
END_TEST

START_TEST(a_reset_takes_the_button_back)
{
	vmm__arch_machine_power_button(machine);
	vmm__arch_machine_reset(machine);
	ck_assert(!fake_lines[EVENTS_GSI]);
	ck_assert_uint_eq(in(EVENTS), 0);
}
END_TEST

/* ---- PCI slots ---- */

static uint32_t in32(uint16_t port)
{
	uint64_t value;

	ck_assert(vmm__bus_read(&ports, port, 4, &value));
	return (uint32_t)value;
}

START_TEST(a_slot_is_told_of_once_and_by_an_event)
{
	const struct arch_hotplug *hotplug = vmm__arch_layout(-1)->hotplug;

	ck_assert_uint_eq(in32(SLOTS_IN) | in32(SLOTS_GO), 0);
	hotplug->inserted(machine, 1);
	hotplug->inserted(machine, 31);
	hotplug->leave(machine, 7);
	ck_assert(fake_lines[EVENTS_GSI]);
	vmm__arch_machine_power_button(machine);
	ck_assert_uint_eq(in(EVENTS), 3);
	ck_assert(!fake_lines[EVENTS_GSI]);
	ck_assert_uint_eq(in32(SLOTS_IN), 1u << 31 | 1u << 1);
	ck_assert_uint_eq(in32(SLOTS_IN), 0);
	ck_assert_uint_eq(in32(SLOTS_GO), 1u << 7);
	ck_assert_uint_eq(in32(SLOTS_GO), 0);
	ck_assert_uint_eq(in32(SLOTS_EJECT), 0);
}
END_TEST

START_TEST(of_coming_and_going_the_last_counts)
{
	const struct arch_hotplug *hotplug = vmm__arch_layout(-1)->hotplug;

	hotplug->inserted(machine, 2);
	hotplug->leave(machine, 2);
	hotplug->leave(machine, 3);
	hotplug->inserted(machine, 3);
	ck_assert_uint_eq(in32(SLOTS_IN), 1u << 3);
	ck_assert_uint_eq(in32(SLOTS_GO), 1u << 2);
}
END_TEST

START_TEST(slot_registers_are_of_32_bits)
{
	vmm__arch_layout(-1)->hotplug->inserted(machine, 5);
	for (uint32_t width = 1; width <= 2; width++) {
		for (uint16_t port = SLOTS_IN; port + width <= SLOTS_IN + 12; port++) {
			uint64_t value;

			ck_assert(vmm__bus_read(&ports, port, width, &value));
			ck_assert_uint_eq(value, 0);
			vmm__bus_write(&ports, port, width, 0xff);
		}
	}
	for (uint16_t port = SLOTS_IN; port < SLOTS_EJECT; port++)
		vmm__bus_write(&ports, port, 4, UINT32_MAX);
	ck_assert_int_eq(ejections, 0);
	ck_assert_uint_eq(in32(SLOTS_IN), 1u << 5);

	vmm__bus_write(&ports, SLOTS_EJECT, 4, 1u << 5);
	ck_assert_int_eq(ejections, 1);
	ck_assert_uint_eq(last_ejected, 1u << 5);
}
END_TEST

START_TEST(a_reset_forgets_slots)
{
	const struct arch_hotplug *hotplug = vmm__arch_layout(-1)->hotplug;

	hotplug->inserted(machine, 2);
	hotplug->leave(machine, 3);
	vmm__arch_machine_reset(machine);
	ck_assert(!fake_lines[EVENTS_GSI]);
	ck_assert_uint_eq(in(EVENTS), 0);
	ck_assert_uint_eq(in32(SLOTS_IN) | in32(SLOTS_GO), 0);
}
END_TEST

START_TEST(a_panic_is_reported_by_its_bit)
{
	ck_assert_uint_eq(in(PANIC), 1);
	for (unsigned value = 0; value < 256; value++) {
		requests = 0;
		out(PANIC, value);
		ck_assert_int_eq(requests, value & 1);
	}
	ck_assert_int_eq(last_request, ARCH_PANIC);
}
END_TEST

START_TEST(a_wide_access_reaches_each_register)
{
	uint64_t value;

	vmm__arch_machine_power_button(machine);
	ck_assert(vmm__bus_read(&ports, STATUS, 4, &value));
	ck_assert_uint_eq(value, 1u << 24);
	ck_assert(vmm__bus_write(&ports, SLEEP, 4, 0x00010000));
	ck_assert_int_eq(requests, 1);
	ck_assert_int_eq(last_request, ARCH_RESET);
}
END_TEST

static void *hammer(void *arg)
{
	static const uint16_t all[] = { DATA, COMMAND, 0x70, 0x71, SLEEP, STATUS, EVENTS };
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < 20000; i++) {
		uint16_t port = all[(seed + i) % (sizeof(all) / sizeof(all[0]))];
		uint64_t value;

		seed = seed * 1103515245 + 12345;
		value = seed >> 24;
		if (port == COMMAND || port == SLEEP)
			value &= 0x1f;		/* nothing that ends the guest */
		vmm__bus_write(&ports, port, 1, value);
		vmm__bus_read(&ports, port, 1, &value);
	}

	return NULL;
}

/* For the thread sanitizer: several vCPUs at the same registers, and a button. */
START_TEST(several_vcpus_may_use_it_at_once)
{
	pthread_t threads[3];

	for (uintptr_t i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < 1000; i++)
		vmm__arch_machine_power_button(machine);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	in(EVENTS);
	ck_assert(!fake_lines[EVENTS_GSI]);
}
END_TEST

/* Each port that is taken already, in turn. */
START_TEST(a_failure_leaves_nothing_behind)
{
	static const uint16_t taken[] = { DATA, COMMAND, 0x71, RESET, SLOTS_EJECT, PANIC };
	const struct bus_range range = { .base = taken[_i], .length = 1 };
	struct arch_machine *second = NULL;
	struct bus other;
	struct arch_machine_host other_host = host;

	ck_assert_int_eq(vmm__bus_init(&other, "port", 0x10000), 0);
	other_host.ports = &other;
	ck_assert_int_eq(vmm__bus_add(&other, &range), 0);
	ck_assert_int_eq(vmm__arch_machine_create(&other_host, &second), -EEXIST);
	ck_assert_ptr_null(second);
	ck_assert_uint_eq(other.nr, 1);
	vmm__bus_finish(&other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("machine");
	TCase *tcase = tcase_create("machine");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_controller_tests_itself);
	tcase_add_test(tcase, its_memory_holds_what_is_written);
	tcase_add_test(tcase, there_is_no_mouse_port);
	tcase_add_test(tcase, a_keyboard_does_not_answer);
	tcase_add_test(tcase, interrupts_follow_the_output_when_enabled);
	tcase_add_test(tcase, pulsing_the_first_output_resets);
	tcase_add_test(tcase, pulling_the_first_output_low_resets);
	tcase_add_test(tcase, a_command_forgets_the_one_that_waits);
	tcase_add_test(tcase, no_sequence_of_bytes_blocks_the_controller);
	tcase_add_test(tcase, only_soft_off_powers_off);
	tcase_add_test(tcase, only_the_reset_value_resets);
	tcase_add_test(tcase, the_sleep_status_reads_as_nothing);
	tcase_add_test(tcase, the_button_raises_its_line_until_the_event_is_taken);
	tcase_add_test(tcase, a_reset_takes_the_button_back);
	tcase_add_test(tcase, a_slot_is_told_of_once_and_by_an_event);
	tcase_add_test(tcase, of_coming_and_going_the_last_counts);
	tcase_add_test(tcase, slot_registers_are_of_32_bits);
	tcase_add_test(tcase, a_reset_forgets_slots);
	tcase_add_test(tcase, a_panic_is_reported_by_its_bit);
	tcase_add_test(tcase, a_wide_access_reaches_each_register);
	tcase_add_test(tcase, several_vcpus_may_use_it_at_once);
	tcase_add_loop_test(tcase, a_failure_leaves_nothing_behind, 0, 6);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
