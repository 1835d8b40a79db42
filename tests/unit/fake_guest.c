/* SPDX-License-Identifier: MIT */
/* fake_guest.c - see fake_guest.h. */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/error_priv.h"
#include "core/loop_priv.h"
#include "core/memory_priv.h"
#include "devices/device_priv.h"
#include "fake_guest.h"
#include "transport/transport_priv.h"

#define NR_QUEUES	8
#define GUARD		4096

/* As assert(), but in every build; the fuzzers have no Check. */
#define must(x)		((x) ? (void)0 : abort())

static unsigned char *ram;
static struct vmm_mem mem;
static struct vmm_loop *loop;
static struct vmm_device *device;
static struct loop_cancel cancel = { .in_place = true };
static struct device_host host;
static unsigned interrupts[NR_QUEUES], config_interrupts;
static char why[256];
static int refuse;
static uint16_t avail[NR_QUEUES];

/* ---- in the place of core/vm.c and transport/mmio.c ---- */

int vmm_add_device(struct vmm *vm, const struct vmm_device_config *config,
		   struct vmm_device **ret_dev)
{
	struct vmm_device_config c = *config;
	int r = refuse;

	if (r)
		return vmm__fail(r, "refused by the test");
	c.transport = VMM_TRANSPORT_MMIO;
	vmm_loop_enter(loop);
	r = vmm__device_create(&host, &c, &device);
	vmm_loop_leave(loop);
	if (r == 0 && ret_dev)
		*ret_dev = device;
	return r;
}

struct vmm_loop *vmm_loop_of(struct vmm *vm)
{
	return loop;
}

static int plug(struct vmm_device *dev)
{
	return 0;
}

static void nothing(struct vmm_device *dev)
{
}

static void queue_interrupt(struct vmm_device *dev, uint32_t queue)
{
	interrupts[queue]++;
}

static void config_interrupt(struct vmm_device *dev)
{
	config_interrupts++;
}

const struct transport_ops vmm__transport_mmio = {
	.name = "fake",
	.plug = plug,
	.unplug = nothing,
	.reset = nothing,
	.sync_doorbells = nothing,
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
};

/* ---- the guest ---- */

static void broken(void *data, const char *name, const char *words)
{
	strncpy(why, words, sizeof(why) - 1);
}

