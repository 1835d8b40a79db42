/* SPDX-License-Identifier: MIT */
/*
 * hotplug.c - the list of a guest's devices, and devices that go while it runs.
 *
 * Who goes through the list does so without a lock in hand, since it may enter the
 * devices' loops; whoever takes a device out waits until nobody goes through it.
 *
 * A device that was taken out is unplugged: the guest does not find it any more, and its
 * front end is freed. But a vCPU may be in the middle of an access that found it
 * before. So its memory stays in a grave until each vCPU that was answering an
 * access then has finished it. A loop must not wait for a vCPU: it looks again a little later.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "bus/pci_priv.h"
#include "core/error_priv.h"
#include "core/vm_priv.h"
#include "transport/transport_priv.h"

#define LOOK_AGAIN_NS	1000000u

/* ---- the list ---- */

void vmm__devices_walk(struct vmm *vm, void (*fn)(struct vmm_device *dev, void *data), void *data)
{
	pthread_mutex_lock(&vm->devices_lock);
	vm->walkers++;
	for (uint32_t i = 0; i < vm->nr_devices; i++) {
		struct vmm_device *dev = vm->devices[i];

		pthread_mutex_unlock(&vm->devices_lock);
		fn(dev, data);
		pthread_mutex_lock(&vm->devices_lock);
	}
	if (--vm->walkers == 0)
		pthread_cond_broadcast(&vm->devices_changed);
	pthread_mutex_unlock(&vm->devices_lock);
}

/* With the lock; nr_devices when it is not there. */
static uint32_t device_index(const struct vmm *vm, const struct vmm_device *dev)
{
	uint32_t i = 0;

	while (i < vm->nr_devices && vm->devices[i] != dev)
		i++;
	return i;
}

/* False: somebody else has taken it out. */
static bool take_out(struct vmm *vm, const struct vmm_device *dev)
{
	uint32_t i;

	pthread_mutex_lock(&vm->devices_lock);
	while (vm->walkers > 0)
		pthread_cond_wait(&vm->devices_changed, &vm->devices_lock);
	i = device_index(vm, dev);
	if (i < vm->nr_devices) {
		vm->nr_devices--;
		for (; i < vm->nr_devices; i++)
			vm->devices[i] = vm->devices[i + 1];
		dev = NULL;
	}
	pthread_mutex_unlock(&vm->devices_lock);
	return dev == NULL;
}

/* ---- graves ---- */

static void bury(struct vmm *vm, struct vmm_device *dev)
{
	struct vmm_event event = VMM_EVENT_INIT;

	event.type = VMM_EVENT_DEVICE_REMOVED;
	snprintf(event.device, sizeof(event.device), "%s", dev->name);
	vmm__device_free(dev);
	vmm__events_push(&vm->events, &event);
}

/* With the lock: whether none that was answering when the graves were dug still is. */
static bool all_passed(const struct vmm *vm)
{
	for (uint32_t i = 0; i < vm->nr_vcpus; i++) {
		const struct vmm_vcpu *vcpu = &vm->vcpus[i];

		/* Here and in dig(): pairs with the stores at an access's beginning and end. */
		if ((vcpu->answering_then & 1) &&
		    __atomic_load_n(&vcpu->answering, __ATOMIC_ACQUIRE) == vcpu->answering_then)
			return false;
	}
	return true;
}

