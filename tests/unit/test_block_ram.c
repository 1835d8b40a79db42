/* SPDX-License-Identifier: MIT */
/* test_block_ram.c - the disk in memory. */
#include <sys/mman.h>

#include "block_ops.h"

#define CAPACITY	(64u << 20)

static unsigned char buffer[16384];

static void setup(void)
{
	settled = 0;
	ck_assert_int_eq(vmm_blk_open_ram(CAPACITY, &blk), 0);
	plug();
}

START_TEST(a_new_disk_is_zeros)
{
	memset(buffer, 0xff, sizeof(buffer));
	ck_assert_int_eq(run(VMM_BLK_READ, CAPACITY - 4096, buffer, 4096), 0);
	ck_assert(all_bytes(buffer, 4096, 0));
	ck_assert_uint_eq(buffer[4096], 0xff);
}
END_TEST

START_TEST(what_is_written_is_read_whatever_the_segments)
{
	unsigned char back[8192];
	struct op op;

	for (size_t i = 0; i < sizeof(back); i++)
		buffer[i] = (unsigned char)(i * 7 + i / 256);
	op_init(&op, VMM_BLK_WRITE, 512, 0);
	op_add(&op, buffer, 1);
	op_add(&op, buffer + 1, 510);
	op_add(&op, buffer + 511, 4097);
	op_add(&op, buffer + 4608, 3584);
	ck_assert_int_eq(op_run(&op), 0);

	op_init(&op, VMM_BLK_READ, 512, 0);
	op_add(&op, back, 8000);
	op_add(&op, back + 8000, 192);
	ck_assert_int_eq(op_run(&op), 0);
	ck_assert_mem_eq(back, buffer, sizeof(back));
}
END_TEST

/* Borders of pages and of the range, in all their positions. */
static const struct { uint64_t offset, length; } ranges[] = {
	{ 0, 512 }, { 512, 512 }, { 0, 4096 }, { 512, 3584 }, { 3584, 1024 }, { 512, 8192 },
	{ 4096, 8192 }, { 3584, 5120 }, { 0, 16384 },
};

START_TEST(discarded_and_zeroed_ranges_read_as_zeros_and_no_more_than_they)
{
	for (uint32_t op = VMM_BLK_DISCARD; op <= VMM_BLK_WRITE_ZEROES; op++) {
		memset(buffer, 0xaa, sizeof(buffer));
		ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, sizeof(buffer)), 0);
		ck_assert_int_eq(run(op, ranges[_i].offset, NULL, ranges[_i].length), 0);
		ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, sizeof(buffer)), 0);
		ck_assert(all_bytes(buffer, ranges[_i].offset, 0xaa));
		ck_assert(all_bytes(buffer + ranges[_i].offset, ranges[_i].length, 0));
		ck_assert(all_bytes(buffer + ranges[_i].offset + ranges[_i].length,
				    sizeof(buffer) - ranges[_i].offset - ranges[_i].length, 0xaa));
	}
}
END_TEST

START_TEST(flush_is_a_matter_of_course)
{
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
}
END_TEST

/* Another device of the same loop, which wants its turn. */
static int others;

static void other_runs(struct vmm_deferred *deferred)
{
	others++;
	(void)vmm_defer(deferred);
}

START_TEST(a_large_request_leaves_others_their_turn)
{
	size_t len = 32u << 20;
	unsigned char *large = mmap(NULL, len, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vmm_deferred other;
	struct op op;

	ck_assert_ptr_ne(large, MAP_FAILED);
	memset(large, 0x55, len);
	vmm_deferred_init(&other, loop, other_runs);
	others = 0;
	(void)vmm_defer(&other);

	op_init(&op, VMM_BLK_WRITE, 0, 0);
	op_add(&op, large, len);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_commit(blk);
	while (!op.done)
		ck_assert_int_gt(vmm_loop_dispatch(loop), 0);
	ck_assert_int_ge(others, 30);
	vmm_deferred_cancel(&other);

	memset(large, 0, len);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, large, len), 0);
	ck_assert(all_bytes(large, len, 0x55));
	munmap(large, len);
}
END_TEST

START_TEST(drain_finishes_what_waits_for_its_turn)
{
	size_t len = 16u << 20;
	unsigned char *large = calloc(1, len);
	struct op op;

	ck_assert_ptr_nonnull(large);
	op_init(&op, VMM_BLK_WRITE, 0, 0);
	op_add(&op, large, len);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_commit(blk);
	ck_assert(!op.done);
	vmm__blk_drain(blk);
	ck_assert(op.done);
	ck_assert_int_eq(op.result, 0);
	free(large);
}
END_TEST

START_TEST(a_disk_in_memory_keeps_its_size)
{
	ck_assert_int_eq(vmm_blk_resize(blk, 0), -EOPNOTSUPP);
	ck_assert_int_eq(vmm_blk_resize(blk, 1 << 20), -EOPNOTSUPP);
}
END_TEST

START_TEST(memory_is_used_only_for_what_was_written)
{
	struct vmm_blk *vast;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert_int_eq(vmm_blk_open_ram(1ull << 34, &vast), 0);
	ck_assert_int_eq(vmm_blk_info(vast, &info), 0);
	ck_assert_uint_eq(info.capacity, 1ull << 34);
	ck_assert_uint_eq(info.flags, VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO |
				      VMM_BLK_CAN_THROUGH);
	vmm_blk_destroy(vast);
}
END_TEST

START_TEST(what_cannot_be_had_is_refused)
{
	struct vmm_blk *none = NULL;

	ck_assert_int_eq(vmm_blk_open_ram(0, &none), -EINVAL);
	ck_assert_int_eq(vmm_blk_open_ram(511, &none), -EINVAL);
	ck_assert_int_eq(vmm_blk_open_ram(4096, NULL), -EINVAL);
	ck_assert_int_eq(vmm_blk_open_ram(1ull << 62, &none), -ENOMEM);
	ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block_ram");
	TCase *tcase = tcase_create("ram");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, unplug);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_new_disk_is_zeros);
	tcase_add_test(tcase, what_is_written_is_read_whatever_the_segments);
	tcase_add_loop_test(tcase, discarded_and_zeroed_ranges_read_as_zeros_and_no_more_than_they, 0,
			    (int)(sizeof(ranges) / sizeof(ranges[0])));
	tcase_add_test(tcase, flush_is_a_matter_of_course);
	tcase_add_test(tcase, a_large_request_leaves_others_their_turn);
	tcase_add_test(tcase, drain_finishes_what_waits_for_its_turn);
	tcase_add_test(tcase, memory_is_used_only_for_what_was_written);
	tcase_add_test(tcase, a_disk_in_memory_keeps_its_size);
	tcase_add_test(tcase, what_cannot_be_had_is_refused);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
