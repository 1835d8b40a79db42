/* SPDX-License-Identifier: MIT */
/* test_blk.c - virtio-blk against honest and hostile drivers, and bad disks. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdio.h>

#include "devices/virtio/blk_priv.h"
#include "fake_device.h"
#include "fake_store.h"

#define SECTORS		(STORE_BYTES / 512)
#define ALL_FLAGS	(VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO)
#define CONFIG_BYTES	60u

static struct vmm_loop *loop;
static struct vmm_features features;	/* as the driver accepts them */

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
}

static void open_disk(const struct vmm_blk_info *info, enum store_when when)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;

	config.backend = store_open(info, when);
	config.serial = "0123456789abcdefghij";
	ck_assert_msg(vmm_add_block(FAKE_VM, &config, NULL) == 0, "%s", vmm_last_error());
	features = fake.dev.offered;
	/* A driver that does not touch the cache's mode. */
	features.word[0] &= ~(1u << VIRTIO_BLK_F_CONFIG_WCE);
}

static void open_when(enum store_when when)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	info.flags = ALL_FLAGS;
	info.physical_block_size = 4096;
	open_disk(&info, when);
	fake_activate(&features);
}

static void setup(void)
{
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	fake_init(loop);
}

static void teardown(void)
{
	fake_finish();
	if (fake.dev.ops) {
		ck_assert_uint_eq(store.destroys, 1);
		ck_assert_uint_eq(store.detaches, 1);
	}
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
}

/* ---- a driver's request: bytes out, bytes in, cut into descriptors ---- */

enum { HDR = FAKE_DATA, DATA = FAKE_DATA + 0x1000, STATUS = FAKE_DATA + 0x80000 };

static void put_header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr header = { htole32(type), 0, htole64(sector) };

	memcpy(guest(HDR), &header, sizeof(header));
	*guest(STATUS) = 0xee;
}

#define UNKNOWN_IN	0x7777u	/* no type of VIRTIO's; it has room for an answer */

/* Header, data, status in three descriptors from @slot on, as Linux does it. */
static void offer_at(int slot, uint32_t type, uint64_t sector, vmm_gpa_t data, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID || type == UNKNOWN_IN;
	int next = slot + 1;

	put_header(type, sector);
	driver_desc(slot, HDR, 16, VRING_DESC_F_NEXT, (uint16_t)next);
	if (len > 0) {
		driver_desc(next, data, len, VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0),
			    (uint16_t)(next + 1));
		next++;
	}
	driver_desc(next, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_offer((uint16_t)slot);
}

static void offer(uint32_t type, uint64_t sector, uint32_t len)
{
	offer_at(0, type, sector, DATA, len);
}

/* The status of the one request that has ended; @written is its used length. */
static uint8_t ended(uint32_t written)
{
	uint32_t head, len;

	ck_assert(driver_used(&head, &len));
	ck_assert_uint_eq(len, written);
	return *guest(STATUS);
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t len, uint32_t written)
{
	offer(type, sector, len);
	fake_kick();
	turn();
	return ended(written);
}

static void pattern(unsigned char *bytes, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i * 11 + i / 512 + seed);
}

static bool all_bytes(const unsigned char *bytes, size_t len, unsigned char value)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* ---- what the driver is told ---- */

#define BIT(n)	(1u << VIRTIO_BLK_F_##n)
#define LIMITS	(BIT(SIZE_MAX) | BIT(SEG_MAX) | BIT(BLK_SIZE))	/* offered always */

static const struct {
	struct vmm_blk_info info;
	uint32_t features;
	uint8_t blk_size_hi;		/* byte 21: 2 for 512, 16 for 4096 */
	uint8_t physical_exp, min_io, wce;
	bool discard, zero;
} offers[] = {
	{ { .flags = 0 }, LIMITS, 2, 0, 0, 0, false, false },
	{ { .flags = VMM_BLK_CAN_FLUSH },
	  LIMITS | BIT(FLUSH) | BIT(CONFIG_WCE), 2, 0, 0, 1, false, false },
	{ { .flags = ALL_FLAGS, .physical_block_size = 4096 },
	  LIMITS | BIT(FLUSH) | BIT(CONFIG_WCE) | BIT(TOPOLOGY) |
	  BIT(DISCARD) | BIT(WRITE_ZEROES), 2, 3, 8, 1, true, true },
	{ { .flags = ALL_FLAGS | VMM_BLK_READ_ONLY },
	  LIMITS | BIT(FLUSH) | BIT(CONFIG_WCE) | BIT(RO),
	  2, 0, 0, 1, false, false },
	{ { .flags = VMM_BLK_CAN_DISCARD, .block_size = 4096 },
	  LIMITS | BIT(DISCARD), 16, 0, 0, 0, true, false },
};

