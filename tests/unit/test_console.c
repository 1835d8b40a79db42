/* SPDX-License-Identifier: MIT */
/* test_console.c - the virtio console between hostile drivers and backends in every mood. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_console.h>

#include "backends/console/console_priv.h"
#include "fake_virtio.h"

enum { RX, TX };

static struct vmm_chardev *chardev;

/* ---- the backend: takes @room bytes, and has @typed for the guest ---- */

static struct vmm_console_port *port;
static size_t room, said_len, longest;
static unsigned char said[4 << 20];
static const char *typed;
static int writes, readables, destroys, attach_result;
static bool calls_back, boasts;

static int back_attach(void *state, struct vmm_console_port *p, struct vmm_loop *loop)
{
	port = p;
	return attach_result;
}

static size_t back_write(void *state, const void *data, size_t len)
{
	writes++;
	longest = len > longest ? len : longest;
	if (len > room)
		len = room;
	if (len > sizeof(said) - said_len)
		said_len = 0;
	memcpy(said + said_len, data, len);
	said_len += len;
	room -= len;
	if (calls_back)
		vmm_console_port_writable(port);
	return boasts ? len + 1000 : len;
}

static void type_on(void)
{
	typed += vmm_console_port_input(port, typed, strlen(typed));
}

static void back_readable(void *state)
{
	readables++;
	type_on();
}

static void back_detach(void *state)
{
	port = NULL;
}

static void back_destroy(void *state)
{
	destroys++;
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

static void type(const char *words)
{
	typed = words;
	type_on();
}

static void make(uint32_t flags)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	machine_make();
	room = SIZE_MAX;
	said_len = longest = 0;
	typed = "";
	writes = readables = destroys = attach_result = 0;
	calls_back = boasts = false;
	ck_assert_int_eq(vmm_console_create(&back_ops, NULL, &chardev), 0);
	config.backend = chardev;
	config.flags = flags;
	config.columns = 80;
	config.rows = 25;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), 0);
}

static void setup(void)
{
	make(0);
	driver_start();
}

static void setup_waiting(void)
{
	make(VMM_CONSOLE_WAIT);
	driver_start();
}

static void teardown(void)
{
	machine_unmake();
	ck_assert_int_eq(destroys, 1);
	ck_assert_ptr_null(port);
}

static void print_at(unsigned i, const char *words)
{
	uint32_t at = DATA + i * 4096;

	memcpy(machine.ram + at, words, strlen(words));
	driver_buffer(TX, i, at, (uint32_t)strlen(words), false);
}

/* ---- tables ---- */

START_TEST(a_table_must_have_what_is_required)
{
	struct vmm_console_ops ops = back_ops;
	struct vmm_chardev *c = NULL;

	ops.attach = NULL;
	ck_assert_int_eq(vmm_console_create(&ops, NULL, &c), -EINVAL);
	ops = back_ops;
	ops.write = NULL;
	ck_assert_int_eq(vmm_console_create(&ops, NULL, &c), -EINVAL);
	ops = back_ops;
	ops.detach = NULL;
	ck_assert_int_eq(vmm_console_create(&ops, NULL, &c), -EINVAL);
	ops = back_ops;
	ops.size = 0;
	ck_assert_int_eq(vmm_console_create(&ops, NULL, &c), -EINVAL);
	ck_assert_int_eq(vmm_console_create(NULL, NULL, &c), -EINVAL);
	ck_assert_int_eq(vmm_console_create(&back_ops, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(c);
	vmm_console_destroy(NULL);

	/* An older table, from before destroy(). */
	ops = back_ops;
	ops.size = offsetof(struct vmm_console_ops, destroy);
	ck_assert_int_eq(vmm_console_create(&ops, NULL, &c), 0);
	vmm_console_destroy(c);
	ck_assert_int_eq(destroys, 0);
}
END_TEST

START_TEST(a_config_that_cannot_be_is_refused_and_leaves_the_backend)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_chardev *c;

	ck_assert_int_eq(vmm_console_create(&back_ops, NULL, &c), 0);
	ck_assert_int_eq(vmm_add_console(THE_VM, NULL, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_console(NULL, &config, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EINVAL);
	config.backend = chardev;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EBUSY);
	config.backend = c;
	config.flags = 1u << 31;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EINVAL);
	config.flags = 0;
	config.nr_ports = 1;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EINVAL);
	config.nr_ports = 0;
	machine.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -ENOSPC);
	machine.add_result = 0;
	attach_result = -EIO;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EIO);
	ck_assert_int_eq(destroys, 0);
	vmm_console_destroy(c);
	ck_assert_int_eq(destroys, 1);
	destroys = 0;
}
END_TEST

