/* SPDX-License-Identifier: MIT */
/*
 * fuzz_net_switch.c - guests on a switch that send what the input says.
 *
 * Each frame's bytes are the input's; its offload fields are what the front end lets
 * through. Three guests, of which one takes all offloads, one checksums and one none, so that
 * frames pass whole, are finished and are cut; and they have buffers or not.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "../unit/fake_port.h"

enum { PORTS = 3 };

#define must(x)	((x) ? (void)0 : abort())

static unsigned char bytes[65553];

static void run(struct vmm_loop *loop)
{
	for (int i = 0; i < 5000; i++) {
		int r = vmm_loop_dispatch(loop);

		must(r >= 0);
		if (r == 0)
			return;
	}
	abort();
}

/* As devices/virtio/net_hdr.c leaves it. */
static struct vmm_net_frame take_head(struct input *in, uint32_t length)
{
	static const uint8_t types[] = { 0, VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, 5,
					 VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN };
	struct vmm_net_frame head = { 0 };
	uint32_t start = take16(in), offset = take16(in) % 32;

	if (start < 14 || start + offset + 2 > length)
		return head;
	head.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	head.csum_start = (uint16_t)start;
	head.csum_offset = (uint16_t)offset;
	head.gso_size = take16(in);
	head.gso_type = head.gso_size ? types[take8(in) % sizeof(types)] : 0;
	if (!head.gso_type)
		head.gso_size = 0;
	head.hdr_len = head.gso_type ? (uint16_t)(start + offset + 2) : 0;
	return head;
}

static void send_one(struct input *in, struct fake_port *port)
{
	uint32_t length = 14 + take16(in) % 65500u;
	struct vmm_net_frame head;
	int r;

	memset(bytes, 0, sizeof(bytes));
	/* Mostly from and to guests that there are. */
	take(in, bytes, take8(in));
	bytes[0] = bytes[6] = 2;
	bytes[1] = bytes[2] = bytes[3] = bytes[4] = bytes[7] = bytes[8] = bytes[9] = bytes[10] = 0;
	bytes[5] %= 4;
	bytes[11] %= 4;
	head = take_head(in, length);
	r = fake_port_send_as(port, &head, bytes, length);
	must(r == 0 || r == -EACCES);
	fake_port_commit(port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t offloads[PORTS] = { VMM_NET_OFFLOADS, VMM_NET_CSUM, 0 };
	struct input in = { .data = data, .size = size };
	struct fake_port port[PORTS];
	struct vmm_switch *sw;
	struct vmm_loop *loop;

	must(vmm_loop_create(NULL, &loop) == 0 && vmm_switch_create(NULL, &sw) == 0);
	for (int i = 0; i < PORTS; i++) {
		struct vmm_net_switch_config config = VMM_NET_SWITCH_CONFIG_INIT;
		struct vmm_netdev *netdev;

		config.sw = sw;
		must(vmm_net_open_switch(&config, &netdev) == 0);
		must(fake_port_attach(&port[i], netdev, loop) == 0);
		port[i].buffer_bytes = 65553;
		fake_port_agree(&port[i], offloads[i], 1);
	}
	while (in.size > 0) {
		unsigned op = take8(&in);
		struct fake_port *p = &port[op % PORTS];

		if (op & 0x80)
			fake_port_buffers(p, op & 0x40 ? take8(&in) : 0);
		else
			send_one(&in, p);
		if (op & 0x20)
			run(loop);
	}
	run(loop);
	/* What a guest does not take it was not given. */
	must(port[2].refused == 0);
	for (int i = 0; i < PORTS; i++)
		fake_port_detach(&port[i]);
	must(vmm_switch_destroy(sw) == 0 && vmm_loop_destroy(loop) == 0);
	return 0;
}
