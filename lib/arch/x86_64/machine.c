/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the devices that an x86-64 machine has in itself: keyboard
 * controller, real time clock, power controls, PCI slots, panic port, and the ways to reset it.
 */
#include <errno.h>
#include <stdlib.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "devices/legacy/i8042_priv.h"
#include "devices/legacy/pci_slots_priv.h"
#include "devices/legacy/power_priv.h"
#include "devices/legacy/pvpanic_priv.h"
#include "devices/legacy/rtc_cmos_priv.h"

struct arch_machine {
	struct arch_machine_host host;
	struct i8042 *i8042;
	struct rtc_cmos *rtc;
	struct power *power;
	struct pci_slots *slots;
	struct pvpanic *pvpanic;
};

int vmm__arch_machine_create(const struct arch_machine_host *host,
			     struct arch_machine **ret_machine)
{
	struct arch_machine *machine = calloc(1, sizeof(*machine));
	int r;

	if (!machine)
		return vmm__fail(-ENOMEM, "no memory for the machine");

	machine->host = *host;
	host = &machine->host;
	r = vmm__i8042_create(host, X86_PORT_I8042, X86_GSI_KEYBOARD, &machine->i8042);
	if (r < 0)
		goto free_machine;
	r = vmm__rtc_create(host->ports, X86_PORT_RTC, &machine->rtc);
	if (r < 0)
		goto destroy_i8042;
	r = vmm__power_create(host, X86_PORT_POWER, X86_GSI_EVENTS, &machine->power);
	if (r < 0)
		goto destroy_rtc;
	r = vmm__pci_slots_create(host, X86_PORT_SLOTS, machine->power, &machine->slots);
	if (r < 0)
		goto destroy_power;
	r = vmm__pvpanic_create(host, host->ports, X86_PORT_PVPANIC, &machine->pvpanic);
	if (r < 0)
		goto destroy_slots;

	*ret_machine = machine;
	return 0;

destroy_slots:
	vmm__pci_slots_destroy(machine->slots);
destroy_power:
	vmm__power_destroy(machine->power);
destroy_rtc:
	vmm__rtc_destroy(machine->rtc);
destroy_i8042:
	vmm__i8042_destroy(machine->i8042);
free_machine:
	free(machine);
	return r;
}

void vmm__arch_machine_destroy(struct arch_machine *machine)
{
	if (!machine)
		return;

	vmm__pvpanic_destroy(machine->pvpanic);
	vmm__pci_slots_destroy(machine->slots);
	vmm__power_destroy(machine->power);
	vmm__rtc_destroy(machine->rtc);
	vmm__i8042_destroy(machine->i8042);
	free(machine);
}

void vmm__arch_machine_reset(struct arch_machine *machine)
{
	vmm__pci_slots_reset(machine->slots);
	vmm__power_reset(machine->power);
	vmm__rtc_reset(machine->rtc);
	vmm__i8042_reset(machine->i8042);
}

void vmm__arch_machine_power_button(struct arch_machine *machine)
{
	vmm__power_event(machine->power, POWER_EVENT_BUTTON);
}

static void slot_inserted(struct arch_machine *machine, uint32_t slot)
{
	vmm__pci_slots_inserted(machine->slots, slot);
}

static void slot_leave(struct arch_machine *machine, uint32_t slot)
{
	vmm__pci_slots_leave(machine->slots, slot);
}

const struct arch_hotplug vmm__x86_hotplug = {
	.inserted = slot_inserted,
	.leave = slot_leave,
};
