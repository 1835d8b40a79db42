/* SPDX-License-Identifier: MIT */
/*
 * cpuid.c - KVM's supported CPUID table, trimmed to what one vCPU is.
 *
 * KVM knows what it can virtualize. What it cannot know is the topology, which
 * differs from vCPU to vCPU, and what this machine leaves out: nested
 * virtualization unless asked for, MWAIT, enclaves, memory encryption.
 * Leaves are described in the Intel SDM volume 2 (CPUID), the AMD APM volume 3
 * (appendix E) and, from 0x40000000 on, the kernel's Documentation/virt/kvm.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/cpuid_priv.h"
#include "arch/x86_64/topology_priv.h"
#include "core/error_priv.h"

#define BIT(n)	(1u << (n))

/* KVM's APIC timer counts nanoseconds. */
#define APIC_BUS_KHZ	1000000u

/* Convention of several hypervisors, read by the BSDs: TSC and APIC bus in kHz. */
#define LEAF_TIMING	0x40000010u

struct cpuid_context {
	struct kvm_cpuid2 *table;
	const struct arch_cpu *cpu;
	const struct cpuid_host *host;
	struct x86_topology topology;
	uint32_t apic_id;
	uint32_t logical;		/* logical processors in a package */
	uint32_t max_leaf, max_extended;
	bool intel;
};

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *table, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < table->nent; i++) {
		if (table->entries[i].function == leaf && table->entries[i].index == index)
			return &table->entries[i];
	}

	return NULL;
}

static void drop(struct kvm_cpuid2 *table, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->nent; i++) {
		if (table->entries[i].function != leaf)
			table->entries[kept++] = table->entries[i];
	}

	table->nent = kept;
}

static int add(struct kvm_cpuid2 *table, const struct kvm_cpuid_entry2 *entry)
{
	if (table->nent >= CPUID_ENTRIES_MAX)
		return vmm__fail(-ENOSPC,
				 "KVM's CPUID table has over %u entries", CPUID_ENTRIES_MAX);

	table->entries[table->nent++] = *entry;
	return 0;
}

/* ---- features ---- */

static void trim_basic(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	uint32_t absent = BIT(3) | BIT(6);		/* MONITOR, SMX */

	if (!c->cpu->nested)
		absent |= BIT(5);			/* VMX */
	e->ebx = (e->ebx & 0xffff) | c->logical << 16 | c->apic_id << 24;
	e->ecx &= ~absent;
	e->ecx |= BIT(31);				/* there is a hypervisor */
	e->edx &= ~BIT(28);
	if (c->logical > 1)
		e->edx |= BIT(28);			/* EBX 16-23 is valid */

	if (!c->cpu->irqchip) {
		e->ecx &= ~(BIT(21) | BIT(24));		/* x2APIC, TSC deadline */
		e->edx &= ~BIT(9);			/* APIC */
	} else if (c->host->tsc_deadline) {
		e->ecx |= BIT(24);
	}
}

static void trim_structured(struct kvm_cpuid_entry2 *e)
{
	if (e->index != 0)
		return;
	e->ebx &= ~BIT(2);				/* SGX */
	e->ecx &= ~(BIT(5) | BIT(30));			/* WAITPKG, SGX launch control */
}

static void trim_extended(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	e->ecx &= ~(BIT(1) | BIT(12) | BIT(29));	/* legacy multi-core, SKINIT, MWAITX */
	if (!c->cpu->nested)
		e->ecx &= ~BIT(2);			/* SVM */
	if (!c->intel && c->logical > 1)
		e->ecx |= BIT(1);
	if (!c->intel && c->max_extended >= 0x8000001e)
		e->ecx |= BIT(22);			/* topology extensions */
}

/* Without a local APIC only KVM's clock is of use. */
static void trim_paravirt(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	if (!c->cpu->irqchip)
		e->eax &= BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |
			  BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) | BIT(KVM_FEATURE_NOP_IO_DELAY);
}

/* ---- topology ---- */

/* Who shares a cache: a core's threads up to level 2, the package from level 3 on. */
static void trim_cache(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	uint32_t level = e->eax >> 5 & 7;
	uint32_t sharing = level < 3 ? 1u << c->topology.core_shift :
				       1u << c->topology.package_shift;
	uint32_t cores = 1u << (c->topology.package_shift - c->topology.core_shift);

	if ((e->eax & 0x1f) == 0)			/* no more caches */
		return;
	e->eax = (e->eax & 0x3fff) | (sharing - 1) << 14;
	if (e->function == 4)
		e->eax |= (cores < 64 ? cores - 1 : 63) << 26;
}

static void trim_sizes(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	e->ecx &= ~0xf0ffu;
	if (!c->intel)
		e->ecx |= (c->logical - 1) | c->topology.package_shift << 12;
}

