/* SPDX-License-Identifier: MIT */
/*
 * slots.c - a guest in whose PCI slots devices come and go.
 *
 * It does by polling what a system does that is told: sets up what came and uses it,
 * and ejects what it is asked to let go of. PARAM_SEED says what else it is up to.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

#define ECAM		0xe0000000u
#define BARS		0xd0000000u	/* a MiB for each slot */
#define INSERTED	0x610
#define LEAVING		0x614
#define EJECT		0x618
#define NR_SLOTS	32u

static struct device devices[NR_SLOTS];
static struct {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
} header;
static uint8_t data[512];
static volatile uint8_t status;

static uintptr_t function(uint32_t slot)
{
	return ECAM + slot * 0x8000u;
}

static bool there(uint32_t slot)
{
	return load16(function(slot) + PCI_VENDOR_ID) == 0x1af4;
}

/* As no firmware has. */
static void set_bars(uint32_t slot)
{
	uintptr_t f = function(slot);

	CHECK(load16(f + PCI_COMMAND) == 0, slot);
	store32(f + PCI_BASE_ADDRESS_0, BARS + (slot << 20));
	store32(f + PCI_BASE_ADDRESS_1, 0);
	store32(f + PCI_BASE_ADDRESS_4, BARS + (slot << 20) + 0x80000);
	store16(f + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* A disk gets a request that the guest does not wait for; entropy is waited for. */
static void use(struct device *dev)
{
	if (dev->id == VIRTIO_ID_BLOCK) {
		const struct segment s[] = {
			{ &header, sizeof(header) }, { data, sizeof(data) },
			{ (const void *)(uintptr_t)&status, 1 },
		};

		header.type = VIRTIO_BLK_T_IN;
		ring_offer(dev, 0, 0, s, 1, 2);
	} else {
		const struct segment s = { data, 64 };
		uint32_t used;

		ring_offer(dev, 0, 0, &s, 0, 1);
		used = ring_wait(dev, 0, 0);
		CHECK(used == 64, used);
	}
}

static void came(uint32_t slot)
{
	const uint32_t id = load16(function(slot) + PCI_DEVICE_ID) - 0x1040u;

	/* It may be gone again, or have come before its rings were used up. */
	if (!there(slot))
		return;
	set_bars(slot);
	ring_reuse();
	CHECK(device_find(&devices[slot], TRANSPORT_PCI, id), slot);
	device_up(&devices[slot], 0, 1);
	use(&devices[slot]);
	step(STEP_CAME);
}

/* What a driver may do to a device that may go at any moment. */
static void hammer(uint32_t slot)
{
	uintptr_t bar = BARS + (slot << 20);

	store32(bar, 1);			/* device feature select */
	(void)load32(bar + 4);
	store8(bar + 20, 0);			/* status: the loop has to do with it */
	store8(bar + 20, 1);
	store16(bar + 0x1000, 0);		/* doorbell */
	(void)load32(bar + 0x80000);		/* MSI-X */
	store32(function(slot) + PCI_BASE_ADDRESS_0, BARS + (slot << 20));
	store16(function(slot) + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void guest_main(void)
{
	const uint32_t seed = param(PARAM_SEED);

	step(STEP_UP);
	for (;;) {
		uint32_t inserted = in32(INSERTED), leaving = in32(LEAVING);

		for (uint32_t slot = 1; slot < NR_SLOTS; slot++) {
			if ((inserted >> slot & 1) && !(seed & SLOTS_HAMMER))
				came(slot);
		}
		if (seed & SLOTS_HAMMER)
			hammer(1);
		if (seed & SLOTS_UNASKED)
			out32(EJECT, UINT32_MAX);
		if (leaving && !(seed & SLOTS_REFUSE)) {
			out32(EJECT, leaving);
			step(STEP_WENT);
		}
		if (seed & SLOTS_UNASKED && inserted) {
			for (uint32_t slot = 1; slot < NR_SLOTS; slot++) {
				if (inserted >> slot & 1)
					use(&devices[slot]);
			}
			step(STEP_ROUND);
		}
	}
}
