/* SPDX-License-Identifier: MIT */
/*
 * test_net_ctrl.c - the control queue, the filter it sets, queues in several pairs, and
 * what the application changes and reads of an interface that runs.
 */
#include <poll.h>
#include <time.h>

#include "net_fixture.h"

#define CTRL_FEATURES	(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | \
			 BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_VLAN) | \
			 BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | \
			 BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_MQ) | \
			 BIT(VIRTIO_NET_F_STATUS))
#define FEATURES	(CTRL_FEATURES | GUEST_OFFLOADS | HOST_OFFLOADS)

static unsigned ctrl;			/* where the control queue is */

static void setup_down(void)
{
	fixture_plug(PAIRS, 0);
	ctrl = 2 * PAIRS;
}

static void setup(void)
{
	setup_down();
	fake_driver_up_with(FEATURES, USO, 2 * PAIRS + 1);
}

static void setup_one(void)
{
	fixture_plug(1, 0);
	ctrl = 2;
	fake_driver_up_with(FEATURES & ~BIT(VIRTIO_NET_F_MQ), USO, 3);
}

/* One command; its answer, or 255 when there was none. */
static uint8_t command(uint8_t class, uint8_t cmd, const void *bytes, uint32_t len)
{
	uint16_t before = fake_used(ctrl);
	unsigned char *at = data_at(0x200000);

	at[0] = class;
	at[1] = cmd;
	memcpy(at + 2, bytes, len);
	data_at(0x280000)[0] = 255;
	fake_desc(ctrl, 0, FAKE_DATA + 0x200000, 2 + len, VRING_DESC_F_NEXT, 1);
	fake_desc(ctrl, 1, FAKE_DATA + 0x280000, 1, VRING_DESC_F_WRITE, 0);
	fake_offer(ctrl, 0);
	fake_kick(ctrl);
	fake_run();
	if (data_at(0x280000)[0] != 255) {
		ck_assert_uint_eq((uint16_t)(fake_used(ctrl) - before), 1);
		ck_assert_uint_eq(fake_used_len(ctrl, before), 1);
	}
	return data_at(0x280000)[0];
}

static uint8_t rx_mode(uint8_t cmd, uint8_t on)
{
	return command(VIRTIO_NET_CTRL_RX, cmd, &on, 1);
}

/* ---- what is understood, and what is refused ---- */

