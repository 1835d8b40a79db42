/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the devices that an aarch64 machine has in itself: clock, panic device, power
 * button, and on a GICv2 the frame to which messages are sent. Power off and reset are PSCI's, in KVM.
 */
#include <errno.h>
#include <stdlib.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/pl031_priv.h"
#include "devices/legacy/pvpanic_priv.h"

struct arch_machine {
	struct arch_machine_host host;
	bool v2m;
	struct pl031 *rtc;
	struct pvpanic *pvpanic;
};

/* ---- GICv2m: its registers say which interrupts are its own ---- */

enum { V2M_TYPER = 0x008, V2M_IIDR = 0xfcc };

/* What a device sends there is a route in KVM (vmm__arch_msi_route()); a processor's own write is nothing. */
static uint64_t v2m_read(void *state, uint64_t offset, uint32_t width)
{
	if (width != 4)
		return 0;
	return offset == V2M_TYPER ? A64_V2M_FIRST << 16 | A64_V2M_NR : 0;
}

static const struct vmm_range_ops v2m_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "v2m",
	.read = v2m_read,
};

/* ---- */

int vmm__arch_machine_create(const struct arch_machine_host *host, struct arch_machine **ret_machine)
{
	struct arch_machine *machine = calloc(1, sizeof(*machine));
	const struct bus_range v2m = { .base = A64_V2M_BASE, .length = A64_V2M_SIZE, .ops = &v2m_range };
	int r;

	if (!machine)
		return vmm__fail(-ENOMEM, "no memory for the machine");

	machine->host = *host;
	host = &machine->host;
	r = vmm__pl031_create(host->mmio, A64_RTC_BASE, host->irqs, A64_GSI_RTC, host->loop, &machine->rtc);
	if (r < 0)
		goto free_machine;
	r = vmm__pvpanic_create(host, host->mmio, A64_PVPANIC_BASE, &machine->pvpanic);
	if (r < 0)
		goto destroy_rtc;
	machine->v2m = host->vm && host->vm->gic == 2;
	if (machine->v2m)
		r = vmm__bus_add(host->mmio, &v2m);
	if (r < 0)
		goto destroy_pvpanic;

	*ret_machine = machine;
	return 0;

destroy_pvpanic:
	vmm__pvpanic_destroy(machine->pvpanic);
destroy_rtc:
	vmm__pl031_destroy(machine->rtc);
free_machine:
	free(machine);
	return r;
}

void vmm__arch_machine_destroy(struct arch_machine *machine)
{
	if (!machine)
		return;

	if (machine->v2m)
		vmm__bus_remove(machine->host.mmio, A64_V2M_BASE);
	vmm__pvpanic_destroy(machine->pvpanic);
	vmm__pl031_destroy(machine->rtc);
	free(machine);
}

void vmm__arch_machine_reset(struct arch_machine *machine)
{
	vmm__pl031_reset(machine->rtc);
}

/* An edge, which the interrupt controller keeps until the guest takes it. */
void vmm__arch_machine_power_button(struct arch_machine *machine)
{
	(void)vmm__irq_set_line(machine->host.irqs, A64_GSI_BUTTON, true);
	(void)vmm__irq_set_line(machine->host.irqs, A64_GSI_BUTTON, false);
}
