/* SPDX-License-Identifier: MIT */
/* test_console_ports.c - named ports of a virtio console, and the driver's lies about them. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_console.h>
#include <stdio.h>

#include "backends/console/console_priv.h"
#include "fake_virtio.h"

enum { RX0, TX0, CONTROL_RX, CONTROL_TX, RX1, TX1, RX2, TX2, QUEUES };
enum { READY, ADD, REMOVE, PORT_READY, CONSOLE, RESIZE, OPEN, NAME };
enum { PORTS = 3, CONTROL_AT = 0x80000, MESSAGE = 64 };

/* ---- backends ---- */

struct back {
	struct vmm_console_port *port;
	struct vmm_chardev *chardev;
	char said[256];
	size_t said_len, room;
	int opens;
	bool open, disconnected;
	const char *typed;
	struct vmm_console_port *to;	/* what is written goes there as input */
};

static struct back backs[PORTS];
static int destroys, attach_result[PORTS];

static int back_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	struct back *b = state;

	b->port = port;
	if (b->disconnected)
		vmm_console_port_connected(port, false);
	return attach_result[b - backs];
}

static size_t back_write(void *state, const void *data, size_t len)
{
	struct back *b = state;

	if (b->to)
		return vmm_console_port_input(b->to, data, len);
	if (len > b->room)
		len = b->room;
	if (len > sizeof(b->said) - b->said_len)
		b->said_len = 0;
	memcpy(b->said + b->said_len, data, len);
	b->said_len += len;
	b->room -= len;
	return len;
}

static void back_readable(void *state)
{
	struct back *b = state;

	b->typed += vmm_console_port_input(b->port, b->typed, strlen(b->typed));
}

static void back_detach(void *state)
{
	struct back *b = state;

	b->port = NULL;
}

static void back_destroy(void *state)
{
	destroys++;
}

static void back_guest_open(void *state, bool open)
{
	struct back *b = state;

	ck_assert(b->open != open);
	b->open = open;
	b->opens++;
}

static const struct vmm_console_ops back_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "test",
	.attach = back_attach,
	.write = back_write,
	.readable = back_readable,
	.detach = back_detach,
	.destroy = back_destroy,
	.guest_open = back_guest_open,
};

static void type(int i, const char *text)
{
	backs[i].typed = text;
	back_readable(&backs[i]);
}

/* ---- the fixture: a console and two named ports, the second a console too ---- */

static unsigned control_next, message_next;
static uint16_t control_seen;

static void start(void)
{
	driver_start();
	control_next = message_next = 0;
	control_seen = 0;
}

static void backs_make(void)
{
	memset(backs, 0, sizeof(backs));
	memset(attach_result, 0, sizeof(attach_result));
	destroys = 0;
	for (int i = 0; i < PORTS; i++) {
		backs[i].room = SIZE_MAX;
		backs[i].typed = "";
		ck_assert_int_eq(vmm_console_create(&back_ops, &backs[i], &backs[i].chardev), 0);
	}
}

static const struct vmm_console_named *named(void)
{
	static struct vmm_console_named ports[2];

	ports[0] = (struct vmm_console_named){ .backend = backs[1].chardev, .name = "org.example.agent" };
	ports[1] = (struct vmm_console_named){
		.backend = backs[2].chardev, .name = "second", .flags = VMM_CONSOLE_HVC | VMM_CONSOLE_WAIT,
		.columns = 132, .rows = 50,
	};
	return ports;
}

static void setup(void)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	machine_make();
	backs_make();
	config.backend = backs[0].chardev;
	config.columns = 80;
	config.rows = 25;
	config.ports = named();
	config.nr_ports = 2;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), 0);
	start();
}

static void teardown(void)
{
	machine_unmake();
	ck_assert_int_eq(destroys, PORTS);
	for (int i = 0; i < PORTS; i++)
		ck_assert_ptr_null(backs[i].port);
}

/* ---- the driver's end of the control queues ---- */

static void control_buffers(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = control_next++ % ENTRIES;

		driver_buffer(CONTROL_RX, slot, CONTROL_AT + slot * MESSAGE, MESSAGE, true);
	}
	driver_kick(CONTROL_RX);
	machine_run();
}

