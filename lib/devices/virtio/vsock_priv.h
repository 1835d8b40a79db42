/* SPDX-License-Identifier: MIT */
/*
 * vsock_priv.h - a socket device and its connections, shared by the vsock*.c files.
 *
 * All of it on the device's loop. The guest sends (tx), vsock_tx.c; packets to it (rx)
 * are made in vsock_rx.c at the moment there is a buffer for them, out of what each
 * connection has to say. So nothing that a guest can make grow is ever queued: a
 * connection waits in one list, and replies to nobody's packets in one small ring.
 */
#ifndef DEVICES_VIRTIO_VSOCK_PRIV_H
#define DEVICES_VIRTIO_VSOCK_PRIV_H

#include <stdbool.h>
#include <linux/virtio_vsock.h>
#include <libvmm/device.h>
#include <libvmm/vsock.h>
#include "backends/vsock/vsock_priv.h"

#define VSOCK_HOST_CID		2u	/* VIRTIO 1.2, 5.10.4 */
#define VSOCK_RESETS		64u	/* replies kept for want of a buffer; then the guest waits */
#define VSOCK_PATIENCE_NS	10000000000u	/* for an answer of the guest's */
#define VSOCK_ALL_HALVES	(VMM_VSOCK_NO_RECEIVE | VMM_VSOCK_NO_SEND)

enum { VSOCK_RX = 0, VSOCK_TX = 1, VSOCK_EVENT = 2, VSOCK_QUEUES = 3 };	/* 5.10.2 */

enum vsock_state {
	VSOCK_ASKING,	/* the host asked, the guest has not answered */
	VSOCK_ASKED,	/* the guest asked, the backend has not answered */
	VSOCK_OPEN,
	VSOCK_LINGERS,	/* the guest has closed it; what it sent is still going out */
	VSOCK_ENDS,	/* the backend has gone; the guest is to be told */
	VSOCK_DEAD,	/* to be freed when no call is using it */
};

/* What a connection has to say to the guest, beside data. */
enum {
	VSOCK_SAY_REQUEST	= 1 << 0,
	VSOCK_SAY_RESPONSE	= 1 << 1,
	VSOCK_SAY_RESET		= 1 << 2,
	VSOCK_SAY_SHUTDOWN	= 1 << 3,
	VSOCK_SAY_CREDIT	= 1 << 4,
	VSOCK_ASK_CREDIT	= 1 << 5,
};

struct vmm_vsock_conn {
	struct vmm_vsock_link *v;
	uint32_t host_port, guest_port;
	enum vsock_state state;
	bool backend;			/* the backend knows it: closed() is due */
	void *data;			/* the backend's */
	uint64_t deadline;		/* the guest must have answered; 0: it need not */

	struct vmm_vsock_conn *next, *prev;		/* all */
	struct vmm_vsock_conn *hash_next;
	struct vmm_vsock_conn *ready_next, *ready_prev;	/* those with something to say */
	bool hashed, ready;

	uint32_t say;			/* VSOCK_SAY_* */
	uint32_t host_closed;		/* halves (VMM_VSOCK_NO_*) as the host said */
	uint32_t guest_closed;		/* as the guest said */
	uint32_t guest_passed;		/* what of that the backend has heard */
	bool readable;			/* read() may have something */
	bool begged;			/* credit was asked for since it ran out */
	bool flush;			/* the backend said writable() inside another call */

	/* From the guest: counters as in 5.10.6.3, which may wrap. */
	uint32_t received, forwarded, told;
	unsigned char *kept;		/* a ring of buffer_bytes; NULL while nothing is kept */
	uint32_t kept_start, kept_len;
	bool lent;			/* the backend is looking at it: to be freed later */

	/* To the guest. What it says is not believed further than it harms itself. */
	uint32_t sent, peer_alloc, peer_forwarded;
};

/* A reply to a packet that belongs to no connection. */
struct vsock_stray {
	uint64_t cid;			/* that it was sent to */
	uint32_t host_port, guest_port;
	uint16_t type;
};

/* The device. */
struct vmm_vsock_link {
	struct vmm_vsock *backend;
	struct vmm_device *dev;
	struct vmm_loop *loop;
	struct vmm_timer *timer;
	struct vmm_deferred more;
	uint64_t timer_set;		/* its deadline; 0: not armed */
	bool active;			/* from DRIVER_OK to the reset */
	bool running;			/* in work(): calls of the backend's only leave word */
	bool again;			/* such a call left word */
	bool tx_due;			/* look at the transmit queue */
	bool tx_held;			/* no more of it before there is room for replies */
	bool cut;			/* the share of this turn is used up: more comes in the next */
	bool event_due;			/* a transport reset to tell of */
	bool any_flush, any_dead;

	uint64_t guest_cid;
	uint32_t max_connections, nr_connections;
	uint32_t buffer_bytes;
	uint32_t next_port;
	struct vmm_vsock_conn all, ready;	/* heads */
	struct vmm_vsock_conn **hash;
	uint32_t hash_mask;

	struct vsock_stray strays[VSOCK_RESETS];
	uint32_t stray_first, nr_strays;

	struct vmm_chain tx, rx;	/* scratch space */
};

/* ---- vsock.c ---- */

/* Do what is due; from inside itself, leave word. The last thing that each call does. */
void vmm__vsock_work(struct vmm_vsock_link *v);

/* Around what calls the backend outside of that: connections hold still. */
bool vmm__vsock_enter(struct vmm_vsock_link *v);
void vmm__vsock_leave(struct vmm_vsock_link *v, bool outer);

/* ---- vsock_conn.c ---- */

struct vmm_vsock_conn *vmm__vsock_find(const struct vmm_vsock_link *v, uint32_t guest_port,
				       uint32_t host_port);
/* NULL: as many as may be, or no memory. */
struct vmm_vsock_conn *vmm__vsock_new(struct vmm_vsock_link *v, uint32_t guest_port,
				      uint32_t host_port, enum vsock_state state);
void vmm__vsock_unhash(struct vmm_vsock_conn *conn);

/* It has something to say to the guest, or data. */
void vmm__vsock_ready(struct vmm_vsock_conn *conn);
void vmm__vsock_not_ready(struct vmm_vsock_conn *conn);
void vmm__vsock_say(struct vmm_vsock_conn *conn, uint32_t what);

/* Over: the backend is told (unless it said so itself) and, with @tell, the guest. */
void vmm__vsock_end(struct vmm_vsock_conn *conn, bool tell);
void vmm__vsock_dead(struct vmm_vsock_conn *conn);

/* The guest has to answer within VSOCK_PATIENCE_NS. */
void vmm__vsock_set_deadline(struct vmm_vsock_conn *conn);
void vmm__vsock_expire(void *data);

/* End all of them without a word to the guest; what the guest closed goes out yet, unless @last. */
void vmm__vsock_end_all(struct vmm_vsock_link *v, bool last);
void vmm__vsock_reap(struct vmm_vsock_link *v);

/* ---- vsock_tx.c ---- */

void vmm__vsock_tx(struct vmm_vsock_link *v);
/* Give the backend what was kept, as far as it goes. */
void vmm__vsock_flush(struct vmm_vsock_conn *conn);

/* ---- vsock_rx.c ---- */

void vmm__vsock_rx(struct vmm_vsock_link *v);
/* @skip bytes into @n segments, @len bytes from there, as segments. */
uint32_t vmm__vsock_slice(const struct iovec *from, uint32_t n, size_t skip, size_t len,
			  struct iovec *to);

#endif
