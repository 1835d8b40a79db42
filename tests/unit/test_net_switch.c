/* SPDX-License-Identifier: MIT */
/*
 * test_net_switch.c - guests that are joined in the process: who hears what, in which form,
 * and what a guest that floods, lies or does not listen does to the others.
 */
#include <check.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "backends/net/macs_priv.h"
#include "backends/net/mailbox_priv.h"
#include "count_fds.h"
#include "fake_port.h"
#include "wire.h"

enum { PORTS = 4, TSO = VMM_NET_CSUM | VMM_NET_TSO4 };

static struct vmm_switch *sw;
static struct vmm_loop *loop[2];
static struct fake_port port[PORTS];
static int fds;

static struct vmm_netdev *open_port(const char *mac, uint16_t pairs)
{
	struct vmm_net_switch_config config = VMM_NET_SWITCH_CONFIG_INIT;
	struct vmm_netdev *netdev;

	config.sw = sw;
	config.queue_pairs = pairs;
	if (mac)
		memcpy(config.mac, mac, 6);
	ck_assert_msg(vmm_net_open_switch(&config, &netdev) == 0, "%s", vmm_last_error());
	return netdev;
}

static void attach(int i, struct vmm_netdev *netdev, struct vmm_loop *on)
{
	ck_assert_int_eq(fake_port_attach(&port[i], netdev, on), 0);
	port[i].buffer_bytes = 65553;
}

