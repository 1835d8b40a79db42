/* SPDX-License-Identifier: MIT */
/* test_block.c - the life of requests, over a backend that answers when and where it likes. */
#include <pthread.h>
#include <time.h>

#include "block_ops.h"

enum when { AT_ONCE, LATER, AT_DRAIN, IN_A_THREAD };

/* A backend for one test: it keeps what it is given and answers as told. */
static struct {
	enum when when;
	int result;
	struct vmm_blk_request *kept[4096];
	int nr_kept;
	int attached, committed, drained, detached, destroyed;
	int attach_result;
	pthread_t thread;
} fake;

static void *answer_all(void *arg)
{
	for (int i = 0; i < fake.nr_kept; i++)
		vmm_blk_complete(fake.kept[i], fake.result);
	return NULL;
}

static int fake_attach(void *state, struct vmm_loop *l)
{
	fake.attached++;
	return fake.attach_result;
}

static void fake_submit(void *state, struct vmm_blk_request *req)
{
	ck_assert_ptr_eq(state, &fake);
	if (fake.when == AT_ONCE)
		vmm_blk_complete(req, fake.result);
	else
		fake.kept[fake.nr_kept++] = req;
}

static void fake_commit(void *state)
{
	fake.committed++;
	if (fake.when == IN_A_THREAD)
		ck_assert_int_eq(pthread_create(&fake.thread, NULL, answer_all, NULL), 0);
}

static void fake_drain(void *state)
{
	fake.drained++;
	if (fake.when == IN_A_THREAD && fake.nr_kept > 0)
		return;		/* its thread is on its way through vmm_blk_complete() */
	answer_all(NULL);
	fake.nr_kept = 0;
}

static void fake_detach(void *state)
{
	fake.detached++;
}

static void fake_destroy(void *state)
{
	fake.destroyed++;
}

static const struct vmm_blk_ops fake_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "fake",
	.attach = fake_attach,
	.submit = fake_submit,
	.commit = fake_commit,
	.drain = fake_drain,
	.detach = fake_detach,
	.destroy = fake_destroy,
};

static void setup(void)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	memset(&fake, 0, sizeof(fake));
	settled = 0;
	info.capacity = 1 << 20;
	ck_assert_int_eq(vmm_blk_create(&fake_ops, &fake, &info, &blk), 0);
	plug();
}

static void teardown(void)
{
	unplug();
	ck_assert_int_eq(fake.destroyed, 1);
	ck_assert_int_eq(fake.detached, 1);
}

START_TEST(an_answer_inside_submit_arrives_after_it_and_once)
{
	struct op op;

	op_init(&op, VMM_BLK_READ, 0, 512);
	vmm__blk_submit(blk, &op.io);
	ck_assert(!op.done);
	vmm__blk_commit(blk);
	ck_assert_int_eq(op_wait(&op), 0);
	ck_assert_int_eq(settled, 1);
	ck_assert_int_eq(fake.committed, 1);
	vmm__blk_commit(blk);
	ck_assert_int_eq(fake.committed, 1);
}
END_TEST

/* A front end that goes on from each answer, with a backend that answers at once. */
static int chained;

static void chain_on(struct blk_io *io, int result)
{
	static char *lowest;
	char here;

	if (!lowest)
		lowest = &here;
	/* The stack does not grow with the number of requests. */
	ck_assert_int_lt(labs((long)(lowest - &here)), 4096);
	if (++chained < 10000) {
		vmm__blk_submit(blk, io);
		vmm__blk_commit(blk);
	}
}

START_TEST(answers_inside_submit_do_not_pile_up_on_the_stack)
{
	struct op op;

	op_init(&op, VMM_BLK_READ, 0, 512);
	op.io.done = chain_on;
	chained = 0;
	vmm__blk_submit(blk, &op.io);
	while (chained < 10000)
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
}
END_TEST

