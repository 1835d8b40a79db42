/* SPDX-License-Identifier: MIT */
/*
 * balloon_pages.c - pages that a guest gives up, into the balloon or by report.
 *
 * They go back to the host by the one door to guest memory, which knows what is RAM: so a
 * lie costs the guest pages of its own, or nothing. Giving back is system calls: a turn
 * makes a bounded number of them, and the chain that is not done with stays in the queue,
 * with nothing kept but how far it has got.
 */
#include <endian.h>
#include <stdlib.h>

#include "devices/virtio/balloon_priv.h"

#define PIECE_PAGES	256u		/* page numbers looked at together */
#define TURN_PAGES	1024u		/* of them in one turn of the loop */
#define PIECE_BYTES	(32u << 20)	/* reported, given back by one system call */
#define TURN_BYTES	(256u << 20)
#define TURN_CALLS	256u
#define RANGES_MAX	16u

static void cut(struct balloon_queue *q)
{
	q->cut = true;
	vmm_defer(&q->more);
}

/* ---- the balloon: numbers of pages ---- */

static bool give_back(struct vmm_balloon *b, uint64_t first, uint64_t nr)
{
	struct iovec iov[RANGES_MAX];
	int n = vmm_mem_iov(b->mem, first << PAGE_SHIFT, nr << PAGE_SHIFT,
			    VMM_MEM_READ | VMM_MEM_WRITE, iov, RANGES_MAX);

	if (n < 0)
		return false;
	balloon_count(&b->stats.returned, vmm_mem_discard(b->mem, iov, (size_t)n));
	return true;
}

/* A run of pages, or what of them is RAM. */
static void give_back_run(struct vmm_balloon *b, uint64_t first, uint64_t nr)
{
	if (give_back(b, first, nr))
		return;
	for (uint64_t i = 0; i < nr; i++) {
		if (nr == 1 || !give_back(b, first + i, 1))
			balloon_count(&b->stats.refused, 1u << PAGE_SHIFT);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted, so that neighbours go back together and a page that is named twice goes once. */
static void give_back_pages(struct vmm_balloon *b, uint32_t *pages, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		pages[i] = le32toh(pages[i]);
	qsort(pages, nr, sizeof(pages[0]), compare);

	for (uint32_t i = 0, end; i < nr; i = end) {
		for (end = i + 1; end < nr && pages[end] - pages[end - 1] <= 1; end++)
			continue;
		give_back_run(b, pages[i], (uint64_t)pages[end - 1] - pages[i] + 1);
	}
}

void vmm__balloon_inflate(struct balloon_queue *q)
{
	struct vmm_balloon *b = q->balloon;
	struct vmm_queue *queue = vmm_device_queue(b->dev, q->index);
	uint32_t pages[PIECE_PAGES], budget = TURN_PAGES;

	while (!q->cut && vmm_queue_pop(queue, &b->chain) > 0) {
		while (budget > 0) {
			uint32_t nr = budget < PIECE_PAGES ? budget : PIECE_PAGES;
			size_t len = vmm_chain_read(&b->chain, q->done, pages, nr * sizeof(pages[0]));

			nr = (uint32_t)(len / sizeof(pages[0]));
			if (nr == 0)
				break;
			give_back_pages(b, pages, nr);
			q->done += len;
			budget -= nr;
		}
		if (budget == 0) {
			vmm_queue_unpop(queue);
			cut(q);
			break;
		}
		vmm_queue_push(queue, &b->chain, 0);
		q->done = 0;
		budget--;
	}
	vmm_queue_notify(queue);
}

/* The guest has the pages again; they come back by being touched. */
void vmm__balloon_deflate(struct balloon_queue *q)
{
	struct vmm_balloon *b = q->balloon;
	struct vmm_queue *queue = vmm_device_queue(b->dev, q->index);

	while (vmm_queue_pop(queue, &b->chain) > 0)
		vmm_queue_push(queue, &b->chain, 0);
	vmm_queue_notify(queue);
}

/* ---- reports of free pages: the pages themselves are the buffers (5.5.6.7) ---- */

/* The bytes of the chain's in part from @done on that lie together; no more than a piece. */
static struct iovec next_piece(const struct vmm_chain *chain, uint64_t done)
{
	for (uint32_t i = chain->nr_out; i < chain->nr_out + chain->nr_in; i++) {
		struct iovec iov = chain->iov[i];

		if (done >= iov.iov_len) {
			done -= iov.iov_len;
			continue;
		}
		iov.iov_base = (unsigned char *)iov.iov_base + done;
		iov.iov_len -= done;
		if (iov.iov_len > PIECE_BYTES)
			iov.iov_len = PIECE_BYTES;
		return iov;
	}
	return (struct iovec){ NULL, 0 };
}

void vmm__balloon_take_reports(struct balloon_queue *q)
{
	struct vmm_balloon *b = q->balloon;
	struct vmm_queue *queue = vmm_device_queue(b->dev, q->index);
	uint64_t bytes = 0;
	uint32_t calls = 0;

	while (!q->cut && vmm_queue_pop(queue, &b->chain) > 0) {
		while (bytes < TURN_BYTES && calls < TURN_CALLS) {
			struct iovec piece = next_piece(&b->chain, q->done);

			if (piece.iov_len == 0)
				break;
			if (!b->poisoned)
				balloon_count(&b->stats.returned, vmm_mem_discard(b->mem, &piece, 1));
			balloon_count(&b->stats.reported, piece.iov_len);
			q->done += piece.iov_len;
			bytes += piece.iov_len;
			calls++;
		}
		if (bytes >= TURN_BYTES || calls >= TURN_CALLS) {
			vmm_queue_unpop(queue);
			cut(q);
			break;
		}
		vmm_queue_push(queue, &b->chain, 0);
		q->done = 0;
		calls++;
	}
	vmm_queue_notify(queue);
}
