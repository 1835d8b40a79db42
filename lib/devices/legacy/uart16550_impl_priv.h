/* SPDX-License-Identifier: MIT */
/*
 * uart16550_impl_priv.h - the inside of the UART: uart16550.c has its registers,
 * uart16550_bytes.c what goes through them.
 */
#ifndef DEVICES_LEGACY_UART16550_IMPL_PRIV_H
#define DEVICES_LEGACY_UART16550_IMPL_PRIV_H

#include <linux/serial_reg.h>
#include <pthread.h>

#include "backends/console/console_priv.h"
#include "devices/legacy/serial_out_priv.h"
#include "devices/legacy/uart16550_priv.h"

#define FIFO_SIZE	16u

/*
 * A transmitter that is ready again at once keeps a driver in its interrupt handler
 * for as long as others give it bytes to send; Linux complains after 512 rounds.
 * After this many the interrupt takes a turn of the loop to come.
 */
#define THRE_BURST	128u

struct uart16550 {
	struct vmm_console_port port;
	struct bus *bus;
	uint64_t base;
	struct irqs *irqs;
	uint32_t gsi;
	bool wait;			/* VMM_CONSOLE_WAIT */

	pthread_mutex_t lock;		/* of all that follows */
	struct vmm_deferred work;
	bool input_waits;		/* the backend has more */

	uint8_t ier, fcr, lcr, mcr, lsr, msr, scr;
	uint16_t divisor;
	bool thre_pending;		/* the THRE interrupt was not yet acknowledged */
	bool thre_held;			/* the loop will raise it: see THRE_BURST */
	uint32_t thre_burst;		/* those acknowledged without a pause */
	bool wire;			/* what KVM was told last */

	uint8_t fifo[FIFO_SIZE];	/* received */
	uint32_t fifo_start, fifo_len;

	struct serial_out out;		/* sent */
};

/* What the front end does when its backend calls. */
extern const struct console_front vmm__uart_front;

/* ---- with the lock ---- */

/* Raise or lower the interrupt as the registers say. */
void vmm__uart_update_wire(struct uart16550 *u);

/* The receive FIFO: 16 bytes, or one while it is not enabled. */
uint32_t vmm__uart_fifo_size(const struct uart16550 *u);
void vmm__uart_clear_fifo(struct uart16550 *u);

/* The two data registers. */
uint8_t vmm__uart_read_byte(struct uart16550 *u);
void vmm__uart_write_byte(struct uart16550 *u, uint8_t byte);

/* The transmitter is busy or idle as the buffer says. */
void vmm__uart_update_thre(struct uart16550 *u);

/* The FIFO may be empty now: have the backend asked for more. */
void vmm__uart_want_input(struct uart16550 *u);

/* The backend took some of the buffer: what its @owner, the UART, makes of it. */
void vmm__uart_sent(void *owner);

/* ---- on the loop ---- */

void vmm__uart_work(struct vmm_deferred *deferred);

#endif
