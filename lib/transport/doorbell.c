/* SPDX-License-Identifier: MIT */
/*
 * doorbell.c - keep what KVM catches in step with the queues that are live.
 *
 * KVM takes its time to change the list of what it catches, and a guest can make
 * us change it as often as it likes. So this is done on the vCPU's thread that
 * caused it, never on a loop, which may serve other guests; and with a lock of its
 * own, which no loop waits for.
 */
#include <linux/virtio_config.h>

#include "core/ioevent_priv.h"
#include "devices/device_priv.h"
#include "transport/doorbell_priv.h"
#include "transport/transport_priv.h"

void vmm__doorbells_init(struct doorbells *d, struct vmm_device *dev, uint32_t stride,
			 uint32_t width)
{
	*d = (struct doorbells){ .dev = dev, .stride = stride, .width = width };
	pthread_mutex_init(&d->lock, NULL);
}

/* With the lock: @wanted, if there is a place for them. */
static void doorbells_catch(struct doorbells *d, uint64_t wanted)
{
	int vm_fd = d->dev->host->vm_fd;

	for (uint32_t queue = 0; queue < d->dev->nr_queues; queue++) {
		uint64_t bit = 1ull << queue;
		const struct ioevent event = {
			.address = d->base + (uint64_t)d->stride * queue,
			.width = d->width,
			.match = d->stride == 0,
			.value = d->stride == 0 ? queue : 0,
			.fd = d->dev->queues[queue].kick_fd,
		};

		if ((wanted & bit) && !(d->caught & bit)) {
			if (vmm__ioevent_assign(vm_fd, &event) == 0)
				d->caught |= bit;
		} else if (!(wanted & bit) && (d->caught & bit)) {
			(void)vmm__ioevent_deassign(vm_fd, &event);
			d->caught &= ~bit;
		}
	}
}

/* The queues that are live now. Whoever changes that next comes here too, after us. */
static uint64_t live_queues(struct vmm_device *dev)
{
	const struct virtio *v = &dev->virtio;
	uint64_t live = 0;
	bool works;

	pthread_mutex_lock(&dev->lock);
	works = v->live && !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	for (uint32_t i = 0; i < dev->nr_queues && works; i++)
		live |= (uint64_t)v->queues[i].enabled << i;
	pthread_mutex_unlock(&dev->lock);
	return live;
}

void vmm__doorbells_sync(struct doorbells *d)
{
	pthread_mutex_lock(&d->lock);
	doorbells_catch(d, d->mapped ? live_queues(d->dev) : 0);
	pthread_mutex_unlock(&d->lock);
}

void vmm__doorbells_move(struct doorbells *d, bool mapped, vmm_gpa_t base)
{
	pthread_mutex_lock(&d->lock);
	doorbells_catch(d, 0);
	d->mapped = mapped;
	d->base = base;
	doorbells_catch(d, d->mapped ? live_queues(d->dev) : 0);
	pthread_mutex_unlock(&d->lock);
}

void vmm__doorbells_finish(struct doorbells *d)
{
	vmm__doorbells_move(d, false, 0);
	pthread_mutex_destroy(&d->lock);
}
