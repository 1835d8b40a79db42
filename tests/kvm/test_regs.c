/* SPDX-License-Identifier: MIT */
/*
 * test_regs.c - every register of a vCPU by its number, where KVM numbers them.
 */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <libvmm/vcpu.h>
#include <libvmm/vmm.h>

#include "harness.h"

static struct vmm *vm;
static struct vmm_vcpu *vcpu;

static void setup(void)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	config.ram_bytes = 4 << 20;
	config.flags = VMM_F_KVM_ONLY;
	ck_assert_msg(vmm_create(&config, &vm) == 0, "%s", vmm_last_error());
	vcpu = vmm_vcpu(vm, 0);
}

static void teardown(void)
{
	vmm_destroy(vm);
}

/* How many there are; 0, having checked the refusals, where KVM has no numbers. */
static int count(void)
{
	uint64_t id = KVM_REG_SIZE_U64, value = 0;
	int n = vmm_vcpu_list_regs(vcpu, NULL, 0);

	if (n != -EOPNOTSUPP)
		return n;
	ck_assert_int_eq(vmm_vcpu_get_reg(vcpu, id, &value, 8), -EOPNOTSUPP);
	ck_assert_int_eq(vmm_vcpu_set_reg(vcpu, id, &value, 8), -EOPNOTSUPP);
	ck_assert_uint_gt(strlen(vmm_last_error()), 10);
	return 0;
}

START_TEST(all_that_are_listed_can_be_read)
{
	int n = count();
	uint64_t *ids, first = 0;
	unsigned char value[2048];

	ck_assert_int_ge(n, 0);
	if (n == 0)
		return;
	ids = calloc((size_t)n, sizeof(*ids));
	ck_assert_int_gt(n, 30);
	ck_assert_int_eq(vmm_vcpu_list_regs(vcpu, &first, 1), n);
	ck_assert_int_eq(vmm_vcpu_list_regs(vcpu, ids, (size_t)n), n);
	ck_assert_uint_eq(ids[0], first);
	for (int i = 0; i < n; i++) {
		size_t size = (size_t)1 << ((ids[i] & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);

		ck_assert_uint_le(size, sizeof(value));
		ck_assert_msg(vmm_vcpu_get_reg(vcpu, ids[i], value, size) == 0, "0x%llx: %s",
			      (unsigned long long)ids[i], vmm_last_error());
		ck_assert_int_eq(vmm_vcpu_get_reg(vcpu, ids[i], value, size + 1), -EINVAL);
		ck_assert_int_eq(vmm_vcpu_set_reg(vcpu, ids[i], value, size / 2), -EINVAL);
	}
	free(ids);
}
END_TEST

/* The registers as a value and by number are the same ones. */
START_TEST(what_is_written_by_value_is_read_by_number)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	uint64_t *ids, mark = 0x123456789abcdef0, value;
	int n = count(), found = 0;

	if (n == 0)
		return;
	ids = calloc((size_t)n, sizeof(*ids));
	ck_assert_int_eq(vmm_vcpu_read_regs(vcpu, &regs), 0);
	regs.raw[7] = mark;		/* a general register on every architecture that has numbers */
	ck_assert_msg(vmm_vcpu_write_regs(vcpu, &regs) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(vmm_vcpu_list_regs(vcpu, ids, (size_t)n), n);
	for (int i = 0; i < n; i++) {
		if ((ids[i] & KVM_REG_SIZE_MASK) != KVM_REG_SIZE_U64 ||
		    vmm_vcpu_get_reg(vcpu, ids[i], &value, 8) < 0 || value != mark)
			continue;
		found++;
		value = 42;
		ck_assert_int_eq(vmm_vcpu_set_reg(vcpu, ids[i], &value, 8), 0);
	}
	ck_assert_int_eq(found, 1);
	ck_assert_int_eq(vmm_vcpu_read_regs(vcpu, &regs), 0);
	ck_assert_uint_eq(regs.raw[7], 42);
	free(ids);
}
END_TEST

START_TEST(mistakes_are_told)
{
	uint64_t value = 0;

	ck_assert_int_eq(vmm_vcpu_list_regs(NULL, NULL, 0), -EINVAL);
	ck_assert_int_eq(vmm_vcpu_list_regs(vcpu, NULL, 1), -EINVAL);
	ck_assert_int_eq(vmm_vcpu_get_reg(NULL, KVM_REG_SIZE_U64, &value, 8), -EINVAL);
	ck_assert_int_eq(vmm_vcpu_get_reg(vcpu, KVM_REG_SIZE_U64, NULL, 8), -EINVAL);
	ck_assert_int_eq(vmm_vcpu_set_reg(vcpu, KVM_REG_SIZE_U32, &value, 8), -EINVAL);
	if (count() > 0) {
		ck_assert_int_lt(vmm_vcpu_get_reg(vcpu, KVM_REG_SIZE_U64 | 0x7f, &value, 8), 0);
		ck_assert_uint_gt(strlen(vmm_last_error()), 10);
	}
}
END_TEST

int main(void)
{
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int failed = harness_skip();

	if (failed)
		return failed;
	suite = suite_create("regs");
	tcase = tcase_create("regs");
	runner = srunner_create(suite);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, all_that_are_listed_can_be_read);
	tcase_add_test(tcase, what_is_written_by_value_is_read_by_number);
	tcase_add_test(tcase, mistakes_are_told);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
