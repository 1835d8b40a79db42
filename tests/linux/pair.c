/* SPDX-License-Identifier: MIT */
/*
 * pair.c - two guests in one process, on one loop, and one of them is crashed.
 *
 * The other writes to its disk and counts; the longest time between two of its
 * lines is measured before and after.
 */
#include <stdlib.h>
#include <string.h>

#include <libvmm/memory.h>
#include <libvmm/vcpu.h>

#include "files.h"
#include "guest.h"
#include "harness.h"

#define LINES	6		/* of the other guest, that are timed each time */
#define NOWHERE	0xd0000000u	/* neither RAM nor a device */

/* Let what it has said so far be read: the wait begins now. Returns the count it is at. */
static int catch_up(struct guest *g)
{
	const char *count;
	int n = atoi(guest_expect(g, "io ", 10));

	while ((count = guest_listen(g, "io ", 0)) != NULL)
		n = atoi(count);
	return n;
}

/* The longest wait for one of @lines lines after count @n, in milliseconds; none is missing. */
static double worst_stall(struct guest *g, int n, int lines)
{
	uint64_t last = now_ns(), worst = 0;

	for (int i = 0; i < lines; i++) {
		uint64_t now;

		CHECK(atoi(guest_expect(g, "io ", 10)) == ++n);
		now = now_ns();
		worst = now - last > worst ? now - last : worst;
		last = now;
	}
	return (double)worst / 1e6;
}

static void wait_paused(struct guest *g)
{
	must(vmm_pause(g->vm), "pause");
	guest_event(g, VMM_EVENT_STATE, VMM_STATE_PAUSED, 10);
}

/* ---- ways to crash it, by its registers ---- */

#if defined(__x86_64__)
#define CRASHED_AT	NOWHERE

/* Flat 32-bit code, without paging, where there is nothing to be fetched. */
static void send_nowhere(struct guest *g)
{
	struct vmm_vcpu *vcpu = vmm_vcpu(g->vm, 0);
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_x86_regs *r = &regs.x86;

	must(vmm_vcpu_read_regs(vcpu, &regs), "read registers");
	CHECK(regs.arch == VMM_ARCH_X86_64);
	r->cr0 = 0x11;		/* PE, ET */
	r->cr3 = r->cr4 = r->efer = 0;
	r->rflags = 2;
	r->rip = NOWHERE;
	r->cs = (struct vmm_x86_segment){ .limit = ~0u, .selector = 8, .attributes = 0xc9b };
	r->ds = (struct vmm_x86_segment){ .limit = ~0u, .selector = 16, .attributes = 0xc93 };
	r->es = r->fs = r->gs = r->ss = r->ds;
	must(vmm_vcpu_write_regs(vcpu, &regs), "write registers");
}

/* No interrupt and no exception can be delivered: a triple fault. */
static void take_idt_away(struct guest *g)
{
	struct vmm_vcpu *vcpu = vmm_vcpu(g->vm, 0);
	struct vmm_regs regs = VMM_REGS_INIT;

	must(vmm_vcpu_read_regs(vcpu, &regs), "read registers");
	regs.x86.idt_limit = 0;
	must(vmm_vcpu_write_regs(vcpu, &regs), "write registers");
}

static uint64_t pc_of(const struct vmm_regs *regs)
{
	return regs->arch == VMM_ARCH_X86_64 ? regs->x86.rip : 0;
}
#elif defined(__aarch64__)
#define CRASHED_AT	(0x40000000u + (200u << 20))

/*
 * Without paging, a load of a pair of registers from where no memory is: the processor does not describe
 * such an access, and KVM gives up.
 */
static void send_nowhere(struct guest *g)
{
	const uint32_t load_pair = 0xa9400440;		/* ldp x0, x1, [x2] */
	struct vmm_vcpu *vcpu = vmm_vcpu(g->vm, 0);
	struct vmm_regs regs = VMM_REGS_INIT;

	must(vmm_vcpu_read_regs(vcpu, &regs), "read registers");
	CHECK(regs.arch == VMM_ARCH_AARCH64);
	must(vmm_mem_write(vmm_memory(g->vm), CRASHED_AT, &load_pair, sizeof(load_pair)), "write code");
	regs.aarch64.sctlr_el1 &= ~1ull;
	regs.aarch64.pstate = 0x3c5;			/* EL1h, all masked */
	regs.aarch64.pc = CRASHED_AT;
	regs.aarch64.x[2] = NOWHERE;
	must(vmm_vcpu_write_regs(vcpu, &regs), "write registers");
}

