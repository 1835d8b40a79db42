/* SPDX-License-Identifier: MIT */
/*
 * fuzz_legacy.c - the machine's own devices: keyboard controller, clock, power, panic port.
 *
 * Four bytes of input are one access: which port, how, and the value.
 */
#include <assert.h>
#include <stdlib.h>

#include "../unit/fake_irqs.h"
#include "arch/arch_priv.h"
#include "bus/bus_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note_request(void *data, enum arch_request request)
{
	assert(request == ARCH_POWEROFF || request == ARCH_RESET || request == ARCH_PANIC);
	++*(unsigned *)data;
}

static void note_ejected(void *data, uint32_t slots)
{
	++*(unsigned *)data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ports[] = {
		0x60, 0x64, 0x70, 0x71, 0x505,
		0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x606, 0x607,
		0x610, 0x614, 0x618, 0x61b,
	};
	unsigned requests = 0;
	struct irqs irqs = { 0 };
	struct bus port_bus, mmio_bus;
	struct arch_machine_host host = {
		.mmio = &mmio_bus, .ports = &port_bus, .irqs = &irqs,
		.request = note_request, .ejected = note_ejected, .data = &requests,
	};
	struct arch_machine *machine;

	if (vmm__bus_init(&port_bus, "port", 0x10000) < 0 ||
	    vmm__bus_init(&mmio_bus, "MMIO", 0) < 0 ||
	    vmm__arch_machine_create(&host, &machine) < 0)
		abort();

	for (; size >= 4; data += 4, size -= 4) {
		uint16_t port = ports[data[0] % (sizeof(ports) / sizeof(ports[0]))];
		uint32_t width = 1u << data[1] % 3;
		uint64_t value = data[2] | (uint64_t)data[3] << 8;

		if (data[1] >= 0xf8)
			vmm__arch_machine_reset(machine);
		else if (data[1] >= 0xf0)
			vmm__arch_machine_power_button(machine);
		else if (data[1] & 0x80)
			vmm__bus_write(&port_bus, port, width, value);
		else
			vmm__bus_read(&port_bus, port, width, &value);

		/* A driver that waits for the controller to take a byte must not wait for ever. */
		if (vmm__bus_read(&port_bus, 0x64, 1, &value))
			assert(!(value & 2));
	}

	vmm__arch_machine_reset(machine);
	assert(!fake_lines[1] && !fake_lines[9]);
	vmm__arch_machine_destroy(machine);
	assert(port_bus.nr == 0 && mmio_bus.nr == 0);
	vmm__bus_finish(&port_bus);
	vmm__bus_finish(&mmio_bus);
	return 0;
}
