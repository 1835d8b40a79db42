/* SPDX-License-Identifier: MIT */
/*
 * test_net_tap.c - real tap interfaces, in a network namespace of the test's own.
 *
 * The host's side of an interface is a packet socket: what it sends the guest
 * receives, and what the guest transmits it hears.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "count_fds.h"
#include "fake_port.h"
#include "wire.h"

static struct vmm_loop *loop;
static struct fake_port port;
static int fds;

/* ---- the host's side ---- */

static void change_link(const char *name, bool up)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
}

static void set_address(const char *name, const char *address)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&ifr.ifr_addr;

	strcpy(ifr.ifr_name, name);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	ck_assert_int_eq(ioctl(s, SIOCSIFADDR, &ifr), 0);
	inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
	ck_assert_int_eq(ioctl(s, SIOCSIFNETMASK, &ifr), 0);
	close(s);
}

static void delete_link(const char *name)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} m = {
		.head = { .nlmsg_len = sizeof(m), .nlmsg_type = RTM_DELLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .ifi_index = (int)if_nametoindex(name) },
	};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	char answer[256];

	ck_assert_int_eq(send(s, &m, sizeof(m), 0), sizeof(m));
	ck_assert_int_gt(recv(s, answer, sizeof(answer), 0), 0);
	close(s);
	ck_assert_uint_eq(if_nametoindex(name), 0);
}

static int packet_socket(const char *name)
{
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};

	ck_assert_int_eq(bind(s, (struct sockaddr *)&ll, sizeof(ll)), 0);
	return s;
}

/* The next frame of ours (of type 0x88b5, a local experiment) that @s hears; its length or 0. */
static size_t hear(int s, unsigned char *bytes, size_t size)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	while (poll(&p, 1, 1000) > 0) {
		ssize_t n = recv(s, bytes, size, MSG_TRUNC);

		if (n >= 14 && wire_get16(bytes + 12) == 0x88b5)
			return (size_t)n;
	}
	return 0;
}

static const unsigned char *experiment(unsigned char fill)
{
	static unsigned char bytes[2000];

	memset(bytes, fill, sizeof(bytes));
	wire_ether(bytes, 0x88b5);
	return bytes;
}

/* The next such frame that the guest receives. */
static const struct fake_frame *received(uint32_t type)
{
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

	for (;;) {
		const struct fake_frame *f;

		while ((f = fake_port_next(&port))) {
			if (wire_get16(f->bytes + 12) == type)
				return f;
		}
		if (poll(&p, 1, 1000) <= 0)
			return NULL;
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
	}
}

/* ---- set up ---- */

static void setup(void)
{
	fds = count_fds();
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
}

static void teardown(void)
{
	ck_assert_msg(vmm_loop_destroy(loop) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(count_fds(), fds);
}

static int open_tap(const char *name, int fd, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;

	config.name = name;
	config.fd = fd;
	return vmm_net_open_tap(&config, ret_netdev);
}

static void attach(const char *name, int fd)
{
	struct vmm_netdev *netdev;

	ck_assert_msg(open_tap(name, fd, &netdev) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(fake_port_attach(&port, netdev, loop), 0);
}

static int tun_fd(const char *name, int flags, int open_flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | open_flags);

	ck_assert_int_ge(fd, 0);
	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

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

START_TEST(a_descriptor_is_taken_as_it_is)
{
	int fd = tun_fd("vt2", given[_i].flags, given[_i].open_flags), flags;

	if (given[_i].header_bytes)
		ck_assert_int_eq(ioctl(fd, TUNSETVNETHDRSZ, &given[_i].header_bytes), 0);
	flags = fcntl(fd, F_GETFL);
	attach(NULL, fd);
	carries_both_ways("vt2");
	/* It is shared with its owner, so its flags are not changed. */
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
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 60), 0);
	/* Refused by the kernel: too short, too long. */
	change_link("vt8", true);
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 4), 0);
	carries_both_ways("vt8");
	change_link("vt8", false);
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 60), 0);
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
	ck_assert_int_eq(fake_port_send(&port, experiment(1), 60), 0);
	fake_port_buffers(&port, 8);
	for (int i = 0; i < 10; i++)
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
	ck_assert_int_eq(poll(&p, 1, 0), 0);
	fake_port_detach(&port);
}
END_TEST

/* A namespace in which we may do everything; 0, or what is in the way. */
static const char *enter_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return "no network namespace may be made (CAP_SYS_ADMIN)";
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "/dev/net/tun cannot be opened";
	close(fd);
	return NULL;
}

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
