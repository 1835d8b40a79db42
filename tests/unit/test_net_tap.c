/* SPDX-License-Identifier: MIT */
/*
 * test_net_tap.c - real tap interfaces, in a network namespace of the test's own.
 *
 * The host's side of an interface is a packet socket: what it sends the guest
 * receives, and what the guest transmits it hears.
 */
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tap_host.h"

static void carries_both_ways(const char *name)
{
	unsigned char bytes[2000];
	const struct fake_frame *f;
	int s;

	change_link(name, true);
	s = packet_socket(name);
	for (size_t length = 60; length <= 1514; length += 727) {
		ck_assert_int_eq(fake_port_send(&port, experiment(1), length), 0);
		fake_port_commit(&port);
		ck_assert_uint_eq(hear(s, bytes, sizeof(bytes)), length);
		ck_assert_mem_eq(bytes, experiment(1), length);

		ck_assert_int_eq(send(s, experiment(2), length, 0), (ssize_t)length);
		f = received(0x88b5);
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(f->length, length);
		ck_assert_mem_eq(f->bytes, experiment(2), length);
	}
	ck_assert_uint_gt(port.commits, 0);
	close(s);
}

/* ---- what works ---- */

START_TEST(an_interface_by_name_is_made_and_carries_both_ways)
{
	attach("vt0", 0);
	carries_both_ways("vt0");
	fake_port_detach(&port);
	ck_assert_uint_eq(if_nametoindex("vt0"), 0);
}
END_TEST

START_TEST(an_interface_that_exists_is_used)
{
	const int queues[] = { 0, IFF_MULTI_QUEUE };

	for (int i = 0; i < 2; i++) {
		int fd = tun_fd("vt1", IFF_TAP | IFF_NO_PI | queues[i], 0);

		ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
		close(fd);
		attach("vt1", 0);
		carries_both_ways("vt1");
		fake_port_detach(&port);
		ck_assert_uint_ne(if_nametoindex("vt1"), 0);
		delete_link("vt1");
	}
}
END_TEST

/* Each row is a descriptor that somebody else has set up. */
static const struct {
	int flags, open_flags, header_bytes;
} given[] = {
	{ IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, O_NONBLOCK, 12 },
	{ IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, O_NONBLOCK, 10 },
	{ IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 0, 12 },
	{ IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 0, 20 },
	{ IFF_TAP | IFF_NO_PI, O_NONBLOCK, 0 },
	{ IFF_TAP | IFF_NO_PI, 0, 0 },
};

