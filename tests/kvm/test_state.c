/* SPDX-License-Identifier: MIT */
/* test_state.c - created, running, paused, stopped: every call in every state, and from any thread. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "bare.h"
#include "harness.h"

static struct holdings before;
static struct vmm_loop *loop;
static struct vmm *vm;

static void setup(void)
{
	before = holdings_now();
	vm = bare_guest(0, NULL, CODE_SPIN, CODE_SPIN_LEN);
}

static void setup_by_hand(void)
{
	before = holdings_now();
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	vm = bare_guest(0, loop, CODE_SPIN, CODE_SPIN_LEN);
}

static void teardown(void)
{
	vmm_destroy(vm);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	assert_nothing_left(before);
}

static void reach(uint32_t state)
{
	ck_assert_int_eq(vmm_wait_state(vm, 1u << state, 20000), (int)state);
}

static void bring_to(uint32_t state)
{
	if (state == VMM_STATE_CREATED)
		return;
	ck_assert_int_eq(vmm_start(vm), 0);
	if (state == VMM_STATE_PAUSED)
		ck_assert_int_eq(vmm_pause(vm), 0);
	if (state == VMM_STATE_STOPPED)
		ck_assert_int_eq(vmm_stop(vm), 0);
	reach(state);
}

/* What each call says in each state: created, running, paused, stopped. */
static const struct {
	const char *name;
	int (*call)(struct vmm *vm);
	int want[4];
} calls[] = {
	{ "pause",	vmm_pause,	{ -EBUSY, 0, 0, -EBUSY } },
	{ "resume",	vmm_resume,	{ -EBUSY, 0, 0, -EBUSY } },
	{ "stop",	vmm_stop,	{ -EBUSY, 0, 0, 0 } },
	{ "reset",	vmm_reset,	{ -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP } },
	{ "button",	vmm_power_button, { -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP, -EOPNOTSUPP } },
	/* Created: it has registers. Stopped: those were used up. */
	{ "start",	vmm_start,	{ 0, -EBUSY, -EBUSY, -EINVAL } },
};

START_TEST(each_call_in_each_state)
{
	int call = _i / 4, state = _i % 4;

	bring_to((uint32_t)state);
	ck_assert_msg(calls[call].call(vm) == calls[call].want[state], "%s in state %d: %s",
		      calls[call].name, state, vmm_last_error());
	if (calls[call].want[state] < 0) {
		ck_assert_uint_eq(vmm_state(vm), (uint32_t)state);
		ck_assert_str_ne(vmm_last_error(), "");
	}
}
END_TEST

START_TEST(a_spinning_guest_pauses_resumes_and_stops)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_regs regs = VMM_REGS_INIT;

	ck_assert_int_eq(vmm_wait(vm, NULL), -EBUSY);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_vcpu_read_regs(vmm_vcpu(vm, 0), &regs), -EBUSY);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(vmm_pause(vm), 0);
		reach(VMM_STATE_PAUSED);
		ck_assert_int_eq(vmm_vcpu_read_regs(vmm_vcpu(vm, 0), &regs), 0);
		ck_assert_uint_eq(harness_pc(&regs), CODE);
		ck_assert_int_eq(vmm_resume(vm), 0);
		reach(VMM_STATE_RUNNING);
	}
	ck_assert_int_eq(vmm_stop(vm), 0);
	ck_assert_int_eq(vmm_wait(vm, &info), 0);
	ck_assert_uint_eq(info.reason, VMM_STOP_REQUESTED);
	ck_assert_uint_eq(info.vcpu, ~0u);
}
END_TEST

