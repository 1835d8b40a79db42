/* SPDX-License-Identifier: MIT */
/*
 * uart16550_bytes.c - what goes through the serial port, to and from its backend.
 *
 * Bytes that the guest sends wait in a buffer (serial_out.c) for the backend.
 *
 * A byte is sent the moment it is written; the transmitter is busy (LSR.THRE
 * clear) only when VMM_CONSOLE_WAIT is set and the buffer is full. Input never
 * overruns: what does not fit stays in the backend.
 */
#include <stdbool.h>
#include <stddef.h>

#include "devices/legacy/uart16550_impl_priv.h"

/* ---- receiving, with the lock ---- */

uint32_t vmm__uart_fifo_size(const struct uart16550 *u)
{
	return u->fcr & UART_FCR_ENABLE_FIFO ? FIFO_SIZE : 1;
}

static bool fifo_put(struct uart16550 *u, uint8_t byte)
{
	if (u->fifo_len == vmm__uart_fifo_size(u)) {
		u->lsr |= UART_LSR_OE;
		return false;
	}
	u->fifo[(u->fifo_start + u->fifo_len++) % FIFO_SIZE] = byte;
	u->lsr |= UART_LSR_DR;
	return true;
}

void vmm__uart_clear_fifo(struct uart16550 *u)
{
	u->fifo_start = u->fifo_len = 0;
	u->lsr &= (uint8_t)~UART_LSR_DR;
}

/* The backend has more and the guest takes it. */
void vmm__uart_want_input(struct uart16550 *u)
{
	if (u->input_waits && u->fifo_len == 0 && !(u->mcr & UART_MCR_LOOP))
		vmm_defer(&u->work);
}

uint8_t vmm__uart_read_byte(struct uart16550 *u)
{
	uint8_t byte = u->fifo[u->fifo_start];

	if (u->fifo_len == 0)
		return 0;
	u->fifo_start = (u->fifo_start + 1) % FIFO_SIZE;
	if (--u->fifo_len == 0) {
		u->lsr &= (uint8_t)~UART_LSR_DR;
		vmm__uart_want_input(u);
	}
	return byte;
}

static size_t uart_input(void *state, const void *data, size_t len)
{
	struct uart16550 *u = state;
	const uint8_t *bytes = data;
	size_t n = 0;

	pthread_mutex_lock(&u->lock);
	while (n < len && u->fifo_len < vmm__uart_fifo_size(u) && !(u->mcr & UART_MCR_LOOP))
		(void)fifo_put(u, bytes[n++]);
	u->input_waits = n < len;
	vmm__uart_update_wire(u);
	pthread_mutex_unlock(&u->lock);
	return n;
}

/* ---- sending ---- */

/* With the lock: room for less than a FIFO's load means busy, where busy is allowed. */
void vmm__uart_update_thre(struct uart16550 *u)
{
	const uint8_t idle = UART_LSR_THRE | UART_LSR_TEMT;
	bool busy = u->wait && SERIAL_OUT_SIZE - u->out.len < FIFO_SIZE;

	if (!busy && !(u->lsr & idle))
		u->thre_pending = true;
	u->lsr = (uint8_t)(busy ? u->lsr & ~idle : u->lsr | idle);
}

/* With the lock. */
void vmm__uart_write_byte(struct uart16550 *u, uint8_t byte)
{
	if (u->mcr & UART_MCR_LOOP)
		(void)fifo_put(u, byte);
	else if (!vmm__serial_out_put(&u->out, byte))
		vmm__console_drop(&u->port, 1);

	/* The byte is gone at once, which is an interrupt again, now or soon. */
	vmm__uart_update_thre(u);
	u->thre_pending = (u->lsr & UART_LSR_THRE) && u->thre_burst < THRE_BURST;
	if (u->thre_burst >= THRE_BURST && !u->thre_held) {
		u->thre_held = true;
		vmm_defer(&u->work);
	}
}

/* With the lock. */
static void release_thre(struct uart16550 *u)
{
	if (!u->thre_held)
		return;
	u->thre_held = false;
	u->thre_burst = 0;
	u->thre_pending = u->lsr & UART_LSR_THRE;
	vmm__uart_update_wire(u);
}

void vmm__uart_sent(void *owner)
{
	struct uart16550 *u = owner;

	vmm__uart_update_thre(u);
	vmm__uart_update_wire(u);
}

void vmm__uart_work(struct vmm_deferred *deferred)
{
	struct uart16550 *u = (struct uart16550 *)((char *)deferred -
						   offsetof(struct uart16550, work));
	bool input;

	pthread_mutex_lock(&u->lock);
	release_thre(u);
	input = u->input_waits && u->fifo_len == 0 && !(u->mcr & UART_MCR_LOOP);
	pthread_mutex_unlock(&u->lock);

	if (input)
		vmm__console_readable(&u->port);
}

static void uart_writable(void *state)
{
	struct uart16550 *u = state;

	vmm__serial_out_writable(&u->out);
}

static void uart_resize(void *state, uint16_t columns, uint16_t rows)
{
	/* A serial line has no way to say it. */
}

const struct console_front vmm__uart_front = {
	.input = uart_input,
	.writable = uart_writable,
	.resize = uart_resize,
};

void vmm__uart_flush(struct uart16550 *u)
{
	vmm__serial_out_flush(&u->out);
}

/* ---- for firmware ---- */

size_t vmm__uart_put(struct uart16550 *u, const void *bytes, size_t len)
{
	const uint8_t *from = bytes;
	size_t n = 0;

	pthread_mutex_lock(&u->lock);
	for (; n < len; n++) {
		if (vmm__serial_out_put(&u->out, from[n]))
			continue;
		if (u->wait)
			break;
		vmm__console_drop(&u->port, 1);
	}
	vmm__uart_update_thre(u);
	vmm__uart_update_wire(u);
	pthread_mutex_unlock(&u->lock);
	return n;
}

size_t vmm__uart_take(struct uart16550 *u, void *bytes, size_t len)
{
	uint8_t *to = bytes;
	size_t n = 0;

	pthread_mutex_lock(&u->lock);
	while (n < len && u->fifo_len > 0)
		to[n++] = vmm__uart_read_byte(u);
	vmm__uart_update_wire(u);
	pthread_mutex_unlock(&u->lock);
	return n;
}
