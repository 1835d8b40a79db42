/* SPDX-License-Identifier: MIT */
/* test_cpuid.c - what becomes of KVM's table on an Intel and an AMD processor. */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/cpuid_priv.h"

static _Alignas(struct kvm_cpuid2) unsigned char
	room[sizeof(struct kvm_cpuid2) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2)];
static struct kvm_cpuid2 *const table = (struct kvm_cpuid2 *)(void *)room;
static struct arch_cpu cpu;
static struct cpuid_host host;

/* In the order of the instruction's results: leaf, index, EAX, EBX, ECX, EDX. */
static const uint32_t intel[][6] = {
	{ 0x0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69 },	/* GenuineIntel */
	{ 0x1, 0, 0x000606a6, 0x7f200800, 0xffffffff, 0xffffffff },
	{ 0x4, 0, 0xfc1fc121, 0x02c0003f, 0x3f, 0 },		/* L1 data */
	{ 0x4, 1, 0xfc1fc122, 0x01c0003f, 0x3f, 0 },		/* L1 instruction */
	{ 0x4, 2, 0xfc1fc143, 0x04c0003f, 0x7ff, 0 },		/* L2 */
	{ 0x4, 3, 0xfc1fc163, 0x02c0003f, 0x1ffff, 4 },		/* L3 */
	{ 0x4, 4, 0, 0, 0, 0 },
	{ 0x5, 0, 0x40, 0x40, 3, 0x20 },
	{ 0x7, 0, 2, 0xffffffff, 0xffffffff, 0xffffffff },
	{ 0x7, 1, 0x55, 0x66, 0x77, 0x88 },
	{ 0xb, 0, 1, 2, 0x100, 0x77 },
	{ 0x12, 0, 1, 0, 0, 0 },
	{ 0x1f, 0, 1, 2, 0x100, 0x77 },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0 },
	{ 0x80000000, 0, 0x80000008, 0, 0, 0 },
	{ 0x80000001, 0, 0, 0, 0x121, 0x2c100800 },
	{ 0x80000008, 0, 0x302e, 0, 0xf0ff, 0 },
};

static const uint32_t amd[][6] = {
	{ 0x0, 0, 0x10, 0x68747541, 0x444d4163, 0x69746e65 },	/* AuthenticAMD */
	{ 0x1, 0, 0x00a00f11, 0x7f200800, 0xfffbffff, 0xffffffff },
	{ 0x7, 0, 0, 0xffffffff, 0xffffffff, 0 },
	{ 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d },
	{ 0x40000001, 0, 0x01007efb, 0, 0, 0 },
	{ 0x80000000, 0, 0x80000026, 0x68747541, 0x444d4163, 0x69746e65 },
	{ 0x80000001, 0, 0x00a00f11, 0, 0xffbffffd, 0x2fd3fbff },
	{ 0x80000008, 0, 0x3030, 0, 0x50ff, 0 },
	{ 0x8000000a, 0, 1, 8, 0, 0x119b9cff },
	{ 0x8000001d, 0, 0x0001c121, 0x01c0003f, 0x3f, 0 },
	{ 0x8000001d, 3, 0x0001c163, 0x03c0003f, 0x7fff, 1 },
	{ 0x8000001e, 0, 0x77, 0x177, 0x77, 0x77 },
	{ 0x8000001f, 0, 0x0001780f, 0x173, 0x1fd, 1 },
	{ 0x80000026, 0, 0x77, 0x77, 0x77, 0x77 },
};

static void load(const uint32_t (*rows)[6], uint32_t n)
{
	memset(room, 0, sizeof(room));
	table->nent = n;
	for (uint32_t i = 0; i < n; i++)
		table->entries[i] = (struct kvm_cpuid_entry2){
			.function = rows[i][0], .index = rows[i][1], .eax = rows[i][2],
			.ebx = rows[i][3], .ecx = rows[i][4], .edx = rows[i][5],
		};
}

#define LOAD(rows)	load(rows, sizeof(rows) / sizeof((rows)[0]))

static void setup(void)
{
	cpu = (struct arch_cpu){
		.id = 0, .nr = 1, .threads_per_core = 1, .nr_sockets = 1, .irqchip = true,
	};
	host = (struct cpuid_host){ .tsc_khz = 2500000, .tsc_deadline = true };
}

static void build(void)
{
	ck_assert_int_eq(vmm__cpuid_build(table, &cpu, &host), 0);
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < table->nent; i++) {
		if (table->entries[i].function == function && table->entries[i].index == index)
			return &table->entries[i];
	}

	return NULL;
}

#define CK_LEAF(function, index, a, b, c, d)				\
	do {								\
		const struct kvm_cpuid_entry2 *e = leaf(function, index);	\
									\
		ck_assert_ptr_nonnull(e);				\
		ck_assert_uint_eq(e->eax, a);				\
		ck_assert_uint_eq(e->ebx, b);				\
		ck_assert_uint_eq(e->ecx, c);				\
		ck_assert_uint_eq(e->edx, d);				\
	} while (0)

