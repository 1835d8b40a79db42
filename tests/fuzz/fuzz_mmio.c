/* SPDX-License-Identifier: MIT */
/* fuzz_mmio.c - sequences of register accesses to two virtio-mmio devices, and their rings. */
#include <linux/virtio_mmio.h>

#include "fuzz_machine.h"

/* All that a driver does up to DRIVER_OK, with rings where the input says. */
static void bring_up(vmm_gpa_t base, uint32_t value)
{
	static const uint32_t status[] = { 1, 3, 11, 15 };

	fake_write(base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, 0);
	fake_write(base + VIRTIO_MMIO_DRIVER_FEATURES, 4, value & 0x30000000);
	fake_write(base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, 1);
	/* Packed rings, and the reset of one queue. */
	fake_write(base + VIRTIO_MMIO_DRIVER_FEATURES, 4, 1 | (value >> 30 & 1) << 2 | (value >> 31) << 8);
	for (int i = 0; i < 4; i++) {
		fake_write(base + VIRTIO_MMIO_STATUS, 4, status[i]);
		if (i != 2)
			continue;
		fake_write(base + VIRTIO_MMIO_QUEUE_SEL, 4, value & 1);
		fake_write(base + VIRTIO_MMIO_QUEUE_NUM, 4, 1u << (value >> 1 & 7));
		fake_write(base + VIRTIO_MMIO_QUEUE_DESC_LOW, 4, value & 0xff0);
		fake_write(base + VIRTIO_MMIO_QUEUE_AVAIL_LOW, 4, value >> 8 & 0xff0);
		fake_write(base + VIRTIO_MMIO_QUEUE_USED_LOW, 4, value >> 16 & 0xff0);
		fake_write(base + VIRTIO_MMIO_QUEUE_READY, 4, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct fuzz_step step;
	vmm_gpa_t base[2];
	uint32_t gsi;
	struct fake_device *devices = fuzz_setup(false);

	for (int i = 0; i < 2; i++)
		(void)vmm__device_mmio(devices[i].dev, &base[i], &gsi);

	while (fuzz_next(&in, &step)) {
		uint64_t at = base[step.where >> 15] + (step.where & 0x1ff);

		switch (step.kind & 15) {
		case 0: case 1: case 2: case 3: case 4: case 5: case 6: case 7: case 8:
			fake_write(at, step.width, step.value);
			break;
		case 9:
			(void)fake_read(at, step.width);
			break;
		case 10:
			vmm__device_reset(devices[step.where & 1].dev);
			break;
		case 11:
			if (step.where & 2) {
				bring_up(base[step.where & 1], step.value);
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
