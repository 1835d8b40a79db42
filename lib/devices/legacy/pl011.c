/* SPDX-License-Identifier: MIT */
/*
 * pl011.c - Arm's serial port (PrimeCell UART PL011, Arm DDI 0183).
 *
 * A byte is sent the moment it is written; the transmitter is full only when VMM_CONSOLE_WAIT is set and
 * the buffer behind it is full. Input never overruns: what does not fit, and what comes while the
 * receiver is off, stays in the backend. Line settings are kept and mean nothing. Registers are
 * answered on the vCPU's thread, under the port's lock.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "backends/console/console_priv.h"
#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/pl011_priv.h"
#include "devices/legacy/serial_out_priv.h"

enum {
	PL011_DR	= 0x00,
	PL011_RSR	= 0x04,		/* errors of what was read; a write clears them */
	PL011_FR	= 0x18,
	PL011_ILPR	= 0x20,
	PL011_IBRD	= 0x24,
	PL011_FBRD	= 0x28,
	PL011_LCR_H	= 0x2c,
	PL011_CR	= 0x30,
	PL011_IFLS	= 0x34,
	PL011_IMSC	= 0x38,
	PL011_RIS	= 0x3c,
	PL011_MIS	= 0x40,
	PL011_ICR	= 0x44,
	PL011_DMACR	= 0x48,
	PL011_ID	= 0xfe0,	/* eight bytes, one in each word */
	PL011_LENGTH	= 0x1000,
};

enum {
	FR_CTS	= 1 << 0, FR_DSR = 1 << 1, FR_DCD = 1 << 2,
	FR_BUSY	= 1 << 3, FR_RXFE = 1 << 4, FR_TXFF = 1 << 5, FR_RXFF = 1 << 6, FR_TXFE = 1 << 7,
	LCR_FEN	= 1 << 4,
	CR_UARTEN = 1 << 0, CR_LBE = 1 << 7, CR_TXE = 1 << 8, CR_RXE = 1 << 9,
	INT_RX	= 1 << 4, INT_TX = 1 << 5, INT_RT = 1 << 6, INT_OE = 1 << 10,
	INT_ALL	= 0x7ff,
};

#define FIFO_SIZE	16u	/* of revisions before r1p5, as the ID says */

struct pl011 {
	struct vmm_console_port port;
	struct bus *bus;
	uint64_t base;
	struct irqs *irqs;
	uint32_t gsi;
	bool wait;			/* VMM_CONSOLE_WAIT */

	pthread_mutex_t lock;		/* of all that follows */
	struct vmm_deferred work;
	bool input_waits;		/* the backend has more */

	uint32_t ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, dmacr;
	uint32_t latched;		/* interrupts that were raised and not cleared: TX, OE */
	bool wire;			/* what KVM was told last */
	uint8_t fifo[FIFO_SIZE];	/* received */
	uint32_t fifo_start, fifo_len;

	struct serial_out out;
};

/* ---- interrupts, with the lock ---- */

static uint32_t fifo_size(const struct pl011 *p)
{
	return p->lcr & LCR_FEN ? FIFO_SIZE : 1;
}

/* How many bytes raise the receive interrupt: an eighth to seven eighths of the FIFO. */
static uint32_t fifo_trigger(const struct pl011 *p)
{
	static const uint8_t levels[8] = { 2, 4, 8, 12, 14, 14, 14, 14 };

	return p->lcr & LCR_FEN ? levels[p->ifls >> 3 & 7] : 1;
}

/*
 * Received bytes hold their interrupts up until they are read. Below the trigger it is the
 * time-out's: its bit times have always passed, since the backend gives at once all it has.
 */
static uint32_t raw_interrupts(const struct pl011 *p)
{
	uint32_t raw = p->latched;

	if (p->fifo_len > 0)
		raw |= p->fifo_len >= fifo_trigger(p) ? INT_RX : INT_RT;
	return raw;
}

static void update_wire(struct pl011 *p)
{
	bool level = raw_interrupts(p) & p->imsc;

	if (level == p->wire)
		return;
	p->wire = level;
	(void)vmm__irq_set_line(p->irqs, p->gsi, level);
}

/* ---- receiving, with the lock ---- */

static bool receives(const struct pl011 *p)
{
	return (p->cr & (CR_UARTEN | CR_RXE | CR_LBE)) == (CR_UARTEN | CR_RXE);
}

/* The backend has more and the guest takes it. */
static void want_input(struct pl011 *p)
{
	if (p->input_waits && p->fifo_len == 0 && receives(p))
		vmm_defer(&p->work);
}

