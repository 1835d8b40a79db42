/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the devices that a riscv64 machine has in itself, and the exits that only this
 * architecture has.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/random.h>

#include "arch/riscv64/layout_priv.h"
#include "arch/riscv64/plic_priv.h"
#include "arch/riscv64/sbi_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/pvpanic_priv.h"
#include "devices/legacy/rtc_goldfish_priv.h"
#include "devices/legacy/serial_priv.h"

#define CSR_SEED	0x015u
#define SEED_ES16	(2ul << 30)	/* bits 15:0 are entropy (RISC-V scalar cryptography 4.1) */

struct arch_machine {
	struct arch_machine_host host;
	struct rtc_goldfish *rtc;
	struct pvpanic *pvpanic;
};

static int plic_show(struct arch_machine *machine)
{
	const struct bus_range range = {
		.base = RISCV_PLIC_BASE, .length = RISCV_PLIC_SIZE, .ops = &vmm__plic_range,
		.state = machine->host.vm->plic,
	};

	return range.state ? vmm__bus_add(machine->host.mmio, &range) : 0;
}

static void plic_hide(struct arch_machine *machine)
{
	if (machine->host.vm->plic)
		vmm__bus_remove(machine->host.mmio, RISCV_PLIC_BASE);
}

int vmm__arch_machine_create(const struct arch_machine_host *host,
			     struct arch_machine **ret_machine)
{
	struct arch_machine *machine = calloc(1, sizeof(*machine));
	const struct rtc_goldfish_place rtc = {
		.bus = host->mmio, .base = RISCV_RTC_BASE, .irqs = host->irqs, .gsi = RISCV_GSI_RTC,
		.loop = host->loop,
	};
	int r;

	if (!machine)
		return vmm__fail(-ENOMEM, "no memory for the machine");
	machine->host = *host;
	r = plic_show(machine);
	if (r < 0)
		goto free_machine;
	r = vmm__goldfish_create(&rtc, &machine->rtc);
	if (r < 0)
		goto hide_plic;
	r = vmm__pvpanic_create(&machine->host, host->mmio, RISCV_PVPANIC_BASE, &machine->pvpanic);
	if (r < 0)
		goto destroy_rtc;

	*ret_machine = machine;
	return 0;

destroy_rtc:
	vmm__goldfish_destroy(machine->rtc);
hide_plic:
	plic_hide(machine);
free_machine:
	free(machine);
	return r;
}

void vmm__arch_machine_destroy(struct arch_machine *machine)
{
	if (!machine)
		return;
	vmm__pvpanic_destroy(machine->pvpanic);
	vmm__goldfish_destroy(machine->rtc);
	plic_hide(machine);
	free(machine);
}

void vmm__arch_machine_reset(struct arch_machine *machine)
{
	vmm__goldfish_reset(machine->rtc);
}

/* The wire goes up and down again: that is a key pressed and released. */
void vmm__arch_machine_power_button(struct arch_machine *machine)
{
	(void)vmm__irq_set_line(machine->host.irqs, RISCV_GSI_BUTTON, true);
	(void)vmm__irq_set_line(machine->host.irqs, RISCV_GSI_BUTTON, false);
}

const struct arch_serial *vmm__arch_serial(void)
{
	static const struct arch_serial serial = {
		.model = &vmm__serial_uart16550,
		.name = "ttyS0",
		.base = RISCV_SERIAL_BASE,
		.gsi = RISCV_GSI_SERIAL,
	};

	return &serial;
}

/* ---- exits ---- */

const char *vmm__arch_exit_name(uint32_t reason)
{
	switch (reason) {
	case KVM_EXIT_RISCV_SBI:
		return "call of the firmware";
	case KVM_EXIT_RISCV_CSR:
		return "access to a control register";
	default:
		return NULL;
	}
}

/* KVM gives us registers that it cannot answer: of those it knows today, the seed alone. */
static bool csr(struct kvm_run *run)
{
	uint16_t entropy;

	if (run->riscv_csr.csr_num != CSR_SEED)
		return false;
	if (getrandom(&entropy, sizeof(entropy), GRND_NONBLOCK) != sizeof(entropy))
		run->riscv_csr.ret_value = 1ul << 30;	/* WAIT */
	else
		run->riscv_csr.ret_value = SEED_ES16 | entropy;
	return true;
}

enum arch_exit_kind vmm__arch_exit(struct arch_machine *machine, struct kvm_run *run,
				   struct arch_exit *ret_exit)
{
	/* Without a machine the caller is the firmware. */
	if (!machine)
		return ARCH_EXIT_UNKNOWN;
	switch (run->exit_reason) {
	case KVM_EXIT_RISCV_SBI:
		vmm__riscv_sbi(&machine->host, run);
		return ARCH_EXIT_ANSWERED;
	case KVM_EXIT_RISCV_CSR:
		return csr(run) ? ARCH_EXIT_ANSWERED : ARCH_EXIT_UNKNOWN;
	default:
		return ARCH_EXIT_UNKNOWN;
	}
}
