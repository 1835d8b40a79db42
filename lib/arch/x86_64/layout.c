/* SPDX-License-Identifier: MIT */
/*
 * layout.c - the fixed addresses of the machine, and where RAM goes.
 *
 * The only thing that depends on the host is how far physical addresses reach:
 * a 64-bit BAR must lie below the processor's limit, so the window for BARs,
 * and the end of RAM before it, come in a few sizes.
 */
#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"
#include "devices/legacy/serial_priv.h"

#define GIB	(1ull << 30)

/*
 * Pins that a device with a wire may be given: the ISA interrupts that nothing
 * of a PC's has. Those from X86_GSI_PCI on belong to the slots of the PCI bus.
 */
#define PINS_FREE	(1u << 3 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 10 | 1u << 11 | 1u << 12 | \
			 1u << 13 | 1u << 14 | 1u << 15)

#define LAYOUT(ram, window)					\
	{							\
		.has_ports = true,				\
		.mmio_base = X86_MMIO_BASE,			\
		.mmio_stride = X86_MMIO_STRIDE,			\
		.mmio_max = MACHINE_MMIO_MAX,			\
		.ecam_base = X86_ECAM_BASE,			\
		.pci_base = X86_PCI_BASE,			\
		.pci_size = X86_PCI_SIZE,			\
		.pci64_base = (ram),				\
		.pci64_size = (window),				\
		.pci_gsi = X86_GSI_PCI,				\
		.nr_pci_gsis = X86_NR_GSI_PCI,			\
		.nr_pins = X86_NR_PINS,				\
		.pins_free = PINS_FREE,				\
		.ram_max = (ram),				\
		.hotplug = &vmm__x86_hotplug,			\
	}

static const struct {
	unsigned address_bits;
	struct arch_layout layout;
} layouts[] = {
	{ 46, LAYOUT(32768 * GIB, 4096 * GIB) },
	{ 40, LAYOUT(512 * GIB, 256 * GIB) },
	{ 39, LAYOUT(256 * GIB, 128 * GIB) },
	{ 36, LAYOUT(32 * GIB, 16 * GIB) },
};

static unsigned physical_address_bits(void)
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx))
		return 36;
	return eax & 0xff;
}

uint32_t vmm__arch_gpa_bits(int kvm_fd)
{
	return physical_address_bits();
}

const struct arch_layout *vmm__arch_layout(int kvm_fd)
{
	const size_t last = sizeof(layouts) / sizeof(layouts[0]) - 1;
	unsigned bits = physical_address_bits();
	size_t i = 0;

	while (i < last && layouts[i].address_bits > bits)
		i++;

	return &layouts[i].layout;
}

int vmm__arch_ram_layout(const struct arch_layout *layout, uint64_t ram_bytes,
			 struct mem_region *regions, size_t max)
{
	uint64_t low = ram_bytes < X86_HOLE_BASE ? ram_bytes : X86_HOLE_BASE;
	uint64_t most = layout->ram_max - (X86_HOLE_END - X86_HOLE_BASE);
	size_t n = ram_bytes > low ? 2 : 1;

	if (ram_bytes == 0 || ram_bytes > most)
		return vmm__fail(-EINVAL,
				 "ram_bytes 0x%llx: a guest here has between one page and %llu GiB",
				 (unsigned long long)ram_bytes, (unsigned long long)(most / GIB));
	if (n > max)
		return vmm__fail(-EINVAL, "RAM takes %zu regions of %zu", n, max);

	memset(regions, 0, n * sizeof(regions[0]));
	regions[0].size = low;
	if (n > 1) {
		regions[1].gpa = X86_HOLE_END;
		regions[1].size = ram_bytes - low;
	}

	return (int)n;
}

/*
 * KVM's own table after KVM_CREATE_IRQCHIP: each GSI is that pin of the IOAPIC,
 * the first 16 are inputs of the two PICs as well.
 */
uint32_t vmm__arch_pin_routes(struct kvm_irq_routing_entry *entries, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t gsi = 0; gsi < X86_NR_PINS; gsi++) {
		if (n < max)
			entries[n++] = (struct kvm_irq_routing_entry){
				.gsi = gsi,
				.type = KVM_IRQ_ROUTING_IRQCHIP,
				.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = gsi },
			};
		if (gsi < 16 && n < max)
			entries[n++] = (struct kvm_irq_routing_entry){
				.gsi = gsi,
				.type = KVM_IRQ_ROUTING_IRQCHIP,
				.u.irqchip = { .irqchip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER :
								    KVM_IRQCHIP_PIC_SLAVE,
					       .pin = gsi % 8 },
			};
	}

	return n;
}

uint32_t vmm__arch_irq_line(uint32_t gsi)
{
	return gsi;
}

int vmm__arch_msi_route(const struct arch_vm *vm, const struct arch_msi *msi,
			struct kvm_irq_routing_entry *ret_entry)
{
	ret_entry->type = KVM_IRQ_ROUTING_MSI;
	ret_entry->u.msi.address_lo = (uint32_t)msi->address;
	ret_entry->u.msi.address_hi = (uint32_t)(msi->address >> 32);
	ret_entry->u.msi.data = msi->data;
	return 0;
}

const struct arch_serial *vmm__arch_serial(void)
{
	static const struct arch_serial com1 = {
		.model = &vmm__serial_uart16550,
		.port = true,
		.base = X86_PORT_COM1,
		.gsi = X86_GSI_COM1,
	};

	return &com1;
}