START_TEST(features_and_config_space_say_what_the_disk_is_like)
{
	struct vmm_blk_info info = offers[_i].info;
	const uint8_t *space = fake.dev.space;
	uint8_t expected[CONFIG_BYTES] = { 0 };

	info.size = sizeof(info);
	open_disk(&info, STORE_AT_ONCE);
	ck_assert_uint_eq(fake.dev.ops->virtio_id, VIRTIO_ID_BLOCK);
	ck_assert_uint_eq(fake.dev.offered.word[0], offers[_i].features);
	ck_assert_uint_eq(fake.dev.offered.word[1], 0);
	ck_assert_uint_eq(fake.dev.space_bytes, CONFIG_BYTES);

	expected[1] = 8;			/* 2048 sectors */
	expected[10] = 0x40;			/* size_max: 4 MiB */
	expected[12] = 128;			/* seg_max */
	expected[21] = offers[_i].blk_size_hi;
	expected[24] = offers[_i].physical_exp;
	expected[26] = offers[_i].min_io;
	expected[32] = offers[_i].wce;
	if (offers[_i].discard) {
		expected[38] = 0x40;		/* 1 << 22 sectors */
		expected[40] = 32;
		expected[44] = info.physical_block_size == 4096 || info.block_size == 4096 ? 8 : 1;
	}
	if (offers[_i].zero) {
		expected[50] = 0x40;
		expected[52] = 32;
		expected[56] = 1;
	}
	ck_assert_mem_eq(space, expected, CONFIG_BYTES);
}
END_TEST

START_TEST(the_driver_may_write_the_mode_of_the_cache_and_nothing_else)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	uint8_t before[CONFIG_BYTES], bytes[8];

	info.flags = VMM_BLK_CAN_FLUSH;
	open_disk(&info, STORE_AT_ONCE);
	memcpy(before, fake.dev.space, CONFIG_BYTES);
	for (int value = 0; value < 256; value += 85) {
		memset(bytes, value, sizeof(bytes));
		for (uint32_t len = 1; len <= 8; len *= 2) {
			for (uint32_t at = 0; at + len <= CONFIG_BYTES; at++) {
				bool hit = at <= 32 && 32 < at + len && value == 0;

				fake_config_write(at, bytes, len);
				ck_assert_uint_eq(fake.dev.space[32], hit ? 0 : 1);
				fake_config_write(32, "\1", 1);
				ck_assert_mem_eq(fake.dev.space, before, CONFIG_BYTES);
			}
		}
	}

	/* A reset makes it writeback again. */
	fake_config_write(32, "\0", 1);
	fake_reset();
	ck_assert_uint_eq(fake.dev.space[32], 1);
}
END_TEST

START_TEST(a_disk_without_a_cache_has_no_mode_to_write)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	open_disk(&info, STORE_AT_ONCE);
	fake_config_write(32, "\1", 1);
	ck_assert_uint_eq(fake.dev.space[32], 0);
}
END_TEST

START_TEST(a_short_ring_gets_as_many_segments_as_it_holds)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	config.backend = store_open(&info, STORE_AT_ONCE);
	config.queue_size = 16;
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), 0);
	ck_assert_uint_eq(fake.dev.space[12], 14);
}
END_TEST

/* ---- requests that make sense ---- */

START_TEST(a_read_and_a_write_move_sectors)
{
	open_when(STORE_AT_ONCE);
	pattern(guest(DATA), 4096, 1);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 5, 4096, 1), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(store.bytes + 5 * 512, guest(DATA), 4096);

	pattern(store.bytes + STORE_BYTES - 1024, 1024, 2);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, SECTORS - 2, 1024, 1025), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(store.bytes + STORE_BYTES - 1024, guest(DATA), 1024);
	ck_assert_int_eq(fake.dev.interrupts, 2);
	ck_assert_uint_eq(store.commits, 2);
}
END_TEST

START_TEST(flush_goes_to_the_disk)
{
	open_when(STORE_AT_ONCE);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
	ck_assert_uint_eq(store.last.nr_iov, 0);
}
END_TEST

START_TEST(get_id_tells_the_serial)
{
	open_when(STORE_AT_ONCE);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_ID, 0, 20, 21), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(guest(DATA), "0123456789abcdefghij", 20);
	/* In a buffer of another size nothing is written. */
	memset(guest(DATA), 0xcc, 64);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_ID, 0, 19, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_ID, 0, 21, 1), VIRTIO_BLK_S_IOERR);
	ck_assert(all_bytes(guest(DATA), 64, 0xcc));
}
END_TEST

/*
 * Cut the out part (header, data) and the in part (data, status) into descriptors of random
 * lengths, in the ring or in an indirect table: the device must see the same request.
 */
