/* SPDX-License-Identifier: MIT */
/*
 * avx.c - the vector registers of a guest that is paused in the middle of using them.
 *
 * The guest's side is tests/guest/avx.c. Elsewhere than on x86-64 there is nothing to see to.
 */
#include "harness.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define PAUSES	10

/* AVX by the processor, and AVX state by the kernel: what a guest is to have then too. */
static bool host_has_avx(void)
{
	return __builtin_cpu_supports("avx");
}

/* Have all vector registers in use in this thread: nothing of it may come to the guest. */
__attribute__((target("avx"))) static void spoil_ours(void)
{
	__m256i ones = _mm256_set1_epi32(-1);

	__asm__ volatile(
		".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
		"vmovdqa %0, %%ymm\\i\n"
		".endr\n"
		"vzeroupper\n"
		:
		: "m"(ones)
		: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
		  "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* What it says of its processor. */
static void expect_flag(struct guest *g, const char *flag)
{
	const char *flags = guest_expect(g, "cpu flags=", 10);
	const size_t len = strlen(flag);

	for (const char *f = strstr(flags, flag); f; f = strstr(f + len, flag)) {
		if ((f == flags || f[-1] == ',') && (f[len] == ',' || f[len] == '\0'))
			return;
	}
	fail("%s has no %s, only %s", g->name, flag, flags);
}

static void avx(const void *arg)
{
	const struct guest_spec spec = { .words = "test.do=boot,run" };
	struct guest g;

	if (!host_has_avx())
		skip("this processor has no AVX");
	guest_open(&g, &spec);
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	expect_flag(&g, "avx");
	guest_expect(&g, "ready avx", 10);
	guest_expect(&g, "avx round ", 10);
	for (int i = 0; i < PAUSES; i++) {
		must(vmm_pause(g.vm), "pause");
		guest_event(&g, VMM_EVENT_STATE, VMM_STATE_PAUSED, 10);
		spoil_ours();
		while (guest_listen(&g, "avx round ", 20))
			continue;	/* was said before */
		must(vmm_resume(g.vm), "resume");
		guest_expect(&g, "avx round ", 10);
	}
	guest_type(&g, "end\n");
	note("%s", guest_expect(&g, "ok avx ", 10));
	guest_expect(&g, "ok run avx", 10);
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
}

void avx_add(void)
{
	harness_add(&(struct scenario){ "avx/pause", avx, NULL, 150, true });
}
#else
void avx_add(void)
{
}
#endif
