/* SPDX-License-Identifier: MIT */
/* test_packed.c - the packed ring against honest and hostile drivers (VIRTIO 1.2, 2.8). */
#include <errno.h>

#include "queue_fixture.h"

enum {
	DRIVER = 0x1000, DEVICE = 0x2000,	/* the event structures */
	F_AVAIL = 1 << 7, F_USED = 1 << 15,
	F_NEXT = VRING_DESC_F_NEXT, F_WRITE = VRING_DESC_F_WRITE,
	F_INDIRECT = VRING_DESC_F_INDIRECT,
	ENABLE = 0, DISABLE = 1, AT_DESC = 2,
};

/* ---- a driver that writes its ring by hand ---- */

static struct {
	uint32_t next, seen;		/* places: of the next descriptor to offer, of the next used */
	bool wrap, seen_wrap;
} driver;

static void setup(void)
{
	const struct queue_setup packed = {
		.desc = DESC, .driver = DRIVER, .device = DEVICE, .size = QSIZE,
		.indirect = true, .packed = true,
	};

	fixture_make(&packed);
	driver.next = driver.seen = 0;
	driver.wrap = driver.seen_wrap = true;
}

static void restart(const struct queue_setup *with)
{
	again(with);
	driver.next = driver.seen = 0;
	driver.wrap = driver.seen_wrap = true;
}

static void desc_at(uint32_t at, uint64_t addr, uint32_t len, uint16_t id, uint32_t flags)
{
	struct vring_packed_desc d = {
		htole64(addr), htole32(len), htole16(id), htole16((uint16_t)flags),
	};

	memcpy(ram + at, &d, sizeof(d));
}

/* The next descriptor, available. */
static void offer(uint64_t addr, uint32_t len, uint16_t id, uint32_t flags)
{
	desc_at(DESC + 16 * driver.next, addr, len, id, flags | (driver.wrap ? F_AVAIL : F_USED));
	if (++driver.next == config.size) {
		driver.next = 0;
		driver.wrap = !driver.wrap;
	}
}

static void offer_one(uint16_t id)
{
	offer(DATA + 64u * id, 64, id, F_WRITE);
}

/* The next used descriptor of a chain that had @n. False: there is none. */
static bool take_used(uint32_t n, uint16_t *ret_id, uint32_t *ret_len, bool *ret_written)
{
	uint32_t at = DESC + 16 * driver.seen;
	uint16_t flags = load16(at + 14);
	bool avail = flags & F_AVAIL, used = flags & F_USED;

	if (avail != used || used != driver.seen_wrap)
		return false;
	*ret_len = load32(at + 8);
	*ret_id = load16(at + 12);
	*ret_written = flags & F_WRITE;
	driver.seen += n;
	if (driver.seen >= config.size) {
		driver.seen -= config.size;
		driver.seen_wrap = !driver.seen_wrap;
	}
	return true;
}

static void expect_used(uint32_t n, uint16_t id, uint32_t len)
{
	uint16_t got_id = 0;
	uint32_t got_len = 0;
	bool written = false;

	ck_assert(take_used(n, &got_id, &got_len, &written));
	ck_assert_uint_eq(got_id, id);
	ck_assert_uint_eq(got_len, len);
	ck_assert_int_eq(written, len > 0);
}

static void expect_none_used(void)
{
	uint16_t id;
	uint32_t len;
	bool written;

	ck_assert(!take_used(1, &id, &len, &written));
}

static void pop_one(uint16_t id)
{
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert_uint_eq(chain.head, id);
}

static uint16_t device_flags(void)
{
	return load16(DEVICE + 2);
}

/* ---- honest drivers ---- */

START_TEST(pop_gives_back_the_chain_the_driver_made)
{
	offer(DATA, 16, 0, F_NEXT);
	offer(DATA + 16, 512, 3, F_WRITE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 1);
	ck_assert(chain.nr_out == 1 && chain.nr_in == 1);
	ck_assert(chain.out_len == 16 && chain.in_len == 512);
	ck_assert_ptr_eq(chain.iov[0].iov_base, ram + DATA);
	ck_assert_ptr_eq(chain.iov[1].iov_base, ram + DATA + 16);
	ck_assert_uint_eq(chain.head, 3);	/* 2.8.6: the id is that of the last */
	expect_none_used();
	vmm_queue_push(&queue, &chain, 512);
	expect_used(2, 3, 512);
	expect_none_used();
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
}
END_TEST

