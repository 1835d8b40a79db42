/* SPDX-License-Identifier: MIT */
/* test_mmio_transport.c - a device behind virtio-mmio, from plugging to destruction. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_machine.h"

enum {
	ACK = VIRTIO_CONFIG_S_ACKNOWLEDGE,
	DRV = VIRTIO_CONFIG_S_DRIVER,
	FOK = VIRTIO_CONFIG_S_FEATURES_OK,
	DOK = VIRTIO_CONFIG_S_DRIVER_OK,
	BAD = VIRTIO_CONFIG_S_NEEDS_RESET,
	QSIZE = 16, NR = 3, CONFIG_BYTES = 10,
};

static struct fake_device device;
static vmm_gpa_t base;
static uint32_t gsi;
static int fds_before;

static struct vmm_device_config device_config(void)
{
	return (struct vmm_device_config){
		.size = sizeof(struct vmm_device_config), .ops = &fake_device_ops, .state = &device,
		.name = "disk0", .config_space = "0123456789", .config_bytes = CONFIG_BYTES,
		.nr_queues = NR, .queue_size = QSIZE, .transport = VMM_TRANSPORT_MMIO,
		.features = { { 1 << 5 } },
	};
}

static void setup(void)
{
	struct vmm_device_config config = device_config();

	fds_before = fake_count_fds();
	fake_setup(false);
	device = (struct fake_device){ 0 };
	ck_assert_int_eq(vmm__device_create(&fake.host, &config, &device.dev), 0);
	ck_assert(vmm__device_mmio(device.dev, &base, &gsi));
}

static void teardown(void)
{
	int resets = device.resets;

	vmm__device_destroy(device.dev);
	ck_assert_int_eq(device.destroyed, 1);
	ck_assert_int_gt(device.resets, resets);
	fake_teardown();
	ck_assert_int_eq(fake_count_fds(), fds_before);
}

static uint32_t reg(uint32_t offset)
{
	return (uint32_t)fake_read(base + offset, 4);
}

static void set(uint32_t offset, uint32_t value)
{
	fake_write(base + offset, 4, value);
}

static void set_queue_registers(uint32_t queue)
{
	set(VIRTIO_MMIO_QUEUE_SEL, queue);
	set(VIRTIO_MMIO_QUEUE_NUM, QSIZE);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, RING_DESC(queue));
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, RING_AVAIL(queue));
	set(VIRTIO_MMIO_QUEUE_USED_LOW, RING_USED(queue));
	set(VIRTIO_MMIO_QUEUE_READY, 1);
}

static void set_queue(uint32_t queue)
{
	driver_clear(queue);
	set_queue_registers(queue);
}

static void negotiate(void)
{
	set(VIRTIO_MMIO_STATUS, ACK);
	set(VIRTIO_MMIO_STATUS, ACK | DRV);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 0x20);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK);
}

/* Queues 0 and 1 are used, 2 is not. */
static void bring_up(void)
{
	negotiate();
	set_queue(0);
	set_queue(1);
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
	fake_run();
	memset(device.kicks, 0, sizeof(device.kicks));
}

