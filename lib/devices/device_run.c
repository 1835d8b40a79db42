/* SPDX-License-Identifier: MIT */
/*
 * device_run.c - a virtio device from DRIVER_OK to its reset.
 *
 * Activation, kicks, breaking and reset all run on the device's loop, one at a
 * time. The first half is what vCPUs call; where it has to do with the front
 * end, the vCPU waits for the loop, without the device's lock.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/loop_priv.h"
#include "core/trace_priv.h"
#include "devices/device_priv.h"
#include "devices/device_run_priv.h"
#include "transport/transport_priv.h"

/* ---- kicks ---- */

static void queue_kick(struct device_queue *dq)
{
	struct vmm_device *dev = dq->dev;
	struct vmm_queue *q = &dq->queue;

	if (!dev->active || q->state != QUEUE_UP)
		return;

	vmm__queue_set_budget(q, QUEUE_BUDGET);
	TRACE2(queue_kick, dev->name, q->index);
	dev->ops.kick(dev, q);

	/* The rest in the next turn, after everybody else's. */
	if (q->cut && dev->active)
		vmm_defer(&dq->again);
	vmm__queue_set_budget(q, QUEUE_NO_BUDGET);
}

void vmm__device_queue_ready(void *data, uint32_t revents)
{
	struct device_queue *dq = data;
	uint64_t count;

	/* Before the ring is looked at: what comes later signals again. */
	if (read(dq->kick_fd, &count, sizeof(count)) == sizeof(count))
		queue_kick(dq);
}

void vmm__device_queue_again(struct vmm_deferred *deferred)
{
	struct device_queue *dq =
		(struct device_queue *)((char *)deferred - offsetof(struct device_queue, again));

	queue_kick(dq);
}

void vmm__device_queue_interrupt(struct vmm_queue *q)
{
	struct device_queue *dq = q->owner;

	TRACE2(queue_interrupt, dq->dev->name, q->index);
	dq->dev->transport->queue_interrupt(dq->dev, q->index);
}

void vmm__device_notify(struct vmm_device *dev, uint32_t queue)
{
	const uint64_t one = 1;

	/* A full counter is a signal already. */
	if (queue < dev->nr_queues)
		(void)!write(dev->queues[queue].kick_fd, &one, sizeof(one));
}

/* ---- breaking ---- */

/* VIRTIO 1.2, 2.1.2. */
void vmm_device_break(struct vmm_device *dev, const char *why)
{
	bool tell;

	if (dev->broken)
		return;
	dev->broken = true;
	dev->active = false;
	for (uint32_t i = 0; i < dev->nr_queues; i++)
		vmm__queue_set_state(&dev->queues[i].queue, QUEUE_BROKEN);

	pthread_mutex_lock(&dev->lock);
	dev->virtio.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	dev->virtio.touched = true;
	tell = dev->virtio.live;
	pthread_mutex_unlock(&dev->lock);

	if (tell)
		dev->transport->config_interrupt(dev);
	dev->host->broken(dev->host->data, dev->name, why);
}

void vmm__device_queue_broke(struct vmm_queue *q, const char *why)
{
	struct device_queue *dq = q->owner;
	char words[128];

	snprintf(words, sizeof(words), "queue %u: %s", q->index, why);
	vmm_device_break(dq->dev, words);
}

/* ---- activation and reset, on the loop ---- */

static int queue_up(struct vmm_device *dev, const struct vmm_features *features, uint32_t index,
		    const struct virtio_queue *regs)
{
	struct vmm_queue *q = &dev->queues[index].queue;
	const struct queue_setup setup = {
		.desc = regs->desc,
		.driver = regs->driver,
		.device = regs->device,
		.size = regs->size,
		.indirect = vmm_features_has(features, VIRTIO_RING_F_INDIRECT_DESC),
		.event_idx = vmm_features_has(features, VIRTIO_RING_F_EVENT_IDX),
		.packed = vmm_features_has(features, VIRTIO_F_RING_PACKED),
	};
	int r = vmm__queue_up(q, &setup);

	if (r == 0 && dev->transport->may_dma && !dev->transport->may_dma(dev))
		vmm__queue_set_state(q, QUEUE_PAUSED);
	return r;
}

