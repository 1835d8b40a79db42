/* SPDX-License-Identifier: MIT */
/* plug.c - what is added to a guest: devices, and before it starts ranges and the serial port. */
#include <errno.h>
#include <stdlib.h>

#include <libvmm/console.h>
#include "backends/console/console_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/vm_priv.h"
#include "devices/legacy/serial_priv.h"

#define DEVICES_STEP	8u	/* the list grows by so many */

/* ---- virtio devices ---- */

/* Room for one more. Who has claimed the guest is alone in adding; others may remove. */
static int devices_reserve(struct vmm *vm)
{
	struct vmm_device **devices;
	int r = 0;

	pthread_mutex_lock(&vm->devices_lock);
	if (vm->nr_devices % DEVICES_STEP == 0) {
		devices = realloc(vm->devices,
				  (vm->nr_devices + DEVICES_STEP) * sizeof(devices[0]));
		if (devices)
			vm->devices = devices;
		else
			r = vmm__fail(-ENOMEM, "no memory for another device");
	}
	pthread_mutex_unlock(&vm->devices_lock);
	return r;
}

static void devices_append(struct vmm *vm, struct vmm_device *dev)
{
	pthread_mutex_lock(&vm->devices_lock);
	vm->devices[vm->nr_devices++] = dev;
	pthread_mutex_unlock(&vm->devices_lock);
}

static int add_device(struct vmm *vm, const struct vmm_device_config *config, bool on,
		      struct vmm_device **ret_dev)
{
	struct vmm_device *dev;
	struct vmm_loop *loop;
	int r;

	if (vm->flags & VMM_F_KVM_ONLY)
		return vmm__fail(-EINVAL, "%s was made with VMM_F_KVM_ONLY: it has no place for devices",
				 vm->name);
	r = on ? vmm__hotplug_check(vm, config->transport) : 0;
	if (r == 0)
		r = devices_reserve(vm);
	if (r < 0)
		return r;

	loop = config->loop ? config->loop : vm->loop;
	vmm_loop_enter(loop);
	r = vmm__device_create(&vm->host, config, &dev);
	if (r == 0) {
		if (on)
			vmm__device_power_on(dev);
		devices_append(vm, dev);
		if (ret_dev)
			*ret_dev = dev;
		if (on)
			vmm__hotplug_inserted(vm, dev);
	}
	vmm_loop_leave(loop);
	return r;
}

int vmm_add_device(struct vmm *vm, const struct vmm_device_config *config,
		   struct vmm_device **ret_dev)
{
	struct vmm_device_config c;
	bool on;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no device");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r < 0)
		return r;

	r = vmm__state_claim_any(vm, "vmm_add_device", &on);
	if (r < 0)
		return r;
	r = add_device(vm, &c, on, ret_dev);
	vmm__state_release(vm);
	return r;
}

/* ---- ports and MMIO ---- */

static bool over_ram(const struct vmm *vm, uint64_t base, uint64_t length)
{
	for (size_t i = 0; i < vm->mem.nr_regions; i++) {
		const struct mem_region *r = &vm->mem.regions[i];

		if (base - r->gpa < r->size || r->gpa - base < length)
			return true;
	}
	return false;
}

static int add_range(struct vmm *vm, const struct vmm_range_config *c)
{
	const struct bus_range range = {
		.base = c->base, .length = c->length, .ops = c->ops, .state = c->state,
	};

	if (c->space == VMM_SPACE_PORT && !vm->layout->has_ports)
		return vmm__fail(-EOPNOTSUPP, "this architecture has no I/O ports");
	if (c->space == VMM_SPACE_PORT)
		return vmm__bus_add(&vm->ports, &range);
	if (over_ram(vm, c->base, c->length))
		return vmm__fail(-EEXIST, "MMIO range 0x%llx, 0x%llx bytes long, overlaps RAM",
				 (unsigned long long)c->base, (unsigned long long)c->length);
	return vmm__bus_add(&vm->mmio, &range);
}

int vmm_add_range(struct vmm *vm, const struct vmm_range_config *config)
{
	struct vmm_range_config c;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no range");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r < 0)
		return r;
	if (!c.ops || c.ops->size < sizeof(struct vmm_range_ops) || c.space > VMM_SPACE_PORT)
		return vmm__fail(-EINVAL, "a range needs a space and a table of functions");

	r = vmm__state_claim(vm, true, "vmm_add_range");
	if (r < 0)
		return r;
	r = add_range(vm, &c);
	vmm__state_release(vm);
	return r;
}

/* ---- the serial port ---- */

static int add_serial(struct vmm *vm, const struct vmm_console_config *c)
{
	const struct arch_serial *serial = vmm__arch_serial();
	const struct serial_place place = {
		.bus = serial->port ? &vm->ports : &vm->mmio, .base = serial->base,
		.irqs = &vm->irqs, .gsi = serial->gsi, .loop = c->loop ? c->loop : vm->loop,
	};
	int r;

	if (!vm->machine)
		return vmm__fail(-EOPNOTSUPP, "%s has no serial port", vm->name);
	if (vm->serial)
		return vmm__fail(-EBUSY, "the serial port of %s is connected already", vm->name);

	r = vmm__console_keep_begin(c->backend, c->name ? c->name : "serial");
	if (r < 0)
		return r;
	vm->serial_model = serial->model;
	vmm_loop_enter(vm->loop);
	r = serial->model->create(&place, c, &vm->serial);
	if (r == 0)
		vmm__console_keep_commit(c->backend, vm);
	else
		vmm__console_keep_cancel(c->backend);
	vmm_loop_leave(vm->loop);
	return r;
}

const char *vmm_serial_name(void)
{
	const char *name = vmm__arch_serial()->name;

	return name ? name : "ttyS0";
}

int vmm_add_serial(struct vmm *vm, const struct vmm_console_config *config)
{
	struct vmm_console_config c;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no console");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r < 0)
		return r;
	if (!c.backend || (c.flags & ~(uint32_t)VMM_CONSOLE_WAIT) || c.transport || c.columns ||
	    c.rows || c.nr_ports || c.ports)
		return vmm__fail(-EINVAL, "a serial port needs a backend, and has neither transport, size nor ports");

	r = vmm__state_claim(vm, true, "vmm_add_serial");
	if (r < 0)
		return r;
	r = add_serial(vm, &c);
	vmm__state_release(vm);
	return r;
}
