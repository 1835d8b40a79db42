/* SPDX-License-Identifier: MIT */
/*
 * test_stress.c - anything, from any thread, at any moment: start, pause, resume, stop, reset, look, destroy.
 *
 *	test_stress [--minutes N]
 *
 * Threads pick guests and calls at random; some seconds long, or as long as was asked for (by hand, under
 * the sanitizers). What a call returns depends on what others did: what counts is that no call hangs,
 * that whatever is returned is one of what the header allows, and what the sanitizers say.
 */
#include <errno.h>
#include <time.h>

#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/crash.h>
#include <libvmm/rng.h>
#include <libvmm/stats.h>
#include <libvmm/supervisor.h>

#include "bare.h"
#include "harness.h"

enum { GUESTS = 6, THREADS = 5 };

/* vmm_destroy() must be the last call for its guest: whoever does it has the slot for himself. */
struct slot {
	pthread_rwlock_t lock;
	struct guest g;
	struct vmm_ring *ring;
	unsigned number;
};

static struct slot slots[GUESTS];
static struct vmm_loop *shared;			/* of every other guest */
static struct vmm_supervisor *supervisor;	/* of every third */
static bool ending;				/* atomic */

struct worker {
	pthread_t thread;
	unsigned seed;
	uint64_t calls;				/* atomic: what it has come to */
	const char *call;			/* atomic: what it is in, for the words of a hang */
};

static struct worker workers[THREADS];

/* ---- guests ---- */

static void make(struct slot *s)
{
	static const uint32_t ends[] = { END_SPIN, END_POWEROFF, END_FAULT, END_PANIC, END_REBOOT, END_SPIN };
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_supervise_config supervise = VMM_SUPERVISE_CONFIG_INIT;

	config.loop = s->number % 2 ? shared : NULL;
	config.nr_vcpus = 1 + s->number % 3;
	config.max_events = 8;
	guest_create(&s->g, &config);
	s->g.params[PARAM_END] = ends[s->number % GUESTS];
	ck_assert_int_eq(vmm_console_open_ring(4096, &console.backend, &s->ring), 0);
	ck_assert_int_eq(vmm_add_serial(s->g.vm, &console), 0);
	ck_assert_int_eq(vmm_add_rng(s->g.vm, NULL, NULL), 0);
	supervise.policy = VMM_RESTART_ALWAYS;
	supervise.backoff_ms = supervise.backoff_max_ms = 5;
	if (s->number % 3 == 0)
		ck_assert_int_eq(vmm_supervise(supervisor, s->g.vm, &supervise), 0);
	guest_start(&s->g, "ending");
}

static void unmake(struct slot *s)
{
	guest_destroy(&s->g);
	vmm_ring_close(s->ring);
}

/* ---- calls: each returns 0, or the negative errno that it got and may get ---- */

static int allow(int r, int a, int b)
{
	return r >= 0 || r == a || r == b ? 0 : r;
}

static int do_start(struct slot *s) { return allow(vmm_start(s->g.vm), -EBUSY, -EAGAIN); }
static int do_pause(struct slot *s) { return allow(vmm_pause(s->g.vm), -EBUSY, 0); }
static int do_resume(struct slot *s) { return allow(vmm_resume(s->g.vm), -EBUSY, 0); }
static int do_stop(struct slot *s) { return allow(vmm_stop(s->g.vm), -EBUSY, 0); }
static int do_reset(struct slot *s) { return allow(vmm_reset(s->g.vm), -EBUSY, 0); }
static int do_button(struct slot *s) { return allow(vmm_power_button(s->g.vm), -EBUSY, 0); }
static int do_unsupervise(struct slot *s) { return allow(vmm_unsupervise(s->g.vm), -EINVAL, 0); }

static int do_wait(struct slot *s)
{
	return allow(vmm_wait_state(s->g.vm, 1u << VMM_STATE_STOPPED | 1u << VMM_STATE_PAUSED, 2), -ETIMEDOUT, 0);
}

static int do_events(struct slot *s)
{
	struct vmm_event event = VMM_EVENT_INIT;
	int r;

	while ((r = vmm_next_event(s->g.vm, &event)) == 1)
		continue;
	return r;
}

static int do_stats(struct slot *s)
{
	struct vmm_stats *stats;
	int r = vmm_stats_read(s->g.vm, 0, &stats);

	if (r == 0)
		vmm_stats_free(stats);
	return r;
}

static int do_crash(struct slot *s)
{
	struct vmm_crash *crash;
	int r = vmm_crash_record(s->g.vm, &crash);

	if (r == 0)
		vmm_crash_free(crash);
	return allow(r, -EBUSY, 0);
}

static int do_regs(struct slot *s)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	return allow(vmm_vcpu_read_regs(vmm_vcpu(s->g.vm, 0), &regs), -EBUSY, 0);
}

