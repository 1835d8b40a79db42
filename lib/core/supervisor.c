/* SPDX-License-Identifier: MIT */
/*
 * supervisor.c - what becomes of a guest that has ended, or does not do well.
 *
 * A guest's changes of state and what its consoles print raise flags and defer one call on its
 * loop; everything is decided there. Which start a decision is about is told by the count of
 * starts, so that one end is decided once.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvmm/supervisor.h>
#include <libvmm/watchdog.h>
#include "backends/console/tail_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/supervisor_priv.h"
#include "core/vm_priv.h"

#define MS	1000000ull
#define TEXT	128u
#define BUSY_MS	10u

struct vmm_supervisor {
	pthread_mutex_t lock;
	uint32_t guests;
	uint64_t interval_ns;		/* between two restarts; 0: there is no limit */
	uint64_t next_ns;		/* when the next one may be */
};

struct supervision {
	struct vmm *vm;
	struct vmm_supervisor *supervisor;
	struct vmm_supervise_config config;
	char ready_text[TEXT], failure_text[TEXT];
	uint32_t heard;			/* atomic: bits of enum heard */

	/* On the loop. */
	struct vmm_deferred changed;
	struct vmm_timer *timer;	/* for a restart, or for ready_ms */
	uint64_t run;			/* which start the rest is about */
	uint64_t began_ns;
	bool ended;			/* that start's end has been decided on */
	bool restarting;		/* the timer is for a restart */
	bool ready;
	bool failed;			/* told unhealthy: what ends it is a failure */
	uint32_t failures, reboots;	/* in a row */
};

enum heard { HEARD_READY = 1 << 0, HEARD_FAILURE = 1 << 1, HEARD_WATCHDOG = 1 << 2 };

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void tell(struct supervision *s, uint32_t decision, const char *words)
{
	struct vmm_event event = VMM_EVENT_INIT;

	event.type = VMM_EVENT_SUPERVISOR;
	event.value = decision;
	snprintf(event.words, sizeof(event.words), "%s", words);
	vmm__events_push(&s->vm->events, &event);
}

/* ---- deciding, on the loop ---- */

/* Before the start after @n ends in a row. */
static uint64_t backoff_ms(const struct supervision *s, uint32_t n)
{
	uint64_t ms = s->config.backoff_ms;

	for (uint32_t i = 1; i < n && ms < s->config.backoff_max_ms; i++)
		ms *= 2;
	return ms < s->config.backoff_max_ms ? ms : s->config.backoff_max_ms;
}

/* Its turn among all guests of the supervisor. */
static uint64_t take_turn(struct vmm_supervisor *v, uint64_t wanted_ns)
{
	pthread_mutex_lock(&v->lock);
	if (wanted_ns < v->next_ns)
		wanted_ns = v->next_ns;
	v->next_ns = v->interval_ns ? wanted_ns + v->interval_ns : 0;
	pthread_mutex_unlock(&v->lock);
	return wanted_ns;
}

static void restart_later(struct supervision *s, uint64_t delay_ms, const char *why)
{
	uint64_t now = now_ns(), at = take_turn(s->supervisor, now + delay_ms * MS);
	char words[160];

	snprintf(words, sizeof(words), "starts again in %llu ms, failures in a row: %u; %.90s",
		 (unsigned long long)((at - now) / MS), s->failures, why);
	tell(s, VMM_SUPERVISOR_RESTARTING, words);
	s->restarting = true;
	vmm_timer_set(s->timer, at);
}

static bool is_failure(const struct supervision *s, const struct vmm_stop_info *info)
{
	switch (info->reason) {
	case VMM_STOP_CRASHED:
	case VMM_STOP_PANIC:
	case VMM_STOP_WATCHDOG:
		return true;
	case VMM_STOP_RESET:
		return info->exit_reason == KVM_EXIT_SHUTDOWN;
	default:
		return s->failed;
	}
}

