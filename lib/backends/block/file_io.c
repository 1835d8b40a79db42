/* SPDX-License-Identifier: MIT */
/*
 * file_io.c - one request of a disk in a file, in system calls that block.
 *
 * Run by the pool's threads. Whatever a file can answer ends here as the answer
 * to this one request: a full disk, a bad sector, a file that somebody made
 * shorter (reading past its end is an I/O error, as it is on a disk).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/block/file_priv.h"

#define BOUNCE_BYTES	(128u << 10)
#define ZERO_BYTES	(128u << 10)

bool vmm__file_aligned(const struct blk_file *file, const struct vmm_blk_request *req)
{
	uintptr_t bits = 0;

	if (file->align <= 1)
		return true;
	for (uint32_t i = 0; i < req->nr_iov; i++)
		bits |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
	return (bits & (file->align - 1)) == 0;
}

/* ---- one system call ---- */

static ssize_t move_once(const struct blk_file *file, const struct vmm_blk_request *req,
			 const struct iovec *iov, uint32_t nr_iov, uint64_t offset)
{
	int flags = req->flags & VMM_BLK_THROUGH ? RWF_DSYNC : 0;
	ssize_t n;

	do {
		n = req->op == VMM_BLK_READ
			? preadv(file->fd, iov, (int)nr_iov, (off_t)offset)
			: pwritev2(file->fd, iov, (int)nr_iov, (off_t)offset, flags);
	} while (n < 0 && errno == EINTR);

	if (n < 0)
		return -errno;
	/* O_DIRECT goes on only where it may. */
	n -= n % (ssize_t)file->align;
	return n > 0 ? n : -EIO;
}

static int move_all(const struct blk_file *file, const struct vmm_blk_request *req,
		    unsigned char *buffer, size_t len, uint64_t offset)
{
	while (len > 0) {
		struct iovec iov = { buffer, len };
		ssize_t n = move_once(file, req, &iov, 1, offset);

		if (n < 0)
			return (int)n;
		buffer += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* ---- read and write ---- */

/* The segment of @req in which byte @at lies, and how far into it. */
static uint32_t segment_at(const struct vmm_blk_request *req, uint64_t at, size_t *ret_into)
{
	uint32_t i = 0;

	while (i < req->nr_iov && at >= req->iov[i].iov_len)
		at -= req->iov[i++].iov_len;
	*ret_into = at;
	return i;
}

static int transfer(const struct blk_file *file, struct vmm_blk_request *req)
{
	struct file_job *job = vmm__file_job(req);

	while (job->done < req->length) {
		uint64_t offset = req->offset + job->done;
		size_t into;
		uint32_t i = segment_at(req, job->done, &into);
		ssize_t n;

		if (into > 0) {		/* the rest of this segment, then whole ones again */
			struct iovec rest = {
				.iov_base = (char *)req->iov[i].iov_base + into,
				.iov_len = req->iov[i].iov_len - into,
			};

			n = move_once(file, req, &rest, 1, offset);
		} else {
			n = move_once(file, req, req->iov + i, req->nr_iov - i, offset);
		}
		if (n < 0)
			return (int)n;
		job->done += (uint64_t)n;
	}
	return 0;
}

/* Copy @len bytes between @buffer and the segments of @req, from byte @at of it on. */
static void copy_segments(const struct vmm_blk_request *req, uint64_t at, unsigned char *buffer,
			  size_t len)
{
	size_t into;
	uint32_t i = segment_at(req, at, &into);

	for (; len > 0; i++, into = 0) {
		unsigned char *guest = (unsigned char *)req->iov[i].iov_base + into;
		size_t n = req->iov[i].iov_len - into;

		if (n > len)
			n = len;
		if (req->op == VMM_BLK_READ)
			memcpy(guest, buffer, n);
		else
			memcpy(buffer, guest, n);
		buffer += n;
		len -= n;
	}
}

/* O_DIRECT cannot use the guest's buffers: a piece at a time through one of ours. */
static int transfer_bounced(const struct blk_file *file, struct vmm_blk_request *req)
{
	struct file_job *job = vmm__file_job(req);
	size_t size = req->length < BOUNCE_BYTES ? req->length : BOUNCE_BYTES;
	unsigned char *bounce = aligned_alloc(file->align, size);
	int r = bounce ? 0 : -ENOMEM;

	while (r == 0 && job->done < req->length) {
		size_t len = req->length - job->done < size ? req->length - job->done : size;

		if (req->op == VMM_BLK_WRITE)
			copy_segments(req, job->done, bounce, len);
		r = move_all(file, req, bounce, len, req->offset + job->done);
		if (r == 0 && req->op == VMM_BLK_READ)
			copy_segments(req, job->done, bounce, len);
		job->done += len;
	}
	free(bounce);
	return r;
}

/* ---- discard and write zeroes ---- */

static int allocate(const struct blk_file *file, int mode, const struct vmm_blk_request *req,
		    bool *cannot)
{
	int r;

	if (__atomic_load_n(cannot, __ATOMIC_RELAXED))
		return -EOPNOTSUPP;
	do {
		r = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)req->offset,
			      (off_t)req->length) < 0 ? -errno : 0;
	} while (r == -EINTR);

	if (r == -EOPNOTSUPP || r == -ENOSYS) {
		__atomic_store_n(cannot, true, __ATOMIC_RELAXED);
		return -EOPNOTSUPP;
	}
	return r;
}

