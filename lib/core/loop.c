/* SPDX-License-Identifier: MIT */
/*
 * loop.c - a loop's life, who owns it, and its turns, in our thread or the caller's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/config_priv.h"
#include "core/counter_priv.h"
#include "core/error_priv.h"
#include "core/loop_impl_priv.h"
#include "core/thread_priv.h"

#define BATCH	64	/* events of one turn */

/* ---- who owns the loop ---- */

bool vmm__loop_owned(const struct vmm_loop *loop)
{
	return loop->depth > 0 && pthread_equal(loop->owner, pthread_self());
}

/* With the lock. */
static void take(struct vmm_loop *loop)
{
	loop->owner = pthread_self();
	loop->depth++;
}

void vmm_loop_enter(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	if (!vmm__loop_owned(loop)) {
		loop->waiters++;
		while (loop->depth > 0)
			pthread_cond_wait(&loop->changed, &loop->lock);
		loop->waiters--;
		pthread_cond_broadcast(&loop->changed);
	}
	take(loop);
	pthread_mutex_unlock(&loop->lock);
}

void vmm_loop_leave(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	if (--loop->depth == 0)
		pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

int vmm_loop_inside(const struct vmm_loop *loop)
{
	struct vmm_loop *l = (struct vmm_loop *)(uintptr_t)loop;
	int inside;

	pthread_mutex_lock(&l->lock);
	inside = vmm__loop_owned(l) && l->dispatching;
	pthread_mutex_unlock(&l->lock);
	return inside;
}

void vmm__loop_get(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->users++;
	pthread_mutex_unlock(&loop->lock);
}

void vmm__loop_put(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->users--;
	pthread_mutex_unlock(&loop->lock);
}

bool vmm__loop_has_thread(const struct vmm_loop *loop)
{
	return loop->has_thread;
}

void vmm__loop_stats(const struct vmm_loop *loop, struct loop_stats *ret_stats)
{
	struct timespec t;
	clockid_t clock;

	*ret_stats = (struct loop_stats){
		.turns = counted(&loop->turns), .callbacks = counted(&loop->callbacks),
	};
	/* The thread lives as long as the loop. */
	if (loop->has_thread && pthread_getcpuclockid(loop->thread, &clock) == 0 &&
	    clock_gettime(clock, &t) == 0)
		ret_stats->cpu_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- turns ---- */

/* By the owner: run what is ready. */
static int turn(struct vmm_loop *loop, const struct epoll_event *events, int nr)
{
	int run = 0;

	count_up(&loop->turns);
	for (int i = 0; i < nr; i++) {
		struct vmm_source *source = events[i].data.ptr;

		if (source == &loop->wake)
			continue;
		if (source == &loop->clock) {
			run += vmm__loop_run_timers(loop);
		} else if (source->ready) {
			source->ready(source->data, events[i].events);
			run++;
		}
	}

	run += vmm__loop_run_deferred(loop);
	vmm__loop_free_dead(loop);
	count_by(&loop->callbacks, (uint64_t)run);
	return run;
}

/* With the lock. False: somebody else owns it, and we must not wait. */
static bool begin_turn(struct vmm_loop *loop, bool wait)
{
	/* Those who wait to enter go first: a busy loop does not starve them. */
	while (loop->depth > 0 || loop->waiters > 0) {
		if (!wait)
			return false;
		pthread_cond_wait(&loop->changed, &loop->lock);
	}
	take(loop);
	loop->dispatching = true;
	return true;
}

static void end_turn(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->dispatching = false;
	if (--loop->depth == 0)
		pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

int vmm_loop_dispatch(struct vmm_loop *loop)
{
	struct epoll_event events[BATCH];
	int n, r;

	if (!loop)
		return vmm__fail(-EINVAL, "no loop");
	if (loop->has_thread)
		return vmm__fail(-EBUSY, "this loop has a thread of its own that runs it");

	pthread_mutex_lock(&loop->lock);
	if (vmm__loop_owned(loop)) {
		pthread_mutex_unlock(&loop->lock);
		return vmm__fail(-EDEADLK, "the loop is being dispatched by this thread already");
	}
	if (!begin_turn(loop, false)) {
		pthread_mutex_unlock(&loop->lock);
		return 0;
	}
	pthread_mutex_unlock(&loop->lock);

	n = epoll_wait(loop->epoll_fd, events, BATCH, 0);
	r = n < 0 && errno != EINTR ? vmm__fail_errno("epoll_wait")
				    : turn(loop, events, n < 0 ? 0 : n);
	end_turn(loop);
	return r;
}

static void *loop_main(void *arg)
{
	struct vmm_loop *loop = arg;
	struct epoll_event events[BATCH];

	for (;;) {
		int n = epoll_wait(loop->epoll_fd, events, BATCH, -1);

		pthread_mutex_lock(&loop->lock);
		if (loop->quit)
			break;
		(void)begin_turn(loop, true);
		pthread_mutex_unlock(&loop->lock);
		turn(loop, events, n < 0 ? 0 : n);
		end_turn(loop);
	}

	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

/* ---- life ---- */

static int loop_open(struct vmm_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = (struct vmm_source){ .loop = loop };
	loop->clock = (struct vmm_source){ .loop = loop };
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->clock.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->wake.fd < 0 || loop->clock.fd < 0)
		return vmm__fail_errno("cannot open a loop's descriptors");

	if (vmm__source_watch_first(&loop->wake, EPOLLIN) < 0)
		return -ENOMEM;
	return vmm__source_watch_first(&loop->clock, EPOLLIN);
}

static void loop_free(struct vmm_loop *loop)
{
	vmm__loop_free_dead(loop);
	if (loop->clock.fd >= 0)
		close(loop->clock.fd);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	pthread_cond_destroy(&loop->changed);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static int loop_start(struct vmm_loop *loop)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "vmm/%s", loop->name);
	r = vmm__thread_create(&loop->thread, name, loop_main, loop);
	if (r < 0)
		return r;
	loop->has_thread = true;
	return 0;
}

int vmm_loop_create(const struct vmm_loop_config *config, struct vmm_loop **ret_loop)
{
	struct vmm_loop_config c = VMM_LOOP_CONFIG_INIT;
	struct vmm_loop *loop;
	int r;

	if (!ret_loop)
		return vmm__fail(-EINVAL, "no place for the loop");
	if (config) {
		r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
		if (r < 0)
			return r;
	}
	if (c.flags & ~(uint32_t)VMM_LOOP_THREAD || c.reserved)
		return vmm__fail(-EINVAL, "loop flags 0x%x are not VMM_LOOP_ ones", c.flags);

	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return vmm__fail(-ENOMEM, "no memory for a loop");
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->changed, NULL);
	vmm__deferred_list_init(&loop->pending);
	vmm__deferred_list_init(&loop->turn);
	snprintf(loop->name, sizeof(loop->name), "%s", c.name ? c.name : "loop");

	r = loop_open(loop);
	if (r == 0 && (c.flags & VMM_LOOP_THREAD))
		r = loop_start(loop);
	if (r < 0) {
		loop_free(loop);
		return r;
	}

	*ret_loop = loop;
	return 0;
}

int vmm_loop_destroy(struct vmm_loop *loop)
{
	if (!loop)
		return 0;

	pthread_mutex_lock(&loop->lock);
	if (vmm__loop_owned(loop) || (loop->has_thread && pthread_equal(loop->thread, pthread_self()))) {
		pthread_mutex_unlock(&loop->lock);
		return vmm__fail(-EDEADLK, "a loop cannot be destroyed by a callback of its own");
	}
	if (loop->users > 0) {
		unsigned users = loop->users;

		pthread_mutex_unlock(&loop->lock);
		return vmm__fail(-EBUSY, "%u guests, sources or timers still use this loop", users);
	}
	loop->quit = true;
	vmm__loop_signal(loop);
	pthread_mutex_unlock(&loop->lock);

	if (loop->has_thread)
		pthread_join(loop->thread, NULL);
	loop_free(loop);
	return 0;
}

int vmm_loop_fd(const struct vmm_loop *loop)
{
	return loop->epoll_fd;
}
