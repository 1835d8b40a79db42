/* SPDX-License-Identifier: MIT */
/*
 * test_queue_reset.c - what a driver may agree on with the library whatever the device:
 * features past the 64th, packed rings, and the reset of one queue (VIRTIO 1.2, 2.6.1).
 * Every test runs on both transports.
 */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "fake_machine.h"

enum {
	ACK = VIRTIO_CONFIG_S_ACKNOWLEDGE,
	DRV = VIRTIO_CONFIG_S_DRIVER,
	FOK = VIRTIO_CONFIG_S_FEATURES_OK,
	DOK = VIRTIO_CONFIG_S_DRIVER_OK,
	BAD = VIRTIO_CONFIG_S_NEEDS_RESET,
	QSIZE = 16, NR = 3,
	NEW_RING = 0x40000,		/* where a queue is after its reset */
	RESET = 1u << 8, PACKED = 1u << 2, VERSION_1 = 1u << 0,	/* of the second word */
};

/* ---- the registers, of either transport ---- */

enum reg {
	DEVICE_SELECT, DEVICE_WORD, DRIVER_SELECT, DRIVER_WORD, STATUS,
	QUEUE_SELECT, QUEUE_SIZE, QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE,
	QUEUE_ENABLE, QUEUE_RESET,
};

static const struct { uint32_t mmio, pci, pci_width; } regs[] = {
	[DEVICE_SELECT]	= { VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_PCI_COMMON_DFSELECT, 4 },
	[DEVICE_WORD]	= { VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_PCI_COMMON_DF, 4 },
	[DRIVER_SELECT]	= { VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_PCI_COMMON_GFSELECT, 4 },
	[DRIVER_WORD]	= { VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_PCI_COMMON_GF, 4 },
	[STATUS]	= { VIRTIO_MMIO_STATUS, VIRTIO_PCI_COMMON_STATUS, 1 },
	[QUEUE_SELECT]	= { VIRTIO_MMIO_QUEUE_SEL, VIRTIO_PCI_COMMON_Q_SELECT, 2 },
	[QUEUE_SIZE]	= { VIRTIO_MMIO_QUEUE_NUM, VIRTIO_PCI_COMMON_Q_SIZE, 2 },
	[QUEUE_DESC]	= { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_PCI_COMMON_Q_DESCLO, 4 },
	[QUEUE_DRIVER]	= { VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_PCI_COMMON_Q_AVAILLO, 4 },
	[QUEUE_DEVICE]	= { VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_PCI_COMMON_Q_USEDLO, 4 },
	[QUEUE_ENABLE]	= { VIRTIO_MMIO_QUEUE_READY, VIRTIO_PCI_COMMON_Q_ENABLE, 2 },
	[QUEUE_RESET]	= { 0x0c0, VIRTIO_PCI_COMMON_Q_RESET, 2 },
};

static struct fake_device device;
static uint64_t base;
static bool pci;
static int fds_before;

static void set(enum reg reg, uint32_t value)
{
	if (pci)
		fake_write(base + regs[reg].pci, regs[reg].pci_width, value);
	else
		fake_write(base + regs[reg].mmio, 4, value);
}

static uint32_t get(enum reg reg)
{
	return pci ? (uint32_t)fake_read(base + regs[reg].pci, regs[reg].pci_width) :
		     (uint32_t)fake_read(base + regs[reg].mmio, 4);
}

static void ring(uint32_t queue)
{
	if (pci)
		fake_write(base + 0x1000 + 4 * queue, 2, queue);
	else
		fake_write(base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, queue);
	fake_run();
}

/* ---- a driver ---- */

