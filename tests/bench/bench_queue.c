/* SPDX-License-Identifier: MIT */
/*
 * bench_queue.c - what checking a driver costs: the library's queue against one
 * that checks nothing, on the same ring, in the same run.
 *
 * Each round the driver offers a full ring of one-buffer chains and the device
 * takes all of them, then gives all of them back. The best of many rounds counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

#define RAM_SIZE	(4u << 20)
#define RING_SIZE	256u
#define ROUNDS		2000
#define LIMIT		1.5

enum { DESC = 0x0000, AVAIL = 0x2000, USED = 0x3000, DATA = 0x10000 };

static unsigned char *ram;

/* A queue that believes everything. */
struct naive {
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	uint16_t mask, next_avail, next_used;
};

static __attribute__((noinline)) int naive_pop(struct naive *q, struct vmm_chain *chain)
{
	const struct vring_desc *d;

	if (q->next_avail == __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE))
		return 0;

	chain->head = q->avail->ring[q->next_avail++ & q->mask];
	chain->nr_out = chain->nr_in = 0;
	chain->out_len = chain->in_len = 0;
	for (d = &q->desc[chain->head];; d = &q->desc[d->next]) {
		struct iovec *iov = &chain->iov[chain->nr_out + chain->nr_in];

		iov->iov_base = ram + d->addr;
		iov->iov_len = d->len;
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

static __attribute__((noinline)) void naive_push(struct naive *q, const struct vmm_chain *chain,
						 uint32_t written)
{
	q->used->ring[q->next_used & q->mask].id = chain->head;
	q->used->ring[q->next_used & q->mask].len = written;
	__atomic_store_n(&q->used->idx, ++q->next_used, __ATOMIC_RELEASE);
}

static void driver_fill(void)
{
	struct vring_desc *desc = (void *)(ram + DESC);
	struct vring_avail *avail = (void *)(ram + AVAIL);

	for (uint16_t i = 0; i < RING_SIZE; i++) {
		desc[i] = (struct vring_desc){
			.addr = DATA + 4096u * i, .len = 1514, .flags = VRING_DESC_F_WRITE,
		};
		avail->ring[i] = i;
	}
}

static void driver_offer(void)
{
	struct vring_avail *avail = (void *)(ram + AVAIL);

	__atomic_store_n(&avail->idx, (uint16_t)(avail->idx + RING_SIZE), __ATOMIC_RELEASE);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

struct cost {
	double pop;
	double push;
};

static void best(struct cost *cost, double t0, double t1, double t2)
{
	if (t1 - t0 < cost->pop)
		cost->pop = t1 - t0;
	if (t2 - t1 < cost->push)
		cost->push = t2 - t1;
}

static struct cost run_naive(void)
{
	struct naive q = {
		.desc = (void *)(ram + DESC), .avail = (void *)(ram + AVAIL),
		.used = (void *)(ram + USED), .mask = RING_SIZE - 1,
	};
	static struct vmm_chain chain;
	struct cost cost = { 1e18, 1e18 };

	for (int round = 0; round < ROUNDS; round++) {
		double t0, t1;

		driver_offer();
		t0 = now_ns();
		while (naive_pop(&q, &chain) > 0)
			;
		t1 = now_ns();
		for (chain.head = 0; chain.head < RING_SIZE; chain.head++)
			naive_push(&q, &chain, 60);
		best(&cost, t0, t1, now_ns());
	}
	return cost;
}

static struct cost run_library(const struct vmm_mem *mem)
{
	const struct queue_setup setup = {
		.desc = DESC, .driver = AVAIL, .device = USED, .size = RING_SIZE,
		.indirect = true, .event_idx = true,
	};
	struct vmm_queue q;
	static struct vmm_chain chain;
	struct cost cost = { 1e18, 1e18 };

	if (vmm__queue_init(&q, mem, RING_SIZE) < 0 || vmm__queue_up(&q, &setup) < 0)
		exit(EXIT_FAILURE);
	for (int round = 0; round < ROUNDS; round++) {
		double t0, t1;

		driver_offer();
		t0 = now_ns();
		while (vmm_queue_pop(&q, &chain) > 0)
			;
		t1 = now_ns();
		for (chain.head = 0; chain.head < RING_SIZE; chain.head++)
			vmm_queue_push(&q, &chain, 60);
		best(&cost, t0, t1, now_ns());
	}
	vmm__queue_finish(&q);
	return cost;
}

int main(void)
{
	struct vmm_mem mem = { .nr_regions = 1 };
	struct cost naive, library;

	ram = aligned_alloc(4096, RAM_SIZE);
	if (!ram)
		return EXIT_FAILURE;
	memset(ram, 0, RAM_SIZE);
	mem.regions[0] = (struct mem_region){ .size = RAM_SIZE, .host = ram };
	driver_fill();
	naive = run_naive();
	memset(ram + AVAIL, 0, 4);
	library = run_library(&mem);

	printf("pop:  %.1f ns against %.1f ns unchecked: %.2f\n", library.pop / RING_SIZE,
	       naive.pop / RING_SIZE, library.pop / naive.pop);
	printf("push: %.1f ns against %.1f ns unchecked: %.2f\n", library.push / RING_SIZE,
	       naive.push / RING_SIZE, library.push / naive.push);
	printf("both: %.2f (at most %.1f)\n",
	       (library.pop + library.push) / (naive.pop + naive.push), LIMIT);
	free(ram);
	return library.pop <= naive.pop * LIMIT ? EXIT_SUCCESS : EXIT_FAILURE;
}
