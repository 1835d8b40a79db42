/* SPDX-License-Identifier: MIT */
/*
 * uring.c - reads, writes and flushes of a disk in a file through io_uring.
 *
 * Requests wait in one list. A commit fills the submission queue from it and
 * enters the kernel once; no more are given out than the completion queue holds,
 * so that it cannot overflow. The ring's own descriptor is readable while there
 * are completions, and is watched by the loop.
 *
 * One request is one operation here. If it is interrupted, cancelled (the thread
 * that submitted it ended), refused or moves only part of the bytes, the pool does
 * the rest.
 */
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>

#include "backends/block/file_priv.h"
#include "core/error_priv.h"

#define RING_ENTRIES	64		/* submission queue: one page */
#define RING_DEPTH	256		/* completion queue, and requests given out: one page */

#define RING_MOST	(1u << 30)	/* bytes of one operation */

/*
 * What the page cache holds is copied by the thread that submits, the loop's. After this
 * many bytes in one commit the kernel is told to use threads of its own instead.
 */
#define RING_INLINE	(1u << 20)

struct file_ring {
	struct io_uring ring;
	struct blk_file *file;
	struct vmm_source *source;
	struct vmm_deferred again;	/* there is more to submit */
	struct file_list waiting;	/* the first nr_filled of them have an entry already */
	struct vmm_blk_request *unfilled;	/* the first that has none */
	uint32_t nr_filled;
	uint32_t nr_out;		/* given to the kernel */
	bool registered;		/* the file is the ring's own number 0 */
	bool dead;			/* the kernel refuses to be entered */
};

/* ---- submission ---- */

static void fill_entry(struct file_ring *ring, struct io_uring_sqe *sqe,
		       struct vmm_blk_request *req, uint64_t *inline_bytes)
{
	unsigned int length = req->length < RING_MOST ? (unsigned int)req->length : RING_MOST;
	int fd = ring->registered ? 0 : ring->file->fd;

	switch (req->op) {
	case VMM_BLK_READ:
		if (req->nr_iov == 1)
			io_uring_prep_read(sqe, fd, req->iov->iov_base, length, req->offset);
		else
			io_uring_prep_readv(sqe, fd, req->iov, req->nr_iov, req->offset);
		break;
	case VMM_BLK_WRITE:
		if (req->nr_iov == 1)
			io_uring_prep_write(sqe, fd, req->iov->iov_base, length, req->offset);
		else
			io_uring_prep_writev(sqe, fd, req->iov, req->nr_iov, req->offset);
		if (req->flags & VMM_BLK_THROUGH)
			sqe->rw_flags = RWF_DSYNC;
		break;
	default:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	}
	if (ring->registered)
		sqe->flags |= IOSQE_FIXED_FILE;
	if (ring->file->align == 1 && req->op != VMM_BLK_FLUSH) {
		*inline_bytes += req->length;
		if (*inline_bytes > RING_INLINE)
			sqe->flags |= IOSQE_ASYNC;
	}
	io_uring_sqe_set_data(sqe, req);
}

static void fill(struct file_ring *ring, uint64_t *inline_bytes)
{
	while (ring->unfilled && ring->nr_out + ring->nr_filled < RING_DEPTH) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

		if (!sqe)
			return;
		fill_entry(ring, sqe, ring->unfilled, inline_bytes);
		ring->unfilled = vmm__file_job(ring->unfilled)->next;
		ring->nr_filled++;
	}
}

/* What the kernel has not taken is for the pool, from now on everything. */
static void ring_die(struct file_ring *ring)
{
	struct vmm_blk_request *req;

	ring->dead = true;
	ring->unfilled = NULL;
	ring->nr_filled = 0;
	while ((req = vmm__file_list_take(&ring->waiting)))
		vmm__file_pool_submit(&ring->file->pool, req);
}

/* Enter the kernel until it has taken all there is room for. */
static void ring_enter(struct file_ring *ring)
{
	uint64_t inline_bytes = 0;

	while (!ring->dead) {
		int n;

		fill(ring, &inline_bytes);
		if (ring->nr_filled == 0)
			return;
		n = io_uring_submit(&ring->ring);
		if (n == -EINTR)
			continue;
		if (n == 0 || n == -EAGAIN || n == -EBUSY || n == -ENOMEM)
			return;		/* the next turn tries again */
		if (n < 0) {
			ring_die(ring);
			return;
		}
		ring->nr_filled -= (uint32_t)n;
		ring->nr_out += (uint32_t)n;
		while (n-- > 0)
			(void)vmm__file_list_take(&ring->waiting);
	}
}

/* ---- completion ---- */