static void tell(uint32_t id, uint16_t event, uint16_t value)
{
	const struct virtio_console_control m = { htole32(id), htole16(event), htole16(value) };
	unsigned slot = message_next++ % ENTRIES;
	uint32_t at = CONTROL_AT + ENTRIES * MESSAGE + slot * MESSAGE;

	memcpy(machine.ram + at, &m, sizeof(m));
	driver_buffer(CONTROL_TX, slot, at, sizeof(m), false);
	driver_kick(CONTROL_TX);
	machine_run();
}

/* The next message: its event, of that port, with that value. Returns what follows and its length. */
static const char *told(uint32_t id, uint16_t event, uint16_t value, uint32_t *ret_len)
{
	uint32_t at = CONTROL_RX * QUEUE_BYTES + USED_AT + 4 + 8u * (control_seen % ENTRIES), slot;
	struct virtio_console_control m;

	ck_assert_msg(driver_used(CONTROL_RX) != control_seen, "no message, event %u was expected",
		      event);
	slot = driver_load32(at);
	memcpy(&m, machine.ram + CONTROL_AT + slot * MESSAGE, sizeof(m));
	ck_assert_msg(le16toh(m.event) == event && le32toh(m.id) == id,
		      "event %u of %u, not %u of %u", m.event, m.id, event, id);
	ck_assert_uint_eq(le16toh(m.value), value);
	if (ret_len)
		*ret_len = driver_used_len(CONTROL_RX, control_seen) - (uint32_t)sizeof(m);
	else
		ck_assert_uint_eq(driver_used_len(CONTROL_RX, control_seen), sizeof(m));
	control_seen++;
	return (const char *)machine.ram + CONTROL_AT + slot * MESSAGE + sizeof(m);
}

static void told_nothing(void)
{
	ck_assert_uint_eq(driver_used(CONTROL_RX), control_seen);
}

static void told_name(uint32_t id, const char *name)
{
	uint32_t len;
	const char *got = told(id, NAME, 1, &len);

	ck_assert_uint_eq(len, strlen(name));
	ck_assert_mem_eq(got, name, len);
}

static void told_size(uint32_t id, uint16_t columns, uint16_t rows)
{
	uint32_t len;
	const char *got = told(id, RESIZE, 0, &len);
	uint16_t size[2];

	ck_assert_uint_eq(len, sizeof(size));
	memcpy(size, got, sizeof(size));
	ck_assert_uint_eq(le16toh(size[0]), columns);
	ck_assert_uint_eq(le16toh(size[1]), rows);
}

/* All in good order, as Linux does it. */
static void introduce(void)
{
	control_buffers(20);
	tell(UINT32_MAX, READY, 1);
	for (uint32_t i = 0; i < PORTS; i++)
		told(i, ADD, 0, NULL);
	tell(0, PORT_READY, 1);
	told(0, CONSOLE, 1, NULL);
	told(0, OPEN, 1, NULL);
	told_size(0, 80, 25);
	tell(1, PORT_READY, 1);
	told_name(1, "org.example.agent");
	told(1, OPEN, 1, NULL);
	tell(2, PORT_READY, 1);
	told(2, CONSOLE, 1, NULL);
	told_name(2, "second");
	told(2, OPEN, 1, NULL);
	told_size(2, 132, 50);
	told_nothing();
}

static void print(uint32_t queue, const char *text)
{
	memcpy(machine.ram + DATA, text, strlen(text));
	driver_buffer(queue, 0, DATA, (uint32_t)strlen(text), false);
	driver_kick(queue);
	machine_run();
}

/* ---- configs ---- */

START_TEST(it_offers_what_it_has)
{
	const struct virtio *v = &machine.dev->virtio;

	ck_assert_uint_eq(v->offered.word[0] & 0x00ffffff, 7);
	ck_assert_uint_eq(v->offered.word[2] | v->offered.word[3], 0);
	ck_assert_uint_eq(v->nr_queues, QUEUES);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 4, 4), PORTS);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 4), 80 | 25 << 16);
}
END_TEST

