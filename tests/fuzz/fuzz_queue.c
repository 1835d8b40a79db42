/* SPDX-License-Identifier: MIT */
/*
 * fuzz_queue.c - a ring of either format and arbitrary bytes, and a device that pops, pushes late, puts
 * back and asks for interrupts. The input is operations; the rest of it is guest memory.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

#define RAM_SIZE	0x4000u
#define OPERATIONS	64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore_interrupt(struct vmm_queue *q)
{
}

static void ignore_break(struct vmm_queue *q, const char *why)
{
}

/* Everything a pop gives out lies in guest memory: touch all of it. */
static void touch(const struct vmm_chain *chain)
{
	static unsigned char scratch[RAM_SIZE];
	uint64_t out = 0, in = 0;

	for (unsigned i = 0; i < chain->nr_out; i++) {
		memcpy(scratch, chain->iov[i].iov_base, chain->iov[i].iov_len);
		out += chain->iov[i].iov_len;
	}
	for (unsigned i = 0; i < chain->nr_in; i++) {
		memset(chain->iov[chain->nr_out + i].iov_base, 0xa5,
		       chain->iov[chain->nr_out + i].iov_len);
		in += chain->iov[chain->nr_out + i].iov_len;
	}
	if (out != chain->out_len || in != chain->in_len)
		abort();
}

static void push_all(struct vmm_queue *q, const struct vmm_chain *late, uint32_t written)
{
	struct vmm_used used[4];

	for (unsigned i = 0; i < 4; i++)
		used[i] = (struct vmm_used){ late[i].head, late[i].generation, written };
	vmm_queue_push_all(q, used, 4);
}

/* Available in the other lap. */
static void guest_flips(unsigned char *ram, uint64_t desc)
{
	unsigned char *flags = ram + (desc & (RAM_SIZE - 16)) + 14;

	flags[0] ^= 0x80;
	flags[1] ^= 0x80;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_mem mem = { .nr_regions = 2 };
	struct vmm_queue q;
	struct vmm_chain chain = { .head = 0 };
	struct vmm_chain late[4] = { { .head = 0 } };
	struct queue_setup setup;
	unsigned char *ram;

	if (size < sizeof(setup) + OPERATIONS)
		return 0;
	memcpy(&setup, data, offsetof(struct queue_setup, indirect));
	setup.size %= 2048;
	setup.indirect = data[sizeof(setup)] & 1;
	setup.event_idx = data[sizeof(setup)] & 2;
	setup.packed = data[sizeof(setup)] & 4;
	data += sizeof(setup);
	size -= sizeof(setup);

	ram = aligned_alloc(4096, 2 * RAM_SIZE);
	memset(ram, 0, 2 * RAM_SIZE);
	memcpy(ram, data + OPERATIONS,
	       size - OPERATIONS < RAM_SIZE ? size - OPERATIONS : RAM_SIZE);
	mem.regions[0] = (struct mem_region){ .gpa = 0, .size = RAM_SIZE, .host = ram };
	mem.regions[1] = (struct mem_region){
		.gpa = RAM_SIZE, .size = RAM_SIZE, .host = ram + RAM_SIZE, .read_only = true,
	};
	if (vmm__queue_init(&q, &mem, 1024) < 0)
		abort();
	q.interrupt = ignore_interrupt;
	q.broke = ignore_break;
	(void)vmm__queue_up(&q, &setup);

	for (unsigned i = 0; i < OPERATIONS; i++) {
		unsigned slot = data[i] >> 6;

		switch (data[i] & 15) {
		case 0: case 1: case 2: case 3: case 4:
			if (vmm_queue_pop(&q, &chain) > 0) {
				touch(&chain);
				late[slot] = chain;
			}
			break;
		case 5: case 6:
			vmm_queue_push(&q, &chain, data[i] * 0x1010101u);
			break;
		case 7:
			vmm_queue_push(&q, &late[slot], data[i]);
			break;
		case 8:
			push_all(&q, late, data[i] >> 4);
			break;
		case 9:
			vmm_queue_unpop(&q);
			break;
		case 10: case 11:
			vmm_queue_notify(&q);
			break;
		case 12:
			vmm__queue_set_budget(&q, slot);
			break;
		case 13:
			vmm__queue_down(&q);
			(void)vmm__queue_up(&q, &setup);
			break;
		case 14:	/* the guest writes an index or two, or the flags of a descriptor */
			if (slot & 1)
				memset(ram + (setup.driver & (RAM_SIZE - 4)), data[i] >> 4, 4);
			else
				guest_flips(ram, setup.desc + 16 * (i / 2));
			break;
		case 15:
			late[slot].head = (uint16_t)(i * 97);
			late[slot].generation = (uint16_t)slot;
			break;
		}
	}
	vmm__queue_finish(&q);
	free(ram);
	return 0;
}
