/* SPDX-License-Identifier: MIT */
/*
 * overlay_open.c - where an overlay comes from: made, opened, checked.
 *
 * The top is a disk in a file like any other, which brings the lock, io_uring, O_DIRECT and
 * its threads; header and map are read through its descriptor, under its lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/block/file_priv.h"
#include "backends/block/overlay_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define FILE_FLAGS	(VMM_BLK_FILE_DIRECT | VMM_BLK_FILE_THREADS | VMM_BLK_FILE_UNLOCKED)

/* ---- a new file ---- */

/* That there is a file of this name is to last too. */
static void sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : NULL;
	int fd = slash && !name ? -1 : open(name ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	free(name);
}

/* The header comes last: what was not finished is no overlay. */
static int file_format(int fd, const struct overlay_layout *layout)
{
	unsigned char *block = aligned_alloc(OVERLAY_BLOCK, OVERLAY_BLOCK);
	int r = block ? vmm__file_limit(layout->file_bytes) : -ENOMEM;

	if (r < 0)
		goto free_block;
	vmm__overlay_build(layout, block);
	if (ftruncate(fd, (off_t)layout->file_bytes) < 0 || fdatasync(fd) < 0)
		r = vmm__fail_errno("cannot make an overlay of %llu bytes",
				    (unsigned long long)layout->file_bytes);
	else if (pwrite(fd, block, OVERLAY_BLOCK, 0) != OVERLAY_BLOCK || fdatasync(fd) < 0)
		r = vmm__fail_errno("cannot write the header of an overlay");

free_block:
	free(block);
	return r;
}

static int file_create(const struct vmm_blk_overlay_config *c, const struct overlay_layout *layout)
{
	struct stat stat;
	int fd, r;

	if (!c->path) {
		if (fstat(c->fd, &stat) < 0)
			return vmm__fail_errno("cannot stat descriptor %d", c->fd);
		if (!S_ISREG(stat.st_mode) || stat.st_size != 0)
			return vmm__fail(-EEXIST, "descriptor %d is no empty file", c->fd);
		return file_format(c->fd, layout);
	}
	fd = open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return vmm__fail_errno("cannot make overlay %s", c->path);
	r = file_format(fd, layout);
	close(fd);
	if (r < 0)
		(void)unlink(c->path);
	else
		sync_directory(c->path);
	return r;
}

static int layout_new(const struct vmm_blk_overlay_config *c, const struct vmm_blk_info *base,
		      struct overlay_layout *ret_layout)
{
	uint64_t capacity = c->capacity ? c->capacity : base->capacity;
	uint32_t cluster = c->cluster_bytes ? c->cluster_bytes
					    : vmm__overlay_default_cluster(capacity);

	return vmm__overlay_layout(capacity, base->capacity, cluster, ret_layout);
}

/* ---- what is in it ---- */

