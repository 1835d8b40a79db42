/* SPDX-License-Identifier: MIT */
/*
 * bench_packed.c - taking a request from a packed ring and giving it back, against a packed
 * ring that checks nothing, and against the library's split ring.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

enum {
	SIZE	= 256,
	ROUNDS	= 41,		/* of a full ring in a turn */
	PAIRS	= 301,
	RAM	= 1 << 20,
	RING	= 0x10000,	/* of a packed ring, or the descriptors of a split one */
	DRIVER	= 0x20000,
	DEVICE	= 0x30000,
	TABLES	= 0x40000,	/* of indirect descriptors */
	DATA	= 0x80000,
	AVAIL	= 1 << VRING_PACKED_DESC_F_AVAIL,
	USED	= 1 << VRING_PACKED_DESC_F_USED,
};

static unsigned char ram[RAM] __attribute__((aligned(4096)));
static struct vmm_mem mem = {
	.regions = { { .gpa = 0, .size = RAM, .host = ram } },
	.nr_regions = 1,
};
static struct vring_packed_desc *const ring = (struct vring_packed_desc *)(void *)(ram + RING);
static struct vring_packed_desc full[SIZE];	/* the ring as the driver fills it, but for the lap */
static uint32_t chains;				/* in it */
static uint32_t each;				/* descriptors of a chain */

/* ---- the driver: its ring is full of the same requests, over and over ---- */

