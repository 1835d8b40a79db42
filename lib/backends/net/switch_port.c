/* SPDX-License-Identifier: MIT */
/*
 * switch_port.c - frames from one port of a switch to another.
 *
 * Between guests on one loop a frame is copied once, from the sender's memory into the
 * receiver's buffers. Otherwise, and when the receiver has no buffer or needs the frame
 * in another form, it goes through the receiver's mailbox, and the receiver's loop takes
 * it from there at its own pace.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/net/switch_priv.h"
#include "core/error_priv.h"

#define TURN_MAX	64u	/* frames delivered from the box in one turn */
#define FLOW_HEAD	54u	/* bytes of a frame that tell its flow: Ethernet, IPv6 */

static uint64_t now_ns(void)
{
	struct timespec t;

	/* Exact to milliseconds, which is enough for minutes. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* The first bytes of a frame, copied once; what it lacks is zero. */
static void head_copy(const struct vmm_net_frame *frame, unsigned char *to, size_t len)
{
	size_t at = 0;

	memset(to, 0, len);
	for (uint32_t i = 0; i < frame->nr_iov && at < len; i++) {
		size_t n = frame->iov[i].iov_len < len - at ? frame->iov[i].iov_len : len - at;

		memcpy(to + at, frame->iov[i].iov_base, n);
		at += n;
	}
	/* So that what was copied is what gets checked. */
	__asm__ volatile("" : : : "memory");
}

/* ---- which pair of queues ---- */

/* The same both ways; frames of one connection have the same. */
static uint32_t flow_of(const unsigned char *head)
{
	uint32_t from = 0, to = 0, h;

	if (head[12] == 0x08 && head[13] == 0x00) {
		memcpy(&from, head + 26, 4);
		memcpy(&to, head + 30, 4);
		h = from ^ to;
		memcpy(&from, head + 34, 2);
		memcpy(&to, head + 36, 2);
	} else {
		memcpy(&from, head + 34, 4);	/* the ends of IPv6 addresses */
		memcpy(&to, head + 50, 4);
		h = from ^ to ^ head[11] ^ head[5];
		from = to = 0;
	}
	h = (h ^ (from & 0xffff) ^ (to & 0xffff)) * 0x9e3779b1u;
	return h >> 24;
}

static uint16_t queue_for(const struct switch_port *p, const struct vmm_net_frame *frame)
{
	unsigned char head[FLOW_HEAD];

	if (p->pairs_now <= 1)
		return 0;
	head_copy(frame, head, sizeof(head));
	return p->flows[flow_of(head)];
}

static void flow_learn(struct switch_port *p, const struct vmm_net_frame *frame)
{
	unsigned char head[FLOW_HEAD];

	if (p->pairs_now <= 1)
		return;
	head_copy(frame, head, sizeof(head));
	p->flows[flow_of(head)] = (uint8_t)frame->queue;
}

/* ---- to the port's own guest, on its loop ---- */

static int give(struct switch_port *p, const struct vmm_net_frame *head,
		const unsigned char *bytes, uint32_t length)
{
	const struct iovec iov = { (void *)(uintptr_t)bytes, length };
	struct vmm_net_frame frame = *head;

	frame.iov = &iov;
	frame.nr_iov = 1;
	frame.length = length;
	frame.queue = queue_for(p, &frame);
	return vmm_net_receive(p->port, &frame);
}

/* A mail that the guest does not take as it is: segment by segment. */
static int give_cut(struct switch_port *p, const struct mail *m)
{
	const struct vmm_net_frame plain = { 0 };

	if (!p->cutting) {
		if (!vmm__gso_begin(&p->gso, m->frame, &m->head))
			return -EPROTO;
		p->cutting = true;
		p->cut_ready = false;
	}
	for (;;) {
		int r;

		if (!p->cut_ready)
			p->segment_length = vmm__gso_next(&p->gso, p->segment);
		if (p->segment_length == 0)
			break;
		p->cut_ready = true;
		r = give(p, &plain, p->segment, p->segment_length);
		if (r == -EAGAIN)
			return r;
		p->cut_ready = false;
	}
	p->cutting = false;
	return 0;
}

/* In the form that the guest takes. Returns 0, -EAGAIN, or what it was lost for. */
static int give_mail(struct switch_port *p, struct mail *m, uint32_t offloads)
{
	uint32_t lacks = vmm__gso_needs(&m->head) & ~offloads;

	if (p->cutting || (lacks && m->head.gso_type != VIRTIO_NET_HDR_GSO_NONE))
		return give_cut(p, m);
	if (lacks) {
		if (!vmm__gso_checksum(m->frame, &m->head))
			return -EPROTO;
		m->head.flags = 0;
	}
	return give(p, &m->head, m->frame, m->head.length);
}

/* With the lock; without it while a frame is given. Returns whether there is more to do. */
static bool deliver_some(struct switch_port *p)
{
	struct mail *m;

	for (uint32_t n = 0; n < TURN_MAX; n++) {
		uint32_t offloads = p->offloads;
		int r;

		m = vmm__mailbox_first(&p->box);
		if (!m)
			return false;
		pthread_mutex_unlock(&p->lock);
		r = give_mail(p, m, offloads);
		pthread_mutex_lock(&p->lock);
		if (r == -EAGAIN) {
			p->waits = true;
			return false;
		}
		p->cutting = false;
		if (r == -EPROTO)
			count(&p->lost);
		vmm__mailbox_take(&p->box);
	}
	return vmm__mailbox_first(&p->box) != NULL;
}

static void commit_pairs(struct switch_port *p)
{
	for (uint32_t q = 0; q < p->pairs_now; q++)
		vmm_net_receive_commit(p->port, q);
}

static void deliver(struct vmm_deferred *deferred)
{
	struct switch_port *p =
		(struct switch_port *)((char *)deferred - offsetof(struct switch_port, deliver));
	bool more;

	pthread_mutex_lock(&p->lock);
	p->called = false;
	more = p->attached && !p->waits && deliver_some(p);
	if (more && !p->called) {
		p->called = true;
		vmm_defer(&p->deliver);
	}
	pthread_mutex_unlock(&p->lock);
	if (p->port)
		commit_pairs(p);
}

static void port_receivable(void *state, uint32_t queue)
{
	struct switch_port *p = state;

	pthread_mutex_lock(&p->lock);
	p->waits = false;
	pthread_mutex_unlock(&p->lock);
	deliver(&p->deliver);
}

/* ---- to another port ---- */

/* With @to's lock. */
static void post(struct switch_port *from, struct switch_port *to,
		 const struct vmm_net_frame *frame)
{
	if (!vmm__mailbox_add(&to->box, from->index, frame)) {
		count(&to->lost);
		return;
	}
	if (!to->called && !to->waits) {
		to->called = true;
		vmm_defer(&to->deliver);
	}
}

/* Both guests are on this loop, and nothing waits that came before. */
static bool at_hand(const struct switch_port *from, struct switch_port *to,
		    const struct vmm_net_frame *frame)
{
	return to->loop == from->loop && !to->waits && !(vmm__gso_needs(frame) & ~to->offloads) &&
	       !vmm__mailbox_first(&to->box);
}

static void forward(struct switch_port *from, struct switch_port *to,
		    const struct vmm_net_frame *frame)
{
	struct vmm_net_frame copy = *frame;

	pthread_mutex_lock(&to->lock);
	if (!to->attached) {
		pthread_mutex_unlock(&to->lock);
		return;
	}
	if (at_hand(from, to, frame)) {
		int r;

		pthread_mutex_unlock(&to->lock);
		copy.queue = queue_for(to, frame);
		r = vmm_net_receive(to->port, &copy);
		from->given |= 1ull << to->index;
		if (r != -EAGAIN)
			return;
		pthread_mutex_lock(&to->lock);
		to->waits = true;
	}
	post(from, to, frame);
	pthread_mutex_unlock(&to->lock);
}

/* The port that alone may send from @key, or MACS_NONE. */
static uint32_t owner_of(const struct vmm_switch *sw, uint64_t key)
{
	for (uint32_t i = 0; i < VMM_SWITCH_PORTS_MAX; i++) {
		if (__atomic_load_n(&sw->ports[i].mac, __ATOMIC_RELAXED) == key)
			return i;
	}
	return MACS_NONE;
}

/* False: the frame's sender is none that may be behind this port. */
static bool sender_learn(struct switch_port *p, const unsigned char *head, uint64_t now)
{
	uint64_t key = macs_key(head + 6);

	if ((head[6] & 1) || key == 0 || (p->mac != 0 && key != p->mac))
		return false;
	if (!vmm__macs_news(&p->sw->macs, key, p->index, now))
		return true;
	if (p->mac == 0 && owner_of(p->sw, key) != MACS_NONE)
		return false;
	vmm__macs_learn(&p->sw->macs, key, p->index, now);
	return true;
}

static int port_transmit(void *state, const struct vmm_net_frame *frame)
{
	struct switch_port *p = state;
	struct vmm_switch *sw = p->sw;
	unsigned char head[NET_ETH_HEADER];
	uint64_t now = now_ns();
	uint32_t to = MACS_NONE;

	head_copy(frame, head, sizeof(head));
	if (!sender_learn(p, head, now))
		return -EACCES;
	flow_learn(p, frame);

	if (!(head[0] & 1))
		to = vmm__macs_find(&sw->macs, macs_key(head), now);
	if (!(head[0] & 1) && to == MACS_NONE && macs_key(head) != 0)
		to = owner_of(sw, macs_key(head));
	if (to != MACS_NONE) {
		if (to != p->index)
			forward(p, &sw->ports[to], frame);
		return 0;
	}
	for (uint32_t i = 0; i < VMM_SWITCH_PORTS_MAX; i++) {
		if (i != p->index)
			forward(p, &sw->ports[i], frame);
	}
	return 0;
}

/* One interrupt for all that a neighbour on this loop was given. */
static void port_commit(void *state, uint32_t queue)
{
	struct switch_port *p = state;
	uint64_t given = p->given;

	p->given = 0;
	for (uint32_t i = 0; given != 0; i++, given >>= 1) {
		if ((given & 1) && p->sw->ports[i].port)
			commit_pairs(&p->sw->ports[i]);
	}
}

/* ---- life ---- */

static void port_agreed(void *state, uint32_t offloads, uint32_t queue_pairs)
{
	struct switch_port *p = state;

	p->pairs_now = queue_pairs;
	memset(p->flows, 0, sizeof(p->flows));
	pthread_mutex_lock(&p->lock);
	p->offloads = offloads;
	/* What waited for a driver that was not there is old. */
	while (p->waits && vmm__mailbox_first(&p->box)) {
		vmm__mailbox_take(&p->box);
		count(&p->lost);
		p->cutting = false;
	}
	pthread_mutex_unlock(&p->lock);
}

static int port_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct switch_port *p = state;
	int r;

	p->segment = malloc(NET_FRAME_MAX);
	if (!p->segment)
		return vmm__fail(-ENOMEM, "no memory for a port of a switch");
	vmm_deferred_init(&p->deliver, loop, deliver);
	p->port = port;
	p->pairs_now = 1;
	p->given = 0;
	p->cutting = false;

	pthread_mutex_lock(&p->lock);
	r = vmm__mailbox_init(&p->box, p->sw->box_bytes);
	if (r == 0) {
		p->loop = loop;
		p->offloads = 0;
		p->called = p->waits = false;
		p->attached = true;
	}
	pthread_mutex_unlock(&p->lock);
	if (r < 0) {
		free(p->segment);
		p->port = NULL;
	}
	return r;
}

static void port_detach(void *state)
{
	struct switch_port *p = state;

	pthread_mutex_lock(&p->lock);
	p->attached = false;
	pthread_mutex_unlock(&p->lock);
	/* Nobody calls it any more. */
	vmm_deferred_cancel(&p->deliver);
	vmm__macs_forget(&p->sw->macs, p->index);
	pthread_mutex_lock(&p->lock);
	vmm__mailbox_finish(&p->box);
	p->loop = NULL;
	pthread_mutex_unlock(&p->lock);
	p->port = NULL;
	free(p->segment);
	p->segment = NULL;
}

static void port_stats(void *state, struct vmm_net_stats *stats)
{
	const struct switch_port *p = state;

	/* What it may not send, the front end counts. */
	stats->backend_rx_lost += __atomic_load_n(&p->lost, __ATOMIC_RELAXED);
}

static void port_destroy(void *state)
{
	vmm__switch_port_release(state);
}

const struct vmm_net_ops vmm__switch_port_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "switch",
	.attach = port_attach,
	.transmit = port_transmit,
	.commit = port_commit,
	.receivable = port_receivable,
	.agreed = port_agreed,
	.stats = port_stats,
	.detach = port_detach,
	.destroy = port_destroy,
};
