/* SPDX-License-Identifier: MIT */
/* test_block_control.c - what may be changed and read of a disk in use: rate, counters, size. */
#include <pthread.h>
#include <time.h>

#include "block_ops.h"
#include "fake_store.h"

#define N	16

static struct op ops[N];
static unsigned char bytes[N * 4096];
static uint64_t told;			/* the last size that the front end heard of */
static int resizes;

static void op_resized(void *data, uint64_t capacity)
{
	told = capacity;
	resizes++;
}

static void setup(void)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	const struct blk_front front = { .settled = op_settled, .resized = op_resized,
					 .nr_lanes = 3 };

	info.flags = VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO;
	info.block_size = 4096;
	blk = store_open(&info, STORE_AT_ONCE);
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	ck_assert_int_eq(vmm__blk_attach(blk, loop, &front), 0);
	settled = resizes = 0;
}

static void limit(uint64_t bytes_per_second, uint64_t burst, uint64_t ops_per_second,
		  uint64_t ops_burst)
{
	struct vmm_rate rate = VMM_RATE_INIT;

	rate.bytes_per_second = bytes_per_second;
	rate.bytes_burst = burst;
	rate.ops_per_second = ops_per_second;
	rate.ops_burst = ops_burst;
	ck_assert_int_eq(vmm_blk_set_rate(blk, &rate), 0);
}

static void start(int i, uint32_t kind)
{
	op_init(&ops[i], kind, (uint64_t)i * 4096, kind <= VMM_BLK_WRITE ? 0 : 4096);
	if (kind == VMM_BLK_FLUSH)
		ops[i].io.req.length = 0;
	if (kind <= VMM_BLK_WRITE)
		op_add(&ops[i], bytes + i * 4096, 4096);
	vmm__blk_submit(blk, &ops[i].io);
}

static void start_all(uint32_t kind)
{
	for (int i = 0; i < N; i++)
		start(i, kind);
	vmm__blk_commit(blk);
}

static int nr_done(void)
{
	int n = 0;

	while (vmm_loop_dispatch(loop) > 0)
		continue;
	for (int i = 0; i < N; i++)
		n += ops[i].done;
	return n;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct vmm_blk_stats stats_of(uint32_t queue)
{
	struct vmm_blk_stats stats = VMM_BLK_STATS_INIT;

	ck_assert_int_eq(vmm_blk_stats(blk, queue, &stats), 0);
	return stats;
}

/* ---- the rate ---- */

START_TEST(a_burst_goes_at_once_and_the_rest_at_the_rate)
{
	uint64_t begin = now();

	limit(0, 0, 20, 4);
	start_all(VMM_BLK_READ);
	ck_assert_int_eq(nr_done(), 4);
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 4);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).held, N - 4);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).in_flight, N - 4);

	ck_assert_int_eq(op_wait(&ops[N - 1]), 0);
	ck_assert_int_eq(nr_done(), N);
	/* 12 more at 20 a second. */
	ck_assert_uint_ge(now() - begin, 590 * 1000000ull);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).held, 0);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).throttled, N - 4);
	unplug();
}
END_TEST

START_TEST(bytes_are_counted_for_reads_and_writes_only)
{
	limit(1, 4096, 0, 0);
	start_all(VMM_BLK_DISCARD);
	ck_assert_int_eq(nr_done(), N);
	start_all(VMM_BLK_FLUSH);
	ck_assert_int_eq(nr_done(), N);
	start_all(VMM_BLK_WRITE);
	ck_assert_int_eq(nr_done(), 1);
	unplug();
}
END_TEST

START_TEST(nothing_overtakes_what_is_held_back)
{
	limit(1, 4096, 0, 0);
	start(0, VMM_BLK_WRITE);
	start(1, VMM_BLK_WRITE);
	start(2, VMM_BLK_FLUSH);	/* costs no bytes, and would be let through alone */
	vmm__blk_commit(blk);
	(void)nr_done();
	ck_assert(ops[0].done && !ops[1].done && !ops[2].done);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 0);
	unplug();
	ck_assert_int_eq(ops[2].result, -ECANCELED);
}
END_TEST

