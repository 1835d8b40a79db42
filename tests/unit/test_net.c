/* SPDX-License-Identifier: MIT */
/* test_net.c - virtio-net against a driver that lies and a backend that is made of the test. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "count_fds.h"
#include "fake_guest.h"
#include "transport/transport_priv.h"

enum { RX = 0, TX = 1, CTRL = 2, HDR = 12, FRAME_MAX = 65553 };

/* What an interface offers whatever is behind it. */
#define ALWAYS	(1u << VIRTIO_NET_F_MAC | 1u << VIRTIO_NET_F_STATUS | 1u << VIRTIO_NET_F_MRG_RXBUF | \
		 1u << VIRTIO_NET_F_CTRL_VQ | 1u << VIRTIO_NET_F_CTRL_RX | \
		 1u << VIRTIO_NET_F_CTRL_RX_EXTRA | 1u << VIRTIO_NET_F_CTRL_VLAN | \
		 1u << VIRTIO_NET_F_CTRL_MAC_ADDR | 1u << VIRTIO_NET_F_GUEST_ANNOUNCE)

/* ---- the backend ---- */

static struct {
	struct vmm_netdev *netdev;
	struct vmm_net_port *port;
	int attach, transmit_says, transmitted, committed, receivable, attached, destroyed;
	uint32_t last_length, last_nr_iov;
	uint32_t last_header;		/* the frame's offload fields, or'ed */
	unsigned char last[70000];
	bool writable_inside;
	int refill;			/* offer the chain before this one again, so often */
	int fds;
} b;

static int be_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	ck_assert_ptr_eq(state, &b);
	ck_assert_ptr_eq(loop, fake_loop());
	if (b.attach)
		return b.attach;
	b.port = port;
	b.attached++;
	return 0;
}

static int be_transmit(void *state, const struct vmm_net_frame *frame)
{
	size_t at = 0;

	if (b.writable_inside)
		vmm_net_port_writable(b.port, 0);
	if (b.transmit_says) {
		int r = b.transmit_says;

		if (b.writable_inside)
			b.transmit_says = 0;
		return r;
	}
	if (b.refill > 0) {
		b.refill--;
		fake_offer(TX, (uint16_t)((b.transmitted + FAKE_QUEUE_SIZE - 1) % FAKE_QUEUE_SIZE));
	}
	b.transmitted++;
	b.last_length = frame->length;
	b.last_nr_iov = frame->nr_iov;
	b.last_header = (uint32_t)(frame->flags | frame->gso_type | frame->hdr_len |
				   frame->gso_size | frame->csum_start | frame->csum_offset);
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		ck_assert_uint_gt(frame->iov[i].iov_len, 0);
		ck_assert_uint_le(at + frame->iov[i].iov_len, sizeof(b.last));
		memcpy(b.last + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	ck_assert_uint_eq(at, frame->length);
	return 0;
}

static void be_commit(void *state, uint32_t queue)
{
	b.committed++;
}

static void be_receivable(void *state, uint32_t queue)
{
	b.receivable++;
}

static void be_detach(void *state)
{
	b.attached--;
}

static void be_destroy(void *state)
{
	b.destroyed++;
}

static const struct vmm_net_ops be_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "test",
	.attach = be_attach,
	.transmit = be_transmit,
	.commit = be_commit,
	.receivable = be_receivable,
	.detach = be_detach,
	.destroy = be_destroy,
};

/* ---- set up ---- */

static const struct vmm_net_config plain = VMM_NET_CONFIG_INIT;

static int add(struct vmm_net_config config)
{
	config.backend = b.netdev;
	return vmm_add_net(fake_vm(), &config, NULL);
}

static void setup_unplugged(void)
{
	memset(&b, 0, sizeof(b));
	b.fds = count_fds();
	fake_guest_start();
	ck_assert_int_eq(vmm_net_create(&be_ops, &b, NULL, &b.netdev), 0);
}

static void setup_down(void)
{
	setup_unplugged();
	ck_assert_int_eq(add(plain), 0);
}

static void setup(void)
{
	setup_down();
	fake_driver_up(0, 2);
}

