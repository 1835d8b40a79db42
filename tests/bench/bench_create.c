/* SPDX-License-Identifier: MIT */
/*
 * bench_create.c - from nothing to a guest's first instruction and back to nothing,
 * against KVM's own calls for the same machine.
 *
 * The low-level guest is memory and a vCPU that the caller runs. The machine has
 * interrupt controllers and a timer, PCI, a loop (shared, or with a thread of its
 * own) and a vCPU thread; its floor has the same parts of KVM, run in the caller's thread.
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/vcpu.h>
#include <libvmm/vmm.h>

#include "bare.h"
#include "bench.h"

enum { PAIRS = 100, RAM = 8 << 20 };

static const unsigned char code[] = { 0xe6, PORT_END, 0xf4, 0xeb, 0xfd };	/* out; hlt for ever */

struct sides {
	bool machine;
	struct vmm_config config;
	sem_t first;			/* the guest's first instruction was seen */
};

static uint64_t run_bare(void *data)
{
	const struct sides *s = data;
	uint64_t start = bench_now();
	struct bare bare;

	bare_create(&bare, RAM, s->machine, code, sizeof(code));
	(void)bare_run(&bare);
	bare_destroy(&bare);
	return bench_now() - start;
}

static void end_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct sides *s = state;

	sem_post(&s->first);
}

static const struct vmm_range_ops end_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "end",
	.write = end_write,
};

static void prepare(struct sides *s, struct vmm *vm)
{
	struct vmm_range_config range = VMM_RANGE_CONFIG_INIT;
	struct vmm_regs regs = VMM_REGS_INIT;

	range.space = VMM_SPACE_PORT;
	range.base = PORT_END;
	range.length = 1;
	range.ops = &end_ops;
	range.state = s;
	if (s->machine && vmm_add_range(vm, &range) < 0)
		bench_die("vmm_add_range");
	if (vmm_mem_write(vmm_memory(vm), CODE, code, sizeof(code)) < 0 ||
	    vmm_vcpu_read_regs(vmm_vcpu(vm, 0), &regs) < 0)
		bench_die("code");
	code_regs(&regs);
	if (vmm_vcpu_write_regs(vmm_vcpu(vm, 0), &regs) < 0)
		bench_die("vmm_vcpu_write_regs");
}

static void run_first(struct vmm_vcpu *vcpu)
{
	struct vmm_exit exit = VMM_EXIT_INIT;

	if (vmm_vcpu_attach(vcpu) < 0 || vmm_vcpu_run(vcpu, &exit) < 0 ||
	    exit.type != VMM_EXIT_PORT || vmm_vcpu_detach(vcpu) < 0)
		bench_die("vmm_vcpu_run");
}

static uint64_t run_library(void *data)
{
	struct sides *s = data;
	uint64_t start = bench_now();
	struct vmm *vm;

	if (vmm_create(&s->config, &vm) < 0)
		bench_die("vmm_create");
	prepare(s, vm);
	if (s->machine) {
		if (vmm_start(vm) < 0)
			bench_die("vmm_start");
		sem_wait(&s->first);
	} else {
		run_first(vmm_vcpu(vm, 0));
	}
	vmm_destroy(vm);
	return bench_now() - start;
}

static int measure(const char *name, bool machine, uint32_t flags, struct vmm_loop *loop, double goal)
{
	struct sides s = { .machine = machine, .config = VMM_CONFIG_INIT };
	const struct bench bench = {
		.name = name, .ours = "library", .floor = "bare calls",
		.run_ours = run_library, .run_floor = run_bare, .data = &s,
		.pairs = PAIRS, .operations = 1, .goal = goal,
	};

	sem_init(&s.first, 0, 0);
	s.config.ram_bytes = RAM;
	s.config.flags = flags;
	s.config.loop = loop;
	return bench_run(&bench);
}

int main(void)
{
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;
	struct vmm_loop *loop;
	int r = bench_skip();

	if (r)
		return r;
	config.flags = VMM_LOOP_THREAD;
	if (vmm_loop_create(&config, &loop) < 0)
		bench_die("vmm_loop_create");
	r |= measure("low-level guest, shared loop", false, VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS, loop, 1.2);
	r |= measure("machine, shared loop", true, 0, loop, 1.2);
	r |= measure("machine, loop of its own", true, 0, NULL, 1.2);
	(void)vmm_loop_destroy(loop);
	return r;
}
