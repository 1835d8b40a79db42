/* SPDX-License-Identifier: MIT */
/*
 * bench_net.c - frames through virtio-net and a tap against a bare loop of read or write on
 * the same tap, and through the switch against that write too.
 *
 * The driver is in this process: it fills rings before the clock runs, so that what is
 * measured is the device, from the kick to the last used element. Each way with frames of
 * 1514 bytes and with TCP frames of 64 KiB that are not cut yet. System calls of the library
 * are counted where they are made (the linker's --wrap).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "bench.h"
#include "../unit/fake_guest.h"
#include "../unit/fake_port.h"
#include "../unit/wire.h"

enum {
	RX = 0, TX = 1, HDR = 12,
	SMALL = 1514, LARGE = 65226,	/* 54 bytes of headers and 45 segments */
	MSS = 1448,
	PAIRS = 301,
};

#define FEATURES	(1u << VIRTIO_NET_F_CSUM | 1u << VIRTIO_NET_F_HOST_TSO4 |	\
			 1u << VIRTIO_NET_F_GUEST_CSUM | 1u << VIRTIO_NET_F_GUEST_TSO4)

static const char name[] = "bench0";
static int tap_fd, packet_fd;
static uint64_t calls;			/* of the system, by the library */
static bool counting;
static struct fake_port receiver;	/* behind the switch */

/* ---- counting ---- */

#define WRAP(type, function, parameters, ...)				\
	type __real_##function parameters;				\
	type __wrap_##function parameters;				\
	type __wrap_##function parameters				\
	{								\
		calls += counting;					\
		return __real_##function(__VA_ARGS__);			\
	}

WRAP(ssize_t, read, (int fd, void *p, size_t n), fd, p, n)
WRAP(ssize_t, write, (int fd, const void *p, size_t n), fd, p, n)
WRAP(ssize_t, preadv64v2, (int fd, const struct iovec *v, int n, off_t o, int f), fd, v, n, o, f)
WRAP(ssize_t, pwritev64v2, (int fd, const struct iovec *v, int n, off_t o, int f), fd, v, n, o, f)
WRAP(int, epoll_wait, (int fd, struct epoll_event *e, int n, int t), fd, e, n, t)
WRAP(int, epoll_ctl, (int fd, int op, int on, struct epoll_event *e), fd, op, on, e)
WRAP(int, timerfd_settime, (int fd, int f, const struct itimerspec *n, struct itimerspec *o),
     fd, f, n, o)

/* ---- frames ---- */

struct kind {
	uint32_t length, batch;		/* bytes of a frame; frames of a turn */
	bool large;
};

static const struct kind small = { SMALL, 60, false }, large = { LARGE, 24, true };

/* TCP to nobody; the header before it says how to finish it. */
static const unsigned char *frame_of(const struct kind *k, struct virtio_net_hdr_v1 *ret_header)
{
	static unsigned char frame[LARGE], data[LARGE];
	const struct wire_tcp tcp = { .from = 0x0a090002, .to = 0x0a090003, .flags = WIRE_ACK };

	memset(ret_header, 0, sizeof(*ret_header));
	wire_tcp(frame, &tcp, data, k->length - 54);
	memset(frame, 2, 6);
	if (k->large) {
		wire_put16(frame + 50, ~wire_fold(wire_pseudo(frame, 6, k->length - 34)) & 0xffff);
		ret_header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		ret_header->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		ret_header->hdr_len = 54;
		ret_header->gso_size = MSS;
		ret_header->csum_start = 34;
		ret_header->csum_offset = 16;
	}
	return frame;
}

/* ---- the guest to the tap, or to the switch ---- */

static uint64_t device_send(void *data)
{
	const struct kind *k = data;
	struct virtio_net_hdr_v1 header;
	const unsigned char *frame = frame_of(k, &header);
	uint16_t before = fake_used(TX);
	uint64_t start, end;

	memcpy(fake_ptr(FAKE_DATA), &header, HDR);
	memcpy((char *)fake_ptr(FAKE_DATA) + HDR, frame, k->length);
	for (uint16_t i = 0; i < k->batch; i++) {
		fake_desc(TX, i, FAKE_DATA, HDR + k->length, 0, 0);
		fake_offer(TX, i);
	}
	/* Where the frames end, if it is at the other guest: in buffers that are used again. */
	receiver.nr_frames = 0;
	fake_kick(TX);
	counting = true;
	start = bench_now();
	while ((uint16_t)(fake_used(TX) - before) < k->batch) {
		if (vmm_loop_dispatch(fake_loop()) < 0)
			bench_die("dispatch");
	}
	end = bench_now();
	counting = false;
	return end - start;
}

static uint64_t bare_write(void *data)
{
	const struct kind *k = data;
	struct virtio_net_hdr_v1 header;
	unsigned char *frame = (unsigned char *)(uintptr_t)frame_of(k, &header);
	struct iovec iov[] = { { &header, HDR }, { frame, k->length } };
	uint64_t start = bench_now();

	for (uint32_t i = 0; i < k->batch; i++) {
		if (writev(tap_fd, iov, 2) < 0)
			bench_die_errno("write to the tap");
	}
	return bench_now() - start;
}

/* ---- the tap to the guest ---- */

/* Have the tap's queue full of frames that the host sends. */
static void host_send(const struct kind *k)
{
	struct virtio_net_hdr_v1 header;
	unsigned char *frame = (unsigned char *)(uintptr_t)frame_of(k, &header);
	struct iovec iov[] = { { &header, 10 }, { frame, k->length } };

	for (uint32_t i = 0; i < k->batch; i++) {
		if (writev(packet_fd, iov, 2) < 0)
			bench_die_errno("send to the tap");
	}
}

