/* SPDX-License-Identifier: MIT */
/*
 * file.c - a disk in a plain file or a block device, raw: in use.
 *
 * Byte n of the disk is byte n of the file. No format is guessed and nothing in
 * the file is ever believed. The work is done by a ring (uring.c) and a pool of
 * threads (pool.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/block/disk_priv.h"
#include "backends/block/file_priv.h"
#include "core/error_priv.h"

static bool ring_can(const struct blk_file *file, const struct vmm_blk_request *req)
{
	switch (req->op) {
	case VMM_BLK_READ:
	case VMM_BLK_WRITE:
		return vmm__file_aligned(file, req);
	case VMM_BLK_FLUSH:
		return true;
	}
	return false;
}

static void file_submit(void *state, struct vmm_blk_request *req)
{
	struct blk_file *file = state;

	vmm__file_job(req)->done = 0;
	if (file->ring && ring_can(file, req))
		vmm__file_ring_submit(file->ring, req);
	else
		vmm__file_pool_submit(&file->pool, req);
}

static void file_commit(void *state)
{
	struct blk_file *file = state;

	if (file->ring)
		vmm__file_ring_commit(file->ring);
}

static void file_drain(void *state)
{
	struct blk_file *file = state;

	if (file->ring)
		vmm__file_ring_drain(file->ring);
	vmm__file_pool_drain(&file->pool);
}

/*
 * A write past RLIMIT_FSIZE raises SIGXFSZ in the thread that makes it: with a ring that can be
 * the application's, whose signals are none of our business; the pool's threads block it.
 */
int vmm__file_limit(uint64_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < bytes)
		return vmm__fail(-EFBIG, "a file of %llu bytes is over this process's limit of size",
				 (unsigned long long)bytes);
	return 0;
}

static bool size_limited(const struct blk_file *file, uint64_t capacity)
{
	return !file->device && !(file->flags & VMM_BLK_READ_ONLY) &&
	       vmm__file_limit(capacity) < 0;
}

static int file_attach(void *state, struct vmm_loop *loop)
{
	struct blk_file *file = state;

	if (!(file->flags & VMM_BLK_FILE_THREADS) && !size_limited(file, file->capacity) &&
	    vmm__file_ring_create(file, loop, &file->ring) < 0)
		file->ring = NULL;	/* refused, for whatever reason: the pool does it all */
	return 0;
}

static void file_detach(void *state)
{
	struct blk_file *file = state;

	if (file->ring)
		vmm__file_ring_destroy(file->ring);
	file->ring = NULL;
	vmm__file_pool_stop(&file->pool);
}

static void file_close(struct blk_file *file)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (file->fd < 0)
		return;
	/* The description may live on in a descriptor of the caller's, or in a dying ring. */
	if (file->locked)
		(void)fcntl(file->fd, F_OFD_SETLK, &lock);
	close(file->fd);
}

static void file_destroy(void *state)
{
	struct blk_file *file = state;

	vmm__file_pool_finish(&file->pool);
	file_close(file);
	free(file);
}

/* Bytes in it by now. */
static int file_measure(const struct blk_file *file, uint64_t *ret_bytes)
{
	struct stat stat;

	if (file->device)
		return ioctl(file->fd, BLKGETSIZE64, ret_bytes) < 0
			? vmm__fail_errno("cannot ask this block device for its size") : 0;
	if (fstat(file->fd, &stat) < 0)
		return vmm__fail_errno("cannot stat the disk's file");
	*ret_bytes = (uint64_t)stat.st_size;
	return 0;
}

static int file_grow(const struct blk_file *file, uint64_t capacity)
{
	if (file->device)
		return vmm__fail(-EINVAL, "a block device cannot be made larger from here");
	if (file->flags & VMM_BLK_READ_ONLY)
		return vmm__fail(-EROFS, "a file that is only read cannot be made larger");
	if (capacity > INT64_MAX)
		return vmm__fail(-EFBIG, "no file holds %llu bytes", (unsigned long long)capacity);
	if (ftruncate(file->fd, (off_t)capacity) < 0)
		return vmm__fail_errno("cannot make the disk's file larger");
	return 0;
}

static int file_resize(void *state, uint64_t capacity, uint64_t *ret_capacity)
{
	struct blk_file *file = state;
	uint64_t bytes;
	int r = file_measure(file, &bytes);

	if (r < 0)
		return r;
	if (capacity == 0)
		capacity = bytes;
	/* As for attach(); and growing a file past it would raise the signal here. */
	if (size_limited(file, capacity) && (file->ring || capacity > bytes))
		return -EFBIG;
	if (capacity > bytes)
		r = file_grow(file, capacity);
	if (r < 0)
		return r;
	file->capacity = *ret_capacity = capacity;
	return 0;
}

int vmm__file_fd(const struct vmm_blk *blk)
{
	return ((const struct blk_file *)blk->state)->fd;
}

const struct vmm_blk_ops vmm__file_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "file",
	.attach = file_attach,
	.submit = file_submit,
	.commit = file_commit,
	.drain = file_drain,
	.detach = file_detach,
	.destroy = file_destroy,
	.resize = file_resize,
};
