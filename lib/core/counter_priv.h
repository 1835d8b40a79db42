/* SPDX-License-Identifier: MIT */
/* counter_priv.h - a counter that one thread at a time writes and any thread reads. */
#ifndef CORE_COUNTER_PRIV_H
#define CORE_COUNTER_PRIV_H

#include <stdint.h>

static inline void count_by(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline void count_up(uint64_t *counter)
{
	count_by(counter, 1);
}

static inline uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
