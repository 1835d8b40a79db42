/* SPDX-License-Identifier: MIT */
/*
 * file_priv.h - the parts of a disk in a file: file_open.c, file.c, file_io.c, uring.c, pool.c.
 *
 * A request goes to the ring when it is one that the ring can do in one operation, and to
 * the pool otherwise; a ring that meets anything out of the ordinary hands the rest of the
 * request to the pool. So the ring is only fast, and the pool is complete.
 */
#ifndef BACKENDS_BLOCK_FILE_PRIV_H
#define BACKENDS_BLOCK_FILE_PRIV_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <libvmm/block.h>

struct blk_file;
struct file_ring;

/* ---- what is kept in a request's scratch ---- */

struct file_job {
	struct vmm_blk_request *next;
	uint64_t done;			/* bytes moved so far */
};

_Static_assert(sizeof(struct file_job) <= sizeof(((struct vmm_blk_request *)0)->scratch),
	       "fits in the scratch of a request");

static inline struct file_job *vmm__file_job(struct vmm_blk_request *req)
{
	return (struct file_job *)req->scratch;
}

/* Requests in the order they came. */
struct file_list {
	struct vmm_blk_request *first;
	struct vmm_blk_request **last;
};

static inline void vmm__file_list_init(struct file_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static inline void vmm__file_list_append(struct file_list *list, struct vmm_blk_request *req)
{
	vmm__file_job(req)->next = NULL;
	*list->last = req;
	list->last = &vmm__file_job(req)->next;
}

static inline struct vmm_blk_request *vmm__file_list_take(struct file_list *list)
{
	struct vmm_blk_request *req = list->first;

	if (req) {
		list->first = vmm__file_job(req)->next;
		if (!list->first)
			list->last = &list->first;
	}
	return req;
}

/* ---- file_io.c: a request in system calls that block ---- */

/* Whether O_DIRECT can use the buffers of @req as they are; true without O_DIRECT. */
bool vmm__file_aligned(const struct blk_file *file, const struct vmm_blk_request *req);

/* Do @req from job->done on. Returns the answer. Any thread. */
int vmm__file_run(struct blk_file *file, struct vmm_blk_request *req);

/* ---- pool.c: threads for what blocks ---- */

#define POOL_THREADS	8

struct file_pool {
	struct blk_file *file;
	pthread_mutex_t lock;
	pthread_cond_t work;		/* a request waits, or it is over */
	pthread_cond_t idle;		/* nothing waits and nothing runs */
	struct file_list waiting;
	uint32_t nr_waiting;
	uint32_t nr_running;		/* requests */
	uint32_t nr_idle;		/* threads */
	uint32_t nr_threads;
	bool over;
	pthread_t threads[POOL_THREADS];
};

void vmm__file_pool_init(struct file_pool *pool, struct blk_file *file);
void vmm__file_pool_submit(struct file_pool *pool, struct vmm_blk_request *req);
void vmm__file_pool_drain(struct file_pool *pool);
void vmm__file_pool_stop(struct file_pool *pool);	/* after drain; can be used again */
void vmm__file_pool_finish(struct file_pool *pool);

/* ---- file.c ---- */

struct blk_file {
	int fd;
	uint32_t flags;			/* VMM_BLK_READ_ONLY, VMM_BLK_FILE_* */
	bool device;			/* a block device, not a plain file */
	bool locked;
	uint32_t align;			/* O_DIRECT wants offsets, lengths and buffers so; else 1 */
	uint64_t capacity;
	bool no_punch, no_zero_range;	/* atomic: this file system cannot, found out by trying */
	struct file_ring *ring;		/* NULL: everything goes to the pool */
	struct file_pool pool;
};

extern const struct vmm_blk_ops vmm__file_ops;

/* The descriptor of a disk that vmm_blk_open_file() made. Borrowed. */
int vmm__file_fd(const struct vmm_blk *blk);

/* -EFBIG with words: a write up to @bytes would raise SIGXFSZ in this process. */
int vmm__file_limit(uint64_t bytes);

/* ---- uring.c: reads, writes and flushes through io_uring ---- */

#ifdef HAVE_LIBURING
/* -EOPNOTSUPP and others: where there is none, the pool does it all. */
int vmm__file_ring_create(struct blk_file *file, struct vmm_loop *loop,
			  struct file_ring **ret_ring);
void vmm__file_ring_submit(struct file_ring *ring, struct vmm_blk_request *req);
void vmm__file_ring_commit(struct file_ring *ring);
void vmm__file_ring_drain(struct file_ring *ring);	/* drain the pool after it */
void vmm__file_ring_destroy(struct file_ring *ring);
#else
static inline int vmm__file_ring_create(struct blk_file *file, struct vmm_loop *loop,
					struct file_ring **ret_ring)
{
	return -EOPNOTSUPP;
}
static inline void vmm__file_ring_submit(struct file_ring *ring, struct vmm_blk_request *req) { }
static inline void vmm__file_ring_commit(struct file_ring *ring) { }
static inline void vmm__file_ring_drain(struct file_ring *ring) { }
static inline void vmm__file_ring_destroy(struct file_ring *ring) { }
#endif

#endif
