/* SPDX-License-Identifier: MIT */
/*
 * test_net_offload.c - what a driver says before its frames, and frames that lie in
 * several buffers.
 */
#include <poll.h>

#include "net_fixture.h"
#include "devices/virtio/queue_priv.h"

#define EVERYTHING	(HOST_OFFLOADS | GUEST_OFFLOADS)

static void setup_down(void)
{
	fixture_plug(1, 0);
}

static void setup(void)
{
	setup_down();
	fake_driver_up_with(EVERYTHING, USO, 2);
}

static void setup_merged(void)
{
	setup_down();
	fake_driver_up_with(EVERYTHING | BIT(VIRTIO_NET_F_MRG_RXBUF), USO, 2);
}

/* ---- what is offered ---- */

START_TEST(the_driver_is_offered_what_its_backend_can_do)
{
	ck_assert_uint_eq(fake_offered(0) & (EVERYTHING | BIT(VIRTIO_NET_F_GUEST_UFO) |
					     BIT(VIRTIO_NET_F_HOST_UFO) |
					     BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)),
			  EVERYTHING | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	ck_assert_uint_eq(fake_offered(1), USO | 0x101);
	ck_assert_uint_eq(fake_offered(2), 0);
}
END_TEST

START_TEST(a_plain_interface_offers_no_offload)
{
	fixture_finish();
	fixture_plug(1, VMM_NET_PLAIN);
	ck_assert_uint_eq(fake_offered(0) & (EVERYTHING | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)), 0);
	ck_assert_uint_eq(fake_offered(1), 0x101);
}
END_TEST

/* Each row: what a backend says it can do, and whether that can be. */
static const struct {
	uint32_t takes, gives, pairs;
	bool fine;
} infos[] = {
	{ 0, 0, 0, true },
	{ VMM_NET_CSUM, 0, 16, true },
	{ 0, VMM_NET_CSUM | VMM_NET_TSO4, 1, true },
	{ VMM_NET_TSO4, 0, 1, false },
	{ 0, VMM_NET_USO4, 1, false },
	{ VMM_NET_CSUM | VMM_NET_ECN, 0, 1, false },
	{ VMM_NET_CSUM | 0x40, 0, 1, false },
	{ 0, 0, 17, false },
};

START_TEST(a_backend_that_cannot_be_is_refused)
{
	struct vmm_net_info info = VMM_NET_INFO_INIT;
	struct vmm_netdev *netdev;

	info.takes = infos[_i].takes;
	info.gives = infos[_i].gives;
	info.queue_pairs = infos[_i].pairs;
	ck_assert_int_eq(vmm_net_create(&be_ops, &b, &info, &netdev), infos[_i].fine ? 0 : -EINVAL);
	if (infos[_i].fine)
		vmm_net_destroy(netdev);
}
END_TEST

/* Each row: features of the driver, and what it agreed to take. */
static const struct {
	uint32_t features, more, offloads;
} agreements[] = {
	{ 0, 0, 0 },
	{ GUEST_OFFLOADS, USO, VMM_NET_OFFLOADS },
	{ BIT(VIRTIO_NET_F_GUEST_CSUM), 0, VMM_NET_CSUM },
	/* VIRTIO 1.2, 5.1.3.1: without what it needs it is nothing. */
	{ BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6), USO, 0 },
	{ BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_ECN), 0, VMM_NET_CSUM },
};

START_TEST(the_backend_hears_what_the_guest_agreed_to)
{
	fake_driver_up_with(agreements[_i].features, agreements[_i].more, 2);
	ck_assert_uint_eq(b.offloads, agreements[_i].offloads);
	ck_assert_uint_eq(b.pairs, 1);
	b.offloads = 99;
	fake_driver_reset();
	ck_assert_uint_eq(b.offloads, 0);
}
END_TEST

/* ---- headers of the driver's ---- */

