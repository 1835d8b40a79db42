/* SPDX-License-Identifier: MIT */
/* fake_target.h - what a debugger's session talks to instead of a guest: memory, registers, and notes of calls. */
#ifndef TESTS_FAKE_TARGET_H
#define TESTS_FAKE_TARGET_H

#include <errno.h>
#include <string.h>

#include "debug/session_priv.h"

enum { FAKE_BASE = 0x1000, FAKE_BYTES = 0x4000 };

static struct fake_target {
	uint8_t memory[FAKE_BYTES];	/* at FAKE_BASE */
	uint8_t blocks[4][ARCH_GDB_BLOCK_MAX];
	uint32_t runs, interrupts, detaches, kills, inserts, removes;
	uint8_t actions[THREADS_MAX];
	struct arch_watch watch;
	uint32_t thread;
	int fail;			/* what the next call says */
} fake;

static int fake_read_regs(void *target, uint32_t thread, uint8_t *ret_block)
{
	fake.thread = thread;
	memcpy(ret_block, fake.blocks[thread], vmm__arch_gdb()->block_bytes);
	return fake.fail;
}

static int fake_write_regs(void *target, uint32_t thread, const uint8_t *block)
{
	if (fake.fail == 0)
		memcpy(fake.blocks[thread], block, vmm__arch_gdb()->block_bytes);
	return fake.fail;
}

/* As much of it as there is. */
static int fake_span(uint64_t address, size_t *len)
{
	if (address < FAKE_BASE || address - FAKE_BASE >= FAKE_BYTES)
		return -EFAULT;
	if (*len > FAKE_BYTES - (address - FAKE_BASE))
		*len = (size_t)(FAKE_BYTES - (address - FAKE_BASE));
	return 0;
}

static int fake_read(void *target, uint32_t thread, uint64_t address, void *dst, size_t len)
{
	int r = fake_span(address, &len);

	if (r < 0)
		return r;
	memcpy(dst, fake.memory + (address - FAKE_BASE), len);
	return (int)len;
}

static int fake_write(void *target, uint32_t thread, uint64_t address, const void *src, size_t len)
{
	int r = fake_span(address, &len);

	if (r < 0)
		return r;
	memcpy(fake.memory + (address - FAKE_BASE), src, len);
	return (int)len;
}

static int fake_insert(void *target, uint32_t thread, const struct arch_watch *watch)
{
	fake.inserts++;
	fake.watch = *watch;
	return fake.fail;
}

static int fake_remove(void *target, const struct arch_watch *watch)
{
	fake.removes++;
	fake.watch = *watch;
	return fake.fail;
}

static int fake_run(void *target, const uint8_t *actions)
{
	fake.runs++;
	memcpy(fake.actions, actions, sizeof(fake.actions));
	return fake.fail;
}

static void fake_interrupt(void *target)
{
	fake.interrupts++;
}

static void fake_detach(void *target)
{
	fake.detaches++;
}

static void fake_kill(void *target)
{
	fake.kills++;
}

static const struct target_ops fake_target_ops = {
	.read_regs = fake_read_regs, .write_regs = fake_write_regs, .read = fake_read, .write = fake_write,
	.insert = fake_insert, .remove = fake_remove, .run = fake_run, .interrupt = fake_interrupt,
	.detach = fake_detach, .kill = fake_kill,
};

#endif