static void teardown(void)
{
	bool plugged = fake_device();

	fake_guest_finish();
	if (!plugged)
		vmm_net_destroy(b.netdev);
	ck_assert_int_eq(b.attached, 0);
	ck_assert_int_eq(b.destroyed, 1);
	ck_assert_int_eq(count_fds(), b.fds);
}

/* ---- the driver's side ---- */

/* Descriptor @index: one receive buffer of @len bytes. */
static void rx_buffer(uint16_t index, uint32_t len)
{
	fake_desc(RX, index, FAKE_DATA + index * 0x1000u, len, VRING_DESC_F_WRITE, 0);
	fake_offer(RX, index);
}

static void tx_frame(uint16_t index, uint32_t len)
{
	fake_desc(TX, index, FAKE_DATA + 0x100000, HDR + len, 0, 0);
	fake_offer(TX, index);
}

static void tx_run(void)
{
	fake_kick(TX);
	fake_run();
}

static int receive(const void *bytes, uint32_t length)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = length };
	struct vmm_net_frame frame = { .iov = &iov, .nr_iov = 1, .length = length };
	int r = vmm_net_receive(b.port, &frame);

	vmm_net_receive_commit(b.port, 0);
	return r;
}

/* What was lent holds a frame of @length now. */
static int received_end(uint32_t length)
{
	const struct vmm_net_frame frame = { .length = length };

	return vmm_net_receive_end(b.port, &frame);
}