/* Each row: a command, its answer, and the feature that it needs. */
static const struct {
	uint8_t class, cmd;
	uint8_t len;
	unsigned char bytes[24];
	uint8_t answer;
	unsigned feature;
} commands[] = {
	{ 0, 0, 1, { 1 }, 0, VIRTIO_NET_F_CTRL_RX },
	{ 0, 1, 1, { 1 }, 0, VIRTIO_NET_F_CTRL_RX },
	{ 0, 2, 1, { 1 }, 0, VIRTIO_NET_F_CTRL_RX_EXTRA },
	{ 0, 5, 1, { 1 }, 0, VIRTIO_NET_F_CTRL_RX_EXTRA },
	{ 0, 6, 1, { 1 }, 1, 0 },
	{ 0, 255, 1, { 1 }, 1, 0 },
	{ 0, 0, 0, { 0 }, 1, 0 },
	{ 0, 0, 2, { 1 }, 1, 0 },
	{ 1, 0, 8, { 0 }, 0, VIRTIO_NET_F_CTRL_RX },
	{ 1, 0, 20, { 1, 0, 0, 0, 2, 2, 2, 2, 2, 2, 1, 0, 0, 0, 3, 3, 3, 3, 3, 3 }, 0,
	  VIRTIO_NET_F_CTRL_RX },
	{ 1, 0, 0, { 0 }, 1, 0 },
	{ 1, 0, 7, { 0 }, 1, 0 },
	{ 1, 0, 9, { 0 }, 1, 0 },
	{ 1, 0, 8, { 1 }, 1, 0 },
	{ 1, 0, 8, { 0, 0, 0, 0, 1 }, 1, 0 },
	{ 1, 0, 8, { 0xff, 0xff, 0xff, 0xff }, 1, 0 },
	{ 1, 0, 10, { 0xab, 0xaa, 0xaa, 0x2a }, 1, 0 },	/* times 6 it is 2 in 32 bits */
	{ 1, 1, 6, { 2, 0, 0, 0, 0, 9 }, 0, VIRTIO_NET_F_CTRL_MAC_ADDR },
	{ 1, 1, 6, { 3, 0, 0, 0, 0, 9 }, 1, 0 },
	{ 1, 1, 5, { 2, 0, 0, 0, 0, 9 }, 1, 0 },
	{ 1, 2, 6, { 2, 0, 0, 0, 0, 9 }, 1, 0 },
	{ 2, 0, 2, { 0xff, 0x0f }, 0, VIRTIO_NET_F_CTRL_VLAN },
	{ 2, 1, 2, { 0xff, 0x0f }, 0, VIRTIO_NET_F_CTRL_VLAN },
	{ 2, 0, 2, { 0x00, 0x10 }, 1, 0 },
	{ 2, 1, 2, { 0xff, 0xff }, 1, 0 },
	{ 2, 2, 2, { 0 }, 1, 0 },
	{ 2, 0, 1, { 0 }, 1, 0 },
	{ 3, 0, 0, { 0 }, 0, VIRTIO_NET_F_GUEST_ANNOUNCE },
	{ 3, 1, 0, { 0 }, 1, 0 },
	{ 4, 0, 2, { 1, 0 }, 0, VIRTIO_NET_F_MQ },
	{ 4, 0, 2, { 3, 0 }, 0, VIRTIO_NET_F_MQ },
	{ 4, 0, 2, { 0, 0 }, 1, 0 },
	{ 4, 0, 2, { 4, 0 }, 1, 0 },
	{ 4, 0, 2, { 1, 1 }, 1, 0 },
	{ 4, 0, 1, { 1 }, 1, 0 },
	{ 4, 1, 2, { 1, 0 }, 1, 0 },
	{ 5, 0, 8, { 0 }, 0, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS },
	{ 5, 0, 8, { 0x82, 1 }, 0, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS },
	{ 5, 0, 8, { 0x82, 5 }, 1, 0 },			/* UFO */
	{ 5, 0, 8, { 0, 0, 0, 0, 0, 0, 0, 0x80 }, 1, 0 },
	{ 5, 0, 7, { 0 }, 1, 0 },
	{ 5, 1, 8, { 0 }, 1, 0 },
	{ 6, 0, 8, { 0 }, 1, 0 },
	{ 255, 255, 8, { 0 }, 1, 0 },
};

START_TEST(a_command_is_carried_out_or_refused)
{
	fake_driver_up_with(FEATURES, USO, 2 * PAIRS + 1);
	ck_assert_uint_eq(command(commands[_i].class, commands[_i].cmd, commands[_i].bytes,
				  commands[_i].len), commands[_i].answer);
	ck_assert(!fake_needs_reset());
	if (commands[_i].answer != 0)
		return;

	fake_driver_reset();
	if (commands[_i].feature == VIRTIO_NET_F_MQ)
		ctrl = 2;
	fake_driver_up_with(FEATURES & ~BIT(commands[_i].feature), USO, 2 * PAIRS + 1);
	ck_assert_uint_eq(command(commands[_i].class, commands[_i].cmd, commands[_i].bytes,
				  commands[_i].len), 1);
}
END_TEST

/* Each row: descriptors that hold no command. */
static const struct {
	uint32_t out, in;
} broken[] = { { 0, 1 }, { 1, 1 }, { 3, 0 }, { 0, 0 } };

START_TEST(what_cannot_be_answered_breaks_the_device)
{
	uint16_t n = 0;

	if (broken[_i].out > 0) {
		fake_desc(ctrl, 0, FAKE_DATA, broken[_i].out,
			  broken[_i].in ? VRING_DESC_F_NEXT : 0, 1);
		n++;
	}
	if (broken[_i].in > 0 || n == 0)
		fake_desc(ctrl, n, FAKE_DATA, broken[_i].in, VRING_DESC_F_WRITE, 0);
	fake_offer(ctrl, 0);
	fake_kick(ctrl);
	fake_run();
	ck_assert(fake_needs_reset());
	ck_assert_uint_eq(fake_used(ctrl), 0);

	fake_driver_reset();
	fake_driver_up_with(FEATURES & ~BIT(VIRTIO_NET_F_MQ), USO, 3);
	ck_assert_uint_eq(rx_mode(0, 1), 0);
}
END_TEST