void fake_guest_start(void)
{
	/* A page on each side that nobody may touch. */
	ram = mmap(NULL, FAKE_RAM_BYTES + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(ram != MAP_FAILED);
	ram += GUARD;
	must(mprotect(ram, FAKE_RAM_BYTES, PROT_READ | PROT_WRITE) == 0);
	mem = (struct vmm_mem){
		.regions = { { .gpa = FAKE_RAM, .size = FAKE_RAM_BYTES, .host = ram } },
		.nr_regions = 1,
	};
	must(vmm_loop_create(NULL, &loop) == 0);
	host = (struct device_host){
		.mem = &mem,
		.loop = loop,
		.cancel = &cancel,
		.broken = broken,
	};
	memset(interrupts, 0, sizeof(interrupts));
	config_interrupts = 0;
	why[0] = '\0';
	refuse = 0;
	device = NULL;
}

void fake_unplug(void)
{
	vmm__device_destroy(device);
	device = NULL;
}

void fake_guest_finish(void)
{
	fake_unplug();
	must(vmm_loop_destroy(loop) == 0);
	munmap(ram - GUARD, FAKE_RAM_BYTES + 2 * GUARD);
}

struct vmm *fake_vm(void)
{
	/* Never looked into: what front ends ask of it is above. */
	return (struct vmm *)&host;
}

struct vmm_loop *fake_loop(void)
{
	return loop;
}

struct vmm_device *fake_device(void)
{
	return device;
}

void fake_refuse_device(int error)
{
	refuse = error;
}

void fake_run(void)
{
	for (int i = 0; i < 10000; i++) {
		int r = vmm_loop_dispatch(loop);

		must(r >= 0);
		if (r == 0)
			return;
	}
	must(!"the loop does not come to rest");
}

void *fake_ptr(uint64_t gpa)
{
	return ram + (gpa - FAKE_RAM);
}

/* ---- the driver ---- */

static uint64_t ring(unsigned queue)
{
	return FAKE_RINGS + queue * 0x4000u;
}

static struct vring_avail *avail_ring(unsigned queue)
{
	return fake_ptr(ring(queue) + 0x1000);
}

static const struct vring_used *used_ring(unsigned queue)
{
	return fake_ptr(ring(queue) + 0x2000);
}

static void driver_queue(unsigned queue)
{
	struct virtio *v = &device->virtio;

	memset(fake_ptr(ring(queue)), 0, 0x4000);
	avail[queue] = 0;
	v->queue_select = queue;
	vmm__virtio_set_size(v, FAKE_QUEUE_SIZE);
	vmm__virtio_set_address(v, VIRTIO_QUEUE_DESC, false, (uint32_t)ring(queue));
	vmm__virtio_set_address(v, VIRTIO_QUEUE_DRIVER, false, (uint32_t)ring(queue) + 0x1000);
	vmm__virtio_set_address(v, VIRTIO_QUEUE_DEVICE, false, (uint32_t)ring(queue) + 0x2000);
	vmm__virtio_set_enabled(v, true);
}

void fake_driver_up(uint32_t features, unsigned nr)
{
	fake_driver_up_with(features, 0, nr);
}

void fake_driver_up_with(uint32_t features, uint32_t more, unsigned nr)
{
	struct virtio *v = &device->virtio;
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	vmm__device_write_status(device, status);
	v->driver_select = 0;
	vmm__virtio_write_driver_word(v, features);
	v->driver_select = 1;
	vmm__virtio_write_driver_word(v, more | 1u << (VIRTIO_F_VERSION_1 - 32));
	status |= VIRTIO_CONFIG_S_FEATURES_OK;
	vmm__device_write_status(device, status);
	must(v->status == status);
	for (unsigned i = 0; i < nr; i++)
		driver_queue(i);
	vmm__device_write_status(device, status | VIRTIO_CONFIG_S_DRIVER_OK);
	fake_run();
}

void fake_driver_reset(void)
{
	vmm__device_write_status(device, 0);
}

bool fake_needs_reset(void)
{
	return device->virtio.status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

uint32_t fake_offered(unsigned word)
{
	return device->virtio.offered.word[word];
}

const char *fake_why(void)
{
	return why;
}

void fake_desc(unsigned queue, uint16_t index, uint64_t addr, uint32_t len, uint16_t flags,
	       uint16_t next)
{
	struct vring_desc *table = fake_ptr(ring(queue));

	table[index] = (struct vring_desc){
		.addr = addr, .len = len, .flags = flags, .next = next,
	};
}

void fake_offer(unsigned queue, uint16_t head)
{
	struct vring_avail *a = avail_ring(queue);

	a->ring[avail[queue]++ % FAKE_QUEUE_SIZE] = head;
	__atomic_store_n(&a->idx, avail[queue], __ATOMIC_RELEASE);
}

void fake_kick(unsigned queue)
{
	vmm__device_notify(device, queue);
}

uint16_t fake_used(unsigned queue)
{
	return __atomic_load_n(&used_ring(queue)->idx, __ATOMIC_ACQUIRE);
}

uint32_t fake_used_head(unsigned queue, uint16_t index)
{
	return used_ring(queue)->ring[index % FAKE_QUEUE_SIZE].id;
}

uint32_t fake_used_len(unsigned queue, uint16_t index)
{
	return used_ring(queue)->ring[index % FAKE_QUEUE_SIZE].len;
}

unsigned fake_interrupts(unsigned queue)
{
	return interrupts[queue];
}

unsigned fake_config_interrupts(void)
{
	return config_interrupts;
}
