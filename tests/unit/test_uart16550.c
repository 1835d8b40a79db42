/* SPDX-License-Identifier: MIT */
/*
 * test_uart16550.c - the serial port as a driver sees it, from its ports to its backend.
 *
 * The interrupt line is the only part that is not real: vmm__irq_set_line() below.
 */
#include <linux/serial_reg.h>
#include <pthread.h>
#include <unistd.h>

#include "bus/bus_priv.h"
#include "core/irq_priv.h"
#include "core/loop_priv.h"
#include "devices/legacy/uart16550_priv.h"
#include "fake_front.h"

enum { BASE = 0x3f8, GSI = 4, OUT_SIZE = 64 << 10, ROOM = 256 << 10 };

static struct vmm_loop *loop;
static struct bus ports;
static struct uart16550 *uart;
static struct vmm_chardev *chardev;
static int descriptors;

/* ---- the wire ---- */

static bool wire;
static int wire_changes;

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	ck_assert_uint_eq(gsi, GSI);
	ck_assert(level != wire);
	wire = level;
	wire_changes++;
	return 0;
}

/* ---- the backend: takes @room bytes, and has @typed for the guest ---- */

static struct vmm_console_port *port;
static size_t room, said_len;
static unsigned char said[ROOM];
static int writes;
static const char *typed;
static bool calls_back, boasts;

static int back_attach(void *state, struct vmm_console_port *p, struct vmm_loop *l)
{
	if (state)
		return -EIO;
	port = p;
	return 0;
}

static size_t back_write(void *state, const void *data, size_t len)
{
	writes++;
	if (len > room)
		len = room;
	memcpy(said + said_len, data, len);
	said_len += len;
	room -= len;
	if (calls_back)
		vmm_console_port_writable(port);
	return boasts ? len + 1000 : len;
}

static void back_readable(void *state)
{
	typed += vmm_console_port_input(port, typed, strlen(typed));
}

static void back_detach(void *state)
{
	port = NULL;
}

static const struct vmm_console_ops back_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "test",
	.attach = back_attach,
	.write = back_write,
	.readable = back_readable,
	.detach = back_detach,
};

/* ---- the guest ---- */

static void out(unsigned reg, uint8_t value)
{
	ck_assert(vmm__bus_write(&ports, BASE + reg, 1, value));
}

static uint8_t in(unsigned reg)
{
	uint64_t value = 0;

	ck_assert(vmm__bus_read(&ports, BASE + reg, 1, &value));
	ck_assert_uint_le(value, 0xff);
	return (uint8_t)value;
}

static void print(const char *words)
{
	for (; *words; words++)
		out(UART_TX, (uint8_t)*words);
}

static int run(void)
{
	int turns = 0;

	while (turns < 10000 && vmm_loop_dispatch(loop) > 0)
		turns++;
	return turns;
}

/* Run the loop for @ms. Returns the turns that had something to do. */
static int run_for(int ms)
{
	struct timespec t;
	int64_t end, now, turns = 0;

	clock_gettime(CLOCK_MONOTONIC, &t);
	end = t.tv_sec * 1000 + t.tv_nsec / 1000000 + ms;
	for (;;) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		clock_gettime(CLOCK_MONOTONIC, &t);
		now = t.tv_sec * 1000 + t.tv_nsec / 1000000;
		if (now >= end || poll(&p, 1, (int)(end - now)) <= 0)
			return (int)turns;
		turns += run();
	}
}

static size_t type(const char *words)
{
	typed = words;
	typed += vmm_console_port_input(port, typed, strlen(typed));
	return (size_t)(typed - words);
}

static void make(uint32_t flags)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	descriptors = open_descriptors();
	wire = calls_back = boasts = false;
	wire_changes = writes = 0;
	room = SIZE_MAX;
	said_len = 0;
	typed = "";
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	ck_assert_int_eq(vmm__bus_init(&ports, "port", 0x10000), 0);
	ck_assert_int_eq(vmm_console_create(&back_ops, NULL, &chardev), 0);
	config.backend = chardev;
	config.flags = flags;
	ck_assert_int_eq(vmm__uart_create(&ports, BASE, NULL, GSI, loop, &config, &uart), 0);
}