/* Linux before 6.4 cannot read a tap without waiting unless its descriptor says so. */
static bool can_read_without_waiting(int fd)
{
	char byte;
	struct iovec iov = { &byte, 1 };

	return preadv2(fd, &iov, 1, -1, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
}

START_TEST(a_descriptor_is_taken_as_it_is)
{
	int fd = tun_fd("vt2", given[_i].flags, given[_i].open_flags), flags;

	if (given[_i].header_bytes)
		ck_assert_int_eq(ioctl(fd, TUNSETVNETHDRSZ, &given[_i].header_bytes), 0);
	flags = fcntl(fd, F_GETFL);
	if (!can_read_without_waiting(fd))
		flags |= O_NONBLOCK;
	attach(NULL, fd);
	carries_both_ways("vt2");
	/* It is shared with its owner, so its flags are not changed where that can be helped. */
	ck_assert_int_eq(fcntl(fd, F_GETFL), flags);
	close(fd);
	carries_both_ways("vt2");
	fake_port_detach(&port);
}
END_TEST

/* ---- what does not ---- */

START_TEST(a_config_that_cannot_be_is_refused)
{
	static const char *const names[] = { "", "sixteencharacter", "vt%d", "a/b", "a b" };
	struct vmm_net_tap_config c = VMM_NET_TAP_CONFIG_INIT;
	struct vmm_netdev *netdev;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_int_eq(open_tap(names[i], 0, &netdev), -EINVAL);
	ck_assert_int_eq(open_tap(NULL, 0, &netdev), -EINVAL);
	ck_assert_int_eq(open_tap("vt0", 5, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_open_tap(NULL, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_open_tap(&c, NULL), -EINVAL);
	c.name = "vt0";
	c.reserved = 1;
	ck_assert_int_eq(vmm_net_open_tap(&c, &netdev), -EINVAL);
}
END_TEST

START_TEST(an_interface_of_another_kind_is_refused)
{
	struct vmm_netdev *netdev;
	int fd;

	ck_assert_int_eq(open_tap("lo", 0, &netdev), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "\"lo\""));

	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(open_tap(NULL, fd, &netdev), -EINVAL);
	ck_assert_int_eq(open_tap(NULL, 999, &netdev), -EBADF);
	close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(open_tap(NULL, fd, &netdev), -EINVAL);
	close(fd);
	fd = tun_fd("vt3", IFF_TUN | IFF_NO_PI, 0);
	ck_assert_int_eq(open_tap(NULL, fd, &netdev), -EINVAL);
	close(fd);
	fd = tun_fd("vt3", IFF_TAP | IFF_NO_PI, 0);
	ck_assert_int_eq(open_tap("vt3", 0, &netdev), -EBUSY);
	close(fd);
}
END_TEST

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	ck_assert_int_eq(syscall(SYS_capset, &head, data), 0);
}

START_TEST(without_permission_the_words_say_what_is_missing)
{
	struct vmm_netdev *netdev;
	int fd = tun_fd("vt4", IFF_TAP | IFF_NO_PI, 0);
	int again = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	bool may_open;

	ck_assert_int_eq(ioctl(fd, TUNSETOWNER, 12345), 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	drop_capabilities();	/* of this process, which Check forked for the test */
	may_open = access("/dev/net/tun", R_OK | W_OK) == 0;

	ck_assert_int_eq(open_tap("vt5", 0, &netdev), may_open ? -ENOENT : -EACCES);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), may_open ? "CAP_NET_ADMIN"
								: "/dev/net/tun"));
	ck_assert_int_eq(open_tap("vt4", 0, &netdev), may_open ? -EPERM : -EACCES);
	close(again);
}
END_TEST

/* ---- under load, and when things go away ---- */

START_TEST(without_buffers_the_interface_waits_and_then_goes_on)
{
	unsigned char *bytes = (unsigned char *)(uintptr_t)experiment(0);
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };
	const struct fake_frame *f;
	int s;

	attach("vt6", 0);
	change_link("vt6", true);
	s = packet_socket("vt6");
	fake_port_buffers(&port, 0);
	for (unsigned i = 0; i < 2000; i++) {
		bytes[14] = (unsigned char)i;
		(void)!send(s, bytes, 60, 0);
		if (i % 8 == 0)
			ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
	}
	while (vmm_loop_dispatch(loop) > 0)
		continue;
	/* At rest, although there is something to read. */
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_uint_eq(port.nr_frames, 0);

	fake_port_buffers(&port, UINT32_MAX);
	for (unsigned i = 0; i < 100; i++) {
		f = received(0x88b5);
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(f->bytes[14], i);
	}
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(one_turn_receives_a_bounded_number_of_frames)
{
	int s;

	attach("vt6", 0);
	change_link("vt6", true);
	s = packet_socket("vt6");
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(send(s, experiment(0), 60, 0), 60);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert_uint_eq(port.nr_frames, 64);
	ck_assert_uint_eq(port.commits, 1);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_frame_too_large_for_the_guest_is_lost_whole)
{
	const struct fake_frame *f;
	int s;

	attach("vt6", 0);
	change_link("vt6", true);
	s = packet_socket("vt6");
	port.buffer_bytes = 100;
	ck_assert_int_eq(send(s, experiment(1), 101, 0), 101);
	ck_assert_int_eq(send(s, experiment(2), 1500, 0), 1500);
	ck_assert_int_eq(send(s, experiment(3), 100, 0), 100);
	f = received(0x88b5);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->length, 100);
	ck_assert_uint_eq(f->bytes[20], 3);
	close(s);
	fake_port_detach(&port);
}
END_TEST

