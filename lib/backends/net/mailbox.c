/* SPDX-License-Identifier: MIT */
/* mailbox.c - see mailbox_priv.h. Records are whole: one that does not fit before the end of
 * the buffer begins at its start, behind a record that says so. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "backends/net/mailbox_priv.h"
#include "core/error_priv.h"

#define ALIGN	64u
#define SHARE	4u		/* a sender's part of the box, in parts of what is free */

int vmm__mailbox_init(struct mailbox *box, uint64_t size)
{
	/* Pages that were never used cost nothing. */
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return vmm__fail(-ENOMEM, "no memory for %llu bytes of frames",
				 (unsigned long long)size);
	*box = (struct mailbox){ .bytes = bytes, .size = size };
	return 0;
}

void vmm__mailbox_finish(struct mailbox *box)
{
	if (box->bytes)
		(void)munmap(box->bytes, box->size);
	*box = (struct mailbox){ 0 };
}

static struct mail *mail_at(struct mailbox *box, uint64_t at)
{
	return (struct mail *)(void *)(box->bytes + at % box->size);
}

/* Fill the buffer up to its end. */
static void skip_to_start(struct mailbox *box, uint32_t sender, uint64_t rest)
{
	struct mail *m = mail_at(box, box->end);

	m->bytes = (uint32_t)rest;
	m->sender = sender;
	m->head.length = 0;
	box->end += rest;
	box->used[sender] += rest;
}

static void frame_copy(unsigned char *to, const struct vmm_net_frame *frame)
{
	for (uint32_t i = 0; i < frame->nr_iov; i++) {
		memcpy(to, frame->iov[i].iov_base, frame->iov[i].iov_len);
		to += frame->iov[i].iov_len;
	}
}

bool vmm__mailbox_add(struct mailbox *box, uint32_t sender, const struct vmm_net_frame *frame)
{
	uint64_t need = (sizeof(struct mail) + frame->length + ALIGN - 1) / ALIGN * ALIGN;
	uint64_t rest = box->size - box->end % box->size;
	uint64_t cost = need <= rest ? need : rest + need;
	uint64_t room = box->size - (box->end - box->first);
	struct mail *m;

	if (cost > room || box->used[sender] + cost > SHARE * (room - cost))
		return false;
	if (need > rest)
		skip_to_start(box, sender, rest);
	m = mail_at(box, box->end);
	m->bytes = (uint32_t)need;
	m->sender = sender;
	m->head = *frame;
	m->head.iov = NULL;
	m->head.nr_iov = 0;
	frame_copy(m->frame, frame);
	box->end += need;
	box->used[sender] += need;
	return true;
}

static void drop(struct mailbox *box)
{
	const struct mail *m = mail_at(box, box->first);

	box->used[m->sender] -= m->bytes;
	box->first += m->bytes;
}

struct mail *vmm__mailbox_first(struct mailbox *box)
{
	if (box->first != box->end && mail_at(box, box->first)->head.length == 0)
		drop(box);
	return box->first == box->end ? NULL : mail_at(box, box->first);
}

void vmm__mailbox_take(struct mailbox *box)
{
	if (vmm__mailbox_first(box))
		drop(box);
}
