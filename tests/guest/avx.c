/* SPDX-License-Identifier: MIT */
/*
 * avx.c - run in the guest: vector registers in use while it switches tasks and is paused.
 *
 * Two processes hold patterns of their own in all of ymm0 to ymm15, yield to one another in a
 * loop that touches no vector register, and look whether the registers are what they were; then
 * each computes with them. The kernel saves and restores them with XSAVE at each switch, and the
 * host's kernel whenever another of its threads runs.
 *
 *   GUEST avx none              this processor or this kernel has no AVX
 *   GUEST ready avx
 *   GUEST avx round N           after the Nth
 *   GUEST ok avx rounds=N,M     of the one and of the other, when a line came from the console
 *   GUEST FAIL avx: WHY
 */
#include <cpuid.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGISTERS	16
#define YIELDS		1000		/* in a round */

struct registers {
	uint64_t ymm[REGISTERS][4];
};

static struct shared {
	volatile bool over;		/* the parent says so */
	volatile uint32_t rounds[2];
} *shared;

static bool has_avx(void)
{
	const unsigned need = bit_OSXSAVE | bit_AVX;
	unsigned a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || (c & need) != need)
		return false;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 6) == 6;		/* XCR0: SSE and AVX */
}

/* Load all registers, yield @n times, store all: nothing in between is the compiler's. */
static void hold(const struct registers *in, struct registers *out, uint64_t n)
{
	__asm__ volatile(
		".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
		"vmovdqu 32 * \\i(%[in]), %%ymm\\i\n"
		".endr\n"
		"1: movl %[yield], %%eax\n"
		"syscall\n"
		"decq %[n]\n"
		"jnz 1b\n"
		".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
		"vmovdqu %%ymm\\i, 32 * \\i(%[out])\n"
		".endr\n"
		"vzeroupper\n"
		: [n] "+r"(n)
		: [in] "r"(in), [out] "r"(out), [yield] "i"(SYS_sched_yield)
		: "rax", "rcx", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
		  "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
		  "xmm14", "xmm15");
}

/* 3 * @a + @b for eight numbers at once. */
static void compute(const float a[8], const float b[8], float out[8])
{
	static const float three = 3;

	__asm__ volatile(
		"vbroadcastss %[three], %%ymm2\n"
		"vmulps (%[a]), %%ymm2, %%ymm0\n"
		"vaddps (%[b]), %%ymm0, %%ymm1\n"
		"vmovups %%ymm1, (%[out])\n"
		"vzeroupper\n"
		:
		: [a] "r"(a), [b] "r"(b), [out] "r"(out), [three] "m"(three)
		: "memory", "xmm0", "xmm1", "xmm2");
}

static bool fail(unsigned who, const char *what, uint64_t got, uint64_t want)
{
	printf("GUEST FAIL avx: process %u round %u: %s is 0x%llx, not 0x%llx\n", who,
	       shared->rounds[who], what, (unsigned long long)got, (unsigned long long)want);
	fflush(stdout);
	return false;
}

static bool round_of(unsigned who)
{
	const uint32_t n = shared->rounds[who];
	struct registers in, out = { 0 };
	float a[8], b[8], got[8];
	char name[32];

	for (unsigned i = 0; i < REGISTERS; i++) {
		for (unsigned k = 0; k < 4; k++)	/* k >= 2: the part that only AVX has */
			in.ymm[i][k] = (0x9e3779b97f4a7c15 * (n + 1)) ^ (uint64_t)who << 56 ^
				       i << 8 ^ k;
	}
	hold(&in, &out, YIELDS);
	for (unsigned i = 0; i < REGISTERS * 4; i++) {
		snprintf(name, sizeof(name), "ymm%u[%u]", i / 4, i % 4);
		if (out.ymm[i / 4][i % 4] != in.ymm[i / 4][i % 4])
			return fail(who, name, out.ymm[i / 4][i % 4], in.ymm[i / 4][i % 4]);
	}
	for (unsigned i = 0; i < 8; i++) {		/* small whole numbers: exact */
		a[i] = (float)(n % 1000 + i);
		b[i] = (float)(who + i);
	}
	compute(a, b, got);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t want = 3 * (n % 1000 + i) + who + i;

		if (got[i] != (float)want)
			return fail(who, "a product", (uint64_t)got[i], want);
	}
	shared->rounds[who] = n + 1;
	return true;
}

static int other(void)
{
	while (!shared->over) {
		if (!round_of(1))
			return 1;
	}
	return 0;
}

int main(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	bool good = true;
	int status = 1;
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!has_avx()) {
		puts("GUEST avx none");
		return 0;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	pid = fork();
	if (pid == 0)
		_exit(other());
	if (pid < 0)
		return 1;
	puts("GUEST ready avx");
	while (good && poll(&input, 1, 0) == 0) {
		good = round_of(0);
		printf("GUEST avx round %u\n", shared->rounds[0]);
	}
	shared->over = true;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		good = false;
	/* Each had its turns: had they not, nobody's registers were in danger. */
	if (good && shared->rounds[1] == 0)
		good = fail(1, "its count", 0, 1);
	if (good)
		printf("GUEST ok avx rounds=%u,%u\n", shared->rounds[0], shared->rounds[1]);
	return good ? 0 : 1;
}
