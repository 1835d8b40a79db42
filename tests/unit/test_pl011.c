/* SPDX-License-Identifier: MIT */
/*
 * test_pl011.c - Arm's serial port as a driver sees it, from its registers to its backend.
 *
 * The interrupt line is the only part that is not real: vmm__irq_set_line() below.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/console/console_priv.h"
#include "bus/bus_priv.h"
#include "core/irq_priv.h"
#include "core/loop_priv.h"
#include "devices/legacy/pl011_priv.h"

enum { BASE = 0x9000000, GSI = 1, BUFFER = 64 << 10, ROOM = 256 << 10 };
enum { DR = 0, FR = 0x18, IBRD = 0x24, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34, IMSC = 0x38, RIS = 0x3c,
       MIS = 0x40, ICR = 0x44 };
enum { FR_BUSY = 8, FR_RXFE = 16, FR_TXFF = 32, FR_RXFF = 64, FR_TXFE = 128 };
enum { RX = 16, TX = 32, RT = 64, OE = 1024 };
enum { ON = 0x301, FIFO = 16, LOOPBACK = 0x80 };

static struct vmm_loop *loop;
static struct bus mmio;
static struct pl011 *uart;
static bool wire;

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	ck_assert_uint_eq(gsi, GSI);
	ck_assert(level != wire);
	wire = level;
	return 0;
}

/* ---- the backend: takes @room bytes, and has @typed for the guest ---- */

static struct vmm_console_port *port;
static size_t room, said_len;
static unsigned char said[ROOM];
static const char *typed;
static int destroyed;

static int back_attach(void *state, struct vmm_console_port *p, struct vmm_loop *l)
{
	if (state)
		return -EIO;
	port = p;
	return 0;
}

static size_t back_write(void *state, const void *data, size_t len)
{
	if (len > room)
		len = room;
	memcpy(said + said_len, data, len);
	said_len += len;
	room -= len;
	return len;
}

static void back_readable(void *state)
{
	typed += vmm_console_port_input(port, typed, strlen(typed));
}

static void back_detach(void *state)
{
	port = NULL;
}

static void back_destroy(void *state)
{
	destroyed++;
}

static const struct vmm_console_ops back_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "test",
	.attach = back_attach,
	.write = back_write,
	.readable = back_readable,
	.detach = back_detach,
	.destroy = back_destroy,
};

/* ---- the guest ---- */

static void put(uint32_t reg, uint32_t value)
{
	ck_assert(vmm__bus_write(&mmio, BASE + reg, 4, value));
}

static uint32_t get(uint32_t reg)
{
	uint64_t value = 0;

	ck_assert(vmm__bus_read(&mmio, BASE + reg, 4, &value));
	return (uint32_t)value;
}

static void print(const char *words)
{
	for (; *words; words++)
		put(DR, (uint8_t)*words);
}

static void run(void)
{
	for (int i = 0; i < 1000 && vmm_loop_dispatch(loop) > 0; i++)
		continue;
}

/* Run the loop for @ms. */
static void run_for(int ms)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < ms; i++) {
		run();
		nanosleep(&step, NULL);
	}
	run();
}

static size_t type(const char *words)
{
	typed = words;
	back_readable(NULL);
	run();
	return (size_t)(typed - words);
}

static int make(uint32_t flags, void *state)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	const struct serial_place place = { .bus = &mmio, .base = BASE, .gsi = GSI, .loop = loop };
	int r;

	ck_assert_int_eq(vmm_console_create(&back_ops, state, &config.backend), 0);
	config.flags = flags;
	r = vmm__pl011_create(&place, &config, &uart);
	if (r < 0)
		vmm_console_destroy(config.backend);
	return r;
}

static void setup(void)
{
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	ck_assert_int_eq(vmm__bus_init(&mmio, "MMIO", 0), 0);
	room = ROOM;
	typed = "";
	ck_assert_int_eq(make(0, NULL), 0);
	put(CR, ON);
}

static void setup_wait(void)
{
	setup();
	vmm__pl011_destroy(uart);
	ck_assert_int_eq(make(VMM_CONSOLE_WAIT, NULL), 0);
	put(CR, ON);
	destroyed = 0;
}

static void teardown(void)
{
	vmm__pl011_destroy(uart);
	ck_assert_int_eq(destroyed, 1);
	ck_assert_uint_eq(mmio.nr, 0);
	vmm__bus_finish(&mmio);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
}

/* ---- what a driver looks at first ---- */

START_TEST(it_says_what_it_is)
{
	static const uint32_t id[] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (uint32_t i = 0; i < 8; i++)
		ck_assert_uint_eq(get(0xfe0 + 4 * i), id[i]);
	ck_assert_uint_eq(get(FR), FR_TXFE | FR_RXFE | 7);
	ck_assert_uint_eq(get(IFLS), 0x12);
	ck_assert_uint_eq(get(RIS), 0);
}
END_TEST