START_TEST(it_offers_size_and_emergency_write_and_nothing_more)
{
	const struct virtio *v = &machine.dev->virtio;
	const uint32_t ours = 1u << VIRTIO_CONSOLE_F_SIZE | 1u << VIRTIO_CONSOLE_F_EMERG_WRITE;

	ck_assert_uint_eq(v->offered.word[0] & 0x00ffffff, ours);
	ck_assert_uint_eq(v->offered.word[2] | v->offered.word[3], 0);
	ck_assert_uint_eq(v->nr_queues, 2);
}
END_TEST

/* ---- output ---- */

START_TEST(what_the_guest_prints_arrives)
{
	print_at(0, "Hello, ");
	/* A chain of three. */
	memcpy(machine.ram + DATA + 8192, "worldly wise", 12);
	driver_desc(TX, 1, DATA + 8192, 5, VRING_DESC_F_NEXT, 2);
	driver_desc(TX, 2, DATA + 8197, 0, VRING_DESC_F_NEXT, 3);
	driver_desc(TX, 3, DATA + 8197, 7, 0, 0);
	driver_offer(TX, 1);
	driver_kick(TX);
	machine_run();
	ck_assert_uint_eq(said_len, 19);
	ck_assert_mem_eq(said, "Hello, worldly wise", 19);
	ck_assert_uint_eq(driver_used(TX), 2);
	ck_assert_uint_eq(driver_used_len(TX, 0), 0);
	ck_assert_int_ge(machine.queue_interrupts[TX], 1);
	ck_assert_int_eq(machine.broken, 0);
}
END_TEST

START_TEST(a_backend_that_stalls_blocks_nobody_and_the_loss_is_counted)
{
	room = 4;
	for (int i = 0; i < 1000; i++) {
		print_at((unsigned)i % ENTRIES, "0123456789");
		driver_kick(TX);
		machine_run();
		ck_assert_uint_eq(driver_used(TX), (uint16_t)(i + 1));
	}
	ck_assert_uint_eq(said_len, 4);
	ck_assert_uint_eq(vmm_console_dropped(chardev), 10000 - 4);

	room = SIZE_MAX;
	vmm_console_port_writable(port);
	print_at(40, "!");
	driver_kick(TX);
	machine_run();
	ck_assert_mem_eq(said, "0123!", 5);
}
END_TEST

START_TEST(told_to_wait_it_leaves_the_chain_in_the_queue_and_goes_on_where_it_was)
{
	room = 4;
	print_at(0, "0123456789");
	print_at(1, "abc");
	driver_kick(TX);
	machine_run();
	ck_assert_uint_eq(driver_used(TX), 0);
	writes = 0;
	/* Ringing does not help. */
	for (int i = 0; i < 10; i++) {
		driver_kick(TX);
		machine_run();
	}
	ck_assert_int_eq(writes, 0);

	room = 3;
	vmm_console_port_writable(port);
	machine_run();
	ck_assert_uint_eq(driver_used(TX), 0);
	room = SIZE_MAX;
	vmm_console_port_writable(port);
	ck_assert_uint_eq(driver_used(TX), 2);
	ck_assert_mem_eq(said, "0123456789abc", 13);
	ck_assert_uint_eq(vmm_console_dropped(chardev), 0);
}
END_TEST

START_TEST(a_chain_that_changes_while_it_waits_harms_nobody)
{
	static const uint32_t lens[] = { 0, 1, 4, 5, 4096 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		driver_start();
		room = 4;
		print_at(0, "0123456789");
		driver_kick(TX);
		machine_run();
		driver_desc(TX, 0, DATA, lens[i], 0, 0);
		room = SIZE_MAX;
		vmm_console_port_writable(port);
		machine_run();
		ck_assert_uint_eq(driver_used(TX), 1);
	}
	/* It may also become a lie. */
	room = 4;
	print_at(0, "0123456789");
	driver_kick(TX);
	machine_run();
	driver_desc(TX, 0, RAM, 10, 0, 0);
	room = SIZE_MAX;
	vmm_console_port_writable(port);
	machine_run();
	ck_assert_int_eq(machine.broken, 1);
	vmm_console_port_writable(port);
	machine_run();
}
END_TEST