static void setup(void)
{
	make(0);
}

static void setup_waiting(void)
{
	make(VMM_CONSOLE_WAIT);
}

static void teardown(void)
{
	vmm__uart_destroy(uart);
	ck_assert_ptr_null(port);
	/* A call that was left behind would be made now. */
	run();
	vmm__bus_finish(&ports);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	ck_assert_int_eq(open_descriptors(), descriptors);
}

static void enable_fifo(void)
{
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
}

static void enable_interrupts(uint8_t ier)
{
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, ier);
}

/* ---- registers ---- */

START_TEST(registers_hold_what_a_16550a_holds)
{
	static const struct { unsigned reg; uint8_t mask; } held[] = {
		{ UART_IER, 0x0f }, { UART_LCR, 0xff }, { UART_MCR, 0x1f }, { UART_SCR, 0xff },
	};

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		for (unsigned v = 0; v < 256; v++) {
			out(held[i].reg, (uint8_t)v);
			ck_assert_uint_eq(in(held[i].reg), v & held[i].mask);
		}
		vmm__uart_reset(uart);
	}

	out(UART_LCR, UART_LCR_DLAB);
	out(UART_DLL, 0x34);
	out(UART_DLM, 0x12);
	ck_assert_uint_eq(in(UART_DLL), 0x34);
	ck_assert_uint_eq(in(UART_DLM), 0x12);
	out(UART_LCR, 0);
	ck_assert_uint_eq(in(UART_IER), 0);
	ck_assert_uint_eq(said_len, 0);
	/* Writes to the two status registers change nothing. */
	out(UART_LSR, 0xff);
	out(UART_MSR, 0xff);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(in(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}
END_TEST

START_TEST(the_divisor_is_never_zero_at_first)
{
	out(UART_LCR, UART_LCR_DLAB);
	ck_assert_uint_eq(in(UART_DLL) | in(UART_DLM) << 8, 1);
}
END_TEST

/* What Linux's 8250 driver does to tell what it has before it. */
START_TEST(linux_finds_a_16550a_and_nothing_else)
{
	uint8_t save;

	out(UART_IER, 0);
	ck_assert_uint_eq(in(UART_IER) & 0x0f, 0);
	out(UART_IER, 0x0f);
	ck_assert_uint_eq(in(UART_IER) & 0x0f, 0x0f);
	out(UART_IER, 0);

	save = in(UART_MCR);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	ck_assert_uint_eq(in(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, save);

	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	ck_assert_uint_eq(in(UART_IIR) >> 6, 3);
	out(UART_LCR, UART_LCR_CONF_MODE_A);
	ck_assert_uint_ne(in(UART_EFR), 0);
	out(UART_LCR, UART_LCR_CONF_MODE_B);
	ck_assert_uint_ne(in(UART_EFR), 0);
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	ck_assert_uint_eq(in(UART_IIR) >> 5, 6);
	out(UART_LCR, 0);
	out(UART_IER, UART_IER_UUE);
	ck_assert_uint_eq(in(UART_IER) & UART_IER_UUE, 0);
}
END_TEST

/* 8250_port.c's start-up tests, whose failure makes the driver poll. */
START_TEST(linux_trusts_the_transmit_interrupt)
{
	for (int i = 0; i < 2; i++) {
		out(UART_IER, UART_IER_THRI);
		ck_assert_uint_eq(in(UART_IIR) & UART_IIR_ID, UART_IIR_THRI);
		out(UART_IER, 0);
	}
	out(UART_IER, UART_IER_THRI);
	ck_assert_uint_ne(in(UART_LSR) & UART_LSR_TEMT, 0);
	ck_assert_uint_eq(in(UART_IIR) & UART_IIR_NO_INT, 0);
}
END_TEST

START_TEST(accesses_of_every_width_touch_each_register_once)
{
	uint64_t value = 0;

	ck_assert(vmm__bus_write(&ports, BASE + UART_LCR, 2, UART_MCR_RTS << 8 | UART_LCR_WLEN8));
	ck_assert_uint_eq(in(UART_LCR), UART_LCR_WLEN8);
	ck_assert_uint_eq(in(UART_MCR), UART_MCR_RTS);
	ck_assert(vmm__bus_read(&ports, BASE + UART_LCR, 4, &value));
	ck_assert_uint_eq(value & 0xffff, UART_MCR_RTS << 8 | UART_LCR_WLEN8);
	ck_assert(vmm__bus_read(&ports, BASE, 8, &value));
	ck_assert(!vmm__bus_read(&ports, BASE + 7, 2, &value));
	ck_assert(!vmm__bus_write(&ports, BASE - 1, 2, 0));
}
END_TEST

/* ---- sending ---- */

START_TEST(output_reaches_the_backend_and_the_transmitter_is_never_busy)
{
	print("Linux version");
	ck_assert_uint_eq(in(UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(said_len, 0);
	run();
	ck_assert_mem_eq(said, "Linux version", 13);
	run_for(10);
	print(" 6.1");
	run();
	ck_assert_uint_eq(said_len, 17);
}
END_TEST

START_TEST(a_book_is_handed_over_in_pieces_and_not_by_letter)
{
	int turns = 0;

	for (int i = 0; i < 3000; i++) {
		out(UART_TX, 'x');
		turns += vmm_loop_dispatch(loop) > 0;
	}
	turns += run_for(20);
	ck_assert_uint_eq(said_len, 3000);
	ck_assert_int_lt(writes, 300);
	ck_assert_int_lt(turns, 300);
	/* And then it is quiet. */
	ck_assert_int_eq(run_for(10), 0);
}
END_TEST

START_TEST(a_backend_that_stalls_for_ever_blocks_nobody_and_is_counted)
{
	room = 1000;
	for (int i = 0; i < OUT_SIZE + 5000; i++) {
		out(UART_TX, (uint8_t)i);
		ck_assert_uint_ne(in(UART_LSR) & UART_LSR_THRE, 0);
		if (i % 1000 == 0)
			run();
	}
	run_for(10);
	ck_assert_int_le(writes, 5);
	ck_assert_uint_eq(said_len, 1000);
	ck_assert_uint_eq(vmm_console_dropped(chardev), 4000);

	room = SIZE_MAX;
	vmm_console_port_writable(port);
	run_for(5);
	ck_assert_uint_eq(said_len, OUT_SIZE + 1000);
	for (int i = 0; i < OUT_SIZE + 1000; i++)
		ck_assert_uint_eq(said[i], (uint8_t)i);
	out(UART_TX, '!');
	run();
	ck_assert_uint_eq(said[said_len - 1], '!');
}
END_TEST

START_TEST(a_loop_that_nobody_runs_blocks_nobody)
{
	for (int i = 0; i < OUT_SIZE + 10; i++)
		out(UART_TX, 'x');
	ck_assert_uint_eq(vmm_console_dropped(chardev), 10);
	run();
	ck_assert_uint_eq(said_len, OUT_SIZE);
}
END_TEST

START_TEST(when_told_to_wait_the_transmitter_is_busy_until_there_is_room)
{
	int sent = 0;

	room = 0;
	enable_interrupts(UART_IER_THRI);
	/* A FIFO's load always finds room, also when the buffer is not in step with it. */
	out(UART_TX, (uint8_t)sent++);
	while (in(UART_LSR) & UART_LSR_THRE) {
		for (int i = 0; i < 16; i++, sent++)
			out(UART_TX, (uint8_t)sent);
		ck_assert_int_le(sent, OUT_SIZE);
		run();
	}
	ck_assert_int_eq(sent, OUT_SIZE - 15);
	ck_assert(!wire);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_TEMT, 0);
	ck_assert_uint_eq(vmm_console_dropped(chardev), 0);

	/* A driver that does not wait fills it up, and loses what it writes then. */
	for (int i = 0; i < 16; i++)
		out(UART_TX, 'x');
	ck_assert_uint_eq(vmm_console_dropped(chardev), 1);

	room = SIZE_MAX;
	vmm_console_port_writable(port);
	ck_assert(wire);
	ck_assert_uint_ne(in(UART_LSR) & UART_LSR_THRE, 0);
	ck_assert_uint_eq(in(UART_IIR) & UART_IIR_ID, UART_IIR_THRI);
	run_for(5);
	ck_assert_uint_eq(said_len, OUT_SIZE);
}
END_TEST

START_TEST(a_backend_may_say_writable_inside_its_write)
{
	calls_back = true;
	room = 10;
	print("0123456789abcdef");
	run_for(5);
	ck_assert_uint_eq(said_len, 10);
	ck_assert_int_lt(writes, 20);
	room = SIZE_MAX;
	run_for(10);
	ck_assert_uint_eq(said_len, 16);
	ck_assert_mem_eq(said, "0123456789abcdef", 16);
}
END_TEST

START_TEST(a_backend_that_takes_more_than_there_is_harms_nobody)
{
	boasts = true;
	print("0123456789");
	run_for(5);
	print("abc");
	run_for(5);
	ck_assert_uint_eq(said_len, 13);
	ck_assert_mem_eq(said, "0123456789abc", 13);
}
END_TEST

START_TEST(last_words_go_out_on_a_flush_and_at_the_end)
{
	print("Power");
	vmm__uart_flush(uart);
	ck_assert_uint_eq(said_len, 5);
	print(" down");
	vmm__uart_destroy(uart);
	uart = NULL;
	ck_assert_mem_eq(said, "Power down", 10);
}
END_TEST

/* ---- receiving ---- */

START_TEST(without_a_fifo_a_byte_comes_at_a_time)
{
	ck_assert_uint_eq(type("abc"), 1);
	for (const char *p = "abc"; *p; p++) {
		ck_assert_uint_eq(in(UART_LSR) & UART_LSR_DR, UART_LSR_DR);
		ck_assert_uint_eq(in(UART_RX), *p);
		ck_assert_uint_eq(in(UART_LSR) & UART_LSR_DR, 0);
		ck_assert_uint_eq(in(UART_RX), 0);
		run();
	}
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_OE, 0);
}
END_TEST

START_TEST(a_paste_larger_than_the_fifo_loses_nothing)
{
	static char paste[2000];
	char seen[2000];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(paste) - 1; i++)
		paste[i] = (char)('a' + i % 26);
	enable_fifo();
	ck_assert_uint_eq(type(paste), 16);
	while (in(UART_LSR) & UART_LSR_DR) {
		while (in(UART_LSR) & UART_LSR_DR)
			seen[n++] = (char)in(UART_RX);
		run();
	}
	ck_assert_uint_eq(n, sizeof(paste) - 1);
	ck_assert_mem_eq(seen, paste, n);
}
END_TEST

START_TEST(the_receive_interrupt_tells_level_from_time_out)
{
	enable_fifo();
	enable_interrupts(UART_IER_RDI);
	ck_assert(!wire);
	type("0123456789");
	ck_assert(wire);
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_RDI);
	for (int i = 0; i < 3; i++)
		in(UART_RX);
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
	while (in(UART_LSR) & UART_LSR_DR)
		in(UART_RX);
	ck_assert_uint_eq(in(UART_IIR), 0xc0 | UART_IIR_NO_INT);
	ck_assert(!wire);
	ck_assert_int_eq(wire_changes, 2);
}
END_TEST