/* Three guests: 0 and 1 on one loop, 2 on another. */
static void setup(void)
{
	fds = count_fds();
	ck_assert_int_eq(vmm_switch_create(NULL, &sw), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(vmm_loop_create(NULL, &loop[i]), 0);
	for (int i = 0; i < 3; i++)
		attach(i, open_port(NULL, 1), loop[i / 2]);
}

static void teardown(void)
{
	ck_assert_int_eq(vmm_switch_destroy(sw), -EBUSY);
	for (int i = 0; i < PORTS; i++) {
		if (port[i].netdev)
			fake_port_detach(&port[i]);
	}
	ck_assert_int_eq(vmm_switch_destroy(sw), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_msg(vmm_loop_destroy(loop[i]) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(count_fds(), fds);
}

static void run(void)
{
	for (int busy = 1; busy;) {
		busy = 0;
		for (int i = 0; i < 2; i++)
			busy |= vmm_loop_dispatch(loop[i]) > 0;
	}
}

static const unsigned char *frame_of(int from, int to, unsigned char fill)
{
	static unsigned char f[65600];

	memset(f, fill, sizeof(f));
	memset(f, to < 0 ? 0xff : 0, 6);
	memset(f + 6, 0, 6);
	if (to >= 0) {
		f[0] = 2;
		f[5] = (unsigned char)(to + 1);
	}
	f[6] = 2;
	f[11] = (unsigned char)(from + 1);
	wire_put16(f + 12, 0x88b5);
	return f;
}

static int say(int from, int to, unsigned char fill, size_t length)
{
	int r;

	vmm_loop_enter(port[from].netdev->loop);
	r = fake_port_send(&port[from], frame_of(from, to, fill), length);
	fake_port_commit(&port[from]);
	vmm_loop_leave(port[from].netdev->loop);
	return r;
}

static uint64_t lost(int i)
{
	struct vmm_net_stats s = VMM_NET_STATS_INIT;

	port[i].netdev->ops.stats(port[i].netdev->state, &s);
	return s.backend_rx_lost;
}

/* Exactly this one. */
static void hears(int i, unsigned char fill, size_t length)
{
	const struct fake_frame *f = fake_port_next(&port[i]);

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->length, length);
	ck_assert_uint_eq(f->bytes[14], fill);
	ck_assert_uint_eq(f->bytes[length - 1], fill);
	ck_assert_uint_gt(port[i].commits, 0);
}

static void hears_nothing(int i)
{
	ck_assert_uint_eq(port[i].next, port[i].nr_frames);
}

/* Each says something, so that all are known. */
static void introduce(void)
{
	for (int i = 0; i < PORTS; i++) {
		if (port[i].netdev)
			ck_assert_int_eq(say(i, -1, 0, 60), 0);
	}
	run();
	for (int i = 0; i < PORTS; i++)
		port[i].next = port[i].nr_frames;
}

/* ---- who hears what ---- */

START_TEST(what_is_for_all_reaches_all_but_its_sender)
{
	ck_assert_int_eq(say(0, -1, 7, 100), 0);
	run();
	hears_nothing(0);
	hears(1, 7, 100);
	hears(2, 7, 100);
	hears_nothing(1);
	hears_nothing(2);
}
END_TEST

START_TEST(an_address_is_learnt_from_what_it_sends)
{
	ck_assert_int_eq(say(0, 2, 1, 60), 0);
	run();
	hears(1, 1, 60);	/* not known yet */
	hears(2, 1, 60);
	ck_assert_int_eq(say(2, 0, 2, 60), 0);
	run();
	hears(0, 2, 60);
	hears_nothing(1);
	ck_assert_int_eq(say(0, 2, 3, 1514), 0);
	run();
	hears(2, 3, 1514);
	hears_nothing(1);
}
END_TEST

START_TEST(a_guest_that_moves_is_followed)
{
	introduce();
	/* 0's address comes from 2 now. */
	vmm_loop_enter(loop[1]);
	ck_assert_int_eq(fake_port_send(&port[2], frame_of(0, 1, 4), 60), 0);
	vmm_loop_leave(loop[1]);
	run();
	hears(1, 4, 60);
	ck_assert_int_eq(say(1, 0, 5, 60), 0);
	run();
	hears(2, 5, 60);
	hears_nothing(0);
}
END_TEST

START_TEST(a_frame_for_its_own_port_goes_nowhere)
{
	introduce();
	ck_assert_int_eq(say(0, 0, 5, 60), 0);
	run();
	for (int i = 0; i < 3; i++)
		hears_nothing(i);
}
END_TEST

START_TEST(nobody_sends_from_a_group_or_from_nothing)
{
	unsigned char f[60];

	memcpy(f, frame_of(0, -1, 1), sizeof(f));
	f[6] = 3;
	ck_assert_int_eq(fake_port_send(&port[0], f, sizeof(f)), -EACCES);
	memset(f + 6, 0, 6);
	ck_assert_int_eq(fake_port_send(&port[0], f, sizeof(f)), -EACCES);
	run();
	hears_nothing(1);
}
END_TEST

START_TEST(a_guest_that_leaves_is_forgotten)
{
	introduce();
	fake_port_detach(&port[2]);
	port[2].netdev = NULL;
	ck_assert_int_eq(say(0, 2, 5, 60), 0);
	run();
	hears(1, 5, 60);
	/* Its place is free again. */
	attach(2, open_port(NULL, 1), loop[1]);
	ck_assert_int_eq(say(0, 2, 6, 60), 0);
	run();
	hears(2, 6, 60);
}
END_TEST

START_TEST(a_port_with_an_address_sends_from_no_other)
{
	struct vmm_net_switch_config config = VMM_NET_SWITCH_CONFIG_INIT;
	struct vmm_netdev *netdev;

	attach(3, open_port("\2\0\0\0\0\4", 1), loop[1]);
	config.sw = sw;
	memcpy(config.mac, "\2\0\0\0\0\4", 6);
	ck_assert_int_eq(vmm_net_open_switch(&config, &netdev), -EADDRINUSE);

	/* Known before it said a word, and to nobody else. */
	ck_assert_int_eq(say(0, 3, 1, 60), 0);
	run();
	hears(3, 1, 60);
	hears_nothing(1);
	ck_assert_int_eq(say(3, 0, 2, 60), 0);
	run();
	hears(0, 2, 60);
	/* As 0: refused. Others as it: refused too. */
	ck_assert_int_eq(fake_port_send(&port[3], frame_of(0, 1, 3), 60), -EACCES);
	ck_assert_int_eq(fake_port_send(&port[1], frame_of(3, 0, 3), 60), -EACCES);
	ck_assert_int_eq(say(1, 3, 4, 60), 0);
	run();
	hears(3, 4, 60);
	hears_nothing(1);
	hears_nothing(0);
}
END_TEST

/* ---- forms ---- */

static const struct vmm_net_frame tso = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .hdr_len = 54,
	.gso_size = 1000, .csum_start = 34, .csum_offset = 16,
};

static const unsigned char *large(int from, int to)
{
	static unsigned char f[65600], data[60000];
	const struct wire_tcp tcp = { .from = 1, .to = 2, .seq = 5, .flags = WIRE_ACK };

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 3 + i / 256);
	wire_tcp(f, &tcp, data, sizeof(data));
	memcpy(f, frame_of(from, to, 0), 12);
	wire_put16(f + 50, ~wire_fold(wire_pseudo(f, 6, 20 + sizeof(data))) & 0xffff);
	return f;
}

