/* SPDX-License-Identifier: MIT */
/*
 * stream.c - a console's bytes through descriptors: what fd.c and pty.c share.
 *
 * epoll reports a hang-up even of a descriptor that is watched for nothing, and
 * goes on to. So what is paused and still gets a call is taken out of the loop,
 * and put back when it is wanted again.
 *
 * A terminal may be left and come back: the master side of a pty reads EIO while
 * no program has the other side open; a terminal reads EIO in a background job
 * whose signals are blocked, as those of our loop threads are. The kernel does not
 * tell when that is over: a timer looks, and each output does.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "backends/console/stream_priv.h"

#define LOOK_NS	200000000u	/* how often to look for somebody at the terminal */

static void in_ready(void *data, uint32_t revents);
static void out_ready(void *data, uint32_t revents);

/* ---- input ---- */

static void in_pause(struct stream *s)
{
	s->in_paused = true;
	if (s->in_source)
		(void)vmm_source_watch(s->in_source, 0);
}

static void in_unwatch(struct stream *s)
{
	s->in_paused = true;
	vmm_source_remove(s->in_source);
	s->in_source = NULL;
}

static int in_watch(struct stream *s)
{
	int r = 0;

	s->in_paused = false;
	if (s->in_source)
		r = vmm_source_watch(s->in_source, EPOLLIN);
	else if (s->in.kind != NBIO_ALWAYS)
		r = vmm_loop_add_fd(s->loop, s->in.fd, EPOLLIN, in_ready, s, &s->in_source);

	if (r == -EPERM) {	/* epoll_ctl(2): it cannot be polled */
		s->in.kind = NBIO_ALWAYS;
		r = 0;
	}
	if (s->in.kind == NBIO_ALWAYS)
		vmm_defer(&s->in_again);
	if (r < 0)
		s->in_paused = true;
	return r;
}

/* Give the guest what was read. False: it took less than all. */
static bool in_deliver(struct stream *s)
{
	size_t taken = vmm_console_port_input(s->port, s->in_chunk + s->in_start, s->in_len);

	s->in_start += taken;
	s->in_len -= taken;
	return s->in_len == 0;
}

/* ---- who is at the terminal ---- */

static void look_later(struct stream *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	vmm_timer_set(s->look, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + LOOK_NS);
}

static bool hung_up(const struct nbio *io)
{
	struct pollfd p = { .fd = io->fd };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static void in_return(struct stream *s)
{
	if (!s->in_away || hung_up(&s->in))
		return;
	s->in_away = false;
	if (s->in_len == 0)
		(void)in_watch(s);
}

static void out_return(struct stream *s)
{
	if (!s->out_away || hung_up(&s->out))
		return;
	s->out_away = false;
	if (s->out_refused) {
		s->out_refused = false;
		vmm_console_port_writable(s->port);
	}
}

static void look(void *data)
{
	struct stream *s = data;

	in_return(s);
	out_return(s);
	if (s->in_away || s->out_away)
		look_later(s);
}

/* ---- input, from the loop ---- */

static void in_end(struct stream *s, int error)
{
	in_unwatch(s);
	if (s->ended) {
		s->ended(s);
		return;
	}
	if (error != -EIO || !s->look)
		return;
	s->in_away = true;
	s->out_away = s->out.fd >= 0 && hung_up(&s->out);
	look_later(s);
}

/* One chunk. */
static void in_read(struct stream *s)
{
	ssize_t n = vmm__nbio_read(&s->in, s->in_chunk, sizeof(s->in_chunk));

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		in_end(s, (int)n);
		return;
	}

	s->in_start = 0;
	s->in_len = (size_t)n;
	if (!in_deliver(s))
		in_pause(s);
	else if (s->in.kind == NBIO_ALWAYS)
		vmm_defer(&s->in_again);
}

static void in_ready(void *data, uint32_t revents)
{
	struct stream *s = data;

	if (s->in_paused)
		in_unwatch(s);
	else
		in_read(s);
}

static void in_run(struct vmm_deferred *deferred)
{
	struct stream *s = (struct stream *)((char *)deferred - offsetof(struct stream, in_again));

	if (!s->in_paused)
		in_read(s);
}

void vmm__stream_readable(struct stream *s)
{
	/* With nothing kept it is not the guest that input waits for. */
	if (s->in_len > 0 && in_deliver(s) && !s->in_away)
		(void)in_watch(s);
}

/* ---- output ---- */

static void out_unwatch(struct stream *s)
{
	vmm_source_remove(s->out_source);
	s->out_source = NULL;
}