/* The guest has stopped. */
static void decide(struct supervision *s, const struct vmm_stop_info *info)
{
	bool failure = is_failure(s, info);
	char words[160];

	vmm_timer_set(s->timer, 0);
	if (now_ns() - s->began_ns >= s->config.healthy_ms * MS)
		s->failures = s->reboots = 0;
	if (s->config.policy == VMM_RESTART_NEVER || (info->reason == VMM_STOP_REQUESTED && !failure) ||
	    (info->reason == VMM_STOP_POWEROFF && !failure && s->config.policy != VMM_RESTART_ALWAYS))
		return;
	if (!failure) {
		/* At once, unless that is all that it does. */
		restart_later(s, s->reboots ? backoff_ms(s, s->reboots) : 0, info->words);
		s->reboots++;
		return;
	}
	s->failures++;
	if (s->config.max_restarts && s->failures > s->config.max_restarts) {
		snprintf(words, sizeof(words), "given up after %u failures in a row; %.100s", s->failures,
			 info->words);
		tell(s, VMM_SUPERVISOR_GAVE_UP, words);
		return;
	}
	restart_later(s, backoff_ms(s, s->failures), info->words);
}

static void unhealthy(struct supervision *s, const char *words, bool stop)
{
	if (s->failed)
		return;
	s->failed = true;
	tell(s, VMM_SUPERVISOR_UNHEALTHY, words);
	if (stop && s->config.policy != VMM_RESTART_NEVER)
		(void)vmm_stop(s->vm);
}

/* ---- what is heard ---- */

static void take_heard(struct supervision *s)
{
	uint32_t heard = __atomic_exchange_n(&s->heard, 0, __ATOMIC_ACQ_REL);
	char words[160];

	if (s->ended)
		return;
	if ((heard & HEARD_READY) && !s->ready) {
		s->ready = true;
		vmm_timer_set(s->timer, 0);
		snprintf(words, sizeof(words), "ready: a console said \"%.100s\"", s->ready_text);
		tell(s, VMM_SUPERVISOR_READY, words);
	}
	if (heard & HEARD_FAILURE) {
		snprintf(words, sizeof(words), "a console said \"%.100s\"", s->failure_text);
		unhealthy(s, words, true);
	}
	/* Its own action, if it has one, is under way. */
	if (heard & HEARD_WATCHDOG)
		unhealthy(s, "the watchdog was not fed", s->vm->watchdog_action == VMM_WATCHDOG_NOTIFY);
}

static void new_run(struct supervision *s, uint64_t run, uint64_t began_ns)
{
	s->run = run;
	s->began_ns = began_ns;
	s->ended = s->restarting = s->ready = s->failed = false;
	vmm_timer_set(s->timer, s->config.ready_ms ? s->began_ns + s->config.ready_ms * MS : 0);
}

static void changed(struct vmm_deferred *deferred)
{
	struct supervision *s = (struct supervision *)((char *)deferred - offsetof(struct supervision, changed));
	struct vmm *vm = s->vm;
	struct vmm_stop_info info;
	uint64_t run, began_ns;
	bool stopped;

	pthread_mutex_lock(&vm->lock);
	run = vm->starts;
	began_ns = vm->running_since;
	stopped = vm->state == VMM_STATE_STOPPED;
	info = vm->stop;
	pthread_mutex_unlock(&vm->lock);

	if (run != s->run)
		new_run(s, run, began_ns);
	take_heard(s);
	if (stopped && !s->ended) {
		s->ended = true;
		decide(s, &info);
	}
}

