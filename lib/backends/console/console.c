/* SPDX-License-Identifier: MIT */
/* console.c - backends of consoles: made from a table, and joined to a front end. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "backends/console/console_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

/* ---- making one ---- */

int vmm_console_create(const struct vmm_console_ops *ops, void *state,
		       struct vmm_chardev **ret_chardev)
{
	struct vmm_console_ops copy;
	struct vmm_chardev *chardev;
	int r;

	if (!ops || !ret_chardev)
		return vmm__fail(-EINVAL, "a console backend needs a table and a place for it");
	r = vmm__config_copy(&copy, sizeof(copy), ops, ops->size, sizeof(copy.size));
	if (r < 0)
		return r;
	if (!copy.attach || !copy.write || !copy.detach)
		return vmm__fail(-EINVAL, "console backend %s lacks attach, write or detach",
				 copy.name ? copy.name : "without a name");

	chardev = calloc(1, sizeof(*chardev));
	if (!chardev)
		return vmm__fail(-ENOMEM, "no memory for a console backend");

	chardev->ops = copy;
	chardev->state = state;
	*ret_chardev = chardev;
	return 0;
}

void vmm_console_destroy(struct vmm_chardev *chardev)
{
	if (!chardev)
		return;
	assert(!chardev->port);

	if (chardev->ops.destroy)
		chardev->ops.destroy(chardev->state);
	free(chardev);
}

uint64_t vmm_console_dropped(const struct vmm_chardev *chardev)
{
	return __atomic_load_n(&chardev->dropped, __ATOMIC_RELAXED);
}

/* ---- what a front end calls ---- */

int vmm__console_attach(struct vmm_console_port *port, const struct console_front *front,
			void *state, struct vmm_chardev *chardev, struct vmm_loop *loop)
{
	int r;

	if (chardev->port)
		return vmm__fail(-EBUSY, "this console backend belongs to another console");

	*port = (struct vmm_console_port){
		.front = front, .state = state, .chardev = chardev, .loop = loop,
	};
	chardev->port = port;

	vmm_loop_enter(loop);
	r = chardev->ops.attach(chardev->state, port, loop);
	vmm_loop_leave(loop);
	if (r < 0) {
		chardev->port = NULL;
		port->chardev = NULL;
	}
	return r;
}

void vmm__console_detach(struct vmm_console_port *port)
{
	struct vmm_chardev *chardev = port->chardev;

	if (!chardev)
		return;

	vmm_loop_enter(port->loop);
	chardev->ops.detach(chardev->state);
	vmm_loop_leave(port->loop);
	chardev->port = NULL;
	port->chardev = NULL;
}

void vmm__console_finish(struct vmm_console_port *port)
{
	struct vmm_chardev *chardev = port->chardev;

	vmm__console_detach(port);
	vmm_console_destroy(chardev);
}

size_t vmm__console_write(struct vmm_console_port *port, const void *data, size_t len)
{
	struct vmm_chardev *chardev = port->chardev;
	size_t taken = len > 0 ? chardev->ops.write(chardev->state, data, len) : 0;

	return taken < len ? taken : len;
}

void vmm__console_drop(struct vmm_console_port *port, size_t len)
{
	__atomic_fetch_add(&port->chardev->dropped, len, __ATOMIC_RELAXED);
}

void vmm__console_readable(struct vmm_console_port *port)
{
	struct vmm_chardev *chardev = port->chardev;

	if (chardev->ops.readable)
		chardev->ops.readable(chardev->state);
}

/* ---- what a backend calls ---- */

size_t vmm_console_port_input(struct vmm_console_port *port, const void *data, size_t len)
{
	return len > 0 ? port->front->input(port->state, data, len) : 0;
}

void vmm_console_port_writable(struct vmm_console_port *port)
{
	port->front->writable(port->state);
}

void vmm_console_port_resize(struct vmm_console_port *port, uint16_t columns, uint16_t rows)
{
	port->front->resize(port->state, columns, rows);
}
