/* SPDX-License-Identifier: MIT */
/*
 * nbd_conn.c - the connection of a network disk, and the next one when it ends.
 *
 * libnbd is a state machine that never blocks; its socket is watched by the loop. One timer
 * does the rest: a server that does not answer, the pause before the next try, the end of
 * patience. What was not answered is sent again by the next connection. What was answered
 * and not flushed may have gone with the server; a flush says so (see nbd.c).
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <time.h>

#include "backends/block/nbd_priv.h"
#include "core/error_priv.h"

#define PAUSE_FIRST_NS	50000000ull
#define PAUSE_MOST_NS	5000000000ull

static void timer_expired(void *data);

uint64_t vmm__nbd_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int vmm__nbd_connect(const struct blk_nbd *nbd, struct nbd_handle **ret_handle)
{
	struct nbd_handle *h = nbd_create();
	int r;

	if (!h)
		return vmm__fail(-ENOMEM, "no memory for a network disk");
	/* Whatever the environment says: nothing is printed here. TLS could raise SIGPIPE. */
	if (nbd_set_debug(h, false) < 0 || nbd_set_uri_allow_tls(h, LIBNBD_TLS_DISABLE) < 0 ||
	    nbd_set_pread_initialize(h, false) < 0 || nbd_aio_connect_uri(h, nbd->uri) < 0) {
		r = nbd_get_errno();
		r = vmm__fail(r > 0 ? -r : -EIO, "cannot connect to %s: %s", nbd->uri,
			      nbd_get_error());
		nbd_close(h);
		return r;
	}
	*ret_handle = h;
	return 0;
}

/* ---- the timer ---- */

static void arm(struct blk_nbd *nbd)
{
	uint64_t at = UINT64_MAX;

	if (!nbd->timer)
		return;
	if (nbd->handle && (!nbd->connected || nbd->nr_sent > 0))
		at = nbd->heard_ns + nbd->timeout_ns;
	if (!nbd->handle)
		at = nbd->retry_ns;
	if (nbd->lost_ns && !nbd->given_up && nbd->lost_ns + nbd->patience_ns < at)
		at = nbd->lost_ns + nbd->patience_ns;
	vmm_timer_set(nbd->timer, at == UINT64_MAX ? 0 : at);
}

/* ---- the end of a connection ---- */

static void unwatch(struct blk_nbd *nbd)
{
	vmm_source_remove(nbd->source);
	nbd->source = NULL;
	nbd->fd = -1;
}

void vmm__nbd_conn_lose(struct blk_nbd *nbd, bool again)
{
	uint64_t now = vmm__nbd_clock();

	unwatch(nbd);
	vmm__nbd_requeue(nbd);
	if (nbd->handle)
		nbd_close(nbd->handle);
	nbd->handle = NULL;
	if (nbd->connected) {
		nbd->lost_ns = now;
		nbd->pause_ns = PAUSE_FIRST_NS;
		if (nbd->writes > nbd->flushed && !(nbd->flags & VMM_BLK_NBD_KEEPS))
			nbd->lost_writes = true;
		nbd->flushed = nbd->writes;
		if (nbd->lost_writes && vmm__nbd_fail_flushes(nbd))
			nbd->lost_writes = false;
	}
	nbd->connected = false;
	nbd->retry_ns = now + nbd->pause_ns;
	nbd->pause_ns = nbd->pause_ns < PAUSE_MOST_NS / 2 ? nbd->pause_ns * 2 : PAUSE_MOST_NS;
	if (again)
		arm(nbd);
}

/* ---- a new one ---- */

/* The server is there: is it still the same disk? */
static bool accept_server(struct blk_nbd *nbd)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	uint32_t most;

	return vmm__nbd_describe(nbd->handle, nbd->flags, &info, &most) == 0 &&
	       info.capacity == nbd->info.capacity && info.block_size <= nbd->info.block_size &&
	       (nbd->info.flags & ~info.flags) == 0 && most >= nbd->most;
}

static void connected(struct blk_nbd *nbd)
{
	nbd->connected = true;
	nbd->given_up = false;
	nbd->lost_ns = 0;
	nbd->pause_ns = PAUSE_FIRST_NS;
	nbd->heard_ns = vmm__nbd_clock();
}

static void connect_again(struct blk_nbd *nbd)
{
	nbd->heard_ns = vmm__nbd_clock();
	if (vmm__nbd_connect(nbd, &nbd->handle) < 0) {
		nbd->handle = NULL;
		vmm__nbd_conn_lose(nbd, true);
		return;
	}
	vmm__nbd_conn_turn(nbd);
}

