/* SPDX-License-Identifier: MIT */
/*
 * fake_device.h - a virtio device without a machine, and a driver that writes rings by hand.
 *
 * The front end under test plugs itself in with vmm_add_device(), which is ours here; its
 * queue is the library's own. Nothing of the driver's half goes through the code under test.
 * Included by one file of a program.
 */
#ifndef UNIT_FAKE_DEVICE_H
#define UNIT_FAKE_DEVICE_H

#include <endian.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <libvmm/device.h>
#include <libvmm/vmm.h>
#include "core/memory_priv.h"
#include "devices/virtio/queue_priv.h"

enum {
	FAKE_QUEUE	= 256,		/* entries */
	FAKE_DESC	= 0x0000,	/* where the driver puts its ring */
	FAKE_AVAIL	= 0x1000,
	FAKE_USED	= 0x2000,
	FAKE_TABLE	= 0x4000,	/* indirect tables */
	FAKE_DATA	= 0x10000,	/* and its buffers */
	FAKE_RAM	= 0x200000,	/* in two halves, with a hole between them: see guest() */
	FAKE_GUARD	= 0x1000,
};

struct vmm_device {
	const struct vmm_device_ops *ops;
	void *state;
	struct vmm_loop *loop;
	struct vmm_features offered;
	uint8_t space[VMM_DEVICE_CONFIG_MAX];
	uint32_t space_bytes;
	struct vmm_queue queue;
	bool active;
	const char *broken;		/* why */
	int interrupts;
	int config_interrupts;
};

static struct {
	struct vmm_loop *loop;
	unsigned char *ram;
	struct vmm_mem mem;
	struct vmm_device dev;
	uint16_t avail_idx;
	uint16_t used_seen;
	int add_result;			/* what vmm_add_device() is to answer */
} fake;

#define FAKE_VM		((struct vmm *)(void *)&fake)

/* ---- the library's side ---- */

static inline void fake_interrupt(struct vmm_queue *q)
{
	fake.dev.interrupts++;
}

void vmm_device_break(struct vmm_device *dev, const char *why)
{
	dev->broken = why;
	dev->active = false;
	dev->queue.state = QUEUE_BROKEN;
}

static inline void fake_broke(struct vmm_queue *q, const char *why)
{
	vmm_device_break(&fake.dev, why);
}

int vmm_add_device(struct vmm *vm, const struct vmm_device_config *config,
		   struct vmm_device **ret_dev)
{
	struct vmm_device *dev = &fake.dev;

	if (fake.add_result < 0)
		return fake.add_result;
	memset(dev, 0, sizeof(*dev));
	dev->ops = config->ops;
	dev->state = config->state;
	dev->loop = config->loop ? config->loop : fake.loop;
	dev->offered = config->features;
	dev->space_bytes = config->config_bytes;
	memcpy(dev->space, config->config_space, config->config_bytes);
	if (vmm__queue_init(&dev->queue, &fake.mem, config->queue_size) < 0)
		abort();
	dev->queue.interrupt = fake_interrupt;
	dev->queue.broke = fake_broke;
	if (ret_dev)
		*ret_dev = dev;
	return 0;
}

struct vmm_loop *vmm_loop_of(struct vmm *vm)
{
	return fake.loop;
}

void *vmm_device_state(const struct vmm_device *dev)
{
	return dev->state;
}

struct vmm_queue *vmm_device_queue(const struct vmm_device *dev, uint32_t index)
{
	return index == 0 ? &fake.dev.queue : NULL;
}

void vmm_device_set_config(struct vmm_device *dev, uint32_t offset, const void *data, uint32_t len,
			   bool notify)
{
	if (offset <= dev->space_bytes && len <= dev->space_bytes - offset)
		memcpy(dev->space + offset, data, len);
	dev->config_interrupts += notify;
}

/* ---- what its registers would do ---- */

