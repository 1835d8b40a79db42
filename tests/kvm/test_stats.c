/* SPDX-License-Identifier: MIT */
/* test_stats.c - statistics of guests that run, and the threads that run them. */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include <libvmm/device.h>
#include <libvmm/stats.h>
#include "bare.h"

static struct holdings before;
static struct vmm *vm;

static void setup(void)
{
	before = holdings_now();
}

static void teardown(void)
{
	vmm_destroy(vm);
	assert_nothing_left(before);
}

static void reach(uint32_t state)
{
	ck_assert_int_eq(vmm_wait_state(vm, 1u << state, 20000), (int)state);
}

static struct vmm_stats *reading(void)
{
	struct vmm_stats *stats;

	ck_assert_msg(vmm_stats_read(vm, VMM_STATS_HISTOGRAMS, &stats) == 0, "%s", vmm_last_error());
	return stats;
}

static uint64_t value(const char *name)
{
	struct vmm_stats *stats = reading();
	uint64_t v = 0;

	(void)vmm_stats_find(stats, name, &v);
	vmm_stats_free(stats);
	return v;
}

START_TEST(counters_move_while_the_guest_runs)
{
	uint64_t exits, cpu;

	vm = bare_guest(0, NULL, CODE_OUT, sizeof(CODE_OUT) - 1);
	ck_assert_uint_eq(value("vcpu0.exits.total"), 0);
	ck_assert_uint_eq(value("guest.starts"), 0);
	ck_assert_uint_eq(value("memory.bytes"), 1 << 20);
	ck_assert_uint_gt(value("memory.host_bytes"), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	exits = value("vcpu0.exits.io");
	cpu = value("vcpu0.cpu_ns");
	for (int i = 0; i < 2000 && value("vcpu0.exits.io") < exits + 1000; i++)
		usleep(10000);
	ck_assert_uint_ge(value("vcpu0.exits.io"), exits + 1000);
	ck_assert_uint_gt(value("vcpu0.cpu_ns"), cpu);
	ck_assert_uint_eq(vmm_state(vm), VMM_STATE_RUNNING);
	ck_assert_uint_eq(value("guest.state"), VMM_STATE_RUNNING);
	ck_assert_uint_eq(value("guest.starts"), 1);
	ck_assert_uint_ge(value("events.count"), 1);

	/* What was counted stays when the thread is gone. */
	ck_assert_int_eq(vmm_stop(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_uint_ge(value("vcpu0.exits.total"), value("vcpu0.exits.io"));
	ck_assert_uint_gt(value("vcpu0.cpu_ns"), cpu);
	ck_assert_uint_ge(value("loop.turns"), 1);
	for (int i = 0; i < 2000 && value("loop.callbacks") == 0; i++)
		usleep(10000);
	ck_assert_uint_ge(value("loop.callbacks"), 1);
}
END_TEST

START_TEST(kvms_own_are_told_where_it_has_them)
{
	struct vmm_stats *stats;
	uint64_t v;

	vm = bare_guest(0, NULL, CODE_OUT, sizeof(CODE_OUT) - 1);
	ck_assert_int_eq(vmm_start(vm), 0);
	for (int i = 0; i < 2000 && value("vcpu0.exits.io") < 100; i++)
		usleep(10000);
	stats = reading();
	if (ioctl(vmm_kvm_fd(vm), KVM_CHECK_EXTENSION, KVM_CAP_BINARY_STATS_FD) > 0) {
		ck_assert_int_eq(vmm_stats_find(stats, "kvm.remote_tlb_flush", &v), 0);
		ck_assert_int_eq(vmm_stats_find(stats, "vcpu0.kvm.exits", &v), 0);
		ck_assert_uint_ge(v, 100);
		ck_assert_int_eq(vmm_stats_find(stats, "vcpu0.kvm.halt_wait_hist.0", &v), 0);
	} else {
		ck_assert_int_eq(vmm_stats_find(stats, "vcpu0.kvm.exits", &v), -ENOENT);
	}
	vmm_stats_free(stats);
}
END_TEST

START_TEST(lost_events_are_counted)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	config.ram_bytes = 1 << 20;
	config.flags = VMM_F_KVM_ONLY;
	config.max_events = 8;
	ck_assert_int_eq(vmm_create(&config, &vm), 0);
	bare_enter(vm, 0, CODE_SPIN, 2);
	ck_assert_int_eq(vmm_start(vm), 0);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(vmm_pause(vm), 0);
		reach(VMM_STATE_PAUSED);
		ck_assert_int_eq(vmm_resume(vm), 0);
	}
	ck_assert_uint_eq(value("events.count"), 21);
	ck_assert_uint_eq(value("events.unread"), 8);
	ck_assert_uint_eq(value("events.lost"), 13);
}
END_TEST

/* ---- a device that tells ---- */

static void dev_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
}

static void dev_reset(struct vmm_device *dev)
{
}

static void dev_stats(struct vmm_device *dev, struct vmm_stats *stats)
{
	vmm_stats_add(stats, "answers", *(const int *)vmm_device_state(dev), VMM_STAT_COUNTER, VMM_STAT_NUMBER);
}

static const struct vmm_device_ops dev_ops = {
	.size = sizeof(struct vmm_device_ops), .name = "oracle", .virtio_id = 42,
	.kick = dev_kick, .reset = dev_reset, .stats = dev_stats,
};

