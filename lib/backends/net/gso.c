/* SPDX-License-Identifier: MIT */
/*
 * gso.c - checksums and segments (RFC 791, 768, 1071, 8200, 9293).
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <string.h>

#include "backends/net/gso_priv.h"
#include "backends/net/net_priv.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4	5	/* VIRTIO 1.3, 5.1.6 */
#endif

#define VLAN_TAG	4u
#define HEADERS_MAX	512u
#define IPV4_MIN	20u
#define IPV6_HEADER	40u
#define TCP_MIN		20u
#define TCP_CHECKSUM	16u
#define UDP_HEADER	8u
#define UDP_CHECKSUM	6u
#define TCP_FIN_PSH	0x09
#define TCP_CWR		0x80

static uint32_t get16(const unsigned char *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void put16(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

static uint32_t get32(const unsigned char *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put32(unsigned char *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* RFC 1071, in the byte order of memory; not folded. */
static uint64_t sum(const unsigned char *p, size_t n, uint64_t so_far)
{
	for (; n >= 4; p += 4, n -= 4) {
		uint32_t word;

		memcpy(&word, p, sizeof(word));
		so_far += word;
	}
	if (n > 0) {
		uint32_t word = 0;

		memcpy(&word, p, n);
		so_far += word;
	}
	return so_far;
}

/* To be stored as it is in memory. */
static uint16_t fold(uint64_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

uint32_t vmm__gso_needs(const struct vmm_net_frame *head)
{
	uint32_t needs = head->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? VMM_NET_CSUM : 0;

	switch (head->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return needs;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		needs |= VMM_NET_TSO4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		needs |= VMM_NET_TSO6;
		break;
	default:
		/* The header does not say which. */
		needs |= VMM_NET_USO4 | VMM_NET_USO6;
	}
	return head->gso_type & VIRTIO_NET_HDR_GSO_ECN ? needs | VMM_NET_ECN : needs;
}

bool vmm__gso_checksum(unsigned char *frame, const struct vmm_net_frame *head)
{
	uint32_t start = head->csum_start, at = start + head->csum_offset;
	uint16_t checksum;

	if (start >= head->length || at + 2 > head->length)
		return false;
	/* The field holds the sum of the pseudo header already. */
	checksum = fold(sum(frame + start, head->length - start, 0));
	if (checksum == 0)
		checksum = 0xffff;	/* RFC 768: 0 means none; to TCP both are the same */
	memcpy(frame + at, &checksum, sizeof(checksum));
	return true;
}

/* ---- what is to be cut ---- */

static bool find_l3(struct gso *g, uint32_t *ret_type)
{
	uint32_t at = ETH_HLEN - 2, type;

	for (int tags = 0; ; tags++) {
		if (at + 2 > g->length)
			return false;
		type = get16(g->frame + at);
		at += 2;
		if ((type != ETH_P_8021Q && type != ETH_P_8021AD) || tags == 2)
			break;
		at += VLAN_TAG - 2;
	}
	g->l3 = at;
	*ret_type = type;
	return true;
}

static bool check_ipv4(const struct gso *g, uint32_t protocol)
{
	const unsigned char *ip = g->frame + g->l3;

	return g->l4 >= g->l3 + IPV4_MIN && ip[0] >> 4 == 4 &&
	       g->l3 + (ip[0] & 15u) * 4 == g->l4 && ip[9] == protocol;
}

/* Extension headers may lie between. */
static bool check_ipv6(const struct gso *g)
{
	return g->l4 >= g->l3 + IPV6_HEADER && g->frame[g->l3] >> 4 == 6;
}

static bool check_l4(struct gso *g, uint32_t csum_offset)
{
	if (g->udp) {
		g->headers = g->l4 + UDP_HEADER;
		return csum_offset == UDP_CHECKSUM && g->headers <= g->length;
	}
	if (csum_offset != TCP_CHECKSUM || g->l4 + TCP_MIN > g->length)
		return false;
	g->headers = g->l4 + (g->frame[g->l4 + 12] >> 4) * 4u;
	return g->headers >= g->l4 + TCP_MIN && g->headers <= g->length;
}

bool vmm__gso_begin(struct gso *g, const unsigned char *frame, const struct vmm_net_frame *head)
{
	uint8_t kind = head->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint32_t type, protocol;

	*g = (struct gso){
		.frame = frame,
		.length = head->length,
		.l4 = head->csum_start,
		.segment = head->gso_size,
		.udp = kind == VIRTIO_NET_HDR_GSO_UDP_L4,
	};
	protocol = g->udp ? IPPROTO_UDP : IPPROTO_TCP;
	if (g->segment == 0 || g->l4 >= g->length || g->l4 > HEADERS_MAX || !find_l3(g, &type))
		return false;

	g->ipv6 = type == ETH_P_IPV6;
	if ((type != ETH_P_IP && !g->ipv6) ||
	    (kind == VIRTIO_NET_HDR_GSO_TCPV4 && g->ipv6) ||
	    (kind == VIRTIO_NET_HDR_GSO_TCPV6 && !g->ipv6))
		return false;
	if (!(g->ipv6 ? check_ipv6(g) : check_ipv4(g, protocol)) ||
	    !check_l4(g, head->csum_offset) || g->headers > HEADERS_MAX)
		return false;
	g->at = g->headers;
	return (g->length - g->headers) / g->segment < GSO_SEGMENTS_MAX;
}

/* ---- one segment ---- */

static void finish_ip(const struct gso *g, unsigned char *out, uint32_t length)
{
	unsigned char *ip = out + g->l3;
	uint16_t checksum;

	if (g->ipv6) {
		put16(ip + 4, length - g->l3 - IPV6_HEADER);
		return;
	}
	put16(ip + 2, length - g->l3);
	put16(ip + 4, get16(ip + 4) + g->nr);
	put16(ip + 10, 0);
	checksum = fold(sum(ip, g->l4 - g->l3, 0));
	memcpy(ip + 10, &checksum, sizeof(checksum));
}

/* The pseudo header: addresses, protocol, length. */
static uint64_t pseudo(const struct gso *g, const unsigned char *out, uint32_t length)
{
	const unsigned char *ip = out + g->l3;
	uint64_t s = g->ipv6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0);

	return s + htons(g->udp ? IPPROTO_UDP : IPPROTO_TCP) + htons((uint16_t)(length - g->l4));
}

static void finish_l4(const struct gso *g, unsigned char *out, uint32_t length, bool last)
{
	unsigned char *l4 = out + g->l4;
	unsigned char *field = l4 + (g->udp ? UDP_CHECKSUM : TCP_CHECKSUM);
	uint16_t checksum;

	if (g->udp) {
		put16(l4 + 4, length - g->l4);
	} else {
		put32(l4 + 4, get32(l4 + 4) + (g->at - g->headers));
		if (!last)
			l4[13] &= (unsigned char)~TCP_FIN_PSH;
		if (g->nr > 0)
			l4[13] &= (unsigned char)~TCP_CWR;
	}
	put16(field, 0);
	checksum = fold(sum(l4, length - g->l4, pseudo(g, out, length)));
	if (checksum == 0 && g->udp)
		checksum = 0xffff;
	memcpy(field, &checksum, sizeof(checksum));
}

uint32_t vmm__gso_next(struct gso *g, unsigned char *out)
{
	uint32_t left = g->length - g->at;
	uint32_t payload = left < g->segment ? left : g->segment;
	uint32_t length = g->headers + payload;

	/* One without payload is a segment too. */
	if (left == 0 && g->nr > 0)
		return 0;
	memcpy(out, g->frame, g->headers);
	memcpy(out + g->headers, g->frame + g->at, payload);
	finish_ip(g, out, length);
	finish_l4(g, out, length, payload == left);
	g->at += payload;
	g->nr++;
	return length;
}