START_TEST(a_cleared_fifo_is_empty_and_takes_more)
{
	enable_fifo();
	type("0123456789abcdefgh");
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_DR, 0);
	run();
	ck_assert_uint_eq(in(UART_RX), 'g');
	/* Turning it off clears it too. */
	out(UART_FCR, 0);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_DR, 0);
	ck_assert_uint_eq(in(UART_IIR) >> 6, 0);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(interrupts_come_in_their_order_and_go_by_their_own_acknowledgement)
{
	enable_fifo();
	/* A loopback makes all four. */
	out(UART_MCR, UART_MCR_LOOP);
	for (int i = 0; i < 17; i++)
		out(UART_TX, 'x');
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	out(UART_IER, 0x0f);

	ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_RLSI);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_OE, UART_LSR_OE);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_OE, 0);
	ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_RDI);
	ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_RDI);
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(in(UART_RX), 'x');
	ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_THRI);
	ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_MSI);
	ck_assert_uint_ne(in(UART_MSR) & UART_MSR_DCTS, 0);
	ck_assert_uint_eq(in(UART_MSR) & UART_MSR_ANY_DELTA, 0);
	ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_NO_INT);
	run_for(3);
	ck_assert_uint_eq(said_len, 0);
}
END_TEST

START_TEST(the_gate_holds_the_wire)
{
	out(UART_IER, UART_IER_THRI);
	ck_assert(!wire);
	out(UART_MCR, UART_MCR_OUT2);
	ck_assert(wire);
	out(UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
	ck_assert(!wire);
	out(UART_MCR, UART_MCR_OUT2);
	ck_assert(wire);
	vmm__uart_reset(uart);
	ck_assert(!wire);
}
END_TEST

/* A driver's handler: goes on until there is no interrupt. Returns its rounds. */
static int handler(int *left)
{
	int rounds = 0;

	while (!(in(UART_IIR) & UART_IIR_NO_INT)) {
		rounds++;
		for (int i = 0; i < 16 && *left > 0; i++, (*left)--)
			out(UART_TX, 'x');
		if (*left == 0)
			out(UART_IER, 0);
	}
	return rounds;
}

START_TEST(a_driver_with_interrupts_sends_a_buffer_in_one_go)
{
	int left = 1600;

	enable_fifo();
	enable_interrupts(UART_IER_THRI);
	ck_assert(wire);
	ck_assert_int_eq(handler(&left), 100);
	ck_assert_int_eq(left, 0);
	ck_assert(!wire);
	run_for(5);
	ck_assert_uint_eq(said_len, 1600);
}
END_TEST

START_TEST(a_driver_is_not_kept_in_its_handler_for_ever)
{
	int left = 100000, calls = 0;

	enable_fifo();
	enable_interrupts(UART_IER_THRI);
	while (left > 0) {
		ck_assert(wire);
		ck_assert_int_lt(handler(&left), 200);
		ck_assert_int_lt(++calls, 100);
		run();
	}
	ck_assert(!wire);
	run_for(5);
	ck_assert_uint_eq(said_len, 100000);
}
END_TEST

START_TEST(short_messages_are_never_held_back)
{
	enable_fifo();
	enable_interrupts(0);
	for (int i = 0; i < 1000; i++) {
		int left = 5;

		out(UART_IER, UART_IER_THRI);
		ck_assert(wire);
		ck_assert_int_eq(handler(&left), 1);
		ck_assert(!wire);
	}
	/* Also by a driver that leaves the interrupt on and acknowledges it alone. */
	out(UART_IER, UART_IER_THRI);
	for (int i = 0; i < 1000; i++) {
		out(UART_TX, 'x');
		ck_assert(wire);
		ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_THRI);
		ck_assert_uint_eq(in(UART_IIR) & 0x0f, UART_IIR_NO_INT);
		ck_assert(!wire);
	}
	run_for(5);
	ck_assert_uint_eq(said_len, 6000);
}
END_TEST

