/* SPDX-License-Identifier: MIT */
/*
 * framing_priv.h - frames in a stream of bytes: each behind its length, four bytes with the
 * highest first, as QEMU's -netdev stream and passt have it.
 *
 * Two buffers of fixed size, and no descriptors: whoever has the stream fills the one and
 * empties the other.
 */
#ifndef BACKENDS_NET_FRAMING_PRIV_H
#define BACKENDS_NET_FRAMING_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <libvmm/net.h>

#define FRAMING_PREFIX	4u
#define FRAMING_BYTES	(256u << 10)	/* a few of the largest frames */

/* Bytes [at, end) of the buffer are there. */
struct framing {
	unsigned char *bytes;
	uint32_t at, end;
	uint32_t frames;		/* whole ones, in a buffer that is being emptied */
};

int vmm__framing_init(struct framing *f);	/* -ENOMEM with words */
void vmm__framing_finish(struct framing *f);
void vmm__framing_clear(struct framing *f);

/* Where more may be added: *@ret_room bytes, never 0 unless a frame is there to be taken. */
unsigned char *vmm__framing_room(struct framing *f, uint32_t *ret_room);
void vmm__framing_added(struct framing *f, uint32_t bytes);

/*
 * The next whole frame, which stays where it is until vmm__framing_taken(). Returns 1; 0: not
 * all of one is there; -EBADMSG: the length is none that a frame can have.
 */
int vmm__framing_first(const struct framing *f, const unsigned char **ret_frame,
		       uint32_t *ret_length);
void vmm__framing_taken(struct framing *f, uint32_t length);

/* Append a frame behind its length. False: there is no room for it now. */
bool vmm__framing_append(struct framing *f, const struct vmm_net_frame *frame);

/* The first @bytes were written out. */
void vmm__framing_sent(struct framing *f, uint32_t bytes);

#endif
