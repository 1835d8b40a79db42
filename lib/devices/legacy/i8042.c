/* SPDX-License-Identifier: MIT */
/*
 * i8042.c - the PC's keyboard controller (Intel UPI-41 as IBM's PC/AT and PS/2 use it).
 *
 * Nothing is plugged into it. It is here because its output port resets the
 * machine, and because systems that do not believe ACPI look for it: each
 * command is answered at once, so that nobody waits for a timeout.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/i8042_priv.h"

#define COMMAND_OFFSET	4

/* Status, read at the command port. The input is always taken at once: bit 1 is never set. */
enum {
	STATUS_OUTPUT_FULL	= 1 << 0,
	STATUS_SELF_TESTED	= 1 << 2,
	STATUS_COMMAND		= 1 << 3,
	STATUS_UNLOCKED		= 1 << 4,
	STATUS_TIMEOUT		= 1 << 6,
};

/* The command byte, first in the controller's RAM. */
enum {
	CTR_KEYBOARD_INT	= 1 << 0,
	CTR_SELF_TESTED		= 1 << 2,
	CTR_KEYBOARD_OFF	= 1 << 4,
	CTR_AUX_OFF		= 1 << 5,
	CTR_TRANSLATE		= 1 << 6,
};

enum {
	OUTPUT_NO_RESET		= 1 << 0,	/* output port: pulled low, it resets */
	OUTPUT_A20		= 1 << 1,
};

enum { ANSWER_RESEND = 0xfe, ANSWER_SELF_TEST = 0x55, ANSWER_CLOCK_STUCK = 0x01 };

#define RAM_BYTES	32

struct i8042 {
	const struct arch_machine_host *host;
	uint16_t base;
	uint32_t gsi;
	pthread_mutex_t lock;	/* of what follows, and of the line's order */
	uint8_t ram[RAM_BYTES];
	uint8_t status;
	uint8_t output;		/* what the data port reads */
	uint8_t output_port;
	uint8_t command;	/* that waits for its byte; 0: none */
};

static void line_update(struct i8042 *k)
{
	bool level = (k->status & STATUS_OUTPUT_FULL) && (k->ram[0] & CTR_KEYBOARD_INT);

	vmm__irq_set_line(k->host->irqs, k->gsi, level);
}

static void answer(struct i8042 *k, uint8_t value, uint8_t flags)
{
	k->output = value;
	k->status = (uint8_t)((k->status & ~STATUS_TIMEOUT) | STATUS_OUTPUT_FULL | flags);
}

static void power_on(struct i8042 *k)
{
	for (unsigned i = 0; i < RAM_BYTES; i++)
		k->ram[i] = 0;
	k->ram[0] = CTR_KEYBOARD_OFF | CTR_AUX_OFF | CTR_TRANSLATE;
	k->status = STATUS_UNLOCKED;
	k->output = 0;
	k->output_port = OUTPUT_NO_RESET | OUTPUT_A20;
	k->command = 0;
}

static void ram_write(struct i8042 *k, uint8_t at, uint8_t value)
{
	k->ram[at] = value;
	if (at == 0)
		k->status = (uint8_t)((k->status & ~STATUS_SELF_TESTED) |
				      (value & CTR_SELF_TESTED ? STATUS_SELF_TESTED : 0));
}

/* A command. True: the machine is to be reset. */
static bool command_write(struct i8042 *k, uint8_t value)
{
	k->status |= STATUS_COMMAND;
	k->command = 0;

	switch (value) {
	case 0x20 ... 0x3f:
		answer(k, k->ram[value & (RAM_BYTES - 1)], 0);
		break;
	case 0x60 ... 0x7f:			/* write RAM */
	case 0xd1:				/* write the output port */
	case 0xd2:				/* as if from the keyboard */
	case 0xd3:				/* as if from the mouse */
	case 0xd4:				/* to the mouse */
		k->command = value;
		break;
	case 0xa7:
		k->ram[0] |= CTR_AUX_OFF;
		break;
	case 0xa8:
		k->ram[0] &= (uint8_t)~CTR_AUX_OFF;
		break;
	case 0xa9:				/* test the mouse's port: there is none */
		answer(k, ANSWER_CLOCK_STUCK, 0);
		break;
	case 0xaa:
		ram_write(k, 0, k->ram[0] | CTR_SELF_TESTED);
		answer(k, ANSWER_SELF_TEST, 0);
		break;
	case 0xab:				/* test the keyboard's port */
		answer(k, 0, 0);
		break;
	case 0xad:
		k->ram[0] |= CTR_KEYBOARD_OFF;
		break;
	case 0xae:
		k->ram[0] &= (uint8_t)~CTR_KEYBOARD_OFF;
		break;
	case 0xc0:				/* input port */
		answer(k, 0x80, 0);
		break;
	case 0xd0:
		answer(k, k->output_port, 0);
		break;
	case 0xf0 ... 0xff:			/* pulse outputs whose bit is 0 */
		return !(value & OUTPUT_NO_RESET);
	}

	return false;
}

