/* SPDX-License-Identifier: MIT */
/* stats_impl_priv.h - the inside of a reading, for stats.c and stats_read.c. */
#ifndef CORE_STATS_IMPL_PRIV_H
#define CORE_STATS_IMPL_PRIV_H

#include <stdbool.h>
#include "core/stats_priv.h"

struct vmm_stats {
	struct vmm_stat *list;
	uint32_t nr, room;
	uint32_t next;			/* for vmm_stats_next() */
	bool failed;			/* no memory */
	char prefix[100];
};

struct vmm_stats *vmm__stats_new(void);

#endif
