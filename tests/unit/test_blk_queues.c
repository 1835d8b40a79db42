/* SPDX-License-Identifier: MIT */
/*
 * test_blk_queues.c - a disk with many queues, of another size, with limits and modes: on the
 * library's own device, which negotiates and interrupts.
 */
#include <check.h>
#include <errno.h>
#include <linux/virtio_blk.h>

#include "devices/virtio/blk_priv.h"
#include "fake_store.h"
#include "fake_virtio.h"

#define BIT(n)	(1u << VIRTIO_BLK_F_##n)
#define FLAGS	(VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO)

static struct vmm_blk *blk;

static void open_disk(uint32_t nr_queues, uint32_t flags, uint32_t cache, enum store_when when)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_device *dev;

	info.flags = flags;
	info.max_segment_bytes = 8192;
	info.optimal_io_bytes = 65536;
	config.backend = blk = store_open(&info, when);
	config.nr_queues = nr_queues;
	config.cache = cache;
	config.queue_size = ENTRIES;
	ck_assert_msg(vmm_add_block(THE_VM, &config, &dev) == 0, "%s", vmm_last_error());
	ck_assert_ptr_eq(dev, machine.dev);
}

static void teardown(void)
{
	machine_unmake();
	ck_assert_uint_eq(store.destroys, 1);
}

/* ---- a driver's request: three descriptors from 3 * @i on, data and status of its own ---- */

static uint32_t at(uint32_t queue, unsigned i)
{
	return DATA + queue * 0x60000 + i * 0x2400;
}

static void offer(uint32_t queue, unsigned i, uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr header = { htole32(type), 0, htole64(sector) };
	uint16_t in = type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0;
	uint32_t where = at(queue, i);

	memcpy(machine.ram + where, &header, sizeof(header));
	machine.ram[where + 0x200] = 0xee;
	driver_desc(queue, 3 * i, where, 16, VRING_DESC_F_NEXT, (uint16_t)(3 * i + (len ? 1 : 2)));
	driver_desc(queue, 3 * i + 1, where + 0x400, len, in | VRING_DESC_F_NEXT,
		    (uint16_t)(3 * i + 2));
	driver_desc(queue, 3 * i + 2, where + 0x200, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(queue, (uint16_t)(3 * i));
}

static uint8_t status(uint32_t queue, unsigned i)
{
	return machine.ram[at(queue, i) + 0x200];
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	uint16_t before = driver_used(0);

	offer(0, 0, type, sector, len);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq((uint16_t)(before + 1), driver_used(0));
	return status(0, 0);
}

static uint64_t config_read(uint32_t offset, uint32_t width)
{
	return vmm__device_read_config(machine.dev, offset, width);
}

static uint32_t offered(void)
{
	return machine.dev->virtio.offered.word[0] & 0x00ffffff;
}

/* ---- many queues ---- */

START_TEST(queues_are_offered_and_counted)
{
	open_disk((uint32_t)_i + 1, FLAGS, 0, STORE_AT_ONCE);
	ck_assert_uint_eq(offered(), BIT(SIZE_MAX) | BIT(SEG_MAX) | BIT(BLK_SIZE) | BIT(TOPOLOGY) |
				     BIT(FLUSH) | BIT(CONFIG_WCE) | BIT(DISCARD) |
				     BIT(WRITE_ZEROES) | (_i ? BIT(MQ) : 0));
	ck_assert_uint_eq(config_read(34, 2), _i ? 2 : 0);
	ck_assert_uint_eq(config_read(8, 4), 8192);
	ck_assert_uint_eq(config_read(28, 4), 128);	/* opt_io_size, in blocks */
	ck_assert_uint_eq(machine.dev->virtio.nr_queues, (uint32_t)_i + 1);
}
END_TEST

START_TEST(each_queue_is_answered_and_interrupted_for_itself)
{
	struct vmm_blk_stats stats = VMM_BLK_STATS_INIT;

	open_disk(2, FLAGS, 0, _i ? STORE_AT_ONCE : STORE_LATER);
	driver_start();
	memset(store.bytes, 0x11, 512);
	memset(store.bytes + 512, 0x22, 512);
	offer(1, 0, VIRTIO_BLK_T_IN, 1, 512);
	driver_kick(1);
	machine_run();
	store_answer(1);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 0);
	ck_assert_uint_eq(driver_used(1), 1);
	ck_assert_int_eq(machine.queue_interrupts[0], 0);
	ck_assert_int_eq(machine.queue_interrupts[1], 1);

	/* Of both at the same time: one interrupt each. */
	for (unsigned i = 0; i < 4; i++) {
		offer(0, i, VIRTIO_BLK_T_IN, 0, 512);
		offer(1, i, VIRTIO_BLK_T_IN, 1, 512);
	}
	driver_kick(0);
	driver_kick(1);
	machine_run();
	store_answer(8);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 4);
	ck_assert_uint_eq(driver_used(1), 5);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(machine.ram[at(0, i) + 0x400], 0x11);
		ck_assert_uint_eq(machine.ram[at(1, i) + 0x400], 0x22);
		ck_assert_uint_eq(status(0, i), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(status(1, i), VIRTIO_BLK_S_OK);
	}
	ck_assert_int_eq(machine.queue_interrupts[0], 1);
	ck_assert_int_eq(machine.queue_interrupts[1], 2);

	ck_assert_int_eq(vmm_blk_stats(blk, 0, &stats), 0);
	ck_assert_uint_eq(stats.op[VMM_BLK_READ].requests, 4);
	ck_assert_int_eq(vmm_blk_stats(blk, 1, &stats), 0);
	ck_assert_uint_eq(stats.op[VMM_BLK_READ].requests, 5);
	ck_assert_int_eq(vmm_blk_stats(blk, 2, &stats), -EINVAL);
}
END_TEST

