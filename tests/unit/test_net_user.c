/* SPDX-License-Identifier: MIT */
/* test_net_user.c - the user-mode network, with a guest that speaks DHCP, ARP and TCP by hand. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backends/net/frames_priv.h"
#include "backends/net/pollset_priv.h"
#include "backends/net/user_priv.h"
#include "count_fds.h"
#include "fake_port.h"
#include "wire.h"

static struct vmm_loop *loop;
static struct fake_port port;
static unsigned char frame[WIRE_MAX];
static int fds;

/* ---- the host's side ---- */

static struct sockaddr_in local(unsigned p)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)p),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* A socket of @type bound to a free port of 127.0.0.1; listening if it is TCP. */
static int host_socket(int type, unsigned *ret_port)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in in = local(0);
	socklen_t len = sizeof(in);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 8), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static unsigned free_port(int type)
{
	unsigned p;

	close(host_socket(type, &p));
	return p;
}

static int host_connect(unsigned p)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = local(p);
	const int small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* ---- the guest's side ---- */

static void send_now(size_t length)
{
	ck_assert_int_eq(fake_port_send(&port, frame, length), 0);
	fake_port_commit(&port);
}

static void announce(void)
{
	send_now(wire_arp(frame, 1, WIRE_GUEST, WIRE_HOST));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void run_for(int ms)
{
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

	if (poll(&p, 1, ms) > 0)
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
}

/* The next frame of IPv4 @proto to the guest within @ms; ARP for the guest is answered. */
static const unsigned char *next_ip(unsigned proto, size_t *ret_length, int ms)
{
	int64_t end = now_ms() + ms;

	do {
		const struct fake_frame *f;

		while ((f = fake_port_next(&port))) {
			ck_assert_uint_ge(f->length, 14);
			if (wire_get16(f->bytes + 12) == 0x0806 && f->bytes[21] == 1 &&
			    wire_get32(f->bytes + 38) == WIRE_GUEST)
				send_now(wire_arp(frame, 2, WIRE_GUEST, WIRE_HOST));
			if (wire_get16(f->bytes + 12) == 0x0800 && f->bytes[23] == proto) {
				*ret_length = f->length;
				return f->bytes;
			}
		}
		run_for((int)(end - now_ms()));
	} while (now_ms() < end);
	return NULL;
}

struct conn {
	struct wire_tcp t;	/* what the guest's next segment says */
	unsigned flags;		/* of the last segment that came */
	unsigned char data[2048];
	size_t length;
};

static void tcp_send(struct conn *c, unsigned flags, const void *data, size_t length)
{
	c->t.flags = flags;
	send_now(wire_tcp(frame, &c->t, data, length));
	c->t.seq += (uint32_t)length + !!(flags & WIRE_SYN) + !!(flags & WIRE_FIN);
	c->t.mss = 0;
}

/* The next segment of the connection, taken in order; false when none comes in @ms. */
static bool tcp_next(struct conn *c, int ms)
{
	size_t n;
	const unsigned char *f;

	while ((f = next_ip(6, &n, ms))) {
		const unsigned char *tcp = f + 34;
		size_t header = (size_t)(tcp[12] >> 4) * 4;

		if (wire_get16(tcp) != c->t.to_port || wire_get16(tcp + 2) != c->t.from_port)
			continue;
		c->flags = tcp[13];
		c->length = wire_get16(f + 16) - 20 - header;
		ck_assert_uint_le(c->length, sizeof(c->data));
		memcpy(c->data, tcp + header, c->length);
		if (c->flags & WIRE_SYN)
			c->t.ack = wire_get32(tcp + 4) + 1;
		else if (wire_get32(tcp + 4) == c->t.ack)
			c->t.ack += (uint32_t)c->length + !!(c->flags & WIRE_FIN);
		return true;
	}
	return false;
}

static struct conn tcp_open(uint32_t to, unsigned to_port, unsigned mss, unsigned window)
{
	struct conn c = { .t = {
		.from = WIRE_GUEST, .to = to, .from_port = 40000, .to_port = to_port,
		.seq = 1000, .window = window, .mss = mss,
	} };

	announce();
	tcp_send(&c, WIRE_SYN, NULL, 0);
	return c;
}

/* Connect to 127.0.0.1:@p of the host by way of 10.0.2.2. Returns the host's end. */
static int tcp_connected(struct conn *c, int listener, unsigned p, unsigned mss, unsigned window)
{
	int fd;

	*c = tcp_open(WIRE_HOST, p, mss, window);
	ck_assert(tcp_next(c, 2000));
	ck_assert_uint_eq(c->flags & (WIRE_SYN | WIRE_ACK | WIRE_RST), WIRE_SYN | WIRE_ACK);
	tcp_send(c, WIRE_ACK, NULL, 0);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* ---- set up ---- */

static const struct vmm_net_user_config plain = VMM_NET_USER_CONFIG_INIT;

static int open_and_attach(const struct vmm_net_user_config *config)
{
	struct vmm_netdev *netdev;
	int r = vmm_net_open_user(config, &netdev);

	if (r == 0)
		r = fake_port_attach(&port, netdev, loop);
	else
		return r;
	if (r < 0)
		vmm_net_destroy(netdev);
	return r;
}

/* No descriptor is left to a program that the application starts. */
static bool was_open[2048];

static void check_cloexec(void)
{
	for (int fd = 0; fd < 2048; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0 && !was_open[fd])
			ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
	}
}

static void setup_closed(void)
{
	for (int fd = 0; fd < 2048; fd++)
		was_open[fd] = fcntl(fd, F_GETFD) >= 0;
	fds = count_fds();
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
}

static void setup(void)
{
	setup_closed();
	ck_assert_int_eq(open_and_attach(&plain), 0);
}

static void teardown_closed(void)
{
	ck_assert_msg(vmm_loop_destroy(loop) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(count_fds(), fds);
}

static void teardown(void)
{
	fake_port_detach(&port);
	teardown_closed();
}

/* ---- config ---- */

/* Each row is a config that cannot be. */
static const struct {
	const char *network, *hostname;
	struct vmm_net_forward forward;
	uint32_t nr_forwards, flags;
	int error;
} bad[] = {
	{ .network = "10.0.2.0", .error = -EINVAL },
	{ .network = "10.0.2.0/", .error = -EINVAL },
	{ .network = "/24", .error = -EINVAL },
	{ .network = "10.0.2.0/24x", .error = -EINVAL },
	{ .network = "10.0.2.0/024", .error = -EINVAL },
	{ .network = "10.0.2.0/-4", .error = -EINVAL },
	{ .network = "10.0.2.0/28", .error = -EINVAL },
	{ .network = "10.0.2.0/7", .error = -EINVAL },
	{ .network = "10.0.2.0/99999999999", .error = -EINVAL },
	{ .network = "10.0.2.1/24", .error = -EINVAL },
	{ .network = "10.0.2/24", .error = -EINVAL },
	{ .network = "127.0.0.0/24", .error = -EINVAL },
	{ .network = "224.0.0.0/24", .error = -EINVAL },
	{ .network = "0.0.0.0/24", .error = -EINVAL },
	{ .network = "1234567890.1234567890.1234567890/24", .error = -EINVAL },
	{ .network = "fec0::/24", .error = -EINVAL },
	{ .hostname = "a name", .error = -EINVAL },
	{ .hostname = "a\nname", .error = -EINVAL },
	{ .hostname = "n\xc3\xa4me", .error = -EINVAL },
	{ .hostname = "0123456789012345678901234567890123", .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { .host_port = 0, .guest_port = 1 }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { .host_port = 1, .guest_port = 0 }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 2, 1, 1, NULL, NULL }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, "localhost", NULL }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, "::1", NULL }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, NULL, "10.0.3.15" }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, NULL, "10.0.2.2" }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, NULL, "10.0.2.3" }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, NULL, "10.0.2.0" }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 0, 1, 1, NULL, "10.0.2.255" }, .error = -EINVAL },
	{ .nr_forwards = 1, .forward = { 1, 1, 1, NULL, NULL }, .flags = VMM_NET_USER_RESTRICT,
	  .error = -EINVAL },
	{ .nr_forwards = 257, .forward = { 0, 1, 1, NULL, NULL }, .error = -EINVAL },
	{ .flags = 1 << 7, .error = -E2BIG },
};

