/* SPDX-License-Identifier: MIT */
/* test_loop.c - descriptors, timers and calls, driven by a thread and by hand. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/loop_priv.h"

static struct vmm_loop *loop;
static int fd;
static struct vmm_source *source;
static int calls;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ring(void)
{
	const uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static void make(uint32_t flags)
{
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;

	config.flags = flags;
	ck_assert_int_eq(vmm_loop_create(&config, &loop), 0);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	source = NULL;
	calls = 0;
}

static void by_hand(void)
{
	make(0);
}

static void by_thread(void)
{
	make(VMM_LOOP_THREAD);
}

static void teardown(void)
{
	vmm_source_remove(source);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	close(fd);
}

static void count(void *data, uint32_t revents)
{
	uint64_t value;

	ck_assert_int_eq(read(fd, &value, sizeof(value)), sizeof(value));
	ck_assert(vmm_loop_inside(loop));
	__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
}

static bool readable(int what)
{
	struct pollfd p = { .fd = what, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Until *@value is @want; two seconds is a failure. */
static void await(const int *value, int want)
{
	for (int i = 0; i < 20000 && __atomic_load_n(value, __ATOMIC_SEQ_CST) != want; i++)
		usleep(100);
	ck_assert_int_eq(__atomic_load_n(value, __ATOMIC_SEQ_CST), want);
}

START_TEST(dispatch_runs_what_is_ready_and_never_blocks)
{
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, count, NULL, &source), 0);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	ck_assert(!readable(vmm_loop_fd(loop)));
	ring();
	ck_assert(readable(vmm_loop_fd(loop)));
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert_int_eq(calls, 1);
	ck_assert(!readable(vmm_loop_fd(loop)));
	ck_assert(!vmm_loop_inside(loop));
}
END_TEST

START_TEST(a_paused_source_is_silent_until_it_is_watched_again)
{
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, 0, count, NULL, &source), 0);
	ring();
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(vmm_source_watch(source, EPOLLIN), 0);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
}
END_TEST

START_TEST(a_paused_source_is_silent_about_a_hang_up_too)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(vmm_loop_add_fd(loop, ends[0], EPOLLIN, count, NULL, &source), 0);
	ck_assert_int_eq(vmm_source_watch(source, 0), 0);
	close(ends[1]);
	ck_assert(!readable(vmm_loop_fd(loop)));
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(vmm_source_watch(source, EPOLLIN), 0);
	ck_assert(readable(vmm_loop_fd(loop)));
	vmm_source_remove(source);
	source = NULL;
	close(ends[0]);
}
END_TEST

START_TEST(a_plain_file_cannot_be_watched)
{
	struct vmm_source *s = NULL;
	int file = fileno(tmpfile());

	ck_assert_int_eq(vmm_loop_add_fd(loop, file, EPOLLIN, count, NULL, &s), -EPERM);
	ck_assert_ptr_null(s);
}
END_TEST

struct pair {
	struct vmm_source *sources[2];
	int fds[2];
	int calls;
};

/* Whichever of the two runs first removes both: the other must not run. */
static void remove_both(void *data, uint32_t revents)
{
	struct pair *pair = data;

	pair->calls++;
	vmm_source_remove(pair->sources[0]);
	vmm_source_remove(pair->sources[1]);
}

START_TEST(a_source_removed_in_the_same_turn_does_not_run)
{
	struct pair pair = { .calls = 0 };

	for (int i = 0; i < 2; i++) {
		pair.fds[i] = eventfd(1, EFD_CLOEXEC);
		ck_assert_int_eq(vmm_loop_add_fd(loop, pair.fds[i], EPOLLIN, remove_both, &pair,
						 &pair.sources[i]), 0);
	}
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert_int_eq(pair.calls, 1);
	for (int i = 0; i < 2; i++)
		close(pair.fds[i]);
}
END_TEST

static void expire(void *data)
{
	__atomic_add_fetch((int *)data, 1, __ATOMIC_SEQ_CST);
}

START_TEST(timers_expire_in_order_and_once)
{
	struct vmm_timer *timers[3];
	int hits[3] = { 0 };
	uint64_t now = now_ns();

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vmm_loop_add_timer(loop, expire, &hits[i], &timers[i]), 0);
	vmm_timer_set(timers[2], now + 3600000000000u);
	vmm_timer_set(timers[1], now + 20000000);
	vmm_timer_set(timers[0], 1);
	ck_assert(readable(vmm_loop_fd(loop)));
	ck_assert_int_ge(vmm_loop_dispatch(loop), 1);
	ck_assert_int_eq(hits[0], 1);
	usleep(25000);
	ck_assert_int_ge(vmm_loop_dispatch(loop), 1);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(hits[0], 1);
	ck_assert_int_eq(hits[1], 1);
	ck_assert_int_eq(hits[2], 0);
	vmm_timer_set(timers[2], 0);
	for (int i = 0; i < 3; i++)
		vmm_timer_remove(timers[i]);
	ck_assert(!readable(vmm_loop_fd(loop)));
}
END_TEST

struct again {
	struct vmm_deferred deferred;
	int runs;
};

static void run_again(struct vmm_deferred *deferred)
{
	struct again *again = (struct again *)deferred;

	again->runs++;
	vmm_defer(deferred);
}