static void create(const struct vmm_device_ops *ops, uint32_t format, struct vmm_loop *loop)
{
	const struct vmm_device_config config = {
		.size = sizeof(config), .ops = ops, .state = &device, .nr_queues = NR,
		.queue_size = QSIZE, .queue_format = format, .loop = loop,
		.transport = pci ? VMM_TRANSPORT_PCI : VMM_TRANSPORT_MMIO,
		.features = { { 1 << 5, 1u << 31, 1u << 6, 1u << 31 } },
	};
	uint32_t gsi;

	device = (struct fake_device){ 0 };
	ck_assert_int_eq(vmm__device_create(&fake.host, &config, &device.dev), 0);
	if (!pci) {
		ck_assert(vmm__device_mmio(device.dev, &base, &gsi));
	} else {
		uint64_t bar = vmm__arch_layout(-1)->ecam_base + (1 << 15) + 0x10;

		base = (fake_read(bar, 4) & ~0xfull) | fake_read(bar + 4, 4) << 32;
	}
}

static void setup(bool on_pci)
{
	pci = on_pci;
	fds_before = fake_count_fds();
	fake_setup(pci);
	create(&fake_reset_ops, VMM_QUEUE_PACKED, NULL);
}

static void setup_mmio(void)
{
	setup(false);
}

static void setup_pci(void)
{
	setup(true);
}

static void teardown(void)
{
	vmm__device_destroy(device.dev);
	ck_assert_int_eq(device.destroyed, 1);
	fake_teardown();
	ck_assert_int_eq(fake_count_fds(), fds_before);
}

static void again(const struct vmm_device_ops *ops, uint32_t format)
{
	vmm__device_destroy(device.dev);
	create(ops, format, NULL);
}

static bool negotiate(uint32_t word0, uint32_t word1, uint32_t word2, uint32_t word3)
{
	const uint32_t words[] = { word0, word1, word2, word3 };

	set(STATUS, ACK);
	set(STATUS, ACK | DRV);
	for (uint32_t i = 0; i < 4; i++) {
		set(DRIVER_SELECT, i);
		set(DRIVER_WORD, words[i]);
		ck_assert_uint_eq(get(DRIVER_WORD), pci ? words[i] : 0);
	}
	set(STATUS, ACK | DRV | FOK);
	return get(STATUS) & FOK;
}

static void set_queue_at(uint32_t queue, uint32_t at, uint32_t size)
{
	set(QUEUE_SELECT, queue);
	set(QUEUE_SIZE, size);
	set(QUEUE_DESC, at);
	set(QUEUE_DRIVER, at + 0x4000);
	set(QUEUE_DEVICE, at + 0x5000);
	set(QUEUE_ENABLE, 1);
}

static void set_queue(uint32_t queue)
{
	driver_clear(queue);
	set_queue_at(queue, RING(queue), QSIZE);
}

/* Queues 0 and 1 are used, 2 is not. */
static void bring_up(uint32_t word1)
{
	ck_assert(negotiate(0, word1, 0, 0));
	set_queue(0);
	set_queue(1);
	set(STATUS, ACK | DRV | FOK | DOK);
	fake_run();
	memset(device.kicks, 0, sizeof(device.kicks));
}

