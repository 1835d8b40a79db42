/* SPDX-License-Identifier: MIT */
/* test_supervisor.c - guests that end in every way, and what becomes of them. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/supervisor.h>
#include <libvmm/watchdog.h>
#include "harness.h"

static struct guest guest;
static struct vmm_supervisor *supervisor;
static struct vmm_ring *ring;
static unsigned fds;

static void make(struct guest *g, uint32_t end, const struct vmm_config *config)
{
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;

	guest_create(g, config);
	g->params[PARAM_END] = end;
	ck_assert_int_eq(vmm_console_open_ring(4096, &console.backend, &ring), 0);
	vmm_ring_close(ring);
	ck_assert_int_eq(vmm_add_serial(g->vm, &console), 0);
}

static void setup(void)
{
	fds = harness_count_fds();
	ck_assert_int_eq(vmm_supervisor_create(NULL, &supervisor), 0);
}

static void teardown(void)
{
	if (guest.vm)
		guest_destroy(&guest);
	ck_assert_int_eq(vmm_supervisor_destroy(supervisor), 0);
	ck_assert_uint_eq(harness_count_fds(), fds);
}

static struct vmm_supervise_config quick(uint32_t policy)
{
	struct vmm_supervise_config c = VMM_SUPERVISE_CONFIG_INIT;

	c.policy = policy;
	c.backoff_ms = 10;
	c.backoff_max_ms = 50;
	return c;
}

static void supervise(const struct vmm_supervise_config *config)
{
	ck_assert_msg(vmm_supervise(supervisor, guest.vm, config) == 0, "%s", vmm_last_error());
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The next event of @type; with @value, unless that is 0. */
static struct vmm_event await(uint32_t type, uint32_t value)
{
	struct vmm_event event = VMM_EVENT_INIT;
	uint64_t end = now_ms() + 1000u * (unsigned)harness_patience(20);

	while (now_ms() < end) {
		if (vmm_next_event(guest.vm, &event) == 0)
			usleep(1000);
		else if (event.type == type && (value == 0 || event.value == value))
			return event;
	}
	ck_abort_msg("event %u, %u did not come", type, value);
}

static void nothing_more(void)
{
	struct vmm_event event = VMM_EVENT_INIT;

	usleep(200000);
	while (vmm_next_event(guest.vm, &event) == 1)
		ck_assert_msg(event.type != VMM_EVENT_SUPERVISOR, "%s", event.words);
	ck_assert_uint_eq(vmm_state(guest.vm), VMM_STATE_STOPPED);
}

/* How a guest ends, and which policies start it again. */
static const struct {
	uint32_t end;
	bool on_failure, always;
} ends[] = {
	{ END_POWEROFF, false, true },
	{ END_REBOOT, true, true },
	{ END_FAULT, true, true },
	{ END_PANIC, true, true },
};

START_TEST(each_end_under_each_policy)
{
	uint32_t end = (uint32_t)_i / 3, policy = (uint32_t)_i % 3;
	bool again = policy == VMM_RESTART_ALWAYS ? ends[end].always
						  : policy == VMM_RESTART_ON_FAILURE && ends[end].on_failure;
	struct vmm_supervise_config config = quick(policy);

	make(&guest, ends[end].end, NULL);
	supervise(&config);
	guest_start(&guest, "ending");
	if (!again) {
		(void)await(VMM_EVENT_STATE, VMM_STATE_STOPPED);
		nothing_more();
		ck_assert_uint_eq(guest.steps[STEP_UP], 1);
		return;
	}
	for (int i = 0; i < 3; i++) {
		(void)await(VMM_EVENT_STATE, VMM_STATE_STOPPED);
		(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_RESTARTING);
		(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_RESTARTED);
	}
	guest.params[PARAM_END] = END_SPIN;
	for (int i = 0; i < 20000 && vmm_state(guest.vm) != VMM_STATE_RUNNING; i++)
		usleep(1000);
	ck_assert_uint_ge(guest.steps[STEP_UP], 2);
}
END_TEST

