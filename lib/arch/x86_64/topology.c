/* SPDX-License-Identifier: MIT */
/* topology.c - packages, cores and threads, as bits of an APIC id. */
#include <errno.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/topology_priv.h"
#include "core/error_priv.h"

/* Bits that hold the numbers below @n. */
static uint32_t bits_for(uint32_t n)
{
	uint32_t bits = 0;

	while (n > 1u << bits)
		bits++;

	return bits;
}

int vmm__x86_topology(uint32_t nr, uint32_t threads_per_core, uint32_t nr_sockets,
		      struct x86_topology *ret_topology)
{
	struct x86_topology t = {
		.threads = threads_per_core ? threads_per_core : 1,
		.packages = nr_sockets ? nr_sockets : 1,
	};
	uint64_t groups = (uint64_t)t.threads * t.packages;

	if (nr == 0 || groups > nr || nr % groups != 0)
		return vmm__fail(-EINVAL, "%u vCPUs are not %u packages of cores with %u threads",
				 nr, t.packages, t.threads);

	t.cores = nr / (uint32_t)groups;
	t.core_shift = bits_for(t.threads);
	t.package_shift = t.core_shift + bits_for(t.cores);
	if (vmm__x86_apic_id(&t, nr - 1) > X86_APIC_ID_MAX)
		return vmm__fail(-EINVAL,
				 "%u packages of %u cores with %u threads need APIC ids over %u",
				 t.packages, t.cores, t.threads, X86_APIC_ID_MAX);

	*ret_topology = t;
	return 0;
}

uint32_t vmm__x86_apic_id(const struct x86_topology *topology, uint32_t index)
{
	uint32_t thread = index % topology->threads;
	uint32_t core = index / topology->threads % topology->cores;
	uint32_t package = index / topology->threads / topology->cores;

	return package << topology->package_shift | core << topology->core_shift | thread;
}

int vmm__arch_vcpu_id(const struct arch_cpu *cpu)
{
	struct x86_topology t;
	int r = vmm__x86_topology(cpu->nr, cpu->threads_per_core, cpu->nr_sockets, &t);

	return r < 0 ? r : (int)vmm__x86_apic_id(&t, cpu->id);
}
