/* SPDX-License-Identifier: MIT */
/*
 * fuzz_machine.c - what fuzz_mmio.c and fuzz_pci.c share: two devices on the machine of
 * the unit tests, and accesses of a guest that has read the specification.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_machine.h"

static struct fake_device devices[2];

/* The machine checks what it is told with these; here a failure is a crash. */
void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, expr);
	abort();
}

void _mark_point(const char *file, int line)
{
}

struct fake_device *fuzz_setup(bool with_pci)
{
	fake_setup(with_pci);
	for (int i = 0; i < 2; i++) {
		const struct vmm_device_config config = {
			.size = sizeof(config), .ops = &fake_reset_ops, .state = &devices[i],
			.config_space = "0123456789", .config_bytes = 10, .nr_queues = 3,
			.queue_size = 16, .queue_format = VMM_QUEUE_PACKED,
			.transport = with_pci ? VMM_TRANSPORT_PCI : VMM_TRANSPORT_MMIO,
		};

		devices[i] = (struct fake_device){ .hold = i };
		if (vmm__device_create(&fake.host, &config, &devices[i].dev) < 0)
			abort();
	}
	return devices;
}

void fuzz_teardown(void)
{
	for (int i = 2; i-- > 0;)
		vmm__device_destroy(devices[i].dev);
	fake_teardown();
}

/* Bytes of the input, then zeros. */
static uint32_t take(struct fuzz_input *in, size_t n)
{
	uint32_t value = 0;

	if (n > in->size)
		n = in->size;
	memcpy(&value, in->data, n);
	in->data += n;
	in->size -= n;
	return value;
}

bool fuzz_next(struct fuzz_input *in, struct fuzz_step *step)
{
	if (in->size == 0)
		return false;
	step->kind = take(in, 1);
	step->width = 1u << (step->kind >> 4 & 3);
	step->where = take(in, 2);
	step->value = take(in, 4);
	return true;
}

/* What is no access to registers. */
void fuzz_other(struct fuzz_step *step)
{
	switch (step->kind & 15) {
	case 12:
		/* Guest memory: rings in the first pages, where short values point. */
		memcpy(fake.ram + step->where, &step->value, 4);
		break;
	case 13:
		fake_device_give_back(&devices[step->where & 1]);
		break;
	case 14:
		vmm_device_set_config(devices[step->where & 1].dev, step->value & 15, "xyz", 3,
				      true);
		break;
	default:
		fake_run();
		break;
	}
}
