/* SPDX-License-Identifier: MIT */
/*
 * fuzz_plic.c - the registers of a PLIC, and its wires, in any order.
 *
 * Six bytes of input are one step: what, where, and the value. Its source is compiled in: the
 * library has it on one architecture only.
 */
#include <assert.h>
#include <stdlib.h>

#include "arch/riscv64/plic_priv.h"

#define HARTS	3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool up[HARTS];

static void drive(void *data, uint32_t hart, bool level)
{
	assert(data == up && hart < HARTS);
	up[hart] = level;
}

/* Where registers are, and what lies around them. */
static uint64_t place(uint8_t kind, uint16_t at)
{
	switch (kind % 5) {
	case 0:
		return at % 0x120;				/* priorities */
	case 1:
		return 0x1000 + at % 0x90;			/* pending */
	case 2:
		return 0x2000 + at % (0x80 * (HARTS + 1));	/* enables */
	case 3:
		return 0x200000 + at % (HARTS + 1) * 0x1000u + (at >> 8) % 16;
	default:
		return (uint64_t)at * 97 % 0x600000;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct plic_config config = { .nr_harts = HARTS, .drive = drive, .data = up };
	struct plic *plic;

	if (vmm__plic_create(&config, &plic) < 0)
		abort();
	vmm__plic_reset(plic);
	for (; size >= 6; data += 6, size -= 6) {
		uint64_t offset = place(data[0] >> 3, (uint16_t)(data[1] | data[2] << 8));
		uint32_t value = data[3] | (uint32_t)data[4] << 8 | (uint32_t)data[5] << 24;
		uint32_t width = data[0] & 4 ? 1u << data[3] % 4 : 4;

		if (width == 4)
			offset &= ~3ull;
		switch (data[0] & 3) {
		case 0:
			value = (uint32_t)vmm__plic_range.read(plic, offset, width);
			/* A claim is a source that there is. */
			assert(offset < 0x200004 || offset % 0x1000 != 4 || value <= PLIC_SOURCES);
			break;
		case 1:
			vmm__plic_range.write(plic, offset, width, value);
			break;
		case 2:
			vmm__plic_set_line(plic, value % 80, data[5] & 1);
			break;
		default:
			if (data[5] == 0xff)
				vmm__plic_reset(plic);
			else
				vmm__plic_pulse(plic, value % 80);
		}
	}

	/* Nothing is enabled after a reset, so no hart is interrupted. */
	vmm__plic_reset(plic);
	for (uint32_t i = 0; i < HARTS; i++)
		assert(!up[i]);
	vmm__plic_destroy(plic);
	return 0;
}
