/* SPDX-License-Identifier: MIT */
/*
 * uart16550.c - the registers of the 16550A serial port (PC16550D data sheet), its
 * interrupt wired as in a PC.
 *
 * They are answered on the vCPU's thread, under the UART's lock, with no other work
 * than moving a byte and, when the wire changes, telling KVM.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/serial_priv.h"
#include "devices/legacy/uart16550_impl_priv.h"

/* ---- interrupts, with the lock ---- */

static uint32_t fifo_trigger(const struct uart16550 *u)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return u->fcr & UART_FCR_ENABLE_FIFO ? levels[u->fcr >> 6] : 1;
}

/*
 * The most urgent interrupt. Below the trigger level it is the time-out's: the four
 * character times have always passed, since the backend gives at once all it has.
 */
static uint8_t interrupt(const struct uart16550 *u)
{
	if ((u->ier & UART_IER_RLSI) && (u->lsr & UART_LSR_BRK_ERROR_BITS))
		return UART_IIR_RLSI;
	if ((u->ier & UART_IER_RDI) && u->fifo_len > 0)
		return u->fifo_len >= fifo_trigger(u) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if ((u->ier & UART_IER_THRI) && u->thre_pending)
		return UART_IIR_THRI;
	if ((u->ier & UART_IER_MSI) && (u->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* A PC puts a gate into the wire: OUT2, which a loopback holds back. */
void vmm__uart_update_wire(struct uart16550 *u)
{
	bool gate = (u->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2;
	bool level = gate && interrupt(u) != UART_IIR_NO_INT;

	if (level == u->wire)
		return;
	u->wire = level;
	(void)vmm__irq_set_line(u->irqs, u->gsi, level);
}

/* ---- registers, with the lock ---- */

/* The lines come from the other end, which is there; in a loopback from MCR. */
static uint8_t modem_lines(const struct uart16550 *u)
{
	uint8_t m = u->mcr, lines = 0;

	if (!(m & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	lines |= m & UART_MCR_RTS ? UART_MSR_CTS : 0;
	lines |= m & UART_MCR_DTR ? UART_MSR_DSR : 0;
	lines |= m & UART_MCR_OUT1 ? UART_MSR_RI : 0;
	lines |= m & UART_MCR_OUT2 ? UART_MSR_DCD : 0;
	return lines;
}

static void write_mcr(struct uart16550 *u, uint8_t value)
{
	uint8_t old = u->msr & 0xf0, lines, changed;

	u->mcr = value & 0x1f;
	lines = modem_lines(u);
	changed = old ^ lines;
	/* The ring indicator's bit tells of its end only. */
	if (lines & UART_MSR_RI)
		changed &= (uint8_t)~UART_MSR_RI;
	u->msr = (uint8_t)(lines | (u->msr & UART_MSR_ANY_DELTA) | changed >> 4);
	vmm__uart_want_input(u);
}

static void write_fcr(struct uart16550 *u, uint8_t value)
{
	uint8_t old = u->fcr;

	/* Bit 0 must be set for the others to mean something, and clears when it changes. */
	u->fcr = value & UART_FCR_ENABLE_FIFO ? value & 0xc1 : 0;
	if (((old ^ u->fcr) & UART_FCR_ENABLE_FIFO) || (u->fcr && (value & UART_FCR_CLEAR_RCVR)))
		vmm__uart_clear_fifo(u);
	vmm__uart_want_input(u);
}

static void write_ier(struct uart16550 *u, uint8_t value)
{
	uint8_t fresh = value & (uint8_t)~u->ier;

	u->ier = value & 0x0f;
	/* Linux tests for this: an idle transmitter interrupts as soon as it may. */
	if ((fresh & UART_IER_THRI) && (u->lsr & UART_LSR_THRE))
		u->thre_pending = true;
}

static void write_register(struct uart16550 *u, uint64_t reg, uint8_t value)
{
	bool divisor = u->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (divisor)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
		else
			vmm__uart_write_byte(u, value);
		break;
	case UART_IER:
		if (divisor)
			u->divisor = (uint16_t)((u->divisor & 0x00ff) | value << 8);
		else
			write_ier(u, value);
		break;
	case UART_FCR:
		write_fcr(u, value);
		break;
	case UART_LCR:
		u->lcr = value;
		break;
	case UART_MCR:
		write_mcr(u, value);
		break;
	case UART_SCR:
		u->scr = value;
		break;
	}
}

static uint8_t read_iir(struct uart16550 *u)
{
	uint8_t id = interrupt(u);

	if (id == UART_IIR_THRI) {
		u->thre_pending = false;
		u->thre_burst++;
	} else if (id == UART_IIR_NO_INT) {
		u->thre_burst = 0;
	}
	return u->fcr & UART_FCR_ENABLE_FIFO ? id | 0xc0 : id;
}

static uint8_t read_register(struct uart16550 *u, uint64_t reg)
{
	bool divisor = u->lcr & UART_LCR_DLAB;
	uint8_t value = 0xff;

	switch (reg) {
	case UART_RX:
		return divisor ? (uint8_t)u->divisor : vmm__uart_read_byte(u);
	case UART_IER:
		return divisor ? (uint8_t)(u->divisor >> 8) : u->ier;
	case UART_IIR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		value = u->lsr;
		u->lsr &= (uint8_t)~UART_LSR_BRK_ERROR_BITS;
		break;
	case UART_MSR:
		value = u->msr;
		u->msr &= (uint8_t)~UART_MSR_ANY_DELTA;
		break;
	case UART_SCR:
		return u->scr;
	}
	return value;
}

/* ---- accesses ---- */

/* The chip is eight bits wide: a wider access is one of each of its registers. */
static uint64_t uart_read(void *state, uint64_t offset, uint32_t width)
{
	struct uart16550 *u = state;
	uint64_t value = 0;

	pthread_mutex_lock(&u->lock);
	for (uint32_t i = 0; i < width; i++)
		value |= (uint64_t)read_register(u, offset + i) << (8 * i);
	vmm__uart_update_wire(u);
	pthread_mutex_unlock(&u->lock);
	return value;
}

static void uart_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct uart16550 *u = state;

	pthread_mutex_lock(&u->lock);
	for (uint32_t i = 0; i < width; i++)
		write_register(u, offset + i, (uint8_t)(value >> (8 * i)));
	vmm__uart_update_wire(u);
	pthread_mutex_unlock(&u->lock);
}

static const struct vmm_range_ops uart_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "serial",
	.read = uart_read,
	.write = uart_write,
};

/* ---- life ---- */

void vmm__uart_reset(struct uart16550 *u)
{
	pthread_mutex_lock(&u->lock);
	u->ier = u->fcr = u->mcr = u->scr = 0;
	/* As a PC's firmware leaves it; a driver divides by the divisor. */
	u->lcr = UART_LCR_WLEN8;
	u->divisor = 1;
	u->lsr = UART_LSR_THRE | UART_LSR_TEMT;
	u->msr = modem_lines(u);
	vmm__uart_clear_fifo(u);
	vmm__uart_update_thre(u);
	u->thre_pending = u->thre_held = false;
	u->thre_burst = 0;
	vmm__uart_update_wire(u);
	vmm__uart_want_input(u);
	pthread_mutex_unlock(&u->lock);
}

int vmm__uart_create(struct bus *bus, uint64_t base, struct irqs *irqs, uint32_t gsi,
		     struct vmm_loop *loop, const struct vmm_console_config *config,
		     struct uart16550 **ret_uart)
{
	struct bus_range range = { .base = base, .length = 8, .ops = &uart_range };
	struct uart16550 *u;
	int r;

	u = calloc(1, sizeof(*u));
	if (!u)
		return vmm__fail(-ENOMEM, "no memory for a serial port");
	u->bus = bus;
	u->base = base;
	u->irqs = irqs;
	u->gsi = gsi;
	u->wait = config->flags & VMM_CONSOLE_WAIT;
	pthread_mutex_init(&u->lock, NULL);
	vmm_deferred_init(&u->work, loop, vmm__uart_work);
	u->out.port = &u->port;
	u->out.lock = &u->lock;
	u->out.sent = vmm__uart_sent;
	u->out.owner = u;
	vmm__uart_reset(u);

	r = vmm__serial_out_init(&u->out, loop);
	if (r < 0)
		goto free_uart;
	range.state = u;
	r = vmm__bus_add(bus, &range);
	if (r < 0)
		goto finish_out;
	r = vmm__console_attach(&u->port, &vmm__uart_front, u, config->backend, loop);
	if (r < 0)
		goto remove_range;

	*ret_uart = u;
	return 0;

remove_range:
	vmm__bus_remove(bus, base);
finish_out:
	vmm__serial_out_finish(&u->out);
free_uart:
	pthread_mutex_destroy(&u->lock);
	free(u);
	return r;
}

void vmm__uart_destroy(struct uart16550 *u)
{
	struct vmm_loop *loop;

	if (!u)
		return;
	loop = u->work.loop;

	vmm__bus_remove(u->bus, u->base);
	vmm_loop_enter(loop);
	vmm_deferred_cancel(&u->work);
	vmm__uart_flush(u);
	vmm__serial_out_finish(&u->out);
	vmm__console_finish(&u->port);
	vmm_loop_leave(loop);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

/* ---- as one kind of serial port ---- */

static int serial_create(const struct serial_place *place, const struct vmm_console_config *config,
			 void **ret_port)
{
	struct uart16550 *u;
	int r = vmm__uart_create(place->bus, place->base, place->irqs, place->gsi, place->loop,
				 config, &u);

	if (r == 0)
		*ret_port = u;
	return r;
}

static void serial_destroy(void *port)
{
	vmm__uart_destroy(port);
}

static void serial_reset(void *port)
{
	vmm__uart_reset(port);
}

static void serial_flush(void *port)
{
	vmm__uart_flush(port);
}

static size_t serial_put(void *port, const void *bytes, size_t len)
{
	return vmm__uart_put(port, bytes, len);
}

static size_t serial_take(void *port, void *bytes, size_t len)
{
	return vmm__uart_take(port, bytes, len);
}

const struct serial_model vmm__serial_uart16550 = {
	.create = serial_create,
	.destroy = serial_destroy,
	.reset = serial_reset,
	.flush = serial_flush,
	.put = serial_put,
	.take = serial_take,
};
