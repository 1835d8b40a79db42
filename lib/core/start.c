/* SPDX-License-Identifier: MIT */
/*
 * start.c - from power on to the first instruction, at a start, a restart and a reset.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error_priv.h"
#include "core/vm_priv.h"
#include "devices/legacy/i6300esb_priv.h"
#include "devices/legacy/serial_priv.h"

/* ---- the machine as after power on ---- */

/*
 * A device on a loop of its own keeps that loop still for the moment. Loops of
 * devices never enter the home loop, so the order is always the same.
 */
static void reset_device(struct vmm_device *dev, void *data)
{
	vmm__device_reset(dev);
}

static void reset_transport(struct vmm_device *dev, void *data)
{
	vmm__device_machine_reset(dev);
}

static void wake_callers(struct vmm_device *dev, void *data)
{
	vmm__loop_wake_callers(vmm_device_loop(dev));
}

void vmm__machine_quiet(struct vmm *vm)
{
	/* The last line that the guest printed comes before the word that it stopped. */
	if (vm->serial)
		vm->serial_model->flush(vm->serial);
	vmm__devices_walk(vm, reset_device, NULL);
}

void vmm__machine_wake_callers(struct vmm *vm)
{
	vmm__loop_wake_callers(vm->loop);
	vmm__devices_walk(vm, wake_callers, NULL);
}

/* On the home loop, or with it kept still. */
static void reset_devices(void *data)
{
	struct vmm *vm = data;

	vmm__machine_quiet(vm);
	if (vm->serial)
		vm->serial_model->reset(vm->serial);
	if (vm->machine)
		vmm__arch_machine_reset(vm->machine);
	vmm__hotplug_reset(vm);
	if (vm->watchdog)
		vmm__i6300esb_reset(vm->watchdog);
}

/* On a thread that no loop waits for. */
static void reset_transports(struct vmm *vm)
{
	vmm__devices_walk(vm, reset_transport, NULL);
}

/* Its virtio-mmio window, if it has one, for the tables. */
struct description {
	struct machine_desc *machine;
	uint32_t window;
};

static void describe_device(struct vmm_device *dev, void *data)
{
	const struct description *d = data;
	struct machine_desc *desc = d->machine;
	vmm_gpa_t base;
	uint32_t gsi;

	if (desc->nr_mmio == MACHINE_MMIO_MAX || !vmm__device_mmio(dev, &base, &gsi))
		return;
	desc->mmio[desc->nr_mmio].base = base;
	desc->mmio[desc->nr_mmio].size = d->window;
	desc->mmio[desc->nr_mmio++].gsi = gsi;
}

static int write_tables(struct vmm *vm)
{
	struct machine_desc desc = {
		.nr_vcpus = vm->nr_vcpus, .threads_per_core = vm->threads_per_core,
		.nr_sockets = vm->nr_sockets, .has_pci = vm->pci != NULL,
		.has_serial = vm->serial != NULL, .name = vm->name, .vm = vm->arch,
		.layout = vm->layout, .boot = &vm->entry, .cmdline = vm->boot.cmdline,
	};

	memcpy(desc.uuid, vm->uuid, sizeof(desc.uuid));
	vmm__devices_walk(vm, describe_device,
			  &(struct description){ &desc, vm->layout->mmio_stride });
	return vmm__arch_write_tables(&vm->mem, &desc);
}

static int reset_vcpus(struct vmm *vm)
{
	int r = 0;

	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++) {
		const struct arch_cpu cpu = {
			.vm = vm->arch, .id = i, .nr = vm->nr_vcpus, .threads_per_core = vm->threads_per_core,
			.nr_sockets = vm->nr_sockets, .nested = vm->flags & VMM_F_NESTED,
			.irqchip = !(vm->flags & VMM_F_KVM_ONLY),
		};

		/* The caller's last run may have ended in the middle of an access. */
		if (vm->flags & VMM_F_CALLER_VCPUS)
			vmm__vcpu_settle(&vm->vcpus[i]);
		r = vmm__arch_vcpu_reset(vm->vcpus[i].fd, &cpu, i == 0 ? &vm->entry : NULL);
	}
	return r;
}

/* Image into memory, unless it is there untouched; then what describes the machine. */
static int load(struct vmm *vm)
{
	int r = 0;

	if (!vm->loaded) {
		r = vmm__ram_clear(&vm->ram);
		if (r == 0)
			r = vmm__boot_load(&vm->mem, &vm->boot, &vm->entry);
	}
	vm->loaded = false;
	if (r == 0 && vm->machine)
		r = write_tables(vm);
	if (r == 0 && vm->machine)
		r = vmm__arch_vm_reset(vm->arch);
	if (r == 0)
		r = reset_vcpus(vm);
	return r;
}