static void offer(uint32_t queue, uint16_t head)
{
	driver_desc(queue, head, BUFFERS + 64 * head, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(queue, QSIZE, head);
}

static void ring(uint32_t queue)
{
	set(VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	fake_run();
}

/* ---- registers ---- */

/* What each register reads before anything was written; the others read 0. */
static const struct { uint32_t offset, value; } registers[] = {
	{ VIRTIO_MMIO_MAGIC_VALUE, 0x74726976 }, { VIRTIO_MMIO_VERSION, 2 },
	{ VIRTIO_MMIO_DEVICE_ID, 2 }, { VIRTIO_MMIO_VENDOR_ID, 0x4d4d564c },
	{ VIRTIO_MMIO_DEVICE_FEATURES, 0x30000020 }, { VIRTIO_MMIO_QUEUE_NUM_MAX, QSIZE },
	{ VIRTIO_MMIO_SHM_LEN_LOW, ~0u }, { VIRTIO_MMIO_SHM_LEN_HIGH, ~0u },
	{ VIRTIO_MMIO_SHM_BASE_LOW, ~0u }, { VIRTIO_MMIO_SHM_BASE_HIGH, ~0u },
};

START_TEST(every_offset_reads_as_the_table_says_with_every_width)
{
	for (uint32_t offset = 0; offset < 0x100; offset++) {
		uint32_t expected = 0;

		for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
			if (registers[i].offset == offset)
				expected = registers[i].value;
		}
		ck_assert_uint_eq(fake_read(base + offset, 4), expected);
		ck_assert_uint_eq(fake_read(base + offset, 1), 0);
		ck_assert_uint_eq(fake_read(base + offset, 2), 0);
		ck_assert_uint_eq(fake_read(base + offset, 8), 0);
	}
	/* The window ends with the config space. */
	ck_assert_uint_eq(fake_read(base + 0x1fe, 4), 0xffffffff);
	ck_assert_uint_eq(fake_read(base + 0x200, 1), 0xff);
}
END_TEST

START_TEST(only_32_bit_writes_count)
{
	for (uint32_t width = 1; width <= 8; width *= 2) {
		if (width == 4)
			continue;
		for (uint32_t offset = 0; offset < 0x100; offset++)
			fake_write(base + offset, width, 1);
	}
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		ck_assert_uint_eq(reg(registers[i].offset), registers[i].value);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), 0);
	fake_run();
	ck_assert_int_eq(device.kicks[1], 0);
}
END_TEST

START_TEST(features_are_read_a_word_at_a_time)
{
	static const uint32_t words[] = { 0x30000020, 1, 0, 0, 0, 0 };

	for (uint32_t i = 0; i < 6; i++) {
		set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, i);
		ck_assert_uint_eq(reg(VIRTIO_MMIO_DEVICE_FEATURES), words[i]);
	}
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_DEVICE_FEATURES), 0);
}
END_TEST

START_TEST(queues_past_the_last_read_as_absent)
{
	static const uint32_t selects[] = { NR, 64, 65, 255, 65536, 0x80000000, UINT32_MAX };

	for (size_t i = 0; i < sizeof(selects) / sizeof(selects[0]); i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, selects[i]);
		set(VIRTIO_MMIO_QUEUE_NUM, 8);
		set(VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), 0);
	}
}
END_TEST

START_TEST(a_queue_with_an_impossible_size_does_not_get_ready)
{
	set(VIRTIO_MMIO_QUEUE_NUM, QSIZE * 2);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), 0);
	set(VIRTIO_MMIO_QUEUE_NUM, QSIZE / 2);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), 1);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), 0);
}
END_TEST

/* ---- config space ---- */

START_TEST(config_space_is_read_with_every_width)
{
	ck_assert_uint_eq(fake_read(base + 0x100, 1), '0');
	ck_assert_uint_eq(fake_read(base + 0x102, 2), '2' | '3' << 8);
	ck_assert_uint_eq(fake_read(base + 0x108, 4), '8' | '9' << 8);
	ck_assert_uint_eq(fake_read(base + 0x10a, 4), 0);
	ck_assert_uint_eq(fake_read(base + 0x1fc, 4), 0);
	ck_assert_uint_eq(fake_read(base + 0x100, 8), 0x3736353433323130);
}
END_TEST

