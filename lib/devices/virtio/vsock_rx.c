/* SPDX-License-Identifier: MIT */
/*
 * vsock_rx.c - packets to the guest, made when there is a buffer for them.
 *
 * Those connections that have something to say take turns, one packet each. Data is
 * read by the backend straight into the guest's buffer.
 */
#include <endian.h>
#include <errno.h>

#include "devices/virtio/vsock_priv.h"

#define HDR_BYTES	sizeof(struct virtio_vsock_hdr)
#define TURN_PACKETS	256u
#define DATA_MAX	(64u << 10)	/* of one packet: Linux takes no longer ones */

uint32_t vmm__vsock_slice(const struct iovec *from, uint32_t n, size_t skip, size_t len,
			  struct iovec *to)
{
	uint32_t out = 0;

	for (uint32_t i = 0; i < n && len > 0; i++) {
		size_t cut = from[i].iov_len < skip ? from[i].iov_len : skip;
		size_t span = from[i].iov_len - cut < len ? from[i].iov_len - cut : len;

		skip -= cut;
		if (span == 0)
			continue;
		to[out].iov_base = (unsigned char *)from[i].iov_base + cut;
		to[out].iov_len = span;
		out++;
		len -= span;
	}
	return out;
}

/* ---- one packet ---- */

static uint32_t put(struct vmm_vsock_link *v, struct virtio_vsock_hdr *h, uint32_t len)
{
	h->dst_cid = htole64(v->guest_cid);
	h->len = htole32(len);
	vmm_chain_write(&v->rx, 0, h, sizeof(*h));
	vsock_count(&v->backend->stats.rx_packets, 1);
	vsock_count(&v->backend->stats.rx_bytes, len);
	return (uint32_t)HDR_BYTES + len;
}

static uint32_t put_stray(struct vmm_vsock_link *v)
{
	const struct vsock_stray *s = &v->strays[v->stray_first];
	struct virtio_vsock_hdr h = {
		.src_cid = htole64(s->cid),
		.src_port = htole32(s->host_port), .dst_port = htole32(s->guest_port),
		.type = htole16(s->type), .op = htole16(VIRTIO_VSOCK_OP_RST),
	};

	v->stray_first = (v->stray_first + 1) % VSOCK_RESETS;
	v->nr_strays--;
	return put(v, &h, 0);
}

static uint32_t put_conn(struct vmm_vsock_conn *c, uint16_t op, uint32_t flags, uint32_t len)
{
	struct virtio_vsock_hdr h = {
		.src_cid = htole64(VSOCK_HOST_CID),
		.src_port = htole32(c->host_port), .dst_port = htole32(c->guest_port),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM), .op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(c->v->buffer_bytes), .fwd_cnt = htole32(c->forwarded),
	};

	/* Every packet carries it. */
	c->told = c->forwarded;
	c->say &= ~(uint32_t)VSOCK_SAY_CREDIT;
	return put(c->v, &h, len);
}

/* Take @what off the list of what is to be said. */
static bool takes(struct vmm_vsock_conn *c, uint32_t what)
{
	if (!(c->say & what))
		return false;
	c->say &= ~what;
	return true;
}

static uint32_t put_reset(struct vmm_vsock_conn *c)
{
	uint32_t len = put_conn(c, VIRTIO_VSOCK_OP_RST, 0, 0);

	/* The guest knows it no more; its ports are free. */
	vmm__vsock_unhash(c);
	if (c->state == VSOCK_ENDS)
		vmm__vsock_dead(c);
	return len;
}

static uint32_t put_shutdown(struct vmm_vsock_conn *c)
{
	if (c->host_closed == VSOCK_ALL_HALVES)
		vmm__vsock_set_deadline(c);
	return put_conn(c, VIRTIO_VSOCK_OP_SHUTDOWN, c->host_closed, 0);
}

/* What a connection has to say beside data. 0: nothing. */
static uint32_t put_control(struct vmm_vsock_conn *c)
{
	if (takes(c, VSOCK_SAY_RESET))
		return put_reset(c);
	if (takes(c, VSOCK_SAY_REQUEST))
		return put_conn(c, VIRTIO_VSOCK_OP_REQUEST, 0, 0);
	if (takes(c, VSOCK_SAY_RESPONSE))
		return put_conn(c, VIRTIO_VSOCK_OP_RESPONSE, 0, 0);
	if (takes(c, VSOCK_SAY_SHUTDOWN))
		return put_shutdown(c);
	if (takes(c, VSOCK_SAY_CREDIT))
		return put_conn(c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0);
	if (takes(c, VSOCK_ASK_CREDIT))
		return put_conn(c, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 0);
	return 0;
}

