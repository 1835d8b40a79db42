/* SPDX-License-Identifier: MIT */
/*
 * harness.h - scenarios, each in a process of its own, and what they share.
 *
 * A scenario that goes wrong calls fail(), which says why, shows what its guests
 * said last and ends that process alone.
 */
#ifndef LINUX_HARNESS_H
#define LINUX_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>

struct scenario {
	const char *name;
	void (*run)(const void *arg);
	const void *arg;
	uint32_t seconds;	/* on hardware; an emulated machine gets ten times as many */
	bool quick;		/* one of those that run unless --all is given */
};

/* What a scenario's source adds to the list. */
void harness_add(const struct scenario *scenario);

void matrix_add(void);
void avx_add(void);
void life_add(void);
void devices_add(void);
void disks_add(void);
void features_add(void);
void net_add(void);
void balloon_add(void);
void hotplug_add(void);
void pair_add(void);
void ports_add(void);
void refuse_add(void);
void vsock_add(void);
void watchdog_add(void);

/* End the scenario that runs. */
noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
noreturn void skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A figure worth reading, on standard output. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(cond)	((cond) ? (void)0 : fail("%s:%d: %s", __FILE__, __LINE__, #cond))

/* For calls of the library: 0 or more, else fail with its words. */
int must(int result, const char *what);

/* How many times longer than on hardware things may take. */
uint32_t harness_slow(void);
bool harness_verbose(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t now_ns(void);

#endif
