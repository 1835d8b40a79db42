/* SPDX-License-Identifier: MIT */
/*
 * pci_slots_priv.h - tell a guest of PCI devices that come, and ask for those that are to go.
 *
 * Twelve ports, three registers of 32 bits with a bit for each slot. The machine's AML
 * reads them after an event of power.c.
 */
#ifndef DEVICES_LEGACY_PCI_SLOTS_PRIV_H
#define DEVICES_LEGACY_PCI_SLOTS_PRIV_H

#include "arch/arch_priv.h"

/* Ports, from the base on. */
enum {
	PCI_SLOTS_INSERTED	= 0,	/* something is new in these; reading takes them */
	PCI_SLOTS_LEAVING	= 4,	/* let go of what is in these; reading takes them */
	PCI_SLOTS_EJECT		= 8,	/* written: the guest has */
	PCI_SLOTS_PORTS		= 12,
};

struct pci_slots;
struct power;

/* @host is borrowed: host->ejected() is called; @power (borrowed) raises the event. */
int vmm__pci_slots_create(const struct arch_machine_host *host, uint16_t base,
			  struct power *power, struct pci_slots **ret_slots);
void vmm__pci_slots_destroy(struct pci_slots *slots);

/* Nothing is pending, as after power on. */
void vmm__pci_slots_reset(struct pci_slots *slots);

/* Any thread. */
void vmm__pci_slots_inserted(struct pci_slots *slots, uint32_t slot);
void vmm__pci_slots_leave(struct pci_slots *slots, uint32_t slot);

#endif
