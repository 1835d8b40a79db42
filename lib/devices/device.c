/* SPDX-License-Identifier: MIT */
/*
 * device.c - making a virtio device of a front end and a transport, and the
 * calls that front ends make on it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <libvmm/stats.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/loop_priv.h"
#include "devices/device_priv.h"
#include "devices/device_run_priv.h"
#include "transport/transport_priv.h"

#define DEFAULT_QUEUE_SIZE	256
#define VIRTIO_ID_MAX		63	/* 4.1.2: PCI device ids end at 0x107f */

/* ---- what the caller asked for ---- */

static int ops_copy(struct vmm_device_ops *ops, const struct vmm_device_ops *from)
{
	int r;

	if (!from)
		return vmm__fail(-EINVAL, "a device needs a table of operations");
	r = vmm__config_copy(ops, sizeof(*ops), from, from->size, sizeof(size_t));
	if (r < 0)
		return r;
	if (!ops->name || !ops->kick || !ops->reset)
		return vmm__fail(-EINVAL, "a device's table needs a name, kick and reset");
	if (ops->virtio_id == 0 || ops->virtio_id > VIRTIO_ID_MAX)
		return vmm__fail(-EINVAL, "%s: virtio id %u is not in 1 .. %u", ops->name,
				 ops->virtio_id, VIRTIO_ID_MAX);
	return 0;
}

static int config_check(struct vmm_device_config *config, const char *name)
{
	if (config->queue_size == 0)
		config->queue_size = DEFAULT_QUEUE_SIZE;

	if (strlen(name) >= sizeof(((struct vmm_device *)0)->name))
		return vmm__fail(-EINVAL, "a device's name has over 63 bytes");
	if (config->nr_queues == 0 || config->nr_queues > VMM_DEVICE_QUEUES_MAX)
		return vmm__fail(-EINVAL, "%s: %u queues; 1 .. %u can be", name, config->nr_queues,
				 VMM_DEVICE_QUEUES_MAX);
	if (config->queue_size > VMM_QUEUE_SIZE_MAX ||
	    (config->queue_size & (config->queue_size - 1)))
		return vmm__fail(-EINVAL, "%s: queue size %u is no power of two up to %u", name,
				 config->queue_size, VMM_QUEUE_SIZE_MAX);
	if (config->config_bytes > VMM_DEVICE_CONFIG_MAX)
		return vmm__fail(-EINVAL, "%s: %u bytes of config space; at most %u can be", name,
				 config->config_bytes, VMM_DEVICE_CONFIG_MAX);
	if (config->queue_format > VMM_QUEUE_PACKED)
		return vmm__fail(-EINVAL, "%s: queue format %u is none of VMM_QUEUE_", name,
				 config->queue_format);
	if (config->reserved)
		return vmm__fail(-EINVAL, "%s: a reserved field is not zero", name);
	if (vmm__virtio_reserved_feature(&config->features))
		return vmm__fail(-EINVAL, "%s: feature bits 24 .. 49 are the library's to offer",
				 name);
	return 0;
}

/* NULL with words. */
static const struct transport_ops *transport_choose(const struct device_host *host, uint32_t wanted)
{
	if (wanted == VMM_TRANSPORT_DEFAULT)
		wanted = host->default_transport;
	if (wanted == VMM_TRANSPORT_DEFAULT)
		wanted = host->pci ? VMM_TRANSPORT_PCI : VMM_TRANSPORT_MMIO;

	if (wanted == VMM_TRANSPORT_MMIO)
		return &vmm__transport_mmio;
	if (wanted == VMM_TRANSPORT_PCI && host->pci)
		return &vmm__transport_pci;

	vmm__fail(-EINVAL, wanted == VMM_TRANSPORT_PCI ? "this machine has no PCI bus"
						       : "there is no transport %u", wanted);
	return NULL;
}

/* ---- construction ---- */