START_TEST(a_command_of_any_length_is_answered)
{
	static unsigned char long_one[1 << 19];

	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, 0, long_one, sizeof(long_one) - 2), 1);
	ck_assert(!fake_needs_reset());
}
END_TEST

START_TEST(without_the_control_queue_nothing_answers)
{
	fake_driver_up(BIT(VIRTIO_NET_F_STATUS), 3);
	ctrl = 2;
	ck_assert_uint_eq(command(0, 0, "\1", 1), 255);
	ck_assert(!fake_needs_reset());
}
END_TEST

/* ---- the filter ---- */

enum { ME, OTHER, LISTED, BROADCAST, GROUP, LISTED_GROUP, NR_TARGETS };

static const unsigned char targets[NR_TARGETS][6] = {
	[ME] = { 0x52, 0x54, 0, 0, 0, 1 },
	[OTHER] = { 0x52, 0x54, 0, 0, 0, 2 },
	[LISTED] = { 0x52, 0x54, 0, 0, 0, 3 },
	[BROADCAST] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	[GROUP] = { 1, 0, 0x5e, 0, 0, 1 },
	[LISTED_GROUP] = { 1, 0, 0x5e, 0, 0, 2 },
};

static const unsigned char lists[] = {
	1, 0, 0, 0, 0x52, 0x54, 0, 0, 0, 3, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 2,
};

/* Whether a frame to @target arrives; the buffer is used again if not. */
static bool arrives(const unsigned char *target, int vlan)
{
	unsigned char frame[64] = { 0 };
	uint16_t before = fake_used(RX);
	static uint16_t next;

	memcpy(frame, target, 6);
	if (vlan >= 0) {
		frame[12] = 0x81;
		frame[14] = (unsigned char)(0xe0 | vlan >> 8);	/* with a priority */
		frame[15] = (unsigned char)vlan;
	}
	if (before == 0 && next == 0)
		rx_buffer(next++, 2000);
	ck_assert_int_eq(receive(frame, sizeof(frame)), 0);
	if (fake_used(RX) == before)
		return false;
	rx_buffer(next++ % FAKE_QUEUE_SIZE, 2000);
	return true;
}

/* Each row: modes that are set, with the lists above, and which targets arrive. */
static const struct {
	unsigned modes;			/* bit n: command n */
	bool passes[NR_TARGETS];
} modes[] = {
	{ 0, { [ME] = true, [LISTED] = true, [BROADCAST] = true, [LISTED_GROUP] = true } },
	{ 1, { true, true, true, true, true, true } },
	{ 1 << 1, { [ME] = true, [LISTED] = true, [BROADCAST] = true, [GROUP] = true,
		    [LISTED_GROUP] = true } },
	{ 1 << 2, { [ME] = true, [OTHER] = true, [LISTED] = true, [BROADCAST] = true,
		    [LISTED_GROUP] = true } },
	{ 1 << 3, { [ME] = true, [LISTED] = true, [BROADCAST] = true } },
	{ 1 << 4, { [BROADCAST] = true, [LISTED_GROUP] = true } },
	{ 1 << 5, { [ME] = true, [LISTED] = true, [LISTED_GROUP] = true } },
	{ 1 << 1 | 1 << 3, { [ME] = true, [LISTED] = true, [BROADCAST] = true } },
	{ 1 << 2 | 1 << 4, { [BROADCAST] = true, [LISTED_GROUP] = true } },
};

START_TEST(frames_are_filtered_as_the_driver_wants)
{
	unsigned wanted = 0, dropped = 0;

	ck_assert_uint_eq(command(1, 0, lists, sizeof(lists)), 0);
	for (uint8_t cmd = 0; cmd <= 5; cmd++)
		ck_assert_uint_eq(rx_mode(cmd, modes[_i].modes >> cmd & 1), 0);
	for (int t = 0; t < NR_TARGETS; t++) {
		ck_assert_msg(arrives(targets[t], -1) == modes[_i].passes[t], "target %d", t);
		wanted += modes[_i].passes[t];
		dropped += !modes[_i].passes[t];
	}
	ck_assert_uint_eq(stats_of(0).rx_frames, wanted);
	ck_assert_uint_eq(stats_of(0).rx_filtered, dropped);
}
END_TEST

