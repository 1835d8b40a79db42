/* SPDX-License-Identifier: MIT */
/* test_virtio.c - status and features: every write in every state. */
#include <check.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio_priv.h"

enum {
	ACK = VIRTIO_CONFIG_S_ACKNOWLEDGE,
	DRV = VIRTIO_CONFIG_S_DRIVER,
	FOK = VIRTIO_CONFIG_S_FEATURES_OK,
	DOK = VIRTIO_CONFIG_S_DRIVER_OK,
	BAD = VIRTIO_CONFIG_S_NEEDS_RESET,
	FAIL = VIRTIO_CONFIG_S_FAILED,
};

static struct virtio v;

static void setup(void)
{
	v = (struct virtio){ .nr_queues = 2, .max_size = 256, .config_bytes = 12 };
	v.offered.word[0] = 1 << 5;
	vmm__virtio_offer(&v.offered, false, false);
	vmm__virtio_reset(&v);
}

static void accept_word(uint32_t select, uint32_t word)
{
	v.driver_select = select;
	vmm__virtio_write_driver_word(&v, word);
}

/* A device in state @status, with features that agree or do not. */
static void enter(uint8_t status, bool agree)
{
	setup();
	accept_word(1, agree);
	v.status = status;
	v.touched = status != 0;
	v.live = status & DOK;
}

/* ---- the offer ---- */

START_TEST(the_librarys_own_offer_is_this)
{
	struct vmm_features offer = { { 0 } };

	/* RING_INDIRECT_DESC 28, RING_EVENT_IDX 29, VERSION_1 32: numbers, on purpose. */
	vmm__virtio_offer(&offer, false, false);
	ck_assert_uint_eq(offer.word[0], 0x30000000);
	ck_assert_uint_eq(offer.word[1], 0x00000001);
	ck_assert_uint_eq(offer.word[2], 0);
	ck_assert_uint_eq(offer.word[3], 0);

	/* RING_PACKED 34 and RING_RESET 40, each where it is wanted. */
	vmm__virtio_offer(&offer, true, false);
	ck_assert_uint_eq(offer.word[1], 0x00000005);
	vmm__virtio_offer(&offer, false, true);
	ck_assert_uint_eq(offer.word[1], 0x00000105);
}
END_TEST

START_TEST(bits_24_to_49_are_the_librarys)
{
	for (unsigned bit = 0; bit < 128; bit++) {
		struct vmm_features f = { { 0 } };

		vmm_features_add(&f, bit);
		ck_assert(vmm_features_has(&f, bit));
		ck_assert_int_eq(vmm__virtio_reserved_feature(&f), bit >= 24 && bit <= 49);
	}
}
END_TEST

START_TEST(offered_words_past_the_last_are_zero)
{
	static const uint32_t words[] = { 0x30000020, 1, 0, 0, 0, 0 };

	for (uint32_t i = 0; i < 6; i++) {
		v.offered_select = i;
		ck_assert_uint_eq(vmm__virtio_offered_word(&v), words[i]);
	}
	v.offered_select = UINT32_MAX;
	ck_assert_uint_eq(vmm__virtio_offered_word(&v), 0);
}
END_TEST

/* ---- what may be agreed on ---- */

static const struct {
	const char *name;
	uint32_t word[5];	/* as the driver writes them */
	bool agree;
} accepts[] = {
	{ "all that is offered",	{ 0x30000020, 1 }, true },
	{ "only VERSION_1",		{ 0, 1 }, true },
	{ "nothing",			{ 0, 0 }, false },
	{ "no VERSION_1",		{ 0x30000020, 0 }, false },
	{ "a bit of the device's that was not offered", { 1 << 4, 1 }, false },
	{ "a bit of the second word",	{ 0, 3 }, false },
	{ "the packed ring",		{ 0, 1 | 1 << 2 }, false },
	{ "a bit of the third word",	{ 0, 1, 1 }, false },
	{ "a bit of the fourth word",	{ 0, 1, 0, 1u << 31 }, false },
	{ "a bit past what we know",	{ 0, 1, 0, 0, 1 }, false },
};