START_TEST(events_tell_each_change_in_order)
{
	static const uint32_t want[] = {
		VMM_STATE_RUNNING, VMM_STATE_PAUSED, VMM_STATE_RUNNING, VMM_STATE_STOPPED,
	};
	struct vmm_event event = VMM_EVENT_INIT;
	struct pollfd p = { .fd = vmm_event_fd(vm), .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(vmm_next_event(vm, &event), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_pause(vm), 0);
	reach(VMM_STATE_PAUSED);
	ck_assert_int_eq(vmm_resume(vm), 0);
	ck_assert_int_eq(vmm_stop(vm), 0);
	ck_assert_int_eq(vmm_wait(vm, NULL), 0);
	for (uint64_t i = 0; i < 4; i++) {
		ck_assert_int_eq(poll(&p, 1, 0), 1);
		ck_assert_int_eq(vmm_next_event(vm, &event), 1);
		ck_assert_uint_eq(event.type, VMM_EVENT_STATE);
		ck_assert_uint_eq(event.value, want[i]);
		ck_assert_uint_eq(event.sequence, i + 1);
		ck_assert_uint_eq(event.lost, 0);
	}
	ck_assert_uint_eq(event.reason, VMM_STOP_REQUESTED);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
}
END_TEST

START_TEST(events_that_are_not_read_are_counted_not_kept)
{
	struct vmm_event event = VMM_EVENT_INIT;
	uint64_t lost = 0, taken = 0, last = 0;

	ck_assert_int_eq(vmm_start(vm), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(vmm_pause(vm), 0);
		reach(VMM_STATE_PAUSED);
		ck_assert_int_eq(vmm_resume(vm), 0);
	}
	while (vmm_next_event(vm, &event) == 1) {
		ck_assert_uint_eq(event.sequence, last + 1 + event.lost);
		last = event.sequence;
		lost += event.lost;
		taken++;
	}
	ck_assert_uint_eq(taken, 64);
	ck_assert_uint_eq(lost + taken, 201);
}
END_TEST

START_TEST(a_guest_starts_again_with_new_registers)
{
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(vmm_start(vm), 0);
		ck_assert_int_eq(vmm_stop(vm), 0);
		ck_assert_int_eq(vmm_wait(vm, NULL), 0);
		bare_enter(vm, 0, CODE_SPIN, CODE_SPIN_LEN);
	}
}
END_TEST

#ifdef __x86_64__
START_TEST(a_triple_fault_is_a_reset_with_registers)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_regs regs = VMM_REGS_INIT;

	/* Protected mode, an invalid opcode, and no table that says what to do about it. */
	bare_enter(vm, 0, "\x0f\x0b", 2);
	ck_assert_int_eq(vmm_vcpu_read_regs(vmm_vcpu(vm, 0), &regs), 0);
	regs.x86.cr0 |= 1;
	regs.x86.idt_limit = 0;
	regs.x86.cs.selector = 8;
	regs.x86.cs.limit = ~0u;
	regs.x86.cs.attributes = 0xc9b;		/* 32-bit code, present, granular */
	ck_assert_int_eq(vmm_vcpu_write_regs(vmm_vcpu(vm, 0), &regs), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_wait(vm, &info), 0);
	ck_assert_msg(info.reason == VMM_STOP_RESET, "%s", info.words);
	ck_assert_ptr_nonnull(strstr(info.words, "triple fault"));
	ck_assert_uint_eq(info.vcpu, 0);
	ck_assert_uint_eq(info.regs.arch, VMM_ARCH_X86_64);
}
END_TEST

START_TEST(a_guest_that_cannot_go_on_is_a_crash_with_words)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	/* HLT, and nothing that could ever wake it. */
	bare_enter(vm, 0, CODE_HLT, 1);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_wait(vm, &info), 0);
	ck_assert_uint_eq(info.reason, VMM_STOP_CRASHED);
	ck_assert_uint_eq(info.regs.x86.rip, CODE + 1);
	ck_assert_ptr_nonnull(strstr(info.words, "halted"));
}
END_TEST
#endif

START_TEST(waiting_has_an_end)
{
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_wait_state(vm, 1u << VMM_STATE_STOPPED, 30), -ETIMEDOUT);
	ck_assert_int_eq(vmm_wait_state(vm, 0, 30), -EINVAL);
}
END_TEST

struct asker {
	struct vmm *vm;
	unsigned seed;
	bool stop;
};