START_TEST(at_first_and_after_a_reset_everything_arrives)
{
	for (int t = 0; t < NR_TARGETS; t++)
		ck_assert(arrives(targets[t], -1));
	ck_assert_uint_eq(rx_mode(0, 0), 0);
	ck_assert(!arrives(targets[OTHER], -1));
	fake_driver_reset();
	fake_driver_up_with(FEATURES & ~BIT(VIRTIO_NET_F_MQ), USO, 3);
	rx_buffer(0, 2000);
	ck_assert_int_eq(receive(targets[OTHER], 6 + 8), 0);
	ck_assert_uint_eq(fake_used(RX), 1);
}
END_TEST

/* Longer lists than are kept: all of that kind arrive, and only of that kind. */
START_TEST(a_list_too_long_to_keep_lets_its_kind_pass)
{
	unsigned char data[8 + 6 * 65] = { 0 };

	ck_assert_uint_eq(rx_mode(0, 0), 0);
	data[_i ? 4 : 0] = 65;
	ck_assert_uint_eq(command(1, 0, data, sizeof(data)), 0);
	ck_assert_int_eq(arrives(targets[OTHER], -1), _i == 0);
	ck_assert_int_eq(arrives(targets[GROUP], -1), _i == 1);
	data[_i ? 4 : 0] = 64;
	ck_assert_uint_eq(command(1, 0, data, sizeof(data) - 6), 0);
	ck_assert(!arrives(targets[OTHER], -1));
	ck_assert(!arrives(targets[GROUP], -1));
}
END_TEST

START_TEST(vlans_arrive_that_were_added)
{
	ck_assert_uint_eq(rx_mode(0, 0), 0);
	ck_assert(!arrives(targets[ME], 5));
	ck_assert_uint_eq(command(2, 0, "\5\0", 2), 0);
	ck_assert_uint_eq(command(2, 0, "\xff\x0f", 2), 0);
	ck_assert(arrives(targets[ME], 5));
	ck_assert(arrives(targets[ME], 4095));
	ck_assert(!arrives(targets[ME], 6));
	ck_assert(!arrives(targets[ME], 0));
	ck_assert(!arrives(targets[OTHER], 5));
	ck_assert_uint_eq(command(2, 1, "\5\0", 2), 0);
	ck_assert(!arrives(targets[ME], 5));
	ck_assert(arrives(targets[ME], 4095));
	ck_assert(arrives(targets[ME], -1));

	/* A driver without the feature gets all of them. */
	fake_driver_reset();
	fake_driver_up_with(CTRL_FEATURES & ~(BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CTRL_VLAN)), 0,
			    3);
	ck_assert_uint_eq(rx_mode(0, 0), 0);
	rx_buffer(0, 2000);
	ck_assert_int_eq(receive("\x52\x54\0\0\0\1\0\0\0\0\0\0\x81\0\0\7\0\0", 18), 0);
	ck_assert_uint_eq(fake_used(RX), 1);
}
END_TEST

START_TEST(the_driver_may_change_its_address_until_the_reset)
{
	ck_assert_uint_eq(rx_mode(0, 0), 0);
	ck_assert_uint_eq(command(1, 1, targets[OTHER], 6), 0);
	ck_assert_mem_eq(b.dev->virtio.config, targets[OTHER], 6);
	ck_assert(arrives(targets[OTHER], -1));
	ck_assert(!arrives(targets[ME], -1));
	fake_driver_reset();
	ck_assert_mem_eq(b.dev->virtio.config, targets[ME], 6);
}
END_TEST

/* ---- several pairs ---- */

static void tx_on(unsigned queue)
{
	fake_desc(queue, 0, FAKE_DATA + 0x100000, HDR + 60, 0, 0);
	fake_offer(queue, 0);
	fake_kick(queue);
	fake_run();
}

