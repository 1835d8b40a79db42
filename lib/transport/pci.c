/* SPDX-License-Identifier: MIT */
/*
 * pci.c - virtio over PCI, not transitional (VIRTIO 1.2, section 4.1): the function,
 * its capabilities, notifications and interrupts.
 */
#include <endian.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/error_priv.h"
#include "devices/device_priv.h"
#include "transport/pci_priv.h"

#define PCI_VENDOR_VIRTIO	0x1af4
#define PCI_DEVICE_VIRTIO	0x1040	/* 4.1.2: and the virtio id */
#define PCI_SUBSYSTEM_VIRTIO	0x0040	/* 4.1.2.1: this or more, likewise */

/* PCI class, subclass and interface: what a system calls the device before it has a driver. */
static uint32_t class_of(uint32_t virtio_id)
{
	switch (virtio_id) {
	case VIRTIO_ID_NET:
		return 0x020000;	/* Ethernet */
	case VIRTIO_ID_BLOCK:
		return 0x018000;	/* other mass storage */
	case VIRTIO_ID_SCSI:
		return 0x010000;
	case VIRTIO_ID_CONSOLE:
	case VIRTIO_ID_VSOCK:
		return 0x078000;	/* other communication */
	case VIRTIO_ID_GPU:
		return 0x038000;	/* other display */
	case VIRTIO_ID_INPUT:
		return 0x098000;	/* other input */
	case VIRTIO_ID_FS:
	case VIRTIO_ID_9P:
		return 0x018000;
	case VIRTIO_ID_SOUND:
		return 0x040100;	/* audio */
	case VIRTIO_ID_CRYPTO:
		return 0x108000;	/* other encryption */
	default:
		return 0x00ff00;
	}
}

/* ---- notifications ---- */

static void pci_sync_doorbells(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	vmm__doorbells_sync(&p->doorbells);
}

/* With the bus's lock. */
static void pci_bar_moved(void *state, uint32_t bar, bool answers, uint64_t base)
{
	struct virtio_pci *p = state;

	if (bar == VIRTIO_PCI_BAR)
		vmm__doorbells_move(&p->doorbells, answers, base + NOTIFY_OFFSET);
}

/* ---- interrupts ---- */

static void pci_queue_interrupt(struct vmm_device *dev, uint32_t queue)
{
	struct virtio_pci *p = dev->transport_state;

	/* NO_VECTOR is past every table. */
	if (__atomic_load_n(&p->msix_enabled, __ATOMIC_RELAXED))
		vmm__msix_signal(&p->msix,
				 __atomic_load_n(&p->queue_vectors[queue], __ATOMIC_RELAXED));
	else
		vmm__pci_intx_raise(&p->function, ISR_QUEUE);
}

static void pci_config_interrupt(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	/* 4.1.4.5.1: the bit is set before the interrupt, with MSI-X as well. */
	vmm__pci_intx_raise(&p->function, ISR_CONFIG);
	if (__atomic_load_n(&p->msix_enabled, __ATOMIC_RELAXED))
		vmm__msix_signal(&p->msix, __atomic_load_n(&p->config_vector, __ATOMIC_RELAXED));
}

/* ---- configuration space ---- */

/* With the bus's lock. */
static void pci_written(void *state, uint32_t offset, uint32_t width)
{
	struct virtio_pci *p = state;
	uint32_t at = p->msix_capability + PCI_MSIX_FLAGS;
	uint32_t flags;

	if (offset >= at + 2 || offset + width <= at)
		return;

	flags = vmm__pci_load(&p->function, at, 2);
	vmm__msix_control(&p->msix, flags & PCI_MSIX_FLAGS_ENABLE, flags & PCI_MSIX_FLAGS_MASKALL);
	__atomic_store_n(&p->msix_enabled, !!(flags & PCI_MSIX_FLAGS_ENABLE), __ATOMIC_RELAXED);
	vmm__pci_intx_mute(&p->function, flags & PCI_MSIX_FLAGS_ENABLE);
}

#define WINDOW_DATA	((uint32_t)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data))

/*
 * 4.1.4.9: a window into the BARs for systems that cannot map them: an access
 * to its data is an access to the place that the capability names.
 */
