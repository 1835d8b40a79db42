/* SPDX-License-Identifier: MIT */
/*
 * main.c - stock Linux guests: boot them, work them, end them.
 *
 * Runs each scenario in a process of its own, under a limit of its own, and prints
 * a line for each and the sum. Guests' files come from the LIBVMM_TEST_ variables
 * that tests/lab/images prints. A KVM without hardware behind it runs no stock
 * kernel: there all is skipped (77).
 */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/host.h>

#include "files.h"
#include "guest.h"
#include "harness.h"

#define SKIPPED		77
#define MAX_SCENARIOS	128

static const char help[] =
	"test-linux - stock Linux guests on libvmm\n"
	"\n"
	"  test-linux [OPTIONS] [PATTERN...]     the scenarios whose names match (all quick ones)\n"
	"\n"
	"  --all        also those that are not quick: the whole matrix\n"
	"  --repeat N   run each N times\n"
	"  --list       only print the names of those that would run\n"
	"  --verbose    show what the guests say\n"
	"  --force      try even where KVM has no hardware behind it\n"
	"\n"
	"Limits are multiplied by CK_TIMEOUT_MULTIPLIER. Exit status: 0, 1 or 77 (nothing run).\n";

static struct scenario scenarios[MAX_SCENARIOS];
static uint32_t nr_scenarios;
static const char *running = "";
static bool verbose;

void harness_add(const struct scenario *scenario)
{
	if (nr_scenarios == MAX_SCENARIOS)
		abort();
	scenarios[nr_scenarios++] = *scenario;
}

uint32_t harness_slow(void)
{
	const char *text = getenv("CK_TIMEOUT_MULTIPLIER");
	int slow = text ? atoi(text) : 1;

	return slow > 1 ? (uint32_t)slow : 1;
}

bool harness_verbose(void)
{
	return verbose;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- in the scenario's process ---- */

noreturn void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "%s: ", running);
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	guest_show_all();
	fflush(NULL);
	_exit(1);
}

noreturn void skip(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("  %s: ", running);
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	fflush(NULL);
	_exit(SKIPPED);
}

void note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("  %s: ", running);
	vprintf(format, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
}

int must(int result, const char *what)
{
	if (result < 0)
		fail("%s: %d (%s)", what, result, vmm_last_error());
	return result;
}

/* ---- around it ---- */

static void *nothing(void *data)
{
	return data;
}

/*
 * In the scenario's process. A sanitizer starts a thread of its own with our first: before
 * threads are counted.
 */
static noreturn void run_child(const struct scenario *s)
{
	pthread_t thread;

	alarm(s->seconds * harness_slow());	/* a limit for what the waits inside miss */
	CHECK(pthread_create(&thread, NULL, nothing, NULL) == 0);
	pthread_join(thread, NULL);
	s->run(s->arg);
	exit(0);	/* in the ordinary way: a leak is looked for then */
}

/* Returns the status that wait gave, and the seconds it took. */
static int run_one(const struct scenario *s, double *ret_seconds)
{
	uint64_t start = now_ns();
	int status = 0;
	pid_t pid;

	running = s->name;
	files_begin();
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_child(s);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	files_end();
	*ret_seconds = (double)(now_ns() - start) / 1e9;
	return pid < 0 ? 1 << 8 : status;
}

struct counts {
	uint32_t passed, failed, skipped;
};

static void report(const struct scenario *s, int status, double seconds, struct counts *counts)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("ok %s (%.1f)\n", s->name, seconds);
		counts->passed++;
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		printf("skip %s\n", s->name);
		counts->skipped++;
	} else {
		printf("FAIL %s (%.1f)%s%s\n", s->name, seconds, WIFSIGNALED(status) ? " " : "",
		       !WIFSIGNALED(status)	   ? ""
		       : WTERMSIG(status) == SIGALRM ? "passed its limit"
						     : strsignal(WTERMSIG(status)));
		counts->failed++;
	}
	fflush(stdout);
}

static bool has_hardware(void)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;

	if (vmm_host_query(0, &info) < 0) {
		printf("skipped: %s\n", vmm_last_error());
		return false;
	}
	if (!(info.flags & VMM_HOST_USABLE)) {
		printf("skipped: this KVM is not usable: %s\n", info.missing);
		return false;
	}
	if (!(info.flags & VMM_HOST_HARDWARE)) {
		printf("skipped: this KVM has no hardware behind it\n");
		return false;
	}
	return true;
}

/* What the command line asks for. */
struct wish {
	bool all, list, force;
	int repeat;
	char **patterns;
	int nr_patterns;
};

static bool wanted(const struct wish *wish, const struct scenario *s)
{
	for (int i = 0; i < wish->nr_patterns; i++) {
		if (fnmatch(wish->patterns[i], s->name, 0) == 0)
			return true;
	}
	return wish->nr_patterns == 0 && (wish->all || s->quick);
}

static int run_all(const struct wish *wish)
{
	struct counts counts = { 0 };

	for (uint32_t i = 0; i < nr_scenarios * (uint32_t)wish->repeat; i++) {
		const struct scenario *s = &scenarios[i % nr_scenarios];
		double seconds;
		int status;

		if (!wanted(wish, s))
			continue;
		status = run_one(s, &seconds);
		report(s, status, seconds, &counts);
	}
	printf("%u passed, %u failed, %u skipped\n", counts.passed, counts.failed, counts.skipped);
	return counts.failed > 0 ? 1 : counts.passed > 0 ? 0 : SKIPPED;
}

static int list(const struct wish *wish)
{
	for (uint32_t i = 0; i < nr_scenarios; i++) {
		if (wanted(wish, &scenarios[i]))
			printf("%s\n", scenarios[i].name);
	}
	return 0;
}

/* Returns -1 to go on, else the status to exit with. */
static int parse(int argc, char **argv, struct wish *ret_wish)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },    { "repeat", required_argument, NULL, 'r' },
		{ "list", no_argument, NULL, 'l' },   { "verbose", no_argument, NULL, 'v' },
		{ "force", no_argument, NULL, 'f' },  { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*ret_wish = (struct wish){ .repeat = 1 };
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			ret_wish->all = true;
			break;
		case 'r':
			ret_wish->repeat = atoi(optarg) > 0 ? atoi(optarg) : 1;
			break;
		case 'l':
			ret_wish->list = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'f':
			ret_wish->force = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			return 2;
		}
	}
	ret_wish->patterns = argv + optind;
	ret_wish->nr_patterns = argc - optind;
	return -1;
}

int main(int argc, char **argv)
{
	struct wish wish;
	int r = parse(argc, argv, &wish);

	if (r >= 0)
		return r;
	matrix_add();
#ifdef __x86_64__
	avx_add();
	features_add();		/* (the golden lists are of these kernels) */
	net_add();
	hotplug_add();
	watchdog_add();
#endif
	devices_add();
	balloon_add();
	disks_add();
	life_add();
	pair_add();
	ports_add();
	refuse_add();
	vsock_add();
	if (wish.list)
		return list(&wish);
	signal(SIGPIPE, SIG_IGN);
	if (!wish.force && !has_hardware())
		return SKIPPED;
	return run_all(&wish);
}
