/* SPDX-License-Identifier: MIT */
/*
 * vsock_conn.c - the connections of a socket device: found, made, ended.
 *
 * A connection may end in the middle of a call that uses it, also by a call of the
 * backend's from inside its own callback. So it is only marked, and freed when the
 * device's work is done.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/error_priv.h"
#include "devices/virtio/vsock_priv.h"

/* ---- looking up ---- */

static struct vmm_vsock_conn **bucket(const struct vmm_vsock_link *v, uint32_t guest_port,
				      uint32_t host_port)
{
	uint32_t h = (guest_port * 0x9e3779b1u) ^ (host_port * 0x85ebca6bu);

	return &v->hash[(h ^ h >> 15) & v->hash_mask];
}

struct vmm_vsock_conn *vmm__vsock_find(const struct vmm_vsock_link *v, uint32_t guest_port,
				       uint32_t host_port)
{
	struct vmm_vsock_conn *c = *bucket(v, guest_port, host_port);

	while (c && (c->guest_port != guest_port || c->host_port != host_port))
		c = c->hash_next;
	return c;
}

void vmm__vsock_unhash(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock_conn **at = bucket(conn->v, conn->guest_port, conn->host_port);

	if (!conn->hashed)
		return;
	while (*at != conn)
		at = &(*at)->hash_next;
	*at = conn->hash_next;
	conn->hashed = false;
}

/* ---- who has something to say ---- */

void vmm__vsock_ready(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock_conn *head = &conn->v->ready;

	if (conn->ready || conn->state == VSOCK_DEAD)
		return;
	conn->ready = true;
	conn->ready_prev = head->ready_prev;
	conn->ready_next = head;
	head->ready_prev->ready_next = conn;
	head->ready_prev = conn;
}

void vmm__vsock_not_ready(struct vmm_vsock_conn *conn)
{
	if (!conn->ready)
		return;
	conn->ready = false;
	conn->ready_prev->ready_next = conn->ready_next;
	conn->ready_next->ready_prev = conn->ready_prev;
}

void vmm__vsock_say(struct vmm_vsock_conn *conn, uint32_t what)
{
	conn->say |= what;
	vmm__vsock_ready(conn);
}

/* ---- life ---- */

struct vmm_vsock_conn *vmm__vsock_new(struct vmm_vsock_link *v, uint32_t guest_port,
				      uint32_t host_port, enum vsock_state state)
{
	struct vmm_vsock_conn **at = bucket(v, guest_port, host_port);
	struct vmm_vsock_conn *c;

	if (v->nr_connections == v->max_connections)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->v = v;
	c->guest_port = guest_port;
	c->host_port = host_port;
	c->state = state;
	c->hash_next = *at;
	c->hashed = true;
	*at = c;
	c->prev = v->all.prev;
	c->next = &v->all;
	v->all.prev->next = c;
	v->all.prev = c;
	v->nr_connections++;
	vsock_count(&v->backend->stats.connections, 1);
	return c;
}

static void forget_kept(struct vmm_vsock_conn *conn)
{
	if (!conn->lent) {
		free(conn->kept);
		conn->kept = NULL;
	}
	vsock_count(&conn->v->backend->stats.buffered, -(uint64_t)conn->kept_len);
	conn->forwarded += conn->kept_len;
	conn->kept_len = 0;
}

void vmm__vsock_dead(struct vmm_vsock_conn *conn)
{
	assert(!conn->backend);
	if (conn->state == VSOCK_DEAD)
		return;
	forget_kept(conn);
	vmm__vsock_not_ready(conn);
	vmm__vsock_unhash(conn);
	conn->state = VSOCK_DEAD;
	conn->v->any_dead = true;
}

void vmm__vsock_end(struct vmm_vsock_conn *conn, bool tell)
{
	struct vmm_vsock *backend = conn->v->backend;

	/* Before the call: the backend may do anything in it but use this connection. */
	tell = tell && conn->hashed;
	if (conn->state == VSOCK_DEAD)
		return;
	if (tell) {
		conn->state = VSOCK_ENDS;
		conn->say = VSOCK_SAY_RESET;
		conn->deadline = 0;
		forget_kept(conn);
		vmm__vsock_ready(conn);
	}
	if (conn->backend) {
		conn->backend = false;
		backend->ops.closed(backend->state, conn);
	}
	if (!tell)
		vmm__vsock_dead(conn);
}

static void free_conn(struct vmm_vsock_conn *conn)
{
	conn->prev->next = conn->next;
	conn->next->prev = conn->prev;
	conn->v->nr_connections--;
	vsock_count(&conn->v->backend->stats.connections, -(uint64_t)1);
	free(conn);
}

void vmm__vsock_reap(struct vmm_vsock_link *v)
{
	struct vmm_vsock_conn *c, *next;

	if (!v->any_dead)
		return;
	v->any_dead = false;
	for (c = v->all.next; c != &v->all; c = next) {
		next = c->next;
		if (c->state == VSOCK_DEAD)
			free_conn(c);
	}
}

/* None is freed here, so the list holds still, whatever closed() does. */
void vmm__vsock_end_all(struct vmm_vsock_link *v, bool last)
{
	for (struct vmm_vsock_conn *c = v->all.next; c != &v->all; c = c->next) {
		if (c->state == VSOCK_LINGERS && !last) {
			vmm__vsock_not_ready(c);
			vmm__vsock_unhash(c);
			c->say = 0;
			continue;
		}
		if (c->state == VSOCK_LINGERS)
			vmm__vsock_flush(c);
		vmm__vsock_end(c, false);
	}
}

