/* SPDX-License-Identifier: MIT */
/*
 * pci_gone.c - slots whose device was torn out, until the guest has seen that.
 *
 * Such a slot is given to nobody else. Its configuration space reads as ones, by which a
 * guest knows. But where its BARs answered there are zeros, unlike on a board: to let
 * go of a device, Linux's virtio-pci resets it and waits until its status reads 0
 * (VIRTIO 1.2, 4.1.4.3.2), without a limit, and on the thread that does all hot plug. Ones
 * there would leave the guest without hot plug until it is reset.
 */
#include "bus/bus_priv.h"
#include "bus/pci_impl_priv.h"

static uint64_t gone_read(void *state, uint64_t offset, uint32_t width)
{
	return 0;
}

static const struct vmm_range_ops gone_ops = {
	.size = sizeof(struct vmm_range_ops),
	.read = gone_read,
};

void vmm__pci_hold(struct pci_bus *pci, uint32_t slot)
{
	pthread_mutex_lock(&pci->lock);
	pci->held |= 1u << slot;
	pthread_mutex_unlock(&pci->lock);
}

void vmm__pci_bar_gone(struct pci_bus *pci, uint32_t slot, uint32_t bar, uint64_t base, uint64_t size)
{
	const struct bus_range range = { .base = base, .length = size, .ops = &gone_ops };

	if ((pci->held >> slot & 1) && vmm__bus_add(pci->mmio, &range) == 0)
		pci->gone[slot][bar] = base;
}

void vmm__pci_release(struct pci_bus *pci, uint32_t slots)
{
	pthread_mutex_lock(&pci->lock);
	pci->held &= ~slots;
	for (uint32_t i = 0; i < PCI_SLOTS * PCI_BARS; i++) {
		uint64_t *base = &pci->gone[i / PCI_BARS][i % PCI_BARS];

		if ((slots >> (i / PCI_BARS) & 1) && *base) {
			vmm__bus_remove(pci->mmio, *base);
			*base = 0;
		}
	}
	/* A BAR may have been moved there meanwhile. */
	vmm__pci_place_bars(pci);
	pthread_mutex_unlock(&pci->lock);
}
