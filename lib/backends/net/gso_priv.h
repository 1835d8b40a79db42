/* SPDX-License-Identifier: MIT */
/*
 * gso_priv.h - finish a frame for a guest that takes no offloads: fill in its checksum, cut
 * it into segments.
 *
 * It works on a copy of ours, which no guest can change, and believes nothing that
 * the frame says of itself before it has looked.
 */
#ifndef BACKENDS_NET_GSO_PRIV_H
#define BACKENDS_NET_GSO_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/net.h>

#define GSO_SEGMENTS_MAX	1400u	/* 64 KiB of the smallest segments that TCP makes */

struct gso {
	const unsigned char *frame;	/* borrowed until the last segment */
	uint32_t length;
	uint32_t l3, l4, headers;	/* where the IP and TCP or UDP headers begin, and the payload */
	uint32_t segment;		/* bytes of payload in each but the last */
	uint32_t at;			/* where the next begins */
	uint32_t nr;			/* made so far */
	bool ipv6, udp;
};

/* What a frame needs of the guest that gets it: VMM_NET_*. */
uint32_t vmm__gso_needs(const struct vmm_net_frame *head);

/*
 * Fill in the checksum that @head leaves open. False: it is not in the frame.
 * (VIRTIO 1.2, 5.1.6.2.1.)
 */
bool vmm__gso_checksum(unsigned char *frame, const struct vmm_net_frame *head);

/*
 * Begin to cut @frame, as @head wants it. False: its headers are not what @head says, or it
 * would be more than GSO_SEGMENTS_MAX frames.
 */
bool vmm__gso_begin(struct gso *g, const unsigned char *frame, const struct vmm_net_frame *head);

/*
 * The next segment, a whole frame with all its sums, into @out, which has room for as
 * many bytes as the frame. Returns its length; 0: there are no more.
 */
uint32_t vmm__gso_next(struct gso *g, unsigned char *out);

#endif
