/* SPDX-License-Identifier: MIT */
/*
 * device_priv.h - plugging virtio devices into a guest: what core/vm.c calls.
 */
#ifndef DEVICES_DEVICE_PRIV_H
#define DEVICES_DEVICE_PRIV_H

#include <stdbool.h>
#include <libvmm/device.h>

struct arch_layout;
struct bus;
struct irqs;
struct loop_cancel;
struct pci_bus;
struct vmm_mem;

/* What a machine offers its devices. Filled by vm.c; outlives them. */
struct device_host {
	struct vmm_mem *mem;
	const struct arch_layout *layout;
	struct irqs *irqs;
	struct bus *mmio;
	struct bus *ports;
	struct pci_bus *pci;		/* NULL: a machine without PCI */
	struct vmm_loop *loop;		/* the guest's home loop */
	int vm_fd;
	uint32_t default_transport;	/* enum vmm_transport */
	uint32_t default_queue_format;	/* enum vmm_queue_format */
	uint32_t *mmio_taken;		/* virtio-mmio windows, a bit for each */
	const struct loop_cancel *cancel;	/* the guest is being stopped: for vmm__loop_call() */
	/* A driver broke the rules: make an event of it. Any thread. */
	void (*broken)(void *data, const char *device, const char *why);
	void *data;
};

/* The loop must not be running callbacks (vmm_loop_enter()) in any of these. */
int vmm__device_create(const struct device_host *host, const struct vmm_device_config *config,
		       struct vmm_device **ret_dev);
void vmm__device_destroy(struct vmm_device *dev);

/*
 * The same in two steps, for a guest that runs. After the first nothing is in flight, the guest
 * does not find the device and its front end is freed; an access that found it before does
 * nothing. The second once no vCPU can be in the middle of one.
 */
void vmm__device_unplug(struct vmm_device *dev);
void vmm__device_free(struct vmm_device *dev);

/* It was plugged into a guest that runs: nothing has set it up. */
void vmm__device_power_on(struct vmm_device *dev);

/* Its PCI slot; 0: it is in none. */
uint32_t vmm__device_slot(const struct vmm_device *dev);

/* As the driver's reset, for a guest that stopped: nothing is in flight afterwards. */
void vmm__device_reset(struct vmm_device *dev);

/*
 * After that, before the machine starts again: what the driver cannot undo (BARs), and what KVM
 * catches for the device. KVM takes its time for it, so not on a loop.
 */
void vmm__device_machine_reset(struct vmm_device *dev);

/* What it is called. Any thread. */
const char *vmm__device_name(const struct vmm_device *dev);

/* Have it add to @stats. Any thread. */
void vmm__device_stats(struct vmm_device *dev, struct vmm_stats *stats);

/* Its virtio-mmio window, for the tables. False when it is on another transport. */
bool vmm__device_mmio(const struct vmm_device *dev, vmm_gpa_t *ret_base, uint32_t *ret_gsi);

#endif