START_TEST(failures_in_a_row_wait_longer_and_are_given_up)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);
	static const char *const waits[] = { " 10 ms", " 20 ms", " 40 ms", " 50 ms", " 50 ms" };
	struct vmm_event event;

	config.max_restarts = 5;
	make(&guest, END_PANIC, NULL);
	supervise(&config);
	guest_start(&guest, "ending");
	for (int i = 0; i < 5; i++) {
		char row[32];

		event = await(VMM_EVENT_SUPERVISOR, 0);
		ck_assert_uint_eq(event.value, VMM_SUPERVISOR_RESTARTING);
		snprintf(row, sizeof(row), "in a row: %d", i + 1);
		ck_assert_msg(strstr(event.words, waits[i]) && strstr(event.words, row) &&
			      strstr(event.words, "panicked"), "%s", event.words);
		event = await(VMM_EVENT_SUPERVISOR, 0);
		ck_assert_uint_eq(event.value, VMM_SUPERVISOR_RESTARTED);
	}
	event = await(VMM_EVENT_SUPERVISOR, 0);
	ck_assert_uint_eq(event.value, VMM_SUPERVISOR_GAVE_UP);
	nothing_more();
	ck_assert_uint_eq(guest.steps[STEP_UP], 6);

	/* The application may start it itself: a new chance. */
	ck_assert_int_eq(vmm_start(guest.vm), 0);
	(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_GAVE_UP);
}
END_TEST

START_TEST(what_the_application_stops_stays_stopped)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ALWAYS);

	make(&guest, END_SPIN, NULL);
	supervise(&config);
	guest_start(&guest, "ending");
	guest_wait_step(&guest, STEP_UP, 1);
	ck_assert_int_eq(vmm_stop(guest.vm), 0);
	(void)await(VMM_EVENT_STATE, VMM_STATE_STOPPED);
	nothing_more();
}
END_TEST

START_TEST(the_console_tells_when_it_is_ready_and_when_it_failed)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);
	struct vmm_event event;

	config.ready_text = "guest is ready";
	config.ready_ms = 20000;
	config.failure_text = "Kernel panic";
	make(&guest, END_OOPS, NULL);
	supervise(&config);
	guest_start(&guest, "ending");
	event = await(VMM_EVENT_SUPERVISOR, 0);
	ck_assert_uint_eq(event.value, VMM_SUPERVISOR_READY);
	event = await(VMM_EVENT_SUPERVISOR, 0);
	ck_assert_uint_eq(event.value, VMM_SUPERVISOR_UNHEALTHY);
	ck_assert_msg(strstr(event.words, "Kernel panic") != NULL, "%s", event.words);
	(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_RESTARTED);
}
END_TEST

START_TEST(a_guest_that_does_not_get_ready_in_time_has_failed)
{
	struct vmm_supervise_config config = quick(_i ? VMM_RESTART_ON_FAILURE : VMM_RESTART_NEVER);
	struct vmm_event event;

	config.ready_text = "what it never says";
	config.ready_ms = 100;
	make(&guest, END_SPIN, NULL);
	supervise(&config);
	guest_start(&guest, "ending");
	event = await(VMM_EVENT_SUPERVISOR, 0);
	ck_assert_uint_eq(event.value, VMM_SUPERVISOR_UNHEALTHY);
	if (_i) {
		(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_RESTARTED);
	} else {
		usleep(200000);
		ck_assert_uint_eq(vmm_state(guest.vm), VMM_STATE_RUNNING);
	}
}
END_TEST

START_TEST(a_paused_guest_has_all_the_time)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);
	struct vmm_event event = VMM_EVENT_INIT;

	config.ready_text = "what it never says";
	config.ready_ms = 2000;
	make(&guest, END_SPIN, NULL);
	supervise(&config);
	guest_start(&guest, "ending");
	ck_assert_int_eq(vmm_pause(guest.vm), 0);
	(void)await(VMM_EVENT_STATE, VMM_STATE_PAUSED);
	usleep(3000000);
	while (vmm_next_event(guest.vm, &event) == 1)
		ck_assert_uint_ne(event.type, VMM_EVENT_SUPERVISOR);
	ck_assert_int_eq(vmm_resume(guest.vm), 0);
	(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_UNHEALTHY);
}
END_TEST

/* ---- the watchdog ---- */

static void add_watchdog(uint32_t action)
{
	struct vmm_watchdog_config config = VMM_WATCHDOG_CONFIG_INIT;

	config.action = action;
	ck_assert_msg(vmm_add_watchdog(guest.vm, &config) == 0, "%s", vmm_last_error());
}