static void cut_randomly(unsigned *seed, bool indirect, uint32_t out_len, uint32_t in_len)
{
	vmm_gpa_t table = indirect ? FAKE_TABLE : FAKE_DESC;
	vmm_gpa_t at = HDR;
	int first = indirect ? 0 : 1, i = first;

	for (int part = 0; part < 2; part++) {
		uint32_t left = part ? in_len : out_len;
		uint16_t flags = part ? VRING_DESC_F_WRITE : 0;

		while (left > 0) {
			uint32_t max = i < 100 ? left : 1 + left;
			uint32_t len = i - first > 60 ? left : 1 + (uint32_t)rand_r(seed) % max;
			bool last;

			if (rand_r(seed) % 3 == 0 && len > 8)
				len = 1 + len % 8;
			if (i - first > 60 || len > left)
				len = left;
			left -= len;
			last = left == 0 && (part == 1 || in_len == 0);
			driver_desc_at(table, i, at, len,
				       flags | (last ? 0 : VRING_DESC_F_NEXT), (uint16_t)(i + 1));
			i++;
			at += len;
		}
	}
	if (indirect)
		driver_desc(1, FAKE_TABLE, (uint32_t)(i - first) * 16, VRING_DESC_F_INDIRECT, 0);
	driver_offer(1);
}

START_TEST(any_framing_is_the_same_request)
{
	unsigned seed = (unsigned)_i + 1;
	unsigned char copy[8192];

	open_when(_i % 2 ? STORE_AT_ONCE : STORE_LATER);
	for (int n = 0; n < 100; n++) {
		uint32_t len = 512 * (1 + (uint32_t)rand_r(&seed) % 16);
		uint64_t sector = (uint64_t)rand_r(&seed) % (SECTORS - 16);
		bool write = rand_r(&seed) % 2;
		unsigned char *data = guest(HDR) + 16, *status = guest(HDR) + 16 + len;
		uint32_t head, used;

		put_header(write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, sector);
		pattern(data, len, (unsigned)n);
		pattern(store.bytes + sector * 512, len, (unsigned)n + 77);
		memcpy(copy, write ? data : store.bytes + sector * 512, len);
		*status = 0xee;
		cut_randomly(&seed, rand_r(&seed) % 2, write ? 16 + len : 16, write ? 1 : len + 1);
		fake_kick();
		turn();
		store_answer(1);
		turn();

		ck_assert_ptr_null(fake.dev.broken);
		ck_assert(driver_used(&head, &used));
		ck_assert_uint_eq(head, 1);
		ck_assert_uint_eq(used, write ? 1 : len + 1);
		ck_assert_uint_eq(*status, VIRTIO_BLK_S_OK);
		ck_assert_mem_eq(copy, write ? store.bytes + sector * 512 : data, len);
	}
}
END_TEST

/* ---- requests that make none ---- */