START_TEST(a_config_that_cannot_be_is_refused)
{
	struct vmm_net_user_config c = plain;
	struct vmm_netdev *netdev = NULL;

	c.network = bad[_i].network;
	c.hostname = bad[_i].hostname;
	c.flags = bad[_i].flags;
	c.nr_forwards = bad[_i].nr_forwards;
	c.forwards = &bad[_i].forward;
	ck_assert_msg(vmm_net_open_user(&c, &netdev) == bad[_i].error, "row %d", _i);
	ck_assert_ptr_null(netdev);
	ck_assert_str_ne(vmm_last_error(), "");
}
END_TEST

START_TEST(a_call_without_arguments_is_refused)
{
	struct vmm_net_user_config c = plain;
	struct vmm_netdev *netdev;

	ck_assert_int_eq(vmm_net_open_user(NULL, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_open_user(&plain, NULL), -EINVAL);
	c.size = 1;
	ck_assert_int_eq(vmm_net_open_user(&c, &netdev), -EINVAL);
	c = plain;
	c.nr_forwards = 1;
	ck_assert_int_eq(vmm_net_open_user(&c, &netdev), -EINVAL);
	/* Opened and never given to a guest. */
	ck_assert_int_eq(vmm_net_open_user(&plain, &netdev), 0);
	vmm_net_destroy(netdev);
}
END_TEST

static void check_taken(int type)
{
	struct vmm_net_forward forwards[2];
	struct vmm_net_user_config c = plain;
	char words[32];
	unsigned p;
	int fd = host_socket(type, &p);

	forwards[0] = (struct vmm_net_forward){ .host_port = (uint16_t)free_port(SOCK_STREAM),
						.guest_port = 22 };
	forwards[1] = (struct vmm_net_forward){ .udp = type == SOCK_DGRAM,
						.host_port = (uint16_t)p, .guest_port = 22 };
	c.forwards = forwards;
	c.nr_forwards = 2;
	ck_assert_int_eq(open_and_attach(&c), -EADDRINUSE);
	snprintf(words, sizeof(words), "port %u of 127.0.0.1", p);
	ck_assert_msg(strstr(vmm_last_error(), words) != NULL, "%s", vmm_last_error());
	close(fd);

	/* Nothing of the failed one is left: the same config works now. */
	ck_assert_int_eq(open_and_attach(&c), 0);
	fake_port_detach(&port);
}

START_TEST(a_port_in_use_fails_the_attach_and_is_named)
{
	check_taken(SOCK_STREAM);
	check_taken(SOCK_DGRAM);
}
END_TEST

/* ---- addresses ---- */

START_TEST(dhcp_gives_the_guest_its_address_and_name)
{
	struct vmm_net_user_config c = plain;
	const unsigned char *f, *o;
	size_t n;

	c.network = "192.168.64.0/20";
	c.hostname = "guest-1.example";
	ck_assert_int_eq(open_and_attach(&c), 0);

	for (unsigned type = 1; type <= 3; type += 2) {
		send_now(wire_dhcp(frame, type, type == 3 ? 0xc0a8400f : 0));
		f = next_ip(17, &n, 1000);
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(wire_get32(f + 42 + 16), 0xc0a8400f);
		o = wire_dhcp_option(f, n, 53);
		ck_assert_ptr_nonnull(o);
		ck_assert_uint_eq(o[1], type == 1 ? 2 : 5);
		ck_assert_uint_eq(wire_get32(wire_dhcp_option(f, n, 1) + 1), 0xfffff000);
		ck_assert_uint_eq(wire_get32(wire_dhcp_option(f, n, 3) + 1), 0xc0a84002);
		ck_assert_uint_eq(wire_get32(wire_dhcp_option(f, n, 6) + 1), 0xc0a84003);
		o = wire_dhcp_option(f, n, 12);
		ck_assert_ptr_nonnull(o);
		ck_assert_mem_eq(o, "\x0fguest-1.example", 16);
	}
	fake_port_detach(&port);
}
END_TEST

START_TEST(arp_is_answered_for_the_hosts_addresses_only)
{
	const struct fake_frame *f;

	send_now(wire_arp(frame, 1, WIRE_GUEST, WIRE_HOST));
	f = fake_port_next(&port);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(wire_get16(f->bytes + 12), 0x0806);
	ck_assert_uint_eq(wire_get32(f->bytes + 28), WIRE_HOST);
	ck_assert_mem_eq(f->bytes, wire_mac, 6);
	ck_assert_uint_eq(port.commits, 1);

	send_now(wire_arp(frame, 1, WIRE_GUEST, 0x0a000263));
	ck_assert_ptr_null(fake_port_next(&port));
}
END_TEST

/* ---- connections of the guest's ---- */

START_TEST(a_guest_connects_sends_receives_and_closes)
{
	unsigned p;
	int listener = host_socket(SOCK_STREAM, &p);
	char bytes[64];
	struct conn c;
	int fd = tcp_connected(&c, listener, p, 1460, 65000);

	tcp_send(&c, WIRE_ACK, "from the guest", 14);
	ck_assert_int_eq(recv(fd, bytes, sizeof(bytes), 0), 14);
	ck_assert_mem_eq(bytes, "from the guest", 14);

	ck_assert_int_eq(send(fd, "from the host", 13, 0), 13);
	do {
		ck_assert(tcp_next(&c, 2000));
	} while (c.length == 0);
	ck_assert_mem_eq(c.data, "from the host", 13);
	tcp_send(&c, WIRE_ACK, NULL, 0);

	close(fd);
	do {
		ck_assert(tcp_next(&c, 2000));
	} while (!(c.flags & WIRE_FIN));
	tcp_send(&c, WIRE_FIN | WIRE_ACK, NULL, 0);
	close(listener);
}
END_TEST

START_TEST(a_port_nobody_listens_on_answers_with_a_reset)
{
	struct conn c = tcp_open(WIRE_HOST, free_port(SOCK_STREAM), 0, 65000);

	ck_assert(tcp_next(&c, 2000));
	ck_assert_uint_eq(c.flags & WIRE_RST, WIRE_RST);
}
END_TEST

static bool reaches(uint32_t to, uint32_t flags)
{
	struct vmm_net_user_config config = plain;
	unsigned p;
	int listener = host_socket(SOCK_STREAM, &p);
	struct conn c;
	bool connected;

	config.flags = flags;
	ck_assert_int_eq(open_and_attach(&config), 0);
	c = tcp_open(to, p, 0, 65000);
	connected = tcp_next(&c, 100) && (c.flags & WIRE_SYN);
	fake_port_detach(&port);
	close(listener);
	return connected;
}

START_TEST(the_hosts_loopback_is_reached_by_one_address_or_by_none)
{
	ck_assert(reaches(WIRE_HOST, 0));
	ck_assert(!reaches(WIRE_HOST, VMM_NET_USER_NO_HOST));
	ck_assert(!reaches(WIRE_HOST, VMM_NET_USER_RESTRICT));
	/* The stack itself would connect to these as they are. */
	for (uint32_t flags = 0; flags <= 2; flags++) {
		ck_assert(!reaches(0x7f000001, flags));
		ck_assert(!reaches(0x7f000002, flags));
		ck_assert(!reaches(0, flags));
	}
	ck_assert(!reaches(0xffffffff, VMM_NET_USER_NO_HOST));
}
END_TEST

/* The bytes that are sent, from the @at-th on. */
static void fill(unsigned char *bytes, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)((at + i) * 7 + (at + i) / 251);
}

