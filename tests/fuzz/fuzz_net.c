/* SPDX-License-Identifier: MIT */
/*
 * fuzz_net.c - virtio-net and its rings: a driver that does what the input says.
 *
 * The input is a list of steps: write a descriptor or any bytes of memory, offer
 * a chain, kick, reset, and meanwhile have the backend receive, refuse and resume.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "input.h"
#include "../unit/fake_guest.h"

static struct vmm_net_port *port;
static bool full;
static unsigned char sink[1 << 17];

static int attach(void *state, struct vmm_net_port *p, struct vmm_loop *loop)
{
	port = p;
	return 0;
}

static int transmit(void *state, const struct vmm_net_frame *frame)
{
	size_t at = 0;

	if (full)
		return -EAGAIN;
	if (frame->length < 14 || frame->length > sizeof(sink))
		abort();
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(sink + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	if (at != frame->length)
		abort();
	return 0;
}

static void detach(void *state)
{
}

static const struct vmm_net_ops ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "fuzz",
	.attach = attach,
	.transmit = transmit,
	.detach = detach,
};

static void receive(uint32_t length)
{
	struct iovec iov = { .iov_base = sink, .iov_len = length };
	struct vmm_net_frame frame = { .iov = &iov, .nr_iov = 1, .length = length };

	(void)!vmm_net_receive(port, &frame);
	vmm_net_receive_commit(port);
}

static void lend(uint32_t length)
{
	struct iovec iov[4];
	int n = vmm_net_receive_begin(port, iov, 4);

	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, 0x5a, iov[i].iov_len);
	vmm_net_receive_end(port, length);
}

static void step(struct input *in)
{
	unsigned op = take8(in), queue = op >> 4 & 1;

	switch (op & 7) {
	case 0: {
		uint16_t index = take16(in) % FAKE_QUEUE_SIZE;
		/* Mostly inside the guest's memory, or near its edges. */
		uint64_t addr = FAKE_RAM + take32(in) % (FAKE_RAM_BYTES + 64);

		fake_desc(queue, index, op & 0x80 ? addr << 40 : addr, take32(in),
			  take16(in), take16(in));
		break;
	}
	case 1:
		fake_offer(queue, take16(in));
		break;
	case 2:
		fake_kick(queue);
		fake_run();
		break;
	case 3:
		receive(take16(in));
		break;
	case 4:
		lend(take32(in));
		break;
	case 5:
		full = op & 0x80;
		if (!full)
			vmm_net_port_writable(port);
		fake_run();
		break;
	case 6:
		fake_driver_reset();
		fake_driver_up(op & 0x80 ? 1u << 29 : 1u << 28, 2);
		break;
	case 7: {
		uint32_t at = take32(in) % (0x8000 - 16);

		take(in, fake_ptr(FAKE_RINGS + at), op >> 4);
		break;
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	struct input in = { .data = data, .size = size };

	full = false;
	fake_guest_start();
	if (vmm_net_create(&ops, NULL, &config.backend) < 0 ||
	    vmm_add_net(fake_vm(), &config, NULL) < 0)
		abort();
	fake_driver_up(1u << 28, 2);
	while (in.size > 0)
		step(&in);
	fake_guest_finish();
	return 0;
}
