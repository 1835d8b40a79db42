/* SPDX-License-Identifier: MIT */
/*
 * irq.c - GSI numbers, the routing table, irqfds.
 *
 * The table begins with the pins' routes, in the order the architecture gives
 * them, and goes on with one entry for each MSI that has a route. KVM starts out
 * with the pins' routes itself, so nothing is set until the first MSI.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"

#define GSIS_MAX	4096

int vmm__irqs_init(struct irqs *irqs, int kvm_fd, int vm_fd, const struct arch_vm *arch,
		   const struct irq_pins *pins)
{
	uint32_t nr_pins = pins->nr;
	int gsis = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);

	*irqs = (struct irqs){
		.vm_fd = vm_fd, .arch = arch, .nr_pins = nr_pins, .pins_used = ~pins->free,
		.nr_pin_routes = pins->nr_routes,
	};
	irqs->nr_gsis = gsis > GSIS_MAX ? GSIS_MAX : gsis < (int)nr_pins ? nr_pins : (uint32_t)gsis;
	irqs->msi_used = calloc(irqs->nr_gsis - nr_pins + 1, 1);
	irqs->table_max = pins->nr_routes + 16;
	irqs->table = calloc(1, sizeof(*irqs->table) +
			     irqs->table_max * sizeof(irqs->table->entries[0]));
	if (!irqs->msi_used || !irqs->table) {
		free(irqs->msi_used);
		free(irqs->table);
		*irqs = (struct irqs){ .vm_fd = -1 };
		return vmm__fail(-ENOMEM, "no memory for interrupt routes");
	}

	irqs->table->nr = pins->nr_routes;
	if (pins->nr_routes > 0)
		memcpy(irqs->table->entries, pins->routes,
		       pins->nr_routes * sizeof(pins->routes[0]));
	pthread_mutex_init(&irqs->lock, NULL);
	return 0;
}

void vmm__irqs_finish(struct irqs *irqs)
{
	if (!irqs->table)
		return;
	pthread_mutex_destroy(&irqs->lock);
	free(irqs->msi_used);
	free(irqs->table);
	*irqs = (struct irqs){ .vm_fd = -1 };
}

/* ---- pins ---- */

int vmm__irq_alloc_pin(struct irqs *irqs, uint32_t *ret_gsi)
{
	int r = -ENOSPC;

	pthread_mutex_lock(&irqs->lock);
	for (uint32_t pin = 0; pin < irqs->nr_pins && pin < 64 && r < 0; pin++) {
		if (irqs->pins_used >> pin & 1)
			continue;
		irqs->pins_used |= 1ull << pin;
		*ret_gsi = pin;
		r = 0;
	}
	pthread_mutex_unlock(&irqs->lock);

	return r < 0 ? vmm__fail(r, "no interrupt pin is left for another device") : 0;
}

void vmm__irq_free_pin(struct irqs *irqs, uint32_t gsi)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->pins_used &= ~(1ull << (gsi & 63));
	pthread_mutex_unlock(&irqs->lock);
}

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	struct kvm_irq_level line = { .irq = vmm__arch_irq_line(gsi), .level = level };
	const struct arch_pins *pins = vmm__arch_pins(irqs->arch);

	if (pins) {
		pins->set(irqs->arch, gsi, level);
		return 0;
	}
	if (ioctl(irqs->vm_fd, KVM_IRQ_LINE, &line) < 0)
		return vmm__fail_errno("cannot drive interrupt line %u", gsi);
	return 0;
}

bool vmm__irq_pins_take_irqfds(const struct irqs *irqs)
{
	return !vmm__arch_pins(irqs->arch);
}

void vmm__irq_pulse(struct irqs *irqs, uint32_t gsi)
{
	const struct arch_pins *pins = vmm__arch_pins(irqs->arch);

	if (pins)
		pins->pulse(irqs->arch, gsi);
}

/* ---- message signalled interrupts ---- */