static inline void fake_init(struct vmm_loop *loop)
{
	memset(&fake, 0, sizeof(fake));
	fake.loop = loop;
	/* A step over the end of either region is a fault. */
	fake.ram = mmap(NULL, FAKE_RAM + 2 * FAKE_GUARD, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fake.ram == MAP_FAILED ||
	    mprotect(fake.ram + FAKE_RAM / 2, FAKE_GUARD, PROT_NONE) < 0 ||
	    mprotect(fake.ram + FAKE_RAM + FAKE_GUARD, FAKE_GUARD, PROT_NONE) < 0)
		abort();
	fake.mem.nr_regions = 2;
	fake.mem.regions[0] = (struct mem_region){ .gpa = 0, .size = FAKE_RAM / 2,
						   .host = fake.ram };
	fake.mem.regions[1] = (struct mem_region){ .gpa = FAKE_RAM, .size = FAKE_RAM / 2,
						   .host = fake.ram + FAKE_RAM / 2 + FAKE_GUARD };
}

static inline void fake_activate(const struct vmm_features *features)
{
	const struct queue_setup setup = {
		.desc = FAKE_DESC, .driver = FAKE_AVAIL, .device = FAKE_USED,
		.size = fake.dev.queue.max_size < FAKE_QUEUE ? fake.dev.queue.max_size : FAKE_QUEUE,
		.indirect = true,
	};

	memset(fake.ram + FAKE_AVAIL, 0, 0x3000);
	fake.avail_idx = fake.used_seen = 0;
	fake.dev.broken = NULL;
	if (vmm__queue_up(&fake.dev.queue, &setup) < 0)
		abort();
	fake.dev.active = true;
	if (fake.dev.ops->activate && fake.dev.ops->activate(&fake.dev, features) < 0)
		abort();
}

static inline void fake_kick(void)
{
	if (!fake.dev.active)
		return;
	fake.dev.queue.budget = QUEUE_BUDGET;
	fake.dev.ops->kick(&fake.dev, &fake.dev.queue);
	fake.dev.queue.budget = QUEUE_NO_BUDGET;
}

static inline void fake_reset(void)
{
	fake.dev.active = false;
	if (fake.dev.queue.state != QUEUE_DOWN)
		vmm__queue_down(&fake.dev.queue);
	fake.dev.ops->reset(&fake.dev);
	fake.dev.broken = NULL;
}

/* Config space, written as a driver does. */
static inline void fake_config_write(uint32_t offset, const void *data, uint32_t len)
{
	fake.dev.ops->config_write(&fake.dev, offset, data, len);
}

static inline void fake_finish(void)
{
	if (fake.dev.ops) {
		fake_reset();
		fake.dev.ops->destroy(fake.dev.state);
		vmm__queue_finish(&fake.dev.queue);
	}
	munmap(fake.ram, FAKE_RAM + 2 * FAKE_GUARD);
}

/* ---- the driver ---- */

static inline unsigned char *guest(vmm_gpa_t gpa)
{
	return fake.ram + (gpa >= FAKE_RAM ? gpa - FAKE_RAM / 2 + FAKE_GUARD : gpa);
}

static inline void driver_desc_at(vmm_gpa_t table, int i, uint64_t addr, uint32_t len,
				  uint16_t flags, uint16_t next)
{
	struct vring_desc d = { htole64(addr), htole32(len), htole16(flags), htole16(next) };

	memcpy(guest(table + (vmm_gpa_t)i * sizeof(d)), &d, sizeof(d));
}

static inline void driver_desc(int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	driver_desc_at(FAKE_DESC, i, addr, len, flags, next);
}

static inline void driver_offer(uint16_t head)
{
	uint16_t mask = (uint16_t)(fake.dev.queue.size - 1), value = htole16(head);

	memcpy(guest(FAKE_AVAIL + 4 + 2u * (fake.avail_idx & mask)), &value, 2);
	value = htole16(++fake.avail_idx);
	memcpy(guest(FAKE_AVAIL + 2), &value, 2);
}

/* The next element of the used ring. False: there is none. */
static inline bool driver_used(uint32_t *ret_head, uint32_t *ret_len)
{
	uint16_t mask = (uint16_t)(fake.dev.queue.size - 1), idx;
	struct vring_used_elem elem;

	memcpy(&idx, guest(FAKE_USED + 2), 2);
	if (le16toh(idx) == fake.used_seen)
		return false;
	memcpy(&elem, guest(FAKE_USED + 4 + 8u * (fake.used_seen & mask)), sizeof(elem));
	fake.used_seen++;
	*ret_head = le32toh(elem.id);
	*ret_len = le32toh(elem.len);
	return true;
}

#endif
