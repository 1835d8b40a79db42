/* SPDX-License-Identifier: MIT */
/* stats.c - a reading: a list of names and values that grows. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/stats_impl_priv.h"

struct vmm_stats *vmm__stats_new(void)
{
	return calloc(1, sizeof(struct vmm_stats));
}

void vmm_stats_free(struct vmm_stats *stats)
{
	if (!stats)
		return;
	free(stats->list);
	free(stats);
}

void vmm__stats_prefix(struct vmm_stats *stats, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(stats->prefix, sizeof(stats->prefix), format, args);
	va_end(args);
}

static bool grow(struct vmm_stats *stats)
{
	uint32_t room = stats->room ? stats->room * 2 : 64;
	struct vmm_stat *list;

	if (stats->nr < stats->room)
		return true;
	list = realloc(stats->list, room * sizeof(list[0]));
	if (!list) {
		stats->failed = true;
		return false;
	}
	stats->list = list;
	stats->room = room;
	return true;
}

void vmm_stats_add(struct vmm_stats *stats, const char *name, uint64_t value, uint32_t kind,
		   uint32_t unit)
{
	struct vmm_stat *stat;
	size_t len;

	if (!stats || !name || !grow(stats))
		return;
	stat = &stats->list[stats->nr++];
	*stat = (struct vmm_stat){ .size = sizeof(*stat), .value = value, .kind = kind, .unit = unit };
	len = strlen(stats->prefix);
	memcpy(stat->name, stats->prefix, len);
	memcpy(stat->name + len, name, strnlen(name, sizeof(stat->name) - 1 - len));
}

int vmm_stats_next(struct vmm_stats *stats, struct vmm_stat *ret_stat)
{
	if (!stats || !ret_stat || ret_stat->size < sizeof(ret_stat->size))
		return vmm__fail(-EINVAL, "no reading, or no place for a value: use VMM_STAT_INIT");
	if (stats->next >= stats->nr) {
		stats->next = 0;
		return 0;
	}
	vmm__config_answer(ret_stat, ret_stat->size, &stats->list[stats->next++], sizeof(*stats->list));
	return 1;
}

int vmm_stats_find(const struct vmm_stats *stats, const char *name, uint64_t *ret_value)
{
	if (!stats || !name || !ret_value)
		return vmm__fail(-EINVAL, "no reading, no name, or no place for the value");
	for (uint32_t i = 0; i < stats->nr; i++) {
		if (strcmp(stats->list[i].name, name) == 0) {
			*ret_value = stats->list[i].value;
			return 0;
		}
	}
	*ret_value = 0;
	return vmm__fail(-ENOENT, "no statistic is called %s", name);
}