static void timer(void *data)
{
	struct supervision *s = data;
	char words[160];
	int r;

	if (s->restarting) {
		s->restarting = false;
		r = vmm__restart(s->vm);
		if (r < 0 && vmm_state(s->vm) != VMM_STATE_STOPPED)
			return;		/* the application was faster */
		if (r == -EBUSY) {
			/* Somebody changes, dumps or has just started it: not for long. */
			s->restarting = true;
			vmm_timer_set(s->timer, now_ns() + BUSY_MS * MS);
			return;
		}
		snprintf(words, sizeof(words), "%.150s", r < 0 ? vmm_last_error() : "started again");
		tell(s, r < 0 ? VMM_SUPERVISOR_GAVE_UP : VMM_SUPERVISOR_RESTARTED, words);
		return;
	}
	/* A guest that is paused can say nothing. */
	if (vmm_state(s->vm) == VMM_STATE_PAUSED) {
		vmm_timer_set(s->timer, now_ns() + s->config.ready_ms * MS);
		return;
	}
	if (s->ready || s->ended)
		return;
	snprintf(words, sizeof(words), "not ready within %u ms", s->config.ready_ms);
	unhealthy(s, words, true);
}

/* ---- from other threads ---- */

static void console_heard(void *data, struct console_tail *tail, size_t len)
{
	struct supervision *s = data;
	uint32_t heard = 0;

	if (s->ready_text[0] && vmm__console_tail_holds(tail, s->ready_text, len))
		heard |= HEARD_READY;
	if (s->failure_text[0] && vmm__console_tail_holds(tail, s->failure_text, len))
		heard |= HEARD_FAILURE;
	if (!heard)
		return;
	__atomic_fetch_or(&s->heard, heard, __ATOMIC_ACQ_REL);
	(void)vmm_defer(&s->changed);
}

void vmm__supervision_watchdog(struct supervision *s)
{
	__atomic_fetch_or(&s->heard, HEARD_WATCHDOG, __ATOMIC_ACQ_REL);
	(void)vmm_defer(&s->changed);
}

void vmm__supervision_changed(struct supervision *s)
{
	(void)vmm_defer(&s->changed);
}

/* ---- beginning and end ---- */

static int take_text(char *dst, const char *text, const char *what)
{
	size_t len = text ? strlen(text) : 0;

	if (text && (len == 0 || len >= TEXT))
		return vmm__fail(-EINVAL, "%s has %zu bytes, 1 to %u are possible", what, len, TEXT - 1);
	memcpy(dst, text ? text : "", len + 1);
	return 0;
}

static int config_take(struct supervision *s, const struct vmm_supervise_config *config)
{
	struct vmm_supervise_config *c = &s->config;
	int r = vmm__config_copy(c, sizeof(*c), config, config->size, sizeof(c->size));

	if (r == 0)
		r = take_text(s->ready_text, c->ready_text, "ready_text");
	if (r == 0)
		r = take_text(s->failure_text, c->failure_text, "failure_text");
	if (r < 0)
		return r;
	if (c->policy > VMM_RESTART_ALWAYS)
		return vmm__fail(-EINVAL, "restart policy %u is none of VMM_RESTART_", c->policy);
	if (c->ready_ms && !c->ready_text)
		return vmm__fail(-EINVAL, "ready_ms needs ready_text");
	c->backoff_ms = c->backoff_ms ? c->backoff_ms : 1000;
	c->backoff_max_ms = c->backoff_max_ms ? c->backoff_max_ms : 60000;
	if (c->backoff_max_ms < c->backoff_ms)
		c->backoff_max_ms = c->backoff_ms;
	c->healthy_ms = c->healthy_ms ? c->healthy_ms : 60000;
	return 0;
}

