/* SPDX-License-Identifier: MIT */
/*
 * console_priv.h - a virtio console and its ports, shared by the console*.c files.
 *
 * Nothing is kept between two turns of the loop but, for each port, the number of bytes
 * that went out of the first chain of its transmit queue, and what is to be said of it on
 * the control queue: so a reset has nothing to undo, and a guest can make nothing grow.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_PRIV_H
#define DEVICES_VIRTIO_CONSOLE_PRIV_H

#include <stdbool.h>
#include <linux/virtio_console.h>
#include <libvmm/console.h>
#include <libvmm/device.h>
#include "backends/console/console_priv.h"

/* VIRTIO 1.2, 5.3.2. Port 0 has the first two queues, port n those from 2 + 2n on. */
enum { CONSOLE_CONTROL_RX = 2, CONSOLE_CONTROL_TX = 3, CONSOLE_FIRST_NAMED = 4 };

#define CONSOLE_PORTS_MAX	((VMM_DEVICE_QUEUES_MAX - CONSOLE_FIRST_NAMED) / 2 + 1)

/* What is to be said of a port, in this order (5.3.6.2). */
enum {
	CONSOLE_SAY_ADD		= 1 << 0,
	CONSOLE_SAY_CONSOLE	= 1 << 1,
	CONSOLE_SAY_NAME	= 1 << 2,
	CONSOLE_SAY_OPEN	= 1 << 3,
	CONSOLE_SAY_SIZE	= 1 << 4,
};

struct console;

struct console_port {
	struct vmm_console_port port;
	struct console *console;
	uint32_t id;
	struct vmm_deferred more;
	bool cut;			/* the share of this turn is used up: more comes in the next */
	bool wait;			/* VMM_CONSOLE_WAIT */

	uint32_t sent;			/* of the first chain of the transmit queue */
	bool sending;			/* in send(): the backend may call back from its write() */
	bool stalled;			/* the backend will say when it takes more */

	bool input_waits;		/* the backend has more */
	bool announce;			/* say the size once more */
	uint16_t columns, rows;

	/* With VIRTIO_CONSOLE_F_MULTIPORT. */
	bool is_console;		/* hvcN, and not a port by its name */
	bool ready;			/* the driver knows it */
	bool guest_open;
	bool host_open;			/* there is somebody behind it */
	uint32_t say;			/* CONSOLE_SAY_* */
	char name[64];

	struct vmm_chain tx, rx;	/* scratch space; a backend may join two ports */
};

struct console {
	struct vmm_device *dev;		/* NULL: never active so far */
	bool multiport;			/* negotiated */
	uint32_t nr_ports;
	struct vmm_chain control;	/* scratch space */
	struct console_port ports[];
};

/* ---- console_port.c ---- */

extern const struct console_front vmm__console_front;

void vmm__console_port_init(struct console_port *p, struct console *c, uint32_t id,
			    struct vmm_loop *loop);
void vmm__console_send(struct console_port *p);
void vmm__console_take_input(struct console_port *p);
void vmm__console_port_reset(struct console_port *p);
/* Port 0's size, in the config space. */
void vmm__console_show_size(struct console_port *p);

/* ---- console_control.c ---- */

/* What is due, as far as there are buffers. */
void vmm__console_control_send(struct console *c);
/* What the driver has to say. */
void vmm__console_control_receive(struct console *c);
/* Say @what of a port, now or when the driver knows it. */
void vmm__console_control_say(struct console_port *p, uint32_t what);

#endif
