/* SPDX-License-Identifier: MIT */
/*
 * msix.c - MSI-X: a table of messages and a pending bit for each.
 *
 * A vector is an eventfd. Unmasked, KVM itself turns its signal into the
 * message; masked, the eventfd is taken away from KVM and keeps the signal: it
 * is the pending bit, and nothing is lost. So to signal is one write(2),
 * whatever the guest does to the table at that moment.
 *
 * Vectors cost nothing until a driver uses them: eventfd and GSI come when a
 * queue is given the vector, the route in KVM when it is unmasked.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arch/arch_priv.h"
#include "bus/msix_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"

#define MSIX_VECTORS_MAX	(MSIX_PBA_OFFSET / PCI_MSIX_ENTRY_SIZE)

int vmm__msix_init(struct msix *m, struct irqs *irqs, uint32_t nr)
{
	if (nr == 0 || nr > MSIX_VECTORS_MAX)
		return vmm__fail(-EINVAL, "%u MSI-X vectors; 1 .. %u can be", nr, MSIX_VECTORS_MAX);

	*m = (struct msix){ .irqs = irqs, .nr = nr };
	m->vectors = calloc(nr, sizeof(m->vectors[0]));
	if (!m->vectors)
		return vmm__fail(-ENOMEM, "no memory for %u MSI-X vectors", nr);
	for (uint32_t i = 0; i < nr; i++)
		m->vectors[i] = (struct msix_vector){ .masked = true, .fd = -1 };
	pthread_mutex_init(&m->lock, NULL);
	return 0;
}

/* ---- with the lock ---- */

/*
 * Let KVM have the vector, or take it back, as the masks say. A route that cannot be set
 * (a message that is no interrupt) leaves the signal pending.
 */
static void vector_update(struct msix *m, struct msix_vector *v)
{
	const struct arch_msi msi = {
		.address = v->address, .data = v->data, .requester = m->requester,
	};
	bool want = m->enabled && !m->masked && !v->masked && v->has_gsi;

	if (want && vmm__irq_route_msi(m->irqs, v->gsi, &msi) < 0)
		want = false;
	if (want == v->routed)
		return;

	if (want)
		v->routed = vmm__irqfd_assign(m->irqs, v->gsi, v->fd) == 0;
	else
		v->routed = vmm__irqfd_deassign(m->irqs, v->gsi, v->fd) < 0;
}

static void vectors_update(struct msix *m)
{
	for (uint32_t i = 0; i < m->nr; i++)
		vector_update(m, &m->vectors[i]);
}

static int vector_open(struct msix *m, struct msix_vector *v)
{
	int fd, r;

	if (v->has_gsi)
		return 0;
	if (m->retired)
		return vmm__fail(-ENODEV, "the function was removed");
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return vmm__fail_errno("no eventfd for an MSI-X vector");
	r = vmm__irq_alloc_msi(m->irqs, &v->gsi);
	if (r < 0) {
		close(fd);
		return r;
	}
	v->has_gsi = true;
	__atomic_store_n(&v->fd, fd, __ATOMIC_RELEASE);
	vector_update(m, v);
	return 0;
}

/* ---- */

void vmm__msix_retire(struct msix *m)
{
	pthread_mutex_lock(&m->lock);
	m->retired = true;
	m->enabled = false;
	for (uint32_t i = 0; i < m->nr; i++) {
		struct msix_vector *v = &m->vectors[i];

		if (!v->has_gsi)
			continue;
		vector_update(m, v);
		vmm__irq_free_msi(m->irqs, v->gsi);
		v->has_gsi = false;
	}
	pthread_mutex_unlock(&m->lock);
}

void vmm__msix_finish(struct msix *m)
{
	if (!m->vectors)
		return;

	vmm__msix_retire(m);
	for (uint32_t i = 0; i < m->nr; i++) {
		if (m->vectors[i].fd >= 0)
			close(m->vectors[i].fd);
	}
	pthread_mutex_destroy(&m->lock);
	free(m->vectors);
	*m = (struct msix){ 0 };
}

void vmm__msix_reset(struct msix *m)
{
	pthread_mutex_lock(&m->lock);
	m->enabled = m->masked = false;
	for (uint32_t i = 0; i < m->nr; i++) {
		struct msix_vector *v = &m->vectors[i];
		uint64_t count;

		v->masked = true;
		vector_update(m, v);
		v->address = v->data = 0;
		if (v->has_gsi)
			(void)!read(v->fd, &count, sizeof(count));
	}
	pthread_mutex_unlock(&m->lock);
}

