/* SPDX-License-Identifier: MIT */
/*
 * file.c - a disk in a plain file or a block device, raw.
 *
 * Byte n of the disk is byte n of the file. No format is guessed and nothing in
 * the file is ever believed. Opening finds out what the disk is like; the work is
 * done by a ring (uring.c) and a pool of threads (pool.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/block/file_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define BLOCK_MAX	4096u		/* no guest is shown a larger logical block */
#define FLAGS		(VMM_BLK_READ_ONLY | VMM_BLK_FILE_DIRECT | VMM_BLK_FILE_THREADS | \
			 VMM_BLK_FILE_UNLOCKED)

/* ---- the table ---- */

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
static bool size_limited(const struct blk_file *file)
{
	struct rlimit limit;

	if (file->device || (file->flags & VMM_BLK_READ_ONLY))
		return false;
	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       limit.rlim_cur < file->capacity;
}

static int file_attach(void *state, struct vmm_loop *loop)
{
	struct blk_file *file = state;

	if (!(file->flags & VMM_BLK_FILE_THREADS) && !size_limited(file) &&
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

static int file_lock(struct blk_file *file)
{
	struct flock lock = { .l_whence = SEEK_SET };

	if (file->flags & VMM_BLK_FILE_UNLOCKED)
		return 0;
	lock.l_type = file->flags & VMM_BLK_READ_ONLY ? F_RDLCK : F_WRLCK;
	if (fcntl(file->fd, F_OFD_SETLK, &lock) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return vmm__fail(-EBUSY, "the disk's file is locked: somebody else uses it");
		return vmm__fail_errno("cannot lock the disk's file");
	}
	file->locked = true;
	return 0;
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

static const struct vmm_blk_ops file_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "file",
	.attach = file_attach,
	.submit = file_submit,
	.commit = file_commit,
	.drain = file_drain,
	.detach = file_detach,
	.destroy = file_destroy,
};

/* ---- opening ---- */

static int open_path(struct blk_file *file, const char *path)
{
	int flags = file->flags & VMM_BLK_READ_ONLY ? O_RDONLY : O_RDWR;

	if (file->flags & VMM_BLK_FILE_DIRECT)
		flags |= O_DIRECT;
	/* O_NONBLOCK: not to hang on a FIFO. What we accept does not know it. */
	file->fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (file->fd < 0)
		return vmm__fail_errno("cannot open disk %s%s", path,
				       flags & O_DIRECT ? " past the page cache" : "");

	flags = fcntl(file->fd, F_GETFL);
	if (flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return vmm__fail_errno("cannot set flags of disk %s", path);
	return 0;
}

/* The flags of a caller's descriptor are shared with the caller: looked at, never changed. */
static int open_fd(struct blk_file *file, int fd)
{
	int flags;

	file->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (file->fd < 0)
		return vmm__fail_errno("cannot duplicate descriptor %d", fd);
	flags = fcntl(file->fd, F_GETFL);
	if (flags < 0)
		return vmm__fail_errno("cannot read flags of descriptor %d", fd);

	if (flags & (O_PATH | O_APPEND))
		return vmm__fail(-EINVAL, "a disk's descriptor must not be O_PATH or O_APPEND");
	if ((flags & O_ACCMODE) == O_WRONLY)
		return vmm__fail(-EINVAL, "a disk's descriptor must be readable");
	if ((flags & O_ACCMODE) == O_RDONLY && !(file->flags & VMM_BLK_READ_ONLY))
		return vmm__fail(-EINVAL, "this descriptor cannot write: use VMM_BLK_READ_ONLY");
	if (flags & O_DIRECT)
		file->flags |= VMM_BLK_FILE_DIRECT;
	else if (file->flags & VMM_BLK_FILE_DIRECT)
		return vmm__fail(-EINVAL, "VMM_BLK_FILE_DIRECT needs a descriptor with O_DIRECT");
	return 0;
}

/*
 * What O_DIRECT wants of offsets, lengths and addresses depends on file system, device and
 * kernel. The surest way to know is to try.
 */
static int find_alignment(struct blk_file *file)
{
	unsigned char *buffer;
	int r = -EINVAL;

	file->align = 1;
	if (!(file->flags & VMM_BLK_FILE_DIRECT))
		return 0;

	buffer = aligned_alloc(2 * BLOCK_MAX, 2 * BLOCK_MAX);
	if (!buffer)
		return vmm__fail(-ENOMEM, "no memory to try O_DIRECT with");
	for (file->align = 512; r == -EINVAL && file->align <= BLOCK_MAX; file->align *= 2) {
		/* An odd multiple, so that nothing larger is found by luck. */
		if (pread(file->fd, buffer + file->align, file->align, 0) >= 0)
			break;
		r = -errno;
	}
	free(buffer);
	if (file->align > BLOCK_MAX || (r < 0 && r != -EINVAL))
		return vmm__fail(r, "cannot read this disk with O_DIRECT in blocks of up to %u bytes",
				 BLOCK_MAX);
	return 0;
}

static int describe_device(struct blk_file *file, struct vmm_blk_info *info)
{
	unsigned int physical = 0;
	uint64_t range[2] = { 1, 512 };		/* not aligned: nothing is ever discarded by it */
	int logical = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &file->capacity) < 0 ||
	    ioctl(file->fd, BLKSSZGET, &logical) < 0 || logical <= 0)
		return vmm__fail_errno("cannot ask this block device for its size");
	if (ioctl(file->fd, BLKPBSZGET, &physical) < 0)
		physical = 0;

	info->block_size = (unsigned int)logical < BLOCK_MAX ? (uint32_t)logical : BLOCK_MAX;
	info->physical_block_size = physical;
	if (ioctl(file->fd, BLKDISCARD, range) < 0 && errno == EINVAL)
		info->flags |= VMM_BLK_CAN_DISCARD;
	return 0;
}

static int describe_plain(struct blk_file *file, struct vmm_blk_info *info,
			  const struct stat *stat)
{
	file->capacity = (uint64_t)stat->st_size;
	info->block_size = 512;
	/* The page cache works in blocks of this size: a guest does well to align to them. */
	info->physical_block_size = (uint64_t)stat->st_blksize >= BLOCK_MAX ? BLOCK_MAX : 512;

	/* A hole past the end changes nothing, and tells whether this file system can. */
	if (!(file->flags & VMM_BLK_READ_ONLY) &&
	    fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, stat->st_size,
		      BLOCK_MAX) == 0)
		info->flags |= VMM_BLK_CAN_DISCARD;
	return 0;
}