static const struct {
	const char *name;
	uint32_t type;
	uint64_t sector;
	uint32_t len;
	uint8_t status;
} senseless[] = {
	{ "read past the end", VIRTIO_BLK_T_IN, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
	{ "read at the end", VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR },
	{ "read far past the end", VIRTIO_BLK_T_IN, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
	{ "sector that wraps in bytes", VIRTIO_BLK_T_IN, 1ull << 55, 512, VIRTIO_BLK_S_IOERR },
	{ "sector and length that wrap", VIRTIO_BLK_T_IN, UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR },
	{ "write past the end", VIRTIO_BLK_T_OUT, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
	{ "write that wraps", VIRTIO_BLK_T_OUT, UINT64_MAX - 1, 2048, VIRTIO_BLK_S_IOERR },
	{ "read of no bytes", VIRTIO_BLK_T_IN, 0, 0, VIRTIO_BLK_S_IOERR },
	{ "write of no bytes", VIRTIO_BLK_T_OUT, 0, 0, VIRTIO_BLK_S_IOERR },
	{ "read of half a sector", VIRTIO_BLK_T_IN, 0, 256, VIRTIO_BLK_S_IOERR },
	{ "write of a sector and a byte", VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR },
	{ "SCSI command", VIRTIO_BLK_T_SCSI_CMD, 0, 512, VIRTIO_BLK_S_UNSUPP },
	{ "secure erase", VIRTIO_BLK_T_SECURE_ERASE, 0, 16, VIRTIO_BLK_S_UNSUPP },
	{ "legacy barrier bit", VIRTIO_BLK_T_OUT | VIRTIO_BLK_T_BARRIER, 0, 512,
	  VIRTIO_BLK_S_UNSUPP },
	{ "type of all ones", UINT32_MAX, 0, 0, VIRTIO_BLK_S_UNSUPP },
	{ "unknown type that reads", UNKNOWN_IN, 0, 512, VIRTIO_BLK_S_UNSUPP },
	{ "discard of no ranges", VIRTIO_BLK_T_DISCARD, 0, 0, VIRTIO_BLK_S_IOERR },
	{ "discard of half a range", VIRTIO_BLK_T_DISCARD, 0, 8, VIRTIO_BLK_S_IOERR },
	{ "discard of a range and a half", VIRTIO_BLK_T_DISCARD, 0, 24, VIRTIO_BLK_S_IOERR },
	{ "discard of 33 ranges", VIRTIO_BLK_T_DISCARD, 0, 33 * 16, VIRTIO_BLK_S_IOERR },
};

START_TEST(a_senseless_request_is_answered_and_changes_nothing)
{
	open_when(STORE_AT_ONCE);
	memset(guest(DATA), 0xcc, 8192);
	memset(store.bytes, 0xdd, STORE_BYTES);
	ck_assert_msg(request(senseless[_i].type, senseless[_i].sector, senseless[_i].len, 1) ==
		      senseless[_i].status, "%s", senseless[_i].name);
	ck_assert(all_bytes(store.bytes, STORE_BYTES, 0xdd));
	ck_assert(all_bytes(guest(DATA), 8192, 0xcc));
	ck_assert_ptr_null(fake.dev.broken);
	ck_assert_int_eq(fake.dev.interrupts, 1);
	/* And the next one works. */
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(a_header_that_is_too_short_is_answered)
{
	open_when(STORE_AT_ONCE);
	put_header(VIRTIO_BLK_T_IN, 0);
	driver_desc(0, HDR, 15, VRING_DESC_F_NEXT, 1);
	driver_desc(1, DATA, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	driver_desc(2, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	/* No out part at all: the status is the last byte there is. */
	driver_desc(3, DATA, 16, VRING_DESC_F_WRITE, 0);
	driver_offer(3);
	fake_kick();
	turn();
	ck_assert_uint_eq(ended(1), VIRTIO_BLK_S_IOERR);
	(void)ended(1);
	ck_assert_uint_eq(*guest(DATA + 15), VIRTIO_BLK_S_IOERR);

	/* Nor is it enough that the type is there. */
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	driver_desc(0, HDR, 15, VRING_DESC_F_NEXT, 1);
	driver_desc(1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	fake_kick();
	turn();
	ck_assert_uint_eq(ended(1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 0);
	ck_assert_ptr_null(fake.dev.broken);
}
END_TEST

/* Data on the side where it does not belong. */
START_TEST(a_read_with_out_data_and_a_write_with_in_data_are_refused)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
					  VIRTIO_BLK_T_DISCARD };

	open_when(STORE_AT_ONCE);
	for (int i = 0; i < 4; i++) {
		put_header(types[i], 0);
		driver_desc(0, HDR, 16, VRING_DESC_F_NEXT, 1);
		driver_desc(1, DATA, 512, VRING_DESC_F_NEXT, 2);
		driver_desc(2, DATA + 4096, 512, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 3);
		driver_desc(3, STATUS, 1, VRING_DESC_F_WRITE, 0);
		driver_offer(0);
		fake_kick();
		turn();
		ck_assert_uint_eq(ended(1), VIRTIO_BLK_S_IOERR);
	}
	for (unsigned op = 0; op <= VMM_BLK_WRITE_ZEROES; op++)
		ck_assert_uint_eq(store.submitted[op], 0);
}
END_TEST

START_TEST(a_request_without_a_status_breaks_the_device)
{
	open_when(STORE_AT_ONCE);
	put_header(VIRTIO_BLK_T_OUT, 0);
	driver_desc(0, HDR, 16 + 512, 0, 0);
	driver_offer(0);
	fake_kick();
	ck_assert_ptr_nonnull(fake.dev.broken);
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE], 0);

	/* Until the driver resets it. */
	fake_reset();
	fake_activate(&features);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}
END_TEST

/* Data where the guest has no memory, or a device's registers. */
static const struct { uint64_t addr; uint32_t len; } nowhere[] = {
	{ FAKE_RAM / 2 - 256, 512 }, { FAKE_RAM / 2, 512 }, { FAKE_RAM - 256, 512 },
	{ FAKE_RAM + FAKE_RAM / 2 - 256, 512 }, { 0xfee00000, 512 }, { UINT64_MAX - 255, 512 },
	{ 0, UINT32_MAX },
};

START_TEST(data_outside_guest_memory_breaks_the_device_and_nothing_else)
{
	open_when(STORE_AT_ONCE);
	offer_at(0, VIRTIO_BLK_T_IN, 0, nowhere[_i].addr, nowhere[_i].len);
	fake_kick();
	turn();
	ck_assert_ptr_nonnull(fake.dev.broken);
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 0);
}
END_TEST

START_TEST(data_at_the_edges_of_guest_memory_is_fine)
{
	open_when(STORE_AT_ONCE);
	pattern(store.bytes, 512, 3);
	offer_at(0, VIRTIO_BLK_T_IN, 0, FAKE_RAM / 2 - 512, 512);
	offer_at(4, VIRTIO_BLK_T_IN, 0, FAKE_RAM, 512);
	offer_at(8, VIRTIO_BLK_T_IN, 0, FAKE_RAM + FAKE_RAM / 2 - 512, 512);
	fake_kick();
	turn();
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(ended(513), VIRTIO_BLK_S_OK);
	ck_assert_mem_eq(guest(FAKE_RAM / 2 - 512), store.bytes, 512);
	ck_assert_mem_eq(guest(FAKE_RAM), store.bytes, 512);
	ck_assert_mem_eq(guest(FAKE_RAM + FAKE_RAM / 2 - 512), store.bytes, 512);
}
END_TEST

START_TEST(a_disk_of_large_blocks_refuses_parts_of_them)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	info.block_size = 4096;
	open_disk(&info, STORE_AT_ONCE);
	fake_activate(&features);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 1, 4096, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 4, 4096, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 8, 6144, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 8, 8192, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, SECTORS - 8, 4096, 4097), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(a_read_only_disk_is_never_written)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	info.flags = ALL_FLAGS | VMM_BLK_READ_ONLY;
	open_disk(&info, STORE_AT_ONCE);
	/* A driver that claims what was not offered. */
	vmm_features_add(&features, VIRTIO_BLK_F_FLUSH);
	fake_activate(&features);
	memset(guest(DATA), 0, 512);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 16, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE], 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_DISCARD], 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE_ZEROES], 0);
}
END_TEST