/* ---- events ---- */

static void notify(struct blk_nbd *nbd, bool readable, bool writable)
{
	unsigned int direction = nbd_aio_get_direction(nbd->handle);

	if (readable && (direction & LIBNBD_AIO_DIRECTION_READ))
		(void)nbd_aio_notify_read(nbd->handle);
	else if (writable && (direction & LIBNBD_AIO_DIRECTION_WRITE))
		(void)nbd_aio_notify_write(nbd->handle);
}

static void socket_ready(void *data, uint32_t revents)
{
	struct blk_nbd *nbd = data;
	bool broken = revents & (EPOLLHUP | EPOLLERR);

	notify(nbd, (revents & EPOLLIN) || broken, (revents & EPOLLOUT) || broken);
	vmm__nbd_conn_turn(nbd);
}

/* The socket changes while one address after the other is tried. */
static int watch(struct blk_nbd *nbd)
{
	unsigned int direction = nbd_aio_get_direction(nbd->handle);
	uint32_t events = (direction & LIBNBD_AIO_DIRECTION_READ ? EPOLLIN : 0u) |
			  (direction & LIBNBD_AIO_DIRECTION_WRITE ? EPOLLOUT : 0u);
	int fd = nbd_aio_get_fd(nbd->handle);

	if (!nbd->loop)
		return 0;
	if (fd >= 0 && fd == nbd->fd)
		return vmm_source_watch(nbd->source, events);
	unwatch(nbd);
	if (fd < 0)
		return -EBADF;
	if (vmm_loop_add_fd(nbd->loop, fd, events, socket_ready, nbd, &nbd->source) < 0)
		return -ENOMEM;
	nbd->fd = fd;
	return 0;
}

void vmm__nbd_conn_turn(struct blk_nbd *nbd)
{
	if (!nbd->handle)
		return;
	if (!nbd->connected && nbd_aio_is_ready(nbd->handle)) {
		if (!accept_server(nbd)) {
			vmm__nbd_conn_lose(nbd, true);
			return;
		}
		connected(nbd);
	}
	/* What is sent may be answered at once, and what was answered makes room. */
	do {
		vmm__nbd_reap(nbd);
		vmm__nbd_pump(nbd);
	} while (nbd->answered.first);

	if (nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle) || watch(nbd) < 0)
		vmm__nbd_conn_lose(nbd, true);
	else
		arm(nbd);
}

void vmm__nbd_conn_wait(struct blk_nbd *nbd, int ms)
{
	unsigned int direction = nbd_aio_get_direction(nbd->handle);
	struct pollfd p = { .fd = nbd_aio_get_fd(nbd->handle) };

	p.events = (short)((direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
			   (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0));
	if (poll(&p, 1, ms) > 0) {
		bool broken = p.revents & (POLLHUP | POLLERR | POLLNVAL);

		notify(nbd, (p.revents & POLLIN) || broken, (p.revents & POLLOUT) || broken);
	}
	vmm__nbd_conn_turn(nbd);
}

static void timer_expired(void *data)
{
	struct blk_nbd *nbd = data;
	uint64_t now = vmm__nbd_clock();

	if (nbd->lost_ns && !nbd->given_up && now >= nbd->lost_ns + nbd->patience_ns) {
		nbd->given_up = true;
		vmm__nbd_fail_all(nbd, -EIO);
	}
	if (nbd->handle && (!nbd->connected || nbd->nr_sent > 0) &&
	    now >= nbd->heard_ns + nbd->timeout_ns)
		vmm__nbd_conn_lose(nbd, true);
	else if (!nbd->handle && now >= nbd->retry_ns)
		connect_again(nbd);
	arm(nbd);
}

/* ---- in and out of use ---- */

int vmm__nbd_conn_attach(struct blk_nbd *nbd, struct vmm_loop *loop)
{
	int r = vmm_loop_add_timer(loop, timer_expired, nbd, &nbd->timer);

	if (r < 0)
		return r;
	nbd->loop = loop;
	if (nbd->handle)
		vmm__nbd_conn_turn(nbd);
	else
		arm(nbd);
	return 0;
}

void vmm__nbd_conn_detach(struct blk_nbd *nbd)
{
	unwatch(nbd);
	vmm_timer_remove(nbd->timer);
	nbd->timer = NULL;
	nbd->loop = NULL;
}
