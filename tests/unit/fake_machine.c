/* SPDX-License-Identifier: MIT */
/* fake_machine.c - see the header. In place of core/irq.c and core/ioevent.c. */
#include <check.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "fake_machine.h"

struct fake_machine fake;
static unsigned char ram[FAKE_RAM] __attribute__((aligned(4096)));

/* ---- KVM ---- */

int vmm__ioevent_assign(int vm_fd, const struct ioevent *event)
{
	if (fake.refuse_ioevents || fake.nr_ioevents == 256)
		return vmm__fail(-ENOSPC, "no more");
	for (uint32_t i = 0; i < fake.nr_ioevents; i++) {
		const struct ioevent *e = &fake.ioevents[i];

		/* As in KVM: two that one write would match are a mistake. */
		ck_assert(e->address != event->address ||
			  (e->match && event->match && e->value != event->value));
	}
	fake.ioevents[fake.nr_ioevents++] = *event;
	return 0;
}

int vmm__ioevent_deassign(int vm_fd, const struct ioevent *event)
{
	for (uint32_t i = 0; i < fake.nr_ioevents; i++) {
		const struct ioevent *e = &fake.ioevents[i];

		if (e->address != event->address || e->width != event->width ||
		    e->match != event->match || e->value != event->value || e->fd != event->fd)
			continue;
		fake.ioevents[i] = fake.ioevents[--fake.nr_ioevents];
		return 0;
	}
	ck_abort_msg("an ioeventfd was taken back that was not there");
	return -ENOENT;
}

int vmm__irq_alloc_pin(struct irqs *irqs, uint32_t *ret_gsi)
{
	for (uint32_t gsi = 5; gsi < 16; gsi++) {
		if (fake.gsi_used[gsi] || fake.refuse_gsis)
			continue;
		fake.gsi_used[gsi] = true;
		*ret_gsi = gsi;
		return 0;
	}
	return vmm__fail(-ENOSPC, "no pin");
}

void vmm__irq_free_pin(struct irqs *irqs, uint32_t gsi)
{
	ck_assert(fake.gsi_used[gsi]);
	fake.gsi_used[gsi] = false;
}

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	ck_assert_uint_lt(gsi, 64);
	ck_assert(fake.lines[gsi] != level);
	fake.lines[gsi] = level;
	fake.line_changes++;
	return 0;
}

bool vmm__irq_pins_take_irqfds(const struct irqs *irqs)
{
	return !fake.own_pins;
}

void vmm__irq_pulse(struct irqs *irqs, uint32_t gsi)
{
	ck_assert(fake.own_pins);
	ck_assert_uint_lt(gsi, 64);
	fake.pulses[gsi]++;
}

int vmm__irq_alloc_msi(struct irqs *irqs, uint32_t *ret_gsi)
{
	for (uint32_t gsi = 24; gsi < FAKE_GSIS && !fake.refuse_gsis; gsi++) {
		if (fake.gsi_used[gsi])
			continue;
		fake.gsi_used[gsi] = true;
		*ret_gsi = gsi;
		return 0;
	}
	return vmm__fail(-ENOSPC, "no route");
}

void vmm__irq_free_msi(struct irqs *irqs, uint32_t gsi)
{
	ck_assert(fake.gsi_used[gsi]);
	ck_assert_int_eq(fake.irqfds[gsi], -1);
	fake.gsi_used[gsi] = false;
	fake.routes[gsi].set = false;
}

int vmm__irq_route_msi(struct irqs *irqs, uint32_t gsi, const struct arch_msi *msi)
{
	ck_assert(fake.gsi_used[gsi]);
	if (fake.refuse_routes)
		return vmm__fail(-EINVAL, "no such message");
	if (fake.routes[gsi].set && fake.routes[gsi].address == msi->address &&
	    fake.routes[gsi].data == msi->data)
		return 0;
	fake.routes[gsi].set = true;
	fake.routes[gsi].address = msi->address;
	fake.routes[gsi].data = msi->data;
	fake.routes[gsi].requester = msi->requester;
	fake.route_changes++;
	return 0;
}

int vmm__irqfd_assign(struct irqs *irqs, uint32_t gsi, int fd)
{
	ck_assert_int_eq(fake.irqfds[gsi], -1);
	fake.irqfds[gsi] = fd;
	return 0;
}

int vmm__irqfd_deassign(struct irqs *irqs, uint32_t gsi, int fd)
{
	ck_assert_int_eq(fake.irqfds[gsi], fd);
	fake.irqfds[gsi] = -1;
	return 0;
}

