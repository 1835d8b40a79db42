/* SPDX-License-Identifier: MIT */
/*
 * machine.h - a test guest's processor and machine: aarch64.
 *
 * Device registers are accessed by instructions that the processor describes to a hypervisor: one register, no
 * write-back (Arm ARM, ESR_EL2.ISV).
 */
#ifndef GUESTS_MACHINE_H
#define GUESTS_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Where the machine has its memory, its buses, and BARs. */
#define RAM_BASE	0x40000000u
#define ECAM_BASE	0x3f000000u
#define MMIO_BASE	0x0a000000u
#define BARS_BASE	0x10000000u

#define IO_ACCESS(bits, suffix, reg)							\
static inline uint##bits##_t io_load##bits(uintptr_t at)				\
{											\
	uint##bits##_t value;								\
											\
	__asm__ volatile("ldr" suffix " %" reg "0, [%1]" : "=r"(value) : "r"(at) : "memory");	\
	return value;									\
}											\
static inline void io_store##bits(uintptr_t at, uint##bits##_t value)			\
{											\
	__asm__ volatile("str" suffix " %" reg "0, [%1]" : : "r"(value), "r"(at) : "memory");	\
}
IO_ACCESS(8, "b", "w")
IO_ACCESS(16, "h", "w")
IO_ACCESS(32, "", "w")
IO_ACCESS(64, "", "x")

/* The report is a range of addresses. */
static inline void report_store(uint32_t at, uint32_t value)
{
	io_store32(at, value);
}

static inline uint32_t report_load(uint32_t at)
{
	return io_load32(at);
}

static inline void full_barrier(void)
{
	__asm__ volatile("dmb sy" : : : "memory");
}

static inline void store_barrier(void)
{
	__asm__ volatile("dmb ishst" : : : "memory");
}

static inline void load_barrier(void)
{
	__asm__ volatile("dmb ishld" : : : "memory");
}

static inline void relax(void)
{
	__asm__ volatile("yield" : : : "memory");
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