static const unsigned char *pattern(void)
{
	static unsigned char bytes[70000];

	for (size_t i = 0; i < sizeof(bytes) && !bytes[sizeof(bytes) - 1]; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	return bytes;
}

/* ---- plugging in ---- */

START_TEST(a_config_that_cannot_be_is_refused_with_words)
{
	struct vmm_net_config c = plain;

	ck_assert_int_eq(vmm_add_net(fake_vm(), &c, NULL), -EINVAL);
	c.mac[0] = 0x01;
	ck_assert_int_eq(add(c), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "01:00:00:00:00:00"));
	c = plain;
	c.mtu = 67;
	ck_assert_int_eq(add(c), -EINVAL);
	c = plain;
	c.reserved = 1;
	ck_assert_int_eq(add(c), -EINVAL);
	c = plain;
	c.flags = 1u << 31;
	ck_assert_int_eq(add(c), -EINVAL);
	c = plain;
	c.queue_pairs = 2;
	ck_assert_int_eq(add(c), -EINVAL);
	c = plain;
	c.size = 3;
	ck_assert_int_eq(add(c), -EINVAL);
	c = plain;
	c.queue_size = 3;
	ck_assert_int_eq(add(c), -EINVAL);
	ck_assert_int_eq(vmm_add_net(NULL, &plain, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_net(fake_vm(), NULL, NULL), -EINVAL);
	ck_assert_int_eq(b.attached, 0);
	ck_assert_int_eq(b.destroyed, 0);
}
END_TEST

START_TEST(a_table_that_lacks_what_is_required_is_refused)
{
	struct vmm_netdev *netdev;
	struct vmm_net_ops ops = be_ops;

	ops.attach = NULL;
	ck_assert_int_eq(vmm_net_create(&ops, &b, NULL, &netdev), -EINVAL);
	ops = be_ops;
	ops.transmit = NULL;
	ck_assert_int_eq(vmm_net_create(&ops, &b, NULL, &netdev), -EINVAL);
	ops = be_ops;
	ops.detach = NULL;
	ck_assert_int_eq(vmm_net_create(&ops, &b, NULL, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_create(NULL, &b, NULL, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_create(&be_ops, &b, NULL, NULL), -EINVAL);
	vmm_net_destroy(NULL);
}
END_TEST

START_TEST(a_failed_plug_leaves_the_backend_to_the_caller)
{
	b.attach = -EADDRINUSE;
	ck_assert_int_eq(add(plain), -EADDRINUSE);
	b.attach = 0;
	fake_refuse_device(-ENOSPC);
	ck_assert_int_eq(add(plain), -ENOSPC);
	ck_assert_int_eq(b.attached, 0);
	ck_assert_int_eq(b.destroyed, 0);

	/* It may be tried again. */
	fake_refuse_device(0);
	ck_assert_int_eq(add(plain), 0);
	ck_assert_int_eq(b.attached, 1);
	/* And no second guest gets it. */
	ck_assert_int_eq(add(plain), -EBUSY);
}
END_TEST

START_TEST(the_driver_is_offered_what_is_carried_and_nothing_else)
{
	struct vmm_net_config c = plain;
	const uint32_t rings = 1u << VIRTIO_RING_F_INDIRECT_DESC | 1u << VIRTIO_RING_F_EVENT_IDX;

	c.mac[0] = 0x52;
	c.mac[5] = 0x99;
	c.mtu = 9000;
	ck_assert_int_eq(add(c), 0);
	ck_assert_uint_eq(fake_offered(0), rings | ALWAYS | 1u << VIRTIO_NET_F_MTU);
	ck_assert_uint_eq(fake_offered(1), 0x101);
	/* VIRTIO 1.2, 5.1.4: mac, status, max_virtqueue_pairs, mtu. */
	ck_assert_uint_eq(fake_device()->virtio.config_bytes, 12);
	ck_assert_mem_eq(fake_device()->virtio.config, "\x52\0\0\0\0\x99\x01\0\x01\0\x28\x23", 12);
	ck_assert_uint_eq(fake_device()->ops.virtio_id, 1);
	ck_assert_uint_eq(fake_device()->nr_queues, 3);
	ck_assert_str_eq(fake_device()->name, "net");
}
END_TEST

START_TEST(a_guest_without_an_address_gets_a_random_local_one)
{
	unsigned char mac[6];

	ck_assert_int_eq(add(plain), 0);
	ck_assert_uint_eq(fake_offered(0) >> VIRTIO_NET_F_MTU & 1, 0);
	memcpy(mac, fake_device()->virtio.config, 6);
	ck_assert_uint_eq(mac[0] & 3, 2);

	fake_unplug();
	b.destroyed = 0;
	ck_assert_int_eq(vmm_net_create(&be_ops, &b, NULL, &b.netdev), 0);
	ck_assert_int_eq(add(plain), 0);
	ck_assert_mem_ne(mac, fake_device()->virtio.config, 6);
}
END_TEST

/* ---- transmit ---- */

/* Each row spreads a header and a frame of 100 bytes over descriptors. */
static const uint32_t splits[][8] = {
	{ 112 },
	{ 12, 100 },
	{ 10, 2, 100 },
	{ 5, 107 },
	{ 1, 1, 1, 1, 1, 1, 106 },
	{ 13, 1, 98 },
	{ 6, 12, 14, 80 },
};

START_TEST(a_header_may_be_split_anywhere)
{
	unsigned char *data = fake_ptr(FAKE_DATA);
	uint64_t at = FAKE_DATA;
	uint16_t n = 0;

	memset(data, 0xff, HDR);
	memcpy(data + HDR, pattern(), 100);
	while (n < 7 && splits[_i][n + 1]) {
		fake_desc(TX, n, at, splits[_i][n], VRING_DESC_F_NEXT, (uint16_t)(n + 1));
		at += splits[_i][n++];
	}
	fake_desc(TX, n, at, splits[_i][n], 0, 0);
	fake_offer(TX, 0);
	tx_run();

	ck_assert_int_eq(b.transmitted, 1);
	ck_assert_uint_eq(b.last_length, 100);
	ck_assert_mem_eq(b.last, pattern(), 100);
	/* No offload was agreed on, so what its header asks for is not done. */
	ck_assert_uint_eq(b.last_header, 0);
	ck_assert_uint_eq(fake_used(TX), 1);
	ck_assert_uint_eq(fake_used_len(TX, 0), 0);
}
END_TEST

/* Each row is a length, and whether the backend sees the frame. */
static const struct {
	uint32_t length;
	bool passes;
} lengths[] = {
	{ 0, false }, { 1, false }, { 13, false }, { 14, true }, { 1514, true },
	{ FRAME_MAX, true }, { FRAME_MAX + 1, false }, { 1 << 20, false },
};

START_TEST(a_frame_of_an_impossible_length_is_lost)
{
	tx_frame(3, lengths[_i].length);
	tx_run();
	ck_assert_int_eq(b.transmitted, lengths[_i].passes);
	ck_assert_uint_eq(fake_used(TX), 1);
	ck_assert_uint_eq(fake_used_head(TX, 0), 3);
	ck_assert(!fake_needs_reset());
}
END_TEST

START_TEST(a_chain_shorter_than_its_header_breaks_the_device)
{
	fake_desc(TX, 0, FAKE_DATA, HDR - 1, 0, 0);
	fake_offer(TX, 0);
	tx_frame(1, 100);
	tx_run();
	ck_assert(fake_needs_reset());
	ck_assert_str_ne(fake_why(), "");
	ck_assert_int_eq(b.transmitted, 0);
	ck_assert_uint_eq(fake_used(TX), 0);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);

	/* Only the device is broken: its reset brings it back. */
	fake_driver_reset();
	fake_driver_up(0, 2);
	tx_frame(1, 100);
	tx_run();
	ck_assert_int_eq(b.transmitted, 1);
}
END_TEST

START_TEST(a_chain_that_is_all_writable_breaks_the_device)
{
	fake_desc(TX, 0, FAKE_DATA, 1000, VRING_DESC_F_WRITE, 0);
	fake_offer(TX, 0);
	tx_run();
	ck_assert(fake_needs_reset());
	ck_assert_int_eq(b.transmitted, 0);
}
END_TEST

START_TEST(frames_of_one_turn_are_committed_once)
{
	for (uint16_t i = 0; i < 20; i++)
		tx_frame(i, 60);
	b.committed = 0;
	tx_run();
	ck_assert_int_eq(b.transmitted, 20);
	ck_assert_int_eq(b.committed, 1);
	ck_assert_uint_eq(fake_interrupts(TX), 1);
}
END_TEST

START_TEST(a_full_backend_holds_the_frame_and_resumes)
{
	for (uint16_t i = 0; i < 3; i++)
		tx_frame(i, 60 + i);
	b.transmit_says = -EAGAIN;
	tx_run();
	ck_assert_uint_eq(fake_used(TX), 0);
	/* Kicks change nothing before the backend says so. */
	b.transmit_says = 0;
	tx_run();
	ck_assert_int_eq(b.transmitted, 0);

	vmm_net_port_writable(b.port, 0);
	fake_run();
	ck_assert_int_eq(b.transmitted, 3);
	ck_assert_uint_eq(b.last_length, 62);
	ck_assert_uint_eq(fake_used(TX), 3);
	ck_assert_uint_eq(fake_used_head(TX, 0), 0);

	/* Once more than needed does no harm. */
	vmm_net_port_writable(b.port, 0);
	fake_run();
	ck_assert_int_eq(b.transmitted, 3);
}
END_TEST

START_TEST(writable_is_not_lost_when_it_comes_from_inside_transmit)
{
	b.writable_inside = true;
	b.transmit_says = -EAGAIN;
	tx_frame(0, 60);
	tx_run();
	ck_assert_int_eq(b.transmitted, 1);
}
END_TEST

START_TEST(another_error_of_the_backend_loses_the_frame)
{
	b.transmit_says = -EIO;
	tx_frame(0, 60);
	tx_run();
	ck_assert_uint_eq(fake_used(TX), 1);
	ck_assert(!fake_needs_reset());
}
END_TEST

/* The driver offers a used chain again with each frame that the backend takes: no end by itself. */
START_TEST(a_flood_is_cut_into_turns)
{
	int before, most = 0;

	for (uint16_t i = 0; i < FAKE_QUEUE_SIZE; i++)
		tx_frame(i, 60);
	b.refill = 3000;
	if (_i) {
		/* Also when it was the backend that let it go on. */
		b.transmit_says = -EAGAIN;
		tx_run();
		b.transmit_says = 0;
		vmm_net_port_writable(b.port, 0);
	} else {
		fake_kick(TX);
	}
	do {
		before = b.transmitted;
		ck_assert_int_ge(vmm_loop_dispatch(fake_loop()), 0);
		if (b.transmitted - before > most)
			most = b.transmitted - before;
	} while (b.transmitted > before);
	ck_assert_int_eq(b.transmitted, 3000 + FAKE_QUEUE_SIZE);
	/* A kick and what it left over may fall into one turn. */
	ck_assert_int_le(most, 2 * 256);
}
END_TEST

START_TEST(a_reset_forgets_a_held_frame)
{
	tx_frame(0, 60);
	b.transmit_says = -EAGAIN;
	tx_run();
	fake_driver_reset();
	b.transmit_says = 0;
	vmm_net_port_writable(b.port, 0);
	fake_run();
	ck_assert_int_eq(b.transmitted, 0);

	fake_driver_up(0, 2);
	tx_frame(0, 60);
	tx_run();
	ck_assert_int_eq(b.transmitted, 1);
}
END_TEST

/* ---- receive ---- */

START_TEST(a_frame_fills_one_buffer_behind_a_clean_header)
{
	unsigned char *data = fake_ptr(FAKE_DATA);

	memset(data, 0xaa, 2000);
	rx_buffer(0, 1526);
	ck_assert_int_eq(receive(pattern(), 1514), 0);
	ck_assert_mem_eq(data, "\0\0\0\0\0\0\0\0\0\0\1\0", HDR);
	ck_assert_mem_eq(data + HDR, pattern(), 1514);
	ck_assert_uint_eq(data[HDR + 1514], 0xaa);
	ck_assert_uint_eq(fake_used(RX), 1);
	ck_assert_uint_eq(fake_used_len(RX, 0), HDR + 1514);
	ck_assert_uint_eq(fake_interrupts(RX), 1);
}
END_TEST

START_TEST(a_receive_header_may_be_split_too)
{
	unsigned char *data = fake_ptr(FAKE_DATA);

	fake_desc(RX, 0, FAKE_DATA, 5, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	fake_desc(RX, 1, FAKE_DATA + 100, 9, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
	fake_desc(RX, 2, FAKE_DATA + 200, 600, VRING_DESC_F_WRITE, 0);
	fake_offer(RX, 0);
	ck_assert_int_eq(receive(pattern(), 500), 0);
	ck_assert_mem_eq(data, "\0\0\0\0\0", 5);
	ck_assert_mem_eq(data + 100, "\0\0\0\0\0\1\0", 7);
	ck_assert_mem_eq(data + 107, pattern(), 2);
	ck_assert_mem_eq(data + 200, pattern() + 2, 498);
	ck_assert_uint_eq(fake_used_len(RX, 0), 512);
}
END_TEST

START_TEST(no_buffer_is_told_and_then_that_there_is_one)
{
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert_int_eq(b.receivable, 0);
	rx_buffer(0, 1526);
	fake_kick(RX);
	fake_run();
	ck_assert_int_eq(b.receivable, 1);
	/* Told once; more buffers are no news. */
	rx_buffer(1, 1526);
	fake_kick(RX);
	fake_run();
	ck_assert_int_eq(b.receivable, 1);
	ck_assert_int_eq(receive(pattern(), 60), 0);
	ck_assert_int_eq(receive(pattern(), 60), 0);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
}
END_TEST

START_TEST(a_flood_without_buffers_recovers)
{
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++)
			ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
		for (uint16_t i = 0; i < 8; i++)
			rx_buffer(i, 1526);
		fake_kick(RX);
		fake_run();
		ck_assert_int_eq(b.receivable, round + 1);
		for (int i = 0; i < 8; i++)
			ck_assert_int_eq(receive(pattern(), 60), 0);
	}
	ck_assert_uint_eq(fake_used(RX), 400);
}
END_TEST

START_TEST(a_frame_too_large_for_the_buffer_is_dropped_and_the_buffer_kept)
{
	unsigned char *data = fake_ptr(FAKE_DATA);

	memset(data, 0xaa, 200);
	rx_buffer(0, HDR + 100);
	ck_assert_int_eq(receive(pattern(), 101), -EMSGSIZE);
	ck_assert_uint_eq(fake_used(RX), 0);
	ck_assert_uint_eq(data[0], 0xaa);
	ck_assert_int_eq(receive(pattern(), 100), 0);
	ck_assert_uint_eq(fake_used(RX), 1);
}
END_TEST

START_TEST(a_buffer_that_takes_no_frame_breaks_the_device)
{
	rx_buffer(0, HDR + 13);
	ck_assert_int_eq(receive(pattern(), 14), -EAGAIN);
	ck_assert(fake_needs_reset());
	fake_driver_reset();
	fake_driver_up(0, 2);
	rx_buffer(0, HDR + 14);
	ck_assert_int_eq(receive(pattern(), 14), 0);
}
END_TEST

START_TEST(a_read_only_receive_buffer_breaks_the_device)
{
	fake_desc(RX, 0, FAKE_DATA, 2000, 0, 0);
	fake_offer(RX, 0);
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert(fake_needs_reset());
}
END_TEST

START_TEST(a_frame_that_is_none_is_the_backends_mistake)
{
	struct iovec iov = { .iov_base = b.last, .iov_len = 60 };
	struct vmm_net_frame frame = { .iov = &iov, .nr_iov = 1, .length = 61 };

	rx_buffer(0, 1526);
	ck_assert_int_eq(vmm_net_receive(b.port, &frame), -EINVAL);
	frame.length = 60;
	frame.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	ck_assert_int_eq(vmm_net_receive(b.port, &frame), -EPROTO);
	ck_assert_int_eq(receive(pattern(), 13), -EINVAL);
	ck_assert_uint_eq(fake_used(RX), 0);
}
END_TEST

START_TEST(a_frame_in_pieces_lands_in_pieces)
{
	unsigned char *data = fake_ptr(FAKE_DATA);
	unsigned char *p = (unsigned char *)(uintptr_t)pattern();
	struct iovec iov[] = { { p, 1 }, { p + 1, 0 }, { p + 1, 70 }, { p + 71, 29 } };
	struct vmm_net_frame frame = { .iov = iov, .nr_iov = 4, .length = 100 };

	fake_desc(RX, 0, FAKE_DATA, HDR + 50, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	fake_desc(RX, 1, FAKE_DATA + HDR + 50, 50, VRING_DESC_F_WRITE, 0);
	fake_offer(RX, 0);
	ck_assert_int_eq(vmm_net_receive(b.port, &frame), 0);
	ck_assert_mem_eq(data + HDR, p, 100);
}
END_TEST

/* ---- receive without a copy ---- */

START_TEST(a_lent_buffer_is_filled_or_given_back)
{
	struct iovec iov[4];

	rx_buffer(0, 1526);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), 1);
	ck_assert_ptr_eq(iov[0].iov_base, (char *)fake_ptr(FAKE_DATA) + HDR);
	ck_assert_uint_eq(iov[0].iov_len, 1514);
	/* One at a time. */
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), -EINVAL);
	vmm_net_receive_end(b.port, NULL);
	ck_assert_uint_eq(fake_used(RX), 0);

	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), 1);
	(void)received_end(60);
	/* Once. */
	(void)received_end(60);
	ck_assert_uint_eq(fake_used(RX), 1);
	ck_assert_uint_eq(fake_used_len(RX, 0), HDR + 60);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), -EAGAIN);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 0), -EINVAL);
}
END_TEST

