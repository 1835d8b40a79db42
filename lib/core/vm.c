/* SPDX-License-Identifier: MIT */
/*
 * vm.c - a guest made from its parts, and taken apart in reverse.
 *
 * The order of construction is written once, in the table below. Each part is
 * finished safely when it was never made, so undoing is the same table backwards.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include <libvmm/debug.h>
#include <libvmm/supervisor.h>
#include "bus/pci_priv.h"
#include "core/config_priv.h"
#include "core/debug_priv.h"
#include "core/error_priv.h"
#include "core/kvm_priv.h"
#include "core/vm_priv.h"
#include "devices/legacy/i6300esb_priv.h"
#include "devices/legacy/serial_priv.h"

/* ---- the configuration ---- */

static int check_topology(const struct vmm_config *c, const char *name)
{
	if (c->nr_vcpus > VMM_VCPUS_MAX)
		return vmm__fail(-EINVAL, "%s: nr_vcpus is %u, at most %u are possible", name,
				 c->nr_vcpus, VMM_VCPUS_MAX);
	if (c->nr_vcpus % c->threads_per_core != 0 ||
	    c->nr_vcpus % (c->nr_sockets * (uint64_t)c->threads_per_core) != 0)
		return vmm__fail(-EINVAL, "%s: %u vCPUs are not a whole number of cores with "
				 "%u threads in %u sockets", name, c->nr_vcpus, c->threads_per_core, c->nr_sockets);
	return 0;
}

static int config_take(struct vmm_config *c, const struct vmm_config *config)
{
	int r = vmm__config_copy(c, sizeof(*c), config, config->size, sizeof(c->size));

	if (r < 0)
		return r;
	if (!c->name)
		c->name = "guest";
	c->nr_vcpus = c->nr_vcpus ? c->nr_vcpus : 1;
	c->threads_per_core = c->threads_per_core ? c->threads_per_core : 1;
	c->nr_sockets = c->nr_sockets ? c->nr_sockets : 1;
	c->log_level = c->log_level ? c->log_level : VMM_LOG_WARNING;
	c->max_events = c->max_events ? c->max_events : 64;
	c->transport = c->transport ? c->transport : VMM_TRANSPORT_PCI;

	if (strlen(c->name) > 63)
		return vmm__fail(-EINVAL, "the name has %zu bytes, at most 63 are possible",
				 strlen(c->name));
	if (c->flags & ~(uint32_t)(VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS | VMM_F_THP | VMM_F_PREALLOC |
				   VMM_F_NESTED | VMM_F_FIXED_RAM_FD))
		return vmm__fail(-EINVAL, "%s: flags 0x%x are not all VMM_F_ ones", c->name, c->flags);
	if (c->transport > VMM_TRANSPORT_MMIO)
		return vmm__fail(-EINVAL, "%s: transport %u is none of VMM_TRANSPORT_", c->name,
				 c->transport);
	if (c->queue_format > VMM_QUEUE_PACKED)
		return vmm__fail(-EINVAL, "%s: queue format %u is none of VMM_QUEUE_", c->name,
				 c->queue_format);
	if (c->kick_signal != 0 &&
	    (c->kick_signal < (uint32_t)SIGRTMIN || c->kick_signal > (uint32_t)SIGRTMAX))
		return vmm__fail(-EINVAL, "%s: kick_signal is %u, %d to %d are possible", c->name,
				 c->kick_signal, SIGRTMIN, SIGRTMAX);
	if (c->max_events < 8 || c->max_events > 65536)
		return vmm__fail(-EINVAL, "%s: max_events is %u, 8 to 65536 are possible", c->name,
				 c->max_events);
	return check_topology(c, c->name);
}

/* ---- the parts ---- */

static int make_kvm(struct vmm *vm, const struct vmm_config *c)
{
	bool bare = vm->flags & VMM_F_KVM_ONLY;
	int max, r;

	r = vmm__kvm_open(c->kvm_fd, &vm->kvm_fd);
	if (r == 0)
		r = vmm__kvm_check(vm->kvm_fd, bare);
	if (r < 0)
		return r;
	max = vmm__kvm_cap(vm->kvm_fd, KVM_CAP_MAX_VCPUS);
	if (max > 0 && vm->nr_vcpus > (uint32_t)max)
		return vmm__fail(-EINVAL, "%s: nr_vcpus is %u, this KVM allows %d", vm->name,
				 vm->nr_vcpus, max);
	r = vmm__kvm_create_vm(vm->kvm_fd, vmm__arch_vm_type(vm->kvm_fd), &vm->vm_fd);
	if (r < 0)
		return r;

	vm->layout = vmm__arch_layout(vm->kvm_fd);
	return vmm__arch_vm_create(&(struct arch_vm_config){
		.kvm_fd = vm->kvm_fd, .vm_fd = vm->vm_fd, .nr_vcpus = vm->nr_vcpus,
		.irqchip = !bare, .irqchip_kind = c->irqchip, .layout = vm->layout,
	}, &vm->arch);
}