START_TEST(config_writes_reach_the_front_end_when_they_fit)
{
	fake_write(base + 0x108, 4, 1);		/* over the end */
	fake_write(base + 0x10a, 1, 1);
	fake_write(base + 0x1ff, 1, 1);
	ck_assert_int_eq(device.config_writes, 0);
	fake_write(base + 0x108, 2, 0x4241);
	ck_assert_int_eq(device.config_writes, 1);
	ck_assert_uint_eq(device.config_offset, 8);
	ck_assert_uint_eq(device.config_len, 2);
	ck_assert_mem_eq(device.config_data, "AB", 2);
	/* It did not change anything; the front end says what takes effect. */
	ck_assert_uint_eq(fake_read(base + 0x108, 2), '8' | '9' << 8);
	/* And it hears of the reset, although the status was never written. */
	set(VIRTIO_MMIO_STATUS, 0);
	ck_assert_int_eq(device.resets, 1);
}
END_TEST

START_TEST(a_config_change_interrupts_a_live_driver)
{
	uint32_t before;

	vmm_device_set_config(device.dev, 0, "x", 1, true);
	ck_assert_uint_eq(fake_raised(gsi), 0);
	bring_up();
	before = reg(VIRTIO_MMIO_CONFIG_GENERATION);
	ck_assert_uint_eq(fake_read(base + 0x100, 1), 'x');
	vmm_device_set_config(device.dev, 0, "y", 1, false);
	ck_assert_uint_eq(fake_raised(gsi), 0);
	vmm_device_set_config(device.dev, 0, "z", 1, true);
	ck_assert_uint_eq(fake_raised(gsi), 1);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_ne(reg(VIRTIO_MMIO_CONFIG_GENERATION), before);
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}
END_TEST

/* ---- a life ---- */

START_TEST(a_driver_brings_the_device_up_and_uses_it)
{
	bring_up();
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), ACK | DRV | FOK | DOK);
	ck_assert_int_eq(device.activations, 1);
	ck_assert_uint_eq(device.features.word[0], 0x20);
	ck_assert_uint_eq(device.features.word[1], 1);
	ck_assert_uint_eq(fake.nr_ioevents, 2);

	offer(1, 3);
	ck_assert(fake_caught(base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 1));
	fake_run();
	ck_assert_int_eq(device.kicks[1], 1);
	ck_assert_int_eq(device.kicks[0], 0);
	ck_assert_uint_eq(driver_used(1), 1);
	ck_assert_uint_eq(fake_raised(gsi), 1);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}
END_TEST

/* The interrupt controller is the library's own: nothing of KVM's raises its pins. */
START_TEST(where_a_pin_has_no_irqfd_each_interrupt_is_a_pulse)
{
	struct vmm_device_config config = device_config();

	vmm__device_destroy(device.dev);
	device = (struct fake_device){ 0 };
	fake.own_pins = true;
	ck_assert_int_eq(vmm__device_create(&fake.host, &config, &device.dev), 0);
	ck_assert(vmm__device_mmio(device.dev, &base, &gsi));
	ck_assert_int_eq(fake.irqfds[gsi], -1);

	bring_up();
	offer(1, 3);
	ck_assert(fake_caught(base + VIRTIO_MMIO_QUEUE_NOTIFY, 4, 1));
	fake_run();
	ck_assert_uint_eq(driver_used(1), 1);
	ck_assert_uint_eq(fake.pulses[gsi], 1);
	vmm_device_set_config(device.dev, 0, "z", 1, true);
	ck_assert_uint_eq(fake.pulses[gsi], 2);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS),
			  VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
}
END_TEST

START_TEST(what_was_offered_before_driver_ok_is_seen_without_a_notification)
{
	negotiate();
	set_queue(0);
	offer(0, 1);
	ring(0);
	ck_assert_int_eq(device.kicks[0], 0);	/* not before DRIVER_OK */
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
	fake_run();
	ck_assert_int_eq(device.popped, 1);
}
END_TEST

START_TEST(notifications_work_without_an_ioeventfd_too)
{
	fake.refuse_ioevents = true;
	bring_up();
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	offer(0, 0);
	ring(0);
	ck_assert_int_eq(device.popped, 1);
}
END_TEST

