/* SPDX-License-Identifier: MIT */
/*
 * block_ops.h - requests made straight at a backend, by a test that drives the loop.
 */
#ifndef UNIT_BLOCK_OPS_H
#define UNIT_BLOCK_OPS_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/block/block_priv.h"

struct op {
	struct blk_io io;
	struct iovec iov[8];
	bool done;
	int result;
};

static struct vmm_loop *loop;
static struct vmm_blk *blk;
static int settled;

static inline void op_done(struct blk_io *io, int result)
{
	struct op *op = (struct op *)io;

	ck_assert(!op->done);
	op->done = true;
	op->result = result;
}

static inline void op_settled(void *data)
{
	settled++;
}

static const struct blk_front op_front = { .settled = op_settled };

static inline void op_init(struct op *op, uint32_t kind, uint64_t offset, uint64_t length)
{
	memset(op, 0, sizeof(*op));
	op->io.done = op_done;
	op->io.req.op = kind;
	op->io.req.offset = offset;
	op->io.req.length = length;
	op->io.req.iov = op->iov;
}

static inline void op_add(struct op *op, void *bytes, size_t len)
{
	op->iov[op->io.req.nr_iov++] = (struct iovec){ bytes, len };
	op->io.req.length += len;
}

/* Drive the loop until @op is answered; ten seconds is a failure. */
static inline int op_wait(struct op *op)
{
	for (int i = 0; i < 10000 && !op->done; i++) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		(void)poll(&p, 1, 1);
		while (vmm_loop_dispatch(loop) > 0)
			continue;
	}
	ck_assert_msg(op->done, "a request was never answered");
	return op->result;
}

static inline int op_run(struct op *op)
{
	vmm__blk_submit(blk, &op->io);
	vmm__blk_commit(blk);
	return op_wait(op);
}

/* One whole request with one buffer (or none: flush, discard, write zeroes). */
static inline int run(uint32_t kind, uint64_t offset, void *bytes, size_t len)
{
	struct op op;

	op_init(&op, kind, offset, bytes ? 0 : len);
	if (bytes)
		op_add(&op, bytes, len);
	return op_run(&op);
}

static inline void plug(void)
{
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	ck_assert_int_eq(vmm__blk_attach(blk, loop, &op_front), 0);
}

static inline void unplug(void)
{
	vmm__blk_drain(blk);
	vmm__blk_detach(blk);
	vmm_blk_destroy(blk);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
}

static inline unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline bool all_bytes(const unsigned char *bytes, size_t len, unsigned char value)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

#endif
