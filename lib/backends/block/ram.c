/* SPDX-License-Identifier: MIT */
/*
 * ram.c - a disk in host memory: zeros at first, forgotten at the end.
 *
 * Memory is given to it by the kernel page by page, as it is written. Copying
 * is done on the loop, which other devices share, so a turn copies a bounded
 * number of bytes and leaves the rest of what a guest asks for to the next.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvmm/block.h>
#include "core/error_priv.h"

#define TURN_BYTES	(1u << 20)	/* copied in one turn: some 100 us */
#define DROP_WEIGHT	64		/* dropping pages is that much cheaper than copying them */

struct blk_ram {
	unsigned char *bytes;
	uint64_t capacity;
	uint64_t page;
	struct vmm_deferred turn;
	struct vmm_blk_request *first;	/* in order; not yet answered */
	struct vmm_blk_request **last;
};

/* What we keep in a request's scratch. */
struct ram_job {
	struct vmm_blk_request *next;
	uint64_t done;		/* bytes */
	uint32_t segment;	/* where @done is: this one, this far into it */
	uint32_t reserved;
	uint64_t into;
};

_Static_assert(sizeof(struct ram_job) <= sizeof(((struct vmm_blk_request *)0)->scratch),
	       "fits in the scratch of a request");

static struct ram_job *job_of(struct vmm_blk_request *req)
{
	return (struct ram_job *)req->scratch;
}

/* Copy up to @budget bytes of @req. Returns how many. */
static uint64_t ram_copy(struct blk_ram *ram, struct vmm_blk_request *req, uint64_t budget)
{
	struct ram_job *job = job_of(req);
	uint64_t copied = 0;

	while (copied < budget && job->done < req->length) {
		const struct iovec *iov = &req->iov[job->segment];
		uint64_t len = iov->iov_len - job->into;
		unsigned char *disk = ram->bytes + req->offset + job->done;
		unsigned char *guest = (unsigned char *)iov->iov_base + job->into;

		if (len > budget - copied)
			len = budget - copied;
		if (req->op == VMM_BLK_READ)
			memcpy(guest, disk, len);
		else
			memcpy(disk, guest, len);

		copied += len;
		job->done += len;
		job->into += len;
		if (job->into == iov->iov_len) {
			job->segment++;
			job->into = 0;
		}
	}
	return copied;
}

/* Zero up to @budget bytes: whole pages are given back, which reads as zeros too. */
static uint64_t ram_drop(struct blk_ram *ram, struct vmm_blk_request *req, uint64_t budget)
{
	struct ram_job *job = job_of(req);
	uint64_t begin = req->offset + job->done;
	uint64_t len = req->length - job->done;
	uint64_t first, last;

	if (len > budget)
		len = budget;
	first = (begin + ram->page - 1) / ram->page * ram->page;
	last = (begin + len) / ram->page * ram->page;

	if (first >= last) {
		memset(ram->bytes + begin, 0, len);
	} else {
		memset(ram->bytes + begin, 0, first - begin);
		if (madvise(ram->bytes + first, last - first, MADV_DONTNEED) < 0)
			memset(ram->bytes + first, 0, last - first);
		memset(ram->bytes + last, 0, begin + len - last);
	}
	job->done += len;
	return len;
}

/* Answer requests until @budget bytes were copied. */
static void ram_run(struct blk_ram *ram, uint64_t budget)
{
	while (ram->first && budget > 0) {
		struct vmm_blk_request *req = ram->first;
		uint64_t spent = 0;

		switch (req->op) {
		case VMM_BLK_READ:
		case VMM_BLK_WRITE:
			spent = ram_copy(ram, req, budget);
			break;
		case VMM_BLK_DISCARD:
		case VMM_BLK_WRITE_ZEROES:
			spent = ram_drop(ram, req, budget * DROP_WEIGHT) / DROP_WEIGHT;
			break;
		}
		if (job_of(req)->done < req->length)
			return;

		ram->first = job_of(req)->next;
		if (!ram->first)
			ram->last = &ram->first;
		budget -= spent < budget ? spent : budget;
		vmm_blk_complete(req, 0);
	}
}

static void ram_commit(void *state)
{
	struct blk_ram *ram = state;

	ram_run(ram, TURN_BYTES);
	if (ram->first)
		(void)vmm_defer(&ram->turn);
}

static void ram_turn(struct vmm_deferred *deferred)
{
	ram_commit((char *)deferred - offsetof(struct blk_ram, turn));
}

static void ram_submit(void *state, struct vmm_blk_request *req)
{
	struct blk_ram *ram = state;

	*job_of(req) = (struct ram_job){ .next = NULL };
	*ram->last = req;
	ram->last = &job_of(req)->next;
}

static void ram_drain(void *state)
{
	ram_run(state, UINT64_MAX / DROP_WEIGHT);
}

static int ram_attach(void *state, struct vmm_loop *loop)
{
	struct blk_ram *ram = state;

	vmm_deferred_init(&ram->turn, loop, ram_turn);
	return 0;
}

static void ram_detach(void *state)
{
	struct blk_ram *ram = state;

	vmm_deferred_cancel(&ram->turn);
}

static void ram_destroy(void *state)
{
	struct blk_ram *ram = state;

	munmap(ram->bytes, ram->capacity);
	free(ram);
}

static int ram_resize(void *state, uint64_t capacity, uint64_t *ret_capacity)
{
	return vmm__fail(-EOPNOTSUPP, "a disk in memory keeps its size");
}

static const struct vmm_blk_ops ram_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "ram",
	.attach = ram_attach,
	.submit = ram_submit,
	.commit = ram_commit,
	.drain = ram_drain,
	.detach = ram_detach,
	.destroy = ram_destroy,
	.resize = ram_resize,
};

int vmm_blk_open_ram(uint64_t capacity, struct vmm_blk **ret_blk)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct blk_ram *ram;
	int r;

	if (capacity < 512 || capacity > SIZE_MAX || !ret_blk)
		return vmm__fail(-EINVAL, "a disk in memory needs a capacity of at least 512 bytes");

	ram = calloc(1, sizeof(*ram));
	if (!ram)
		return vmm__fail(-ENOMEM, "no memory for a disk");
	ram->capacity = capacity;
	ram->page = (uint64_t)sysconf(_SC_PAGESIZE);
	ram->last = &ram->first;
	ram->bytes = mmap(NULL, capacity, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram->bytes == MAP_FAILED) {
		r = vmm__fail(-ENOMEM, "no address space for a disk of %llu bytes",
			      (unsigned long long)capacity);
		goto free_ram;
	}

	info.capacity = capacity;
	info.physical_block_size = 4096;
	info.flags = VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO |
		     VMM_BLK_CAN_THROUGH;	/* there is nothing more stable than this */
	r = vmm_blk_create(&ram_ops, ram, &info, ret_blk);
	if (r < 0)
		goto unmap;
	return 0;

unmap:
	munmap(ram->bytes, capacity);
free_ram:
	free(ram);
	return r;
}