START_TEST(what_the_disk_cannot_do_is_unsupported)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	open_disk(&info, STORE_AT_ONCE);
	fake_activate(&features);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 16, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, 1), VIRTIO_BLK_S_UNSUPP);
}
END_TEST

START_TEST(more_segments_than_the_disk_takes_are_refused)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	info.max_segments = 2;
	open_disk(&info, STORE_AT_ONCE);
	fake_activate(&features);
	ck_assert_uint_eq(fake.dev.space[12], 2);
	for (int out = 0; out < 2; out++) {
		uint16_t flag = out ? 0 : VRING_DESC_F_WRITE;

		put_header(out ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, 0);
		driver_desc(0, HDR, 16, VRING_DESC_F_NEXT, 1);
		driver_desc(1, DATA, 512, flag | VRING_DESC_F_NEXT, 2);
		driver_desc(2, DATA, 512, flag | VRING_DESC_F_NEXT, 3);
		driver_desc(3, DATA, 512, flag | VRING_DESC_F_NEXT, 4);
		driver_desc(4, STATUS, 1, VRING_DESC_F_WRITE, 0);
		driver_offer(0);
		fake_kick();
		turn();
		ck_assert_uint_eq(ended(1), VIRTIO_BLK_S_IOERR);

		driver_desc(2, DATA, 512, flag | VRING_DESC_F_NEXT, 4);
		driver_offer(0);
		fake_kick();
		turn();
		ck_assert_uint_eq(ended(out ? 1 : 1025), VIRTIO_BLK_S_OK);
	}
}
END_TEST

/* ---- discard and write zeroes ---- */

static void put_range(int i, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = { htole64(sector), htole32(sectors),
							 htole32(flags) };

	memcpy(guest(DATA + (vmm_gpa_t)i * sizeof(range)), &range, sizeof(range));
}

START_TEST(ranges_are_done_one_after_the_other)
{
	open_when(_i ? STORE_AT_ONCE : STORE_LATER);
	memset(store.bytes, 0xaa, STORE_BYTES);
	for (int i = 0; i < 32; i++)
		put_range(i, (uint64_t)i * 4, 2, 0);
	offer(VIRTIO_BLK_T_DISCARD, 0, 32 * 16);
	fake_kick();
	for (int i = 0; i < 40; i++) {
		turn();
		ck_assert_uint_le(store.nr_kept, 1);
		store_answer(1);
	}
	ck_assert_uint_eq(ended(1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_DISCARD], 32);
	/* Each is committed, also those that no kick began. */
	ck_assert_uint_eq(store.commits, 32);
	for (size_t i = 0; i < 32; i++) {
		ck_assert(all_bytes(store.bytes + i * 2048, 1024, 0));
		ck_assert(all_bytes(store.bytes + i * 2048 + 1024, 1024, 0xaa));
	}
}
END_TEST

static const struct {
	const char *name;
	uint64_t sector;
	uint32_t sectors, flags;
	uint8_t discard, zero;
} bad_ranges[] = {
	{ "no sectors", 0, 0, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
	{ "past the end", SECTORS - 1, 2, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
	{ "wraps", UINT64_MAX, 2, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
	{ "wraps in bytes", 1ull << 55, 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
	{ "all sectors there are", 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
	{ "over the limit", 0, (1u << 22) + 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR },
	{ "unmap", 0, 1, 1, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_OK },
	{ "unknown flag", 0, 1, 2, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP },
	{ "all flags", 0, 1, UINT32_MAX, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP },
};

START_TEST(a_range_is_checked_before_it_is_done)
{
	open_when(STORE_AT_ONCE);
	for (int zero = 0; zero < 2; zero++) {
		uint8_t expected = zero ? bad_ranges[_i].zero : bad_ranges[_i].discard;

		put_range(0, 8, 1, 0);
		put_range(1, bad_ranges[_i].sector, bad_ranges[_i].sectors, bad_ranges[_i].flags);
		ck_assert_msg(request(zero ? VIRTIO_BLK_T_WRITE_ZEROES : VIRTIO_BLK_T_DISCARD, 0,
				      32, 1) == expected, "%s", bad_ranges[_i].name);
		ck_assert_uint_eq(store.submitted[zero ? VMM_BLK_WRITE_ZEROES : VMM_BLK_DISCARD],
				  expected == VIRTIO_BLK_S_OK ? 2 : 1);
	}
}
END_TEST

START_TEST(unmap_reaches_the_disk)
{
	open_when(STORE_AT_ONCE);
	put_range(0, 8, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.last.flags, VMM_BLK_MAY_UNMAP);
	put_range(0, 8, 1, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.last.flags, 0);
}
END_TEST

START_TEST(a_driver_that_did_not_negotiate_them_gets_none)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	info.flags = ALL_FLAGS;
	open_disk(&info, STORE_AT_ONCE);
	features.word[0] &= ~(BIT(DISCARD) | BIT(WRITE_ZEROES));
	fake_activate(&features);
	put_range(0, 8, 1, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 16, 1), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, 1), VIRTIO_BLK_S_UNSUPP);
}
END_TEST

START_TEST(a_range_has_a_limit_on_a_disk_of_any_size)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;

	ck_assert_int_eq(vmm_blk_open_ram(8ull << 30, &config.backend), 0);
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), 0);
	fake_activate(&fake.dev.offered);
	put_range(0, 0, (1u << 22) + 8, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 16, 1), VIRTIO_BLK_S_IOERR);
	put_range(0, 8, 1u << 22, 0);
	offer(VIRTIO_BLK_T_DISCARD, 0, 16);
	fake_kick();
	for (int i = 0; i < 100; i++)
		turn();
	ck_assert_uint_eq(ended(1), VIRTIO_BLK_S_OK);
	fake_finish();
	fake_init(loop);
}
END_TEST