static void trim_amd_topology(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	uint32_t package = c->apic_id >> c->topology.package_shift;
	uint32_t core = (c->apic_id >> c->topology.core_shift) &
			((1u << (c->topology.package_shift - c->topology.core_shift)) - 1);

	e->eax = c->apic_id;
	e->ebx = core | (c->topology.threads - 1) << 8;
	e->ecx = package;
	e->edx = 0;
}

/*
 * AMD processors tell threads by leaf 0x8000001e only, and all that have some have
 * it; a host that has none may not.
 */
static int need_amd_topology(struct cpuid_context *c)
{
	static const uint32_t leaf = 0x8000001e;
	struct kvm_cpuid_entry2 *base = find(c->table, 0x80000000, 0);

	if (c->intel || !base || c->topology.threads == 1 || find(c->table, leaf, 0))
		return 0;
	if (base->eax < leaf)
		base->eax = leaf;
	c->max_extended = base->eax;

	return add(c->table, &(struct kvm_cpuid_entry2){ .function = leaf });
}

/* Leaves 0xb and 0x1f: threads, cores, and an end. */
static int add_levels(const struct cpuid_context *c, uint32_t leaf)
{
	const struct x86_topology *t = &c->topology;
	const struct kvm_cpuid_entry2 levels[] = {
		{ .eax = t->core_shift, .ebx = t->threads, .ecx = 0 | 1 << 8 },
		{ .eax = t->package_shift, .ebx = c->logical, .ecx = 1 | 2 << 8 },
		{ .ecx = 2 },
	};

	drop(c->table, leaf);
	if (c->max_leaf < leaf)
		return 0;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct kvm_cpuid_entry2 e = levels[i];
		int r;

		e.function = leaf;
		e.index = (uint32_t)i;
		e.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e.edx = c->apic_id;
		r = add(c->table, &e);
		if (r < 0)
			return r;
	}

	return 0;
}

/* ---- time ---- */

/*
 * The frequency of the TSC, so that nothing has to be measured. Leaf 0x15 is
 * Intel's; its crystal is taken for the APIC timer's clock too.
 */
static int add_timing(const struct cpuid_context *c)
{
	struct kvm_cpuid_entry2 timing = {
		.function = LEAF_TIMING,
		.eax = c->host->tsc_khz,
		.ebx = APIC_BUS_KHZ,
	};
	struct kvm_cpuid_entry2 crystal = {
		.function = 0x15,
		.eax = APIC_BUS_KHZ,
		.ebx = c->host->tsc_khz,
		.ecx = APIC_BUS_KHZ * 1000,
	};
	struct kvm_cpuid_entry2 *base = find(c->table, KVM_CPUID_SIGNATURE, 0);
	int r = 0;

	drop(c->table, 0x15);
	drop(c->table, LEAF_TIMING);
	if (c->host->tsc_khz == 0)
		return 0;

	if (c->intel && c->max_leaf >= 0x15)
		r = add(c->table, &crystal);
	if (r < 0 || !base)
		return r;
	if (base->eax < LEAF_TIMING)
		base->eax = LEAF_TIMING;

	return add(c->table, &timing);
}

static void trim(const struct cpuid_context *c, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0x1:
		trim_basic(c, e);
		break;
	case 0x4:
	case 0x8000001d:
		trim_cache(c, e);
		break;
	case 0x7:
		trim_structured(e);
		break;
	case KVM_CPUID_FEATURES:
		trim_paravirt(c, e);
		break;
	case 0x80000001:
		trim_extended(c, e);
		break;
	case 0x80000008:
		trim_sizes(c, e);
		break;
	case 0x8000000a:				/* SVM */
		if (!c->cpu->nested)
			e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x8000001e:
		trim_amd_topology(c, e);
		break;
	case 0x5:					/* MONITOR */
	case 0x12:					/* SGX */
	case 0x8000001f:				/* memory encryption */
	case 0x80000026:				/* levels, as in 0xb */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	}
}

int vmm__cpuid_build(struct kvm_cpuid2 *table, const struct arch_cpu *cpu,
		     const struct cpuid_host *host)
{
	struct cpuid_context c = { .table = table, .cpu = cpu, .host = host };
	const struct kvm_cpuid_entry2 *vendor = find(table, 0, 0);
	const struct kvm_cpuid_entry2 *extended = find(table, 0x80000000, 0);
	int r;

	r = vmm__x86_topology(cpu->nr, cpu->threads_per_core, cpu->nr_sockets, &c.topology);
	if (r < 0)
		return r;

	c.apic_id = vmm__x86_apic_id(&c.topology, cpu->id);
	c.logical = c.topology.threads * c.topology.cores;
	c.max_leaf = vendor ? vendor->eax : 0;
	c.max_extended = extended ? extended->eax : 0;
	c.intel = vendor && memcmp(&vendor->ebx, "Genu", 4) == 0;

	r = need_amd_topology(&c);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < table->nent; i++)
		trim(&c, &table->entries[i]);

	r = add_levels(&c, 0xb);
	if (r == 0)
		r = add_levels(&c, 0x1f);
	if (r == 0)
		r = add_timing(&c);

	return r;
}