START_TEST(a_flooded_queue_leaves_the_other_its_turn)
{
	struct blk_disk *disk;

	open_disk(2, FLAGS, 0, STORE_LATER);
	driver_start();
	disk = vmm_device_state(machine.dev);
	disk->max_requests = 4;
	for (unsigned i = 0; i < 16; i++)
		offer(0, i, VIRTIO_BLK_T_IN, 0, 512);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(store.nr_kept, 4);
	offer(1, 0, VIRTIO_BLK_T_IN, 0, 512);
	driver_kick(1);
	machine_run();
	ck_assert_uint_eq(store.nr_kept, 4);
	/* All that is free goes to one queue in a turn, to the other in the next. */
	for (int i = 0; i < 2; i++) {
		store_answer(4);
		machine_run();
	}
	store_answer(4);
	machine_run();
	ck_assert_uint_eq(driver_used(1), 1);
	ck_assert_uint_lt(driver_used(0), 16);
	while (store.nr_kept > 0) {
		store_answer(4);
		machine_run();
	}
	ck_assert_uint_eq(driver_used(0), 16);
	ck_assert_int_eq(machine.broken, 0);
}
END_TEST

START_TEST(a_reset_lets_go_of_all_queues)
{
	open_disk(2, FLAGS, 0, STORE_AT_DRAIN);
	for (int round = 0; round < 3; round++) {
		driver_start();
		for (unsigned i = 0; i < 8; i++) {
			offer(0, i, VIRTIO_BLK_T_IN, i, 512);
			offer(1, i, VIRTIO_BLK_T_OUT, i, 512);
		}
		driver_kick(0);
		driver_kick(1);
		machine_run();
		ck_assert_uint_eq(store.nr_kept, 16);
		driver_reset();
		ck_assert_uint_eq(store.nr_kept, 0);
	}
}
END_TEST