/* ---- the cache ---- */

static void open_cache(uint32_t accepted)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	info.flags = ALL_FLAGS;
	open_disk(&info, STORE_AT_ONCE);
	features.word[0] = accepted;
	fake_activate(&features);
}

START_TEST(a_driver_that_cannot_flush_gets_stable_writes)
{
	open_cache(_i ? BIT(CONFIG_WCE) : 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
	if (_i)
		ck_assert_uint_eq(fake.dev.space[32], 0);

	/* A flush that fails is a write that failed. */
	store.fail_after = 1;
	store.result = -EIO;
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 2);
}
END_TEST

START_TEST(a_disk_that_cannot_flush_is_not_asked_to)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	open_disk(&info, STORE_AT_ONCE);
	fake_activate(&features);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 0);
}
END_TEST

START_TEST(zeroed_ranges_are_stable_too)
{
	open_cache(BIT(WRITE_ZEROES) | BIT(DISCARD));
	put_range(0, 8, 1, 0);
	put_range(1, 16, 1, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE_ZEROES], 2);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
}
END_TEST

START_TEST(a_driver_that_flushes_gets_fast_writes)
{
	open_cache(BIT(FLUSH));
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 0);
}
END_TEST

START_TEST(the_driver_switches_the_cache)
{
	open_cache(BIT(FLUSH) | BIT(CONFIG_WCE));
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 0);
	fake_config_write(32, "\0", 1);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
	fake_config_write(32, "\1", 1);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(store.submitted[VMM_BLK_FLUSH], 1);
}
END_TEST

/* ---- disks that fail, late answers, resets ---- */

static const int errors[] = { -EIO, -ENOSPC, -EROFS, -ENOMEM, -EPERM, -ECANCELED, -EOPNOTSUPP, 5 };

START_TEST(an_error_of_the_disk_is_an_error_of_the_request)
{
	uint8_t status = errors[_i] == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;

	open_when(STORE_AT_ONCE);
	store.result = errors[_i];
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 1), status);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 0, 512, 1), status);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, 1), status);
	put_range(0, 0, 1, 0);
	put_range(1, 8, 1, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_DISCARD, 0, 32, 1), status);
	ck_assert_uint_eq(store.submitted[VMM_BLK_DISCARD], 1);
	store.result = 0;
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, 512, 513), VIRTIO_BLK_S_OK);
}
END_TEST

/* Each with its own data; all with the one header and status. */
static void offer_many(int n)
{
	for (int i = 0; i < n; i++)
		offer_at(3 * i, VIRTIO_BLK_T_IN, (uint64_t)i, DATA + (vmm_gpa_t)i * 512, 512);
}

