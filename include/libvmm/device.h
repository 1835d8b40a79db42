/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/device.h> - write a virtio device.
 *
 * The devices in lib/devices/virtio/ use this header and nothing more private,
 * so a device of yours stands on the same ground as a built-in one.
 * examples/device.c is a whole one.
 *
 * Threads: all callbacks of a device run on its loop, one at a time, so a
 * device needs no lock. The vmm_device_ and vmm_queue_ calls are for those
 * callbacks and for other callbacks of the same loop, unless it says otherwise.
 */
#ifndef LIBVMM_DEVICE_H
#define LIBVMM_DEVICE_H

#include <stdbool.h>
#include <sys/uio.h>
#include <libvmm/common.h>
#include <libvmm/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of feature bits (VIRTIO 1.2, 2.2): bit n is word[n / 32] >> n % 32. */
struct vmm_features {
	uint32_t word[4];
};

static inline bool vmm_features_has(const struct vmm_features *features, unsigned bit)
{
	return bit < 128 && (features->word[bit / 32] >> (bit % 32) & 1);
}

static inline void vmm_features_add(struct vmm_features *features, unsigned bit)
{
	if (bit < 128)
		features->word[bit / 32] |= (uint32_t)1 << (bit % 32);
}

/**
 * What a kind of virtio device does. Make one const table per kind.
 * Only @name, @virtio_id, @kick and @reset are required.
 */
struct vmm_device_ops {
	size_t size;		/* sizeof(struct vmm_device_ops) */
	const char *name;	/* "virtio-rng": logs, events */
	uint32_t virtio_id;	/* VIRTIO_ID_* of <linux/virtio_ids.h> */
	uint32_t reserved;

	/*
	 * The driver set DRIVER_OK; the queues are up. @features is a checked
	 * subset of the offer. A negative errno breaks the device.
	 */
	int (*activate)(struct vmm_device *dev, const struct vmm_features *features);

	/*
	 * The guest rang @queue. Pop until vmm_queue_pop() returns 0. The
	 * library bounds how much one call gives out and calls again.
	 */
	void (*kick)(struct vmm_device *dev, struct vmm_queue *queue);

	/*
	 * Let go of every chain: after it no request is in flight and no guest
	 * memory is used. Called for a reset by the driver, when the guest
	 * stops, and before destroy(); also on a device that was never active.
	 */
	void (*reset)(struct vmm_device *dev);

	/*
	 * The driver wrote [offset, offset + len) of the config space, which
	 * lies inside it. The library has not changed the space: call
	 * vmm_device_set_config() for what takes effect. NULL: writes are ignored.
	 */
	void (*config_write)(struct vmm_device *dev, uint32_t offset, const void *data,
			     uint32_t len);

	/* Free @state. Called once, after reset(). */
	void (*destroy)(void *state);

	/*
	 * The driver reset @queue alone (VIRTIO 1.2, 2.6.1): let go of every chain of it, as
	 * reset() does of all. It gives nothing out and takes nothing back now; if the driver
	 * enables it again, kick() is called. NULL: VIRTIO_F_RING_RESET is not offered.
	 */
	void (*queue_reset)(struct vmm_device *dev, struct vmm_queue *queue);

	/*
	 * Tell what was counted, with vmm_stats_add(). The only callback that comes in any thread
	 * and at any time: counters are read atomically, and nothing is waited for. NULL: nothing.
	 */
	void (*stats)(struct vmm_device *dev, struct vmm_stats *stats);
};

enum vmm_transport {
	VMM_TRANSPORT_DEFAULT	= 0,	/* what the guest's config says; at first PCI */
	VMM_TRANSPORT_PCI	= 1,	/* virtio-pci, modern, MSI-X (VIRTIO 1.2, 4.1) */
	VMM_TRANSPORT_MMIO	= 2,	/* virtio-mmio version 2 (VIRTIO 1.2, 4.2) */
};

/** Which formats of its rings a device offers; docs/benchmarks.md compares them. */
enum vmm_queue_format {
	VMM_QUEUE_DEFAULT	= 0,	/* what the guest's config says; at first VMM_QUEUE_SPLIT */
	VMM_QUEUE_SPLIT		= 1,	/* split rings only (VIRTIO 1.2, 2.7) */
	VMM_QUEUE_PACKED	= 2,	/* packed ones too (2.8): the driver chooses, and Linux takes them */
};