START_TEST(loopback_gives_back_what_is_sent_and_takes_nothing_from_outside)
{
	static const struct { uint8_t mcr, msr; } lines[] = {
		{ 0, 0 }, { UART_MCR_RTS, UART_MSR_CTS }, { UART_MCR_DTR, UART_MSR_DSR },
		{ UART_MCR_OUT1, UART_MSR_RI }, { UART_MCR_OUT2, UART_MSR_DCD },
	};

	enable_fifo();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		out(UART_MCR, UART_MCR_LOOP | lines[i].mcr);
		ck_assert_uint_eq(in(UART_MSR) & 0xf0, lines[i].msr);
	}
	/* The ring indicator's delta is for its end. */
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	ck_assert_uint_eq(in(UART_MSR) & UART_MSR_TERI, 0);
	out(UART_MCR, UART_MCR_LOOP);
	ck_assert_uint_ne(in(UART_MSR) & UART_MSR_TERI, 0);

	ck_assert_uint_eq(type("outside"), 0);
	out(UART_TX, 'i');
	ck_assert_uint_eq(in(UART_RX), 'i');
	run_for(3);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_DR, 0);
	ck_assert_uint_eq(said_len, 0);
	out(UART_MCR, 0);
	run();
	ck_assert_uint_eq(in(UART_RX), 'o');
}
END_TEST