START_TEST(ports_that_cannot_be_are_refused_and_stay_the_callers)
{
	struct vmm_console_named ports[VMM_CONSOLE_NAMED_MAX + 1];
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	char name[65];

	machine_unmake();
	machine_make();
	backs_make();
#define BASE								\
	memcpy(ports, named(), 2 * sizeof(ports[0]));			\
	config.backend = backs[0].chardev;				\
	config.ports = ports;						\
	config.nr_ports = 2
#define REFUSED	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EINVAL)
	BASE;
	ports[1].backend = NULL;
	REFUSED;
	BASE;
	ports[1].name = NULL;
	REFUSED;
	ports[1].name = "";
	REFUSED;
	ports[1].name = "a/b";
	REFUSED;
	ports[1].name = "org.example.agent";
	REFUSED;
	memset(name, 'n', 64);
	name[64] = '\0';
	ports[1].name = name;
	REFUSED;
	BASE;
	ports[0].flags = 1 << 2;
	REFUSED;
	BASE;
	config.nr_ports = VMM_CONSOLE_NAMED_MAX + 1;
	REFUSED;
	config.nr_ports = 0;
	REFUSED;
	config.ports = NULL;
	config.backend = NULL;
	REFUSED;
	BASE;
	config.flags = VMM_CONSOLE_HVC;
	REFUSED;
	config.flags = 0;
	/* Any of them may fail; those before it are undone. */
	for (int i = 0; i < PORTS; i++) {
		attach_result[i] = -EIO;
		ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -EIO);
		attach_result[i] = 0;
		ck_assert_ptr_null(backs[0].chardev->port);
	}
	machine.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), -ENOSPC);
	machine.add_result = 0;
	ck_assert_int_eq(destroys, 0);
	name[63] = '\0';
	ports[1].name = name;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), 0);
}
END_TEST

START_TEST(without_a_console_there_are_only_ports)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	machine_unmake();
	machine_make();
	backs_make();
	vmm_console_destroy(backs[0].chardev);
	config.ports = named();
	/* One of them a console: it has a size. */
	config.nr_ports = 2;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), 0);
	ck_assert_uint_eq(machine.dev->virtio.offered.word[0] & 0x00ffffff, 3);
	machine_unmake();
	machine_make();
	backs_make();
	vmm_console_destroy(backs[0].chardev);
	config.ports = named();
	config.nr_ports = 1;
	ck_assert_int_eq(vmm_add_console(THE_VM, &config, NULL), 0);
	ck_assert_uint_eq(machine.dev->virtio.offered.word[0] & 0x00ffffff, 2);
	ck_assert_uint_eq(machine.dev->virtio.nr_queues, 4);
	start();
	control_buffers(4);
	tell(0, READY, 1);
	told(0, ADD, 0, NULL);
	tell(0, PORT_READY, 1);
	told_name(0, "org.example.agent");
	told(0, OPEN, 1, NULL);
	tell(0, OPEN, 1);
	print(TX0, "by port 0");
	ck_assert_mem_eq(backs[1].said, "by port 0", 9);
	/* No emergency writes. */
	vmm__device_write_config(machine.dev, 8, 4, 'x');
	ck_assert_uint_eq(backs[1].said_len, 9);
	vmm_console_destroy(backs[2].chardev);
}
END_TEST

/* ---- in good order ---- */

START_TEST(ports_are_introduced_and_carry_bytes_both_ways)
{
	introduce();
	tell(1, OPEN, 1);
	ck_assert(backs[1].open);
	print(TX1, "agent speaking");
	ck_assert_mem_eq(backs[1].said, "agent speaking", 14);
	ck_assert_uint_eq(backs[0].said_len + backs[2].said_len, 0);
	print(TX2, "hvc1");
	ck_assert_mem_eq(backs[2].said, "hvc1", 4);
	print(TX0, "hvc0");
	ck_assert_mem_eq(backs[0].said, "hvc0", 4);

	for (uint32_t q = RX0, i = 0; i < PORTS; q = RX1 + 2 * i++)
		driver_buffer(q, 0, DATA + i * 256, 100, true);
	for (int i = 0; i < PORTS; i++)
		type(i, (const char *[]){ "zero", "first", "second" }[i]);
	ck_assert_mem_eq(machine.ram + DATA, "zero", 4);
	ck_assert_mem_eq(machine.ram + DATA + 256, "first", 6);
	ck_assert_mem_eq(machine.ram + DATA + 512, "second", 7);
}
END_TEST