START_TEST(features_ok_is_set_only_for_a_subset_with_version_1)
{
	for (uint32_t i = 0; i < 5; i++)
		accept_word(i, accepts[_i].word[i]);
	vmm__virtio_write_status(&v, ACK | DRV);
	vmm__virtio_write_status(&v, ACK | DRV | FOK);
	ck_assert_msg(!!(v.status & FOK) == accepts[_i].agree, "%s", accepts[_i].name);

	/* A refusal is not the end: the driver may take less. */
	if (!accepts[_i].agree && !accepts[_i].word[4]) {
		for (uint32_t i = 0; i < 4; i++)
			accept_word(i, i == 1);
		vmm__virtio_write_status(&v, ACK | DRV | FOK);
		ck_assert(v.status & FOK);
	}
}
END_TEST

START_TEST(features_are_fixed_by_features_ok)
{
	accept_word(1, 1);
	vmm__virtio_write_status(&v, ACK | DRV | FOK);
	accept_word(0, 0xffffffff);
	accept_word(9, 1);
	ck_assert_uint_eq(v.driver.word[0], 0);
	ck_assert(!v.overreach);
	v.driver_select = 1;
	ck_assert_uint_eq(vmm__virtio_driver_word(&v), 1);
	v.driver_select = 4;
	ck_assert_uint_eq(vmm__virtio_driver_word(&v), 0);
}
END_TEST

/* ---- status ---- */

/* Every state that can be reached. */
static const uint8_t states[] = {
	0, ACK, DRV, ACK | DRV, ACK | DRV | FOK, ACK | DRV | FOK | DOK,
	BAD, ACK | BAD, DRV | BAD, ACK | DRV | BAD, ACK | DRV | FOK | BAD,
	ACK | DRV | FOK | DOK | BAD,
	FAIL, ACK | FAIL, DRV | FAIL, ACK | DRV | FAIL, ACK | DRV | FOK | FAIL,
	ACK | DRV | FOK | DOK | FAIL, ACK | DRV | FOK | DOK | FAIL | BAD,
};

/* What a write means, said another way than in the code: step by step. */
static enum virtio_action expect(uint8_t from, uint8_t value, bool agree, uint8_t *ret_to)
{
	uint8_t to = from;

	*ret_to = from;
	if (value == 0)
		return from ? VIRTIO_RESET : VIRTIO_NONE;
	if (from & (BAD | FAIL))
		return VIRTIO_NONE;
	if (value & ACK)
		to |= ACK;
	if (value & DRV)
		to |= DRV;
	*ret_to = to;
	if (value & FAIL) {
		*ret_to = to | FAIL;
		return VIRTIO_NONE;
	}
	if ((value & FOK) && (to & ACK) && (to & DRV) && agree)
		to |= FOK;
	*ret_to = to;
	if ((value & DOK) && (to & FOK) && !(to & DOK))
		return VIRTIO_ACTIVATE;
	return VIRTIO_NONE;
}

START_TEST(every_write_in_every_state_has_one_meaning)
{
	for (int agree = 0; agree < 2; agree++) {
		for (unsigned value = 0; value < 256; value++) {
			enum virtio_action action, expected;
			uint8_t to;

			enter(states[_i], agree);
			expected = expect(states[_i], (uint8_t)value, agree, &to);
			action = vmm__virtio_write_status(&v, value);
			ck_assert_msg(action == expected && v.status == to,
				      "%#x written in %#x: %#x, action %d; not %#x, action %d",
				      value, states[_i], v.status, action, to, expected);
			/* Never by the write alone. */
			ck_assert_int_eq(v.live, !!(states[_i] & DOK));
		}
	}
}
END_TEST

START_TEST(the_way_to_driver_ok_may_close_before_the_loop_gets_there)
{
	enter(ACK | DRV | FOK, true);
	ck_assert_int_eq(vmm__virtio_write_status(&v, ACK | DRV | FOK | DOK), VIRTIO_ACTIVATE);
	ck_assert_uint_eq(v.status, ACK | DRV | FOK);
	vmm__virtio_reset(&v);
	ck_assert(!vmm__virtio_go_live(&v));

	enter(ACK | DRV | FOK | FAIL, true);
	ck_assert(!vmm__virtio_go_live(&v));
	enter(ACK | DRV | FOK | BAD, true);
	ck_assert(!vmm__virtio_go_live(&v));
	enter(ACK | DRV | FOK, true);
	ck_assert(vmm__virtio_go_live(&v));
	ck_assert(v.live);
	/* Once. */
	ck_assert(!vmm__virtio_go_live(&v));
}
END_TEST

