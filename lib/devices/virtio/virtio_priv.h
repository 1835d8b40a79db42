/* SPDX-License-Identifier: MIT */
/*
 * virtio_priv.h - what a driver can set of a virtio device, whatever the transport.
 *
 * Plain state: no lock, no thread, no guest memory. The transports decode
 * registers into these calls, with the device's lock.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_PRIV_H
#define DEVICES_VIRTIO_VIRTIO_PRIV_H

#include <stdbool.h>
#include <libvmm/device.h>

#define VIRTIO_FEATURE_WORDS	4

/* One queue as the driver describes it. */
struct virtio_queue {
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	uint16_t size;		/* 0: the driver wrote one that cannot be */
	bool enabled;
	bool resetting;		/* the driver wants it reset, and the loop has not done so yet */
	bool was_reset;		/* alone, while the device is live: may be set up and enabled again */
};

enum virtio_address {
	VIRTIO_QUEUE_DESC	= 0,
	VIRTIO_QUEUE_DRIVER	= 1,
	VIRTIO_QUEUE_DEVICE	= 2,
};

struct virtio {
	struct vmm_features offered;
	struct vmm_features driver;	/* what the driver wrote; agreed on with FEATURES_OK */
	uint32_t offered_select;
	uint32_t driver_select;
	uint32_t queue_select;
	uint8_t status;
	bool live;			/* from DRIVER_OK to the reset: queues do not change, but those
					   that were reset alone */
	bool touched;			/* there is something to reset in the device too */
	bool overreach;			/* the driver wrote features past what we know */

	uint32_t nr_queues;
	uint16_t max_size;
	struct virtio_queue queues[VMM_DEVICE_QUEUES_MAX];

	uint8_t config[VMM_DEVICE_CONFIG_MAX];
	uint32_t config_bytes;
	uint32_t generation;
	bool config_seen;		/* read since the generation last changed */
};

/* What is left to do, on the device's loop, after a write to the status or to a queue's. */
enum virtio_action {
	VIRTIO_NONE		= 0,
	VIRTIO_RESET		= 1,
	VIRTIO_ACTIVATE		= 2,
	VIRTIO_QUEUE_RESET	= 3,
	VIRTIO_QUEUE_ENABLE	= 4,
};

/* Feature bits that are the library's to offer, and those it does. */
bool vmm__virtio_reserved_feature(const struct vmm_features *features);
void vmm__virtio_offer(struct vmm_features *features, bool packed, bool ring_reset);

/* The state after a reset (VIRTIO 1.2, 2.4); offer, sizes and config space stay. */
void vmm__virtio_reset(struct virtio *v);

enum virtio_action vmm__virtio_write_status(struct virtio *v, uint32_t value);

/* On the loop: set DRIVER_OK if the way there is still open. */
bool vmm__virtio_go_live(struct virtio *v);

uint32_t vmm__virtio_offered_word(const struct virtio *v);
uint32_t vmm__virtio_driver_word(const struct virtio *v);
void vmm__virtio_write_driver_word(struct virtio *v, uint32_t word);

/* The selected queue, or NULL. */
const struct virtio_queue *vmm__virtio_queue(const struct virtio *v);
void vmm__virtio_set_size(struct virtio *v, uint32_t size);
void vmm__virtio_set_address(struct virtio *v, enum virtio_address which, bool high,
			     uint32_t value);
enum virtio_action vmm__virtio_set_enabled(struct virtio *v, bool enabled);

/* VIRTIO 1.2, 2.6.1: the driver wants the selected queue reset. */
enum virtio_action vmm__virtio_reset_queue(struct virtio *v);

/* On the loop: it was. What the driver wrote of it is forgotten. */
void vmm__virtio_queue_was_reset(struct virtio *v, uint32_t index);

/* Bytes outside the space read as zero and are not written. */
uint64_t vmm__virtio_read_config(struct virtio *v, uint32_t offset, uint32_t width);
void vmm__virtio_change_config(struct virtio *v, uint32_t offset, const void *data, uint32_t len);

#endif
