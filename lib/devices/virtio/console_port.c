/* SPDX-License-Identifier: MIT */
/*
 * console_port.c - the bytes of one port of a virtio console (VIRTIO 1.2, 5.3.6).
 *
 * A chain that has to wait stays in the queue. So a guest that changes the chain
 * meanwhile changes what it prints.
 */
#include <endian.h>

#include "devices/virtio/console_priv.h"

#define TX_PIECE	4096u
#define TX_TURN		(64u << 10)	/* one descriptor may name 4 GiB */
#define CHAIN_COST	2048u		/* what a chain counts for at least */
#define RX_TURN		32u		/* chains that one input may fill */

static struct vmm_queue *queue_of(const struct console_port *p, bool transmit)
{
	return vmm_device_queue(p->console->dev, (p->id ? 2 + 2 * p->id : 0) + transmit);
}

/* ---- output ---- */

/* Print the chain, up to @budget bytes of it. True: it is done with. */
static bool send_chain(struct console_port *p, uint32_t *budget)
{
	unsigned char piece[TX_PIECE];
	size_t len, taken;

	while ((len = vmm_chain_read(&p->tx, p->sent, piece, sizeof(piece))) > 0) {
		if (len > *budget)
			len = *budget;
		if (len == 0)
			return false;

		p->stalled = true;	/* before the call, which may say writable() itself */
		taken = vmm__console_write(&p->port, piece, len);
		p->sent += (uint32_t)taken;
		*budget -= (uint32_t)taken;
		if (taken == len) {
			p->stalled = false;
		} else if (p->wait) {
			return false;
		} else {
			p->stalled = false;
			vmm__console_drop(&p->port, p->tx.out_len - p->sent);
			break;
		}
	}

	p->sent = 0;
	return true;
}

static void cut(struct console_port *p)
{
	p->cut = true;
	vmm_defer(&p->more);
}

void vmm__console_send(struct console_port *p)
{
	struct vmm_queue *queue = queue_of(p, true);
	uint32_t budget = TX_TURN;
	int r;

	if (p->sending || p->stalled || p->cut)
		return;
	p->sending = true;

	while ((r = vmm_queue_pop(queue, &p->tx)) > 0) {
		if (budget == 0 || !send_chain(p, &budget)) {
			vmm_queue_unpop(queue);
			break;
		}
		vmm_queue_push(queue, &p->tx, 0);
		budget -= budget < CHAIN_COST ? budget : CHAIN_COST;
	}
	vmm_queue_notify(queue);

	p->sending = false;
	/* Also when the backend refused and took that back in the same breath. */
	if (r > 0 && !p->stalled)
		cut(p);
}

static void port_writable(void *state)
{
	struct console_port *p = state;

	p->stalled = false;
	if (p->console->dev)
		vmm__console_send(p);
}

/* ---- size ---- */

void vmm__console_show_size(struct console_port *p)
{
	struct virtio_console_config config = {
		.cols = htole16(p->columns), .rows = htole16(p->rows),
	};

	vmm_device_set_config(p->console->dev, 0, &config,
			      offsetof(struct virtio_console_config, max_nr_ports),
			      !p->console->multiport);
}

static void port_resize(void *state, uint16_t columns, uint16_t rows)
{
	struct console_port *p = state;

	p->columns = columns;
	p->rows = rows;
	if (p->console->dev && p->id == 0 && p->is_console)
		vmm__console_show_size(p);
	if (p->is_console)
		vmm__console_control_say(p, CONSOLE_SAY_SIZE);
}

/* ---- input ---- */

/* Linux throws away what comes for a port that nobody has open. */
static bool takes_input(const struct console_port *p)
{
	return p->console->dev && (!p->console->multiport || p->is_console || p->guest_open);
}

static size_t port_input(void *state, const void *data, size_t len)
{
	struct console_port *p = state;
	const unsigned char *bytes = data;
	struct vmm_queue *queue;
	unsigned chains = 0;
	size_t done = 0;

	p->input_waits = true;
	if (!takes_input(p))
		return 0;

	queue = queue_of(p, false);
	while (done < len && chains < RX_TURN && vmm_queue_pop(queue, &p->rx) > 0) {
		size_t n = vmm_chain_write(&p->rx, 0, bytes + done, len - done);

		vmm_queue_push(queue, &p->rx, (uint32_t)n);
		done += n;
		chains++;
	}
	vmm_queue_notify(queue);

	p->input_waits = done < len;
	if (p->input_waits && chains == RX_TURN)
		cut(p);
	/*
	 * Linux forgets a size it is told before its console is whole, and does not
	 * read it later. By now somebody types.
	 */
	if (p->announce && done > 0) {
		p->announce = false;
		vmm__console_show_size(p);
	}
	return done;
}

void vmm__console_take_input(struct console_port *p)
{
	if (p->input_waits && !p->cut && takes_input(p))
		vmm__console_readable(&p->port);
}

static void port_connected(void *state, bool connected)
{
	struct console_port *p = state;

	if (p->host_open == connected)
		return;
	p->host_open = connected;
	vmm__console_control_say(p, CONSOLE_SAY_OPEN);
}

const struct console_front vmm__console_front = {
	.input = port_input,
	.writable = port_writable,
	.resize = port_resize,
	.connected = port_connected,
};

/* ---- life ---- */

static void port_more(struct vmm_deferred *deferred)
{
	struct console_port *p =
		(struct console_port *)((char *)deferred - offsetof(struct console_port, more));

	p->cut = false;
	vmm__console_send(p);
	vmm__console_take_input(p);
}

void vmm__console_port_init(struct console_port *p, struct console *c, uint32_t id,
			    struct vmm_loop *loop)
{
	p->console = c;
	p->id = id;
	p->host_open = true;
	vmm_deferred_init(&p->more, loop, port_more);
}

void vmm__console_port_reset(struct console_port *p)
{
	/* Nothing is in flight between two turns. */
	p->sent = 0;
	p->announce = false;
	p->say = 0;
	p->ready = false;
	if (p->guest_open) {
		p->guest_open = false;
		vmm__console_guest_open(&p->port, false);
	}
}
