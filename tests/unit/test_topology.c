/* SPDX-License-Identifier: MIT */
/* test_topology.c - APIC ids, and the layout of the machine. */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/topology_priv.h"
#include "core/memory_priv.h"

static const struct {
	uint32_t nr, threads, sockets, index, apic_id;
} ids[] = {
	{ 1, 1, 1, 0, 0 },
	{ 4, 1, 1, 3, 3 },
	{ 4, 2, 1, 3, 3 },
	{ 5, 1, 1, 4, 4 },
	{ 6, 1, 2, 2, 2 },
	{ 6, 1, 2, 3, 4 },		/* 3 cores take two bits */
	{ 6, 3, 1, 3, 4 },		/* so do 3 threads */
	{ 12, 3, 2, 6, 8 },
	{ 255, 1, 1, 254, 254 },
	{ 255, 1, 255, 254, 254 },
};

START_TEST(an_apic_id_is_package_core_and_thread)
{
	struct x86_topology t;

	ck_assert_int_eq(vmm__x86_topology(ids[_i].nr, ids[_i].threads, ids[_i].sockets, &t), 0);
	ck_assert_uint_eq(vmm__x86_apic_id(&t, ids[_i].index), ids[_i].apic_id);
}
END_TEST

START_TEST(no_two_processors_have_the_same_id)
{
	for (uint32_t threads = 1; threads <= 4; threads++) {
		for (uint32_t sockets = 1; sockets <= 4; sockets++) {
			struct x86_topology t;
			uint32_t nr = threads * sockets * 5, last = 0;

			ck_assert_int_eq(vmm__x86_topology(nr, threads, sockets, &t), 0);
			for (uint32_t i = 0; i < nr; i++) {
				uint32_t id = vmm__x86_apic_id(&t, i);

				ck_assert(i == 0 ? id == 0 : id > last);
				last = id;
			}
		}
	}
}
END_TEST

START_TEST(a_topology_that_does_not_divide_is_refused)
{
	struct x86_topology t;

	ck_assert_int_eq(vmm__x86_topology(0, 1, 1, &t), -EINVAL);
	ck_assert_int_eq(vmm__x86_topology(3, 2, 1, &t), -EINVAL);
	ck_assert_int_eq(vmm__x86_topology(4, 1, 3, &t), -EINVAL);
	ck_assert_int_eq(vmm__x86_topology(4, 1u << 31, 1u << 31, &t), -EINVAL);
	/* 85 packages of one core with 3 threads: the last thread's id is 84 * 4 + 2. */
	ck_assert_int_eq(vmm__x86_topology(255, 3, 85, &t), -EINVAL);
}
END_TEST

START_TEST(kvms_number_for_a_vcpu_is_its_apic_id)
{
	struct arch_cpu cpu = { .id = 3, .nr = 6, .threads_per_core = 1, .nr_sockets = 2 };

	ck_assert_int_eq(vmm__arch_vcpu_id(&cpu), 4);
	cpu.nr = 7;
	ck_assert_int_eq(vmm__arch_vcpu_id(&cpu), -EINVAL);
}
END_TEST

/* ---- layout ---- */

#define GIB	(1ull << 30)

START_TEST(ram_goes_around_the_hole)
{
	const struct arch_layout *layout = vmm__arch_layout(-1);
	struct mem_region r[2];

	ck_assert_int_eq(vmm__arch_ram_layout(layout, 4096, r, 2), 1);
	ck_assert_uint_eq(r[0].size, 4096);
	ck_assert_int_eq(vmm__arch_ram_layout(layout, 3 * GIB, r, 2), 1);
	ck_assert_int_eq(vmm__arch_ram_layout(layout, 3 * GIB + 4096, r, 2), 2);
	ck_assert_uint_eq(r[0].gpa, 0);
	ck_assert_uint_eq(r[0].size, 3 * GIB);
	ck_assert_uint_eq(r[1].gpa, 4 * GIB);
	ck_assert_uint_eq(r[1].size, 4096);
	ck_assert_int_eq(vmm__arch_ram_layout(layout, 3 * GIB + 4096, r, 1), -EINVAL);
}
END_TEST

START_TEST(ram_ends_where_the_layout_says)
{
	const struct arch_layout *layout = vmm__arch_layout(-1);
	struct mem_region r[2];

	ck_assert_int_eq(vmm__arch_ram_layout(layout, 0, r, 2), -EINVAL);
	ck_assert_int_eq(vmm__arch_ram_layout(layout, layout->ram_max - GIB, r, 2), 2);
	ck_assert_uint_eq(r[1].gpa + r[1].size, layout->ram_max);
	ck_assert_int_eq(vmm__arch_ram_layout(layout, layout->ram_max - GIB + 1, r, 2), -EINVAL);
	ck_assert_int_eq(vmm__arch_ram_layout(layout, UINT64_MAX, r, 2), -EINVAL);
}
END_TEST

START_TEST(nothing_overlaps_in_the_hole)
{
	const struct arch_layout *l = vmm__arch_layout(-1);
	const struct { uint64_t base, size; } parts[] = {
		{ 0, X86_HOLE_BASE },
		{ l->pci_base, l->pci_size },
		{ l->ecam_base, X86_ECAM_SIZE },
		{ l->mmio_base, (uint64_t)l->mmio_stride * l->mmio_max },
		{ X86_IOAPIC_BASE, 0x1000 },
		{ X86_LAPIC_BASE, 0x100000 },
		{ X86_IDENTITY_MAP, 0x1000 },
		{ X86_TSS_BASE, 0x3000 },
		{ X86_HOLE_END, l->ram_max - X86_HOLE_END },
		{ l->pci64_base, l->pci64_size },
	};

	for (size_t i = 1; i < sizeof(parts) / sizeof(parts[0]); i++)
		ck_assert_uint_le(parts[i - 1].base + parts[i - 1].size, parts[i].base);
	/* A BAR is as large as it is aligned. */
	ck_assert_uint_eq(l->pci_base % l->pci_size, 0);
	ck_assert_uint_eq(l->pci64_base % l->pci64_size, 0);
}
END_TEST

START_TEST(pins_for_devices_are_nobody_elses)
{
	const struct arch_layout *l = vmm__arch_layout(-1);
	struct kvm_irq_routing_entry routes[64];

	ck_assert_uint_eq(l->pins_free >> X86_GSI_PCI, 0);
	ck_assert_uint_eq(l->pins_free & (1u << 0 | 1u << X86_GSI_KEYBOARD | 1u << 2 |
					  1u << vmm__arch_serial()->gsi | 1u << 8 |
					  1u << X86_GSI_EVENTS), 0);
	ck_assert_uint_eq(vmm__arch_pin_routes(routes, 64), 24 + 16);
	ck_assert_uint_eq(vmm__arch_pin_routes(routes, 7), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("topology");
	TCase *tcase = tcase_create("topology");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, an_apic_id_is_package_core_and_thread, 0,
			    sizeof(ids) / sizeof(ids[0]));
	tcase_add_test(tcase, no_two_processors_have_the_same_id);
	tcase_add_test(tcase, a_topology_that_does_not_divide_is_refused);
	tcase_add_test(tcase, kvms_number_for_a_vcpu_is_its_apic_id);
	tcase_add_test(tcase, ram_goes_around_the_hole);
	tcase_add_test(tcase, ram_ends_where_the_layout_says);
	tcase_add_test(tcase, nothing_overlaps_in_the_hole);
	tcase_add_test(tcase, pins_for_devices_are_nobody_elses);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
