/* SPDX-License-Identifier: MIT */
/*
 * hostile.c - a guest that writes garbage: into every device register, and into rings.
 *
 * A round either writes random registers, or brings a device up properly on
 * rings full of random descriptors and rings its bell. Addresses are chosen near
 * the edges where a check could be wrong. Its own page tables and code are left
 * alone, or it would only hurt itself.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

#define ARENA_BYTES	65536u
#define LENGTH_MAX	4096u		/* of what may fit */

static uint8_t arena[ARENA_BYTES] __attribute__((aligned(4096)));
static uint64_t seed;
static uint64_t ram_bytes;

/* xorshift64 (Marsaglia) */
static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(any() >> 32) % n;
}

/* An address that a device should refuse, or one inside the arena. */
static uint64_t any_address(void)
{
	switch (below(8)) {
	case 0:
		return RAM_BASE + ram_bytes - below(64);
	case 1:
		return UINT64_MAX - below(4096);
	case 2:
		return MMIO_BASE + below(0x20000);	/* device registers */
	case 3:
		return BARS_BASE + below(0x20000);	/* BARs */
	case 4:
		return any() | 1ull << 40;
	default:
		return (uintptr_t)arena + below(ARENA_BYTES - LENGTH_MAX);
	}
}

static uint32_t any_length(void)
{
	static const uint32_t edges[] = { 0, 1, 12, 511, 512, 4096, 0x7fffffff, 0x80000000, 0xffffffff };

	/* What is longer than LENGTH_MAX is longer than all RAM. */
	return below(2) ? edges[below(sizeof(edges) / sizeof(edges[0]))] : below(2048);
}

static void fill_ring(volatile struct ring_memory *m)
{
	for (uint32_t i = 0; i < RING_ENTRIES; i++) {
		volatile struct ring_desc *d = &m->desc[i];

		d->address = any_address();
		d->length = any_length();
		d->flags = (uint16_t)below(8);
		d->next = (uint16_t)(below(8) ? below(RING_ENTRIES) : any());
		m->avail.ring[i] = (uint16_t)(below(16) ? below(RING_ENTRIES) : any());
	}
	m->avail.flags = (uint16_t)below(2);
	m->avail.index = (uint16_t)(below(8) ? below(RING_ENTRIES + 1) : any());
}

static void ring_bell(struct device *dev, uint32_t n)
{
	if (dev->mmio)
		store32(dev->rings[n].doorbell, n);
	else
		store16(dev->rings[n].doorbell, (uint16_t)n);
}

/* Up by the book, with whatever features; then rings by none. */
static void bad_rings(struct device *dev, uint32_t nr_rings)
{
	if (!device_try_up(dev, any(), nr_rings))
		return;
	for (uint32_t n = 0; n < nr_rings; n++)
		fill_ring(dev->rings[n].memory);
	full_barrier();
	for (uint32_t n = 0; n < nr_rings; n++)
		ring_bell(dev, n);
}

static void bad_write(uintptr_t at)
{
	switch (below(4)) {
	case 0:
		store8(at, (uint8_t)any());
		break;
	case 1:
		store16(at & ~1ul, (uint16_t)any());
		break;
	case 2:
		store32(at & ~3ul, below(2) ? below(4) : (uint32_t)any());
		break;
	default:
		io_store64(at & ~7ul, below(2) ? any_address() : any());
		break;
	}
	(void)load32(at & ~3ul);
}

static void bad_registers(struct device *dev)
{
	for (uint32_t i = 0; i < 12; i++) {
		if (dev->mmio) {
			bad_write(dev->mmio + below(0x1000));
			continue;
		}
		switch (below(6)) {
		case 0:
			bad_write(dev->msix_table + below(0x100));
			break;
		case 1:
			bad_write(dev->isr);
			break;
		case 2:
			bad_write(dev->notify + below(0x1000));
			break;
		case 3:
			if (dev->config)
				bad_write(dev->config + below(0x100));
			break;
		default:
			bad_write(dev->common + below(0x40));
		}
	}
}

/* Any register of the PCI function, then those that place it back where they were. */
static void bad_function(struct device *dev)
{
	uint32_t bars[6], command = load32(dev->function + PCI_COMMAND);

	for (uint32_t i = 0; i < 6; i++)
		bars[i] = load32(dev->function + PCI_BASE_ADDRESS_0 + 4 * i);
	for (uint32_t i = 0; i < 8; i++)
		bad_write(dev->function + below(below(4) ? 256 : 4096));
	store32(dev->function + PCI_COMMAND, 0);
	for (uint32_t i = 0; i < 6; i++)
		store32(dev->function + PCI_BASE_ADDRESS_0 + 4 * i, bars[i]);
	store32(dev->function + PCI_COMMAND, command);
}

void guest_main(void)
{
	static const struct {
		uint32_t id;
		uint32_t nr_rings;
	} kinds[] = {
		{ VIRTIO_ID_BLOCK, 1 }, { VIRTIO_ID_NET, 2 }, { VIRTIO_ID_CONSOLE, 2 }, { VIRTIO_ID_RNG, 1 },
	};
	const uint32_t rounds = param(PARAM_ROUNDS), transport = param(PARAM_TRANSPORT);
	static struct device devices[4];

	seed = param(PARAM_SEED) | 1ull << 40;
	ram_bytes = param(PARAM_RAM);
	for (uint32_t i = 0; i < 4; i++)
		CHECK(device_find(&devices[i], transport, kinds[i].id), i);

	for (uint32_t i = 0; i < rounds; i++) {
		uint32_t k = below(4);

		if (below(2))
			bad_rings(&devices[k], kinds[k].nr_rings);
		if (below(2))
			bad_registers(&devices[k]);
		if (transport == TRANSPORT_PCI && below(4) == 0)
			bad_function(&devices[k]);
		step(STEP_ROUND);
	}
}
