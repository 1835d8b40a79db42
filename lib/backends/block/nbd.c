/* SPDX-License-Identifier: MIT */
/*
 * nbd.c - requests of a network disk, cut into commands.
 *
 * A command moves one run of bytes, but a guest's segments are many: long ones go to the
 * socket as they are, short ones are gathered into a buffer of ours. All state of a command
 * is kept until it was answered, so that the next connection can send it again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/block/nbd_priv.h"
#include "core/error_priv.h"

#define DRAIN_NS	2000000000ull	/* a server that does not answer holds up a reset so long */

/* ---- lists ---- */

static void append(struct nbd_list *list, struct nbd_piece *piece)
{
	piece->next = NULL;
	*list->last = piece;
	list->last = &piece->next;
}

static struct nbd_piece *take(struct nbd_list *list)
{
	struct nbd_piece *piece = list->first;

	if (piece) {
		list->first = piece->next;
		if (!list->first)
			list->last = &list->first;
	}
	return piece;
}

/* ---- bytes between the guest's segments and a command ---- */

static uint32_t segment_at(const struct vmm_blk_request *req, uint64_t at, size_t *ret_into)
{
	uint32_t i = 0;

	while (at >= req->iov[i].iov_len)
		at -= req->iov[i++].iov_len;
	*ret_into = at;
	return i;
}

static void copy_bounce(const struct nbd_piece *piece)
{
	const struct vmm_blk_request *req = piece->req;
	unsigned char *bounce = piece->bounce;
	size_t len = piece->length, into;
	uint32_t i = segment_at(req, piece->offset - req->offset, &into);

	for (; len > 0; i++, into = 0) {
		unsigned char *guest = (unsigned char *)req->iov[i].iov_base + into;
		size_t n = req->iov[i].iov_len - into;

		if (n > len)
			n = len;
		if (req->op == VMM_BLK_READ)
			memcpy(guest, bounce, n);
		else
			memcpy(bounce, guest, n);
		bounce += n;
		len -= n;
	}
}

/* Which bytes the next command of a read or write moves, and from where to where. */
static int piece_move(struct nbd_piece *piece, uint64_t left)
{
	const struct blk_nbd *nbd = piece->nbd;
	const struct vmm_blk_request *req = piece->req;
	size_t into;
	uint32_t i = segment_at(req, piece->offset - req->offset, &into);
	uint64_t here = req->iov[i].iov_len - into;

	if (here >= NBD_DIRECT_MIN || here >= left) {
		piece->length = here < nbd->most ? here : nbd->most;
		piece->length -= piece->length % nbd->info.block_size;
		piece->data = (char *)req->iov[i].iov_base + into;
		return 0;
	}
	piece->length = left < NBD_BOUNCE ? left : NBD_BOUNCE;
	if (piece->length > nbd->most)
		piece->length = nbd->most;
	piece->bounce = malloc(piece->length);
	if (!piece->bounce)
		return -ENOMEM;
	piece->data = piece->bounce;
	if (req->op == VMM_BLK_WRITE)
		copy_bounce(piece);
	return 0;
}

static int piece_fill(struct nbd_piece *piece, struct vmm_blk_request *req)
{
	struct nbd_job *job = vmm__nbd_job(req);
	uint64_t left = req->length - job->at;
	int r = 0;

	piece->req = req;
	piece->offset = req->offset + job->at;
	piece->length = left < NBD_RANGE_MAX ? left : NBD_RANGE_MAX;
	piece->data = piece->bounce = NULL;
	if (req->op <= VMM_BLK_WRITE)
		r = piece_move(piece, left);
	if (r < 0)
		return r;
	job->at += piece->length;
	job->pending++;
	return 0;
}

/* ---- answers ---- */

static void job_settle(struct vmm_blk_request *req)
{
	const struct nbd_job *job = vmm__nbd_job(req);

	if (job->pending == 0 && (job->at == req->length || job->result < 0))
		vmm_blk_complete(req, job->result);
}

/* The request gives no more commands, whether or not all were given. */
static void job_unlist(struct blk_nbd *nbd, struct vmm_blk_request *req)
{
	struct vmm_blk_request **link = &nbd->first;

	while (*link && *link != req)
		link = &vmm__nbd_job(*link)->next;
	if (!*link)
		return;
	*link = vmm__nbd_job(req)->next;
	if (nbd->last == &vmm__nbd_job(req)->next)
		nbd->last = link;
}

