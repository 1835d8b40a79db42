/* SPDX-License-Identifier: MIT */
/*
 * fuzz_primecell.c - Arm's serial port and clock under a driver that does anything in any order.
 *
 * Four bytes make a step: an access, input, another mood of the backend, a reset, a turn of the loop. Whatever
 * comes: the wires are as the registers say, a port that does not wait is never full, and no more comes out than
 * was put in.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "backends/console/console_priv.h"
#include "bus/bus_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/pl011_priv.h"
#include "devices/legacy/pl031_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UART = 0x9000000, RTC = 0x9010000, UART_GSI = 1, RTC_GSI = 2 };

static bool wires[4];
static struct vmm_console_port *port;
static size_t room, taken;
static unsigned char input_left;

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	assert(gsi < 4 && level != wires[gsi]);
	wires[gsi] = level;
	return 0;
}

static int back_attach(void *state, struct vmm_console_port *p, struct vmm_loop *loop)
{
	port = p;
	return 0;
}

static size_t back_write(void *state, const void *data, size_t len)
{
	if (len > room)
		len = room;
	room -= len;
	taken += len;
	return len;
}

static void back_readable(void *state)
{
	static const char letters[256];
	size_t n = vmm_console_port_input(port, letters, input_left);

	assert(n <= input_left);
	input_left -= (unsigned char)n;
}

static void back_detach(void *state)
{
}

static const struct vmm_console_ops back_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "fuzz",
	.attach = back_attach,
	.write = back_write,
	.readable = back_readable,
	.detach = back_detach,
};

static uint64_t get(struct bus *bus, uint64_t address)
{
	uint64_t value;

	if (!vmm__bus_read(bus, address, 4, &value))
		abort();
	return value;
}

/* What holds after every step. */
static void check(struct bus *bus, bool waits)
{
	assert(get(bus, UART + 0x40) == (get(bus, UART + 0x3c) & get(bus, UART + 0x38)));
	assert(wires[UART_GSI] == (get(bus, UART + 0x40) != 0));
	assert(waits || !(get(bus, UART + 0x18) & 0x28));
	assert(wires[RTC_GSI] == (get(bus, RTC + 0x18) != 0));
}

static void step(struct bus *bus, struct pl011 *uart, struct pl031 *rtc, const uint8_t *s, size_t *written)
{
	uint64_t base = s[0] & 0x40 ? RTC : UART;
	uint64_t offset = s[1] & 0x80 ? (uint64_t)s[1] << 4 : s[1] & 0x7f, value = s[2] | (uint64_t)s[3] << 8;
	uint32_t width = 1u << (s[0] & 3);

	switch (s[0] >> 3 & 7) {
	case 0:
		input_left = s[1];
		back_readable(NULL);
		return;
	case 1:
		room = (size_t)s[1] << 6;
		vmm_console_port_writable(port);
		return;
	case 2:
		if (s[1] == 0)
			vmm__pl011_reset(uart);
		if (s[1] == 1)
			vmm__pl031_reset(rtc);
		if (s[1] == 2)
			vmm__pl011_flush(uart);
		return;
	case 3: case 4:
		if (offset + width <= 0x1000)
			vmm__bus_read(bus, base + offset, width, &value);
		return;
	default:
		if (offset + width > 0x1000)
			return;
		*written += base == UART && offset == 0;
		vmm__bus_write(bus, base + offset, width, value * 0x10001);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	struct serial_place place = { .base = UART, .gsi = UART_GSI };
	struct bus bus;
	struct pl011 *uart;
	struct pl031 *rtc;
	bool waits = size > 0 && (data[0] & 1);
	size_t written = 0;

	room = taken = 0;
	input_left = 0;
	config.flags = waits ? VMM_CONSOLE_WAIT : 0;
	if (vmm_loop_create(NULL, &place.loop) < 0 || vmm__bus_init(&bus, "MMIO", 0) < 0 ||
	    vmm_console_create(&back_ops, NULL, &config.backend) < 0)
		abort();
	place.bus = &bus;
	if (vmm__pl011_create(&place, &config, &uart) < 0 ||
	    vmm__pl031_create(&bus, RTC, NULL, RTC_GSI, place.loop, &rtc) < 0)
		abort();

	for (; size >= 4; data += 4, size -= 4) {
		step(&bus, uart, rtc, data, &written);
		if (data[0] & 0x80)
			(void)!vmm_loop_dispatch(place.loop);
		check(&bus, waits);
	}

	room = SIZE_MAX / 2;
	vmm__pl011_reset(uart);
	vmm__pl031_reset(rtc);
	assert(!wires[UART_GSI] && !wires[RTC_GSI]);
	vmm__pl031_destroy(rtc);
	vmm__pl011_destroy(uart);
	assert(taken <= written && bus.nr == 0);
	vmm__bus_finish(&bus);
	if (vmm_loop_destroy(place.loop) < 0)
		abort();
	return 0;
}
