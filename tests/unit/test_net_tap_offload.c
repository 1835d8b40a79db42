/* SPDX-License-Identifier: MIT */
/*
 * test_net_tap_offload.c - frames through a tap that are not finished: without their
 * checksum, or not cut into segments yet; and taps of several queues.
 */
#include <linux/virtio_net.h>

#include "tap_host.h"

enum {
	GUEST = 0x0a090002, HOST = 0x0a090001,
	HEADERS = 54,
	PAYLOAD = 30000,
	MSS = 1000,
	TSO = VMM_NET_CSUM | VMM_NET_TSO4 | VMM_NET_TSO6 | VMM_NET_ECN,
};

/* A TCP frame of that much payload whose sum covers the pseudo header alone. */
static const unsigned char *unfinished(size_t payload)
{
	static unsigned char frame[65600], data[65536];
	const struct wire_tcp tcp = {
		.from = GUEST, .to = HOST, .from_port = 5, .to_port = 6, .seq = 1000,
		.flags = WIRE_ACK, .window = 1000,
	};

	for (size_t i = 0; i < payload; i++)
		data[i] = (unsigned char)(i * 5 + i / 256);
	wire_tcp(frame, &tcp, data, payload);
	wire_put16(frame + 50, ~wire_fold(wire_pseudo(frame, 6, 20 + payload)) & 0xffff);
	return frame;
}

static const struct vmm_net_frame tso_head = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	.hdr_len = HEADERS, .gso_size = MSS, .csum_start = 34, .csum_offset = 16,
};

/* The next TCP frame that @s hears, behind the header that PACKET_VNET_HDR puts before it. */
static size_t hear_tcp(int s, unsigned char *bytes, size_t size)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	while (poll(&p, 1, 2000) > 0) {
		ssize_t n = recv(s, bytes, size, 0);

		if (n > 10 + HEADERS && wire_get16(bytes + 10 + 12) == 0x0800 && bytes[10 + 23] == 6)
			return (size_t)n - 10;
	}
	return 0;
}

static int vnet_socket(const char *name)
{
	const int yes = 1;
	int s = packet_socket(name);

	ck_assert_int_eq(setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)), 0);
	return s;
}

static void check_sum(const unsigned char *frame, size_t length)
{
	ck_assert_uint_eq(wire_fold(wire_sum(frame + 34, length - 34,
					     wire_pseudo(frame, 6, length - 34))), 0);
}

