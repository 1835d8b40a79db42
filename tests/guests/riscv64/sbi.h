/* SPDX-License-Identifier: MIT */
/* sbi.h - calls of a test guest to its firmware (RISC-V SBI 2.0), and its control registers. */
#ifndef GUESTS_SBI_H
#define GUESTS_SBI_H

#include "guest.h"

enum {
	SBI_BASE = 0x10, SBI_TIME = 0x54494d45, SBI_IPI = 0x735049, SBI_HSM = 0x48534d,
	SBI_SRST = 0x53525354, SBI_DBCN = 0x4442434e,
};

enum { SBI_SUCCESS = 0, SBI_INVALID_PARAM = -3 };

struct sbi_ret {
	long error;
	unsigned long value;
};

static inline struct sbi_ret sbi(unsigned long extension, unsigned long function, unsigned long x,
				 unsigned long y, unsigned long z)
{
	register unsigned long a0 __asm__("a0") = x;
	register unsigned long a1 __asm__("a1") = y;
	register unsigned long a2 __asm__("a2") = z;
	register unsigned long a6 __asm__("a6") = function;
	register unsigned long a7 __asm__("a7") = extension;

	__asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
	return (struct sbi_ret){ (long)a0, a1 };
}

#define csr_read(name)								\
	({									\
		unsigned long value_;						\
										\
		__asm__ volatile("csrr %0, " name : "=r"(value_) : : "memory");	\
		value_;								\
	})
#define csr_write(name, value)	__asm__ volatile("csrw " name ", %0" : : "r"((unsigned long)(value)) : "memory")
#define csr_set(name, bits)	__asm__ volatile("csrs " name ", %0" : : "r"((unsigned long)(bits)) : "memory")
#define csr_clear(name, bits)	__asm__ volatile("csrc " name ", %0" : : "r"((unsigned long)(bits)) : "memory")

enum { SSTATUS_SIE = 1 << 1 };
enum { SIE_SOFTWARE = 1 << 1, SIE_TIMER = 1 << 5, SIE_EXTERNAL = 1 << 9 };

extern unsigned long boot_hart, boot_tree;
extern char hart_entry[];

#endif
