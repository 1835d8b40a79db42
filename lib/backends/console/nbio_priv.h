/* SPDX-License-Identifier: MIT */
/* nbio_priv.h - read and write a descriptor without ever blocking, whatever it is. */
#ifndef BACKENDS_CONSOLE_NBIO_PRIV_H
#define BACKENDS_CONSOLE_NBIO_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum nbio_kind {
	NBIO_SOCKET,		/* a flag of the call says not to block */
	NBIO_NONBLOCK,		/* the open file description is ours alone, and O_NONBLOCK */
	NBIO_POLL,		/* shared with others: ask first, then move little */
	NBIO_ALWAYS,		/* cannot be polled: a plain file, /dev/null */
};

struct nbio {
	int fd;			/* ours; -1: none */
	enum nbio_kind kind;
	bool pty_master;
	uint32_t piece;		/* bytes of one write that cannot block after POLLOUT */
};

/*
 * A descriptor of our own for what @fd refers to, to be read or written (@out).
 * -EBADF, -EINVAL (a directory, or not open for that), -EMFILE.
 */
int vmm__nbio_open(struct nbio *ret_io, int fd, bool out);

/* Take over the master side of a pty, which is O_NONBLOCK and nobody else's. */
void vmm__nbio_adopt_pty(struct nbio *ret_io, int fd);

void vmm__nbio_close(struct nbio *io);

/* As read(2) and write(2), with -errno. -EAGAIN: not now. No signal is raised. */
ssize_t vmm__nbio_read(struct nbio *io, void *data, size_t len);
ssize_t vmm__nbio_write(struct nbio *io, const void *data, size_t len);

#endif