uint64_t fake_raised(uint32_t gsi)
{
	uint64_t count;

	if (fake.irqfds[gsi] < 0 || read(fake.irqfds[gsi], &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* ---- the machine ---- */

static void broken(void *data, const char *device, const char *why)
{
	fake.broken++;
	snprintf(fake.why, sizeof(fake.why), "%s: %s", device, why);
}

void fake_setup(bool with_pci)
{
	fake = (struct fake_machine){ .cancel = { .in_place = true } };
	for (uint32_t i = 0; i < FAKE_GSIS; i++)
		fake.irqfds[i] = -1;
	memset(ram, 0, sizeof(ram));
	fake.ram = ram;
	fake.mem = (struct vmm_mem){
		.regions = { { .gpa = 0, .size = FAKE_RAM, .host = fake.ram } }, .nr_regions = 1,
	};
	ck_assert_int_eq(vmm__bus_init(&fake.mmio, "MMIO", 0), 0);
	ck_assert_int_eq(vmm__bus_init(&fake.ports, "port", 65536), 0);
	ck_assert_int_eq(vmm_loop_create(NULL, &fake.loop), 0);
	if (with_pci)
		ck_assert_int_eq(vmm__pci_create(vmm__arch_layout(-1), &fake.mmio, &fake.ports,
						 &fake.irqs, &fake.pci), 0);
	fake.host = (struct device_host){
		.mem = &fake.mem, .layout = vmm__arch_layout(-1), .irqs = &fake.irqs, .mmio = &fake.mmio, .ports = &fake.ports,
		.pci = fake.pci, .loop = fake.loop, .vm_fd = -1, .mmio_taken = &fake.mmio_taken,
		.cancel = &fake.cancel, .broken = broken,
	};
}

void fake_teardown(void)
{
	vmm__pci_destroy(fake.pci);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	ck_assert_uint_eq(fake.mmio.nr, 0);
	ck_assert_uint_eq(fake.ports.nr, 0);
	for (uint32_t i = 0; i < FAKE_GSIS; i++)
		ck_assert(!fake.gsi_used[i] && fake.irqfds[i] == -1);
	ck_assert_int_eq(vmm_loop_destroy(fake.loop), 0);
	vmm__bus_finish(&fake.ports);
	vmm__bus_finish(&fake.mmio);
}

void fake_run(void)
{
	while (vmm_loop_dispatch(fake.loop) > 0)
		;
}

bool fake_caught(uint64_t address, uint32_t width, uint64_t value)
{
	for (uint32_t i = 0; i < fake.nr_ioevents; i++) {
		const struct ioevent *e = &fake.ioevents[i];
		const uint64_t one = 1;

		if (e->address != address || (e->width && e->width != width) ||
		    (e->match && e->value != value))
			continue;
		ck_assert_int_eq(write(e->fd, &one, sizeof(one)), sizeof(one));
		return true;
	}
	return false;
}

void fake_write(uint64_t address, uint32_t width, uint64_t value)
{
	if (!fake_caught(address, width, value))
		vmm__bus_write(&fake.mmio, address, width, value);
}

uint64_t fake_read(uint64_t address, uint32_t width)
{
	uint64_t value;

	vmm__bus_read(&fake.mmio, address, width, &value);
	return width < 8 ? value & ((1ull << 8 * width) - 1) : value;
}

int fake_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- the driver ---- */

static void store16(uint32_t at, uint16_t v)
{
	v = htole16(v);
	memcpy(fake.ram + at, &v, 2);
}

static uint16_t load16(uint32_t at)
{
	uint16_t v;

	memcpy(&v, fake.ram + at, 2);
	return le16toh(v);
}

void driver_clear(uint32_t queue)
{
	memset(fake.ram + RING(queue), 0, 0x8000);
}

void driver_desc(uint32_t queue, int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	struct vring_desc d = { htole64(addr), htole32(len), htole16(flags), htole16(next) };

	memcpy(fake.ram + RING_DESC(queue) + i * sizeof(d), &d, sizeof(d));
}

void driver_offer(uint32_t queue, uint32_t size, uint16_t head)
{
	uint16_t idx = load16(RING_AVAIL(queue) + 2);

	store16(RING_AVAIL(queue) + 4 + 2 * (idx % size), head);
	store16(RING_AVAIL(queue) + 2, idx + 1);
}

uint16_t driver_used(uint32_t queue)
{
	return load16(RING_USED(queue) + 2);
}

/* ---- the front end ---- */

static int device_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct fake_device *d = vmm_device_state(dev);

	ck_assert(vmm_device_active(dev));
	d->activations++;
	d->features = *features;
	return d->activate_result;
}

static void device_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct fake_device *d = vmm_device_state(dev);
	struct vmm_chain chain;

	d->kicks[vmm_queue_index(queue)]++;
	while (!d->stay && d->nr_held < 16 && vmm_queue_pop(queue, &chain) > 0) {
		d->popped++;
		if (d->hold) {
			d->held[d->nr_held] = chain;
			d->held_queue[d->nr_held++] = queue;
		} else {
			vmm_queue_push(queue, &chain, chain.in_len);
		}
	}
	vmm_queue_notify(queue);
}

/* Late: whether the queue is still the one they came from, or not. */
void fake_device_give_back(struct fake_device *d)
{
	for (int i = 0; i < d->nr_held; i++) {
		vmm_queue_push(d->held_queue[i], &d->held[i], 1);
		vmm_queue_notify(d->held_queue[i]);
	}
	d->nr_held = 0;
}

static void device_reset(struct vmm_device *dev)
{
	struct fake_device *d = vmm_device_state(dev);

	ck_assert(!vmm_device_active(dev));
	d->resets++;
}

static void device_config_write(struct vmm_device *dev, uint32_t offset, const void *data,
				uint32_t len)
{
	struct fake_device *d = vmm_device_state(dev);

	d->config_writes++;
	d->config_offset = offset;
	d->config_len = len;
	memcpy(d->config_data, data, len);
}

/* By now the queue gives nothing out and takes nothing back. */
static void device_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct fake_device *d = vmm_device_state(dev);
	struct vmm_chain chain;

	ck_assert(vmm_device_active(dev));
	ck_assert_int_eq(vmm_queue_pop(queue, &chain), 0);
	d->queue_resets[vmm_queue_index(queue)]++;
}

static void device_destroy(void *state)
{
	struct fake_device *d = state;

	d->destroyed++;
}

#define FAKE_OPS					\
	.size = sizeof(struct vmm_device_ops),		\
	.name = "fake",					\
	.virtio_id = 2,					\
	.activate = device_activate,			\
	.kick = device_kick,				\
	.reset = device_reset,				\
	.config_write = device_config_write,		\
	.destroy = device_destroy

const struct vmm_device_ops fake_device_ops = { FAKE_OPS };
const struct vmm_device_ops fake_reset_ops = { FAKE_OPS, .queue_reset = device_queue_reset };
