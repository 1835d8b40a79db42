/* SPDX-License-Identifier: MIT */
/*
 * vsock_tx.c - packets from the guest.
 *
 * A header is copied out once. A packet that is shorter than it says is no packet: the
 * driver has broken the device. Whatever else is wrong concerns a connection, and
 * is answered with its reset, as by any peer.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "devices/virtio/vsock_priv.h"

#define HDR_BYTES	sizeof(struct virtio_vsock_hdr)
#define TURN_BYTES	(1u << 20)	/* taken before the others of the loop have their turn */
#define PACKET_COST	2048u		/* what a packet counts for at least */

/* One packet, in the host's byte order. */
struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t guest_port, host_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
};

/* ---- replies to nobody's packets ---- */

static void stray(struct vmm_vsock_link *v, const struct packet *p)
{
	uint32_t at = (v->stray_first + v->nr_strays) % VSOCK_RESETS;

	/* 5.10.6.4.1: never a reset for a reset. There is room: see vmm__vsock_tx(). */
	if (p->op == VIRTIO_VSOCK_OP_RST)
		return;
	v->strays[at] = (struct vsock_stray){
		.cid = p->dst_cid, .host_port = p->host_port, .guest_port = p->guest_port,
		.type = p->type,
	};
	v->nr_strays++;
}

static void broke_rules(struct vmm_vsock_conn *conn)
{
	vsock_count(&conn->v->backend->stats.resets, 1);
	vmm__vsock_end(conn, true);
}

/* ---- data ---- */

/* The guest hears of room before it has used up what it knows of. */
static void credit(struct vmm_vsock_conn *conn)
{
	if (conn->forwarded - conn->told >= conn->v->buffer_bytes / 4)
		vmm__vsock_say(conn, VSOCK_SAY_CREDIT);
}

/* All that the guest sent has gone out. */
static void drained(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock *backend = conn->v->backend;
	uint32_t news = conn->guest_closed & ~conn->guest_passed & VMM_VSOCK_NO_SEND;

	if (conn->state == VSOCK_LINGERS) {
		vmm__vsock_end(conn, conn->say & VSOCK_SAY_RESET);
		return;
	}
	conn->guest_passed |= news;
	if (news && conn->backend && backend->ops.shutdown)
		backend->ops.shutdown(backend->state, conn, news);
}

/* Offer @len bytes to the backend; how many it took. It may have ended the connection. */
static uint32_t offer(struct vmm_vsock_conn *conn, const struct iovec *iov, uint32_t nr,
		      uint32_t len)
{
	struct vmm_vsock *backend = conn->v->backend;
	ssize_t n = backend->ops.write(backend->state, conn, iov, nr);

	if (n >= 0)
		return (uint64_t)n < len ? (uint32_t)n : len;
	if (n == -EAGAIN)
		return 0;
	/* Nobody will read it. What the host has still to say goes on. */
	if (conn->backend)
		vmm_vsock_conn_shutdown(conn, VMM_VSOCK_NO_RECEIVE);
	return len;
}

void vmm__vsock_flush(struct vmm_vsock_conn *conn)
{
	uint32_t size = conn->v->buffer_bytes;

	while (conn->kept_len > 0) {
		uint32_t first = size - conn->kept_start, len = conn->kept_len, n;
		struct iovec iov[2];

		first = first < len ? first : len;
		iov[0] = (struct iovec){ conn->kept + conn->kept_start, first };
		iov[1] = (struct iovec){ conn->kept, len - first };
		conn->lent = true;
		n = offer(conn, iov, len > first ? 2 : 1, len);
		conn->lent = false;
		/* Gone, and counted, when the connection ended meanwhile. */
		if (conn->kept_len == 0)
			break;
		conn->kept_start = (conn->kept_start + n) % size;
		conn->kept_len -= n;
		conn->forwarded += n;
		vsock_count(&conn->v->backend->stats.buffered, -(uint64_t)n);
		if (n < len)
			break;
	}
	if (conn->kept_len == 0) {
		free(conn->kept);
		conn->kept = NULL;
	}
	if (!conn->backend)
		return;
	if (conn->kept_len == 0)
		drained(conn);
	if (conn->state == VSOCK_OPEN)
		credit(conn);
}

