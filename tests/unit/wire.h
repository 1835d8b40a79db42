/* SPDX-License-Identifier: MIT */
/*
 * wire.h - frames by hand: enough of Ethernet, ARP, IPv4, UDP, TCP and DHCP to be a guest.
 * Numbers are in host order; addresses are written 0x0a00020f.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	WIRE_GUEST = 0x0a00020f, WIRE_HOST = 0x0a000202, WIRE_DNS = 0x0a000203,
	WIRE_FIN = 1, WIRE_SYN = 2, WIRE_RST = 4, WIRE_ACK = 16,
	WIRE_MAX = 1514,
};

static const unsigned char wire_mac[6] = { 0x52, 0x54, 0, 0, 0, 1 };

static inline void wire_put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static inline void wire_put32(unsigned char *p, uint32_t v)
{
	wire_put16(p, v >> 16);
	wire_put16(p + 2, v);
}

static inline uint32_t wire_get16(const unsigned char *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t wire_get32(const unsigned char *p)
{
	return wire_get16(p) << 16 | wire_get16(p + 2);
}

/* RFC 1071, over @n bytes, on top of @sum. */
static inline uint32_t wire_sum(const unsigned char *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static inline uint32_t wire_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static inline size_t wire_ether(unsigned char *f, uint32_t type)
{
	memset(f, 0xff, 6);
	memcpy(f + 6, wire_mac, 6);
	wire_put16(f + 12, type);
	return 14;
}

/* An ARP request (@op 1) or reply (2) from @sender about @target. */
static inline size_t wire_arp(unsigned char *f, int op, uint32_t sender, uint32_t target)
{
	size_t n = wire_ether(f, 0x0806);

	memcpy(f + n, "\0\1\x08\0\6\4", 6);
	wire_put16(f + n + 6, (uint32_t)op);
	memcpy(f + n + 8, wire_mac, 6);
	wire_put32(f + n + 14, sender);
	memset(f + n + 18, 0, 6);
	wire_put32(f + n + 24, target);
	return n + 28;
}

/* Ethernet and IPv4 headers before @payload bytes, which are there already at f + 34. */
static inline size_t wire_ip(unsigned char *f, unsigned proto, uint32_t from, uint32_t to,
			     size_t payload)
{
	unsigned char *ip = f + wire_ether(f, 0x0800);

	memset(ip, 0, 20);
	ip[0] = 0x45;
	wire_put16(ip + 2, (uint32_t)(20 + payload));
	ip[8] = 64;
	ip[9] = (unsigned char)proto;
	wire_put32(ip + 12, from);
	wire_put32(ip + 16, to);
	wire_put16(ip + 10, wire_fold(wire_sum(ip, 20, 0)));
	return 34 + payload;
}

static inline uint32_t wire_pseudo(const unsigned char *f, unsigned proto, size_t payload)
{
	return wire_sum(f + 26, 8, proto + (uint32_t)payload);
}

static inline size_t wire_udp(unsigned char *f, uint32_t from, unsigned from_port, uint32_t to,
			      unsigned to_port, const void *data, size_t length)
{
	size_t n;

	wire_put16(f + 34, from_port);
	wire_put16(f + 36, to_port);
	wire_put16(f + 38, (uint32_t)(8 + length));
	wire_put16(f + 40, 0);	/* no checksum */
	memcpy(f + 42, data, length);
	n = wire_ip(f, 17, from, to, 8 + length);
	return n;
}

struct wire_tcp {
	uint32_t from, to;
	unsigned from_port, to_port;
	uint32_t seq, ack;
	unsigned flags;
	unsigned window;
	unsigned mss;		/* an option of a SYN; 0: none */
};

static inline size_t wire_tcp(unsigned char *f, const struct wire_tcp *t, const void *data,
			      size_t length)
{
	unsigned char *tcp = f + 34;
	size_t header = t->mss ? 24 : 20;
	size_t n;

	memset(tcp, 0, header);
	wire_put16(tcp, t->from_port);
	wire_put16(tcp + 2, t->to_port);
	wire_put32(tcp + 4, t->seq);
	wire_put32(tcp + 8, t->ack);
	tcp[12] = (unsigned char)(header / 4 << 4);
	tcp[13] = (unsigned char)t->flags;
	wire_put16(tcp + 14, t->window);
	if (t->mss) {
		tcp[20] = 2;
		tcp[21] = 4;
		wire_put16(tcp + 22, t->mss);
	}
	if (length > 0)
		memcpy(tcp + header, data, length);
	n = wire_ip(f, 6, t->from, t->to, header + length);
	wire_put16(tcp + 16, wire_fold(wire_sum(tcp, header + length,
						wire_pseudo(f, 6, header + length))));
	return n;
}

/* DHCP (RFC 2131): a DISCOVER (@type 1) or a REQUEST (3) for @wanted. */
static inline size_t wire_dhcp(unsigned char *f, unsigned type, uint32_t wanted)
{
	unsigned char m[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
	unsigned char *o = m + 236;

	memcpy(m + 28, wire_mac, 6);
	memcpy(o, "\x63\x82\x53\x63\x35\1", 6);
	o[6] = (unsigned char)type;
	o += 7;
	if (wanted) {
		*o++ = 50;
		*o++ = 4;
		wire_put32(o, wanted);
		o += 4;
	}
	*o = 255;
	return wire_udp(f, 0, 68, 0xffffffff, 67, m, sizeof(m));
}

/* The DHCP option @code of a frame, or NULL. */
static inline const unsigned char *wire_dhcp_option(const unsigned char *f, size_t length,
						    unsigned code)
{
	for (size_t at = 42 + 240; at + 1 < length && f[at] != 255; at += f[at] ? 2u + f[at + 1] : 1) {
		if (f[at] == code)
			return f + at + 1;
	}
	return NULL;
}

#endif
