/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/loop.h> - descriptors, timers and deferred calls behind one descriptor.
 *
 * All device and backend callbacks of a guest run on its loop, one at a time.
 * One loop serves any number of guests. It is driven in one of two ways:
 *
 *   VMM_LOOP_THREAD   a thread of the library's runs it
 *   otherwise         the application polls vmm_loop_fd() beside its own
 *                     descriptors and calls vmm_loop_dispatch()
 *
 * Thread safety: every call may be made from any thread. A callback runs in
 * the thread that dispatches, never in two threads at once.
 */
#ifndef LIBVMM_LOOP_H
#define LIBVMM_LOOP_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	VMM_LOOP_THREAD	= 1 << 0,	/* the library runs this loop in a thread of its own */
};

/** How a loop is run. */
struct vmm_loop_config {
	size_t size;		/* sizeof(struct vmm_loop_config) */
	const char *name;	/* copied; its thread is called "vmm/<name>"; default "loop" */
	uint32_t flags;		/* VMM_LOOP_* */
	uint32_t reserved;
};

#define VMM_LOOP_CONFIG_INIT	VMM_SIZED(struct vmm_loop_config)

/**
 * Create a loop. @config may be NULL: an application-driven loop.
 *
 * @config is read during the call. The caller owns *@ret_loop and releases it
 * with vmm_loop_destroy(), after the guests that use it are destroyed.
 *
 * Returns 0, -EINVAL, -E2BIG, -ENOMEM, -EMFILE or -ENFILE.
 */
VMM_API int vmm_loop_create(const struct vmm_loop_config *config,
			    struct vmm_loop **ret_loop) VMM_MUST_CHECK;

/**
 * Release a loop. NULL is allowed.
 *
 * Returns 0; -EBUSY while a guest or a source of the application's still uses
 * it; -EDEADLK from a callback of the loop itself. On failure nothing changes.
 */
VMM_API int vmm_loop_destroy(struct vmm_loop *loop);

/**
 * The descriptor that polls readable when vmm_loop_dispatch() has work to do.
 * Borrowed: add it to your poll set; never read, write or close it.
 */
VMM_API int vmm_loop_fd(const struct vmm_loop *loop);

/**
 * Run the callbacks that are ready, without blocking; a bounded number of them.
 *
 * Returns the number run; 0 if none was ready, or another thread dispatches at
 * this moment; -EBUSY for a loop with a thread of its own; -EDEADLK from
 * inside a callback.
 */
VMM_API int vmm_loop_dispatch(struct vmm_loop *loop) VMM_MUST_CHECK;

/** Whether the calling thread is inside a callback of @loop. */
VMM_API int vmm_loop_inside(const struct vmm_loop *loop);

/**
 * Keep the loop's callbacks from running until vmm_loop_leave() in the same
 * thread: to change, from another thread, what they use. Waits for the present
 * turn; inside a callback, and where the thread has entered already, it only
 * counts. Do not wait for anything else in between, least of all for a guest.
 */
VMM_API void vmm_loop_enter(struct vmm_loop *loop);
VMM_API void vmm_loop_leave(struct vmm_loop *loop);

/* ---- sources of the application's and the backends' own ---- */

struct vmm_source;
struct vmm_timer;

/**
 * Watch @fd and call @ready(@data, revents) on the loop while it has one of
 * @events (EPOLLIN, EPOLLOUT, …; EPOLLERR and EPOLLHUP always).
 *
 * @fd is borrowed: valid until vmm_source_remove(). The caller owns *@ret_source.
 *
 * Returns 0, -EINVAL, -EEXIST, -EPERM (the kind of @fd cannot be polled: a
 * plain file), -ENOMEM or -ENOSPC.
 */
VMM_API int vmm_loop_add_fd(struct vmm_loop *loop, int fd, uint32_t events,
			    void (*ready)(void *data, uint32_t revents), void *data,
			    struct vmm_source **ret_source) VMM_MUST_CHECK;

/** Change what is watched for; 0 pauses the source, hang-ups included. Returns 0 or -errno. */
VMM_API int vmm_source_watch(struct vmm_source *source, uint32_t events);

/**
 * Stop watching and free @source. NULL is allowed. When this returns, its
 * callback is not running (unless it is the caller) and will not run again.
 */
VMM_API void vmm_source_remove(struct vmm_source *source);

/**
 * Make a timer, unarmed, that calls @expired(@data) on the loop.
 * The caller owns *@ret_timer. Returns 0, -EINVAL or -ENOMEM.
 */
VMM_API int vmm_loop_add_timer(struct vmm_loop *loop, void (*expired)(void *data), void *data,
			       struct vmm_timer **ret_timer) VMM_MUST_CHECK;

/**
 * Arm @timer for @deadline_ns of CLOCK_MONOTONIC, once; 0 disarms. A deadline
 * in the past expires at the next dispatch.
 */
VMM_API void vmm_timer_set(struct vmm_timer *timer, uint64_t deadline_ns);

/** Disarm and free. NULL is allowed. The same promise as vmm_source_remove(). */
VMM_API void vmm_timer_remove(struct vmm_timer *timer);

/**
 * A call to be made on the loop. Embedded in the object it belongs to; filled
 * by vmm_deferred_init(). The fields are the library's.
 */
struct vmm_deferred {
	void (*run)(struct vmm_deferred *deferred);
	struct vmm_loop *loop;
	struct vmm_deferred *next, *prev;
};

/** Prepare @deferred. @run is called once for each successful vmm_defer(). */
VMM_API void vmm_deferred_init(struct vmm_deferred *deferred, struct vmm_loop *loop,
			       void (*run)(struct vmm_deferred *deferred));

/**
 * Have @deferred run at the next dispatch. Never fails, never allocates.
 * Returns 1, or 0 if it was waiting already.
 */
VMM_API int vmm_defer(struct vmm_deferred *deferred);

/** Take it back. The same promise as vmm_source_remove(). */
VMM_API void vmm_deferred_cancel(struct vmm_deferred *deferred);

#ifdef __cplusplus
}
#endif
#endif