/* VIRTIO 1.2, 2.6.1: only that queue; a discard of many ranges in the other goes on to its end. */
START_TEST(a_reset_of_one_queue_leaves_the_other_its_requests)
{
	struct virtio_blk_discard_write_zeroes ranges[3] = {
		{ htole64(8), htole32(8), 0 }, { htole64(24), htole32(8), 0 },
		{ htole64(40), htole32(8), 0 },
	};

	open_disk(2, FLAGS, 0, STORE_LATER);
	driver_start();
	memset(store.bytes, 0x55, STORE_BYTES);
	memcpy(machine.ram + at(0, 0) + 0x400, ranges, sizeof(ranges));
	offer(0, 0, VIRTIO_BLK_T_DISCARD, 0, sizeof(ranges));
	offer(1, 0, VIRTIO_BLK_T_IN, 0, 512);
	driver_kick(0);
	driver_kick(1);
	machine_run();
	ck_assert_uint_eq(store.nr_kept, 2);

	vmm__queue_down(vmm_device_queue(machine.dev, 1));
	machine.dev->ops.queue_reset(machine.dev, vmm_device_queue(machine.dev, 1));
	ck_assert_uint_eq(store.nr_kept, 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_DISCARD], 3);
	ck_assert_uint_eq(driver_used(0), 1);
	ck_assert_uint_eq(driver_used(1), 0);
	ck_assert_uint_eq(status(0, 0), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(machine.queue_interrupts[0], 1);
	ck_assert_uint_eq(store.bytes[40 * 512], 0);
}
END_TEST

START_TEST(a_driver_may_leave_queues_unused)
{
	open_disk(2, FLAGS, 0, STORE_AT_ONCE);
	driver_start();
	vmm__queue_down(vmm_device_queue(machine.dev, 1));
	driver_kick(1);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(machine.queue_interrupts[1], 0);
}
END_TEST

START_TEST(more_queues_than_a_device_can_have_are_refused)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	config.backend = store_open(&info, STORE_AT_ONCE);
	config.nr_queues = VMM_DEVICE_QUEUES_MAX + 1;
	ck_assert_int_eq(vmm_add_block(THE_VM, &config, NULL), -EINVAL);
	config.nr_queues = 1;
	config.cache = VMM_BLOCK_WRITETHROUGH + 1;
	ck_assert_int_eq(vmm_add_block(THE_VM, &config, NULL), -EINVAL);
	vmm_blk_destroy(config.backend);
}
END_TEST

/* ---- the size ---- */

START_TEST(a_new_size_is_told_with_an_interrupt_and_holds)
{
	open_disk(1, FLAGS, 0, STORE_AT_ONCE);
	driver_start();
	ck_assert_uint_eq(config_read(0, 8), STORE_BYTES / 512);
	ck_assert_int_eq(vmm_blk_resize(blk, STORE_BYTES / 2), 0);
	ck_assert_uint_eq(config_read(0, 8), STORE_BYTES / 1024);
	ck_assert_int_eq(machine.config_interrupts, 1);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, STORE_BYTES / 1024 - 1, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, STORE_BYTES / 1024, 512), VIRTIO_BLK_S_IOERR);

	ck_assert_int_eq(vmm_blk_resize(blk, STORE_BYTES), 0);
	ck_assert_int_eq(machine.config_interrupts, 2);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, STORE_BYTES / 512 - 1, 512), VIRTIO_BLK_S_OK);
	/* It stays so over a reset, and a driver that is not there hears nothing. */
	driver_reset();
	ck_assert_int_eq(vmm_blk_resize(blk, 512), 0);
	ck_assert_int_eq(machine.config_interrupts, 2);
	driver_start();
	ck_assert_uint_eq(config_read(0, 8), 1);
}
END_TEST

START_TEST(a_disk_that_shrinks_under_requests_in_flight_finishes_them)
{
	open_disk(1, FLAGS, 0, STORE_LATER);
	driver_start();
	offer(0, 0, VIRTIO_BLK_T_OUT, STORE_BYTES / 512 - 1, 512);
	driver_kick(0);
	machine_run();
	ck_assert_int_eq(vmm_blk_resize(blk, 512), 0);
	store_answer(1);
	machine_run();
	ck_assert_uint_eq(status(0, 0), VIRTIO_BLK_S_OK);
}
END_TEST

/* ---- segments ---- */