static int read_all(int fd, unsigned char *bytes, uint64_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pread(fd, bytes, len < 1u << 20 ? len : 1u << 20, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmm__fail_errno("cannot read the overlay");
		if (n == 0)
			return vmm__fail(-EINVAL, "this overlay ends before its header says so");
		bytes += n;
		len -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Header and map, each copied first and checked then. */
static int overlay_load(struct blk_overlay *o)
{
	unsigned char *block = aligned_alloc(OVERLAY_BLOCK, OVERLAY_BLOCK);
	int fd = vmm__file_fd(o->top);
	struct vmm_blk_info top = VMM_BLK_INFO_INIT;
	int r;

	if (!block)
		return vmm__fail(-ENOMEM, "no memory for the header of an overlay");
	r = read_all(fd, block, OVERLAY_BLOCK, 0);
	if (r == 0)
		r = vmm__overlay_parse(block, &o->layout);
	free(block);
	if (r < 0)
		return r;

	(void)vmm_blk_info(o->top, &top);
	if (top.capacity < o->layout.file_bytes)
		return vmm__fail(-EINVAL, "this overlay has %llu bytes of %llu: it was cut",
				 (unsigned long long)top.capacity,
				 (unsigned long long)o->layout.file_bytes);
	r = vmm__overlay_map_init(&o->map, &o->layout);
	if (r == 0)
		r = read_all(fd, o->map.bits, o->map.bytes, OVERLAY_BLOCK);
	if (r == 0)
		r = vmm__overlay_map_check(&o->map);
	return r;
}

/* ---- opening ---- */

static int open_file(struct blk_overlay *o, const struct vmm_blk_overlay_config *c,
		     const struct vmm_blk_info *base)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	int r = 0;

	if (c->flags & VMM_BLK_OVERLAY_CREATE) {
		r = layout_new(c, base, &o->layout);
		if (r == 0)
			r = file_create(c, &o->layout);
		o->made = r == 0 && c->path;
	}
	if (r < 0)
		return r;
	file.path = c->path;
	file.fd = c->fd;
	file.flags = c->flags & FILE_FLAGS;
	r = vmm_blk_open_file(&file, &o->top);
	if (r == 0)
		r = overlay_load(o);
	if (r < 0)
		return r;
	o->persistent = true;
	o->data_offset = o->layout.data_offset;
	if (o->layout.base_capacity != base->capacity)
		return vmm__fail(-EINVAL, "this overlay was made over a disk of %llu bytes, not of %llu",
				 (unsigned long long)o->layout.base_capacity,
				 (unsigned long long)base->capacity);
	return 0;
}

static int open_memory(struct blk_overlay *o, const struct vmm_blk_overlay_config *c,
		       const struct vmm_blk_info *base)
{
	int r = layout_new(c, base, &o->layout);

	if (r == 0)
		r = vmm__overlay_map_init(&o->map, &o->layout);
	if (r == 0)
		r = vmm_blk_open_ram(o->layout.capacity, &o->top);
	return r;
}

static int describe(struct blk_overlay *o, const struct vmm_blk_info *base,
		    struct vmm_blk_info *info)
{
	struct vmm_blk_info top = VMM_BLK_INFO_INIT;

	(void)vmm_blk_info(o->top, &top);
	info->capacity = o->layout.capacity;
	info->block_size = base->block_size > top.block_size ? base->block_size : top.block_size;
	if (o->layout.capacity % info->block_size != 0 ||
	    o->layout.base_capacity % info->block_size != 0)
		return vmm__fail(-EINVAL, "an overlay of %llu bytes over %llu is not whole blocks of %u",
				 (unsigned long long)o->layout.capacity,
				 (unsigned long long)o->layout.base_capacity, info->block_size);
	info->physical_block_size = OVERLAY_CLUSTER_MIN;
	info->optimal_io_bytes = o->layout.cluster;
	info->discard_granularity = o->layout.cluster;
	info->max_segments = base->max_segments < top.max_segments ? base->max_segments
								   : top.max_segments;
	info->flags = VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO;
	return 0;
}

static int config_check(const struct vmm_blk_overlay_config *c)
{
	const uint32_t known = VMM_BLK_OVERLAY_CREATE | FILE_FLAGS;

	if (!c->base)
		return vmm__fail(-EINVAL, "an overlay needs a base");
	if (c->path && c->fd > 0)
		return vmm__fail(-EINVAL, "an overlay needs a path or a descriptor, and not both");
	if (c->flags & ~known)
		return vmm__fail(-EINVAL, "overlay flags 0x%x are not known", c->flags & ~known);
	if ((c->cluster_bytes || c->capacity) && (c->path || c->fd > 0) &&
	    !(c->flags & VMM_BLK_OVERLAY_CREATE))
		return vmm__fail(-EINVAL, "an overlay that exists has its clusters and its capacity");
	return 0;
}

int vmm_blk_open_overlay(const struct vmm_blk_overlay_config *config, struct vmm_blk **ret_blk)
{
	struct vmm_blk_info base = VMM_BLK_INFO_INIT, info = VMM_BLK_INFO_INIT;
	struct vmm_blk_overlay_config c;
	struct blk_overlay *o;
	int r;

	if (!config || !ret_blk)
		return vmm__fail(-EINVAL, "an overlay needs a config and a place to put it");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(c.size));
	if (r == 0)
		r = config_check(&c);
	if (r < 0)
		return r;
	(void)vmm_blk_info(c.base, &base);

	o = calloc(1, sizeof(*o));
	if (!o)
		return vmm__fail(-ENOMEM, "no memory for an overlay");
	vmm__overlay_list_init(&o->ready);
	vmm__overlay_list_init(&o->blocked);
	vmm__overlay_list_init(&o->starved);
	vmm__overlay_list_init(&o->flush.waiting);
	vmm__overlay_list_init(&o->flush.served);

	r = c.path || c.fd > 0 ? open_file(o, &c, &base) : open_memory(o, &c, &base);
	if (r == 0)
		r = describe(o, &base, &info);
	if (r == 0) {
		o->base = c.base;
		r = vmm_blk_create(&vmm__overlay_ops, o, &info, ret_blk);
	}
	if (r < 0) {
		o->base = NULL;		/* it stays the caller's */
		if (o->made)
			(void)unlink(c.path);
		vmm__overlay_ops.destroy(o);
	}
	return r;
}