/* From 0 to 1 on the same loop, and to 2 on another. */
START_TEST(a_large_frame_passes_whole_to_a_guest_that_takes_it)
{
	int to = 1 + _i;
	const struct fake_frame *f;

	fake_port_agree(&port[to], TSO, 1);
	introduce();
	ck_assert_int_eq(fake_port_send_as(&port[0], &tso, large(0, to), 60054), 0);
	fake_port_commit(&port[0]);
	run();
	f = fake_port_next(&port[to]);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->length, 60054);
	ck_assert_mem_eq(f->bytes, large(0, to), 60054);
	ck_assert_uint_eq(f->head.gso_size, 1000);
	ck_assert_uint_eq(f->head.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	ck_assert_uint_eq(f->head.csum_start, 34);
	hears_nothing(to);
}
END_TEST

START_TEST(a_large_frame_is_cut_for_a_guest_that_does_not)
{
	int to = 1 + _i;
	const struct fake_frame *f;
	size_t got = 0;

	introduce();
	/* With few buffers, so that it has to wait in the middle of it. */
	port[to].buffer_bytes = 1100;
	fake_port_buffers(&port[to], 7);
	ck_assert_int_eq(fake_port_send_as(&port[0], &tso, large(0, to), 60054), 0);
	fake_port_commit(&port[0]);
	run();
	for (int i = 0; i < 20; i++) {
		while ((f = fake_port_next(&port[to]))) {
			ck_assert_uint_eq(f->length, 54 + 1000);
			ck_assert_uint_eq(f->head.flags | f->head.gso_type, 0);
			ck_assert_mem_eq(f->bytes + 54, large(0, to) + 54 + got, 1000);
			ck_assert_uint_eq(wire_fold(wire_sum(f->bytes + 34, f->length - 34,
							     wire_pseudo(f->bytes, 6,
									 f->length - 34))), 0);
			got += 1000;
		}
		fake_port_buffers(&port[to], 7);
		run();
	}
	ck_assert_uint_eq(got, 60000);
	/* What comes after it is whole. */
	ck_assert_int_eq(say(0, to, 9, 60), 0);
	run();
	hears(to, 9, 60);
}
END_TEST

START_TEST(an_open_checksum_is_closed_for_a_guest_that_does_not)
{
	struct vmm_net_frame open_sum = tso;
	const struct fake_frame *f;

	open_sum.gso_type = 0;
	open_sum.gso_size = 0;
	introduce();
	ck_assert_int_eq(fake_port_send_as(&port[0], &open_sum, large(0, 1), 60054), 0);
	fake_port_commit(&port[0]);
	run();
	f = fake_port_next(&port[1]);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(f->head.flags, 0);
	ck_assert_uint_eq(wire_fold(wire_sum(f->bytes + 34, f->length - 34,
					     wire_pseudo(f->bytes, 6, f->length - 34))), 0);
}
END_TEST