START_TEST(a_batch_of_answers_settles_once_and_in_order)
{
	struct op ops[100];

	for (int i = 0; i < 100; i++) {
		op_init(&ops[i], VMM_BLK_WRITE, 0, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	for (int i = 0; i < 100; i++)
		ck_assert(ops[i].done);
	ck_assert_int_eq(settled, 1);
	ck_assert_int_eq(fake.committed, 1);
}
END_TEST

START_TEST(an_error_reaches_the_front_end)
{
	fake.result = -ENOSPC;
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, NULL, 512), -ENOSPC);
}
END_TEST

START_TEST(answers_from_another_thread_arrive_on_the_loop)
{
	struct op ops[64];

	fake.when = IN_A_THREAD;
	for (int i = 0; i < 64; i++) {
		op_init(&ops[i], VMM_BLK_READ, 0, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	pthread_join(fake.thread, NULL);
	fake.nr_kept = 0;
}
END_TEST

START_TEST(drain_answers_what_would_never_be_answered)
{
	struct op ops[64];

	fake.when = AT_DRAIN;
	fake.result = -EIO;
	for (int i = 0; i < 64; i++) {
		op_init(&ops[i], VMM_BLK_READ, 0, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	while (vmm_loop_dispatch(loop) > 0)
		continue;
	ck_assert(!ops[0].done);

	vmm__blk_drain(blk);
	for (int i = 0; i < 64; i++) {
		ck_assert(ops[i].done);
		ck_assert_int_eq(ops[i].result, -EIO);
	}
	/* A front end that is being reset wants no interrupts. */
	ck_assert_int_eq(settled, 0);
}
END_TEST

START_TEST(drain_commits_first)
{
	struct op op;

	fake.when = AT_DRAIN;
	op_init(&op, VMM_BLK_READ, 0, 512);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_drain(blk);
	ck_assert_int_eq(fake.committed, 1);
	ck_assert(op.done);
}
END_TEST

static int resubmitted;

static void resubmit(struct blk_io *io, int result)
{
	if (resubmitted++ == 0)
		vmm__blk_submit(blk, io);
	else
		ck_assert_int_eq(result, -ECANCELED);
}

START_TEST(what_is_submitted_while_draining_is_cancelled)
{
	struct op op;

	fake.when = AT_DRAIN;
	resubmitted = 0;
	op_init(&op, VMM_BLK_DISCARD, 0, 512);
	op.io.done = resubmit;
	vmm__blk_submit(blk, &op.io);
	vmm__blk_drain(blk);
	ck_assert_int_eq(resubmitted, 2);
	/* And afterwards all is as before. */
	fake.when = AT_ONCE;
	ck_assert_int_eq(run(VMM_BLK_READ, 0, NULL, 512), 0);
}
END_TEST

/* The race that decides over use after free: an answer on its way while the disk goes. */
START_TEST(drain_waits_for_a_thread_that_is_still_answering)
{
	struct op ops[256];

	fake.when = IN_A_THREAD;
	for (int i = 0; i < 256; i++) {
		op_init(&ops[i], VMM_BLK_READ, 0, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_drain(blk);
	for (int i = 0; i < 256; i++)
		ck_assert(ops[i].done);
	pthread_join(fake.thread, NULL);
	fake.nr_kept = 0;
}
END_TEST

START_TEST(a_late_delivery_after_a_drain_finds_nothing)
{
	struct op op;

	fake.when = LATER;
	op_init(&op, VMM_BLK_READ, 0, 512);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_commit(blk);
	answer_all(NULL);		/* the deferred call is waiting now */
	fake.nr_kept = 0;
	vmm__blk_drain(blk);
	ck_assert(op.done);
	while (vmm_loop_dispatch(loop) > 0)
		continue;
	ck_assert_int_eq(settled, 0);
}
END_TEST

START_TEST(a_late_delivery_after_the_disk_is_gone_does_not_happen)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct op op;

	fake.when = LATER;
	op_init(&op, VMM_BLK_READ, 0, 512);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_commit(blk);
	answer_all(NULL);
	fake.nr_kept = 0;
	vmm__blk_drain(blk);
	vmm__blk_detach(blk);
	vmm_blk_destroy(blk);
	while (vmm_loop_dispatch(loop) > 0)
		continue;

	fake.detached = fake.destroyed = 0;
	info.capacity = 1 << 20;
	ck_assert_int_eq(vmm_blk_create(&fake_ops, &fake, &info, &blk), 0);
	ck_assert_int_eq(vmm__blk_attach(blk, loop, &op_front), 0);
}
END_TEST

START_TEST(a_disk_serves_one_guest)
{
	ck_assert_int_eq(vmm__blk_attach(blk, loop, &op_front), -EBUSY);
	ck_assert_int_eq(fake.attached, 1);
	/* And it is not the application's to destroy now. */
	vmm_blk_destroy(blk);
	ck_assert_int_eq(fake.destroyed, 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, NULL, 512), 0);
}
END_TEST

START_TEST(a_backend_that_does_not_attach_says_so_and_stays_the_callers)
{
	vmm__blk_detach(blk);
	fake.detached = 0;
	fake.attach_result = -ENODEV;
	ck_assert_int_eq(vmm__blk_attach(blk, loop, &op_front), -ENODEV);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "fake"));
	fake.attach_result = 0;
	ck_assert_int_eq(vmm__blk_attach(blk, loop, &op_front), 0);
}
END_TEST

/* ---- tables and descriptions ---- */

static const struct {
	const char *name;
	struct vmm_blk_info info;
} bad_infos[] = {
	{ "no capacity", { .capacity = 0 } },
	{ "less than a block", { .capacity = 511 } },
	{ "less than a large block", { .capacity = 2048, .block_size = 4096 } },
	{ "block of 3 bytes", { .capacity = 4096, .block_size = 3 } },
	{ "block of 256 bytes", { .capacity = 4096, .block_size = 256 } },
	{ "block of 8192 bytes", { .capacity = 1 << 20, .block_size = 8192 } },
	{ "physical below logical", { .capacity = 1 << 20, .block_size = 4096,
				      .physical_block_size = 512 } },
	{ "physical no power of two", { .capacity = 1 << 20, .physical_block_size = 1536 } },
	{ "too many segments", { .capacity = 1 << 20, .max_segments = 129 } },
	{ "segments of less than a block", { .capacity = 1 << 20, .max_segment_bytes = 4095 } },
	{ "optimum of no whole blocks", { .capacity = 1 << 20, .optimal_io_bytes = 100 } },
	{ "granule of no whole blocks", { .capacity = 1 << 20, .block_size = 4096,
					  .discard_granularity = 512 } },
	{ "flags of the file backend", { .capacity = 1 << 20, .flags = VMM_BLK_FILE_DIRECT } },
	{ "no size", { .capacity = 1 << 20, .size = 1 } },
};

START_TEST(a_description_no_guest_can_be_shown_is_refused)
{
	struct vmm_blk_info info = bad_infos[_i].info;
	struct vmm_blk *bad = NULL;

	info.size = info.size == 1 ? 0 : sizeof(info);
	ck_assert_msg(vmm_blk_create(&fake_ops, &fake, &info, &bad) == -EINVAL, "%s",
		      bad_infos[_i].name);
	ck_assert_ptr_null(bad);
	ck_assert_int_eq(fake.destroyed, 0);
	ck_assert_str_ne(vmm_last_error(), "");
}
END_TEST

START_TEST(defaults_are_filled_in)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT, got = VMM_BLK_INFO_INIT;
	struct { struct vmm_blk_info info; uint64_t later; } newer = { .later = 7 };
	struct vmm_blk *b;

	info.capacity = 8191;
	info.block_size = 4096;
	ck_assert_int_eq(vmm_blk_create(&fake_ops, &fake, &info, &b), 0);
	ck_assert_int_eq(vmm_blk_info(b, &got), 0);
	ck_assert_uint_eq(got.capacity, 4096);
	ck_assert_uint_eq(got.physical_block_size, 4096);
	ck_assert_uint_eq(got.max_segments, 128);

	got = (struct vmm_blk_info){ .size = offsetof(struct vmm_blk_info, block_size),
				     .block_size = 77 };
	ck_assert_int_eq(vmm_blk_info(b, &got), 0);
	ck_assert_uint_eq(got.capacity, 4096);
	ck_assert_uint_eq(got.block_size, 77);
	newer.info.size = sizeof(newer);
	ck_assert_int_eq(vmm_blk_info(b, &newer.info), 0);
	ck_assert_uint_eq(newer.later, 0);
	got.size = 0;
	ck_assert_int_eq(vmm_blk_info(b, &got), -EINVAL);
	vmm_blk_destroy(b);
	ck_assert_int_eq(fake.destroyed, 1);
	fake.destroyed = 0;
}
END_TEST

START_TEST(a_table_without_its_functions_is_refused)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct { struct vmm_blk_ops ops; void *later; } newer = { fake_ops, &newer };
	struct vmm_blk_ops ops = fake_ops;
	struct vmm_blk *b = NULL;

	info.capacity = 512;
	ops.drain = NULL;
	ck_assert_int_eq(vmm_blk_create(&ops, NULL, &info, &b), -EINVAL);
	ops = fake_ops;
	ops.submit = NULL;
	ck_assert_int_eq(vmm_blk_create(&ops, NULL, &info, &b), -EINVAL);
	ops = fake_ops;
	ops.size = 0;
	ck_assert_int_eq(vmm_blk_create(&ops, NULL, &info, &b), -EINVAL);
	newer.ops.size = sizeof(newer);
	ck_assert_int_eq(vmm_blk_create(&newer.ops, NULL, &info, &b), -E2BIG);
	ck_assert_int_eq(vmm_blk_create(NULL, NULL, &info, &b), -EINVAL);
	ck_assert_int_eq(vmm_blk_create(&fake_ops, NULL, NULL, &b), -EINVAL);
	ck_assert_ptr_null(b);
	vmm_blk_destroy(NULL);

	/* An older table lacks what came after drain(). */
	ops = fake_ops;
	ops.size = offsetof(struct vmm_blk_ops, detach);
	ck_assert_int_eq(vmm_blk_create(&ops, NULL, &info, &b), 0);
	vmm_blk_destroy(b);
	ck_assert_int_eq(fake.destroyed, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block");
	TCase *tcase = tcase_create("requests");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, an_answer_inside_submit_arrives_after_it_and_once);
	tcase_add_test(tcase, answers_inside_submit_do_not_pile_up_on_the_stack);
	tcase_add_test(tcase, a_batch_of_answers_settles_once_and_in_order);
	tcase_add_test(tcase, an_error_reaches_the_front_end);
	tcase_add_test(tcase, answers_from_another_thread_arrive_on_the_loop);
	tcase_add_test(tcase, drain_answers_what_would_never_be_answered);
	tcase_add_test(tcase, drain_commits_first);
	tcase_add_test(tcase, what_is_submitted_while_draining_is_cancelled);
	tcase_add_test(tcase, drain_waits_for_a_thread_that_is_still_answering);
	tcase_add_test(tcase, a_late_delivery_after_a_drain_finds_nothing);
	tcase_add_test(tcase, a_late_delivery_after_the_disk_is_gone_does_not_happen);
	tcase_add_test(tcase, a_disk_serves_one_guest);
	tcase_add_test(tcase, a_backend_that_does_not_attach_says_so_and_stays_the_callers);
	tcase_add_loop_test(tcase, a_description_no_guest_can_be_shown_is_refused, 0,
			    (int)(sizeof(bad_infos) / sizeof(bad_infos[0])));
	tcase_add_test(tcase, defaults_are_filled_in);
	tcase_add_test(tcase, a_table_without_its_functions_is_refused);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