static bool filled(const unsigned char *bytes, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != (unsigned char)((at + i) * 7 + (at + i) / 251))
			return false;
	}
	return true;
}

/*
 * Take what came for the connection; it must be the bytes from @at on, unless that
 * is SIZE_MAX. Returns how many, which are still to be acknowledged.
 */
static size_t take_all(struct conn *c, size_t at, uint32_t *ret_acked, uint32_t *ret_window)
{
	const struct fake_frame *f;
	size_t taken = 0;

	while ((f = fake_port_next(&port))) {
		const unsigned char *tcp = f->bytes + 34, *data;
		size_t n;

		if (wire_get16(f->bytes + 12) != 0x0800 || f->bytes[23] != 6)
			continue;
		*ret_acked = wire_get32(tcp + 8);
		*ret_window = wire_get16(tcp + 14);
		data = tcp + (tcp[12] >> 4) * 4;
		n = wire_get16(f->bytes + 16) - (size_t)(data - (f->bytes + 14));
		if (wire_get32(tcp + 4) != c->t.ack)
			continue;
		ck_assert(at == SIZE_MAX || filled(data, n, at + taken));
		c->t.ack += (uint32_t)n;
		taken += n;
	}
	return taken;
}

enum { MUCH = 16 << 20 };

START_TEST(much_data_reaches_the_guest_whole)
{
	static unsigned char bytes[1 << 16];
	unsigned p;
	int listener = host_socket(SOCK_STREAM, &p);
	struct conn c;
	int fd = tcp_connected(&c, listener, p, 1460, 65000);
	size_t sent = 0, got = 0;
	uint32_t acked, window;

	while (got < MUCH || got < sent) {
		size_t n;
		ssize_t w;

		fill(bytes, sizeof(bytes), sent);
		w = sent < MUCH ? send(fd, bytes, sizeof(bytes), 0) : 0;
		sent += w > 0 ? (size_t)w : 0;
		n = take_all(&c, got, &acked, &window);
		got += n;
		/* What an acknowledgement brings has come by the time it was sent. */
		if (n > 0)
			tcp_send(&c, WIRE_ACK, NULL, 0);
		else
			run_for(1000);
	}
	ck_assert_uint_eq(got, sent);
	/* Many frames to an interrupt. */
	ck_assert_uint_lt(port.commits, port.nr_frames / 4);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(much_data_leaves_the_guest_whole)
{
	static unsigned char bytes[1 << 18];
	unsigned char data[1460];
	unsigned p;
	int listener = host_socket(SOCK_STREAM, &p);
	struct conn c;
	int fd = tcp_connected(&c, listener, p, 1460, 65000);
	uint32_t first = c.t.seq, acked = c.t.seq, window = 8192;
	size_t got = 0;

	c.t.flags = WIRE_ACK;
	while (got < MUCH) {
		ssize_t n;

		while (c.t.seq - first < MUCH && c.t.seq - acked + sizeof(data) <= window) {
			size_t at = c.t.seq - first;
			size_t len = MUCH - at < sizeof(data) ? MUCH - at : sizeof(data);

			fill(data, len, at);
			ck_assert_int_eq(fake_port_send(&port, frame,
							wire_tcp(frame, &c.t, data, len)), 0);
			c.t.seq += (uint32_t)len;
		}
		fake_port_commit(&port);
		run_for(got < MUCH ? 1 : 0);
		take_all(&c, 0, &acked, &window);
		while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
			ck_assert(filled(bytes, (size_t)n, got));
			got += (size_t)n;
		}
	}
	ck_assert_uint_eq(got, MUCH);
	close(fd);
	close(listener);
}
END_TEST