START_TEST(a_reset_before_anything_needs_no_loop)
{
	v.queue_select = 1;
	vmm__virtio_set_size(&v, 16);
	accept_word(7, 1);
	ck_assert_int_eq(vmm__virtio_write_status(&v, 0), VIRTIO_NONE);
	ck_assert_uint_eq(v.queue_select, 0);
	ck_assert_uint_eq(v.queues[1].size, 256);
	ck_assert(!v.overreach);

	/* But once the front end was told something, it does. */
	v.touched = true;
	ck_assert_int_eq(vmm__virtio_write_status(&v, 0), VIRTIO_RESET);
}
END_TEST

START_TEST(a_reset_leaves_the_offer_and_the_config_space)
{
	struct virtio before = v, after;

	vmm__virtio_change_config(&v, 0, "abc", 3);
	memcpy(before.config, "abc", 3);
	enter(ACK | DRV | FOK, true);
	vmm__virtio_change_config(&v, 0, "abc", 3);
	vmm__virtio_set_address(&v, VIRTIO_QUEUE_DESC, true, 5);
	vmm__virtio_set_enabled(&v, true);
	vmm__virtio_go_live(&v);
	vmm__virtio_reset(&v);
	after = v;
	ck_assert_mem_eq(&before, &after, sizeof(after));
}
END_TEST

/* ---- queues ---- */

static void set_everything(uint32_t value)
{
	vmm__virtio_set_size(&v, value);
	for (int part = 0; part < 3; part++) {
		vmm__virtio_set_address(&v, (enum virtio_address)part, false, value);
		vmm__virtio_set_address(&v, (enum virtio_address)part, true, value);
	}
}

START_TEST(a_queue_is_described_a_half_at_a_time)
{
	const struct virtio_queue *q;

	v.queue_select = 1;
	vmm__virtio_set_size(&v, 64);
	vmm__virtio_set_address(&v, VIRTIO_QUEUE_DESC, false, 0x1000);
	vmm__virtio_set_address(&v, VIRTIO_QUEUE_DESC, true, 1);
	vmm__virtio_set_address(&v, VIRTIO_QUEUE_DRIVER, true, 2);
	vmm__virtio_set_address(&v, VIRTIO_QUEUE_DRIVER, false, 0x2000);
	vmm__virtio_set_address(&v, VIRTIO_QUEUE_DEVICE, false, 0x3000);
	vmm__virtio_set_enabled(&v, true);
	q = vmm__virtio_queue(&v);
	ck_assert_uint_eq(q->desc, 0x100001000);
	ck_assert_uint_eq(q->driver, 0x200002000);
	ck_assert_uint_eq(q->device, 0x3000);
	ck_assert_uint_eq(q->size, 64);
	ck_assert(q->enabled);
	ck_assert(!v.queues[0].enabled && v.queues[0].size == 256 && v.queues[0].desc == 0);
}
END_TEST

START_TEST(sizes_that_cannot_be_keep_the_queue_from_being_enabled)
{
	static const struct { uint32_t size; bool good; } sizes[] = {
		{ 1, true }, { 2, true }, { 256, true }, { 0, false }, { 3, false }, { 255, false },
		{ 257, false }, { 512, false }, { 65536, false }, { 65537, false },
		{ UINT32_MAX, false },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint32_t packed = 0; packed < 8; packed += 4) {
			/* 2.8.10.1: the size of a packed ring is any. */
			bool good = sizes[i].good ||
				    (packed && sizes[i].size > 0 && sizes[i].size <= 256);

			enter(ACK | DRV | FOK, true);
			v.driver.word[1] |= packed;
			vmm__virtio_set_size(&v, sizes[i].size);
			vmm__virtio_set_enabled(&v, true);
			ck_assert_int_eq(v.queues[0].enabled, good);
			ck_assert_uint_eq(v.queues[0].size, good ? sizes[i].size : 0);
		}
	}
}
END_TEST

START_TEST(no_queue_is_selected_past_the_last)
{
	struct virtio before;

	for (uint32_t select = 2; select != 0; select = select < 0x80000000 ? select * 2 : 0) {
		v.queue_select = select;
		before = v;
		ck_assert_ptr_null(vmm__virtio_queue(&v));
		set_everything(64);
		vmm__virtio_set_enabled(&v, true);
		ck_assert_mem_eq(&before, &v, sizeof(v));
	}
}
END_TEST

