/* SPDX-License-Identifier: MIT */
/*
 * pci_regs.c - the registers of virtio over PCI (VIRTIO 1.2, 4.1.4).
 *
 * Reads may be of any width and place: the structure is shown as bytes. Writes
 * are to one field, as wide as it is (4.1.3.1); a 64-bit address may be
 * written whole. Others are ignored.
 */
#include "core/error_priv.h"
#include "transport/pci_priv.h"

#define STORE16(p, v)	__atomic_store_n((p), (uint16_t)(v), __ATOMIC_RELAXED)
#define LOAD16(p)	__atomic_load_n((p), __ATOMIC_RELAXED)

/* ---- common configuration, with the device's lock ---- */

static uint32_t address_word(const struct virtio_queue *q, uint32_t offset)
{
	uint64_t address = offset < VIRTIO_PCI_COMMON_Q_AVAILLO ? q->desc :
			   offset < VIRTIO_PCI_COMMON_Q_USEDLO ? q->driver : q->device;

	return (uint32_t)(offset & 4 ? address >> 32 : address);
}

/* The part about the selected queue; one that is not there has size 0. */
static uint32_t queue_word(const struct virtio_pci *p, uint32_t offset)
{
	const struct virtio *v = &p->dev->virtio;
	const struct virtio_queue *q = vmm__virtio_queue(v);

	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (!q)
			return (uint32_t)VIRTIO_MSI_NO_VECTOR << 16;
		return q->size | (uint32_t)LOAD16(&p->queue_vectors[v->queue_select]) << 16;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		/* Queue n is notified at n * NOTIFY_MULTIPLIER. */
		return q ? q->enabled | v->queue_select << 16 : 0;
	case VIRTIO_PCI_COMMON_Q_NDATA:
		/* Its upper half: queue_reset, 1 as long as it takes. */
		return q ? (uint32_t)q->resetting << 16 : 0;
	default:
		return q && offset < VIRTIO_PCI_COMMON_Q_NDATA ? address_word(q, offset) : 0;
	}
}

static uint32_t common_word(const struct virtio_pci *p, uint32_t offset)
{
	const struct virtio *v = &p->dev->virtio;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return v->offered_select;
	case VIRTIO_PCI_COMMON_DF:
		return vmm__virtio_offered_word(v);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return v->driver_select;
	case VIRTIO_PCI_COMMON_GF:
		return vmm__virtio_driver_word(v);
	case VIRTIO_PCI_COMMON_MSIX:
		return LOAD16(&p->config_vector) | v->nr_queues << 16;
	case VIRTIO_PCI_COMMON_STATUS:
		return v->status | (v->generation & 0xff) << 8 | v->queue_select << 16;
	default:
		return queue_word(p, offset);
	}
}

static uint64_t common_read(struct virtio_pci *p, uint32_t offset, uint32_t width)
{
	uint64_t value = 0;

	pthread_mutex_lock(&p->dev->lock);
	for (uint32_t i = 0; i < width; i++) {
		uint32_t at = offset + i;

		value |= (uint64_t)(common_word(p, at & ~3u) >> (at & 3) * 8 & 0xff) << (8 * i);
	}
	pthread_mutex_unlock(&p->dev->lock);
	return value;
}

/* 4.1.5.1.2: a vector that cannot be had reads back as none. */
static void set_vector(struct virtio_pci *p, uint16_t *vector, uint32_t value)
{
	if (value != VIRTIO_MSI_NO_VECTOR && vmm__msix_use(&p->msix, value) < 0)
		value = VIRTIO_MSI_NO_VECTOR;
	STORE16(vector, value);
	p->dev->virtio.touched = true;
}

static void write16(struct virtio_pci *p, uint32_t offset, uint32_t value)
{
	struct virtio *v = &p->dev->virtio;

	switch (offset) {
	case VIRTIO_PCI_COMMON_MSIX:
		set_vector(p, &p->config_vector, value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		v->queue_select = value;
		break;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		vmm__virtio_set_size(v, value);
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		if (vmm__virtio_queue(v))
			set_vector(p, &p->queue_vectors[v->queue_select], value);
		break;
	}
}

static void write32(struct virtio_pci *p, uint32_t offset, uint32_t value)
{
	struct virtio *v = &p->dev->virtio;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		v->offered_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		v->driver_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		vmm__virtio_write_driver_word(v, value);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DESC, offset & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DRIVER, offset & 4, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DEVICE, offset & 4, value);
		break;
	}
}

static void common_write(struct virtio_pci *p, uint32_t offset, uint32_t width, uint64_t value)
{
	if (offset == VIRTIO_PCI_COMMON_STATUS && width == 1) {
		vmm__device_write_status(p->dev, (uint32_t)value & 0xff);
		return;
	}
	/* 4.1.4.3.2: 0 is written to neither. */
	if (width == 2 && offset == VIRTIO_PCI_COMMON_Q_ENABLE) {
		if ((value & 0xffff) == 1)
			vmm__device_enable_queue(p->dev, true);
		return;
	}
	if (width == 2 && offset == VIRTIO_PCI_COMMON_Q_RESET) {
		if ((value & 0xffff) == 1)
			vmm__device_reset_queue(p->dev);
		return;
	}

	pthread_mutex_lock(&p->dev->lock);
	if (width == 2) {
		write16(p, offset, (uint32_t)value & 0xffff);
	} else if (width == 4) {
		write32(p, offset, (uint32_t)value);
	} else if (width == 8 && offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset % 8 == 0) {
		write32(p, offset, (uint32_t)value);
		write32(p, offset + 4, (uint32_t)(value >> 32));
	}
	pthread_mutex_unlock(&p->dev->lock);
}

/* ---- BAR 0 ---- */

static uint64_t registers_read(void *state, uint64_t offset, uint32_t width)
{
	struct virtio_pci *p = state;
	uint32_t at = (uint32_t)offset;

	if (at < ISR_OFFSET)
		return common_read(p, at, width);
	/* 4.1.4.5: reading takes the causes back, and the interrupt with them. */
	if (at == ISR_OFFSET)
		return vmm__pci_intx_take(&p->function);
	if (at >= CONFIG_OFFSET && at < CONFIG_OFFSET + VMM_DEVICE_CONFIG_MAX)
		return vmm__device_read_config(p->dev, at - CONFIG_OFFSET, width);
	return 0;
}

static void registers_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct virtio_pci *p = state;
	uint32_t at = (uint32_t)offset;

	if (at < ISR_OFFSET)
		common_write(p, at, width, value);
	else if (at >= CONFIG_OFFSET && at < CONFIG_OFFSET + VMM_DEVICE_CONFIG_MAX)
		vmm__device_write_config(p->dev, at - CONFIG_OFFSET, width, value);
	else if (at >= NOTIFY_OFFSET && at % NOTIFY_MULTIPLIER == 0)
		vmm__device_notify(p->dev, (at - NOTIFY_OFFSET) / NOTIFY_MULTIPLIER);
}

const struct vmm_range_ops vmm__virtio_pci_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "virtio-pci",
	.read = registers_read,
	.write = registers_write,
};
