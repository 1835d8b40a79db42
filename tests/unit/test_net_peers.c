/* SPDX-License-Identifier: MIT */
/*
 * test_net_peers.c - sockets to the programs they are made for: passt, and QEMU, which
 * joins its -netdev stream and -netdev dgram to a hub. What is not installed is skipped.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "count_fds.h"
#include "fake_port.h"
#include "wire.h"

static struct vmm_loop *loop;
static struct fake_port stream, dgram;
static char dir[] = "/tmp/net_peers.XXXXXX";
static char path[3][64];
static pid_t peer;
static int fds;

static void setup(void)
{
	fds = count_fds();
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	/* passt gives its privileges up before it makes its socket. */
	ck_assert_int_eq(chmod(dir, 0777), 0);
	for (int i = 0; i < 3; i++)
		snprintf(path[i], sizeof(path[i]), "%s/%d", dir, i);
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
}

static void teardown(void)
{
	ck_assert_msg(vmm_loop_destroy(loop) == 0, "%s", vmm_last_error());
	for (int i = 0; i < 3; i++)
		(void)unlink(path[i]);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(count_fds(), fds);
}

/* Start a program that may be absent, quietly, to end with us. */
static void peer_start(char *const *argv)
{
	peer = fork();
	ck_assert_int_ge(peer, 0);
	if (peer == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int i = 0; i < 3; i++)
			dup2(null, i);
		execvp(argv[0], argv);
		_exit(127);
	}
}

static void peer_end(void)
{
	kill(peer, SIGKILL);
	ck_assert_int_eq(waitpid(peer, NULL, 0), peer);
}

/* Until @done() says so, for 20 seconds. False: the peer ended, or time did. */
static bool run_until(bool (*done)(void))
{
	struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

	for (int i = 0; i < 2000; i++) {
		if (done())
			return true;
		(void)poll(&p, 1, 10);
		ck_assert_int_ge(vmm_loop_dispatch(loop), 0);
		if (waitpid(peer, NULL, WNOHANG) != 0) {
			peer = 0;
			return false;
		}
	}
	return false;
}

static bool joined(void)
{
	return stream.carrier;
}

static void attach_stream(const char *at)
{
	struct vmm_net_stream_config config = VMM_NET_STREAM_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.path = at;
	config.reconnect_ms = 20;
	ck_assert_int_eq(vmm_net_open_stream(&config, &netdev), 0);
	ck_assert_int_eq(fake_port_attach(&stream, netdev, loop), 0);
}

static void attach_dgram(const char *at, const char *local)
{
	struct vmm_net_dgram_config config = VMM_NET_DGRAM_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.path = at;
	config.local_path = local;
	ck_assert_int_eq(vmm_net_open_dgram(&config, &netdev), 0);
	ck_assert_int_eq(fake_port_attach(&dgram, netdev, loop), 0);
}

/* ---- QEMU ---- */

static struct fake_port *waited;

static bool has_frame(void)
{
	return waited->next < waited->nr_frames;
}

static void passes(struct fake_port *from, struct fake_port *to, size_t length)
{
	static unsigned char bytes[65553];
	const struct fake_frame *f;

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(i * 3 + length);
	ck_assert_int_eq(fake_port_send(from, bytes, length), 0);
	fake_port_commit(from);
	waited = to;
	ck_assert(run_until(has_frame));
	f = fake_port_next(to);
	ck_assert_uint_eq(f->length, length);
	ck_assert_mem_eq(f->bytes, bytes, length);
}

