/* SPDX-License-Identifier: MIT */
/*
 * topology_priv.h - how vCPUs are grouped, and the APIC id that says so.
 *
 * An APIC id is package, core and thread side by side, each in as many bits as
 * its count needs (Intel SDM volume 3, 9.9.1). The ids have gaps where a count
 * is no power of two.
 */
#ifndef ARCH_X86_64_TOPOLOGY_PRIV_H
#define ARCH_X86_64_TOPOLOGY_PRIV_H

#include <stdint.h>

/* 255 means all of them. */
#define X86_APIC_ID_MAX		254u

struct x86_topology {
	uint32_t threads;		/* of a core */
	uint32_t cores;			/* of a package */
	uint32_t packages;
	uint32_t core_shift;		/* the APIC id's bits below the core's */
	uint32_t package_shift;		/* below the package's */
};

/* -EINVAL when the numbers do not divide, or need more ids than there are. */
int vmm__x86_topology(uint32_t nr, uint32_t threads_per_core, uint32_t nr_sockets,
		      struct x86_topology *ret_topology);

uint32_t vmm__x86_apic_id(const struct x86_topology *topology, uint32_t index);

#endif
