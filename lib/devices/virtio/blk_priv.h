/* SPDX-License-Identifier: MIT */
/* blk_priv.h - what blk.c (the device) and blk_request.c (its requests) share. */
#ifndef DEVICES_VIRTIO_BLK_PRIV_H
#define DEVICES_VIRTIO_BLK_PRIV_H

#include <linux/virtio_blk.h>
#include <stdbool.h>

#include <libvmm/device.h>
#include "backends/block/block_priv.h"

#define BLK_SECTOR		512u
#define BLK_RANGES_MAX		32u		/* of one discard */
#define BLK_RANGE_SECTORS	(1u << 22)	/* 2 GiB in one of them */
#define BLK_REQUESTS_MAX	1024u		/* kept at a time, however many queues there are */

/* One request, from pop to push. */
struct blk_request {
	struct blk_io io;		/* first: lent to the backend */
	struct blk_disk *disk;
	struct blk_queue *from;
	struct blk_request *next;	/* in the list of free ones */
	uint32_t type;			/* VIRTIO_BLK_T_* */
	uint32_t range;			/* of a discard: the next one */
	bool cut;			/* the status is cut off the last segment */
	bool through;			/* a flush is to follow before the answer */
	struct vmm_chain chain;
};

struct blk_queue {
	struct vmm_queue *queue;
	bool stalled;			/* no request was free: pop again when one is */
	bool pushed;			/* the driver is to be told */
};

struct blk_disk {
	struct vmm_blk *blk;
	struct vmm_blk_info info;
	struct vmm_device *dev;
	struct vmm_features offered;
	struct vmm_features features;	/* negotiated */
	uint8_t writeback;		/* of the config space */
	char serial[VIRTIO_BLK_ID_BYTES];

	struct blk_request *free;
	uint32_t nr_requests;
	uint32_t nr_busy;
	uint32_t peak;			/* of nr_busy since there were none */
	uint32_t max_requests;
	struct blk_request first;	/* always there */

	uint32_t turn;			/* which queue is the first to be pulled next time */
	uint32_t nr_queues;
	struct blk_queue queues[];
};

/* Make room for requests; there is one from now on. */
void vmm__blk_requests_init(struct blk_disk *disk);

/* Free all but that one. None is in flight. */
void vmm__blk_requests_finish(struct blk_disk *disk);

/* Take what the driver has made available in @queue, and hand it to the backend. */
void vmm__blk_pull(struct blk_disk *disk, struct blk_queue *queue);

/* The backend has answered a batch: for vmm__blk_attach(). */
void vmm__blk_settled(void *disk);

#endif
