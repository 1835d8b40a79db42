/* SPDX-License-Identifier: MIT */
/* test_stats.c - a reading of statistics, and KVM's binary format in a file of our own. */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/stats_impl_priv.h"

static struct vmm_stats *stats;

static void setup(void)
{
	stats = vmm__stats_new();
	ck_assert_ptr_nonnull(stats);
}

static void teardown(void)
{
	vmm_stats_free(stats);
}

static struct vmm_stat found(const char *name)
{
	struct vmm_stat stat = VMM_STAT_INIT, got = VMM_STAT_INIT;
	bool seen = false;

	while (vmm_stats_next(stats, &stat) == 1) {
		if (strcmp(stat.name, name) != 0)
			continue;
		got = stat;
		seen = true;
	}
	ck_assert_msg(seen, "%s", name);
	return got;
}

START_TEST(what_is_added_is_told_in_order_and_found_by_name)
{
	struct vmm_stat stat = VMM_STAT_INIT;
	char name[16];
	uint64_t value = 7;

	for (unsigned i = 0; i < 1000; i++) {
		vmm__stats_prefix(stats, "group%u.", i / 10);
		snprintf(name, sizeof(name), "n%u", i);
		vmm_stats_add(stats, name, i, VMM_STAT_GAUGE, VMM_STAT_BYTES);
	}
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			char want[32];

			ck_assert_int_eq(vmm_stats_next(stats, &stat), 1);
			snprintf(want, sizeof(want), "group%u.n%u", i / 10, i);
			ck_assert_str_eq(stat.name, want);
			ck_assert_uint_eq(stat.value, i);
			ck_assert_uint_eq(stat.kind, VMM_STAT_GAUGE);
			ck_assert_uint_eq(stat.unit, VMM_STAT_BYTES);
		}
		ck_assert_int_eq(vmm_stats_next(stats, &stat), 0);
	}
	ck_assert_int_eq(vmm_stats_find(stats, "group99.n999", &value), 0);
	ck_assert_uint_eq(value, 999);
	ck_assert_int_eq(vmm_stats_find(stats, "group99.n998x", &value), -ENOENT);
	ck_assert_uint_eq(value, 0);
}
END_TEST

START_TEST(a_long_name_is_cut)
{
	struct vmm_stat stat = VMM_STAT_INIT;
	char name[300];

	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	vmm__stats_prefix(stats, "%s", name);
	vmm_stats_add(stats, name, 1, 0, 0);
	ck_assert_int_eq(vmm_stats_next(stats, &stat), 1);
	ck_assert_uint_eq(strlen(stat.name), sizeof(stat.name) - 1);
}
END_TEST

START_TEST(bad_calls_are_refused)
{
	struct vmm_stat stat = VMM_STAT_INIT;
	uint64_t value;

	ck_assert_int_eq(vmm_stats_next(NULL, &stat), -EINVAL);
	stat.size = 0;
	ck_assert_int_eq(vmm_stats_next(stats, &stat), -EINVAL);
	ck_assert_int_eq(vmm_stats_find(NULL, "a", &value), -EINVAL);
	ck_assert_int_eq(vmm_stats_find(stats, NULL, &value), -EINVAL);
	vmm_stats_add(NULL, "a", 1, 0, 0);
	vmm_stats_add(stats, NULL, 1, 0, 0);
	vmm_stats_free(NULL);
}
END_TEST

/* ---- KVM's format ---- */

enum { NAME = 48, DESCS = 64, DATA = 4096 };

static struct kvm_stats_header header = {
	.name_size = NAME, .num_desc = 1, .desc_offset = DESCS, .data_offset = DATA,
};

static void describe(int fd, uint32_t index, const struct kvm_stats_desc *desc, const char *name)
{
	char bytes[sizeof(*desc) + NAME] = { 0 };

	memcpy(bytes, desc, sizeof(*desc));
	memcpy(bytes + sizeof(*desc), name, strlen(name));
	ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), (off_t)(DESCS + index * sizeof(bytes))),
			 (ssize_t)sizeof(bytes));
}

static int stats_file(const struct kvm_stats_header *h)
{
	int fd = memfd_create("stats", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, h, sizeof(*h), 0), (ssize_t)sizeof(*h));
	return fd;
}

static void put(int fd, uint32_t offset, uint64_t value)
{
	ck_assert_int_eq(pwrite(fd, &value, sizeof(value), DATA + offset), (ssize_t)sizeof(value));
}