static void *ask(void *arg)
{
	struct asker *a = arg;

	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED)) {
		switch (rand_r(&a->seed) % 4) {
		case 0: (void)!vmm_pause(a->vm); break;
		case 1: (void)!vmm_resume(a->vm); break;
		case 2: (void)!vmm_wait_state(a->vm, 1u << VMM_STATE_PAUSED, 1); break;
		default: (void)!vmm_vcpu_pin(vmm_vcpu(a->vm, 0), NULL, 0);
		}
	}
	return NULL;
}

START_TEST(any_thread_may_ask_at_any_moment)
{
	struct asker askers[3];
	pthread_t threads[3];

	ck_assert_int_eq(vmm_start(vm), 0);
	for (unsigned i = 0; i < 3; i++) {
		askers[i] = (struct asker){ .vm = vm, .seed = i };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
	}
	usleep(200000);
	ck_assert_int_eq(vmm_stop(vm), 0);
	ck_assert_int_eq(vmm_wait(vm, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		__atomic_store_n(&askers[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(threads[i], NULL);
	}
}
END_TEST

START_TEST(a_guest_may_be_destroyed_at_any_moment)
{
	if (_i % 4 > 0)
		ck_assert_int_eq(vmm_start(vm), 0);
	if (_i % 4 == 2)
		ck_assert_int_eq(vmm_pause(vm), 0);
	if (_i % 4 == 3)
		ck_assert_int_eq(vmm_stop(vm), 0);
	if (_i >= 8)
		usleep((useconds_t)_i * 100);
	/* teardown destroys it */
}
END_TEST

START_TEST(signals_of_the_process_are_left_alone)
{
	struct sigaction old[65], now;
	sigset_t old_mask, mask;

	pthread_sigmask(SIG_SETMASK, NULL, &old_mask);
	for (int sig = 1; sig < SIGRTMAX; sig++)
		sigaction(sig, NULL, &old[sig]);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_pause(vm), 0);
	reach(VMM_STATE_PAUSED);
	for (int sig = 1; sig < SIGRTMAX; sig++) {
		if (sigaction(sig, NULL, &now) == 0)
			ck_assert(now.sa_handler == old[sig].sa_handler);
	}
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < SIGRTMAX; sig++)
		ck_assert_int_eq(sigismember(&mask, sig), sigismember(&old_mask, sig));
}
END_TEST

START_TEST(the_application_may_keep_a_signal_number_to_itself)
{
	struct timespec seconds = { .tv_sec = 5 };
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *other;
	sigset_t set;

	config.ram_bytes = 1 << 20;
	config.flags = VMM_F_KVM_ONLY;
	config.kick_signal = SIGUSR1;
	ck_assert_int_eq(vmm_create(&config, &other), -EINVAL);
	config.kick_signal = (uint32_t)SIGRTMAX;
	ck_assert_int_eq(vmm_create(&config, &other), 0);
	bare_enter(other, 0, CODE_SPIN, CODE_SPIN_LEN);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ck_assert_int_eq(vmm_start(other), 0);
	usleep(20000);
	kill(getpid(), SIGRTMIN);
	ck_assert_int_eq(sigtimedwait(&set, NULL, &seconds), SIGRTMIN);
	ck_assert_int_eq(vmm_pause(other), 0);
	ck_assert_int_eq(vmm_wait_state(other, 1u << VMM_STATE_PAUSED, 20000), VMM_STATE_PAUSED);
	vmm_destroy(other);
}
END_TEST

START_TEST(a_vcpu_is_pinned_where_it_may_run)
{
	struct vmm_vcpu *vcpu = vmm_vcpu(vm, 0);
	uint32_t first = 0, none = 100000;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(first, &set))
		first++;
	ck_assert_ptr_null(vmm_vcpu(vm, 1));
	ck_assert_int_eq(vmm_vcpu_pin(vcpu, &none, 1), -EINVAL);
	ck_assert_int_eq(vmm_vcpu_pin(vcpu, &first, 1), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_vcpu_pin(vcpu, NULL, 0), 0);
	ck_assert_int_eq(vmm_vcpu_pin(vcpu, &first, 1), 0);
}
END_TEST