START_TEST(a_reset_while_it_waits_forgets_the_chain)
{
	room = 4;
	print_at(0, "0123456789");
	driver_kick(TX);
	machine_run();
	driver_reset();
	memset(machine.ram, 0xff, QUEUE_BYTES * 2);
	room = SIZE_MAX;
	vmm_console_port_writable(port);
	machine_run();
	ck_assert_uint_eq(said_len, 4);

	driver_start();
	print_at(0, "new life");
	driver_kick(TX);
	machine_run();
	ck_assert_mem_eq(said, "0123new life", 12);
}
END_TEST

START_TEST(one_chain_of_gigabytes_takes_many_turns)
{
	/* 60 descriptors, each of all of the RAM. */
	for (unsigned i = 0; i < 60; i++)
		driver_desc(TX, i, 0, RAM, i < 59 ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	driver_offer(TX, 0);
	driver_kick(TX);
	for (int i = 0; i < 20; i++) {
		writes = 0;
		driver_kick(TX);
		ck_assert(machine_turn());
		/* The first turn has two shares; from then on ringing makes no difference. */
		ck_assert_int_le(writes, i == 0 ? 2 * 16 : 16);
	}
	ck_assert_uint_le(longest, 4096);
	ck_assert_uint_eq(driver_used(TX), 0);
	/* Others are served meanwhile, and a reset ends it. */
	driver_buffer(RX, 0, DATA, 16, true);
	type("x");
	ck_assert_uint_eq(driver_used(RX), 1);
	driver_reset();
	writes = 0;
	machine_run();
	ck_assert_int_eq(writes, 0);
}
END_TEST

START_TEST(a_backend_that_takes_more_than_there_is_harms_nobody)
{
	boasts = true;
	print_at(0, "0123456789");
	print_at(1, "abc");
	driver_kick(TX);
	machine_run();
	ck_assert_mem_eq(said, "0123456789abc", 13);
	ck_assert_uint_eq(driver_used(TX), 2);
}
END_TEST

START_TEST(many_small_chains_are_a_bounded_part_a_turn)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(TX, i, DATA, 1, false);
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, TX));
	ck_assert_uint_eq(driver_used(TX), 32);
	machine_run();
	ck_assert_uint_eq(driver_used(TX), ENTRIES);

	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(RX, i, DATA, 1, true);
	type("0123456789012345678901234567890123456789012345678901234567890123456789");
	ck_assert_uint_eq(driver_used(RX), 32);
	machine_run();
	ck_assert_uint_eq(driver_used(RX), ENTRIES);
	ck_assert_uint_eq(strlen(typed), 6);
}
END_TEST

START_TEST(empty_chains_without_end_leave_the_loop_to_others)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(TX, i, DATA, 0, false);
	driver_kick(TX);
	for (int i = 0; i < 50; i++) {
		uint16_t before = driver_used(TX);

		machine_turn();
		ck_assert_uint_le((uint16_t)(driver_used(TX) - before), ENTRIES);
		/* As fast as they come back they are offered again. */
		driver_store16(TX * QUEUE_BYTES + AVAIL_AT + 2, (uint16_t)(driver_used(TX) + ENTRIES));
		driver_kick(TX);
	}
	ck_assert_int_eq(machine.broken, 0);
}
END_TEST

START_TEST(a_backend_may_say_writable_inside_its_write)
{
	calls_back = true;
	print_at(0, "0123456789");
	print_at(1, "abc");
	room = 5;
	driver_kick(TX);
	for (int i = 0; i < 20; i++)
		machine_turn();
	ck_assert_int_lt(writes, 100);
	room = SIZE_MAX;
	machine_run();
	ck_assert_mem_eq(said, "0123456789abc", 13);
	ck_assert_uint_eq(driver_used(TX), 2);
}
END_TEST

/* ---- input ---- */

START_TEST(input_fills_what_the_guest_offers)
{
	driver_buffer(RX, 0, DATA, 4, true);
	driver_buffer(RX, 1, DATA + 100, 100, true);
	type("0123456789");
	ck_assert_str_eq(typed, "");
	ck_assert_uint_eq(driver_used(RX), 2);
	ck_assert_uint_eq(driver_used_len(RX, 0), 4);
	ck_assert_uint_eq(driver_used_len(RX, 1), 6);
	ck_assert_mem_eq(machine.ram + DATA, "0123\0", 5);
	ck_assert_mem_eq(machine.ram + DATA + 100, "456789\0", 7);
	ck_assert_int_ge(machine.queue_interrupts[RX], 1);
}
END_TEST