START_TEST(one_buffer_of_either_kind_is_one_segment)
{
	/* The first takes the long way, the others the short one. */
	for (uint16_t i = 0; i < 4; i += 2) {
		offer(DATA, 100, i, 0);
		offer_one(i + 1);
	}
	for (uint16_t i = 0; i < 4; i += 2) {
		pop_one(i);
		ck_assert(chain.nr_out == 1 && chain.nr_in == 0);
		ck_assert(chain.out_len == 100 && chain.in_len == 0);
		pop_one(i + 1);
		ck_assert(chain.nr_out == 0 && chain.nr_in == 1);
		ck_assert(chain.out_len == 0 && chain.in_len == 64);
		ck_assert_ptr_eq(chain.iov[0].iov_base, ram + DATA + 64 * (i + 1));
	}
}
END_TEST

/* Of every size, also one that is no power of two. */
START_TEST(the_ring_goes_round_many_times)
{
	config.size = (uint32_t)_i;
	restart(&config);
	for (uint32_t i = 0; i < 3000; i++) {
		uint16_t id = (uint16_t)(i * 7 % config.size);

		offer_one(id);
		pop_one(id);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
		vmm_queue_push(&queue, &chain, 1 + i % 64);
		expect_used(1, id, 1 + i % 64);
	}
	ck_assert_int_eq(breaks, 0);
}
END_TEST

START_TEST(a_full_ring_goes_round_in_chains_of_three)
{
	config.size = 7;
	restart(&config);
	for (uint32_t round = 0; round < 1000; round++) {
		struct vmm_chain first, second;

		for (uint16_t i = 0; i < 2; i++) {
			offer(DATA, 16, 6, F_NEXT);
			offer(DATA + 16, 512, 6, F_NEXT | F_WRITE);
			offer(DATA + 600, 1, i, F_WRITE);
		}
		ck_assert_int_eq(vmm_queue_pop(&queue, &first), 1);
		ck_assert_int_eq(vmm_queue_pop(&queue, &second), 1);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
		ck_assert(second.nr_out == 1 && second.nr_in == 2 && second.in_len == 513);
		/* In either order. */
		vmm_queue_push(&queue, round & 1 ? &first : &second, 7);
		vmm_queue_push(&queue, round & 1 ? &second : &first, 8);
		expect_used(3, !(round & 1), 7);
		expect_used(3, round & 1, 8);
	}
}
END_TEST

START_TEST(a_buffer_may_cross_regions)
{
	offer(NEXT - 8, 24, 0, F_WRITE);
	pop_one(0);
	ck_assert(chain.nr_in == 2 && chain.in_len == 24);
	ck_assert_ptr_eq(chain.iov[1].iov_base, next_region);
	ck_assert_uint_eq(chain.iov[1].iov_len, 16);
}
END_TEST

START_TEST(an_empty_buffer_adds_nothing)
{
	offer(UINT64_MAX, 0, 0, F_NEXT);
	offer(DATA, 8, 1, F_WRITE);
	offer(DATA, 0, 2, 0);
	pop_one(1);
	ck_assert(chain.nr_out == 0 && chain.nr_in == 1);
	pop_one(2);
	ck_assert(chain.nr_out == 0 && chain.nr_in == 0 && chain.out_len == 0);
}
END_TEST

START_TEST(an_indirect_table_is_read_from_end_to_end)
{
	/* At an odd place. 2.8.7: ids and all flags but the one are ignored in it. */
	desc_at(TABLE + 1, DATA, 1, 0xffff, F_AVAIL);
	desc_at(TABLE + 17, DATA + 1, 2, 0xffff, F_NEXT | F_INDIRECT | F_USED);
	desc_at(TABLE + 33, DATA + 3, 4, 0, F_WRITE);
	/* And here the write flag. */
	offer(TABLE + 1, 48, 5, F_INDIRECT | F_WRITE);
	offer_one(2);
	pop_one(5);
	ck_assert(chain.nr_out == 2 && chain.nr_in == 1);
	ck_assert(chain.out_len == 3 && chain.in_len == 4);
	ck_assert_ptr_eq(chain.iov[2].iov_base, ram + DATA + 3);
	vmm_queue_push(&queue, &chain, 2);
	expect_used(1, 5, 2);
	pop_one(2);
}
END_TEST

START_TEST(an_indirect_table_may_cross_regions)
{
	struct vring_packed_desc d = { htole64(DATA), htole32(32), 0, htole16(F_WRITE) };

	desc_at(NEXT - 16, DATA, 8, 0, 0);
	memcpy(next_region, &d, sizeof(d));
	offer(NEXT - 16, 32, 0, F_INDIRECT);
	pop_one(0);
	ck_assert(chain.out_len == 8 && chain.in_len == 32);
}
END_TEST

