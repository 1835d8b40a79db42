/* SPDX-License-Identifier: MIT */
/*
 * mailbox_priv.h - frames of many senders that wait for one receiver, in bytes of fixed
 * number.
 *
 * A sender may have four times as much of it as is free: so one that floods it leaves room
 * for the others, however many there are. No lock of its own: adding is for one sender
 * at a time, under the receiver's lock; looking and taking are for the receiver, who needs
 * the lock for vmm__mailbox_first() and vmm__mailbox_take(), not while it reads the frame.
 */
#ifndef BACKENDS_NET_MAILBOX_PRIV_H
#define BACKENDS_NET_MAILBOX_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/net.h>

#define MAILBOX_SENDERS		64u
#define MAILBOX_BYTES_MIN	(256u << 10)

struct mail {
	uint32_t bytes;			/* of the record */
	uint32_t sender;
	struct vmm_net_frame head;	/* without iov; length 0: the rest of the buffer is unused */
	unsigned char frame[];
};

struct mailbox {
	unsigned char *bytes;
	uint64_t size;
	uint64_t first, end;		/* count up for ever; modulo size */
	uint64_t used[MAILBOX_SENDERS];
};

/* @size is a multiple of 64, of MAILBOX_BYTES_MIN or more. -ENOMEM with words. */
int vmm__mailbox_init(struct mailbox *box, uint64_t size);
void vmm__mailbox_finish(struct mailbox *box);

/* Copy @frame in. False: there is no room for it, or none for this sender. */
bool vmm__mailbox_add(struct mailbox *box, uint32_t sender, const struct vmm_net_frame *frame);

/* The frame that has waited longest, NULL: none. It stays until it is taken. */
struct mail *vmm__mailbox_first(struct mailbox *box);
void vmm__mailbox_take(struct mailbox *box);

#endif
