/* SPDX-License-Identifier: MIT */
/*
 * bare.h - the floor: a guest made with nothing but KVM's own calls.
 *
 * What it does is what the library has to do as well, and no more: no checks of
 * anything, no threads, no words for failures. Both run the same real-mode code
 * from address CODE on.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libvmm/regs.h>

enum {
	CODE		= 0x1000,
	HOLE		= 0xd00000,	/* no RAM: the guests' data segment with BASE_HOLE */
	PORT_WORK	= 0x80,		/* what is measured */
	PORT_END	= 0x90,		/* the end of a turn */
};

struct kvm_run;

struct bare {
	int kvm_fd, vm_fd, vcpu_fd, ram_fd;
	unsigned char *ram;
	size_t ram_bytes;
	struct kvm_run *run;
	size_t run_bytes;
};

/* A machine has interrupt controllers and a timer, as the library's have; else memory and a vCPU only. */
void bare_create(struct bare *bare, size_t ram_bytes, bool machine, const void *code, size_t code_bytes);
void bare_destroy(struct bare *bare);

/* Run until the write to PORT_END, counting the other exits. */
uint64_t bare_run(struct bare *bare);

/* The registers with which both sides begin. */
void code_regs(struct vmm_regs *regs);

#endif