enum { C = VIRTIO_NET_HDR_F_NEEDS_CSUM, T4 = VIRTIO_NET_HDR_GSO_TCPV4,
       T6 = VIRTIO_NET_HDR_GSO_TCPV6, U = VIRTIO_NET_HDR_GSO_UDP_L4, E = VIRTIO_NET_HDR_GSO_ECN };

#define H(flags_, type, hdr_len_, size, start, offset)					\
	{ .flags = (flags_), .gso_type = (type), .hdr_len = (hdr_len_), .gso_size = (size),	\
	  .csum_start = (start), .csum_offset = (offset) }

/* Each row is a header before a frame of 1000 bytes; those that pass arrive so. */
static const struct {
	const char *name;
	struct virtio_net_hdr_v1 header;
	bool passes;
	uint16_t hdr_len;		/* as it arrives */
} headers[] = {
	{ "plain", { .flags = 0 }, true, 0 },
	{ "checksum", { .flags = C, .csum_start = 34, .csum_offset = 16 }, true, 0 },
	{ "checksum at the end", { .flags = C, .csum_start = 900, .csum_offset = 98 }, true, 0 },
	{ "checksum past the end", { .flags = C, .csum_start = 900, .csum_offset = 99 }, false, 0 },
	{ "start past the end", { .flags = C, .csum_start = 1000 }, false, 0 },
	{ "both far out", { .flags = C, .csum_start = 65535, .csum_offset = 65535 }, false, 0 },
	{ "sum that wraps", { .flags = C, .csum_start = 65500, .csum_offset = 40 }, false, 0 },
	{ "checksum of the addresses", { .flags = C, .csum_start = 13 }, false, 0 },
	{ "flags unknown", { .flags = 0xfe }, true, 0 },
	{ "TCP", H(C, T4, 54, 500, 34, 16), true, 54 },
	{ "TCP, IPv6", H(C, T6, 74, 500, 54, 16), true, 74 },
	{ "TCP with a mark", H(C, T4 | E, 54, 500, 34, 16), true, 54 },
	{ "UDP", H(C, U, 42, 500, 34, 6), true, 42 },
	{ "UDP with a mark", H(C, U | E, 42, 500, 34, 6), false, 0 },
	{ "a mark alone", H(C, E, 42, 500, 34, 6), false, 0 },
	{ "size 0", H(C, T4, 54, 0, 34, 16), false, 0 },
	{ "no checksum", H(0, T4, 54, 500, 34, 16), false, 0 },
	{ "UFO", H(C, VIRTIO_NET_HDR_GSO_UDP, 42, 500, 34, 6), false, 0 },
	{ "unknown type", H(C, 2, 42, 500, 34, 6), false, 0 },
	{ "unknown type", H(C, 0x7f, 42, 500, 34, 6), false, 0 },
	/* VIRTIO 1.2, 5.1.6.2.2: hdr_len is often wrong. */
	{ "hdr_len 0", H(C, T4, 0, 500, 34, 16), true, 52 },
	{ "hdr_len too small", H(C, T4, 40, 500, 34, 16), true, 52 },
	{ "hdr_len past the end", H(C, T4, 1001, 500, 34, 16), true, 1000 },
	{ "hdr_len far out", H(C, T4, 65535, 65535, 34, 16), true, 1000 },
};

START_TEST(a_header_passes_in_range_or_not_at_all)
{
	const struct virtio_net_hdr_v1 *h = &headers[_i].header;

	send_frame(h, 1000);
	ck_assert_msg((b.transmitted[0] == 1) == headers[_i].passes, "%s", headers[_i].name);
	ck_assert_uint_eq(stats_of(0).tx_bad_header, !headers[_i].passes);
	ck_assert_uint_eq(fake_used(TX), 1);
	ck_assert(!fake_needs_reset());
	if (!headers[_i].passes)
		return;
	ck_assert_uint_eq(b.last.flags, h->flags & C);
	ck_assert_uint_eq(b.last.gso_type, h->gso_type);
	ck_assert_uint_eq(b.last.gso_size, h->gso_type ? h->gso_size : 0);
	ck_assert_uint_eq(b.last.hdr_len, headers[_i].hdr_len);
	ck_assert_uint_eq(b.last.csum_start, h->flags & C ? h->csum_start : 0);
	ck_assert_uint_eq(b.last.csum_offset, h->flags & C ? h->csum_offset : 0);
}
END_TEST

