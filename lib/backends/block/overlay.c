/* SPDX-License-Identifier: MIT */
/*
 * overlay.c - a disk whose changes lie on top of another, which is never written.
 *
 * It is a front end to both, on the same loop. What they answer only puts jobs into a list;
 * the jobs go on when a batch of answers is through, or, in a drain, in a loop that has both
 * answer all they have.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/block/overlay_priv.h"
#include "core/error_priv.h"

/* ---- jobs ---- */

void vmm__overlay_ready(struct overlay_job *job)
{
	if (job->ready)
		return;
	job->ready = true;
	vmm__overlay_list_append(&job->overlay->ready, job);
}

void vmm__overlay_answer(struct overlay_job *job, int result)
{
	job->overlay->nr_jobs--;
	vmm_blk_complete(job->req, result);
	free(job);
}

/* All that can go on now. What becomes able to meanwhile has the next turn. */
static void go_on(struct blk_overlay *o)
{
	struct overlay_list ready = { .first = NULL };
	struct overlay_job *job;

	vmm__overlay_list_init(&ready);
	while ((job = vmm__overlay_list_take(&o->ready)))
		vmm__overlay_list_append(&ready, job);
	while ((job = vmm__overlay_list_take(&ready))) {
		job->ready = false;
		vmm__overlay_step(job);
	}
	vmm__overlay_flush_step(o);
	vmm__blk_commit(o->base);
	vmm__blk_commit(o->top);
	if (o->ready.first)
		(void)vmm_defer(&o->again);
}

static void settled(void *data)
{
	go_on(data);
}

static void again(struct vmm_deferred *deferred)
{
	go_on((struct blk_overlay *)((char *)deferred - offsetof(struct blk_overlay, again)));
}

/* ---- the table ---- */

static void overlay_submit(void *state, struct vmm_blk_request *req)
{
	struct blk_overlay *o = state;
	struct overlay_job *job;

	/* Changes in memory are as stable as they will ever be. */
	if (req->op == VMM_BLK_FLUSH && !o->persistent) {
		vmm_blk_complete(req, 0);
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		vmm_blk_complete(req, -ENOMEM);
		return;
	}
	job->req = req;
	job->overlay = o;
	job->at = req->offset;
	job->end = req->offset + req->length;
	o->nr_jobs++;
	if (req->op == VMM_BLK_FLUSH) {
		vmm__overlay_list_append(&o->flush.waiting, job);
		return;
	}
	vmm__overlay_step(job);
	if (o->ready.first)
		(void)vmm_defer(&o->again);
}

static void overlay_commit(void *state)
{
	struct blk_overlay *o = state;

	vmm__overlay_flush_step(o);
	vmm__blk_commit(o->base);
	vmm__blk_commit(o->top);
}

static void overlay_drain(void *state)
{
	struct blk_overlay *o = state;

	while (o->nr_jobs > 0 || o->flush.round != OVERLAY_IDLE) {
		go_on(o);
		vmm__blk_drain(o->base);
		vmm__blk_drain(o->top);
	}
	vmm_deferred_cancel(&o->again);
}

static int overlay_attach(void *state, struct vmm_loop *loop)
{
	const struct blk_front front = { .settled = settled, .data = state };
	struct blk_overlay *o = state;
	int r = vmm__blk_attach(o->base, loop, &front);

	if (r < 0)
		return r;
	r = vmm__blk_attach(o->top, loop, &front);
	if (r < 0) {
		vmm__blk_detach(o->base);
		return r;
	}
	vmm_deferred_init(&o->again, loop, again);
	return 0;
}

static void overlay_detach(void *state)
{
	struct blk_overlay *o = state;

	/* What was written and never flushed is kept where the end is an orderly one. */
	o->flush.last = o->persistent;
	do {
		go_on(o);
		vmm__blk_drain(o->top);
	} while (o->flush.round != OVERLAY_IDLE);
	o->flush.last = false;
	vmm_deferred_cancel(&o->again);
	vmm__blk_detach(o->top);
	vmm__blk_detach(o->base);
}

static void overlay_destroy(void *state)
{
	struct blk_overlay *o = state;

	vmm__overlay_io_finish(o);
	vmm__overlay_map_finish(&o->map);
	vmm_blk_destroy(o->top);
	vmm_blk_destroy(o->base);
	free(o);
}

static int overlay_resize(void *state, uint64_t capacity, uint64_t *ret_capacity)
{
	return vmm__fail(-EOPNOTSUPP, "an overlay keeps the size that it was made with");
}

const struct vmm_blk_ops vmm__overlay_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "overlay",
	.attach = overlay_attach,
	.submit = overlay_submit,
	.commit = overlay_commit,
	.drain = overlay_drain,
	.detach = overlay_detach,
	.destroy = overlay_destroy,
	.resize = overlay_resize,
};
