/* SPDX-License-Identifier: MIT */
/*
 * blk.c - virtio-blk, the disk a guest sees (VIRTIO 1.2, section 5.2).
 *
 * What the driver is told of the disk, what it may change, and when its requests
 * (blk_request.c) come and go.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/vmm.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "devices/virtio/blk_priv.h"

#define QUEUE_SIZE	256u
#define WRITEBACK	((uint32_t)offsetof(struct virtio_blk_config, wce))
#define CONFIG_BYTES	((uint32_t)offsetof(struct virtio_blk_config, max_secure_erase_sectors))

/* ---- the driver's side ---- */

static int disk_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct blk_disk *disk = vmm_device_state(dev);

	for (uint32_t i = 0; i < disk->nr_queues; i++)
		disk->queues[i].queue = vmm_device_queue(dev, i);
	disk->features = *features;
	/* 5.2.5.2: a driver that cannot flush gets a cache that needs none. */
	if (vmm_features_has(features, VIRTIO_BLK_F_CONFIG_WCE) &&
	    !vmm_features_has(features, VIRTIO_BLK_F_FLUSH)) {
		disk->writeback = 0;
		vmm_device_set_config(dev, WRITEBACK, &disk->writeback, 1, false);
	}
	return 0;
}

static void disk_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct blk_disk *disk = vmm_device_state(dev);

	vmm__blk_pull(disk, &disk->queues[vmm_queue_index(queue)]);
	vmm_queue_notify(queue);
}

static void disk_reset(struct vmm_device *dev)
{
	struct blk_disk *disk = vmm_device_state(dev);

	vmm__blk_drain(disk->blk);
	vmm__blk_requests_finish(disk);
	disk->features = (struct vmm_features){ .word = { 0 } };
	if (!disk->writeback) {
		disk->writeback = 1;
		vmm_device_set_config(dev, WRITEBACK, &disk->writeback, 1, false);
	}
}

static void disk_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct blk_disk *disk = vmm_device_state(dev);

	/* What is answered meanwhile finds the queue down; the other queues' is told them after it. */
	vmm__blk_drain_lane(disk->blk, vmm_queue_index(queue));
	vmm__blk_settled(disk);
}

/* The one field that a driver may write: the mode of the cache (5.2.5). */
static void disk_config_write(struct vmm_device *dev, uint32_t offset, const void *data,
			      uint32_t len)
{
	struct blk_disk *disk = vmm_device_state(dev);
	const uint8_t *bytes = data;

	if (!vmm_features_has(&disk->offered, VIRTIO_BLK_F_CONFIG_WCE))
		return;
	/* An offset behind it makes a distance beyond any length. */
	if (WRITEBACK - offset >= len || bytes[WRITEBACK - offset] > 1)
		return;
	disk->writeback = bytes[WRITEBACK - offset];
	vmm_device_set_config(dev, WRITEBACK, &disk->writeback, 1, false);
}

/* The backend has another size: 5.2.5, "capacity", and a config change interrupt. */
static void disk_resized(void *data, uint64_t capacity)
{
	struct blk_disk *disk = data;
	uint64_t sectors = htole64(capacity / BLK_SECTOR);

	disk->info.capacity = capacity;
	vmm_device_set_config(disk->dev, 0, &sectors, sizeof(sectors), true);
}

static void disk_destroy(void *state)
{
	struct blk_disk *disk = state;

	vmm__blk_detach(disk->blk);
	vmm_blk_destroy(disk->blk);
	vmm__blk_requests_finish(disk);
	free(disk);
}

static const struct vmm_device_ops disk_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-blk",
	.virtio_id = VIRTIO_ID_BLOCK,
	.activate = disk_activate,
	.kick = disk_kick,
	.reset = disk_reset,
	.config_write = disk_config_write,
	.destroy = disk_destroy,
	.queue_reset = disk_queue_reset,
};

