/* SPDX-License-Identifier: MIT */
/*
 * test_kills.c - guests killed in every way: nothing of them is left, and others do not notice.
 *
 * LIBVMM_KILLS sets how many are killed in a row (meson test --benchmark kills: 1000).
 */
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <time.h>

#include <libvmm/block.h>
#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/crash.h>
#include <libvmm/rng.h>
#include <libvmm/watchdog.h>

#include "bare.h"
#include "harness.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED	1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED	0
#endif

static void check(int r, const char *what)
{
	ck_assert_msg(r == 0, "%s: %d, %s", what, r, vmm_last_error());
}

static void expect_stop(struct vmm *vm, uint32_t reason, const char *way)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_crash *crash;
	int state = vmm_wait_state(vm, 1u << VMM_STATE_STOPPED, 1000 * harness_patience(20));

	ck_assert_msg(state == VMM_STATE_STOPPED, "%s: %d", way, state);
	ck_assert_int_eq(vmm_stop_info(vm, &info), 0);
	ck_assert_msg(info.reason == reason, "%s: reason %u, %s", way, info.reason, info.words);
	check(vmm_crash_record(vm, &crash), way);
	vmm_crash_free(crash);
}

/* ---- guests that end by themselves, or are ended ---- */

static struct guest *ending(uint32_t end)
{
	struct vmm_watchdog_config watchdog = { .size = sizeof(watchdog), .action = VMM_WATCHDOG_STOP };
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;
	struct guest *g = malloc(sizeof(*g));
	struct vmm_ring *ring;

	ck_assert_ptr_nonnull(g);
	guest_create(g, NULL);
	g->params[PARAM_END] = end;
	check(vmm_console_open_ring(4096, &console.backend, &ring), "ring");
	vmm_ring_close(ring);
	check(vmm_add_serial(g->vm, &console), "serial");
	check(vmm_add_watchdog(g->vm, &watchdog), "watchdog");
	guest_start(g, "ending");
	return g;
}

static void let_go(struct guest *g)
{
	guest_destroy(g);
	free(g);
}

static void by_itself(uint32_t end, uint32_t reason, const char *way)
{
	struct guest *g = ending(end);

	expect_stop(g->vm, reason, way);
	let_go(g);
}

static void powers_off(void) { by_itself(END_POWEROFF, VMM_STOP_POWEROFF, "power off"); }
static void reboots(void) { by_itself(END_REBOOT, VMM_STOP_RESET, "reboot"); }
static void faults(void) { by_itself(END_FAULT, VMM_STOP_RESET, "triple fault"); }
static void panics(void) { by_itself(END_PANIC, VMM_STOP_PANIC, "panic"); }
static void starves_its_watchdog(void) { by_itself(END_UNFED, VMM_STOP_WATCHDOG, "watchdog"); }

static void is_told_to_stop(void)
{
	struct guest *g = ending(END_SPIN);

	guest_wait_step(g, STEP_UP, 1);
	ck_assert_int_eq(vmm_stop(g->vm), 0);
	expect_stop(g->vm, VMM_STOP_REQUESTED, "told to stop");
	let_go(g);
}

static void is_stopped_while_paused(void)
{
	struct guest *g = ending(END_SPIN);

	check(vmm_pause(g->vm), "pause");
	ck_assert_int_eq(vmm_stop(g->vm), 0);
	expect_stop(g->vm, VMM_STOP_REQUESTED, "stopped while paused");
	let_go(g);
}

static void is_destroyed_while_it_runs(void)
{
	let_go(ending(END_SPIN));
}

/* ---- guests of a few instructions ---- */

static void bare(const char *code, size_t len, const char *way)
{
	struct vmm *vm = bare_guest(0, NULL, code, len);

	check(vmm_start(vm), way);
	expect_stop(vm, VMM_STOP_CRASHED, way);
	vmm_destroy(vm);
}

