/* SPDX-License-Identifier: MIT */
/*
 * bus_priv.h - which range answers an access: one bus for MMIO, one for ports.
 *
 * Ranges are added while nothing runs, or moved by a vCPU thread (a PCI BAR).
 * Look-ups take no lock.
 */
#ifndef BUS_BUS_PRIV_H
#define BUS_BUS_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <libvmm/range.h>

struct bus_range {
	uint64_t base;
	uint64_t length;
	const struct vmm_range_ops *ops;
	void *state;
};

struct bus {
	const char *name;		/* "MMIO", "port": for words */
	uint64_t limit;			/* addresses are below this; 0: no limit */
	pthread_mutex_t lock;		/* of changes */
	uint32_t sequence;		/* atomic: odd while a change is under way */
	uint32_t nr;			/* atomic, as are the fields of all ranges */
	uint32_t max;
	struct bus_range *ranges;	/* atomic; sorted by base, disjoint */
	struct bus_range *outgrown[32];	/* smaller arrays that a look-up may still read */
	uint32_t nr_outgrown;
};

int vmm__bus_init(struct bus *bus, const char *name, uint64_t limit);
void vmm__bus_finish(struct bus *bus);

/* -EEXIST when it overlaps another, -EINVAL when it is empty or wraps. */
int vmm__bus_add(struct bus *bus, const struct bus_range *range);
void vmm__bus_remove(struct bus *bus, uint64_t base);

/* Answer an access. False: no range has all of it (reads are then all ones). */
bool vmm__bus_read(struct bus *bus, uint64_t address, uint32_t width, uint64_t *ret_value);
bool vmm__bus_write(struct bus *bus, uint64_t address, uint32_t width, uint64_t value);

#endif
