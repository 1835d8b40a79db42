/* SPDX-License-Identifier: MIT */
/*
 * test_net_socket.c - stream and datagram sockets whose other end is the test: it sends
 * in pieces, lies about lengths, floods, does not read, dies and comes again.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/net/framing_priv.h"
#include "count_fds.h"
#include "fake_port.h"

static struct vmm_loop *loop;
static struct fake_port port, other;
static char dir[] = "/tmp/net_socket.XXXXXX";
static char path_a[64], path_b[64];
static int fds;

static void setup(void)
{
	fds = count_fds();
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path_a, sizeof(path_a), "%s/a", dir);
	snprintf(path_b, sizeof(path_b), "%s/b", dir);
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
}

static void teardown(void)
{
	ck_assert_msg(vmm_loop_destroy(loop) == 0, "%s", vmm_last_error());
	(void)unlink(path_a);
	(void)unlink(path_b);
	/* Nothing else was left in it. */
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(count_fds(), fds);
}

static void run(void)
{
	for (int i = 0; i < 10000 && vmm_loop_dispatch(loop) > 0; i++)
		continue;
}

/* Until @what, for five seconds. */
#define run_until(what) do {							\
	struct pollfd p_ = { .fd = vmm_loop_fd(loop), .events = POLLIN };	\
	for (int i_ = 0; !(what) && i_ < 500; i_++) {				\
		(void)poll(&p_, 1, 10);						\
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);			\
	}									\
	ck_assert(what);							\
} while (0)

static const unsigned char *pattern(unsigned seed)
{
	static unsigned char bytes[70000];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251 + seed);
	return bytes;
}

/* ---- the other end ---- */

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, path);
	return a;
}

static int bound(const char *path, int type)
{
	struct sockaddr_un a = address(path);
	int s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)unlink(path);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(s, 4), 0);
	return s;
}

static int connected(const char *path, int type)
{
	struct sockaddr_un a = address(path);
	int s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
	return s;
}

static void put_length(unsigned char *to, uint32_t length)
{
	to[0] = (unsigned char)(length >> 24);
	to[1] = (unsigned char)(length >> 16);
	to[2] = (unsigned char)(length >> 8);
	to[3] = (unsigned char)length;
}

