/* SPDX-License-Identifier: MIT */
/* fdt_machine.c - the nodes that all machines with a device tree share. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "arch/arch_priv.h"
#include "boot/fdt_priv.h"
#include "core/memory_priv.h"

#define KEY_POWER	116	/* linux/input-event-codes.h */

void vmm__fdt_interrupt(struct fdt *fdt, const struct fdt_machine *machine, uint32_t gsi, bool edge)
{
	uint32_t cells[FDT_IRQ_CELLS_MAX];

	vmm__fdt_cells(fdt, "interrupts", cells, machine->irq(gsi, edge, cells));
}

void vmm__fdt_root(struct fdt *fdt, const struct fdt_machine *machine)
{
	vmm__fdt_string(fdt, "compatible", "linux,dummy-virt");
	vmm__fdt_string(fdt, "model", "libvmm");
	vmm__fdt_u32(fdt, "#address-cells", 2);
	vmm__fdt_u32(fdt, "#size-cells", 2);
	if (!machine->intc_below)
		vmm__fdt_u32(fdt, "interrupt-parent", machine->intc);
	vmm__fdt_empty(fdt, "dma-coherent");
}

/* Fresh at each start; the kernel wipes both once it has them. */
static void seeds(struct fdt *fdt)
{
	uint8_t seed[64 + 8];

	/* (It cannot be interrupted, nor be short, for up to 256 bytes.) */
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		return;
	vmm__fdt_bytes(fdt, "rng-seed", seed, 64);
	vmm__fdt_bytes(fdt, "kaslr-seed", seed + 64, 8);
	explicit_bzero(seed, sizeof(seed));
}

void vmm__fdt_chosen(struct fdt *fdt, const struct fdt_machine *machine, const char *serial)
{
	const struct boot_entry *boot = machine->desc->boot;

	vmm__fdt_begin(fdt, "chosen");
	vmm__fdt_string(fdt, "bootargs", machine->desc->cmdline ? machine->desc->cmdline : "");
	if (serial)
		vmm__fdt_string(fdt, "stdout-path", serial);
	if (boot->initrd_size > 0) {
		vmm__fdt_u64(fdt, "linux,initrd-start", boot->initrd);
		vmm__fdt_u64(fdt, "linux,initrd-end", boot->initrd + boot->initrd_size);
	}
	seeds(fdt);
	vmm__fdt_end(fdt);
}

void vmm__fdt_memory(struct fdt *fdt, const struct fdt_machine *machine)
{
	for (size_t i = 0; i < machine->mem->nr_regions; i++) {
		const struct mem_region *r = &machine->mem->regions[i];

		vmm__fdt_begin_at(fdt, "memory", r->gpa);
		vmm__fdt_string(fdt, "device_type", "memory");
		vmm__fdt_reg(fdt, r->gpa, r->size);
		vmm__fdt_end(fdt);
	}
}

/* ---- PCI (IEEE Std 1275 PCI bus binding; host-generic-pci.yaml) ---- */

enum { PCI_SPACE_32 = 0x02000000, PCI_SPACE_64 = 0x03000000, PCI_PINS = 4 };

static void pci_ranges(struct fdt *fdt, const struct arch_layout *l)
{
	const uint32_t cells[] = {
		PCI_SPACE_32, 0, (uint32_t)l->pci_base,
		(uint32_t)(l->pci_base >> 32), (uint32_t)l->pci_base,
		(uint32_t)(l->pci_size >> 32), (uint32_t)l->pci_size,
		PCI_SPACE_64, (uint32_t)(l->pci64_base >> 32), (uint32_t)l->pci64_base,
		(uint32_t)(l->pci64_base >> 32), (uint32_t)l->pci64_base,
		(uint32_t)(l->pci64_size >> 32), (uint32_t)l->pci64_size,
	};

	vmm__fdt_cells(fdt, "ranges", cells, l->pci64_size > 0 ? 14 : 7);
}

/*
 * The slots' pins take turns on the GSIs: for each of the slots after which it repeats, and each
 * pin, the child's address and pin, and the parent's.
 */