/* jmp ffff:0010, where RAM has ended. */
static void runs_where_there_is_nothing(void) { bare("\xea\x10\x00\xff\xff", 5, "emulation failure"); }
static void halts_for_ever(void) { bare(CODE_HLT, 1, "halted"); }

/* The caller breaks a promise: what the vCPU alone touches is a crash of the guest and no SIGBUS. */
static void loses_its_memorys_file(void)
{
	static const char code[] = "\xa0\x00\x80\xeb\xfb";	/* l: mov al, [8000h]; jmp l */
	int fd = memfd_create("kills", MFD_CLOEXEC);
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	config.ram_bytes = 1 << 20;
	config.ram_kind = VMM_RAM_FD;
	config.ram_fd = fd;
	config.flags = VMM_F_KVM_ONLY | VMM_F_FIXED_RAM_FD;
	check(vmm_create(&config, &vm), "create");
	bare_enter(vm, 0, code, sizeof(code) - 1);
	check(vmm_start(vm), "start");
	usleep(2000);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	expect_stop(vm, VMM_STOP_CRASHED, "its memory's file was truncated");
	vmm_destroy(vm);
	close(fd);
}

/* ---- a thousand in a row ---- */

static void (*const ways[])(void) = {
	powers_off, reboots, faults, panics, starves_its_watchdog, is_told_to_stop, is_stopped_while_paused,
	is_destroyed_while_it_runs, runs_where_there_is_nothing, halts_for_ever, loses_its_memorys_file,
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	int n = 0, c;

	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

START_TEST(nothing_is_left_of_guests_killed_in_a_row)
{
	const char *wanted = getenv("LIBVMM_KILLS");
	int kills = wanted ? atoi(wanted) : WAYS, maps;
	struct holdings before;
	size_t heap;

	/* What stays for good, threads' stacks among it, is there after the first of each. */
	for (int i = 0; i < WAYS; i++)
		ways[i]();
	before = holdings_now();
	maps = count_maps();
	heap = mallinfo2().uordblks;
	for (int i = 0; i < kills; i++)
		ways[i % WAYS]();
	assert_nothing_left(before);
	printf("%d guests killed in %d ways: %d mappings and %zd bytes of heap more than before\n", kills, WAYS,
	       count_maps() - maps, (ssize_t)(mallinfo2().uordblks - heap));
	fflush(stdout);
	/* Less than one for each of a thousand: what malloc() keeps for threads moves a little. */
	if (!SANITIZED) {
		ck_assert_int_le(count_maps() - maps, 8);
		ck_assert_int_le((ssize_t)(mallinfo2().uordblks - heap), 4096);
	}
}
END_TEST

/* ---- eight under load ---- */

enum { GUESTS = 8, SECTOR = 512, SECTORS = 64, INJECTED = 0x80000 };

struct loaded {
	struct guest g;
	int disk;
	uint32_t rounds;		/* seen */
	uint64_t since;			/* ns: when the last one came */
	uint64_t worst;			/* ns without a round */
};

static struct loaded eight[GUESTS];
static struct vmm_loop *loop;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void load_start(struct loaded *l)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_block_config block = VMM_BLOCK_CONFIG_INIT;
	char sector[SECTOR];

	memset(sector, 'h', sizeof(sector));
	l->disk = memfd_create("disk", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(l->disk, SECTORS * SECTOR), 0);
	ck_assert_int_eq(pwrite(l->disk, sector, SECTOR, 4 * SECTOR), SECTOR);
	config.loop = loop;
	guest_create(&l->g, &config);
	l->g.params[PARAM_TRANSPORT] = 1;	/* PCI */
	l->g.params[PARAM_DEVICES] = WITH_BLOCK | WITH_RNG;
	l->g.params[PARAM_SECTORS] = SECTORS;
	l->g.params[PARAM_ROUNDS] = UINT32_MAX;
	file.fd = l->disk;
	check(vmm_blk_open_file(&file, &block.backend), "disk");
	block.serial = DISK_SERIAL;
	check(vmm_add_block(l->g.vm, &block, NULL), "disk");
	check(vmm_add_rng(l->g.vm, NULL, NULL), "entropy");
	guest_start(&l->g, "devices");
	l->rounds = 0;
	l->since = now();
}