/* ---- connections that end badly ---- */

static void reset_by_host(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void send_until_full(int fd)
{
	static char bytes[1 << 16];

	while (send(fd, bytes, sizeof(bytes), 0) > 0)
		continue;
}

/*
 * The process has the default disposition of SIGPIPE here. The guest reads
 * nothing, so that the stack does not read either, and learns by writing that the
 * peer is gone: the first time from an error, the second from a signal.
 */
START_TEST(writing_to_a_closed_connection_does_not_kill_the_process)
{
	unsigned p;
	int listener = host_socket(SOCK_STREAM, &p);
	struct conn c;
	int fd = tcp_connected(&c, listener, p, 1460, 0);
	sigset_t set;

	for (int i = 0; i < 20; i++) {
		send_until_full(fd);
		run_for(5);
	}
	reset_by_host(fd);
	for (int i = 0; i < 8; i++) {
		tcp_send(&c, WIRE_ACK, "unwanted", 8);
		run_for(5);
	}
	sigpending(&set);
	ck_assert(!sigismember(&set, SIGPIPE));
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	ck_assert(!sigismember(&set, SIGPIPE));
	close(listener);
}
END_TEST

START_TEST(a_connection_that_is_over_makes_room_for_another)
{
	struct conn c;
	unsigned p = free_port(SOCK_STREAM);

	for (unsigned i = 0; i < USER_SOCKETS_MAX + 50; i++) {
		c = tcp_open(WIRE_HOST, p, 0, 65000);
		c.t.from_port = 40000;
		ck_assert(tcp_next(&c, 2000));
		ck_assert_uint_eq(c.flags & WIRE_RST, WIRE_RST);
	}
}
END_TEST

/* ---- forwards ---- */

/* With a TCP forward to the guest's port 22: the guest has accepted. Returns the host's end. */
static int attach_and_accept(struct conn *c, uint32_t flags, unsigned mss)
{
	struct vmm_net_forward forward = { .host_port = (uint16_t)free_port(SOCK_STREAM),
					   .guest_port = 22 };
	struct vmm_net_user_config config = plain;
	const unsigned char *f;
	size_t n;
	int fd;

	config.forwards = &forward;
	config.nr_forwards = 1;
	config.flags = flags;
	ck_assert_int_eq(open_and_attach(&config), 0);
	fd = host_connect(forward.host_port);

	/* Soon: what waits for ARP goes when the answer is there, not with a timer. */
	f = next_ip(6, &n, 300);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f[34 + 13] & (WIRE_SYN | WIRE_ACK), WIRE_SYN);
	ck_assert_uint_eq(wire_get32(f + 30), WIRE_GUEST);
	ck_assert_uint_eq(wire_get16(f + 36), 22);
	*c = (struct conn){ .t = {
		.from = WIRE_GUEST, .to = WIRE_HOST, .from_port = 22, .to_port = wire_get16(f + 34),
		.seq = 5000, .ack = wire_get32(f + 38) + 1, .window = 65000, .mss = mss,
	} };
	tcp_send(c, WIRE_SYN | WIRE_ACK, NULL, 0);
	return fd;
}

