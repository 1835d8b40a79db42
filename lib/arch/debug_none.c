/* SPDX-License-Identifier: MIT */
/* debug_none.c - an architecture whose registers nobody has named yet. */
#include "arch/arch_debug_priv.h"

uint32_t vmm__arch_list_regs(const struct vmm_regs *regs, struct arch_reg *list, uint32_t max)
{
	return 0;
}