#define VMM_DEVICE_QUEUES_MAX	64	/* queues of a device */
#define VMM_DEVICE_CONFIG_MAX	256	/* bytes of device-specific config space */
#define VMM_QUEUE_SIZE_MAX	1024	/* entries of a queue that a device may ask for */

/** One device to plug in. */
struct vmm_device_config {
	size_t size;			/* sizeof(struct vmm_device_config) */
	const struct vmm_device_ops *ops;	/* copied */
	void *state;			/* the guest's on success (ops->destroy), else the caller's */
	const char *name;		/* copied; "disk0": events, logs; default ops->name */
	struct vmm_features features;	/* offered; the library adds the ring and transport ones */
	const void *config_space;	/* copied: what the config space holds at first */
	uint32_t config_bytes;		/* 0 .. VMM_DEVICE_CONFIG_MAX */
	uint32_t nr_queues;		/* 1 .. VMM_DEVICE_QUEUES_MAX */
	uint32_t queue_size;		/* entries; a power of two up to VMM_QUEUE_SIZE_MAX; default 256 */
	uint32_t transport;		/* enum vmm_transport */
	struct vmm_loop *loop;		/* borrowed; default the guest's */
	uint32_t queue_format;		/* enum vmm_queue_format */
	uint32_t reserved;
};

#define VMM_DEVICE_CONFIG_INIT	VMM_SIZED(struct vmm_device_config)

/**
 * Plug a device into a guest, also into one that runs or is paused: there it has to be
 * on PCI, and the guest's system finds it as it finds a card that is put in.
 *
 * @config is read during the call. *@ret_dev (may be NULL) is borrowed: valid
 * until vmm_destroy(), or until VMM_EVENT_DEVICE_REMOVED tells that it is gone.
 *
 * Returns 0, -EINVAL, -E2BIG, -EBUSY (the guest is being stopped, or another thread changes
 * or starts it), -EOPNOTSUPP (it runs, and the device would not be on PCI or the machine has
 * no hot plug), -ENOSPC (no address, slot or interrupt left), -ENOMEM, or what KVM said.
 * Thread safety: any thread, but for callbacks of the guest's own devices.
 */
VMM_API int vmm_add_device(struct vmm *vm, const struct vmm_device_config *config,
			   struct vmm_device **ret_dev) VMM_MUST_CHECK;

enum {
	VMM_REMOVE_SURPRISE	= 1 << 0,	/* at once, as a card that is torn out */
};

/**
 * Take @dev, of any kind, out of its guest. When nothing of it is left, and its backend
 * is freed, VMM_EVENT_DEVICE_REMOVED tells so with its name; @dev may be used until then.
 *
 * A guest that runs or is paused is asked to let go, and its system ends what it does with
 * the device first: syncs a disk, say. It may take its time, or refuse by doing nothing: then
 * ask again, or tear it out. A reset forgets that it was asked. With VMM_REMOVE_SURPRISE,
 * or while the guest does not run, the device is gone when this returns: requests in flight
 * are drained, and a guest that runs is told afterwards. Its driver may not take that well:
 * Linux's for disks, at least up to 6.12, waits for ever for requests it had under way, and
 * lets go of no other device meanwhile.
 *
 * Returns 0 (gone, or asked), -EINVAL, -ENOENT (not a device of @vm, or gone meanwhile), -EBUSY
 * (as vmm_add_device()), -EOPNOTSUPP (the guest runs, and @dev is not on PCI or the machine
 * has no hot plug) or -ENOMEM.
 * Thread safety: as vmm_add_device().
 */
VMM_API int vmm_remove_device(struct vmm *vm, struct vmm_device *dev, uint32_t flags)
	VMM_MUST_CHECK;

/** The @state given when @dev was added. Any thread. */
VMM_API void *vmm_device_state(const struct vmm_device *dev);

/** The loop on which @dev's callbacks run. Any thread. */
VMM_API struct vmm_loop *vmm_device_loop(const struct vmm_device *dev);

/** Queue @index of @dev, or NULL if it has none such. */
VMM_API struct vmm_queue *vmm_device_queue(const struct vmm_device *dev, uint32_t index);

