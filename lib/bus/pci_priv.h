/* SPDX-License-Identifier: MIT */
/*
 * pci_priv.h - one PCI bus: a host bridge, configuration space, BARs.
 */
#ifndef BUS_PCI_PRIV_H
#define BUS_PCI_PRIV_H

#include <stdint.h>

struct pci_bus;
struct bus;
struct irqs;

/* Configuration space by ECAM and by ports 0xcf8/0xcfc (where there are ports). */
int vmm__pci_create(struct bus *mmio, struct bus *ports, struct irqs *irqs, struct pci_bus **ret_pci);
void vmm__pci_destroy(struct pci_bus *pci);

#endif