static uint64_t device_receive(void *data)
{
	const struct kind *k = data;
	uint16_t before = fake_used(RX);
	uint64_t start, end;

	for (uint16_t i = 0; i < k->batch; i++) {
		fake_desc(RX, i, FAKE_DATA + i * 0x10100u, 65562, VRING_DESC_F_WRITE, 0);
		fake_offer(RX, i);
	}
	fake_kick(RX);
	fake_run();
	host_send(k);
	counting = true;
	start = bench_now();
	while ((uint16_t)(fake_used(RX) - before) < k->batch) {
		if (vmm_loop_dispatch(fake_loop()) < 0)
			bench_die("dispatch");
	}
	end = bench_now();
	counting = false;
	return end - start;
}

static uint64_t bare_read(void *data)
{
	const struct kind *k = data;
	static unsigned char header[HDR];
	uint64_t start;
	uint32_t got = 0;

	host_send(k);
	start = bench_now();
	while (got < k->batch) {
		/* Where the device puts them. */
		unsigned char *to = fake_ptr(FAKE_DATA + got * 0x10100u + HDR);
		struct iovec iov[] = { { header, HDR }, { to, 65550 } };

		if (readv(tap_fd, iov, 2) < 0)
			bench_die_errno("read from the tap");
		got++;
	}
	return bench_now() - start;
}

/* ---- set up ---- */

static void interface_up(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_UP | IFF_NOARP };
	struct sockaddr_ll ll = { .sll_family = AF_PACKET };
	const int yes = 1;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(ifr.ifr_name, name);
	if (ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		bench_die_errno("interface up");
	close(s);
	ll.sll_ifindex = (int)if_nametoindex(name);
	/* Protocol 0: it only sends. */
	packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (setsockopt(packet_fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) < 0 ||
	    bind(packet_fd, (struct sockaddr *)&ll, sizeof(ll)) < 0)
		bench_die_errno("packet socket");
}

static int make_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	const int bytes = HDR;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	strcpy(ifr.ifr_name, name);
	if (tap_fd < 0 || ioctl(tap_fd, TUNSETIFF, &ifr) < 0 ||
	    ioctl(tap_fd, TUNSETVNETHDRSZ, &bytes) < 0)
		return -1;
	interface_up();
	return 0;
}

static void guest_up(struct vmm_netdev *netdev, uint32_t features)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;

	config.backend = netdev;
	if (vmm_add_net(fake_vm(), &config, NULL) < 0)
		bench_die("vmm_add_net");
	fake_driver_up(features, 2);
}

static int measure(const char *what, bench_side_fn ours, bench_side_fn floor,
		   const struct kind *k, double goal)
{
	const struct bench bench = {
		.name = what, .ours = "device", .floor = "bare", .run_ours = ours,
		.run_floor = floor, .data = (void *)(uintptr_t)k, .pairs = PAIRS,
		.operations = k->batch, .goal = goal,
	};
	int r;

	calls = 0;
	r = bench_run(&bench);
	printf("  %.2f system calls a frame\n", (double)calls / ((PAIRS + 1.0) * k->batch));
	return r;
}

/* While the device has its tap, the bare loop reads and writes the same descriptor. */
static int measure_tap(void)
{
	struct vmm_net_tap_config config = VMM_NET_TAP_CONFIG_INIT;
	struct vmm_netdev *netdev;
	int r;

	config.fd = tap_fd;
	fake_guest_start();
	if (vmm_net_open_tap(&config, &netdev) < 0)
		bench_die("vmm_net_open_tap");
	guest_up(netdev, FEATURES);
	r = measure("guest to tap, 1514", device_send, bare_write, &small, 1 / 0.9);
	r |= measure("guest to tap, TSO", device_send, bare_write, &large, 1 / 0.9);
	r |= measure("tap to guest, 1514", device_receive, bare_read, &small, 1 / 0.9);
	r |= measure("tap to guest, TSO", device_receive, bare_read, &large, 1 / 0.9);
	fake_guest_finish();
	return r;
}

/* To a guest on the same loop; its buffers are those of a fake. */
static int measure_switch(void)
{
	struct vmm_net_switch_config config = VMM_NET_SWITCH_CONFIG_INIT;
	struct vmm_netdev *from, *to;
	struct vmm_switch *sw;
	int r;

	fake_guest_start();
	if (vmm_switch_create(NULL, &sw) < 0)
		bench_die("vmm_switch_create");
	config.sw = sw;
	if (vmm_net_open_switch(&config, &from) < 0 || vmm_net_open_switch(&config, &to) < 0 ||
	    fake_port_attach(&receiver, to, fake_loop()) < 0)
		bench_die("a port of the switch");
	receiver.buffer_bytes = 65553;
	fake_port_agree(&receiver, VMM_NET_OFFLOADS, 1);
	guest_up(from, FEATURES);
	r = measure("guest to guest, 1514", device_send, bare_write, &small, 1 / 0.9);
	r |= measure("guest to guest, TSO", device_send, bare_write, &large, 1 / 0.9);
	fake_port_detach(&receiver);
	fake_guest_finish();
	if (vmm_switch_destroy(sw) < 0)
		bench_die("vmm_switch_destroy");
	return r;
}

int main(void)
{
	int r;

	if (make_tap() < 0) {
		printf("no tap in a namespace of its own can be made here\n");
		return SKIP;
	}
	r = measure_tap();
	r |= measure_switch();
	close(packet_fd);
	close(tap_fd);
	return r;
}
