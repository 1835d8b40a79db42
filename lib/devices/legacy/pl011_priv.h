/* SPDX-License-Identifier: MIT */
/* pl011_priv.h - Arm's serial port PL011, in front of a console backend. */
#ifndef DEVICES_LEGACY_PL011_PRIV_H
#define DEVICES_LEGACY_PL011_PRIV_H

#include "devices/legacy/serial_priv.h"

struct pl011;

/* @config was copied and checked. On success the backend is the port's. */
int vmm__pl011_create(const struct serial_place *place, const struct vmm_console_config *config,
		      struct pl011 **ret_port);
/* What the guest wrote goes to the backend first, as far as it takes it. NULL is allowed. */
void vmm__pl011_destroy(struct pl011 *p);

/* As after power on. What the guest wrote before still goes out. */
void vmm__pl011_reset(struct pl011 *p);
void vmm__pl011_flush(struct pl011 *p);

#endif
