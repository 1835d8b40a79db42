/* SPDX-License-Identifier: MIT */
/* test_isa.c - the names of a processor's extensions, in the order that is wanted. */
#include <check.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "arch/riscv64/isa_priv.h"

static void add(struct riscv_cpu *cpu, uint32_t id)
{
	cpu->extensions[id / 64] |= 1ull << (id % 64);
}

static struct riscv_cpu gc(void)
{
	static const uint32_t ids[] = {
		KVM_RISCV_ISA_EXT_A, KVM_RISCV_ISA_EXT_C, KVM_RISCV_ISA_EXT_D, KVM_RISCV_ISA_EXT_F,
		KVM_RISCV_ISA_EXT_I, KVM_RISCV_ISA_EXT_M,
	};
	struct riscv_cpu cpu = { .satp_mode = 10 };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		add(&cpu, ids[i]);
	return cpu;
}

START_TEST(single_letters_come_in_the_canonical_order)
{
	struct riscv_cpu cpu = gc();
	char isa[RISCV_ISA_BYTES];

	ck_assert_uint_eq(vmm__riscv_isa_string(&cpu, isa), strlen("rv64imafdc"));
	ck_assert_str_eq(isa, "rv64imafdc");
}
END_TEST

START_TEST(names_follow_with_underscores)
{
	struct riscv_cpu cpu = gc();
	char isa[RISCV_ISA_BYTES];

	add(&cpu, KVM_RISCV_ISA_EXT_SSTC);
	add(&cpu, KVM_RISCV_ISA_EXT_ZICBOM);
	add(&cpu, KVM_RISCV_ISA_EXT_V);
	add(&cpu, KVM_RISCV_ISA_EXT_SSAIA);
	add(&cpu, KVM_RISCV_ISA_EXT_ZBB);
	(void)vmm__riscv_isa_string(&cpu, isa);
	ck_assert_str_eq(isa, "rv64imafdcv_zicbom_zbb_ssaia_sstc");
}
END_TEST

START_TEST(the_list_has_each_name_with_its_zero)
{
	struct riscv_cpu cpu = gc();
	char list[RISCV_ISA_BYTES];

	add(&cpu, KVM_RISCV_ISA_EXT_ZBA);
	ck_assert_uint_eq(vmm__riscv_isa_list(&cpu, list), 6 * 2 + 4);
	ck_assert_mem_eq(list, "i\0m\0a\0f\0d\0c\0zba", 16);
}
END_TEST

START_TEST(all_there_are_fit_and_none_comes_twice)
{
	struct riscv_cpu cpu = { .satp_mode = 8 };
	char isa[RISCV_ISA_BYTES], list[RISCV_ISA_BYTES];
	size_t bytes, nr = 0;

	memset(cpu.extensions, 0xff, sizeof(cpu.extensions));
	ck_assert_uint_lt(vmm__riscv_isa_string(&cpu, isa), RISCV_ISA_BYTES);
	bytes = vmm__riscv_isa_list(&cpu, list);
	ck_assert_uint_le(bytes, RISCV_ISA_BYTES);
	for (size_t i = 0; i < bytes; i += strlen(list + i) + 1) {
		nr++;
		ck_assert_str_ne(list + i, "h");
		for (size_t j = i + strlen(list + i) + 1; j < bytes; j += strlen(list + j) + 1)
			ck_assert_str_ne(list + i, list + j);
	}
	/* Every number that these headers have, but for the hypervisor extension and compressed float of RV32. */
	ck_assert_uint_eq(nr, KVM_RISCV_ISA_EXT_MAX - 2);
}
END_TEST

START_TEST(the_translation_mode_has_its_name)
{
	struct riscv_cpu cpu = { .satp_mode = 8 };

	ck_assert_str_eq(vmm__riscv_mmu_type(&cpu), "riscv,sv39");
	cpu.satp_mode = 9;
	ck_assert_str_eq(vmm__riscv_mmu_type(&cpu), "riscv,sv48");
	cpu.satp_mode = 10;
	ck_assert_str_eq(vmm__riscv_mmu_type(&cpu), "riscv,sv57");
	cpu.satp_mode = 0;
	ck_assert_ptr_null(vmm__riscv_mmu_type(&cpu));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("isa");
	TCase *tc = tcase_create("isa");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, single_letters_come_in_the_canonical_order);
	tcase_add_test(tc, names_follow_with_underscores);
	tcase_add_test(tc, the_list_has_each_name_with_its_zero);
	tcase_add_test(tc, all_there_are_fit_and_none_comes_twice);
	tcase_add_test(tc, the_translation_mode_has_its_name);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
