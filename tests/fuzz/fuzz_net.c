/* SPDX-License-Identifier: MIT */
/*
 * fuzz_net.c - virtio-net and its rings: a driver that does what the input says.
 *
 * The input begins with the features that the driver takes. Then it is a list of steps:
 * write a descriptor or any bytes of memory, offer a chain, kick, reset with other features,
 * send a control command; and meanwhile have the backend receive, with and without a copy
 * and with any offloads, refuse, resume, and lose its carrier.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "input.h"
#include "../unit/fake_guest.h"

enum { PAIRS = 3, QUEUES = 2 * PAIRS + 1 };

static struct vmm_net_port *port;
static struct vmm_device *dev;
static bool full;
static unsigned char sink[1 << 17];
static uint32_t agreed, pairs;

#define must(x)	((x) ? (void)0 : abort())

static int attach(void *state, struct vmm_net_port *p, struct vmm_loop *loop)
{
	port = p;
	return 0;
}

/* What net.h promises of a guest's frame. */
static void check_header(const struct vmm_net_frame *f)
{
	must(f->length >= 14 && f->length <= 65553 && f->queue < pairs);
	must((f->flags & ~1u) == 0);
	if (f->flags)
		must(f->csum_start >= 14 && f->csum_start + f->csum_offset + 2u <= f->length);
	if (f->gso_type == 0)
		return;
	must(f->flags && f->gso_size > 0 && f->hdr_len <= f->length);
	must(f->hdr_len >= f->csum_start + f->csum_offset + 2u);
}

static int transmit(void *state, const struct vmm_net_frame *frame)
{
	size_t at = 0;

	if (full)
		return -EAGAIN;
	check_header(frame);
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(sink + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	must(at == frame->length);
	return 0;
}

static void on_agreed(void *state, uint32_t offloads, uint32_t queue_pairs)
{
	must((offloads & ~(uint32_t)VMM_NET_OFFLOADS) == 0);
	must(queue_pairs >= 1 && queue_pairs <= PAIRS);
	agreed = offloads;
	pairs = queue_pairs;
}

static void detach(void *state)
{
}

static const struct vmm_net_ops ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "fuzz",
	.attach = attach,
	.transmit = transmit,
	.agreed = on_agreed,
	.detach = detach,
};

static struct vmm_net_frame take_head(struct input *in)
{
	struct vmm_net_frame head = { .length = take32(in) % 70000 };

	if (take8(in) & 1) {
		head.flags = take8(in);
		head.gso_type = take8(in);
		head.hdr_len = take16(in);
		head.gso_size = take16(in);
		head.csum_start = take16(in);
		head.csum_offset = take16(in);
	}
	head.queue = take8(in);
	return head;
}

static void receive(struct input *in)
{
	struct vmm_net_frame frame = take_head(in);
	struct iovec iov = { .iov_base = sink, .iov_len = frame.length };
	int r;

	frame.iov = &iov;
	frame.nr_iov = 1;
	r = vmm_net_receive(port, &frame);
	must(r == 0 || r == -EAGAIN || r == -EMSGSIZE || r == -ENETDOWN || r == -EPROTO ||
	     r == -EINVAL);
	must(agreed != 0 || r != 0 || (frame.gso_type == 0 && !(frame.flags & 1)));
	vmm_net_receive_commit(port, frame.queue);
}

static void lend(struct input *in)
{
	struct vmm_net_frame frame = take_head(in);
	struct iovec iov[VMM_CHAIN_MAX];
	int n = vmm_net_receive_begin(port, frame.queue, iov, 1u + take8(in) % VMM_CHAIN_MAX);

	for (int i = 0; i < n; i++)
		memset(iov[i].iov_base, 0x5a, iov[i].iov_len);
	/* The driver may be reset in the meantime, though no callback of ours lets it. */
	if (n > 0 && take8(in) % 16 == 0)
		fake_driver_reset();
	(void)vmm_net_receive_end(port, &frame);
}

/* What the driver may take of what is offered. */
static void driver_up(struct input *in)
{
	uint32_t features = take32(in) & fake_offered(0), more = take32(in) & fake_offered(1);

	fake_driver_up_with(features, more, QUEUES);
}

static void command(struct input *in, unsigned queue)
{
	uint32_t len = take8(in) % 64;
	unsigned char *at = fake_ptr(FAKE_DATA);

	memset(at, 0, 64);
	take(in, at, len);
	fake_desc(queue, 0, FAKE_DATA, len, 1, 1);
	fake_desc(queue, 1, FAKE_DATA + 64, 1, 2, 0);
	fake_offer(queue, 0);
	fake_kick(queue);
	fake_run();
}

static void step(struct input *in)
{
	unsigned op = take8(in), queue = take8(in) % QUEUES;

	switch (op % 12) {
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
		receive(in);
		break;
	case 4:
		lend(in);
		break;
	case 5:
		full = op & 0x80;
		if (!full)
			vmm_net_port_writable(port, queue);
		fake_run();
		break;
	case 6:
		fake_driver_reset();
		driver_up(in);
		break;
	case 7: {
		uint32_t at = take32(in) % (0x20000 - 16);

		take(in, fake_ptr(FAKE_RINGS + at), op >> 4);
		break;
	}
	case 8:
		command(in, op & 0x80 ? 2 : QUEUES - 1);
		break;
	case 9:
		vmm_net_port_carrier(port, op & 0x80);
		break;
	case 10:
		must(vmm_net_set_link(dev, op & 0x80) == 0 && vmm_net_announce(dev) == 0);
		break;
	case 11: {
		/* Whole receive buffers, so that frames get somewhere. */
		uint32_t len = take16(in);

		for (uint16_t i = 0; i < 8; i++) {
			fake_desc(queue, i, FAKE_DATA + 0x10000u * i, len, 2, 0);
			fake_offer(queue, i);
		}
		break;
	}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	struct vmm_net_info info = VMM_NET_INFO_INIT;
	struct vmm_net_stats stats = VMM_NET_STATS_INIT;
	struct input in = { .data = data, .size = size };

	full = false;
	agreed = 0;
	pairs = 1;
	fake_guest_start();
	info.takes = info.gives = VMM_NET_OFFLOADS;
	info.queue_pairs = PAIRS;
	must(vmm_net_create(&ops, NULL, &info, &config.backend) == 0);
	must(vmm_add_net(fake_vm(), &config, &dev) == 0);
	driver_up(&in);
	while (in.size > 0)
		step(&in);
	must(vmm_net_stats(dev, VMM_NET_ALL_PAIRS, &stats) == 0);
	fake_guest_finish();
	return 0;
}