START_TEST(an_enabled_queue_does_not_change)
{
	struct virtio before;

	vmm__virtio_set_enabled(&v, true);
	before = v;
	set_everything(64);
	ck_assert_mem_eq(&before, &v, sizeof(v));
	/* Until it is disabled again. */
	vmm__virtio_set_enabled(&v, false);
	vmm__virtio_set_size(&v, 64);
	ck_assert_uint_eq(v.queues[0].size, 64);
}
END_TEST

START_TEST(a_live_device_does_not_change)
{
	struct virtio before;

	enter(ACK | DRV | FOK, true);
	vmm__virtio_set_enabled(&v, true);
	vmm__virtio_go_live(&v);
	for (v.queue_select = 0; v.queue_select < 3; v.queue_select++) {
		before = v;
		set_everything(64);
		vmm__virtio_set_enabled(&v, true);
		vmm__virtio_set_enabled(&v, false);
		ck_assert_mem_eq(&before, &v, sizeof(v));
	}
	accept_word(0, 0x20);
	accept_word(12, 1);
	ck_assert_uint_eq(v.driver.word[0], 0);

	/* Nor one that broke while it was live. */
	v.status |= BAD;
	v.queue_select = 1;
	before = v;
	set_everything(64);
	vmm__virtio_set_enabled(&v, true);
	ck_assert_mem_eq(&before, &v, sizeof(v));
}
END_TEST

/* ---- the reset of one queue ---- */

enum { RING_RESET = 1 << 8 };	/* of the second word */

static void enter_with_reset(uint8_t status)
{
	enter(status, true);
	accept_word(1, 1 | RING_RESET);
	v.driver.word[1] = 1 | RING_RESET;
	v.queue_select = 1;
}

START_TEST(a_queue_is_reset_alone_only_where_that_was_agreed_on)
{
	struct virtio before;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		bool agreed_on = states[i] & FOK, live = states[i] & DOK;

		enter_with_reset(states[i]);
		v.queues[1].size = 4;
		before = v;
		ck_assert_int_eq(vmm__virtio_reset_queue(&v),
				 live ? VIRTIO_QUEUE_RESET : VIRTIO_NONE);
		ck_assert_int_eq(v.queues[1].resetting, live);
		ck_assert_uint_eq(v.queues[1].size, agreed_on && !live ? 256 : 4);
		v.queues[1] = before.queues[1];
		ck_assert_mem_eq(&before, &v, sizeof(v));

		/* Nor where it was not agreed on, nor of a queue that is not there. */
		v.driver.word[1] = 1;
		before = v;
		ck_assert_int_eq(vmm__virtio_reset_queue(&v), VIRTIO_NONE);
		ck_assert_mem_eq(&before, &v, sizeof(v));
		enter_with_reset(states[i]);
		v.queue_select = 2;
		before = v;
		ck_assert_int_eq(vmm__virtio_reset_queue(&v), VIRTIO_NONE);
		ck_assert_mem_eq(&before, &v, sizeof(v));
	}
}
END_TEST

START_TEST(a_queue_that_was_reset_may_be_described_and_enabled_once)
{
	struct virtio before;

	enter_with_reset(ACK | DRV | FOK | DOK);
	v.queues[0].enabled = v.queues[1].enabled = true;
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, true), VIRTIO_NONE);
	ck_assert_int_eq(vmm__virtio_reset_queue(&v), VIRTIO_QUEUE_RESET);
	/* Not while the loop has not come to it. */
	before = v;
	set_everything(64);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, true), VIRTIO_NONE);
	ck_assert_mem_eq(&before, &v, sizeof(v));

	vmm__virtio_queue_was_reset(&v, 1);
	ck_assert(!v.queues[1].resetting && !v.queues[1].enabled && v.queues[1].size == 256);
	set_everything(3);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, true), VIRTIO_NONE);	/* no such size */
	set_everything(64);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, false), VIRTIO_NONE);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, true), VIRTIO_QUEUE_ENABLE);
	before = v;
	set_everything(32);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, true), VIRTIO_NONE);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, false), VIRTIO_NONE);
	/* And the other does not change at all. */
	v.queue_select = 0;
	set_everything(32);
	ck_assert_int_eq(vmm__virtio_set_enabled(&v, false), VIRTIO_NONE);
	v.queue_select = 1;
	ck_assert_mem_eq(&before, &v, sizeof(v));
	vmm__virtio_reset(&v);
	ck_assert(!v.queues[1].was_reset);
}
END_TEST