static void out_watch(struct stream *s)
{
	if (s->out_source || s->out.kind == NBIO_ALWAYS)
		return;
	if (vmm_loop_add_fd(s->loop, s->out.fd, EPOLLOUT, out_ready, s, &s->out_source) == -EPERM)
		s->out.kind = NBIO_ALWAYS;
}

/*
 * Write; returns how much is done with. An error loses these bytes: nobody will
 * read them, and a front end that waits would wait for ever. The next may go (a
 * disk that was full).
 */
static size_t out_write(struct stream *s, const void *data, size_t len)
{
	ssize_t n = vmm__nbio_write(&s->out, data, len);

	if (n == -EAGAIN)
		return 0;
	return n < 0 ? len : (size_t)n;
}

/* Write what waits, as far as it goes. */
static void out_flush(struct stream *s)
{
	while (s->out_len > 0) {
		size_t piece = STREAM_BUFFER - s->out_start, done;

		if (piece > s->out_len)
			piece = s->out_len;
		done = out_write(s, s->out_buffer + s->out_start, piece);
		if (done == 0)
			return;
		s->out_start = (s->out_start + done) % STREAM_BUFFER;
		s->out_len -= done;
	}
	s->out_start = s->out_len = 0;
}

/* Hung up, and full: there is nobody to make room. */
static void out_hung_up(struct stream *s)
{
	if (!s->look) {
		s->out_len = 0;
		return;
	}
	s->out_away = true;
	look_later(s);
}

static void out_ready(void *data, uint32_t revents)
{
	struct stream *s = data;

	out_flush(s);
	if (s->out_len > 0 && (revents & (EPOLLHUP | EPOLLERR)))
		out_hung_up(s);
	if (s->out_len == 0 || s->out_away)
		out_unwatch(s);

	/* Not for each byte: a front end that waits has a good deal to say. */
	if (s->out_refused && !s->out_away && s->out_len <= STREAM_BUFFER / 2) {
		s->out_refused = false;
		vmm_console_port_writable(s->port);
	}
}

/* Keep what there is room for. */
static size_t out_keep(struct stream *s, const unsigned char *data, size_t len)
{
	size_t end, first;

	if (!s->out_buffer)
		s->out_buffer = malloc(STREAM_BUFFER);
	if (!s->out_buffer)
		return 0;

	if (len > STREAM_BUFFER - s->out_len)
		len = STREAM_BUFFER - s->out_len;
	end = (s->out_start + s->out_len) % STREAM_BUFFER;
	first = len < STREAM_BUFFER - end ? len : STREAM_BUFFER - end;
	memcpy(s->out_buffer + end, data, first);
	memcpy(s->out_buffer, data + first, len - first);
	s->out_len += len;
	return len;
}

size_t vmm__stream_write(struct stream *s, const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t done = 0;

	if (s->out.fd < 0)
		return len;
	out_return(s);
	if (s->out_away) {
		s->out_refused = true;
		return 0;
	}

	/* What waits is first; mostly the loop says when there is room for it. */
	if (s->out_len > 0 && !s->out_source)
		out_flush(s);
	while (s->out_len == 0 && done < len) {
		size_t n = out_write(s, bytes + done, len - done);

		if (n == 0)
			break;
		done += n;
	}
	if (done < len)
		done += out_keep(s, bytes + done, len - done);
	if (s->out_len > 0)
		out_watch(s);
	s->out_refused = done < len;
	return done;
}

/* ---- life ---- */

void vmm__stream_init(struct stream *s, const struct nbio *in, const struct nbio *out)
{
	*s = (struct stream){ .in = *in, .out = *out, .in_paused = true };
}

void vmm__stream_finish(struct stream *s)
{
	free(s->out_buffer);
	vmm__nbio_close(&s->in);
	vmm__nbio_close(&s->out);
}

int vmm__stream_attach(struct stream *s, struct vmm_console_port *port, struct vmm_loop *loop)
{
	int r = 0;

	s->port = port;
	s->loop = loop;
	vmm_deferred_init(&s->in_again, loop, in_run);
	if (isatty(s->in.fd) || isatty(s->out.fd))
		r = vmm_loop_add_timer(loop, look, s, &s->look);
	if (r == 0 && s->out.fd >= 0) {
		/* Finds out whether it can be polled. */
		out_watch(s);
		out_unwatch(s);
	}
	if (r == 0 && s->in.fd >= 0)
		r = in_watch(s);
	if (r < 0)
		vmm__stream_detach(s);
	return r;
}

void vmm__stream_detach(struct stream *s)
{
	in_unwatch(s);
	out_unwatch(s);
	vmm_deferred_cancel(&s->in_again);
	vmm_timer_remove(s->look);
	s->look = NULL;
	/* The guest's last words, as far as they go. */
	out_flush(s);
}