/* Every offset with every width: nothing happens but what the registers say, and nothing is read from outside. */
START_TEST(every_register_takes_every_access)
{
	for (uint64_t offset = 0; offset < 0x1000; offset++) {
		for (uint32_t width = 1; width <= 8 && offset + width <= 0x1000; width *= 2) {
			uint64_t value = 0;

			ck_assert(vmm__bus_read(&mmio, BASE + offset, width, &value));
			if (offset % 4)
				ck_assert_uint_eq(value, 0);
			if (offset != DR)
				ck_assert(vmm__bus_write(&mmio, BASE + offset, width, UINT64_MAX));
		}
	}
	ck_assert_uint_eq(get(LCR_H), 0xff);
	ck_assert_uint_eq(get(IBRD), 0xffff);
	ck_assert_uint_eq(get(0x28), 0x3f);
	ck_assert_uint_eq(get(IMSC), 0x7ff);
	ck_assert_uint_eq(get(0x48), 7);
	run();
	ck_assert_uint_eq(said_len, 0);
	vmm__pl011_reset(uart);
	ck_assert_uint_eq(get(LCR_H) | get(IBRD) | get(IMSC) | get(RIS), 0);
	ck_assert_uint_eq(get(CR), 0x300);
	ck_assert(!wire);
}
END_TEST

START_TEST(narrow_accesses_are_to_a_registers_start)
{
	ck_assert(vmm__bus_write(&mmio, BASE + DR, 1, 'a'));
	ck_assert(vmm__bus_write(&mmio, BASE + DR, 2, 'b'));
	ck_assert(vmm__bus_write(&mmio, BASE + IBRD, 2, 0x12345));
	ck_assert_uint_eq(get(IBRD), 0x2345);
	run();
	ck_assert_uint_eq(said_len, 2);
	ck_assert_mem_eq(said, "ab", 2);
}
END_TEST

/* ---- sending ---- */

START_TEST(what_is_written_arrives_in_order)
{
	char words[3000];

	for (size_t i = 0; i < sizeof(words); i++)
		words[i] = (char)('a' + i % 26);
	words[sizeof(words) - 1] = '\0';
	print(words);
	run_for(3);
	ck_assert_uint_eq(said_len, sizeof(words) - 1);
	ck_assert_mem_eq(said, words, said_len);
	print("more");
	vmm__pl011_flush(uart);
	ck_assert_uint_eq(said_len, sizeof(words) + 3);
}
END_TEST

/* Early consoles write before anybody turned the port on, and firmware would have. */
START_TEST(a_port_that_is_off_still_sends)
{
	put(CR, 0);
	print("early");
	run();
	ck_assert_mem_eq(said, "early", 5);
}
END_TEST

START_TEST(sending_raises_the_transmit_interrupt_until_it_is_cleared)
{
	put(IMSC, TX);
	ck_assert(!wire);
	print("x");
	ck_assert(wire);
	ck_assert_uint_eq(get(MIS), TX);
	put(ICR, TX);
	ck_assert(!wire);
	ck_assert_uint_eq(get(RIS), 0);
	print("y");
	ck_assert(wire);
	put(IMSC, 0);
	ck_assert(!wire);
	ck_assert_uint_eq(get(RIS), TX);
	ck_assert_uint_eq(get(MIS), 0);
}
END_TEST

START_TEST(a_backend_that_takes_nothing_loses_what_does_not_fit)
{
	room = 0;
	for (int i = 0; i < BUFFER + 100; i++)
		put(DR, 'z');
	run();
	ck_assert_uint_eq(get(FR) & (FR_TXFF | FR_BUSY), 0);
	room = ROOM;
	vmm_console_port_writable(port);
	run_for(3);
	ck_assert_uint_eq(said_len, BUFFER);
}
END_TEST

START_TEST(a_port_that_waits_is_full_instead_and_tells_when_there_is_room)
{
	room = 0;
	for (int i = 0; i < BUFFER; i++) {
		ck_assert_uint_eq(get(FR) & FR_TXFF, 0);
		put(DR, 'z');
	}
	run();
	ck_assert_uint_eq(get(FR) & (FR_TXFF | FR_BUSY | FR_TXFE), FR_TXFF | FR_BUSY);
	put(ICR, TX);
	put(IMSC, TX);
	ck_assert(!wire);
	put(DR, 'q');		/* a driver that does not look */
	ck_assert(!wire);
	room = ROOM;
	vmm_console_port_writable(port);
	run_for(3);
	ck_assert(wire);
	ck_assert_uint_eq(get(FR) & FR_TXFF, 0);
	ck_assert_uint_eq(said_len, BUFFER);
	ck_assert_uint_eq(said[BUFFER - 1], 'z');
}
END_TEST

START_TEST(what_was_written_before_a_reset_still_goes_out)
{
	print("last words");
	vmm__pl011_reset(uart);
	run();
	ck_assert_mem_eq(said, "last words", 10);
}
END_TEST

/* ---- receiving ---- */

