/* SPDX-License-Identifier: MIT */
/*
 * fuzz_goldfish.c - the Goldfish clock: registers in any order, and turns of its loop between them.
 *
 * Six bytes of input are one step.
 */
#include <assert.h>
#include <stdlib.h>
#include <libvmm/loop.h>

#include "../unit/fake_irqs.h"
#include "bus/bus_priv.h"
#include "devices/legacy/rtc_goldfish_priv.h"

#define BASE	0x1000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtc_goldfish_place place = { .base = BASE, .gsi = 2 };
	struct bus mmio;
	struct rtc_goldfish *rtc;

	if (vmm__bus_init(&mmio, "MMIO", 0) < 0 || vmm_loop_create(NULL, &place.loop) < 0)
		abort();
	place.bus = &mmio;
	if (vmm__goldfish_create(&place, &rtc) < 0)
		abort();

	for (; size >= 6; data += 6, size -= 6) {
		uint64_t address = BASE + data[1] % GOLDFISH_LENGTH;
		uint64_t value = data[2] | (uint64_t)data[3] << 8 | (uint64_t)data[4] << 16 |
				 (uint64_t)data[5] << 24;
		uint32_t width = data[0] & 4 ? 1u << (data[1] >> 5) % 4 : 4;

		switch (data[0] & 3) {
		case 0:
			(void)vmm__bus_read(&mmio, address, width, &value);
			break;
		case 1:
			(void)vmm__bus_write(&mmio, address, width, value);
			break;
		case 2:
			/* A timer that is due again at once would spin: a turn or two are enough. */
			(void)!vmm_loop_dispatch(place.loop);
			(void)!vmm_loop_dispatch(place.loop);
			break;
		default:
			if (data[5] == 0xff)
				vmm__goldfish_reset(rtc);
		}
	}

	vmm__goldfish_reset(rtc);
	assert(!fake_lines[2]);
	vmm__goldfish_destroy(rtc);
	assert(mmio.nr == 0);
	if (vmm_loop_destroy(place.loop) < 0)
		abort();
	vmm__bus_finish(&mmio);
	return 0;
}
