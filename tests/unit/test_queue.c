/* SPDX-License-Identifier: MIT */
/* test_queue.c - the virtqueue against honest and hostile drivers. */
#include <check.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "queue_fixture.h"

enum { AVAIL = 0x1000, USED = 0x2000 };

static const struct queue_setup split = {
	.desc = DESC, .driver = AVAIL, .device = USED, .size = QSIZE, .indirect = true,
};

static void setup(void)
{
	fixture_make(&split);
}

/* ---- a driver that writes rings by hand ---- */

static void desc_at(uint32_t table, int i, uint64_t addr, uint32_t len, uint16_t flags,
		    uint16_t next)
{
	struct vring_desc d = { htole64(addr), htole32(len), htole16(flags), htole16(next) };

	memcpy(ram + table + i * sizeof(d), &d, sizeof(d));
}

static void driver_desc(int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc_at(DESC, i, addr, len, flags, next);
}

static void driver_offer(uint16_t head)
{
	uint16_t idx = load16(AVAIL + 2);

	store16(AVAIL + 4 + 2 * (idx % config.size), head);
	store16(AVAIL + 2, idx + 1);
}

static uint16_t used_idx(void)
{
	return load16(USED + 2);
}

static void offer_one(uint16_t head)
{
	driver_desc(head, DATA + 64 * head, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(head);
}

/* ---- honest drivers ---- */

START_TEST(pop_gives_back_the_chain_the_driver_made)
{
	driver_desc(0, DATA, 16, VRING_DESC_F_NEXT, 1);
	driver_desc(1, DATA + 16, 512, VRING_DESC_F_WRITE, 0);
	driver_offer(0);

	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(chain.nr_out, 1);
	ck_assert_uint_eq(chain.nr_in, 1);
	ck_assert_uint_eq(chain.out_len, 16);
	ck_assert_uint_eq(chain.in_len, 512);
	ck_assert_ptr_eq(chain.iov[0].iov_base, ram + DATA);
	ck_assert_ptr_eq(chain.iov[1].iov_base, ram + DATA + 16);
	vmm_queue_push(&queue, &chain, 512);
	ck_assert_uint_eq(used_idx(), 1);
	ck_assert_uint_eq(load32(USED + 4), 0);
	ck_assert_uint_eq(load32(USED + 8), 512);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
}
END_TEST

START_TEST(one_buffer_of_either_kind_is_one_segment)
{
	driver_desc(3, DATA, 100, 0, 0);
	driver_offer(3);
	offer_one(4);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.nr_out == 1 && chain.nr_in == 0);
	ck_assert(chain.out_len == 100 && chain.in_len == 0);
	ck_assert_uint_eq(chain.head, 3);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.nr_out == 0 && chain.nr_in == 1);
	ck_assert(chain.out_len == 0 && chain.in_len == 64);
	ck_assert_uint_eq(chain.iov[0].iov_len, 64);
	ck_assert_ptr_eq(chain.iov[0].iov_base, ram + DATA + 64 * 4);
}
END_TEST

START_TEST(the_ring_goes_round_many_times)
{
	for (uint32_t i = 0; i < 70000; i++) {
		offer_one(i % QSIZE);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
		ck_assert_uint_eq(chain.head, i % QSIZE);
		vmm_queue_push(&queue, &chain, i);
		ck_assert_uint_eq(used_idx(), (uint16_t)(i + 1));
	}
	ck_assert_int_eq(breaks, 0);
}
END_TEST