/* A byte for the command before, or for the keyboard. True: the machine is to be reset. */
static bool data_write(struct i8042 *k, uint8_t value)
{
	uint8_t command = k->command;

	k->status &= (uint8_t)~STATUS_COMMAND;
	k->command = 0;

	switch (command) {
	case 0x60 ... 0x7f:
		ram_write(k, command & (RAM_BYTES - 1), value);
		return false;
	case 0xd1:
		k->output_port = value | OUTPUT_NO_RESET;
		return !(value & OUTPUT_NO_RESET);
	case 0xd2:
	case 0xd3:				/* not marked as the mouse's: there is no port */
		answer(k, value, 0);
		return false;
	default:				/* nobody there: "send again", and a timeout */
		answer(k, ANSWER_RESEND, STATUS_TIMEOUT);
		return false;
	}
}

static uint64_t data_port_read(void *state, uint64_t offset, uint32_t width)
{
	struct i8042 *k = state;
	uint8_t value;

	pthread_mutex_lock(&k->lock);
	value = k->output;
	k->status &= (uint8_t)~(STATUS_OUTPUT_FULL | STATUS_TIMEOUT);
	line_update(k);
	pthread_mutex_unlock(&k->lock);

	return value;
}

static uint64_t command_port_read(void *state, uint64_t offset, uint32_t width)
{
	struct i8042 *k = state;
	uint8_t value;

	pthread_mutex_lock(&k->lock);
	value = k->status;
	pthread_mutex_unlock(&k->lock);

	return value;
}

static void port_write(struct i8042 *k, bool (*write)(struct i8042 *k, uint8_t value),
		       uint8_t value)
{
	bool reset;

	pthread_mutex_lock(&k->lock);
	reset = write(k, value);
	line_update(k);
	pthread_mutex_unlock(&k->lock);

	if (reset)
		k->host->request(k->host->data, ARCH_RESET);
}

static void data_port_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	port_write(state, data_write, (uint8_t)value);
}

static void command_port_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	port_write(state, command_write, (uint8_t)value);
}

static const struct vmm_range_ops data_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "i8042-data",
	.read = data_port_read,
	.write = data_port_write,
};

static const struct vmm_range_ops command_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "i8042-command",
	.read = command_port_read,
	.write = command_port_write,
};

int vmm__i8042_create(const struct arch_machine_host *host, uint16_t base, uint32_t gsi,
		      struct i8042 **ret_i8042)
{
	struct bus_range data = { .base = base, .length = 1, .ops = &data_ops };
	struct bus_range command = { .base = base + COMMAND_OFFSET, .length = 1,
				     .ops = &command_ops };
	struct i8042 *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return vmm__fail(-ENOMEM, "no memory for the keyboard controller");

	k->host = host;
	k->base = base;
	k->gsi = gsi;
	power_on(k);
	pthread_mutex_init(&k->lock, NULL);
	data.state = command.state = k;
	r = vmm__bus_add(host->ports, &data);
	if (r < 0)
		goto destroy_lock;
	r = vmm__bus_add(host->ports, &command);
	if (r < 0)
		goto remove_data;

	*ret_i8042 = k;
	return 0;

remove_data:
	vmm__bus_remove(host->ports, base);
destroy_lock:
	pthread_mutex_destroy(&k->lock);
	free(k);
	return r;
}

void vmm__i8042_destroy(struct i8042 *k)
{
	if (!k)
		return;

	vmm__bus_remove(k->host->ports, k->base + COMMAND_OFFSET);
	vmm__bus_remove(k->host->ports, k->base);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

void vmm__i8042_reset(struct i8042 *k)
{
	pthread_mutex_lock(&k->lock);
	power_on(k);
	line_update(k);
	pthread_mutex_unlock(&k->lock);
}