START_TEST(pairs_are_used_when_the_driver_says_so)
{
	ck_assert_uint_eq(b.dev->nr_queues, 7);
	ck_assert_mem_eq(b.dev->virtio.config + 8, "\3\0", 2);
	memset(data_at(0x100000), 0, HDR);
	ck_assert_uint_eq(b.pairs, 1);
	tx_on(1);
	tx_on(3);
	ck_assert_uint_eq(b.transmitted[0], 1);
	ck_assert_uint_eq(b.transmitted[1], 0);

	/* What was offered too early goes out now. */
	ck_assert_uint_eq(command(4, 0, "\3\0", 2), 0);
	ck_assert_uint_eq(b.pairs, 3);
	ck_assert_uint_eq(b.transmitted[1], 1);
	tx_on(5);
	ck_assert_uint_eq(b.transmitted[2], 1);
	ck_assert_uint_eq(stats_of(2).tx_frames, 1);
	ck_assert_uint_eq(stats_of(VMM_NET_ALL_PAIRS).tx_frames, 3);
	ck_assert_uint_eq(stats_of(VMM_NET_ALL_PAIRS).tx_bytes, 180);

	ck_assert_uint_eq(command(4, 0, "\1\0", 2), 0);
	ck_assert_uint_eq(b.pairs, 1);
	tx_on(5);
	ck_assert_uint_eq(b.transmitted[2], 1);
}
END_TEST

START_TEST(a_frame_goes_to_the_queue_it_is_for)
{
	struct vmm_net_frame head = { .queue = 2 };

	fake_desc(4, 0, FAKE_DATA, 2000, VRING_DESC_F_WRITE, 0);
	fake_offer(4, 0);
	/* Not used yet: all goes to the first. */
	ck_assert_int_eq(receive_as(&head, pattern(), 60), -EAGAIN);
	fake_kick(RX);
	fake_run();
	ck_assert_uint_eq(b.receivable[0], 1);
	ck_assert_uint_eq(command(4, 0, "\3\0", 2), 0);
	ck_assert_int_eq(receive_as(&head, pattern(), 60), 0);
	ck_assert_uint_eq(fake_used(4), 1);
	ck_assert_uint_eq(fake_interrupts(4), 1);
	ck_assert_int_eq(receive_as(&head, pattern(), 60), -EAGAIN);
	fake_offer(4, 0);
	fake_kick(4);
	fake_run();
	ck_assert_uint_eq(b.receivable[2], 1);
	head.queue = 65535;		/* modulo 3: 0 */
	ck_assert_int_eq(receive_as(&head, pattern(), 60), -EAGAIN);
}
END_TEST

START_TEST(without_mq_the_control_queue_comes_third)
{
	fake_driver_reset();
	fake_driver_up_with(FEATURES & ~BIT(VIRTIO_NET_F_MQ), USO, 2 * PAIRS + 1);
	ctrl = 2;
	ck_assert_uint_eq(rx_mode(0, 0), 0);
	ctrl = 6;
	ck_assert_uint_eq(rx_mode(0, 0), 255);
	ck_assert(!fake_needs_reset());
}
END_TEST

START_TEST(offloads_are_turned_off_and_on)
{
	const struct vmm_net_frame head = {
		.flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 9, .csum_start = 34,
	};

	for (uint16_t i = 0; i < 9; i++)
		rx_buffer(i, 2000);
	ck_assert_uint_eq(b.offloads, VMM_NET_OFFLOADS);
	ck_assert_int_eq(receive_as(&head, pattern(), 100), 0);
	ck_assert_uint_eq(command(5, 0, "\2\0\0\0\0\0\0\0", 8), 0);
	ck_assert_uint_eq(b.offloads, VMM_NET_CSUM);
	/* One that was on its way. */
	ck_assert_int_eq(receive_as(&head, pattern(), 100), -EPROTO);
	ck_assert_uint_eq(command(5, 0, "\x82\3\0\0\0\0\xc0\0", 8), 0);
	ck_assert_uint_eq(b.offloads, VMM_NET_OFFLOADS);
	ck_assert_int_eq(receive_as(&head, pattern(), 100), 0);
	/* TSO alone needs the checksum's. */
	ck_assert_uint_eq(command(5, 0, "\x80\0\0\0\0\0\0\0", 8), 0);
	ck_assert_uint_eq(b.offloads, 0);
}
END_TEST

/* ---- the application's side ---- */

static unsigned status(void)
{
	return b.dev->virtio.config[6];
}

