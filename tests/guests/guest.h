/* SPDX-License-Identifier: MIT */
/*
 * guest.h - what a test guest has instead of a C library. Its processor and machine are in machine.h, one for
 * each architecture.
 */
#ifndef GUESTS_GUEST_H
#define GUESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "machine.h"
#include "report.h"

static inline uint32_t param(uint32_t n)
{
	return report_load(REPORT_PARAM + 4 * n);
}

/* The program itself. */
void guest_main(void);

void guest_done(void);
_Noreturn void guest_fail(uint32_t line, uint32_t value);

static inline void step(uint32_t n)
{
	report_store(REPORT_STEP, n);
}

/* Stop with the line and @value, unless @ok. */
#define CHECK(ok, value)					\
	do {							\
		if (!(ok))					\
			guest_fail(__LINE__, (uint32_t)(value));	\
	} while (0)

void *memset(void *dst, int byte, size_t len);
void *memcpy(void *dst, const void *src, size_t len);
int memcmp(const void *a, const void *b, size_t len);

#endif
