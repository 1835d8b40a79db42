/* SPDX-License-Identifier: MIT */
/* crash_priv.h - the inside of a crash record, for crash.c and crash_text.c. */
#ifndef CORE_CRASH_PRIV_H
#define CORE_CRASH_PRIV_H

#include <stdbool.h>
#include <libvmm/crash.h>
#include "core/exits_priv.h"

struct crash_vcpu {
	struct vmm_regs regs;		/* arch is VMM_ARCH_NONE when KVM did not give them */
	struct exit_log exits;
};

struct crash_console {
	char name[64];
	char *bytes;
	size_t len;
	uint64_t total;			/* printed ever; what is over len was forgotten */
};

struct vmm_crash {
	char name[64];			/* the guest's */
	uint64_t taken_ns;		/* CLOCK_MONOTONIC */
	uint64_t taken_at;		/* seconds since 1970 */
	struct vmm_stop_info info;
	struct crash_vcpu *vcpus;
	uint32_t nr_vcpus;
	struct crash_console *consoles;
	uint32_t nr_consoles;
};

#endif
