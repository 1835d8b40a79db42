/* SPDX-License-Identifier: MIT */
/*
 * bus_priv.h - which range answers an access: one bus for MMIO, one for ports.
 *
 * Ranges are added while nothing runs, or by a vCPU thread (a PCI BAR that moves);
 * look-ups take no lock: the table is replaced whole and old ones are kept until the end.
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

struct bus_table;

struct bus {
	const char *name;		/* "MMIO", "port": for words */
	uint64_t limit;			/* addresses are below this; 0: no limit */
	pthread_mutex_t lock;		/* of changes */
	struct bus_table *table;	/* atomic: read without the lock */
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
