/* SPDX-License-Identifier: MIT */
/*
 * net_fixture.h - an interface of a guest without KVM, and a backend that keeps the
 * last frame and what it is told. Included by one file of a program.
 */
#ifndef TESTS_NET_FIXTURE_H
#define TESTS_NET_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "count_fds.h"
#include "fake_guest.h"
#include "transport/transport_priv.h"

#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4	54
#define VIRTIO_NET_F_GUEST_USO6	55
#define VIRTIO_NET_F_HOST_USO	56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define BIT(n)	(1u << ((n) % 32))

enum { RX = 0, TX = 1, HDR = 12, PAIRS = 3 };

/* All offloads, as features of word 0 and of word 1. */
#define GUEST_OFFLOADS	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
			 BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN))
#define HOST_OFFLOADS	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
			 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN))
#define USO		(BIT(VIRTIO_NET_F_GUEST_USO4) | BIT(VIRTIO_NET_F_GUEST_USO6) | \
			 BIT(VIRTIO_NET_F_HOST_USO))

static struct {
	struct vmm_netdev *netdev;
	struct vmm_net_port *port;
	struct vmm_device *dev;
	int transmit_says;
	unsigned transmitted[PAIRS], committed, receivable[PAIRS];
	struct vmm_net_frame last;
	unsigned char bytes[70000];
	uint32_t offloads, pairs;	/* agreed */
	int fds;
} b;

static int be_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	b.port = port;
	return 0;
}

static int be_transmit(void *state, const struct vmm_net_frame *frame)
{
	size_t at = 0;

	if (b.transmit_says)
		return b.transmit_says;
	ck_assert_uint_lt(frame->queue, PAIRS);
	b.transmitted[frame->queue]++;
	b.last = *frame;
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(b.bytes + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	ck_assert_uint_eq(at, frame->length);
	return 0;
}

static void be_commit(void *state, uint32_t queue)
{
	b.committed++;
}

static void be_receivable(void *state, uint32_t queue)
{
	b.receivable[queue]++;
}

static void be_agreed(void *state, uint32_t offloads, uint32_t queue_pairs)
{
	b.offloads = offloads;
	b.pairs = queue_pairs;
}

static void be_stats(void *state, struct vmm_net_stats *stats)
{
	stats->backend_rx_lost += 7;
	stats->backend_tx_lost += 11;
}

static void be_detach(void *state)
{
}

static const struct vmm_net_ops be_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "test",
	.attach = be_attach,
	.transmit = be_transmit,
	.commit = be_commit,
	.receivable = be_receivable,
	.agreed = be_agreed,
	.stats = be_stats,
	.detach = be_detach,
};

static inline void fixture_plug(uint32_t pairs, uint32_t flags)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	struct vmm_net_info info = VMM_NET_INFO_INIT;

	memset(&b, 0, sizeof(b));
	b.fds = count_fds();
	fake_guest_start();
	info.takes = info.gives = VMM_NET_OFFLOADS;
	info.queue_pairs = pairs;
	ck_assert_int_eq(vmm_net_create(&be_ops, &b, &info, &b.netdev), 0);
	config.backend = b.netdev;
	config.flags = flags;
	memcpy(config.mac, "\x52\x54\0\0\0\1", 6);
	ck_assert_int_eq(vmm_add_net(fake_vm(), &config, &b.dev), 0);
}

static inline void fixture_finish(void)
{
	fake_guest_finish();
	ck_assert_int_eq(count_fds(), b.fds);
}

/* ---- the driver's side ---- */

static inline unsigned char *data_at(size_t offset)
{
	return (unsigned char *)fake_ptr(FAKE_DATA) + offset;
}

/* A frame of @length bytes with that header; the device sees it. */
static inline void send_frame(const struct virtio_net_hdr_v1 *header, uint32_t length)
{
	memcpy(data_at(0x100000), header, HDR);
	fake_desc(TX, 0, FAKE_DATA + 0x100000, HDR + length, 0, 0);
	fake_offer(TX, 0);
	fake_kick(TX);
	fake_run();
}

/* Receive buffer @index, of @len bytes at its own place. */
static inline void rx_buffer(uint16_t index, uint32_t len)
{
	fake_desc(RX, index, FAKE_DATA + index * 0x1000u, len, VRING_DESC_F_WRITE, 0);
	fake_offer(RX, index);
}

static inline const unsigned char *pattern(void)
{
	static unsigned char bytes[70000];

	for (size_t i = 0; i < sizeof(bytes) && !bytes[sizeof(bytes) - 1]; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	return bytes;
}

static inline int receive_as(const struct vmm_net_frame *head, const void *bytes, uint32_t length)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = length };
	struct vmm_net_frame frame = *head;
	int r;

	frame.iov = &iov;
	frame.nr_iov = 1;
	frame.length = length;
	r = vmm_net_receive(b.port, &frame);
	vmm_net_receive_commit(b.port, frame.queue);
	return r;
}

static inline int receive(const void *bytes, uint32_t length)
{
	const struct vmm_net_frame plain = { 0 };

	return receive_as(&plain, bytes, length);
}

static inline struct vmm_net_stats stats_of(uint32_t pair)
{
	struct vmm_net_stats stats = VMM_NET_STATS_INIT;

	ck_assert_int_eq(vmm_net_stats(b.dev, pair, &stats), 0);
	return stats;
}

#endif