static int queue_create(struct vmm_device *dev, uint32_t index)
{
	struct device_queue *dq = &dev->queues[index];
	int r = vmm__queue_init(&dq->queue, dev->host->mem, dev->virtio.max_size);

	if (r < 0)
		return r;
	dq->dev = dev;
	dq->queue.index = index;
	dq->queue.owner = dq;
	dq->queue.interrupt = vmm__device_queue_interrupt;
	dq->queue.broke = vmm__device_queue_broke;
	vmm_deferred_init(&dq->again, dev->loop, vmm__device_queue_again);

	dq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dq->kick_fd < 0) {
		r = vmm__fail_errno("%s: no eventfd for queue %u", dev->name, index);
		goto finish_queue;
	}
	r = vmm_loop_add_fd(dev->loop, dq->kick_fd, EPOLLIN, vmm__device_queue_ready, dq,
			    &dq->kick);
	if (r < 0)
		goto close_fd;
	return 0;

close_fd:
	close(dq->kick_fd);
finish_queue:
	vmm__queue_finish(&dq->queue);
	return r;
}

static void queue_destroy(struct device_queue *dq)
{
	vmm_source_remove(dq->kick);
	vmm_deferred_cancel(&dq->again);
	close(dq->kick_fd);
	vmm__queue_finish(&dq->queue);
}

static int queues_create(struct vmm_device *dev)
{
	int r;

	dev->queues = calloc(dev->virtio.nr_queues, sizeof(dev->queues[0]));
	if (!dev->queues)
		return vmm__fail(-ENOMEM, "%s: no memory for queues", dev->name);

	for (; dev->nr_queues < dev->virtio.nr_queues; dev->nr_queues++) {
		r = queue_create(dev, dev->nr_queues);
		if (r < 0)
			goto destroy_queues;
	}
	return 0;

destroy_queues:
	while (dev->nr_queues > 0)
		queue_destroy(&dev->queues[--dev->nr_queues]);
	free(dev->queues);
	return r;
}

static void queues_destroy(struct vmm_device *dev)
{
	for (uint32_t i = dev->nr_queues; i-- > 0;)
		queue_destroy(&dev->queues[i]);
	free(dev->queues);
}

static void registers_init(struct virtio *v, const struct vmm_device_config *config,
			   const struct device_host *host, bool ring_reset)
{
	uint32_t format = config->queue_format ? config->queue_format : host->default_queue_format;

	v->offered = config->features;
	vmm__virtio_offer(&v->offered, format == VMM_QUEUE_PACKED, ring_reset);
	v->nr_queues = config->nr_queues;
	v->max_size = (uint16_t)config->queue_size;
	v->config_bytes = config->config_bytes;
	if (config->config_space)
		memcpy(v->config, config->config_space, config->config_bytes);
	vmm__virtio_reset(v);
}

static struct vmm_device *device_alloc(const struct device_host *host,
				       const struct vmm_device_config *config,
				       const struct vmm_device_ops *ops, const char *name)
{
	struct vmm_device *dev = calloc(1, sizeof(*dev));

	if (!dev) {
		vmm__fail(-ENOMEM, "%s: no memory for the device", name);
		return NULL;
	}
	dev->ops = *ops;
	dev->state = config->state;
	dev->host = host;
	dev->loop = config->loop ? config->loop : host->loop;
	memcpy(dev->name, name, strlen(name) + 1);
	registers_init(&dev->virtio, config, host, ops->queue_reset);
	pthread_mutex_init(&dev->lock, NULL);
	vmm__loop_get(dev->loop);
	return dev;
}

