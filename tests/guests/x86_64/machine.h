/* SPDX-License-Identifier: MIT */
/*
 * machine.h - a test guest's processor and machine: x86-64.
 *
 * Ring 0 may be emulated one instruction at a time, without SSE, MFENCE or INT3: programs are short, and built for
 * general registers only.
 */
#ifndef GUESTS_MACHINE_H
#define GUESTS_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Where the machine has its memory, its buses, and BARs. */
#define RAM_BASE	0u
#define ECAM_BASE	0xe0000000u
#define MMIO_BASE	0xe8000000u
#define BARS_BASE	0xc0000000u

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

/* The report is a range of ports. */
static inline void report_store(uint32_t at, uint32_t value)
{
	out32((uint16_t)at, value);
}

static inline uint32_t report_load(uint32_t at)
{
	return in32((uint16_t)at);
}

/* Device registers. */
#define IO_ACCESS(bits)									\
static inline uint##bits##_t io_load##bits(uintptr_t at)				\
{											\
	return *(volatile uint##bits##_t *)at;						\
}											\
static inline void io_store##bits(uintptr_t at, uint##bits##_t value)			\
{											\
	*(volatile uint##bits##_t *)at = value;						\
}
IO_ACCESS(8)
IO_ACCESS(16)
IO_ACCESS(32)
IO_ACCESS(64)

/* Orders a store before a later load. MFENCE is not emulated everywhere. */
static inline void full_barrier(void)
{
	__asm__ volatile("lock orl $0, (%%rsp)" : : : "memory", "cc");
}

/* This processor keeps stores in order, and loads. */
static inline void store_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void load_barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void halt(void)
{
	__asm__ volatile("hlt");
}

static inline void fill(void *dst, int byte, size_t len)
{
	__asm__ volatile("rep stosb" : "+D"(dst), "+c"(len) : "a"(byte) : "memory");
}

static inline void copy(void *dst, const void *src, size_t len)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(len) : : "memory");
}

#endif
