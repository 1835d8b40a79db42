/* SPDX-License-Identifier: MIT */
/*
 * serial_out_priv.h - the buffer between a serial port's transmitter and its backend.
 *
 * Bytes that the guest sends go to a buffer which the loop hands to the backend: the first one at once,
 * those that follow every millisecond, so a guest that prints a book causes a thousand turns of
 * the loop a second and not one for each letter.
 */
#ifndef DEVICES_LEGACY_SERIAL_OUT_PRIV_H
#define DEVICES_LEGACY_SERIAL_OUT_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/loop.h>

struct vmm_console_port;

#define SERIAL_OUT_SIZE	(64u << 10)

struct serial_out {
	struct vmm_console_port *port;	/* the owner's, as are the next three */
	pthread_mutex_t *lock;
	void (*sent)(void *owner);	/* with the lock, on the loop: there is more room */
	void *owner;

	/* On the loop only. */
	struct vmm_timer *timer;
	bool flushing;			/* in a flush: the backend may call back from its write() */
	bool stalled;			/* the backend will say when it takes more */

	/* With the lock. */
	struct vmm_deferred work;
	bool scheduled;			/* the loop will look at the buffer by itself */
	uint32_t start, len;
	uint8_t bytes[SERIAL_OUT_SIZE];
};

/* The first fields but the timer are filled. Returns 0 or -ENOMEM. */
int vmm__serial_out_init(struct serial_out *out, struct vmm_loop *loop);
/* With the loop kept still. */
void vmm__serial_out_finish(struct serial_out *out);

/* With the lock: false when it is full. */
bool vmm__serial_out_put(struct serial_out *out, uint8_t byte);

/* The backend takes more. On the loop. */
void vmm__serial_out_writable(struct serial_out *out);

/* Hand over now what the backend takes, keeping the loop's callbacks away. Without the lock. */
void vmm__serial_out_flush(struct serial_out *out);

#endif