static void unmake_kvm(struct vmm *vm)
{
	vmm__arch_vm_destroy(vm->arch);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
}

/* Slices of the RAM at their guest addresses, each given to KVM as a slot. */
static int make_memory(struct vmm *vm, const struct vmm_config *c)
{
	uint64_t offset = 0;
	int n, r;

	r = vmm__ram_init(&vm->ram, c);
	if (r < 0)
		return r;
	n = vmm__arch_ram_layout(vm->layout, vm->ram.bytes, vm->mem.regions, MEM_REGIONS_MAX);
	if (n < 0)
		return n;

	for (int i = 0; i < n; i++) {
		struct mem_region *region = &vm->mem.regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = (uint32_t)i,
			.guest_phys_addr = region->gpa,
			.memory_size = region->size,
			.userspace_addr = (uintptr_t)(vm->ram.host + offset),
		};

		region->host = vm->ram.host + offset;
		region->ram = &vm->ram;
		offset += region->size;
		if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return vmm__fail_errno("KVM does not take %llu MiB of RAM at 0x%llx",
					       (unsigned long long)(region->size >> 20),
					       (unsigned long long)region->gpa);
	}
	vm->mem.nr_regions = (size_t)n;
	return 0;
}

static void unmake_memory(struct vmm *vm)
{
	vmm__ram_finish(&vm->ram);
}

static int make_buses(struct vmm *vm, const struct vmm_config *c)
{
	struct kvm_irq_routing_entry routes[64];
	struct irq_pins pins = {
		.nr = vm->layout->nr_pins, .free = vm->layout->pins_free, .routes = routes,
		.nr_routes = vmm__arch_pin_routes(routes, 64),
	};
	int r = vmm__bus_init(&vm->mmio, "MMIO", 0);

	if (r == 0)
		r = vmm__bus_init(&vm->ports, "port", 65536);
	if (r == 0)
		r = vmm__irqs_init(&vm->irqs, vm->kvm_fd, vm->vm_fd, vm->arch, &pins);
	return r;
}

static void unmake_buses(struct vmm *vm)
{
	vmm__irqs_finish(&vm->irqs);
	vmm__bus_finish(&vm->ports);
	vmm__bus_finish(&vm->mmio);
}

/* What could only be set up when all vCPUs are there: interrupt controllers, mostly. */
static int complete_vcpus(struct vmm *vm)
{
	int fds[VMM_VCPUS_MAX];

	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		fds[i] = vm->vcpus[i].fd;
	return vmm__arch_vm_complete(vm->arch, fds, &vm->mem);
}

static int make_vcpus(struct vmm *vm, const struct vmm_config *c)
{
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int r = 0;

	if (size < 0)
		return vmm__fail_errno("KVM_GET_VCPU_MMAP_SIZE");
	vm->vcpus = calloc(vm->nr_vcpus, sizeof(vm->vcpus[0]));
	if (!vm->vcpus)
		return vmm__fail(-ENOMEM, "no memory for %u vCPUs", vm->nr_vcpus);
	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		vm->vcpus[i].fd = -1;
	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++)
		r = vmm__vcpu_init(&vm->vcpus[i], vm, i, (size_t)size);
	return r < 0 ? r : complete_vcpus(vm);
}

static void unmake_vcpus(struct vmm *vm)
{
	for (uint32_t i = 0; vm->vcpus && i < vm->nr_vcpus; i++)
		vmm__vcpu_finish(&vm->vcpus[i]);
	free(vm->vcpus);
}

static int make_loop(struct vmm *vm, const struct vmm_config *c)
{
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;

	vm->loop = c->loop;
	if (!vm->loop) {
		int r;

		config.name = vm->name;
		config.flags = VMM_LOOP_THREAD;
		r = vmm_loop_create(&config, &vm->loop);
		if (r < 0)
			return r;
		vm->own_loop = true;
	}
	vmm__loop_get(vm->loop);
	return 0;
}

