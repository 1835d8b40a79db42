/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/block.h> - give a guest a disk, and write what stands behind it.
 *
 * A disk is two halves: a front end that the guest sees (virtio-blk, made by
 * vmm_add_block()) and a backend (struct vmm_blk, made by a vmm_blk_open_ call
 * or, from a table of the application's, by vmm_blk_create()).
 */
#ifndef LIBVMM_BLOCK_H
#define LIBVMM_BLOCK_H

#include <sys/uio.h>
#include <libvmm/common.h>
#include <libvmm/loop.h>
#include <libvmm/rate.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_blk;		/* a backend: one disk's worth of storage */

/* ---- a backend of the application's own ---- */

enum vmm_blk_op {
	VMM_BLK_READ		= 0,
	VMM_BLK_WRITE		= 1,
	VMM_BLK_FLUSH		= 2,	/* what was completed before is on stable storage */
	VMM_BLK_DISCARD		= 3,
	VMM_BLK_WRITE_ZEROES	= 4,
};

enum {
	VMM_BLK_MAY_UNMAP	= 1 << 0,	/* of VMM_BLK_WRITE_ZEROES: the storage of the range
						   may be given back, if it reads as zeros then */
	VMM_BLK_THROUGH		= 1 << 1,	/* of VMM_BLK_WRITE: answer when it is on stable
						   storage; only with VMM_BLK_CAN_THROUGH */
};

/**
 * One transfer, lent to the backend until vmm_blk_complete(). [offset,
 * offset + length) lies inside the disk and both are multiples of its block
 * size: the front end has checked it. Flush has no range.
 */
struct vmm_blk_request {
	uint32_t op;			/* enum vmm_blk_op */
	uint32_t flags;			/* VMM_BLK_MAY_UNMAP, VMM_BLK_THROUGH */
	uint64_t offset;		/* bytes */
	uint64_t length;		/* bytes; the sum of @iov for read and write */
	const struct iovec *iov;	/* guest memory: moved, never interpreted */
	uint32_t nr_iov;
	uint32_t reserved;
	uint64_t scratch[4];		/* the backend's, for whatever it likes */
};

/** What a disk is like. */
struct vmm_blk_info {
	size_t size;			/* sizeof(struct vmm_blk_info) */
	uint64_t capacity;		/* bytes; rounded down to block_size */
	uint32_t block_size;		/* logical, bytes: a power of two, 512 .. 4096; default 512 */
	uint32_t physical_block_size;	/* bytes: a power of two >= block_size; default block_size */
	uint32_t flags;			/* VMM_BLK_* */
	uint32_t max_segments;		/* iovecs of one request; default and most 128 */
	uint32_t max_segment_bytes;	/* of one iovec, as the driver is told; default 4 MiB, at
					   least 4 KiB; drivers that do not ask exceed it */
	uint32_t optimal_io_bytes;	/* a multiple of block_size; 0: not known */
	uint32_t discard_granularity;	/* a multiple of block_size: ranges so aligned are given
					   back whole; default physical_block_size */
	uint32_t reserved;
};

enum {
	VMM_BLK_READ_ONLY	= 1 << 0,
	VMM_BLK_CAN_FLUSH	= 1 << 1,	/* VMM_BLK_FLUSH may be submitted */
	VMM_BLK_CAN_DISCARD	= 1 << 2,
	VMM_BLK_CAN_ZERO	= 1 << 3,
	VMM_BLK_CAN_THROUGH	= 1 << 4,	/* VMM_BLK_THROUGH may be asked of a write; without it
						   the library has a flush follow the write */
};

#define VMM_BLK_INFO_INIT	VMM_SIZED(struct vmm_blk_info)

/** What a kind of disk does. One const table per kind. */
struct vmm_blk_ops {
	size_t size;			/* sizeof(struct vmm_blk_ops) */
	const char *name;		/* "file" */

	/*
	 * The disk is plugged in: @loop is where the other calls come from.
	 * Optional. A negative errno fails vmm_add_block().
	 */
	int (*attach)(void *state, struct vmm_loop *loop);

	/*
	 * Start @req. Answer it exactly once with vmm_blk_complete(), here or
	 * later, in any thread. Do not block. Required.
	 */
	void (*submit)(void *state, struct vmm_blk_request *req);

	/*
	 * All requests of this turn were submitted: a chance to hand them to
	 * the system in one call. Optional.
	 */
	void (*commit)(void *state);

	/* Answer everything outstanding before returning. Required. */
	void (*drain)(void *state);

	/* Undo attach(). After drain(). Optional. */
	void (*detach)(void *state);

	/* Free @state. Called once, after detach(). Optional. */
	void (*destroy)(void *state);

	/*
	 * vmm_blk_resize(): be a disk of @capacity bytes, or with 0 find out what
	 * the disk's size is by now, and say which it is. Not during another call.
	 * Optional: without it the caller of vmm_blk_resize() is believed.
	 * A negative errno changes nothing.
	 */
	int (*resize)(void *state, uint64_t capacity, uint64_t *ret_capacity);
};

/**
 * Make a backend from a table. @ops is borrowed until the backend is
 * destroyed; @info is read during the call. @state is the backend's on success and stays the
 * caller's on failure. The caller owns *@ret_blk until vmm_add_block() takes it.
 *
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_blk_create(const struct vmm_blk_ops *ops, void *state,
			   const struct vmm_blk_info *info, struct vmm_blk **ret_blk) VMM_MUST_CHECK;

/** @result: 0, or -EIO, -ENOSPC, -EROFS, -EOPNOTSUPP, …. Thread safety: any thread. */
VMM_API void vmm_blk_complete(struct vmm_blk_request *req, int result);

/** Destroy a backend that was not given to a guest. NULL is allowed. */
VMM_API void vmm_blk_destroy(struct vmm_blk *blk);

/** What @blk is like. @ret_info->size is set by the caller. Returns 0 or -EINVAL. */
VMM_API int vmm_blk_info(const struct vmm_blk *blk, struct vmm_blk_info *ret_info);

/**
 * Give a disk another size, also while a guest uses it: that is told at once by a
 * config change interrupt (VIRTIO 1.2, 5.2.5), and a Linux guest follows by itself.
 *
 * @capacity is in bytes, rounded down to the block size. 0 asks for what the storage
 * holds by now: a file that somebody has grown, a volume that was extended. A plain file
 * is made longer if need be and never shorter: what lies beyond a smaller disk
 * stays in it. Requests in flight are checked against the size of their time.
 *
 * Returns 0; -EINVAL (smaller than a block; a block device that is smaller than that; 0
 * for a backend that cannot tell); -EOPNOTSUPP (a disk of a fixed size: memory, an overlay,
 * a network disk); -ENOSPC, -EFBIG, -EROFS, … what the system said. Thread safety: any thread,
 * but not in a callback of the backend's own.
 */
VMM_API int vmm_blk_resize(struct vmm_blk *blk, uint64_t capacity) VMM_MUST_CHECK;

/**
 * Limit what a guest may do with a disk; NULL or zeros: no limit. It holds at
 * once, for requests that wait too. Each request that reaches the backend is one
 * operation; bytes are those read and written. @rate is read during the call.
 *
 * Requests over the limit wait in the library, in their order, as many as the queues
 * hold. When the driver resets the device they are dropped, not let through.
 *
 * Returns 0, -EINVAL or -E2BIG. Thread safety: any thread, from the creation of the disk to the end of
 * its guest; not in a callback of the backend's own.
 */
VMM_API int vmm_blk_set_rate(struct vmm_blk *blk, const struct vmm_rate *rate) VMM_MUST_CHECK;

/** What was done of one kind of requests, since the disk was made. */
struct vmm_blk_count {
	uint64_t requests;		/* answered */
	uint64_t bytes;			/* of those without an error */
	uint64_t errors;		/* of the requests; those that a reset cancelled count too */
	uint64_t latency_ns;		/* sum, from leaving the queue to the answer, waits included */
};

struct vmm_blk_stats {
	size_t size;			/* sizeof(struct vmm_blk_stats) */
	/* Of the whole disk, whichever queue is asked for: */
	uint64_t in_flight;		/* now: taken from a queue and not yet answered */
	uint64_t held;			/* now: of these, waiting because of the rate */
	uint64_t throttled;		/* that had to wait so, ever */
	struct vmm_blk_count op[8];	/* by enum vmm_blk_op */
};

#define VMM_BLK_STATS_INIT	VMM_SIZED(struct vmm_blk_stats)
#define VMM_BLK_ALL_QUEUES	UINT32_MAX

/**
 * Read the counters of queue @queue, or of all of them, without stopping anything: each
 * number is right, and all of them together are of about the same moment. They
 * are of what reached the backend: a request that made no sense did not.
 *
 * Returns 0 or -EINVAL (no size, no such queue). Thread safety: any thread, from the creation
 * of the disk to the end of its guest.
 */
VMM_API int vmm_blk_stats(const struct vmm_blk *blk, uint32_t queue,
			  struct vmm_blk_stats *ret_stats) VMM_MUST_CHECK;

/* ---- built-in backends ---- */

/** A plain file or a block device, raw: no image format is ever guessed. */
struct vmm_blk_file_config {
	size_t size;			/* sizeof(struct vmm_blk_file_config) */
	const char *path;		/* or: */
	int fd;				/* duplicated; > 0 */
	uint32_t flags;			/* VMM_BLK_READ_ONLY, VMM_BLK_FILE_* */
};

enum {
	VMM_BLK_FILE_DIRECT	= 1 << 8,	/* O_DIRECT: past the host's page cache */
	VMM_BLK_FILE_THREADS	= 1 << 9,	/* a thread pool even where io_uring works */
	VMM_BLK_FILE_UNLOCKED	= 1 << 10,	/* do not take the file's lock (see below) */
};

#define VMM_BLK_FILE_CONFIG_INIT	VMM_SIZED(struct vmm_blk_file_config)

/**
 * Open a file or block device as a disk.
 *
 * Takes an open file description lock (exclusive, or shared when read-only), so
 * that two guests do not write one file; VMM_BLK_FILE_UNLOCKED leaves it out.
 * The lock of a descriptor that was passed in is that of the caller's open file
 * description too: it does not keep two disks of one descriptor apart, and it
 * ends with the disk.
 *
 * Returns 0; -EINVAL (neither or both of path and fd; neither a plain file nor a
 * block device; empty, or not a whole number of blocks of 512 bytes, or of what
 * O_DIRECT needs, up to 4096; a descriptor that cannot write, appends, or lacks
 * an O_DIRECT that is asked for; a file system without it); -EBUSY (locked by
 * somebody else); -ENOENT, -EACCES, … of open(2); -E2BIG; -ENOMEM. Thread safety:
 * any thread.
 */
VMM_API int vmm_blk_open_file(const struct vmm_blk_file_config *config,
			      struct vmm_blk **ret_blk) VMM_MUST_CHECK;

/**
 * A disk of @capacity bytes of host memory, zeros at first, forgotten at the end.
 * Returns 0, -EINVAL or -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_blk_open_ram(uint64_t capacity, struct vmm_blk **ret_blk) VMM_MUST_CHECK;

/**
 * A disk whose changes lie on top of another (copy on write). The base is never
 * written; many overlays may have a base each on one file, opened with
 * VMM_BLK_READ_ONLY. A cluster is the overlay's own once any of it was written.
 */
struct vmm_blk_overlay_config {
	size_t size;			/* sizeof(struct vmm_blk_overlay_config) */
	struct vmm_blk *base;		/* the overlay's on success, else the caller's */
	const char *path;		/* the file of the changes; or: */
	int fd;				/* duplicated; > 0. Neither: changes are kept in memory and
					   forgotten at the end */
	uint32_t flags;			/* VMM_BLK_OVERLAY_CREATE, VMM_BLK_FILE_* */
	uint32_t cluster_bytes;		/* of a new overlay: a power of two, 4 KiB .. 1 MiB; default
					   4 KiB, more on a disk of over 1 TiB */
	uint32_t reserved;
	uint64_t capacity;		/* of a new overlay, bytes: at least the base's, which is the
					   default; what the base has not reads as zeros */
};

enum {
	VMM_BLK_OVERLAY_CREATE	= 1 << 11,	/* the file does not exist yet, or the descriptor's
						   is empty */
};

#define VMM_BLK_OVERLAY_CONFIG_INIT	VMM_SIZED(struct vmm_blk_overlay_config)

/**
 * Open an overlay, or make a new one.
 *
 * The file is libvmm's own format (lib/backends/block/overlay_format.c): a header,
 * a bitmap, and a sparse image of the disk. It names no base, so none is ever
 * followed; that the base is the right one is the caller's to know, and of the
 * same size as when the overlay was made is checked. The file is locked as those of
 * vmm_blk_open_file() are.
 *
 * What a flush was answered for survives a crash of the host: the data is made
 * stable before the bitmap says that it is there. What was not flushed survives when the disk is
 * destroyed in an orderly way, not a crash of the process. A discard gives
 * storage of the overlay back, and reads as zeros.
 *
 * Returns 0; -EINVAL (no base; both path and fd; a size that cannot be; a file that is no
 * overlay, damaged, or made over a base of another size; VMM_BLK_READ_ONLY); -EEXIST (a
 * new one, where there is a file already); -EBUSY, and others as vmm_blk_open_file(); what
 * the system said of making the file. Thread safety: any thread.
 */
VMM_API int vmm_blk_open_overlay(const struct vmm_blk_overlay_config *config,
				 struct vmm_blk **ret_blk) VMM_MUST_CHECK;

/** A disk that an NBD server serves; through qemu-nbd or nbdkit, one in any image format. */
struct vmm_blk_nbd_config {
	size_t size;			/* sizeof(struct vmm_blk_nbd_config) */
	const char *uri;		/* copied: nbd://HOST[:PORT]/EXPORT, nbd+unix:///EXPORT?socket=PATH */
	uint32_t flags;			/* VMM_BLK_READ_ONLY, VMM_BLK_NBD_KEEPS */
	uint32_t timeout_ms;		/* for connecting, and for any answer at all while some are
					   outstanding; default 30000 */
	uint32_t reconnect_ms;		/* how long requests wait for a server that is gone; default
					   30000 */
	uint32_t reserved;
};

enum {
	VMM_BLK_NBD_KEEPS	= 1 << 12,	/* the server has what it answered even after its end */
};

#define VMM_BLK_NBD_CONFIG_INIT	VMM_SIZED(struct vmm_blk_nbd_config)

/**
 * Connect to a server, and be its disk. This call waits for the server, up to the
 * timeout; afterwards the loop does all the work.
 *
 * When the connection ends, or the server is silent for longer than the timeout, the
 * loop connects again: at once, then after pauses of up to 5 seconds. It must
 * find a disk of the same size that can do as much. Requests that were not
 * answered are sent again, those that come meanwhile wait; after @reconnect_ms they
 * fail with -EIO, and new ones at once, until there is a connection.
 *
 * A server that died may have had writes that were answered and not flushed. So,
 * if there were any, all flushes that are outstanding then fail with -EIO, or else the next one
 * does, once: a guest is never told that something is safe which may be gone.
 * VMM_BLK_NBD_KEEPS says that the server loses nothing by its own end (it writes to
 * files, and the host lives on), and no flush fails because of that. With
 * VMM_BLOCK_WRITETHROUGH, and a server that knows FUA, there never are any.
 *
 * A reset of the guest's device waits up to 2 seconds for the server, and then gives the
 * connection up. The name of a host is looked up in each connect, which may keep the
 * loop waiting: use an address or a unix socket where the loop serves others. TLS is
 * refused: libnbd may raise SIGPIPE with it.
 *
 * Returns 0; -EINVAL (no URI, blocks of over 4096 bytes or a disk of none); -EROFS (a server
 * that does not let its disk be written, without VMM_BLK_READ_ONLY); -ETIMEDOUT;
 * -EOPNOTSUPP (built without libnbd); -ECONNREFUSED, -ENOENT, … what the connection
 * ended with; -EIO; -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_blk_open_nbd(const struct vmm_blk_nbd_config *config,
			     struct vmm_blk **ret_blk) VMM_MUST_CHECK;

/* ---- the front end ---- */

/**
 * When a write counts as done. What a flush was answered for survives a crash of
 * the guest, the process and the host in every mode, as far as the storage itself
 * keeps its word; the modes differ in what else does.
 *
 *   mode           what was answered and not flushed     how
 *   WRITEBACK      survives the guest and (in a file)    the guest is told of a cache and flushes
 *                  the process; not the host             it; it may switch to writethrough
 *   WRITETHROUGH   survives the host                     the guest is told that there is no cache
 *                                                        and cannot change that
 *
 * "None" is writeback with VMM_BLK_FILE_DIRECT: the same promise as WRITEBACK, without the
 * host's page cache, so that a disk's own cache is all that a crash of the host can
 * cost. WRITETHROUGH with VMM_BLK_FILE_DIRECT is what QEMU calls directsync.
 */
enum vmm_block_cache {
	VMM_BLOCK_WRITEBACK	= 0,
	VMM_BLOCK_WRITETHROUGH	= 1,
};

/** A virtio block device (VIRTIO 1.2, 5.2). */
struct vmm_block_config {
	size_t size;			/* sizeof(struct vmm_block_config) */
	struct vmm_blk *backend;	/* the guest's on success, else the caller's */
	const char *name;		/* copied; default "disk" */
	const char *serial;		/* copied; up to 20 bytes: /sys/block/vda/serial */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h> */
	uint32_t queue_size;		/* entries of each queue; default 256 */
	struct vmm_loop *loop;		/* borrowed; default the guest's */
	uint32_t nr_queues;		/* 1 .. 64; default 1; one for each vCPU is the most of use */
	uint32_t cache;			/* enum vmm_block_cache */
};

#define VMM_BLOCK_CONFIG_INIT	VMM_SIZED(struct vmm_block_config)

/**
 * Plug a disk into a guest that has not been started. The backend is the guest's
 * then; its vmm_blk_resize(), vmm_blk_set_rate(), vmm_blk_stats() and
 * vmm_blk_info() may be called until vmm_destroy().
 *
 * Returns and threads as vmm_add_device(), and -EBUSY (another device has this backend);
 * *@ret_dev may be NULL.
 */
VMM_API int vmm_add_block(struct vmm *vm, const struct vmm_block_config *config,
			  struct vmm_device **ret_dev) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
