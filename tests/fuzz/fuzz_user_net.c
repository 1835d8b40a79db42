/* SPDX-License-Identifier: MIT */
/*
 * fuzz_user_net.c - frames of a hostile guest against the user-mode network.
 *
 * In a network namespace with nothing but a loopback, on which something listens
 * and answers, so that connections come about and no frame reaches a real network.
 * Most inputs would end at a checksum; so a frame is, as its first byte says,
 * taken as it is, given checksums, or made the next segment of a connection.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"
#include "../unit/fake_port.h"
#include "../unit/wire.h"

enum { PORT = 1000 };

/* At its end libslirp forgets packets that wait in line behind others of their connection. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:g_malloc";
}

static int listener = -1, udp = -1, peer = -1;
static struct vmm_loop *loop;
static struct fake_port port;
static uint32_t seq, ack;	/* of the guest's side of the last connection */

static int bound(int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
		abort();
	return fd;
}

static void enter_namespace(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("no network namespace");
		exit(1);
	}
	listener = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(listener, SIOCSIFFLAGS, &ifr) < 0)
		abort();
	close(listener);
	listener = bound(SOCK_STREAM);
	if (listen(listener, 16) < 0)
		abort();
	udp = bound(SOCK_DGRAM);
}

/* Answer what arrived, so that the stack has something to send. */
static void serve(unsigned how)
{
	static char bytes[100000];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (peer >= 0)
			close(peer);
		peer = fd;
	}
	if (peer >= 0 && how & 1)
		(void)!recv(peer, bytes, sizeof(bytes), 0);
	if (peer >= 0 && how & 2)
		(void)!send(peer, bytes, sizeof(bytes), MSG_NOSIGNAL);
	if (peer >= 0 && how & 4) {
		setsockopt(peer, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = how >> 3 & 1 },
			   sizeof(struct linger));
		close(peer);
		peer = -1;
	}
	n = recvfrom(udp, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);
	if (n >= 0)
		(void)!sendto(udp, bytes, how & 1 ? 3000 : (size_t)n, MSG_NOSIGNAL,
			      (struct sockaddr *)&from, len);
}

static void watch_answers(void)
{
	const struct fake_frame *f;

	while ((f = fake_port_next(&port))) {
		if (f->length >= 54 && wire_get16(f->bytes + 12) == 0x0800 && f->bytes[23] == 6) {
			seq = wire_get32(f->bytes + 42);
			ack = wire_get32(f->bytes + 38) + wire_get16(f->bytes + 16) - 40 +
			      (f->bytes[47] & 3 ? 1 : 0);
		}
	}
}

static void give_checksums(unsigned char *f, size_t n)
{
	size_t header, total, payload;

	if (n < 34)
		return;
	wire_put16(f + 12, 0x0800);
	f[14] = (unsigned char)(0x40 | (f[14] & 0xf));
	header = (size_t)(f[14] & 0xf) * 4;
	if (header < 20 || 14 + header > n)
		return;
	total = wire_get16(f + 16);
	if (total < header || 14 + total > n)
		wire_put16(f + 16, (uint32_t)(total = n - 14));
	wire_put16(f + 24, 0);
	wire_put16(f + 24, wire_fold(wire_sum(f + 14, header, 0)));

	payload = total - header;
	if (f[23] == 6 && payload >= 18) {
		wire_put16(f + 14 + header + 16, 0);
		wire_put16(f + 14 + header + 16,
			   wire_fold(wire_sum(f + 14 + header, payload,
					      wire_pseudo(f, 6, payload))));
	} else if (f[23] == 17 && payload >= 8) {
		wire_put16(f + 14 + header + 6, 0);
	} else if (f[23] == 1 && payload >= 4) {
		wire_put16(f + 14 + header + 2, 0);
		wire_put16(f + 14 + header + 2,
			   wire_fold(wire_sum(f + 14 + header, payload, 0)));
	}
}

/* A segment of the one connection, with what the input says of its flags, length and place. */
static size_t segment(unsigned char *f, struct input *in)
{
	unsigned char data[1400];
	struct wire_tcp t = {
		.from = WIRE_GUEST, .to = WIRE_HOST, .from_port = 2000, .to_port = PORT,
		.flags = take8(in), .window = take16(in),
	};
	unsigned how = take8(in);
	size_t n = take16(in) % (sizeof(data) + 1);

	memset(data, 0x61, n);
	t.seq = seq + (how & 1 ? take16(in) : 0) - (how & 2 ? take16(in) : 0);
	t.ack = ack - (how & 4 ? take16(in) : 0);
	if (how & 8)
		t.mss = take16(in);
	n = wire_tcp(f, &t, data, t.mss && n > 1390 ? 1390 : n);
	if (how & 16)
		seq = t.seq + (uint32_t)(n - 54);
	return n;
}

static void step(struct input *in)
{
	unsigned char f[1600] = { 0 };
	unsigned op = take8(in);
	size_t n;

	switch (op & 7) {
	case 0:
	case 1:
		n = take(in, f, take16(in) % sizeof(f));
		if (op & 1)
			give_checksums(f, n);
		if (n >= 14)
			(void)!fake_port_send(&port, f, n);
		break;
	case 2:
	case 3:
		n = segment(f, in);
		(void)!fake_port_send(&port, f, n);
		break;
	case 4:
		fake_port_send(&port, f, wire_arp(f, op & 8 ? 1 : 2, WIRE_GUEST, WIRE_HOST));
		break;
	case 5:
		serve(op >> 3);
		break;
	case 6:
		fake_port_buffers(&port, op & 8 ? 0 : op & 16 ? 3 : UINT32_MAX);
		break;
	case 7:
		break;
	}
	if (op & 32)
		return;
	fake_port_commit(&port);
	for (int i = 0; i < 4 && vmm_loop_dispatch(loop) > 0; i++)
		continue;
	watch_answers();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_net_forward forward = { .host_port = PORT + 1, .guest_port = 22 };
	struct vmm_net_user_config config = VMM_NET_USER_CONFIG_INIT;
	struct input in = { .data = data, .size = size };
	struct vmm_netdev *netdev;

	if (listener < 0)
		enter_namespace();
	config.forwards = &forward;
	config.nr_forwards = 1;
	if (vmm_loop_create(NULL, &loop) < 0 || vmm_net_open_user(&config, &netdev) < 0 ||
	    fake_port_attach(&port, netdev, loop) < 0)
		abort();
	seq = 1000;
	ack = 0;
	for (int i = 0; i < 2000 && in.size > 0; i++)
		step(&in);

	fake_port_detach(&port);
	if (peer >= 0)
		close(peer);
	peer = -1;
	if (vmm_loop_destroy(loop) < 0)
		abort();
	return 0;
}