START_TEST(notifying_a_queue_that_is_not_up_does_nothing)
{
	static const uint32_t queues[] = { 2, NR, 64, 65535, 65536, 1u << 31, UINT32_MAX };

	bring_up();
	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
		ring(queues[i]);
	ck_assert_int_eq(device.kicks[2], 0);
	ck_assert_int_eq(fake.broken, 0);
}
END_TEST

/* While it pops, the driver offers the same chain again and again. */
static int endless_left;

static void endless_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct fake_device *d = vmm_device_state(dev);
	struct vmm_chain chain;

	d->kicks[vmm_queue_index(queue)]++;
	while (vmm_queue_pop(queue, &chain) > 0) {
		d->popped++;
		vmm_queue_push(queue, &chain, 0);
		if (vmm_queue_index(queue) == 0 && endless_left-- > 0)
			driver_offer(0, QSIZE, 0);
	}
}

START_TEST(a_queue_that_never_runs_dry_goes_on_in_later_turns)
{
	int most = 0, others = 0;

	device.dev->ops.kick = endless_kick;
	bring_up();
	endless_left = 10 * QUEUE_BUDGET;
	offer(0, 0);
	offer(1, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	for (int turn = 0; turn < 100; turn++) {
		int before = device.popped;

		if (vmm_loop_dispatch(fake.loop) <= 0)
			break;
		if (device.popped - before > most)
			most = device.popped - before;
		if (turn == 1)
			others = device.kicks[1];
	}
	ck_assert_int_eq(device.popped, 10 * QUEUE_BUDGET + 2);
	ck_assert_int_le(most, 2 * QUEUE_BUDGET + 1);
	ck_assert_int_eq(others, 1);	/* the other one had its turn near the start */
}
END_TEST

START_TEST(no_queue_register_moves_a_live_queue)
{
	bring_up();
	for (uint32_t queue = 0; queue < NR + 1; queue++) {
		set(VIRTIO_MMIO_QUEUE_SEL, queue);
		set(VIRTIO_MMIO_QUEUE_NUM, 4);
		for (uint32_t at = VIRTIO_MMIO_QUEUE_DESC_LOW; at < VIRTIO_MMIO_SHM_SEL; at += 4)
			set(at, 0xdead0000);
		set(VIRTIO_MMIO_QUEUE_READY, 0);
		ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), queue < 2);
		set(VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), queue < 2);
	}
	set(VIRTIO_MMIO_DRIVER_FEATURES, 0xffffffff);
	offer(1, 15);
	ring(1);
	ck_assert_uint_eq(driver_used(1), 1);
	ck_assert_int_eq(device.kicks[2], 0);
}
END_TEST

START_TEST(a_reset_takes_everything_back)
{
	bring_up();
	device.hold = true;
	offer(0, 1);
	ring(0);
	ck_assert_int_eq(device.nr_held, 1);
	set(VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), 0);
	ck_assert_int_eq(device.resets, 1);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_QUEUE_READY), 0);

	/* Answers that come too late, and notifications. */
	fake_device_give_back(&device);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 0);
	ck_assert_uint_eq(fake_raised(gsi), 0);

	/* And once more. */
	device.hold = false;
	bring_up();
	offer(0, 2);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
	ck_assert_int_eq(device.activations, 2);
}
END_TEST

START_TEST(an_answer_from_before_the_reset_completes_nothing_after_it)
{
	bring_up();
	device.hold = true;
	offer(0, 1);
	ring(0);
	set(VIRTIO_MMIO_STATUS, 0);
	bring_up();
	offer(0, 1);
	ring(0);
	ck_assert_int_eq(device.nr_held, 2);
	device.nr_held = 1;
	fake_device_give_back(&device);
	ck_assert_uint_eq(driver_used(0), 0);
}
END_TEST