START_TEST(a_large_frame_of_the_guests_goes_out_whole)
{
	static unsigned char bytes[65700];
	struct virtio_net_hdr h;
	int s;

	attach("vo0", 0);
	ck_assert_uint_eq(port.netdev->info.takes & TSO, TSO);
	fake_port_agree(&port, TSO, 1);
	change_link("vo0", true);
	s = vnet_socket("vo0");
	ck_assert_int_eq(fake_port_send_as(&port, &tso_head, unfinished(PAYLOAD),
					   HEADERS + PAYLOAD), 0);
	ck_assert_uint_eq(hear_tcp(s, bytes, sizeof(bytes)), HEADERS + PAYLOAD);
	memcpy(&h, bytes, sizeof(h));
	ck_assert_uint_eq(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert_uint_eq(h.gso_size, MSS);
	ck_assert_mem_eq(bytes + 10, unfinished(PAYLOAD), HEADERS + PAYLOAD);
	close(s);
	fake_port_detach(&port);
}
END_TEST

/* What the host sends as one frame arrives as one, or as segments when the guest cannot. */
START_TEST(a_large_frame_arrives_as_the_guest_agreed)
{
	static unsigned char bytes[65700];
	struct virtio_net_hdr h = { VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_TCPV4, HEADERS,
				    MSS, 34, 16 };
	const struct fake_frame *f;
	size_t got = 0;
	int s;

	attach("vo1", 0);
	port.buffer_bytes = 65600;
	fake_port_agree(&port, _i ? TSO : 0, 1);
	change_link("vo1", true);
	s = vnet_socket("vo1");
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), unfinished(PAYLOAD), HEADERS + PAYLOAD);
	ck_assert_int_eq(send(s, bytes, sizeof(h) + HEADERS + PAYLOAD, 0),
			 sizeof(h) + HEADERS + PAYLOAD);
	while (got < PAYLOAD) {
		f = received(0x0800);
		ck_assert_ptr_nonnull(f);
		if (f->bytes[23] != 6)
			continue;
		ck_assert_mem_eq(f->bytes + HEADERS, unfinished(PAYLOAD) + HEADERS + got,
				 f->length - HEADERS);
		got += f->length - HEADERS;
		if (_i) {
			ck_assert_uint_eq(f->head.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
			ck_assert_uint_eq(f->head.gso_size, MSS);
			ck_assert_uint_eq(f->head.csum_start, 34);
			ck_assert_uint_eq(f->head.csum_offset, 16);
		} else {
			ck_assert_uint_eq(f->length, HEADERS + MSS);
			ck_assert_uint_eq(f->head.gso_type, 0);
			check_sum(f->bytes, f->length);
		}
	}
	ck_assert_uint_eq(got, PAYLOAD);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_sum_left_open_is_closed_by_the_host_or_the_guest)
{
	static unsigned char bytes[2000];
	struct virtio_net_hdr h = { VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, 0, 0, 34, 16 };
	const struct fake_frame *f;
	int s;

	attach("vo2", 0);
	fake_port_agree(&port, _i ? VMM_NET_CSUM : 0, 1);
	change_link("vo2", true);
	s = vnet_socket("vo2");
	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), unfinished(200), HEADERS + 200);
	ck_assert_int_gt(send(s, bytes, sizeof(h) + HEADERS + 200, 0), 0);
	do {
		f = received(0x0800);
		ck_assert_ptr_nonnull(f);
	} while (f->bytes[23] != 6);
	ck_assert_uint_eq(f->head.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, _i);
	if (!_i)
		check_sum(f->bytes, f->length);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(an_interface_without_headers_can_do_nothing)
{
	int fd = tun_fd("vo3", IFF_TAP | IFF_NO_PI, O_NONBLOCK);

	attach(NULL, fd);
	ck_assert_uint_eq(port.netdev->info.takes, 0);
	ck_assert_uint_eq(port.netdev->info.gives, 0);
	close(fd);
	fake_port_detach(&port);
}
END_TEST

START_TEST(with_the_link_down_what_the_host_sends_is_lost)
{
	const struct fake_frame *f;
	int s;

	attach("vo4", 0);
	change_link("vo4", true);
	s = packet_socket("vo4");
	port.down = true;
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(send(s, experiment(1), 1000, 0), 1000);
	while (vmm_loop_dispatch(loop) > 0)
		continue;
	port.down = false;
	ck_assert_int_eq(send(s, experiment(2), 1000, 0), 1000);
	f = received(0x88b5);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->bytes[20], 2);
	close(s);
	fake_port_detach(&port);
}
END_TEST

/* ---- several queues ---- */

static void attach_several(const char *name, const int *descriptors, uint32_t nr)
{
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.name = name;
	config.queue_pairs = name ? nr : 0;
	config.fds = descriptors;
	config.nr_fds = descriptors ? nr : 0;
	ck_assert_msg(vmm_net_open_tap(&config, &netdev) == 0, "%s", vmm_last_error());
	ck_assert_uint_eq(netdev->info.queue_pairs, nr);
	ck_assert_int_eq(fake_port_attach(&port, netdev, loop), 0);
}