START_TEST(input_waits_until_the_receiver_is_on)
{
	put(CR, 0x100);
	ck_assert_uint_eq(type("abc"), 0);
	ck_assert_uint_eq(get(FR) & FR_RXFE, FR_RXFE);
	put(CR, ON);
	run();
	ck_assert_uint_eq(get(DR), 'a');
	run();
	ck_assert_uint_eq(get(DR), 'b');	/* without FIFO one at a time */
	run();
	ck_assert_uint_eq(get(DR), 'c');
	ck_assert_uint_eq(get(FR) & FR_RXFE, FR_RXFE);
	ck_assert_uint_eq(get(DR), 0);
}
END_TEST

START_TEST(nothing_is_lost_of_a_long_line)
{
	static const char line[] = "The quick brown fox jumps over the lazy dog, and over the lazier one.";
	char got[sizeof(line)] = "";
	size_t n = 0;

	put(LCR_H, 0x70);
	ck_assert_uint_eq(type(line), FIFO);
	ck_assert_uint_eq(get(FR) & FR_RXFF, FR_RXFF);
	while (n < sizeof(line) - 1) {
		if (get(FR) & FR_RXFE)
			run();
		else
			got[n++] = (char)get(DR);
	}
	ck_assert_str_eq(got, line);
}
END_TEST

START_TEST(received_bytes_interrupt_by_level_and_by_time_out)
{
	put(LCR_H, 0x70);
	put(IFLS, 0x02 | 2 << 3);	/* eight bytes */
	put(IMSC, RX | RT);
	type("1234567");
	ck_assert(wire);
	ck_assert_uint_eq(get(MIS), RT);
	type("8");
	ck_assert_uint_eq(get(MIS), RX);
	put(ICR, RX | RT);		/* it is not over while the bytes are there */
	ck_assert(wire);
	get(DR);
	ck_assert_uint_eq(get(MIS), RT);
	for (int i = 0; i < 7; i++)
		get(DR);
	ck_assert(!wire);
}
END_TEST

START_TEST(turning_the_fifo_over_empties_it)
{
	put(LCR_H, 0x10);
	type("abcdef");
	put(LCR_H, 0);
	ck_assert_uint_eq(get(FR) & FR_RXFE, FR_RXFE);
	ck_assert_uint_eq(type("gh"), 1);
	ck_assert_uint_eq(get(DR), 'g');
}
END_TEST

START_TEST(a_loopback_comes_back_and_keeps_the_line_out)
{
	put(LCR_H, 0x10);
	put(CR, ON | LOOPBACK);
	ck_assert_uint_eq(type("x"), 0);
	for (int i = 0; i < FIFO + 1; i++)
		put(DR, (uint32_t)('a' + i));
	ck_assert_uint_eq(get(RIS) & OE, OE);
	for (int i = 0; i < FIFO; i++)
		ck_assert_uint_eq(get(DR), (uint32_t)('a' + i));
	put(ICR, OE);
	ck_assert_uint_eq(get(RIS) & OE, 0);
	run();
	ck_assert_uint_eq(said_len, 0);
	put(CR, ON);
	run();
	ck_assert_uint_eq(get(DR), 'x');
}
END_TEST

START_TEST(a_port_that_cannot_be_made_leaves_nothing)
{
	struct pl011 *first = uart;

	ck_assert_int_eq(make(0, NULL), -EEXIST);
	vmm__pl011_destroy(first);
	ck_assert_int_eq(make(0, &destroyed), -EIO);
	ck_assert_uint_eq(mmio.nr, 0);
	destroyed = 0;
	ck_assert_int_eq(make(0, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pl011");
	TCase *plain = tcase_create("plain"), *wait = tcase_create("wait");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(plain, setup, teardown);
	tcase_add_test(plain, it_says_what_it_is);
	tcase_add_test(plain, every_register_takes_every_access);
	tcase_add_test(plain, narrow_accesses_are_to_a_registers_start);
	tcase_add_test(plain, what_is_written_arrives_in_order);
	tcase_add_test(plain, a_port_that_is_off_still_sends);
	tcase_add_test(plain, sending_raises_the_transmit_interrupt_until_it_is_cleared);
	tcase_add_test(plain, a_backend_that_takes_nothing_loses_what_does_not_fit);
	tcase_add_test(plain, what_was_written_before_a_reset_still_goes_out);
	tcase_add_test(plain, input_waits_until_the_receiver_is_on);
	tcase_add_test(plain, nothing_is_lost_of_a_long_line);
	tcase_add_test(plain, received_bytes_interrupt_by_level_and_by_time_out);
	tcase_add_test(plain, turning_the_fifo_over_empties_it);
	tcase_add_test(plain, a_loopback_comes_back_and_keeps_the_line_out);
	tcase_add_test(plain, a_port_that_cannot_be_made_leaves_nothing);
	suite_add_tcase(suite, plain);
	tcase_add_checked_fixture(wait, setup_wait, teardown);
	tcase_add_test(wait, a_port_that_waits_is_full_instead_and_tells_when_there_is_room);
	suite_add_tcase(suite, wait);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
