/* SPDX-License-Identifier: MIT */
/*
 * pci_slots.c - the registers behind ACPI's hot plug of PCI devices (ACPI 6.4, 5.6.6
 * and 6.3): which slots to look at, which to let go of, and the guest's answer.
 *
 * A slot that is in both registers was vacated or filled again before the guest looked:
 * the later of the two counts.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "devices/legacy/pci_slots_priv.h"
#include "devices/legacy/power_priv.h"

struct pci_slots {
	const struct arch_machine_host *host;
	uint16_t base;
	struct power *power;
	pthread_mutex_t lock;	/* of what follows */
	uint32_t inserted;
	uint32_t leaving;
};

static uint32_t take(struct pci_slots *slots, uint32_t *pending)
{
	uint32_t value;

	pthread_mutex_lock(&slots->lock);
	value = *pending;
	*pending = 0;
	pthread_mutex_unlock(&slots->lock);
	return value;
}

static uint64_t slots_read(void *state, uint64_t offset, uint32_t width)
{
	struct pci_slots *slots = state;

	if (width != 4)
		return 0;
	switch (offset) {
	case PCI_SLOTS_INSERTED:
		return take(slots, &slots->inserted);
	case PCI_SLOTS_LEAVING:
		return take(slots, &slots->leaving);
	default:
		return 0;
	}
}

static void slots_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct pci_slots *slots = state;

	if (offset == PCI_SLOTS_EJECT && width == 4)
		slots->host->ejected(slots->host->data, (uint32_t)value);
}

static const struct vmm_range_ops slots_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "pci-slots",
	.read = slots_read,
	.write = slots_write,
};

int vmm__pci_slots_create(const struct arch_machine_host *host, uint16_t base,
			  struct power *power, struct pci_slots **ret_slots)
{
	struct pci_slots *slots = calloc(1, sizeof(*slots));
	struct bus_range range = { .base = base, .length = PCI_SLOTS_PORTS, .ops = &slots_ops };
	int r;

	if (!slots)
		return vmm__fail(-ENOMEM, "no memory for PCI slots");

	slots->host = host;
	slots->base = base;
	slots->power = power;
	pthread_mutex_init(&slots->lock, NULL);
	range.state = slots;
	r = vmm__bus_add(host->ports, &range);
	if (r < 0)
		goto destroy_lock;

	*ret_slots = slots;
	return 0;

destroy_lock:
	pthread_mutex_destroy(&slots->lock);
	free(slots);
	return r;
}

void vmm__pci_slots_destroy(struct pci_slots *slots)
{
	if (!slots)
		return;

	vmm__bus_remove(slots->host->ports, slots->base);
	pthread_mutex_destroy(&slots->lock);
	free(slots);
}

void vmm__pci_slots_reset(struct pci_slots *slots)
{
	pthread_mutex_lock(&slots->lock);
	slots->inserted = slots->leaving = 0;
	pthread_mutex_unlock(&slots->lock);
}

static void tell(struct pci_slots *slots, uint32_t slot, uint32_t *now, uint32_t *before)
{
	pthread_mutex_lock(&slots->lock);
	*now |= 1u << slot;
	*before &= ~(1u << slot);
	pthread_mutex_unlock(&slots->lock);
	/* The register before the event, which makes the guest read it. */
	vmm__power_event(slots->power, POWER_EVENT_SLOTS);
}

void vmm__pci_slots_inserted(struct pci_slots *slots, uint32_t slot)
{
	tell(slots, slot, &slots->inserted, &slots->leaving);
}

void vmm__pci_slots_leave(struct pci_slots *slots, uint32_t slot)
{
	tell(slots, slot, &slots->leaving, &slots->inserted);
}
