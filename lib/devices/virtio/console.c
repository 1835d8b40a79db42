/* SPDX-License-Identifier: MIT */
/*
 * console.c - virtio-console (VIRTIO 1.2, section 5.3): the device, and how it is made.
 *
 * A device with a console alone has one port and no control queues; named ports bring
 * those (VIRTIO_CONSOLE_F_MULTIPORT).
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/vmm.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "devices/virtio/console_priv.h"

/* ---- the device ---- */

static int console_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct console *c = vmm_device_state(dev);
	struct console_port *first = &c->ports[0];

	c->dev = dev;
	c->multiport = vmm_features_has(features, VIRTIO_CONSOLE_F_MULTIPORT);
	first->announce = (first->columns || first->rows) && !c->multiport &&
			  vmm_features_has(features, VIRTIO_CONSOLE_F_SIZE);
	if (first->announce)
		vmm__console_show_size(first);
	return 0;
}

/* Whose queue @index is; not one of the control queues. */
static struct console_port *port_of(struct console *c, uint32_t index)
{
	return &c->ports[index < CONSOLE_FIRST_NAMED ? 0 : (index - 2) / 2];
}

static void console_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct console *c = vmm_device_state(dev);
	uint32_t index = vmm_queue_index(queue);
	struct console_port *p;

	/* 5.3.2: without the feature the other queues do not exist. */
	if (index >= CONSOLE_CONTROL_RX && !c->multiport)
		return;
	if (index == CONSOLE_CONTROL_RX) {
		vmm__console_control_send(c);
		return;
	}
	if (index == CONSOLE_CONTROL_TX) {
		vmm__console_control_receive(c);
		return;
	}
	p = port_of(c, index);
	if (index & 1)
		vmm__console_send(p);
	else
		vmm__console_take_input(p);
}

/* 5.3.4: a character written to emerg_wr is printed, in whatever state the device is. */
static void console_config_write(struct vmm_device *dev, uint32_t offset, const void *data,
				 uint32_t len)
{
	const uint32_t at = offsetof(struct virtio_console_config, emerg_wr);
	struct console *c = vmm_device_state(dev);
	struct vmm_console_port *port = &c->ports[0].port;

	if (!c->ports[0].is_console || offset > at || len <= at - offset)
		return;
	if (vmm__console_write(port, (const unsigned char *)data + (at - offset), 1) == 0)
		vmm__console_drop(port, 1);
}

static void console_reset(struct vmm_device *dev)
{
	struct console *c = vmm_device_state(dev);

	for (uint32_t i = 0; i < c->nr_ports; i++)
		vmm__console_port_reset(&c->ports[i]);
	c->multiport = false;
}

static void console_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct console *c = vmm_device_state(dev);
	uint32_t index = vmm_queue_index(queue);

	if (index != CONSOLE_CONTROL_TX && (index & 1))
		port_of(c, index)->sent = 0;
}

static void console_destroy(void *state)
{
	struct console *c = state;

	for (uint32_t i = 0; i < c->nr_ports; i++) {
		vmm_deferred_cancel(&c->ports[i].more);
		vmm__console_finish(&c->ports[i].port);
	}
	free(c);
}

static const struct vmm_device_ops console_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-console",
	.virtio_id = VIRTIO_ID_CONSOLE,
	.activate = console_activate,
	.kick = console_kick,
	.reset = console_reset,
	.config_write = console_config_write,
	.destroy = console_destroy,
	.queue_reset = console_queue_reset,
};

/* ---- what the caller asked for ---- */

static int named_check(const struct vmm_console_named *ports, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		const char *name = ports[i].name;

		if (!ports[i].backend)
			return vmm__fail(-EINVAL, "port %u needs a backend", i);
		if (!name || name[0] == '\0' || strlen(name) > 63 || strchr(name, '/'))
			return vmm__fail(-EINVAL, "port %u needs a name of 1 .. 63 bytes, without /",
					 i);
		if (ports[i].flags & ~(uint32_t)(VMM_CONSOLE_WAIT | VMM_CONSOLE_HVC))
			return vmm__fail(-EINVAL, "port %s: flags 0x%x are not VMM_CONSOLE_ ones",
					 name, ports[i].flags);
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(name, ports[j].name) == 0)
				return vmm__fail(-EINVAL, "two ports are called %s", name);
		}
	}
	return 0;
}

static int config_check(struct vmm_console_config *c, const struct vmm *vm,
			const struct vmm_console_config *config)
{
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no console");
	r = vmm__config_copy(c, sizeof(*c), config, config->size, sizeof(c->size));
	if (r < 0)
		return r;
	if (!c->backend && c->nr_ports == 0)
		return vmm__fail(-EINVAL, "a console needs a backend, or ports");
	if (c->flags & ~(uint32_t)VMM_CONSOLE_WAIT)
		return vmm__fail(-EINVAL, "console flags 0x%x are not VMM_CONSOLE_ ones", c->flags);
	if (c->nr_ports > VMM_CONSOLE_NAMED_MAX || (c->nr_ports > 0) != (c->ports != NULL))
		return vmm__fail(-EINVAL, "%u ports; up to %u can be, and no list without any",
				 c->nr_ports, VMM_CONSOLE_NAMED_MAX);
	return named_check(c->ports, c->nr_ports);
}

