/* SPDX-License-Identifier: MIT */
/*
 * console_priv.h - the seam between a console's front end and its backend.
 *
 * A front end (virtio console, 16550) embeds a port and gives a table of what it
 * does with what the backend says; it speaks to the backend only by the calls
 * below. A backend sees the port through <libvmm/console.h> and nothing else.
 *
 * Threads: all of it on the front end's loop, except attach, detach and finish: they
 * keep the loop's callbacks away while they call the backend, so a backend's
 * attach() and detach() never overlap with its other functions.
 */
#ifndef BACKENDS_CONSOLE_CONSOLE_PRIV_H
#define BACKENDS_CONSOLE_CONSOLE_PRIV_H

#include <libvmm/console.h>
#include "backends/console/tail_priv.h"

/* A backend. */
struct vmm_chardev {
	struct vmm_console_ops ops;	/* a copy: what an older table lacks is NULL */
	void *state;
	struct vmm_console_port *port;	/* NULL: not plugged in */
	struct vmm_console_stats stats;	/* written on the loop, read anywhere: atomic, relaxed */
	struct console_tail *tail;	/* the guest's, or NULL; see vmm__console_keep_begin() */
};

/* What a front end does. One const table per kind; all required but connected(). */
struct console_front {
	/* Input: take what there is room for and return how much. */
	size_t (*input)(void *state, const void *data, size_t len);
	/* The backend takes output again. */
	void (*writable)(void *state);
	/* The terminal has another size. */
	void (*resize)(void *state, uint16_t columns, uint16_t rows);
	/* Somebody is behind the backend, or nobody any more. */
	void (*connected)(void *state, bool connected);
};

struct vmm_console_port {
	const struct console_front *front;
	void *state;			/* the front end's */
	struct vmm_chardev *chardev;	/* NULL: not attached */
	struct vmm_loop *loop;
};

/*
 * Plug @chardev into @port: calls of @front may come at once, on @loop.
 * -EBUSY when it has a port already; what the backend's attach() says.
 */
int vmm__console_attach(struct vmm_console_port *port, const struct console_front *front,
			void *state, struct vmm_chardev *chardev, struct vmm_loop *loop);

/*
 * Keep the last of what goes through @chardev for the guest's crash record, under @name.
 * In two steps: begin may fail; commit gives the tail to the guest, cancel undoes begin.
 */
int vmm__console_keep_begin(struct vmm_chardev *chardev, const char *name);
void vmm__console_keep_commit(struct vmm_chardev *chardev, struct vmm *vm);
void vmm__console_keep_cancel(struct vmm_chardev *chardev);

/* In core: @vm owns @tail from now on. */
void vmm__vm_add_tail(struct vmm *vm, struct console_tail *tail);

/* Unplug it: no call of the front's table comes any more. The backend stays. */
void vmm__console_detach(struct vmm_console_port *port);

/* Unplug it and destroy it. Nothing happens to a port that is not attached. */
void vmm__console_finish(struct vmm_console_port *port);

/* Output. Returns how much the backend took; after less than all it will say writable(). */
size_t vmm__console_write(struct vmm_console_port *port, const void *data, size_t len);

/* Count output that is thrown away. Any thread. */
void vmm__console_drop(struct vmm_console_port *port, size_t len);

/* A program in the guest has opened the port, or closed it. */
void vmm__console_guest_open(struct vmm_console_port *port, bool open);

/* There is room again, after input() took less than all. */
void vmm__console_readable(struct vmm_console_port *port);

#endif