START_TEST(a_buffer_may_cross_regions)
{
	driver_desc(0, NEXT - 8, 24, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(chain.nr_in, 2);
	ck_assert_uint_eq(chain.in_len, 24);
	ck_assert_ptr_eq(chain.iov[1].iov_base, next_region);
	ck_assert_uint_eq(chain.iov[1].iov_len, 16);
}
END_TEST

START_TEST(an_empty_buffer_adds_nothing)
{
	driver_desc(0, UINT64_MAX, 0, VRING_DESC_F_NEXT, 1);
	driver_desc(1, DATA, 8, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	driver_desc(2, DATA, 0, 0, 0);
	driver_offer(2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.nr_out == 0 && chain.nr_in == 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.nr_out == 0 && chain.nr_in == 0 && chain.out_len == 0);
}
END_TEST

START_TEST(an_indirect_table_of_any_place_and_length_is_followed)
{
	/* Odd address, the largest length, entries out of order. */
	desc_at(TABLE + 1, 0, DATA, 1, VRING_DESC_F_NEXT, 2);
	desc_at(TABLE + 1, 2, DATA + 1, 2, VRING_DESC_F_NEXT, 1);
	desc_at(TABLE + 1, 1, DATA + 3, 4, VRING_DESC_F_WRITE, 0);
	driver_desc(5, TABLE + 1, 16 * 3, VRING_DESC_F_INDIRECT, 0);
	driver_offer(5);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.head == 5 && chain.nr_out == 2 && chain.nr_in == 1);
	ck_assert_ptr_eq(chain.iov[2].iov_base, ram + DATA + 3);

	/* After a direct part, with the write flag that 2.7.5.3.2 says to ignore. */
	driver_desc(0, DATA, 8, VRING_DESC_F_NEXT, 1);
	driver_desc(1, TABLE + 1, 16 * 3, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.nr_out == 3 && chain.nr_in == 1);
}
END_TEST

START_TEST(an_indirect_table_may_cross_regions)
{
	struct vring_desc d = { htole64(DATA), htole32(32), htole16(VRING_DESC_F_WRITE), 0 };

	desc_at(NEXT - 16, 0, DATA, 8, VRING_DESC_F_NEXT, 1);
	memcpy(next_region, &d, sizeof(d));
	driver_desc(0, NEXT - 16, 32, VRING_DESC_F_INDIRECT, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.out_len == 8 && chain.in_len == 32);
}
END_TEST

static uint32_t indirect_of(uint32_t n, uint16_t last_flags)
{
	for (uint32_t i = 0; i < n; i++)
		desc_at(TABLE, i, DATA + i, 1, i + 1 < n ? VRING_DESC_F_NEXT : last_flags, i + 1);
	driver_desc(0, TABLE, 16 * n, VRING_DESC_F_INDIRECT, 0);
	driver_offer(0);
	return n;
}

START_TEST(a_chain_has_up_to_its_most_segments)
{
	indirect_of(VMM_CHAIN_MAX, VRING_DESC_F_WRITE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(chain.nr_out + chain.nr_in, VMM_CHAIN_MAX);
	vmm_queue_push(&queue, &chain, 0);

	indirect_of(VMM_CHAIN_MAX + 1, VRING_DESC_F_WRITE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(segments_of_crossing_buffers_count)
{
	/* All but the last are one segment each; the last is two, one too many. */
	indirect_of(VMM_CHAIN_MAX, 0);
	desc_at(TABLE, VMM_CHAIN_MAX - 1, NEXT - 1, 2, VRING_DESC_F_WRITE, 0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);

	/* The first is two, and the last a plain one. */
	again(&config);
	indirect_of(VMM_CHAIN_MAX, VRING_DESC_F_WRITE);
	desc_at(TABLE, 0, NEXT - 1, 2, VRING_DESC_F_NEXT, 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

/* ---- giving back ---- */

START_TEST(the_written_length_is_cut_to_what_was_offered)
{
	offer_one(2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	/* Whatever became of the caller's copy. */
	chain.in_len = 1 << 20;
	vmm_queue_push(&queue, &chain, UINT32_MAX);
	ck_assert_uint_eq(load32(USED + 8), 64);

	driver_desc(0, DATA, 16, 0, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 16);
	ck_assert_uint_eq(load32(USED + 4 + 8 + 4), 0);
}
END_TEST

START_TEST(chains_are_given_back_in_any_order_by_their_head)
{
	struct vmm_chain other = { .head = 1 };

	offer_one(1);
	offer_one(2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 5);
	other.generation = chain.generation;
	vmm_queue_push(&queue, &other, 6);
	ck_assert_uint_eq(load32(USED + 4), 2);
	ck_assert_uint_eq(load32(USED + 12), 1);
	ck_assert_uint_eq(load32(USED + 16), 6);
}
END_TEST

START_TEST(chains_that_are_given_back_as_one_show_at_once)
{
	struct vmm_used used[4] = { { .head = 0 } };

	for (uint16_t i = 0; i < 3; i++) {
		offer_one(i);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
		used[i] = (struct vmm_used){ i, chain.generation, 10u + i };
	}
	used[2].written = UINT32_MAX;
	used[3] = used[1];	/* twice: does not count */
	vmm_queue_push_all(&queue, used, 4);
	ck_assert_uint_eq(used_idx(), 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(load32(USED + 4 + 8 * i), i);
		ck_assert_uint_eq(load32(USED + 8 + 8 * i), i == 2 ? 64 : 10 + i);
	}
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 1);

	/* Nothing of it counts. */
	vmm_queue_push_all(&queue, used, 4);
	vmm_queue_push_all(&queue, used, 0);
	ck_assert_uint_eq(used_idx(), 3);

	/* All but the last leave the index alone. */
	queue.ring->push(&queue, 4, 64, 1, true);
	ck_assert_uint_eq(used_idx(), 3);
	queue.ring->push(&queue, 5, 64, 1, false);
	ck_assert_uint_eq(used_idx(), 5);
}
END_TEST

START_TEST(what_is_not_in_flight_is_not_given_back)
{
	struct vmm_chain wrong = { .head = 3 };

	vmm_queue_push(&queue, &wrong, 1);
	wrong.head = QSIZE;
	vmm_queue_push(&queue, &wrong, 1);
	wrong.head = UINT16_MAX;
	vmm_queue_push(&queue, &wrong, 1);
	ck_assert_uint_eq(used_idx(), 0);

	offer_one(3);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 1);
	vmm_queue_push(&queue, &chain, 1);
	ck_assert_uint_eq(used_idx(), 1);
}
END_TEST

START_TEST(a_late_push_after_a_reset_does_nothing)
{
	struct vmm_chain late;

	offer_one(3);
	ck_assert_int_eq(vmm_queue_pop(&queue, &late), 1);
	vmm__queue_down(&queue);
	vmm_queue_push(&queue, &late, 1);
	vmm_queue_notify(&queue);
	ck_assert_uint_eq(used_idx(), 0);

	/* The same head is in flight again, for somebody else. */
	again(&config);
	offer_one(3);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &late, 1);
	ck_assert_uint_eq(used_idx(), 0);
	vmm_queue_push(&queue, &chain, 1);
	ck_assert_uint_eq(used_idx(), 1);
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

START_TEST(generations_come_round_without_the_one_that_means_unknown)
{
	for (int i = 0; i < 65540; i++) {
		vmm__queue_down(&queue);
		ck_assert_int_eq(vmm__queue_up(&queue, &config), 0);
		ck_assert_uint_ne(queue.generation, 0);
	}
}
END_TEST

START_TEST(unpop_makes_the_next_pop_return_it_again)
{
	offer_one(1);
	offer_one(2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_unpop(&queue);
	vmm_queue_push(&queue, &chain, 0);	/* no longer in flight */
	ck_assert_uint_eq(used_idx(), 0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(chain.head, 2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	vmm_queue_unpop(&queue);
	/* Once only, and not after a push. */
	vmm_queue_unpop(&queue);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 0);
	vmm_queue_unpop(&queue);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
}
END_TEST

/* ---- lies: each row must stop the queue ---- */

static const struct {
	const char *name;
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next, head;
} lies[] = {
	{ "head outside the table",	DATA,		16, 0, 0, QSIZE },
	{ "head far outside",		DATA,		16, 0, 0, UINT16_MAX },
	{ "chain that loops",		DATA,		16, VRING_DESC_F_NEXT, 0, 0 },
	{ "empty chain that loops",	DATA,		0, VRING_DESC_F_NEXT, 0, 0 },
	{ "next outside the table",	DATA,		16, VRING_DESC_F_NEXT, QSIZE, 0 },
	{ "buffer past the end",	NEXT_END - 8,	16, 0, 0, 0 },
	{ "one byte past the end",	NEXT_END - 15,	16, 0, 0, 0 },
	{ "write past the end",		NEXT_END - 15,	16, VRING_DESC_F_WRITE, 0, 0 },
	{ "buffer in the hole",		NEXT_END,	1, 0, 0, 0 },
	{ "buffer below read-only",	ROM - 1,	2, 0, 0, 0 },
	{ "buffer past read-only",	ROM_END - 1,	2, 0, 0, 0 },
	{ "address that wraps",		UINT64_MAX - 7,	16, 0, 0, 0 },
	{ "wraps to the start",		UINT64_MAX,	2, 0, 0, 0 },
	{ "all of 4 GiB",		0,		UINT32_MAX, 0, 0, 0 },
	{ "a device's registers",	0xfee00000,	4, VRING_DESC_F_WRITE, 0, 0 },
	{ "write to read-only",		ROM,		16, VRING_DESC_F_WRITE, 0, 0 },
	{ "empty indirect table",	DATA,		0, VRING_DESC_F_INDIRECT, 0, 0 },
	{ "ragged indirect table",	DATA,		17, VRING_DESC_F_INDIRECT, 0, 0 },
	{ "indirect with next",		TABLE,		16,
	  VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1, 0 },
	{ "huge indirect table",	DATA,		1u << 30, VRING_DESC_F_INDIRECT, 0, 0 },
	{ "a table of 2^16",		DESC,		1u << 20, VRING_DESC_F_INDIRECT, 0, 0 },
	{ "table outside memory",	NEXT_END,	16, VRING_DESC_F_INDIRECT, 0, 0 },
	{ "table that wraps",		UINT64_MAX - 8,	32, VRING_DESC_F_INDIRECT, 0, 0 },
	{ "indirect inside indirect",	DESC,		16, VRING_DESC_F_INDIRECT, 0, 0 },
};

/* Each lie alone, and as the second chain of a busy ring. */
START_TEST(a_lying_driver_stops_its_queue)
{
	const int nr_lies = sizeof(lies) / sizeof(lies[0]);
	struct vmm_chain held = { .head = 5 };
	bool busy = _i >= nr_lies;
	uint64_t addr = lies[_i % nr_lies].addr;

	_i %= nr_lies;
	/* In the same region, for what looks there first. */
	driver_desc(5, addr >= ROM && addr < ROM_END ? ROM :
		       addr >= NEXT && addr < NEXT_END ? NEXT : DATA, 16, 0, 0);
	if (busy)
		driver_offer(5);
	driver_desc(0, lies[_i].addr, lies[_i].len, lies[_i].flags, lies[_i].next);
	driver_offer(lies[_i].head);

	if (busy)
		ck_assert_int_eq(vmm_queue_pop(&queue, &held), 1);
	ck_assert_msg(vmm_queue_pop(&queue, &chain) == -EBADMSG, "%s", lies[_i].name);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
	ck_assert_str_ne(vmm_last_error(), "");
	ck_assert_str_ne(broken_why, "");
	ck_assert_int_eq(breaks, 1);
	vmm_queue_unpop(&queue);
	vmm_queue_push(&queue, &(struct vmm_chain){ .head = lies[_i].head }, 1);
	vmm_queue_push(&queue, &held, 1);
	vmm_queue_notify(&queue);
	ck_assert_uint_eq(used_idx(), 0);
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

START_TEST(a_readable_buffer_may_not_follow_a_writable_one)
{
	driver_desc(0, DATA, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	driver_desc(1, DATA, 16, 0, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(the_lengths_of_a_chain_stay_below_2_to_the_32)
{
	/* The region is made to look as large as that; nothing is touched. */
	mem.regions[0].size = 1ull << 40;
	mem.nr_regions = 1;
	driver_desc(0, DATA, UINT32_MAX - 1, VRING_DESC_F_NEXT, 1);
	driver_desc(1, DATA, 1, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 0);

	driver_desc(1, DATA, 2, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(a_table_within_its_limit_but_past_memory_is_refused)
{
	/* 65535 entries are allowed; these reach out of guest memory. */
	driver_desc(0, DATA, 16 * 65535, VRING_DESC_F_INDIRECT, 0);
	desc_at(DATA, 0, DATA, 1, VRING_DESC_F_NEXT, 65534);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(an_indirect_table_must_have_been_negotiated)
{
	config.indirect = false;
	again(&config);
	indirect_of(1, 0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

static void use_all(void)
{
	for (uint16_t i = 0; i < QSIZE; i++) {
		offer_one(i);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
		vmm_queue_push(&queue, &chain, 0);
	}
}

START_TEST(the_available_index_may_not_run_ahead)
{
	use_all();
	store16(AVAIL + 2, QSIZE + QSIZE + 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(the_available_index_may_not_go_back)
{
	use_all();
	store16(AVAIL + 2, QSIZE - 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(a_chain_in_flight_may_not_be_offered_again)
{
	offer_one(4);
	driver_offer(4);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(what_was_copied_does_not_change_with_guest_memory)
{
	driver_desc(0, DATA, 16, VRING_DESC_F_NEXT, 1);
	driver_desc(1, DATA + 16, 512, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	memset(ram + DESC, 0xff, 0x1000);
	memset(ram + USED, 0xff, 0x1000);
	ck_assert(chain.out_len == 16 && chain.iov[1].iov_len == 512);
	vmm_queue_push(&queue, &chain, 100000);
	ck_assert_uint_eq(load32(USED + 8), 512);
	ck_assert_uint_eq(used_idx(), 1);
}
END_TEST

/* ---- going up ---- */

static const struct {
	const char *name;
	struct queue_setup setup;
	int result;
} setups[] = {
	{ "as it should be",	{ DESC, AVAIL, USED, QSIZE, true, true, false }, 0 },
	{ "the largest",	{ DESC, 0x10000, 0x20000, MAX, true, true, false }, 0 },
	{ "one entry",		{ DESC, AVAIL, USED, 1, true, true, false }, 0 },
	{ "to the last byte",	{ DESC, AVAIL, RAM - 72, QSIZE, true, true, false }, 0 },
	{ "descriptors read-only",	{ ROM, AVAIL, USED, QSIZE, true, true, false }, 0 },
	{ "no entries",		{ DESC, AVAIL, USED, 0, true, true, false }, -EINVAL },
	{ "no power of two",	{ DESC, AVAIL, USED, 7, true, true, false }, -EINVAL },
	{ "too large",		{ DESC, AVAIL, USED, 2 * MAX, true, true, false }, -EINVAL },
	{ "far too large",	{ DESC, AVAIL, USED, 1u << 31, true, true, false }, -EINVAL },
	{ "table ragged",	{ DESC + 8, AVAIL, USED, QSIZE, true, true, false }, -EFAULT },
	{ "driver part ragged",	{ DESC, AVAIL + 1, USED, QSIZE, true, true, false }, -EFAULT },
	{ "device part ragged",	{ DESC, AVAIL, USED + 2, QSIZE, true, true, false }, -EFAULT },
	{ "table across regions",	{ NEXT - 16, AVAIL, USED, QSIZE, true, true, false }, -EFAULT },
	{ "driver part across",	{ DESC, NEXT - 8, USED, QSIZE, true, true, false }, -EFAULT },
	{ "event past the end",	{ DESC, AVAIL, NEXT_END - 68, QSIZE, true, true, false }, -EFAULT },
	{ "device part read-only",	{ DESC, AVAIL, ROM, QSIZE, true, true, false }, -EFAULT },
	{ "table nowhere",	{ 1ull << 40, AVAIL, USED, QSIZE, true, true, false }, -EFAULT },
	{ "driver part nowhere",	{ DESC, 1ull << 40, USED, QSIZE, true, true, false }, -EFAULT },
	{ "device part nowhere",	{ DESC, AVAIL, 0xfee00000, QSIZE, true, true, false }, -EFAULT },
	{ "wraps",		{ 0ull - 16, AVAIL, USED, QSIZE, true, true, false }, -EFAULT },
};

START_TEST(a_ring_is_checked_when_the_queue_goes_up)
{
	unsigned char before[64];

	vmm__queue_down(&queue);
	memset(rom, 0x5a, 0x1000);
	memcpy(before, rom, sizeof(before));
	ck_assert_msg(vmm__queue_up(&queue, &setups[_i].setup) == setups[_i].result, "%s",
		      setups[_i].name);
	ck_assert_mem_eq(rom, before, sizeof(before));
	if (setups[_i].result < 0)
		ck_assert_str_ne(vmm_last_error(), "");
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

START_TEST(a_queue_that_is_down_is_quiet)
{
	offer_one(1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 0);	/* and not notified of */
	offer_one(0);
	vmm__queue_down(&queue);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	vmm_queue_unpop(&queue);
	vmm_queue_push(&queue, &(struct vmm_chain){ .head = 0 }, 1);
	vmm_queue_notify(&queue);
	ck_assert_uint_eq(used_idx(), 1);
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

START_TEST(a_paused_queue_gives_back_but_takes_nothing)
{
	offer_one(0);
	offer_one(1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm__queue_set_state(&queue, QUEUE_PAUSED);
	vmm_queue_push(&queue, &chain, 1);
	ck_assert_uint_eq(used_idx(), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	vmm__queue_set_state(&queue, QUEUE_UP);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(chain.head, 1);
}
END_TEST

START_TEST(a_chain_that_is_kept_is_held_until_it_is_given_back)
{
	uint16_t generation;

	offer_one(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	generation = chain.generation;
	ck_assert_int_eq(vmm_queue_holds(&queue, chain.head, generation), 1);
	ck_assert_int_eq(vmm_queue_holds(&queue, 1, generation), -ESTALE);
	ck_assert_int_eq(vmm_queue_holds(&queue, 65535, generation), -ESTALE);
	ck_assert_int_eq(vmm_queue_holds(&queue, chain.head, (uint16_t)(generation + 1)), -ESTALE);
	vmm__queue_set_state(&queue, QUEUE_PAUSED);
	ck_assert_int_eq(vmm_queue_holds(&queue, chain.head, generation), -EAGAIN);
	vmm__queue_set_state(&queue, QUEUE_UP);
	vmm_queue_push(&queue, &chain, 0);
	ck_assert_int_eq(vmm_queue_holds(&queue, chain.head, generation), -ESTALE);

	offer_one(1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm__queue_set_state(&queue, QUEUE_BROKEN);
	ck_assert_int_eq(vmm_queue_holds(&queue, chain.head, generation), -ESTALE);
	vmm__queue_down(&queue);
	ck_assert_int_eq(vmm_queue_holds(&queue, chain.head, generation), -ESTALE);
}
END_TEST

/* ---- budget ---- */

START_TEST(a_budget_ends_a_turn_and_says_so)
{
	vmm__queue_set_budget(&queue, 3);
	for (uint16_t i = 0; i < 5; i++)
		offer_one(i);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(!queue.cut);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert(queue.cut);
	/* The driver is not asked to notify: the turn goes on by itself. */
	ck_assert_uint_eq(load16(USED), VRING_USED_F_NO_NOTIFY);

	vmm__queue_set_budget(&queue, 3);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert(!queue.cut);
	ck_assert_uint_eq(load16(USED), 0);
}
END_TEST

START_TEST(a_budget_counts_from_when_it_is_set)
{
	for (uint16_t i = 0; i < 6; i++)
		offer_one(i);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);	/* five more are known of */
	vmm__queue_set_budget(&queue, 2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert(queue.cut);
}
END_TEST

START_TEST(a_driver_that_refills_does_not_outlast_the_budget)
{
	int popped = 0;

	vmm__queue_set_budget(&queue, QUEUE_BUDGET);
	offer_one(0);
	while (vmm_queue_pop(&queue, &chain) > 0) {
		popped++;
		vmm_queue_push(&queue, &chain, 0);
		offer_one(0);
	}
	ck_assert_int_eq(popped, QUEUE_BUDGET);
	ck_assert(queue.cut);
}
END_TEST

/* ---- notifications, both ways ---- */

START_TEST(the_driver_is_not_asked_to_notify_while_we_pop)
{
	/* What lies there from before is wiped when the queue goes up. */
	store16(USED, VRING_USED_F_NO_NOTIFY);
	vmm__queue_down(&queue);
	ck_assert_int_eq(vmm__queue_up(&queue, &config), 0);
	ck_assert_uint_eq(load16(USED), 0);
	offer_one(0);
	offer_one(1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(load16(USED), VRING_USED_F_NO_NOTIFY);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(load16(USED), VRING_USED_F_NO_NOTIFY);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert_uint_eq(load16(USED), 0);
}
END_TEST

START_TEST(the_event_index_asks_for_the_next_chain_once_the_ring_is_empty)
{
	const uint32_t avail_event = USED + 4 + 8 * QSIZE;

	config.event_idx = true;
	again(&config);
	offer_one(0);
	offer_one(1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(load16(avail_event), 0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert_uint_eq(load16(avail_event), 2);
	/* 2.7.10: with event indices the flags stay 0. */
	ck_assert_uint_eq(load16(USED), 0);
}
END_TEST

START_TEST(an_interrupt_comes_once_for_what_was_pushed)
{
	offer_one(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 0);
	vmm_queue_push(&queue, &chain, 0);
	vmm_queue_notify(&queue);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 1);

	store16(AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	offer_one(1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	vmm_queue_push(&queue, &chain, 0);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 1);
}
END_TEST

START_TEST(the_used_event_says_when_to_interrupt)
{
	const uint32_t used_event = AVAIL + 4 + 2 * QSIZE;

	config.event_idx = true;
	again(&config);
	store16(AVAIL, VRING_AVAIL_F_NO_INTERRUPT);	/* ignored: 2.7.7.2 */
	store16(used_event, 2);				/* at the third */
	for (uint16_t i = 0; i < 5; i++) {
		offer_one(i);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
		vmm_queue_push(&queue, &chain, 0);
		vmm_queue_notify(&queue);
		ck_assert_int_eq(interrupts, i >= 2);
	}
	/* Passed within one batch. */
	store16(used_event, 6);
	for (uint16_t i = 5; i < 8; i++) {
		offer_one(i);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
		vmm_queue_push(&queue, &chain, 0);
	}
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 2);
}
END_TEST

/* ---- looking into chains ---- */

START_TEST(bytes_are_copied_across_segments_and_cut_at_the_end)
{
	unsigned char bytes[64];

	memcpy(ram + DATA, "abcdefghij", 10);
	driver_desc(0, DATA, 3, VRING_DESC_F_NEXT, 1);
	driver_desc(1, DATA + 5, 4, VRING_DESC_F_NEXT, 2);
	driver_desc(2, DATA + 100, 2, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	driver_desc(3, DATA + 200, 3, VRING_DESC_F_WRITE, 0);
	driver_offer(0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);

	ck_assert_uint_eq(vmm_chain_read(&chain, 0, bytes, sizeof(bytes)), 7);
	ck_assert_mem_eq(bytes, "abcfghi", 7);
	ck_assert_uint_eq(vmm_chain_read(&chain, 2, bytes, 2), 2);
	ck_assert_mem_eq(bytes, "cf", 2);
	ck_assert_uint_eq(vmm_chain_read(&chain, 7, bytes, 1), 0);
	ck_assert_uint_eq(vmm_chain_read(&chain, SIZE_MAX, bytes, 1), 0);
	ck_assert_uint_eq(vmm_chain_write(&chain, 1, "123456", 6), 4);
	ck_assert_int_eq(ram[DATA + 100], 0);
	ck_assert_int_eq(ram[DATA + 101], '1');
	ck_assert_mem_eq(ram + DATA + 200, "234", 3);
	ck_assert_int_eq(ram[DATA + 203], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("split");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, fixture_unmake);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, pop_gives_back_the_chain_the_driver_made);
	tcase_add_test(tcase, one_buffer_of_either_kind_is_one_segment);
	tcase_add_test(tcase, the_ring_goes_round_many_times);
	tcase_add_test(tcase, a_buffer_may_cross_regions);
	tcase_add_test(tcase, an_empty_buffer_adds_nothing);
	tcase_add_test(tcase, an_indirect_table_of_any_place_and_length_is_followed);
	tcase_add_test(tcase, an_indirect_table_may_cross_regions);
	tcase_add_test(tcase, a_chain_has_up_to_its_most_segments);
	tcase_add_test(tcase, segments_of_crossing_buffers_count);
	tcase_add_test(tcase, the_written_length_is_cut_to_what_was_offered);
	tcase_add_test(tcase, chains_are_given_back_in_any_order_by_their_head);
	tcase_add_test(tcase, chains_that_are_given_back_as_one_show_at_once);
	tcase_add_test(tcase, what_is_not_in_flight_is_not_given_back);
	tcase_add_test(tcase, a_late_push_after_a_reset_does_nothing);
	tcase_add_test(tcase, generations_come_round_without_the_one_that_means_unknown);
	tcase_add_test(tcase, unpop_makes_the_next_pop_return_it_again);
	tcase_add_loop_test(tcase, a_lying_driver_stops_its_queue, 0,
			    2 * (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(tcase, a_readable_buffer_may_not_follow_a_writable_one);
	tcase_add_test(tcase, the_lengths_of_a_chain_stay_below_2_to_the_32);
	tcase_add_test(tcase, a_table_within_its_limit_but_past_memory_is_refused);
	tcase_add_test(tcase, an_indirect_table_must_have_been_negotiated);
	tcase_add_test(tcase, the_available_index_may_not_run_ahead);
	tcase_add_test(tcase, the_available_index_may_not_go_back);
	tcase_add_test(tcase, a_chain_in_flight_may_not_be_offered_again);
	tcase_add_test(tcase, what_was_copied_does_not_change_with_guest_memory);
	tcase_add_loop_test(tcase, a_ring_is_checked_when_the_queue_goes_up, 0,
			    (int)(sizeof(setups) / sizeof(setups[0])));
	tcase_add_test(tcase, a_queue_that_is_down_is_quiet);
	tcase_add_test(tcase, a_paused_queue_gives_back_but_takes_nothing);
	tcase_add_test(tcase, a_chain_that_is_kept_is_held_until_it_is_given_back);
	tcase_add_test(tcase, a_budget_ends_a_turn_and_says_so);
	tcase_add_test(tcase, a_budget_counts_from_when_it_is_set);
	tcase_add_test(tcase, a_driver_that_refills_does_not_outlast_the_budget);
	tcase_add_test(tcase, the_driver_is_not_asked_to_notify_while_we_pop);
	tcase_add_test(tcase, the_event_index_asks_for_the_next_chain_once_the_ring_is_empty);
	tcase_add_test(tcase, an_interrupt_comes_once_for_what_was_pushed);
	tcase_add_test(tcase, the_used_event_says_when_to_interrupt);
	tcase_add_test(tcase, bytes_are_copied_across_segments_and_cut_at_the_end);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
