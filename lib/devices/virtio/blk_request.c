/* SPDX-License-Identifier: MIT */
/*
 * blk_request.c - the requests of a virtio disk (VIRTIO 1.2, section 5.2.6).
 *
 * The header of each request is copied once and checked; data goes between the
 * guest's buffers and the backend without being looked at. How a driver cuts a
 * request into descriptors means nothing (2.7.4): header, data and status are
 * found by their offsets in the out part and the in part.
 *
 * A request that makes no sense is answered with an error status. Only one that
 * has no room for a status breaks the device.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/blk_priv.h"

#define HEADER		sizeof(struct virtio_blk_outhdr)
#define SUBMITTED	(-1)		/* no status yet: the backend has it */

static void request_done(struct blk_io *io, int result);

/* ---- requests: as many as the driver needs at a time, no more ---- */

static struct blk_request *request_take(struct blk_disk *disk, struct blk_queue *queue)
{
	struct blk_request *req = disk->free;

	if (req) {
		disk->free = req->next;
	} else {
		if (disk->nr_requests == disk->max_requests)
			return NULL;
		req = malloc(sizeof(*req));
		if (!req)
			return NULL;
		disk->nr_requests++;
	}

	/* Not the whole of it: that would clear 2 KiB of segments. */
	memset(req, 0, offsetof(struct blk_request, chain));
	req->io.done = request_done;
	req->io.lane = (uint32_t)(queue - disk->queues);
	req->disk = disk;
	req->from = queue;
	if (++disk->nr_busy > disk->peak)
		disk->peak = disk->nr_busy;
	return req;
}

static void request_release(struct blk_request *req)
{
	struct blk_disk *disk = req->disk;

	req->next = disk->free;
	disk->free = req;
	disk->nr_busy--;
}

/* Free up to @max requests of an idle disk. */
static void requests_trim(struct blk_disk *disk, uint32_t max)
{
	struct blk_request **link = &disk->free;

	while (*link && max > 0) {
		struct blk_request *req = *link;

		if (req == &disk->first) {
			link = &req->next;
			continue;
		}
		*link = req->next;
		free(req);
		disk->nr_requests--;
		max--;
	}
}

void vmm__blk_requests_init(struct blk_disk *disk)
{
	disk->nr_requests = 1;
	disk->free = &disk->first;
}

void vmm__blk_requests_finish(struct blk_disk *disk)
{
	requests_trim(disk, UINT32_MAX);
	disk->peak = 0;
	for (uint32_t i = 0; i < disk->nr_queues; i++)
		disk->queues[i].stalled = disk->queues[i].pushed = false;
}

/*
 * One for each time it falls idle having needed fewer: a burst is paid back slowly, and a
 * steady load never comes here to malloc.
 */
static void requests_decay(struct blk_disk *disk)
{
	if (disk->nr_busy > 0)
		return;
	if (disk->nr_requests > disk->peak)
		requests_trim(disk, 1);
	disk->peak = 0;
}

/* Write the status, the last byte of the in part, and give the chain back. */
static void request_finish(struct blk_request *req, uint8_t status)
{
	struct vmm_chain *chain = &req->chain;
	uint32_t written = 1;

	if (req->cut)
		chain->iov[chain->nr_out + chain->nr_in - 1].iov_len++;
	(void)vmm_chain_write(chain, chain->in_len - 1, &status, 1);

	/* Of a read that failed, nobody knows which bytes came: only the status is sure. */
	if (status == VIRTIO_BLK_S_OK)
		written = chain->in_len;
	vmm_queue_push(req->from->queue, chain, written);
	req->from->pushed = true;
	request_release(req);
}

/* ---- operations: each returns a status, or SUBMITTED ---- */

static bool range_valid(const struct blk_disk *disk, uint64_t sector, uint64_t length)
{
	uint64_t sectors = disk->info.capacity / BLK_SECTOR;

	return length > 0 && length % disk->info.block_size == 0 &&
	       sector % (disk->info.block_size / BLK_SECTOR) == 0 &&
	       sector <= sectors && length / BLK_SECTOR <= sectors - sector;
}

static int submit(struct blk_request *req, uint32_t op, uint64_t sector, uint64_t length)
{
	req->io.req.op = op;
	req->io.req.offset = sector * BLK_SECTOR;
	req->io.req.length = length;
	vmm__blk_submit(req->disk->blk, &req->io);
	return SUBMITTED;
}

/*
 * Whether a write is to be on stable storage before it is answered: the driver set the
 * cache to writethrough, or cannot flush (5.2.6.2, cases 1 and 2).
 */
