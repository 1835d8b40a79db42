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

/*
 * Save what is known of a crash: a core in @path, text in @path.txt. What cannot be saved is said;
 * a part of a file is not left.
 */
void report_save(struct vmm *vm, const char *path);

/* Print why a guest crashed, and its registers. */
void report_crash(const struct vmm_stop_info *info);

#endif