static void fifo_put(struct pl011 *p, uint8_t byte)
{
	if (p->fifo_len >= fifo_size(p)) {
		p->latched |= INT_OE;
		return;
	}
	p->fifo[(p->fifo_start + p->fifo_len++) % FIFO_SIZE] = byte;
}

static uint32_t read_data(struct pl011 *p)
{
	uint32_t byte = p->fifo[p->fifo_start];

	if (p->fifo_len == 0)
		return 0;
	p->fifo_start = (p->fifo_start + 1) % FIFO_SIZE;
	p->fifo_len--;
	want_input(p);
	return byte;
}

/* ---- sending, with the lock ---- */

static bool full(const struct pl011 *p)
{
	return p->wait && p->out.len == SERIAL_OUT_SIZE;
}

static void write_data(struct pl011 *p, uint8_t byte)
{
	if (p->cr & CR_LBE)
		fifo_put(p, byte);
	else if (!vmm__serial_out_put(&p->out, byte))
		vmm__console_drop(&p->port, 1);
	/* The byte is gone at once, so that the FIFO went below its trigger. */
	if (!full(p))
		p->latched |= INT_TX;
}

/* There is room again. */
static void sent(void *owner)
{
	struct pl011 *p = owner;

	if (p->wait)
		p->latched |= INT_TX;
	update_wire(p);
}

/* ---- registers, with the lock ---- */

static uint32_t flags(const struct pl011 *p)
{
	uint32_t f = FR_CTS | FR_DSR | FR_DCD;	/* the other end is there */

	f |= p->fifo_len == 0 ? FR_RXFE : p->fifo_len >= fifo_size(p) ? FR_RXFF : 0;
	return f | (full(p) ? FR_TXFF | FR_BUSY : FR_TXFE);
}

static uint32_t register_read(struct pl011 *p, uint64_t offset)
{
	static const uint8_t id[] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	switch (offset) {
	case PL011_DR:
		return read_data(p);
	case PL011_FR:
		return flags(p);
	case PL011_ILPR:
		return p->ilpr;
	case PL011_IBRD:
		return p->ibrd;
	case PL011_FBRD:
		return p->fbrd;
	case PL011_LCR_H:
		return p->lcr;
	case PL011_CR:
		return p->cr;
	case PL011_IFLS:
		return p->ifls;
	case PL011_IMSC:
		return p->imsc;
	case PL011_RIS:
		return raw_interrupts(p);
	case PL011_MIS:
		return raw_interrupts(p) & p->imsc;
	case PL011_DMACR:
		return p->dmacr;
	}
	if (offset >= PL011_ID)
		return id[(offset - PL011_ID) / 4];
	return 0;
}

/* Turning the FIFO on or off empties it. */
static void write_lcr(struct pl011 *p, uint32_t value)
{
	if ((p->lcr ^ value) & LCR_FEN)
		p->fifo_start = p->fifo_len = 0;
	p->lcr = value & 0xff;
	want_input(p);
}

static void register_write(struct pl011 *p, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case PL011_DR:
		write_data(p, (uint8_t)value);
		break;
	case PL011_ILPR:
		p->ilpr = value & 0xff;
		break;
	case PL011_IBRD:
		p->ibrd = value & 0xffff;
		break;
	case PL011_FBRD:
		p->fbrd = value & 0x3f;
		break;
	case PL011_LCR_H:
		write_lcr(p, value);
		break;
	case PL011_CR:
		p->cr = value & 0xffff;
		want_input(p);
		break;
	case PL011_IFLS:
		p->ifls = value & 0x3f;
		break;
	case PL011_IMSC:
		p->imsc = value & INT_ALL;
		break;
	case PL011_ICR:
		p->latched &= ~value;
		break;
	case PL011_DMACR:
		p->dmacr = value & 7;
		break;
	}
}

/* Registers are words, of which the upper bytes of most hold nothing: narrow accesses are to their start. */
static uint64_t pl011_read(void *state, uint64_t offset, uint32_t width)
{
	struct pl011 *p = state;
	uint32_t value;

	if (offset % 4 != 0)
		return 0;
	pthread_mutex_lock(&p->lock);
	value = register_read(p, offset);
	update_wire(p);
	pthread_mutex_unlock(&p->lock);
	return value;
}

static void pl011_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct pl011 *p = state;

	if (offset % 4 != 0)
		return;
	if (width < 4)
		value &= (1u << 8 * width) - 1;
	pthread_mutex_lock(&p->lock);
	register_write(p, offset, (uint32_t)value);
	update_wire(p);
	pthread_mutex_unlock(&p->lock);
}

