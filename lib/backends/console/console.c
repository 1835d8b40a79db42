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
	return __atomic_load_n(&chardev->stats.dropped, __ATOMIC_RELAXED);
}

int vmm_console_stats(const struct vmm_chardev *chardev, struct vmm_console_stats *ret_stats)
{
	struct vmm_console_stats stats = VMM_CONSOLE_STATS_INIT;

	if (!chardev || !ret_stats || ret_stats->size < sizeof(size_t))
		return vmm__fail(-EINVAL, "no console backend, or no place for its figures");

	stats.from_guest = __atomic_load_n(&chardev->stats.from_guest, __ATOMIC_RELAXED);
	stats.to_guest = __atomic_load_n(&chardev->stats.to_guest, __ATOMIC_RELAXED);
	stats.dropped = __atomic_load_n(&chardev->stats.dropped, __ATOMIC_RELAXED);
	stats.guest_open = __atomic_load_n(&chardev->stats.guest_open, __ATOMIC_RELAXED);
	vmm__config_answer(ret_stats, ret_stats->size, &stats, sizeof(stats));
	return 0;
}

/* ---- what is kept of its output ---- */

int vmm__console_keep_begin(struct vmm_chardev *chardev, const char *name)
{
	if (chardev->tail)
		return vmm__fail(-EBUSY, "this console backend belongs to another console");
	chardev->tail = vmm__console_tail_new(name);
	return chardev->tail ? 0 : vmm__fail(-ENOMEM, "no memory for a console's last lines");
}

void vmm__console_keep_commit(struct vmm_chardev *chardev, struct vmm *vm)
{
	vmm__vm_add_tail(vm, chardev->tail);
}

void vmm__console_keep_cancel(struct vmm_chardev *chardev)
{
	vmm__console_tail_free(chardev->tail);
	chardev->tail = NULL;
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

	taken = taken < len ? taken : len;
	__atomic_fetch_add(&chardev->stats.from_guest, taken, __ATOMIC_RELAXED);
	if (chardev->tail && taken > 0)
		vmm__console_tail_put(chardev->tail, data, taken);
	return taken;
}

void vmm__console_drop(struct vmm_console_port *port, size_t len)
{
	__atomic_fetch_add(&port->chardev->stats.dropped, len, __ATOMIC_RELAXED);
}

void vmm__console_guest_open(struct vmm_console_port *port, bool open)
{
	struct vmm_chardev *chardev = port->chardev;

	__atomic_store_n(&chardev->stats.guest_open, open, __ATOMIC_RELAXED);
	if (chardev->ops.guest_open)
		chardev->ops.guest_open(chardev->state, open);
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
	size_t taken = len > 0 ? port->front->input(port->state, data, len) : 0;

	__atomic_fetch_add(&port->chardev->stats.to_guest, taken, __ATOMIC_RELAXED);
	return taken;
}

void vmm_console_port_writable(struct vmm_console_port *port)
{
	port->front->writable(port->state);
}

void vmm_console_port_resize(struct vmm_console_port *port, uint16_t columns, uint16_t rows)
{
	port->front->resize(port->state, columns, rows);
}

void vmm_console_port_connected(struct vmm_console_port *port, bool connected)
{
	if (port->front->connected)
		port->front->connected(port->state, connected);
}