static void ring_answer(struct file_ring *ring, struct vmm_blk_request *req, int res)
{
	struct file_job *job = vmm__file_job(req);

	switch (res) {
	case -EINTR:
	case -EAGAIN:
	case -ECANCELED:
	case -EOPNOTSUPP:
	case -ENOMEM:
		vmm__file_pool_submit(&ring->file->pool, req);
		return;
	}
	if (res < 0 || req->op == VMM_BLK_FLUSH) {
		vmm_blk_complete(req, res);
		return;
	}

	job->done = (uint64_t)res - (uint64_t)res % ring->file->align;
	if (job->done >= req->length)
		vmm_blk_complete(req, 0);
	else
		vmm__file_pool_submit(&ring->file->pool, req);
}

/* Take what has completed. Bounded: no more are out than RING_DEPTH. */
static void ring_reap(struct file_ring *ring)
{
	struct io_uring_cqe *cqe;

	while (ring->nr_out > 0 && io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
		struct vmm_blk_request *req = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&ring->ring, cqe);
		ring->nr_out--;
		ring_answer(ring, req, res);
	}
}

/*
 * What the page cache held has completed inside the submission: no need to be woken for it.
 * That may leave room for those that wait, and nothing in flight that would come back for
 * them: they have the next turn.
 */
static void ring_turn(struct file_ring *ring)
{
	ring_enter(ring);
	ring_reap(ring);
	if (ring->waiting.first && ring->nr_out < RING_DEPTH)
		(void)vmm_defer(&ring->again);
}

static void ring_ready(void *data, uint32_t revents)
{
	struct file_ring *ring = data;

	ring_reap(ring);
	ring_turn(ring);
}

static void ring_again(struct vmm_deferred *deferred)
{
	ring_turn((struct file_ring *)((char *)deferred - offsetof(struct file_ring, again)));
}

/* ---- what file.c calls ---- */

void vmm__file_ring_submit(struct file_ring *ring, struct vmm_blk_request *req)
{
	if (ring->dead) {
		vmm__file_pool_submit(&ring->file->pool, req);
		return;
	}
	vmm__file_list_append(&ring->waiting, req);
	if (!ring->unfilled)
		ring->unfilled = req;
}

void vmm__file_ring_commit(struct file_ring *ring)
{
	ring_turn(ring);
}

void vmm__file_ring_drain(struct file_ring *ring)
{
	const struct timespec moment = { .tv_nsec = 1000 * 1000 };
	struct io_uring_cqe *cqe;

	while (ring->waiting.first || ring->nr_out > 0) {
		ring_enter(ring);
		/* It may lack memory, or refuse to be entered while it still works for us. */
		if (ring->nr_out == 0 || io_uring_wait_cqe(&ring->ring, &cqe) < 0)
			nanosleep(&moment, NULL);
		ring_reap(ring);
	}
	vmm_deferred_cancel(&ring->again);
}

void vmm__file_ring_destroy(struct file_ring *ring)
{
	vmm_deferred_cancel(&ring->again);
	vmm_source_remove(ring->source);
	io_uring_queue_exit(&ring->ring);
	free(ring);
}

/* With what this kernel knows. COOP_TASKRUN (5.19) spares the loop's thread interrupts. */
static int ring_open(struct io_uring *ring)
{
	const unsigned int needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
				    IORING_FEAT_RW_CUR_POS;
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN,
					  .cq_entries = RING_DEPTH };
	int r = io_uring_queue_init_params(RING_ENTRIES, ring, &params);

	if (r == -EINVAL) {
		params = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE,
						   .cq_entries = RING_DEPTH };
		r = io_uring_queue_init_params(RING_ENTRIES, ring, &params);
	}
	if (r < 0)
		return vmm__fail(r, "this kernel gives no io_uring");
	if ((params.features & needed) != needed) {
		io_uring_queue_exit(ring);
		return vmm__fail(-EOPNOTSUPP, "the io_uring of this kernel is too old");
	}
	return 0;
}

int vmm__file_ring_create(struct blk_file *file, struct vmm_loop *loop, struct file_ring **ret_ring)
{
	struct file_ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return vmm__fail(-ENOMEM, "no memory for a ring");
	ring->file = file;
	vmm__file_list_init(&ring->waiting);
	vmm_deferred_init(&ring->again, loop, ring_again);

	r = ring_open(&ring->ring);
	if (r < 0)
		goto free_ring;
	/* Spares each operation the way to the file. Buffers are not: that would pin all guest memory. */
	ring->registered = io_uring_register_files(&ring->ring, &file->fd, 1) == 0;
	r = vmm_loop_add_fd(loop, ring->ring.ring_fd, EPOLLIN, ring_ready, ring, &ring->source);
	if (r < 0)
		goto close_ring;
	*ret_ring = ring;
	return 0;

close_ring:
	io_uring_queue_exit(&ring->ring);
free_ring:
	free(ring);
	return r;
}