static const struct vmm_range_ops pl011_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "serial",
	.read = pl011_read,
	.write = pl011_write,
};

/* ---- on the loop ---- */

static size_t pl011_input(void *state, const void *data, size_t len)
{
	struct pl011 *p = state;
	const uint8_t *bytes = data;
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	while (n < len && p->fifo_len < fifo_size(p) && receives(p))
		fifo_put(p, bytes[n++]);
	p->input_waits = n < len;
	update_wire(p);
	pthread_mutex_unlock(&p->lock);
	return n;
}

static void pl011_writable(void *state)
{
	struct pl011 *p = state;

	vmm__serial_out_writable(&p->out);
}

static void pl011_resize(void *state, uint16_t columns, uint16_t rows)
{
	/* A serial line has no way to say it. */
}

static const struct console_front pl011_front = {
	.input = pl011_input,
	.writable = pl011_writable,
	.resize = pl011_resize,
};

static void work(struct vmm_deferred *deferred)
{
	struct pl011 *p = (struct pl011 *)((char *)deferred - offsetof(struct pl011, work));
	bool input;

	pthread_mutex_lock(&p->lock);
	input = p->input_waits && p->fifo_len == 0 && receives(p);
	pthread_mutex_unlock(&p->lock);
	if (input)
		vmm__console_readable(&p->port);
}

/* ---- life ---- */

void vmm__pl011_reset(struct pl011 *p)
{
	pthread_mutex_lock(&p->lock);
	p->ilpr = p->ibrd = p->fbrd = p->lcr = p->imsc = p->dmacr = p->latched = 0;
	p->ifls = 0x12;
	p->cr = CR_TXE | CR_RXE;
	p->fifo_start = p->fifo_len = 0;
	update_wire(p);
	pthread_mutex_unlock(&p->lock);
}

int vmm__pl011_create(const struct serial_place *place, const struct vmm_console_config *config,
		      struct pl011 **ret_port)
{
	struct pl011 *p = calloc(1, sizeof(*p));
	const struct bus_range range = {
		.base = place->base, .length = PL011_LENGTH, .ops = &pl011_range, .state = p,
	};
	int r;

	if (!p)
		return vmm__fail(-ENOMEM, "no memory for a serial port");
	p->bus = place->bus;
	p->base = place->base;
	p->irqs = place->irqs;
	p->gsi = place->gsi;
	p->wait = config->flags & VMM_CONSOLE_WAIT;
	p->out.port = &p->port;
	p->out.lock = &p->lock;
	p->out.sent = sent;
	p->out.owner = p;
	pthread_mutex_init(&p->lock, NULL);
	vmm_deferred_init(&p->work, place->loop, work);
	vmm__pl011_reset(p);

	r = vmm__serial_out_init(&p->out, place->loop);
	if (r < 0)
		goto free_port;
	r = vmm__bus_add(p->bus, &range);
	if (r < 0)
		goto finish_out;
	r = vmm__console_attach(&p->port, &pl011_front, p, config->backend, place->loop);
	if (r < 0)
		goto remove_range;

	*ret_port = p;
	return 0;

remove_range:
	vmm__bus_remove(p->bus, p->base);
finish_out:
	vmm__serial_out_finish(&p->out);
free_port:
	pthread_mutex_destroy(&p->lock);
	free(p);
	return r;
}

void vmm__pl011_flush(struct pl011 *p)
{
	vmm__serial_out_flush(&p->out);
}

void vmm__pl011_destroy(struct pl011 *p)
{
	struct vmm_loop *loop;

	if (!p)
		return;
	loop = p->work.loop;

	vmm__bus_remove(p->bus, p->base);
	vmm_loop_enter(loop);
	vmm_deferred_cancel(&p->work);
	vmm__serial_out_flush(&p->out);
	vmm__serial_out_finish(&p->out);
	vmm__console_finish(&p->port);
	vmm_loop_leave(loop);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- as one kind of serial port ---- */

static int serial_create(const struct serial_place *place, const struct vmm_console_config *config,
			 void **ret_port)
{
	struct pl011 *p;
	int r = vmm__pl011_create(place, config, &p);

	if (r == 0)
		*ret_port = p;
	return r;
}

static void serial_destroy(void *port)
{
	vmm__pl011_destroy(port);
}

static void serial_reset(void *port)
{
	vmm__pl011_reset(port);
}

static void serial_flush(void *port)
{
	vmm__pl011_flush(port);
}

const struct serial_model vmm__serial_pl011 = {
	.create = serial_create,
	.destroy = serial_destroy,
	.reset = serial_reset,
	.flush = serial_flush,
};