START_TEST(a_forwarded_port_leads_into_the_guest)
{
	char bytes[64];
	struct conn c;
	/* A restricted network still has its forwards. */
	int fd = attach_and_accept(&c, _i ? VMM_NET_USER_RESTRICT : 0, 0);

	ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
	do {
		ck_assert(tcp_next(&c, 2000));
	} while (c.length == 0);
	ck_assert_mem_eq(c.data, "hello", 5);
	tcp_send(&c, WIRE_ACK, "welcome", 7);
	run_for(100);
	ck_assert_int_eq(recv(fd, bytes, sizeof(bytes), 0), 7);
	ck_assert_mem_eq(bytes, "welcome", 7);
	check_cloexec();
	close(fd);
	fake_port_detach(&port);
}
END_TEST

/* The guest takes all that comes for the connection, until nothing has come for a while. */
static void take_until_quiet(struct conn *c)
{
	uint32_t acked, window;

	for (int quiet = 0; quiet < 20; quiet++) {
		while (take_all(c, SIZE_MAX, &acked, &window) > 0) {
			tcp_send(c, WIRE_ACK, NULL, 0);
			quiet = 0;
		}
		run_for(2);
	}
}

/*
 * Neither the guest nor the host's peer reads, so all buffers are full to the last
 * byte when the peer goes away. The stack reads on an error, and asserts that there
 * is room: it must not be told of one that it did not ask for.
 */
START_TEST(a_peer_that_goes_while_all_buffers_are_full_harms_nobody)
{
	static char bytes[1024];
	struct conn c;
	/* The stack's buffer of 131400 bytes is a whole number of such segments. */
	int fd = attach_and_accept(&c, 0, 1095);

	/* Have the kernel learn to keep more than that for the stack. */
	for (int i = 0; i < 16; i++) {
		send_until_full(fd);
		take_until_quiet(&c);
	}
	c.t.window = 0;
	tcp_send(&c, WIRE_ACK, NULL, 0);
	send_until_full(fd);
	run_for(100);
	/* More than the kernel has room for. */
	for (int i = 0; i < 8000; i++)
		tcp_send(&c, WIRE_ACK, bytes, sizeof(bytes));
	run_for(100);

	reset_by_host(fd);
	for (int i = 0; i < 20; i++)
		run_for(20);
	fake_port_detach(&port);
}
END_TEST

/* With a UDP forward from a new port of the host's to the guest's 53: where to send to. */
static struct sockaddr_in attach_udp(void)
{
	struct vmm_net_forward forward = { .udp = 1, .guest_port = 53,
					   .host_port = (uint16_t)free_port(SOCK_DGRAM) };
	struct vmm_net_user_config config = plain;

	config.forwards = &forward;
	config.nr_forwards = 1;
	ck_assert_int_eq(open_and_attach(&config), 0);
	announce();
	return local(forward.host_port);
}

START_TEST(a_forwarded_udp_port_carries_both_ways)
{
	struct sockaddr_in to = attach_udp();
	unsigned p;
	int fd = host_socket(SOCK_DGRAM, &p);
	const unsigned char *f;
	char bytes[64];
	size_t n;

	ck_assert_int_eq(sendto(fd, "question", 8, 0, (struct sockaddr *)&to, sizeof(to)), 8);
	f = next_ip(17, &n, 2000);
	ck_assert_ptr_nonnull(f);
	ck_assert_mem_eq(f + 42, "question", 8);
	ck_assert_uint_eq(wire_get16(f + 36), 53);
	send_now(wire_udp(frame, WIRE_GUEST, 53, wire_get32(f + 26), wire_get16(f + 34),
			  "answer", 6));
	run_for(50);
	ck_assert_int_eq(recv(fd, bytes, sizeof(bytes), 0), 6);
	ck_assert_mem_eq(bytes, "answer", 6);
	close(fd);
	fake_port_detach(&port);
}
END_TEST

/* CVE-2020-16843: a guest without receive buffers, a flood, and life afterwards. */
START_TEST(a_flood_without_buffers_is_bounded_and_recovers)
{
	struct sockaddr_in to = attach_udp();
	const unsigned char *f;
	uint32_t kept;
	unsigned p;
	size_t n;
	int fd = host_socket(SOCK_DGRAM, &p);

	fake_port_buffers(&port, 0);
	for (int i = 0; i < 4000; i++) {
		(void)!sendto(fd, "flood", 5, 0, (struct sockaddr *)&to, sizeof(to));
		if (i % 4 == 0)
			run_for(0);
	}
	for (int i = 0; i < 10; i++)
		run_for(10);
	ck_assert_uint_eq(port.nr_frames, 1);	/* the answer to ARP, from before */

	/* What was kept comes at once and in order; the rest waited in the socket. */
	fake_port_buffers(&port, UINT32_MAX);
	kept = port.nr_frames;
	ck_assert_uint_ge(kept, 200);
	ck_assert_uint_le(kept, 300);
	for (int i = 0; i < 20; i++)
		run_for(10);
	ck_assert_uint_gt(port.nr_frames, kept);

	while (next_ip(17, &n, 50))
		continue;
	/* On a slow machine some of the flood is still to come. */
	ck_assert_int_eq(sendto(fd, "calm", 4, 0, (struct sockaddr *)&to, sizeof(to)), 4);
	do {
		f = next_ip(17, &n, 2000);
		ck_assert_ptr_nonnull(f);
	} while (memcmp(f + 42, "flood", 5) == 0);
	ck_assert_mem_eq(f + 42, "calm", 4);
	close(fd);
	fake_port_detach(&port);
}
END_TEST

/* The guest asks and takes no answer: what is kept for it has an end. */
START_TEST(answers_that_are_not_taken_are_bounded)
{
	fake_port_buffers(&port, 0);
	for (int i = 0; i < 5000; i++)
		announce();
	fake_port_buffers(&port, UINT32_MAX);
	ck_assert_uint_eq(port.nr_frames, 512);
	announce();
	ck_assert_uint_eq(port.nr_frames, 513);
}
END_TEST

