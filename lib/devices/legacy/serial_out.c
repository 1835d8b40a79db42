/* SPDX-License-Identifier: MIT */
/* serial_out.c - the buffer between a serial port's transmitter and its backend. */
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "backends/console/console_priv.h"
#include "devices/legacy/serial_out_priv.h"

#define OUT_PIECE	4096u
#define FLUSH_NS	1000000u

/* ---- with the lock ---- */

bool vmm__serial_out_put(struct serial_out *out, uint8_t byte)
{
	if (out->len == SERIAL_OUT_SIZE)
		return false;
	out->bytes[(out->start + out->len++) % SERIAL_OUT_SIZE] = byte;
	/* The loop looks by itself, unless it would come too late. */
	if (!out->scheduled || out->len == SERIAL_OUT_SIZE / 2) {
		out->scheduled = true;
		vmm_defer(&out->work);
	}
	return true;
}

/* Copy the oldest bytes. They stay until they were taken. */
static uint32_t peek(const struct serial_out *out, uint8_t *piece)
{
	uint32_t len = SERIAL_OUT_SIZE - out->start;

	if (len > out->len)
		len = out->len;
	if (len > OUT_PIECE)
		len = OUT_PIECE;
	memcpy(piece, out->bytes + out->start, len);
	return len;
}

static void advance(struct serial_out *out, uint32_t len)
{
	out->len -= len;
	/* From the start again: what is little touches few pages. */
	out->start = out->len > 0 ? (out->start + len) % SERIAL_OUT_SIZE : 0;
	out->sent(out->owner);
}

/* ---- on the loop ---- */

/* Give the backend what it takes. Returns whether it took anything. */
static bool flush(struct serial_out *out)
{
	uint8_t piece[OUT_PIECE];
	uint32_t done = 0, len, taken;

	out->flushing = true;
	while (done < SERIAL_OUT_SIZE && !out->stalled) {
		pthread_mutex_lock(out->lock);
		len = peek(out, piece);
		pthread_mutex_unlock(out->lock);
		if (len == 0)
			break;

		out->stalled = true;	/* before the call, which may say writable() itself */
		taken = (uint32_t)vmm__console_write(out->port, piece, len);
		if (taken == len)
			out->stalled = false;

		pthread_mutex_lock(out->lock);
		advance(out, taken);
		pthread_mutex_unlock(out->lock);
		done += taken;
		if (taken == 0)
			break;
	}
	out->flushing = false;
	return done > 0;
}

static void flush_later(struct serial_out *out)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	vmm_timer_set(out->timer, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + FLUSH_NS);
}

/*
 * Flush, and look again soon if that was of use. While the backend is stalled nobody looks
 * until it calls.
 */
static void pump(struct serial_out *out)
{
	bool more;

	if (out->flushing)
		return;
	more = flush(out);
	if (out->stalled)
		return;

	pthread_mutex_lock(out->lock);
	more |= out->len > 0;
	out->scheduled = more;
	pthread_mutex_unlock(out->lock);
	if (more)
		flush_later(out);
}

static void timer_expired(void *data)
{
	pump(data);
}

static void work(struct vmm_deferred *deferred)
{
	pump((struct serial_out *)((char *)deferred - offsetof(struct serial_out, work)));
}

void vmm__serial_out_writable(struct serial_out *out)
{
	out->stalled = false;
	pump(out);
}

/* ---- */

void vmm__serial_out_flush(struct serial_out *out)
{
	struct vmm_loop *loop = out->work.loop;

	vmm_loop_enter(loop);
	if (!out->flushing)
		(void)flush(out);
	vmm_loop_leave(loop);
}

int vmm__serial_out_init(struct serial_out *out, struct vmm_loop *loop)
{
	vmm_deferred_init(&out->work, loop, work);
	return vmm_loop_add_timer(loop, timer_expired, out, &out->timer);
}

void vmm__serial_out_finish(struct serial_out *out)
{
	vmm_deferred_cancel(&out->work);
	vmm_timer_remove(out->timer);
}