static const struct {
	uint32_t flags;
	int16_t exponent;
	uint64_t raw, value;
	uint32_t kind, unit;
} scales[] = {
	{ KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE, 0, 42, 42, VMM_STAT_COUNTER, VMM_STAT_NUMBER },
	{ KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_SECONDS, -9, 42, 42, VMM_STAT_GAUGE, VMM_STAT_NS },
	{ KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, -3, 42, 42000000, VMM_STAT_COUNTER, VMM_STAT_NS },
	{ KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, -12, 42000, 42, VMM_STAT_COUNTER, VMM_STAT_NS },
	{ KVM_STATS_TYPE_PEAK | KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2, 10, 3, 3072, VMM_STAT_PEAK, VMM_STAT_BYTES },
	{ KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_CYCLES, 2, 3, 300, VMM_STAT_COUNTER, VMM_STAT_CYCLES },
	{ KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BOOLEAN, 0, 1, 1, VMM_STAT_GAUGE, VMM_STAT_BOOLEAN },
};

START_TEST(kvms_units_become_ours)
{
	struct kvm_stats_desc desc = { .flags = scales[_i].flags, .exponent = scales[_i].exponent,
				       .size = 1, .offset = 16 };
	int fd = stats_file(&header);
	struct vmm_stat stat;

	describe(fd, 0, &desc, "halt_exits");
	put(fd, 16, scales[_i].raw);
	vmm__stats_prefix(stats, "vcpu0.kvm.");
	vmm__kvm_stats_read(stats, fd, 0);
	stat = found("vcpu0.kvm.halt_exits");
	ck_assert_uint_eq(stat.value, scales[_i].value);
	ck_assert_uint_eq(stat.kind, scales[_i].kind);
	ck_assert_uint_eq(stat.unit, scales[_i].unit);
	close(fd);
}
END_TEST

START_TEST(histograms_are_told_when_asked_for)
{
	struct kvm_stats_desc desc = { .flags = KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS,
				       .exponent = -9, .size = 3, .offset = 8 };
	int fd = stats_file(&header);

	describe(fd, 0, &desc, "wait");
	for (uint32_t i = 0; i < 3; i++)
		put(fd, 8 + 8 * i, 10 + i);
	vmm__kvm_stats_read(stats, fd, 0);
	ck_assert_uint_eq(stats->nr, 0);
	vmm__kvm_stats_read(stats, fd, VMM_STATS_HISTOGRAMS);
	ck_assert_uint_eq(stats->nr, 3);
	ck_assert_uint_eq(found("wait.2").value, 12);
	close(fd);
}
END_TEST

static const struct kvm_stats_header lies[] = {
	{ .name_size = 0, .num_desc = 1, .desc_offset = DESCS, .data_offset = DATA },
	{ .name_size = UINT32_MAX, .num_desc = 1, .desc_offset = DESCS, .data_offset = DATA },
	{ .name_size = NAME, .num_desc = UINT32_MAX, .desc_offset = DESCS, .data_offset = DATA },
	{ .name_size = NAME, .num_desc = 1, .desc_offset = UINT32_MAX, .data_offset = DATA },
	{ .name_size = NAME, .num_desc = 1, .desc_offset = DESCS, .data_offset = UINT32_MAX },
	{ .name_size = NAME, .num_desc = 1000, .desc_offset = DESCS, .data_offset = DATA },
	{ .name_size = NAME, .num_desc = 0, .desc_offset = DESCS, .data_offset = DATA },
};

START_TEST(a_header_that_makes_no_sense_tells_nothing)
{
	const struct kvm_stats_desc desc = { .size = 1 };
	int fd = stats_file(&lies[_i]);

	describe(fd, 0, &desc, "n");
	put(fd, 0, 1);
	vmm__kvm_stats_read(stats, fd, 0);
	ck_assert_uint_eq(stats->nr, 0);
	close(fd);
}
END_TEST

START_TEST(a_descriptor_that_makes_no_sense_is_left_out)
{
	const struct kvm_stats_desc good = { .size = 1 };
	const struct kvm_stats_desc bad[] = { { .size = 0 }, { .size = 65535 }, { .size = 1, .offset = UINT32_MAX } };
	struct kvm_stats_header four = header;
	int fd;

	four.num_desc = 4;
	fd = stats_file(&four);
	for (uint32_t i = 0; i < 3; i++)
		describe(fd, i, &bad[i], "bad");
	describe(fd, 3, &good, "012345678901234567890123456789012345678901234567");	/* no NUL */
	put(fd, 0, 5);
	vmm__kvm_stats_read(stats, fd, 0);
	ck_assert_uint_eq(stats->nr, 1);
	ck_assert_uint_eq(found("012345678901234567890123456789012345678901234567").value, 5);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, what_is_added_is_told_in_order_and_found_by_name);
	tcase_add_test(tcase, a_long_name_is_cut);
	tcase_add_test(tcase, bad_calls_are_refused);
	tcase_add_loop_test(tcase, kvms_units_become_ours, 0, (int)(sizeof(scales) / sizeof(scales[0])));
	tcase_add_test(tcase, histograms_are_told_when_asked_for);
	tcase_add_loop_test(tcase, a_header_that_makes_no_sense_tells_nothing, 0,
			    (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(tcase, a_descriptor_that_makes_no_sense_is_left_out);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
