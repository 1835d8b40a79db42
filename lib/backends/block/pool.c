/* SPDX-License-Identifier: MIT */
/*
 * pool.c - threads that do what blocks, for one disk in a file.
 *
 * A thread is started when a request finds none idle, up to a few; a disk whose
 * ring does all its work never has one. The threads have all signals blocked, so
 * that a file that may not grow (SIGXFSZ) is an error of the request.
 */
#include "backends/block/file_priv.h"
#include "core/thread_priv.h"

static void *pool_main(void *arg)
{
	struct file_pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		struct vmm_blk_request *req;
		int result;

		pool->nr_idle++;
		while (!pool->waiting.first && !pool->over)
			pthread_cond_wait(&pool->work, &pool->lock);
		pool->nr_idle--;

		req = vmm__file_list_take(&pool->waiting);
		if (!req)
			break;
		pool->nr_waiting--;
		pool->nr_running++;
		pthread_mutex_unlock(&pool->lock);

		result = vmm__file_run(pool->file, req);
		vmm_blk_complete(req, result);

		pthread_mutex_lock(&pool->lock);
		pool->nr_running--;
		if (pool->nr_waiting == 0 && pool->nr_running == 0)
			pthread_cond_signal(&pool->idle);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* With the lock. False: there is nobody to do it. */
static bool pool_staff(struct file_pool *pool)
{
	if (pool->nr_waiting <= pool->nr_idle || pool->nr_threads == POOL_THREADS)
		return true;
	if (vmm__thread_create(&pool->threads[pool->nr_threads], "vmm/disk", pool_main, pool) < 0)
		return pool->nr_threads > 0;
	pool->nr_threads++;
	return true;
}

void vmm__file_pool_submit(struct file_pool *pool, struct vmm_blk_request *req)
{
	bool staffed;

	pthread_mutex_lock(&pool->lock);
	vmm__file_list_append(&pool->waiting, req);
	pool->nr_waiting++;
	staffed = pool_staff(pool);
	if (staffed) {
		pthread_cond_signal(&pool->work);
	} else {
		(void)vmm__file_list_take(&pool->waiting);
		pool->nr_waiting--;
	}
	pthread_mutex_unlock(&pool->lock);

	if (!staffed)
		vmm_blk_complete(req, -ENOMEM);
}

void vmm__file_pool_drain(struct file_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->nr_waiting > 0 || pool->nr_running > 0)
		pthread_cond_wait(&pool->idle, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

void vmm__file_pool_stop(struct file_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->over = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);

	for (uint32_t i = 0; i < pool->nr_threads; i++)
		pthread_join(pool->threads[i], NULL);
	pool->nr_threads = 0;
	pool->over = false;
}

void vmm__file_pool_init(struct file_pool *pool, struct blk_file *file)
{
	pool->file = file;
	vmm__file_list_init(&pool->waiting);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->idle, NULL);
}

void vmm__file_pool_finish(struct file_pool *pool)
{
	pthread_cond_destroy(&pool->idle);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
}