START_TEST(no_more_is_reported_than_was_lent)
{
	struct iovec iov[2];

	/* Two descriptors, of which one is asked for. */
	fake_desc(RX, 0, FAKE_DATA, 100, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	fake_desc(RX, 1, FAKE_DATA + 1000, 100, VRING_DESC_F_WRITE, 0);
	fake_offer(RX, 0);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 1), 1);
	ck_assert_uint_eq(iov[0].iov_len, 88);
	ck_assert_int_eq(received_end(89), -EMSGSIZE);
	ck_assert_uint_eq(fake_used(RX), 0);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 1), 1);
	ck_assert_int_eq(received_end(88), 0);
	ck_assert_uint_eq(fake_used_len(RX, 0), 100);
}
END_TEST

START_TEST(a_reset_takes_a_lent_buffer_back)
{
	struct iovec iov[4];

	rx_buffer(0, 1526);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), 1);
	fake_driver_reset();
	(void)received_end(100);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), -EAGAIN);
	vmm_net_receive_commit(b.port, 0);

	fake_driver_up(0, 2);
	ck_assert_int_eq(b.receivable, 1);
	rx_buffer(0, 1526);
	ck_assert_int_eq(vmm_net_receive_begin(b.port, 0, iov, 4), 1);
	(void)received_end(100);
	ck_assert_uint_eq(fake_used(RX), 1);
}
END_TEST