START_TEST(a_driver_that_agreed_to_a_size_of_segments_keeps_to_it)
{
	open_disk(1, FLAGS, 0, STORE_AT_ONCE);
	driver_start();
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 8192), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 8192), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 8704), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 8704), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE], 1);

	/* One that did not agree never heard of it. */
	machine.dev->virtio.offered.word[0] &= ~BIT(SIZE_MAX);
	driver_start();
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 8704), VIRTIO_BLK_S_OK);
}
END_TEST

/* ---- the cache ---- */

START_TEST(writethrough_shows_no_cache_and_makes_every_write_stable)
{
	open_disk(1, FLAGS, VMM_BLOCK_WRITETHROUGH, STORE_AT_ONCE);
	ck_assert_uint_eq(offered() & (BIT(FLUSH) | BIT(CONFIG_WCE)), 0);
	ck_assert_uint_eq(config_read(32, 1), 0);
	driver_start();
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
	/* A driver that writes the field all the same changes nothing. */
	vmm__device_write_config(machine.dev, 32, 1, 1);
	ck_assert_uint_eq(config_read(32, 1), 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 2);
	driver_start();
	ck_assert_uint_eq(config_read(32, 1), 0);
}
END_TEST

START_TEST(a_backend_that_can_write_through_is_asked_to)
{
	open_disk(1, FLAGS | VMM_BLK_CAN_THROUGH, VMM_BLOCK_WRITETHROUGH, STORE_AT_ONCE);
	driver_start();
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.last.flags, VMM_BLK_THROUGH);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.last.flags, 0);
}
END_TEST

START_TEST(a_cached_write_is_not_asked_to_go_through)
{
	open_disk(1, FLAGS | VMM_BLK_CAN_THROUGH, VMM_BLOCK_WRITEBACK, STORE_AT_ONCE);
	driver_start();
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.last.flags, 0);
	/* Until the driver says so. */
	vmm__device_write_config(machine.dev, 32, 1, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.last.flags, VMM_BLK_THROUGH);
}
END_TEST

/* ---- the rate ---- */

START_TEST(a_limited_disk_answers_late_and_lets_go_at_a_reset)
{
	struct vmm_rate rate = VMM_RATE_INIT;

	open_disk(1, FLAGS, 0, STORE_AT_ONCE);
	rate.ops_per_second = 1;
	ck_assert_int_eq(vmm_blk_set_rate(blk, &rate), 0);
	driver_start();
	for (unsigned i = 0; i < 16; i++)
		offer(0, i, VIRTIO_BLK_T_OUT, i, 512);
	driver_kick(0);
	machine_run();
	ck_assert_uint_eq(driver_used(0), 1);
	driver_reset();
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE], 1);
	ck_assert_int_eq(vmm_blk_set_rate(blk, NULL), 0);
	driver_start();
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blk_queues");
	TCase *tc = tcase_create("blk_queues");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, machine_make, teardown);
	tcase_add_loop_test(tc, queues_are_offered_and_counted, 0, 2);
	tcase_add_loop_test(tc, each_queue_is_answered_and_interrupted_for_itself, 0, 2);
	tcase_add_test(tc, a_flooded_queue_leaves_the_other_its_turn);
	tcase_add_test(tc, a_reset_lets_go_of_all_queues);
	tcase_add_test(tc, a_reset_of_one_queue_leaves_the_other_its_requests);
	tcase_add_test(tc, a_driver_may_leave_queues_unused);
	tcase_add_test(tc, more_queues_than_a_device_can_have_are_refused);
	tcase_add_test(tc, a_new_size_is_told_with_an_interrupt_and_holds);
	tcase_add_test(tc, a_disk_that_shrinks_under_requests_in_flight_finishes_them);
	tcase_add_test(tc, a_driver_that_agreed_to_a_size_of_segments_keeps_to_it);
	tcase_add_test(tc, writethrough_shows_no_cache_and_makes_every_write_stable);
	tcase_add_test(tc, a_backend_that_can_write_through_is_asked_to);
	tcase_add_test(tc, a_cached_write_is_not_asked_to_go_through);
	tcase_add_test(tc, a_limited_disk_answers_late_and_lets_go_at_a_reset);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
