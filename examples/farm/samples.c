/* SPDX-License-Identifier: MIT */
/* samples.c - what a guest has used so far, gathered from the library's counters. */
#include <stdio.h>
#include <time.h>

#include <libvmm/stats.h>

#include "farm.h"

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void from_tree(const struct guest *g, struct sample *s)
{
	struct vmm_stats *stats;
	char name[32];
	uint64_t value;

	if (vmm_stats_read(g->vm, 0, &stats) < 0)
		return;
	(void)vmm_stats_find(stats, "memory.host_bytes", &s->memory_bytes);
	(void)vmm_stats_find(stats, "guest.starts", &s->starts);
	for (uint32_t i = 0; i < g->config->cpus; i++) {
		snprintf(name, sizeof(name), "vcpu%u.cpu_ns", i);
		(void)vmm_stats_find(stats, name, &value);
		s->cpu_ns += value;
		snprintf(name, sizeof(name), "vcpu%u.exits.total", i);
		(void)vmm_stats_find(stats, name, &value);
		s->exits += value;
	}
	vmm_stats_free(stats);
}

void sample_take(const struct guest *g, struct sample *ret_sample)
{
	struct vmm_blk_stats disk = VMM_BLK_STATS_INIT;
	struct vmm_net_stats net = VMM_NET_STATS_INIT;

	*ret_sample = (struct sample){ .time_ns = now_ns() };
	from_tree(g, ret_sample);
	if (g->disk && vmm_blk_stats(g->disk, VMM_BLK_ALL_QUEUES, &disk) == 0) {
		ret_sample->disk_read = disk.op[VMM_BLK_READ].bytes;
		ret_sample->disk_written = disk.op[VMM_BLK_WRITE].bytes;
	}
	if (g->net && vmm_net_stats(g->net, VMM_NET_ALL_PAIRS, &net) == 0) {
		ret_sample->net_in = net.rx_bytes;
		ret_sample->net_out = net.tx_bytes;
	}
}