START_TEST(a_lie_breaks_the_device_once_and_a_reset_mends_it)
{
	bring_up();
	driver_desc(0, 0, 1ull << 40, 16, 0, 0);
	driver_offer(0, QSIZE, 0);
	ring(0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), ACK | DRV | FOK | DOK | BAD);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(fake_raised(gsi), 1);
	ck_assert_int_eq(fake.broken, 1);
	ck_assert_str_eq(fake.why, "disk0: queue 0: a buffer that is not in guest memory");
	ck_assert(!vmm_device_active(device.dev));

	/* The other queue stands still too. */
	memset(device.kicks, 0, sizeof(device.kicks));
	offer(1, 0);
	ring(1);
	ring(0);
	ck_assert_int_eq(device.kicks[1], 0);
	ck_assert_int_eq(fake.broken, 1);

	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
	ck_assert_int_eq(device.activations, 1);
	set(VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), 0);
	bring_up();
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
	driver_desc(0, 1, 1ull << 40, 16, 0, 0);
	driver_offer(0, QSIZE, 1);
	ring(0);
	ck_assert_int_eq(fake.broken, 2);
}
END_TEST

START_TEST(a_front_end_breaks_its_device_once)
{
	/* Before DRIVER_OK there is nobody to interrupt. */
	set(VIRTIO_MMIO_STATUS, ACK);
	vmm_device_break(device.dev, "of config space");
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), ACK | BAD);
	ck_assert_uint_eq(fake_raised(gsi), 0);
	set(VIRTIO_MMIO_STATUS, 0);

	bring_up();
	vmm_device_break(device.dev, "a bad request");
	vmm_device_break(device.dev, "another");
	ck_assert_int_eq(fake.broken, 2);
	ck_assert_str_eq(fake.why, "disk0: a bad request");
	ck_assert_uint_eq(fake_raised(gsi), 1);
}
END_TEST

/* Two vCPUs, and a loop that serves both later: first the reset, then DRIVER_OK. */
static void *write_status(void *value)
{
	set(VIRTIO_MMIO_STATUS, (uint32_t)(uintptr_t)value);
	return NULL;
}

START_TEST(driver_ok_that_a_reset_overtook_activates_nothing)
{
	struct pollfd ready = { .fd = vmm_loop_fd(fake.loop), .events = POLLIN };
	pthread_t threads[2];

	negotiate();
	set_queue(0);
	fake_run();
	fake.cancel.in_place = false;
	ck_assert_int_eq(pthread_create(&threads[0], NULL, write_status, (void *)0), 0);
	ck_assert_int_eq(poll(&ready, 1, 10000), 1);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, write_status,
					(void *)(uintptr_t)(ACK | DRV | FOK | DOK)), 0);
	usleep(100000);
	fake_run();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	fake.cancel.in_place = true;
	ck_assert_int_eq(device.activations, 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS) & (FOK | DOK), 0);
}
END_TEST

START_TEST(ring_addresses_that_cannot_be_break_the_device)
{
	negotiate();
	set_queue(0);
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0xfee00000);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
	fake_run();
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), ACK | DRV | FOK | DOK | BAD);
	ck_assert_int_eq(device.activations, 0);
	ck_assert_int_eq(fake.broken, 1);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
}
END_TEST

START_TEST(dma_never_reaches_a_register)
{
	/* A ring, and a buffer, at the device's own window. */
	negotiate();
	set_queue(1);
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	set(VIRTIO_MMIO_QUEUE_NUM, 4);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)base);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)base);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)base);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
	ck_assert(reg(VIRTIO_MMIO_STATUS) & BAD);

	set(VIRTIO_MMIO_STATUS, 0);
	bring_up();
	driver_desc(0, 0, base + VIRTIO_MMIO_STATUS, 4, VRING_DESC_F_WRITE, 0);
	driver_offer(0, QSIZE, 0);
	ring(0);
	ck_assert(reg(VIRTIO_MMIO_STATUS) & BAD);
	ck_assert_int_eq(device.popped, 0);
}
END_TEST

