/* SPDX-License-Identifier: MIT */
/* pci_impl_priv.h - the inside of a PCI bus, for pci.c, pci_config.c and pci_intx.c. */
#ifndef BUS_PCI_IMPL_PRIV_H
#define BUS_PCI_IMPL_PRIV_H

#include "arch/arch_priv.h"
#include "bus/pci_priv.h"

#define PCI_GSIS_MAX	32

struct pci_bus {
	struct bus *mmio;
	struct bus *ports;		/* NULL: a machine without ports */
	struct irqs *irqs;
	const struct arch_layout *layout;

	pthread_mutex_t lock;		/* configuration space and BARs */
	struct pci_function *slots[PCI_SLOTS];	/* atomic */
	uint32_t held;			/* slots that are given to nobody */
	uint64_t gone[PCI_SLOTS][PCI_BARS];	/* where a torn-out BAR answered; 0: none */
	struct pci_function bridge;
	uint32_t address;		/* atomic: the register at port 0xcf8 */

	void (*reset)(void *data);	/* the guest asked for it at port 0xcf9; may be NULL */
	void *reset_data;

	pthread_mutex_t wires;
	uint32_t asserted[PCI_GSIS_MAX];	/* functions that hold each wire up */
};

/* With the bus's lock: let each BAR answer where its registers say, if that can be. */
void vmm__pci_place_bars(struct pci_bus *pci);

/* With the bus's lock: a BAR of this slot answered there and does not any more. See pci_gone.c. */
void vmm__pci_bar_gone(struct pci_bus *pci, uint32_t slot, uint32_t bar, uint64_t base, uint64_t size);

/* The command register's interrupt disable bit changed. */
void vmm__pci_intx_mask(struct pci_function *f, bool masked);

/* GSI of its pin A; false: it has none. */
bool vmm__pci_gsi(const struct pci_function *f, uint32_t *ret_gsi);

extern const struct vmm_range_ops vmm__pci_ecam_range;
extern const struct vmm_range_ops vmm__pci_port_range;

#define PCI_ECAM_LENGTH		(1u << 20)	/* one bus */
#define PCI_PORT_ADDRESS	0xcf8u
#define PCI_PORT_LENGTH		8u

#endif