START_TEST(input_waits_for_the_port_to_be_opened)
{
	struct vmm_console_stats stats = VMM_CONSOLE_STATS_INIT;

	introduce();
	driver_buffer(RX1, 0, DATA, 100, true);
	driver_buffer(RX2, 0, DATA + 256, 100, true);
	type(1, "early");
	driver_kick(RX1);
	machine_run();
	ck_assert_str_eq(backs[1].typed, "early");
	/* A console takes it at any time. */
	type(2, "console");
	ck_assert_str_eq(backs[2].typed, "");
	tell(1, OPEN, 1);
	ck_assert_str_eq(backs[1].typed, "");
	ck_assert_mem_eq(machine.ram + DATA, "early", 6);
	ck_assert_int_eq(vmm_console_stats(backs[1].chardev, &stats), 0);
	ck_assert_uint_eq(stats.to_guest, 5);
	ck_assert_uint_eq(stats.guest_open, 1);
	/* Closed again, and once more what was so already. */
	tell(1, OPEN, 0);
	tell(1, OPEN, 0);
	ck_assert_int_eq(backs[1].opens, 2);
	driver_buffer(RX1, 1, DATA, 100, true);
	type(1, "late");
	ck_assert_str_eq(backs[1].typed, "late");
	/* A reset closes what is open. */
	tell(1, OPEN, 1);
	ck_assert_str_eq(backs[1].typed, "");
	driver_reset();
	ck_assert(!backs[1].open);
	ck_assert_int_eq(vmm_console_stats(backs[1].chardev, &stats), 0);
	ck_assert_uint_eq(stats.guest_open, 0);
	ck_assert_int_eq(vmm_console_stats(NULL, &stats), -EINVAL);
	stats.size = 0;
	ck_assert_int_eq(vmm_console_stats(backs[1].chardev, &stats), -EINVAL);
}
END_TEST

START_TEST(coming_and_going_of_the_host_is_told)
{
	introduce();
	vmm_console_port_connected(backs[1].port, true);
	told_nothing();
	vmm_console_port_connected(backs[1].port, false);
	told(1, OPEN, 0, NULL);
	vmm_console_port_connected(backs[1].port, true);
	told(1, OPEN, 1, NULL);
	told_nothing();
	/* Before the driver knows the port, it is told with the rest. */
	driver_reset();
	vmm_console_port_connected(backs[1].port, false);
	start();
	control_buffers(10);
	vmm_console_port_connected(backs[1].port, true);
	vmm_console_port_connected(backs[1].port, false);
	told_nothing();
	tell(1, PORT_READY, 1);
	told_name(1, "org.example.agent");
	told(1, OPEN, 0, NULL);
}
END_TEST

START_TEST(a_new_size_is_told_to_the_port_and_in_the_config)
{
	introduce();
	vmm_console_port_resize(backs[0].port, 100, 40);
	told_size(0, 100, 40);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 4), 100 | 40 << 16);
	vmm_console_port_resize(backs[2].port, 90, 30);
	told_size(2, 90, 30);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 4), 100 | 40 << 16);
	/* A port that is no console has none. */
	vmm_console_port_resize(backs[1].port, 1, 1);
	told_nothing();
	ck_assert_int_eq(machine.config_interrupts, 0);
}
END_TEST

START_TEST(a_port_that_stalls_leaves_the_others_alone)
{
	introduce();
	/* One that waits, and one that drops. */
	backs[2].room = 2;
	print(TX2, "waiting");
	backs[1].room = 2;
	print(TX1, "dropping");
	ck_assert_uint_eq(driver_used(TX2), 0);
	ck_assert_uint_eq(driver_used(TX1), 1);
	ck_assert_uint_eq(vmm_console_dropped(backs[1].chardev), 6);
	print(TX0, "fine");
	ck_assert_mem_eq(backs[0].said, "fine", 4);
	backs[2].room = SIZE_MAX;
	memcpy(machine.ram + DATA, "waiting", 7);
	vmm_console_port_writable(backs[2].port);
	machine_run();
	ck_assert_mem_eq(backs[2].said, "waiting", 7);
}
END_TEST

