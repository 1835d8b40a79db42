/* SPDX-License-Identifier: MIT */
/*
 * test_net_gso.c - frames that are cut into segments, and headers that lie about it.
 */
#include <check.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "backends/net/gso_priv.h"
#include "wire.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum { T4 = VIRTIO_NET_HDR_GSO_TCPV4, T6 = VIRTIO_NET_HDR_GSO_TCPV6, U = VIRTIO_NET_HDR_GSO_UDP_L4,
       NR_KINDS = 5 };

static unsigned char frame[65600], out[65600];
static struct vmm_net_frame head;

/* Each row is a kind of frame; v6 with @extra bytes of extension header, v4 with @tags. */
static const struct {
	const char *name;
	uint8_t gso;
	bool ipv6;
	unsigned tags, extra;
} kinds[NR_KINDS] = {
	{ "TCP, IPv4", T4, false, 0, 0 },
	{ "TCP, IPv4 in two VLANs", T4, false, 2, 0 },
	{ "TCP, IPv6", T6, true, 0, 0 },
	{ "TCP, IPv6 with an extension", T6, true, 1, 8 },
	{ "UDP, IPv4", U, false, 0, 0 },
};

static size_t l3, l4, headers;

static void make(int kind, size_t payload, uint16_t size)
{
	bool udp = kinds[kind].gso == U;
	unsigned char *ip, *t;

	memset(frame, 0x11, 12);
	for (unsigned i = 0; i < kinds[kind].tags; i++) {
		wire_put16(frame + 12 + 4 * i, i ? 0x8100 : 0x88a8);
		wire_put16(frame + 14 + 4 * i, 5);
	}
	if (kinds[kind].tags == 1)
		wire_put16(frame + 12, 0x8100);
	l3 = 14 + 4 * kinds[kind].tags;
	wire_put16(frame + l3 - 2, kinds[kind].ipv6 ? 0x86dd : 0x0800);
	ip = frame + l3;
	memset(ip, 0, 60);
	if (kinds[kind].ipv6) {
		l4 = l3 + 40 + kinds[kind].extra;
		ip[0] = 0x60;
		ip[6] = kinds[kind].extra ? 0 : 6;
		ip[40] = 6;
		for (int i = 8; i < 40; i++)
			ip[i] = (unsigned char)(i * 3);
	} else {
		l4 = l3 + 20;
		ip[0] = 0x45;
		ip[8] = 64;
		ip[9] = udp ? 17 : 6;
		wire_put16(ip + 4, 0xfffe);
		wire_put32(ip + 12, 0x0a000001);
		wire_put32(ip + 16, 0x0a0000ff);
	}
	t = frame + l4;
	memset(t, 0, 32);
	wire_put16(t, 1000);
	wire_put16(t + 2, 2000);
	if (udp) {
		headers = l4 + 8;
	} else {
		headers = l4 + 32;
		wire_put32(t + 4, 0xfffffff0);
		t[12] = 8 << 4;
		t[13] = 0x80 | WIRE_ACK | 8 | WIRE_FIN;
	}
	for (size_t i = 0; i < payload; i++)
		frame[headers + i] = (unsigned char)(i * 5 + i / 253);
	head = (struct vmm_net_frame){
		.length = (uint32_t)(headers + payload), .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = kinds[kind].gso, .gso_size = size, .csum_start = (uint16_t)l4,
		.csum_offset = udp ? 6 : 16,
	};
}

static void check_sums(const unsigned char *f, size_t n, bool ipv6, unsigned proto)
{
	const unsigned char *ip = f + l3;
	uint32_t s = proto + (uint32_t)(n - l4);

	s = ipv6 ? wire_sum(ip + 8, 32, s) : wire_sum(ip + 12, 8, s);
	ck_assert_uint_eq(wire_fold(wire_sum(f + l4, n - l4, s)), 0);
	if (!ipv6)
		ck_assert_uint_eq(wire_fold(wire_sum(ip, 20, 0)), 0);
}

START_TEST(a_frame_is_cut_into_whole_segments)
{
	static const size_t payloads[] = { 0, 1, 999, 1000, 1001, 30000 };
	bool ipv6 = kinds[_i].ipv6, udp = kinds[_i].gso == U;

	for (int p = 0; p < 6; p++) {
		size_t got = 0, n, nr = 0;
		struct gso g;

		make(_i, payloads[p], 1000);
		ck_assert_msg(vmm__gso_begin(&g, frame, &head), "%s", kinds[_i].name);
		while ((n = vmm__gso_next(&g, out)) > 0) {
			bool last = got + n - headers == payloads[p];

			ck_assert_uint_le(n, headers + 1000);
			ck_assert_mem_eq(out, frame, l3);
			ck_assert_mem_eq(out + headers, frame + headers + got, n - headers);
			check_sums(out, n, ipv6, udp ? 17 : 6);
			if (ipv6)
				ck_assert_uint_eq(wire_get16(out + l3 + 4), n - l3 - 40);
			else
				ck_assert_uint_eq(wire_get16(out + l3 + 2), n - l3);
			if (!ipv6)
				ck_assert_uint_eq(wire_get16(out + l3 + 4), (0xfffe + nr) & 0xffff);
			if (udp) {
				ck_assert_uint_eq(wire_get16(out + l4 + 4), n - l4);
			} else {
				ck_assert_uint_eq(wire_get32(out + l4 + 4),
						  (uint32_t)(0xfffffff0 + got));
				ck_assert_uint_eq(out[l4 + 13], WIRE_ACK | (nr ? 0 : 0x80) |
								(last ? 8 | WIRE_FIN : 0));
			}
			got += n - headers;
			nr++;
		}
		ck_assert_uint_eq(got, payloads[p]);
		ck_assert_uint_eq(nr, payloads[p] ? (payloads[p] + 999) / 1000 : 1);
	}
}
END_TEST

