/* SPDX-License-Identifier: MIT */
/*
 * fuzz_console.c - the virtio console (and, by a bit of the first byte, the entropy
 * device) under a driver that writes anything into its rings and its backend's moods.
 *
 * Checked beside memory safety: nothing is written but the rings and the buffers that
 * the driver offered as writable, none of which lies in the upper part of the memory.
 */
#include <assert.h>
#include <stdint.h>

#include <libvmm/rng.h>
#include "../unit/fake_virtio.h"
#include "backends/console/console_priv.h"

enum { IN_AT = DATA, OUT_AT = DATA + (RAM - DATA) / 2 };

static struct vmm_console_port *port;
static size_t room, input_left;

static int back_attach(void *state, struct vmm_console_port *p, struct vmm_loop *loop)
{
	port = p;
	return 0;
}

static size_t back_write(void *state, const void *data, size_t len)
{
	static unsigned char copy[1 << 12];

	/* Touch all of it; the front end gives no more at once. */
	assert(len <= sizeof(copy));
	memcpy(copy, data, len);
	if (len > room)
		len = room;
	room -= len;
	if (room & 1)
		vmm_console_port_writable(port);
	return len;
}

static void give_input(void)
{
	static const char letters[1 << 12] = { 1 };
	size_t n = vmm_console_port_input(port, letters, input_left);

	assert(n <= input_left);
	input_left -= n;
}

static void back_readable(void *state)
{
	give_input();
}

static void back_detach(void *state)
{
	port = NULL;
}

static const struct vmm_console_ops back_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "fuzz",
	.attach = back_attach,
	.write = back_write,
	.readable = back_readable,
	.detach = back_detach,
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

static void step(struct input *in, uint32_t nr_queues)
{
	uint32_t op = take(in, 1), queue = (op >> 4) % nr_queues;

	switch (op & 15) {
	case 0: case 1: case 2:
		write_desc(in, queue);
		break;
	case 3: case 4:
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
			give_input();
		break;
	case 12:
		vmm__device_write_config(machine.dev, take(in, 1), 1u << (take(in, 1) & 3), 'x');
		break;
	case 13:
		if (port)
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

static void add_console(uint32_t flags)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	if (vmm_console_create(&back_ops, NULL, &config.backend) < 0)
		abort();
	config.flags = flags;
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
	port = NULL;
	room = input_left = 0;
	if (first & 2) {
		if (vmm_add_rng(THE_VM, NULL, NULL) < 0)
			abort();
	} else {
		add_console(first & 1 ? VMM_CONSOLE_WAIT : 0);
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
