/* SPDX-License-Identifier: MIT */
/*
 * bench.h - ratios that mean something on a busy machine.
 *
 * Two sides do the same work in turns, so that what disturbs one disturbs the
 * other. Each pair of turns gives one ratio; the median of those is the figure
 * and the 99th percentile shows how quiet the machine was.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

#define SKIP		77	/* what meson calls a skipped test */
#define BENCH_MAX	1000	/* pairs */

/* One turn: do the work and return how long it took, in nanoseconds. */
typedef uint64_t (*bench_side_fn)(void *data);

struct bench {
	const char *name;		/* "port exit" */
	const char *ours, *floor;	/* what the sides are called */
	bench_side_fn run_ours, run_floor;
	void *data;
	uint32_t pairs;			/* after one that does not count */
	uint32_t operations;		/* in a turn */
	double goal;			/* the most the median may be; 0: for information */
};

uint64_t bench_now(void);		/* CLOCK_MONOTONIC, ns */
uint64_t bench_cpu(void);		/* what the calling thread has used of a processor, ns */

/* 0, or SKIP after saying why: there is no KVM that can be used. */
int bench_skip(void);

/* Measure and print one line. Returns 0, or 1 when the goal was missed. */
int bench_run(const struct bench *bench);

/* The @percent percentile of @n values, which are sorted. */
double bench_percentile(double *values, size_t n, double percent);

/* End the program: @what failed, with the library's or the system's words. */
_Noreturn void bench_die(const char *what);
_Noreturn void bench_die_errno(const char *what);

#endif