START_TEST(a_pulled_cable_loses_frames_both_ways)
{
	unsigned told = fake_config_interrupts();

	memset(data_at(0x100000), 0, HDR);
	rx_buffer(0, 2000);
	ck_assert_uint_eq(status(), 1);
	ck_assert_int_eq(vmm_net_set_link(b.dev, 0), 0);
	ck_assert_int_eq(vmm_net_set_link(b.dev, 0), 0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(fake_config_interrupts(), told + 1);
	tx_on(1);
	ck_assert_uint_eq(b.transmitted[0], 0);
	ck_assert_uint_eq(fake_used(TX), 1);
	ck_assert_int_eq(receive(pattern(), 60), -ENETDOWN);
	ck_assert_uint_eq(stats_of(0).tx_link_down, 1);
	ck_assert_uint_eq(stats_of(0).rx_link_down, 1);

	ck_assert_int_eq(vmm_net_set_link(b.dev, 1), 0);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(fake_config_interrupts(), told + 2);
	tx_on(1);
	ck_assert_uint_eq(b.transmitted[0], 1);
	ck_assert_int_eq(receive(pattern(), 60), 0);
}
END_TEST

START_TEST(the_link_is_up_when_both_ends_are)
{
	vmm_net_port_carrier(b.port, 0);
	ck_assert_uint_eq(status(), 0);
	ck_assert_int_eq(vmm_net_set_link(b.dev, 0), 0);
	vmm_net_port_carrier(b.port, 1);
	ck_assert_uint_eq(status(), 0);
	ck_assert_int_eq(vmm_net_set_link(b.dev, 1), 0);
	ck_assert_uint_eq(status(), 1);
	/* It outlives the driver. */
	vmm_net_port_carrier(b.port, 0);
	fake_driver_reset();
	ck_assert_uint_eq(status(), 0);
}
END_TEST

START_TEST(an_interface_may_begin_without_a_link)
{
	fixture_finish();
	fixture_plug(1, VMM_NET_LINK_DOWN);
	ck_assert_uint_eq(status(), 0);
	ck_assert_int_eq(vmm_net_set_link(b.dev, 1), 0);
	ck_assert_uint_eq(status(), 1);
	/* Nobody to tell. */
	ck_assert_uint_eq(fake_config_interrupts(), 0);
}
END_TEST

START_TEST(a_driver_announces_itself_and_says_so)
{
	ck_assert_int_eq(vmm_net_announce(b.dev), 0);
	ck_assert_uint_eq(status(), 3);
	ck_assert_uint_eq(fake_config_interrupts(), 1);
	ck_assert_uint_eq(command(3, 0, "", 0), 0);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(fake_config_interrupts(), 1);
	ck_assert_int_eq(vmm_net_announce(b.dev), 0);
	fake_driver_reset();
	ck_assert_uint_eq(status(), 1);
	/* One that cannot is not asked. */
	fake_driver_up(BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ), 3);
	ck_assert_int_eq(vmm_net_announce(b.dev), 0);
	ck_assert_uint_eq(status(), 1);
}
END_TEST

START_TEST(frames_are_counted_by_what_became_of_them)
{
	struct vmm_net_stats s;

	memset(data_at(0x100000), 0, HDR);
	tx_on(1);
	b.transmit_says = -EIO;
	tx_on(1);
	b.transmit_says = -EAGAIN;
	tx_on(1);
	s = stats_of(0);
	ck_assert_uint_eq(s.tx_frames, 1);
	ck_assert_uint_eq(s.tx_bytes, 60);
	ck_assert_uint_eq(s.tx_refused, 1);
	ck_assert_uint_eq(s.tx_full, 1);
	ck_assert_uint_eq(s.backend_rx_lost, 0);
	s = stats_of(VMM_NET_ALL_PAIRS);
	ck_assert_uint_eq(s.backend_rx_lost, 7);
	ck_assert_uint_eq(s.backend_tx_lost, 11);

	b.transmit_says = 0;
	vmm_net_port_writable(b.port, 0);
	fake_run();
	fake_desc(TX, 1, FAKE_DATA + 0x100000, HDR + 13, 0, 0);
	fake_offer(TX, 1);
	fake_kick(TX);
	fake_run();
	ck_assert_uint_eq(stats_of(0).tx_bad_length, 1);
	/* Not cleared by a reset. */
	fake_driver_reset();
	ck_assert_uint_eq(stats_of(0).tx_frames, 2);
}
END_TEST