START_TEST(a_reset_keeps_what_was_sent_and_forgets_the_rest)
{
	enable_fifo();
	enable_interrupts(0x0f);
	type("input");
	print("output");
	vmm__uart_reset(uart);
	ck_assert(!wire);
	ck_assert_uint_eq(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	ck_assert_uint_eq(in(UART_IIR), UART_IIR_NO_INT);
	ck_assert_uint_eq(in(UART_IER), 0);
	run();
	ck_assert_mem_eq(said, "output", 6);
	/* And it still works. */
	type("again");
	ck_assert_uint_eq(in(UART_RX), 'a');
}
END_TEST

/* ---- firmware, which uses the port beside its driver ---- */

START_TEST(firmware_prints_in_order_and_whatever_state_the_driver_has_it_in)
{
	print("a");
	ck_assert_uint_eq(vmm__uart_put(uart, "bc", 2), 2);
	out(UART_LCR, UART_LCR_DLAB);
	ck_assert_uint_eq(vmm__uart_put(uart, "d", 1), 1);
	out(UART_LCR, UART_LCR_WLEN8);
	out(UART_MCR, UART_MCR_LOOP);
	ck_assert_uint_eq(vmm__uart_put(uart, "e", 1), 1);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_DR, 0);
	out(UART_MCR, 0);
	print("f");
	run_for(5);
	ck_assert_uint_eq(said_len, 6);
	ck_assert_mem_eq(said, "abcdef", 6);
}
END_TEST