static void indirect_of(uint32_t n, uint32_t last_flags)
{
	for (uint32_t i = 0; i < n; i++)
		desc_at(TABLE + 16 * i, DATA + i, 1, 0, i + 1 < n ? 0 : last_flags);
	offer(TABLE, 16 * n, 0, F_INDIRECT);
}

START_TEST(a_chain_has_up_to_its_most_segments)
{
	indirect_of(VMM_CHAIN_MAX, F_WRITE);
	pop_one(0);
	ck_assert_uint_eq(chain.nr_out + chain.nr_in, VMM_CHAIN_MAX);
	vmm_queue_push(&queue, &chain, 0);

	indirect_of(VMM_CHAIN_MAX + 1, F_WRITE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(a_direct_chain_has_up_to_its_most_segments)
{
	config.size = MAX;
	for (uint32_t n = VMM_CHAIN_MAX; n <= VMM_CHAIN_MAX + 1; n++) {
		restart(&config);
		for (uint32_t i = 0; i < n; i++)
			offer(DATA + i, i & 1, 9, i + 1 < n ? F_NEXT : F_WRITE);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain),
				 n == VMM_CHAIN_MAX ? 1 : -EBADMSG);
	}
}
END_TEST

START_TEST(a_table_of_nothing_is_short_too)
{
	/* Empty buffers are no segments, and yet are counted. */
	for (uint32_t n = VMM_CHAIN_MAX; n <= VMM_CHAIN_MAX + 1; n++) {
		restart(&config);
		for (uint32_t i = 0; i < n; i++)
			desc_at(TABLE + 16 * i, 0, 0, 0, 0);
		offer(TABLE, 16 * n, 0, F_INDIRECT);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain),
				 n == VMM_CHAIN_MAX ? 1 : -EBADMSG);
	}
}
END_TEST

/* ---- giving back ---- */

START_TEST(the_written_length_is_cut_to_what_was_offered)
{
	offer_one(2);
	pop_one(2);
	chain.in_len = 1 << 20;		/* whatever became of the caller's copy */
	vmm_queue_push(&queue, &chain, UINT32_MAX);
	expect_used(1, 2, 64);

	offer(DATA, 16, 0, 0);
	pop_one(0);
	vmm_queue_push(&queue, &chain, 16);
	expect_used(1, 0, 0);
}
END_TEST

START_TEST(chains_are_given_back_in_any_order_by_their_head)
{
	struct vmm_chain other = { .head = 1 };

	offer_one(1);
	offer(DATA, 8, 2, F_NEXT);
	offer(DATA, 8, 2, F_WRITE);
	pop_one(1);
	pop_one(2);
	vmm_queue_push(&queue, &chain, 5);
	other.generation = chain.generation;
	vmm_queue_push(&queue, &other, 6);
	expect_used(2, 2, 5);
	expect_used(1, 1, 6);
}
END_TEST

START_TEST(chains_that_are_given_back_as_one_show_first_with_the_first)
{
	struct vmm_used used[5];

	/* Over the end of the ring. */
	for (uint16_t i = 0; i < 6; i++) {
		offer_one(i);
		pop_one(i);
		vmm_queue_push(&queue, &chain, 1);
		expect_used(1, i, 1);
	}
	for (uint16_t i = 0; i < 4; i++) {
		offer_one(i);
		pop_one(i);
		used[i] = (struct vmm_used){ i, chain.generation, 10u + i };
	}
	used[4] = used[1];	/* twice: does not count */
	vmm_queue_push_all(&queue, used, 5);
	for (uint16_t i = 0; i < 4; i++)
		expect_used(1, i, 10u + i);
	expect_none_used();
	ck_assert_ptr_null(queue.packed.held);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 1);
	vmm_queue_push_all(&queue, used, 5);
	vmm_queue_push_all(&queue, used, 0);
	expect_none_used();
}
END_TEST