START_TEST(a_device_joins_with_its_own)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_device_config device = VMM_DEVICE_CONFIG_INIT;
	int answer = 42;

	config.ram_bytes = 1 << 20;
	ck_assert_int_eq(vmm_create(&config, &vm), 0);
	device.ops = &dev_ops;
	device.state = &answer;
	device.nr_queues = 1;
	ck_assert_msg(vmm_add_device(vm, &device, NULL) == 0, "%s", vmm_last_error());
	ck_assert_uint_eq(value("device.oracle.answers"), 42);
	ck_assert_uint_eq(value("device.oracle.active"), 0);
}
END_TEST

START_TEST(bad_calls_are_refused)
{
	struct vmm_stats *stats = NULL;

	vm = bare_guest(0, NULL, CODE_SPIN, 2);
	ck_assert_int_eq(vmm_stats_read(NULL, 0, &stats), -EINVAL);
	ck_assert_int_eq(vmm_stats_read(vm, 0, NULL), -EINVAL);
	ck_assert_int_eq(vmm_stats_read(vm, 1u << 31, &stats), -EINVAL);
	ck_assert_ptr_null(stats);
}
END_TEST

/* ---- the threads ---- */

static uint32_t told[2], calls;

static void thread_told(void *data, struct vmm *v, uint32_t vcpu, uint32_t tid)
{
	ck_assert_uint_eq(tid, (uint32_t)gettid());
	ck_assert_ptr_eq(data, &told);
	__atomic_store_n(&told[vcpu], tid, __ATOMIC_RELEASE);
	__atomic_fetch_add(&calls, 1, __ATOMIC_ACQ_REL);
}

START_TEST(the_threads_of_vcpus_can_be_found)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	uint32_t tids[2];
	char path[64], name[16] = "";
	FILE *f;

	config.ram_bytes = 1 << 20;
	config.nr_vcpus = 2;
	config.flags = VMM_F_KVM_ONLY;
	config.vcpu_thread = thread_told;
	config.vcpu_thread_data = &told;
	ck_assert_int_eq(vmm_create(&config, &vm), 0);
	for (uint32_t i = 0; i < 2; i++)
		bare_enter(vm, i, CODE_SPIN, 2);
	ck_assert_uint_eq(vmm_vcpu_tid(vmm_vcpu(vm, 0)), 0);
	ck_assert_uint_eq(vmm_vcpu_tid(NULL), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	for (uint32_t i = 0; i < 2; i++) {
		tids[i] = vmm_vcpu_tid(vmm_vcpu(vm, i));
		ck_assert_uint_ne(tids[i], 0);
		snprintf(path, sizeof(path), "/proc/self/task/%u/comm", tids[i]);
		for (int j = 0; j < 2000 && !strstr(name, i ? "cpu1" : "cpu0"); j++) {
			f = fopen(path, "re");
			ck_assert_ptr_nonnull(f);
			ck_assert_ptr_nonnull(fgets(name, sizeof(name), f));
			fclose(f);
			usleep(1000);
		}
		ck_assert_msg(strstr(name, i ? "cpu1" : "cpu0") != NULL, "%s", name);
	}
	ck_assert_uint_ne(tids[0], tids[1]);
	for (int j = 0; j < 20000 && __atomic_load_n(&calls, __ATOMIC_ACQUIRE) < 2; j++)
		usleep(1000);
	ck_assert_uint_eq(told[0], tids[0]);
	ck_assert_uint_eq(told[1], tids[1]);
	ck_assert_int_eq(vmm_stop(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_uint_eq(vmm_vcpu_tid(vmm_vcpu(vm, 1)), 0);
}
END_TEST

/* ---- all at once, for TSan ---- */

static void *read_on(void *data)
{
	const bool *end = data;

	while (!__atomic_load_n(end, __ATOMIC_ACQUIRE)) {
		vmm_stats_free(reading());
		(void)vmm_vcpu_tid(vmm_vcpu(vm, 0));
	}
	return NULL;
}

START_TEST(statistics_are_read_through_starts_and_stops)
{
	pthread_t reader;
	bool end = false;

	vm = bare_guest(0, NULL, CODE_OUT, sizeof(CODE_OUT) - 1);
	ck_assert_int_eq(pthread_create(&reader, NULL, read_on, &end), 0);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(vmm_start(vm), 0);
		usleep(1000);
		ck_assert_int_eq(vmm_stop(vm), 0);
		reach(VMM_STATE_STOPPED);
		bare_enter(vm, 0, CODE_OUT, sizeof(CODE_OUT) - 1);
	}
	__atomic_store_n(&end, true, __ATOMIC_RELEASE);
	pthread_join(reader, NULL);
	ck_assert_uint_eq(value("guest.starts"), 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, counters_move_while_the_guest_runs);
	tcase_add_test(tcase, kvms_own_are_told_where_it_has_them);
	tcase_add_test(tcase, lost_events_are_counted);
	tcase_add_test(tcase, a_device_joins_with_its_own);
	tcase_add_test(tcase, bad_calls_are_refused);
	tcase_add_test(tcase, the_threads_of_vcpus_can_be_found);
	tcase_add_test(tcase, statistics_are_read_through_starts_and_stops);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