/* ---- making it ---- */

_Static_assert(VMM_CONSOLE_NAMED_MAX + 1 == CONSOLE_PORTS_MAX, "one is for the console");

/* What a port stands for: the console itself first, if there is one, then the named ones. */
static struct vmm_console_named described(const struct vmm_console_config *config, uint32_t i)
{
	if (config->backend && i == 0)
		return (struct vmm_console_named){
			.backend = config->backend, .flags = config->flags | VMM_CONSOLE_HVC,
			.columns = config->columns, .rows = config->rows,
		};
	return config->ports[config->backend ? i - 1 : i];
}

static void detach_ports(struct console *c, uint32_t nr)
{
	while (nr-- > 0) {
		vmm__console_detach(&c->ports[nr].port);
		vmm_deferred_cancel(&c->ports[nr].more);
	}
}

static int attach_ports(struct console *c, const struct vmm_console_config *config,
			struct vmm_loop *loop)
{
	for (uint32_t i = 0; i < c->nr_ports; i++) {
		const struct vmm_console_named named = described(config, i);
		struct console_port *p = &c->ports[i];
		int r;

		vmm__console_port_init(p, c, i, loop);
		p->wait = named.flags & VMM_CONSOLE_WAIT;
		p->is_console = named.flags & VMM_CONSOLE_HVC;
		p->columns = named.columns;
		p->rows = named.rows;
		if (named.name)
			memcpy(p->name, named.name, strlen(named.name));
		r = vmm__console_attach(&p->port, &vmm__console_front, p, named.backend, loop);
		if (r < 0) {
			detach_ports(c, i);
			return r;
		}
	}
	return 0;
}

static int plug(struct vmm *vm, struct console *c, const struct vmm_console_config *config,
		struct vmm_loop *loop, struct vmm_device **ret_dev)
{
	const struct virtio_console_config space = {
		.cols = htole16(config->columns), .rows = htole16(config->rows),
		.max_nr_ports = htole32(config->nr_ports ? c->nr_ports : 0),
	};
	struct vmm_device_config device = VMM_DEVICE_CONFIG_INIT;

	device.ops = &console_ops;
	device.state = c;
	device.name = config->name ? config->name : "console";
	if (config->backend)
		vmm_features_add(&device.features, VIRTIO_CONSOLE_F_EMERG_WRITE);
	/* Also for consoles among the ports: Linux minds no size without it. */
	for (uint32_t i = 0; i < c->nr_ports; i++) {
		if (c->ports[i].is_console)
			vmm_features_add(&device.features, VIRTIO_CONSOLE_F_SIZE);
	}
	if (config->nr_ports > 0)
		vmm_features_add(&device.features, VIRTIO_CONSOLE_F_MULTIPORT);
	device.config_space = &space;
	device.config_bytes = sizeof(space);
	device.nr_queues = config->nr_ports ? 2 * c->nr_ports + 2 : 2;
	device.queue_size = 64;
	device.transport = config->transport;
	device.loop = loop;
	return vmm_add_device(vm, &device, ret_dev);
}

int vmm_add_console(struct vmm *vm, const struct vmm_console_config *config,
		    struct vmm_device **ret_dev)
{
	struct vmm_console_config wanted;
	struct vmm_loop *loop;
	struct console *c;
	uint32_t nr;
	int r = config_check(&wanted, vm, config);

	if (r < 0)
		return r;
	nr = (wanted.backend ? 1 : 0) + wanted.nr_ports;
	c = calloc(1, sizeof(*c) + nr * sizeof(c->ports[0]));
	if (!c)
		return vmm__fail(-ENOMEM, "no memory for a console");
	c->nr_ports = nr;
	loop = wanted.loop ? wanted.loop : vmm_loop_of(vm);

	r = wanted.backend ? vmm__console_keep_begin(wanted.backend, wanted.name ? wanted.name : "console") : 0;
	if (r < 0) {
		free(c);
		return r;
	}
	/* A backend may have something to say before there is a device to say it to. */
	vmm_loop_enter(loop);
	r = attach_ports(c, &wanted, loop);
	if (r < 0)
		goto free_console;
	r = plug(vm, c, &wanted, loop, ret_dev);
	if (r < 0)
		goto detach;
	if (wanted.backend)
		vmm__console_keep_commit(wanted.backend, vm);
	vmm_loop_leave(loop);
	return 0;

detach:
	detach_ports(c, nr);
free_console:
	if (wanted.backend)
		vmm__console_keep_cancel(wanted.backend);
	free(c);
	vmm_loop_leave(loop);
	return r;
}