void vmm__msix_control(struct msix *m, bool enabled, bool masked)
{
	pthread_mutex_lock(&m->lock);
	if (m->enabled != enabled || m->masked != masked) {
		m->enabled = enabled;
		m->masked = masked;
		vectors_update(m);
	}
	pthread_mutex_unlock(&m->lock);
}

int vmm__msix_use(struct msix *m, uint32_t vector)
{
	int r;

	if (vector >= m->nr)
		return vmm__fail(-EINVAL, "there is no MSI-X vector %u", vector);

	pthread_mutex_lock(&m->lock);
	r = vector_open(m, &m->vectors[vector]);
	pthread_mutex_unlock(&m->lock);
	return r;
}

void vmm__msix_signal(struct msix *m, uint32_t vector)
{
	const uint64_t one = 1;
	int fd;

	if (vector >= m->nr)
		return;
	/* Pairs with the store in vector_open(); an eventfd stays until the end. */
	fd = __atomic_load_n(&m->vectors[vector].fd, __ATOMIC_ACQUIRE);
	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
}

/* ---- the table and the pending bits, as registers of 32 bits ---- */

/* 32 pending bits from @first on. A vector that KVM has is never pending. */
static uint32_t pending_read(const struct msix *m, uint32_t first)
{
	struct pollfd polls[32];
	uint32_t bits = 0;

	for (uint32_t i = 0; i < 32; i++) {
		const struct msix_vector *v = first + i < m->nr ? &m->vectors[first + i] : NULL;

		polls[i] = (struct pollfd){ .fd = v && !v->routed ? v->fd : -1, .events = POLLIN };
	}
	if (poll(polls, 32, 0) <= 0)
		return 0;
	for (uint32_t i = 0; i < 32; i++) {
		if (polls[i].revents & POLLIN)
			bits |= 1u << i;
	}
	return bits;
}

static uint32_t register_read(const struct msix *m, uint32_t offset)
{
	uint32_t index = offset / PCI_MSIX_ENTRY_SIZE;
	const struct msix_vector *v = &m->vectors[index];

	if (offset >= MSIX_PBA_OFFSET)
		return pending_read(m, (offset - MSIX_PBA_OFFSET) * 8);
	if (index >= m->nr)
		return 0;

	switch (offset % PCI_MSIX_ENTRY_SIZE) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		return (uint32_t)v->address;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		return (uint32_t)(v->address >> 32);
	case PCI_MSIX_ENTRY_DATA:
		return v->data;
	default:
		return v->masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
	}
}

/* 6.8.2: software masks a vector before it changes it; one that does not, gets it at once. */
static void register_write(struct msix *m, uint32_t offset, uint32_t value)
{
	uint32_t index = offset / PCI_MSIX_ENTRY_SIZE;
	struct msix_vector *v;

	/* The pending bits, which are read-only, are past every table. */
	if (index >= m->nr)
		return;
	v = &m->vectors[index];

	switch (offset % PCI_MSIX_ENTRY_SIZE) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		v->address = (v->address & ~(uint64_t)UINT32_MAX) | (value & ~3u);
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		v->address = (v->address & UINT32_MAX) | (uint64_t)value << 32;
		break;
	case PCI_MSIX_ENTRY_DATA:
		v->data = value;
		break;
	default:
		v->masked = value & PCI_MSIX_ENTRY_CTRL_MASKBIT;
		break;
	}
	vector_update(m, v);
}

/* 6.8.2: accesses are of 4 or 8 bytes, aligned. */
static bool access_fits(uint64_t offset, uint32_t width)
{
	return (width == 4 || width == 8) && offset % width == 0 &&
	       offset + width <= MSIX_BAR_LENGTH;
}

static uint64_t msix_read(void *state, uint64_t offset, uint32_t width)
{
	struct msix *m = state;
	uint64_t value;

	if (!access_fits(offset, width))
		return 0;

	pthread_mutex_lock(&m->lock);
	value = register_read(m, (uint32_t)offset);
	if (width == 8)
		value |= (uint64_t)register_read(m, (uint32_t)offset + 4) << 32;
	pthread_mutex_unlock(&m->lock);
	return value;
}

static void msix_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct msix *m = state;

	if (!access_fits(offset, width))
		return;

	pthread_mutex_lock(&m->lock);
	register_write(m, (uint32_t)offset, (uint32_t)value);
	if (width == 8)
		register_write(m, (uint32_t)offset + 4, (uint32_t)(value >> 32));
	pthread_mutex_unlock(&m->lock);
}

const struct vmm_range_ops vmm__msix_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "msix",
	.read = msix_read,
	.write = msix_write,
};
