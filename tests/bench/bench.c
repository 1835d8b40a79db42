/* SPDX-License-Identifier: MIT */
/* bench.c - take turns, divide, sort, print. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <libvmm/host.h>

#include "bench.h"

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t bench_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int bench_skip(void)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;

	if (vmm_host_query(0, &info) < 0) {
		printf("no KVM: %s\n", vmm_last_error());
		return SKIP;
	}
	if (!(info.flags & VMM_HOST_USABLE)) {
		printf("this KVM lacks: %s\n", info.missing);
		return SKIP;
	}
	return 0;
}

_Noreturn void bench_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, vmm_last_error());
	exit(1);
}

_Noreturn void bench_die_errno(const char *what)
{
	perror(what);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t n, double percent)
{
	size_t at = (size_t)(percent / 100 * (double)(n - 1) + 0.5);

	qsort(values, n, sizeof(values[0]), compare);
	return values[at];
}

static void print_side(const char *name, double *turns, const struct bench *b)
{
	double median = bench_percentile(turns, b->pairs, 50) / b->operations;
	double p99 = bench_percentile(turns, b->pairs, 99) / b->operations;

	if (median < 1000)
		printf("%s %.2f ns, p99 %.2f", name, median, p99);
	else
		printf("%s %.2f us, p99 %.2f", name, median / 1000, p99 / 1000);
}

int bench_run(const struct bench *b)
{
	static double ours[BENCH_MAX], floor[BENCH_MAX], ratio[BENCH_MAX];
	double median;

	(void)b->run_floor(b->data);
	(void)b->run_ours(b->data);
	for (uint32_t i = 0; i < b->pairs; i++) {
		/* Each goes first in half of the pairs. */
		if (i % 2)
			ours[i] = (double)b->run_ours(b->data);
		floor[i] = (double)b->run_floor(b->data);
		if (i % 2 == 0)
			ours[i] = (double)b->run_ours(b->data);
		ratio[i] = ours[i] / floor[i];
	}

	median = bench_percentile(ratio, b->pairs, 50);
	printf("%s: ratio %.3f (n %u, p99 %.3f", b->name, median, b->pairs,
	       bench_percentile(ratio, b->pairs, 99));
	if (b->goal > 0)
		printf(", goal <= %.2f%s", b->goal, median > b->goal ? " MISSED" : "");
	printf("); ");
	print_side(b->ours, ours, b);
	printf("; ");
	print_side(b->floor, floor, b);
	printf("\n");
	fflush(stdout);
	return b->goal > 0 && median > b->goal;
}