static bool window_target(const struct virtio_pci *p, uint32_t offset, uint32_t width,
			  uint32_t *ret_bar, uint32_t *ret_offset, uint32_t *ret_length)
{
	uint32_t cap = p->window_capability;
	uint32_t data = cap + WINDOW_DATA;

	if (offset >= data + 4 || offset + width <= data)
		return false;
	*ret_bar = vmm__pci_peek(&p->function, cap + VIRTIO_PCI_CAP_BAR, 1);
	*ret_offset = vmm__pci_peek(&p->function, cap + VIRTIO_PCI_CAP_OFFSET, 4);
	*ret_length = vmm__pci_peek(&p->function, cap + VIRTIO_PCI_CAP_LENGTH, 4);

	/* A length of 1, 2 or 4, and an offset that is a multiple of it. */
	return (*ret_length == 1 || *ret_length == 2 || *ret_length == 4) &&
	       *ret_offset % *ret_length == 0;
}

static void pci_before_read(void *state, uint32_t offset, uint32_t width)
{
	struct virtio_pci *p = state;
	uint32_t bar, at, length;

	if (!window_target(p, offset, width, &bar, &at, &length))
		return;
	vmm__pci_poke(&p->function, p->window_capability + WINDOW_DATA, length,
		      (uint32_t)vmm__pci_bar_read(&p->function, bar, at, length));
}

static void pci_after_write(void *state, uint32_t offset, uint32_t width)
{
	struct virtio_pci *p = state;
	uint32_t bar, at, length;

	if (window_target(p, offset, width, &bar, &at, &length))
		vmm__pci_bar_write(&p->function, bar, at, length,
				   vmm__pci_peek(&p->function, p->window_capability + WINDOW_DATA,
						 length));
	if (offset < PCI_COMMAND + 2 && offset + width > PCI_COMMAND)
		vmm__device_dma_changed(p->dev);
}