static void device_free(struct vmm_device *dev)
{
	vmm__loop_put(dev->loop);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

int vmm__device_create(const struct device_host *host,
		       const struct vmm_device_config *caller_config, struct vmm_device **ret_dev)
{
	struct vmm_device_config config;
	struct vmm_device_ops ops;
	const struct transport_ops *transport;
	struct vmm_device *dev;
	const char *name;
	int r = vmm__config_copy(&config, sizeof(config), caller_config, caller_config->size,
				 sizeof(size_t));

	if (r == 0)
		r = ops_copy(&ops, config.ops);
	if (r < 0)
		return r;
	name = config.name ? config.name : ops.name;
	r = config_check(&config, name);
	if (r < 0)
		return r;
	transport = transport_choose(host, config.transport);
	if (!transport)
		return -EINVAL;

	dev = device_alloc(host, &config, &ops, name);
	if (!dev)
		return -ENOMEM;
	dev->transport = transport;
	r = queues_create(dev);
	if (r < 0)
		goto free_device;
	r = transport->plug(dev);
	if (r < 0)
		goto destroy_queues;

	*ret_dev = dev;
	return 0;

destroy_queues:
	queues_destroy(dev);
free_device:
	device_free(dev);
	return r;
}

void vmm__device_unplug(struct vmm_device *dev)
{
	vmm_loop_enter(dev->loop);
	vmm__device_reset_now(dev);
	dev->transport->unplug(dev);
	dev->gone = true;
	if (dev->ops.destroy)
		dev->ops.destroy(dev->state);
	vmm_loop_leave(dev->loop);
}

void vmm__device_free(struct vmm_device *dev)
{
	struct vmm_loop *loop = dev->loop;

	vmm_loop_enter(loop);
	if (dev->transport->finish)
		dev->transport->finish(dev);
	queues_destroy(dev);
	vmm_loop_leave(loop);
	device_free(dev);
}

void vmm__device_destroy(struct vmm_device *dev)
{
	if (!dev)
		return;
	vmm__device_unplug(dev);
	vmm__device_free(dev);
}

void vmm__device_power_on(struct vmm_device *dev)
{
	if (dev->transport->power_on)
		dev->transport->power_on(dev);
}

uint32_t vmm__device_slot(const struct vmm_device *dev)
{
	return dev->transport->slot ? dev->transport->slot(dev) : 0;
}

void vmm__device_reset(struct vmm_device *dev)
{
	/* It may be on another loop than the guest's. */
	vmm_loop_enter(dev->loop);
	vmm__device_reset_now(dev);
	vmm_loop_leave(dev->loop);
}

void vmm__device_machine_reset(struct vmm_device *dev)
{
	dev->transport->sync_doorbells(dev);
	if (dev->transport->machine_reset)
		dev->transport->machine_reset(dev);
}

/* ---- for front ends ---- */

void *vmm_device_state(const struct vmm_device *dev)
{
	return dev->state;
}

struct vmm_loop *vmm_device_loop(const struct vmm_device *dev)
{
	return dev->loop;
}

struct vmm_queue *vmm_device_queue(const struct vmm_device *dev, uint32_t index)
{
	return index < dev->nr_queues ? &dev->queues[index].queue : NULL;
}

bool vmm_device_active(const struct vmm_device *dev)
{
	return dev->active;
}

const char *vmm__device_name(const struct vmm_device *dev)
{
	return dev->name;
}

void vmm__device_stats(struct vmm_device *dev, struct vmm_stats *stats)
{
	bool live;

	pthread_mutex_lock(&dev->lock);
	live = dev->virtio.live;
	pthread_mutex_unlock(&dev->lock);
	vmm_stats_add(stats, "active", live, VMM_STAT_GAUGE, VMM_STAT_BOOLEAN);
	if (dev->ops.stats)
		dev->ops.stats(dev, stats);
}

void vmm_device_set_config(struct vmm_device *dev, uint32_t offset, const void *data, uint32_t len,
			   bool notify)
{
	bool live;

	pthread_mutex_lock(&dev->lock);
	vmm__virtio_change_config(&dev->virtio, offset, data, len);
	live = dev->virtio.live;
	pthread_mutex_unlock(&dev->lock);

	if (notify && live)
		dev->transport->config_interrupt(dev);
}