START_TEST(a_batch_costs_one_commit_and_one_interrupt)
{
	open_when(_i ? STORE_LATER : STORE_AT_ONCE);
	offer_many(64);
	fake_kick();
	ck_assert_int_eq(fake.dev.interrupts, 0);
	ck_assert_uint_eq(store.commits, 1);
	store_answer(64);
	turn();
	ck_assert_int_eq(fake.dev.interrupts, 1);
	for (int i = 0; i < 64; i++)
		ck_assert_uint_eq(ended(513), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(answers_come_from_another_thread_while_the_driver_goes_on)
{
	unsigned done = 0;

	open_when(STORE_IN_A_THREAD);
	for (int round = 0; round < 200; round++) {
		uint32_t head, len;

		offer_at(3 * (round % 80), VIRTIO_BLK_T_IN, (uint64_t)round,
			 DATA + (vmm_gpa_t)round * 512, 512);
		/* Not before its descriptors are free again. */
		fake_kick();
		while (done + 40 < (unsigned)round) {
			turn();
			while (driver_used(&head, &len)) {
				ck_assert_uint_eq(len, 513);
				done++;
			}
		}
	}
	fake_reset();
	ck_assert_uint_eq(store.nr_kept, 0);
}
END_TEST

START_TEST(a_reset_with_requests_in_flight_drains_them)
{
	uint32_t head, len;

	open_when(_i == 0 ? STORE_LATER : _i == 1 ? STORE_AT_DRAIN : STORE_IN_A_THREAD);
	offer_many(64);
	fake_kick();
	fake_reset();
	ck_assert_uint_ge(store.drains, 1);
	ck_assert_uint_eq(store.nr_kept, 0);
	ck_assert(!driver_used(&head, &len));
	ck_assert_int_eq(fake.dev.interrupts, 0);

	/* What was on its way to the loop finds nothing, and the disk works again. */
	turn();
	fake_activate(&features);
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick();
	for (int i = 0; i < 1000 && !driver_used(&head, &len); i++) {
		turn();
		if (_i < 2)
			store_answer(1);
	}
	ck_assert_uint_eq(len, 513);
	ck_assert_uint_eq(*guest(STATUS), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(a_reset_in_the_middle_of_many_ranges_ends_them)
{
	open_when(STORE_LATER);
	for (int i = 0; i < 32; i++)
		put_range(i, (uint64_t)i * 4, 2, 0);
	offer(VIRTIO_BLK_T_DISCARD, 0, 32 * 16);
	fake_kick();
	store_answer(1);
	turn();
	fake_reset();
	ck_assert_uint_eq(store.submitted[VMM_BLK_DISCARD], 2);
	turn();
}
END_TEST

START_TEST(a_disk_goes_with_requests_in_flight)
{
	open_when(_i ? STORE_IN_A_THREAD : STORE_AT_DRAIN);
	offer_many(64);
	fake_kick();
	/* teardown() destroys it */
}
END_TEST

START_TEST(a_broken_device_answers_nothing_more)
{
	uint32_t head, len;

	open_when(STORE_LATER);
	offer_many(8);
	fake_kick();
	put_header(VIRTIO_BLK_T_OUT, 0);
	driver_desc(200, HDR, 528, 0, 0);
	driver_offer(200);
	fake_kick();
	ck_assert_ptr_nonnull(fake.dev.broken);
	store_answer(8);
	turn();
	ck_assert(!driver_used(&head, &len));
	ck_assert_int_eq(fake.dev.interrupts, 0);
}
END_TEST

START_TEST(a_full_ring_goes_on_when_a_request_ends)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	config.backend = store_open(&info, STORE_LATER);
	config.queue_size = 4;
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), 0);
	fake_activate(&features);
	/* Four chains of one table each: no more fit. */
	for (int i = 0; i < 4; i++) {
		vmm_gpa_t table = FAKE_TABLE + (vmm_gpa_t)i * 64;

		put_header(VIRTIO_BLK_T_IN, 0);
		driver_desc_at(table, 0, HDR, 16, VRING_DESC_F_NEXT, 1);
		driver_desc_at(table, 1, DATA, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
		driver_desc_at(table, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
		driver_desc(i, table, 48, VRING_DESC_F_INDIRECT, 0);
		driver_offer((uint16_t)i);
	}
	fake_kick();
	ck_assert_uint_eq(store.nr_kept, 4);
	/* As many requests as there are: the ring was never found empty, and kicks not asked for. */
	ck_assert_uint_eq(*guest(FAKE_USED), VRING_USED_F_NO_NOTIFY);
	store_answer(1);
	turn();
	ck_assert_uint_eq(ended(513), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(*guest(FAKE_USED), 0);
	driver_offer(3);
	fake_kick();
	ck_assert_uint_eq(store.nr_kept, 4);
}
END_TEST

START_TEST(an_idle_disk_gives_back_what_a_burst_needed)
{
	struct blk_disk *disk;

	open_when(STORE_LATER);
	disk = fake.dev.state;
	ck_assert_uint_eq(disk->nr_requests, 1);
	offer_many(80);
	fake_kick();
	ck_assert_uint_ge(disk->nr_requests, 80);
	store_answer(80);
	turn();
	for (int i = 0; i < 80; i++)
		(void)ended(513);
	for (int i = 0; i < 100; i++) {
		offer_many(1);
		fake_kick();
		store_answer(1);
		turn();
		(void)ended(513);
	}
	/* One in flight, and one to look whether there is another. */
	ck_assert_uint_eq(disk->nr_requests, 2);

	offer_many(80);
	fake_kick();
	fake_reset();
	ck_assert_uint_eq(disk->nr_requests, 1);
}
END_TEST

/* ---- plugging it in ---- */

START_TEST(on_failure_the_backend_stays_the_callers)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), -EINVAL);
	config.backend = store_open(&info, STORE_AT_ONCE);
	ck_assert_int_eq(vmm_add_block(NULL, &config, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_block(FAKE_VM, NULL, NULL), -EINVAL);
	config.serial = "0123456789abcdefghijk";
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), -EINVAL);
	config.serial = NULL;
	fake.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), -ENOSPC);
	fake.add_result = 0;
	ck_assert_uint_eq(store.destroys, 0);
	ck_assert_uint_eq(store.detaches, 1);

	store.detaches = 0;
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), 0);
	/* One disk, one guest. */
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), -EBUSY);
}
END_TEST

