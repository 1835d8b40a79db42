/* SPDX-License-Identifier: MIT */
/* guest.c - reports, and the three functions that a compiler calls on its own. */
#include "guest.h"

void guest_done(void)
{
	report_store(REPORT_DONE, 1);
}

_Noreturn void guest_fail(uint32_t line, uint32_t value)
{
	report_store(REPORT_VALUE, value);
	report_store(REPORT_FAIL, line);
	for (;;)
		halt();
}

void *memset(void *dst, int byte, size_t len)
{
	fill(dst, byte, len);
	return dst;
}

void *memcpy(void *dst, const void *src, size_t len)
{
	copy(dst, src, len);
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
