/* SPDX-License-Identifier: MIT */
/* pvpanic_priv.h - one port by which a guest's kernel says that it panicked. */
#ifndef DEVICES_LEGACY_PVPANIC_PRIV_H
#define DEVICES_LEGACY_PVPANIC_PRIV_H

#include "arch/arch_priv.h"

struct pvpanic;

/* @host is borrowed. */
int vmm__pvpanic_create(const struct arch_machine_host *host, uint16_t port,
			struct pvpanic **ret_pvpanic);
void vmm__pvpanic_destroy(struct pvpanic *pvpanic);

#endif