int vmm__irq_alloc_msi(struct irqs *irqs, uint32_t *ret_gsi)
{
	int r = -ENOSPC;

	pthread_mutex_lock(&irqs->lock);
	for (uint32_t gsi = irqs->nr_pins; gsi < irqs->nr_gsis && r < 0; gsi++) {
		if (irqs->msi_used[gsi - irqs->nr_pins])
			continue;
		irqs->msi_used[gsi - irqs->nr_pins] = 1;
		*ret_gsi = gsi;
		r = 0;
	}
	pthread_mutex_unlock(&irqs->lock);

	return r < 0 ? vmm__fail(r, "all %u interrupt routes are taken", irqs->nr_gsis) : 0;
}

/* With the lock: the table's entry for the MSI @gsi, or NULL. */
static struct kvm_irq_routing_entry *msi_entry(struct irqs *irqs, uint32_t gsi)
{
	for (uint32_t i = irqs->table->nr; i-- > irqs->nr_pin_routes;) {
		if (irqs->table->entries[i].gsi == gsi)
			return &irqs->table->entries[i];
	}
	return NULL;
}

/* With the lock: room for one more entry. */
static int table_grow(struct irqs *irqs)
{
	uint32_t max = irqs->table_max * 2;
	struct kvm_irq_routing *table;

	if (irqs->table->nr < irqs->table_max)
		return 0;
	table = realloc(irqs->table, sizeof(*table) + max * sizeof(table->entries[0]));
	if (!table)
		return vmm__fail(-ENOMEM, "no memory for interrupt routes");
	irqs->table = table;
	irqs->table_max = max;
	return 0;
}

/* With the lock. */
static int table_set(struct irqs *irqs)
{
	if (ioctl(irqs->vm_fd, KVM_SET_GSI_ROUTING, irqs->table) < 0)
		return vmm__fail_errno("cannot set %u interrupt routes", irqs->table->nr);
	return 0;
}

static int route_locked(struct irqs *irqs, const struct kvm_irq_routing_entry *route)
{
	struct kvm_irq_routing_entry *e = msi_entry(irqs, route->gsi), old;
	bool fresh = !e;
	int r;

	if (fresh) {
		r = table_grow(irqs);
		if (r < 0)
			return r;
		e = &irqs->table->entries[irqs->table->nr++];
		memset(e, 0, sizeof(*e));
	} else if (memcmp(e, route, sizeof(*e)) == 0) {
		return 0;
	}

	old = *e;
	*e = *route;
	r = table_set(irqs);
	if (r < 0 && fresh)
		irqs->table->nr--;
	else if (r < 0)
		*e = old;
	return r;
}

int vmm__irq_route_msi(struct irqs *irqs, uint32_t gsi, const struct arch_msi *msi)
{
	struct kvm_irq_routing_entry route;
	int r;

	memset(&route, 0, sizeof(route));	/* routes are compared as bytes */
	r = vmm__arch_msi_route(irqs->arch, msi, &route);
	if (r < 0)
		return r;
	route.gsi = gsi;
	pthread_mutex_lock(&irqs->lock);
	r = route_locked(irqs, &route);
	pthread_mutex_unlock(&irqs->lock);
	return r;
}

void vmm__irq_free_msi(struct irqs *irqs, uint32_t gsi)
{
	struct kvm_irq_routing_entry *e;

	if (gsi < irqs->nr_pins || gsi >= irqs->nr_gsis)
		return;

	/* The route may stay in KVM until the next change: nothing raises it any more. */
	pthread_mutex_lock(&irqs->lock);
	irqs->msi_used[gsi - irqs->nr_pins] = 0;
	e = msi_entry(irqs, gsi);
	if (e)
		*e = irqs->table->entries[--irqs->table->nr];
	pthread_mutex_unlock(&irqs->lock);
}

/* ---- irqfds ---- */

static int irqfd(struct irqs *irqs, uint32_t gsi, int fd, uint32_t flags)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = gsi, .flags = flags };

	if (ioctl(irqs->vm_fd, KVM_IRQFD, &irqfd) < 0)
		return vmm__fail_errno("cannot %s an eventfd for interrupt %u",
				       flags ? "take back" : "set", gsi);
	return 0;
}

int vmm__irqfd_assign(struct irqs *irqs, uint32_t gsi, int fd)
{
	return irqfd(irqs, gsi, fd, 0);
}

int vmm__irqfd_deassign(struct irqs *irqs, uint32_t gsi, int fd)
{
	return irqfd(irqs, gsi, fd, KVM_IRQFD_FLAG_DEASSIGN);
}
