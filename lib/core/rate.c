/* SPDX-License-Identifier: MIT */
/*
 * rate.c - token buckets that are counted in time.
 *
 * A bucket that holds less than its burst will be full at some moment; an operation
 * of cost c puts that moment off by c / rate. It may start when that moment is near
 * enough for the rest of the burst to cover the cost. All of a bucket's state is that moment.
 */
#include <errno.h>
#include <string.h>

#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/rate_priv.h"

#define SECOND	1000000000ull

/* A debt of over a century is as good as one for ever; sums with a clock never wrap. */
#define FAR	(1ull << 62)

static uint64_t to_ns(uint64_t tokens, uint64_t per_second)
{
	unsigned __int128 ns = (unsigned __int128)tokens * SECOND / per_second;

	return ns < FAR ? (uint64_t)ns : FAR;
}

static uint64_t ns_left(const struct rate_bucket *b, uint64_t now_ns)
{
	return b->full_ns > now_ns ? b->full_ns - now_ns : 0;
}

/* When @tokens may be taken: @now_ns or later. More than a burst: when there is a whole one. */
static uint64_t bucket_ready(const struct rate_bucket *b, uint64_t tokens, uint64_t now_ns)
{
	uint64_t left = ns_left(b, now_ns), need;

	if (b->per_second == 0)
		return now_ns;
	need = tokens < b->burst ? to_ns(tokens, b->per_second) : b->burst_ns;
	if (left <= b->burst_ns - need)
		return now_ns;
	return now_ns + (left - (b->burst_ns - need));
}

static void bucket_take(struct rate_bucket *b, uint64_t tokens, uint64_t now_ns)
{
	unsigned __int128 cost;
	uint64_t left;

	if (b->per_second == 0)
		return;
	left = ns_left(b, now_ns);
	if (b->full_ns < now_ns)
		b->rest = 0;		/* it has run over since */
	cost = (unsigned __int128)tokens * SECOND + b->rest;
	b->rest = (uint64_t)(cost % b->per_second);
	cost = cost / b->per_second + left;
	b->full_ns = now_ns + (cost < FAR ? (uint64_t)cost : FAR);
}

uint64_t vmm__rate_take(struct rate *rate, uint64_t bytes, uint64_t ops, uint64_t now_ns)
{
	uint64_t bytes_at = bucket_ready(&rate->bytes, bytes, now_ns);
	uint64_t ops_at = bucket_ready(&rate->ops, ops, now_ns);

	if (bytes_at > now_ns || ops_at > now_ns)
		return bytes_at > ops_at ? bytes_at : ops_at;
	bucket_take(&rate->bytes, bytes, now_ns);
	bucket_take(&rate->ops, ops, now_ns);
	return 0;
}

/*
 * What it holds stays, up to the new burst; a debt stays a debt of as many tokens. One that
 * had no limit begins full.
 */
static void bucket_set(struct rate_bucket *b, uint64_t per_second, uint64_t burst, uint64_t now_ns)
{
	struct rate_bucket old = *b;
	unsigned __int128 missing, ns;

	memset(b, 0, sizeof(*b));
	if (per_second == 0)
		return;
	b->per_second = per_second;
	b->burst = burst;
	b->burst_ns = to_ns(burst, per_second);
	if (b->burst_ns == 0)
		b->burst_ns = 1;
	if (old.per_second == 0)
		return;

	/* Held is burst less missing: the same before and after. */
	missing = (unsigned __int128)ns_left(&old, now_ns) * old.per_second / SECOND + burst;
	missing = missing > old.burst ? missing - old.burst : 0;
	ns = missing < FAR ? missing * SECOND / per_second : FAR;
	b->full_ns = now_ns + (ns < FAR ? (uint64_t)ns : FAR);
}

static int limit_check(const char *what, uint64_t per_second, uint64_t *burst)
{
	if (per_second > VMM__RATE_MAX || *burst > VMM__RATE_MAX)
		return vmm__fail(-EINVAL, "a rate or burst of %s is over the limit %llu", what,
				 VMM__RATE_MAX);
	if (*burst != 0 && per_second == 0)
		return vmm__fail(-EINVAL, "a burst of %s needs a rate of %s", what, what);
	if (*burst == 0)
		*burst = per_second / 10 > 0 ? per_second / 10 : 1;
	return 0;
}

int vmm__rate_set(struct rate *rate, const struct vmm_rate *limits, uint64_t now_ns)
{
	struct vmm_rate l = VMM_RATE_INIT;
	int r = 0;

	if (limits)
		r = vmm__config_copy(&l, sizeof(l), limits, limits->size, sizeof(l.size));
	if (r == 0)
		r = limit_check("bytes", l.bytes_per_second, &l.bytes_burst);
	if (r == 0)
		r = limit_check("operations", l.ops_per_second, &l.ops_burst);
	if (r < 0)
		return r;
	bucket_set(&rate->bytes, l.bytes_per_second, l.bytes_burst, now_ns);
	bucket_set(&rate->ops, l.ops_per_second, l.ops_burst, now_ns);
	return 0;
}