START_TEST(a_large_frame_that_lies_is_lost)
{
	introduce();
	/* Not TCP over IPv4 at all. */
	ck_assert_int_eq(fake_port_send_as(&port[0], &tso, frame_of(0, 1, 5), 60054), 0);
	run();
	hears_nothing(1);
	ck_assert_uint_eq(lost(1), 1);
	ck_assert_int_eq(say(0, 1, 6, 60), 0);
	run();
	hears(1, 6, 60);
}
END_TEST

/* ---- load ---- */

START_TEST(a_guest_without_buffers_loses_what_does_not_fit)
{
	int to = 1 + _i;
	unsigned taken = 0;

	introduce();
	fake_port_buffers(&port[to], 0);
	for (unsigned i = 0; i < 5000; i++)
		ck_assert_int_eq(say(0, to, (unsigned char)i, 1514), 0);
	run();
	ck_assert_uint_gt(lost(to), 0);
	/* The others are not held up, nor the sender. */
	ck_assert_int_eq(say(0, 3 - to, 1, 60), 0);
	run();
	hears(3 - to, 1, 60);

	/* What waited comes in order, and then all is as before. */
	while (true) {
		unsigned before = port[to].nr_frames;

		fake_port_buffers(&port[to], 100);
		run();
		if (port[to].nr_frames == before)
			break;
		while (port[to].next < port[to].nr_frames)
			hears(to, (unsigned char)taken++, 1514);
	}
	ck_assert_uint_gt(taken, 500);
	ck_assert_uint_eq(taken + lost(to), 5000);
	fake_port_buffers(&port[to], UINT32_MAX);
	ck_assert_int_eq(say(0, to, 77, 60), 0);
	run();
	hears(to, 77, 60);
}
END_TEST

START_TEST(a_flood_leaves_room_for_another_sender)
{
	introduce();
	fake_port_buffers(&port[2], 0);
	for (unsigned i = 0; i < 5000; i++)
		ck_assert_int_eq(say(0, 2, 1, 1514), 0);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(say(1, 2, 2, 1514), 0);
	run();
	port[2].next = port[2].nr_frames = 0;
	fake_port_buffers(&port[2], UINT32_MAX);
	run();
	for (unsigned of_1 = 0; ; ) {
		const struct fake_frame *f = fake_port_next(&port[2]);

		if (!f) {
			ck_assert_uint_eq(of_1, 100);
			break;
		}
		of_1 += f->bytes[11] == 2;
	}
}
END_TEST

START_TEST(one_turn_delivers_a_bounded_number)
{
	introduce();
	for (unsigned i = 0; i < 500; i++)
		ck_assert_int_eq(say(0, 2, 1, 60), 0);
	ck_assert_int_eq(vmm_loop_dispatch(loop[1]), 1);
	ck_assert_uint_eq(port[2].nr_frames - port[2].next, 64);
	run();
	ck_assert_uint_eq(port[2].nr_frames - port[2].next, 500);
}
END_TEST

START_TEST(what_waited_for_a_driver_is_not_given_to_it)
{
	introduce();
	fake_port_buffers(&port[2], 0);
	ck_assert_int_eq(say(0, 2, 1, 60), 0);
	run();
	fake_port_agree(&port[2], TSO, 1);
	fake_port_buffers(&port[2], 9);
	run();
	hears_nothing(2);
	ck_assert_uint_eq(lost(2), 1);
	ck_assert_int_eq(say(0, 2, 2, 60), 0);
	run();
	hears(2, 2, 60);
}
END_TEST