/* Each row: what the driver has not agreed to, and uses. */
static const struct {
	uint32_t without, more_without;
	struct virtio_net_hdr_v1 header;
} uses[] = {
	{ BIT(VIRTIO_NET_F_HOST_TSO4), 0, H(C, T4, 54, 500, 34, 16) },
	{ BIT(VIRTIO_NET_F_HOST_TSO6), 0, H(C, T6, 74, 500, 54, 16) },
	{ BIT(VIRTIO_NET_F_HOST_ECN), 0, H(C, T4 | E, 54, 500, 34, 16) },
	{ 0, BIT(VIRTIO_NET_F_HOST_USO), H(C, U, 42, 500, 34, 6) },
};

START_TEST(an_offload_that_was_not_agreed_on_loses_the_frame)
{
	fake_driver_up_with(HOST_OFFLOADS & ~uses[_i].without, USO & ~uses[_i].more_without, 2);
	send_frame(&uses[_i].header, 1000);
	ck_assert_uint_eq(b.transmitted[0], 0);
	ck_assert_uint_eq(stats_of(0).tx_bad_header, 1);

	fake_driver_reset();
	fake_driver_up_with(HOST_OFFLOADS, USO, 2);
	send_frame(&uses[_i].header, 1000);
	ck_assert_uint_eq(b.transmitted[0], 1);
}
END_TEST

/* ---- headers to the driver ---- */

START_TEST(offloads_reach_a_guest_that_agreed)
{
	const struct vmm_net_frame head = {
		.flags = C, .gso_type = T4, .hdr_len = 54, .gso_size = 1448, .csum_start = 34,
		.csum_offset = 16,
	};

	fake_desc(RX, 0, FAKE_DATA, 65562, VRING_DESC_F_WRITE, 0);
	fake_offer(RX, 0);
	ck_assert_int_eq(receive_as(&head, pattern(), 60000), 0);
	ck_assert_mem_eq(data_at(0), "\1\1\x36\0\xa8\5\x22\0\x10\0\1\0", HDR);
	ck_assert_mem_eq(data_at(HDR), pattern(), 60000);
	ck_assert_uint_eq(fake_used_len(RX, 0), HDR + 60000);
}
END_TEST

/* Each row: a frame, and the least that the guest must have agreed to. */
static const struct {
	struct vmm_net_frame head;
	uint32_t features, more;
} gifts[] = {
	{ { .flags = C, .csum_start = 34 }, BIT(VIRTIO_NET_F_GUEST_CSUM), 0 },
	{ { .flags = C, .gso_type = T4, .gso_size = 9, .csum_start = 34 },
	  BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4), 0 },
	{ { .flags = C, .gso_type = T6, .gso_size = 9, .csum_start = 34 },
	  BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO6), 0 },
	{ { .flags = C, .gso_type = T6 | E, .gso_size = 9, .csum_start = 34 },
	  BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN),
	  0 },
	{ { .flags = C, .gso_type = U, .gso_size = 9, .csum_start = 34 },
	  BIT(VIRTIO_NET_F_GUEST_CSUM), BIT(VIRTIO_NET_F_GUEST_USO4) },
};

