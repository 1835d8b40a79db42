/* SPDX-License-Identifier: MIT */
/* pl031_priv.h - Arm's real time clock. */
#ifndef DEVICES_LEGACY_PL031_PRIV_H
#define DEVICES_LEGACY_PL031_PRIV_H

#include <stdint.h>

struct bus;
struct irqs;
struct pl031;
struct vmm_loop;

/*
 * At @base, 4 KiB, its alarm wired to @gsi. It shows the host's time, in UTC, until it is set.
 * The alarm is a timer of @loop.
 */
int vmm__pl031_create(struct bus *bus, uint64_t base, struct irqs *irqs, uint32_t gsi,
		      struct vmm_loop *loop, struct pl031 **ret_rtc);
void vmm__pl031_destroy(struct pl031 *rtc);

/* What a reset changes: the alarm, not the time. */
void vmm__pl031_reset(struct pl031 *rtc);

#endif