/* The kernel leaves checksums to an interface that says it can do them; ours must not. */
START_TEST(the_guest_gets_whole_checksums)
{
	const int yes = 1;
	int fd = tun_fd("vt7", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, O_NONBLOCK), s;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	const struct fake_frame *f;
	size_t udp;

	ck_assert_int_eq(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4), 0);
	attach(NULL, fd);
	set_address("vt7", "10.9.0.1");
	change_link("vt7", true);
	inet_pton(AF_INET, "10.9.0.255", &to.sin_addr);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	ck_assert_int_eq(sendto(s, "some data", 9, 0, (struct sockaddr *)&to, sizeof(to)), 9);
	f = received(0x0800);
	ck_assert_ptr_nonnull(f);
	udp = wire_get16(f->bytes + 38);
	ck_assert_uint_eq(wire_fold(wire_sum(f->bytes + 34, udp,
					     wire_pseudo(f->bytes, 17, udp))), 0);

	/* Somebody else turns them on again: such a frame is not the guest's. */
	ck_assert_int_eq(ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM), 0);
	ck_assert_int_eq(sendto(s, "more data", 9, 0, (struct sockaddr *)&to, sizeof(to)), 9);
	while ((f = received(0x0800)))
		ck_assert_mem_ne(f->bytes + 42, "more data", 9);
	close(s);
	close(fd);
	fake_port_detach(&port);
}
END_TEST

START_TEST(an_interface_that_is_down_loses_frames)
{
	attach("vt8", 0);
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 60), -EIO);
	/* Refused by the kernel: too short, too long. */
	change_link("vt8", true);
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 4), -EINVAL);
	carries_both_ways("vt8");
	change_link("vt8", false);
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 60), -EIO);
	while (vmm_loop_dispatch(loop) > 0)
		continue;
	carries_both_ways("vt8");
	fake_port_detach(&port);
}
END_TEST

START_TEST(an_interface_that_is_removed_leaves_the_loop_at_rest)
{
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

	attach("vt9", 0);
	change_link("vt9", true);
	if (_i) {
		/* While the guest takes nothing. */
		int s = packet_socket("vt9");

		fake_port_buffers(&port, 0);
		ck_assert_int_eq(send(s, experiment(1), 60, 0), 60);
		/* Once: for epoll the source is still among the ready ones. */
		ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
		close(s);
	}
	delete_link("vt9");
	for (int i = 0; i < 10; i++)
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 60), -EBADFD);
	fake_port_buffers(&port, 8);
	for (int i = 0; i < 10; i++)
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	fake_port_detach(&port);
}
END_TEST

int main(void)
{
	const char *missing = enter_namespace();
	Suite *suite = suite_create("net_tap");
	TCase *tcase = tcase_create("tap");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (missing) {
		printf("skipped: %s\n", missing);
		return 77;
	}
	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, an_interface_by_name_is_made_and_carries_both_ways);
	tcase_add_test(tcase, an_interface_that_exists_is_used);
	tcase_add_loop_test(tcase, a_descriptor_is_taken_as_it_is, 0,
			    (int)(sizeof(given) / sizeof(given[0])));
	tcase_add_test(tcase, a_config_that_cannot_be_is_refused);
	tcase_add_test(tcase, an_interface_of_another_kind_is_refused);
	tcase_add_test(tcase, without_permission_the_words_say_what_is_missing);
	tcase_add_test(tcase, without_buffers_the_interface_waits_and_then_goes_on);
	tcase_add_test(tcase, one_turn_receives_a_bounded_number_of_frames);
	tcase_add_test(tcase, a_frame_too_large_for_the_guest_is_lost_whole);
	tcase_add_test(tcase, the_guest_gets_whole_checksums);
	tcase_add_test(tcase, an_interface_that_is_down_loses_frames);
	tcase_add_loop_test(tcase, an_interface_that_is_removed_leaves_the_loop_at_rest, 0, 2);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