static void piece_finish(struct nbd_piece *piece, int result)
{
	struct blk_nbd *nbd = piece->nbd;
	struct vmm_blk_request *req = piece->req;
	struct nbd_job *job = vmm__nbd_job(req);

	if (result == 0 && piece->bounce && req->op == VMM_BLK_READ)
		copy_bounce(piece);
	free(piece->bounce);
	piece->bounce = NULL;
	piece->state = NBD_FREE;
	append(&nbd->free, piece);
	nbd->nr_open--;

	if (result == 0 && req->op == VMM_BLK_FLUSH && nbd->flushed < piece->writes)
		nbd->flushed = piece->writes;
	else if (result == 0 && !(req->flags & VMM_BLK_THROUGH) &&
		 (req->op == VMM_BLK_WRITE || req->op == VMM_BLK_WRITE_ZEROES))
		nbd->writes++;

	job->pending--;
	if (result < 0 && job->result == 0) {
		job->result = result;
		job_unlist(nbd, req);
	}
	job_settle(req);
}

/* In libnbd, with its lock: only take note. 1: the command is done with. */
static int piece_answered(void *data, int *error)
{
	struct nbd_piece *piece = data;

	piece->error = *error;
	piece->state = NBD_ANSWERED;
	append(&piece->nbd->answered, piece);
	return 1;
}

void vmm__nbd_reap(struct blk_nbd *nbd)
{
	bool dead = !nbd->handle || nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle);
	struct nbd_piece *piece;

	while ((piece = take(&nbd->answered))) {
		nbd->nr_sent--;
		if (piece->error == 0) {
			piece_finish(piece, 0);
		} else if (dead || piece->error == ESHUTDOWN) {
			piece->state = NBD_READY;
			append(&nbd->ready, piece);
		} else {
			piece_finish(piece, piece->error > 0 ? -piece->error : -EIO);
		}
		nbd->heard_ns = vmm__nbd_clock();
	}
}

void vmm__nbd_requeue(struct blk_nbd *nbd)
{
	vmm__nbd_reap(nbd);
	for (uint32_t i = 0; i < NBD_PIECES; i++) {
		struct nbd_piece *piece = &nbd->pieces[i];

		if (piece->state != NBD_SENT)
			continue;
		piece->state = NBD_READY;
		append(&nbd->ready, piece);
	}
	nbd->nr_sent = 0;
}

void vmm__nbd_fail_all(struct blk_nbd *nbd, int error)
{
	struct vmm_blk_request *req;
	struct nbd_piece *piece;

	while ((piece = take(&nbd->ready)))
		piece_finish(piece, error);
	while ((req = nbd->first)) {
		struct nbd_job *job = vmm__nbd_job(req);

		job_unlist(nbd, req);
		if (job->result == 0)
			job->result = error;
		job_settle(req);
	}
}

bool vmm__nbd_fail_flushes(struct blk_nbd *nbd)
{
	struct nbd_list ready = nbd->ready;
	struct vmm_blk_request *req = nbd->first, *next;
	struct nbd_piece *piece;
	bool any = false;

	if (!ready.first)
		ready.last = &ready.first;
	nbd->ready.first = NULL;
	nbd->ready.last = &nbd->ready.first;
	while ((piece = take(&ready))) {
		if (piece->req->op == VMM_BLK_FLUSH) {
			piece_finish(piece, -EIO);
			any = true;
		} else {
			append(&nbd->ready, piece);
		}
	}
	for (; req; req = next) {
		next = vmm__nbd_job(req)->next;
		if (req->op != VMM_BLK_FLUSH)
			continue;
		job_unlist(nbd, req);
		vmm_blk_complete(req, -EIO);
		any = true;
	}
	return any;
}

/* ---- commands ---- */

static int64_t piece_issue(struct nbd_piece *piece)
{
	const nbd_completion_callback done = { .callback = piece_answered, .user_data = piece };
	struct nbd_handle *h = piece->nbd->handle;
	const struct vmm_blk_request *req = piece->req;
	uint32_t flags = 0;

	switch (req->op) {
	case VMM_BLK_READ:
		return nbd_aio_pread(h, piece->data, piece->length, piece->offset, done, 0);
	case VMM_BLK_WRITE:
		flags = req->flags & VMM_BLK_THROUGH ? LIBNBD_CMD_FLAG_FUA : 0;
		return nbd_aio_pwrite(h, piece->data, piece->length, piece->offset, done, flags);
	case VMM_BLK_DISCARD:
		return nbd_aio_trim(h, piece->length, piece->offset, done, 0);
	case VMM_BLK_WRITE_ZEROES:
		flags = req->flags & VMM_BLK_MAY_UNMAP ? 0 : LIBNBD_CMD_FLAG_NO_HOLE;
		return nbd_aio_zero(h, piece->length, piece->offset, done, flags);
	default:
		piece->writes = piece->nbd->writes;
		return nbd_aio_flush(h, done, 0);
	}
}

