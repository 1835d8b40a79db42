/* SPDX-License-Identifier: MIT */
/*
 * guest.h - what a test guest has instead of a C library.
 *
 * Ring 0 may be emulated one instruction at a time, without SSE, MFENCE or INT3:
 * programs are short, and built for general registers only.
 */
#ifndef GUESTS_GUEST_H
#define GUESTS_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "report.h"

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* Orders a store before a later load. MFENCE is not emulated everywhere. */
static inline void full_barrier(void)
{
	__asm__ volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
}

static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline uint32_t param(uint32_t n)
{
	return in32((uint16_t)(REPORT_PARAM + 4 * n));
}

/* The program itself. */
void guest_main(void);

void guest_done(void);
_Noreturn void guest_fail(uint32_t line, uint32_t value);

static inline void step(uint32_t n)
{
	out32(REPORT_STEP, n);
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
