/* SPDX-License-Identifier: MIT */
/* transport_priv.h - how a virtio device is shown to the guest. */
#ifndef TRANSPORT_TRANSPORT_PRIV_H
#define TRANSPORT_TRANSPORT_PRIV_H

#include <libvmm/device.h>

struct device_host;

/*
 * The other half of a virtio device: registers and interrupts. A device never
 * sees this table and a transport never sees device state, so each pair of the
 * two works. Tables are const; per-device state is in dev->transport_state.
 */
struct transport_ops {
	const char *name;		/* "virtio-mmio" */
	/* Take addresses and interrupts; the device answers from now on. */
	int (*plug)(struct vmm_device *dev, const struct device_host *host);
	void (*unplug)(struct vmm_device *dev);
	/* The machine was reset (not the driver's reset): forget BAR moves, vectors, selections. */
	void (*machine_reset)(struct vmm_device *dev);
	/* The queue went up or down: its notification eventfd becomes live or dead. */
	int (*queue_up)(struct vmm_device *dev, uint32_t queue, int kick_fd);
	void (*queue_down)(struct vmm_device *dev, uint32_t queue, int kick_fd);
	/* Raise. No lock, no ioctl where the guest uses MSI-X or an edge. Any thread. */
	void (*queue_interrupt)(struct vmm_device *dev, uint32_t queue);
	void (*config_interrupt)(struct vmm_device *dev);
};

extern const struct transport_ops vmm__transport_mmio;
extern const struct transport_ops vmm__transport_pci;

#endif
