/* SPDX-License-Identifier: MIT */
/* watchdog.c - a guest that does not feed its watchdog: an event, and what was asked for. */
#include <errno.h>
#include <stdio.h>

#include <libvmm/watchdog.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/supervisor_priv.h"
#include "core/vm_priv.h"
#include "devices/legacy/i6300esb_priv.h"

static uint64_t running_since(void *data)
{
	struct vmm *vm = data;
	uint64_t since;

	pthread_mutex_lock(&vm->lock);
	since = vm->state == VMM_STATE_RUNNING && !vm->stopping ? vm->running_since : 0;
	pthread_mutex_unlock(&vm->lock);
	return since;
}

static void stop(struct vmm *vm)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	info.reason = VMM_STOP_WATCHDOG;
	info.vcpu = ~0u;
	snprintf(info.words, sizeof(info.words), "the guest did not feed its watchdog");
	vmm__state_stop(vm, &info);
}

static void expired(void *data)
{
	static const char *const actions[] = {
		[VMM_WATCHDOG_RESET] = "reset", [VMM_WATCHDOG_STOP] = "stopped",
		[VMM_WATCHDOG_NOTIFY] = "left alone",
	};
	struct vmm *vm = data;
	struct vmm_event event = VMM_EVENT_INIT;

	event.type = VMM_EVENT_WATCHDOG;
	event.value = vm->watchdog_action;
	snprintf(event.words, sizeof(event.words), "the guest did not feed its watchdog and is %s",
		 actions[vm->watchdog_action]);
	vmm__events_push(&vm->events, &event);
	if (vm->supervision)
		vmm__supervision_watchdog(vm->supervision);
	if (vm->watchdog_action == VMM_WATCHDOG_STOP ||
	    (vm->watchdog_action == VMM_WATCHDOG_RESET && vmm_reset(vm) < 0))
		stop(vm);
}

static int add_watchdog(struct vmm *vm, uint32_t action)
{
	const struct i6300esb_host host = {
		.pci = vm->pci, .loop = vm->loop, .running_since = running_since, .expired = expired,
		.data = vm,
	};
	int r;

	if (!vm->pci)
		return vmm__fail(-EOPNOTSUPP, "%s has no PCI bus for a watchdog", vm->name);
	if (vm->watchdog)
		return vmm__fail(-EBUSY, "%s has a watchdog already", vm->name);
	vm->watchdog_action = action;
	vmm_loop_enter(vm->loop);
	r = vmm__i6300esb_create(&host, &vm->watchdog);
	vmm_loop_leave(vm->loop);
	return r;
}

int vmm_add_watchdog(struct vmm *vm, const struct vmm_watchdog_config *config)
{
	struct vmm_watchdog_config c = VMM_WATCHDOG_CONFIG_INIT;
	int r;

	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	if (config) {
		r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
		if (r < 0)
			return r;
	}
	if (c.action > VMM_WATCHDOG_NOTIFY || c.reserved)
		return vmm__fail(-EINVAL, "watchdog action %u is none of VMM_WATCHDOG_", c.action);
	r = vmm__state_claim(vm, true, "vmm_add_watchdog");
	if (r < 0)
		return r;
	r = add_watchdog(vm, c.action);
	vmm__state_release(vm);
	return r;
}
