/* SPDX-License-Identifier: MIT */
/*
 * bench_density.c - what one more idle guest costs its host, beyond the guest's RAM.
 *
 * Each has a disk, a network interface, a console and entropy over PCI, all brought
 * up by its driver, and sleeps. Counted is the process's proportional set (PSS) but for
 * the mappings of guest RAM, guest by guest; also what the kernel's own meters
 * say, which everything else on the machine moves as well.
 *
 * And a thousand of them alive at once on one loop: how long until all are up, what each
 * holds, and what all of them use of a processor while they sleep.
 */
#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <libvmm/block.h>
#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/device.h>
#include <libvmm/net.h>
#include <libvmm/range.h>
#include <libvmm/rng.h>
#include <libvmm/vmm.h>

#include "../guests/report.h"
#include "bench.h"

enum { GUESTS = 100, RAM = 64 << 20, GOAL_KIB = 256, DISK_BYTES = 1 << 20 };
enum { THOUSAND = 1000, FDS = 18 * THOUSAND + 200, IDLE_SECONDS = 10 };	/* each guest has 17 descriptors */

/* ---- the guest's report: its devices are up ---- */

static sem_t up;

static uint64_t report_read(void *state, uint64_t offset, uint32_t width)
{
	return offset == REPORT_PARAM - REPORT_BASE + 4 * PARAM_TRANSPORT ? VMM_TRANSPORT_PCI : 0;
}

static void report_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	if (offset == REPORT_FAIL - REPORT_BASE)
		bench_die("the guest failed");
	if (offset == REPORT_STEP - REPORT_BASE && value == STEP_UP)
		sem_post(&up);
}

static const struct vmm_range_ops report_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "report",
	.read = report_read,
	.write = report_write,
};

/* ---- a network that nobody listens to ---- */

static int null_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	return 0;
}

static int null_transmit(void *state, const struct vmm_net_frame *frame)
{
	return 0;
}

static void null_detach(void *state)
{
}

static const struct vmm_net_ops null_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "null",
	.attach = null_attach,
	.transmit = null_transmit,
	.detach = null_detach,
};

/* ---- one guest ---- */

static int disk_fd;
static struct vmm_ring *rings[THOUSAND];

static void add_devices(struct vmm *vm, uint32_t n)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_block_config block = VMM_BLOCK_CONFIG_INIT;
	struct vmm_net_config net = VMM_NET_CONFIG_INIT;
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;

	file.fd = disk_fd;
	file.flags = VMM_BLK_FILE_UNLOCKED;
	if (vmm_blk_open_file(&file, &block.backend) < 0 || vmm_add_block(vm, &block, NULL) < 0)
		bench_die("disk");
	if (vmm_net_create(&null_ops, NULL, NULL, &net.backend) < 0 || vmm_add_net(vm, &net, NULL) < 0)
		bench_die("network");
	if (vmm_console_open_ring(4096, &console.backend, &rings[n]) < 0 ||
	    vmm_add_console(vm, &console, NULL) < 0)
		bench_die("console");
	if (vmm_add_rng(vm, NULL, NULL) < 0)
		bench_die("entropy");
}

static struct vmm *guest_up(struct vmm_loop *loop, uint32_t n)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_range_config range = VMM_RANGE_CONFIG_INIT;
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	struct vmm *vm;

	config.ram_bytes = RAM;
	config.loop = loop;
	if (vmm_create(&config, &vm) < 0)
		bench_die("vmm_create");
	range.space = VMM_SPACE_PORT;
	range.base = REPORT_BASE;
	range.length = REPORT_LENGTH;
	range.ops = &report_ops;
	if (vmm_add_range(vm, &range) < 0)
		bench_die("vmm_add_range");
	add_devices(vm, n);
	boot.kernel_path = GUESTS_DIR "/guest_idle";
	boot.protocol = VMM_BOOT_ELF;
	if (vmm_boot_linux(vm, &boot) < 0 || vmm_start(vm) < 0)
		bench_die("start");
	sem_wait(&up);
	return vm;
}

/* ---- meters ---- */

/* KiB of the process's PSS that are not guest RAM. */
static double pss_beyond_ram(void)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long long value, start, end;
	char line[512];
	int is_ram = 0;
	double sum = 0;

	if (!file)
		bench_die_errno("/proc/self/smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			is_ram = strstr(line, "memfd:vmm-ram") != NULL;
		else if (sscanf(line, "Pss: %llu kB", &value) == 1 && !is_ram)
			sum += (double)value;
	}
	fclose(file);
	return sum;
}

static double kernel_kib(void)
{
	static const char *const meters[] = { "Slab:", "KernelStack:", "PageTables:", "SecPageTables:" };
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long long value;
	char line[256], name[64];
	double sum = 0;

	if (!file)
		bench_die_errno("/proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %llu kB", name, &value) != 2)
			continue;
		for (size_t i = 0; i < sizeof(meters) / sizeof(meters[0]); i++)
			sum += strcmp(name, meters[i]) == 0 ? (double)value : 0;
	}
	fclose(file);
	return sum;
}