START_TEST(a_flow_comes_back_on_its_pair)
{
	unsigned char f[100];
	const struct fake_frame *got;

	attach(3, open_port(NULL, 4), loop[1]);
	ck_assert_uint_eq(port[3].netdev->info.queue_pairs, 4);
	fake_port_agree(&port[3], 0, 4);
	introduce();
	for (unsigned flow = 0; flow < 4; flow++) {
		const struct vmm_net_frame head = { .queue = (uint16_t)flow };
		size_t n = wire_udp(f, 0x0a000004, 100 + flow, 0x0a000001, 7, "out", 3);

		memcpy(f, frame_of(3, 0, 0), 12);
		ck_assert_int_eq(fake_port_send_as(&port[3], &head, f, n), 0);
	}
	for (unsigned flow = 0; flow < 4; flow++) {
		size_t n = wire_udp(f, 0x0a000001, 7, 0x0a000004, 100 + flow, "back", 4);

		memcpy(f, frame_of(0, 3, 0), 12);
		ck_assert_int_eq(fake_port_send(&port[0], f, n), 0);
		run();
		got = fake_port_next(&port[3]);
		ck_assert_ptr_nonnull(got);
		ck_assert_uint_eq(got->head.queue, flow);
	}
}
END_TEST

/* ---- many threads ---- */

static bool stop;

/* A guest that talks to all and comes and goes. */
static void *lively(void *data)
{
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;
	struct vmm_loop *own;
	struct fake_port p;
	int self = *(int *)data;

	config.flags = VMM_LOOP_THREAD;
	ck_assert_int_eq(vmm_loop_create(&config, &own), 0);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned char f[1514];

		ck_assert_int_eq(fake_port_attach(&p, open_port(NULL, 1), own), 0);
		for (int i = 0; i < 300; i++) {
			memset(f, 0, sizeof(f));
			f[0] = f[6] = 2;
			f[5] = (unsigned char)(1 + i % 8);
			f[11] = (unsigned char)(self + 1);
			if (i % 10 == 0)
				memset(f, 0xff, 6);
			vmm_loop_enter(own);
			ck_assert_int_eq(fake_port_send(&p, f, i % 2 ? 60 : sizeof(f)), 0);
			fake_port_commit(&p);
			if (i % 50 == 0)
				fake_port_buffers(&p, i % 100 ? 0 : 1000);
			vmm_loop_leave(own);
		}
		fake_port_detach(&p);
	}
	ck_assert_int_eq(vmm_loop_destroy(own), 0);
	return NULL;
}

START_TEST(guests_come_and_go_under_traffic_on_many_loops)
{
	pthread_t threads[3];
	int self[3] = { 3, 4, 5 };

	stop = false;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, lively, &self[i]), 0);
	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(say(0, i % 6, 1, 60), 0);
		ck_assert_int_eq(say(2, i % 6, 1, 1514), 0);
		run();
		usleep(1000);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	run();
	ck_assert_uint_gt(port[1].nr_frames, 0);
}
END_TEST

/* ---- parts ---- */