static int discard(struct blk_file *file, const struct vmm_blk_request *req)
{
	uint64_t range[2] = { req->offset, req->length };

	if (file->device)
		return ioctl(file->fd, BLKDISCARD, range) < 0 ? -errno : 0;
	return allocate(file, FALLOC_FL_PUNCH_HOLE, req, &file->no_punch);
}

/* The long way. The mapping is of the kernel's one page of zeros: it costs no memory. */
static int write_zeros(const struct blk_file *file, const struct vmm_blk_request *req)
{
	unsigned char *zeros = mmap(NULL, ZERO_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
				    -1, 0);
	uint64_t done = 0;
	int r = 0;

	if (zeros == MAP_FAILED)
		return -ENOMEM;
	while (r == 0 && done < req->length) {
		uint64_t rest = req->length - done;
		size_t len = rest < ZERO_BYTES ? rest : ZERO_BYTES;

		r = move_all(file, req, zeros, len, req->offset + done);
		done += len;
	}
	munmap(zeros, ZERO_BYTES);
	return r;
}

/* A hole where that is allowed, else zeros that keep their place on the disk. */
static int zero(struct blk_file *file, const struct vmm_blk_request *req)
{
	int r = -EOPNOTSUPP;

	if (req->flags & VMM_BLK_MAY_UNMAP)
		r = allocate(file, FALLOC_FL_PUNCH_HOLE, req, &file->no_punch);
	if (r == -EOPNOTSUPP)
		r = allocate(file, FALLOC_FL_ZERO_RANGE, req, &file->no_zero_range);
	if (r == -EOPNOTSUPP)
		r = write_zeros(file, req);
	return r;
}

static int flush(const struct blk_file *file)
{
	int r;

	do {
		r = fdatasync(file->fd) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r;
}

int vmm__file_run(struct blk_file *file, struct vmm_blk_request *req)
{
	switch (req->op) {
	case VMM_BLK_READ:
	case VMM_BLK_WRITE:
		return vmm__file_aligned(file, req) ? transfer(file, req)
						    : transfer_bounced(file, req);
	case VMM_BLK_FLUSH:
		return flush(file);
	case VMM_BLK_DISCARD:
		return discard(file, req);
	case VMM_BLK_WRITE_ZEROES:
		return zero(file, req);
	}
	return -EOPNOTSUPP;
}