START_TEST(a_call_that_defers_itself_runs_once_a_turn)
{
	struct again again = { .runs = 0 };

	vmm_deferred_init(&again.deferred, loop, run_again);
	ck_assert_int_eq(vmm_defer(&again.deferred), 1);
	ck_assert_int_eq(vmm_defer(&again.deferred), 0);
	for (int i = 1; i <= 3; i++) {
		ck_assert(readable(vmm_loop_fd(loop)));
		ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
		ck_assert_int_eq(again.runs, i);
	}
	vmm_deferred_cancel(&again.deferred);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(again.runs, 3);
	ck_assert(!readable(vmm_loop_fd(loop)));
}
END_TEST

START_TEST(a_loop_in_use_is_not_destroyed)
{
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, count, NULL, &source), 0);
	ck_assert_int_eq(vmm_loop_destroy(loop), -EBUSY);
}
END_TEST

static void destroy_own(void *data, uint32_t revents)
{
	calls++;
	ck_assert_int_eq(vmm_loop_destroy(loop), -EDEADLK);
	ck_assert_int_eq(vmm_loop_dispatch(loop), -EDEADLK);
	vmm_source_watch(source, 0);
}

START_TEST(a_callback_can_neither_dispatch_nor_destroy_its_loop)
{
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, destroy_own, NULL, &source), 0);
	ring();
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert_int_eq(calls, 1);
}
END_TEST

/* ---- with a thread ---- */

START_TEST(the_librarys_thread_runs_callbacks_and_the_caller_may_not)
{
	ck_assert_int_eq(vmm_loop_dispatch(loop), -EBUSY);
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, count, NULL, &source), 0);
	for (int i = 1; i <= 100; i++) {
		ring();
		await(&calls, i);
	}
}
END_TEST

START_TEST(removing_waits_for_the_callback)
{
	for (int i = 0; i < 500; i++) {
		ring();
		ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, count, NULL, &source), 0);
		if (i % 3 == 0)
			usleep(50);
		vmm_source_remove(source);
		source = NULL;
	}
}
END_TEST

static void add_one(void *data)
{
	ck_assert(vmm_loop_inside(loop));
	++*(int *)data;
}

START_TEST(a_call_is_made_on_the_loop_and_waited_for)
{
	struct loop_cancel cancel = { 0 };
	int n = 0;

	for (int i = 1; i <= 500; i++) {
		ck_assert_int_eq(vmm__loop_call(loop, &cancel, add_one, &n), 0);
		ck_assert_int_eq(n, i);
	}
}
END_TEST

struct waiter {
	struct loop_cancel cancel;
	int n, r;
};

static void *wait_for_loop(void *arg)
{
	struct waiter *w = arg;

	w->r = vmm__loop_call(loop, &w->cancel, add_one, &w->n);
	return NULL;
}

START_TEST(a_waiting_call_ends_when_it_is_told_to)
{
	struct waiter w = { .r = 1 };
	pthread_t thread;

	/* By hand: nobody dispatches, so it can only be cancelled. */
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_loop, &w), 0);
	usleep(_i * 1000);
	__atomic_store_n(&w.cancel.told, true, __ATOMIC_RELEASE);
	vmm__loop_wake_callers(loop);
	pthread_join(thread, NULL);
	ck_assert_int_eq(w.r, -ECANCELED);
	ck_assert_int_eq(w.n, 0);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
}
END_TEST

START_TEST(entering_keeps_callbacks_away)
{
	ck_assert_int_eq(vmm_loop_add_fd(loop, fd, EPOLLIN, count, NULL, &source), 0);
	for (int i = 0; i < 100; i++) {
		int before;

		vmm_loop_enter(loop);
		vmm_loop_enter(loop);
		before = __atomic_load_n(&calls, __ATOMIC_SEQ_CST);
		ring();
		usleep(100);
		ck_assert_int_eq(__atomic_load_n(&calls, __ATOMIC_SEQ_CST), before);
		vmm_loop_leave(loop);
		vmm_loop_leave(loop);
		await(&calls, before + 1);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *hand = tcase_create("by hand"), *thread = tcase_create("by a thread");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(hand, by_hand, teardown);
	tcase_add_test(hand, dispatch_runs_what_is_ready_and_never_blocks);
	tcase_add_test(hand, a_paused_source_is_silent_until_it_is_watched_again);
	tcase_add_test(hand, a_paused_source_is_silent_about_a_hang_up_too);
	tcase_add_test(hand, a_plain_file_cannot_be_watched);
	tcase_add_test(hand, a_source_removed_in_the_same_turn_does_not_run);
	tcase_add_test(hand, timers_expire_in_order_and_once);
	tcase_add_test(hand, a_call_that_defers_itself_runs_once_a_turn);
	tcase_add_test(hand, a_loop_in_use_is_not_destroyed);
	tcase_add_test(hand, a_callback_can_neither_dispatch_nor_destroy_its_loop);
	tcase_add_loop_test(hand, a_waiting_call_ends_when_it_is_told_to, 0, 5);
	suite_add_tcase(suite, hand);

	tcase_add_checked_fixture(thread, by_thread, teardown);
	tcase_add_test(thread, the_librarys_thread_runs_callbacks_and_the_caller_may_not);
	tcase_add_test(thread, removing_waits_for_the_callback);
	tcase_add_test(thread, a_call_is_made_on_the_loop_and_waited_for);
	tcase_add_test(thread, entering_keeps_callbacks_away);
	suite_add_tcase(suite, thread);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
