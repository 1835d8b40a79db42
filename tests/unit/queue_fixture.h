/* SPDX-License-Identifier: MIT */
/*
 * queue_fixture.h - a queue in a guest memory of three regions, for the tests of ring
 * formats, which write rings by hand. Included by one file of a program.
 */
#ifndef TESTS_QUEUE_FIXTURE_H
#define TESTS_QUEUE_FIXTURE_H

#include <check.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

/* The ring parts, data, then a second region that touches the first, and a read-only one. */
enum {
	DESC = 0x0000, TABLE = 0x3000, DATA = 0x8000,
	RAM = 0x40000, NEXT = RAM, NEXT_END = NEXT + 0x1000, ROM = 0x50000, ROM_END = ROM + 0x1000,
	QSIZE = 8, MAX = 1024,
};

static unsigned char *ram, *next_region, *rom;
static struct vmm_mem mem;
static struct vmm_queue queue;
static struct vmm_chain chain;
static struct queue_setup config;
static int interrupts, breaks;
static char broken_why[128];

static inline void count_interrupt(struct vmm_queue *q)
{
	interrupts++;
}

static inline void count_break(struct vmm_queue *q, const char *why)
{
	breaks++;
	strncpy(broken_why, why, sizeof(broken_why) - 1);
}

static inline void fixture_make(const struct queue_setup *with)
{
	ram = aligned_alloc(4096, RAM);
	next_region = aligned_alloc(4096, 0x1000);
	rom = aligned_alloc(4096, 0x1000);
	memset(ram, 0, RAM);
	memset(next_region, 0, 0x1000);
	memset(rom, 0, 0x1000);
	mem = (struct vmm_mem){
		.regions = {
			{ .gpa = 0, .size = RAM, .host = ram },
			{ .gpa = NEXT, .size = 0x1000, .host = next_region },
			{ .gpa = ROM, .size = 0x1000, .host = rom, .read_only = true },
		},
		.nr_regions = 3,
	};
	config = *with;
	ck_assert_int_eq(vmm__queue_init(&queue, &mem, MAX), 0);
	queue.interrupt = count_interrupt;
	queue.broke = count_break;
	ck_assert_int_eq(vmm__queue_up(&queue, &config), 0);
	interrupts = breaks = 0;
}

static inline void fixture_unmake(void)
{
	vmm__queue_finish(&queue);
	free(ram);
	free(next_region);
	free(rom);
}

/* Down, and up as @with says, with rings that are zero. */
static inline void again(const struct queue_setup *with)
{
	config = *with;
	vmm__queue_down(&queue);
	memset(ram + DESC, 0, TABLE);
	ck_assert_int_eq(vmm__queue_up(&queue, &config), 0);
}

/* ---- guest memory, as a driver sees it ---- */

static inline uint16_t load16(uint32_t at)
{
	uint16_t v;

	memcpy(&v, ram + at, 2);
	return le16toh(v);
}

static inline void store16(uint32_t at, uint16_t v)
{
	v = htole16(v);
	memcpy(ram + at, &v, 2);
}

static inline uint32_t load32(uint32_t at)
{
	uint32_t v;

	memcpy(&v, ram + at, 4);
	return le32toh(v);
}

#endif