START_TEST(a_disk_can_have_a_loop_of_its_own)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_loop *own;

	ck_assert_int_eq(vmm_loop_create(NULL, &own), 0);
	config.backend = store_open(&info, STORE_AT_ONCE);
	config.loop = own;
	ck_assert_int_eq(vmm_add_block(FAKE_VM, &config, NULL), 0);
	fake_activate(&features);
	offer(VIRTIO_BLK_T_IN, 0, 512);
	fake_kick();
	turn();
	ck_assert_int_eq(fake.dev.interrupts, 0);
	ck_assert_int_eq(vmm_loop_dispatch(own), 1);
	ck_assert_uint_eq(ended(513), VIRTIO_BLK_S_OK);
	fake_finish();
	fake_init(loop);
	ck_assert_int_eq(vmm_loop_destroy(own), 0);
}
END_TEST

#define LOOP(tcase, test, table) \
	tcase_add_loop_test(tcase, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("blk");
	TCase *tcase = tcase_create("virtio-blk");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	LOOP(tcase, features_and_config_space_say_what_the_disk_is_like, offers);
	tcase_add_test(tcase, the_driver_may_write_the_mode_of_the_cache_and_nothing_else);
	tcase_add_test(tcase, a_disk_without_a_cache_has_no_mode_to_write);
	tcase_add_test(tcase, a_short_ring_gets_as_many_segments_as_it_holds);
	tcase_add_test(tcase, a_read_and_a_write_move_sectors);
	tcase_add_test(tcase, flush_goes_to_the_disk);
	tcase_add_test(tcase, get_id_tells_the_serial);
	tcase_add_loop_test(tcase, any_framing_is_the_same_request, 0, 8);
	LOOP(tcase, a_senseless_request_is_answered_and_changes_nothing, senseless);
	tcase_add_test(tcase, a_header_that_is_too_short_is_answered);
	tcase_add_test(tcase, a_read_with_out_data_and_a_write_with_in_data_are_refused);
	tcase_add_test(tcase, a_request_without_a_status_breaks_the_device);
	LOOP(tcase, data_outside_guest_memory_breaks_the_device_and_nothing_else, nowhere);
	tcase_add_test(tcase, data_at_the_edges_of_guest_memory_is_fine);
	tcase_add_test(tcase, a_disk_of_large_blocks_refuses_parts_of_them);
	tcase_add_test(tcase, a_read_only_disk_is_never_written);
	tcase_add_test(tcase, what_the_disk_cannot_do_is_unsupported);
	tcase_add_test(tcase, more_segments_than_the_disk_takes_are_refused);
	tcase_add_loop_test(tcase, ranges_are_done_one_after_the_other, 0, 2);
	LOOP(tcase, a_range_is_checked_before_it_is_done, bad_ranges);
	tcase_add_test(tcase, a_range_has_a_limit_on_a_disk_of_any_size);
	tcase_add_test(tcase, unmap_reaches_the_disk);
	tcase_add_test(tcase, a_driver_that_did_not_negotiate_them_gets_none);
	tcase_add_loop_test(tcase, a_driver_that_cannot_flush_gets_stable_writes, 0, 2);
	tcase_add_test(tcase, a_disk_that_cannot_flush_is_not_asked_to);
	tcase_add_test(tcase, zeroed_ranges_are_stable_too);
	tcase_add_test(tcase, a_driver_that_flushes_gets_fast_writes);
	tcase_add_test(tcase, the_driver_switches_the_cache);
	LOOP(tcase, an_error_of_the_disk_is_an_error_of_the_request, errors);
	tcase_add_loop_test(tcase, a_batch_costs_one_commit_and_one_interrupt, 0, 2);
	tcase_add_test(tcase, answers_come_from_another_thread_while_the_driver_goes_on);
	tcase_add_loop_test(tcase, a_reset_with_requests_in_flight_drains_them, 0, 3);
	tcase_add_test(tcase, a_reset_in_the_middle_of_many_ranges_ends_them);
	tcase_add_loop_test(tcase, a_disk_goes_with_requests_in_flight, 0, 2);
	tcase_add_test(tcase, a_broken_device_answers_nothing_more);
	tcase_add_test(tcase, a_full_ring_goes_on_when_a_request_ends);
	tcase_add_test(tcase, an_idle_disk_gives_back_what_a_burst_needed);
	tcase_add_test(tcase, on_failure_the_backend_stays_the_callers);
	tcase_add_test(tcase, a_disk_can_have_a_loop_of_its_own);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
