/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the guest that the options describe.
 */
#ifndef VMM_RUN_MACHINE_H
#define VMM_RUN_MACHINE_H

#include <libvmm/vmm.h>

#include "options.h"
#include "terminal.h"

/* A guest and the loops with threads that its devices asked for. */
struct machine {
	struct vmm *vm;
	struct vmm_supervisor *supervisor;	/* NULL: --restart never */
	struct vmm_loop *threads[MAX_DISKS + MAX_NETS];
	uint32_t nr_threads;
};

/*
 * Make the guest, plug in its devices and load its kernel; it does not run yet.
 * Returns 0, or -1: what is wrong has been said, and nothing is left.
 */
int machine_create(const struct options *options, struct vmm_loop *loop,
		   struct terminal *terminal, struct machine *ret_machine);

void machine_destroy(struct machine *machine);

#endif