START_TEST(a_switch_that_cannot_be_is_refused)
{
	struct vmm_switch_config config = VMM_SWITCH_CONFIG_INIT;
	struct vmm_net_switch_config p = VMM_NET_SWITCH_CONFIG_INIT;
	struct vmm_netdev *netdev[VMM_SWITCH_PORTS_MAX];
	struct vmm_switch *s;

	config.queue_kib = 255;
	ck_assert_int_eq(vmm_switch_create(&config, &s), -EINVAL);
	config.queue_kib = (1 << 20) + 1;
	ck_assert_int_eq(vmm_switch_create(&config, &s), -EINVAL);
	config.queue_kib = 256;
	config.reserved = 1;
	ck_assert_int_eq(vmm_switch_create(&config, &s), -EINVAL);
	ck_assert_int_eq(vmm_switch_create(NULL, NULL), -EINVAL);
	ck_assert_int_eq(vmm_switch_destroy(NULL), 0);
	config.reserved = 0;
	ck_assert_int_eq(vmm_switch_create(&config, &s), 0);

	ck_assert_int_eq(vmm_net_open_switch(&p, &netdev[0]), -EINVAL);
	p.sw = s;
	p.mac[0] = 1;
	ck_assert_int_eq(vmm_net_open_switch(&p, &netdev[0]), -EINVAL);
	p.mac[0] = 0;
	p.queue_pairs = 17;
	ck_assert_int_eq(vmm_net_open_switch(&p, &netdev[0]), -EINVAL);
	p.queue_pairs = 0;
	for (int i = 0; i < VMM_SWITCH_PORTS_MAX; i++)
		ck_assert_int_eq(vmm_net_open_switch(&p, &netdev[i]), 0);
	ck_assert_int_eq(vmm_net_open_switch(&p, &netdev[0]), -ENOSPC);
	ck_assert_int_eq(vmm_switch_destroy(s), -EBUSY);
	for (int i = 0; i < VMM_SWITCH_PORTS_MAX; i++)
		vmm_net_destroy(netdev[i]);
	ck_assert_int_eq(vmm_switch_destroy(s), 0);
}
END_TEST

enum { SECOND = 1000000000 };

START_TEST(addresses_are_forgotten_in_time)
{
	struct macs *m = calloc(1, sizeof(*m));
	uint64_t now = 1000ull * SECOND;

	vmm__macs_init(m, 10ull * SECOND, 42);
	ck_assert_uint_eq(vmm__macs_find(m, 5, now), MACS_NONE);
	ck_assert(vmm__macs_news(m, 5, 3, now));
	vmm__macs_learn(m, 5, 3, now);
	ck_assert(!vmm__macs_news(m, 5, 3, now));
	ck_assert_uint_eq(vmm__macs_find(m, 5, now + 9ull * SECOND), 3);
	ck_assert_uint_eq(vmm__macs_find(m, 5, now + 11ull * SECOND), MACS_NONE);
	/* It stays forgotten, also when ticks have come round, whoever speaks meanwhile. */
	for (uint64_t later = 20; later < 200; later += _i ? 4 : 41) {
		vmm__macs_learn(m, 6, 1, now + later * SECOND);
		ck_assert_uint_eq(vmm__macs_find(m, 5, now + later * SECOND), MACS_NONE);
		ck_assert_uint_eq(vmm__macs_find(m, 6, now + later * SECOND), 1);
	}
	/* After a silence in which ticks came round exactly. */
	vmm__macs_learn(m, 7, 4, now + 210ull * SECOND);
	ck_assert(vmm__macs_news(m, 7, 4, now + 250ull * SECOND));
	vmm__macs_learn(m, 6, 1, now + 250ull * SECOND);
	ck_assert_uint_eq(vmm__macs_find(m, 7, now + 250ull * SECOND), MACS_NONE);
	/* What is heard of stays. */
	vmm__macs_learn(m, 5, 3, now + 300ull * SECOND);
	vmm__macs_learn(m, 5, 2, now + 305ull * SECOND);
	ck_assert_uint_eq(vmm__macs_find(m, 5, now + 314ull * SECOND), 2);
	free(m);
}
END_TEST

START_TEST(one_port_does_not_take_the_table_from_the_others)
{
	struct macs *m = calloc(1, sizeof(*m));
	unsigned known = 0;

	vmm__macs_init(m, 300ull * SECOND, 42);
	for (uint64_t key = 1; key <= 100; key++)
		vmm__macs_learn(m, key, 1, SECOND);
	for (uint64_t key = 1000; key < 200000; key++)
		vmm__macs_learn(m, key, 2, 2ull * SECOND);
	ck_assert_uint_le(m->nr[2], MACS_PER_PORT);
	for (uint64_t key = 1; key <= 100; key++)
		known += vmm__macs_find(m, key, 3ull * SECOND) == 1;
	ck_assert_uint_ge(known, 80);
	vmm__macs_forget(m, 2);
	ck_assert_uint_eq(m->nr[2], 0);
	ck_assert_uint_eq(m->nr[1], known);
	free(m);
}
END_TEST