/* CVE-2026-53359: nested virtualization by accident. */
START_TEST(nested_virtualization_is_hidden)
{
	LOAD(intel);
	build();
	ck_assert_uint_eq(leaf(1, 0)->ecx & 1u << 5, 0);
	LOAD(amd);
	build();
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & 1u << 2, 0);
	CK_LEAF(0x8000000a, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(nested_virtualization_is_shown_when_asked_for)
{
	cpu.nested = true;
	LOAD(intel);
	build();
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 5, 0);
	LOAD(amd);
	build();
	ck_assert_uint_ne(leaf(0x80000001, 0)->ecx & 1u << 2, 0);
	CK_LEAF(0x8000000a, 0, 1, 8, 0, 0x119b9cff);
}
END_TEST

START_TEST(what_the_machine_leaves_out_is_hidden)
{
	LOAD(intel);
	build();
	ck_assert_uint_eq(leaf(1, 0)->ecx & (1u << 3 | 1u << 6), 0);		/* MONITOR, SMX */
	ck_assert_uint_eq(leaf(7, 0)->ebx & 1u << 2, 0);			/* SGX */
	ck_assert_uint_eq(leaf(7, 0)->ecx & (1u << 5 | 1u << 30), 0);	/* WAITPKG, SGX_LC */
	CK_LEAF(7, 1, 0x55, 0x66, 0x77, 0x88);
	CK_LEAF(0x5, 0, 0, 0, 0, 0);
	CK_LEAF(0x12, 0, 0, 0, 0, 0);
	LOAD(amd);
	build();
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & (1u << 12 | 1u << 29), 0);	/* SKINIT, MWAITX */
	CK_LEAF(0x8000001f, 0, 0, 0, 0, 0);
	CK_LEAF(0x80000026, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(the_hypervisor_shows_itself_and_its_clock)
{
	LOAD(intel);
	build();
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 31, 0);
	ck_assert_uint_ne(leaf(1, 0)->ecx & 1u << 24, 0);
	CK_LEAF(0x40000000, 0, 0x40000010, 0x4b4d564b, 0x564b4d56, 0x4d);
	CK_LEAF(0x40000010, 0, 2500000, 1000000, 0, 0);
	CK_LEAF(0x40000001, 0, 0x01007efb, 0, 0, 0);
	/* 1 GHz * 2500000 / 1000000 = 2.5 GHz */
	CK_LEAF(0x15, 0, 1000000, 2500000, 1000000000, 0);
}
END_TEST

START_TEST(an_unknown_frequency_is_not_shown)
{
	host.tsc_khz = 0;
	LOAD(intel);
	build();
	ck_assert_ptr_null(leaf(0x15, 0));
	ck_assert_ptr_null(leaf(0x40000010, 0));
	ck_assert_uint_eq(leaf(0x40000000, 0)->eax, 0x40000001);
}
END_TEST

START_TEST(without_an_interrupt_controller_there_is_no_apic)
{
	cpu.irqchip = false;
	LOAD(intel);
	build();
	ck_assert_uint_eq(leaf(1, 0)->edx & 1u << 9, 0);
	ck_assert_uint_eq(leaf(1, 0)->ecx & (1u << 21 | 1u << 24), 0);
	ck_assert_uint_eq(leaf(0x40000001, 0)->eax, 0x0100000b);
}
END_TEST

START_TEST(a_lone_processor_shares_nothing)
{
	LOAD(intel);
	build();
	ck_assert_uint_eq(leaf(1, 0)->ebx, 0x00010800);
	ck_assert_uint_eq(leaf(1, 0)->edx & 1u << 28, 0);
	ck_assert_uint_eq(leaf(4, 0)->eax, 0x00000121);
	ck_assert_uint_eq(leaf(4, 3)->eax, 0x00000163);
	CK_LEAF(0xb, 0, 0, 1, 0x100, 0);
	CK_LEAF(0xb, 1, 0, 1, 0x201, 0);
	CK_LEAF(0xb, 2, 0, 0, 2, 0);
}
END_TEST

/* 2 packages of 3 cores with 2 threads; this is package 1, core 2, thread 1. */
START_TEST(intel_topology_is_right_for_each_vcpu)
{
	cpu = (struct arch_cpu){
		.id = 11, .nr = 12, .threads_per_core = 2, .nr_sockets = 2, .irqchip = true,
	};
	LOAD(intel);
	build();
	ck_assert_uint_eq(leaf(1, 0)->ebx, 0x0d060800);
	ck_assert_uint_ne(leaf(1, 0)->edx & 1u << 28, 0);
	ck_assert_uint_eq(leaf(4, 0)->eax, 0x0c004121);		/* of 2 threads, 4 core ids */
	ck_assert_uint_eq(leaf(4, 2)->eax, 0x0c004143);
	ck_assert_uint_eq(leaf(4, 3)->eax, 0x0c01c163);		/* of 8 ids */
	ck_assert_uint_eq(leaf(4, 4)->eax, 0);
	CK_LEAF(0xb, 0, 1, 2, 0x100, 13);
	CK_LEAF(0xb, 1, 3, 6, 0x201, 13);
	CK_LEAF(0x1f, 0, 1, 2, 0x100, 13);
	CK_LEAF(0x1f, 1, 3, 6, 0x201, 13);
	ck_assert_uint_eq(leaf(0x80000008, 0)->ecx, 0);
}
END_TEST

