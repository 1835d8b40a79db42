/* SPDX-License-Identifier: MIT */
/*
 * mmio.c - virtio over MMIO, version 2 of its registers (VIRTIO 1.2, section 4.2).
 *
 * Control registers are 32 bits wide; what is read otherwise, or is not there,
 * is zero, and what is written otherwise is ignored (4.2.2.2). Notifications
 * are caught by KVM; interrupts are an eventfd on a pin of the interrupt
 * controller, as an edge, or a call where such a pin takes no irqfd.
 */
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arch/arch_priv.h"
#include "bus/bus_priv.h"
#include "core/error_priv.h"
#include "core/irq_priv.h"
#include "devices/device_priv.h"
#include "transport/doorbell_priv.h"
#include "transport/transport_priv.h"

#define MMIO_MAGIC	0x74726976u	/* "virt" */
#define MMIO_VERSION	2
#define MMIO_VENDOR	0x4d4d564cu	/* "LVMM" */
#define MMIO_LENGTH	(VIRTIO_MMIO_CONFIG + VMM_DEVICE_CONFIG_MAX)

/* VIRTIO 1.2, 4.2.2. */
#define MMIO_QUEUE_RESET	0x0c0

struct virtio_mmio {
	struct vmm_device *dev;
	vmm_gpa_t base;
	uint32_t index;			/* of the window */
	uint32_t gsi;
	int irq_fd;			/* -1: the pin takes none */
	uint32_t interrupts;		/* atomic: InterruptStatus */
	struct doorbells doorbells;
};

/* ---- registers ---- */

/* With the device's lock. */
static uint32_t queue_register(const struct virtio *v, uint64_t offset)
{
	const struct virtio_queue *q = vmm__virtio_queue(v);

	if (!q)
		return 0;
	return offset == VIRTIO_MMIO_QUEUE_NUM_MAX ? v->max_size :
	       offset == VIRTIO_MMIO_QUEUE_READY ? q->enabled : q->resetting;
}

static uint32_t control_read(struct virtio_mmio *mmio, uint64_t offset)
{
	const struct virtio *v = &mmio->dev->virtio;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->dev->ops.virtio_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return vmm__virtio_offered_word(v);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
	case VIRTIO_MMIO_QUEUE_READY:
	case MMIO_QUEUE_RESET:
		return queue_register(v, offset);
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return __atomic_load_n(&mmio->interrupts, __ATOMIC_ACQUIRE);
	case VIRTIO_MMIO_STATUS:
		return v->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;	/* no shared memory region has this number */
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return v->generation;
	default:
		return 0;
	}
}

/* With the device's lock. */
static void control_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct virtio *v = &mmio->dev->virtio;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		v->offered_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		vmm__virtio_write_driver_word(v, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		v->driver_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		v->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_NUM:
		vmm__virtio_set_size(v, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		__atomic_fetch_and(&mmio->interrupts, ~value, __ATOMIC_ACQ_REL);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DESC, offset & 4, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DRIVER, offset & 4, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DEVICE, offset & 4, value);
		break;
	}
}

static uint64_t mmio_read(void *state, uint64_t offset, uint32_t width)
{
	struct virtio_mmio *mmio = state;
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG)
		return vmm__device_read_config(mmio->dev, (uint32_t)offset - VIRTIO_MMIO_CONFIG,
					       width);
	if (width != 4)
		return 0;

	pthread_mutex_lock(&mmio->dev->lock);
	value = control_read(mmio, offset);
	pthread_mutex_unlock(&mmio->dev->lock);
	return value;
}

static void mmio_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct virtio_mmio *mmio = state;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		vmm__device_write_config(mmio->dev, (uint32_t)offset - VIRTIO_MMIO_CONFIG, width,
					 value);
		return;
	}
	if (width != 4)
		return;

	if (offset == VIRTIO_MMIO_STATUS) {
		vmm__device_write_status(mmio->dev, (uint32_t)value);
	} else if (offset == VIRTIO_MMIO_QUEUE_READY) {
		vmm__device_enable_queue(mmio->dev, value & 1);
	} else if (offset == MMIO_QUEUE_RESET) {
		if (value == 1)
			vmm__device_reset_queue(mmio->dev);
	} else if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
		vmm__device_notify(mmio->dev, (uint32_t)value);
	} else {
		pthread_mutex_lock(&mmio->dev->lock);
		control_write(mmio, offset, (uint32_t)value);
		pthread_mutex_unlock(&mmio->dev->lock);
	}
}

static const struct vmm_range_ops mmio_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "virtio-mmio",
	.read = mmio_read,
	.write = mmio_write,
};

/* ---- interrupts and notifications ---- */

static void mmio_interrupt(struct virtio_mmio *mmio, uint32_t cause)
{
	const uint64_t one = 1;

	/* The cause before the edge: the handler reads it. */
	__atomic_fetch_or(&mmio->interrupts, cause, __ATOMIC_ACQ_REL);
	if (mmio->irq_fd >= 0)
		(void)!write(mmio->irq_fd, &one, sizeof(one));
	else
		vmm__irq_pulse(mmio->dev->host->irqs, mmio->gsi);
}