START_TEST(of_chains_given_back_as_one_the_first_is_written_last)
{
	uint64_t flight;

	for (uint16_t i = 0; i < 3; i++) {
		offer_one(i);
		pop_one(i);
		flight = queue.in_flight[i];
		queue.ring->push(&queue, i, flight, 10u + i, i < 2);
		if (i < 2)
			expect_none_used();
	}
	for (uint16_t i = 0; i < 3; i++)
		expect_used(1, i, 10u + i);
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
	expect_none_used();

	offer_one(3);
	pop_one(3);
	vmm_queue_push(&queue, &chain, 1);
	vmm_queue_push(&queue, &chain, 1);
	expect_used(1, 3, 1);
	expect_none_used();
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
	expect_none_used();

	/* The same id is in flight again, for somebody else. */
	restart(&config);
	offer_one(3);
	pop_one(3);
	vmm_queue_push(&queue, &late, 1);
	expect_none_used();
	vmm_queue_push(&queue, &chain, 1);
	expect_used(1, 3, 1);
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

/* Also back over the end of the ring, and for a chain of several. */
START_TEST(unpop_makes_the_next_pop_return_it_again)
{
	for (uint16_t round = 0; round < 100; round++) {
		offer_one(1);
		offer(DATA, 8, 0, F_NEXT);
		offer(DATA, 8, 2, F_WRITE);
		pop_one(1);
		pop_one(2);
		vmm_queue_unpop(&queue);
		vmm_queue_push(&queue, &chain, 1);	/* no longer in flight */
		expect_none_used();
		pop_one(2);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
		vmm_queue_unpop(&queue);
		/* Once only, and not after a push. */
		vmm_queue_unpop(&queue);
		pop_one(2);
		vmm_queue_push(&queue, &chain, 0);
		vmm_queue_unpop(&queue);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
		chain.head = 1;
		vmm_queue_push(&queue, &chain, 0);
		expect_used(2, 2, 0);
		expect_used(1, 1, 0);
	}
}
END_TEST

/* ---- lies: each row must stop the queue ---- */

static const struct {
	const char *name;
	uint64_t addr;
	uint32_t len;
	uint32_t flags;
	uint16_t id;
} lies[] = {
	{ "id past the ring",		DATA,		16, 0, QSIZE },
	{ "id far past the ring",	DATA,		16, 0, UINT16_MAX },
	{ "buffer past the end",	NEXT_END - 8,	16, 0, 0 },
	{ "one byte past the end",	NEXT_END - 15,	16, 0, 0 },
	{ "write past the end",		NEXT_END - 15,	16, F_WRITE, 0 },
	{ "buffer in the hole",		NEXT_END,	1, 0, 0 },
	{ "buffer below read-only",	ROM - 1,	2, 0, 0 },
	{ "buffer past read-only",	ROM_END - 1,	2, 0, 0 },
	{ "address that wraps",		UINT64_MAX - 7,	16, 0, 0 },
	{ "wraps to the start",		UINT64_MAX,	2, 0, 0 },
	{ "all of 4 GiB",		0,		UINT32_MAX, 0, 0 },
	{ "a device's registers",	0xfee00000,	4, F_WRITE, 0 },
	{ "write to read-only",		ROM,		16, F_WRITE, 0 },
	{ "empty indirect table",	DATA,		0, F_INDIRECT, 0 },
	{ "ragged indirect table",	DATA,		17, F_INDIRECT, 0 },
	{ "indirect with next",		TABLE,		16, F_INDIRECT | F_NEXT, 0 },
	{ "huge indirect table",	DATA,		1u << 30, F_INDIRECT, 0 },
	{ "a table of 2^16",		DESC,		1u << 20, F_INDIRECT, 0 },
	{ "a table past memory",	DATA,		16 * 65535, F_INDIRECT, 0 },
	{ "table outside memory",	NEXT_END,	16, F_INDIRECT, 0 },
	{ "table that wraps",		UINT64_MAX - 8,	32, F_INDIRECT, 0 },
	{ "id past the ring, indirect",	TABLE,		16, F_INDIRECT, QSIZE },
};

/* Each lie alone, after another chain, and as the second descriptor of a chain. */
START_TEST(a_lying_driver_stops_its_queue)
{
	const int nr_lies = sizeof(lies) / sizeof(lies[0]);
	enum { ALONE, BUSY, SECOND } place = (unsigned)(_i / nr_lies);
	struct vmm_chain held = { .head = 5 };
	uint64_t addr = lies[_i % nr_lies].addr;
	/* In the same region, for what looks there first. */
	uint64_t near = addr >= ROM && addr < ROM_END ? ROM :
			addr >= NEXT && addr < NEXT_END ? NEXT : DATA;

	_i %= nr_lies;
	if (place == BUSY)
		offer(near, 16, 5, 0);
	if (place == SECOND)
		offer(near, 16, 5, F_NEXT);
	offer(addr, lies[_i].len, lies[_i].id, lies[_i].flags);

	if (place == BUSY)
		ck_assert_int_eq(vmm_queue_pop(&queue, &held), 1);
	ck_assert_msg(vmm_queue_pop(&queue, &chain) == -EBADMSG, "%s", lies[_i].name);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
	ck_assert_str_ne(vmm_last_error(), "");
	ck_assert_str_ne(broken_why, "");
	ck_assert_int_eq(breaks, 1);
	vmm_queue_unpop(&queue);
	vmm_queue_push(&queue, &(struct vmm_chain){ .head = lies[_i].id }, 1);
	vmm_queue_push(&queue, &held, 1);
	vmm_queue_notify(&queue);
	expect_none_used();
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

START_TEST(a_readable_buffer_may_not_follow_a_writable_one)
{
	offer(DATA, 16, 0, F_NEXT | F_WRITE);
	offer(DATA, 16, 0, 0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(an_indirect_table_may_not_be_part_of_a_list)
{
	desc_at(TABLE, DATA, 16, 0, 0);
	offer(DATA, 16, 0, F_NEXT);
	offer(TABLE, 16, 0, F_INDIRECT);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(a_list_may_not_go_round_the_ring)
{
	for (uint32_t i = 0; i < QSIZE; i++)
		offer(DATA, _i ? 16 : 0, 0, F_NEXT);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(the_lengths_of_a_chain_stay_below_2_to_the_32)
{
	/* The region is made to look as large as that; nothing is touched. */
	mem.regions[0].size = 1ull << 40;
	mem.nr_regions = 1;
	offer(DATA, UINT32_MAX - 1, 0, F_NEXT);
	offer(DATA, 1, 0, F_WRITE);
	pop_one(0);
	offer(DATA, UINT32_MAX - 1, 1, F_NEXT);
	offer(DATA, 2, 1, F_WRITE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(an_indirect_table_must_have_been_negotiated)
{
	config.indirect = false;
	restart(&config);
	indirect_of(1, 0);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

/* By the short way and by the long one. */
START_TEST(a_chain_in_flight_may_not_be_offered_again)
{
	offer_one(4);
	offer(DATA, 8, 4, _i ? F_NEXT : 0);
	offer(DATA, 8, 4, 0);
	pop_one(4);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

START_TEST(no_more_descriptors_may_be_in_flight_than_the_ring_has)
{
	/* Of seven in flight none is given back, and there is one place left. */
	for (uint16_t i = 0; i < 7; i += i ? 1 : 3) {
		if (i == 0) {
			offer(DATA, 8, 0, F_NEXT);
			offer(DATA, 8, 0, F_NEXT);
		}
		offer(DATA, 8, i, 0);
		pop_one(i);
	}
	if (_i == 0) {
		offer(DATA, 8, 7, 0);
		pop_one(7);
		/* Full: the next is one too many, by the short way. */
		offer(DATA, 8, 1, 0);
	} else {
		offer(DATA, 8, 1, F_NEXT);
		offer(DATA, 8, 1, 0);
	}
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), -EBADMSG);
}
END_TEST

/* What is left of an earlier lap, or all zeros, is not available. */
START_TEST(flags_of_another_lap_mean_nothing)
{
	static const uint16_t not_now[2][3] = {
		{ 0, F_USED, F_AVAIL | F_USED },	/* in odd laps */
		{ 0, F_AVAIL, F_AVAIL | F_USED },	/* in even ones */
	};

	for (uint32_t lap = 0; lap < 4; lap++) {
		for (uint16_t i = 0; i < QSIZE; i++) {
			uint32_t at = DESC + 16u * driver.next;

			for (unsigned flags = 0; flags < 3; flags++) {
				desc_at(at, DATA, 16, i, not_now[lap & 1][flags]);
				ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
			}
			offer_one(i);
			pop_one(i);
			vmm_queue_push(&queue, &chain, 1);
			expect_used(1, i, 1);
		}
	}
	ck_assert_int_eq(breaks, 0);
}
END_TEST

START_TEST(what_was_copied_does_not_change_with_guest_memory)
{
	offer(DATA, 16, 0, F_NEXT);
	offer(DATA + 16, 512, 1, F_WRITE);
	pop_one(1);
	memset(ram + DESC, 0xff, 0x1000);
	ck_assert(chain.out_len == 16 && chain.iov[1].iov_len == 512);
	vmm_queue_push(&queue, &chain, 100000);
	expect_used(2, 1, 512);
	/* One descriptor is written, as long as it is. */
	for (uint32_t i = 16; i < 0x1000; i++)
		ck_assert_uint_eq(ram[DESC + i], 0xff);
}
END_TEST

/* ---- going up ---- */

static const struct {
	const char *name;
	struct queue_setup setup;
	int result;
} setups[] = {
	{ "as it should be",	{ DESC, DRIVER, DEVICE, QSIZE, true, true, true }, 0 },
	{ "the largest",	{ DESC, 0x10000, 0x20000, MAX, true, true, true }, 0 },
	{ "one entry",		{ DESC, DRIVER, DEVICE, 1, true, true, true }, 0 },
	{ "no power of two",	{ DESC, DRIVER, DEVICE, 7, true, true, true }, 0 },
	{ "to the last byte",	{ RAM - 16 * QSIZE, DRIVER, NEXT_END - 4, QSIZE, true, true, true }, 0 },
	{ "driver's event read-only",	{ DESC, ROM, DEVICE, QSIZE, true, true, true }, 0 },
	{ "no entries",		{ DESC, DRIVER, DEVICE, 0, true, true, true }, -EINVAL },
	{ "too large",		{ DESC, DRIVER, DEVICE, MAX + 1, true, true, true }, -EINVAL },
	{ "far too large",	{ DESC, DRIVER, DEVICE, 1u << 31, true, true, true }, -EINVAL },
	{ "ring read-only",	{ ROM, DRIVER, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "ring ragged",	{ DESC + 8, DRIVER, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "driver part ragged",	{ DESC, DRIVER + 2, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "device part ragged",	{ DESC, DRIVER, DEVICE + 2, QSIZE, true, true, true }, -EFAULT },
	{ "ring across regions",	{ NEXT - 16, DRIVER, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "ring past the end",	{ NEXT_END - 112, DRIVER, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "device part read-only",	{ DESC, DRIVER, ROM, QSIZE, true, true, true }, -EFAULT },
	{ "ring nowhere",	{ 1ull << 40, DRIVER, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "driver part nowhere",	{ DESC, 1ull << 40, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "device part nowhere",	{ DESC, DRIVER, 0xfee00000, QSIZE, true, true, true }, -EFAULT },
	{ "driver part at the end",	{ DESC, NEXT_END, DEVICE, QSIZE, true, true, true }, -EFAULT },
	{ "wraps",		{ 0ull - 16, DRIVER, DEVICE, QSIZE, true, true, true }, -EFAULT },
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

START_TEST(a_queue_goes_up_in_either_format_after_the_other)
{
	offer_one(3);
	pop_one(3);
	config.packed = false;
	restart(&config);
	vmm_queue_push(&queue, &chain, 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert_uint_eq(load16(DEVICE + 2), 0);
	config.packed = true;
	restart(&config);
	offer_one(3);
	pop_one(3);
	vmm_queue_push(&queue, &chain, 1);
	expect_used(1, 3, 1);
}
END_TEST

START_TEST(a_queue_that_is_down_is_quiet)
{
	offer_one(1);
	pop_one(1);
	vmm_queue_push(&queue, &chain, 1);	/* and not notified of */
	expect_used(1, 1, 1);
	offer_one(0);
	vmm__queue_down(&queue);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	vmm_queue_unpop(&queue);
	vmm_queue_push(&queue, &(struct vmm_chain){ .head = 0 }, 1);
	vmm_queue_notify(&queue);
	expect_none_used();
	ck_assert_int_eq(interrupts, 0);
}
END_TEST

START_TEST(a_paused_queue_gives_back_but_takes_nothing)
{
	offer_one(0);
	offer_one(1);
	pop_one(0);
	vmm__queue_set_state(&queue, QUEUE_PAUSED);
	vmm_queue_push(&queue, &chain, 1);
	expect_used(1, 0, 1);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	vmm__queue_set_state(&queue, QUEUE_UP);
	pop_one(1);
}
END_TEST

/* ---- budget ---- */

START_TEST(a_budget_ends_a_turn_and_says_so)
{
	vmm__queue_set_budget(&queue, 3);
	for (uint16_t i = 0; i < 5; i++)
		offer_one(i);
	for (uint16_t i = 0; i < 3; i++)
		pop_one(i);
	ck_assert(!queue.cut);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert(queue.cut);
	/* The driver is not asked to notify: the turn goes on by itself. */
	ck_assert_uint_eq(device_flags(), DISABLE);

	vmm__queue_set_budget(&queue, 3);
	pop_one(3);
	pop_one(4);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert(!queue.cut);
	ck_assert_uint_eq(device_flags(), ENABLE);
}
END_TEST

START_TEST(a_budget_counts_from_when_it_is_set)
{
	for (uint16_t i = 0; i < 6; i++)
		offer_one(i);
	pop_one(0);
	vmm__queue_set_budget(&queue, 2);
	pop_one(1);
	pop_one(2);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert(queue.cut);
}
END_TEST

/* A ring that was found empty meanwhile takes nothing from the budget. */
START_TEST(a_driver_that_refills_does_not_outlast_the_budget)
{
	int popped = 0;

	vmm__queue_set_budget(&queue, QUEUE_BUDGET);
	for (;;) {
		offer_one(0);
		if (vmm_queue_pop(&queue, &chain) <= 0)
			break;
		popped++;
		if (_i)
			ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
		vmm_queue_push(&queue, &chain, 0);
		if (popped == QUEUE_BUDGET)
			continue;
		ck_assert(!queue.cut);
	}
	ck_assert_int_eq(popped, QUEUE_BUDGET);
	ck_assert(queue.cut);
}
END_TEST

/* ---- notifications, both ways ---- */

START_TEST(the_driver_is_not_asked_to_notify_while_we_pop)
{
	/* What lies there from before is wiped when the queue goes up. */
	store16(DEVICE + 2, DISABLE);
	vmm__queue_down(&queue);
	ck_assert_int_eq(vmm__queue_up(&queue, &config), 0);
	ck_assert_uint_eq(device_flags(), ENABLE);
	offer_one(0);
	offer_one(1);
	pop_one(0);
	ck_assert_uint_eq(device_flags(), DISABLE);
	pop_one(1);
	ck_assert_uint_eq(device_flags(), DISABLE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert_uint_eq(device_flags(), ENABLE);
	/* Each time anew, without a kick in between. */
	offer_one(2);
	pop_one(2);
	ck_assert_uint_eq(device_flags(), DISABLE);
	ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	ck_assert_uint_eq(device_flags(), ENABLE);
}
END_TEST

START_TEST(the_device_event_asks_for_the_next_chain_once_the_ring_is_empty)
{
	config.event_idx = true;
	restart(&config);
	for (uint32_t i = 0; i < 3 * QSIZE; i++) {
		uint32_t wrap = (i / QSIZE) & 1 ? 0 : 0x8000;

		ck_assert_uint_eq(device_flags(), AT_DESC);
		ck_assert_uint_eq(load16(DEVICE), (i % QSIZE) | wrap);
		offer_one(1);
		pop_one(1);
		ck_assert_uint_eq(device_flags(), DISABLE);
		vmm_queue_push(&queue, &chain, 0);
		ck_assert_int_eq(vmm_queue_pop(&queue, &chain), 0);
	}
}
END_TEST

START_TEST(an_interrupt_comes_once_for_what_was_pushed)
{
	offer_one(0);
	pop_one(0);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 0);
	vmm_queue_push(&queue, &chain, 0);
	vmm_queue_notify(&queue);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 1);

	store16(DRIVER + 2, DISABLE);
	offer_one(1);
	pop_one(1);
	vmm_queue_push(&queue, &chain, 0);
	vmm_queue_notify(&queue);
	ck_assert_int_eq(interrupts, 1);

	/* What was not negotiated, or is reserved, asks for all: 2.8.10. */
	for (uint16_t flags = AT_DESC; flags <= 3; flags++) {
		store16(DRIVER + 2, flags);
		store16(DRIVER, 7);
		offer_one(flags);
		pop_one(flags);
		vmm_queue_push(&queue, &chain, 0);
		vmm_queue_notify(&queue);
		ck_assert_int_eq(interrupts, flags);
	}
}
END_TEST

/* Give back @n chains of one descriptor; whether the guest was interrupted. */
static bool use(uint32_t n)
{
	int before = interrupts;

	for (uint32_t i = 0; i < n; i++) {
		offer_one(0);
		pop_one(0);
		vmm_queue_push(&queue, &chain, 0);
	}
	vmm_queue_notify(&queue);
	return interrupts > before;
}

/* Every place, asked for in every lap, reached in steps of every length. */
START_TEST(the_driver_event_says_when_to_interrupt)
{
	for (uint32_t asked = 0; asked < 2 * QSIZE; asked++) {
		for (uint32_t step = 1; step <= QSIZE; step++) {
			uint32_t from = asked >= QSIZE ? asked - QSIZE + 1 : 0;

			config.event_idx = true;
			restart(&config);
			store16(DRIVER + 2, AT_DESC);
			/* The driver asks for what lies less than a lap ahead. */
			store16(DRIVER, 0x4000);
			if (from > 0)
				(void)use(from);
			store16(DRIVER, (uint16_t)(asked % QSIZE | (asked < QSIZE ? 0x8000 : 0)));
			for (uint32_t at = from; at < from + 2 * QSIZE && at <= asked + QSIZE - step;
			     at += step)
				ck_assert_msg(use(step) == (at <= asked && asked < at + step),
					      "%u asked, at %u by %u", asked, at, step);
		}
	}
}
END_TEST

START_TEST(an_event_that_cannot_be_does_no_harm)
{
	config.event_idx = true;
	restart(&config);
	store16(DRIVER + 2, AT_DESC);
	for (uint32_t event = 0; event < 0x10000; event += 7) {
		store16(DRIVER, (uint16_t)event);
		(void)use(1 + event % 20);
	}
	/* More than a lap: whatever was asked for was passed. */
	store16(DRIVER, 0x7fff);
	ck_assert(use(QSIZE + 1));
	ck_assert_int_eq(breaks, 0);
}
END_TEST

int main(void)
{
	const int nr_lies = sizeof(lies) / sizeof(lies[0]);
	Suite *suite = suite_create("packed");
	TCase *tcase = tcase_create("packed");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, fixture_unmake);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, pop_gives_back_the_chain_the_driver_made);
	tcase_add_test(tcase, one_buffer_of_either_kind_is_one_segment);
	tcase_add_loop_test(tcase, the_ring_goes_round_many_times, 1, 11);
	tcase_add_test(tcase, a_full_ring_goes_round_in_chains_of_three);
	tcase_add_test(tcase, a_buffer_may_cross_regions);
	tcase_add_test(tcase, an_empty_buffer_adds_nothing);
	tcase_add_test(tcase, an_indirect_table_is_read_from_end_to_end);
	tcase_add_test(tcase, an_indirect_table_may_cross_regions);
	tcase_add_test(tcase, a_chain_has_up_to_its_most_segments);
	tcase_add_test(tcase, a_direct_chain_has_up_to_its_most_segments);
	tcase_add_test(tcase, a_table_of_nothing_is_short_too);
	tcase_add_test(tcase, the_written_length_is_cut_to_what_was_offered);
	tcase_add_test(tcase, chains_are_given_back_in_any_order_by_their_head);
	tcase_add_test(tcase, chains_that_are_given_back_as_one_show_first_with_the_first);
	tcase_add_test(tcase, of_chains_given_back_as_one_the_first_is_written_last);
	tcase_add_test(tcase, what_is_not_in_flight_is_not_given_back);
	tcase_add_test(tcase, a_late_push_after_a_reset_does_nothing);
	tcase_add_test(tcase, unpop_makes_the_next_pop_return_it_again);
	tcase_add_loop_test(tcase, a_lying_driver_stops_its_queue, 0, 3 * nr_lies);
	tcase_add_test(tcase, a_readable_buffer_may_not_follow_a_writable_one);
	tcase_add_test(tcase, an_indirect_table_may_not_be_part_of_a_list);
	tcase_add_loop_test(tcase, a_list_may_not_go_round_the_ring, 0, 2);
	tcase_add_test(tcase, the_lengths_of_a_chain_stay_below_2_to_the_32);
	tcase_add_test(tcase, an_indirect_table_must_have_been_negotiated);
	tcase_add_loop_test(tcase, a_chain_in_flight_may_not_be_offered_again, 0, 2);
	tcase_add_loop_test(tcase, no_more_descriptors_may_be_in_flight_than_the_ring_has, 0, 2);
	tcase_add_test(tcase, flags_of_another_lap_mean_nothing);
	tcase_add_test(tcase, what_was_copied_does_not_change_with_guest_memory);
	tcase_add_loop_test(tcase, a_ring_is_checked_when_the_queue_goes_up, 0,
			    (int)(sizeof(setups) / sizeof(setups[0])));
	tcase_add_test(tcase, a_queue_goes_up_in_either_format_after_the_other);
	tcase_add_test(tcase, a_queue_that_is_down_is_quiet);
	tcase_add_test(tcase, a_paused_queue_gives_back_but_takes_nothing);
	tcase_add_test(tcase, a_budget_ends_a_turn_and_says_so);
	tcase_add_test(tcase, a_budget_counts_from_when_it_is_set);
	tcase_add_loop_test(tcase, a_driver_that_refills_does_not_outlast_the_budget, 0, 2);
	tcase_add_test(tcase, the_driver_is_not_asked_to_notify_while_we_pop);
	tcase_add_test(tcase, the_device_event_asks_for_the_next_chain_once_the_ring_is_empty);
	tcase_add_test(tcase, an_interrupt_comes_once_for_what_was_pushed);
	tcase_add_test(tcase, the_driver_event_says_when_to_interrupt);
	tcase_add_test(tcase, an_event_that_cannot_be_does_no_harm);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