static void offer(uint32_t queue, uint16_t head)
{
	driver_desc(queue, head, BUFFERS + 64 * head, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(queue, QSIZE, head);
}

static void reset_queue(uint32_t queue)
{
	set(QUEUE_SELECT, queue);
	set(QUEUE_RESET, 1);
}

static uint16_t at16(uint32_t at)
{
	uint16_t value;

	memcpy(&value, fake.ram + at, 2);
	return le16toh(value);
}

/* ---- features past the 64th ---- */

START_TEST(features_of_all_four_words_reach_the_front_end)
{
	static const uint32_t words[] = { 0x30000020, 0x80000105, 1u << 6, 1u << 31, 0 };

	for (uint32_t i = 0; i < 5; i++) {
		set(DEVICE_SELECT, i);
		ck_assert_uint_eq(get(DEVICE_WORD), words[i]);
	}
	ck_assert(negotiate(0x20, VERSION_1, 1u << 6, 1u << 31));
	set(STATUS, ACK | DRV | FOK | DOK);
	ck_assert_int_eq(device.activations, 1);
	ck_assert_uint_eq(device.features.word[2], 1u << 6);
	ck_assert_uint_eq(device.features.word[3], 1u << 31);
	ck_assert(vmm_features_has(&device.features, 70));
	ck_assert(vmm_features_has(&device.features, 127));
}
END_TEST

START_TEST(a_feature_of_the_third_or_fourth_word_must_have_been_offered)
{
	ck_assert(!negotiate(0, VERSION_1, 1u << 7, 0));
	set(STATUS, 0);
	ck_assert(!negotiate(0, VERSION_1, 0, 1u << 30));
	set(STATUS, 0);
	ck_assert(negotiate(0, VERSION_1, 0, 0));
}
END_TEST

/* ---- packed rings ---- */

/* The first chain of a packed ring of @size entries, and what comes of it. */
static void use_packed(uint32_t size)
{
	struct vring_packed_desc d = {
		htole64(BUFFERS), htole32(64), htole16(2), htole16(VRING_DESC_F_WRITE | 1 << 7),
	};

	ck_assert(negotiate(0, VERSION_1 | PACKED, 0, 0));
	driver_clear(1);
	set_queue_at(1, RING(1), size);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 1);
	set(STATUS, ACK | DRV | FOK | DOK);
	fake_run();
	memcpy(fake.ram + RING(1), &d, sizeof(d));
	ring(1);
	ck_assert_int_eq(device.popped, 1);
	ck_assert_uint_eq(at16(RING(1) + 12), 2);
	ck_assert_uint_eq(at16(RING(1) + 14), VRING_DESC_F_WRITE | 1 << 7 | 1 << 15);
	ck_assert_int_eq(fake.broken, 0);
}

START_TEST(a_packed_ring_is_used_where_it_was_agreed_on)
{
	use_packed(QSIZE);
}
END_TEST

START_TEST(the_size_of_a_packed_ring_is_any)
{
	use_packed(13);
}
END_TEST

START_TEST(the_size_of_a_split_ring_is_a_power_of_two)
{
	ck_assert(negotiate(0, VERSION_1, 0, 0));
	set_queue_at(0, RING(0), 13);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 0);
}
END_TEST

START_TEST(a_device_may_be_kept_from_packed_rings)
{
	again(&fake_reset_ops, VMM_QUEUE_SPLIT);
	ck_assert(!negotiate(0, VERSION_1 | PACKED, 0, 0));
	again(&fake_reset_ops, VMM_QUEUE_DEFAULT);
	ck_assert(!negotiate(0, VERSION_1 | PACKED, 0, 0));
	fake.host.default_queue_format = VMM_QUEUE_PACKED;
	again(&fake_reset_ops, VMM_QUEUE_DEFAULT);
	ck_assert(negotiate(0, VERSION_1 | PACKED, 0, 0));
}
END_TEST

/* ---- the reset of one queue ---- */

START_TEST(one_queue_is_reset_and_the_others_go_on)
{
	bring_up(VERSION_1 | RESET);
	device.hold = true;
	offer(0, 1);
	ring(0);
	offer(1, 2);
	ring(1);
	ck_assert_int_eq(device.nr_held, 2);

	reset_queue(0);
	ck_assert_int_eq(device.queue_resets[0], 1);
	ck_assert_int_eq(device.queue_resets[1] + device.queue_resets[2], 0);
	ck_assert_int_eq(device.resets, 0);
	ck_assert_uint_eq(get(QUEUE_RESET), 0);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 0);
	ck_assert_uint_eq(get(STATUS), ACK | DRV | FOK | DOK);
	ck_assert_uint_eq(fake.nr_ioevents, 1);
	if (pci) {
		ck_assert_uint_eq(get(QUEUE_SIZE), QSIZE);
		ck_assert_uint_eq(get(QUEUE_DESC), 0);
	}

	/* What is answered late is answered to the other queue alone. */
	fake_device_give_back(&device);
	ck_assert_uint_eq(driver_used(0), 0);
	ck_assert_uint_eq(driver_used(1), 1);
	device.hold = false;
	offer(0, 3);
	ring(0);
	offer(1, 3);
	ring(1);
	ck_assert_uint_eq(driver_used(0), 0);
	ck_assert_uint_eq(driver_used(1), 2);
	ck_assert_int_eq(device.kicks[0], 1);
}
END_TEST

