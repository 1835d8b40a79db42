/* SPDX-License-Identifier: MIT */
/*
 * balloon.c - virtio-balloon (VIRTIO 1.2, section 5.5): the device, and what the guest
 * says of its memory.
 *
 * Queues that were not negotiated are not there, and what comes behind them moves up:
 * the specification numbers them otherwise, but drivers (Linux) and devices agree on this.
 * Reports are taken on either number, so that a driver by the letter is served too.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/vmm.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "devices/virtio/balloon_priv.h"

enum { INFLATE = 0, DEFLATE = 1, STATS = 2 };

#define STATS_MAX	64u		/* figures looked at */
#define STATS_MS_MIN	100u

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- figures (5.5.6.3) ---- */

/* Where a figure goes, by its tag. */
static uint64_t *figure(struct vmm_balloon_stats *s, uint16_t tag)
{
	uint64_t *const figures[] = {
		&s->swap_in, &s->swap_out, &s->major_faults, &s->minor_faults, &s->free,
		&s->total, &s->available, &s->caches, &s->huge_allocations, &s->huge_failures,
	};

	return tag < sizeof(figures) / sizeof(figures[0]) ? figures[tag] : NULL;
}

static void read_figures(struct vmm_balloon *b)
{
	struct virtio_balloon_stat stat;
	uint64_t known = 0, *at;

	for (uint32_t i = 0; i < STATS_MAX; i++) {
		if (vmm_chain_read(&b->chain, i * sizeof(stat), &stat, sizeof(stat)) < sizeof(stat))
			break;
		at = figure(&b->stats, le16toh(stat.tag));
		if (!at)
			continue;
		balloon_set(at, le64toh(stat.val));
		known |= 1ull << le16toh(stat.tag);
	}
	balloon_set(&b->stats.known, known);
	balloon_set(&b->stats.guest_time_ns, now_ns());
}

/* The buffer goes back, and comes again with new figures. False: it is not here. */
static bool ask_figures(struct vmm_balloon *b)
{
	struct vmm_queue *queue = vmm_device_queue(b->dev, STATS);

	if (!b->held)
		return false;
	b->held = false;
	b->chain.head = b->held_head;
	b->chain.generation = b->held_generation;
	vmm_queue_push(queue, &b->chain, 0);
	vmm_queue_notify(queue);
	return true;
}

static void take_figures(struct vmm_balloon *b)
{
	struct vmm_queue *queue = vmm_device_queue(b->dev, STATS);
	bool held = b->held;
	uint16_t head = b->held_head, generation = b->held_generation;

	while (vmm_queue_pop(queue, &b->chain) > 0) {
		read_figures(b);
		b->held = true;
		b->held_head = b->chain.head;
		b->held_generation = b->chain.generation;
		/* One is kept; a driver with more gets the older back. */
		if (held) {
			b->chain.head = head;
			b->chain.generation = generation;
			vmm_queue_push(queue, &b->chain, 0);
		}
		held = true;
		head = b->held_head;
		generation = b->held_generation;
	}
	vmm_queue_notify(queue);
}

static void tick(void *data)
{
	struct vmm_balloon *b = data;

	(void)ask_figures(b);
	vmm_timer_set(b->timer, now_ns() + b->stats_ns);
}

/* ---- the device ---- */

static void queue_work(struct vmm_balloon *b, uint32_t index)
{
	struct balloon_queue *q = &b->queues[index];

	if (index == INFLATE)
		vmm__balloon_inflate(q);
	else if (index == DEFLATE)
		vmm__balloon_deflate(q);
	else if (index == STATS && b->has_stats)
		take_figures(b);
	else if (b->has_reports)
		vmm__balloon_take_reports(q);
}

static void queue_more(struct vmm_deferred *deferred)
{
	struct balloon_queue *q =
		(struct balloon_queue *)((char *)deferred - offsetof(struct balloon_queue, more));

	q->cut = false;
	queue_work(q->balloon, q->index);
}

static int balloon_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct vmm_balloon *b = vmm_device_state(dev);

	b->has_stats = vmm_features_has(features, VIRTIO_BALLOON_F_STATS_VQ);
	b->has_reports = vmm_features_has(features, VIRTIO_BALLOON_F_REPORTING);
	/* 5.5.6.5: told before DRIVER_OK. */
	b->poisoned = vmm_features_has(features, VIRTIO_BALLOON_F_PAGE_POISON) &&
		      b->space.poison_val != 0;
	if (b->has_stats && b->stats_ns)
		vmm_timer_set(b->timer, now_ns() + b->stats_ns);
	return 0;
}