/* ---- data ---- */

/* 5.10.6.3. A guest that says it has taken more than it was sent gets nothing. */
static uint32_t credit_of(const struct vmm_vsock_conn *c)
{
	uint32_t on_its_way = c->sent - c->peer_forwarded;

	return on_its_way < c->peer_alloc ? c->peer_alloc - on_its_way : 0;
}

static bool may_read(const struct vmm_vsock_conn *c)
{
	return c->state == VSOCK_OPEN && c->readable && !(c->host_closed & VMM_VSOCK_NO_SEND) &&
	       !(c->guest_closed & VMM_VSOCK_NO_RECEIVE);
}

/* The backend had less than was asked for. It may have ended the connection. */
static uint32_t read_ended(struct vmm_vsock_conn *c, ssize_t n)
{
	if (n == 0 && c->backend) {
		vmm_vsock_conn_shutdown(c, VMM_VSOCK_NO_SEND);
	} else if (n < 0 && n != -EAGAIN && c->backend) {
		vsock_count(&c->v->backend->stats.resets, 1);
		vmm__vsock_end(c, true);
	}
	return put_control(c);
}

static uint32_t put_data(struct vmm_vsock_conn *c)
{
	struct vmm_vsock_link *v = c->v;
	uint32_t room = v->rx.in_len - (uint32_t)HDR_BYTES, credit = credit_of(c), nr;
	struct iovec iov[VMM_CHAIN_MAX];
	ssize_t n;

	if (!may_read(c))
		return 0;
	if (credit == 0) {
		if (c->begged)
			return 0;
		c->begged = true;
		return put_conn(c, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 0);
	}
	c->begged = false;
	room = room < credit ? room : credit;
	room = room < DATA_MAX ? room : DATA_MAX;

	nr = vmm__vsock_slice(v->rx.iov + v->rx.nr_out, v->rx.nr_in, HDR_BYTES, room, iov);
	/* Before the call, which may say readable() itself. */
	c->readable = false;
	n = v->backend->ops.read(v->backend->state, c, iov, nr);
	if (n <= 0)
		return read_ended(c, n);
	if ((uint64_t)n >= room) {
		n = room;
		c->readable = true;
	}
	if (c->state != VSOCK_OPEN)
		return put_control(c);
	c->sent += (uint32_t)n;
	return put_conn(c, VIRTIO_VSOCK_OP_RW, 0, (uint32_t)n);
}

/* ---- the queue ---- */

/* The next packet, into v->rx: how long it is. 0: that connection had nothing after all. */
static uint32_t next_packet(struct vmm_vsock_link *v)
{
	struct vmm_vsock_conn *c = v->ready.ready_next;
	uint32_t len;

	if (v->nr_strays > 0)
		return put_stray(v);

	vmm__vsock_not_ready(c);
	len = put_control(c);
	if (len == 0)
		len = put_data(c);
	/* Without credit it waits for a packet of the guest's. */
	if (c->say || (may_read(c) && credit_of(c) > 0) || (may_read(c) && !c->begged))
		vmm__vsock_ready(c);
	return len;
}

static bool usable(struct vmm_vsock_link *v)
{
	if (v->rx.in_len > HDR_BYTES)
		return true;
	vmm_device_break(v->dev, "a receive buffer has no room for data");
	return false;
}

void vmm__vsock_rx(struct vmm_vsock_link *v)
{
	struct vmm_queue *queue = vmm_device_queue(v->dev, VSOCK_RX);
	uint32_t budget = TURN_PACKETS;
	bool have = false;

	while ((v->nr_strays > 0 || v->ready.ready_next != &v->ready) && budget > 0) {
		uint32_t len;

		if (!have && vmm_queue_pop(queue, &v->rx) <= 0)
			break;
		if (!have && !usable(v))
			return;
		have = true;
		len = next_packet(v);
		if (len == 0)
			continue;
		vmm_queue_push(queue, &v->rx, len);
		have = false;
		budget--;
	}
	if (have)
		vmm_queue_unpop(queue);
	vmm_queue_notify(queue);
	if (budget == 0) {
		v->cut = true;
		vmm_defer(&v->more);
	}
}
