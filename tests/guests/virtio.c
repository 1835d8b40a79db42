/* SPDX-License-Identifier: MIT */
/* virtio.c - bring a device up and poll its rings, on either transport. */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "virtio.h"

#define MMIO_STRIDE	0x1000u
#define MMIO_WINDOWS	32u

#define MMIO_MAGIC	0x74726976u	/* "virt" */

static struct ring_memory ring_memory[8] __attribute__((aligned(16)));
static uint32_t rings_taken;

void ring_reuse(void)
{
	rings_taken = 0;
	memset(ring_memory, 0, sizeof(ring_memory));
}

/* ---- registers ---- */

uint8_t load8(uintptr_t address)
{
	return io_load8(address);
}

uint16_t load16(uintptr_t address)
{
	return io_load16(address);
}

uint32_t load32(uintptr_t address)
{
	return io_load32(address);
}

void store8(uintptr_t address, uint8_t value)
{
	io_store8(address, value);
}

void store16(uintptr_t address, uint16_t value)
{
	io_store16(address, value);
}

void store32(uintptr_t address, uint32_t value)
{
	io_store32(address, value);
}

/* In halves: that is what all drivers do (VIRTIO 1.2, 4.1.3.1). */
void store64(uintptr_t address, uint64_t value)
{
	store32(address, (uint32_t)value);
	store32(address + 4, (uint32_t)(value >> 32));
}

/* ---- finding it ---- */

static uintptr_t bar_address(uintptr_t function, uint32_t bar)
{
	uintptr_t reg = function + PCI_BASE_ADDRESS_0 + 4 * bar;
	uint32_t low = load32(reg);
	uint64_t base = low & ~0xfu;

	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		base |= (uint64_t)load32(reg + 4) << 32;
	return base;
}

/* A vendor capability says in which BAR a part lies (VIRTIO 1.2, 4.1.4). */
static void take_capability(struct device *dev, uintptr_t cap)
{
	uintptr_t at = bar_address(dev->function, load8(cap + offsetof(struct virtio_pci_cap, bar))) +
		       load32(cap + offsetof(struct virtio_pci_cap, offset));

	switch (load8(cap + offsetof(struct virtio_pci_cap, cfg_type))) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		dev->common = at;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		dev->notify = at;
		dev->notify_multiplier = load32(cap + sizeof(struct virtio_pci_cap));
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		dev->isr = at;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		dev->config = at;
		break;
	}
}

static void take_function(struct device *dev, uintptr_t function, uint32_t id)
{
	uint8_t offset = load8(function + PCI_CAPABILITY_LIST) & ~3;

	*dev = (struct device){ .transport = TRANSPORT_PCI, .id = id, .function = function };
	for (uint32_t n = 0; offset != 0; n++, offset = load8(function + offset + 1) & ~3) {
		CHECK(n < 48, offset);
		if (load8(function + offset) == PCI_CAP_ID_VNDR) {
			take_capability(dev, function + offset);
		} else if (load8(function + offset) == PCI_CAP_ID_MSIX) {
			uint32_t table = load32(function + offset + PCI_MSIX_TABLE);

			dev->msix_capability = offset;
			dev->msix_table = bar_address(function, table & PCI_MSIX_TABLE_BIR) +
					  (table & PCI_MSIX_TABLE_OFFSET);
		}
	}
	CHECK(dev->common && dev->notify && dev->isr, id);
}

static bool find_pci(struct device *dev, uint32_t id)
{
	for (uint32_t slot = 0; slot < 32; slot++) {
		uintptr_t function = ECAM_BASE + slot * 0x8000u;

		/* A modern device: 0x1040 + its type (VIRTIO 1.2, 4.1.2). */
		if (load32(function + PCI_VENDOR_ID) != ((0x1040u + id) << 16 | 0x1af4u))
			continue;
		take_function(dev, function, id);
		return true;
	}
	return false;
}

static bool find_mmio(struct device *dev, uint32_t id)
{
	for (uint32_t i = 0; i < MMIO_WINDOWS; i++) {
		uintptr_t base = MMIO_BASE + i * MMIO_STRIDE;

		if (load32(base + VIRTIO_MMIO_MAGIC_VALUE) != MMIO_MAGIC ||
		    load32(base + VIRTIO_MMIO_DEVICE_ID) != id)
			continue;
		CHECK(load32(base + VIRTIO_MMIO_VERSION) == 2, i);
		*dev = (struct device){
			.transport = TRANSPORT_MMIO, .id = id, .mmio = base,
			.config = base + VIRTIO_MMIO_CONFIG,
		};
		return true;
	}
	return false;
}

bool device_find(struct device *dev, uint32_t transport, uint32_t id)
{
	return transport == TRANSPORT_PCI ? find_pci(dev, id) : find_mmio(dev, id);
}

/* ---- bringing it up ---- */

#define COMMON(dev, field)	((dev)->common + offsetof(struct virtio_pci_common_cfg, field))

uint8_t device_status(const struct device *dev)
{
	return dev->mmio ? (uint8_t)load32(dev->mmio + VIRTIO_MMIO_STATUS)
			 : load8(COMMON(dev, device_status));
}

void device_set_status(const struct device *dev, uint8_t status)
{
	if (dev->mmio)
		store32(dev->mmio + VIRTIO_MMIO_STATUS, status);
	else
		store8(COMMON(dev, device_status), status);
}

void device_reset(struct device *dev)
{
	device_set_status(dev, 0);
	while (device_status(dev) != 0)
		relax();
}

