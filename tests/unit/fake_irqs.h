/* SPDX-License-Identifier: MIT */
/* fake_irqs.h - interrupt lines without KVM: instead of core/irq.c, for devices with a wire. */
#ifndef TESTS_FAKE_IRQS_H
#define TESTS_FAKE_IRQS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/irq_priv.h"

static bool fake_lines[64];

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	__atomic_store_n(&fake_lines[gsi], level, __ATOMIC_RELAXED);
	return 0;
}

#endif