/* Let @ms pass, as the device sees it. */
static void wait_ms(int ms)
{
	struct pollfd p = { .fd = vmm_loop_fd(fake_loop()), .events = POLLIN };
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		(void)poll(&p, 1, 1);
		fake_run();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < ms);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Each row limits to 50 frames of 60 bytes a second, 5 at once. */
static const struct vmm_rate rates[] = {
	{ sizeof(struct vmm_rate), 0, 0, 50, 5 },
	{ sizeof(struct vmm_rate), 3000, 300, 0, 0 },
};

/* As many as may have passed since @begin, however slow this machine is; and one. */
static unsigned most_since(double begin)
{
	return 6 + (unsigned)((seconds() - begin) * 50);
}

START_TEST(what_the_guest_sends_is_limited)
{
	double begin = seconds();

	ck_assert_int_eq(vmm_net_set_rate(b.dev, &rates[_i], NULL), 0);
	memset(data_at(0x100000), 0, HDR);
	for (uint16_t i = 0; i < 40; i++) {
		fake_desc(TX, i, FAKE_DATA + 0x100000, HDR + 60, 0, 0);
		fake_offer(TX, i);
	}
	fake_kick(TX);
	fake_run();
	ck_assert_uint_ge(b.transmitted[0], 5);
	ck_assert_uint_le(b.transmitted[0], most_since(begin));
	ck_assert_uint_ge(stats_of(0).tx_limited, 1);
	/* Neither kicks nor a backend that has room change that. */
	vmm_net_port_writable(b.port, 0);
	fake_kick(TX);
	fake_run();
	ck_assert_uint_le(b.transmitted[0], most_since(begin));
	wait_ms(200);
	ck_assert_uint_ge(b.transmitted[0], 12);
	ck_assert_uint_le(b.transmitted[0], most_since(begin));
	/* To the guest there is no limit. */
	for (uint16_t i = 0; i < 20; i++)
		rx_buffer(i, 2000);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(receive(pattern(), 60), 0);

	ck_assert_int_eq(vmm_net_set_rate(b.dev, NULL, NULL), 0);
	wait_ms(5);
	ck_assert_uint_eq(b.transmitted[0], 40);
}
END_TEST

START_TEST(a_frame_that_waits_for_the_backend_pays_once)
{
	ck_assert_int_eq(vmm_net_set_rate(b.dev, &rates[_i], NULL), 0);
	memset(data_at(0x100000), 0, HDR);
	b.transmit_says = -EAGAIN;
	tx_on(1);
	for (int i = 0; i < 20; i++) {
		vmm_net_port_writable(b.port, 0);
		fake_run();
	}
	b.transmit_says = 0;
	vmm_net_port_writable(b.port, 0);
	fake_run();
	ck_assert_uint_eq(b.transmitted[0], 1);
	for (int i = 0; i < 4; i++)
		tx_on(1);
	ck_assert_uint_eq(b.transmitted[0], 5);
	ck_assert_uint_eq(stats_of(0).tx_limited, 0);
}
END_TEST

START_TEST(what_the_guest_gets_is_limited)
{
	double begin = seconds();
	unsigned got = 0;

	ck_assert_int_eq(vmm_net_set_rate(b.dev, NULL, &rates[_i]), 0);
	for (uint16_t i = 0; i < 40; i++)
		rx_buffer(i, 2000);
	while (receive(pattern(), 60) == 0)
		got++;
	/* The last is taken out of the rate before the next. */
	ck_assert_uint_ge(got, 5);
	ck_assert_uint_le(got, 1 + most_since(begin));
	ck_assert_uint_ge(stats_of(0).rx_limited, 1);
	ck_assert_uint_eq(b.receivable[0], 0);
	for (int i = 0; i < 4; i++) {
		unsigned before = b.receivable[0];

		while (b.receivable[0] == before)
			wait_ms(2);
		while (receive(pattern(), 60) == 0)
			got++;
	}
	ck_assert_uint_le(got, 1 + most_since(begin));
	ck_assert_int_eq(vmm_net_set_rate(b.dev, NULL, NULL), 0);
	rx_buffer(50, 2000);
	ck_assert_int_eq(receive(pattern(), 60), 0);
}
END_TEST

