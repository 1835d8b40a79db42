/* SPDX-License-Identifier: MIT */
/*
 * irq_priv.h - GSI numbers: pins of the interrupt controller, MSI routes, irqfds.
 *
 * KVM takes the routing table of a VM only whole, so it is kept here. Thread
 * safety: all calls lock; none blocks on anything but KVM.
 */
#ifndef CORE_IRQ_PRIV_H
#define CORE_IRQ_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct arch_msi;
struct arch_vm;
struct kvm_irq_routing;
struct kvm_irq_routing_entry;

struct irqs {
	pthread_mutex_t lock;
	int vm_fd;
	const struct arch_vm *arch;
	uint32_t nr_pins;		/* GSIs below this are pins */
	uint64_t pins_used;		/* a bit for each */
	uint32_t nr_gsis;		/* GSIs in all */
	uint8_t *msi_used;		/* a byte for each GSI from nr_pins on */
	struct kvm_irq_routing *table;	/* the pins' routes, then those of messages */
	uint32_t nr_pin_routes;
	uint32_t table_max;
};

/* The interrupt controller's pins. */
struct irq_pins {
	uint32_t nr;
	uint64_t free;			/* those that devices may be given, a bit for each */
	const struct kvm_irq_routing_entry *routes;	/* read during the call */
	uint32_t nr_routes;
};

/* @arch outlives it. */
int vmm__irqs_init(struct irqs *irqs, int kvm_fd, int vm_fd, const struct arch_vm *arch,
		   const struct irq_pins *pins);
void vmm__irqs_finish(struct irqs *irqs);

/* A pin of one's own, for a device with a wire. -ENOSPC when none is left. */
int vmm__irq_alloc_pin(struct irqs *irqs, uint32_t *ret_gsi);
void vmm__irq_free_pin(struct irqs *irqs, uint32_t gsi);

/* Drive a pin's wire. */
int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level);

/*
 * Whether an irqfd makes edges of a pin. False: the interrupt controller is ours, or this
 * KVM's irqfds make none, and an edge is a vmm__irq_pulse().
 */
bool vmm__irq_pins_take_irqfds(const struct irqs *irqs);
void vmm__irq_pulse(struct irqs *irqs, uint32_t gsi);

/* A GSI that becomes an MSI once it is routed. -ENOSPC when none is left. */
int vmm__irq_alloc_msi(struct irqs *irqs, uint32_t *ret_gsi);
void vmm__irq_free_msi(struct irqs *irqs, uint32_t gsi);	/* takes the route out too */
int vmm__irq_route_msi(struct irqs *irqs, uint32_t gsi, const struct arch_msi *msi);

/*
 * Signalling @fd raises @gsi (edge; a pin's wire is pulsed). Assigning an eventfd that was
 * signalled already raises at once, so a mask is a deassign and loses nothing.
 */
int vmm__irqfd_assign(struct irqs *irqs, uint32_t gsi, int fd);
int vmm__irqfd_deassign(struct irqs *irqs, uint32_t gsi, int fd);

#endif