START_TEST(a_queue_that_was_reset_comes_up_elsewhere_and_otherwise)
{
	struct vmm_chain late;

	bring_up(VERSION_1 | RESET);
	device.hold = true;
	offer(0, 1);
	ring(0);
	late = device.held[0];
	device.nr_held = 0;
	device.hold = false;
	for (int round = 0; round < 3; round++) {
		reset_queue(0);
		/* What lies in the new ring already is seen without a notification. */
		memset(fake.ram + NEW_RING, 0, 0x8000);
		memcpy(fake.ram + NEW_RING + 16, &(struct vring_desc){
			htole64(BUFFERS), htole32(8), htole16(VRING_DESC_F_WRITE), 0 }, 16);
		memcpy(fake.ram + NEW_RING + 0x4000, &(uint16_t[]){ 0, htole16(1), htole16(1) }, 6);
		set_queue_at(0, NEW_RING, 4);
		ck_assert_uint_eq(get(QUEUE_ENABLE), 1);
		ck_assert_uint_eq(fake.nr_ioevents, 2);
		fake_run();
		ck_assert_int_eq(device.popped, 2 + round);
		ck_assert_uint_eq(at16(NEW_RING + 0x5000 + 2), 1);
		/* One from before does nothing. */
		vmm_queue_push(vmm_device_queue(device.dev, 0), &late, 1);
		ck_assert_uint_eq(at16(NEW_RING + 0x5000 + 2), 1);
		ck_assert_uint_eq(driver_used(0), 0);
	}
	ck_assert_int_eq(device.queue_resets[0], 3);
	ck_assert_int_eq(device.activations, 1);
	ck_assert_int_eq(fake.broken, 0);
}
END_TEST

START_TEST(a_queue_that_was_never_up_comes_up_after_its_reset)
{
	bring_up(VERSION_1 | RESET);
	/* Not before: a live device's queues do not change. */
	set_queue(2);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 0);
	offer(2, 0);
	ring(2);
	ck_assert_uint_eq(driver_used(2), 0);

	reset_queue(2);
	ck_assert_int_eq(device.queue_resets[2], 1);
	set_queue(2);
	offer(2, 0);
	ring(2);
	ck_assert_uint_eq(driver_used(2), 1);
}
END_TEST

START_TEST(an_enabled_queue_does_not_change_after_a_reset_either)
{
	bring_up(VERSION_1 | RESET);
	reset_queue(0);
	set_queue(0);
	set_queue_at(0, NEW_RING, 4);
	set(QUEUE_ENABLE, 0);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 1);
	offer(0, 15);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(without_the_feature_no_queue_is_reset)
{
	bring_up(VERSION_1);
	reset_queue(0);
	ck_assert_int_eq(device.queue_resets[0], 0);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 1);
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(a_device_that_cannot_reset_a_queue_does_not_offer_to)
{
	again(&fake_device_ops, VMM_QUEUE_DEFAULT);
	set(DEVICE_SELECT, 1);
	ck_assert_uint_eq(get(DEVICE_WORD) & RESET, 0);
	ck_assert(!negotiate(0, VERSION_1 | RESET, 0, 0));
	set(STATUS, 0);
	ck_assert(negotiate(0, VERSION_1, 0, 0));
	set_queue(0);
	set(STATUS, ACK | DRV | FOK | DOK);
	reset_queue(0);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 1);
}
END_TEST

