/* SPDX-License-Identifier: MIT */
/*
 * bus.c - ranges of addresses and what answers them.
 *
 * Every exit of a vCPU looks here, so a look-up takes no lock. It reads a sorted
 * array under a sequence count and tries again when a change came between. A
 * guest can cause changes as often as it likes (it moves a PCI BAR), so a
 * change neither allocates nor leaves anything behind: the array only grows with
 * the number of ranges.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"

#define LOAD(p)		__atomic_load_n(&(p), __ATOMIC_RELAXED)
#define STORE(p, v)	__atomic_store_n(&(p), (v), __ATOMIC_RELAXED)

int vmm__bus_init(struct bus *bus, const char *name, uint64_t limit)
{
	*bus = (struct bus){ .name = name, .limit = limit, .max = 16 };
	bus->ranges = calloc(bus->max, sizeof(bus->ranges[0]));
	if (!bus->ranges)
		return vmm__fail(-ENOMEM, "no memory for the %s bus", name);
	pthread_mutex_init(&bus->lock, NULL);
	return 0;
}

void vmm__bus_finish(struct bus *bus)
{
	if (!bus->ranges)
		return;
	for (uint32_t i = 0; i < bus->nr_outgrown; i++)
		free(bus->outgrown[i]);
	free(bus->ranges);
	pthread_mutex_destroy(&bus->lock);
	*bus = (struct bus){ 0 };
}

/* ---- changes, with the lock ---- */

/* Atomic stores: a look-up may read the element at this moment, and throw away what it read. */
static void range_store(struct bus_range *to, const struct bus_range *from)
{
	STORE(to->base, from->base);
	STORE(to->length, from->length);
	STORE(to->ops, from->ops);
	STORE(to->state, from->state);
}

static void change_begin(struct bus *bus)
{
	STORE(bus->sequence, bus->sequence + 1);
	/* Pairs with the acquire fence in bus_find(): who sees a change sees the odd count. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void change_end(struct bus *bus)
{
	/* Pairs with the acquire load in bus_find(). */
	__atomic_store_n(&bus->sequence, bus->sequence + 1, __ATOMIC_RELEASE);
}

static int bus_grow(struct bus *bus)
{
	struct bus_range *ranges;

	if (bus->nr < bus->max)
		return 0;
	if (bus->nr_outgrown == sizeof(bus->outgrown) / sizeof(bus->outgrown[0]))
		return vmm__fail(-ENOSPC, "too many %s ranges", bus->name);

	ranges = calloc((size_t)bus->max * 2, sizeof(ranges[0]));
	if (!ranges)
		return vmm__fail(-ENOMEM, "no memory for another %s range", bus->name);
	memcpy(ranges, bus->ranges, bus->nr * sizeof(ranges[0]));

	bus->outgrown[bus->nr_outgrown++] = bus->ranges;
	change_begin(bus);
	__atomic_store_n(&bus->ranges, ranges, __ATOMIC_RELEASE);
	bus->max *= 2;
	change_end(bus);
	return 0;
}

/* Where @range goes, or -EEXIST. */
static int find_gap(const struct bus *bus, const struct bus_range *range)
{
	uint32_t i = 0;

	while (i < bus->nr && bus->ranges[i].base < range->base)
		i++;
	if ((i > 0 && range->base - bus->ranges[i - 1].base < bus->ranges[i - 1].length) ||
	    (i < bus->nr && bus->ranges[i].base - range->base < range->length))
		return vmm__fail(-EEXIST, "%s range 0x%llx, 0x%llx bytes long, overlaps another",
				 bus->name, (unsigned long long)range->base,
				 (unsigned long long)range->length);
	return (int)i;
}

static int add_locked(struct bus *bus, const struct bus_range *range)
{
	int at = find_gap(bus, range);
	int r = at < 0 ? at : bus_grow(bus);

	if (r < 0)
		return r;

	change_begin(bus);
	for (uint32_t i = bus->nr; i > (uint32_t)at; i--)
		range_store(&bus->ranges[i], &bus->ranges[i - 1]);
	range_store(&bus->ranges[at], range);
	__atomic_store_n(&bus->nr, bus->nr + 1, __ATOMIC_RELEASE);
	change_end(bus);
	return 0;
}

int vmm__bus_add(struct bus *bus, const struct bus_range *range)
{
	int r;

	if (range->length == 0 || range->base + (range->length - 1) < range->base ||
	    (bus->limit && (range->base >= bus->limit || range->length > bus->limit - range->base)))
		return vmm__fail(-EINVAL, "%s range 0x%llx, 0x%llx bytes long, is empty or too far",
				 bus->name, (unsigned long long)range->base,
				 (unsigned long long)range->length);

	pthread_mutex_lock(&bus->lock);
	r = add_locked(bus, range);
	pthread_mutex_unlock(&bus->lock);
	return r;
}

void vmm__bus_remove(struct bus *bus, uint64_t base)
{
	uint32_t i = 0;

	pthread_mutex_lock(&bus->lock);
	while (i < bus->nr && bus->ranges[i].base != base)
		i++;
	if (i < bus->nr) {
		change_begin(bus);
		for (; i + 1 < bus->nr; i++)
			range_store(&bus->ranges[i], &bus->ranges[i + 1]);
		STORE(bus->nr, bus->nr - 1);
		change_end(bus);
	}
	pthread_mutex_unlock(&bus->lock);
}

/* ---- look-ups ---- */

static bool range_search(const struct bus *bus, uint64_t address, uint32_t width,
			 struct bus_range *ret_range)
{
	/* The number first: an array read later is at least as long. Pairs with add_locked(). */
	uint32_t low = 0, high = __atomic_load_n(&bus->nr, __ATOMIC_ACQUIRE);
	const struct bus_range *ranges = __atomic_load_n(&bus->ranges, __ATOMIC_ACQUIRE);

	/* The last range that begins at or below @address. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (LOAD(ranges[middle].base) <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;

	*ret_range = (struct bus_range){
		.base = LOAD(ranges[low - 1].base),
		.length = LOAD(ranges[low - 1].length),
		.ops = LOAD(ranges[low - 1].ops),
		.state = LOAD(ranges[low - 1].state),
	};
	return address - ret_range->base < ret_range->length &&
	       width <= ret_range->length - (address - ret_range->base);
}

static bool bus_find(const struct bus *bus, uint64_t address, uint32_t width,
		     struct bus_range *ret_range)
{
	for (;;) {
		uint32_t before = __atomic_load_n(&bus->sequence, __ATOMIC_ACQUIRE);
		bool found;

		if (before & 1) {
			sched_yield();
			continue;
		}
		found = range_search(bus, address, width, ret_range);
		/* Pairs with the release fence in change_begin(). */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (LOAD(bus->sequence) == before)
			return found;
	}
}

bool vmm__bus_read(struct bus *bus, uint64_t address, uint32_t width, uint64_t *ret_value)
{
	struct bus_range range;

	*ret_value = UINT64_MAX;
	if (!bus_find(bus, address, width, &range))
		return false;
	if (range.ops->read)
		*ret_value = range.ops->read(range.state, address - range.base, width);
	return true;
}

bool vmm__bus_write(struct bus *bus, uint64_t address, uint32_t width, uint64_t value)
{
	struct bus_range range;

	if (!bus_find(bus, address, width, &range))
		return false;
	if (range.ops->write)
		range.ops->write(range.state, address - range.base, width, value);
	return true;
}
