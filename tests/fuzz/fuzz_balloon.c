/* SPDX-License-Identifier: MIT */
/*
 * fuzz_balloon.c - the balloon under a driver that writes anything into its rings, names any
 * pages and reports any memory, in a RAM of two regions with a hole and a read-only one.
 *
 * Checked beside memory safety: what is behind the RAM, in the same mapping, stays as it
 * is, and so does the read-only region.
 */
#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

#include <libvmm/balloon.h>
#include "../unit/fake_virtio.h"
#include "input.h"

enum { GAP = 0x10000, ROM_AT = RAM + 0x40000, ROM = 0x4000, WALL = 0x2000 };

static struct vmm_balloon *balloon;
static struct input in;
static unsigned char *wall, *rom;

/* The machine's memory with neighbours: RAM in two parts, a wall, and the read-only part. */
static void machine_memory(void)
{
	unsigned char *all = mmap(NULL, RAM + WALL + ROM, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED)
		abort();
	free(machine.ram);
	machine.ram = all;
	wall = all + RAM;
	rom = wall + WALL;
	memset(wall, 0x99, WALL + ROM);
	machine.mem = (struct vmm_mem){
		.regions = {
			{ .gpa = 0, .size = DATA + GAP, .host = all },
			{ .gpa = DATA + 2 * GAP, .size = RAM - DATA - 2 * GAP, .host = all + DATA + 2 * GAP },
			{ .gpa = ROM_AT, .size = ROM, .host = rom, .read_only = true },
		},
		.nr_regions = 3,
	};
}

static void any_desc(uint32_t queue)
{
	uint32_t i = take8(&in) % ENTRIES, flags = take8(&in), len = take16(&in);
	uint64_t addr = (uint64_t)take16(&in) * 16;

	if (flags & 0x80)
		addr <<= flags >> 2 & 0x1e;
	if (flags & 0x40)
		len <<= 8;
	driver_desc(queue, i, addr, len, flags & 7, take8(&in));
}

/* Numbers of pages, most of them such. */
static void send_pages(uint32_t queue)
{
	uint32_t n = take8(&in), first = take8(&in), step = take8(&in);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t le = htole32(n & 1 ? first + i * step : (first << 24) - i * step);

		memcpy(machine.ram + DATA + 4 * i, &le, 4);
	}
	driver_buffer(queue, first % ENTRIES, DATA, 4 * n, false);
	driver_kick(queue);
}

static void step(void)
{
	uint32_t op = take8(&in), queue = (op >> 4) % machine.dev->nr_queues;

	switch (op & 15) {
	case 0: case 1:
		any_desc(queue);
		break;
	case 2: case 3:
		driver_offer(queue, take8(&in));
		break;
	case 4:
		driver_store16(queue * QUEUE_BYTES + AVAIL_AT + (take8(&in) & 0xfe), take16(&in));
		break;
	case 5: case 6:
		send_pages(queue % 2);
		break;
	case 7:
		driver_buffer(queue, take8(&in) % ENTRIES, take16(&in) * 16u, take16(&in) * 16u, true);
		driver_kick(queue);
		break;
	case 8: case 9:
		driver_kick(queue);
		break;
	case 10: case 11:
		(void)machine_turn();
		break;
	case 12:
		vmm__device_write_config(machine.dev, take8(&in) % 20, 1u << (op >> 4 & 3), take32(&in));
		break;
	case 13:
		(void)vmm_balloon_set(balloon, take32(&in));
		break;
	case 14:
		(void)vmm_balloon_refresh(balloon);
		break;
	case 15:
		driver_reset();
		machine.dev->virtio.offered.word[0] ^= op & 0x10 ? 1u << 1 : 0;
		if (op & 0x20)
			driver_start();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_balloon_config config = VMM_BALLOON_CONFIG_INIT;
	struct vmm_balloon_stats stats = VMM_BALLOON_STATS_INIT;

	in = (struct input){ data, size };
	if (!machine.loop) {
		machine_make();
		machine_memory();
	}
	memset(machine.ram, 0, RAM);
	config.flags = take8(&in) & 7;
	if (vmm_add_balloon(THE_VM, &config, &balloon) < 0)
		abort();
	driver_start();

	while (in.size > 0)
		step();
	for (int i = 0; i < 20 && machine_turn(); i++)
		continue;
	if (vmm_balloon_stats(balloon, &stats) < 0)
		abort();
	for (size_t i = 0; i < WALL + ROM; i++)
		assert(wall[i] == 0x99);
	vmm__device_destroy(machine.dev);
	return 0;
}
