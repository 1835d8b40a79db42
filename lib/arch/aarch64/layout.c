/* SPDX-License-Identifier: MIT */
/*
 * layout.c - the fixed addresses of the machine, and where RAM goes.
 *
 * How far guest physical addresses reach is KVM's to say: 36 bits on some hosts, 40 or 48 on most. The
 * end of RAM, and the window for 64-bit BARs behind it, come in a few sizes.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/arch_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"
#include "devices/legacy/serial_priv.h"

#define GIB	(1ull << 30)

#define DEFAULT_BITS	40	/* of a KVM that cannot be asked */

#define LAYOUT(ram, window)					\
	{							\
		.mmio_base = A64_MMIO_BASE,			\
		.mmio_stride = A64_MMIO_STRIDE,			\
		.mmio_max = MACHINE_MMIO_MAX,			\
		.ecam_base = A64_ECAM_BASE,			\
		.pci_base = A64_PCI_BASE,			\
		.pci_size = A64_PCI_SIZE,			\
		.pci64_base = (ram),				\
		.pci64_size = (window),				\
		.pci_gsi = A64_GSI_PCI,				\
		.nr_pci_gsis = A64_NR_GSI_PCI,			\
		.nr_pins = A64_NR_PINS,				\
		.pins_free = 0xffffffffull << A64_GSI_MMIO,	\
		.ram_max = (ram),				\
	}

static const struct {
	uint32_t address_bits;
	struct arch_layout layout;
} layouts[] = {
	{ 46, LAYOUT(32768 * GIB, 4096 * GIB) },
	{ 42, LAYOUT(2048 * GIB, 1024 * GIB) },
	{ 40, LAYOUT(512 * GIB, 256 * GIB) },
	{ 36, LAYOUT(32 * GIB, 16 * GIB) },
};

uint32_t vmm__arch_gpa_bits(int kvm_fd)
{
	int bits = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	return bits > 0 ? (uint32_t)bits : DEFAULT_BITS;
}

const struct arch_layout *vmm__arch_layout(int kvm_fd)
{
	const size_t last = sizeof(layouts) / sizeof(layouts[0]) - 1;
	uint32_t bits = kvm_fd >= 0 ? vmm__arch_gpa_bits(kvm_fd) : 0;
	size_t i = 0;

	while (i < last && layouts[i].address_bits > bits)
		i++;

	return &layouts[i].layout;
}

int vmm__arch_ram_layout(const struct arch_layout *layout, uint64_t ram_bytes,
			 struct mem_region *regions, size_t max)
{
	uint64_t most = layout->ram_max - A64_RAM_BASE;

	if (ram_bytes == 0 || ram_bytes > most)
		return vmm__fail(-EINVAL,
				 "ram_bytes 0x%llx: a guest here has between one page and %llu GiB",
				 (unsigned long long)ram_bytes, (unsigned long long)(most / GIB));
	if (max < 1)
		return vmm__fail(-EINVAL, "RAM takes 1 region of %zu", max);

	memset(regions, 0, sizeof(regions[0]));
	regions[0].gpa = A64_RAM_BASE;
	regions[0].size = ram_bytes;
	return 1;
}

/* KVM's own table: each GSI is that SPI. */
uint32_t vmm__arch_pin_routes(struct kvm_irq_routing_entry *entries, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t gsi = 0; gsi < A64_NR_PINS && n < max; gsi++)
		entries[n++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = 0, .pin = gsi },
		};

	return n;
}

uint32_t vmm__arch_irq_line(uint32_t gsi)
{
	return (uint32_t)KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (A64_FIRST_SPI + gsi);
}

const struct arch_serial *vmm__arch_serial(void)
{
	static const struct arch_serial uart = {
		.model = &vmm__serial_pl011,
		.name = "ttyAMA0",
		.base = A64_UART_BASE,
		.gsi = A64_GSI_UART,
	};

	return &uart;
}