START_TEST(an_offload_is_kept_from_a_guest_that_did_not)
{
	/* One bit of those it takes is missing each time, then none. */
	for (unsigned bit = 0; bit < 64; bit++) {
		uint32_t features = gifts[_i].features & ~(bit < 32 ? 1u << bit : 0);
		uint32_t more = gifts[_i].more & ~(bit < 32 ? 0 : 1u << (bit - 32));

		if (features == gifts[_i].features && more == gifts[_i].more)
			continue;
		fake_driver_up_with(features, more, 2);
		rx_buffer(0, 2000);
		ck_assert_int_eq(receive_as(&gifts[_i].head, pattern(), 100), -EPROTO);
		ck_assert_uint_eq(fake_used(RX), 0);
		fake_driver_reset();
	}
	ck_assert_uint_gt(stats_of(0).rx_offload, 0);

	fake_driver_up_with(gifts[_i].features, gifts[_i].more, 2);
	rx_buffer(0, 2000);
	ck_assert_int_eq(receive_as(&gifts[_i].head, pattern(), 100), 0);
	ck_assert_uint_eq(fake_used(RX), 1);
}
END_TEST

START_TEST(a_sum_that_was_checked_is_no_news_to_a_guest_that_does_not_ask)
{
	const struct vmm_net_frame head = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };

	fake_driver_up(0, 2);
	rx_buffer(0, 2000);
	ck_assert_int_eq(receive_as(&head, pattern(), 100), 0);
	ck_assert_uint_eq(data_at(0)[0], 0);
	fake_driver_reset();
	fake_driver_up(BIT(VIRTIO_NET_F_GUEST_CSUM), 2);
	rx_buffer(0, 2000);
	ck_assert_int_eq(receive_as(&head, pattern(), 100), 0);
	ck_assert_uint_eq(data_at(0)[0], VIRTIO_NET_HDR_F_DATA_VALID);
}
END_TEST

START_TEST(a_frame_of_size_0_segments_is_none)
{
	const struct vmm_net_frame head = { .flags = C, .gso_type = T4, .csum_start = 34 };

	rx_buffer(0, 2000);
	ck_assert_int_eq(receive_as(&head, pattern(), 100), -EPROTO);
}
END_TEST

/* ---- frames in several buffers ---- */

/* The loop until its timer has run. */
static void run_timer(void)
{
	struct pollfd p = { .fd = vmm_loop_fd(fake_loop()), .events = POLLIN };

	ck_assert_int_gt(poll(&p, 1, 5000), 0);
	fake_run();
}

START_TEST(a_frame_fills_as_many_buffers_as_it_needs)
{
	for (uint16_t i = 0; i < 8; i++)
		rx_buffer(i, 1000);
	ck_assert_int_eq(receive(pattern(), 2500), 0);
	ck_assert_uint_eq(fake_used(RX), 3);
	ck_assert_uint_eq(fake_used_len(RX, 0), 1000);
	ck_assert_uint_eq(fake_used_len(RX, 1), 1000);
	ck_assert_uint_eq(fake_used_len(RX, 2), 512);
	ck_assert_mem_eq(data_at(0), "\0\0\0\0\0\0\0\0\0\0\3\0", HDR);
	ck_assert_mem_eq(data_at(HDR), pattern(), 988);
	ck_assert_mem_eq(data_at(0x1000), pattern() + 988, 1000);
	ck_assert_mem_eq(data_at(0x2000), pattern() + 1988, 512);

	/* The next frame begins in the next buffer. */
	ck_assert_int_eq(receive(pattern(), 988), 0);
	ck_assert_uint_eq(fake_used(RX), 4);
	ck_assert_uint_eq(fake_used_head(RX, 3), 3);
	ck_assert_uint_eq(data_at(0x3000)[10], 1);
	ck_assert_int_eq(receive(pattern(), 989), 0);
	ck_assert_uint_eq(fake_used(RX), 6);
	ck_assert_uint_eq(fake_used_len(RX, 5), 1);
}
END_TEST

START_TEST(what_is_lent_is_enough_for_any_frame)
{
	struct iovec iov[VMM_CHAIN_MAX];
	size_t room = 0;
	int n;

	for (uint16_t i = 0; i < 60; i++)
		rx_buffer(i, 1500);
	n = vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX);
	for (int i = 0; i < n; i++)
		room += iov[i].iov_len;
	ck_assert_uint_ge(room, 65553);
	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, i + 1, iov[i].iov_len);
	ck_assert_int_eq(vmm_net_receive_end(b.port, &(struct vmm_net_frame){ .length = 60 }), 0);
	ck_assert_uint_eq(fake_used(RX), 1);
	/* The rest is there for the next one. */
	ck_assert_int_ge(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), n - 1);
	ck_assert_ptr_eq(iov[0].iov_base, data_at(0x1000 + HDR));
	ck_assert_int_eq(vmm_net_receive_end(b.port, NULL), 0);
}
END_TEST

