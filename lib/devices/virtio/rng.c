/* SPDX-License-Identifier: MIT */
/*
 * rng.c - virtio-rng (VIRTIO 1.2, section 5.4), fed by the host's getrandom(2).
 *
 * A guest may ask for 4 GiB at once, and for that again and again. A request is
 * answered with what the turn still has to give, which the driver must allow for
 * (5.4.6); the next turn comes after everybody else's.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <libvmm/device.h>
#include <libvmm/rng.h>
#include <libvmm/vmm.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "core/rate_priv.h"

#define TURN		(64u << 10)	/* bytes of entropy in one turn of the loop */
#define CHAIN_COST	2048u		/* what a request counts for at least */

struct rng {
	struct vmm_device *dev;		/* NULL: never active so far */
	struct vmm_deferred more;
	bool cut;			/* this turn's share is used up: more comes in the next */
	struct rate rate;
	struct vmm_timer *timer;	/* NULL: there is no limit */
	bool held;			/* the rate's share is used up: more comes with the timer */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Fill up to @max bytes. Straight into guest memory: nobody looks at them here. */
static uint32_t rng_fill(const struct vmm_chain *chain, uint32_t max)
{
	const struct iovec *in = chain->iov + chain->nr_out;
	uint32_t done = 0;

	for (unsigned i = 0; i < chain->nr_in; i++) {
		size_t at = 0, want = in[i].iov_len < max - done ? in[i].iov_len : max - done;

		while (at < want) {
			ssize_t n = getrandom((char *)in[i].iov_base + at, want - at, 0);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return done;
			at += (size_t)n;
			done += (uint32_t)n;
		}
	}
	return done;
}

/* Whether so many bytes may go now. If not, the timer will say when to try again. */
static bool rng_may(struct rng *rng, uint32_t bytes)
{
	uint64_t again;

	if (!rng->timer)
		return true;
	again = vmm__rate_take(&rng->rate, bytes, 1, now_ns());
	if (again == 0)
		return true;
	rng->held = true;
	vmm_timer_set(rng->timer, again);
	return false;
}

static void rng_serve(struct rng *rng, struct vmm_queue *queue)
{
	struct vmm_chain chain;
	uint32_t left = TURN, done;

	while (!rng->cut && !rng->held && vmm_queue_pop(queue, &chain) > 0) {
		if (left == 0) {
			vmm_queue_unpop(queue);
			rng->cut = true;
			vmm_defer(&rng->more);
			break;
		}
		if (!rng_may(rng, chain.in_len < left ? chain.in_len : left)) {
			vmm_queue_unpop(queue);
			break;
		}
		done = rng_fill(&chain, left);
		vmm_queue_push(queue, &chain, done);
		done = done < CHAIN_COST ? CHAIN_COST : done;
		left -= done < left ? done : left;
	}
	vmm_queue_notify(queue);
}

static int rng_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct rng *rng = vmm_device_state(dev);

	rng->dev = dev;
	return 0;
}

static void rng_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	rng_serve(vmm_device_state(dev), queue);
}

static void rng_more(struct vmm_deferred *deferred)
{
	struct rng *rng = (struct rng *)((char *)deferred - offsetof(struct rng, more));

	rng->cut = false;
	rng_serve(rng, vmm_device_queue(rng->dev, 0));
}

static void rng_again(void *data)
{
	struct rng *rng = data;

	rng->held = false;
	if (rng->dev)
		rng_serve(rng, vmm_device_queue(rng->dev, 0));
}

static void rng_reset(struct vmm_device *dev)
{
	/* Nothing is in flight between two turns. What was spent of the rate stays spent. */
}

static void rng_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
}

static void rng_destroy(void *state)
{
	struct rng *rng = state;

	vmm_deferred_cancel(&rng->more);
	vmm_timer_remove(rng->timer);
	free(rng);
}

static const struct vmm_device_ops rng_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-rng",
	.virtio_id = VIRTIO_ID_RNG,
	.activate = rng_activate,
	.kick = rng_kick,
	.reset = rng_reset,
	.destroy = rng_destroy,
	.queue_reset = rng_queue_reset,
};

static int rng_limit(struct rng *rng, const struct vmm_rate *rate, struct vmm_loop *loop)
{
	int r = vmm__rate_set(&rng->rate, rate, now_ns());

	return r < 0 ? r : vmm_loop_add_timer(loop, rng_again, rng, &rng->timer);
}

int vmm_add_rng(struct vmm *vm, const struct vmm_rng_config *config, struct vmm_device **ret_dev)
{
	struct vmm_rng_config wanted = VMM_RNG_CONFIG_INIT;
	struct vmm_device_config device = VMM_DEVICE_CONFIG_INIT;
	unsigned char byte;
	struct rng *rng;
	int r;

	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	if (config) {
		r = vmm__config_copy(&wanted, sizeof(wanted), config, config->size,
				     sizeof(wanted.size));
		if (r < 0)
			return r;
	}
	if (wanted.reserved)
		return vmm__fail(-EINVAL, "a reserved field of the rng config is not zero");

	/* Once the kernel's pool is ready, which on a booting host is now, the loop never waits for it. */
	while (getrandom(&byte, 1, 0) < 0) {
		if (errno != EINTR)
			return vmm__fail_errno("the host gives no entropy");
	}

	rng = calloc(1, sizeof(*rng));
	if (!rng)
		return vmm__fail(-ENOMEM, "no memory for an entropy device");
	device.ops = &rng_ops;
	device.state = rng;
	device.name = wanted.name ? wanted.name : "rng";
	device.nr_queues = 1;
	device.queue_size = 64;
	device.transport = wanted.transport;
	device.loop = wanted.loop ? wanted.loop : vmm_loop_of(vm);
	vmm_deferred_init(&rng->more, device.loop, rng_more);

	r = wanted.rate ? rng_limit(rng, wanted.rate, device.loop) : 0;
	if (r == 0)
		r = vmm_add_device(vm, &device, ret_dev);
	if (r < 0) {
		vmm_timer_remove(rng->timer);
		free(rng);
	}
	return r;
}