START_TEST(two_ports_may_be_joined)
{
	introduce();
	backs[0].to = backs[2].port;
	for (unsigned i = 0; i < 4; i++)
		driver_buffer(RX2, i, DATA + 0x1000 + i * 4, 4, true);
	/* Two chains and what is in between: the input must not disturb the output. */
	driver_desc(TX0, 1, DATA, 3, VRING_DESC_F_NEXT, 2);
	driver_desc(TX0, 2, DATA + 3, 3, 0, 0);
	driver_offer(TX0, 1);
	print(TX0, "abcdefgh");
	ck_assert_mem_eq(machine.ram + DATA + 0x1000, "abcdef\0\0abcdefgh", 16);
}
END_TEST

START_TEST(a_queue_that_is_reset_alone_starts_anew)
{
	introduce();
	backs[2].room = 2;
	print(TX2, "waiting");
	vmm__queue_down(vmm_device_queue(machine.dev, TX2));
	for (uint32_t q = 0; q < QUEUES; q++)
		machine.dev->ops.queue_reset(machine.dev, vmm_device_queue(machine.dev, q));
	/* The next chain is printed from its start. */
	start();
	introduce();
	backs[2].room = SIZE_MAX;
	vmm_console_port_writable(backs[2].port);
	print(TX2, "anew");
	ck_assert_mem_eq(backs[2].said, "waanew", 6);
}
END_TEST

/* ---- lies ---- */

START_TEST(without_the_feature_there_is_one_port)
{
	struct virtio *v = &machine.dev->virtio;

	driver_reset();
	v->offered.word[0] &= ~(1u << VIRTIO_CONSOLE_F_MULTIPORT);
	start();
	control_buffers(10);
	tell(0, READY, 1);
	told_nothing();
	ck_assert_uint_eq(driver_used(CONTROL_TX), 0);
	print(TX1, "nobody");
	ck_assert_uint_eq(backs[1].said_len, 0);
	print(TX0, "somebody");
	ck_assert_uint_eq(backs[0].said_len, 8);
	/* And the size is where it was before there were ports. */
	vmm_console_port_resize(backs[0].port, 100, 40);
	ck_assert_int_ge(machine.config_interrupts, 1);
	vmm_console_port_connected(backs[1].port, false);
	told_nothing();
}
END_TEST

static const struct {
	uint32_t id;
	uint16_t event, value;
} nonsense[] = {
	{ PORTS, PORT_READY, 1 }, { UINT32_MAX, PORT_READY, 1 }, { 0x80000001, OPEN, 1 },
	{ 1, ADD, 1 }, { 1, REMOVE, 1 }, { 1, CONSOLE, 1 }, { 1, RESIZE, 1 }, { 1, NAME, 1 }, { 1, 8, 1 },
	{ 1, UINT16_MAX, 1 }, { 0, READY, 0 }, { 0, READY, 2 },
};

START_TEST(a_message_that_is_none_says_nothing)
{
	introduce();
	tell(nonsense[_i].id, nonsense[_i].event, nonsense[_i].value);
	told_nothing();
	ck_assert_int_eq(machine.broken, 0);
	for (int i = 0; i < PORTS; i++)
		ck_assert_int_eq(backs[i].opens, 0);
	ck_assert_uint_eq(driver_used(CONTROL_TX), PORTS + 2);
}
END_TEST

START_TEST(a_message_that_is_too_short_breaks_the_device)
{
	introduce();
	driver_buffer(CONTROL_TX, 60, CONTROL_AT, 7, false);
	driver_kick(CONTROL_TX);
	machine_run();
	ck_assert_int_eq(machine.broken, 1);
	/* The backends do not know, and go on. */
	vmm_console_port_connected(backs[1].port, false);
	type(1, "x");
	start();
	ck_assert_int_eq(machine.broken, 1);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_breaks_the_device)
{
	tell(0, READY, 1);
	driver_buffer(CONTROL_RX, 60, CONTROL_AT, 7, true);
	driver_kick(CONTROL_RX);
	machine_run();
	ck_assert_int_eq(machine.broken, 1);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(machine.ram[CONTROL_AT + i], 0);
	start();
	tell(1, PORT_READY, 1);
	driver_buffer(CONTROL_RX, 60, CONTROL_AT, 8 + 16, true);
	driver_kick(CONTROL_RX);
	machine_run();
	ck_assert_int_eq(machine.broken, 2);
}
END_TEST

