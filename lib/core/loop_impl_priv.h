/* SPDX-License-Identifier: MIT */
/*
 * loop_impl_priv.h - the inside of a loop, for loop.c, loop_source.c, loop_defer.c and
 * loop_timer.c.
 *
 * One thread at a time owns a loop: the one that dispatches, or one that keeps
 * callbacks away with vmm_loop_enter(). Only the owner touches timers and dead
 * sources. The mutex guards the rest and is held for a few instructions.
 */
#ifndef CORE_LOOP_IMPL_PRIV_H
#define CORE_LOOP_IMPL_PRIV_H

#include <pthread.h>
#include "core/loop_priv.h"

struct vmm_source {
	struct vmm_loop *loop;
	int fd;
	uint32_t events;
	void (*ready)(void *data, uint32_t revents);	/* NULL: removed, to be freed */
	void *data;
	struct vmm_source *next_dead;
};

struct vmm_timer {
	struct vmm_loop *loop;
	void (*expired)(void *data);
	void *data;
	uint64_t deadline;		/* 0: not armed */
	struct vmm_timer *next;		/* the earliest first */
};

struct vmm_loop {
	int epoll_fd;
	struct vmm_source wake;		/* an eventfd: deferred calls are waiting */
	struct vmm_source clock;	/* a timerfd: for the first timer */

	pthread_mutex_t lock;
	pthread_cond_t changed;		/* owner, waiters, or a call's state */
	pthread_t owner;
	unsigned depth;			/* of the owner's enters; 0: nobody owns it */
	unsigned waiters;		/* threads in vmm_loop_enter() */
	bool dispatching;		/* the owner is in a callback */
	bool quit;
	bool signalled;			/* wake.fd is readable */
	unsigned users;			/* guests, devices, sources, timers */

	struct vmm_deferred pending;	/* list heads; guarded by lock */
	struct vmm_deferred turn;	/* what this turn still has to run */

	uint64_t turns, callbacks;	/* atomic */

	struct vmm_timer *timers;
	struct vmm_source *dead;

	pthread_t thread;
	bool has_thread;
	char name[16];
};

bool vmm__loop_owned(const struct vmm_loop *loop);	/* by this thread; with the lock */
/* loop_source.c */
int vmm__source_watch_first(struct vmm_source *source, uint32_t events);
void vmm__loop_free_dead(struct vmm_loop *loop);	/* by the owner, with no batch out */

int vmm__loop_run_timers(struct vmm_loop *loop);
int vmm__loop_run_deferred(struct vmm_loop *loop);
void vmm__loop_signal(struct vmm_loop *loop);		/* with the lock */
void vmm__deferred_list_init(struct vmm_deferred *head);

#endif
