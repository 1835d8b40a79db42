/* SPDX-License-Identifier: MIT */
/*
 * fake_virtio.h - a machine of one virtio device, and a driver that writes rings by hand.
 *
 * The device and its queues are the library's; the transport is a few counters
 * and vmm_add_device() is ours. Nothing of the driver's half goes through the
 * code under test. Included by one file of a program.
 */
#ifndef TESTS_FAKE_VIRTIO_H
#define TESTS_FAKE_VIRTIO_H

#include <assert.h>
#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>
#include <libvmm/vmm.h>
#include "backends/console/console_priv.h"
#include "core/loop_priv.h"
#include "core/memory_priv.h"
#include "devices/device_priv.h"
#include "transport/transport_priv.h"

enum {
	QUEUE_BYTES	= 0x4000,	/* of guest memory for the rings of each queue */
	AVAIL_AT	= 0x1000,
	USED_AT		= 0x2000,
	DATA		= 0x40000,
	RAM		= 0x100000,
	ENTRIES		= 64,
};

static struct {
	struct vmm_loop *loop;
	unsigned char *ram;
	struct vmm_mem mem;
	struct loop_cancel cancel;
	struct device_host host;
	struct vmm_device *dev;
	int queue_interrupts[VMM_DEVICE_QUEUES_MAX];
	int config_interrupts;
	int broken;
	struct console_tail *tail;	/* what a crash record would hold */
	int add_result;			/* what vmm_add_device() is to answer */
} machine;

#define THE_VM	((struct vmm *)(void *)&machine)

/* ---- the transport ---- */

static inline int fake_plug(struct vmm_device *dev)
{
	return 0;
}

static inline void fake_unplug(struct vmm_device *dev)
{
}

static inline void fake_queue_interrupt(struct vmm_device *dev, uint32_t queue)
{
	machine.queue_interrupts[queue]++;
}

static inline void fake_config_interrupt(struct vmm_device *dev)
{
	machine.config_interrupts++;
}

#define FAKE_TRANSPORT {					\
	.name = "fake", .plug = fake_plug, .unplug = fake_unplug, .reset = fake_unplug,	\
	.sync_doorbells = fake_unplug,				\
	.queue_interrupt = fake_queue_interrupt, .config_interrupt = fake_config_interrupt, \
}

const struct transport_ops vmm__transport_mmio = FAKE_TRANSPORT;
const struct transport_ops vmm__transport_pci = FAKE_TRANSPORT;

/* ---- the machine ---- */

struct vmm_loop *vmm_loop_of(struct vmm *vm)
{
	return machine.loop;
}

struct vmm_mem *vmm_memory(struct vmm *vm)
{
	return &machine.mem;
}

int vmm_add_device(struct vmm *vm, const struct vmm_device_config *config,
		   struct vmm_device **ret_dev)
{
	int r = machine.add_result;

	vmm_loop_enter(machine.loop);
	if (r == 0)
		r = vmm__device_create(&machine.host, config, &machine.dev);
	vmm_loop_leave(machine.loop);
	if (r == 0 && ret_dev)
		*ret_dev = machine.dev;
	return r;
}

/* In the place of core/plug.c. */
void vmm__vm_add_tail(struct vmm *vm, struct console_tail *tail)
{
	/* That of a console before is gone, as is the console. */
	vmm__console_tail_free(machine.tail);
	machine.tail = tail;
}

static inline void fake_broken(void *data, const char *device, const char *why)
{
	machine.broken++;
}

static inline void machine_make(void)
{
	memset(&machine, 0, sizeof(machine));
	if (vmm_loop_create(NULL, &machine.loop) < 0)
		abort();
	machine.ram = aligned_alloc(4096, RAM);
	if (!machine.ram)
		abort();
	memset(machine.ram, 0, RAM);
	machine.mem = (struct vmm_mem){
		.regions = { { .gpa = 0, .size = RAM, .host = machine.ram } }, .nr_regions = 1,
	};
	machine.cancel.in_place = true;
	machine.host = (struct device_host){
		.mem = &machine.mem, .loop = machine.loop, .cancel = &machine.cancel,
		.default_transport = VMM_TRANSPORT_MMIO, .broken = fake_broken,
	};
}