/** Whether the driver has set DRIVER_OK and the device is neither reset nor broken. */
VMM_API bool vmm_device_active(const struct vmm_device *dev);

/**
 * Change [offset, offset + len) of the config space; with @notify the driver
 * gets a config change interrupt (VIRTIO 1.2, 2.5). The part outside the space is
 * ignored. Any thread.
 */
VMM_API void vmm_device_set_config(struct vmm_device *dev, uint32_t offset, const void *data,
				   uint32_t len, bool notify);

/**
 * The guest broke the device's protocol: stop its queues, set DEVICE_NEEDS_RESET
 * (VIRTIO 1.2, 2.1.2), and tell the application with an event whose words are
 * @why. Until the driver resets the device, pops return -EBADMSG.
 */
VMM_API void vmm_device_break(struct vmm_device *dev, const char *why);

#define VMM_CHAIN_MAX	130	/* 128 data segments, a header and a status */

/**
 * One request, already copied out of the ring and checked: the guest can no
 * longer change its shape. iov[0 .. nr_out) is read by the device and
 * iov[nr_out .. nr_out + nr_in) is written by it. The bytes are guest memory:
 * copy what must be checked.
 */
struct vmm_chain {
	uint16_t head;
	uint16_t nr_out;
	uint16_t nr_in;
	uint16_t generation;	/* the library's: of the queue; 0: not known */
	uint32_t out_len;
	uint32_t in_len;
	struct iovec iov[VMM_CHAIN_MAX];
};

/**
 * Take the next request.
 *
 * Returns 1 with *@chain filled, 0 when there is none for now, or -EBADMSG when
 * the guest broke the rules: the device is then broken (vmm_device_break()).
 * The device just returns; there is nothing to clean up. *@chain is scratch
 * space: it means something only after a return of 1.
 */
VMM_API int vmm_queue_pop(struct vmm_queue *queue, struct vmm_chain *chain) VMM_MUST_CHECK;

/**
 * Give back @chain, saying how many bytes of its in part were written; more than
 * it has are cut to what it has. Only head and generation matter, so a device that
 * keeps a request for long keeps those two. Order is free. Nothing happens to
 * a queue that was reset or broken meanwhile, nor to a chain that was pushed before.
 */
VMM_API void vmm_queue_push(struct vmm_queue *queue, const struct vmm_chain *chain,
			    uint32_t written);

/** A chain that is given back: its head and generation, and what was written to its in part. */
struct vmm_used {
	uint16_t head;
	uint16_t generation;
	uint32_t written;
};

/**
 * Give back @n chains as one: the driver sees all of them or none, the first of @used
 * first. For what lies in several buffers, such as a received frame (VIRTIO 1.2, 2.8.9 and
 * 5.1.6.4.1). Otherwise as vmm_queue_push() for each.
 */
VMM_API void vmm_queue_push_all(struct vmm_queue *queue, const struct vmm_used *used, uint32_t n);

/** Put the last popped chain back: the next pop returns it. Not after a push. */
VMM_API void vmm_queue_unpop(struct vmm_queue *queue);

/**
 * Whether a chain that was popped in an earlier callback may still be used: for a device
 * that keeps buffers until it has something to put in them.
 *
 * Returns 1; -EAGAIN while the device may not use the guest's memory (PCI bus mastering is
 * off); -ESTALE when the chain is no longer the device's. No words.
 */
VMM_API int vmm_queue_holds(const struct vmm_queue *queue, uint16_t head, uint16_t generation);

/** Interrupt the guest if it asked to hear of the pushes since last time. */
VMM_API void vmm_queue_notify(struct vmm_queue *queue);

/** The number of @queue in its device. */
VMM_API uint32_t vmm_queue_index(const struct vmm_queue *queue);

/**
 * Copy from the out part of @chain, beginning @offset bytes into it.
 * Returns the bytes copied, fewer than @len at the end of the part.
 */
VMM_API size_t vmm_chain_read(const struct vmm_chain *chain, size_t offset, void *dst, size_t len);

/** Copy to the in part of @chain, likewise. */
VMM_API size_t vmm_chain_write(const struct vmm_chain *chain, size_t offset, const void *src,
			       size_t len);

#ifdef __cplusplus
}
#endif
#endif