/* What the disk is like. */
static int describe(struct blk_file *file, struct vmm_blk_info *info)
{
	struct stat stat;
	int r;

	if (fstat(file->fd, &stat) < 0)
		return vmm__fail_errno("cannot stat the disk's file");
	if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
		return vmm__fail(-EINVAL, "a disk must be a plain file or a block device");
	file->device = S_ISBLK(stat.st_mode);

	r = file_lock(file);
	if (r < 0)
		return r;
	/* Whoever held the lock may have resized it until now. */
	if (fstat(file->fd, &stat) < 0)
		return vmm__fail_errno("cannot stat the disk's file");
	r = file->device ? describe_device(file, info) : describe_plain(file, info, &stat);
	if (r == 0)
		r = find_alignment(file);
	if (r < 0)
		return r;

	if (info->block_size < file->align)
		info->block_size = file->align;
	if (info->physical_block_size < info->block_size)
		info->physical_block_size = info->block_size;
	if (file->capacity == 0 || file->capacity % info->block_size != 0)
		return vmm__fail(-EINVAL, "%llu bytes are not a whole number of blocks of %u",
				 (unsigned long long)file->capacity, info->block_size);

	info->capacity = file->capacity;
	info->flags |= VMM_BLK_CAN_FLUSH;
	if (file->flags & VMM_BLK_READ_ONLY)
		info->flags |= VMM_BLK_READ_ONLY;
	else
		info->flags |= VMM_BLK_CAN_ZERO;
	return 0;
}

int vmm_blk_open_file(const struct vmm_blk_file_config *config, struct vmm_blk **ret_blk)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_blk_file_config c;
	struct blk_file *file;
	int r;

	if (!config || !ret_blk)
		return vmm__fail(-EINVAL, "a disk needs a config and a place to put it");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r < 0)
		return r;
	if (!c.path == !(c.fd > 0))
		return vmm__fail(-EINVAL, "a disk needs a path or a descriptor, and not both");
	if (c.flags & ~(uint32_t)FLAGS)
		return vmm__fail(-EINVAL, "disk file flags 0x%x are not known", c.flags & ~FLAGS);

	file = calloc(1, sizeof(*file));
	if (!file)
		return vmm__fail(-ENOMEM, "no memory for a disk");
	file->fd = -1;
	file->flags = c.flags;
	vmm__file_pool_init(&file->pool, file);

	r = c.path ? open_path(file, c.path) : open_fd(file, c.fd);
	if (r == 0)
		r = describe(file, &info);
	if (r == 0)
		r = vmm_blk_create(&file_ops, file, &info, ret_blk);
	if (r < 0)
		file_destroy(file);
	return r;
}
