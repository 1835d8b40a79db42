/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/stats.h> - a guest's statistics, read while it runs and without stopping anything.
 *
 * A reading is a list of names and values; the dots in the names make it a tree:
 *
 *	guest.state, guest.starts, guest.resets
 *	memory.bytes, memory.host_bytes		RAM, and what the host holds of its file
 *	events.count, events.lost, events.unread
 *	loop.turns, loop.callbacks, loop.cpu_ns	of the home loop, which guests may share
 *	vcpu0.cpu_ns				processor time of the vCPU's thread
 *	vcpu0.interrupted			returns from KVM for a signal: kicks, mostly
 *	vcpu0.exits.total, vcpu0.exits.io, …	exits from KVM to this library, by reason
 *	vcpu0.kvm.halt_exits, …			KVM's own, by KVM's names; kvm.… of the whole guest
 *	console.<name>.bytes			printed
 *	device.<name>.active, …			what each virtio device tells of itself
 *
 * Values are read one after another and not at one moment. Counters never go back while the
 * guest exists, except KVM's own, which KVM may reset. Which names there are depends on the
 * host's KVM and on what has happened: take a name that is missing for 0.
 *
 *	if (vmm_stats_read(vm, 0, &stats) == 0) {
 *		while (vmm_stats_next(stats, &stat) == 1)
 *			printf("%s %llu\n", stat.name, (unsigned long long)stat.value);
 *		vmm_stats_free(stats);
 *	}
 */
#ifndef LIBVMM_STATS_H
#define LIBVMM_STATS_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_stats;		/* one reading */

enum vmm_stat_kind {
	VMM_STAT_COUNTER	= 0,	/* only grows */
	VMM_STAT_GAUGE		= 1,	/* goes up and down */
	VMM_STAT_PEAK		= 2,	/* the highest so far */
};

enum vmm_stat_unit {
	VMM_STAT_NUMBER		= 0,
	VMM_STAT_BYTES		= 1,
	VMM_STAT_NS		= 2,	/* nanoseconds */
	VMM_STAT_CYCLES		= 3,
	VMM_STAT_BOOLEAN	= 4,
};

/** One value of a reading. */
struct vmm_stat {
	size_t size;		/* sizeof(struct vmm_stat), set by the caller */
	char name[120];
	uint64_t value;
	uint32_t kind;		/* enum vmm_stat_kind */
	uint32_t unit;		/* enum vmm_stat_unit */
};

#define VMM_STAT_INIT	VMM_SIZED(struct vmm_stat)

enum {
	VMM_STATS_HISTOGRAMS	= 1 << 0,	/* KVM's histograms too: <name>.<bucket> */
};

/**
 * Read all statistics of @vm. @flags are VMM_STATS_* or 0.
 *
 * KVM's own need a descriptor for each vCPU, opened when it starts; where the host's KVM has
 * none, or the process no descriptor left, they are missing from the reading. That is no failure.
 *
 * The caller owns *@ret_stats and releases it with vmm_stats_free().
 * Returns 0, -EINVAL or -ENOMEM. Thread safety: any thread, also in callbacks.
 */
VMM_API int vmm_stats_read(struct vmm *vm, uint32_t flags,
			   struct vmm_stats **ret_stats) VMM_MUST_CHECK;

/** The next value of a reading. Returns 1 with *@ret_stat filled, 0 at its end (and starts over), -EINVAL. */
VMM_API int vmm_stats_next(struct vmm_stats *stats, struct vmm_stat *ret_stat) VMM_MUST_CHECK;

/** The value called @name. Returns 0, or -ENOENT: there is none such, *@ret_value is 0 then; -EINVAL. */
VMM_API int vmm_stats_find(const struct vmm_stats *stats, const char *name, uint64_t *ret_value);

/** Release a reading. NULL is allowed. */
VMM_API void vmm_stats_free(struct vmm_stats *stats);

/**
 * Add a value: for a device's stats(), under the name "device.<device>.@name", and for an
 * application that has its own to add to a reading. @name is copied; what is over 119 bytes in
 * all is cut. Without memory the reading fails with -ENOMEM.
 */
VMM_API void vmm_stats_add(struct vmm_stats *stats, const char *name, uint64_t value,
			   uint32_t kind, uint32_t unit);

#ifdef __cplusplus
}
#endif
#endif
