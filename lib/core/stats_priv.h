/* SPDX-License-Identifier: MIT */
/* stats_priv.h - a reading of statistics, for those who add to it. */
#ifndef CORE_STATS_PRIV_H
#define CORE_STATS_PRIV_H

#include <libvmm/stats.h>

/* Names that are added from now on begin with this; "" for none. */
void vmm__stats_prefix(struct vmm_stats *stats, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- kvm_stats.c ---- */

/* A descriptor of KVM's statistics of @fd, a VM or a vCPU that does not run; -1: there are none. */
int vmm__kvm_stats_open(int fd);

/* Add what @stats_fd tells, under the present prefix. What is malformed is left out. */
void vmm__kvm_stats_read(struct vmm_stats *stats, int stats_fd, uint32_t flags);

#endif