static void balloon_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	queue_work(vmm_device_state(dev), vmm_queue_index(queue));
}

/* The driver says how much is in the balloon, and what free pages hold. */
static void balloon_config_write(struct vmm_device *dev, uint32_t offset, const void *data,
				 uint32_t len)
{
	struct vmm_balloon *b = vmm_device_state(dev);
	unsigned char *space = (unsigned char *)&b->space;
	const unsigned char *bytes = data;

	for (uint32_t i = 0; i < len; i++) {
		uint32_t at = offset + i;

		if ((at >= offsetof(struct virtio_balloon_config, actual) &&
		     at < offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)) ||
		    (at >= offsetof(struct virtio_balloon_config, poison_val) &&
		     at < sizeof(b->space))) {
			space[at] = bytes[i];
			vmm_device_set_config(dev, at, &bytes[i], 1, false);
		}
	}
	balloon_set(&b->stats.actual, (uint64_t)le32toh(b->space.actual) << PAGE_SHIFT);
}

/* All pages are the guest's again; what it had said goes with it. */
static void balloon_reset(struct vmm_device *dev)
{
	struct vmm_balloon *b = vmm_device_state(dev);

	b->has_stats = b->has_reports = b->held = false;
	for (uint32_t i = 0; i < BALLOON_QUEUES; i++)
		b->queues[i].done = 0;
	vmm_timer_set(b->timer, 0);
	b->space.actual = b->space.poison_val = 0;
	vmm_device_set_config(dev, offsetof(struct virtio_balloon_config, actual),
			      &b->space.actual, sizeof(b->space.actual), false);
	vmm_device_set_config(dev, offsetof(struct virtio_balloon_config, poison_val),
			      &b->space.poison_val, sizeof(b->space.poison_val), false);
	balloon_set(&b->stats.actual, 0);
}

static void balloon_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct vmm_balloon *b = vmm_device_state(dev);
	uint32_t index = vmm_queue_index(queue);

	b->queues[index].done = 0;
	if (index == STATS && b->has_stats)
		b->held = false;
}

static void balloon_destroy(void *state)
{
	struct vmm_balloon *b = state;

	for (uint32_t i = 0; i < BALLOON_QUEUES; i++)
		vmm_deferred_cancel(&b->queues[i].more);
	vmm_timer_remove(b->timer);
	free(b);
}

static const struct vmm_device_ops balloon_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-balloon",
	.virtio_id = VIRTIO_ID_BALLOON,
	.activate = balloon_activate,
	.kick = balloon_kick,
	.reset = balloon_reset,
	.config_write = balloon_config_write,
	.destroy = balloon_destroy,
	.queue_reset = balloon_queue_reset,
};

/* ---- what the application calls ---- */

static int pages_of(uint64_t bytes, uint32_t *ret_pages)
{
	if (bytes >> PAGE_SHIFT > UINT32_MAX)
		return vmm__fail(-EINVAL, "a balloon of %llu bytes is too large",
				 (unsigned long long)bytes);
	*ret_pages = (uint32_t)(bytes >> PAGE_SHIFT);
	return 0;
}

int vmm_balloon_set(struct vmm_balloon *balloon, uint64_t bytes)
{
	uint32_t pages;
	int r = balloon ? pages_of(bytes, &pages) : vmm__fail(-EINVAL, "no balloon");

	if (r < 0)
		return r;
	balloon_set(&balloon->stats.target, (uint64_t)pages << PAGE_SHIFT);
	pages = htole32(pages);
	vmm_device_set_config(balloon->dev, offsetof(struct virtio_balloon_config, num_pages),
			      &pages, sizeof(pages), true);
	return 0;
}

int vmm_balloon_refresh(struct vmm_balloon *balloon)
{
	bool asked;

	if (!balloon)
		return vmm__fail(-EINVAL, "no balloon");
	vmm_loop_enter(balloon->loop);
	asked = ask_figures(balloon);
	vmm_loop_leave(balloon->loop);
	return asked ? 0 : vmm__fail(-EAGAIN, "the guest has not answered the last time");
}