START_TEST(too_few_buffers_are_waited_for_but_not_for_ever)
{
	struct iovec iov[VMM_CHAIN_MAX];

	for (uint16_t i = 0; i < 3; i++)
		rx_buffer(i, 1500);
	/* A frame of known length that fits goes in at once. */
	ck_assert_int_eq(receive(pattern(), 1400), 0);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), -EAGAIN);
	ck_assert_int_eq(receive(pattern(), 5000), -EAGAIN);
	ck_assert_uint_eq(b.receivable[0], 0);
	run_timer();
	ck_assert_uint_eq(b.receivable[0], 1);
	/* All that this driver has. */
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), 2);
	ck_assert_int_eq(vmm_net_receive_end(b.port, NULL), 0);
	ck_assert_int_eq(receive(pattern(), 5000), -EMSGSIZE);
	ck_assert_int_eq(receive(pattern(), 2988), 0);
	ck_assert_uint_eq(stats_of(0).rx_too_large, 1);
	ck_assert_uint_eq(fake_used(RX), 3);

	/* It gives more: as before. */
	for (uint16_t i = 0; i < 60; i++)
		rx_buffer(i, 1500);
	fake_kick(RX);
	fake_run();
	ck_assert_int_gt(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), 40);
	ck_assert_int_eq(vmm_net_receive_end(b.port, NULL), 0);
}
END_TEST

START_TEST(a_merged_buffer_may_be_a_header_and_no_less)
{
	rx_buffer(0, HDR);
	rx_buffer(1, HDR);
	rx_buffer(2, 100);
	ck_assert_int_eq(receive(pattern(), 60), 0);
	ck_assert_uint_eq(fake_used(RX), 3);
	ck_assert_uint_eq(data_at(0)[10], 3);
	ck_assert_uint_eq(fake_used_len(RX, 2), 48);
	ck_assert_mem_eq(data_at(0x1000), pattern(), HDR);
	ck_assert(!fake_needs_reset());

	rx_buffer(0, HDR - 1);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert(fake_needs_reset());
}
END_TEST

START_TEST(headers_alone_are_no_buffer)
{
	struct iovec iov[4];

	rx_buffer(0, HDR);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	run_timer();
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), -EAGAIN);
	ck_assert(!fake_needs_reset());
}
END_TEST

START_TEST(buffers_of_many_pieces_fill_the_stock_and_no_more)
{
	/* 64 chains of 20 pieces of 16 bytes: more pieces than a frame may be given. */
	for (uint16_t i = 0; i < 3; i++) {
		for (uint16_t d = 0; d < 20; d++)
			fake_desc(RX, (uint16_t)(i * 20 + d), FAKE_DATA + i * 0x1000u + d * 16u, 16,
				  (uint16_t)(VRING_DESC_F_WRITE | (d < 19 ? VRING_DESC_F_NEXT : 0)),
				  (uint16_t)(i * 20 + d + 1));
		fake_offer(RX, (uint16_t)(i * 20));
	}
	ck_assert_int_eq(receive(pattern(), 600), 0);
	ck_assert_uint_eq(fake_used(RX), 2);
	ck_assert_uint_eq(fake_used_len(RX, 0), 320);
	ck_assert_uint_eq(fake_used_len(RX, 1), 292);
	ck_assert_mem_eq(data_at(HDR), pattern(), 308);
	/* Again and again, so that the stock goes round. */
	for (int round = 0; round < 200; round++) {
		uint16_t head = (uint16_t)(round % 3 * 20);

		ck_assert_int_eq(receive(pattern(), 200), 0);
		fake_offer(RX, head);
	}
	ck_assert_uint_eq(fake_used(RX), 202);
	ck_assert(!fake_needs_reset());
}
END_TEST

