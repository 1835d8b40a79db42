/* SPDX-License-Identifier: MIT */
/*
 * virtio.c - status and feature negotiation, once for both transports
 * (VIRTIO 1.2, 2.1, 2.2, 2.5 and 3.1).
 *
 * Each write in each state has one meaning. A status bit is set when the steps
 * before it were done, in the order of 3.1.1, and stays until the reset.
 * Features are fixed by FEATURES_OK, a queue by being enabled, and all
 * queues by DRIVER_OK: writes that come later are ignored. One queue that the
 * driver resets begins anew (2.6.1).
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "devices/virtio/virtio_priv.h"

#define STEPS_BEFORE_FEATURES	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)

/* 2.2: bits 24 to 49 belong to queues, negotiation, and later versions. */
bool vmm__virtio_reserved_feature(const struct vmm_features *features)
{
	return (features->word[0] & 0xff000000u) || (features->word[1] & 0x0003ffffu);
}

void vmm__virtio_offer(struct vmm_features *features, bool packed, bool ring_reset)
{
	vmm_features_add(features, VIRTIO_RING_F_INDIRECT_DESC);
	vmm_features_add(features, VIRTIO_RING_F_EVENT_IDX);
	vmm_features_add(features, VIRTIO_F_VERSION_1);
	if (packed)
		vmm_features_add(features, VIRTIO_F_RING_PACKED);
	if (ring_reset)
		vmm_features_add(features, VIRTIO_F_RING_RESET);
}

void vmm__virtio_reset(struct virtio *v)
{
	v->driver = (struct vmm_features){ 0 };
	v->offered_select = v->driver_select = v->queue_select = 0;
	v->status = 0;
	v->live = v->touched = v->overreach = false;
	for (uint32_t i = 0; i < v->nr_queues; i++)
		v->queues[i] = (struct virtio_queue){ .size = v->max_size };
}

/* ---- status ---- */

/* 6.1: what we offer needs VERSION_1, and the driver may only take what was offered. */
static bool features_agree(const struct virtio *v)
{
	if (v->overreach || !vmm_features_has(&v->driver, VIRTIO_F_VERSION_1))
		return false;
	for (unsigned i = 0; i < VIRTIO_FEATURE_WORDS; i++) {
		if (v->driver.word[i] & ~v->offered.word[i])
			return false;
	}
	return true;
}

static bool may_go_live(const struct virtio *v)
{
	const unsigned closed = VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET |
				VIRTIO_CONFIG_S_DRIVER_OK;

	return (v->status & VIRTIO_CONFIG_S_FEATURES_OK) && !(v->status & closed);
}

/*
 * Bits that are set already stay: a driver that writes only the new one is
 * understood. After FAILED, or once a reset is needed, only the reset helps.
 */
enum virtio_action vmm__virtio_write_status(struct virtio *v, uint32_t value)
{
	if (value == 0) {
		if (v->touched)
			return VIRTIO_RESET;
		vmm__virtio_reset(v);
		return VIRTIO_NONE;
	}

	v->touched = true;
	if (v->status & (VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_NEEDS_RESET))
		return VIRTIO_NONE;

	v->status |= value & (STEPS_BEFORE_FEATURES | VIRTIO_CONFIG_S_FAILED);
	if (v->status & VIRTIO_CONFIG_S_FAILED)
		return VIRTIO_NONE;