START_TEST(amd_topology_is_right_for_each_vcpu)
{
	cpu = (struct arch_cpu){
		.id = 11, .nr = 12, .threads_per_core = 2, .nr_sockets = 2, .irqchip = true,
	};
	LOAD(amd);
	build();
	CK_LEAF(0x8000001e, 0, 13, 0x102, 1, 0);
	ck_assert_uint_eq(leaf(0x80000008, 0)->ecx, 0x3005);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & (1u << 1 | 1u << 22), 1u << 1 | 1u << 22);
	ck_assert_uint_eq(leaf(0x8000001d, 0)->eax, 0x00004121);
	ck_assert_uint_eq(leaf(0x8000001d, 3)->eax, 0x0001c163);
	CK_LEAF(0xb, 0, 1, 2, 0x100, 13);
	ck_assert_ptr_null(leaf(0x1f, 0));			/* past its last leaf */
	ck_assert_ptr_null(leaf(0x15, 0));
}
END_TEST

START_TEST(a_lone_amd_processor_has_no_siblings)
{
	LOAD(amd);
	build();
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & 1u << 1, 0);
	CK_LEAF(0x8000001e, 0, 0, 0, 0, 0);
	LOAD(amd);
	table->entries[5].eax = 0x8000000a;
	table->nent = 9;
	build();
	ck_assert_uint_eq(leaf(0x80000000, 0)->eax, 0x8000000a);
	ck_assert_uint_eq(leaf(0x80000001, 0)->ecx & 1u << 22, 0);
}
END_TEST

START_TEST(threads_are_told_also_where_the_host_has_none)
{
	LOAD(amd);
	table->entries[5].eax = 0x8000000a;
	table->nent = 9;
	cpu = (struct arch_cpu){ .id = 1, .nr = 2, .threads_per_core = 2, .irqchip = true };
	build();
	ck_assert_uint_eq(leaf(0x80000000, 0)->eax, 0x8000001e);
	CK_LEAF(0x8000001e, 0, 1, 0x100, 0, 0);
}
END_TEST

START_TEST(the_processors_differ_only_in_their_ids)
{
	static struct kvm_cpuid_entry2 first[CPUID_ENTRIES_MAX];
	uint32_t n;

	cpu.nr = 4;
	LOAD(intel);
	build();
	n = table->nent;
	memcpy(first, table->entries, sizeof(first));
	cpu.id = 3;
	LOAD(intel);
	build();
	ck_assert_uint_eq(table->nent, n);
	for (uint32_t i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 *e = &table->entries[i];

		if (e->function == 1)
			e->ebx &= 0x00ffffff;
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = 0;
		ck_assert_mem_eq(e, &first[i], sizeof(*e));
	}
}
END_TEST

START_TEST(a_full_table_is_an_error)
{
	LOAD(intel);
	for (; table->nent < CPUID_ENTRIES_MAX; table->nent++)
		table->entries[table->nent].function = 0x90000000;
	ck_assert_int_eq(vmm__cpuid_build(table, &cpu, &host), -ENOSPC);

	LOAD(amd);
	table->entries[11].function = 0x8000001b;
	cpu = (struct arch_cpu){ .nr = 2, .threads_per_core = 2, .irqchip = true };
	for (; table->nent < CPUID_ENTRIES_MAX; table->nent++)
		table->entries[table->nent].function = 0x90000000;
	ck_assert_int_eq(vmm__cpuid_build(table, &cpu, &host), -ENOSPC);
}
END_TEST

START_TEST(an_empty_table_stays_harmless)
{
	load(NULL, 0);
	build();
	cpu.nr = 3;
	cpu.nr_sockets = 2;
	ck_assert_int_eq(vmm__cpuid_build(table, &cpu, &host), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cpuid");
	TCase *tcase = tcase_create("cpuid");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, nested_virtualization_is_hidden);
	tcase_add_test(tcase, nested_virtualization_is_shown_when_asked_for);
	tcase_add_test(tcase, what_the_machine_leaves_out_is_hidden);
	tcase_add_test(tcase, the_hypervisor_shows_itself_and_its_clock);
	tcase_add_test(tcase, an_unknown_frequency_is_not_shown);
	tcase_add_test(tcase, without_an_interrupt_controller_there_is_no_apic);
	tcase_add_test(tcase, a_lone_processor_shares_nothing);
	tcase_add_test(tcase, intel_topology_is_right_for_each_vcpu);
	tcase_add_test(tcase, amd_topology_is_right_for_each_vcpu);
	tcase_add_test(tcase, a_lone_amd_processor_has_no_siblings);
	tcase_add_test(tcase, threads_are_told_also_where_the_host_has_none);
	tcase_add_test(tcase, the_processors_differ_only_in_their_ids);
	tcase_add_test(tcase, a_full_table_is_an_error);
	tcase_add_test(tcase, an_empty_table_stays_harmless);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