static void pci_interrupt_map(struct fdt *fdt, const struct fdt_machine *machine)
{
	const struct arch_layout *l = machine->desc->layout;
	const uint32_t mask[] = { (l->nr_pci_gsis - 1) << 11, 0, 0, 7 };
	uint32_t cells[8 * PCI_PINS * (4 + 1 + 2 + FDT_IRQ_CELLS_MAX)];
	size_t n = 0;

	for (uint32_t slot = 0; slot < l->nr_pci_gsis && slot < 8; slot++) {
		for (uint32_t pin = 0; pin < PCI_PINS; pin++) {
			cells[n++] = slot << 11;
			cells[n++] = 0;
			cells[n++] = 0;
			cells[n++] = pin + 1;
			cells[n++] = machine->intc;
			for (uint32_t i = 0; i < machine->intc_address_cells; i++)
				cells[n++] = 0;
			n += machine->irq(l->pci_gsi + (slot + pin) % l->nr_pci_gsis, false, cells + n);
		}
	}
	vmm__fdt_u32(fdt, "#interrupt-cells", 1);
	vmm__fdt_cells(fdt, "interrupt-map-mask", mask, 4);
	vmm__fdt_cells(fdt, "interrupt-map", cells, n);
}

void vmm__fdt_pci(struct fdt *fdt, const struct fdt_machine *machine)
{
	const struct arch_layout *l = machine->desc->layout;
	const uint32_t buses[] = { 0, 0 }, all[] = { 0, machine->msi, 0, 0x10000 };

	if (!machine->desc->has_pci)
		return;
	vmm__fdt_begin_at(fdt, "pcie", l->ecam_base);
	vmm__fdt_string(fdt, "compatible", "pci-host-ecam-generic");
	vmm__fdt_string(fdt, "device_type", "pci");
	vmm__fdt_u32(fdt, "#address-cells", 3);
	vmm__fdt_u32(fdt, "#size-cells", 2);
	vmm__fdt_cells(fdt, "bus-range", buses, 2);
	vmm__fdt_u32(fdt, "linux,pci-domain", 0);
	vmm__fdt_reg(fdt, l->ecam_base, 1 << 20);
	vmm__fdt_empty(fdt, "dma-coherent");
	pci_ranges(fdt, l);
	if (machine->msi && machine->msi_map)
		vmm__fdt_cells(fdt, "msi-map", all, 4);
	else if (machine->msi)
		vmm__fdt_u32(fdt, "msi-parent", machine->msi);
	if (l->nr_pci_gsis > 0)
		pci_interrupt_map(fdt, machine);
	vmm__fdt_end(fdt);
}

/* ---- others ---- */

void vmm__fdt_virtio_mmio(struct fdt *fdt, const struct fdt_machine *machine)
{
	const struct machine_desc *desc = machine->desc;

	for (uint32_t i = 0; i < desc->nr_mmio; i++) {
		vmm__fdt_begin_at(fdt, "virtio_mmio", desc->mmio[i].base);
		vmm__fdt_string(fdt, "compatible", "virtio,mmio");
		vmm__fdt_reg(fdt, desc->mmio[i].base, desc->mmio[i].size);
		vmm__fdt_interrupt(fdt, machine, desc->mmio[i].gsi, true);
		vmm__fdt_empty(fdt, "dma-coherent");
		vmm__fdt_end(fdt);
	}
}

/* gpio-keys.yaml: a key without a GPIO is pressed and released by each interrupt. */
void vmm__fdt_power_button(struct fdt *fdt, const struct fdt_machine *machine, uint32_t gsi)
{
	vmm__fdt_begin(fdt, "gpio-keys");
	vmm__fdt_string(fdt, "compatible", "gpio-keys");
	vmm__fdt_string(fdt, "label", "Power Button");
	vmm__fdt_begin(fdt, "power");
	vmm__fdt_string(fdt, "label", "power");
	vmm__fdt_u32(fdt, "linux,code", KEY_POWER);
	vmm__fdt_interrupt(fdt, machine, gsi, true);
	vmm__fdt_end(fdt);
	vmm__fdt_end(fdt);
}

void vmm__fdt_pvpanic(struct fdt *fdt, uint64_t base)
{
	vmm__fdt_begin_at(fdt, "pvpanic", base);
	vmm__fdt_string(fdt, "compatible", "qemu,pvpanic-mmio");
	vmm__fdt_reg(fdt, base, 1);
	vmm__fdt_end(fdt);
}