/* The first @n bytes are all what they were filled with. */
static bool untouched(size_t n)
{
	size_t i = 0;

	while (i < n && data_at(0)[i] == 0xaa)
		i++;
	return i == n;
}

START_TEST(a_reset_empties_the_stock)
{
	struct iovec iov[VMM_CHAIN_MAX];

	for (uint16_t i = 0; i < 10; i++)
		rx_buffer(i, 1000);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), -EAGAIN);
	ck_assert_int_eq(receive(pattern(), 5000), 0);
	fake_driver_reset();
	memset(data_at(0), 0xaa, 0xa000);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	fake_driver_up(BIT(VIRTIO_NET_F_MRG_RXBUF), 2);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert(untouched(0xa000));
	rx_buffer(9, 1000);
	ck_assert_int_eq(receive(pattern(), 60), 0);
	ck_assert_uint_eq(fake_used_head(RX, 0), 9);
}
END_TEST

/* VIRTIO 1.2, 2.6.1. */
START_TEST(a_reset_of_the_queue_empties_its_stock)
{
	struct vmm_queue *queue = vmm_device_queue(b.dev, RX);
	struct iovec iov[VMM_CHAIN_MAX];

	for (uint16_t i = 0; i < 60; i++)
		rx_buffer(i, 1500);
	ck_assert_int_gt(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), 40);
	memset(data_at(0), 0xaa, 0x3c000);
	vmm__queue_down(queue);
	b.dev->ops.queue_reset(b.dev, queue);
	ck_assert_int_eq(vmm_net_receive_end(b.port, &(struct vmm_net_frame){ .length = 60 }), 0);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), -EAGAIN);
	ck_assert(untouched(0x3c000));
	ck_assert_uint_eq(fake_used(RX), 0);
}
END_TEST

START_TEST(a_reset_of_the_transmit_queue_forgets_what_was_held)
{
	const struct virtio_net_hdr_v1 plain = { 0 };

	b.transmit_says = -EAGAIN;
	send_frame(&plain, 60);
	vmm__queue_down(vmm_device_queue(b.dev, TX));
	b.dev->ops.queue_reset(b.dev, vmm_device_queue(b.dev, TX));
	b.transmit_says = 0;
	vmm_net_port_writable(b.port, 0);
	fake_run();
	ck_assert_uint_eq(b.transmitted[0], 0);
	/* The device still receives. */
	rx_buffer(0, 2000);
	ck_assert_int_eq(receive(pattern(), 60), 0);
}
END_TEST

/* As when the driver turns PCI bus mastering off: what is in the stock is not written to. */
START_TEST(the_stock_is_left_alone_while_memory_may_not_be_used)
{
	struct vmm_queue *queue = vmm_device_queue(b.dev, RX);
	struct iovec iov[VMM_CHAIN_MAX];

	for (uint16_t i = 0; i < 10; i++)
		rx_buffer(i, 1000);
	/* Too little for any frame, but all of it is in the stock now. */
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, VMM_CHAIN_MAX), -EAGAIN);
	ck_assert_int_eq(receive(pattern(), 1500), 0);
	memset(data_at(0), 0xaa, 0xa000);
	vmm__queue_set_state(queue, QUEUE_PAUSED);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert(untouched(0xa000));
	vmm__queue_set_state(queue, QUEUE_UP);
	ck_assert_int_eq(receive(pattern(), 60), 0);
	ck_assert_uint_eq(fake_used_head(RX, 2), 2);
}
END_TEST

START_TEST(no_merging_where_it_was_not_agreed_on)
{
	rx_buffer(0, 1000);
	rx_buffer(1, 1000);
	ck_assert_int_eq(receive(pattern(), 1500), -EMSGSIZE);
	ck_assert_int_eq(receive(pattern(), 900), 0);
	ck_assert_int_eq(receive(pattern(), 900), 0);
	ck_assert_uint_eq(fake_used(RX), 2);
	ck_assert_uint_eq(data_at(0x1000)[10], 1);
}
END_TEST

