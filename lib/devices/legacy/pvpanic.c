/* SPDX-License-Identifier: MIT */
/*
 * pvpanic.c - one byte, a port or an address, by which a guest's kernel says that it panicked.
 *
 * Reading tells which events it understands, writing one reports it; Linux's
 * pvpanic driver finds it as ACPI device QEMU0001, or as "qemu,pvpanic-mmio" in a device tree. The event "a crash kernel takes
 * over" is not offered: the guest would go on, and says so by not writing.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "devices/legacy/pvpanic_priv.h"

enum { PANICKED = 1 << 0 };

struct pvpanic {
	const struct arch_machine_host *host;
	struct bus *bus;
	uint64_t base;
};

static uint64_t pvpanic_read(void *state, uint64_t offset, uint32_t width)
{
	return PANICKED;
}

static void pvpanic_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct pvpanic *pvpanic = state;

	if (value & PANICKED)
		pvpanic->host->request(pvpanic->host->data, ARCH_PANIC);
}

static const struct vmm_range_ops pvpanic_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "pvpanic",
	.read = pvpanic_read,
	.write = pvpanic_write,
};

int vmm__pvpanic_create(const struct arch_machine_host *host, struct bus *bus, uint64_t base,
			struct pvpanic **ret_pvpanic)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	struct bus_range range = { .base = base, .length = 1, .ops = &pvpanic_ops, .state = pvpanic };
	int r;

	if (!pvpanic)
		return vmm__fail(-ENOMEM, "no memory for the panic device");
	*pvpanic = (struct pvpanic){ .host = host, .bus = bus, .base = base };

	r = vmm__bus_add(bus, &range);
	if (r < 0) {
		free(pvpanic);
		return r;
	}
	*ret_pvpanic = pvpanic;
	return 0;
}

void vmm__pvpanic_destroy(struct pvpanic *pvpanic)
{
	if (!pvpanic)
		return;
	vmm__bus_remove(pvpanic->bus, pvpanic->base);
	free(pvpanic);
}