START_TEST(a_front_end_that_cannot_start_breaks_the_device)
{
	device.activate_result = -EIO;
	bring_up();
	ck_assert(reg(VIRTIO_MMIO_STATUS) & BAD);
	ck_assert_int_eq(fake.broken, 1);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	ck_assert(!vmm_device_active(device.dev));
}
END_TEST

START_TEST(nothing_happens_to_a_device_whose_guest_is_being_stopped)
{
	negotiate();
	set_queue(0);
	fake.cancel = (struct loop_cancel){ .told = true };
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
	ck_assert_int_eq(device.activations, 0);
	set(VIRTIO_MMIO_STATUS, 0);
	ck_assert_int_eq(device.resets, 0);
	vmm__device_reset(device.dev);
	ck_assert_int_eq(device.resets, 1);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), 0);
}
END_TEST

START_TEST(the_machines_reset_is_the_drivers_and_more)
{
	bring_up();
	vmm__device_reset(device.dev);
	vmm__device_machine_reset(device.dev);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), 0);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	bring_up();
	ck_assert_int_eq(device.activations, 2);
}
END_TEST

/* Driver threads race on the registers while the loop serves: for TSan, and for the states. */
static void *racing_vcpu(void *arg)
{
	for (int i = 0; i < 300; i++) {
		negotiate();
		/* The rings stay empty: what a driver writes there races with the device by nature. */
		set_queue_registers((uint32_t)(uintptr_t)arg);
		set(VIRTIO_MMIO_STATUS, ACK | DRV | FOK | DOK);
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		(void)reg(VIRTIO_MMIO_INTERRUPT_STATUS);
		(void)fake_read(base + 0x100, 4);
		fake_write(base + 0x100, 4, 7);
		if (i % 3 == 0)
			set(VIRTIO_MMIO_STATUS, 0);
	}
	return NULL;
}

START_TEST(vcpus_that_race_on_registers_leave_a_device_that_works)
{
	const struct vmm_loop_config threaded = {
		.size = sizeof(threaded), .name = "racing", .flags = VMM_LOOP_THREAD,
	};
	struct vmm_device_config config = device_config();
	struct fake_device racing = { .stay = true };
	struct vmm_device *first = device.dev;
	struct vmm_loop *loop;
	pthread_t threads[2];
	vmm_gpa_t first_base = base;

	/* KVM's part would be in the kernel: the fake has no locks. */
	fake.refuse_ioevents = true;
	fake.cancel.in_place = false;
	ck_assert_int_eq(vmm_loop_create(&threaded, &loop), 0);
	config.loop = loop;
	config.state = &racing;
	ck_assert_int_eq(vmm__device_create(&fake.host, &config, &racing.dev), 0);
	ck_assert(vmm__device_mmio(racing.dev, &base, &gsi));
	ck_assert_ptr_eq(vmm_device_loop(racing.dev), loop);

	driver_clear(0);
	driver_clear(1);
	for (uintptr_t i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, racing_vcpu, (void *)i), 0);
	for (int i = 0; i < 100; i++)
		vmm_device_set_config(racing.dev, 0, "q", 1, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);

	set(VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(reg(VIRTIO_MMIO_STATUS), 0);
	ck_assert_int_gt(racing.resets, 0);
	vmm__device_destroy(racing.dev);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	fake.cancel.in_place = true;
	fake.refuse_ioevents = false;
	device.dev = first;
	base = first_base;
}
END_TEST

/* ---- making one ---- */

static struct vmm_device_ops spoiled_ops;

