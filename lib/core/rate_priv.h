/* SPDX-License-Identifier: MIT */
/*
 * rate_priv.h - token buckets, for whatever kind of device.
 *
 * Plain state: no lock, no timer, no clock. Whoever is limited says what the time is, holds
 * back what may not start yet, and tries again at the time it is told.
 */
#ifndef CORE_RATE_PRIV_H
#define CORE_RATE_PRIV_H

#include <stdbool.h>
#include <libvmm/rate.h>

/*
 * A bucket that is known by when it will be full again: there is nothing to do as time
 * passes, and nothing is lost by rounding.
 */
struct rate_bucket {
	uint64_t per_second;		/* 0: no limit */
	uint64_t burst;			/* tokens, at least 1 */
	uint64_t burst_ns;		/* the time they take to come */
	uint64_t full_ns;		/* CLOCK_MONOTONIC; in the past: it is full */
	uint64_t rest;			/* of the last division: < per_second */
};

struct rate {
	struct rate_bucket bytes;
	struct rate_bucket ops;
};

/*
 * Set the limits, of a struct rate that is zeros or has limits already; NULL: no limit.
 * What was spent stays spent. @limits is read during the call. -EINVAL with words, and
 * nothing changes: a burst without its rate, or more than VMM__RATE_MAX in a field.
 */
int vmm__rate_set(struct rate *rate, const struct vmm_rate *limits, uint64_t now_ns);

/* A second's worth, and a burst, may be no more than this. */
#define VMM__RATE_MAX	(1ull << 53)

static inline bool vmm__rate_limited(const struct rate *rate)
{
	return rate->bytes.per_second != 0 || rate->ops.per_second != 0;
}

/*
 * Start operations that cost so much. 0: go ahead, it has been taken. Otherwise nothing was
 * taken, and it is the time, later than @now_ns, before which asking again is in vain. That
 * what came first goes first is the caller's to see to.
 */
uint64_t vmm__rate_take(struct rate *rate, uint64_t bytes, uint64_t ops, uint64_t now_ns);

#endif