int vmm__machine_reboot(struct vmm *vm)
{
	int r = vmm__loop_call(vm->loop, &vm->cancel, reset_devices, vm);

	if (r < 0)
		return r;
	reset_transports(vm);
	__atomic_store_n(&vm->request, 0, __ATOMIC_RELEASE);
	return load(vm);
}

/* ---- what to boot ---- */

static int boot_linux(struct vmm *vm, const struct vmm_boot_config *config)
{
	struct boot_source source;
	int r = vmm__boot_source_open(&source, config);

	if (r < 0)
		return r;

	vm->loaded = false;
	r = vmm__ram_clear(&vm->ram);
	if (r == 0)
		r = vmm__boot_load(&vm->mem, &source, &vm->entry);
	if (r < 0) {
		vmm__boot_source_close(&source);
		return r;
	}

	if (vm->has_boot)
		vmm__boot_source_close(&vm->boot);
	vm->boot = source;
	pthread_mutex_lock(&vm->lock);
	vm->has_boot = true;
	pthread_mutex_unlock(&vm->lock);
	vm->loaded = true;
	return 0;
}

int vmm_boot_linux(struct vmm *vm, const struct vmm_boot_config *config)
{
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "no guest or no boot configuration");
	r = vmm__state_claim(vm, false, "vmm_boot_linux");
	if (r < 0)
		return r;
	r = boot_linux(vm, config);
	vmm__state_release(vm);
	return r;
}

/* ---- start ---- */

static int check_runnable(struct vmm *vm)
{
	bool written;

	pthread_mutex_lock(&vm->lock);
	written = vm->vcpus[0].regs_written;
	vm->vcpus[0].regs_written = false;
	pthread_mutex_unlock(&vm->lock);

	if (!vm->has_boot && !written)
		return vmm__fail(-EINVAL, "%s has nothing to boot: call vmm_boot_linux(), "
				 "or give vCPU 0 its registers", vm->name);
	return 0;
}

static int start_threads(struct vmm *vm)
{
	uint32_t n = vm->flags & VMM_F_CALLER_VCPUS ? 0 : vm->nr_vcpus;
	int r = 0;

	vmm__state_started(vm, n);
	for (uint32_t i = 0; i < n; i++) {
		r = vmm__vcpu_start(&vm->vcpus[i]);
		if (r < 0) {
			vmm__state_start_failed(vm, n - i);
			break;
		}
	}
	return r;
}

static int start(struct vmm *vm)
{
	int r = check_runnable(vm);

	if (r < 0)
		return r;

	/* Those of the last time have left; their devices were reset when they did. */
	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		vmm__vcpu_join(&vm->vcpus[i]);
	vmm_loop_enter(vm->loop);
	reset_devices(vm);
	vmm_loop_leave(vm->loop);
	reset_transports(vm);
	__atomic_store_n(&vm->request, 0, __ATOMIC_RELEASE);

	if (vm->has_boot)
		r = load(vm);
	return r < 0 ? r : start_threads(vm);
}

int vmm__restart(struct vmm *vm)
{
	int r = vmm__state_claim(vm, false, "starting again");

	if (r < 0)
		return r;
	if (!vm->has_boot) {
		r = vmm__fail(-EOPNOTSUPP, "%s has no boot image to begin again from", vm->name);
	} else {
		for (uint32_t i = 0; i < vm->nr_vcpus; i++)
			vmm__vcpu_join(&vm->vcpus[i]);
		/* The first thing that the new threads see, before they run any of the guest. */
		pthread_mutex_lock(&vm->lock);
		vm->reset_wanted = vm->restarting = true;
		pthread_mutex_unlock(&vm->lock);
		r = start_threads(vm);
	}
	vmm__state_release(vm);
	return r;
}

int vmm_start(struct vmm *vm)
{
	int r;

	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	r = vmm__state_claim(vm, false, "vmm_start");
	if (r < 0)
		return r;
	r = start(vm);
	vmm__state_release(vm);
	return r;
}

int vmm_power_button(struct vmm *vm)
{
	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	if (!vm->machine)
		return vmm__fail(-EOPNOTSUPP, "%s has no power button", vm->name);
	if (vmm_state(vm) != VMM_STATE_RUNNING)
		return vmm__fail(-EBUSY, "%s does not run", vm->name);
	vmm__arch_machine_power_button(vm->machine);
	return 0;
}