START_TEST(a_rate_that_cannot_be_changes_nothing)
{
	struct vmm_rate bad = VMM_RATE_INIT;

	bad.ops_burst = 5;
	ck_assert_int_eq(vmm_net_set_rate(b.dev, &rates[0], &bad), -EINVAL);
	ck_assert_int_eq(vmm_net_set_rate(NULL, NULL, NULL), -EINVAL);
	memset(data_at(0x100000), 0, HDR);
	for (int i = 0; i < 20; i++)
		tx_on(1);
	ck_assert_uint_eq(b.transmitted[0], 20);
}
END_TEST

START_TEST(stats_of_nothing_are_refused)
{
	struct vmm_net_stats s = VMM_NET_STATS_INIT;

	ck_assert_int_eq(vmm_net_stats(NULL, 0, &s), -EINVAL);
	ck_assert_int_eq(vmm_net_stats(b.dev, 0, NULL), -EINVAL);
	ck_assert_int_eq(vmm_net_stats(b.dev, PAIRS, &s), -EINVAL);
	ck_assert_int_eq(vmm_net_set_link(NULL, 0), -EINVAL);
	ck_assert_int_eq(vmm_net_announce(NULL), -EINVAL);
	s.size = 4;
	ck_assert_int_eq(vmm_net_stats(b.dev, 0, &s), -EINVAL);
	/* An older caller gets what it knows. */
	s.size = offsetof(struct vmm_net_stats, rx_filtered);
	s.rx_filtered = 99;
	ck_assert_int_eq(vmm_net_stats(b.dev, 0, &s), 0);
	ck_assert_uint_eq(s.rx_filtered, 99);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_ctrl");
	TCase *down = tcase_create("down");
	TCase *several = tcase_create("several pairs");
	TCase *one = tcase_create("one pair");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(down, setup_down, fixture_finish);
	tcase_add_loop_test(down, a_command_is_carried_out_or_refused, 0,
			    (int)(sizeof(commands) / sizeof(commands[0])));
	tcase_add_test(down, without_the_control_queue_nothing_answers);
	tcase_add_test(down, an_interface_may_begin_without_a_link);

	tcase_add_checked_fixture(several, setup, fixture_finish);
	tcase_add_test(several, pairs_are_used_when_the_driver_says_so);
	tcase_add_test(several, a_frame_goes_to_the_queue_it_is_for);
	tcase_add_test(several, without_mq_the_control_queue_comes_third);
	tcase_add_test(several, offloads_are_turned_off_and_on);
	tcase_add_test(several, a_driver_announces_itself_and_says_so);
	tcase_add_test(several, frames_are_counted_by_what_became_of_them);
	tcase_add_test(several, stats_of_nothing_are_refused);

	tcase_add_checked_fixture(one, setup_one, fixture_finish);
	tcase_add_loop_test(one, what_cannot_be_answered_breaks_the_device, 0,
			    (int)(sizeof(broken) / sizeof(broken[0])));
	tcase_add_test(one, a_command_of_any_length_is_answered);
	tcase_add_loop_test(one, frames_are_filtered_as_the_driver_wants, 0,
			    (int)(sizeof(modes) / sizeof(modes[0])));
	tcase_add_test(one, at_first_and_after_a_reset_everything_arrives);
	tcase_add_loop_test(one, a_list_too_long_to_keep_lets_its_kind_pass, 0, 2);
	tcase_add_test(one, vlans_arrive_that_were_added);
	tcase_add_test(one, the_driver_may_change_its_address_until_the_reset);
	tcase_add_loop_test(one, what_the_guest_sends_is_limited, 0, 2);
	tcase_add_loop_test(one, a_frame_that_waits_for_the_backend_pays_once, 0, 2);
	tcase_add_loop_test(one, what_the_guest_gets_is_limited, 0, 2);
	tcase_add_test(one, a_rate_that_cannot_be_changes_nothing);
	tcase_add_test(one, a_pulled_cable_loses_frames_both_ways);
	tcase_add_test(one, the_link_is_up_when_both_ends_are);
	suite_add_tcase(suite, down);
	suite_add_tcase(suite, several);
	suite_add_tcase(suite, one);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