static void offer_all(uint32_t round)
{
	const uint16_t lap = round & 1 ? USED : AVAIL;

	for (uint32_t i = 0; i < chains * each; i++) {
		ring[i] = full[i];
		ring[i].flags |= lap;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* @step apart: descriptors of a ring, or of a table. */
static void three_at(struct vring_packed_desc *d, uint16_t id, uint64_t data, uint16_t next)
{
	d[0] = (struct vring_packed_desc){ data, 16, id, next };
	d[1] = (struct vring_packed_desc){ data + 16, 512, id, next | VRING_DESC_F_WRITE };
	d[2] = (struct vring_packed_desc){ data + 528, 1, id, VRING_DESC_F_WRITE };
}

static void make_single(void)
{
	chains = SIZE;
	each = 1;
	for (uint32_t i = 0; i < SIZE; i++)
		full[i] = (struct vring_packed_desc){ DATA + i * 1024, 512, (uint16_t)i,
						      VRING_DESC_F_WRITE };
}

static void make_chained(void)
{
	/* The size of the ring is what makes its end the end of a chain. */
	chains = SIZE / 4;
	each = 3;
	for (uint32_t i = 0; i < chains; i++)
		three_at(&full[3 * i], (uint16_t)i, DATA + i * 1024, VRING_DESC_F_NEXT);
}

static void make_indirect(void)
{
	chains = SIZE;
	each = 1;
	for (uint32_t i = 0; i < SIZE; i++) {
		full[i] = (struct vring_packed_desc){ TABLES + i * 64, 48, (uint16_t)i,
						      VRING_DESC_F_INDIRECT };
		three_at((struct vring_packed_desc *)(void *)(ram + TABLES + i * 64), 0,
			 DATA + i * 1024, 0);
	}
}

/* ---- the floor ---- */

static struct {
	uint32_t next_avail, next_used, size;
	uint16_t avail, used;
	uint8_t count[SIZE];		/* of descriptors, by id */
	int notified;
} raw;

static void raw_add(struct vmm_chain *chain, const struct vring_packed_desc *d)
{
	chain->iov[chain->nr_out + chain->nr_in] = (struct iovec){ ram + d->addr, d->len };
	if (d->flags & VRING_DESC_F_WRITE) {
		chain->nr_in++;
		chain->in_len += d->len;
	} else {
		chain->nr_out++;
		chain->out_len += d->len;
	}
}

static __attribute__((noinline)) int raw_pop(struct vmm_chain *chain)
{
	const struct vring_packed_desc *d = &ring[raw.next_avail];
	uint32_t n = 1;

	if ((__atomic_load_n(&d->flags, __ATOMIC_ACQUIRE) & (AVAIL | USED)) != raw.avail)
		return 0;
	chain->out_len = chain->in_len = 0;
	chain->nr_out = chain->nr_in = 0;
	if (d->flags & VRING_DESC_F_INDIRECT) {
		const struct vring_packed_desc *table =
			(const struct vring_packed_desc *)(const void *)(ram + d->addr);

		for (uint32_t i = 0; i < d->len / sizeof(*table); i++)
			raw_add(chain, &table[i]);
	} else {
		raw_add(chain, d);
		for (; d->flags & VRING_DESC_F_NEXT; n++)
			raw_add(chain, ++d);
	}
	chain->head = d->id;
	raw.count[d->id] = (uint8_t)n;
	raw.next_avail += n;
	if (raw.next_avail >= raw.size) {
		raw.next_avail -= raw.size;
		raw.avail ^= AVAIL | USED;
	}
	return 1;
}

static __attribute__((noinline)) void raw_push(const struct vmm_chain *chain, uint32_t written)
{
	struct vring_packed_desc *d = &ring[raw.next_used];

	d->len = written;
	d->id = chain->head;
	__atomic_store_n(&d->flags, raw.used, __ATOMIC_RELEASE);
	raw.next_used += raw.count[chain->head];
	if (raw.next_used >= raw.size) {
		raw.next_used -= raw.size;
		raw.used ^= AVAIL | USED;
	}
}

static __attribute__((noinline)) void raw_notify(void)
{
	const struct vring_packed_desc_event *event =
		(const struct vring_packed_desc_event *)(const void *)(ram + DRIVER);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (event->flags != VRING_PACKED_EVENT_FLAG_DISABLE)
		raw.notified++;
}

static void rings_clear(void)
{
	memset(ram + RING, 0, TABLES - RING);
}

/* A turn is so short that being put aside once would spoil it: its typical round counts for all. */
static uint64_t turn(double *rounds)
{
	return (uint64_t)(bench_percentile(rounds, ROUNDS, 50) * ROUNDS);
}

static uint64_t run_raw(void *data)
{
	static struct vmm_chain chain;
	double took[ROUNDS];

	rings_clear();
	raw.next_avail = raw.next_used = 0;
	raw.size = chains * each;
	raw.avail = AVAIL;
	raw.used = AVAIL | USED;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t start;

		offer_all(i);
		start = bench_now();
		while (raw_pop(&chain) > 0)
			raw_push(&chain, chain.in_len);
		raw_notify();
		took[i] = (double)(bench_now() - start);
	}
	return turn(took);
}

/* ---- the library ---- */

static void interrupt(struct vmm_queue *q)
{
}

static void broke(struct vmm_queue *q, const char *why)
{
	bench_die(why);
}

/* As for a kick on the device's loop. */
static double round_of(struct vmm_queue *q)
{
	static struct vmm_chain chain;
	uint32_t done = 0;
	uint64_t start = bench_now();

	vmm__queue_set_budget(q, QUEUE_BUDGET);
	while (vmm_queue_pop(q, &chain) > 0) {
		vmm_queue_push(q, &chain, chain.in_len);
		done++;
	}
	vmm_queue_notify(q);
	start = bench_now() - start;
	if (done != chains)
		bench_die("requests were lost");
	return (double)start;
}

static uint64_t run_packed(void *data)
{
	struct vmm_queue *q = data;
	const struct queue_setup setup = {
		.desc = RING, .driver = DRIVER, .device = DEVICE, .size = chains * each,
		.indirect = true, .packed = true,
	};
	double took[ROUNDS];

	rings_clear();
	if (vmm__queue_up(q, &setup) < 0)
		bench_die("vmm__queue_up");
	for (uint32_t i = 0; i < ROUNDS; i++) {
		offer_all(i);
		took[i] = round_of(q);
	}
	vmm__queue_down(q);
	return turn(took);
}

/* The same single buffers from a split ring. */
static uint64_t run_split(void *data)
{
	struct vmm_queue *q = data;
	struct vring_desc *desc = (struct vring_desc *)(void *)(ram + RING);
	struct vring_avail *avail = (struct vring_avail *)(void *)(ram + DRIVER);
	const struct queue_setup setup = {
		.desc = RING, .driver = DRIVER, .device = DEVICE, .size = SIZE, .indirect = true,
	};
	double took[ROUNDS];

	rings_clear();
	if (vmm__queue_up(q, &setup) < 0)
		bench_die("vmm__queue_up");
	for (uint32_t round = 0; round < ROUNDS; round++) {
		/* As fresh in the cache as the other's. */
		for (uint32_t i = 0; i < SIZE; i++) {
			desc[i] = (struct vring_desc){ DATA + i * 1024, 512, VRING_DESC_F_WRITE, 0 };
			avail->ring[i] = (uint16_t)i;
		}
		__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + SIZE), __ATOMIC_SEQ_CST);
		took[round] = round_of(q);
	}
	vmm__queue_down(q);
	return turn(took);
}

static int measure(const char *name, void (*make)(void), bool split, double goal)
{
	struct vmm_queue *q = calloc(1, sizeof(*q));
	struct bench bench = {
		.name = name, .ours = "library", .floor = split ? "split ring" : "unchecked ring",
		.run_ours = run_packed, .run_floor = split ? run_split : run_raw, .data = q,
		.pairs = PAIRS, .goal = goal,
	};
	int r;

	if (!q || vmm__queue_init(q, &mem, SIZE) < 0)
		bench_die("vmm__queue_init");
	q->interrupt = interrupt;
	q->broke = broke;
	make();
	bench.operations = ROUNDS * chains;
	r = bench_run(&bench);
	vmm__queue_finish(q);
	free(q);
	return r;
}

int main(void)
{
	int r = 0;

	r |= measure("packed pop and push, one buffer", make_single, false, 1.5);
	r |= measure("packed pop and push, a chain of three", make_chained, false, 0);
	r |= measure("packed pop and push, three in an indirect table", make_indirect, false, 0);
	r |= measure("packed against split, one buffer", make_single, true, 0);
	return r;
}