START_TEST(only_a_1_resets_and_only_a_queue_that_is_there)
{
	static const uint32_t values[] = { 0, 2, 3, 0x101, 0xffff };
	static const uint32_t selects[] = { NR, 63, 64, 255, 0xffff };

	bring_up(VERSION_1 | RESET);
	set(QUEUE_SELECT, 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		set(QUEUE_RESET, values[i]);
	for (size_t i = 0; i < sizeof(selects) / sizeof(selects[0]); i++) {
		reset_queue(selects[i]);
		ck_assert_uint_eq(get(QUEUE_RESET), 0);
	}
	/* Nor a write of another width, or beside it. */
	for (uint32_t width = 1; width <= 8; width *= 2) {
		uint32_t at = pci ? VIRTIO_PCI_COMMON_Q_RESET : 0x0c0;

		set(QUEUE_SELECT, 0);
		if (width != (pci ? 2 : 4))
			fake_write(base + at, width, 1);
		fake_write(base + at - width, width, 1);
	}
	for (uint32_t i = 0; i < NR; i++)
		ck_assert_int_eq(device.queue_resets[i], 0);
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(before_driver_ok_a_reset_forgets_what_was_written)
{
	ck_assert(negotiate(0, VERSION_1 | RESET, 0, 0));
	set_queue_at(0, NEW_RING, 4);
	reset_queue(0);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 0);
	ck_assert_int_eq(device.queue_resets[0], 0);
	set_queue(0);
	set(STATUS, ACK | DRV | FOK | DOK);
	offer(0, 7);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(new_addresses_that_cannot_be_break_the_device)
{
	bring_up(VERSION_1 | RESET);
	reset_queue(0);
	set_queue_at(0, FAKE_RAM, 4);
	ck_assert_uint_eq(get(STATUS), ACK | DRV | FOK | DOK | BAD);
	ck_assert_int_eq(fake.broken, 1);

	/* And then no queue comes up again, before the device is reset. */
	reset_queue(1);
	ck_assert_uint_eq(get(QUEUE_RESET), 0);
	set_queue(1);
	offer(1, 0);
	ring(1);
	ck_assert_uint_eq(driver_used(1), 0);
	ck_assert_int_eq(device.queue_resets[1], 0);
	set(STATUS, 0);
	bring_up(VERSION_1 | RESET);
	offer(1, 0);
	ring(1);
	ck_assert_uint_eq(driver_used(1), 1);
}
END_TEST

START_TEST(the_devices_reset_is_the_end_of_a_queues)
{
	bring_up(VERSION_1 | RESET);
	reset_queue(0);
	set(STATUS, 0);
	ck_assert_int_eq(device.resets, 1);
	bring_up(VERSION_1 | RESET);
	/* Live again, and queue 0 with it: it does not change. */
	set_queue_at(0, NEW_RING, 4);
	offer(0, 9);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
	set_queue(2);
	ck_assert_uint_eq(get(QUEUE_ENABLE), 0);
}
END_TEST

START_TEST(a_kick_that_was_put_off_is_forgotten_with_its_queue)
{
	bring_up(VERSION_1 | RESET);
	offer(0, 0);
	/* Its eventfd is signalled, and nothing has run since. */
	if (pci)
		fake_write(base + 0x1000, 2, 0);
	else
		fake_write(base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 0);
	reset_queue(0);
	fake_run();
	ck_assert_int_eq(device.kicks[0], 0);
	ck_assert_uint_eq(driver_used(0), 0);
}
END_TEST

START_TEST(a_guest_that_is_being_stopped_resets_no_queue)
{
	bring_up(VERSION_1 | RESET);
	fake.cancel = (struct loop_cancel){ .told = true };
	reset_queue(0);
	ck_assert_int_eq(device.queue_resets[0], 0);
	ck_assert_uint_eq(get(QUEUE_RESET), 1);
	/* It is reset with all the others. */
	fake.cancel = (struct loop_cancel){ .in_place = true };
	vmm__device_reset(device.dev);
	ck_assert_uint_eq(get(QUEUE_RESET), 0);
}
END_TEST

/* ---- PCI's own ---- */

START_TEST(the_vector_of_a_queue_is_forgotten_with_it)
{
	bring_up(VERSION_1 | RESET);
	set(QUEUE_SELECT, 0);
	fake_write(base + VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	set(QUEUE_SELECT, 1);
	fake_write(base + VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	reset_queue(0);
	ck_assert_uint_eq(fake_read(base + VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set(QUEUE_SELECT, 1);
	ck_assert_uint_eq(fake_read(base + VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
}
END_TEST

START_TEST(a_queue_that_comes_up_without_bus_mastering_waits_for_it)
{
	uint64_t command = vmm__arch_layout(-1)->ecam_base + (1 << 15) + 4;

	bring_up(VERSION_1 | RESET);
	reset_queue(0);
	fake_write(command, 2, 2);
	set_queue(0);
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 0);
	fake_write(command, 2, 6);
	fake_run();
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

/* ---- races ---- */

static void *racing_vcpu(void *data)
{
	uint32_t queue = (uint32_t)(uintptr_t)data;

	for (int i = 0; i < 500; i++) {
		/* The selected queue is either vCPU's: each does the other's work too. */
		reset_queue(queue);
		set_queue_at(queue, RING(queue), QSIZE);
		ring(queue);
		if (i % 50 == 49) {
			set(STATUS, 0);
			set(STATUS, ACK);
			set(STATUS, ACK | DRV);
			set(DRIVER_SELECT, 1);
			set(DRIVER_WORD, VERSION_1 | RESET);
			set(STATUS, ACK | DRV | FOK);
			set_queue_at(queue, RING(queue), QSIZE);
			set(STATUS, ACK | DRV | FOK | DOK);
		}
	}
	return NULL;
}

START_TEST(vcpus_that_race_leave_a_device_that_works)
{
	const struct vmm_loop_config threaded = {
		.size = sizeof(threaded), .name = "racing", .flags = VMM_LOOP_THREAD,
	};
	struct vmm_loop *loop;
	pthread_t threads[2];

	vmm__device_destroy(device.dev);
	fake.refuse_ioevents = true;	/* KVM's part would be in the kernel: the fake has no locks */
	fake.cancel.in_place = false;
	ck_assert_int_eq(vmm_loop_create(&threaded, &loop), 0);
	create(&fake_reset_ops, VMM_QUEUE_DEFAULT, loop);
	device.stay = true;
	driver_clear(0);
	driver_clear(1);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, racing_vcpu, (void *)i), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);

	set(STATUS, 0);
	ck_assert_uint_eq(get(STATUS), 0);
	vmm__device_destroy(device.dev);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	fake.cancel.in_place = true;
	fake.refuse_ioevents = false;
	create(&fake_reset_ops, VMM_QUEUE_DEFAULT, NULL);
}
END_TEST

static void *enabling_vcpu(void *data)
{
	set(QUEUE_ENABLE, 1);
	return NULL;
}

/* What another vCPU may do between the write that enables a queue and the loop's turn. */
START_TEST(what_overtakes_the_enabling_of_a_queue_wins)
{
	enum { DEVICE_RESET, DEVICE_ANEW, DEVICE_HALF_WAY, QUEUE_AGAIN } what = (unsigned)_i;
	pthread_t vcpu;

	bring_up(VERSION_1 | RESET);
	reset_queue(0);
	set_queue_at(0, NEW_RING, 4);	/* enabled and reset again: only the addresses are wanted */
	reset_queue(0);
	memset(fake.ram + NEW_RING, 0, 0x8000);
	set(QUEUE_DESC, NEW_RING);
	set(QUEUE_DRIVER, NEW_RING + 0x4000);
	set(QUEUE_DEVICE, NEW_RING + 0x5000);

	fake.cancel.in_place = false;
	vmm_loop_enter(fake.loop);
	ck_assert_int_eq(pthread_create(&vcpu, NULL, enabling_vcpu, NULL), 0);
	while (!get(QUEUE_ENABLE))
		sched_yield();
	if (what == QUEUE_AGAIN)
		reset_queue(0);
	else
		set(STATUS, 0);
	if (what == DEVICE_ANEW || what == DEVICE_HALF_WAY) {
		ck_assert(negotiate(0, VERSION_1 | RESET, 0, 0));
		set_queue(0);
	}
	if (what == DEVICE_ANEW)
		set(STATUS, ACK | DRV | FOK | DOK);
	vmm_loop_leave(fake.loop);
	while (vmm_loop_dispatch(fake.loop) == 0)
		sched_yield();
	pthread_join(vcpu, NULL);
	fake.cancel.in_place = true;
	fake_run();

	ck_assert_int_eq(fake.broken, 0);
	ck_assert_int_eq(vmm_device_queue(device.dev, 0)->state,
			 what == DEVICE_ANEW ? QUEUE_UP : QUEUE_DOWN);
	set(QUEUE_SELECT, 0);
	ck_assert_uint_eq(get(QUEUE_ENABLE), what == DEVICE_ANEW || what == DEVICE_HALF_WAY);
	if (what == DEVICE_ANEW) {
		ck_assert_ptr_eq(vmm_device_queue(device.dev, 0)->split.desc,
				 fake.ram + RING_DESC(0));
		ck_assert_uint_eq(vmm_device_queue(device.dev, 0)->generation, 3);
	}
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, features_of_all_four_words_reach_the_front_end);
	tcase_add_test(tcase, a_feature_of_the_third_or_fourth_word_must_have_been_offered);
	tcase_add_test(tcase, a_packed_ring_is_used_where_it_was_agreed_on);
	tcase_add_test(tcase, the_size_of_a_packed_ring_is_any);
	tcase_add_test(tcase, the_size_of_a_split_ring_is_a_power_of_two);
	tcase_add_test(tcase, a_device_may_be_kept_from_packed_rings);
	tcase_add_test(tcase, one_queue_is_reset_and_the_others_go_on);
	tcase_add_test(tcase, a_queue_that_was_reset_comes_up_elsewhere_and_otherwise);
	tcase_add_test(tcase, a_queue_that_was_never_up_comes_up_after_its_reset);
	tcase_add_test(tcase, an_enabled_queue_does_not_change_after_a_reset_either);
	tcase_add_test(tcase, without_the_feature_no_queue_is_reset);
	tcase_add_test(tcase, a_device_that_cannot_reset_a_queue_does_not_offer_to);
	tcase_add_test(tcase, only_a_1_resets_and_only_a_queue_that_is_there);
	tcase_add_test(tcase, before_driver_ok_a_reset_forgets_what_was_written);
	tcase_add_test(tcase, new_addresses_that_cannot_be_break_the_device);
	tcase_add_test(tcase, the_devices_reset_is_the_end_of_a_queues);
	tcase_add_test(tcase, a_kick_that_was_put_off_is_forgotten_with_its_queue);
	tcase_add_test(tcase, a_guest_that_is_being_stopped_resets_no_queue);
	tcase_add_loop_test(tcase, what_overtakes_the_enabling_of_a_queue_wins, 0, 4);
	tcase_add_test(tcase, vcpus_that_race_leave_a_device_that_works);
}

int main(void)
{
	Suite *suite = suite_create("queue_reset");
	TCase *mmio = tcase_create("mmio");
	TCase *on_pci = tcase_create("pci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(mmio, setup_mmio, teardown);
	tcase_add_checked_fixture(on_pci, setup_pci, teardown);
	tcase_set_timeout(mmio, 60);
	tcase_set_timeout(on_pci, 60);
	add_tests(mmio);
	add_tests(on_pci);
	tcase_add_test(on_pci, the_vector_of_a_queue_is_forgotten_with_it);
	tcase_add_test(on_pci, a_queue_that_comes_up_without_bus_mastering_waits_for_it);
	suite_add_tcase(suite, mmio);
	suite_add_tcase(suite, on_pci);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