static void write_all(int s, const void *bytes, size_t n)
{
	ck_assert_int_eq(send(s, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void write_frame(int s, unsigned seed, uint32_t length)
{
	unsigned char bytes[70004];

	put_length(bytes, length);
	memcpy(bytes + 4, pattern(seed), length);
	write_all(s, bytes, 4 + length);
}

static void read_all(int s, unsigned char *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t got = recv(s, bytes + at, n - at, MSG_DONTWAIT);

		if (got < 0 && errno == EAGAIN) {
			ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
			continue;
		}
		ck_assert_int_gt(got, 0);
		at += (size_t)got;
	}
}

static void reads_frame(int s, unsigned seed, uint32_t length)
{
	unsigned char bytes[70004], head[4];

	put_length(head, length);
	read_all(s, bytes, 4 + length);
	ck_assert_mem_eq(bytes, head, 4);
	ck_assert_mem_eq(bytes + 4, pattern(seed), length);
}

static void arrived(unsigned seed, uint32_t length)
{
	const struct fake_frame *f;

	run_until(port.next < port.nr_frames);
	f = fake_port_next(&port);
	ck_assert_uint_eq(f->length, length);
	ck_assert_mem_eq(f->bytes, pattern(seed), length);
}

/* ---- our end ---- */

static int open_stream(const char *path, int fd, uint32_t flags, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_stream_config config = VMM_NET_STREAM_CONFIG_INIT;

	config.path = path;
	config.fd = fd;
	config.flags = flags;
	config.reconnect_ms = 20;
	return vmm_net_open_stream(&config, ret_netdev);
}

static void attach(struct fake_port *p, struct vmm_netdev *netdev)
{
	ck_assert_msg(fake_port_attach(p, netdev, loop) == 0, "%s", vmm_last_error());
	p->buffer_bytes = 65553;
}

static void attach_stream(struct fake_port *p, const char *path, int fd, uint32_t flags)
{
	struct vmm_netdev *netdev;

	ck_assert_msg(open_stream(path, fd, flags, &netdev) == 0, "%s", vmm_last_error());
	attach(p, netdev);
}

static void sends(unsigned seed, uint32_t length)
{
	ck_assert_int_eq(fake_port_send(&port, pattern(seed), length), 0);
	fake_port_commit(&port);
}

static struct vmm_net_stats stats(void)
{
	struct vmm_net_stats s = VMM_NET_STATS_INIT;

	port.netdev->ops.stats(port.netdev->state, &s);
	return s;
}

/* A stream whose other end is the result. */
static int pair(void)
{
	int s[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	attach_stream(&port, NULL, s[1], 0);
	close(s[1]);
	ck_assert(port.carrier);
	return s[0];
}

/* ---- streams ---- */

START_TEST(a_stream_carries_frames_of_all_lengths_both_ways)
{
	static const uint32_t lengths[] = { 14, 60, 1514, 9000, 65553 };
	int s = pair();

	for (unsigned i = 0; i < 5; i++) {
		sends(i, lengths[i]);
		reads_frame(s, i, lengths[i]);
		write_frame(s, i + 7, lengths[i]);
		arrived(i + 7, lengths[i]);
	}
	ck_assert_uint_gt(port.commits, 0);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(frames_come_in_any_pieces)
{
	unsigned char bytes[3 * 104];
	int s = pair();

	for (unsigned i = 0; i < 3; i++) {
		put_length(bytes + 104 * i, 100);
		memcpy(bytes + 104 * i + 4, pattern(i), 100);
	}
	for (size_t piece = 1; piece <= sizeof(bytes); piece += piece < 12 ? 1 : 50) {
		for (size_t at = 0; at < sizeof(bytes); at += piece) {
			write_all(s, bytes + at,
				  piece < sizeof(bytes) - at ? piece : sizeof(bytes) - at);
			run();
		}
		for (unsigned i = 0; i < 3; i++)
			arrived(i, 100);
	}
	ck_assert_uint_eq(port.next, port.nr_frames);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(frames_of_one_turn_leave_in_one_write)
{
	unsigned char bytes[64 * 64];
	int s = pair();

	for (unsigned i = 0; i < 64; i++)
		ck_assert_int_eq(fake_port_send(&port, pattern(i), 60), 0);
	ck_assert_int_eq(recv(s, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	fake_port_commit(&port);
	ck_assert_int_eq(recv(s, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(bytes));
	close(s);
	fake_port_detach(&port);
}
END_TEST

/* Each row is a length that no frame has. */
static const uint32_t lies[] = { 0, 1, 13, 65554, 0x7fffffff, 0x80000000, 0xffffffff };

START_TEST(a_peer_that_breaks_the_framing_is_let_go)
{
	int l = bound(path_a, SOCK_STREAM), s;
	unsigned char head[4], byte;

	attach_stream(&port, path_a, 0, 0);
	ck_assert(port.carrier);
	s = accept(l, NULL, NULL);
	write_frame(s, 1, 60);
	put_length(head, lies[_i]);
	write_all(s, head, 4);
	arrived(1, 60);
	run_until(!port.carrier);
	ck_assert_int_eq(recv(s, &byte, 1, 0), 0);
	ck_assert_uint_eq(stats().backend_rx_lost, 1);
	ck_assert_int_eq(fake_port_send(&port, pattern(0), 60), -ENOTCONN);
	close(s);

	/* Another chance, with nothing left of the first. */
	run_until(port.carrier);
	s = accept(l, NULL, NULL);
	write_frame(s, 2, 100);
	arrived(2, 100);
	close(s);
	close(l);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_peer_that_dies_is_looked_for_again)
{
	int l = bound(path_a, SOCK_STREAM), s;
	unsigned char bytes[64];

	attach_stream(&port, path_a, 0, 0);
	s = accept(l, NULL, NULL);
	/* In the middle of a frame. */
	put_length(bytes, 1000);
	write_all(s, bytes, sizeof(bytes));
	run();
	close(s);
	close(l);
	run_until(!port.carrier);
	for (int i = 0; i < 5; i++) {
		usleep(25000);
		run();
	}
	ck_assert(!port.carrier);
	l = bound(path_a, SOCK_STREAM);
	run_until(port.carrier);
	s = accept(l, NULL, NULL);
	write_frame(s, 3, 200);
	arrived(3, 200);
	sends(4, 300);
	reads_frame(s, 4, 300);
	close(s);
	close(l);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_peer_may_come_later)
{
	int l, s;

	attach_stream(&port, path_a, 0, 0);
	ck_assert(!port.carrier);
	ck_assert_int_eq(fake_port_send(&port, pattern(0), 60), -ENOTCONN);
	l = bound(path_a, SOCK_STREAM);
	run_until(port.carrier);
	s = accept(l, NULL, NULL);
	sends(1, 60);
	reads_frame(s, 1, 60);
	close(s);
	close(l);
	fake_port_detach(&port);
}
END_TEST

START_TEST(peers_that_come_are_served_one_at_a_time)
{
	int first, second;

	attach_stream(&port, path_a, 0, VMM_NET_STREAM_LISTEN);
	ck_assert(!port.carrier);
	first = connected(path_a, SOCK_STREAM);
	second = connected(path_a, SOCK_STREAM);
	run_until(port.carrier);
	write_frame(second, 2, 100);
	write_frame(first, 1, 100);
	arrived(1, 100);
	run();
	ck_assert_uint_eq(port.next, port.nr_frames);
	close(first);
	arrived(2, 100);
	ck_assert(port.carrier);
	sends(3, 100);
	reads_frame(second, 3, 100);
	close(second);
	run_until(!port.carrier);
	fake_port_detach(&port);
	ck_assert_int_eq(access(path_a, F_OK), -1);
}
END_TEST

START_TEST(a_path_in_use_is_left_alone)
{
	struct vmm_netdev *netdev;
	int l = bound(path_a, SOCK_STREAM);

	ck_assert_int_eq(open_stream(path_a, 0, VMM_NET_STREAM_LISTEN, &netdev), 0);
	ck_assert_int_eq(fake_port_attach(&port, netdev, loop), -EADDRINUSE);
	ck_assert_int_eq(access(path_a, F_OK), 0);
	/* It may be tried again. */
	close(l);
	(void)unlink(path_a);
	attach(&port, netdev);
	/* What took our place meanwhile is not ours to remove. */
	l = bound(path_a, SOCK_STREAM);
	fake_port_detach(&port);
	ck_assert_int_eq(access(path_a, F_OK), 0);
	close(l);
}
END_TEST

START_TEST(two_ends_of_the_library_find_each_other)
{
	attach_stream(&port, path_a, 0, VMM_NET_STREAM_LISTEN);
	attach_stream(&other, path_a, 0, 0);
	run_until(port.carrier && other.carrier);
	ck_assert_int_eq(fake_port_send(&other, pattern(5), 500), 0);
	fake_port_commit(&other);
	arrived(5, 500);
	fake_port_detach(&other);
	run_until(!port.carrier);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_peer_that_does_not_read_holds_the_guest_up)
{
	unsigned n = 0;
	int s = pair();

	while (fake_port_send(&port, pattern(n), 1500) == 0) {
		fake_port_commit(&port);
		ck_assert_uint_lt(++n, 10000);
	}
	fake_port_commit(&port);
	run();
	ck_assert_uint_eq(port.writables, 0);
	for (unsigned i = 0; i < n; i++)
		reads_frame(s, i, 1500);
	run_until(port.writables > 0);
	sends(1, 60);
	reads_frame(s, 1, 60);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_peer_that_dies_lets_a_waiting_guest_go)
{
	int s = pair();

	while (fake_port_send(&port, pattern(0), 1500) == 0)
		fake_port_commit(&port);
	fake_port_commit(&port);
	close(s);
	run_until(!port.carrier);
	ck_assert_uint_eq(port.writables, 1);
	ck_assert_uint_gt(stats().backend_tx_lost, 0);
	ck_assert_int_eq(fake_port_send(&port, pattern(0), 60), -ENOTCONN);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_guest_without_buffers_holds_the_peer_up)
{
	unsigned char frame[1504];
	unsigned n = 0;
	int s = pair();

	fake_port_buffers(&port, 0);
	put_length(frame, 1500);
	for (;;) {
		ssize_t sent;

		memcpy(frame + 4, pattern(n), 1500);
		sent = send(s, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
		run();
		if (sent < 0)
			break;
		ck_assert_int_eq(sent, sizeof(frame));
		ck_assert_uint_lt(++n, 10000);
	}
	ck_assert_uint_eq(port.nr_frames, 0);
	/* At rest, although there is something to read. */
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	for (unsigned i = 0; i < n; i++) {
		fake_port_buffers(&port, 1);
		arrived(i, 1500);
	}
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_flood_is_taken_in_by_turns)
{
	static unsigned char flood[150000];
	int s = pair(), size = 1 << 20;

	(void)setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (size_t at = 0; at + 64 <= sizeof(flood); at += 64)
		put_length(flood + at, 60);
	write_all(s, flood, sizeof(flood) / 64 * 64);
	ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert_uint_gt(port.nr_frames, 0);
	ck_assert_uint_le(port.nr_frames, 1024);
	run();
	ck_assert_uint_eq(port.nr_frames, sizeof(flood) / 64);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_peer_that_dies_behind_a_full_guest_is_noticed)
{
	int s = pair();

	fake_port_buffers(&port, 0);
	write_frame(s, 1, 100);
	run();
	close(s);
	run();
	fake_port_buffers(&port, 8);
	arrived(1, 100);
	run_until(!port.carrier);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_config_that_cannot_be_is_refused)
{
	struct vmm_net_stream_config c = VMM_NET_STREAM_CONFIG_INIT;
	struct vmm_net_dgram_config d = VMM_NET_DGRAM_CONFIG_INIT;
	struct vmm_netdev *netdev;
	char longest[200] = "";
	int s[2];

	memset(longest, 'a', 108);
	ck_assert_int_eq(vmm_net_open_stream(&c, &netdev), -EINVAL);
	c.path = longest;
	ck_assert_int_eq(vmm_net_open_stream(&c, &netdev), -EINVAL);
	c.path = "";
	ck_assert_int_eq(vmm_net_open_stream(&c, &netdev), -EINVAL);
	c.path = path_a;
	c.fd = 5;
	ck_assert_int_eq(vmm_net_open_stream(&c, &netdev), -EINVAL);
	c.fd = 0;
	c.flags = 2;
	ck_assert_int_eq(vmm_net_open_stream(&c, &netdev), -EINVAL);
	c.flags = 0;
	c.reserved = 1;
	ck_assert_int_eq(vmm_net_open_stream(&c, &netdev), -EINVAL);
	ck_assert_int_eq(open_stream(NULL, 999, 0, &netdev), -EBADF);
	ck_assert_int_eq(vmm_net_open_stream(NULL, &netdev), -EINVAL);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), 0);
	ck_assert_int_eq(open_stream(NULL, s[0], 0, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_open_dgram(&d, &netdev), -EINVAL);
	d.path = path_a;
	ck_assert_int_eq(vmm_net_open_dgram(&d, &netdev), -EINVAL);
	d.local_path = path_b;
	d.fd = s[0];
	ck_assert_int_eq(vmm_net_open_dgram(&d, &netdev), -EINVAL);
	d.fd = 0;
	d.local_path = longest;
	ck_assert_int_eq(vmm_net_open_dgram(&d, &netdev), -EINVAL);
	ck_assert_int_eq(vmm_net_open_dgram(&d, NULL), -EINVAL);
	close(s[0]);
	close(s[1]);
}
END_TEST

/* ---- datagrams ---- */

static void attach_dgram(const char *path, const char *local, int fd)
{
	struct vmm_net_dgram_config config = VMM_NET_DGRAM_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.path = path;
	config.local_path = local;
	config.fd = fd;
	ck_assert_msg(vmm_net_open_dgram(&config, &netdev) == 0, "%s", vmm_last_error());
	attach(&port, netdev);
}

static void reads_datagram(int s, unsigned seed, uint32_t length)
{
	unsigned char bytes[70000];

	ck_assert_int_eq(recv(s, bytes, sizeof(bytes), MSG_DONTWAIT), (ssize_t)length);
	ck_assert_mem_eq(bytes, pattern(seed), length);
}

static void send_to(int s, const char *path, unsigned seed, uint32_t length)
{
	struct sockaddr_un a = address(path);

	ck_assert_int_eq(sendto(s, pattern(seed), length, 0, (struct sockaddr *)&a, sizeof(a)),
			 (ssize_t)length);
}

START_TEST(datagrams_are_frames_both_ways)
{
	static const uint32_t lengths[] = { 14, 60, 1514, 9000, 65553 };
	int s = bound(path_a, SOCK_DGRAM);

	attach_dgram(path_a, path_b, 0);
	for (unsigned i = 0; i < 5; i++) {
		sends(i, lengths[i]);
		reads_datagram(s, i, lengths[i]);
		send_to(s, path_b, i + 9, lengths[i]);
		arrived(i + 9, lengths[i]);
	}
	close(s);
	fake_port_detach(&port);
	ck_assert_int_eq(access(path_b, F_OK), -1);
}
END_TEST

START_TEST(a_peer_of_datagrams_may_come_and_go)
{
	int s;

	attach_dgram(path_a, path_b, 0);
	ck_assert(port.carrier);
	ck_assert_int_eq(fake_port_send(&port, pattern(0), 60), -ENOENT);
	for (unsigned i = 0; i < 3; i++) {
		s = bound(path_a, SOCK_DGRAM);
		send_to(s, path_b, i, 100);
		arrived(i, 100);
		sends(i, 60);
		reads_datagram(s, i, 60);
		close(s);
		ck_assert_int_eq(fake_port_send(&port, pattern(0), 60), -ECONNREFUSED);
		run();
	}
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_peer_whose_queue_is_full_holds_the_guest_up)
{
	unsigned n = 0;
	int s = bound(path_a, SOCK_DGRAM);

	attach_dgram(path_a, path_b, 0);
	while (fake_port_send(&port, pattern(n), 60) == 0)
		ck_assert_uint_lt(++n, 100000);
	run_until(port.writables > 0);
	ck_assert_int_eq(fake_port_send(&port, pattern(n), 60), -EAGAIN);
	for (unsigned i = 0; i < n; i++)
		reads_datagram(s, i, 60);
	port.writables = 0;
	run_until(port.writables > 0);
	sends(1, 60);
	reads_datagram(s, 1, 60);
	/* Nothing more is asked. */
	port.writables = 0;
	usleep(10000);
	run();
	ck_assert_uint_eq(port.writables, 0);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_datagram_that_is_no_frame_is_lost)
{
	int s = bound(path_a, SOCK_DGRAM);

	attach_dgram(path_a, path_b, 0);
	port.buffer_bytes = 1000;
	send_to(s, path_b, 1, 0);
	send_to(s, path_b, 1, 13);
	send_to(s, path_b, 1, 1001);
	send_to(s, path_b, 1, 66000);
	send_to(s, path_b, 2, 1000);
	arrived(2, 1000);
	ck_assert_uint_eq(port.next, port.nr_frames);
	ck_assert_uint_eq(stats().backend_rx_lost, 3);
	port.down = true;
	send_to(s, path_b, 1, 100);
	run();
	port.down = false;
	send_to(s, path_b, 3, 100);
	arrived(3, 100);
	close(s);
	fake_port_detach(&port);
}
END_TEST

START_TEST(a_pair_of_datagram_sockets_carries_and_waits)
{
	unsigned n = 0;
	int s[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, s), 0);
	attach_dgram(NULL, NULL, s[1]);
	close(s[1]);
	while (fake_port_send(&port, pattern(n), 60) == 0)
		n++;
	run();
	ck_assert_uint_eq(port.writables, 0);
	for (unsigned i = 0; i < n; i++)
		reads_datagram(s[0], i, 60);
	run_until(port.writables > 0);
	ck_assert_int_eq(send(s[0], pattern(5), 500, 0), 500);
	arrived(5, 500);
	close(s[0]);
	run();
	ck_assert_int_eq(fake_port_send(&port, pattern(0), 60), -ECONNREFUSED);
	run();
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	fake_port_detach(&port);
}
END_TEST

START_TEST(datagrams_wait_for_buffers)
{
	int s = bound(path_a, SOCK_DGRAM);

	attach_dgram(path_a, path_b, 0);
	fake_port_buffers(&port, 0);
	for (unsigned i = 0; i < 5; i++)
		send_to(s, path_b, i, 100);
	run();
	ck_assert_int_eq(vmm_loop_dispatch(loop), 0);
	fake_port_buffers(&port, 2);
	arrived(0, 100);
	arrived(1, 100);
	run();
	fake_port_buffers(&port, 99);
	for (unsigned i = 2; i < 5; i++)
		arrived(i, 100);
	close(s);
	fake_port_detach(&port);
}
END_TEST

/* ---- the framing itself ---- */

START_TEST(the_buffer_goes_round_and_never_grows)
{
	struct vmm_net_frame frame = { .length = 65553 };
	struct iovec iov = { (void *)(uintptr_t)pattern(1), 65553 };
	struct framing f;

	frame.iov = &iov;
	frame.nr_iov = 1;
	ck_assert_int_eq(vmm__framing_init(&f), 0);
	for (int round = 0; round < 50; round++) {
		uint32_t length, room;
		const unsigned char *bytes;

		while (vmm__framing_append(&f, &frame))
			ck_assert_uint_le(f.end, FRAMING_BYTES);
		ck_assert_int_eq(vmm__framing_first(&f, &bytes, &length), 1);
		ck_assert_uint_eq(length, 65553);
		ck_assert_mem_eq(bytes, pattern(1), length);
		vmm__framing_taken(&f, length);
		(void)vmm__framing_room(&f, &room);
		ck_assert_uint_ge(room, 65557);
	}
	vmm__framing_finish(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_socket");
	TCase *tcase = tcase_create("socket");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_stream_carries_frames_of_all_lengths_both_ways);
	tcase_add_test(tcase, frames_come_in_any_pieces);
	tcase_add_test(tcase, frames_of_one_turn_leave_in_one_write);
	tcase_add_loop_test(tcase, a_peer_that_breaks_the_framing_is_let_go, 0,
			    (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(tcase, a_peer_that_dies_is_looked_for_again);
	tcase_add_test(tcase, a_peer_may_come_later);
	tcase_add_test(tcase, peers_that_come_are_served_one_at_a_time);
	tcase_add_test(tcase, a_path_in_use_is_left_alone);
	tcase_add_test(tcase, two_ends_of_the_library_find_each_other);
	tcase_add_test(tcase, a_peer_that_does_not_read_holds_the_guest_up);
	tcase_add_test(tcase, a_peer_that_dies_lets_a_waiting_guest_go);
	tcase_add_test(tcase, a_guest_without_buffers_holds_the_peer_up);
	tcase_add_test(tcase, a_flood_is_taken_in_by_turns);
	tcase_add_test(tcase, a_peer_that_dies_behind_a_full_guest_is_noticed);
	tcase_add_test(tcase, a_config_that_cannot_be_is_refused);
	tcase_add_test(tcase, datagrams_are_frames_both_ways);
	tcase_add_test(tcase, a_peer_of_datagrams_may_come_and_go);
	tcase_add_test(tcase, a_peer_whose_queue_is_full_holds_the_guest_up);
	tcase_add_test(tcase, a_datagram_that_is_no_frame_is_lost);
	tcase_add_test(tcase, a_pair_of_datagram_sockets_carries_and_waits);
	tcase_add_test(tcase, datagrams_wait_for_buffers);
	tcase_add_test(tcase, the_buffer_goes_round_and_never_grows);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
