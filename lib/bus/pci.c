/* SPDX-License-Identifier: MIT */
/*
 * pci.c - one PCI bus: slots, capabilities, and where BARs answer.
 *
 * BARs begin where firmware would have put them, and a guest moves them as it
 * likes. A BAR answers only inside the windows that the host bridge forwards and
 * where nothing else does: one that is put over RAM, an interrupt controller or
 * another BAR answers nowhere, until its place is free.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus_priv.h"
#include "bus/pci_impl_priv.h"
#include "core/error_priv.h"

/* A generic host bridge, to which no system binds a driver. */
#define BRIDGE_VENDOR	0x1b36
#define BRIDGE_DEVICE	0x0008
#define BRIDGE_CLASS	0x060000

#define COMMAND_WRITABLE	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)

/* ---- BARs ---- */

/* Inside one of the windows that the host bridge forwards. */
static bool in_window(const struct arch_layout *l, uint64_t base, uint64_t size)
{
	return (base >= l->pci_base && size <= l->pci_size &&
		base - l->pci_base <= l->pci_size - size) ||
	       (base >= l->pci64_base && size <= l->pci64_size &&
		base - l->pci64_base <= l->pci64_size - size);
}

/* Where the registers say that the BAR is. False: it is not decoded. */
static bool bar_wanted(const struct pci_function *f, uint32_t index, uint64_t *ret_base)
{
	const struct pci_bar *bar = &f->bars[index];
	uint32_t reg = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t base = vmm__pci_load(f, reg, 4) & PCI_BASE_ADDRESS_MEM_MASK;

	if (bar->size == 0 || !(vmm__pci_load(f, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return false;
	base &= UINT32_MAX;
	if (bar->wide)
		base |= (uint64_t)vmm__pci_load(f, reg + 4, 4) << 32;
	*ret_base = base;
	return in_window(f->bus->layout, base, bar->size);
}

static void bar_hide(struct pci_function *f, uint32_t index)
{
	struct pci_bar *bar = &f->bars[index];

	vmm__bus_remove(f->bus->mmio, bar->base);
	bar->answers = false;
	if (f->ops->bar_moved)
		f->ops->bar_moved(f->state, index, false, 0);
}

static void bar_show(struct pci_function *f, uint32_t index, uint64_t base)
{
	struct pci_bar *bar = &f->bars[index];
	struct bus_range range = {
		.base = base, .length = bar->size, .ops = bar->ops, .state = bar->state,
	};

	if (vmm__bus_add(f->bus->mmio, &range) < 0)
		return;
	bar->base = base;
	bar->answers = true;
	if (f->ops->bar_moved)
		f->ops->bar_moved(f->state, index, true, base);
}

/* All that have to go go first: their places may be wanted by others. */
void vmm__pci_place_bars(struct pci_bus *pci)
{
	for (int show = 0; show < 2; show++) {
		for (uint32_t i = 0; i < PCI_SLOTS * PCI_BARS; i++) {
			struct pci_function *f = pci->slots[i / PCI_BARS];
			struct pci_bar *bar = f ? &f->bars[i % PCI_BARS] : NULL;
			uint64_t base = 0;

			if (!bar || bar->size == 0)
				continue;
			if (!bar_wanted(f, i % PCI_BARS, &base)) {
				if (bar->answers)
					bar_hide(f, i % PCI_BARS);
			} else if (!show && bar->answers && bar->base != base) {
				bar_hide(f, i % PCI_BARS);
			} else if (show && !bar->answers) {
				bar_show(f, i % PCI_BARS, base);
			}
		}
	}
}

/* With the lock: the first place in the 32-bit window that no BAR was assigned. */
static int bar_assign(const struct pci_bus *pci, uint64_t size, uint64_t *ret_base)
{
	const struct arch_layout *l = pci->layout;
	uint64_t base = (l->pci_base + size - 1) & ~(size - 1);

	for (uint32_t i = 0; i < PCI_SLOTS * PCI_BARS; i++) {
		const struct pci_function *f = pci->slots[i / PCI_BARS];
		const struct pci_bar *bar = f ? &f->bars[i % PCI_BARS] : NULL;

		if (!bar || bar->size == 0 || base >= bar->assigned + bar->size ||
		    bar->assigned >= base + size)
			continue;
		base = (bar->assigned + bar->size + size - 1) & ~(size - 1);
		i = (uint32_t)-1;	/* look at all of them again, from there */
	}

	if (base < l->pci_base || base - l->pci_base > l->pci_size || size > l->pci_size ||
	    base - l->pci_base > l->pci_size - size)
		return vmm__fail(-ENOSPC, "no room for a PCI BAR of %llu bytes",
				 (unsigned long long)size);
	*ret_base = base;
	return 0;
}

static void initial_store(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value)
{
	vmm__pci_store(f, offset, width, value);
	memcpy(f->initial + offset, f->config + offset, width);
}

int vmm__pci_add_bar(struct pci_function *f, uint32_t index, uint64_t size, bool wide,
		     const struct vmm_range_ops *ops, void *state)
{
	uint32_t reg = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t base = 0, mask = ~(size - 1);
	int r;

	pthread_mutex_lock(&f->bus->lock);
	r = bar_assign(f->bus, size, &base);
	if (r == 0 && wide)
		initial_store(f, reg + 4, 4, (uint32_t)(base >> 32));
	if (r == 0) {
		f->bars[index] = (struct pci_bar){
			.size = size, .wide = wide, .ops = ops, .state = state, .assigned = base,
		};
		initial_store(f, reg, 4,
			      (uint32_t)base | (wide ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0));
		for (uint32_t i = 0; i < (wide ? 8 : 4); i++)
			f->writable[reg + i] = (uint8_t)(mask >> (8 * i));
		vmm__pci_place_bars(f->bus);
	}
	pthread_mutex_unlock(&f->bus->lock);
	return r;
}

uint64_t vmm__pci_bar_read(const struct pci_function *f, uint32_t bar, uint64_t offset,
			   uint32_t width)
{
	const struct pci_bar *b = bar < PCI_BARS ? &f->bars[bar] : NULL;

	if (!b || offset >= b->size || width > b->size - offset || !b->ops->read)
		return UINT64_MAX;
	return b->ops->read(b->state, offset, width);
}

void vmm__pci_bar_write(const struct pci_function *f, uint32_t bar, uint64_t offset, uint32_t width,
			uint64_t value)
{
	const struct pci_bar *b = bar < PCI_BARS ? &f->bars[bar] : NULL;

	if (b && offset < b->size && width <= b->size - offset && b->ops->write)
		b->ops->write(b->state, offset, width, value);
}

/* ---- functions ---- */

uint32_t vmm__pci_add_capability(struct pci_function *f, uint8_t id, const void *body,
				 const void *writable, uint32_t length)
{
	uint32_t offset = f->next_capability;

	initial_store(f, f->last_capability, 1, offset);
	initial_store(f, offset, 1, id);
	memcpy(f->config + offset + 2, body, length - 2);
	memcpy(f->initial + offset + 2, body, length - 2);
	if (writable)
		memcpy(f->writable + offset + 2, writable, length - 2);
	initial_store(f, PCI_STATUS, 1, PCI_STATUS_CAP_LIST);

	f->last_capability = offset + PCI_CAP_LIST_NEXT;
	f->next_capability = (offset + length + 3) & ~3u;
	return offset;
}

static void header_init(struct pci_function *f, const struct pci_identity *identity)
{
	initial_store(f, PCI_VENDOR_ID, 2, identity->vendor);
	initial_store(f, PCI_DEVICE_ID, 2, identity->device);
	initial_store(f, PCI_CLASS_REVISION, 4, identity->class << 8 | identity->revision);
	initial_store(f, PCI_SUBSYSTEM_VENDOR_ID, 2, identity->subsystem_vendor);
	initial_store(f, PCI_SUBSYSTEM_ID, 2, identity->subsystem);
	f->next_capability = PCI_STD_HEADER_SIZEOF;
	f->last_capability = PCI_CAPABILITY_LIST;
	f->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	f->writable[PCI_LATENCY_TIMER] = 0xff;
	f->writable[PCI_INTERRUPT_LINE] = 0xff;
}

/* What firmware leaves behind: decoding on, as is DMA, and the interrupt line noted. */
static void function_enable(struct pci_function *f)
{
	uint32_t gsi;

	initial_store(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	f->writable[PCI_COMMAND] = COMMAND_WRITABLE & 0xff;
	f->writable[PCI_COMMAND + 1] = COMMAND_WRITABLE >> 8;
	if (vmm__pci_gsi(f, &gsi)) {
		initial_store(f, PCI_INTERRUPT_LINE, 1, gsi);
		initial_store(f, PCI_INTERRUPT_PIN, 1, 1);
	}
}

int vmm__pci_add(struct pci_bus *pci, struct pci_function *f, const struct pci_identity *identity,
		 const struct pci_function_ops *ops, void *state)
{
	uint32_t slot = 1;

	pthread_mutex_lock(&pci->lock);
	while (slot < PCI_SLOTS && (pci->slots[slot] || (pci->held >> slot & 1)))
		slot++;
	if (slot < PCI_SLOTS) {
		*f = (struct pci_function){
			.bus = pci, .slot = slot, .ops = ops, .state = state,
			.hidden = identity->hidden,
		};
		header_init(f, identity);
		function_enable(f);
		__atomic_store_n(&pci->slots[slot], f, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&pci->lock);

	if (slot == PCI_SLOTS)
		return vmm__fail(-ENOSPC, "all %u PCI slots are taken", PCI_SLOTS - 1);
	return 0;
}

void vmm__pci_show(struct pci_function *f)
{
	/* Its header before the sight of it: pairs with the look-up in pci_config.c. */
	__atomic_store_n(&f->hidden, false, __ATOMIC_RELEASE);
}

void vmm__pci_remove(struct pci_function *f)
{
	(void)vmm__pci_intx_take(f);
	pthread_mutex_lock(&f->bus->lock);
	for (uint32_t i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &f->bars[i];

		if (bar->answers) {
			bar_hide(f, i);
			vmm__pci_bar_gone(f->bus, f->slot, i, bar->base, bar->size);
		}
	}
	__atomic_store_n(&f->bus->slots[f->slot], NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&f->bus->lock);
}

/* There is one bus, number 0, and each slot has one function. */
uint32_t vmm__pci_requester(const struct pci_function *f)
{
	return f->slot << 3;
}

void vmm__pci_reset(struct pci_function *f)
{
	(void)vmm__pci_intx_take(f);
	pthread_mutex_lock(&f->bus->lock);
	memcpy(f->config, f->initial, sizeof(f->config));
	vmm__pci_intx_mask(f, false);
	vmm__pci_place_bars(f->bus);
	pthread_mutex_unlock(&f->bus->lock);
}

void vmm__pci_unassign(struct pci_function *f)
{
	pthread_mutex_lock(&f->bus->lock);
	vmm__pci_store(f, PCI_COMMAND, 2, 0);
	for (uint32_t i = PCI_BASE_ADDRESS_0; i < PCI_CARDBUS_CIS; i++)
		f->config[i] &= (uint8_t)~f->writable[i];
	vmm__pci_place_bars(f->bus);
	pthread_mutex_unlock(&f->bus->lock);
}

/* ---- the bus ---- */

static const struct pci_function_ops bridge_ops;

static void bridge_init(struct pci_bus *pci)
{
	const struct pci_identity identity = {
		.vendor = BRIDGE_VENDOR, .device = BRIDGE_DEVICE, .class = BRIDGE_CLASS,
	};

	pci->bridge = (struct pci_function){ .bus = pci, .ops = &bridge_ops };
	header_init(&pci->bridge, &identity);
	pci->slots[0] = &pci->bridge;
}

int vmm__pci_create(const struct arch_layout *layout, struct bus *mmio, struct bus *ports,
		    struct irqs *irqs, struct pci_bus **ret_pci)
{
	struct pci_bus *pci = calloc(1, sizeof(*pci));
	struct bus_range ecam = { .base = layout->ecam_base, .length = PCI_ECAM_LENGTH,
				  .ops = &vmm__pci_ecam_range, .state = pci };
	struct bus_range port = { .base = PCI_PORT_ADDRESS, .length = PCI_PORT_LENGTH,
				  .ops = &vmm__pci_port_range, .state = pci };
	int r;

	if (!pci)
		return vmm__fail(-ENOMEM, "no memory for a PCI bus");
	*pci = (struct pci_bus){ .mmio = mmio, .ports = ports, .irqs = irqs, .layout = layout };
	pthread_mutex_init(&pci->lock, NULL);
	pthread_mutex_init(&pci->wires, NULL);
	bridge_init(pci);

	r = vmm__bus_add(mmio, &ecam);
	if (r < 0)
		goto free_pci;
	if (ports)
		r = vmm__bus_add(ports, &port);
	if (r < 0)
		goto remove_ecam;
	*ret_pci = pci;
	return 0;

remove_ecam:
	vmm__bus_remove(mmio, ecam.base);
free_pci:
	pthread_mutex_destroy(&pci->wires);
	pthread_mutex_destroy(&pci->lock);
	free(pci);
	return r;
}

void vmm__pci_on_reset(struct pci_bus *pci, void (*reset)(void *data), void *data)
{
	pci->reset = reset;
	pci->reset_data = data;
}

void vmm__pci_destroy(struct pci_bus *pci)
{
	if (!pci)
		return;
	if (pci->ports)
		vmm__bus_remove(pci->ports, PCI_PORT_ADDRESS);
	vmm__bus_remove(pci->mmio, pci->layout->ecam_base);
	pthread_mutex_destroy(&pci->wires);
	pthread_mutex_destroy(&pci->lock);
	free(pci);
}
