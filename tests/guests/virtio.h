/* SPDX-License-Identifier: MIT */
/*
 * virtio.h - a small virtio driver: find a device, bring it up, poll its rings.
 *
 * One for virtio-pci modern and virtio-mmio 2 (VIRTIO 1.2, 4.1 and 4.2). It
 * trusts its host and checks what it says.
 */
#ifndef GUESTS_VIRTIO_H
#define GUESTS_VIRTIO_H

#include "guest.h"

enum { TRANSPORT_PCI = 1, TRANSPORT_MMIO = 2 };	/* enum vmm_transport */

enum { RING_ENTRIES = 16, DEVICE_RINGS = 2 };

struct ring_desc {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

struct ring_used {
	uint32_t id;
	uint32_t length;
};

/* A split ring as both sides see it (VIRTIO 1.2, 2.7). */
struct ring_memory {
	struct ring_desc desc[RING_ENTRIES];
	struct {
		uint16_t flags;
		uint16_t index;
		uint16_t ring[RING_ENTRIES];
		uint16_t used_event;
	} avail;
	struct {
		_Alignas(4) uint16_t flags;
		uint16_t index;
		struct ring_used ring[RING_ENTRIES];
		uint16_t avail_event;
	} used;
};

struct ring {
	volatile struct ring_memory *memory;
	uint16_t number;
	uint16_t last_used;
	uintptr_t doorbell;
};

struct device {
	uint32_t transport;
	uint32_t id;
	uintptr_t config;		/* the device's own configuration */
	struct ring rings[DEVICE_RINGS];

	uintptr_t mmio;			/* virtio-mmio: the window */

	uintptr_t function;		/* PCI: its configuration space */
	uintptr_t common;
	uintptr_t notify;
	uintptr_t isr;
	uintptr_t msix_table;
	uint32_t notify_multiplier;
	uint32_t msix_capability;	/* offset; 0: none */
};

/* A piece of a request. */
struct segment {
	const void *address;
	uint32_t length;
};

/* Device registers, by address. */
uint8_t load8(uintptr_t address);
uint16_t load16(uintptr_t address);
uint32_t load32(uintptr_t address);
void store8(uintptr_t address, uint8_t value);
void store16(uintptr_t address, uint16_t value);
void store32(uintptr_t address, uint32_t value);
void store64(uintptr_t address, uint64_t value);

/* The device of type @id on @transport. False: there is none. */
bool device_find(struct device *dev, uint32_t transport, uint32_t id);

uint8_t device_status(const struct device *dev);
void device_set_status(const struct device *dev, uint8_t status);
void device_reset(struct device *dev);	/* and wait until it is */

/*
 * From reset to DRIVER_OK with the features of @wanted that are offered and VERSION_1.
 * False, or a failure: the device does not go along.
 */
bool device_try_up(struct device *dev, uint64_t wanted, uint32_t nr_rings);
void device_up(struct device *dev, uint64_t wanted, uint32_t nr_rings);

/* The memory of all rings may be used anew: no device has one. */
void ring_reuse(void);

/* Place ring @n. Before DRIVER_OK. */
void device_ring(struct device *dev, uint32_t n, volatile struct ring_memory *memory);

/*
 * Offer a request made of @nr_out segments that the device reads and @nr_in that it
 * writes, in the descriptors from @head on, and ring.
 */
void ring_offer(struct device *dev, uint32_t n, uint16_t head, const struct segment *segments,
		uint32_t nr_out, uint32_t nr_in);

/* Wait for the next used element; its head must be @head. Returns the length written. */
uint32_t ring_wait(struct device *dev, uint32_t n, uint16_t head);

#endif
