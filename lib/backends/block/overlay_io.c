/* SPDX-License-Identifier: MIT */
/*
 * overlay_io.c - reads and writes of a copy-on-write overlay.
 *
 * A cluster comes from the top once it is the overlay's own, else from the base. A request is
 * cut where the one ends and the other begins; most are one piece and go down as they are.
 *
 * A write of part of a cluster that is not the overlay's own brings the whole of it up: read
 * below, changed, written above. Meanwhile nobody else may change that cluster, or the copy
 * would undo it: a request that will make clusters the overlay's own owns its range until it
 * is answered, and others of that range wait. The bit is set when the data has been written;
 * when it reaches the file is overlay_flush.c's business.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/block/overlay_priv.h"

#define PARTS_MAX	512u		/* in flight at a time, of all requests */
#define ZERO_BYTES	(1u << 20)	/* filled in one turn */

/* ---- parts and bounce buffers ---- */

static void wake(struct overlay_list *list)
{
	struct overlay_job *job;

	while ((job = vmm__overlay_list_take(list)))
		vmm__overlay_ready(job);
}

static struct overlay_part *part_take(struct blk_overlay *o)
{
	struct overlay_part *part = o->parts;

	if (part) {
		o->parts = part->next;
	} else {
		if (o->nr_parts == PARTS_MAX)
			return NULL;
		part = malloc(sizeof(*part));
		if (!part)
			return NULL;
		o->nr_parts++;
	}
	memset(part, 0, offsetof(struct overlay_part, iov));
	return part;
}

static void part_release(struct blk_overlay *o, struct overlay_part *part)
{
	part->next = o->parts;
	o->parts = part;
	wake(&o->starved);
}

static bool bounce_take(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;

	if (job->bounce)
		return true;
	if (o->nr_free_bounces > 0) {
		job->bounce = o->bounces[--o->nr_free_bounces];
	} else if (o->nr_bounces < OVERLAY_BOUNCES) {
		job->bounce = aligned_alloc(OVERLAY_BLOCK, o->layout.cluster);
		if (job->bounce)
			o->nr_bounces++;
	}
	return job->bounce;
}

static void bounce_release(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;

	if (!job->bounce)
		return;
	o->bounces[o->nr_free_bounces++] = job->bounce;
	job->bounce = NULL;
	wake(&o->starved);
}

void vmm__overlay_io_finish(struct blk_overlay *o)
{
	while (o->parts) {
		struct overlay_part *part = o->parts;

		o->parts = part->next;
		free(part);
	}
	o->nr_parts = 0;
	while (o->nr_free_bounces > 0)
		free(o->bounces[--o->nr_free_bounces]);
	o->nr_bounces = 0;
}

/* ---- the clusters of a request ---- */

static uint64_t cluster_of(const struct blk_overlay *o, uint64_t at)
{
	return at / o->layout.cluster;
}

