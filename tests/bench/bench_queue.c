/* SPDX-License-Identifier: MIT */
/*
 * bench_queue.c - taking a request from a ring and giving it back, against a ring that
 * checks nothing: no address, no length, no index, no loop in a chain.
 */
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "bench.h"
#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

enum {
	SIZE	= 256,
	ROUNDS	= 41,		/* of a full ring in a turn */
	PAIRS	= 301,
	RAM	= 1 << 20,
	DESC	= 0x10000,
	AVAIL	= 0x20000,
	USED	= 0x30000,
	TABLES	= 0x40000,	/* of indirect descriptors */
	DATA	= 0x80000,
};

static unsigned char ram[RAM] __attribute__((aligned(4096)));
static struct vmm_mem mem = {
	.regions = { { .gpa = 0, .size = RAM, .host = ram } },
	.nr_regions = 1,
};
static struct vring_desc *const desc = (struct vring_desc *)(void *)(ram + DESC);
static struct vring_avail *const avail = (struct vring_avail *)(void *)(ram + AVAIL);
static struct vring_used *const used = (struct vring_used *)(void *)(ram + USED);
static uint32_t chains;		/* in the ring at a time */

/* ---- the driver: its ring is full of the same requests, over and over ---- */

static void offer_all(void)
{
	for (uint32_t i = 0; i < chains; i++)
		avail->ring[(uint16_t)(avail->idx + i) % SIZE] = (uint16_t)(i * (SIZE / chains));
	__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + chains), __ATOMIC_RELEASE);
}

static void three_at(struct vring_desc *d, uint16_t first, uint64_t data)
{
	d[0] = (struct vring_desc){ data, 16, VRING_DESC_F_NEXT, (uint16_t)(first + 1) };
	d[1] = (struct vring_desc){ data + 16, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
				    (uint16_t)(first + 2) };
	d[2] = (struct vring_desc){ data + 528, 1, VRING_DESC_F_WRITE, 0 };
}

static void make_single(void)
{
	chains = SIZE;
	for (uint32_t i = 0; i < SIZE; i++)
		desc[i] = (struct vring_desc){ DATA + i * 1024, 512, VRING_DESC_F_WRITE, 0 };
}

static void make_chained(void)
{
	chains = SIZE / 4;
	for (uint32_t i = 0; i < chains; i++)
		three_at(&desc[4 * i], (uint16_t)(4 * i), DATA + i * 1024);
}

static void make_indirect(void)
{
	chains = SIZE;
	for (uint32_t i = 0; i < SIZE; i++) {
		desc[i] = (struct vring_desc){ TABLES + i * 64, 48, VRING_DESC_F_INDIRECT, 0 };
		three_at((struct vring_desc *)(void *)(ram + TABLES + i * 64), 0, DATA + i * 1024);
	}
}

/* ---- the floor ---- */

static struct {
	uint16_t next_avail, next_used;
	int notified;
} raw;

static __attribute__((noinline)) int raw_pop(struct vmm_chain *chain)
{
	const struct vring_desc *d;
	const struct vring_desc *table = desc;
	uint32_t n = 0;

	if (__atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE) == raw.next_avail)
		return 0;
	chain->head = avail->ring[raw.next_avail++ % SIZE];
	chain->out_len = chain->in_len = 0;
	chain->nr_out = chain->nr_in = 0;
	d = &table[chain->head];
	if (d->flags & VRING_DESC_F_INDIRECT) {
		table = (const struct vring_desc *)(const void *)(ram + d->addr);
		d = table;
	}
	for (;; d = &table[d->next]) {
		chain->iov[n++] = (struct iovec){ ram + d->addr, d->len };
		if (d->flags & VRING_DESC_F_WRITE) {
			chain->nr_in++;
			chain->in_len += d->len;
		} else {
			chain->nr_out++;
			chain->out_len += d->len;
		}
		if (!(d->flags & VRING_DESC_F_NEXT))
			return 1;
	}
}

static __attribute__((noinline)) void raw_push(const struct vmm_chain *chain, uint32_t written)
{
	used->ring[raw.next_used % SIZE] = (struct vring_used_elem){ chain->head, written };
	__atomic_store_n(&used->idx, ++raw.next_used, __ATOMIC_RELEASE);
}

static __attribute__((noinline)) void raw_notify(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(avail->flags & VRING_AVAIL_F_NO_INTERRUPT))
		raw.notified++;
}

static void rings_clear(void)
{
	memset(avail, 0, sizeof(*avail) + 2 * (SIZE + 1));
	memset(used, 0, sizeof(*used) + 8 * SIZE + 2);
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
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start;

		offer_all();
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

static uint64_t run_library(void *data)
{
	static struct vmm_chain chain;
	struct vmm_queue *q = data;
	const struct queue_setup setup = {
		.desc = DESC, .driver = AVAIL, .device = USED, .size = SIZE, .indirect = true,
	};
	double took[ROUNDS];

	rings_clear();
	if (vmm__queue_up(q, &setup) < 0)
		bench_die("vmm__queue_up");
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start;

		offer_all();
		/* As for a kick on the device's loop. */
		start = bench_now();
		vmm__queue_set_budget(q, QUEUE_BUDGET);
		while (vmm_queue_pop(q, &chain) > 0)
			vmm_queue_push(q, &chain, chain.in_len);
		vmm_queue_notify(q);
		took[i] = (double)(bench_now() - start);
	}
	if (used->idx != (uint16_t)(ROUNDS * chains))
		bench_die("requests were lost");
	vmm__queue_down(q);
	return turn(took);
}

static int measure(const char *name, void (*make)(void), double goal)
{
	struct vmm_queue *q = calloc(1, sizeof(*q));
	struct bench bench = {
		.name = name, .ours = "library", .floor = "unchecked ring",
		.run_ours = run_library, .run_floor = run_raw, .data = q,
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

	r |= measure("pop and push, one buffer", make_single, 1.5);
	r |= measure("pop and push, a chain of three", make_chained, 0);
	r |= measure("pop and push, three in an indirect table", make_indirect, 0);
	return r;
}
