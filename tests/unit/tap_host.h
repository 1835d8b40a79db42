/* SPDX-License-Identifier: MIT */
/*
 * tap_host.h - tap interfaces in a network namespace of the test's own, and the host's side
 * of them: a packet socket. Included by one file of a program.
 */
#ifndef TESTS_TAP_HOST_H
#define TESTS_TAP_HOST_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
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
#include <unistd.h>

#include "count_fds.h"
#include "fake_port.h"
#include "wire.h"

static struct vmm_loop *loop;
static struct fake_port port;
static int fds;

/* ---- the host's side ---- */

static inline void change_link(const char *name, bool up)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_flags = up ? IFF_UP : 0 };

	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
	close(s);
}

static inline void set_address(const char *name, const char *address)
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

static inline void delete_link(const char *name)
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

static inline int packet_socket(const char *name)
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
static inline size_t hear(int s, unsigned char *bytes, size_t size)
{
	struct pollfd p = { .fd = s, .events = POLLIN };

	while (poll(&p, 1, 1000) > 0) {
		ssize_t n = recv(s, bytes, size, MSG_TRUNC);

		if (n >= 14 && wire_get16(bytes + 12) == 0x88b5)
			return (size_t)n;
	}
	return 0;
}

static inline const unsigned char *experiment(unsigned char fill)
{
	static unsigned char bytes[2000];

	memset(bytes, fill, sizeof(bytes));
	wire_ether(bytes, 0x88b5);
	return bytes;
}

/* The next such frame that the guest receives. */
static inline const struct fake_frame *received(uint32_t type)
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

static inline void setup(void)
{
	fds = count_fds();
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
}

static inline void teardown(void)
{
	ck_assert_msg(vmm_loop_destroy(loop) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(count_fds(), fds);
}

static inline int open_tap(const char *name, int fd, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;

	config.name = name;
	config.fd = fd;
	return vmm_net_open_tap(&config, ret_netdev);
}

static inline void attach(const char *name, int fd)
{
	struct vmm_netdev *netdev;

	ck_assert_msg(open_tap(name, fd, &netdev) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(fake_port_attach(&port, netdev, loop), 0);
}

static inline int tun_fd(const char *name, int flags, int open_flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | open_flags);

	ck_assert_int_ge(fd, 0);
	strcpy(ifr.ifr_name, name);
	ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

/* A namespace in which we may do everything; 0, or what is in the way. */
static inline const char *enter_namespace(void)
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

#endif