/* ---- patience ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void arm(struct vmm_vsock_link *v, uint64_t deadline)
{
	if (v->timer_set != 0 && v->timer_set <= deadline)
		return;
	v->timer_set = deadline;
	vmm_timer_set(v->timer, deadline);
}

void vmm__vsock_set_deadline(struct vmm_vsock_conn *conn)
{
	conn->deadline = now_ns() + VSOCK_PATIENCE_NS;
	arm(conn->v, conn->deadline);
}

void vmm__vsock_expire(void *data)
{
	struct vmm_vsock_link *v = data;
	bool outer = vmm__vsock_enter(v);
	uint64_t now = now_ns();

	v->timer_set = 0;
	for (struct vmm_vsock_conn *c = v->all.next; c != &v->all; c = c->next) {
		if (c->deadline == 0)
			continue;
		if (c->deadline > now) {
			arm(v, c->deadline);
			continue;
		}
		vsock_count(c->state == VSOCK_ASKING ? &v->backend->stats.refused :
			    &v->backend->stats.resets, 1);
		vmm__vsock_end(c, true);
	}
	vmm__vsock_leave(v, outer);
}

/* ---- what a backend calls ---- */

/* As Firecracker and others do: far from the ports that people choose. */
static uint32_t free_port(struct vmm_vsock_link *v, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = v->next_port;
		v->next_port = port == INT32_MAX ? 1u << 30 : port + 1;
	} while (vmm__vsock_find(v, guest_port, port));
	return port;
}

int vmm_vsock_connect(struct vmm_vsock_link *v, uint32_t guest_port, void *data,
		      struct vmm_vsock_conn **ret_conn)
{
	struct vmm_vsock_conn *c;

	if (!v->active || !vmm_device_active(v->dev))
		return vmm__fail(-ENOTCONN, "the guest runs no driver for its socket device");
	if (v->nr_connections == v->max_connections)
		return vmm__fail(-ENOSPC, "the guest has %u connections already",
				 v->max_connections);
	c = vmm__vsock_new(v, guest_port, free_port(v, guest_port), VSOCK_ASKING);
	if (!c)
		return vmm__fail(-ENOMEM, "no memory for a connection");
	c->backend = true;
	c->data = data;
	vsock_count(&v->backend->stats.from_host, 1);
	vmm__vsock_set_deadline(c);
	vmm__vsock_say(c, VSOCK_SAY_REQUEST);
	*ret_conn = c;
	/* In the next turn: it must not be over before the caller has heard of it. */
	vmm_defer(&v->more);
	return 0;
}

void vmm_vsock_conn_accept(struct vmm_vsock_conn *conn)
{
	if (conn->state != VSOCK_ASKED)
		return;
	conn->state = VSOCK_OPEN;
	vmm__vsock_say(conn, VSOCK_SAY_RESPONSE | (conn->host_closed ? VSOCK_SAY_SHUTDOWN : 0));
	vmm__vsock_work(conn->v);
}

void vmm_vsock_conn_readable(struct vmm_vsock_conn *conn)
{
	if (conn->readable)
		return;
	conn->readable = true;
	if (conn->state != VSOCK_OPEN)
		return;
	vmm__vsock_ready(conn);
	vmm__vsock_work(conn->v);
}

void vmm_vsock_conn_writable(struct vmm_vsock_conn *conn)
{
	if (conn->kept_len == 0)
		return;
	conn->flush = true;
	conn->v->any_flush = true;
	vmm__vsock_work(conn->v);
}

void vmm_vsock_conn_shutdown(struct vmm_vsock_conn *conn, uint32_t halves)
{
	struct vmm_vsock_link *v = conn->v;
	bool outer;

	halves &= VSOCK_ALL_HALVES & ~conn->host_closed;
	if (halves == 0)
		return;
	outer = vmm__vsock_enter(v);
	conn->host_closed |= halves;
	if (halves & VMM_VSOCK_NO_RECEIVE)
		forget_kept(conn);
	if (conn->state == VSOCK_OPEN)
		vmm__vsock_say(conn, VSOCK_SAY_SHUTDOWN);
	else if (conn->state == VSOCK_LINGERS)
		vmm__vsock_end(conn, conn->say & VSOCK_SAY_RESET);
	vmm__vsock_leave(v, outer);
}

void vmm_vsock_conn_reset(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock_link *v = conn->v;

	conn->backend = false;
	if (conn->state == VSOCK_ASKED)
		vsock_count(&v->backend->stats.refused, 1);
	else
		vsock_count(&v->backend->stats.resets, 1);
	vmm__vsock_end(conn, true);
	vmm__vsock_work(v);
}

void vmm_vsock_conn_set_data(struct vmm_vsock_conn *conn, void *data)
{
	conn->data = data;
}

void *vmm_vsock_conn_data(const struct vmm_vsock_conn *conn)
{
	return conn->data;
}

uint32_t vmm_vsock_conn_host_port(const struct vmm_vsock_conn *conn)
{
	return conn->host_port;
}

uint32_t vmm_vsock_conn_guest_port(const struct vmm_vsock_conn *conn)
{
	return conn->guest_port;
}