/* One turn of the loop. Returns whether it had something to do. */
static inline bool machine_turn(void)
{
	return vmm_loop_dispatch(machine.loop) > 0;
}

static inline int machine_run(void)
{
	int turns = 0;

	while (turns < 100000 && machine_turn())
		turns++;
	return turns;
}

static inline void machine_unmake(void)
{
	vmm__device_destroy(machine.dev);
	machine.dev = NULL;
	/* A call that was left behind would be made now. */
	machine_run();
	if (vmm_loop_destroy(machine.loop) < 0)
		abort();
	free(machine.ram);
	vmm__console_tail_free(machine.tail);
}

/* ---- the driver ---- */

static inline void driver_store16(uint32_t at, uint16_t value)
{
	value = htole16(value);
	memcpy(machine.ram + at, &value, sizeof(value));
}

static inline uint16_t driver_load16(uint32_t at)
{
	uint16_t value;

	memcpy(&value, machine.ram + at, sizeof(value));
	return le16toh(value);
}

static inline uint32_t driver_load32(uint32_t at)
{
	uint32_t value;

	memcpy(&value, machine.ram + at, sizeof(value));
	return le32toh(value);
}

static inline void driver_desc(uint32_t queue, unsigned i, uint64_t addr, uint32_t len,
			       uint16_t flags, uint16_t next)
{
	struct vring_desc d = { htole64(addr), htole32(len), htole16(flags), htole16(next) };

	memcpy(machine.ram + queue * QUEUE_BYTES + i * sizeof(d), &d, sizeof(d));
}

static inline void driver_offer(uint32_t queue, uint16_t head)
{
	uint32_t avail = queue * QUEUE_BYTES + AVAIL_AT;
	uint16_t idx = driver_load16(avail + 2);

	driver_store16(avail + 4 + 2 * (idx % ENTRIES), head);
	driver_store16(avail + 2, (uint16_t)(idx + 1));
}

/* One descriptor, which may be written (@in), offered as chain @i. */
static inline void driver_buffer(uint32_t queue, unsigned i, uint64_t addr, uint32_t len, bool in)
{
	driver_desc(queue, i, addr, len, in ? VRING_DESC_F_WRITE : 0, 0);
	driver_offer(queue, (uint16_t)i);
}

static inline void driver_kick(uint32_t queue)
{
	vmm__device_notify(machine.dev, queue);
}

static inline uint16_t driver_used(uint32_t queue)
{
	return driver_load16(queue * QUEUE_BYTES + USED_AT + 2);
}

/* Bytes written, as the @nth used element says. */
static inline uint32_t driver_used_len(uint32_t queue, uint16_t nth)
{
	return driver_load32(queue * QUEUE_BYTES + USED_AT + 4 + 8u * (nth % ENTRIES) + 4);
}

/* Reset, negotiate all that is offered, set up the queues, go. */
static inline void driver_start(void)
{
	const uint32_t steps = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct virtio *v = &machine.dev->virtio;

	vmm__device_write_status(machine.dev, 0);
	vmm__device_write_status(machine.dev, steps);
	for (v->driver_select = 0; v->driver_select < VIRTIO_FEATURE_WORDS; v->driver_select++)
		vmm__virtio_write_driver_word(v, v->offered.word[v->driver_select] &
				(v->driver_select == 0 ? ~(1u << VIRTIO_RING_F_EVENT_IDX) : ~0u));
	vmm__device_write_status(machine.dev, steps | VIRTIO_CONFIG_S_FEATURES_OK);

	for (uint32_t q = 0; q < v->nr_queues; q++) {
		uint32_t at = q * QUEUE_BYTES;

		memset(machine.ram + at, 0, QUEUE_BYTES);
		v->queue_select = q;
		vmm__virtio_set_size(v, ENTRIES);
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DESC, false, at);
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DRIVER, false, at + AVAIL_AT);
		vmm__virtio_set_address(v, VIRTIO_QUEUE_DEVICE, false, at + USED_AT);
		vmm__virtio_set_enabled(v, true);
	}
	vmm__device_write_status(machine.dev, steps | VIRTIO_CONFIG_S_FEATURES_OK |
					      VIRTIO_CONFIG_S_DRIVER_OK);
	assert(vmm_device_active(machine.dev));
}

static inline void driver_reset(void)
{
	vmm__device_write_status(machine.dev, 0);
}

#endif
