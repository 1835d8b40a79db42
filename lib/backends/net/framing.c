/* SPDX-License-Identifier: MIT */
/* framing.c - see framing_priv.h. What comes in is a stranger's word: a length is checked
 * before anything is done with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/net/framing_priv.h"
#include "backends/net/net_priv.h"
#include "core/error_priv.h"

int vmm__framing_init(struct framing *f)
{
	*f = (struct framing){ .bytes = malloc(FRAMING_BYTES) };
	return f->bytes ? 0 : vmm__fail(-ENOMEM, "no memory for frames");
}

void vmm__framing_finish(struct framing *f)
{
	free(f->bytes);
	*f = (struct framing){ 0 };
}

void vmm__framing_clear(struct framing *f)
{
	f->at = f->end = f->frames = 0;
}

/* Move what is there to the front, when that makes much room for little work. */
static void make_room(struct framing *f, uint32_t wanted)
{
	if (f->at == 0 || FRAMING_BYTES - f->end >= wanted)
		return;
	memmove(f->bytes, f->bytes + f->at, f->end - f->at);
	f->end -= f->at;
	f->at = 0;
}

unsigned char *vmm__framing_room(struct framing *f, uint32_t *ret_room)
{
	make_room(f, FRAMING_PREFIX + NET_FRAME_MAX);
	*ret_room = FRAMING_BYTES - f->end;
	return f->bytes + f->end;
}

void vmm__framing_added(struct framing *f, uint32_t bytes)
{
	f->end += bytes;
}

static uint32_t length_at(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int vmm__framing_first(const struct framing *f, const unsigned char **ret_frame,
		       uint32_t *ret_length)
{
	uint32_t length;

	if (f->end - f->at < FRAMING_PREFIX)
		return 0;
	length = length_at(f->bytes + f->at);
	if (length < NET_ETH_HEADER || length > NET_FRAME_MAX)
		return vmm__fail(-EBADMSG, "a frame of %u bytes in the stream", length);
	if (f->end - f->at - FRAMING_PREFIX < length)
		return 0;
	*ret_frame = f->bytes + f->at + FRAMING_PREFIX;
	*ret_length = length;
	return 1;
}

void vmm__framing_taken(struct framing *f, uint32_t length)
{
	f->at += FRAMING_PREFIX + length;
	if (f->at == f->end)
		f->at = f->end = 0;
}

bool vmm__framing_append(struct framing *f, const struct vmm_net_frame *frame)
{
	uint32_t length = frame->length;
	unsigned char *to;

	make_room(f, FRAMING_PREFIX + length);
	if (FRAMING_BYTES - f->end < FRAMING_PREFIX + length)
		return false;
	to = f->bytes + f->end;
	*to++ = (unsigned char)(length >> 24);
	*to++ = (unsigned char)(length >> 16);
	*to++ = (unsigned char)(length >> 8);
	*to++ = (unsigned char)length;
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(to, frame->iov[i].iov_base, frame->iov[i].iov_len);
		to += frame->iov[i].iov_len;
	}
	f->end += FRAMING_PREFIX + length;
	f->frames++;
	return true;
}

void vmm__framing_sent(struct framing *f, uint32_t bytes)
{
	f->at += bytes;
	if (f->at == f->end)
		vmm__framing_clear(f);
}