int vmm_balloon_stats(const struct vmm_balloon *balloon, struct vmm_balloon_stats *ret_stats)
{
	struct vmm_balloon_stats stats;
	const uint64_t *from;
	uint64_t *to;

	if (!balloon || !ret_stats || ret_stats->size < sizeof(size_t))
		return vmm__fail(-EINVAL, "no balloon, or no place for its figures");

	from = &balloon->stats.target;
	to = &stats.target;
	for (size_t i = 0; i < (sizeof(stats) - offsetof(struct vmm_balloon_stats, target)) / 8; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	vmm__config_answer(ret_stats, ret_stats->size, &stats, sizeof(stats));
	return 0;
}

/* ---- plugging it in ---- */

static int config_check(struct vmm_balloon_config *wanted, const struct vmm_balloon_config *config)
{
	const uint32_t flags = VMM_BALLOON_NO_REPORTING | VMM_BALLOON_NO_DEFLATE | VMM_BALLOON_HUGE;
	int r;

	*wanted = (struct vmm_balloon_config)VMM_BALLOON_CONFIG_INIT;
	if (config) {
		r = vmm__config_copy(wanted, sizeof(*wanted), config, config->size,
				     sizeof(wanted->size));
		if (r < 0)
			return r;
	}
	if ((wanted->flags & ~flags) || wanted->reserved)
		return vmm__fail(-EINVAL, "balloon flags 0x%x are not VMM_BALLOON_ ones",
				 wanted->flags);
	if (wanted->stats_ms != 0 && wanted->stats_ms < STATS_MS_MIN)
		return vmm__fail(-EINVAL, "figures every %u ms; %u at least", wanted->stats_ms,
				 STATS_MS_MIN);
	return 0;
}

/* Huge pages are reserved, and no longer so once given back: only who asks for it gets that. */
static bool may_report(const struct vmm_mem *mem, uint32_t flags)
{
	struct vmm_mem_range range = { .page_bytes = 0 };

	if (flags & VMM_BALLOON_NO_REPORTING)
		return false;
	(void)vmm_mem_ranges(mem, &range, 1);
	return (flags & VMM_BALLOON_HUGE) || range.page_bytes <= (uint64_t)sysconf(_SC_PAGESIZE);
}

static int plug(struct vmm *vm, const struct vmm_balloon_config *wanted, struct vmm_balloon *b)
{
	struct vmm_device_config device = VMM_DEVICE_CONFIG_INIT;
	bool reports = may_report(b->mem, wanted->flags);

	device.ops = &balloon_ops;
	device.state = b;
	device.name = wanted->name ? wanted->name : "balloon";
	vmm_features_add(&device.features, VIRTIO_BALLOON_F_STATS_VQ);
	if (!(wanted->flags & VMM_BALLOON_NO_DEFLATE))
		vmm_features_add(&device.features, VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
	if (reports) {
		vmm_features_add(&device.features, VIRTIO_BALLOON_F_REPORTING);
		/* Without it, Linux that clears pages as it frees them does not report. */
		vmm_features_add(&device.features, VIRTIO_BALLOON_F_PAGE_POISON);
	}
	device.config_space = &b->space;
	device.config_bytes = sizeof(b->space);
	device.nr_queues = reports ? BALLOON_QUEUES : STATS + 1;
	device.queue_size = 128;
	device.transport = wanted->transport;
	device.loop = b->loop;
	return vmm_add_device(vm, &device, &b->dev);
}

int vmm_add_balloon(struct vmm *vm, const struct vmm_balloon_config *config,
		    struct vmm_balloon **ret_balloon)
{
	struct vmm_balloon_config wanted;
	struct vmm_balloon *b;
	uint32_t pages = 0;
	int r;

	if (!vm)
		return vmm__fail(-EINVAL, "no guest");
	r = config_check(&wanted, config);
	if (r == 0)
		r = pages_of(wanted.bytes, &pages);
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return vmm__fail(-ENOMEM, "no memory for a balloon");
	b->loop = wanted.loop ? wanted.loop : vmm_loop_of(vm);
	b->mem = vmm_memory(vm);
	b->stats_ns = wanted.stats_ms * 1000000ull;
	b->space.num_pages = htole32(pages);
	b->stats.target = (uint64_t)pages << PAGE_SHIFT;
	for (uint32_t i = 0; i < BALLOON_QUEUES; i++) {
		b->queues[i].balloon = b;
		b->queues[i].index = i;
		vmm_deferred_init(&b->queues[i].more, b->loop, queue_more);
	}
	r = vmm_loop_add_timer(b->loop, tick, b, &b->timer);
	if (r == 0)
		r = plug(vm, &wanted, b);
	if (r < 0) {
		vmm_timer_remove(b->timer);
		free(b);
		return r;
	}
	if (ret_balloon)
		*ret_balloon = b;
	return 0;
}