START_TEST(a_new_rate_holds_for_those_that_wait)
{
	limit(0, 0, 1, 1);
	start_all(VMM_BLK_READ);
	ck_assert_int_eq(nr_done(), 1);
	ck_assert_int_eq(vmm_blk_set_rate(blk, NULL), 0);
	ck_assert_int_eq(nr_done(), N);

	limit(0, 0, 1, 1);
	start_all(VMM_BLK_READ);
	ck_assert_int_eq(nr_done(), 1);
	limit(0, 0, 1000, 1);
	ck_assert_int_eq(op_wait(&ops[N - 1]), 0);
	unplug();
}
END_TEST

/* A driver that resets its device over and over gets no more than its rate. */
START_TEST(a_drain_cancels_what_is_held_and_does_not_let_it_through)
{
	limit(0, 0, 1, 2);
	start_all(VMM_BLK_READ);
	vmm__blk_drain(blk);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(ops[i].result, i < 2 ? 0 : -ECANCELED);
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 2);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).held, 0);
	for (int i = 0; i < 5; i++) {
		start_all(VMM_BLK_READ);
		vmm__blk_drain(blk);
	}
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 2);
	unplug();
}
END_TEST

/* A driver that resets one of its queues does nothing to the others. */
START_TEST(a_lane_is_drained_without_a_loss_to_others)
{
	int cancelled = 0;

	limit(0, 0, 1, 4);
	store.when = STORE_LATER;
	start_all(VMM_BLK_WRITE);
	for (int i = 0; i < N; i++)
		ops[i].io.lane = (uint32_t)i % 2;
	vmm__blk_drain_lane(blk, 1);
	for (int i = 0; i < N; i++) {
		/* Four had begun, and are done; the rest wait, or are no more. */
		ck_assert(ops[i].done == (i < 4 || i % 2 == 1));
		ck_assert_int_eq(ops[i].result, ops[i].done && i >= 4 ? -ECANCELED : 0);
		cancelled += ops[i].result == -ECANCELED;
	}
	ck_assert_int_eq(cancelled, N / 2 - 2);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).held, N / 2 - 2);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).in_flight, N / 2 - 2);
	store.when = STORE_AT_ONCE;
	ck_assert_int_eq(vmm_blk_set_rate(blk, NULL), 0);
	ck_assert_int_eq(nr_done(), N);
	ck_assert_int_eq(ops[N - 2].result, 0);
	unplug();
}
END_TEST

START_TEST(a_disk_can_be_limited_before_it_is_in_use)
{
	struct vmm_rate rate = VMM_RATE_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	unplug();
	blk = store_open(&info, STORE_AT_ONCE);
	rate.ops_per_second = 1;
	ck_assert_int_eq(vmm_blk_set_rate(blk, &rate), 0);
	plug();
	start_all(VMM_BLK_READ);
	ck_assert_int_eq(nr_done(), 1);
	unplug();
}
END_TEST

START_TEST(a_rate_that_makes_no_sense_is_refused)
{
	struct vmm_rate rate = VMM_RATE_INIT;

	ck_assert_int_eq(vmm_blk_set_rate(NULL, &rate), -EINVAL);
	rate.ops_burst = 5;
	ck_assert_int_eq(vmm_blk_set_rate(blk, &rate), -EINVAL);
	start_all(VMM_BLK_READ);
	ck_assert_int_eq(nr_done(), N);
	unplug();
}
END_TEST

/* ---- counters ---- */

