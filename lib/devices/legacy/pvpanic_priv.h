/* SPDX-License-Identifier: MIT */
/* pvpanic_priv.h - one byte, a port or an address, by which a guest's kernel says that it panicked. */
#ifndef DEVICES_LEGACY_PVPANIC_PRIV_H
#define DEVICES_LEGACY_PVPANIC_PRIV_H

#include "arch/arch_priv.h"

struct pvpanic;

/* @host is borrowed, as is @bus, one of its buses. */
int vmm__pvpanic_create(const struct arch_machine_host *host, struct bus *bus, uint64_t base,
			struct pvpanic **ret_pvpanic);
void vmm__pvpanic_destroy(struct pvpanic *pvpanic);

#endif
