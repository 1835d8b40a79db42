/* SPDX-License-Identifier: MIT */
/*
 * fuzz_console.c - the virtio console, by bits of the first byte with named ports (or the
 * entropy device), under a driver that writes anything into its rings and its backends' moods.
 *
 * Checked beside memory safety: nothing is written but the rings and the buffers that
 * the driver offered as writable, none of which lies in the upper part of the memory.
 */
#include <assert.h>
#include <stdint.h>

#include <linux/virtio_console.h>
#include <libvmm/rng.h>
#include "../unit/fake_virtio.h"
#include "backends/console/console_priv.h"

enum { IN_AT = DATA, OUT_AT = DATA + (RAM - DATA) / 2 };

enum { PORTS = 3 };

/* The backends: what stands behind port n has ports[n] as its state. */
static struct vmm_console_port *ports[PORTS];
static size_t room, input_left;
static unsigned joined;		/* the port that output of the first one goes to; 0: none */

static int back_attach(void *state, struct vmm_console_port *p, struct vmm_loop *loop)
{
	*(struct vmm_console_port **)state = p;
	return 0;
}

static size_t back_write(void *state, const void *data, size_t len)
{
	static unsigned char copy[1 << 12];

	/* Touch all of it; the front end gives no more at once. */
	assert(len <= sizeof(copy));
	memcpy(copy, data, len);
	if (state == &ports[0] && joined)
		return vmm_console_port_input(ports[joined], data, len);
	if (len > room)
		len = room;
	room -= len;
	if (room & 1)
		vmm_console_port_writable(*(struct vmm_console_port **)state);
	return len;
}

static void give_input(struct vmm_console_port *port)
{
	static const char letters[1 << 12] = { 1 };
	size_t n = vmm_console_port_input(port, letters, input_left);

	assert(n <= input_left);
	input_left -= n;
}

static void back_readable(void *state)
{
	give_input(*(struct vmm_console_port **)state);
}

static void back_detach(void *state)
{
	*(struct vmm_console_port **)state = NULL;
}

static void back_guest_open(void *state, bool open)
{
	if (open && room & 2)
		give_input(*(struct vmm_console_port **)state);
}

static const struct vmm_console_ops back_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "fuzz",
	.attach = back_attach,
	.write = back_write,
	.readable = back_readable,
	.detach = back_detach,
	.guest_open = back_guest_open,
};

struct input {
	const uint8_t *data;
	size_t left;
};

static uint32_t take(struct input *in, unsigned bytes)
{
	uint32_t value = 0;

	for (; bytes > 0 && in->left > 0; bytes--, in->left--)
		value = value << 8 | *in->data++;
	return value;
}

/* Addresses: mostly where a buffer may be, now and then anything. */
static void write_desc(struct input *in, uint32_t queue)
{
	uint32_t i = take(in, 1) % ENTRIES, flags = take(in, 1), next = take(in, 1);
	uint32_t len = take(in, 2);
	uint64_t addr = flags & VRING_DESC_F_WRITE ? IN_AT : OUT_AT;

	if (flags & 0x80)
		addr = (uint64_t)take(in, 2) << (flags >> 2 & 0x3e);
	else
		addr += take(in, 1) * 16;
	if (flags & 0x40)
		len <<= 16;
	/* What is anything must not be written, or the check below means nothing. */
	if (flags & 0x80)
		flags &= ~(uint32_t)VRING_DESC_F_WRITE;
	driver_desc(queue, i, addr, len, flags & 7, (uint16_t)next);
}

/* A message on the control queue that may well mean something. */
static void send_control(struct input *in)
{
	static unsigned slot;
	const uint32_t how = take(in, 1);
	const struct virtio_console_control m = {
		htole32(how & 3), htole16(how >> 2 & 7), htole16(how >> 5 & 3 ? 1 : 0),
	};
	uint32_t at = OUT_AT - 4096 + slot * 16;

	memcpy(machine.ram + at, &m, sizeof(m));
	driver_buffer(3, slot++ % ENTRIES, at, how & 0x80 ? how & 7 : sizeof(m), false);
	slot %= ENTRIES;
	driver_kick(3);
}

static void step(struct input *in, uint32_t nr_queues)
{
	uint32_t op = take(in, 1), queue = (op >> 4) % nr_queues;
	struct vmm_console_port *port = ports[(op >> 4) % PORTS];

	switch (op & 15) {
	case 0: case 1: case 2:
		write_desc(in, queue);
		break;
	case 3:
		if (nr_queues > 3) {
			send_control(in);
			break;
		}
		__attribute__((fallthrough));
	case 4:
		driver_offer(queue, (uint16_t)take(in, 1));
		break;
	case 5:
		driver_store16(queue * QUEUE_BYTES + AVAIL_AT + (take(in, 1) & 0xfe),
			       (uint16_t)take(in, 2));
		break;
	case 6: case 7:
		driver_kick(queue);
		break;
	case 8: case 9:
		(void)machine_turn();
		break;
	case 10:
		room = take(in, 1) * 16;
		if (port)
			vmm_console_port_writable(port);
		break;
	case 11:
		input_left = take(in, 1) * 16;
		if (port)
			give_input(port);
		break;
	case 12:
		vmm__device_write_config(machine.dev, take(in, 1), 1u << (take(in, 1) & 3), 'x');
		break;
	case 13:
		if (port && op & 0x80)
			vmm_console_port_connected(port, take(in, 1) & 1);
		else if (port)
			vmm_console_port_resize(port, (uint16_t)take(in, 1), (uint16_t)take(in, 1));
		break;
	case 14:
		driver_reset();
		break;
	case 15:
		driver_start();
		break;
	}
}

static struct vmm_chardev *backend(unsigned i)
{
	struct vmm_chardev *chardev;

	if (vmm_console_create(&back_ops, &ports[i], &chardev) < 0)
		abort();
	return chardev;
}

static void add_console(uint32_t first)
{
	const uint32_t flags = first & 1 ? VMM_CONSOLE_WAIT : 0;
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_console_named named[PORTS - 1] = {
		{ .name = "one", .flags = flags },
		{ .name = "two", .flags = flags | VMM_CONSOLE_HVC, .columns = 80, .rows = 25 },
	};

	config.backend = backend(0);
	config.flags = flags;
	if (first & 4) {
		for (unsigned i = 1; i < PORTS; i++)
			named[i - 1].backend = backend(i);
		config.ports = named;
		config.nr_ports = PORTS - 1;
		joined = first >> 3 & 3;
		joined = joined < PORTS ? joined : 0;
	}
	if (vmm_add_console(THE_VM, &config, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint32_t first = take(&in, 1);

	if (!machine.loop)
		machine_make();
	memset(machine.ram, 0, RAM);
	room = input_left = joined = 0;
	if (first & 2) {
		if (vmm_add_rng(THE_VM, NULL, NULL) < 0)
			abort();
	} else {
		add_console(first);
	}
	driver_start();

	while (in.left > 0)
		step(&in, machine.dev->nr_queues);
	for (int i = 0; i < 10 && machine_turn(); i++)
		continue;

	/* All zero: each byte equals the next, and the first is. */
	assert(machine.ram[OUT_AT] == 0 &&
	       memcmp(machine.ram + OUT_AT, machine.ram + OUT_AT + 1, RAM - OUT_AT - 1) == 0);
	vmm__device_destroy(machine.dev);
	return 0;
}