START_TEST(firmware_is_told_how_much_was_taken_where_the_port_waits)
{
	static char book[OUT_SIZE + 100];

	memset(book, 'x', sizeof(book));
	room = 0;
	ck_assert_uint_eq(vmm__uart_put(uart, book, sizeof(book)), OUT_SIZE);
	ck_assert_uint_eq(vmm__uart_put(uart, book, 1), 0);
	ck_assert_uint_eq(vmm_console_dropped(chardev), 0);
	ck_assert_uint_eq(in(UART_LSR) & UART_LSR_THRE, 0);
	run();
	room = SIZE_MAX;
	vmm_console_port_writable(port);
	run_for(5);
	ck_assert_uint_eq(vmm__uart_put(uart, book, 100), 100);
	run_for(5);
	ck_assert_uint_eq(said_len, sizeof(book));
}
END_TEST

START_TEST(firmware_takes_what_was_typed_and_no_more)
{
	char bytes[8];

	ck_assert_uint_eq(vmm__uart_take(uart, bytes, sizeof(bytes)), 0);
	enable_fifo();
	enable_interrupts(UART_IER_RDI);
	ck_assert_uint_eq(type("hello"), 5);
	ck_assert(wire);
	ck_assert_uint_eq(vmm__uart_take(uart, bytes, 2), 2);
	ck_assert_mem_eq(bytes, "he", 2);
	ck_assert(wire);
	ck_assert_uint_eq(vmm__uart_take(uart, bytes, sizeof(bytes)), 3);
	ck_assert_mem_eq(bytes, "llo", 3);
	ck_assert(!wire);
}
END_TEST

START_TEST(a_port_that_cannot_be_made_leaves_nothing)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	struct uart16550 *other = NULL;
	struct vmm_chardev *bad;

	/* The ports are taken. */
	ck_assert_int_eq(vmm_console_create(&back_ops, &wire, &bad), 0);
	config.backend = bad;
	ck_assert_int_eq(vmm__uart_create(&ports, BASE, NULL, GSI, loop, &config, &other), -EEXIST);
	/* The backend belongs to another; the backend does not want. */
	config.backend = chardev;
	ck_assert_int_eq(vmm__uart_create(&ports, 0x2f8, NULL, GSI, loop, &config, &other), -EBUSY);
	config.backend = bad;
	ck_assert_int_eq(vmm__uart_create(&ports, 0x2f8, NULL, GSI, loop, &config, &other), -EIO);
	ck_assert(!vmm__bus_write(&ports, 0x2f8, 1, 0));
	vmm_console_destroy(bad);
	vmm__uart_destroy(NULL);
}
END_TEST

