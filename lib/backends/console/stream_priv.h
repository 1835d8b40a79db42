/* SPDX-License-Identifier: MIT */
/*
 * stream_priv.h - a console's bytes through descriptors: what fd.c and pty.c share.
 *
 * Input: a chunk is read when the guest has taken the last one, so a guest that
 * does not read stops the sender and nothing else. Output: written at once as far
 * as it goes; up to STREAM_BUFFER bytes wait for the descriptor, the rest is refused.
 */
#ifndef BACKENDS_CONSOLE_STREAM_PRIV_H
#define BACKENDS_CONSOLE_STREAM_PRIV_H

#include <stdbool.h>
#include <libvmm/console.h>
#include "backends/console/nbio_priv.h"

#define STREAM_BUFFER	(64u << 10)
#define STREAM_CHUNK	4096u

struct stream {
	struct nbio in, out;		/* never the same descriptor number */
	struct vmm_console_port *port;
	struct vmm_loop *loop;

	struct vmm_source *in_source;	/* NULL: not watched */
	struct vmm_deferred in_again;	/* for what is always ready */
	bool in_paused;			/* the guest takes no more, or input has ended */
	size_t in_start, in_len;	/* read, and not yet taken by the guest */

	struct vmm_source *out_source;	/* NULL: not watched */
	bool out_refused;		/* the front end waits to hear of room */
	size_t out_start, out_len;
	unsigned char *out_buffer;	/* a ring; NULL until it is needed */

	struct vmm_timer *look;		/* for a terminal; NULL: it is none, or not attached */
	bool in_away, out_away;		/* nobody at the terminal for now */

	/* Input has ended; may finish the stream. For a backend that has other streams; optional. */
	void (*ended)(struct stream *s);

	unsigned char in_chunk[STREAM_CHUNK];
};

/* @in and @out are the stream's from now on; descriptor -1: none. */
void vmm__stream_init(struct stream *s, const struct nbio *in, const struct nbio *out);
void vmm__stream_finish(struct stream *s);

int vmm__stream_attach(struct stream *s, struct vmm_console_port *port, struct vmm_loop *loop);
void vmm__stream_detach(struct stream *s);

size_t vmm__stream_write(struct stream *s, const void *data, size_t len);
void vmm__stream_readable(struct stream *s);

#endif
