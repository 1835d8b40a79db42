/* SPDX-License-Identifier: MIT */
/*
 * loop_defer.c - calls from anywhere into a loop: deferred ones, and ones that are waited for.
 */
#include <errno.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/loop_impl_priv.h"

/* ---- a circular list with a head; an entry that is in none has next NULL ---- */

void vmm__deferred_list_init(struct vmm_deferred *head)
{
	head->next = head->prev = head;
}

static bool list_empty(const struct vmm_deferred *head)
{
	return head->next == head;
}

static void list_append(struct vmm_deferred *head, struct vmm_deferred *d)
{
	d->prev = head->prev;
	d->next = head;
	head->prev->next = d;
	head->prev = d;
}

static void list_remove(struct vmm_deferred *d)
{
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->next = d->prev = NULL;
}

/* ---- deferred calls ---- */

void vmm__loop_signal(struct vmm_loop *loop)
{
	const uint64_t one = 1;

	if (loop->signalled)
		return;
	loop->signalled = true;
	(void)!write(loop->wake.fd, &one, sizeof(one));
}

void vmm_deferred_init(struct vmm_deferred *deferred, struct vmm_loop *loop,
		       void (*run)(struct vmm_deferred *deferred))
{
	*deferred = (struct vmm_deferred){ .run = run, .loop = loop };
}

/* With the lock. */
static int defer(struct vmm_deferred *deferred)
{
	struct vmm_loop *loop = deferred->loop;

	if (deferred->next)
		return 0;
	list_append(&loop->pending, deferred);
	/* A turn under way looks at the list once more at its end. */
	if (!loop->dispatching)
		vmm__loop_signal(loop);
	return 1;
}

int vmm_defer(struct vmm_deferred *deferred)
{
	struct vmm_loop *loop = deferred->loop;
	int r;

	pthread_mutex_lock(&loop->lock);
	r = defer(deferred);
	pthread_mutex_unlock(&loop->lock);
	return r;
}

void vmm_deferred_cancel(struct vmm_deferred *deferred)
{
	struct vmm_loop *loop = deferred->loop;

	if (!loop)
		return;
	vmm_loop_enter(loop);
	pthread_mutex_lock(&loop->lock);
	if (deferred->next)
		list_remove(deferred);
	pthread_mutex_unlock(&loop->lock);
	vmm_loop_leave(loop);
}

/*
 * Run what is waiting now. What is deferred meanwhile waits for the next turn, so
 * that a call that defers itself does not keep the other sources from theirs.
 */
int vmm__loop_run_deferred(struct vmm_loop *loop)
{
	int run = 0;

	pthread_mutex_lock(&loop->lock);
	while (!list_empty(&loop->pending)) {
		struct vmm_deferred *d = loop->pending.next;

		list_remove(d);
		list_append(&loop->turn, d);
	}

	while (!list_empty(&loop->turn)) {
		struct vmm_deferred *d = loop->turn.next;

		list_remove(d);
		pthread_mutex_unlock(&loop->lock);
		d->run(d);
		run++;
		pthread_mutex_lock(&loop->lock);
	}

	if (!list_empty(&loop->pending)) {
		vmm__loop_signal(loop);
	} else if (loop->signalled && !loop->quit) {
		uint64_t count;

		loop->signalled = false;
		(void)!read(loop->wake.fd, &count, sizeof(count));
	}
	/* From here on a deferred call must signal: nobody looks again. */
	loop->dispatching = false;
	pthread_mutex_unlock(&loop->lock);
	return run;
}

/* ---- calls that are waited for ---- */

struct call {
	struct vmm_deferred deferred;
	void (*fn)(void *data);
	void *data;
	bool done;		/* guarded by the loop's lock */
};

static void call_run(struct vmm_deferred *deferred)
{
	struct call *call = (struct call *)deferred;
	struct vmm_loop *loop = deferred->loop;

	call->fn(call->data);

	/* The caller's stack is gone once it has seen this: nothing of @call after the unlock. */
	pthread_mutex_lock(&loop->lock);
	call->done = true;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

/* With the lock: until it is done, or taken back before it began. */
static int call_wait(struct call *call, const struct loop_cancel *cancel)
{
	struct vmm_loop *loop = call->deferred.loop;

	while (!call->done) {
		if (call->deferred.next && __atomic_load_n(&cancel->told, __ATOMIC_ACQUIRE)) {
			list_remove(&call->deferred);
			return -ECANCELED;
		}
		pthread_cond_wait(&loop->changed, &loop->lock);
	}
	return 0;
}

int vmm__loop_call(struct vmm_loop *loop, const struct loop_cancel *cancel,
		   void (*fn)(void *data), void *data)
{
	struct call call = { .fn = fn, .data = data };
	int r;

	pthread_mutex_lock(&loop->lock);
	if (vmm__loop_owned(loop) || (cancel->in_place && !loop->has_thread)) {
		pthread_mutex_unlock(&loop->lock);
		vmm_loop_enter(loop);
		fn(data);
		vmm_loop_leave(loop);
		return 0;
	}

	vmm_deferred_init(&call.deferred, loop, call_run);
	(void)defer(&call.deferred);
	r = call_wait(&call, cancel);
	pthread_mutex_unlock(&loop->lock);
	return r;
}

void vmm__loop_wake_callers(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}
