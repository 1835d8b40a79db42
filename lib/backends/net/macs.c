/* SPDX-License-Identifier: MIT */
/*
 * macs.c - see macs_priv.h.
 *
 * Time is counted in ticks, 256 to the ageing time, of which an entry keeps ten bits.
 * An entry that is dead stays dead as long as its ticks do not come round, so the
 * table is swept in time, or cleared where nobody came by for that long.
 */
#include <string.h>

#include "backends/net/macs_priv.h"

#define LIFE		256u		/* ticks */
#define TICKS		1024u		/* that an entry can tell apart */
#define SWEEP		128u		/* ticks from one sweep to the next, if there is traffic */
#define CLEAR		512u		/* after so many, nobody knows what is old */

/* An entry: address << 16 | port << 10 | tick. */
static uint64_t entry_make(uint64_t key, uint32_t port, uint64_t tick)
{
	return key << 16 | (uint64_t)port << 10 | tick % TICKS;
}

static uint64_t entry_key(uint64_t e)
{
	return e >> 16;
}

static uint32_t entry_port(uint64_t e)
{
	return (uint32_t)(e >> 10) % MACS_PORTS;
}

static uint64_t entry_age(uint64_t e, uint64_t tick)
{
	return (tick - e) % TICKS;
}

static bool entry_dead(uint64_t e, uint64_t tick)
{
	return e == 0 || entry_age(e, tick) >= LIFE;
}

static uint64_t load(const uint64_t *entry)
{
	return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

/* The first entry of an address's set; a guest cannot tell which that is. */
static const uint64_t *set_of(const struct macs *macs, uint64_t key)
{
	uint64_t h = (key ^ macs->seed) * 0x9e3779b97f4a7c15ull;

	return macs->entries[(h ^ h >> 32) >> 24 & (MACS_SETS - 1)];
}

void vmm__macs_init(struct macs *macs, uint64_t ageing_ns, uint64_t seed)
{
	memset(macs, 0, sizeof(*macs));
	macs->tick_ns = ageing_ns / LIFE;
	macs->seed = seed;
}

/* Replace @old. The counts follow what was really replaced. False: somebody was faster. */
static bool replace(struct macs *macs, uint64_t *entry, uint64_t old, uint64_t new)
{
	if (!__atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return false;
	if (old != 0)
		__atomic_fetch_sub(&macs->nr[entry_port(old)], 1, __ATOMIC_RELAXED);
	if (new != 0)
		__atomic_fetch_add(&macs->nr[entry_port(new)], 1, __ATOMIC_RELAXED);
	return true;
}

static void sweep(struct macs *macs, uint64_t tick)
{
	uint64_t last = __atomic_load_n(&macs->swept, __ATOMIC_RELAXED);
	bool all = tick - last >= CLEAR;

	if (tick - last < SWEEP ||
	    !__atomic_compare_exchange_n(&macs->swept, &last, tick, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	for (uint32_t i = 0; i < MACS_SETS * MACS_WAYS; i++) {
		uint64_t *entry = &macs->entries[i / MACS_WAYS][i % MACS_WAYS];
		uint64_t e = load(entry);

		if (e != 0 && (all || entry_dead(e, tick)))
			(void)replace(macs, entry, e, 0);
	}
}

uint32_t vmm__macs_find(const struct macs *macs, uint64_t key, uint64_t now_ns)
{
	const uint64_t *set = set_of(macs, key);
	uint64_t tick = now_ns / macs->tick_ns;

	for (uint32_t i = 0; i < MACS_WAYS; i++) {
		uint64_t e = load(&set[i]);

		if (entry_key(e) == key && !entry_dead(e, tick))
			return entry_port(e);
	}
	return MACS_NONE;
}

bool vmm__macs_news(const struct macs *macs, uint64_t key, uint32_t port, uint64_t now_ns)
{
	const uint64_t *set = set_of(macs, key);
	uint64_t tick = now_ns / macs->tick_ns;
	uint64_t e = entry_make(key, port, tick);

	if (tick - load(&macs->swept) >= SWEEP)
		return true;
	for (uint32_t i = 0; i < MACS_WAYS; i++) {
		if (load(&set[i]) == e)
			return false;
	}
	return true;
}

/* Where @key is, or belongs: its own entry, a dead one, one of the port's own, the oldest. */
static uint64_t *place(uint64_t *set, uint64_t key, uint32_t port, uint64_t tick)
{
	uint64_t *best = &set[0];
	uint64_t best_rank = 0;

	for (uint32_t i = 0; i < MACS_WAYS; i++) {
		uint64_t e = load(&set[i]);
		uint64_t rank = entry_key(e) == key ? 4 * TICKS :
				entry_dead(e, tick) ? 3 * TICKS :
				entry_age(e, tick) + (entry_port(e) == port ? TICKS : 0);

		if (rank >= best_rank) {
			best = &set[i];
			best_rank = rank;
		}
	}
	return best;
}

void vmm__macs_learn(struct macs *macs, uint64_t key, uint32_t port, uint64_t now_ns)
{
	uint64_t tick = now_ns / macs->tick_ns, old;
	uint64_t *entry;

	sweep(macs, tick);
	entry = place((uint64_t *)(uintptr_t)set_of(macs, key), key, port, tick);
	old = load(entry);
	/* A port that has its share may only renew what it has. */
	if (__atomic_load_n(&macs->nr[port], __ATOMIC_RELAXED) >= MACS_PER_PORT &&
	    !(old != 0 && entry_port(old) == port))
		return;
	(void)replace(macs, entry, old, entry_make(key, port, tick));
}

void vmm__macs_forget(struct macs *macs, uint32_t port)
{
	for (uint32_t i = 0; i < MACS_SETS * MACS_WAYS; i++) {
		uint64_t *entry = &macs->entries[i / MACS_WAYS][i % MACS_WAYS];
		uint64_t e = load(entry);

		if (e != 0 && entry_port(e) == port)
			(void)replace(macs, entry, e, 0);
	}
}
