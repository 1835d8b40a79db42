/* SPDX-License-Identifier: MIT */
/*
 * serial_priv.h - a serial port of any kind, in front of a console backend.
 *
 * Which kind a machine has, and where, is the architecture's to say.
 */
#ifndef DEVICES_LEGACY_SERIAL_PRIV_H
#define DEVICES_LEGACY_SERIAL_PRIV_H

#include <stdint.h>
#include <libvmm/console.h>

struct bus;
struct irqs;

struct serial_place {
	struct bus *bus;
	uint64_t base;
	struct irqs *irqs;
	uint32_t gsi;
	struct vmm_loop *loop;
};

struct serial_model {
	/* @config was copied and checked. On success the backend is the port's. */
	int (*create)(const struct serial_place *place, const struct vmm_console_config *config,
		      void **ret_port);
	/* What the guest wrote goes to the backend first, as far as it takes it. */
	void (*destroy)(void *port);
	/* As after power on. What the guest wrote before still goes out. */
	void (*reset)(void *port);
	/*
	 * Hand what the guest wrote to the backend now, keeping the loop's callbacks away:
	 * for a guest that stopped, before the application is told.
	 */
	void (*flush)(void *port);

	/*
	 * What firmware prints and reads on this port without a driver; NULL: it does not.
	 * Any thread; they never block. Return the bytes taken or given.
	 */
	size_t (*put)(void *port, const void *bytes, size_t len);
	size_t (*take)(void *port, void *bytes, size_t len);
};

extern const struct serial_model vmm__serial_uart16550;
extern const struct serial_model vmm__serial_pl011;

#endif