/* Flows of the host's spread over the queues that are used, and each of those sends. */
static void spreads(const char *name, uint32_t used)
{
	unsigned char bytes[2000];
	bool seen[4] = { false };
	uint32_t nr_seen = 0;
	int s;

	fake_port_agree(&port, 0, used);
	change_link(name, true);
	s = packet_socket(name);
	for (uint32_t q = 0; q < used; q++) {
		const struct vmm_net_frame head = { .queue = (uint16_t)q };

		ck_assert_int_eq(fake_port_send_as(&port, &head, experiment((unsigned char)q), 100),
				 0);
		ck_assert_uint_eq(hear(s, bytes, sizeof(bytes)), 100);
		ck_assert_uint_eq(bytes[20], q);
	}
	for (unsigned flow = 0; flow < 200; flow++) {
		static unsigned char frame[100];
		size_t n = wire_udp(frame, HOST, 1000 + flow, GUEST, 7, "some data", 9);
		const struct fake_frame *f;

		ck_assert_int_eq(send(s, frame, n, 0), (ssize_t)n);
		do {
			f = received(0x0800);
			ck_assert_ptr_nonnull(f);
		} while (wire_get16(f->bytes + 36) != 7);
		ck_assert_uint_lt(f->head.queue, used);
		nr_seen += !seen[f->head.queue];
		seen[f->head.queue] = true;
	}
	ck_assert_uint_eq(nr_seen, used);
	close(s);
}

START_TEST(several_queues_are_used_as_the_guest_says)
{
	attach_several("vo5", NULL, 4);
	spreads("vo5", 1);
	spreads("vo5", 4);
	spreads("vo5", 2);
	fake_port_agree(&port, 0, 1);
	spreads("vo5", 4);
	fake_port_detach(&port);
}
END_TEST

START_TEST(several_descriptors_are_several_queues)
{
	int given[3];

	for (int i = 0; i < 3; i++)
		given[i] = tun_fd("vo6", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, 0);
	attach_several(NULL, given, 3);
	spreads("vo6", 3);
	fake_port_detach(&port);
	for (int i = 0; i < 3; i++)
		close(given[i]);
}
END_TEST

START_TEST(descriptors_of_two_interfaces_are_refused)
{
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;
	int given[2] = { tun_fd("vo7", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, 0),
			 tun_fd("vo8", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, 0) };
	struct vmm_netdev *netdev;

	config.fds = given;
	config.nr_fds = 2;
	ck_assert_int_eq(vmm_net_open_tap(&config, &netdev), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "vo7"));
	config.nr_fds = 0;
	ck_assert_int_eq(vmm_net_open_tap(&config, &netdev), -EINVAL);
	config.nr_fds = 17;
	ck_assert_int_eq(vmm_net_open_tap(&config, &netdev), -EINVAL);
	config.nr_fds = 1;
	config.queue_pairs = 2;
	ck_assert_int_eq(vmm_net_open_tap(&config, &netdev), -EINVAL);
	config = (struct vmm_net_tap_config)VMM_NET_TAP_CONFIG_INIT;
	config.name = "vo9";
	config.queue_pairs = 17;
	ck_assert_int_eq(vmm_net_open_tap(&config, &netdev), -EINVAL);
	/* One that was made for a single queue. */
	close(given[0]);
	given[0] = tun_fd("vo9", IFF_TAP | IFF_NO_PI, 0);
	ck_assert_int_eq(ioctl(given[0], TUNSETPERSIST, 1), 0);
	close(given[0]);
	config.queue_pairs = 2;
	ck_assert_int_eq(vmm_net_open_tap(&config, &netdev), -EINVAL);
	delete_link("vo9");
	close(given[1]);
}
END_TEST

int main(void)
{
	const char *missing = enter_namespace();
	Suite *suite = suite_create("net_tap_offload");
	TCase *tcase = tcase_create("tap");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (missing) {
		printf("skipped: %s\n", missing);
		return 77;
	}
	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_large_frame_of_the_guests_goes_out_whole);
	tcase_add_loop_test(tcase, a_large_frame_arrives_as_the_guest_agreed, 0, 2);
	tcase_add_loop_test(tcase, a_sum_left_open_is_closed_by_the_host_or_the_guest, 0, 2);
	tcase_add_test(tcase, an_interface_without_headers_can_do_nothing);
	tcase_add_test(tcase, with_the_link_down_what_the_host_sends_is_lost);
	tcase_add_test(tcase, several_queues_are_used_as_the_guest_says);
	tcase_add_test(tcase, several_descriptors_are_several_queues);
	tcase_add_test(tcase, descriptors_of_two_interfaces_are_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