/* threats.md: network freezes under load. */
START_TEST(a_flood_without_buffers_recovers_when_merged)
{
	uint16_t n = 0;

	for (int round = 0; round < 30; round++) {
		uint16_t used = fake_used(RX);

		for (int i = 0; i < 100; i++)
			ck_assert_int_eq(receive(pattern(), 2000), -EAGAIN);
		for (uint16_t i = 0; i < 8; i++, n++)
			rx_buffer(n % FAKE_QUEUE_SIZE, 1100);
		fake_kick(RX);
		fake_run();
		for (int i = 0; i < 4; i++)
			ck_assert_int_eq(receive(pattern(), 2000), 0);
		ck_assert_uint_eq((uint16_t)(fake_used(RX) - used), 8);
	}
	ck_assert_uint_eq(stats_of(0).rx_frames, 120);
	ck_assert_uint_eq(stats_of(0).rx_bytes, 240000);
	ck_assert_uint_eq(stats_of(0).rx_no_buffer, 3000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_offload");
	TCase *down = tcase_create("down");
	TCase *up = tcase_create("up");
	TCase *merged = tcase_create("merged");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(down, setup_down, fixture_finish);
	tcase_add_test(down, the_driver_is_offered_what_its_backend_can_do);
	tcase_add_test(down, a_plain_interface_offers_no_offload);
	tcase_add_loop_test(down, a_backend_that_cannot_be_is_refused, 0,
			    (int)(sizeof(infos) / sizeof(infos[0])));
	tcase_add_loop_test(down, the_backend_hears_what_the_guest_agreed_to, 0,
			    (int)(sizeof(agreements) / sizeof(agreements[0])));
	tcase_add_loop_test(down, an_offload_that_was_not_agreed_on_loses_the_frame, 0,
			    (int)(sizeof(uses) / sizeof(uses[0])));
	tcase_add_loop_test(down, an_offload_is_kept_from_a_guest_that_did_not, 0,
			    (int)(sizeof(gifts) / sizeof(gifts[0])));
	tcase_add_test(down, a_sum_that_was_checked_is_no_news_to_a_guest_that_does_not_ask);

	tcase_add_checked_fixture(up, setup, fixture_finish);
	tcase_add_loop_test(up, a_header_passes_in_range_or_not_at_all, 0,
			    (int)(sizeof(headers) / sizeof(headers[0])));
	tcase_add_test(up, offloads_reach_a_guest_that_agreed);
	tcase_add_test(up, a_frame_of_size_0_segments_is_none);
	tcase_add_test(up, no_merging_where_it_was_not_agreed_on);

	tcase_add_checked_fixture(merged, setup_merged, fixture_finish);
	tcase_add_test(merged, a_frame_fills_as_many_buffers_as_it_needs);
	tcase_add_test(merged, what_is_lent_is_enough_for_any_frame);
	tcase_add_test(merged, too_few_buffers_are_waited_for_but_not_for_ever);
	tcase_add_test(merged, a_merged_buffer_may_be_a_header_and_no_less);
	tcase_add_test(merged, headers_alone_are_no_buffer);
	tcase_add_test(merged, buffers_of_many_pieces_fill_the_stock_and_no_more);
	tcase_add_test(merged, a_reset_empties_the_stock);
	tcase_add_test(merged, a_reset_of_the_queue_empties_its_stock);
	tcase_add_test(merged, a_reset_of_the_transmit_queue_forgets_what_was_held);
	tcase_add_test(merged, the_stock_is_left_alone_while_memory_may_not_be_used);
	tcase_add_test(merged, a_flood_without_buffers_recovers_when_merged);
	suite_add_tcase(suite, down);
	suite_add_tcase(suite, up);
	suite_add_tcase(suite, merged);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
