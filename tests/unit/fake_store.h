/* SPDX-License-Identifier: MIT */
/*
 * fake_store.h - a disk whose every answer is the test's: when, in which thread, and what.
 */
#ifndef UNIT_FAKE_STORE_H
#define UNIT_FAKE_STORE_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/block.h>

#define STORE_BYTES	(1u << 20)
#define STORE_KEPT	4096

enum store_when {
	STORE_AT_ONCE,		/* inside submit() */
	STORE_LATER,		/* when the test calls store_answer() */
	STORE_AT_DRAIN,		/* never before */
	STORE_IN_A_THREAD,	/* of its own, as fast as it can */
};

static struct {
	enum store_when when;
	int result;		/* for all of them */
	int fail_after;		/* this many that succeed come first */
	unsigned char *bytes;
	uint32_t block, segments;

	struct vmm_blk_request *kept[STORE_KEPT];
	unsigned nr_kept;
	unsigned submitted[VMM_BLK_WRITE_ZEROES + 1];
	unsigned commits, drains, detaches, destroys;
	struct vmm_blk_request last;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool threaded, over;
} store;

static inline void store_move(struct vmm_blk_request *req)
{
	unsigned char *at = store.bytes + req->offset;

	for (uint32_t i = 0; i < req->nr_iov; i++) {
		if (req->op == VMM_BLK_READ)
			memcpy(req->iov[i].iov_base, at, req->iov[i].iov_len);
		else
			memcpy(at, req->iov[i].iov_base, req->iov[i].iov_len);
		at += req->iov[i].iov_len;
	}
}

/* What the front end promises of every request; a lie here ends the program. */
static inline void store_check(const struct vmm_blk_request *req)
{
	uint64_t sum = 0;

	if (req->op > VMM_BLK_WRITE_ZEROES || req->offset > STORE_BYTES ||
	    req->length > STORE_BYTES - req->offset || req->offset % store.block ||
	    req->length % store.block || req->nr_iov > store.segments)
		abort();
	for (uint32_t i = 0; i < req->nr_iov; i++) {
		if (req->iov[i].iov_len == 0)
			abort();
		sum += req->iov[i].iov_len;
	}
	if (req->op <= VMM_BLK_WRITE ? sum != req->length || sum == 0 : sum != 0)
		abort();
}

static inline void store_finish(struct vmm_blk_request *req)
{
	int result = store.fail_after > 0 ? 0 : store.result;

	if (store.fail_after > 0)
		store.fail_after--;
	if (result == 0 && req->op <= VMM_BLK_WRITE)
		store_move(req);
	else if (result == 0 && req->op >= VMM_BLK_DISCARD)
		memset(store.bytes + req->offset, 0, req->length);
	vmm_blk_complete(req, result);
}

/* Answer up to @n of what is kept, the last first. */
static inline unsigned store_answer(unsigned n)
{
	unsigned done = 0;

	while (done < n && store.nr_kept > 0) {
		store_finish(store.kept[--store.nr_kept]);
		done++;
	}
	return done;
}

static inline void *store_main(void *arg)
{
	pthread_mutex_lock(&store.lock);
	while (!store.over || store.nr_kept > 0) {
		if (store.nr_kept > 0)
			(void)store_answer(1);
		else
			pthread_cond_wait(&store.work, &store.lock);
	}
	pthread_mutex_unlock(&store.lock);
	return NULL;
}

static inline void store_submit(void *state, struct vmm_blk_request *req)
{
	store_check(req);
	store.submitted[req->op]++;
	store.last = *req;
	if (store.when == STORE_AT_ONCE) {
		store_finish(req);
		return;
	}
	pthread_mutex_lock(&store.lock);
	if (store.nr_kept == STORE_KEPT)
		abort();
	store.kept[store.nr_kept++] = req;
	pthread_cond_signal(&store.work);
	pthread_mutex_unlock(&store.lock);
}

static inline void store_commit(void *state)
{
	store.commits++;
}

static inline void store_drain(void *state)
{
	store.drains++;
	if (!store.threaded)
		(void)store_answer(STORE_KEPT);
	/* Else the thread answers, and the library waits for it. */
}

static inline void store_detach(void *state)
{
	store.detaches++;
	if (!store.threaded)
		return;
	pthread_mutex_lock(&store.lock);
	store.over = true;
	pthread_cond_signal(&store.work);
	pthread_mutex_unlock(&store.lock);
	pthread_join(store.thread, NULL);
	store.threaded = store.over = false;
}

static inline void store_destroy(void *state)
{
	store.destroys++;
	free(store.bytes);
	store.bytes = NULL;
}

static const struct vmm_blk_ops store_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "store",
	.submit = store_submit,
	.commit = store_commit,
	.drain = store_drain,
	.detach = store_detach,
	.destroy = store_destroy,
};

/* @info's capacity is ours. */
static inline struct vmm_blk *store_open(const struct vmm_blk_info *info, enum store_when when)
{
	struct vmm_blk_info i = *info;
	struct vmm_blk *disk;

	memset(&store, 0, sizeof(store));
	pthread_mutex_init(&store.lock, NULL);
	pthread_cond_init(&store.work, NULL);
	store.when = when;
	store.block = i.block_size ? i.block_size : 512;
	store.segments = i.max_segments ? i.max_segments : 128;
	store.bytes = calloc(1, STORE_BYTES);
	i.capacity = STORE_BYTES;
	if (!store.bytes || vmm_blk_create(&store_ops, &store, &i, &disk) < 0)
		abort();
	if (when == STORE_IN_A_THREAD) {
		store.threaded = true;
		if (pthread_create(&store.thread, NULL, store_main, NULL) != 0)
			abort();
	}
	return disk;
}

#endif
