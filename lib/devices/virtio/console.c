/* SPDX-License-Identifier: MIT */
/*
 * console.c - virtio-console (VIRTIO 1.2, section 5.3), port 0 only.
 *
 * Nothing is kept between two turns of the loop but the number of bytes that went
 * out of the first chain of the transmit queue: a chain that has to wait stays in
 * the queue. So a reset has nothing to undo, and a guest that changes the chain
 * meanwhile changes what it prints.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include <libvmm/console.h>
#include <libvmm/device.h>
#include <libvmm/vmm.h>
#include "backends/console/console_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define RX_QUEUE	0	/* 5.3.2 */
#define TX_QUEUE	1

#define TX_PIECE	4096u
#define TX_TURN		(64u << 10)	/* one descriptor may name 4 GiB */
#define CHAIN_COST	2048u		/* what a chain counts for at least */
#define RX_TURN		32u		/* chains that one input may fill */

struct console {
	struct vmm_console_port port;
	struct vmm_device *dev;		/* NULL: never active so far */
	struct vmm_deferred more;
	bool cut;			/* the share of this turn is used up: more comes in the next */
	bool wait;			/* VMM_CONSOLE_WAIT */

	uint32_t sent;			/* of the first chain of the transmit queue */
	bool sending;			/* in send(): the backend may call back from its write() */
	bool stalled;			/* the backend will say when it takes more */

	bool input_waits;		/* the backend has more */
	bool announce;			/* say the size once more */
	uint16_t columns, rows;

	struct vmm_chain chain;		/* scratch space */
};

/* ---- output ---- */

/* Print the chain, up to @budget bytes of it. True: it is done with. */
static bool send_chain(struct console *c, uint32_t *budget)
{
	unsigned char piece[TX_PIECE];
	size_t len, taken;

	while ((len = vmm_chain_read(&c->chain, c->sent, piece, sizeof(piece))) > 0) {
		if (len > *budget)
			len = *budget;
		if (len == 0)
			return false;

		c->stalled = true;	/* before the call, which may say writable() itself */
		taken = vmm__console_write(&c->port, piece, len);
		c->sent += (uint32_t)taken;
		*budget -= (uint32_t)taken;
		if (taken == len) {
			c->stalled = false;
		} else if (c->wait) {
			return false;
		} else {
			c->stalled = false;
			vmm__console_drop(&c->port, c->chain.out_len - c->sent);
			break;
		}
	}

	c->sent = 0;
	return true;
}

static void cut(struct console *c)
{
	c->cut = true;
	vmm_defer(&c->more);
}

static void send(struct console *c)
{
	struct vmm_queue *queue = vmm_device_queue(c->dev, TX_QUEUE);
	uint32_t budget = TX_TURN;
	int r;

	if (c->sending || c->stalled || c->cut)
		return;
	c->sending = true;

	while ((r = vmm_queue_pop(queue, &c->chain)) > 0) {
		if (budget == 0 || !send_chain(c, &budget)) {
			vmm_queue_unpop(queue);
			break;
		}
		vmm_queue_push(queue, &c->chain, 0);
		budget -= budget < CHAIN_COST ? budget : CHAIN_COST;
	}
	vmm_queue_notify(queue);

	c->sending = false;
	/* Also when the backend refused and took that back in the same breath. */
	if (r > 0 && !c->stalled)
		cut(c);
}

static void console_writable(void *state)
{
	struct console *c = state;

	c->stalled = false;
	if (c->dev)
		send(c);
}

/* ---- size ---- */

static void show_size(struct console *c)
{
	struct virtio_console_config config = {
		.cols = htole16(c->columns), .rows = htole16(c->rows),
	};

	vmm_device_set_config(c->dev, 0, &config, offsetof(struct virtio_console_config, max_nr_ports),
			      true);
}

static void console_resize(void *state, uint16_t columns, uint16_t rows)
{
	struct console *c = state;

	c->columns = columns;
	c->rows = rows;
	if (c->dev)
		show_size(c);
}

/* ---- input ---- */

static size_t console_input(void *state, const void *data, size_t len)
{
	struct console *c = state;
	const unsigned char *bytes = data;
	struct vmm_queue *queue;
	unsigned chains = 0;
	size_t done = 0;

	c->input_waits = true;
	if (!c->dev)
		return 0;

	queue = vmm_device_queue(c->dev, RX_QUEUE);
	while (done < len && chains < RX_TURN && vmm_queue_pop(queue, &c->chain) > 0) {
		size_t n = vmm_chain_write(&c->chain, 0, bytes + done, len - done);

		vmm_queue_push(queue, &c->chain, (uint32_t)n);
		done += n;
		chains++;
	}
	vmm_queue_notify(queue);

	c->input_waits = done < len;
	if (c->input_waits && chains == RX_TURN)
		cut(c);
	/*
	 * Linux forgets a size it is told before its console is whole, and does not
	 * read it later. By now somebody types.
	 */
	if (c->announce && done > 0) {
		c->announce = false;
		show_size(c);
	}
	return done;
}

