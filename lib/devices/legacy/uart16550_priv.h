/* SPDX-License-Identifier: MIT */
/* uart16550_priv.h - the 16550A serial port, in front of a console backend. */
#ifndef DEVICES_LEGACY_UART16550_PRIV_H
#define DEVICES_LEGACY_UART16550_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/console.h>

struct bus;
struct irqs;
struct uart16550;

/* @config was copied and checked. On success the backend is the UART's. */
int vmm__uart_create(struct bus *bus, uint64_t base, struct irqs *irqs, uint32_t gsi,
		     struct vmm_loop *loop, const struct vmm_console_config *config,
		     struct uart16550 **ret_uart);

/* What the guest wrote goes to the backend first, as far as it takes it. NULL is allowed. */
void vmm__uart_destroy(struct uart16550 *uart);

/* As after power on. What the guest wrote before still goes out. */
void vmm__uart_reset(struct uart16550 *uart);

/*
 * Hand what the guest wrote to the backend now, keeping the loop's callbacks away:
 * for a guest that stopped, before the application is told.
 */
void vmm__uart_flush(struct uart16550 *uart);

/*
 * Beside its registers: send bytes, as far as there is room where the port waits for that, and
 * take what was received. Any thread. Return the bytes.
 */
size_t vmm__uart_put(struct uart16550 *uart, const void *bytes, size_t len);
size_t vmm__uart_take(struct uart16550 *uart, void *bytes, size_t len);

#endif
