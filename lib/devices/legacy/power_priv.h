/* SPDX-License-Identifier: MIT */
/*
 * power_priv.h - power off, reset and the events of a hardware-reduced ACPI machine.
 *
 * Eight ports; ACPI tables tell the guest which is which.
 */
#ifndef DEVICES_LEGACY_POWER_PRIV_H
#define DEVICES_LEGACY_POWER_PRIV_H

#include "arch/arch_priv.h"

/* Ports, from the base on. */
enum {
	POWER_SLEEP_CONTROL	= 0,
	POWER_SLEEP_STATUS	= 1,
	POWER_RESET		= 2,
	POWER_EVENTS		= 4,	/* pending events; reading takes them */
};

enum {
	POWER_RESET_VALUE	= 1,
	POWER_SLEEP_TYPE_OFF	= 5,
	POWER_EVENT_BUTTON	= 1 << 0,
	POWER_EVENT_SLOTS	= 1 << 1,	/* PCI devices came, or are to go: pci_slots.c */
};

struct power;

/* @host is borrowed; an event raises @gsi until the guest has taken it. */
int vmm__power_create(const struct arch_machine_host *host, uint16_t base, uint32_t gsi,
		      struct power **ret_power);
void vmm__power_destroy(struct power *power);
void vmm__power_reset(struct power *power);
void vmm__power_event(struct power *power, uint8_t event);	/* POWER_EVENT_*; any thread */

#endif
