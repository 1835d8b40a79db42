/* SPDX-License-Identifier: MIT */
/*
 * sbi.c - a guest that uses each extension of its firmware once and checks the answers: base, timer,
 * inter-processor interrupts, hart state management, debug console.
 *
 * It begins by looking whether its hart is as after reset. With several rounds it then leaves
 * everything as untidy as it can and waits for the host to reset it.
 */
#include "sbi.h"

#define BE(x)	__builtin_bswap32(x)

enum { HSM_START = 0, HSM_STOP = 1, HSM_STATUS = 2 };
enum { HART_STOPPED = 1 };

static volatile unsigned long hart_id, hart_opaque, hart_woken;
static volatile unsigned long timer_fired;

/* ---- as after reset ---- */

static void check_reset(void)
{
	CHECK(boot_hart == 0, boot_hart);
	CHECK(BE(*(volatile uint32_t *)boot_tree) == 0xd00dfeed, boot_tree);
	CHECK(csr_read("satp") == 0, csr_read("satp"));
	CHECK(csr_read("sie") == 0, csr_read("sie"));
	CHECK(!(csr_read("sstatus") & SSTATUS_SIE), csr_read("sstatus"));
	CHECK(csr_read("sip") == 0, csr_read("sip"));
	CHECK(csr_read("sscratch") == 0, csr_read("sscratch"));
	CHECK(csr_read("sepc") == 0, csr_read("sepc"));
	CHECK(csr_read("scause") == 0, csr_read("scause"));
	CHECK(csr_read("stval") == 0, csr_read("stval"));
	CHECK(sbi(SBI_HSM, HSM_STATUS, 1, 0, 0).value == HART_STOPPED, 0);
}

/* ---- base ---- */