static void load_end(struct loaded *l)
{
	guest_destroy(&l->g);
	close(l->disk);
}

/* Look at all but @victim: none has failed, none stands still. */
static void look(const struct loaded *victim)
{
	for (int i = 0; i < GUESTS; i++) {
		struct loaded *l = &eight[i];
		uint32_t rounds, failed;
		uint64_t t = now();

		if (l == victim)
			continue;
		pthread_mutex_lock(&l->g.lock);
		rounds = l->g.steps[STEP_ROUND];
		failed = l->g.failed;
		pthread_mutex_unlock(&l->g.lock);
		ck_assert_msg(failed == 0, "a bystander's line %u found %u", failed, l->g.value);
		ck_assert_uint_eq(vmm_state(l->g.vm), VMM_STATE_RUNNING);
		if (t - l->since > l->worst)
			l->worst = t - l->since;
		if (rounds != l->rounds)
			l->since = t;
		l->rounds = rounds;
		ck_assert_msg(t - l->since < 1000000000ull * (unsigned)harness_patience(20),
			      "a bystander stands still");
	}
}

/* Until each of the others has come @more rounds further. */
static void let_work(const struct loaded *victim, uint32_t more)
{
	uint32_t first[GUESTS];
	bool behind = true;

	look(victim);
	for (int i = 0; i < GUESTS; i++)
		first[i] = eight[i].rounds;
	while (behind) {
		usleep(500);
		look(victim);
		behind = false;
		for (int i = 0; i < GUESTS; i++)
			behind |= &eight[i] != victim && eight[i].rounds - first[i] < more;
	}
}

static double worst_stall(void)
{
	uint64_t worst = 0;

	for (int i = 0; i < GUESTS; i++) {
		worst = eight[i].worst > worst ? eight[i].worst : worst;
		eight[i].worst = 0;
	}
	return (double)worst / 1e6;
}

static void await_state(const struct loaded *victim, uint32_t state)
{
	uint64_t end = now() + 1000000000ull * (unsigned)harness_patience(20);

	while (vmm_state(victim->g.vm) != state) {
		ck_assert_msg(now() < end, "state %u did not come", state);
		usleep(500);
		look(victim);
	}
}

/* Have the victim go on with @code, without a way to take an exception. */
static void inject(struct loaded *l, const char *code, size_t len, bool flat)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	check(vmm_pause(l->g.vm), "pause");
	await_state(l, VMM_STATE_PAUSED);
	check(vmm_mem_write(vmm_memory(l->g.vm), INJECTED, code, len), "write");
	check(vmm_vcpu_read_regs(vmm_vcpu(l->g.vm, 0), &regs), "registers");
	regs.x86.idt_limit = 0;
	regs.x86.rip = INJECTED;
	if (flat) {			/* 32-bit, no paging, where there is nothing */
		regs.x86.cr0 = 0x11;
		regs.x86.cr4 = regs.x86.efer = 0;
		regs.x86.cs.attributes = 0xc9b;
		regs.x86.rip = 0xd0000000;
	}
	check(vmm_vcpu_write_regs(vmm_vcpu(l->g.vm, 0), &regs), "registers");
	check(vmm_resume(l->g.vm), "resume");
	await_state(l, VMM_STATE_STOPPED);
}