static bool pci_may_dma(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	return vmm__pci_peek(&p->function, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

static const struct pci_function_ops function_ops = {
	.written = pci_written,
	.bar_moved = pci_bar_moved,
	.before_read = pci_before_read,
	.after_write = pci_after_write,
};

/* ---- plugging ---- */

/* 4.1.4: @length bytes at @offset of BAR 0. */
static uint32_t add_structure(struct virtio_pci *p, uint8_t type, uint32_t offset, uint32_t length,
			      uint32_t cap_length)
{
	struct virtio_pci_notify_cap cap = {
		.cap = {
			.cap_len = (uint8_t)cap_length,
			.cfg_type = type,
			.bar = VIRTIO_PCI_BAR,
			.offset = htole32(offset),
			.length = htole32(length),
		},
		.notify_off_multiplier = type == VIRTIO_PCI_CAP_NOTIFY_CFG ?
					 htole32(NOTIFY_MULTIPLIER) : 0,
	};
	struct virtio_pci_cfg_cap writable = {
		.cap = { .bar = 0xff, .offset = UINT32_MAX, .length = UINT32_MAX },
		.pci_cfg_data = { 0xff, 0xff, 0xff, 0xff },
	};

	return vmm__pci_add_capability(&p->function, PCI_CAP_ID_VNDR, (const uint8_t *)&cap + 2,
				       type == VIRTIO_PCI_CAP_PCI_CFG ?
				       (const uint8_t *)&writable + 2 : NULL, cap_length);
}

static void add_capabilities(struct virtio_pci *p)
{
	const uint32_t plain = sizeof(struct virtio_pci_cap);
	struct vmm_device *dev = p->dev;
	const struct { uint16_t flags; uint32_t table, pba; } __attribute__((packed)) msix = {
		.flags = htole16((uint16_t)(p->msix.nr - 1)),
		.table = htole32(MSIX_BAR),
		.pba = htole32(MSIX_PBA_OFFSET | MSIX_BAR),
	}, msix_writable = {
		.flags = htole16(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL),
	};

	p->msix_capability = vmm__pci_add_capability(&p->function, PCI_CAP_ID_MSIX, &msix,
						     &msix_writable, PCI_CAP_MSIX_SIZEOF);
	add_structure(p, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET, COMMON_LENGTH, plain);
	add_structure(p, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET,
		      dev->nr_queues * NOTIFY_MULTIPLIER, sizeof(struct virtio_pci_notify_cap));
	add_structure(p, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET, ISR_LENGTH, plain);
	if (dev->virtio.config_bytes > 0)
		add_structure(p, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG_OFFSET,
			      (dev->virtio.config_bytes + 3) & ~3u, plain);
	p->window_capability = add_structure(p, VIRTIO_PCI_CAP_PCI_CFG, 0, 0,
					     sizeof(struct virtio_pci_cfg_cap));
}

static int function_add(struct virtio_pci *p)
{
	uint32_t id = p->dev->ops.virtio_id;
	const struct pci_identity identity = {
		.vendor = PCI_VENDOR_VIRTIO,
		.device = (uint16_t)(PCI_DEVICE_VIRTIO + id),
		.subsystem_vendor = PCI_VENDOR_VIRTIO,
		.subsystem = (uint16_t)(PCI_SUBSYSTEM_VIRTIO + id),
		.class = class_of(id),
		.revision = 1,
		.hidden = true,
	};
	int r = vmm__pci_add(p->dev->host->pci, &p->function, &identity, &function_ops, p);

	if (r < 0)
		return r;
	add_capabilities(p);
	r = vmm__pci_add_bar(&p->function, VIRTIO_PCI_BAR, VIRTIO_PCI_BAR_LENGTH, true,
			     &vmm__virtio_pci_range, p);
	if (r == 0)
		r = vmm__pci_add_bar(&p->function, MSIX_BAR, MSIX_BAR_LENGTH, false,
				     &vmm__msix_range, &p->msix);
	if (r < 0)
		vmm__pci_remove(&p->function);
	else
		vmm__pci_show(&p->function);
	return r;
}

static void forget_vectors(struct virtio_pci *p)
{
	__atomic_store_n(&p->config_vector, VIRTIO_MSI_NO_VECTOR, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < VMM_DEVICE_QUEUES_MAX; i++)
		__atomic_store_n(&p->queue_vectors[i], VIRTIO_MSI_NO_VECTOR, __ATOMIC_RELAXED);
}

static int pci_plug(struct vmm_device *dev)
{
	struct virtio_pci *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return vmm__fail(-ENOMEM, "%s: no memory for its registers", dev->name);
	p->dev = dev;
	forget_vectors(p);
	/* 4.1.5.2: the place says which queue; a write of any width there will do. */
	vmm__doorbells_init(&p->doorbells, dev, NOTIFY_MULTIPLIER, 0);

	/* One vector for each queue, and one for changes of the configuration. */
	r = vmm__msix_init(&p->msix, dev->host->irqs, dev->nr_queues + 1);
	if (r < 0)
		goto finish_doorbells;
	r = function_add(p);
	if (r < 0)
		goto finish_msix;
	p->msix.requester = vmm__pci_requester(&p->function);
	dev->transport_state = p;
	return 0;

finish_msix:
	vmm__msix_finish(&p->msix);
finish_doorbells:
	vmm__doorbells_finish(&p->doorbells);
	free(p);
	return r;
}

static void pci_unplug(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	vmm__pci_remove(&p->function);
	vmm__msix_retire(&p->msix);
}

static void pci_finish(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	vmm__msix_finish(&p->msix);
	vmm__doorbells_finish(&p->doorbells);
	free(p);
}

static void pci_power_on(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	vmm__pci_unassign(&p->function);
}

static uint32_t pci_slot(const struct vmm_device *dev)
{
	const struct virtio_pci *p = dev->transport_state;

	return p->function.slot;
}

static void pci_reset(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	(void)vmm__pci_intx_take(&p->function);
	pthread_mutex_lock(&dev->lock);
	forget_vectors(p);
	pthread_mutex_unlock(&dev->lock);
}

static void pci_queue_reset(struct vmm_device *dev, uint32_t queue)
{
	struct virtio_pci *p = dev->transport_state;

	pthread_mutex_lock(&dev->lock);
	__atomic_store_n(&p->queue_vectors[queue], VIRTIO_MSI_NO_VECTOR, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&dev->lock);
}

static void pci_machine_reset(struct vmm_device *dev)
{
	struct virtio_pci *p = dev->transport_state;

	vmm__msix_reset(&p->msix);
	__atomic_store_n(&p->msix_enabled, false, __ATOMIC_RELAXED);
	vmm__pci_intx_mute(&p->function, false);
	vmm__pci_reset(&p->function);
}

const struct transport_ops vmm__transport_pci = {
	.name = "virtio-pci",
	.plug = pci_plug,
	.unplug = pci_unplug,
	.finish = pci_finish,
	.power_on = pci_power_on,
	.slot = pci_slot,
	.reset = pci_reset,
	.queue_reset = pci_queue_reset,
	.machine_reset = pci_machine_reset,
	.sync_doorbells = pci_sync_doorbells,
	.may_dma = pci_may_dma,
	.queue_interrupt = pci_queue_interrupt,
	.config_interrupt = pci_config_interrupt,
};
