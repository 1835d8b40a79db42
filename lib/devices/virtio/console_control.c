/* SPDX-License-Identifier: MIT */
/*
 * console_control.c - the control queues of a console with many ports (VIRTIO 1.2, 5.3.6.2).
 *
 * What is to be said of a port is a few bits, and a message is made when there is a
 * buffer for it: so a driver that asks again and again, or offers no buffers, makes
 * nothing grow, and what changed many times meanwhile is said once, as it is by then.
 */
#include <endian.h>
#include <string.h>

#include "devices/virtio/console_priv.h"

/* 5.3.6.2.2, in the specification's order. (Linux before 6.15 takes it the other way round.) */
struct size_message {
	__le16 columns, rows;
};

/* ---- to the driver ---- */

/* One message, and @more bytes behind it. False: the device is broken. */
static bool put(struct console_port *p, uint16_t event, uint16_t value, const void *bytes,
		uint32_t more)
{
	const struct virtio_console_control message = {
		.id = htole32(p->id), .event = htole16(event), .value = htole16(value),
	};
	struct console *c = p->console;

	if (c->control.in_len < sizeof(message) + more) {
		vmm_device_break(c->dev, "a control buffer is too small for its message");
		return false;
	}
	vmm_chain_write(&c->control, 0, &message, sizeof(message));
	vmm_chain_write(&c->control, sizeof(message), bytes, more);
	vmm_queue_push(vmm_device_queue(c->dev, CONSOLE_CONTROL_RX), &c->control,
		       (uint32_t)sizeof(message) + more);
	return true;
}

/* The next message of a port; one is due. */
static bool put_next(struct console_port *p)
{
	const struct size_message size = { htole16(p->columns), htole16(p->rows) };
	uint32_t what = p->say & -p->say;

	p->say &= ~what;
	switch (what) {
	case CONSOLE_SAY_ADD:
		return put(p, VIRTIO_CONSOLE_PORT_ADD, 0, NULL, 0);
	case CONSOLE_SAY_CONSOLE:
		return put(p, VIRTIO_CONSOLE_CONSOLE_PORT, 1, NULL, 0);
	case CONSOLE_SAY_NAME:
		return put(p, VIRTIO_CONSOLE_PORT_NAME, 1, p->name, (uint32_t)strlen(p->name));
	case CONSOLE_SAY_OPEN:
		return put(p, VIRTIO_CONSOLE_PORT_OPEN, p->host_open, NULL, 0);
	default:
		return put(p, VIRTIO_CONSOLE_RESIZE, 0, &size, sizeof(size));
	}
}

void vmm__console_control_send(struct console *c)
{
	struct vmm_queue *queue = vmm_device_queue(c->dev, CONSOLE_CONTROL_RX);

	for (uint32_t i = 0; i < c->nr_ports; i++) {
		while (c->ports[i].say) {
			if (vmm_queue_pop(queue, &c->control) <= 0 || !put_next(&c->ports[i]))
				goto notify;
		}
	}
notify:
	vmm_queue_notify(queue);
}

void vmm__console_control_say(struct console_port *p, uint32_t what)
{
	/* What the driver does not know yet it hears of when it does. */
	if (!p->ready)
		return;
	p->say |= what;
	vmm__console_control_send(p->console);
}

/* ---- from the driver ---- */

static void port_ready(struct console_port *p, bool ready)
{
	p->ready = ready;
	p->say = 0;
	if (!ready)
		return;
	p->say = CONSOLE_SAY_OPEN;
	if (p->is_console)
		p->say |= CONSOLE_SAY_CONSOLE;
	if (p->name[0])
		p->say |= CONSOLE_SAY_NAME;
	if (p->is_console && (p->columns || p->rows))
		p->say |= CONSOLE_SAY_SIZE;
}

static void port_open(struct console_port *p, bool open)
{
	if (p->guest_open == open)
		return;
	p->guest_open = open;
	vmm__console_guest_open(&p->port, open);
	if (open)
		vmm__console_take_input(p);
}

/* A port that is not there, and an event that is none, say nothing. */
static void message(struct console *c, const struct virtio_console_control *m)
{
	uint16_t event = le16toh(m->event), value = le16toh(m->value);
	uint32_t id = le32toh(m->id);

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		for (uint32_t i = 0; value == 1 && i < c->nr_ports; i++)
			c->ports[i].say |= CONSOLE_SAY_ADD;
		return;
	}
	if (id >= c->nr_ports)
		return;
	if (event == VIRTIO_CONSOLE_PORT_READY)
		port_ready(&c->ports[id], value == 1);
	else if (event == VIRTIO_CONSOLE_PORT_OPEN)
		port_open(&c->ports[id], value == 1);
}

void vmm__console_control_receive(struct console *c)
{
	struct vmm_queue *queue = vmm_device_queue(c->dev, CONSOLE_CONTROL_TX);
	struct virtio_console_control m;

	while (vmm_queue_pop(queue, &c->control) > 0) {
		if (vmm_chain_read(&c->control, 0, &m, sizeof(m)) < sizeof(m)) {
			vmm_device_break(c->dev, "a control message is shorter than one");
			return;
		}
		vmm_queue_push(queue, &c->control, 0);
		message(c, &m);
	}
	vmm_queue_notify(queue);
	vmm__console_control_send(c);
}
