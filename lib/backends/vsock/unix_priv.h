/* SPDX-License-Identifier: MIT */
/* unix_priv.h - unix sockets behind a socket device: the listening one, and its clients. */
#ifndef BACKENDS_VSOCK_UNIX_PRIV_H
#define BACKENDS_VSOCK_UNIX_PRIV_H

#include <stdbool.h>
#include <libvmm/vsock.h>

#include "core/unix_socket_priv.h"

#define UNIX_LINE	32u	/* "CONNECT 4294967295\r\n", and some blanks */

/* A unix socket with a client of the host's, or one of ours that is a client to the host's. */
struct unix_client {
	struct vsock_unix *owner;
	struct unix_client *next, *prev;
	int fd;
	struct vmm_source *source;
	uint32_t wanted, watched;	/* events; they differ when the system refused a change */
	struct vmm_vsock_conn *conn;	/* NULL: it has not said where it wants to go */
	uint64_t deadline;		/* for saying that */
	bool drained;			/* the last read() took all there was */
	char line[UNIX_LINE];
	uint32_t line_len;
};

struct vsock_unix {
	struct vmm_vsock_link *link;	/* NULL: not attached */
	struct vmm_loop *loop;
	int fd;				/* listening; -1: not attached */
	struct vmm_source *source;
	struct vmm_timer *timer;
	bool timer_set;
	bool refused;			/* the system had no descriptor for a client: try again later */
	uint32_t nr_clients, max_clients;
	struct unix_client clients;	/* the head of the list */
	struct unix_client *serving;	/* whose socket is being looked at; NULL: it was freed */
	struct unix_path path;
};

/* ---- unix.c ---- */

uint64_t vmm__unix_now(void);
/* Look at everything again in a while. */
void vmm__unix_tick_later(struct vsock_unix *u);
/* There is room for a client again. */
void vmm__unix_listen(struct vsock_unix *u);

/* ---- unix_client.c ---- */

/* @fd, which is non-blocking, is the client's; without @conn it has to say where to. -errno: closed. */
int vmm__unix_client_new(struct vsock_unix *u, int fd, struct vmm_vsock_conn *conn);
void vmm__unix_client_free(struct unix_client *c);
/* The patience with it is over at @now; or a change of its events is to be tried again. */
void vmm__unix_client_tick(struct unix_client *c, uint64_t now);

/* Of the backend's table. */
void vmm__unix_connected(void *state, struct vmm_vsock_conn *conn);
ssize_t vmm__unix_write(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			uint32_t nr_iov);
ssize_t vmm__unix_read(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
		       uint32_t nr_iov);
void vmm__unix_shutdown(void *state, struct vmm_vsock_conn *conn, uint32_t halves);
void vmm__unix_closed(void *state, struct vmm_vsock_conn *conn);

#endif