/* With the loop kept still: join the guest. */
static int join(struct supervision *s)
{
	struct vmm *vm = s->vm;
	int r = 0;

	pthread_mutex_lock(&vm->lock);
	if (vm->supervision) {
		r = vmm__fail(-EBUSY, "%s is looked after already", vm->name);
	} else {
		vm->supervision = s;
		s->run = vm->starts;
		s->began_ns = now_ns();
		s->ended = vm->state == VMM_STATE_STOPPED || vm->state == VMM_STATE_CREATED;
		vm->heard = console_heard;
		for (struct console_tail *t = vm->consoles; t; t = t->next)
			vmm__console_tail_listen(t, console_heard, s);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static void leave(struct supervision *s)
{
	struct vmm *vm = s->vm;

	pthread_mutex_lock(&vm->lock);
	vm->supervision = NULL;
	vm->heard = NULL;
	for (struct console_tail *t = vm->consoles; t; t = t->next)
		vmm__console_tail_listen(t, NULL, NULL);
	pthread_mutex_unlock(&vm->lock);
	pthread_mutex_lock(&s->supervisor->lock);
	s->supervisor->guests--;
	pthread_mutex_unlock(&s->supervisor->lock);
}

int vmm_supervise(struct vmm_supervisor *supervisor, struct vmm *vm,
		  const struct vmm_supervise_config *config)
{
	struct supervision *s;
	int r;

	if (!supervisor || !vm || !config)
		return vmm__fail(-EINVAL, "no supervisor, guest or configuration");
	if (vm->flags & VMM_F_CALLER_VCPUS)
		return vmm__fail(-EOPNOTSUPP, "the caller runs the vCPUs of %s", vm->name);
	s = calloc(1, sizeof(*s));
	if (!s)
		return vmm__fail(-ENOMEM, "no memory to look after %s", vm->name);
	s->vm = vm;
	s->supervisor = supervisor;
	vmm_deferred_init(&s->changed, vm->loop, changed);
	r = config_take(s, config);
	if (r == 0)
		r = vmm_loop_add_timer(vm->loop, timer, s, &s->timer);
	if (r < 0)
		goto free_supervision;
	vmm_loop_enter(vm->loop);
	r = join(s);
	if (r == 0) {
		pthread_mutex_lock(&supervisor->lock);
		supervisor->guests++;
		pthread_mutex_unlock(&supervisor->lock);
		/* It may have been running. */
		if (!s->ended && s->config.ready_ms)
			vmm_timer_set(s->timer, s->began_ns + s->config.ready_ms * MS);
	}
	vmm_loop_leave(vm->loop);
	if (r == 0)
		return 0;

	vmm_timer_remove(s->timer);
free_supervision:
	free(s);
	return r;
}

int vmm_unsupervise(struct vmm *vm)
{
	struct supervision *s;

	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	vmm_loop_enter(vm->loop);
	s = vm->supervision;
	if (s) {
		leave(s);
		vmm_deferred_cancel(&s->changed);
		vmm_timer_remove(s->timer);
		free(s);
	}
	vmm_loop_leave(vm->loop);
	return s ? 0 : vmm__fail(-EINVAL, "nobody looks after %s", vm->name);
}

int vmm_supervisor_create(const struct vmm_supervisor_config *config,
			  struct vmm_supervisor **ret_supervisor)
{
	struct vmm_supervisor_config c = VMM_SUPERVISOR_CONFIG_INIT;
	struct vmm_supervisor *supervisor;
	int r;

	if (!ret_supervisor)
		return vmm__fail(-EINVAL, "no place for the supervisor");
	if (config) {
		r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
		if (r < 0)
			return r;
	}
	if (c.reserved)
		return vmm__fail(-EINVAL, "a reserved field is not zero");
	supervisor = calloc(1, sizeof(*supervisor));
	if (!supervisor)
		return vmm__fail(-ENOMEM, "no memory for a supervisor");
	pthread_mutex_init(&supervisor->lock, NULL);
	if (c.restarts_per_minute)
		supervisor->interval_ns = 60000 * MS / c.restarts_per_minute;
	*ret_supervisor = supervisor;
	return 0;
}

int vmm_supervisor_destroy(struct vmm_supervisor *supervisor)
{
	uint32_t guests;

	if (!supervisor)
		return 0;
	pthread_mutex_lock(&supervisor->lock);
	guests = supervisor->guests;
	pthread_mutex_unlock(&supervisor->lock);
	if (guests > 0)
		return vmm__fail(-EBUSY, "%u guests are looked after still", guests);
	pthread_mutex_destroy(&supervisor->lock);
	free(supervisor);
	return 0;
}