START_TEST(frames_that_wait_are_not_overtaken)
{
	fake_port_buffers(&port, 0);
	announce();
	/* There are buffers now, but the backend was not told yet. */
	port.buffers = 8;
	send_now(wire_arp(frame, 1, WIRE_GUEST, WIRE_DNS));
	ck_assert_ptr_null(fake_port_next(&port));
	fake_port_buffers(&port, 8);
	ck_assert_uint_eq(wire_get32(fake_port_next(&port)->bytes + 28), WIRE_HOST);
	ck_assert_uint_eq(wire_get32(fake_port_next(&port)->bytes + 28), WIRE_DNS);
}
END_TEST

START_TEST(one_turn_is_one_interrupt)
{
	size_t n = wire_arp(frame, 1, WIRE_GUEST, WIRE_HOST);

	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(fake_port_send(&port, frame, n), 0);
	fake_port_commit(&port);
	ck_assert_uint_eq(port.nr_frames, 40);
	ck_assert_uint_eq(port.commits, 1);
	fake_port_commit(&port);
	ck_assert_uint_eq(port.commits, 1);
}
END_TEST

START_TEST(more_frames_than_fit_one_turn_are_all_heard)
{
	size_t n = wire_arp(frame, 1, WIRE_GUEST, WIRE_HOST);

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(fake_port_send(&port, frame, n), 0);
	fake_port_commit(&port);
	ck_assert_uint_eq(port.nr_frames, 300);
}
END_TEST

START_TEST(an_idle_guest_wakes_nobody)
{
	struct vmm_net_forward forward = { .host_port = (uint16_t)free_port(SOCK_STREAM),
					   .guest_port = 22 };
	struct vmm_net_user_config config = plain;
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

	config.forwards = &forward;
	config.nr_forwards = 1;
	ck_assert_int_eq(open_and_attach(&config), 0);
	announce();
	ck_assert_int_eq(poll(&p, 1, 1200), 0);
	fake_port_detach(&port);
}
END_TEST

/* ---- frames that are none ---- */

START_TEST(malformed_frames_harm_nobody)
{
	size_t n;

	for (size_t length = 14; length < 60; length++) {
		wire_arp(frame, 1, WIRE_GUEST, WIRE_HOST);
		send_now(length);
		wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
		send_now(length);
	}
	n = wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
	for (unsigned i = 14; i < 42; i++) {
		for (unsigned v = 0; v < 256; v += 15) {
			wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
			frame[i] = (unsigned char)v;
			send_now(n);
		}
	}
	/* Over the MTU. */
	{
		static unsigned char large[65536];

		wire_udp(large, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
		ck_assert_int_eq(fake_port_send(&port, large, FRAMES_BYTES + 1), 0);
		ck_assert_int_eq(fake_port_send(&port, large, sizeof(large)), 0);
		fake_port_commit(&port);
	}
	port.next = port.nr_frames;
	announce();
	ck_assert_ptr_nonnull(fake_port_next(&port));
}
END_TEST

/* ---- the gate ---- */

static struct user_gate gate;

static bool admits(size_t n)
{
	return vmm__user_gate_admits(&gate, frame, n);
}

static bool admits_tcp(unsigned flags)
{
	const struct wire_tcp t = { .from = WIRE_GUEST, .to = 0x01020304, .from_port = 1,
				    .to_port = 2, .flags = flags };

	return admits(wire_tcp(frame, &t, NULL, 0));
}

START_TEST(only_what_the_stack_serves_reaches_it)
{
	size_t n;

	vmm__user_gate_init(&gate, (struct in_addr){ htonl(WIRE_HOST) });
	ck_assert(admits(wire_arp(frame, 1, WIRE_GUEST, WIRE_HOST)));
	ck_assert(admits(wire_dhcp(frame, 1, 0)));
	ck_assert(admits_tcp(WIRE_SYN));
	ck_assert(admits(wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1)));
	/* TFTP: the stack's own, not another's. */
	ck_assert(!admits(wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 69, "x", 1)));
	ck_assert(admits(wire_udp(frame, WIRE_GUEST, 1, 0x01020304, 69, "x", 1)));
	/* Loopback and "this host". */
	ck_assert(!admits(wire_udp(frame, WIRE_GUEST, 1, 0x7f000001, 2, "x", 1)));
	ck_assert(!admits(wire_udp(frame, WIRE_GUEST, 1, 0x00000001, 2, "x", 1)));
	/* IPv6, NC-SI, a VLAN. */
	n = wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
	wire_put16(frame + 12, 0x86dd);
	ck_assert(!admits(n));
	wire_put16(frame + 12, 0x88f8);
	ck_assert(!admits(n));
	wire_put16(frame + 12, 0x8100);
	ck_assert(!admits(n));
	/* Another protocol, another version, a header longer than the frame. */
	wire_ip(frame, 47, WIRE_GUEST, WIRE_HOST, 20);
	ck_assert(!admits(54));
	wire_ip(frame, 17, WIRE_GUEST, WIRE_HOST, 20);
	frame[14] = 0x65;
	ck_assert(!admits(54));
	frame[14] = 0x4f;
	ck_assert(!admits(54));
	ck_assert(!admits(33));
	ck_assert(!admits(13));
	/* Nothing past the end is looked at. */
	for (size_t length = 0; length < 60; length++) {
		unsigned char *exact = malloc(length);

		n = wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
		memcpy(exact, frame, length);
		ck_assert(vmm__user_gate_admits(&gate, exact, length) == (length >= 34));
		free(exact);
	}
}
END_TEST

