/* SPDX-License-Identifier: MIT */
/*
 * report.h - what is said about the host and about a crash.
 */
#ifndef VMM_RUN_REPORT_H
#define VMM_RUN_REPORT_H

#include <libvmm/vmm.h>

/* Print what this machine's KVM offers. Returns the status to exit with: 0 if it will do. */
int report_host(void);

/* Say so if stock kernels will hardly run here. */
void report_no_hardware(void);

/* Print why a guest crashed, and its registers. */
void report_crash(const struct vmm_stop_info *info);

#endif