START_TEST(each_kind_is_counted_with_its_bytes_and_errors)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	struct vmm_blk_stats s;

	start_all(VMM_BLK_WRITE);
	(void)nr_done();
	store.result = -EIO;
	start(0, VMM_BLK_WRITE);
	start(1, VMM_BLK_FLUSH);
	vmm__blk_commit(blk);
	(void)nr_done();
	store.result = 0;
	store.when = STORE_LATER;
	start(0, VMM_BLK_READ);
	vmm__blk_commit(blk);
	ck_assert_uint_eq(stats_of(0).in_flight, 1);
	nanosleep(&nap, NULL);
	store_answer(1);
	(void)nr_done();

	s = stats_of(VMM_BLK_ALL_QUEUES);
	ck_assert_uint_eq(s.op[VMM_BLK_WRITE].requests, N + 1);
	ck_assert_uint_eq(s.op[VMM_BLK_WRITE].bytes, N * 4096);
	ck_assert_uint_eq(s.op[VMM_BLK_WRITE].errors, 1);
	ck_assert_uint_eq(s.op[VMM_BLK_FLUSH].requests, 1);
	ck_assert_uint_eq(s.op[VMM_BLK_FLUSH].errors, 1);
	ck_assert_uint_eq(s.op[VMM_BLK_READ].requests, 1);
	ck_assert_uint_ge(s.op[VMM_BLK_READ].latency_ns, 2000000);
	ck_assert_uint_le(s.op[VMM_BLK_READ].latency_ns, 2000000000);
	ck_assert_uint_eq(s.op[VMM_BLK_DISCARD].requests, 0);
	ck_assert_uint_eq(s.in_flight, 0);
	ck_assert_uint_eq(s.throttled, 0);
	unplug();
}
END_TEST

START_TEST(each_queue_is_counted_on_its_own)
{
	struct vmm_blk_stats s = VMM_BLK_STATS_INIT;

	for (uint32_t i = 0; i < 6; i++) {
		op_init(&ops[i], VMM_BLK_READ, 0, 0);
		op_add(&ops[i], bytes, 4096);
		ops[i].io.lane = i < 1 ? 0 : i < 3 ? 1 : 2;
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	(void)nr_done();
	for (uint32_t queue = 0; queue < 3; queue++)
		ck_assert_uint_eq(stats_of(queue).op[VMM_BLK_READ].requests, queue + 1);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).op[VMM_BLK_READ].requests, 6);

	ck_assert_int_eq(vmm_blk_stats(blk, 3, &s), -EINVAL);
	ck_assert_int_eq(vmm_blk_stats(NULL, 0, &s), -EINVAL);
	ck_assert_int_eq(vmm_blk_stats(blk, 0, NULL), -EINVAL);
	s.size = 4;
	ck_assert_int_eq(vmm_blk_stats(blk, 0, &s), -EINVAL);
	unplug();
}
END_TEST

START_TEST(a_shorter_struct_of_an_older_caller_is_not_overrun)
{
	struct { size_t size; uint64_t in_flight, guard; } old = { 16, 7, 7 };

	ck_assert_int_eq(vmm_blk_stats(blk, 0, (struct vmm_blk_stats *)(void *)&old), 0);
	ck_assert_uint_eq(old.in_flight, 0);
	ck_assert_uint_eq(old.guard, 7);
	unplug();
}
END_TEST

/* For TSan, and for the sums: a reader never sees a counter go back. */
static bool reading;

static void *read_on(void *arg)
{
	uint64_t seen = 0;

	while (__atomic_load_n(&reading, __ATOMIC_RELAXED)) {
		uint64_t n = stats_of(VMM_BLK_ALL_QUEUES).op[VMM_BLK_READ].requests;

		if (n < seen)
			return &reading;
		seen = n;
	}
	return NULL;
}

START_TEST(counters_are_read_while_requests_come_and_go)
{
	pthread_t thread;
	void *wrong;

	__atomic_store_n(&reading, true, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_on, NULL), 0);
	for (int round = 0; round < 300; round++) {
		start_all(VMM_BLK_READ);
		(void)nr_done();
	}
	__atomic_store_n(&reading, false, __ATOMIC_RELAXED);
	ck_assert_int_eq(pthread_join(thread, &wrong), 0);
	ck_assert_ptr_null(wrong);
	ck_assert_uint_eq(stats_of(VMM_BLK_ALL_QUEUES).op[VMM_BLK_READ].requests, 300 * N);
	unplug();
}
END_TEST