static void take_input(struct console *c)
{
	if (c->input_waits && !c->cut)
		vmm__console_readable(&c->port);
}

static const struct console_front console_front = {
	.input = console_input,
	.writable = console_writable,
	.resize = console_resize,
};

/* ---- the device ---- */

static int console_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct console *c = vmm_device_state(dev);

	c->dev = dev;
	c->announce = (c->columns || c->rows) && vmm_features_has(features, VIRTIO_CONSOLE_F_SIZE);
	if (c->announce)
		show_size(c);
	return 0;
}

static void console_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct console *c = vmm_device_state(dev);

	if (vmm_queue_index(queue) == TX_QUEUE)
		send(c);
	else
		take_input(c);
}

static void console_more(struct vmm_deferred *deferred)
{
	struct console *c = (struct console *)((char *)deferred - offsetof(struct console, more));

	c->cut = false;
	send(c);
	take_input(c);
}

/* 5.3.4: a character written to emerg_wr is printed, in whatever state the device is. */
static void console_config_write(struct vmm_device *dev, uint32_t offset, const void *data,
				 uint32_t len)
{
	const uint32_t at = offsetof(struct virtio_console_config, emerg_wr);
	struct console *c = vmm_device_state(dev);

	if (offset > at || len <= at - offset)
		return;
	if (vmm__console_write(&c->port, (const unsigned char *)data + (at - offset), 1) == 0)
		vmm__console_drop(&c->port, 1);
}

static void console_reset(struct vmm_device *dev)
{
	struct console *c = vmm_device_state(dev);

	/* Nothing is in flight between two turns. */
	c->sent = 0;
	c->announce = false;
}

static void console_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct console *c = vmm_device_state(dev);

	if (vmm_queue_index(queue) == TX_QUEUE)
		c->sent = 0;
}

static void console_destroy(void *state)
{
	struct console *c = state;

	vmm_deferred_cancel(&c->more);
	vmm__console_finish(&c->port);
	free(c);
}

static const struct vmm_device_ops console_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-console",
	.virtio_id = VIRTIO_ID_CONSOLE,
	.activate = console_activate,
	.kick = console_kick,
	.reset = console_reset,
	.config_write = console_config_write,
	.destroy = console_destroy,
	.queue_reset = console_queue_reset,
};

static int config_check(struct vmm_console_config *c, const struct vmm *vm,
			const struct vmm_console_config *config)
{
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no console");
	r = vmm__config_copy(c, sizeof(*c), config, config->size, sizeof(c->size));
	if (r < 0)
		return r;
	if (!c->backend)
		return vmm__fail(-EINVAL, "a console needs a backend");
	if (c->flags & ~(uint32_t)VMM_CONSOLE_WAIT || c->reserved)
		return vmm__fail(-EINVAL, "console flags 0x%x are not VMM_CONSOLE_ ones", c->flags);
	return 0;
}

int vmm_add_console(struct vmm *vm, const struct vmm_console_config *config,
		    struct vmm_device **ret_dev)
{
	struct virtio_console_config space = { 0 };
	struct vmm_console_config wanted;
	struct vmm_device_config device = VMM_DEVICE_CONFIG_INIT;
	struct console *c;
	int r = config_check(&wanted, vm, config);

	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return vmm__fail(-ENOMEM, "no memory for a console");
	c->wait = wanted.flags & VMM_CONSOLE_WAIT;
	c->columns = wanted.columns;
	c->rows = wanted.rows;

	space.cols = htole16(wanted.columns);
	space.rows = htole16(wanted.rows);
	device.ops = &console_ops;
	device.state = c;
	device.name = wanted.name ? wanted.name : "console";
	vmm_features_add(&device.features, VIRTIO_CONSOLE_F_SIZE);
	vmm_features_add(&device.features, VIRTIO_CONSOLE_F_EMERG_WRITE);
	device.config_space = &space;
	device.config_bytes = sizeof(space);
	device.nr_queues = 2;
	device.queue_size = 64;
	device.transport = wanted.transport;
	device.loop = wanted.loop ? wanted.loop : vmm_loop_of(vm);

	vmm_deferred_init(&c->more, device.loop, console_more);
	/* The backend may have something to say before there is a device to say it to. */
	vmm_loop_enter(device.loop);
	r = vmm__console_attach(&c->port, &console_front, c, wanted.backend, device.loop);
	if (r < 0)
		goto free_console;
	r = vmm_add_device(vm, &device, ret_dev);
	if (r < 0)
		goto detach;
	vmm_loop_leave(device.loop);
	return 0;

detach:
	vmm__console_detach(&c->port);
free_console:
	free(c);
	vmm_loop_leave(device.loop);
	return r;
}