static void unmake_loop(struct vmm *vm)
{
	if (!vm->loop)
		return;
	vmm__loop_put(vm->loop);
	if (vm->own_loop)
		(void)vmm_loop_destroy(vm->loop);
}

static int make_state(struct vmm *vm, const struct vmm_config *c)
{
	vm->vcpu_thread = c->vcpu_thread;
	vm->vcpu_thread_data = c->vcpu_thread_data;
	vm->log = (struct log){ .vm = vm, .fn = c->log, .data = c->log_data, .level = c->log_level };
	return vmm__events_init(&vm->events, c->max_events);
}

static void unmake_state(struct vmm *vm)
{
	vmm__events_finish(&vm->events);
}

/* A device of the machine saw a power off or reset, on a vCPU in an exit. */
static void machine_request(void *data, enum arch_request request)
{
	static const uint32_t exits[] = {
		[ARCH_POWEROFF] = VMM_EXIT_POWEROFF,
		[ARCH_RESET] = VMM_EXIT_RESET,
		[ARCH_PANIC] = VMM_EXIT_PANIC,
	};
	struct vmm *vm = data;

	__atomic_store_n(&vm->request, exits[request], __ATOMIC_RELEASE);
}

/* Firmware prints and reads, on a vCPU in an exit. The port was connected before the start. */
static int console_write(void *data, const void *bytes, size_t len)
{
	struct vmm *vm = data;

	if (!vm->serial || !vm->serial_model->put)
		return -ENODEV;
	return (int)vm->serial_model->put(vm->serial, bytes, len);
}

static int console_read(void *data, void *bytes, size_t len)
{
	struct vmm *vm = data;

	if (!vm->serial || !vm->serial_model->take)
		return -ENODEV;
	return (int)vm->serial_model->take(vm->serial, bytes, len);
}

static void pci_reset(void *data)
{
	machine_request(data, ARCH_RESET);
}

static void device_broken(void *data, const char *device, const char *why)
{
	struct vmm *vm = data;
	struct vmm_event event = VMM_EVENT_INIT;

	event.type = VMM_EVENT_DEVICE_BROKEN;
	snprintf(event.device, sizeof(event.device), "%s", device);
	snprintf(event.words, sizeof(event.words), "%s", why);
	vmm__events_push(&vm->events, &event);
	vmm__log(&vm->log, LOG_BROKEN, VMM_LOG_WARNING, "%s: %s: %s", vm->name, device, why);
}

static int make_machine(struct vmm *vm, const struct vmm_config *c)
{
	const struct arch_machine_host host = {
		.vm = vm->arch, .mem = &vm->mem, .loop = vm->loop,
		.mmio = &vm->mmio, .ports = &vm->ports, .irqs = &vm->irqs,
		.request = machine_request, .ejected = vmm__hotplug_ejected,
		.console_write = console_write,
		.console_read = console_read, .data = vm,
	};
	int r = 0;

	if (!(vm->flags & VMM_F_KVM_ONLY)) {
		r = vmm__arch_machine_create(&host, &vm->machine);
		if (r == 0)
			r = vmm__pci_create(vm->layout, &vm->mmio,
					    vm->layout->has_ports ? &vm->ports : NULL, &vm->irqs,
					    &vm->pci);
		if (r == 0)
			vmm__pci_on_reset(vm->pci, pci_reset, vm);
	}
	vm->host = (struct device_host){
		.mem = &vm->mem, .irqs = &vm->irqs, .mmio = &vm->mmio, .ports = &vm->ports,
		.layout = vm->layout,
		.pci = vm->pci, .loop = vm->loop, .vm_fd = vm->vm_fd, .default_transport = c->transport,
		.default_queue_format = c->queue_format, .mmio_taken = &vm->mmio_taken, .cancel = &vm->cancel,
		.broken = device_broken, .data = vm,
	};
	return r;
}

static void unmake_machine(struct vmm *vm)
{
	if (vm->loop)
		vmm_loop_enter(vm->loop);
	while (vm->nr_devices > 0)
		vmm__device_destroy(vm->devices[--vm->nr_devices]);
	free(vm->devices);
	vmm__graves_finish(vm);
	if (vm->serial)
		vm->serial_model->destroy(vm->serial);
	vmm__i6300esb_destroy(vm->watchdog);
	if (vm->pci)
		vmm__pci_destroy(vm->pci);
	if (vm->machine)
		vmm__arch_machine_destroy(vm->machine);
	if (vm->loop)
		vmm_loop_leave(vm->loop);
	vmm__consoles_finish(vm);
}

