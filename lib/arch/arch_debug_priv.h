/* SPDX-License-Identifier: MIT */
/*
 * arch_debug_priv.h - what an architecture gives to those who look into a guest.
 *
 * An architecture without it builds debug_none.c, which lists nothing and answers -EOPNOTSUPP.
 */
#ifndef ARCH_ARCH_DEBUG_PRIV_H
#define ARCH_ARCH_DEBUG_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libvmm/common.h>
#include <libvmm/regs.h>

/* ---- registers for people ---- */

#define ARCH_REGS_MAX	128u

struct arch_reg {
	const char *name;
	uint64_t value;
};

/*
 * The registers in @regs by name, in an order for people. Works for what the architecture of
 * this build knows. Returns how many; at most @max.
 */
uint32_t vmm__arch_list_regs(const struct vmm_regs *regs, struct arch_reg *list, uint32_t max);

#endif