	if ((value & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    (v->status & STEPS_BEFORE_FEATURES) == STEPS_BEFORE_FEATURES && features_agree(v))
		v->status |= VIRTIO_CONFIG_S_FEATURES_OK;

	if ((value & VIRTIO_CONFIG_S_DRIVER_OK) && may_go_live(v))
		return VIRTIO_ACTIVATE;
	return VIRTIO_NONE;
}

bool vmm__virtio_go_live(struct virtio *v)
{
	/* The driver may have reset the device on another vCPU meanwhile. */
	if (!may_go_live(v))
		return false;

	v->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	v->live = true;
	return true;
}

/* ---- features ---- */

uint32_t vmm__virtio_offered_word(const struct virtio *v)
{
	return v->offered_select < VIRTIO_FEATURE_WORDS ? v->offered.word[v->offered_select] : 0;
}

uint32_t vmm__virtio_driver_word(const struct virtio *v)
{
	return v->driver_select < VIRTIO_FEATURE_WORDS ? v->driver.word[v->driver_select] : 0;
}

void vmm__virtio_write_driver_word(struct virtio *v, uint32_t word)
{
	/* 3.1.1: no changes after FEATURES_OK. */
	if (v->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;

	if (v->driver_select < VIRTIO_FEATURE_WORDS)
		v->driver.word[v->driver_select] = word;
	else if (word != 0)
		v->overreach = true;
}

/* ---- queues ---- */

const struct virtio_queue *vmm__virtio_queue(const struct virtio *v)
{
	return v->queue_select < v->nr_queues ? &v->queues[v->queue_select] : NULL;
}

/* The selected queue if it may still change. */
static struct virtio_queue *queue_to_change(struct virtio *v)
{
	struct virtio_queue *q;

	if (v->queue_select >= v->nr_queues)
		return NULL;
	q = &v->queues[v->queue_select];
	return q->enabled || (v->live && !q->was_reset) ? NULL : q;
}

static bool agreed(const struct virtio *v, unsigned feature)
{
	return (v->status & VIRTIO_CONFIG_S_FEATURES_OK) && vmm_features_has(&v->driver, feature);
}

void vmm__virtio_set_size(struct virtio *v, uint32_t size)
{
	struct virtio_queue *q = queue_to_change(v);

	if (!q)
		return;
	/* 2.7: a split ring's is a power of two. */
	if (size > v->max_size || (!agreed(v, VIRTIO_F_RING_PACKED) && (size & (size - 1))))
		size = 0;
	q->size = (uint16_t)size;
}

void vmm__virtio_set_address(struct virtio *v, enum virtio_address which, bool high, uint32_t value)
{
	struct virtio_queue *q = queue_to_change(v);
	uint64_t *address;

	if (!q)
		return;
	address = which == VIRTIO_QUEUE_DESC ? &q->desc :
		  which == VIRTIO_QUEUE_DRIVER ? &q->driver : &q->device;
	if (high)
		*address = (*address & UINT32_MAX) | (uint64_t)value << 32;
	else
		*address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

enum virtio_action vmm__virtio_set_enabled(struct virtio *v, bool enabled)
{
	struct virtio_queue *q;

	if (v->queue_select >= v->nr_queues)
		return VIRTIO_NONE;
	q = &v->queues[v->queue_select];
	if (!v->live) {
		q->enabled = enabled && q->size > 0;
		return VIRTIO_NONE;
	}

	/* 2.6.1.2. From here on it is fixed again, and the loop may read it without the lock. */
	if (!q->was_reset || q->enabled || !enabled || q->size == 0)
		return VIRTIO_NONE;
	q->enabled = true;
	return VIRTIO_QUEUE_ENABLE;
}

enum virtio_action vmm__virtio_reset_queue(struct virtio *v)
{
	if (v->queue_select >= v->nr_queues || !agreed(v, VIRTIO_F_RING_RESET))
		return VIRTIO_NONE;
	if (!v->live) {
		v->queues[v->queue_select] = (struct virtio_queue){ .size = v->max_size };
		return VIRTIO_NONE;
	}
	v->queues[v->queue_select].resetting = true;
	return VIRTIO_QUEUE_RESET;
}

void vmm__virtio_queue_was_reset(struct virtio *v, uint32_t index)
{
	v->queues[index] = (struct virtio_queue){ .size = v->max_size, .was_reset = true };
}

/* ---- config space ---- */

uint64_t vmm__virtio_read_config(struct virtio *v, uint32_t offset, uint32_t width)
{
	uint64_t value = 0;

	v->config_seen = true;
	for (uint32_t i = 0; i < width && i < 8; i++) {
		if (offset < v->config_bytes && i < v->config_bytes - offset)
			value |= (uint64_t)v->config[offset + i] << (8 * i);
	}
	return value;
}

/*
 * 2.5.1: the generation differs when something changed since it was last read
 * from. It need not change more often, so an 8-bit counter cannot come round
 * between two reads of one driver.
 */
void vmm__virtio_change_config(struct virtio *v, uint32_t offset, const void *data, uint32_t len)
{
	if (offset >= v->config_bytes)
		return;
	if (len > v->config_bytes - offset)
		len = v->config_bytes - offset;
	memcpy(v->config + offset, data, len);

	if (v->config_seen)
		v->generation++;
	v->config_seen = false;
}
