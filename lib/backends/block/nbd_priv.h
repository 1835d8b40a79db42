/* SPDX-License-Identifier: MIT */
/*
 * nbd_priv.h - the parts of a network disk: nbd_open.c (what is at the far end), nbd_conn.c
 * (the connection, and the next one), nbd.c (requests, cut into commands).
 */
#ifndef BACKENDS_BLOCK_NBD_PRIV_H
#define BACKENDS_BLOCK_NBD_PRIV_H

#include <libnbd.h>
#include <stdbool.h>

#include <libvmm/block.h>

#define NBD_PIECES	64u		/* commands in flight */
#define NBD_DIRECT_MIN	(32u << 10)	/* shorter segments are gathered */
#define NBD_BOUNCE	(128u << 10)	/* bytes gathered for one command */
#define NBD_MOVE_MAX	(1u << 20)	/* moved by one command */
#define NBD_RANGE_MAX	(1u << 30)	/* zeroed or discarded by one command */

struct blk_nbd;

/* What is kept in a request's scratch. */
struct nbd_job {
	struct vmm_blk_request *next;	/* in the list of those with more commands to give */
	uint64_t at;			/* bytes of it for which there are commands */
	uint32_t pending;		/* commands that are not answered */
	int32_t result;
};

_Static_assert(sizeof(struct nbd_job) <= sizeof(((struct vmm_blk_request *)0)->scratch),
	       "fits in the scratch of a request");

static inline struct nbd_job *vmm__nbd_job(struct vmm_blk_request *req)
{
	return (struct nbd_job *)req->scratch;
}

enum nbd_state {
	NBD_FREE,
	NBD_READY,			/* to be sent, for the first time or again */
	NBD_SENT,
	NBD_ANSWERED,			/* by the server, or by the end of the connection */
};

/* One command, from its making until it was answered, over as many connections as it takes. */
struct nbd_piece {
	struct blk_nbd *nbd;
	struct vmm_blk_request *req;
	struct nbd_piece *next;		/* free, or ready, or answered */
	enum nbd_state state;
	uint64_t offset, length;	/* on the disk */
	void *data;			/* of a segment, or @bounce */
	unsigned char *bounce;
	uint64_t writes;		/* of a flush: those that it covers */
	int error;
};

struct nbd_list {
	struct nbd_piece *first;
	struct nbd_piece **last;
};

struct blk_nbd {
	char *uri;
	uint32_t flags;
	uint64_t timeout_ns, patience_ns;
	struct vmm_blk_info info;	/* of the first connection: the next must not be less */
	uint32_t most;			/* bytes that one command may move */

	/* The connection. */
	struct nbd_handle *handle;	/* NULL: none, the timer makes the next */
	bool connected;
	struct vmm_loop *loop;		/* NULL: not in use */
	struct vmm_source *source;
	int fd;				/* that @source watches; -1 */
	struct vmm_timer *timer;
	uint64_t heard_ns;		/* when the server last answered, or was first asked */
	uint64_t lost_ns;		/* when the connection was lost; 0: it is not */
	uint64_t retry_ns;		/* when to try the next; 0: one is being made */
	uint64_t pause_ns;		/* before the try after that */
	bool given_up;			/* requests fail at once until there is a connection */

	/* What was answered and never flushed would be lost with the server. */
	uint64_t writes;		/* that were answered */
	uint64_t flushed;		/* of them, those that a flush covered */
	bool lost_writes;		/* the next flush is to say so */

	struct vmm_blk_request *first;	/* with more commands to give */
	struct vmm_blk_request **last;
	struct nbd_list free, ready, answered;
	uint32_t nr_sent;
	uint32_t nr_open;		/* pieces that are not free */
	struct nbd_piece pieces[NBD_PIECES];
};

extern const struct vmm_blk_ops vmm__nbd_ops;

/* ---- nbd.c ---- */

/* Send what can be sent. */
void vmm__nbd_pump(struct blk_nbd *nbd);

/* Take in what was answered. A command that only the connection's end has answered is sent again. */
void vmm__nbd_reap(struct blk_nbd *nbd);

/* The connection has ended: its commands are to be sent again by the next. */
void vmm__nbd_requeue(struct blk_nbd *nbd);

/* Writes were lost: fail all flushes that there are. False: there is none. */
bool vmm__nbd_fail_flushes(struct blk_nbd *nbd);

/* Answer all there is with @error. */
void vmm__nbd_fail_all(struct blk_nbd *nbd, int error);

/* ---- nbd_conn.c ---- */

/* A handle that is on its way to the server. Errors with words. */
int vmm__nbd_connect(const struct blk_nbd *nbd, struct nbd_handle **ret_handle);

int vmm__nbd_conn_attach(struct blk_nbd *nbd, struct vmm_loop *loop);
void vmm__nbd_conn_detach(struct blk_nbd *nbd);

/* After anything was done with the handle: take in, send, watch, notice the end. */
void vmm__nbd_conn_turn(struct blk_nbd *nbd);

/* Wait up to @ms for the socket, outside of the loop, and do what there is to do. */
void vmm__nbd_conn_wait(struct blk_nbd *nbd, int ms);

/* End this connection. With @again the next one is tried. */
void vmm__nbd_conn_lose(struct blk_nbd *nbd, bool again);

uint64_t vmm__nbd_clock(void);

/* ---- nbd_open.c ---- */

/* What is served by a connection that is ready. Errors with words. */
int vmm__nbd_describe(struct nbd_handle *handle, uint32_t flags, struct vmm_blk_info *ret_info,
		      uint32_t *ret_most);

#endif