static bool writes_through(const struct blk_disk *disk)
{
	if (!(disk->info.flags & VMM_BLK_CAN_FLUSH))
		return false;
	if (vmm_features_has(&disk->features, VIRTIO_BLK_F_CONFIG_WCE))
		return !disk->writeback;
	return !vmm_features_has(&disk->features, VIRTIO_BLK_F_FLUSH);
}

/* A driver that has agreed to a limit keeps to it (5.2.4); what others ask for is done too. */
static bool segments_valid(const struct blk_disk *disk, const struct vmm_blk_request *r)
{
	if (r->nr_iov > disk->info.max_segments)
		return false;
	if (!vmm_features_has(&disk->features, VIRTIO_BLK_F_SIZE_MAX))
		return true;
	for (uint32_t i = 0; i < r->nr_iov; i++) {
		if (r->iov[i].iov_len > disk->info.max_segment_bytes)
			return false;
	}
	return true;
}

/* The in part is data and the status. */
static int start_read(struct blk_request *req, uint64_t sector)
{
	struct vmm_chain *chain = &req->chain;
	struct vmm_blk_request *r = &req->io.req;
	uint64_t length = chain->in_len - 1;
	struct iovec *last = &chain->iov[chain->nr_out + chain->nr_in - 1];

	if (chain->out_len != HEADER || !range_valid(req->disk, sector, length))
		return VIRTIO_BLK_S_IOERR;

	r->iov = &chain->iov[chain->nr_out];
	r->nr_iov = chain->nr_in - (last->iov_len == 1);
	last->iov_len--;
	req->cut = true;
	if (!segments_valid(req->disk, r))
		return VIRTIO_BLK_S_IOERR;
	return submit(req, VMM_BLK_READ, sector, length);
}

/* The out part is the header and data. */
static int start_write(struct blk_request *req, uint64_t sector)
{
	struct vmm_chain *chain = &req->chain;
	struct vmm_blk_request *r = &req->io.req;
	uint64_t length = chain->out_len - HEADER;
	struct iovec *data = chain->iov;
	size_t skip = HEADER;

	if (req->disk->info.flags & VMM_BLK_READ_ONLY)
		return VIRTIO_BLK_S_IOERR;	/* 5.2.6.2 */
	if (!range_valid(req->disk, sector, length))
		return VIRTIO_BLK_S_IOERR;

	while (skip >= data->iov_len)
		skip -= data++->iov_len;
	data->iov_base = (char *)data->iov_base + skip;
	data->iov_len -= skip;

	r->iov = data;
	r->nr_iov = chain->nr_out - (uint32_t)(data - chain->iov);
	if (!segments_valid(req->disk, r))
		return VIRTIO_BLK_S_IOERR;
	if (writes_through(req->disk)) {
		if (req->disk->info.flags & VMM_BLK_CAN_THROUGH)
			r->flags = VMM_BLK_THROUGH;
		else
			req->through = true;
	}
	return submit(req, VMM_BLK_WRITE, sector, length);
}

static int start_flush(struct blk_request *req)
{
	if (!(req->disk->info.flags & VMM_BLK_CAN_FLUSH))
		return VIRTIO_BLK_S_UNSUPP;
	return submit(req, VMM_BLK_FLUSH, 0, 0);
}

/* The next range of a discard or write zeroes, copied and checked when its turn comes. */
static int start_range(struct blk_request *req)
{
	bool zero = req->type == VIRTIO_BLK_T_WRITE_ZEROES;
	struct virtio_blk_discard_write_zeroes range;
	uint32_t sectors, flags;

	(void)vmm_chain_read(&req->chain, HEADER + req->range * sizeof(range), &range,
			     sizeof(range));
	req->range++;
	sectors = le32toh(range.num_sectors);
	flags = le32toh(range.flags);

	if (flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u))
		return VIRTIO_BLK_S_UNSUPP;	/* 5.2.6.2 */
	if (sectors > BLK_RANGE_SECTORS ||
	    !range_valid(req->disk, le64toh(range.sector), (uint64_t)sectors * BLK_SECTOR))
		return VIRTIO_BLK_S_IOERR;

	req->io.req.flags = flags ? VMM_BLK_MAY_UNMAP : 0;
	return submit(req, zero ? VMM_BLK_WRITE_ZEROES : VMM_BLK_DISCARD, le64toh(range.sector),
		      (uint64_t)sectors * BLK_SECTOR);
}

/* Ranges after the header, done one after the other. */
static uint32_t nr_ranges(const struct blk_request *req)
{
	return (uint32_t)((req->chain.out_len - HEADER) /
			  sizeof(struct virtio_blk_discard_write_zeroes));
}

