/* SPDX-License-Identifier: MIT */
/*
 * fuzz_net_stream.c - a stream network whose peer writes what the input says.
 *
 * The input is a list of steps: bytes of the stream, well or badly framed, in any pieces;
 * the guest has buffers or not, and sends; the peer reads, or is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"
#include "../unit/fake_port.h"

#define must(x)	((x) ? (void)0 : abort())

static unsigned char bytes[1 << 16];

static void run(struct vmm_loop *loop)
{
	for (int i = 0; i < 1000; i++) {
		int r = vmm_loop_dispatch(loop);

		must(r >= 0);
		if (r == 0)
			return;
	}
	abort();
}

static void step(struct input *in, struct fake_port *port, struct vmm_loop *loop, int peer)
{
	unsigned op = take8(in);

	switch (op % 6) {
	case 0: {
		size_t n = take(in, bytes, take16(in) % 4096);

		(void)!send(peer, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
	case 1: {
		/* A frame as it should be, perhaps not all of it. */
		uint32_t length = take16(in);

		memset(bytes, 0, 4);
		bytes[2] = (unsigned char)(length >> 8);
		bytes[3] = (unsigned char)length;
		(void)!send(peer, bytes, 4 + (length < sizeof(bytes) - 4 ? length : 0),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
	case 2:
		fake_port_buffers(port, op & 0x80 ? 0 : take8(in));
		break;
	case 3: {
		uint32_t length = 14 + take16(in) % 60000u;
		int r = fake_port_send(port, bytes, length);

		must(r == 0 || r == -EAGAIN || r == -ENOTCONN);
		fake_port_commit(port);
		break;
	}
	case 4:
		while (recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			continue;
		break;
	case 5:
		if (op > 250)
			(void)shutdown(peer, SHUT_RDWR);
		break;
	}
	run(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_net_stream_config config = VMM_NET_STREAM_CONFIG_INIT;
	struct input in = { .data = data, .size = size };
	struct vmm_netdev *netdev;
	struct vmm_loop *loop;
	struct fake_port port;
	int s[2];

	must(vmm_loop_create(NULL, &loop) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0);
	config.fd = s[1];
	must(vmm_net_open_stream(&config, &netdev) == 0);
	close(s[1]);
	must(fake_port_attach(&port, netdev, loop) == 0);
	port.buffer_bytes = 65553;
	while (in.size > 0)
		step(&in, &port, loop, s[0]);
	close(s[0]);
	fake_port_buffers(&port, UINT32_MAX);
	run(loop);
	must(!port.carrier);
	fake_port_detach(&port);
	must(vmm_loop_destroy(loop) == 0);
	return 0;
}