START_TEST(a_watchdog_that_is_not_fed_does_what_was_asked_for)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_event event;

	make(&guest, END_UNFED, NULL);
	add_watchdog((uint32_t)_i);
	guest_start(&guest, "ending");
	event = await(VMM_EVENT_WATCHDOG, 0);
	ck_assert_uint_eq(event.value, (uint32_t)_i);
	switch (_i) {
	case VMM_WATCHDOG_RESET:
		guest_wait_step(&guest, STEP_UP, 2);
		(void)await(VMM_EVENT_RESET, 0);
		(void)await(VMM_EVENT_WATCHDOG, 0);
		break;
	case VMM_WATCHDOG_STOP:
		(void)await(VMM_EVENT_STATE, VMM_STATE_STOPPED);
		ck_assert_int_eq(vmm_stop_info(guest.vm, &info), 0);
		ck_assert_uint_eq(info.reason, VMM_STOP_WATCHDOG);
		break;
	default:
		usleep(400000);
		ck_assert_uint_eq(vmm_state(guest.vm), VMM_STATE_RUNNING);
		ck_assert_uint_eq(guest.steps[STEP_UP], 1);
	}
}
END_TEST

START_TEST(a_watchdog_waits_while_its_guest_is_paused)
{
	struct vmm_event event = VMM_EVENT_INIT;

	make(&guest, END_UNFED, NULL);
	add_watchdog(VMM_WATCHDOG_STOP);
	guest_start(&guest, "ending");
	guest_wait_step(&guest, STEP_UP, 1);
	ck_assert_int_eq(vmm_pause(guest.vm), 0);
	(void)await(VMM_EVENT_STATE, VMM_STATE_PAUSED);
	usleep(700000);
	while (vmm_next_event(guest.vm, &event) == 1)
		ck_assert_uint_ne(event.type, VMM_EVENT_WATCHDOG);
	ck_assert_int_eq(vmm_resume(guest.vm), 0);
	(void)await(VMM_EVENT_WATCHDOG, 0);
}
END_TEST

START_TEST(the_supervisor_hears_of_the_watchdog)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);
	struct vmm_event event;

	make(&guest, END_UNFED, NULL);
	add_watchdog((uint32_t)_i);
	supervise(&config);
	guest_start(&guest, "ending");
	event = await(VMM_EVENT_SUPERVISOR, 0);
	ck_assert_uint_eq(event.value, VMM_SUPERVISOR_UNHEALTHY);
	if (_i != VMM_WATCHDOG_RESET)
		(void)await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_RESTARTED);
	guest_wait_step(&guest, STEP_UP, 2);
}
END_TEST

START_TEST(having_run_for_a_while_a_guest_is_forgiven)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);
	struct vmm_event event;

	config.healthy_ms = 100;	/* the watchdog takes twice that */
	config.max_restarts = 2;
	make(&guest, END_UNFED, NULL);
	add_watchdog(VMM_WATCHDOG_STOP);
	supervise(&config);
	guest_start(&guest, "ending");
	for (int i = 0; i < 4; i++) {
		event = await(VMM_EVENT_SUPERVISOR, VMM_SUPERVISOR_RESTARTING);
		ck_assert_msg(strstr(event.words, "in a row: 1;") != NULL, "%s", event.words);
	}
}
END_TEST

START_TEST(watchdogs_are_refused_with_words)
{
	struct vmm_watchdog_config config = VMM_WATCHDOG_CONFIG_INIT;
	struct vmm_config bare = VMM_CONFIG_INIT;
	struct vmm *vm;

	make(&guest, END_SPIN, NULL);
	ck_assert_int_eq(vmm_add_watchdog(NULL, NULL), -EINVAL);
	config.action = 3;
	ck_assert_int_eq(vmm_add_watchdog(guest.vm, &config), -EINVAL);
	ck_assert_int_eq(vmm_add_watchdog(guest.vm, NULL), 0);
	ck_assert_int_eq(vmm_add_watchdog(guest.vm, NULL), -EBUSY);
	bare.ram_bytes = 1 << 20;
	bare.flags = VMM_F_KVM_ONLY;
	ck_assert_int_eq(vmm_create(&bare, &vm), 0);
	ck_assert_int_eq(vmm_add_watchdog(vm, NULL), -EOPNOTSUPP);
	vmm_destroy(vm);
}
END_TEST

/* ---- one supervisor, many guests; and its end ---- */

