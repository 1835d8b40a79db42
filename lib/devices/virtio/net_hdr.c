/* SPDX-License-Identifier: MIT */
/*
 * net_hdr.c - the header before each frame, and the offloads it may ask for
 * (VIRTIO 1.2, 5.1.3, 5.1.6.2 and 5.1.6.4).
 *
 * The header is the driver's word, copied once. What leaves here towards a tap or
 * another guest is in range whatever the driver wrote, and was agreed on. The frame's
 * own bytes stay in the guest's memory and may change at any time: whoever acts on
 * them checks them on a copy of his.
 */
#include <endian.h>
#include <string.h>

#include "devices/virtio/net_priv.h"

/* For each offload, its feature bits: of the guest's frames (host) and of those to it. */
static const struct {
	uint32_t offload;
	unsigned host, guest;
} bits[] = {
	{ VMM_NET_CSUM, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM },
	{ VMM_NET_TSO4, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4 },
	{ VMM_NET_TSO6, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6 },
	{ VMM_NET_ECN, VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_GUEST_ECN },
	{ VMM_NET_USO4, VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO4 },
	{ VMM_NET_USO6, VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_GUEST_USO6 },
};

#define NR_BITS		(sizeof(bits) / sizeof(bits[0]))
#define USO		((uint32_t)VMM_NET_USO4 | VMM_NET_USO6)
#define TSO		((uint32_t)VMM_NET_TSO4 | VMM_NET_TSO6)

/* ---- features ---- */

void vmm__net_offer_offloads(const struct vmm_net_info *info, struct vmm_features *features)
{
	/* One bit offers both kinds of USO. */
	uint32_t takes = (info->takes & USO) == USO ? info->takes : info->takes & ~USO;

	for (size_t i = 0; i < NR_BITS; i++) {
		if (takes & bits[i].offload)
			vmm_features_add(features, bits[i].host);
		if (info->gives & bits[i].offload)
			vmm_features_add(features, bits[i].guest);
	}
}

/* 5.1.3.1: what lacks what it needs counts for nothing. */
uint32_t vmm__net_sane(uint32_t offloads)
{
	if (!(offloads & VMM_NET_CSUM))
		return 0;
	if (!(offloads & TSO))
		offloads &= ~(uint32_t)VMM_NET_ECN;
	return offloads;
}

uint32_t vmm__net_taken(const struct vmm_features *features)
{
	uint32_t offloads = 0;

	for (size_t i = 0; i < NR_BITS; i++) {
		if (vmm_features_has(features, bits[i].host))
			offloads |= bits[i].offload;
	}
	return vmm__net_sane(offloads);
}

uint32_t vmm__net_given(const struct vmm_features *features)
{
	uint32_t offloads = 0;

	for (size_t i = 0; i < NR_BITS; i++) {
		if (vmm_features_has(features, bits[i].guest))
			offloads |= bits[i].offload;
	}
	return vmm__net_sane(offloads);
}

uint64_t vmm__net_given_bits(uint32_t offloads)
{
	uint64_t word = 0;

	for (size_t i = 0; i < NR_BITS; i++) {
		if (offloads & bits[i].offload)
			word |= 1ull << bits[i].guest;
	}
	return word;
}

/* The offloads of a frame of @gso_type, beside CSUM; UINT32_MAX: there is no such type. */
static uint32_t gso_needs(uint8_t gso_type)
{
	uint32_t needs;

	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		needs = VMM_NET_TSO4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		needs = VMM_NET_TSO6;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return gso_type & VIRTIO_NET_HDR_GSO_ECN ? UINT32_MAX : USO;
	default:
		return UINT32_MAX;
	}
	return gso_type & VIRTIO_NET_HDR_GSO_ECN ? needs | VMM_NET_ECN : needs;
}

/* ---- from the driver ---- */

/* The checksum lies behind the addresses and inside the frame. */
static bool checksum_take(const struct virtio_net_hdr_v1 *header, struct vmm_net_frame *frame)
{
	uint32_t start = le16toh(header->csum_start);
	uint32_t offset = le16toh(header->csum_offset);

	if (start < NET_ETH_HEADER || start + offset + sizeof(uint16_t) > frame->length)
		return false;
	frame->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	frame->csum_start = (uint16_t)start;
	frame->csum_offset = (uint16_t)offset;
	return true;
}

/*
 * 5.1.6.2.1: what is cut into segments needs its checksums filled in too. 5.1.6.2.2:
 * hdr_len is a hint that is often wrong, so it is moved into its range.
 */
static bool gso_take(const struct virtio_net_hdr_v1 *header, uint32_t offloads,
		     struct vmm_net_frame *frame)
{
	uint32_t needs = gso_needs(header->gso_type);
	uint32_t least = (uint32_t)frame->csum_start + frame->csum_offset + 2;
	uint32_t hdr_len = le16toh(header->hdr_len);

	/* Which of the two kinds of USO it is, the header does not say. */
	if (needs == UINT32_MAX || (needs & ~offloads) != 0 || header->gso_size == 0 ||
	    !(frame->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || least > UINT16_MAX)
		return false;
	if (hdr_len > frame->length)
		hdr_len = frame->length;
	if (hdr_len < least)
		hdr_len = least;
	frame->gso_type = header->gso_type;
	frame->gso_size = le16toh(header->gso_size);
	frame->hdr_len = (uint16_t)hdr_len;
	return true;
}

bool vmm__net_header_take(const struct virtio_net_hdr_v1 *header, uint32_t offloads,
			  struct vmm_net_frame *frame)
{
	/* Where no offload was agreed on, the header says nothing. */
	if (!(offloads & VMM_NET_CSUM))
		return true;

	/* 5.1.6.2.2: flags that we do not know are ignored. */
	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) && !checksum_take(header, frame))
		return false;
	return header->gso_type == VIRTIO_NET_HDR_GSO_NONE || gso_take(header, offloads, frame);
}

/* ---- to the driver ---- */

bool vmm__net_header_give(const struct vmm_net_frame *frame, uint32_t offloads,
			  struct virtio_net_hdr_v1 *ret_header)
{
	uint32_t needs = frame->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? VMM_NET_CSUM : 0;
	uint8_t flags = frame->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID);

	if (frame->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		uint32_t gso = gso_needs(frame->gso_type);

		if (gso == UINT32_MAX || frame->gso_size == 0)
			return false;
		/* Either kind of USO: the backend knows which it may give. */
		if (gso == USO)
			gso = offloads & USO ? offloads & USO : USO;
		needs |= gso | VMM_NET_CSUM;
	}
	if (needs & ~offloads)
		return false;

	/* 5.1.6.4.1: no flags where checksums are the host's affair. */
	if (!(offloads & VMM_NET_CSUM))
		flags = 0;
	memset(ret_header, 0, sizeof(*ret_header));
	ret_header->flags = flags;
	ret_header->gso_type = frame->gso_type;
	if (frame->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		ret_header->gso_size = htole16(frame->gso_size);
		ret_header->hdr_len = htole16(frame->hdr_len);
	}
	if (flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		ret_header->csum_start = htole16(frame->csum_start);
		ret_header->csum_offset = htole16(frame->csum_offset);
	}
	return true;
}