static void check_base(void)
{
	static const unsigned long there[] = { SBI_BASE, SBI_TIME, SBI_IPI, SBI_HSM, SBI_SRST, SBI_DBCN };

	CHECK(sbi(SBI_BASE, 0, 0, 0, 0).value >= 1 << 24, 0);
	for (uint32_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
		CHECK(sbi(SBI_BASE, 3, there[i], 0, 0).value != 0, there[i]);
	CHECK(sbi(SBI_BASE, 3, 0x12345678, 0, 0).value == 0, 0);
	CHECK(sbi(0x12345678, 0, 0, 0, 0).error != SBI_SUCCESS, 0);
}

/* ---- timer ---- */

__attribute__((interrupt("supervisor"), aligned(4))) static void on_interrupt(void)
{
	csr_clear("sie", SIE_TIMER | SIE_SOFTWARE);
	timer_fired++;
}

static void check_timer(void)
{
	unsigned long old = csr_read("stvec"), start = csr_read("time");

	timer_fired = 0;
	csr_write("stvec", on_interrupt);
	CHECK(sbi(SBI_TIME, 0, start + 20000, 0, 0).error == SBI_SUCCESS, 0);
	csr_set("sie", SIE_TIMER);
	csr_set("sstatus", SSTATUS_SIE);
	while (!timer_fired)
		halt();
	csr_clear("sstatus", SSTATUS_SIE);
	CHECK(timer_fired == 1, timer_fired);
	CHECK(csr_read("time") - start >= 20000, csr_read("time") - start);
	CHECK(sbi(SBI_TIME, 0, ~0ul, 0, 0).error == SBI_SUCCESS, 0);
	csr_write("stvec", old);
}

/* ---- harts ---- */

/* The second hart: say so, wait for an interrupt from the first, stop. */
void guest_hart(unsigned long id, unsigned long opaque);
void guest_hart(unsigned long id, unsigned long opaque)
{
	csr_set("sie", SIE_SOFTWARE);	/* pending wakes; it is not taken */
	hart_opaque = opaque;
	full_barrier();
	hart_id = id;
	while (!(csr_read("sip") & SIE_SOFTWARE))
		halt();
	csr_clear("sip", SIE_SOFTWARE);
	hart_woken = 1;
	full_barrier();
	(void)sbi(SBI_HSM, HSM_STOP, 0, 0, 0);
	guest_fail(__LINE__, 0);
}

static void check_harts(void)
{
	hart_id = hart_woken = 0;
	CHECK(sbi(SBI_HSM, HSM_START, 9, (uintptr_t)hart_entry, 0).error != SBI_SUCCESS, 0);
	CHECK(sbi(SBI_HSM, HSM_START, 1, (uintptr_t)hart_entry, 0x77).error == SBI_SUCCESS, 0);
	while (hart_id == 0)
		relax();
	full_barrier();
	CHECK(hart_id == 1, hart_id);
	CHECK(hart_opaque == 0x77, hart_opaque);
	/* (Started, or suspended while it waits.) */
	CHECK(sbi(SBI_HSM, HSM_STATUS, 1, 0, 0).value != HART_STOPPED, 0);
	CHECK(sbi(SBI_HSM, HSM_START, 1, (uintptr_t)hart_entry, 0).error != SBI_SUCCESS, 0);
	CHECK(sbi(SBI_IPI, 0, 1, 1, 0).error == SBI_SUCCESS, 0);
	while (!hart_woken || sbi(SBI_HSM, HSM_STATUS, 1, 0, 0).value != HART_STOPPED)
		relax();
}

/* ---- debug console ---- */

static const char greeting[] = CONSOLE_OUT, answer[] = CONSOLE_IN;
static char typed[sizeof(answer)];

static void check_console(void)
{
	struct sbi_ret r = sbi(SBI_DBCN, 0, sizeof(greeting) - 1, (uintptr_t)greeting, 0);
	uint32_t have = 0;

	CHECK(r.error == SBI_SUCCESS && r.value == sizeof(greeting) - 1, r.value);
	CHECK(sbi(SBI_DBCN, 2, '\n', 0, 0).error == SBI_SUCCESS, 0);
	CHECK(sbi(SBI_DBCN, 0, 1, 0x1000, 0).error == SBI_INVALID_PARAM, 0);
	CHECK(sbi(SBI_DBCN, 1, 1, ~0ul, 0).error == SBI_INVALID_PARAM, 0);
	CHECK(sbi(SBI_DBCN, 0, 1, (uintptr_t)greeting, 1).error == SBI_INVALID_PARAM, 0);
	step(STEP_CONSOLE);
	while (have < sizeof(answer) - 1) {
		r = sbi(SBI_DBCN, 1, sizeof(answer) - 1 - have, (uintptr_t)typed + have, 0);
		CHECK(r.error == SBI_SUCCESS && r.value <= sizeof(answer) - 1 - have, r.value);
		have += (uint32_t)r.value;
	}
	CHECK(memcmp(typed, answer, sizeof(answer) - 1) == 0, typed[0]);
}

/* ---- a mess for the reset ---- */

static void untidy(void)
{
	hart_id = 0;
	(void)sbi(SBI_HSM, HSM_START, 1, (uintptr_t)hart_entry, 0);
	while (hart_id == 0)
		relax();
	csr_write("sscratch", ~0ul);
	csr_write("sepc", 0x1234);
	csr_write("scause", 5);
	csr_write("stval", ~0ul);
	csr_write("stvec", on_interrupt);
	csr_set("sip", SIE_SOFTWARE);
	(void)sbi(SBI_TIME, 0, 0, 0, 0);	/* due now */
	csr_write("sie", SIE_TIMER | SIE_SOFTWARE | SIE_EXTERNAL);
	csr_write("satp", 0);
}

void guest_main(void)
{
	check_reset();
	check_base();
	check_timer();
	check_harts();
	check_console();
	if (param(PARAM_ROUNDS) == 1)
		return;
	untidy();
	step(STEP_RESET);
	for (;;)
		relax();
}
