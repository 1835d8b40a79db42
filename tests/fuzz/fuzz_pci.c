/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pci.c - sequences of accesses to configuration space, BARs, MSI-X tables and
 * doorbells of two virtio-pci devices, and their rings.
 */
#include <linux/virtio_pci.h>

#include "fuzz_machine.h"

static const struct arch_layout *layout;

/* Where a BAR is now, as the guest knows it. */
static uint64_t bar_base(uint32_t slot, uint32_t bar)
{
	uint64_t at = layout->ecam_base + (slot << 15) + 0x10 + 4 * bar;
	uint64_t base = fake_read(at, 4) & ~0xfull;

	return bar == 0 ? base | fake_read(at + 4, 4) << 32 : base;
}

static void port_access(const struct fuzz_step *step)
{
	uint64_t value;

	vmm__bus_write(&fake.ports, 0xcf8, 4, 0x80000000u | step->where);
	if (step->value & 1)
		vmm__bus_write(&fake.ports, 0xcfc + (step->value >> 1 & 3), step->width,
			       step->value >> 3);
	else
		vmm__bus_read(&fake.ports, 0xcf8 + (step->value >> 1 & 7), step->width, &value);
}

/* All that a driver does up to DRIVER_OK, with rings where the input says. */
static void bring_up(uint64_t base, uint32_t value)
{
	static const uint32_t status[] = { 1, 3, 11, 15 };

	fake_write(base + VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	fake_write(base + VIRTIO_PCI_COMMON_GF, 4, value & 0x30000000);
	fake_write(base + VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	/* Packed rings, and the reset of one queue. */
	fake_write(base + VIRTIO_PCI_COMMON_GF, 4, 1 | (value >> 30 & 1) << 2 | (value >> 31) << 8);
	for (int i = 0; i < 4; i++) {
		fake_write(base + VIRTIO_PCI_COMMON_STATUS, 1, status[i]);
		if (i != 2)
			continue;
		fake_write(base + VIRTIO_PCI_COMMON_Q_SELECT, 2, value & 1);
		fake_write(base + VIRTIO_PCI_COMMON_Q_SIZE, 2, 1u << (value >> 1 & 7));
		fake_write(base + VIRTIO_PCI_COMMON_Q_MSIX, 2, value >> 4 & 3);
		fake_write(base + VIRTIO_PCI_COMMON_Q_DESCLO, 4, value & 0xff0);
		fake_write(base + VIRTIO_PCI_COMMON_Q_AVAILLO, 4, value >> 8 & 0xff0);
		fake_write(base + VIRTIO_PCI_COMMON_Q_USEDLO, 4, value >> 16 & 0xff0);
		fake_write(base + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct fuzz_step step;
	struct fake_device *devices = fuzz_setup(true);

	layout = vmm__arch_layout(-1);
	while (fuzz_next(&in, &step)) {
		uint32_t slot = 1 + (step.where >> 15);
		uint64_t config = layout->ecam_base + (slot << 15);

		switch (step.kind & 15) {
		case 0: case 1: case 2: case 3:
			fake_write(bar_base(slot, 0) + (step.where & 0x3f), step.width, step.value);
			break;
		case 4:
			fake_write(bar_base(slot, 0) + (step.where & 0x1fff), step.width,
				   step.value);
			break;
		case 5:
			fake_write(bar_base(slot, 4) + (step.where & 0xfff), step.width,
				   step.value);
			break;
		case 6: case 7:
			fake_write(config + (step.where & 0xff), step.width, step.value);
			break;
		case 8:
			(void)fake_read(bar_base(slot, step.where & 0x2000 ? 4 : 0) +
					(step.where & 0x1fff), step.width);
			break;
		case 9:
			(void)fake_read(config + (step.where & 0xfff), step.width);
			break;
		case 10:
			port_access(&step);
			break;
		case 11:
			if (step.where & 2) {
				bring_up(bar_base(slot, 0), step.value);
			} else {
				vmm__device_reset(devices[step.where & 1].dev);
				vmm__device_machine_reset(devices[step.where & 1].dev);
			}
			break;
		default:
			fuzz_other(&step);
			break;
		}
	}
	fuzz_teardown();
	return 0;
}
