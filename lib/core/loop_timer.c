/* SPDX-License-Identifier: MIT */
/*
 * loop_timer.c - a loop's timers: one timerfd, armed for the earliest.
 *
 * A sorted list: a guest has a handful of timers at most, and what is armed
 * often is mostly armed for the end of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/loop_impl_priv.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* By the owner. */
static void arm_first(struct vmm_loop *loop)
{
	struct itimerspec spec = { 0 };

	if (loop->timers) {
		spec.it_value.tv_sec = (time_t)(loop->timers->deadline / 1000000000u);
		spec.it_value.tv_nsec = (long)(loop->timers->deadline % 1000000000u);
	}
	(void)timerfd_settime(loop->clock.fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void unlink_timer(struct vmm_timer *timer)
{
	struct vmm_timer **p = &timer->loop->timers;

	while (*p && *p != timer)
		p = &(*p)->next;
	if (*p)
		*p = timer->next;
	timer->deadline = 0;
}

static void link_timer(struct vmm_timer *timer, uint64_t deadline)
{
	struct vmm_timer **p = &timer->loop->timers;

	while (*p && (*p)->deadline <= deadline)
		p = &(*p)->next;
	timer->deadline = deadline;
	timer->next = *p;
	*p = timer;
}

int vmm_loop_add_timer(struct vmm_loop *loop, void (*expired)(void *data), void *data,
		       struct vmm_timer **ret_timer)
{
	struct vmm_timer *timer;

	if (!loop || !expired || !ret_timer)
		return vmm__fail(-EINVAL, "a timer needs a loop and a function");

	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return vmm__fail(-ENOMEM, "no memory for a timer");
	*timer = (struct vmm_timer){ .loop = loop, .expired = expired, .data = data };
	vmm__loop_get(loop);
	*ret_timer = timer;
	return 0;
}

void vmm_timer_set(struct vmm_timer *timer, uint64_t deadline_ns)
{
	struct vmm_loop *loop = timer->loop;
	struct vmm_timer *first;

	vmm_loop_enter(loop);
	if (timer->deadline != deadline_ns) {
		first = loop->timers;
		if (timer->deadline)
			unlink_timer(timer);
		if (deadline_ns)
			link_timer(timer, deadline_ns);
		if (first != loop->timers || timer == first)
			arm_first(loop);
	}
	vmm_loop_leave(loop);
}

void vmm_timer_remove(struct vmm_timer *timer)
{
	struct vmm_loop *loop;

	if (!timer)
		return;
	loop = timer->loop;
	vmm_loop_enter(loop);
	vmm_timer_set(timer, 0);
	vmm__loop_put(loop);
	free(timer);
	vmm_loop_leave(loop);
}

int vmm__loop_run_timers(struct vmm_loop *loop)
{
	uint64_t now = now_ns(), count;
	int run = 0;

	(void)!read(loop->clock.fd, &count, sizeof(count));
	/* @now is taken once: a timer that arms itself for the past waits a turn. */
	while (loop->timers && loop->timers->deadline <= now) {
		struct vmm_timer *timer = loop->timers;

		unlink_timer(timer);
		timer->expired(timer->data);
		run++;
		if (run >= 64)
			break;
	}
	arm_first(loop);
	return run;
}
