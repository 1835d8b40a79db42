/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/balloon.h> - take memory back from a guest, and see how it uses what it has.
 *
 * Two ways. With free page reporting the guest tells of memory that it does not use, in
 * pieces of megabytes, soon after it has become free: nobody has to ask. And a
 * balloon of a size that the application sets: the guest gives that much up, also what
 * it would rather use for its caches.
 *
 * Memory that was given up goes back to the host at once (the process's RSS falls) and
 * reads as zeros. A guest that uses it all the same takes it again: it has harmed
 * nobody, for it never has more than its RAM.
 */
#ifndef LIBVMM_BALLOON_H
#define LIBVMM_BALLOON_H

#include <libvmm/common.h>
#include <libvmm/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_balloon;	/* a guest's balloon */

enum {
	VMM_BALLOON_NO_REPORTING	= 1 << 0,	/* no free page reporting */
	VMM_BALLOON_NO_DEFLATE		= 1 << 1,	/* a guest that runs out of memory may not take it
							   out of the balloon: it ends processes instead */
	VMM_BALLOON_HUGE		= 1 << 2,	/* give huge pages (VMM_RAM_HUGE) back too, where they
							   are reported: see vmm_mem_discard() of
							   <libvmm/memory.h> for what that takes */
};

/** A virtio memory balloon (VIRTIO 1.2, 5.5). */
struct vmm_balloon_config {
	size_t size;			/* sizeof(struct vmm_balloon_config) */
	const char *name;		/* copied; default "balloon" */
	uint64_t bytes;			/* its size at first; default 0 */
	uint32_t flags;			/* VMM_BALLOON_* */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h> */
	uint32_t stats_ms;		/* have the guest's figures every so often; default 0: only when asked
					   for, by vmm_balloon_refresh(); else at least 100 */
	uint32_t reserved;
	struct vmm_loop *loop;		/* borrowed; default the guest's */
};

#define VMM_BALLOON_CONFIG_INIT	VMM_SIZED(struct vmm_balloon_config)

/**
 * Plug in a balloon. @config may be NULL. *@ret_balloon (may be NULL) is borrowed: valid
 * until vmm_destroy().
 *
 * Returns and threads as vmm_add_device().
 */
VMM_API int vmm_add_balloon(struct vmm *vm, const struct vmm_balloon_config *config,
			    struct vmm_balloon **ret_balloon) VMM_MUST_CHECK;

/**
 * Ask the guest to have @bytes (rounded down to 4 KiB; less than 16 TiB) in the balloon:
 * more, and it gives memory up; less, and it has it again. It does so in its own time and
 * as far as it can: vmm_balloon_stats() tells how far. With huge pages a balloon gives
 * nothing back to the host; only reporting does.
 *
 * Returns 0 or -EINVAL. Any thread.
 */
VMM_API int vmm_balloon_set(struct vmm_balloon *balloon, uint64_t bytes);

/**
 * Ask the guest for new figures. They have come when guest_time_ns of
 * vmm_balloon_stats() has changed.
 *
 * Returns 0; -EAGAIN (the guest has not answered the last time, or runs no driver for it). Any
 * thread.
 */
VMM_API int vmm_balloon_refresh(struct vmm_balloon *balloon);

/* The guest's figures: bits of vmm_balloon_stats.known. (VIRTIO 1.2, 5.5.6.4) */
enum {
	VMM_BALLOON_SWAP_IN		= 1 << 0,
	VMM_BALLOON_SWAP_OUT		= 1 << 1,
	VMM_BALLOON_MAJOR_FAULTS	= 1 << 2,
	VMM_BALLOON_MINOR_FAULTS	= 1 << 3,
	VMM_BALLOON_FREE		= 1 << 4,
	VMM_BALLOON_TOTAL		= 1 << 5,
	VMM_BALLOON_AVAILABLE		= 1 << 6,
	VMM_BALLOON_CACHES		= 1 << 7,
	VMM_BALLOON_HUGE_ALLOCATIONS	= 1 << 8,
	VMM_BALLOON_HUGE_FAILURES	= 1 << 9,
};

/** How things stand. The guest's figures are what it says: do not rely on them. */
struct vmm_balloon_stats {
	size_t size;			/* sizeof(struct vmm_balloon_stats), set by the caller */
	uint64_t target;		/* bytes that are asked for */
	uint64_t actual;		/* bytes that the guest says are in the balloon */
	uint64_t returned;		/* bytes given back to the host so far, in whatever way */
	uint64_t reported;		/* bytes that the guest reported as free so far */
	uint64_t refused;		/* bytes it wanted to give back that are not its RAM */
	uint64_t guest_time_ns;		/* CLOCK_MONOTONIC when its figures came; 0: they never did */
	uint64_t known;			/* which of them there are: VMM_BALLOON_* */
	uint64_t swap_in, swap_out;	/* bytes, ever */
	uint64_t major_faults, minor_faults;	/* ever */
	uint64_t free, total;		/* bytes now */
	uint64_t available;		/* bytes that new programs could have */
	uint64_t caches;		/* bytes that files are cached in */
	uint64_t huge_allocations, huge_failures;	/* ever */
};

#define VMM_BALLOON_STATS_INIT	VMM_SIZED(struct vmm_balloon_stats)

/** Read it, without stopping anything. Returns 0 or -EINVAL. Any thread. */
VMM_API int vmm_balloon_stats(const struct vmm_balloon *balloon,
			      struct vmm_balloon_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