static uint32_t offered(const struct device *dev, uint32_t word)
{
	if (dev->mmio) {
		store32(dev->mmio + VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		return load32(dev->mmio + VIRTIO_MMIO_DEVICE_FEATURES);
	}
	store32(COMMON(dev, device_feature_select), word);
	return load32(COMMON(dev, device_feature));
}

static void accept(const struct device *dev, uint32_t word, uint32_t bits)
{
	if (dev->mmio) {
		store32(dev->mmio + VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		store32(dev->mmio + VIRTIO_MMIO_DRIVER_FEATURES, bits);
		return;
	}
	store32(COMMON(dev, guest_feature_select), word);
	store32(COMMON(dev, guest_feature), bits);
}

static void ring_mmio(const struct device *dev, uint32_t n, const volatile struct ring_memory *m)
{
	store32(dev->mmio + VIRTIO_MMIO_QUEUE_SEL, n);
	CHECK(load32(dev->mmio + VIRTIO_MMIO_QUEUE_NUM_MAX) >= RING_ENTRIES, n);
	store32(dev->mmio + VIRTIO_MMIO_QUEUE_NUM, RING_ENTRIES);
	store64(dev->mmio + VIRTIO_MMIO_QUEUE_DESC_LOW, (uintptr_t)&m->desc);
	store64(dev->mmio + VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uintptr_t)&m->avail);
	store64(dev->mmio + VIRTIO_MMIO_QUEUE_USED_LOW, (uintptr_t)&m->used);
	store32(dev->mmio + VIRTIO_MMIO_QUEUE_READY, 1);
}

static void ring_pci(const struct device *dev, uint32_t n, const volatile struct ring_memory *m)
{
	store16(COMMON(dev, queue_select), (uint16_t)n);
	CHECK(load16(COMMON(dev, queue_size)) >= RING_ENTRIES, n);
	store16(COMMON(dev, queue_size), RING_ENTRIES);
	store64(COMMON(dev, queue_desc_lo), (uintptr_t)&m->desc);
	store64(COMMON(dev, queue_avail_lo), (uintptr_t)&m->avail);
	store64(COMMON(dev, queue_used_lo), (uintptr_t)&m->used);
	store16(COMMON(dev, queue_enable), 1);
}

void device_ring(struct device *dev, uint32_t n, volatile struct ring_memory *memory)
{
	struct ring *ring = &dev->rings[n];

	*ring = (struct ring){ .memory = memory, .number = (uint16_t)n };
	if (dev->mmio) {
		ring_mmio(dev, n, memory);
		ring->doorbell = dev->mmio + VIRTIO_MMIO_QUEUE_NOTIFY;
	} else {
		ring_pci(dev, n, memory);
		ring->doorbell = dev->notify +
				 load16(COMMON(dev, queue_notify_off)) * dev->notify_multiplier;
	}
}

bool device_try_up(struct device *dev, uint64_t wanted, uint32_t nr_rings)
{
	uint64_t features;

	device_reset(dev);
	device_set_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	device_set_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);

	features = offered(dev, 0) | (uint64_t)offered(dev, 1) << 32;
	CHECK(features & 1ull << VIRTIO_F_VERSION_1, features >> 32);
	features &= wanted | 1ull << VIRTIO_F_VERSION_1;
	accept(dev, 0, (uint32_t)features);
	accept(dev, 1, (uint32_t)(features >> 32));
	device_set_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			       VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(device_status(dev) & VIRTIO_CONFIG_S_FEATURES_OK))
		return false;

	for (uint32_t n = 0; n < nr_rings; n++) {
		volatile struct ring_memory *memory = dev->rings[n].memory;

		if (!memory) {
			CHECK(rings_taken < sizeof(ring_memory) / sizeof(ring_memory[0]), n);
			memory = &ring_memory[rings_taken++];
		}
		memset((void *)(uintptr_t)memory, 0, sizeof(*memory));
		device_ring(dev, n, memory);
	}
	device_set_status(dev, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			       VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	return !(device_status(dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

void device_up(struct device *dev, uint64_t wanted, uint32_t nr_rings)
{
	CHECK(device_try_up(dev, wanted, nr_rings), device_status(dev));
}

/* ---- rings ---- */

void ring_offer(struct device *dev, uint32_t n, uint16_t head, const struct segment *segments,
		uint32_t nr_out, uint32_t nr_in)
{
	struct ring *ring = &dev->rings[n];
	volatile struct ring_memory *m = ring->memory;
	uint32_t count = nr_out + nr_in;

	for (uint32_t i = 0; i < count; i++) {
		volatile struct ring_desc *desc = &m->desc[head + i];

		desc->address = (uintptr_t)segments[i].address;
		desc->length = segments[i].length;
		desc->flags = (uint16_t)((i < nr_out ? 0 : VRING_DESC_F_WRITE) |
					 (i + 1 < count ? VRING_DESC_F_NEXT : 0));
		desc->next = (uint16_t)(head + i + 1);
	}
	m->avail.ring[m->avail.index % RING_ENTRIES] = head;
	/* The index follows its entry. */
	store_barrier();
	m->avail.index++;
	full_barrier();
	if (m->used.flags & VRING_USED_F_NO_NOTIFY)
		return;
	if (dev->mmio)
		store32(ring->doorbell, ring->number);
	else
		store16(ring->doorbell, ring->number);
}

uint32_t ring_wait(struct device *dev, uint32_t n, uint16_t head)
{
	struct ring *ring = &dev->rings[n];
	volatile struct ring_memory *m = ring->memory;
	uint16_t at = ring->last_used % RING_ENTRIES;

	while (m->used.index == ring->last_used)
		relax();
	load_barrier();
	CHECK(m->used.ring[at].id == head, m->used.ring[at].id);
	ring->last_used++;
	return m->used.ring[at].length;
}