START_TEST(at_the_limit_of_sockets_nothing_new_is_opened)
{
	vmm__user_gate_init(&gate, (struct in_addr){ htonl(WIRE_HOST) });
	gate.nr_sockets = USER_SOCKETS_MAX;
	ck_assert(!admits_tcp(WIRE_SYN));
	ck_assert(!admits_tcp(WIRE_SYN | WIRE_RST));
	ck_assert(admits_tcp(WIRE_ACK));
	ck_assert(admits_tcp(WIRE_SYN | WIRE_ACK));
	ck_assert(admits_tcp(WIRE_FIN | WIRE_ACK));
	ck_assert(!admits(wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1)));
	ck_assert(admits(wire_dhcp(frame, 1, 0)));
	wire_ip(frame, 1, WIRE_GUEST, WIRE_HOST, 20);
	ck_assert(!admits(54));
	/* A TCP header that ends before its flags. */
	wire_ip(frame, 6, WIRE_GUEST, WIRE_HOST, 13);
	ck_assert(!admits(47));

	gate.nr_sockets--;
	ck_assert(admits_tcp(WIRE_SYN));
}
END_TEST

/* Flags and offset (RFC 791, 3.1): the first, a middle one, the last, the reserved bit, by itself and with DF. */
static const uint32_t fragments[] = { 0x2000, 0x2001, 0x0001, 0x1fff, 0x8000, 0xc000, 0x6000, 0x4001 };

START_TEST(fragments_do_not_reach_the_stack)
{
	vmm__user_gate_init(&gate, (struct in_addr){ htonl(WIRE_HOST) });
	wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 2, "x", 1);
	wire_put16(frame + 20, fragments[_i]);
	ck_assert_msg(!admits(43), "0x%x", fragments[_i]);
	wire_put16(frame + 20, 0x4000);
	ck_assert(admits(43));
}
END_TEST

/* What makes libslirp 4.7, compiled with strict aliasing, write the bytes of the guest over its heap. */
START_TEST(the_last_fragment_first_does_no_harm)
{
	announce();
	while (fake_port_next(&port))
		continue;
	for (unsigned offset = 1; offset < 0x2000; offset += 500) {
		size_t n = wire_udp(frame, WIRE_GUEST, 1, WIRE_HOST, 9, "AAAAAAAAAAAA", 12);

		wire_put16(frame + 20, offset);
		wire_put16(frame + 24, 0);
		wire_put16(frame + 24, wire_fold(wire_sum(frame + 14, 20, 0)));
		send_now(n);
	}
	/* The stack still serves. */
	announce();
	ck_assert_ptr_nonnull(fake_port_next(&port));
}
END_TEST

/* A guest that thinks of many addresses must not take the process's descriptors. */
START_TEST(a_guest_holds_a_bounded_number_of_sockets)
{
	int before = count_fds();

	announce();
	for (unsigned p = 1; p <= 1500; p++)
		send_now(wire_udp(frame, WIRE_GUEST, p, WIRE_HOST, 9, "x", 1));
	ck_assert_int_eq(count_fds() - before, USER_SOCKETS_MAX);
	check_cloexec();
}
END_TEST

/* ---- the poll set ---- */

START_TEST(a_poll_set_follows_the_list_it_is_given)
{
	struct pollset set;
	int a[2], c[2], i, j;

	ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(c, O_CLOEXEC), 0);
	ck_assert_int_eq(vmm__pollset_init(&set), 0);
	ck_assert_int_eq(write(a[1], "x", 1), 1);
	ck_assert_int_eq(write(c[1], "x", 1), 1);

	vmm__pollset_begin(&set);
	i = vmm__pollset_add(&set, a[0], POLLIN);
	j = vmm__pollset_add(&set, c[0], POLLIN);
	vmm__pollset_end(&set);
	vmm__pollset_poll(&set);
	ck_assert_uint_eq(vmm__pollset_entry(&set, i)->ready, POLLIN);
	ck_assert_uint_eq(vmm__pollset_entry(&set, j)->ready, POLLIN);
	vmm__pollset_clear(&set);
	ck_assert_uint_eq(vmm__pollset_entry(&set, j)->ready, 0);

	/* In another order, and one of them for something else. */
	vmm__pollset_begin(&set);
	j = vmm__pollset_add(&set, c[0], POLLIN);
	i = vmm__pollset_add(&set, a[0], POLLPRI);
	vmm__pollset_end(&set);
	vmm__pollset_poll(&set);
	ck_assert_uint_eq(vmm__pollset_entry(&set, i)->ready, 0);
	ck_assert_uint_eq(vmm__pollset_entry(&set, j)->ready, POLLIN);

	/* One left out. */
	vmm__pollset_begin(&set);
	i = vmm__pollset_add(&set, a[0], POLLPRI);
	vmm__pollset_end(&set);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = set.fd, .events = POLLIN }, 1, 0), 0);

	for (i = 0; i < 2; i++) {
		close(a[i]);
		close(c[i]);
	}
	vmm__pollset_finish(&set);
}
END_TEST