START_TEST(qemu_joins_a_stream_to_datagrams)
{
	char s[128], d[200];
	char *const argv[] = {
		(char[]){ "qemu-system-x86_64" }, (char[]){ "-machine" }, (char[]){ "none" },
		(char[]){ "-nodefaults" }, (char[]){ "-display" }, (char[]){ "none" },
		(char[]){ "-netdev" }, s, (char[]){ "-netdev" }, d,
		(char[]){ "-netdev" }, (char[]){ "hubport,id=h1,hubid=0,netdev=s" },
		(char[]){ "-netdev" }, (char[]){ "hubport,id=h2,hubid=0,netdev=d" }, NULL,
	};

	snprintf(s, sizeof(s), "stream,id=s,server=on,addr.type=unix,addr.path=%s", path[0]);
	snprintf(d, sizeof(d), "dgram,id=d,local.type=unix,local.path=%s,remote.type=unix,"
		 "remote.path=%s", path[1], path[2]);
	attach_stream(path[0]);
	attach_dgram(path[1], path[2]);
	stream.buffer_bytes = dgram.buffer_bytes = 65553;
	peer_start(argv);
	if (run_until(joined)) {
		for (size_t length = 60; length <= 60000; length *= 5) {
			passes(&stream, &dgram, length);
			passes(&dgram, &stream, length);
		}
		peer_end();
		peer = 0;
		/* It comes again. */
		(void)unlink(path[0]);
		(void)unlink(path[1]);
		stream.carrier = false;
		peer_start(argv);
		ck_assert(run_until(joined));
		passes(&stream, &dgram, 1514);
		passes(&dgram, &stream, 1514);
		peer_end();
	} else {
		ck_assert_msg(peer == 0, "QEMU runs, and does not answer");
		printf("skipped: no QEMU with -netdev stream\n");
	}
	fake_port_detach(&stream);
	fake_port_detach(&dgram);
}
END_TEST

/* ---- passt ---- */

static const struct fake_frame *answer;
static bool (*wanted)(const unsigned char *frame, size_t length);

static bool has_answer(void)
{
	while ((answer = fake_port_next(&stream))) {
		if (wanted(answer->bytes, answer->length))
			return true;
	}
	return false;
}

static const unsigned char *ask(const unsigned char *frame, size_t length,
				bool (*want)(const unsigned char *frame, size_t length))
{
	wanted = want;
	ck_assert_int_eq(fake_port_send(&stream, frame, length), 0);
	fake_port_commit(&stream);
	ck_assert(run_until(has_answer));
	return answer->bytes;
}

static bool is_offer(const unsigned char *f, size_t n)
{
	const unsigned char *type;

	if (n < 300 || wire_get16(f + 12) != 0x0800 || f[23] != 17 || wire_get16(f + 36) != 68)
		return false;
	type = wire_dhcp_option(f, n, 53);
	return type && type[0] == 1 && type[1] == 2;
}

static bool is_arp_reply(const unsigned char *f, size_t n)
{
	return n >= 42 && wire_get16(f + 12) == 0x0806 && wire_get16(f + 20) == 2;
}

static bool is_syn_ack(const unsigned char *f, size_t n)
{
	return n >= 54 && wire_get16(f + 12) == 0x0800 && f[23] == 6 &&
	       (f[47] & (WIRE_SYN | WIRE_ACK)) == (WIRE_SYN | WIRE_ACK);
}

static int listener(unsigned *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, len), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

/* An address by DHCP, the router's by ARP, and a connection to this host through it. */
static void reach_the_host(void)
{
	unsigned char f[WIRE_MAX], mac[6];
	const unsigned char *a, *router;
	struct wire_tcp syn = { .from_port = 1234, .seq = 1, .flags = WIRE_SYN, .window = 9000 };
	int fd = listener(&syn.to_port);
	size_t n;

	a = ask(f, wire_dhcp(f, 1, 0), is_offer);
	syn.from = wire_get32(a + 42 + 16);
	router = wire_dhcp_option(a, answer->length, 3);
	ck_assert_ptr_nonnull(router);
	syn.to = wire_get32(router + 1);

	a = ask(f, wire_arp(f, 1, syn.from, syn.to), is_arp_reply);
	ck_assert_uint_eq(wire_get32(a + 28), syn.to);
	memcpy(mac, a + 22, sizeof(mac));
	n = wire_tcp(f, &syn, NULL, 0);
	memcpy(f, mac, sizeof(mac));
	a = ask(f, n, is_syn_ack);
	ck_assert_uint_eq(wire_get32(a + 42), 2);
	close(fd);
}

START_TEST(passt_gives_an_address_and_reaches_the_host)
{
	char *const argv[] = { (char[]){ "passt" }, (char[]){ "-f" }, (char[]){ "--socket" },
			       path[0], NULL };

	attach_stream(path[0]);
	peer_start(argv);
	if (run_until(joined)) {
		reach_the_host();
		peer_end();
	} else {
		ck_assert_msg(peer == 0, "passt runs, and does not answer");
		printf("skipped: no passt, or nothing it could be a network for\n");
	}
	fake_port_detach(&stream);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_peers");
	TCase *tcase = tcase_create("peers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, qemu_joins_a_stream_to_datagrams);
	tcase_add_test(tcase, passt_gives_an_address_and_reaches_the_host);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