/* ---- the size ---- */

static uint64_t capacity_of(void)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert_int_eq(vmm_blk_info(blk, &info), 0);
	return info.capacity;
}

START_TEST(a_new_size_is_told_to_the_front_end_once)
{
	ck_assert_int_eq(vmm_blk_resize(blk, (2 << 20) + 4095), 0);
	ck_assert_uint_eq(told, 2 << 20);
	ck_assert_uint_eq(capacity_of(), 2 << 20);
	ck_assert_int_eq(vmm_blk_resize(blk, 2 << 20), 0);
	ck_assert_int_eq(resizes, 1);
	ck_assert_int_eq(vmm_blk_resize(blk, 4096), 0);
	ck_assert_uint_eq(told, 4096);
	unplug();
}
END_TEST

START_TEST(a_size_of_nothing_is_refused)
{
	ck_assert_int_eq(vmm_blk_resize(blk, 4095), -EINVAL);
	ck_assert_int_eq(vmm_blk_resize(blk, 0), -EINVAL);
	ck_assert_int_eq(vmm_blk_resize(NULL, 4096), -EINVAL);
	ck_assert_int_eq(resizes, 0);
	ck_assert_uint_eq(capacity_of(), STORE_BYTES);
	unplug();
}
END_TEST

static uint64_t asked;
static int resize_result;

static int measured(void *state, uint64_t capacity, uint64_t *ret_capacity)
{
	asked = capacity;
	if (resize_result < 0)
		return resize_result;
	*ret_capacity = capacity ? capacity : 3 << 20;
	return 0;
}

START_TEST(a_backend_that_knows_its_size_is_asked)
{
	struct vmm_blk_ops table = store_ops;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	unplug();
	blk = store_open(&info, STORE_AT_ONCE);
	vmm_blk_destroy(blk);
	store.bytes = calloc(1, STORE_BYTES);
	table.resize = measured;
	info.capacity = STORE_BYTES;
	ck_assert_int_eq(vmm_blk_create(&table, &store, &info, &blk), 0);

	/* Not yet in use. */
	ck_assert_int_eq(vmm_blk_resize(blk, 0), 0);
	ck_assert_uint_eq(asked, 0);
	ck_assert_uint_eq(capacity_of(), 3 << 20);
	plug();
	ck_assert_int_eq(vmm_blk_resize(blk, 1 << 20), 0);
	ck_assert_uint_eq(asked, 1 << 20);
	resize_result = -ENOSPC;
	ck_assert_int_eq(vmm_blk_resize(blk, 9 << 20), -ENOSPC);
	ck_assert_uint_eq(capacity_of(), 1 << 20);
	unplug();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("block_control");
	TCase *tc = tcase_create("block_control");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_burst_goes_at_once_and_the_rest_at_the_rate);
	tcase_add_test(tc, bytes_are_counted_for_reads_and_writes_only);
	tcase_add_test(tc, nothing_overtakes_what_is_held_back);
	tcase_add_test(tc, a_new_rate_holds_for_those_that_wait);
	tcase_add_test(tc, a_drain_cancels_what_is_held_and_does_not_let_it_through);
	tcase_add_test(tc, a_lane_is_drained_without_a_loss_to_others);
	tcase_add_test(tc, a_disk_can_be_limited_before_it_is_in_use);
	tcase_add_test(tc, a_rate_that_makes_no_sense_is_refused);
	tcase_add_test(tc, each_kind_is_counted_with_its_bytes_and_errors);
	tcase_add_test(tc, each_queue_is_counted_on_its_own);
	tcase_add_test(tc, a_shorter_struct_of_an_older_caller_is_not_overrun);
	tcase_add_test(tc, counters_are_read_while_requests_come_and_go);
	tcase_add_test(tc, a_new_size_is_told_to_the_front_end_once);
	tcase_add_test(tc, a_size_of_nothing_is_refused);
	tcase_add_test(tc, a_backend_that_knows_its_size_is_asked);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