static void no_ops(struct vmm_device_config *c) { c->ops = NULL; }
static void no_size(struct vmm_device_config *c) { c->size = 0; }
static void no_queues(struct vmm_device_config *c) { c->nr_queues = 0; }
static void many_queues(struct vmm_device_config *c) { c->nr_queues = VMM_DEVICE_QUEUES_MAX + 1; }
static void odd_size(struct vmm_device_config *c) { c->queue_size = 3; }
static void large_size(struct vmm_device_config *c) { c->queue_size = 2 * VMM_QUEUE_SIZE_MAX; }
static void large_config(struct vmm_device_config *c) { c->config_bytes = 257; }
static void our_features(struct vmm_device_config *c) { vmm_features_add(&c->features, 34); }
static void odd_transport(struct vmm_device_config *c) { c->transport = 3; }
static void no_pci(struct vmm_device_config *c) { c->transport = VMM_TRANSPORT_PCI; }
static void long_name(struct vmm_device_config *c)
{
	c->name = "0123456789012345678901234567890123456789012345678901234567890123";
}
static void no_kick(struct vmm_device_config *c) { spoiled_ops.kick = NULL; }
static void no_reset(struct vmm_device_config *c) { spoiled_ops.reset = NULL; }
static void no_id(struct vmm_device_config *c) { spoiled_ops.virtio_id = 0; }
static void large_id(struct vmm_device_config *c) { spoiled_ops.virtio_id = 64; }
static void no_name(struct vmm_device_config *c) { spoiled_ops.name = NULL; }
static void no_ops_size(struct vmm_device_config *c) { spoiled_ops.size = 0; }
static void no_pin(struct vmm_device_config *c) { fake.refuse_gsis = true; }
static void no_window(struct vmm_device_config *c) { fake.mmio_taken = UINT32_MAX; }

static const struct {
	const char *name;
	void (*spoil)(struct vmm_device_config *config);
	int result;
} spoils[] = {
	{ "no table", no_ops, -EINVAL },	{ "no size", no_size, -EINVAL },
	{ "no queues", no_queues, -EINVAL },	{ "many queues", many_queues, -EINVAL },
	{ "odd size", odd_size, -EINVAL },	{ "large size", large_size, -EINVAL },
	{ "large config", large_config, -EINVAL }, { "our features", our_features, -EINVAL },
	{ "odd transport", odd_transport, -EINVAL }, { "no PCI", no_pci, -EINVAL },
	{ "long name", long_name, -EINVAL },	{ "no kick", no_kick, -EINVAL },
	{ "no reset", no_reset, -EINVAL },	{ "no id", no_id, -EINVAL },
	{ "large id", large_id, -EINVAL },	{ "no name", no_name, -EINVAL },
	{ "no table size", no_ops_size, -EINVAL },
	{ "no pin", no_pin, -ENOSPC },		{ "no window", no_window, -ENOSPC },
};

START_TEST(a_config_that_cannot_be_is_refused_and_leaves_nothing)
{
	struct vmm_device_config config = device_config();
	struct fake_device other = { 0 };
	uint32_t taken = fake.mmio_taken;
	int fds = fake_count_fds();

	config.state = &other;
	spoiled_ops = fake_device_ops;
	config.ops = &spoiled_ops;
	spoils[_i].spoil(&config);
	ck_assert_msg(vmm__device_create(&fake.host, &config, &other.dev) == spoils[_i].result,
		      "%s: %s", spoils[_i].name, vmm_last_error());
	ck_assert_str_ne(vmm_last_error(), "");
	ck_assert_ptr_null(other.dev);
	ck_assert_int_eq(other.destroyed, 0);	/* the state is still the caller's */
	ck_assert_int_eq(other.resets, 0);
	ck_assert_int_eq(fake_count_fds(), fds);
	ck_assert_uint_eq(fake.mmio.nr, 1);
	fake.mmio_taken = taken;
}
END_TEST