START_TEST(a_number_that_comes_back_is_another_descriptor)
{
	struct pollset set;
	int a[2], b[2], c[2], i;

	ck_assert_int_eq(pipe2(a, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(c, O_CLOEXEC), 0);
	ck_assert_int_eq(vmm__pollset_init(&set), 0);
	vmm__pollset_begin(&set);
	ck_assert_int_ge(vmm__pollset_add(&set, a[0], POLLIN), 0);
	vmm__pollset_end(&set);

	/* The old one lives on elsewhere, as in a child process; its end is told. */
	ck_assert_int_eq(pipe2(b, O_CLOEXEC), 0);
	vmm__pollset_forget(&set, a[0]);
	ck_assert_int_ge(dup3(c[0], a[0], O_CLOEXEC), 0);
	ck_assert_int_eq(write(c[1], "x", 1), 1);
	vmm__pollset_begin(&set);
	i = vmm__pollset_add(&set, a[0], POLLIN);
	vmm__pollset_end(&set);
	vmm__pollset_poll(&set);
	ck_assert_uint_eq(vmm__pollset_entry(&set, i)->ready, POLLIN);

	/* Not told: found out when it is asked to change. */
	ck_assert_int_ge(dup3(b[0], a[0], O_CLOEXEC), 0);
	ck_assert_int_eq(write(b[1], "x", 1), 1);
	vmm__pollset_begin(&set);
	i = vmm__pollset_add(&set, a[0], POLLIN | POLLPRI);
	vmm__pollset_end(&set);
	vmm__pollset_poll(&set);
	ck_assert_uint_eq(vmm__pollset_entry(&set, i)->ready, POLLIN);

	/* What cannot be watched has no index. */
	vmm__pollset_begin(&set);
	ck_assert_int_eq(vmm__pollset_add(&set, 100000, POLLIN), -1);
	vmm__pollset_end(&set);

	for (i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
		close(c[i]);
	}
	vmm__pollset_finish(&set);
}
END_TEST

/* ---- many ---- */

static void *use_many(void *data)
{
	struct vmm_loop *own;
	struct fake_port ports[16];
	unsigned char f[64];
	size_t n = wire_arp(f, 1, WIRE_GUEST, WIRE_HOST);

	ck_assert_int_eq(vmm_loop_create(NULL, &own), 0);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < 16; i++) {
			struct vmm_netdev *netdev;

			ck_assert_int_eq(vmm_net_open_user(&plain, &netdev), 0);
			ck_assert_int_eq(fake_port_attach(&ports[i], netdev, own), 0);
		}
		for (int i = 0; i < 16; i++) {
			ck_assert_int_eq(fake_port_send(&ports[i], f, n), 0);
			fake_port_commit(&ports[i]);
			ck_assert_uint_eq(ports[i].nr_frames, 1);
		}
		for (int i = 0; i < 16; i++)
			fake_port_detach(&ports[i]);
	}
	ck_assert_int_eq(vmm_loop_destroy(own), 0);
	return data;
}

START_TEST(many_networks_live_side_by_side)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

START_TEST(a_network_is_taken_out_with_traffic_in_flight)
{
	unsigned p;
	int listener = host_socket(SOCK_STREAM, &p);

	for (int i = 0; i < 20; i++) {
		struct conn c;
		int fd;

		ck_assert_int_eq(open_and_attach(&plain), 0);
		fd = tcp_connected(&c, listener, p, 1460, 65000);
		for (int j = 0; j < 10; j++)
			(void)!send(fd, frame, sizeof(frame), 0);
		if (i % 2)
			run_for(10);
		ck_assert_int_eq(fake_port_send(&port, frame, 60), 0);
		fake_port_detach(&port);
		run_for(1);
		close(fd);
	}
	close(listener);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_user");
	TCase *closed = tcase_create("closed");
	TCase *open = tcase_create("open");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(closed, 60);
	tcase_set_timeout(open, 60);
	tcase_add_checked_fixture(closed, setup_closed, teardown_closed);
	tcase_add_loop_test(closed, a_config_that_cannot_be_is_refused, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(closed, a_call_without_arguments_is_refused);
	tcase_add_test(closed, a_port_in_use_fails_the_attach_and_is_named);
	tcase_add_test(closed, dhcp_gives_the_guest_its_address_and_name);
	tcase_add_test(closed, the_hosts_loopback_is_reached_by_one_address_or_by_none);
	tcase_add_loop_test(closed, a_forwarded_port_leads_into_the_guest, 0, 2);
	tcase_add_test(closed, a_peer_that_goes_while_all_buffers_are_full_harms_nobody);
	tcase_add_test(closed, a_forwarded_udp_port_carries_both_ways);
	tcase_add_test(closed, a_flood_without_buffers_is_bounded_and_recovers);
	tcase_add_test(closed, an_idle_guest_wakes_nobody);
	tcase_add_test(closed, only_what_the_stack_serves_reaches_it);
	tcase_add_test(closed, at_the_limit_of_sockets_nothing_new_is_opened);
	tcase_add_loop_test(closed, fragments_do_not_reach_the_stack, 0,
			    sizeof(fragments) / sizeof(fragments[0]));
	tcase_add_test(closed, a_poll_set_follows_the_list_it_is_given);
	tcase_add_test(closed, a_number_that_comes_back_is_another_descriptor);
	tcase_add_test(closed, many_networks_live_side_by_side);
	tcase_add_test(closed, a_network_is_taken_out_with_traffic_in_flight);

	tcase_add_checked_fixture(open, setup, teardown);
	tcase_add_test(open, arp_is_answered_for_the_hosts_addresses_only);
	tcase_add_test(open, a_guest_connects_sends_receives_and_closes);
	tcase_add_test(open, much_data_reaches_the_guest_whole);
	tcase_add_test(open, much_data_leaves_the_guest_whole);
	tcase_add_test(open, a_port_nobody_listens_on_answers_with_a_reset);
	tcase_add_test(open, writing_to_a_closed_connection_does_not_kill_the_process);
	tcase_add_test(open, a_connection_that_is_over_makes_room_for_another);
	tcase_add_test(open, frames_that_wait_are_not_overtaken);
	tcase_add_test(open, answers_that_are_not_taken_are_bounded);
	tcase_add_test(open, one_turn_is_one_interrupt);
	tcase_add_test(open, more_frames_than_fit_one_turn_are_all_heard);
	tcase_add_test(open, malformed_frames_harm_nobody);
	tcase_add_test(open, the_last_fragment_first_does_no_harm);
	tcase_add_test(open, a_guest_holds_a_bounded_number_of_sockets);
	suite_add_tcase(suite, closed);
	suite_add_tcase(suite, open);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