static uint64_t pc_of(const struct vmm_regs *regs)
{
	return regs->arch == VMM_ARCH_AARCH64 ? regs->aarch64.pc : 0;
}
#elif defined(__riscv)
#define CRASHED_AT	NOWHERE

/* Without paging, to code where no memory is: KVM fetches no instructions from a device, and gives up. */
static void send_nowhere(struct guest *g)
{
	struct vmm_vcpu *vcpu = vmm_vcpu(g->vm, 0);
	struct vmm_regs regs = VMM_REGS_INIT;

	must(vmm_vcpu_read_regs(vcpu, &regs), "read registers");
	CHECK(regs.arch == VMM_ARCH_RISCV64);
	regs.riscv64.satp = 0;
	regs.riscv64.mode = 1;
	regs.riscv64.sie = 0;
	regs.riscv64.pc = NOWHERE;
	must(vmm_vcpu_write_regs(vcpu, &regs), "write registers");
}

static uint64_t pc_of(const struct vmm_regs *regs)
{
	return regs->arch == VMM_ARCH_RISCV64 ? regs->riscv64.pc : 0;
}
#endif

/* The crashed guest starts again; on a PC it now takes a triple fault, which resets it. */
static double start_again(struct guest *a, struct guest *b)
{
	double stall = 0;

	guest_start(b);
	guest_expect(b, "spin 1", 40);
#ifdef __x86_64__
	int count;

	wait_paused(b);
	take_idt_away(b);
	count = catch_up(a);
	must(vmm_resume(b->vm), "resume");
	stall = worst_stall(a, count, LINES);
	guest_ends(b, VMM_STOP_RESET, 10);
#else
	stall = worst_stall(a, catch_up(a), LINES);
	must(vmm_stop(b->vm), "stop");
	guest_ends(b, VMM_STOP_REQUESTED, 10);
#endif
	return stall;
}

static void crash(const void *arg)
{
	char *disk = files_copy_disk("disk");
	struct guest_spec steady = { .name = "steady", .disk = disk, .words = "test.do=io" };
	struct guest_spec victim = { .name = "victim", .words = "test.do=spin", .memory_mb = 256 };
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct guest a, b;
	double before, at_crash, at_fault;
	int count;

	must(vmm_loop_create(NULL, &steady.loop), "loop");
	victim.loop = steady.loop;
	guest_open(&a, &steady);
	guest_start(&a);
	guest_expect(&a, "io 1", 40);
	guest_open(&b, &victim);
	guest_start(&b);
	guest_expect(&b, "spin 1", 40);
	before = worst_stall(&a, catch_up(&a), LINES);

	wait_paused(&b);
	send_nowhere(&b);
	count = catch_up(&a);
	must(vmm_resume(b.vm), "resume");
	at_crash = worst_stall(&a, count, LINES);
	guest_ends(&b, VMM_STOP_CRASHED, 10);
	must(vmm_stop_info(b.vm, &info), "stop info");
	CHECK(info.words[0] != '\0');
#ifndef __riscv
	CHECK(info.exit_reason != 0);	/* (there the run itself fails, with no exit) */
#endif
	CHECK(pc_of(&info.regs) == CRASHED_AT);
	note("crashed: %s", info.words);

	at_fault = start_again(&a, &b);
	guest_close(&b);

	note("longest wait of the other: %.0f ms before, %.0f at the crash, %.0f after it",
	     before, at_crash, at_fault);
	CHECK(at_crash < 1000.0 * harness_slow() && at_fault < 1000.0 * harness_slow());
	must(vmm_stop(a.vm), "stop");
	guest_ends(&a, VMM_STOP_REQUESTED, 10);
	guest_close(&a);
	CHECK(vmm_loop_destroy(steady.loop) == 0);
	free(disk);
}

void pair_add(void)
{
	harness_add(&(struct scenario){ "pair/crash", crash, NULL, 200, true });
}
