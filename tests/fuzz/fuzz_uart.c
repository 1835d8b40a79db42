/* SPDX-License-Identifier: MIT */
/*
 * fuzz_uart.c - the serial port under a driver that does anything in any order.
 *
 * Two bytes make a step: an access, input, another mood of the backend, a turn of
 * the loop. Whatever comes: no byte is lost but those that are counted, the wire
 * changes when it is said to, a port that does not wait is never busy.
 */
#include <assert.h>
#include <linux/serial_reg.h>
#include <stdint.h>
#include <stdlib.h>

#include "backends/console/console_priv.h"
#include "bus/bus_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/uart16550_priv.h"

static bool wire;
static struct vmm_console_port *port;
static size_t room;
static uint64_t taken, offered;
static unsigned char input_left;
static bool filled;

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	assert(level != wire);
	wire = level;
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

static void give_input(void)
{
	static const char letters[256];
	size_t n = vmm_console_port_input(port, letters, input_left);

	assert(n <= input_left);
	input_left -= (unsigned char)n;
}

static void back_readable(void *state)
{
	give_input();
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

static void turn(struct vmm_loop *loop)
{
	(void)!vmm_loop_dispatch(loop);
}

static void access_register(struct bus *ports, uint8_t op, uint8_t value, unsigned times, bool wait)
{
	uint32_t reg = op & 7, width = 1u << (op >> 3 & 1);
	uint64_t lcr = 0, mcr = 0, v = 0;

	vmm__bus_read(ports, UART_LCR, 1, &lcr);
	vmm__bus_read(ports, UART_MCR, 1, &mcr);
	for (; times > 0; times--) {
		if (!(op & 0x10))
			vmm__bus_read(ports, reg, width, &v);
		else if (vmm__bus_write(ports, reg, width, value) && reg == UART_TX &&
			 !(lcr & UART_LCR_DLAB) && !(mcr & UART_MCR_LOOP))
			offered++;
	}
	vmm__bus_read(ports, UART_LSR, 1, &v);
	assert(wait || (v & UART_LSR_THRE));
}

static void step(struct bus *ports, struct uart16550 *uart, struct vmm_loop *loop, uint8_t op,
		 uint8_t value, bool wait)
{
	bool fill;

	switch (op >> 5) {
	case 0: case 1: case 2: case 3:
		access_register(ports, op, value, 1, wait);
		break;
	case 4:
		input_left = value;
		give_input();
		break;
	case 5:
		room = value;
		vmm_console_port_writable(port);
		break;
	case 6:
		turn(loop);
		break;
	case 7:
		if (value == 0)
			vmm__uart_reset(uart);
		else if (value == 1)
			vmm__uart_flush(uart);
		/* Many bytes at once; seldom, as it takes its time, nearly what the buffer holds. */
		fill = op == 0xf5 && value == 0xa7 && !filled;
		access_register(ports, 0x10 | UART_TX, value, fill ? 65530 : value, wait);
		filled |= fill;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	static struct vmm_loop *loop;
	static struct bus ports;
	struct vmm_chardev *chardev;
	struct uart16550 *uart;
	bool wait = size > 0 && (data[0] & 1);

	wire = filled = false;
	room = taken = offered = input_left = 0;
	if (!loop && (vmm_loop_create(NULL, &loop) < 0 ||
		      vmm__bus_init(&ports, "port", 0x10000) < 0))
		abort();
	if (vmm_console_create(&back_ops, NULL, &chardev) < 0)
		abort();
	config.backend = chardev;
	config.flags = wait ? VMM_CONSOLE_WAIT : 0;
	if (vmm__uart_create(&ports, 0, NULL, 4, loop, &config, &uart) < 0)
		abort();

	for (size_t i = 1; i + 1 < size; i += 2)
		step(&ports, uart, loop, data[i], data[i + 1], wait);

	room = SIZE_MAX;
	vmm_console_port_writable(port);
	vmm__uart_flush(uart);
	assert(taken + vmm_console_dropped(chardev) == offered);
	vmm__uart_reset(uart);
	assert(!wire);

	vmm__uart_destroy(uart);
	return 0;
}
