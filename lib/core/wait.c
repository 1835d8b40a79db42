/* SPDX-License-Identifier: MIT */
/* wait.c - what state a guest is in, why it stopped, and waiting for a change. */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/vm_priv.h"

uint32_t vmm_state(const struct vmm *vm)
{
	return __atomic_load_n(&vm->state, __ATOMIC_ACQUIRE);
}

int vmm_stop_info(const struct vmm *vm, struct vmm_stop_info *ret_info)
{
	struct vmm *v = (struct vmm *)(uintptr_t)vm;
	struct vmm_stop_info none = VMM_STOP_INFO_INIT;

	if (!vm || !ret_info || ret_info->size < sizeof(ret_info->size))
		return vmm__fail(-EINVAL, "no guest, or no place for the answer: use VMM_STOP_INFO_INIT");

	pthread_mutex_lock(&v->lock);
	vmm__config_answer(ret_info, ret_info->size,
			   v->state == VMM_STATE_STOPPED ? &v->stop : &none, sizeof(none));
	pthread_mutex_unlock(&v->lock);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* With the lock, until @end (negative: for ever); the loop has a thread that runs it. */
static void wait_change(struct vmm *vm, int64_t end)
{
	struct timespec t = { .tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000 };

	if (end < 0)
		pthread_cond_wait(&vm->changed, &vm->lock);
	else
		(void)pthread_cond_clockwait(&vm->changed, &vm->lock, CLOCK_MONOTONIC, &t);
}

/*
 * Without the lock: run the application's loop while its thread is with us. Another thread may
 * be the one that brings the change about, hence the bound.
 */
static int drive_loop(struct vmm *vm, int64_t end)
{
	struct pollfd p = { .fd = vmm_loop_fd(vm->loop), .events = POLLIN };
	int64_t left = end < 0 ? 100 : end - now_ms();

	(void)poll(&p, 1, left < 0 ? 0 : left > 100 ? 100 : (int)left);
	return vmm_loop_dispatch(vm->loop);
}

int vmm_wait_state(struct vmm *vm, uint32_t states, int timeout_ms)
{
	int64_t end = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	bool threaded;
	int r = 0;

	if (!vm || (states & 0xf) == 0)
		return vmm__fail(-EINVAL, "no guest, or no state to wait for");
	if (vmm_loop_inside(vm->loop))
		return vmm__fail(-EDEADLK, "a callback of its loop cannot wait for %s", vm->name);
	threaded = vmm__loop_has_thread(vm->loop);

	pthread_mutex_lock(&vm->lock);
	while (!(states >> vm->state & 1) && r >= 0) {
		if (end >= 0 && now_ms() >= end) {
			r = vmm__fail(-ETIMEDOUT, "%s did not get there in %d ms", vm->name, timeout_ms);
		} else if (threaded) {
			wait_change(vm, end);
		} else {
			pthread_mutex_unlock(&vm->lock);
			r = drive_loop(vm, end);
			pthread_mutex_lock(&vm->lock);
		}
	}
	if (r >= 0)
		r = (int)vm->state;
	pthread_mutex_unlock(&vm->lock);
	return r;
}

int vmm_wait(struct vmm *vm, struct vmm_stop_info *ret_info)
{
	int r;

	if (!vm || (ret_info && ret_info->size < sizeof(ret_info->size)))
		return vmm__fail(-EINVAL, "no guest, or no place for the answer: use VMM_STOP_INFO_INIT");
	if (vmm_state(vm) == VMM_STATE_CREATED)
		return vmm__fail(-EBUSY, "%s was not started", vm->name);

	r = vmm_wait_state(vm, 1u << VMM_STATE_STOPPED, -1);
	if (r >= 0 && ret_info)
		r = vmm_stop_info(vm, ret_info);
	return r < 0 ? r : 0;
}