/* ---- vCPUs and the loop at once ---- */

static void *vcpu(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		out(UART_TX, 'v');
		if (i % 16 == 0) {
			in(UART_IIR);
			in(UART_LSR);
			in(UART_RX);
		}
	}
	return NULL;
}

START_TEST(two_vcpus_and_the_loop_share_it)
{
	pthread_t vcpus[2];
	size_t before;

	enable_fifo();
	enable_interrupts(0x0f);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&vcpus[i], NULL, vcpu, NULL), 0);
	for (int i = 0; i < 500; i++) {
		type("typed");
		run();
		usleep(10);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(vcpus[i], NULL);
	do {
		before = said_len;
		run_for(5);
	} while (said_len != before);
	ck_assert_uint_eq(said_len + vmm_console_dropped(chardev), 40000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uart16550");
	TCase *plain = tcase_create("default"), *waiting = tcase_create("wait");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(plain, setup, teardown);
	tcase_add_checked_fixture(waiting, setup_waiting, teardown);
	tcase_set_timeout(plain, 30);
	tcase_add_test(plain, registers_hold_what_a_16550a_holds);
	tcase_add_test(plain, the_divisor_is_never_zero_at_first);
	tcase_add_test(plain, linux_finds_a_16550a_and_nothing_else);
	tcase_add_test(plain, linux_trusts_the_transmit_interrupt);
	tcase_add_test(plain, accesses_of_every_width_touch_each_register_once);
	tcase_add_test(plain, output_reaches_the_backend_and_the_transmitter_is_never_busy);
	tcase_add_test(plain, a_book_is_handed_over_in_pieces_and_not_by_letter);
	tcase_add_test(plain, a_backend_that_stalls_for_ever_blocks_nobody_and_is_counted);
	tcase_add_test(plain, a_loop_that_nobody_runs_blocks_nobody);
	tcase_add_test(waiting, when_told_to_wait_the_transmitter_is_busy_until_there_is_room);
	tcase_add_test(plain, a_backend_may_say_writable_inside_its_write);
	tcase_add_test(plain, a_backend_that_takes_more_than_there_is_harms_nobody);
	tcase_add_test(plain, last_words_go_out_on_a_flush_and_at_the_end);
	tcase_add_test(plain, without_a_fifo_a_byte_comes_at_a_time);
	tcase_add_test(plain, a_paste_larger_than_the_fifo_loses_nothing);
	tcase_add_test(plain, the_receive_interrupt_tells_level_from_time_out);
	tcase_add_test(plain, a_cleared_fifo_is_empty_and_takes_more);
	tcase_add_test(plain, interrupts_come_in_their_order_and_go_by_their_own_acknowledgement);
	tcase_add_test(plain, the_gate_holds_the_wire);
	tcase_add_test(plain, a_driver_with_interrupts_sends_a_buffer_in_one_go);
	tcase_add_test(plain, a_driver_is_not_kept_in_its_handler_for_ever);
	tcase_add_test(plain, short_messages_are_never_held_back);
	tcase_add_test(plain, loopback_gives_back_what_is_sent_and_takes_nothing_from_outside);
	tcase_add_test(plain, a_reset_keeps_what_was_sent_and_forgets_the_rest);
	tcase_add_test(plain, firmware_prints_in_order_and_whatever_state_the_driver_has_it_in);
	tcase_add_test(waiting, firmware_is_told_how_much_was_taken_where_the_port_waits);
	tcase_add_test(plain, firmware_takes_what_was_typed_and_no_more);
	tcase_add_test(plain, a_port_that_cannot_be_made_leaves_nothing);
	tcase_add_test(plain, two_vcpus_and_the_loop_share_it);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, waiting);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