/* ---- what the driver is told ---- */

static struct vmm_features disk_features(const struct vmm_blk_info *info, uint32_t nr_queues,
					 uint32_t cache)
{
	struct vmm_features f = { .word = { 0 } };

	vmm_features_add(&f, VIRTIO_BLK_F_SIZE_MAX);
	vmm_features_add(&f, VIRTIO_BLK_F_SEG_MAX);
	vmm_features_add(&f, VIRTIO_BLK_F_BLK_SIZE);
	if (info->physical_block_size > info->block_size || info->optimal_io_bytes > 0)
		vmm_features_add(&f, VIRTIO_BLK_F_TOPOLOGY);
	if (nr_queues > 1)
		vmm_features_add(&f, VIRTIO_BLK_F_MQ);
	/* 5.2.5.2: without FLUSH the driver takes it that there is no cache. */
	if ((info->flags & VMM_BLK_CAN_FLUSH) && cache == VMM_BLOCK_WRITEBACK) {
		vmm_features_add(&f, VIRTIO_BLK_F_FLUSH);
		vmm_features_add(&f, VIRTIO_BLK_F_CONFIG_WCE);
	}
	if (info->flags & VMM_BLK_READ_ONLY) {
		vmm_features_add(&f, VIRTIO_BLK_F_RO);
		return f;
	}
	if (info->flags & VMM_BLK_CAN_DISCARD)
		vmm_features_add(&f, VIRTIO_BLK_F_DISCARD);
	if (info->flags & VMM_BLK_CAN_ZERO)
		vmm_features_add(&f, VIRTIO_BLK_F_WRITE_ZEROES);
	return f;
}

/* 5.2.4: little endian; what its feature does not cover stays 0. */
static void disk_config_space(const struct vmm_blk_info *info, const struct vmm_features *f,
			      uint32_t seg_max, uint32_t nr_queues, struct virtio_blk_config *config)
{
	uint32_t blocks = info->physical_block_size / info->block_size;
	uint32_t granules = info->discard_granularity / BLK_SECTOR;

	memset(config, 0, sizeof(*config));
	config->capacity = htole64(info->capacity / BLK_SECTOR);
	config->size_max = htole32(info->max_segment_bytes);
	config->seg_max = htole32(seg_max);
	config->blk_size = htole32(info->block_size);
	if (vmm_features_has(f, VIRTIO_BLK_F_TOPOLOGY)) {
		config->physical_block_exp = (uint8_t)__builtin_ctz(blocks);
		config->min_io_size = htole16(blocks <= UINT16_MAX ? (uint16_t)blocks : 1);
		config->opt_io_size = htole32(info->optimal_io_bytes / info->block_size);
	}
	if (vmm_features_has(f, VIRTIO_BLK_F_MQ))
		config->num_queues = htole16((uint16_t)nr_queues);
	config->wce = vmm_features_has(f, VIRTIO_BLK_F_CONFIG_WCE);
	if (vmm_features_has(f, VIRTIO_BLK_F_DISCARD)) {
		config->max_discard_sectors = htole32(BLK_RANGE_SECTORS);
		config->max_discard_seg = htole32(BLK_RANGES_MAX);
		config->discard_sector_alignment = htole32(granules);
	}
	if (vmm_features_has(f, VIRTIO_BLK_F_WRITE_ZEROES)) {
		config->max_write_zeroes_sectors = htole32(BLK_RANGE_SECTORS);
		config->max_write_zeroes_seg = htole32(BLK_RANGES_MAX);
		config->write_zeroes_may_unmap = 1;
	}
}