START_TEST(devices_get_windows_in_their_order)
{
	const struct arch_layout *layout = vmm__arch_layout(-1);
	struct vmm_device_config config = device_config();
	struct fake_device other = { 0 };
	vmm_gpa_t other_base;
	uint32_t other_gsi;

	config.state = &other;
	config.transport = VMM_TRANSPORT_DEFAULT;	/* no PCI here */
	config.name = NULL;
	config.queue_size = 0;
	ck_assert_int_eq(vmm__device_create(&fake.host, &config, &other.dev), 0);
	ck_assert(vmm__device_mmio(other.dev, &other_base, &other_gsi));
	ck_assert_uint_eq(base, layout->mmio_base);
	ck_assert_uint_eq(other_base, layout->mmio_base + layout->mmio_stride);
	ck_assert_uint_ne(other_gsi, gsi);
	ck_assert_uint_eq(fake_read(other_base + VIRTIO_MMIO_QUEUE_NUM_MAX, 4), 256);
	vmm__device_destroy(other.dev);
	ck_assert_uint_eq(fake.mmio_taken, 1);
}
END_TEST

START_TEST(front_ends_see_their_own_device)
{
	ck_assert_ptr_eq(vmm_device_state(device.dev), &device);
	ck_assert_ptr_eq(vmm_device_loop(device.dev), fake.loop);
	ck_assert_ptr_nonnull(vmm_device_queue(device.dev, NR - 1));
	ck_assert_uint_eq(vmm_queue_index(vmm_device_queue(device.dev, 2)), 2);
	ck_assert_ptr_null(vmm_device_queue(device.dev, NR));
	ck_assert(!vmm_device_active(device.dev));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mmio_transport");
	TCase *tcase = tcase_create("virtio-mmio");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, every_offset_reads_as_the_table_says_with_every_width);
	tcase_add_test(tcase, only_32_bit_writes_count);
	tcase_add_test(tcase, features_are_read_a_word_at_a_time);
	tcase_add_test(tcase, queues_past_the_last_read_as_absent);
	tcase_add_test(tcase, a_queue_with_an_impossible_size_does_not_get_ready);
	tcase_add_test(tcase, config_space_is_read_with_every_width);
	tcase_add_test(tcase, config_writes_reach_the_front_end_when_they_fit);
	tcase_add_test(tcase, a_config_change_interrupts_a_live_driver);
	tcase_add_test(tcase, a_driver_brings_the_device_up_and_uses_it);
	tcase_add_test(tcase, where_a_pin_has_no_irqfd_each_interrupt_is_a_pulse);
	tcase_add_test(tcase, what_was_offered_before_driver_ok_is_seen_without_a_notification);
	tcase_add_test(tcase, notifications_work_without_an_ioeventfd_too);
	tcase_add_test(tcase, notifying_a_queue_that_is_not_up_does_nothing);
	tcase_add_test(tcase, a_queue_that_never_runs_dry_goes_on_in_later_turns);
	tcase_add_test(tcase, no_queue_register_moves_a_live_queue);
	tcase_add_test(tcase, a_reset_takes_everything_back);
	tcase_add_test(tcase, an_answer_from_before_the_reset_completes_nothing_after_it);
	tcase_add_test(tcase, a_lie_breaks_the_device_once_and_a_reset_mends_it);
	tcase_add_test(tcase, a_front_end_breaks_its_device_once);
	tcase_add_test(tcase, driver_ok_that_a_reset_overtook_activates_nothing);
	tcase_add_test(tcase, ring_addresses_that_cannot_be_break_the_device);
	tcase_add_test(tcase, dma_never_reaches_a_register);
	tcase_add_test(tcase, a_front_end_that_cannot_start_breaks_the_device);
	tcase_add_test(tcase, nothing_happens_to_a_device_whose_guest_is_being_stopped);
	tcase_add_test(tcase, the_machines_reset_is_the_drivers_and_more);
	tcase_add_test(tcase, vcpus_that_race_on_registers_leave_a_device_that_works);
	tcase_add_loop_test(tcase, a_config_that_cannot_be_is_refused_and_leaves_nothing, 0,
			    (int)(sizeof(spoils) / sizeof(spoils[0])));
	tcase_add_test(tcase, devices_get_windows_in_their_order);
	tcase_add_test(tcase, front_ends_see_their_own_device);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
