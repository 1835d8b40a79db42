/* SPDX-License-Identifier: MIT */
/*
 * pci_intx.c - interrupt pins (PCI 3.0, 2.2.6): a function holds its wire up
 * while it has a cause; functions share wires.
 *
 * The causes and the level of the wire change together, under one lock: else a
 * cause that is taken while another is raised could leave the wire up for ever.
 */
#include "bus/pci_impl_priv.h"
#include "core/irq_priv.h"

bool vmm__pci_gsi(const struct pci_function *f, uint32_t *ret_gsi)
{
	const struct arch_layout *l = f->bus->layout;

	if (l->nr_pci_gsis == 0 || l->nr_pci_gsis > PCI_GSIS_MAX)
		return false;
	*ret_gsi = l->pci_gsi + f->slot % l->nr_pci_gsis;
	return true;
}

/* With the wires' lock. */
static void wire_update(struct pci_function *f)
{
	bool raise = f->causes && !f->muted && !f->masked;
	uint32_t gsi;
	uint32_t *holders;

	if (raise == f->raised || !vmm__pci_gsi(f, &gsi))
		return;

	f->raised = raise;
	holders = &f->bus->asserted[gsi - f->bus->layout->pci_gsi];
	*holders += raise ? 1 : -1u;
	if (*holders == (raise ? 1 : 0))
		(void)vmm__irq_set_line(f->bus->irqs, gsi, raise);
}

void vmm__pci_intx_raise(struct pci_function *f, uint32_t causes)
{
	pthread_mutex_lock(&f->bus->wires);
	f->causes |= causes;
	wire_update(f);
	pthread_mutex_unlock(&f->bus->wires);
}

uint32_t vmm__pci_intx_take(struct pci_function *f)
{
	uint32_t causes;

	pthread_mutex_lock(&f->bus->wires);
	causes = f->causes;
	f->causes = 0;
	wire_update(f);
	pthread_mutex_unlock(&f->bus->wires);
	return causes;
}

bool vmm__pci_intx_pending(struct pci_function *f)
{
	bool pending;

	pthread_mutex_lock(&f->bus->wires);
	pending = f->causes != 0;
	pthread_mutex_unlock(&f->bus->wires);
	return pending;
}

void vmm__pci_intx_mute(struct pci_function *f, bool mute)
{
	pthread_mutex_lock(&f->bus->wires);
	f->muted = mute;
	wire_update(f);
	pthread_mutex_unlock(&f->bus->wires);
}

void vmm__pci_intx_mask(struct pci_function *f, bool masked)
{
	pthread_mutex_lock(&f->bus->wires);
	f->masked = masked;
	wire_update(f);
	pthread_mutex_unlock(&f->bus->wires);
}