/* Keep the @len bytes of @chain from @skip on; they fit. False: no memory. */
static bool keep(struct vmm_vsock_conn *conn, const struct vmm_chain *chain, size_t skip,
		 uint32_t len)
{
	uint32_t size = conn->v->buffer_bytes, end, first;

	if (len == 0)
		return true;
	if (!conn->kept) {
		conn->kept = malloc(size);
		conn->kept_start = 0;
	}
	if (!conn->kept)
		return false;
	end = (conn->kept_start + conn->kept_len) % size;
	first = len < size - end ? len : size - end;
	vmm_chain_read(chain, skip, conn->kept + end, first);
	vmm_chain_read(chain, skip + first, conn->kept, len - first);
	conn->kept_len += len;
	vsock_count(&conn->v->backend->stats.buffered, len);
	return true;
}

static void data(struct vmm_vsock_conn *conn, const struct packet *p,
		 const struct vmm_chain *chain)
{
	struct iovec iov[VMM_CHAIN_MAX];
	uint32_t taken = 0, nr;

	/* 5.10.6.3: more than it was told there is room for. */
	if (conn->state != VSOCK_OPEN || (conn->guest_closed & VMM_VSOCK_NO_SEND) ||
	    p->len > conn->v->buffer_bytes - conn->kept_len) {
		broke_rules(conn);
		return;
	}
	conn->received += p->len;
	vsock_count(&conn->v->backend->stats.tx_bytes, p->len);

	if (conn->host_closed & VMM_VSOCK_NO_RECEIVE) {
		taken = p->len;
	} else if (conn->kept_len == 0 && p->len > 0) {
		nr = vmm__vsock_slice(chain->iov, chain->nr_out, HDR_BYTES, p->len, iov);
		taken = offer(conn, iov, nr, p->len);
		if (conn->state != VSOCK_OPEN)
			return;
		if (conn->host_closed & VMM_VSOCK_NO_RECEIVE)
			taken = p->len;
	}
	conn->forwarded += taken;
	if (!keep(conn, chain, HDR_BYTES + taken, p->len - taken)) {
		broke_rules(conn);
		return;
	}
	credit(conn);
}

/* ---- the rest of a connection's life ---- */

static void request(struct vmm_vsock_link *v, const struct packet *p)
{
	struct vmm_vsock *backend = v->backend;
	struct vmm_vsock_conn *conn;
	int r;

	vsock_count(&backend->stats.from_guest, 1);
	conn = backend->ops.connect ? vmm__vsock_new(v, p->guest_port, p->host_port, VSOCK_ASKED) :
				      NULL;
	if (!conn) {
		vsock_count(&backend->stats.refused, 1);
		stray(v, p);
		return;
	}
	conn->peer_alloc = p->buf_alloc;
	conn->peer_forwarded = p->fwd_cnt;
	conn->backend = true;
	r = backend->ops.connect(backend->state, conn);
	if (r < 0 && conn->backend) {
		vsock_count(&backend->stats.refused, 1);
		conn->backend = false;
		vmm__vsock_end(conn, true);
	}
}

static void response(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock *backend = conn->v->backend;

	if (conn->state != VSOCK_ASKING || (conn->say & VSOCK_SAY_REQUEST) ||
	    !backend->ops.connected) {
		broke_rules(conn);
		return;
	}
	conn->state = VSOCK_OPEN;
	conn->deadline = 0;
	if (conn->host_closed)
		vmm__vsock_say(conn, VSOCK_SAY_SHUTDOWN);
	if (conn->readable)
		vmm__vsock_ready(conn);
	backend->ops.connected(backend->state, conn);
}

static void reset(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock_link *v = conn->v;

	if (conn->state == VSOCK_LINGERS) {
		vmm__vsock_not_ready(conn);
		vmm__vsock_unhash(conn);
		conn->say = 0;
		return;
	}
	if (conn->state == VSOCK_ASKING)
		vsock_count(&v->backend->stats.refused, 1);
	else if (conn->state == VSOCK_OPEN && conn->host_closed != VSOCK_ALL_HALVES)
		vsock_count(&v->backend->stats.resets, 1);
	vmm__vsock_end(conn, false);
}

/*
 * 5.10.6.6: both halves at once, or one after the other, is how a connection ends in good
 * order; it is answered with a reset. What was sent before goes out first, without the
 * guest's waiting for it.
 */
