/* SPDX-License-Identifier: MIT */
/*
 * file_open.c - a disk in a plain file or a block device: opened, and what it is like.
 *
 * What the system says is asked for, and what it does not say is tried.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/block/file_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define BLOCK_MAX	4096u		/* no guest is shown a larger logical block */
#define FLAGS		(VMM_BLK_READ_ONLY | VMM_BLK_FILE_DIRECT | VMM_BLK_FILE_THREADS | \
			 VMM_BLK_FILE_UNLOCKED)

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
	unsigned int physical = 0, optimal = 0;
	uint64_t range[2] = { 1, 512 };		/* not aligned: nothing is ever discarded by it */
	int logical = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &file->capacity) < 0 ||
	    ioctl(file->fd, BLKSSZGET, &logical) < 0 || logical <= 0)
		return vmm__fail_errno("cannot ask this block device for its size");
	if (ioctl(file->fd, BLKPBSZGET, &physical) < 0)
		physical = 0;

	info->block_size = (unsigned int)logical < BLOCK_MAX ? (uint32_t)logical : BLOCK_MAX;
	info->physical_block_size = physical;
	if (ioctl(file->fd, BLKIOOPT, &optimal) == 0)
		info->optimal_io_bytes = optimal;
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
	if (info->optimal_io_bytes % info->block_size != 0)
		info->optimal_io_bytes = 0;
	if (file->capacity == 0 || file->capacity % info->block_size != 0)
		return vmm__fail(-EINVAL, "%llu bytes are not a whole number of blocks of %u",
				 (unsigned long long)file->capacity, info->block_size);

	info->capacity = file->capacity;
	info->flags |= VMM_BLK_CAN_FLUSH;
	if (file->flags & VMM_BLK_READ_ONLY)
		info->flags |= VMM_BLK_READ_ONLY;
	else
		info->flags |= VMM_BLK_CAN_ZERO | VMM_BLK_CAN_THROUGH;
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
		r = vmm_blk_create(&vmm__file_ops, file, &info, ret_blk);
	if (r < 0)
		vmm__file_ops.destroy(file);
	return r;
}
