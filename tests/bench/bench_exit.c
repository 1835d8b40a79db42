/* SPDX-License-Identifier: MIT */
/*
 * bench_exit.c - what a port or MMIO access costs when a range of the library answers it,
 * against a loop of KVM_RUN that does nothing but count.
 *
 * Once in the caller's thread, inside vmm_vcpu_run(), and once in the library's
 * vCPU thread. Processor time is measured: waiting for a busy machine is no
 * part of an exit.
 */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/vcpu.h>
#include <libvmm/vmm.h>

#include "bare.h"
#include "bench.h"

enum { EXITS = 1000, PAIRS = 101, RAM = 64 << 10 };

/* EXITS accesses, then a write to PORT_END, and again. */
#define PROGRAM(name, access)						\
	__asm__(".pushsection .rodata\n.code16\n"			\
		#name ": movw $1000, %cx\n1: " access "\nloop 1b\n"	\
		"outb %al, $0x90; jmp " #name "\n" #name "_end:\n"	\
		".code64\n.popsection");				\
	extern const char name[], name##_end[]

PROGRAM(port_write, "outb %al, $0x80");
PROGRAM(mmio_write, "movb %al, 0x10");
PROGRAM(mmio_read, "movl 0x10, %eax");

struct sides {
	struct bare bare;
	struct vmm *vm;
	struct vmm_vcpu *vcpu;
	uint64_t seen;			/* accesses that the range answered */
	sem_t go, end;			/* the library's thread waits between two turns */
	uint64_t began, took;		/* its turn, by its own clock */
};

static uint64_t range_read(void *state, uint64_t offset, uint32_t width)
{
	struct sides *s = state;

	s->seen++;
	return 0;
}

static void range_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct sides *s = state;

	s->seen++;
}

static const struct vmm_range_ops work_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "work",
	.read = range_read,
	.write = range_write,
};

static void end_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct sides *s = state;

	s->took = bench_cpu() - s->began;
	sem_post(&s->end);
	sem_wait(&s->go);
	s->seen = 0;
	s->began = bench_cpu();
}

static const struct vmm_range_ops end_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "end",
	.write = end_write,
};

static void add_range(struct sides *s, uint32_t space, uint64_t base, uint64_t length,
		      const struct vmm_range_ops *ops)
{
	struct vmm_range_config config = VMM_RANGE_CONFIG_INIT;

	config.space = space;
	config.base = base;
	config.length = length;
	config.ops = ops;
	config.state = s;
	if (vmm_add_range(s->vm, &config) < 0)
		bench_die("vmm_add_range");
}

static void create(struct sides *s, uint32_t flags, const void *code, size_t bytes)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_regs regs = VMM_REGS_INIT;

	memset(s, 0, sizeof(*s));
	bare_create(&s->bare, RAM, false, code, bytes);
	config.ram_bytes = RAM;
	config.flags = flags;
	if (vmm_create(&config, &s->vm) < 0)
		bench_die("vmm_create");
	s->vcpu = vmm_vcpu(s->vm, 0);
	add_range(s, VMM_SPACE_PORT, PORT_WORK, 1, &work_ops);
	add_range(s, VMM_SPACE_MMIO, HOLE, 0x1000, &work_ops);
	if (vmm_mem_write(vmm_memory(s->vm), CODE, code, bytes) < 0 ||
	    vmm_vcpu_read_regs(s->vcpu, &regs) < 0)
		bench_die("code");
	code_regs(&regs);
	if (vmm_vcpu_write_regs(s->vcpu, &regs) < 0)
		bench_die("vmm_vcpu_write_regs");
}

static uint64_t run_bare(void *data)
{
	struct sides *s = data;
	uint64_t start = bench_cpu();

	if (bare_run(&s->bare) != EXITS)
		bench_die("exits were lost");
	return bench_cpu() - start;
}

static uint64_t run_caller(void *data)
{
	struct sides *s = data;
	struct vmm_exit exit = VMM_EXIT_INIT;
	uint64_t start = bench_cpu(), took;

	s->seen = 0;
	do {
		if (vmm_vcpu_run(s->vcpu, &exit) < 0)
			bench_die("vmm_vcpu_run");
	} while (exit.type == VMM_EXIT_KICKED);
	took = bench_cpu() - start;
	if (exit.type != VMM_EXIT_PORT || exit.address != PORT_END || s->seen != EXITS)
		bench_die("exits were lost");
	return took;
}

static uint64_t run_thread(void *data)
{
	struct sides *s = data;

	sem_post(&s->go);
	sem_wait(&s->end);
	if (s->seen != EXITS)
		bench_die("exits were lost");
	return s->took;
}

static int in_caller(const char *name, const char *code, const char *end)
{
	struct sides s;
	struct bench bench = {
		.name = name, .ours = "vmm_vcpu_run", .floor = "bare KVM_RUN",
		.run_ours = run_caller, .run_floor = run_bare, .data = &s,
		.pairs = PAIRS, .operations = EXITS, .goal = 1.05,
	};
	int r;

	create(&s, VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS, code, (size_t)(end - code));
	if (vmm_vcpu_attach(s.vcpu) < 0)
		bench_die("vmm_vcpu_attach");
	r = bench_run(&bench);
	vmm_vcpu_detach(s.vcpu);
	vmm_destroy(s.vm);
	bare_destroy(&s.bare);
	return r;
}

static int in_thread(const char *name, const char *code, const char *end)
{
	struct sides s;
	struct bench bench = {
		.name = name, .ours = "vCPU thread", .floor = "bare KVM_RUN",
		.run_ours = run_thread, .run_floor = run_bare, .data = &s,
		.pairs = PAIRS, .operations = EXITS, .goal = 1.05,
	};
	int r;

	create(&s, VMM_F_KVM_ONLY, code, (size_t)(end - code));
	sem_init(&s.go, 0, 0);
	sem_init(&s.end, 0, 0);
	add_range(&s, VMM_SPACE_PORT, PORT_END, 1, &end_ops);
	if (vmm_start(s.vm) < 0)
		bench_die("vmm_start");
	sem_wait(&s.end);
	r = bench_run(&bench);
	/* Let it go on into the stop. */
	if (vmm_stop(s.vm) < 0)
		bench_die("vmm_stop");
	sem_post(&s.go);
	vmm_destroy(s.vm);
	bare_destroy(&s.bare);
	return r;
}

int main(void)
{
	int r = bench_skip();

	if (r)
		return r;
	r |= in_caller("port write, caller's thread", port_write, port_write_end);
	r |= in_caller("MMIO write, caller's thread", mmio_write, mmio_write_end);
	r |= in_caller("MMIO read, caller's thread", mmio_read, mmio_read_end);
	r |= in_thread("port write, library's thread", port_write, port_write_end);
	r |= in_thread("MMIO write, library's thread", mmio_write, mmio_write_end);
	r |= in_thread("MMIO read, library's thread", mmio_read, mmio_read_end);
	return r;
}
