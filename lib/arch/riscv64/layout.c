/* SPDX-License-Identifier: MIT */
/*
 * layout.c - the fixed addresses of the machine, and where RAM goes.
 *
 * One layout for every host: the smallest G-stage translation that the
 * privileged specification has for RV64, Sv39x4, reaches all of it.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/riscv64/layout_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

static const struct arch_layout layout = {
	.mmio_base = RISCV_MMIO_BASE,
	.mmio_stride = RISCV_MMIO_STRIDE,
	.mmio_max = MACHINE_MMIO_MAX,
	.ecam_base = RISCV_ECAM_BASE,
	.pci_base = RISCV_PCI_BASE,
	.pci_size = RISCV_PCI_SIZE,
	.pci64_base = RISCV_PCI64_BASE,
	.pci64_size = RISCV_PCI64_SIZE,
	.pci_gsi = RISCV_GSI_PCI,
	.nr_pci_gsis = RISCV_NR_GSI_PCI,
	.nr_pins = RISCV_NR_PINS,
	.pins_free = ~0ull << RISCV_GSI_FREE,
	.ram_max = RISCV_RAM_END,
};

const struct arch_layout *vmm__arch_layout(int kvm_fd)
{
	return &layout;
}

int vmm__arch_ram_layout(const struct arch_layout *l, uint64_t ram_bytes,
			 struct mem_region *regions, size_t max)
{
	const uint64_t most = l->ram_max - RISCV_RAM_BASE;

	if (ram_bytes == 0 || ram_bytes > most)
		return vmm__fail(-EINVAL, "ram_bytes 0x%llx: a guest here has between one page and %llu GiB",
				 (unsigned long long)ram_bytes, (unsigned long long)(most >> 30));
	if (max < 1)
		return vmm__fail(-EINVAL, "RAM takes one region");

	memset(regions, 0, sizeof(regions[0]));
	regions[0].gpa = RISCV_RAM_BASE;
	regions[0].size = ram_bytes;
	return 1;
}

/* KVM's own table after the AIA's initialisation: each GSI is that source of the APLIC. */
uint32_t vmm__arch_pin_routes(struct kvm_irq_routing_entry *entries, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t gsi = 0; gsi < RISCV_NR_PINS && n < max; gsi++)
		entries[n++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = 0, .pin = gsi },
		};

	return n;
}

uint32_t vmm__arch_irq_line(uint32_t gsi)
{
	return gsi;
}
