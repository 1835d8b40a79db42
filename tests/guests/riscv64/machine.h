/* SPDX-License-Identifier: MIT */
/* machine.h - a test guest's processor and machine: riscv64. */
#ifndef GUESTS_MACHINE_H
#define GUESTS_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Where the machine has its memory, its buses, and BARs. */
#define RAM_BASE	0x80000000u
#define ECAM_BASE	0x30000000u
#define MMIO_BASE	0x10100000u
#define BARS_BASE	0x40000000u

#define IO_ACCESS(bits, load, store)							\
static inline uint##bits##_t io_load##bits(uintptr_t at)				\
{											\
	uint##bits##_t value;								\
											\
	__asm__ volatile(load " %0, 0(%1)" : "=r"(value) : "r"(at) : "memory");		\
	return value;									\
}											\
static inline void io_store##bits(uintptr_t at, uint##bits##_t value)			\
{											\
	__asm__ volatile(store " %0, 0(%1)" : : "r"(value), "r"(at) : "memory");	\
}
IO_ACCESS(8, "lbu", "sb")
IO_ACCESS(16, "lhu", "sh")
IO_ACCESS(32, "lwu", "sw")
IO_ACCESS(64, "ld", "sd")

/* The report is a range of addresses. */
static inline void report_store(uint32_t at, uint32_t value)
{
	io_store32(at, value);
}

static inline uint32_t report_load(uint32_t at)
{
	return io_load32(at);
}

/* Memory and devices. */
static inline void full_barrier(void)
{
	__asm__ volatile("fence iorw, iorw" : : : "memory");
}

static inline void store_barrier(void)
{
	__asm__ volatile("fence w, w" : : : "memory");
}

static inline void load_barrier(void)
{
	__asm__ volatile("fence r, r" : : : "memory");
}

static inline void relax(void)
{
	__asm__ volatile("nop" : : : "memory");
}

static inline void halt(void)
{
	__asm__ volatile("wfi");
}

static inline void fill(void *dst, int byte, size_t len)
{
	for (volatile unsigned char *to = dst; len > 0; len--)
		*to++ = (unsigned char)byte;
}

static inline void copy(void *dst, const void *src, size_t len)
{
	const unsigned char *from = src;

	for (volatile unsigned char *to = dst; len > 0; len--)
		*to++ = *from++;
}

#endif