static int do_info(struct slot *s)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	return vmm_stop_info(s->g.vm, &info);
}

static int do_console(struct slot *s)
{
	uint64_t position = 0;
	char bytes[256];

	(void)vmm_ring_write(s->ring, "x", 1);
	(void)vmm_ring_read(s->ring, &position, bytes, sizeof(bytes));
	return 0;
}

/* (not where an image is loaded: TSan cannot know that guest memory may change under whoever reads it) */
static int do_memory(struct slot *s)
{
	char bytes[64];

	return vmm_mem_read(vmm_memory(s->g.vm), 8 << 20, bytes, sizeof(bytes));
}

static int do_pin(struct slot *s)
{
	return vmm_vcpu_pin(vmm_vcpu(s->g.vm, 0), NULL, 0);
}

static const struct {
	const char *name;
	int (*call)(struct slot *s);
} calls[] = {
	{ "start", do_start }, { "pause", do_pause }, { "resume", do_resume }, { "resume", do_resume },
	{ "stop", do_stop }, { "reset", do_reset }, { "power button", do_button }, { "wait", do_wait },
	{ "events", do_events }, { "statistics", do_stats }, { "crash record", do_crash }, { "registers", do_regs },
	{ "stop info", do_info }, { "console", do_console }, { "memory", do_memory }, { "pin", do_pin },
	{ "unsupervise", do_unsupervise },
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

static void *work(void *data)
{
	struct worker *w = data;

	while (!__atomic_load_n(&ending, __ATOMIC_RELAXED)) {
		struct slot *s = &slots[(unsigned)rand_r(&w->seed) % GUESTS];
		unsigned n = (unsigned)rand_r(&w->seed) % (CALLS + 1);
		int r = 0;

		__atomic_store_n(&w->call, n < CALLS ? calls[n].name : "destroy", __ATOMIC_RELAXED);
		if (n < CALLS) {
			pthread_rwlock_rdlock(&s->lock);
			r = calls[n].call(s);
			pthread_rwlock_unlock(&s->lock);
		} else if (pthread_rwlock_trywrlock(&s->lock) == 0) {
			unmake(s);
			make(s);
			pthread_rwlock_unlock(&s->lock);
		}
		ck_assert_msg(r == 0, "%s: %d, %s", n < CALLS ? calls[n].name : "destroy", r, vmm_last_error());
		__atomic_fetch_add(&w->calls, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* For so long, with an eye on each thread: one that is in a call for a minute hangs. */
static void watch_over(int seconds)
{
	uint64_t seen[THREADS] = { 0 };
	int still[THREADS] = { 0 };

	for (int n = 0; n < seconds; n++) {
		sleep(1);
		for (int i = 0; i < THREADS; i++) {
			uint64_t calls_now = __atomic_load_n(&workers[i].calls, __ATOMIC_RELAXED);

			still[i] = calls_now == seen[i] ? still[i] + 1 : 0;
			seen[i] = calls_now;
			ck_assert_msg(still[i] < harness_patience(60), "a thread hangs in %s",
				      __atomic_load_n(&workers[i].call, __ATOMIC_RELAXED));
		}
	}
}

static int seconds = 4;

START_TEST(anything_from_any_thread_at_any_moment)
{
	struct vmm_loop_config threaded = VMM_LOOP_CONFIG_INIT;
	struct holdings before = holdings_now();
	uint64_t sum = 0;

	threaded.flags = VMM_LOOP_THREAD;
	ck_assert_int_eq(vmm_loop_create(&threaded, &shared), 0);
	ck_assert_int_eq(vmm_supervisor_create(NULL, &supervisor), 0);
	for (unsigned i = 0; i < GUESTS; i++) {
		slots[i].number = i;
		pthread_rwlock_init(&slots[i].lock, NULL);
		make(&slots[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].seed = i + (unsigned)time(NULL);
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	watch_over(seconds);
	__atomic_store_n(&ending, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		sum += workers[i].calls;
	}
	for (unsigned i = 0; i < GUESTS; i++) {
		unmake(&slots[i]);
		pthread_rwlock_destroy(&slots[i].lock);
	}
	ck_assert_int_eq(vmm_supervisor_destroy(supervisor), 0);
	ck_assert_int_eq(vmm_loop_destroy(shared), 0);
	assert_nothing_left(before);
	printf("%llu calls by %d threads on %d guests in %d s\n", (unsigned long long)sum, THREADS, GUESTS, seconds);
	fflush(stdout);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("stress");
	TCase *tcase = tcase_create("stress");

	if (argc == 3 && strcmp(argv[1], "--minutes") == 0)
		seconds = 60 * atoi(argv[2]);
	tcase_set_timeout(tcase, seconds + 240);
	tcase_add_test(tcase, anything_from_any_thread_at_any_moment);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
