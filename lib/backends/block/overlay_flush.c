/* SPDX-License-Identifier: MIT */
/*
 * overlay_flush.c - what makes the writes of an overlay last.
 *
 * One round at a time serves all flushes that came before it: the map is sealed, the data is
 * made stable, the sealed blocks of the map are written, and those are made stable. Whenever
 * the host goes down, a bit that is in the file has its data in the file; what has no bit yet
 * was not flushed, and reads as what lies below.
 */
#include "backends/block/overlay_priv.h"

#define MAP_BLOCKS	256u		/* in one write: 1 MiB */

static void flush_done(struct blk_io *io, int result)
{
	struct overlay_flush *f = (struct overlay_flush *)io;

	f->in_flight = false;
	if (result < 0)
		f->result = result;
}

static void flush_submit(struct blk_overlay *o, uint32_t op)
{
	struct overlay_flush *f = &o->flush;

	f->io.done = flush_done;
	f->io.req.op = op;
	f->io.req.flags = 0;
	if (op == VMM_BLK_FLUSH) {
		f->io.req.offset = f->io.req.length = 0;
		f->io.req.iov = NULL;
		f->io.req.nr_iov = 0;
	}
	f->in_flight = true;
	vmm__blk_submit(o->top, &f->io);
}

static void round_begin(struct blk_overlay *o)
{
	struct overlay_flush *f = &o->flush;
	struct overlay_job *job;

	while ((job = vmm__overlay_list_take(&f->waiting)))
		vmm__overlay_list_append(&f->served, job);
	f->result = 0;
	vmm__overlay_map_seal(&o->map);
	f->round = OVERLAY_DATA;
	flush_submit(o, VMM_BLK_FLUSH);
}

static void round_end(struct blk_overlay *o)
{
	struct overlay_flush *f = &o->flush;
	struct overlay_job *job;

	vmm__overlay_map_unseal(&o->map, f->result == 0);
	f->round = OVERLAY_IDLE;
	while ((job = vmm__overlay_list_take(&f->served)))
		vmm__overlay_answer(job, f->result);
}

/* The next sealed blocks. False: all are written. */
static bool map_write(struct blk_overlay *o)
{
	struct overlay_flush *f = &o->flush;
	uint64_t first, end;

	if (!vmm__overlay_map_sealed(&o->map, f->block, MAP_BLOCKS, &first, &end))
		return false;
	f->block = end;
	f->iov = (struct iovec){ o->map.image + first * OVERLAY_BLOCK,
				 (end - first) * OVERLAY_BLOCK };
	f->io.req.offset = OVERLAY_BLOCK + first * OVERLAY_BLOCK;
	f->io.req.length = f->iov.iov_len;
	f->io.req.iov = &f->iov;
	f->io.req.nr_iov = 1;
	flush_submit(o, VMM_BLK_WRITE);
	return true;
}

void vmm__overlay_flush_step(struct blk_overlay *o)
{
	struct overlay_flush *f = &o->flush;
	uint64_t first, end;

	while (!f->in_flight) {
		switch (f->result < 0 ? OVERLAY_SEAL : f->round) {
		case OVERLAY_DATA:
			f->round = vmm__overlay_map_sealed(&o->map, 0, 1, &first, &end)
					   ? OVERLAY_MAP : OVERLAY_SEAL;
			f->block = 0;
			break;
		case OVERLAY_MAP:
			if (map_write(o))
				break;
			f->round = OVERLAY_SEAL;
			flush_submit(o, VMM_BLK_FLUSH);
			break;
		case OVERLAY_SEAL:
			round_end(o);
			f->result = 0;
			break;
		case OVERLAY_IDLE:
			if (!f->waiting.first && !(f->last && o->map.nr_dirty > 0))
				return;
			f->last = false;
			round_begin(o);
			break;
		}
	}
}