static void load_faults(struct loaded *l) { inject(l, "\x0f\x0b", 2, false); }
static void load_fails(struct loaded *l) { inject(l, "", 1, true); }
static void load_panics(struct loaded *l) { inject(l, "\xb0\x01\x66\xba\x05\x05\xee\xeb\xfe", 9, false); }
static void load_powers_off(struct loaded *l) { inject(l, "\xb0\x34\x66\xba\x00\x06\xee\xeb\xfe", 9, false); }
static void load_reboots(struct loaded *l) { inject(l, "\xb0\xfe\xe6\x64\xeb\xfe", 6, false); }

static void load_is_stopped(struct loaded *l)
{
	ck_assert_int_eq(vmm_stop(l->g.vm), 0);
	await_state(l, VMM_STATE_STOPPED);
}

static void load_is_destroyed(struct loaded *l)
{
	/* load_end() does it */
}

/* Its disk fails: the guest sees the error and says so. */
static void load_loses_its_disk(struct loaded *l)
{
	uint64_t end = now() + 1000000000ull * (unsigned)harness_patience(20);
	uint32_t failed = 0;

	ck_assert_int_eq(ftruncate(l->disk, 0), 0);
	while (failed == 0) {
		ck_assert_msg(now() < end, "the guest did not notice that its disk is gone");
		usleep(500);
		look(l);
		pthread_mutex_lock(&l->g.lock);
		failed = l->g.failed;
		pthread_mutex_unlock(&l->g.lock);
	}
	ck_assert_uint_eq(vmm_state(l->g.vm), VMM_STATE_RUNNING);
}

static const struct {
	const char *name;
	void (*kill)(struct loaded *l);
	uint32_t reason;
} load_ways[GUESTS] = {
	{ "triple fault", load_faults, VMM_STOP_RESET },
	{ "emulation failure", load_fails, VMM_STOP_CRASHED },
	{ "panic", load_panics, VMM_STOP_PANIC },
	{ "power off", load_powers_off, VMM_STOP_POWEROFF },
	{ "reboot", load_reboots, VMM_STOP_RESET },
	{ "told to stop", load_is_stopped, VMM_STOP_REQUESTED },
	{ "destroyed", load_is_destroyed, VMM_STOP_NONE },
	{ "its disk's file is truncated", load_loses_its_disk, VMM_STOP_NONE },
};

START_TEST(those_beside_a_guest_that_is_killed_do_not_notice)
{
	struct vmm_loop_config threaded = VMM_LOOP_CONFIG_INIT;
	struct holdings before = holdings_now();
	double quiet;

	threaded.flags = VMM_LOOP_THREAD;
	check(vmm_loop_create(&threaded, &loop), "loop");
	for (int i = 0; i < GUESTS; i++)
		load_start(&eight[i]);
	let_work(NULL, 1);
	(void)worst_stall();
	let_work(NULL, 4);
	quiet = worst_stall();
	for (int i = 0; i < GUESTS; i++) {
		struct loaded *victim = &eight[i];
		struct vmm_stop_info info = VMM_STOP_INFO_INIT;

		load_ways[i].kill(victim);
		(void)vmm_stop_info(victim->g.vm, &info);
		ck_assert_msg(info.reason == load_ways[i].reason, "%s: %s", load_ways[i].name, info.words);
		let_work(victim, 1);
		load_end(victim);
		load_start(victim);
	}
	let_work(NULL, 1);
	printf("8 guests under load, 1 after another killed in %d ways: worst stall of another %.1f ms; "
	       "%.1f ms while all live\n", GUESTS, worst_stall(), quiet);
	fflush(stdout);
	for (int i = 0; i < GUESTS; i++)
		load_end(&eight[i]);
	check(vmm_loop_destroy(loop), "loop");
	assert_nothing_left(before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kills");
	TCase *tcase = tcase_create("kills");

	tcase_set_timeout(tcase, getenv("LIBVMM_KILLS") ? 1700 : 120);
	tcase_add_test(tcase, nothing_is_left_of_guests_killed_in_a_row);
	tcase_add_test(tcase, those_beside_a_guest_that_is_killed_do_not_notice);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