static void guest_shutdown(struct vmm_vsock_conn *conn, uint32_t flags)
{
	struct vmm_vsock *backend = conn->v->backend;
	uint32_t news = flags & VSOCK_ALL_HALVES & ~conn->guest_closed;

	if (conn->state != VSOCK_OPEN) {
		broke_rules(conn);
		return;
	}
	conn->guest_closed |= news;
	if (news & VMM_VSOCK_NO_RECEIVE) {
		conn->guest_passed |= VMM_VSOCK_NO_RECEIVE;
		if (backend->ops.shutdown)
			backend->ops.shutdown(backend->state, conn, VMM_VSOCK_NO_RECEIVE);
	}
	if (conn->state != VSOCK_OPEN)
		return;
	if (conn->guest_closed == VSOCK_ALL_HALVES) {
		conn->state = VSOCK_LINGERS;
		conn->deadline = 0;
		conn->say = 0;
		vmm__vsock_say(conn, VSOCK_SAY_RESET);
	}
	if (conn->kept_len == 0)
		drained(conn);
}

/* ---- one packet ---- */

static void to_conn(struct vmm_vsock_conn *conn, const struct packet *p,
		    const struct vmm_chain *chain)
{
	/* What it is to hear already is enough. */
	if (conn->state == VSOCK_ENDS && p->op != VIRTIO_VSOCK_OP_RST)
		return;
	if (conn->state == VSOCK_LINGERS && p->op != VIRTIO_VSOCK_OP_RST)
		return;

	conn->peer_alloc = p->buf_alloc;
	conn->peer_forwarded = p->fwd_cnt;
	if (conn->readable)
		vmm__vsock_ready(conn);

	switch (p->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		response(conn);
		break;
	case VIRTIO_VSOCK_OP_RST:
		reset(conn);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		guest_shutdown(conn, p->flags);
		break;
	case VIRTIO_VSOCK_OP_RW:
		data(conn, p, chain);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		if (conn->state == VSOCK_OPEN)
			vmm__vsock_say(conn, VSOCK_SAY_CREDIT);
		break;
	default:	/* REQUEST too: this one is there already */
		broke_rules(conn);
		break;
	}
}

static void dispatch(struct vmm_vsock_link *v, const struct packet *p,
		     const struct vmm_chain *chain)
{
	struct vmm_vsock_conn *conn = NULL;
	bool ours = p->dst_cid == VSOCK_HOST_CID && p->type == VIRTIO_VSOCK_TYPE_STREAM;

	vsock_count(&v->backend->stats.tx_packets, 1);
	if (ours && p->src_cid == v->guest_cid)
		conn = vmm__vsock_find(v, p->guest_port, p->host_port);

	if (conn) {
		to_conn(conn, p, chain);
	} else if (ours && p->src_cid == v->guest_cid && p->op == VIRTIO_VSOCK_OP_REQUEST) {
		request(v, p);
	} else {
		vsock_count(&v->backend->stats.dropped, 1);
		/* To the sender, and whom it says it is is not that. */
		if (p->src_cid == v->guest_cid)
			stray(v, p);
	}
}

/* False: it is none, and the device is broken. */
static bool read_packet(struct vmm_vsock_link *v, struct packet *p)
{
	struct virtio_vsock_hdr h;

	if (vmm_chain_read(&v->tx, 0, &h, sizeof(h)) < sizeof(h)) {
		vmm_device_break(v->dev, "a packet is smaller than its header");
		return false;
	}
	*p = (struct packet){
		.src_cid = le64toh(h.src_cid), .dst_cid = le64toh(h.dst_cid),
		.guest_port = le32toh(h.src_port), .host_port = le32toh(h.dst_port),
		.len = le32toh(h.len), .type = le16toh(h.type), .op = le16toh(h.op),
		.flags = le32toh(h.flags),
		.buf_alloc = le32toh(h.buf_alloc), .fwd_cnt = le32toh(h.fwd_cnt),
	};
	if (p->len > v->tx.out_len - HDR_BYTES) {
		vmm_device_break(v->dev, "a packet is longer than its buffer");
		return false;
	}
	return true;
}

void vmm__vsock_tx(struct vmm_vsock_link *v)
{
	struct vmm_queue *queue = vmm_device_queue(v->dev, VSOCK_TX);
	uint32_t budget = TURN_BYTES;
	struct packet p;

	while (budget > 0) {
		/* 5.10.6.2: what asks for an answer waits for room for that. */
		v->tx_held = v->nr_strays == VSOCK_RESETS;
		if (v->tx_held || vmm_queue_pop(queue, &v->tx) <= 0)
			break;
		if (!read_packet(v, &p))
			return;
		dispatch(v, &p, &v->tx);
		vmm_queue_push(queue, &v->tx, 0);
		p.len = p.len < PACKET_COST ? PACKET_COST : p.len;
		budget -= p.len < budget ? p.len : budget;
	}
	vmm_queue_notify(queue);
	if (budget == 0) {
		v->cut = true;
		vmm_defer(&v->more);
	}
}
