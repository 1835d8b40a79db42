/* SPDX-License-Identifier: MIT */
/*
 * pvpanic.c - one port by which a guest's kernel says that it panicked.
 *
 * Reading tells which events it understands, writing one reports it; Linux's
 * pvpanic driver finds it as ACPI device QEMU0001. The event "a crash kernel takes
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
	uint16_t port;
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

int vmm__pvpanic_create(const struct arch_machine_host *host, uint16_t port,
			struct pvpanic **ret_pvpanic)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	struct bus_range range = { .base = port, .length = 1, .ops = &pvpanic_ops, .state = pvpanic };
	int r;

	if (!pvpanic)
		return vmm__fail(-ENOMEM, "no memory for the panic port");
	*pvpanic = (struct pvpanic){ .host = host, .port = port };

	r = vmm__bus_add(host->ports, &range);
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
	vmm__bus_remove(pvpanic->host->ports, pvpanic->port);
	free(pvpanic);
}