static int start_ranges(struct blk_request *req, unsigned feature)
{
	if (!vmm_features_has(&req->disk->features, feature))
		return VIRTIO_BLK_S_UNSUPP;
	if ((req->chain.out_len - HEADER) % sizeof(struct virtio_blk_discard_write_zeroes) != 0 ||
	    nr_ranges(req) == 0 || nr_ranges(req) > BLK_RANGES_MAX)
		return VIRTIO_BLK_S_IOERR;
	req->through = writes_through(req->disk);
	return start_range(req);
}

static int start_id(struct blk_request *req)
{
	if (req->chain.in_len != VIRTIO_BLK_ID_BYTES + 1)
		return VIRTIO_BLK_S_IOERR;
	(void)vmm_chain_write(&req->chain, 0, req->disk->serial, VIRTIO_BLK_ID_BYTES);
	return VIRTIO_BLK_S_OK;
}

/* Not so a type that we do not know: that is told apart from a malformed one (5.2.6.2). */
static bool writes_only_status(uint32_t type)
{
	return type == VIRTIO_BLK_T_OUT || type == VIRTIO_BLK_T_FLUSH ||
	       type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
}

static int start(struct blk_request *req)
{
	struct virtio_blk_outhdr header;

	if (vmm_chain_read(&req->chain, 0, &header, HEADER) != HEADER)
		return VIRTIO_BLK_S_IOERR;
	req->type = le32toh(header.type);

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
		return start_read(req, le64toh(header.sector));
	case VIRTIO_BLK_T_GET_ID:
		return start_id(req);
	}

	if (writes_only_status(req->type) && req->chain.in_len != 1)
		return VIRTIO_BLK_S_IOERR;
	switch (req->type) {
	case VIRTIO_BLK_T_OUT:
		return start_write(req, le64toh(header.sector));
	case VIRTIO_BLK_T_FLUSH:
		return start_flush(req);
	case VIRTIO_BLK_T_DISCARD:
		return start_ranges(req, VIRTIO_BLK_F_DISCARD);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return start_ranges(req, VIRTIO_BLK_F_WRITE_ZEROES);
	}
	return VIRTIO_BLK_S_UNSUPP;
}

/* ---- between queue and backend ---- */

void vmm__blk_pull(struct blk_disk *disk, struct blk_queue *queue)
{
	struct blk_request *req;

	while ((req = request_take(disk, queue))) {
		int status;

		if (vmm_queue_pop(queue->queue, &req->chain) <= 0) {
			request_release(req);
			break;
		}
		if (req->chain.in_len == 0) {
			request_release(req);
			vmm_device_break(disk->dev, "a disk request without room for its status");
			break;
		}
		status = start(req);
		if (status != SUBMITTED)
			request_finish(req, (uint8_t)status);
	}
	queue->stalled = !req;
	vmm__blk_commit(disk->blk);
}

/* Whether there is more to do for @req before its answer. Returns a status or SUBMITTED. */
static int request_next(struct blk_request *req, int result)
{
	bool ranges = req->type == VIRTIO_BLK_T_DISCARD || req->type == VIRTIO_BLK_T_WRITE_ZEROES;

	if (result != 0)
		return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
	if (ranges && req->range < nr_ranges(req))
		return start_range(req);
	if (req->through) {
		req->through = false;
		req->io.req.flags = 0;
		req->io.req.iov = NULL;
		req->io.req.nr_iov = 0;
		return submit(req, VMM_BLK_FLUSH, 0, 0);
	}
	return VIRTIO_BLK_S_OK;
}

static void request_done(struct blk_io *io, int result)
{
	struct blk_request *req = (struct blk_request *)io;
	int status = request_next(req, result);

	if (status != SUBMITTED)
		request_finish(req, (uint8_t)status);
}

/* A batch is done: those that waited have their turn, and one interrupt a queue for all of it. */
void vmm__blk_settled(void *data)
{
	struct blk_disk *disk = data;

	for (uint32_t i = 0; i < disk->nr_queues; i++) {
		struct blk_queue *queue = &disk->queues[(disk->turn + i) % disk->nr_queues];

		if (queue->stalled)
			vmm__blk_pull(disk, queue);
	}
	disk->turn++;
	vmm__blk_commit(disk->blk);

	for (uint32_t i = 0; i < disk->nr_queues; i++) {
		if (disk->queues[i].pushed)
			vmm_queue_notify(disk->queues[i].queue);
		disk->queues[i].pushed = false;
	}
	requests_decay(disk);
}