static int disk_add(struct vmm *vm, const struct vmm_block_config *c, struct blk_disk *disk)
{
	struct vmm_device_config config = VMM_DEVICE_CONFIG_INIT;
	struct virtio_blk_config space;
	uint32_t seg_max = disk->info.max_segments;

	/* Without indirect descriptors the ring itself holds header, data and status. */
	if (seg_max + 2 > c->queue_size)
		seg_max = c->queue_size > 3 ? c->queue_size - 2 : 1;

	config.ops = &disk_ops;
	config.state = disk;
	config.name = c->name ? c->name : "disk";
	config.features = disk->offered = disk_features(&disk->info, c->nr_queues, c->cache);
	disk_config_space(&disk->info, &config.features, seg_max, c->nr_queues, &space);
	config.config_space = &space;
	config.config_bytes = CONFIG_BYTES;
	config.nr_queues = c->nr_queues;
	config.queue_size = c->queue_size;
	config.transport = c->transport;
	config.loop = c->loop;
	return vmm_add_device(vm, &config, &disk->dev);
}

static int config_check(struct vmm_block_config *c)
{
	if (!c->backend)
		return vmm__fail(-EINVAL, "a disk needs a backend");
	if (c->serial && strlen(c->serial) > VIRTIO_BLK_ID_BYTES)
		return vmm__fail(-EINVAL, "serial \"%s\" is longer than %d bytes", c->serial,
				 VIRTIO_BLK_ID_BYTES);
	if (c->nr_queues > VMM_DEVICE_QUEUES_MAX)
		return vmm__fail(-EINVAL, "%u queues; a disk can have %u", c->nr_queues,
				 VMM_DEVICE_QUEUES_MAX);
	if (c->cache > VMM_BLOCK_WRITETHROUGH)
		return vmm__fail(-EINVAL, "there is no cache mode %u", c->cache);
	if (c->queue_size == 0)
		c->queue_size = QUEUE_SIZE;
	if (c->nr_queues == 0)
		c->nr_queues = 1;
	return 0;
}

static struct blk_disk *disk_create(const struct vmm_block_config *c)
{
	struct blk_disk *disk = calloc(1, sizeof(*disk) + c->nr_queues * sizeof(disk->queues[0]));
	uint32_t entries = c->queue_size <= BLK_REQUESTS_MAX ? c->queue_size : BLK_REQUESTS_MAX;

	if (!disk)
		return NULL;
	disk->blk = c->backend;
	disk->info = (struct vmm_blk_info)VMM_BLK_INFO_INIT;
	(void)vmm_blk_info(c->backend, &disk->info);
	disk->nr_queues = c->nr_queues;
	disk->max_requests = entries * c->nr_queues <= BLK_REQUESTS_MAX ? entries * c->nr_queues
									: BLK_REQUESTS_MAX;
	disk->writeback = 1;
	if (c->serial)
		memcpy(disk->serial, c->serial, strlen(c->serial));
	vmm__blk_requests_init(disk);
	return disk;
}

int vmm_add_block(struct vmm *vm, const struct vmm_block_config *config,
		  struct vmm_device **ret_dev)
{
	struct blk_front front = { .settled = vmm__blk_settled, .resized = disk_resized };
	struct vmm_block_config c;
	struct vmm_loop *loop;
	struct blk_disk *disk;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "a disk needs a guest and a config");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r == 0)
		r = config_check(&c);
	if (r < 0)
		return r;
	disk = disk_create(&c);
	if (!disk)
		return vmm__fail(-ENOMEM, "no memory for a disk");
	front.data = disk;
	front.nr_lanes = c.nr_queues;

	loop = c.loop ? c.loop : vmm_loop_of(vm);
	vmm_loop_enter(loop);
	r = vmm__blk_attach(disk->blk, loop, &front);
	if (r < 0)
		goto free_disk;
	r = disk_add(vm, &c, disk);
	if (r < 0)
		goto detach;
	if (ret_dev)
		*ret_dev = disk->dev;
	vmm_loop_leave(loop);
	return 0;

detach:
	vmm__blk_detach(disk->blk);
free_disk:
	free(disk);
	vmm_loop_leave(loop);
	return r;
}
