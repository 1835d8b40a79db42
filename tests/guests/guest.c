/* SPDX-License-Identifier: MIT */
/* guest.c - reports, and the three functions that a compiler calls on its own. */
#include "guest.h"

void guest_done(void)
{
	out32(REPORT_DONE, 1);
}

_Noreturn void guest_fail(uint32_t line, uint32_t value)
{
	out32(REPORT_VALUE, value);
	out32(REPORT_FAIL, line);
	for (;;)
		__asm__ volatile("hlt");
}

void *memset(void *dst, int byte, size_t len)
{
	void *to = dst;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return dst;
}

void *memcpy(void *dst, const void *src, size_t len)
{
	void *to = dst;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const unsigned char *p = a, *q = b;

	for (size_t i = 0; i < len; i++) {
		if (p[i] != q[i])
			return p[i] - q[i];
	}
	return 0;
}