/* With the lock: what was put there since waits for the accesses of now. */
static void dig(struct vmm *vm)
{
	vm->graves = vm->new_graves;
	vm->new_graves = NULL;
	/* The device was hidden before; pairs with the fence at an access's beginning. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		vm->vcpus[i].answering_then =
			__atomic_load_n(&vm->vcpus[i].answering, __ATOMIC_ACQUIRE);
}

static uint64_t later(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + LOOK_AGAIN_NS;
}

/* On the home loop, or with it kept still. */
static void look_at_graves(void *data)
{
	struct vmm *vm = data;
	struct vmm_device *free_now = NULL;
	bool more;

	pthread_mutex_lock(&vm->devices_lock);
	if (!vm->graves)
		dig(vm);
	if (all_passed(vm)) {
		free_now = vm->graves;
		vm->graves = NULL;
	}
	more = vm->graves || vm->new_graves;
	pthread_mutex_unlock(&vm->devices_lock);

	while (free_now) {
		struct vmm_device *next = free_now->next_grave;

		bury(vm, free_now);
		free_now = next;
	}
	if (more)
		vmm_timer_set(vm->grave_timer, later());
}

void vmm__graves_finish(struct vmm *vm)
{
	struct vmm_device *lists[] = { vm->graves, vm->new_graves };

	for (int i = 0; i < 2; i++) {
		while (lists[i]) {
			struct vmm_device *next = lists[i]->next_grave;

			vmm__device_free(lists[i]);
			lists[i] = next;
		}
	}
	vm->graves = vm->new_graves = NULL;
	vmm_timer_remove(vm->grave_timer);
	vm->grave_timer = NULL;
}

/* ---- going ---- */

/* Any thread that may enter the device's loop. False: it has gone already. */
static bool unplug(struct vmm *vm, struct vmm_device *dev)
{
	if (!take_out(vm, dev))
		return false;
	vmm__device_unplug(dev);

	pthread_mutex_lock(&vm->devices_lock);
	dev->next_grave = vm->new_graves;
	vm->new_graves = dev;
	pthread_mutex_unlock(&vm->devices_lock);
	vmm_timer_set(vm->grave_timer, 1);
	return true;
}

struct ejection {
	struct vmm *vm;
	uint32_t slots;
};

/* With the lock: a device that was asked to go and is in one of @slots. */
static struct vmm_device *leaving_in(const struct vmm *vm, uint32_t slots)
{
	for (uint32_t i = 0; i < vm->nr_devices; i++) {
		struct vmm_device *dev = vm->devices[i];

		if ((slots >> vmm__device_slot(dev) & 1) && dev->leaving)
			return dev;
	}
	return NULL;
}

/* On the home loop. */
static void eject(void *data)
{
	const struct ejection *e = data;
	struct vmm_device *dev;

	vmm__pci_release(e->vm->pci, e->slots);
	do {
		pthread_mutex_lock(&e->vm->devices_lock);
		dev = leaving_in(e->vm, e->slots & ~1u);
		pthread_mutex_unlock(&e->vm->devices_lock);
	} while (dev && unplug(e->vm, dev));
}

/* On a vCPU. A guest that ejects what nobody asked for keeps it. */
void vmm__hotplug_ejected(void *data, uint32_t slots)
{
	struct vmm *vm = data;
	struct ejection e = { .vm = vm, .slots = slots };

	(void)vmm__loop_call(vm->loop, &vm->cancel, eject, &e);
}

void vmm__hotplug_reset(struct vmm *vm)
{
	if (!vm->pci)
		return;
	/* The system that was asked is gone, and so are its thoughts about slots. */
	vmm__pci_release(vm->pci, UINT32_MAX);
	pthread_mutex_lock(&vm->devices_lock);
	for (uint32_t i = 0; i < vm->nr_devices; i++)
		vm->devices[i]->leaving = false;
	pthread_mutex_unlock(&vm->devices_lock);
}

/* ---- for the application ---- */

static const struct arch_hotplug *hotplug(const struct vmm *vm)
{
	return vm->machine && vm->pci ? vm->layout->hotplug : NULL;
}

int vmm__hotplug_check(const struct vmm *vm, uint32_t transport)
{
	if (transport == VMM_TRANSPORT_DEFAULT)
		transport = vm->host.default_transport;
	if (!hotplug(vm) || transport == VMM_TRANSPORT_MMIO)
		return vmm__fail(-EOPNOTSUPP, "%s runs: only PCI devices can come then, and this is none",
				 vm->name);
	return 0;
}

void vmm__hotplug_inserted(struct vmm *vm, const struct vmm_device *dev)
{
	hotplug(vm)->inserted(vm->machine, vmm__device_slot(dev));
}

/* At once. The guest is told afterwards, so that it does not keep a driver for nothing. */
static int take_away(struct vmm *vm, struct vmm_device *dev, uint32_t slot, bool on)
{
	if (on)
		vmm__pci_hold(vm->pci, slot);
	if (!unplug(vm, dev)) {
		vmm__pci_release(vm->pci, 1u << slot);
		return vmm__fail(-ENOENT, "%s has no such device any more", vm->name);
	}
	if (on)
		hotplug(vm)->leave(vm->machine, slot);
	return 0;
}

static int remove_device(struct vmm *vm, struct vmm_device *dev, bool surprise, bool on)
{
	uint32_t slot = 0;
	bool there;

	/* Only in the list, with the lock, is @dev known to be a device. */
	pthread_mutex_lock(&vm->devices_lock);
	there = device_index(vm, dev) < vm->nr_devices;
	if (there)
		slot = vmm__device_slot(dev);
	if (there && on && !surprise && hotplug(vm) && slot > 0)
		dev->leaving = true;
	pthread_mutex_unlock(&vm->devices_lock);

	if (!there)
		return vmm__fail(-ENOENT, "%s has no such device", vm->name);
	if (on && (!hotplug(vm) || slot == 0))
		return vmm__fail(-EOPNOTSUPP, "%s runs: only PCI devices can go then, and this is none",
				 vm->name);
	if (!on || surprise)
		return take_away(vm, dev, slot, on);
	hotplug(vm)->leave(vm->machine, slot);
	return 0;
}

static int graves_init(struct vmm *vm)
{
	return vm->grave_timer ? 0 :
	       vmm_loop_add_timer(vm->loop, look_at_graves, vm, &vm->grave_timer);
}

int vmm_remove_device(struct vmm *vm, struct vmm_device *dev, uint32_t flags)
{
	bool on;
	int r;

	if (!vm || !dev || (flags & ~(uint32_t)VMM_REMOVE_SURPRISE))
		return vmm__fail(-EINVAL, "no guest, no device, or flags that are not VMM_REMOVE_ ones");
	r = vmm__state_claim_any(vm, "vmm_remove_device", &on);
	if (r < 0)
		return r;
	r = graves_init(vm);
	if (r == 0)
		r = remove_device(vm, dev, flags & VMM_REMOVE_SURPRISE, on);
	vmm__state_release(vm);
	return r;
}
