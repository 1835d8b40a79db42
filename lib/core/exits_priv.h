/* SPDX-License-Identifier: MIT */
/*
 * exits_priv.h - what is remembered of a vCPU's exits: how many of each kind, and the last few.
 *
 * Written by the thread that runs the vCPU, at every exit, hence without a lock and without a
 * system call. Counts may be read at any time; the notes only while the vCPU does not run.
 */
#ifndef CORE_EXITS_PRIV_H
#define CORE_EXITS_PRIV_H

#include <stdint.h>
#include <libvmm/crash.h>
#include "core/counter_priv.h"

#define EXIT_KINDS	64u	/* KVM_EXIT_* below this; the last one is for all others */
#define EXIT_NOTES	32u	/* a power of two */

/* One exit, as it was when KVM came back. */
struct exit_note {
	uint64_t time_ns;
	uint64_t address;
	uint64_t value;
	uint32_t reason;
	uint16_t count;
	uint8_t width;
	uint8_t write;
};

struct exit_log {
	uint64_t counts[EXIT_KINDS];	/* atomic */
	uint64_t interrupted;		/* atomic: KVM_RUN came back for a signal */
	uint32_t next;			/* notes written, ever */
	struct exit_note notes[EXIT_NOTES];
};

/* Count an exit for @reason and give the note that is to be filled: the oldest one. */
struct exit_note *vmm__exits_note(struct exit_log *log, uint32_t reason);

/* The exit @back before the newest one; 0: there is none. */
int vmm__exits_get(const struct exit_log *log, uint32_t back, struct vmm_exit_record *ret_exit);

/* What an exit is called, "io"; "other" for what this library does not know. */
const char *vmm__exits_name(uint32_t reason);

#endif