START_TEST(many_guests_share_a_supervisor_and_its_limit)
{
	struct vmm_supervisor_config slow = VMM_SUPERVISOR_CONFIG_INIT;
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);
	struct vmm_config one_loop = VMM_CONFIG_INIT;
	struct vmm_supervisor *s;
	struct guest many[4];
	uint64_t began;
	struct vmm_event event = VMM_EVENT_INIT;
	unsigned restarts = 0;

	guest.vm = NULL;
	slow.restarts_per_minute = 300;
	ck_assert_int_eq(vmm_supervisor_create(&slow, &s), 0);
	ck_assert_int_eq(vmm_loop_create(&(struct vmm_loop_config){ .size = sizeof(struct vmm_loop_config),
				.flags = VMM_LOOP_THREAD }, &one_loop.loop), 0);
	for (int i = 0; i < 4; i++) {
		make(&many[i], END_PANIC, &one_loop);
		ck_assert_int_eq(vmm_supervise(s, many[i].vm, &config), 0);
		guest_start(&many[i], "ending");
	}
	began = now_ms();
	while (restarts < 10 && now_ms() < began + 60000) {
		usleep(1000);
		for (int i = 0; i < 4; i++) {
			while (vmm_next_event(many[i].vm, &event) == 1)
				restarts += event.type == VMM_EVENT_SUPERVISOR &&
					    event.value == VMM_SUPERVISOR_RESTARTED;
		}
	}
	/* One each 200 ms; the first may have come before we looked. */
	ck_assert_uint_ge(restarts, 10);
	ck_assert_uint_ge(now_ms() - began, 8 * 200);
	ck_assert_int_eq(vmm_supervisor_destroy(s), -EBUSY);
	for (int i = 0; i < 4; i++)
		guest_destroy(&many[i]);
	ck_assert_int_eq(vmm_supervisor_destroy(s), 0);
	ck_assert_int_eq(vmm_loop_destroy(one_loop.loop), 0);
}
END_TEST

START_TEST(guests_are_let_go_and_destroyed_at_any_moment)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);

	config.backoff_ms = config.backoff_max_ms = 1;
	for (int i = 0; i < 30; i++) {
		make(&guest, i % 2 ? END_PANIC : END_FAULT, NULL);
		supervise(&config);
		ck_assert_int_eq(vmm_supervise(supervisor, guest.vm, &config), -EBUSY);
		guest_start(&guest, "ending");
		usleep((unsigned)(i * 700));
		if (i % 3 == 0) {
			ck_assert_int_eq(vmm_unsupervise(guest.vm), 0);
			ck_assert_int_eq(vmm_unsupervise(guest.vm), -EINVAL);
		}
		guest_destroy(&guest);
		guest.vm = NULL;
	}
}
END_TEST

static void no_ready_text(struct vmm_supervise_config *c) { c->ready_ms = 1; }
static void empty_text(struct vmm_supervise_config *c) { c->ready_text = ""; }
static void bad_policy(struct vmm_supervise_config *c) { c->policy = 3; }
static void no_size(struct vmm_supervise_config *c) { c->size = 0; }
static void long_text(struct vmm_supervise_config *c)
{
	static char text[200];

	memset(text, 'x', 128);
	c->failure_text = text;
}

static void (*const spoilers[])(struct vmm_supervise_config *c) = {
	no_ready_text, empty_text, bad_policy, no_size, long_text,
};

START_TEST(a_spoilt_configuration_is_refused)
{
	struct vmm_supervise_config config = quick(VMM_RESTART_ON_FAILURE);

	make(&guest, END_SPIN, NULL);
	spoilers[_i](&config);
	ck_assert_int_eq(vmm_supervise(supervisor, guest.vm, &config), -EINVAL);
	ck_assert_int_eq(vmm_unsupervise(guest.vm), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("supervisor");
	TCase *tcase = tcase_create("supervisor");
	SRunner *runner;
	int failed;

	if (harness_skip())
		return SKIP;
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, each_end_under_each_policy, 0, 12);
	tcase_add_test(tcase, failures_in_a_row_wait_longer_and_are_given_up);
	tcase_add_test(tcase, having_run_for_a_while_a_guest_is_forgiven);
	tcase_add_test(tcase, what_the_application_stops_stays_stopped);
	tcase_add_test(tcase, the_console_tells_when_it_is_ready_and_when_it_failed);
	tcase_add_loop_test(tcase, a_guest_that_does_not_get_ready_in_time_has_failed, 0, 2);
	tcase_add_test(tcase, a_paused_guest_has_all_the_time);
	tcase_add_loop_test(tcase, a_watchdog_that_is_not_fed_does_what_was_asked_for, 0, 3);
	tcase_add_test(tcase, a_watchdog_waits_while_its_guest_is_paused);
	tcase_add_loop_test(tcase, the_supervisor_hears_of_the_watchdog, 0, 3);
	tcase_add_test(tcase, watchdogs_are_refused_with_words);
	tcase_add_test(tcase, many_guests_share_a_supervisor_and_its_limit);
	tcase_add_test(tcase, guests_are_let_go_and_destroyed_at_any_moment);
	tcase_add_loop_test(tcase, a_spoilt_configuration_is_refused, 0,
			    (int)(sizeof(spoilers) / sizeof(spoilers[0])));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