START_TEST(without_buffers_the_backend_keeps_its_input_and_hears_when_there_are_some)
{
	type("0123456789");
	ck_assert_str_eq(typed, "0123456789");
	for (int i = 0; i < 5; i++) {
		driver_buffer(RX, (unsigned)i, DATA + 16 * i, 2, true);
		driver_kick(RX);
		machine_run();
		ck_assert_uint_eq(strlen(typed), 10 - 2 * ((size_t)i + 1));
	}
	readables = 0;
	driver_buffer(RX, 0, DATA, 2, true);
	driver_kick(RX);
	machine_run();
	ck_assert_int_eq(readables, 0);
}
END_TEST

START_TEST(input_before_there_is_a_driver_waits_for_it)
{
	driver_reset();
	type("early");
	ck_assert_str_eq(typed, "early");
	driver_start();
	driver_buffer(RX, 0, DATA, 16, true);
	driver_kick(RX);
	machine_run();
	ck_assert_mem_eq(machine.ram + DATA, "early", 5);
}
END_TEST

START_TEST(buffers_that_hold_nothing_do_not_hold_the_loop)
{
	static char paste[10000];

	memset(paste, 'p', sizeof(paste) - 1);
	/* Not to be written, empty, and with something to be read in front. */
	driver_buffer(RX, 0, DATA, 100, false);
	driver_buffer(RX, 1, DATA, 0, true);
	driver_desc(RX, 2, DATA, 4, VRING_DESC_F_NEXT, 3);
	driver_desc(RX, 3, DATA + 100, 4, VRING_DESC_F_WRITE, 0);
	driver_offer(RX, 2);
	type("abcd");
	ck_assert_uint_eq(driver_used(RX), 3);
	ck_assert_uint_eq(driver_used_len(RX, 0), 0);
	ck_assert_uint_eq(driver_used_len(RX, 1), 0);
	ck_assert_uint_eq(driver_used_len(RX, 2), 4);
	ck_assert_mem_eq(machine.ram + DATA, "\0\0\0\0", 4);

	driver_start();
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_buffer(RX, i, DATA, 0, true);
	type(paste);
	for (int i = 0; i < 20; i++) {
		machine_turn();
		driver_store16(AVAIL_AT + 2, (uint16_t)(driver_used(RX) + ENTRIES));
		driver_kick(RX);
	}
	ck_assert_uint_eq(strlen(typed), sizeof(paste) - 1);
	ck_assert_int_eq(machine.broken, 0);
}
END_TEST

/* ---- lies ---- */

static const struct {
	const char *name;
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next, head;
} lies[] = {
	{ "buffer past the end",	RAM - 8,	16, 0, 0, 0 },
	{ "address that wraps",		UINT64_MAX - 7,	16, 0, 0, 0 },
	{ "chain that loops",		DATA,		16, VRING_DESC_F_NEXT, 0, 0 },
	{ "head outside the table",	DATA,		16, 0, 0, ENTRIES },
	{ "empty indirect table",	DATA,		0, VRING_DESC_F_INDIRECT, 0, 0 },
};

START_TEST(a_lying_driver_breaks_its_console_and_nothing_else)
{
	for (uint32_t queue = RX; queue <= TX; queue++) {
		driver_start();
		machine.broken = 0;
		type(queue == RX ? "waiting" : "");
		driver_desc(queue, 0, lies[_i].addr, lies[_i].len, lies[_i].flags, lies[_i].next);
		driver_offer(queue, lies[_i].head);
		driver_kick(queue);
		machine_run();
		ck_assert_msg(machine.broken == 1, "%s", lies[_i].name);
		/* The backend does not know and goes on. */
		type("more");
		vmm_console_port_writable(port);
		vmm_console_port_resize(port, 1, 1);
		machine_run();
	}
	driver_start();
	print_at(0, "fine");
	driver_kick(TX);
	machine_run();
	ck_assert_mem_eq(said, "fine", 4);
}
END_TEST

/* ---- size ---- */

static uint64_t config_at(uint32_t offset, uint32_t width)
{
	return vmm__device_read_config(machine.dev, offset, width);
}

START_TEST(the_size_is_told_at_first_and_when_it_changes)
{
	ck_assert_uint_eq(config_at(0, 2), 80);
	ck_assert_uint_eq(config_at(2, 2), 25);
	/* Once at DRIVER_OK; and once more when somebody types. */
	ck_assert_int_eq(machine.config_interrupts, 1);
	type("not yet");
	ck_assert_int_eq(machine.config_interrupts, 1);
	driver_buffer(RX, 0, DATA, 8, true);
	driver_buffer(RX, 1, DATA, 8, true);
	type("a");
	ck_assert_int_eq(machine.config_interrupts, 2);
	type("b");
	ck_assert_int_eq(machine.config_interrupts, 2);

	vmm_console_port_resize(port, 132, 50);
	ck_assert_uint_eq(config_at(0, 4), 132 | 50 << 16);
	ck_assert_int_eq(machine.config_interrupts, 3);

	/* While there is no driver there is no interrupt. */
	driver_reset();
	vmm_console_port_resize(port, 100, 40);
	ck_assert_int_eq(machine.config_interrupts, 3);
	ck_assert_uint_eq(config_at(0, 4), 100 | 40 << 16);
	driver_start();
	ck_assert_int_eq(machine.config_interrupts, 4);
}
END_TEST