/* The registers of the queues are frozen since DRIVER_OK: no lock. */
static int queues_up(struct vmm_device *dev, const struct vmm_features *features)
{
	for (uint32_t i = 0; i < dev->nr_queues; i++) {
		const struct virtio_queue *regs = &dev->virtio.queues[i];
		int r = regs->enabled ? queue_up(dev, features, i, regs) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* What the driver offered before, or notified of too early, is looked at. */
static void queues_look(struct vmm_device *dev)
{
	for (uint32_t i = 0; i < dev->nr_queues; i++) {
		if (dev->queues[i].queue.state == QUEUE_UP)
			vmm_defer(&dev->queues[i].again);
	}
}

static void front_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	int r = dev->ops.activate ? dev->ops.activate(dev, features) : 0;
	char words[128];

	if (r >= 0)
		return;
	snprintf(words, sizeof(words), "it could not be activated: %s", strerrordesc_np(-r));
	vmm_device_break(dev, words);
}

static void activate(void *data)
{
	struct vmm_device *dev = data;
	struct vmm_features features;
	bool live;

	/* A vCPU may have found the device just before it was unplugged. */
	if (dev->gone)
		return;
	pthread_mutex_lock(&dev->lock);
	live = vmm__virtio_go_live(&dev->virtio);
	features = dev->virtio.driver;
	pthread_mutex_unlock(&dev->lock);
	if (!live)
		return;

	if (queues_up(dev, &features) < 0) {
		vmm_device_break(dev, vmm_last_error());
		return;
	}

	dev->active = true;
	front_activate(dev, &features);
	if (dev->active)
		queues_look(dev);
}

void vmm__device_reset_now(struct vmm_device *dev)
{
	dev->active = false;
	for (uint32_t i = 0; i < dev->nr_queues; i++) {
		struct device_queue *dq = &dev->queues[i];

		if (dq->queue.state == QUEUE_DOWN)
			continue;
		vmm_deferred_cancel(&dq->again);
		vmm__queue_down(&dq->queue);
	}

	dev->ops.reset(dev);
	dev->transport->reset(dev);
	dev->broken = false;

	/* Last: a status of 0 tells the driver that all of it is done (2.4). */
	pthread_mutex_lock(&dev->lock);
	vmm__virtio_reset(&dev->virtio);
	pthread_mutex_unlock(&dev->lock);
}

static void reset(void *data)
{
	struct vmm_device *dev = data;

	if (!dev->gone)
		vmm__device_reset_now(dev);
}

/* ---- one queue alone (VIRTIO 1.2, 2.6.1), on the loop ---- */

struct queue_call {
	struct vmm_device *dev;
	uint32_t index;
};

static void queue_reset(void *data)
{
	struct queue_call *call = data;
	struct vmm_device *dev = call->dev;
	struct device_queue *dq = &dev->queues[call->index];
	bool wanted;

	/* The driver may have reset the device on another vCPU meanwhile. */
	pthread_mutex_lock(&dev->lock);
	wanted = dev->virtio.live && dev->virtio.queues[call->index].resetting;
	pthread_mutex_unlock(&dev->lock);
	if (!wanted)
		return;

	/* One that is broken stays so until the device is reset. */
	if (!dev->broken) {
		if (dq->queue.state != QUEUE_DOWN)
			vmm__queue_down(&dq->queue);
		dev->ops.queue_reset(dev, &dq->queue);
	}
	if (dev->transport->queue_reset)
		dev->transport->queue_reset(dev, call->index);

	/* Last: 4.1.4.3.1, it tells the driver that all of it is done. */
	pthread_mutex_lock(&dev->lock);
	vmm__virtio_queue_was_reset(&dev->virtio, call->index);
	pthread_mutex_unlock(&dev->lock);
}

static void queue_enable(void *data)
{
	struct queue_call *call = data;
	struct vmm_device *dev = call->dev;
	struct device_queue *dq = &dev->queues[call->index];
	struct vmm_features features;
	struct virtio_queue regs;

	pthread_mutex_lock(&dev->lock);
	features = dev->virtio.driver;
	regs = dev->virtio.queues[call->index];
	pthread_mutex_unlock(&dev->lock);
	/* Another vCPU may have reset queue or device meanwhile, and brought it up again. */
	if (!regs.enabled || !dev->active || dq->queue.state != QUEUE_DOWN)
		return;

	if (queue_up(dev, &features, call->index, &regs) < 0)
		vmm_device_break(dev, vmm_last_error());
	else if (dq->queue.state == QUEUE_UP)
		vmm_defer(&dq->again);
}

/* ---- from vCPUs ---- */

/* When the guest is being stopped nothing happens: everything is reset then anyway. */
static void call_loop(struct vmm_device *dev, void (*fn)(void *data), void *data)
{
	(void)vmm__loop_call(dev->loop, dev->host->cancel, fn, data);
}

void vmm__device_write_status(struct vmm_device *dev, uint32_t value)
{
	enum virtio_action action;

	pthread_mutex_lock(&dev->lock);
	action = vmm__virtio_write_status(&dev->virtio, value);
	pthread_mutex_unlock(&dev->lock);

	if (action == VIRTIO_NONE)
		return;
	call_loop(dev, action == VIRTIO_RESET ? reset : activate, dev);
	dev->transport->sync_doorbells(dev);
}

static void queue_call(struct vmm_device *dev, enum virtio_action action, uint32_t index)
{
	struct queue_call call = { .dev = dev, .index = index };

	if (action == VIRTIO_NONE)
		return;
	call_loop(dev, action == VIRTIO_QUEUE_RESET ? queue_reset : queue_enable, &call);
	dev->transport->sync_doorbells(dev);
}

void vmm__device_enable_queue(struct vmm_device *dev, bool enabled)
{
	enum virtio_action action;
	uint32_t index;

	pthread_mutex_lock(&dev->lock);
	index = dev->virtio.queue_select;
	action = vmm__virtio_set_enabled(&dev->virtio, enabled);
	pthread_mutex_unlock(&dev->lock);
	queue_call(dev, action, index);
}

void vmm__device_reset_queue(struct vmm_device *dev)
{
	enum virtio_action action;
	uint32_t index;

	pthread_mutex_lock(&dev->lock);
	index = dev->virtio.queue_select;
	action = vmm__virtio_reset_queue(&dev->virtio);
	pthread_mutex_unlock(&dev->lock);
	queue_call(dev, action, index);
}

uint64_t vmm__device_read_config(struct vmm_device *dev, uint32_t offset, uint32_t width)
{
	uint64_t value;

	pthread_mutex_lock(&dev->lock);
	value = vmm__virtio_read_config(&dev->virtio, offset, width);
	pthread_mutex_unlock(&dev->lock);
	return value;
}

struct config_write {
	struct vmm_device *dev;
	uint32_t offset;
	uint32_t width;
	uint8_t bytes[8];
};

static void config_write(void *data)
{
	struct config_write *w = data;

	if (!w->dev->gone)
		w->dev->ops.config_write(w->dev, w->offset, w->bytes, w->width);
}

void vmm__device_write_config(struct vmm_device *dev, uint32_t offset, uint32_t width,
			      uint64_t value)
{
	struct config_write w = { .dev = dev, .offset = offset, .width = width };

	if (!dev->ops.config_write || width > sizeof(w.bytes) ||
	    offset >= dev->virtio.config_bytes || width > dev->virtio.config_bytes - offset)
		return;
	for (uint32_t i = 0; i < width; i++)
		w.bytes[i] = (uint8_t)(value >> (8 * i));

	/* The front end may have something to undo from now on. */
	pthread_mutex_lock(&dev->lock);
	dev->virtio.touched = true;
	pthread_mutex_unlock(&dev->lock);
	call_loop(dev, config_write, &w);
}

static void dma_changed(void *data)
{
	struct vmm_device *dev = data;
	bool dma = dev->transport->may_dma(dev);

	for (uint32_t i = 0; i < dev->nr_queues; i++) {
		struct device_queue *dq = &dev->queues[i];

		if (!dma && dq->queue.state == QUEUE_UP) {
			vmm__queue_set_state(&dq->queue, QUEUE_PAUSED);
		} else if (dma && dq->queue.state == QUEUE_PAUSED) {
			vmm__queue_set_state(&dq->queue, QUEUE_UP);
			vmm_defer(&dq->again);
		}
	}
}

void vmm__device_dma_changed(struct vmm_device *dev)
{
	bool live;

	pthread_mutex_lock(&dev->lock);
	live = dev->virtio.live;
	pthread_mutex_unlock(&dev->lock);

	if (live)
		call_loop(dev, dma_changed, dev);
}
