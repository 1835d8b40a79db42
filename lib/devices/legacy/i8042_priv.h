/* SPDX-License-Identifier: MIT */
/* i8042_priv.h - the PC's keyboard controller, without keyboard or mouse. */
#ifndef DEVICES_LEGACY_I8042_PRIV_H
#define DEVICES_LEGACY_I8042_PRIV_H

#include "arch/arch_priv.h"

struct i8042;

/* @host is borrowed. Data port @base, command port @base + 4, interrupt @gsi. */
int vmm__i8042_create(const struct arch_machine_host *host, uint16_t base, uint32_t gsi,
		      struct i8042 **ret_i8042);
void vmm__i8042_destroy(struct i8042 *i8042);
void vmm__i8042_reset(struct i8042 *i8042);

#endif