/* ---- the application drives the loop ---- */

START_TEST(an_application_driven_loop_brings_the_stop)
{
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_stop(vm), 0);
	while (vmm_state(vm) != VMM_STATE_STOPPED) {
		ck_assert_int_eq(poll(&p, 1, 20000), 1);
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
	}
	ck_assert_int_eq(vmm_wait(vm, NULL), 0);
}
END_TEST

START_TEST(waiting_drives_the_loop)
{
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_wait_state(vm, 1u << VMM_STATE_STOPPED, 20), -ETIMEDOUT);
	ck_assert_int_eq(vmm_stop(vm), 0);
	ck_assert_int_eq(vmm_wait(vm, NULL), 0);
}
END_TEST

START_TEST(one_loop_serves_several_guests)
{
	struct vmm *others[4];

	for (int i = 0; i < 4; i++) {
		others[i] = bare_guest(0, loop, CODE_SPIN, CODE_SPIN_LEN);
		ck_assert_int_eq(vmm_start(others[i]), 0);
	}
	ck_assert_int_eq(vmm_loop_destroy(loop), -EBUSY);
	vmm_destroy(others[0]);
	for (int i = 1; i < 4; i++) {
		ck_assert_int_eq(vmm_stop(others[i]), 0);
		ck_assert_int_eq(vmm_wait(others[i], NULL), 0);
		vmm_destroy(others[i]);
	}
}
END_TEST

static void wait_inside(void *data, uint32_t revents)
{
	ck_assert_int_eq(vmm_wait(vm, NULL), -EDEADLK);
	*(int *)data += 1;
}

START_TEST(a_callback_cannot_wait_for_its_own_loop)
{
	struct vmm_source *source;
	int fd = eventfd(1, EFD_CLOEXEC), ran = 0;

	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, wait_inside, &ran, &source), 0);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert_int_eq(ran, 1);
	vmm_source_remove(source);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *own = tcase_create("its own loop"), *hand = tcase_create("the application's loop");

	tcase_set_timeout(own, 60);
	tcase_add_checked_fixture(own, setup, teardown);
	tcase_add_loop_test(own, each_call_in_each_state, 0, 4 * (int)(sizeof(calls) / sizeof(calls[0])));
	tcase_add_test(own, a_spinning_guest_pauses_resumes_and_stops);
	tcase_add_test(own, events_tell_each_change_in_order);
	tcase_add_test(own, events_that_are_not_read_are_counted_not_kept);
	tcase_add_test(own, a_guest_starts_again_with_new_registers);
#ifdef __x86_64__
	tcase_add_test(own, a_triple_fault_is_a_reset_with_registers);
	tcase_add_test(own, a_guest_that_cannot_go_on_is_a_crash_with_words);
#endif
	tcase_add_test(own, waiting_has_an_end);
	tcase_add_test(own, any_thread_may_ask_at_any_moment);
	tcase_add_loop_test(own, a_guest_may_be_destroyed_at_any_moment, 0, 16);
	tcase_add_test(own, signals_of_the_process_are_left_alone);
	tcase_add_test(own, the_application_may_keep_a_signal_number_to_itself);
	tcase_add_test(own, a_vcpu_is_pinned_where_it_may_run);
	suite_add_tcase(suite, own);

	tcase_set_timeout(hand, 60);
	tcase_add_checked_fixture(hand, setup_by_hand, teardown);
	tcase_add_test(hand, an_application_driven_loop_brings_the_stop);
	tcase_add_test(hand, waiting_drives_the_loop);
	tcase_add_test(hand, one_loop_serves_several_guests);
	tcase_add_test(hand, a_callback_cannot_wait_for_its_own_loop);
	suite_add_tcase(suite, hand);
	return run_suite(suite);
}
