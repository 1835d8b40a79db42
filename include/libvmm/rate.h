/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/rate.h> - how much of a device's traffic a guest may have in a second.
 *
 * Two token buckets, one of bytes and one of operations, each of which fills at
 * its rate up to its burst. An operation starts when both hold what it costs; one
 * that costs more than a burst starts when that bucket is full, and those after it wait
 * until the rest has been made up for. So an operation of any size is possible, and in
 * the long run neither rate is exceeded. The wait is the guest's: it holds up no
 * other device and costs the host no time.
 */
#ifndef LIBVMM_RATE_H
#define LIBVMM_RATE_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Limits of traffic. Zero: no limit, and for a burst the default. */
struct vmm_rate {
	size_t size;			/* sizeof(struct vmm_rate) */
	uint64_t bytes_per_second;
	uint64_t bytes_burst;		/* bytes; default a tenth of a second's worth */
	uint64_t ops_per_second;	/* operations: requests of a disk, frames of a network */
	uint64_t ops_burst;		/* operations; default a tenth of a second's worth */
};

#define VMM_RATE_INIT	VMM_SIZED(struct vmm_rate)

#ifdef __cplusplus
}
#endif
#endif
