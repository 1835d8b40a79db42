/* SPDX-License-Identifier: MIT */
/*
 * harness.h - a guest of tests/guests under test: what it reports, and waiting for it.
 *
 * Failures are the calling test's: these functions assert. All but the report's
 * own callbacks are called in the test's thread.
 */
#ifndef KVM_HARNESS_H
#define KVM_HARNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/vmm.h>
#include "../guests/report.h"

#define SKIP	77		/* what meson calls a skipped test */
#define STEPS	8

struct guest {
	struct vmm *vm;
	uint32_t params[REPORT_PARAMS];	/* set before the start */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t steps[STEPS];		/* how often the guest reported each */
	bool done;
	uint32_t failed;		/* the line of the check that failed, or 0 */
	uint32_t value;
};

/* 0, or SKIP after saying why: there is no KVM that can be used. */
int harness_skip(void);

/* Seconds of patience: more where the processor is emulated. */
int harness_patience(int seconds);

/* A guest with 16 MiB that answers the report's ports. @config: NULL or what else it is to have. */
void guest_create(struct guest *g, const struct vmm_config *config);
void guest_destroy(struct guest *g);

/* Boot @program of tests/guests. */
void guest_start(struct guest *g, const char *program);

/* Until step @n was reported @times times, or the guest's end. */
void guest_wait_step(struct guest *g, uint32_t n, uint32_t times);
void guest_wait_done(struct guest *g);

/* The same without an opinion: true if it came to its end, false if it stopped or failed. */
bool guest_wait_any_end(struct guest *g);

/* Take all events of @type there are. Returns how many; the last one's words in @ret_event. */
uint32_t guest_take_events(struct guest *g, uint32_t type, struct vmm_event *ret_event);

/* The program counter, on any architecture; 0 when the registers are unknown. */
uint64_t harness_pc(const struct vmm_regs *regs);

/* Descriptors open in this process: the same before and after, or there is a leak. */
unsigned harness_count_fds(void);

#endif
