/* SPDX-License-Identifier: MIT */
/*
 * transport_priv.h - a virtio device between its front end and its transport.
 *
 * Three parties touch a device. Its loop runs all callbacks and owns the
 * queues. vCPUs access registers, in the transport, under the device's lock,
 * which nobody holds while waiting. What a register access has to do with the
 * front end is run on the loop, and the vCPU waits for it without the lock.
 */
#ifndef TRANSPORT_TRANSPORT_PRIV_H
#define TRANSPORT_TRANSPORT_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <libvmm/device.h>
#include "devices/virtio/queue_priv.h"
#include "devices/virtio/virtio_priv.h"

struct device_host;

/*
 * The other half of a virtio device: registers and interrupts. A front end never
 * sees this table and a transport never sees front end state, so each pair of the
 * two works. Tables are const; per-device state is in dev->transport_state.
 *
 * All are called without the device's lock; plug, power_on, unplug, finish and reset
 * while the loop is kept still or on it, machine_reset while no vCPU runs.
 */
struct transport_ops {
	const char *name;		/* "virtio-mmio" */
	/* Take addresses and interrupts; the device answers from now on. */
	int (*plug)(struct vmm_device *dev);
	/*
	 * Give them back: no guest finds the device any more. An access that found it before may
	 * still be under way, and does nothing.
	 */
	void (*unplug)(struct vmm_device *dev);
	/* After that, once no vCPU can be in such an access: free the rest. */
	void (*finish)(struct vmm_device *dev);
	/* Just plugged into a guest that runs: as hardware is before its firmware. Optional. */
	void (*power_on)(struct vmm_device *dev);
	/* The PCI slot it is in. Optional: none. */
	uint32_t (*slot)(const struct vmm_device *dev);
	/* The device is being reset: no cause of an interrupt is left, no vector assigned. */
	void (*reset)(struct vmm_device *dev);
	/* One queue is: likewise, of it alone. On the loop. Optional. */
	void (*queue_reset)(struct vmm_device *dev, uint32_t queue);
	/* The machine was reset: forget what a driver's reset leaves (BARs, masks). Optional. */
	void (*machine_reset)(struct vmm_device *dev);
	/* The device or a queue went live, or was reset: see vmm__doorbells_sync(). Not on the loop. */
	void (*sync_doorbells)(struct vmm_device *dev);
	/* Whether the device may use guest memory now. Any thread. Optional: always. */
	bool (*may_dma)(struct vmm_device *dev);
	/* Raise. No lock, no ioctl where the guest uses MSI-X or an edge. Any thread. */
	void (*queue_interrupt)(struct vmm_device *dev, uint32_t queue);
	void (*config_interrupt)(struct vmm_device *dev);
};

extern const struct transport_ops vmm__transport_mmio;
extern const struct transport_ops vmm__transport_pci;

/* What only the loop touches of a queue. */
struct device_queue {
	struct vmm_queue queue;
	struct vmm_device *dev;
	int kick_fd;
	struct vmm_source *kick;
	struct vmm_deferred again;	/* a kick that ran out of budget goes on */
};

struct vmm_device {
	/* Fixed from creation to destruction. */
	struct vmm_device_ops ops;
	void *state;
	char name[64];
	const struct device_host *host;
	struct vmm_loop *loop;
	const struct transport_ops *transport;
	void *transport_state;
	uint32_t nr_queues;
	struct device_queue *queues;

	/* Registers: this state and the transport's own. */
	pthread_mutex_t lock;
	struct virtio virtio;

	/* The loop's. */
	bool active;
	bool broken;
	bool gone;			/* unplugged: there is no front end to call */

	/* core/hotplug.c's. */
	bool leaving;			/* the guest was asked to let go of it */
	struct vmm_device *next_grave;
};

/* ---- from a transport, on a vCPU's thread, without the lock ---- */

/* May wait for the loop. */
void vmm__device_write_status(struct vmm_device *dev, uint32_t value);
/* Of the selected queue. */
void vmm__device_enable_queue(struct vmm_device *dev, bool enabled);
void vmm__device_reset_queue(struct vmm_device *dev);
void vmm__device_write_config(struct vmm_device *dev, uint32_t offset, uint32_t width,
			      uint64_t value);
/* may_dma() may have a new answer. May wait for the loop. */
void vmm__device_dma_changed(struct vmm_device *dev);

uint64_t vmm__device_read_config(struct vmm_device *dev, uint32_t offset, uint32_t width);
/* A notification that KVM did not catch. */
void vmm__device_notify(struct vmm_device *dev, uint32_t queue);

#endif