/* The first one that [.., @end) does not touch. */
static uint64_t cluster_end(const struct blk_overlay *o, uint64_t end)
{
	return (end - 1) / o->layout.cluster + 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool overlap(const struct blk_overlay *o, const struct overlay_job *a,
		    const struct overlay_job *b)
{
	const struct vmm_blk_request *x = a->req, *y = b->req;

	return cluster_of(o, x->offset) < cluster_end(o, y->offset + y->length) &&
	       cluster_of(o, y->offset) < cluster_end(o, x->offset + x->length);
}

/* Whether @job may go on: it owns its clusters, or needs not. Otherwise it waits. */
static bool own(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;
	uint64_t first = cluster_of(o, job->at), end = cluster_end(o, job->end);

	if (job->owner || (vmm__overlay_map_test(&o->map, first) &&
			   vmm__overlay_map_run(&o->map, first, end) == end))
		return true;
	for (struct overlay_job *other = o->owners; other; other = other->next_owner) {
		if (overlap(o, job, other)) {
			vmm__overlay_list_append(&o->blocked, job);
			return false;
		}
	}
	job->owner = true;
	job->next_owner = o->owners;
	o->owners = job;
	return true;
}

static void disown(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;
	struct overlay_job **link = &o->owners, *other;
	struct overlay_list blocked = o->blocked;

	if (!job->owner)
		return;
	while (*link != job)
		link = &(*link)->next_owner;
	*link = job->next_owner;
	job->owner = false;

	/* Only those that waited for this one: nobody looks at the others in vain. */
	if (!blocked.first)
		return;
	vmm__overlay_list_init(&o->blocked);
	while ((other = vmm__overlay_list_take(&blocked))) {
		if (overlap(o, job, other))
			vmm__overlay_ready(other);
		else
			vmm__overlay_list_append(&o->blocked, other);
	}
}

static void finish(struct overlay_job *job)
{
	bounce_release(job);
	disown(job);
	vmm__overlay_answer(job, job->result);
}

/* ---- one part ---- */

static void part_done(struct blk_io *io, int result)
{
	struct overlay_part *part = (struct overlay_part *)io;
	struct overlay_job *job = part->job;
	struct blk_overlay *o = job->overlay;

	job->pending--;
	if (result < 0 && job->result == 0)
		job->result = result;
	else if (result == 0 && part->first < part->end)
		vmm__overlay_map_set(&o->map, part->first, part->end);
	part_release(o, part);
	vmm__overlay_ready(job);
}

static void part_start(struct overlay_part *part, struct overlay_job *job, struct vmm_blk *blk)
{
	part->job = job;
	part->io.done = part_done;
	job->pending++;
	vmm__blk_submit(blk, &part->io);
}

/* The segments of @job's request that hold [@at, @at + @length) of the disk. */
static void slice(struct overlay_part *part, const struct overlay_job *job, uint64_t at,
		  uint64_t length)
{
	const struct vmm_blk_request *from = job->req;
	struct vmm_blk_request *to = &part->io.req;
	uint64_t skip = at - from->offset;
	uint32_t i = 0;

	to->length = length;
	to->iov = part->iov;
	if (length == from->length) {
		to->iov = from->iov;
		to->nr_iov = from->nr_iov;
		return;
	}
	while (skip >= from->iov[i].iov_len)
		skip -= from->iov[i++].iov_len;
	for (; length > 0; i++, skip = 0) {
		struct iovec *iov = &part->iov[to->nr_iov++];

		iov->iov_base = (char *)from->iov[i].iov_base + skip;
		iov->iov_len = least(from->iov[i].iov_len - skip, length);
		length -= iov->iov_len;
	}
}

/* Move [@at, @at + @length) between the guest's segments and @bytes. NULL: zeros to the guest. */
static void copy(const struct overlay_job *job, uint64_t at, uint64_t length, unsigned char *bytes)
{
	const struct vmm_blk_request *req = job->req;
	uint64_t skip = at - req->offset;
	uint32_t i = 0;

	while (skip >= req->iov[i].iov_len)
		skip -= req->iov[i++].iov_len;
	for (; length > 0; i++, skip = 0) {
		unsigned char *guest = (unsigned char *)req->iov[i].iov_base + skip;
		uint64_t n = least(req->iov[i].iov_len - skip, length);

		if (bytes) {
			memcpy(bytes, guest, n);
			bytes += n;
		} else {
			memset(guest, 0, n);
		}
		length -= n;
	}
}

/* There is no part or buffer now: @job waits for one, unless there never was any. */
static void starve(struct overlay_job *job, bool ever)
{
	if (job->pending > 0)
		return;		/* it goes on with the next of its own parts */
	if (ever) {
		vmm__overlay_list_append(&job->overlay->starved, job);
		return;
	}
	job->result = -ENOMEM;
	vmm__overlay_ready(job);
}

/* ---- reading ---- */

/* Start the next run of clusters from one side. False: not now. */
static bool read_run(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;
	uint64_t most = least(job->end, job->at + OVERLAY_RUN_BYTES);
	uint64_t first = cluster_of(o, job->at);
	uint64_t run = vmm__overlay_map_run(&o->map, first, cluster_end(o, most));
	uint64_t until = least(run * o->layout.cluster, most);
	bool ours = vmm__overlay_map_test(&o->map, first);
	struct overlay_part *part;

	if (!ours && job->at >= o->layout.base_capacity) {
		until = least(until, job->at + ZERO_BYTES);
		copy(job, job->at, until - job->at, NULL);
		job->at = until;
		/* The rest in another turn: it is the loop that does this work. */
		if (job->at < job->end)
			vmm__overlay_ready(job);
		return job->at == job->end;
	}
	if (!ours)
		until = least(until, o->layout.base_capacity);

	part = part_take(o);
	if (!part) {
		starve(job, o->nr_parts > 0);
		return false;
	}
	part->io.req.op = VMM_BLK_READ;
	part->io.req.offset = ours ? o->data_offset + job->at : job->at;
	slice(part, job, job->at, until - job->at);
	job->at = until;
	part_start(part, job, ours ? o->top : o->base);
	return true;
}

static void read_step(struct overlay_job *job)
{
	while (job->result == 0 && job->at < job->end && job->pending < OVERLAY_PARTS) {
		if (!read_run(job))
			return;
	}
	if (job->pending == 0)
		finish(job);
}

/* ---- writing, zeroing, discarding ---- */

/* [@start, @end) of the one cluster that @job->at is in. */
static void cluster_bounds(const struct overlay_job *job, uint64_t *ret_start, uint64_t *ret_end)
{
	const struct overlay_layout *l = &job->overlay->layout;

	*ret_start = job->at / l->cluster * l->cluster;
	*ret_end = least(*ret_start + l->cluster, l->capacity);
}

/* Write all up to a last cluster that has to be brought up. */
static void write_plain(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;
	struct overlay_part *part = part_take(o);
	uint64_t until = job->end, last = cluster_end(o, job->end) - 1;

	if (!part) {
		starve(job, o->nr_parts > 0);
		return;
	}
	if (until % o->layout.cluster != 0 && until < o->layout.capacity &&
	    !vmm__overlay_map_test(&o->map, last))
		until = last * o->layout.cluster;

	part->io.req.offset = o->data_offset + job->at;
	if (job->req->op == VMM_BLK_WRITE) {
		part->io.req.op = VMM_BLK_WRITE;
		slice(part, job, job->at, until - job->at);
	} else {
		/* Of a discard nothing is left to see: zeros are what a guest likes best. */
		part->io.req.op = VMM_BLK_WRITE_ZEROES;
		part->io.req.flags = job->req->op == VMM_BLK_DISCARD ? VMM_BLK_MAY_UNMAP
								     : job->req->flags;
		part->io.req.length = until - job->at;
	}
	part->first = cluster_of(o, job->at);
	part->end = cluster_end(o, until);
	job->at = until;
	part_start(part, job, o->top);
}

/* The whole cluster, read or written, through the bounce buffer. */
static bool copy_start(struct overlay_job *job, uint32_t op)
{
	struct blk_overlay *o = job->overlay;
	struct overlay_part *part = part_take(o);
	uint64_t start, end;

	if (!part) {
		starve(job, o->nr_parts > 0);
		return false;
	}
	cluster_bounds(job, &start, &end);
	if (op == VMM_BLK_READ)
		end = least(end, o->layout.base_capacity);
	part->io.req.op = op;
	part->io.req.offset = op == VMM_BLK_READ ? start : o->data_offset + start;
	part->io.req.length = end - start;
	part->iov[0] = (struct iovec){ job->bounce, end - start };
	part->io.req.iov = part->iov;
	part->io.req.nr_iov = 1;
	if (op == VMM_BLK_WRITE) {
		part->first = cluster_of(o, start);
		part->end = part->first + 1;
	}
	part_start(part, job, op == VMM_BLK_READ ? o->base : o->top);
	return true;
}

static void copy_up(struct overlay_job *job)
{
	struct blk_overlay *o = job->overlay;
	uint64_t start, end, until;

	if (!bounce_take(job)) {
		starve(job, o->nr_bounces > 0);
		return;
	}
	cluster_bounds(job, &start, &end);
	if (job->phase == OVERLAY_PLAIN) {
		memset(job->bounce, 0, o->layout.cluster);
		if (start < o->layout.base_capacity) {
			if (copy_start(job, VMM_BLK_READ))
				job->phase = OVERLAY_COPY_READ;
			return;
		}
	}

	until = least(job->end, end);
	if (job->req->op == VMM_BLK_WRITE)
		copy(job, job->at, until - job->at, job->bounce + (job->at - start));
	else
		memset(job->bounce + (job->at - start), 0, until - job->at);
	job->phase = copy_start(job, VMM_BLK_WRITE) ? OVERLAY_COPY_WRITE : OVERLAY_COPY_READ;
}

/* Whether there is only part of the next cluster to write, and the rest lies below. */
static bool needs_copy(const struct overlay_job *job)
{
	const struct blk_overlay *o = job->overlay;
	uint64_t start, end;

	cluster_bounds(job, &start, &end);
	return (job->at > start || job->end < end) &&
	       !vmm__overlay_map_test(&o->map, cluster_of(o, start));
}

static void write_step(struct overlay_job *job)
{
	uint64_t start, end;

	if (job->pending > 0)
		return;
	if (job->result == 0 && job->phase == OVERLAY_COPY_WRITE) {
		cluster_bounds(job, &start, &end);
		job->at = least(job->end, end);
		job->phase = OVERLAY_PLAIN;
		bounce_release(job);
	}
	if (job->result < 0 || job->at == job->end)
		finish(job);
	else if (!own(job))
		return;
	else if (job->phase == OVERLAY_COPY_READ || needs_copy(job))
		copy_up(job);
	else
		write_plain(job);
}

/* Only whole clusters are discarded; the edges may stay as they are. */
static void discard_trim(struct overlay_job *job)
{
	const struct overlay_layout *l = &job->overlay->layout;

	job->at = (job->at + l->cluster - 1) / l->cluster * l->cluster;
	if (job->end < l->capacity)
		job->end = job->end / l->cluster * l->cluster;
	if (job->at > job->end)
		job->at = job->end;
}

void vmm__overlay_step(struct overlay_job *job)
{
	if (job->req->op == VMM_BLK_READ) {
		read_step(job);
		return;
	}
	if (job->req->op == VMM_BLK_DISCARD)
		discard_trim(job);
	write_step(job);
}