START_TEST(a_driver_that_asks_again_and_again_is_answered_a_bounded_number_of_times)
{
	/* No buffers: nothing piles up. */
	for (int i = 0; i < 1000; i++) {
		tell(0, READY, 1);
		tell((uint32_t)i % PORTS, PORT_READY, 1);
		vmm_console_port_resize(backs[0].port, (uint16_t)i, 1);
		vmm_console_port_connected(backs[1].port, i & 1);
	}
	control_buffers(60);
	ck_assert_uint_le(driver_used(CONTROL_RX), 5 * PORTS);
	/* A port that is known need not be added. */
	told(0, CONSOLE, 1, NULL);
	told(0, OPEN, 1, NULL);
	/* As it is now, once. */
	told_size(0, 999, 1);
	told(1, ADD, 0, NULL);
}
END_TEST

START_TEST(a_port_that_the_driver_cannot_have_is_spoken_of_no_more)
{
	/* What was to be said already, too. */
	tell(1, PORT_READY, 1);
	tell(1, PORT_READY, 0);
	introduce();
	tell(1, PORT_READY, 0);
	vmm_console_port_connected(backs[1].port, false);
	told_nothing();
	tell(1, PORT_READY, 1);
	told_name(1, "org.example.agent");
	told(1, OPEN, 0, NULL);
}
END_TEST

static const struct {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next, head;
} lies[] = {
	{ RAM - 8, 16, 0, 0, 0 },
	{ UINT64_MAX - 7, 16, 0, 0, 0 },
	{ DATA, 16, VRING_DESC_F_NEXT, 0, 0 },
	{ DATA, 16, 0, 0, ENTRIES },
};

START_TEST(a_lie_in_any_queue_breaks_the_device_until_its_reset)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		start();
		machine.broken = 0;
		tell(1, PORT_READY, 1);
		tell(1, OPEN, 1);
		for (int i = 0; i < PORTS; i++)
			type(i, "waiting");
		driver_desc(queue, 0, lies[_i].addr, lies[_i].len, lies[_i].flags, lies[_i].next);
		driver_offer(queue, lies[_i].head);
		driver_kick(queue);
		machine_run();
		ck_assert_msg(machine.broken == 1, "queue %u", queue);
	}
	start();
	introduce();
	print(TX1, "fine");
	ck_assert_mem_eq(backs[1].said, "fine", 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console_ports");
	TCase *tcase = tcase_create("console_ports");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, it_offers_what_it_has);
	tcase_add_test(tcase, ports_that_cannot_be_are_refused_and_stay_the_callers);
	tcase_add_test(tcase, without_a_console_there_are_only_ports);
	tcase_add_test(tcase, ports_are_introduced_and_carry_bytes_both_ways);
	tcase_add_test(tcase, input_waits_for_the_port_to_be_opened);
	tcase_add_test(tcase, coming_and_going_of_the_host_is_told);
	tcase_add_test(tcase, a_new_size_is_told_to_the_port_and_in_the_config);
	tcase_add_test(tcase, a_port_that_stalls_leaves_the_others_alone);
	tcase_add_test(tcase, two_ports_may_be_joined);
	tcase_add_test(tcase, a_queue_that_is_reset_alone_starts_anew);
	tcase_add_test(tcase, without_the_feature_there_is_one_port);
	tcase_add_loop_test(tcase, a_message_that_is_none_says_nothing, 0,
			    sizeof(nonsense) / sizeof(nonsense[0]));
	tcase_add_test(tcase, a_message_that_is_too_short_breaks_the_device);
	tcase_add_test(tcase, a_buffer_that_is_too_small_breaks_the_device);
	tcase_add_test(tcase, a_driver_that_asks_again_and_again_is_answered_a_bounded_number_of_times);
	tcase_add_test(tcase, a_port_that_the_driver_cannot_have_is_spoken_of_no_more);
	tcase_add_loop_test(tcase, a_lie_in_any_queue_breaks_the_device_until_its_reset, 0,
			    sizeof(lies) / sizeof(lies[0]));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