/* The order of construction. */
static const struct {
	int (*make)(struct vmm *vm, const struct vmm_config *config);
	void (*unmake)(struct vmm *vm);
} parts[] = {
	{ make_state,	unmake_state },
	{ make_kvm,	unmake_kvm },
	{ make_memory,	unmake_memory },
	{ make_buses,	unmake_buses },
	{ make_vcpus,	unmake_vcpus },
	{ make_loop,	unmake_loop },
	{ make_machine,	unmake_machine },
};

#define NR_PARTS	(sizeof(parts) / sizeof(parts[0]))

static void vm_free(struct vmm *vm, size_t made)
{
	while (made-- > 0)
		parts[made].unmake(vm);
	vmm__debug_finish(vm);
	vmm__state_finish(vm);
	free(vm);
}

static struct vmm *vm_new(const struct vmm_config *c)
{
	struct vmm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	snprintf(vm->name, sizeof(vm->name), "%s", c->name);
	vm->flags = c->flags;
	vm->nr_vcpus = c->nr_vcpus;
	vm->threads_per_core = c->threads_per_core;
	vm->nr_sockets = c->nr_sockets;
	vm->kick_signal = c->kick_signal ? (int)c->kick_signal : SIGRTMIN;
	vm->kvm_fd = vm->vm_fd = vm->ram.fd = -1;
	memcpy(vm->uuid, c->uuid, sizeof(vm->uuid));
	if (uuid_is_null(vm->uuid))
		uuid_generate_random(vm->uuid);
	vmm__state_init(vm);
	return vm;
}

int vmm_create(const struct vmm_config *config, struct vmm **ret_vm)
{
	struct vmm_config c;
	struct vmm *vm;
	size_t made = 0;
	int r;

	if (!config || !ret_vm)
		return vmm__fail(-EINVAL, "no configuration, or no place for the guest");
	r = config_take(&c, config);
	if (r < 0)
		return r;
	vm = vm_new(&c);
	if (!vm)
		return vmm__fail(-ENOMEM, "no memory for a guest");

	while (made < NR_PARTS) {
		/* A part that failed half way is unmade too. */
		r = parts[made++].make(vm, &c);
		if (r < 0) {
			vm_free(vm, made);
			return r;
		}
	}
	vmm_deferred_init(&vm->finish, vm->loop, vmm__state_finish_stop);
	*ret_vm = vm;
	return 0;
}

void vmm_destroy(struct vmm *vm)
{
	if (!vm)
		return;

	/* Nobody starts it again. */
	if (vm->supervision)
		(void)vmm_unsupervise(vm);
	(void)vmm_stop(vm);
	for (uint32_t i = 0; i < vm->nr_vcpus; i++)
		vmm__vcpu_join(&vm->vcpus[i]);

	/* The last that defers something for the guest's stop. */
	vmm_debug_close(vm->debug_server);
	/* Nothing defers it any more; if it has not run, it need not. */
	vmm_deferred_cancel(&vm->finish);
	if (vm->has_boot)
		vmm__boot_source_close(&vm->boot);
	vm_free(vm, NR_PARTS);
}

/* ---- what it is ---- */

struct vmm_mem *vmm_memory(struct vmm *vm)
{
	return &vm->mem;
}

struct vmm_loop *vmm_loop_of(struct vmm *vm)
{
	return vm->loop;
}

const char *vmm_name(const struct vmm *vm)
{
	return vm->name;
}

void vmm_uuid(const struct vmm *vm, uint8_t ret_uuid[16])
{
	memcpy(ret_uuid, vm->uuid, sizeof(vm->uuid));
}

int vmm_next_event(struct vmm *vm, struct vmm_event *ret_event)
{
	struct vmm_event event;

	if (!vm || !ret_event || ret_event->size < sizeof(ret_event->size))
		return vmm__fail(-EINVAL, "no guest, or no place for the event: use VMM_EVENT_INIT");
	if (vmm__events_take(&vm->events, &event) == 0)
		return 0;
	vmm__config_answer(ret_event, ret_event->size, &event, sizeof(event));
	return 1;
}

int vmm_event_fd(const struct vmm *vm)
{
	return vm->events.fd;
}
