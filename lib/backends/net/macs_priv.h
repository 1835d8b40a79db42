/* SPDX-License-Identifier: MIT */
/*
 * macs_priv.h - which port an Ethernet address was last seen behind.
 *
 * A table of fixed size without a lock: an entry is one word, read and replaced whole.
 * An address that is not heard of for the ageing time is forgotten. A port may have so many
 * addresses and no more, so that one that makes them up keeps no other out.
 */
#ifndef BACKENDS_NET_MACS_PRIV_H
#define BACKENDS_NET_MACS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#define MACS_SETS	256u
#define MACS_WAYS	4u
#define MACS_PER_PORT	128u
#define MACS_PORTS	64u		/* 0 .. 63 */
#define MACS_NONE	UINT32_MAX

struct macs {
	uint64_t entries[MACS_SETS][MACS_WAYS];	/* atomic: address, port, when; 0: none */
	uint32_t nr[MACS_PORTS];		/* atomic */
	uint64_t swept;				/* atomic: when last, in ticks */
	uint64_t tick_ns;
	uint64_t seed;
};

/* @ageing_ns is at least a microsecond. */
void vmm__macs_init(struct macs *macs, uint64_t ageing_ns, uint64_t seed);

/* An address as a number. */
static inline uint64_t macs_key(const uint8_t mac[6])
{
	return (uint64_t)mac[0] << 40 | (uint64_t)mac[1] << 32 | (uint64_t)mac[2] << 24 |
	       (uint64_t)mac[3] << 16 | (uint64_t)mac[4] << 8 | mac[5];
}

/* The port of @key, or MACS_NONE. */
uint32_t vmm__macs_find(const struct macs *macs, uint64_t key, uint64_t now_ns);

/* Whether vmm__macs_learn() has anything to do: false for what was learnt a moment ago. */
bool vmm__macs_news(const struct macs *macs, uint64_t key, uint32_t port, uint64_t now_ns);

/* @key was seen at @port. */
void vmm__macs_learn(struct macs *macs, uint64_t key, uint32_t port, uint64_t now_ns);

/* Forget all that is behind @port. */
void vmm__macs_forget(struct macs *macs, uint32_t port);

#endif