START_TEST(before_the_driver_is_up_there_is_no_buffer)
{
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	vmm_net_port_writable(b.port, 0);
	fake_run();
	fake_driver_up(0, 2);
	ck_assert_int_eq(b.receivable, 1);
}
END_TEST

START_TEST(a_driver_without_queues_gets_and_sends_nothing)
{
	fake_driver_up(0, 0);
	fake_kick(TX);
	fake_kick(RX);
	fake_run();
	ck_assert_int_eq(receive(pattern(), 60), -EAGAIN);
	ck_assert_int_eq(b.transmitted, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net");
	TCase *unplugged = tcase_create("unplugged");
	TCase *down = tcase_create("down");
	TCase *up = tcase_create("up");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(unplugged, setup_unplugged, teardown);
	tcase_add_test(unplugged, a_config_that_cannot_be_is_refused_with_words);
	tcase_add_test(unplugged, a_table_that_lacks_what_is_required_is_refused);
	tcase_add_test(unplugged, a_failed_plug_leaves_the_backend_to_the_caller);
	tcase_add_test(unplugged, the_driver_is_offered_what_is_carried_and_nothing_else);
	tcase_add_test(unplugged, a_guest_without_an_address_gets_a_random_local_one);

	tcase_add_checked_fixture(down, setup_down, teardown);
	tcase_add_test(down, before_the_driver_is_up_there_is_no_buffer);
	tcase_add_test(down, a_driver_without_queues_gets_and_sends_nothing);

	tcase_add_checked_fixture(up, setup, teardown);
	tcase_add_loop_test(up, a_header_may_be_split_anywhere, 0,
			    (int)(sizeof(splits) / sizeof(splits[0])));
	tcase_add_loop_test(up, a_frame_of_an_impossible_length_is_lost, 0,
			    (int)(sizeof(lengths) / sizeof(lengths[0])));
	tcase_add_test(up, a_chain_shorter_than_its_header_breaks_the_device);
	tcase_add_test(up, a_chain_that_is_all_writable_breaks_the_device);
	tcase_add_test(up, frames_of_one_turn_are_committed_once);
	tcase_add_test(up, a_full_backend_holds_the_frame_and_resumes);
	tcase_add_test(up, writable_is_not_lost_when_it_comes_from_inside_transmit);
	tcase_add_test(up, another_error_of_the_backend_loses_the_frame);
	tcase_add_loop_test(up, a_flood_is_cut_into_turns, 0, 2);
	tcase_add_test(up, a_reset_forgets_a_held_frame);
	tcase_add_test(up, a_frame_fills_one_buffer_behind_a_clean_header);
	tcase_add_test(up, a_receive_header_may_be_split_too);
	tcase_add_test(up, no_buffer_is_told_and_then_that_there_is_one);
	tcase_add_test(up, a_flood_without_buffers_recovers);
	tcase_add_test(up, a_frame_too_large_for_the_buffer_is_dropped_and_the_buffer_kept);
	tcase_add_test(up, a_buffer_that_takes_no_frame_breaks_the_device);
	tcase_add_test(up, a_read_only_receive_buffer_breaks_the_device);
	tcase_add_test(up, a_frame_that_is_none_is_the_backends_mistake);
	tcase_add_test(up, a_frame_in_pieces_lands_in_pieces);
	tcase_add_test(up, a_lent_buffer_is_filled_or_given_back);
	tcase_add_test(up, no_more_is_reported_than_was_lent);
	tcase_add_test(up, a_reset_takes_a_lent_buffer_back);
	suite_add_tcase(suite, unplugged);
	suite_add_tcase(suite, down);
	suite_add_tcase(suite, up);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