/* Each row spoils a frame of 5000 bytes of payload: one byte, or a field of its header. */
static const struct {
	const char *name;
	int kind;
	int at;				/* from l3; or -1 */
	unsigned char byte;
	struct vmm_net_frame head;	/* what is not zero replaces */
} lies[] = {
	{ "IPv6 that says 4", 0, 0, 0x65, { 0 } },
	{ "a longer IPv4 header", 0, 0, 0x46, { 0 } },
	{ "an IPv4 header of nothing", 0, 0, 0x40, { 0 } },
	{ "another protocol", 0, 9, 17, { 0 } },
	{ "another ethertype", 0, -2, 0x99, { 0 } },
	{ "IPv6 that is none", 2, 0, 0x45, { 0 } },
	{ "a TCP header too short", 0, 32, 0x40, { 0 } },
	{ "a TCP header past the end", 0, -1, 0, { .length = 34 + 25 } },
	{ "no room for TCP", 0, -1, 0, { .length = 34 + 19 } },
	{ "no room for UDP", 4, -1, 0, { .length = 34 + 7 } },
	{ "no room for IP", 0, -1, 0, { .length = 20 } },
	{ "no room for an ethertype", 0, -1, 0, { .length = 13 } },
	{ "a start past the end", 0, -1, 0, { .csum_start = 65000 } },
	{ "a start in the IP header", 0, -1, 0, { .csum_start = 30 } },
	{ "a start in the addresses", 2, -1, 0, { .csum_start = 40 } },
	{ "another offset", 0, -1, 0, { .csum_offset = 6 } },
	{ "another offset", 4, -1, 0, { .csum_offset = 16 } },
	{ "too many segments", 0, -1, 0, { .gso_size = 1, .length = 5000 } },
	{ "IPv4 as IPv6", 0, -1, 0, { .gso_type = T6 } },
	{ "IPv6 as IPv4", 2, -1, 0, { .gso_type = T4 } },
};

START_TEST(a_frame_that_is_not_what_its_header_says_is_not_cut)
{
	struct gso g;

	make(lies[_i].kind, 5000, 1000);
	ck_assert(vmm__gso_begin(&g, frame, &head));
	if (lies[_i].at != -1)
		frame[(int)l3 + lies[_i].at] = lies[_i].byte;
	if (lies[_i].head.length)
		head.length = lies[_i].head.length;
	if (lies[_i].head.csum_start)
		head.csum_start = lies[_i].head.csum_start;
	if (lies[_i].head.csum_offset)
		head.csum_offset = lies[_i].head.csum_offset;
	if (lies[_i].head.gso_size)
		head.gso_size = lies[_i].head.gso_size;
	if (lies[_i].head.gso_type)
		head.gso_type = lies[_i].head.gso_type;
	ck_assert_msg(!vmm__gso_begin(&g, frame, &head), "%s", lies[_i].name);
}
END_TEST

START_TEST(segments_of_no_size_are_none)
{
	struct gso g;

	make(0, 5000, 0);
	ck_assert(!vmm__gso_begin(&g, frame, &head));
}
END_TEST

START_TEST(tags_that_never_end_are_not_followed)
{
	struct gso g;

	make(0, 5000, 1000);
	for (int at = 12; at < 400; at += 4)
		memcpy(frame + at, "\x81\0\0\5", 4);
	ck_assert(!vmm__gso_begin(&g, frame, &head));
}
END_TEST

START_TEST(a_checksum_is_filled_in)
{
	for (size_t payload = 0; payload < 9; payload++) {
		uint32_t s;

		make(0, payload, 0);
		s = wire_sum(frame + l3 + 12, 8, 6 + (uint32_t)(head.length - l4));
		wire_put16(frame + l4 + 16, ~wire_fold(s) & 0xffff);
		ck_assert(vmm__gso_checksum(frame, &head));
		s = wire_sum(frame + l3 + 12, 8, 6 + (uint32_t)(head.length - l4));
		ck_assert_uint_eq(wire_fold(wire_sum(frame + l4, head.length - l4, s)), 0);
	}
	head.csum_start = (uint16_t)(head.length - 17);
	ck_assert(!vmm__gso_checksum(frame, &head));
	head.csum_start = (uint16_t)head.length;
	head.csum_offset = 0;
	ck_assert(!vmm__gso_checksum(frame, &head));
}
END_TEST

START_TEST(a_udp_sum_of_zero_is_written_as_ones)
{
	memset(frame, 0xff, 60);
	head = (struct vmm_net_frame){ .length = 60, .csum_start = 34, .csum_offset = 6 };
	ck_assert(vmm__gso_checksum(frame, &head));
	ck_assert_uint_eq(wire_get16(frame + 40), 0xffff);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("net_gso");
	TCase *tcase = tcase_create("gso");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, a_frame_is_cut_into_whole_segments, 0, NR_KINDS);
	tcase_add_loop_test(tcase, a_frame_that_is_not_what_its_header_says_is_not_cut, 0,
			    (int)(sizeof(lies) / sizeof(lies[0])));
	tcase_add_test(tcase, segments_of_no_size_are_none);
	tcase_add_test(tcase, tags_that_never_end_are_not_followed);
	tcase_add_test(tcase, a_checksum_is_filled_in);
	tcase_add_test(tcase, a_udp_sum_of_zero_is_written_as_ones);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