START_TEST(mail_of_all_lengths_goes_round_in_order)
{
	static unsigned char bytes[65553];
	struct mailbox box;
	unsigned in = 0, out = 0;

	ck_assert_int_eq(vmm__mailbox_init(&box, MAILBOX_BYTES_MIN), 0);
	for (int round = 0; round < 3000; round++) {
		struct iovec iov = { bytes, 14 + (size_t)(round * 977) % 65540 };
		struct vmm_net_frame frame = { .iov = &iov, .nr_iov = 1,
					       .length = (uint32_t)iov.iov_len };
		struct mail *m;

		bytes[0] = (unsigned char)in;
		bytes[iov.iov_len - 1] = (unsigned char)in;
		in += vmm__mailbox_add(&box, (uint32_t)round % 3, &frame);
		ck_assert_uint_le(box.end - box.first, box.size);
		if (round % 4 == 3) {
			m = vmm__mailbox_first(&box);
			ck_assert_ptr_nonnull(m);
			ck_assert_uint_eq(m->frame[0], (unsigned char)out);
			ck_assert_uint_eq(m->frame[m->head.length - 1], (unsigned char)out);
			vmm__mailbox_take(&box);
			out++;
		}
	}
	while (vmm__mailbox_first(&box)) {
		ck_assert_uint_eq(vmm__mailbox_first(&box)->frame[0], (unsigned char)out++);
		vmm__mailbox_take(&box);
	}
	ck_assert_uint_eq(in, out);
	ck_assert_uint_gt(in, 700);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(box.used[i], 0);
	vmm__mailbox_finish(&box);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_switch");
	TCase *parts = tcase_create("parts");
	TCase *joined = tcase_create("joined");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(parts, a_switch_that_cannot_be_is_refused);
	tcase_add_loop_test(parts, addresses_are_forgotten_in_time, 0, 2);
	tcase_add_test(parts, one_port_does_not_take_the_table_from_the_others);
	tcase_add_test(parts, mail_of_all_lengths_goes_round_in_order);

	tcase_set_timeout(joined, 60);
	tcase_add_checked_fixture(joined, setup, teardown);
	tcase_add_test(joined, what_is_for_all_reaches_all_but_its_sender);
	tcase_add_test(joined, an_address_is_learnt_from_what_it_sends);
	tcase_add_test(joined, a_guest_that_moves_is_followed);
	tcase_add_test(joined, a_frame_for_its_own_port_goes_nowhere);
	tcase_add_test(joined, nobody_sends_from_a_group_or_from_nothing);
	tcase_add_test(joined, a_guest_that_leaves_is_forgotten);
	tcase_add_test(joined, a_port_with_an_address_sends_from_no_other);
	tcase_add_loop_test(joined, a_large_frame_passes_whole_to_a_guest_that_takes_it, 0, 2);
	tcase_add_loop_test(joined, a_large_frame_is_cut_for_a_guest_that_does_not, 0, 2);
	tcase_add_test(joined, an_open_checksum_is_closed_for_a_guest_that_does_not);
	tcase_add_test(joined, a_large_frame_that_lies_is_lost);
	tcase_add_loop_test(joined, a_guest_without_buffers_loses_what_does_not_fit, 0, 2);
	tcase_add_test(joined, a_flood_leaves_room_for_another_sender);
	tcase_add_test(joined, one_turn_delivers_a_bounded_number);
	tcase_add_test(joined, what_waited_for_a_driver_is_not_given_to_it);
	tcase_add_test(joined, a_flow_comes_back_on_its_pair);
	tcase_add_test(joined, guests_come_and_go_under_traffic_on_many_loops);
	suite_add_tcase(suite, parts);
	suite_add_tcase(suite, joined);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