static double count(const char *folder)
{
	DIR *dir = opendir(folder);
	double n = 0;

	if (!dir)
		bench_die_errno(folder);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- a hundred of them ---- */

static int measure(const char *name, int shared)
{
	static struct vmm *vms[GUESTS];
	static double pss[GUESTS], took[GUESTS];
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;
	struct vmm_loop *loop = NULL;
	double before, kernel, threads, fds, median;

	config.flags = VMM_LOOP_THREAD;
	if (shared && vmm_loop_create(&config, &loop) < 0)
		bench_die("vmm_loop_create");

	/* The first pays for what all share. */
	vms[0] = guest_up(loop, 0);
	kernel = kernel_kib();
	threads = count("/proc/self/task");
	fds = count("/proc/self/fd");
	before = pss_beyond_ram();
	for (uint32_t i = 1; i < GUESTS; i++) {
		uint64_t start = bench_now();
		double now;

		vms[i] = guest_up(loop, i);
		took[i - 1] = (double)(bench_now() - start) / 1e6;
		now = pss_beyond_ram();
		pss[i - 1] = now - before;
		before = now;
	}
	kernel = (kernel_kib() - kernel) / (GUESTS - 1);
	threads = (count("/proc/self/task") - threads) / (GUESTS - 1);
	fds = (count("/proc/self/fd") - fds) / (GUESTS - 1);
	for (uint32_t i = 0; i < GUESTS; i++) {
		vmm_destroy(vms[i]);
		vmm_ring_close(rings[i]);
	}
	(void)vmm_loop_destroy(loop);

	median = bench_percentile(pss, GUESTS - 1, 50);
	printf("one more idle guest, %s: %.0f KiB (n %u, p99 %.0f, goal <= %u%s); kernel's meters %.0f KiB; "
	       "%.1f threads, %.1f descriptors; created and up in %.1f ms, p99 %.1f\n",
	       name, median, GUESTS - 1, bench_percentile(pss, GUESTS - 1, 99), GOAL_KIB,
	       median > GOAL_KIB ? " MISSED" : "", kernel, threads, fds,
	       bench_percentile(took, GUESTS - 1, 50), bench_percentile(took, GUESTS - 1, 99));
	fflush(stdout);
	return median > GOAL_KIB;
}

/* ---- a thousand of them ---- */

#define GOAL_PERCENT	0.1	/* of a processor, all of them together while they sleep */

/* What all threads of the process have used of a processor, ns. */
static uint64_t process_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Descriptors, and memory for what a guest touches of its own: 0 when there is enough. */
static int room_for_a_thousand(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_die_errno("RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max >= FDS)
		return 0;
	printf("a thousand guests: skipped: %u descriptors wanted (ulimit -n)\n", FDS);
	return -1;
}

static int measure_thousand(const char *name, int shared)
{
	static struct vmm *vms[THOUSAND];
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;
	struct vmm_loop *loop;
	uint64_t start, cpu;
	double before, kernel, threads, fds, up_seconds, up_cpu, each, percent;

	if (room_for_a_thousand() < 0)
		return 0;
	config.flags = VMM_LOOP_THREAD;
	if (vmm_loop_create(&config, &loop) < 0)
		bench_die("vmm_loop_create");
	vms[0] = guest_up(loop, 0);
	before = pss_beyond_ram();
	kernel = kernel_kib();
	start = bench_now();
	cpu = process_cpu();
	for (uint32_t i = 1; i < THOUSAND; i++)
		vms[i] = guest_up(loop, i);
	up_cpu = (double)(process_cpu() - cpu) / 1e9;
	up_seconds = (double)(bench_now() - start) / 1e9;
	each = (pss_beyond_ram() - before) / (THOUSAND - 1);
	kernel = (kernel_kib() - kernel) / (THOUSAND - 1);
	threads = count("/proc/self/task");
	fds = count("/proc/self/fd");

	sleep(1);
	cpu = process_cpu();
	start = bench_now();
	sleep(IDLE_SECONDS);
	percent = 100 * (double)(process_cpu() - cpu) / (double)(bench_now() - start);
	for (uint32_t i = 0; i < THOUSAND; i++) {
		if (vmm_state(vms[i]) != VMM_STATE_RUNNING)
			bench_die("a guest does not run any more");
		vmm_destroy(vms[i]);
		vmm_ring_close(rings[i]);
	}
	(void)vmm_loop_destroy(loop);

	printf("%u idle guests, %s: all up after %.1f s, of which %.1f of a processor; each %.0f KiB "
	       "beyond its RAM (goal <= %u%s), kernel's meters %.0f KiB; "
	       "%.0f threads, %.0f descriptors; asleep all use %.4f %% of a processor in %u s (goal <= %.1f%s)\n",
	       THOUSAND, name, up_seconds, up_cpu, each, GOAL_KIB, each > GOAL_KIB ? " MISSED" : "", kernel, threads, fds,
	       percent, IDLE_SECONDS, GOAL_PERCENT, percent > GOAL_PERCENT ? " MISSED" : "");
	fflush(stdout);
	return each > GOAL_KIB || percent > GOAL_PERCENT;
}

/* In a process of its own, so that one leaves nothing behind for the other. */
static int measure_alone(int (*what)(const char *name, int shared), const char *name, int shared)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		bench_die_errno("fork");
	if (pid == 0)
		exit(what(name, shared));
	if (waitpid(pid, &status, 0) < 0)
		bench_die_errno("waitpid");
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

int main(void)
{
	char path[] = "/tmp/libvmm-bench-XXXXXX";
	int r = bench_skip();

	if (r)
		return r;
	sem_init(&up, 0, 0);
	disk_fd = mkstemp(path);
	if (disk_fd < 0 || unlink(path) < 0 || ftruncate(disk_fd, DISK_BYTES) < 0)
		bench_die_errno("disk");
	r |= measure_alone(measure, "a loop of its own", 0);
	r |= measure_alone(measure, "all on one loop", 1);
	r |= measure_alone(measure_thousand, "all on one loop", 1);
	return r;
}
