/* SPDX-License-Identifier: MIT */
/*
 * power.c - power off, reset and the events of a hardware-reduced ACPI machine.
 *
 * Sleep control and status registers: ACPI 6.4, 4.8.3.7. The event register is ours;
 * the machine's AML knows it. Its line is level triggered: it stays up while an
 * event is pending, so that none is lost whatever the guest masks meanwhile.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/legacy/power_priv.h"

#define POWER_PORTS	8

enum { SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7, SLEEP_ENABLE = 1 << 5 };

struct power {
	const struct arch_machine_host *host;
	uint16_t base;
	uint32_t gsi;
	pthread_mutex_t lock;	/* of what follows, and of the line's order */
	uint8_t pending;
};

static void pending_set(struct power *power, uint8_t pending)
{
	power->pending = pending;
	vmm__irq_set_line(power->host->irqs, power->gsi, pending != 0);
}

static uint8_t events_take(struct power *power)
{
	uint8_t pending;

	pthread_mutex_lock(&power->lock);
	pending = power->pending;
	if (pending)
		pending_set(power, 0);
	pthread_mutex_unlock(&power->lock);

	return pending;
}

static void sleep_control(struct power *power, uint8_t value)
{
	if ((value & SLEEP_ENABLE) &&
	    (value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == POWER_SLEEP_TYPE_OFF)
		power->host->request(power->host->data, ARCH_POWEROFF);
}

static uint64_t power_read(void *state, uint64_t offset, uint32_t width)
{
	struct power *power = state;
	uint64_t value = 0;

	for (uint32_t i = 0; i < width; i++) {
		if (offset + i == POWER_EVENTS)
			value |= (uint64_t)events_take(power) << 8 * i;
	}

	return value;
}

static void power_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct power *power = state;

	for (uint32_t i = 0; i < width; i++) {
		uint8_t byte = (uint8_t)(value >> 8 * i);

		if (offset + i == POWER_SLEEP_CONTROL)
			sleep_control(power, byte);
		else if (offset + i == POWER_RESET && byte == POWER_RESET_VALUE)
			power->host->request(power->host->data, ARCH_RESET);
	}
}

static const struct vmm_range_ops power_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "power",
	.read = power_read,
	.write = power_write,
};

int vmm__power_create(const struct arch_machine_host *host, uint16_t base, uint32_t gsi,
		      struct power **ret_power)
{
	struct power *power = calloc(1, sizeof(*power));
	struct bus_range range = { .base = base, .length = POWER_PORTS, .ops = &power_ops };
	int r;

	if (!power)
		return vmm__fail(-ENOMEM, "no memory for the power controls");

	power->host = host;
	power->base = base;
	power->gsi = gsi;
	pthread_mutex_init(&power->lock, NULL);
	range.state = power;
	r = vmm__bus_add(host->ports, &range);
	if (r < 0)
		goto destroy_lock;

	*ret_power = power;
	return 0;

destroy_lock:
	pthread_mutex_destroy(&power->lock);
	free(power);
	return r;
}

void vmm__power_destroy(struct power *power)
{
	if (!power)
		return;

	vmm__bus_remove(power->host->ports, power->base);
	pthread_mutex_destroy(&power->lock);
	free(power);
}

void vmm__power_reset(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	pending_set(power, 0);
	pthread_mutex_unlock(&power->lock);
}

void vmm__power_event(struct power *power, uint8_t event)
{
	pthread_mutex_lock(&power->lock);
	pending_set(power, power->pending | event);
	pthread_mutex_unlock(&power->lock);
}