/* What it is to make stable was with a server that is gone: somebody has to be told. */
static bool flush_is_too_late(struct blk_nbd *nbd, const struct vmm_blk_request *req)
{
	if (req->op != VMM_BLK_FLUSH || !nbd->lost_writes)
		return false;
	nbd->lost_writes = false;
	return true;
}

static void piece_send(struct nbd_piece *piece)
{
	struct blk_nbd *nbd = piece->nbd;

	if (flush_is_too_late(nbd, piece->req)) {
		piece_finish(piece, -EIO);
		return;
	}
	piece->state = NBD_SENT;
	if (nbd->nr_sent++ == 0)
		nbd->heard_ns = vmm__nbd_clock();
	/* Where it is not taken, and its end was not told either, the connection is no more. */
	if (piece_issue(piece) < 0 && piece->state == NBD_SENT) {
		piece->error = nbd_get_errno();
		if (piece->error == 0)
			piece->error = EIO;
		piece->state = NBD_ANSWERED;
		append(&nbd->answered, piece);
	}
}

/* The next command of the first request that has more. NULL: no request, or no room. */
static struct nbd_piece *piece_next(struct blk_nbd *nbd)
{
	struct vmm_blk_request *req = nbd->first;
	struct nbd_piece *piece;
	int r;

	if (!req)
		return NULL;
	piece = take(&nbd->free);
	if (!piece)
		return NULL;
	r = piece_fill(piece, req);
	if (r < 0) {
		append(&nbd->free, piece);
		vmm__nbd_job(req)->result = r;
		job_unlist(nbd, req);
		job_settle(req);
		return NULL;
	}
	nbd->nr_open++;
	if (vmm__nbd_job(req)->at == req->length)
		job_unlist(nbd, req);
	return piece;
}

void vmm__nbd_pump(struct blk_nbd *nbd)
{
	struct nbd_piece *piece;

	while (nbd->connected && !nbd_aio_is_dead(nbd->handle) &&
	       ((piece = take(&nbd->ready)) || (piece = piece_next(nbd))))
		piece_send(piece);
}

/* ---- the table ---- */

static int nbd_attach(void *state, struct vmm_loop *loop)
{
	return vmm__nbd_conn_attach(state, loop);
}

static void nbd_submit(void *state, struct vmm_blk_request *req)
{
	struct blk_nbd *nbd = state;

	*vmm__nbd_job(req) = (struct nbd_job){ .next = NULL };
	if (nbd->given_up) {
		vmm_blk_complete(req, -EIO);
		return;
	}
	*nbd->last = req;
	nbd->last = &vmm__nbd_job(req)->next;
}

static void nbd_commit(void *state)
{
	vmm__nbd_conn_turn(state);
}

/* Of a server that is away, or does not answer for too long, nothing more is expected. */
static void nbd_drain(void *state)
{
	struct blk_nbd *nbd = state;
	uint64_t end = vmm__nbd_clock() + DRAIN_NS;

	vmm__nbd_conn_turn(nbd);
	while (nbd->connected && (nbd->nr_open > 0 || nbd->first) && vmm__nbd_clock() < end)
		vmm__nbd_conn_wait(nbd, 100);
	if (nbd->connected && (nbd->nr_open > 0 || nbd->first))
		vmm__nbd_conn_lose(nbd, true);
	vmm__nbd_fail_all(nbd, -EIO);
}

static void nbd_detach(void *state)
{
	vmm__nbd_conn_detach(state);
}

static void nbd_destroy(void *state)
{
	struct blk_nbd *nbd = state;

	if (nbd->handle) {
		/* In an orderly way, as far as the socket takes it at once. */
		(void)nbd_aio_disconnect(nbd->handle, 0);
		nbd_close(nbd->handle);
	}
	free(nbd->uri);
	free(nbd);
}

static int nbd_resize(void *state, uint64_t capacity, uint64_t *ret_capacity)
{
	return vmm__fail(-EOPNOTSUPP, "a network disk keeps the size that its server told");
}

const struct vmm_blk_ops vmm__nbd_ops = {
	.size = sizeof(struct vmm_blk_ops),
	.name = "nbd",
	.attach = nbd_attach,
	.submit = nbd_submit,
	.commit = nbd_commit,
	.drain = nbd_drain,
	.detach = nbd_detach,
	.destroy = nbd_destroy,
	.resize = nbd_resize,
};
