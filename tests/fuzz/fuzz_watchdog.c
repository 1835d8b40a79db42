/* SPDX-License-Identifier: MIT */
/*
 * fuzz_watchdog.c - the registers of the watchdog, in configuration space and memory, and pauses.
 *
 * Five bytes of input are one access: which register, how, and the value.
 */
#include <assert.h>
#include <stdlib.h>

#include "devices/legacy/i6300esb_priv.h"
#include "fake_machine.h"
#include "input.h"

static uint64_t since;
static unsigned expired;

static uint64_t get_since(void *data)
{
	return since;
}

static void note_expired(void *data)
{
	expired++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t config[] = { 0x04, 0x10, 0x60, 0x61, 0x64, 0x68 };
	static const uint32_t bar[] = { 0, 4, 8, 12, 2, 13 };
	struct i6300esb_host host = { .running_since = get_since, .expired = note_expired };
	struct input in = { data, size };
	struct i6300esb *watchdog;
	uint64_t ecam;

	fake_setup(true);
	since = 1;
	expired = 0;
	host.pci = fake.pci;
	host.loop = fake.loop;
	if (vmm__i6300esb_create(&host, &watchdog) < 0)
		abort();
	ecam = vmm__arch_layout(-1)->ecam_base + (1u << 15);
	while (in.size > 0) {
		uint8_t what = take8(&in);
		uint32_t width = 1u << what % 3, reg = what >> 2 & 7, value = take32(&in);
		uint8_t lock = (uint8_t)fake_read(ecam + 0x68, 1);
		uint64_t base = fake_read(ecam + 0x10, 4) & ~15ull;

		if (reg == 7)
			since = value & 1 ? 1 : 0;
		else if (reg == 6 && (value & 0xff) == 0xff)
			vmm__i6300esb_reset(watchdog), lock = 0;
		else if (what & 0x80)
			fake_write(ecam + (config[reg % 6] & ~(width - 1)), width, value);
		else if (what & 0x40)
			fake_write(base + (bar[reg % 6] & ~(width - 1)), width, what & 0x20 ? 0x80 + (value % 2) * 6 : value);
		else
			(void)fake_read(base + (bar[reg % 6] & ~(width - 1)), width);
		fake_run();
		/* Locked is locked, and a counter has 20 bits. */
		if (lock & 1)
			assert((uint8_t)fake_read(ecam + 0x68, 1) == lock);
		if (base && (fake_read(ecam + 0x04, 1) & 2))
			assert(fake_read(base, 4) <= 0xfffff || fake_read(base, 4) == UINT32_MAX ||
			       fake_read(base, 4) == UINT64_MAX);
	}
	vmm__i6300esb_destroy(watchdog);
	fake_teardown();
	return 0;
}