static void mmio_queue_interrupt(struct vmm_device *dev, uint32_t queue)
{
	mmio_interrupt(dev->transport_state, VIRTIO_MMIO_INT_VRING);
}

static void mmio_config_interrupt(struct vmm_device *dev)
{
	mmio_interrupt(dev->transport_state, VIRTIO_MMIO_INT_CONFIG);
}

static void mmio_sync_doorbells(struct vmm_device *dev)
{
	struct virtio_mmio *mmio = dev->transport_state;

	vmm__doorbells_sync(&mmio->doorbells);
}

static void mmio_reset(struct vmm_device *dev)
{
	struct virtio_mmio *mmio = dev->transport_state;

	__atomic_store_n(&mmio->interrupts, 0, __ATOMIC_RELEASE);
}

/* ---- plugging ---- */

static int mmio_irq_init(struct virtio_mmio *mmio, struct irqs *irqs)
{
	int r = vmm__irq_alloc_pin(irqs, &mmio->gsi);

	mmio->irq_fd = -1;
	if (r < 0 || !vmm__irq_pins_take_irqfds(irqs))
		return r;
	mmio->irq_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mmio->irq_fd < 0) {
		r = vmm__fail_errno("no eventfd for an interrupt");
		goto free_pin;
	}
	r = vmm__irqfd_assign(irqs, mmio->gsi, mmio->irq_fd);
	if (r < 0)
		goto close_fd;
	return 0;

close_fd:
	close(mmio->irq_fd);
free_pin:
	vmm__irq_free_pin(irqs, mmio->gsi);
	return r;
}

static void mmio_irq_release(struct virtio_mmio *mmio, struct irqs *irqs)
{
	if (mmio->irq_fd >= 0)
		(void)vmm__irqfd_deassign(irqs, mmio->gsi, mmio->irq_fd);
	vmm__irq_free_pin(irqs, mmio->gsi);
}

static int mmio_plug(struct vmm_device *dev)
{
	const struct device_host *host = dev->host;
	const struct arch_layout *layout = host->layout;
	struct virtio_mmio *mmio;
	struct bus_range range = { .length = MMIO_LENGTH, .ops = &mmio_range };
	uint32_t index = 0;
	int r;

	while (index < layout->mmio_max && (*host->mmio_taken >> index & 1))
		index++;
	if (index == layout->mmio_max)
		return vmm__fail(-ENOSPC, "%s: all %u virtio-mmio windows are taken", dev->name,
				 layout->mmio_max);
	mmio = calloc(1, sizeof(*mmio));
	if (!mmio)
		return vmm__fail(-ENOMEM, "%s: no memory for its registers", dev->name);

	mmio->dev = dev;
	mmio->index = index;
	mmio->base = layout->mmio_base + (vmm_gpa_t)mmio->index * layout->mmio_stride;

	r = mmio_irq_init(mmio, host->irqs);
	if (r < 0)
		goto free_mmio;
	range.base = mmio->base;
	range.state = mmio;
	r = vmm__bus_add(host->mmio, &range);
	if (r < 0)
		goto release_irq;

	vmm__doorbells_init(&mmio->doorbells, dev, 0, 4);
	vmm__doorbells_move(&mmio->doorbells, true, mmio->base + VIRTIO_MMIO_QUEUE_NOTIFY);
	dev->transport_state = mmio;
	*host->mmio_taken |= 1u << index;
	return 0;

release_irq:
	mmio_irq_release(mmio, host->irqs);
	if (mmio->irq_fd >= 0)
		close(mmio->irq_fd);
free_mmio:
	free(mmio);
	return r;
}

static void mmio_unplug(struct vmm_device *dev)
{
	struct virtio_mmio *mmio = dev->transport_state;

	vmm__bus_remove(dev->host->mmio, mmio->base);
	vmm__doorbells_move(&mmio->doorbells, false, 0);
	mmio_irq_release(mmio, dev->host->irqs);
	*dev->host->mmio_taken &= ~(1u << mmio->index);
}

static void mmio_finish(struct vmm_device *dev)
{
	struct virtio_mmio *mmio = dev->transport_state;

	vmm__doorbells_finish(&mmio->doorbells);
	if (mmio->irq_fd >= 0)
		close(mmio->irq_fd);
	free(mmio);
}

bool vmm__device_mmio(const struct vmm_device *dev, vmm_gpa_t *ret_base, uint32_t *ret_gsi)
{
	const struct virtio_mmio *mmio = dev->transport_state;

	if (dev->transport != &vmm__transport_mmio)
		return false;
	*ret_base = mmio->base;
	*ret_gsi = mmio->gsi;
	return true;
}

const struct transport_ops vmm__transport_mmio = {
	.name = "virtio-mmio",
	.plug = mmio_plug,
	.unplug = mmio_unplug,
	.finish = mmio_finish,
	.reset = mmio_reset,
	.sync_doorbells = mmio_sync_doorbells,
	.queue_interrupt = mmio_queue_interrupt,
	.config_interrupt = mmio_config_interrupt,
};