/* ---- emergency write ---- */

START_TEST(an_emergency_character_is_printed_in_every_state)
{
	const uint32_t at = offsetof(struct virtio_console_config, emerg_wr);

	vmm__device_write_config(machine.dev, at, 4, 'a');
	driver_reset();
	vmm__device_write_config(machine.dev, at, 4, 0xffffff00 | 'b');
	vmm__device_write_config(machine.dev, at, 1, 'c');
	vmm__device_write_config(machine.dev, at, 2, 'd');
	ck_assert_uint_eq(said_len, 4);
	ck_assert_mem_eq(said, "abcd", 4);
	/* The rest of the space is not writable. */
	for (uint32_t offset = 0; offset < 12; offset++) {
		if (offset != at)
			vmm__device_write_config(machine.dev, offset, 1, 'x');
	}
	vmm__device_write_config(machine.dev, 12, 4, 'x');
	vmm__device_write_config(machine.dev, UINT32_MAX, 4, 'x');
	ck_assert_uint_eq(said_len, 4);
	ck_assert_uint_eq(config_at(0, 4), 80 | 25 << 16);
	/* A write from before that reaches into it counts. */
	vmm__device_write_config(machine.dev, 4, 8, (uint64_t)'e' << 32);
	ck_assert_uint_eq(said[4], 'e');
	room = 0;
	vmm__device_write_config(machine.dev, at, 4, 'f');
	ck_assert_uint_eq(vmm_console_dropped(chardev), 1);
}
END_TEST

START_TEST(a_device_that_goes_with_work_left_leaves_nothing)
{
	for (unsigned i = 0; i < 60; i++)
		driver_desc(TX, i, 0, RAM, i < 59 ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	driver_offer(TX, 0);
	driver_kick(TX);
	machine_turn();
	/* teardown() destroys it now, under the sanitizers' eyes. */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console");
	TCase *plain = tcase_create("default"), *waiting = tcase_create("wait");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(plain, setup, teardown);
	tcase_add_checked_fixture(waiting, setup_waiting, teardown);
	tcase_set_timeout(plain, 30);
	tcase_add_test(plain, a_table_must_have_what_is_required);
	tcase_add_test(plain, a_config_that_cannot_be_is_refused_and_leaves_the_backend);
	tcase_add_test(plain, it_offers_size_and_emergency_write_and_nothing_more);
	tcase_add_test(plain, what_the_guest_prints_arrives);
	tcase_add_test(plain, a_backend_that_stalls_blocks_nobody_and_the_loss_is_counted);
	tcase_add_test(waiting,
		       told_to_wait_it_leaves_the_chain_in_the_queue_and_goes_on_where_it_was);
	tcase_add_test(waiting, a_chain_that_changes_while_it_waits_harms_nobody);
	tcase_add_test(waiting, a_reset_while_it_waits_forgets_the_chain);
	tcase_add_test(plain, one_chain_of_gigabytes_takes_many_turns);
	tcase_add_test(plain, a_backend_that_takes_more_than_there_is_harms_nobody);
	tcase_add_test(plain, many_small_chains_are_a_bounded_part_a_turn);
	tcase_add_test(plain, empty_chains_without_end_leave_the_loop_to_others);
	tcase_add_test(waiting, a_backend_may_say_writable_inside_its_write);
	tcase_add_test(plain, input_fills_what_the_guest_offers);
	tcase_add_test(plain,
		       without_buffers_the_backend_keeps_its_input_and_hears_when_there_are_some);
	tcase_add_test(plain, input_before_there_is_a_driver_waits_for_it);
	tcase_add_test(plain, buffers_that_hold_nothing_do_not_hold_the_loop);
	tcase_add_loop_test(plain, a_lying_driver_breaks_its_console_and_nothing_else, 0,
			    (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(plain, the_size_is_told_at_first_and_when_it_changes);
	tcase_add_test(plain, an_emergency_character_is_printed_in_every_state);
	tcase_add_test(plain, a_device_that_goes_with_work_left_leaves_nothing);
	suite_add_tcase(suite, plain);
	suite_add_tcase(suite, waiting);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
