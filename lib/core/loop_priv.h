/* SPDX-License-Identifier: MIT */
/*
 * loop_priv.h - what the library itself needs of a loop beyond <libvmm/loop.h>.
 *
 * A vCPU may wait for the loop; the loop never waits for a vCPU. Each wait of
 * a vCPU ends when its guest is told to stop.
 */
#ifndef CORE_LOOP_PRIV_H
#define CORE_LOOP_PRIV_H

#include <stdbool.h>
#include <libvmm/loop.h>

/* Guests and devices that use the loop; vmm_loop_destroy() refuses while there are any. */
void vmm__loop_get(struct vmm_loop *loop);
void vmm__loop_put(struct vmm_loop *loop);

bool vmm__loop_has_thread(const struct vmm_loop *loop);

/* What a loop has counted. Any thread. */
struct loop_stats {
	uint64_t turns;
	uint64_t callbacks;
	uint64_t cpu_ns;		/* of its own thread; 0 without one */
};

void vmm__loop_stats(const struct vmm_loop *loop, struct loop_stats *ret_stats);

/* How the vCPUs of one guest wait for a loop. */
struct loop_cancel {
	bool told;		/* atomic: the guest is to stop, waits end */
	bool in_place;		/* the caller runs the vCPUs: see vmm__loop_call() */
};

/*
 * Run @fn(@data) on the loop and wait until it has returned. For vCPU threads.
 * Inside the loop already, it is called directly. -ECANCELED when @cancel was
 * told first: @fn has not run then and will not.
 *
 * With in_place, the thread that runs the vCPU may be the very one that drives
 * the loop: @fn is then called in it, while the loop is kept still.
 */
int vmm__loop_call(struct vmm_loop *loop, const struct loop_cancel *cancel,
		   void (*fn)(void *data), void *data);

/* Have waiting callers look at their cancel again. */
void vmm__loop_wake_callers(struct vmm_loop *loop);

#endif