/* ---- config space ---- */

START_TEST(config_reads_of_any_place_and_width_stay_inside)
{
	vmm__virtio_change_config(&v, 0, "\1\2\3\4\5\6\7\10\11\12\13\14", 12);
	for (uint32_t offset = 0; offset < 300; offset++) {
		for (uint32_t width = 1; width <= 8; width *= 2) {
			uint64_t expected = 0;

			for (uint32_t i = 0; i < width; i++)
				expected |= (offset + i < 12 ? offset + i + 1ull : 0) << (8 * i);
			ck_assert_uint_eq(vmm__virtio_read_config(&v, offset, width), expected);
		}
	}
	ck_assert_uint_eq(vmm__virtio_read_config(&v, UINT32_MAX, 8), 0);
}
END_TEST

START_TEST(config_changes_are_cut_at_the_end)
{
	unsigned char bytes[256];

	memset(bytes, 0xaa, sizeof(bytes));
	v.config[12] = 0x55;
	vmm__virtio_change_config(&v, 8, bytes, sizeof(bytes));
	vmm__virtio_change_config(&v, 12, bytes, 1);
	vmm__virtio_change_config(&v, UINT32_MAX, bytes, 1);
	ck_assert_uint_eq(v.config[11], 0xaa);
	ck_assert_uint_eq(v.config[7], 0);
	ck_assert_uint_eq(v.config[12], 0x55);
}
END_TEST

START_TEST(the_generation_tells_of_a_change_between_two_reads)
{
	uint32_t before = v.generation;

	(void)vmm__virtio_read_config(&v, 0, 4);
	vmm__virtio_change_config(&v, 0, "x", 1);
	ck_assert_uint_ne(v.generation, before);

	/* 256 changes between two reads are one, even to 8 bits of it. */
	before = v.generation;
	(void)vmm__virtio_read_config(&v, 0, 4);
	for (int i = 0; i < 256; i++)
		vmm__virtio_change_config(&v, 0, "y", 1);
	ck_assert_uint_ne(v.generation & 0xff, before & 0xff);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("virtio");
	TCase *tcase = tcase_create("virtio");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, the_librarys_own_offer_is_this);
	tcase_add_test(tcase, bits_24_to_49_are_the_librarys);
	tcase_add_test(tcase, offered_words_past_the_last_are_zero);
	tcase_add_loop_test(tcase, features_ok_is_set_only_for_a_subset_with_version_1, 0,
			    (int)(sizeof(accepts) / sizeof(accepts[0])));
	tcase_add_test(tcase, features_are_fixed_by_features_ok);
	tcase_add_loop_test(tcase, every_write_in_every_state_has_one_meaning, 0,
			    (int)(sizeof(states) / sizeof(states[0])));
	tcase_add_test(tcase, the_way_to_driver_ok_may_close_before_the_loop_gets_there);
	tcase_add_test(tcase, a_reset_before_anything_needs_no_loop);
	tcase_add_test(tcase, a_reset_leaves_the_offer_and_the_config_space);
	tcase_add_test(tcase, a_queue_is_described_a_half_at_a_time);
	tcase_add_test(tcase, sizes_that_cannot_be_keep_the_queue_from_being_enabled);
	tcase_add_test(tcase, no_queue_is_selected_past_the_last);
	tcase_add_test(tcase, an_enabled_queue_does_not_change);
	tcase_add_test(tcase, a_live_device_does_not_change);
	tcase_add_test(tcase, a_queue_is_reset_alone_only_where_that_was_agreed_on);
	tcase_add_test(tcase, a_queue_that_was_reset_may_be_described_and_enabled_once);
	tcase_add_test(tcase, config_reads_of_any_place_and_width_stay_inside);
	tcase_add_test(tcase, config_changes_are_cut_at_the_end);
	tcase_add_test(tcase, the_generation_tells_of_a_change_between_two_reads);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
