/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/vsock.h> - give a guest sockets to the host (AF_VSOCK), and write what stands behind them.
 *
 * As with disks: a front end that the guest sees (virtio-vsock, vmm_add_vsock())
 * and a backend (struct vmm_vsock), made by vmm_vsock_open_unix() or from a table
 * of the application's. Stream sockets, both ways, with half close.
 *
 * A peer that stalls costs its own connection and nothing else. What a guest
 * sends is handed to the backend where it lies; only what the backend does not
 * take is kept, up to a connection's buffer, which is all that the guest is ever
 * allowed to have on its way (credit; VIRTIO 1.2, 5.10.6.3). Towards the guest
 * nothing is kept at all: the backend is asked when there is room.
 */
#ifndef LIBVMM_VSOCK_H
#define LIBVMM_VSOCK_H

#include <sys/types.h>
#include <sys/uio.h>
#include <libvmm/common.h>
#include <libvmm/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_vsock;	/* a backend: the host's ends of the connections */
struct vmm_vsock_link;	/* the front end as its backend sees it */
struct vmm_vsock_conn;	/* one connection */

/* Halves of a connection, as the side that says so sees it (VIRTIO 1.2, 5.10.6.6.1). */
enum {
	VMM_VSOCK_NO_RECEIVE	= 1 << 0,	/* it takes no more */
	VMM_VSOCK_NO_SEND	= 1 << 1,	/* it sends no more */
};

/* ---- a backend of the application's own ---- */

/**
 * What a kind of backend does. One const table per kind. All but attach(), detach() and
 * destroy() come on the loop. Inside any of them all vmm_vsock_ calls may be made.
 */
struct vmm_vsock_ops {
	size_t size;			/* sizeof(struct vmm_vsock_ops) */
	const char *name;		/* "unix" */

	/*
	 * The device is plugged in. @link is for vmm_vsock_connect() and valid
	 * until detach(). This call and detach() come in the application's
	 * thread, inside vmm_loop_enter(). Required. A negative errno fails
	 * vmm_add_vsock().
	 */
	int (*attach)(void *state, struct vmm_vsock_link *link, struct vmm_loop *loop);

	/*
	 * The guest connects: vmm_vsock_conn_host_port() is the port it wants.
	 * Return 0 and call vmm_vsock_conn_accept() or vmm_vsock_conn_reset(), here or
	 * later; or refuse with a negative errno. Optional: without it all are refused.
	 */
	int (*connect)(void *state, struct vmm_vsock_conn *conn);

	/* The guest accepted what vmm_vsock_connect() asked for. Required with that. */
	void (*connected)(void *state, struct vmm_vsock_conn *conn);

	/*
	 * The guest sent. Take what there is room for from @iov, lent during the
	 * call, and return how many bytes that was; call
	 * vmm_vsock_conn_writable() when there is room again after taking less than
	 * all. A negative errno: the host's end takes no more. Do not block. Required.
	 */
	ssize_t (*write)(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			 uint32_t nr_iov);

	/*
	 * The guest has room: fill @iov, guest memory lent during the call, and
	 * return how many bytes there were; 0: the host's end sends no more.
	 * -EAGAIN, or less than all: the next call comes after
	 * vmm_vsock_conn_readable(). Any other negative errno resets the connection.
	 * Do not block. Required.
	 */
	ssize_t (*read)(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			uint32_t nr_iov);

	/*
	 * The guest's end closed one half or both: @halves is VMM_VSOCK_NO_*, and
	 * new ones only. All that it had sent was written before. Optional.
	 */
	void (*shutdown)(void *state, struct vmm_vsock_conn *conn, uint32_t halves);

	/*
	 * @conn is over, whoever ended it: use it no more. Not after an errno from
	 * connect(), nor for vmm_vsock_conn_reset(). Required.
	 */
	void (*closed)(void *state, struct vmm_vsock_conn *conn);

	/* Undo attach(): use @link no more; all connections were closed. Required. */
	void (*detach)(void *state);

	/* Free @state. Called once, after detach(). Optional. */
	void (*destroy)(void *state);
};

/**
 * Make a backend from a table. @ops is borrowed until the backend is destroyed.
 * @state is the backend's on success and the caller's on failure. The caller
 * owns *@ret_vsock until vmm_add_vsock() takes it.
 *
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_vsock_create(const struct vmm_vsock_ops *ops, void *state,
			     struct vmm_vsock **ret_vsock) VMM_MUST_CHECK;

/** Destroy a backend that was not given to a guest. NULL is allowed. */
VMM_API void vmm_vsock_destroy(struct vmm_vsock *vsock);

/**
 * Connect to @guest_port of the guest. connected() or closed() tells how it went;
 * a guest that does not answer within 10 s has refused. *@ret_conn is valid until
 * closed() or vmm_vsock_conn_reset(). On the loop only.
 *
 * Returns 0; -ENOTCONN (no driver runs in the guest); -ENOSPC (as many connections as
 * may be); -ENOMEM.
 */
VMM_API int vmm_vsock_connect(struct vmm_vsock_link *link, uint32_t guest_port, void *data,
			      struct vmm_vsock_conn **ret_conn) VMM_MUST_CHECK;

/* ---- one connection; on the loop only, and not after closed() ---- */

/** Accept what connect() was asked. Nothing happens when it was accepted before. */
VMM_API void vmm_vsock_conn_accept(struct vmm_vsock_conn *conn);

/** read() has something, or the end, to give again. */
VMM_API void vmm_vsock_conn_readable(struct vmm_vsock_conn *conn);

/** write() will take bytes again. */
VMM_API void vmm_vsock_conn_writable(struct vmm_vsock_conn *conn);

/** The host's end takes no more (VMM_VSOCK_NO_RECEIVE), sends no more, or both: tell the guest. */
VMM_API void vmm_vsock_conn_shutdown(struct vmm_vsock_conn *conn, uint32_t halves);

/** End it at once: the guest gets a reset. closed() is not called; @conn is gone. */
VMM_API void vmm_vsock_conn_reset(struct vmm_vsock_conn *conn);

/** A pointer of the backend's; NULL at first. */
VMM_API void vmm_vsock_conn_set_data(struct vmm_vsock_conn *conn, void *data);
VMM_API void *vmm_vsock_conn_data(const struct vmm_vsock_conn *conn);

VMM_API uint32_t vmm_vsock_conn_host_port(const struct vmm_vsock_conn *conn);
VMM_API uint32_t vmm_vsock_conn_guest_port(const struct vmm_vsock_conn *conn);

/* ---- built-in backend ---- */

/**
 * Unix sockets, by the convention of Firecracker's, which clients of it speak already:
 *
 *   host to guest   connect to the socket @path, send "CONNECT <port>\n" (decimal);
 *                   "OK <port>\n" (the host's) comes back once the guest accepted, and then
 *                   the guest's bytes. When it refuses, the socket is closed.
 *   guest to host   a connection to port P of CID 2 goes to the socket @path_P ("@path",
 *                   underscore, decimal), where the application listens.
 *
 * The socket is made by vmm_add_vsock() and removed when the guest is destroyed.
 * Who may connect is a matter of the folder's permissions. A client has 10 s to
 * say where it wants to go.
 */
struct vmm_vsock_unix_config {
	size_t size;			/* sizeof(struct vmm_vsock_unix_config) */
	const char *path;		/* copied; required; up to 96 bytes */
	uint32_t max_clients;		/* sockets open at a time, the guest's included; further clients
					   wait in the backlog; default 256; up to 4096 */
	uint32_t reserved;
};

#define VMM_VSOCK_UNIX_CONFIG_INIT	VMM_SIZED(struct vmm_vsock_unix_config)

/**
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Any thread. -EADDRINUSE (there is such a
 * file already: remove it if it was left behind), -ENOENT, -EACCES, … come from
 * vmm_add_vsock().
 */
VMM_API int vmm_vsock_open_unix(const struct vmm_vsock_unix_config *config,
				struct vmm_vsock **ret_vsock) VMM_MUST_CHECK;

/* ---- the front end ---- */

/** A virtio socket device (VIRTIO 1.2, 5.10). The host is CID 2. */
struct vmm_vsock_config {
	size_t size;			/* sizeof(struct vmm_vsock_config) */
	struct vmm_vsock *backend;	/* the guest's on success, else the caller's */
	const char *name;		/* copied; default "vsock" */
	uint64_t guest_cid;		/* 3 .. 4294967294; default 3: guests do not reach each other */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h> */
	uint32_t max_connections;	/* at a time; default 256; up to 4096 */
	uint32_t buffer_bytes;		/* of a connection, for what its host end does not take; taken
					   when needed; default 256 KiB; 4 KiB .. 16 MiB */
	uint32_t reserved;
	struct vmm_loop *loop;		/* borrowed; default the guest's */
};

#define VMM_VSOCK_CONFIG_INIT	VMM_SIZED(struct vmm_vsock_config)

/**
 * Plug a socket device into a guest that has not been started.
 *
 * Returns and threads as vmm_add_device(), and what the backend's attach says.
 */
VMM_API int vmm_add_vsock(struct vmm *vm, const struct vmm_vsock_config *config,
			  struct vmm_device **ret_dev) VMM_MUST_CHECK;

/**
 * The guest goes on somewhere else, or from an older state: end all connections
 * and tell its driver so (transport reset, VIRTIO 1.2, 5.10.6.7), which reads its CID
 * again. @guest_cid 0 keeps it.
 *
 * Returns 0, -EINVAL, -EBUSY (not given to a guest) or -EDEADLK (inside a callback of
 * the backend's). Any thread.
 */
VMM_API int vmm_vsock_transport_reset(struct vmm_vsock *vsock, uint64_t guest_cid);

/** What went on since the guest was made. */
struct vmm_vsock_stats {
	size_t size;			/* sizeof(struct vmm_vsock_stats), set by the caller */
	uint64_t connections;		/* open now */
	uint64_t from_guest;		/* connections that the guest asked for */
	uint64_t from_host;		/* that the host asked for */
	uint64_t refused;		/* of both, for whatever reason */
	uint64_t resets;		/* connections that ended with an error or a broken rule */
	uint64_t rx_bytes;		/* to the guest */
	uint64_t tx_bytes;		/* from the guest */
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t dropped;		/* packets that were none: another's address, nobody's connection */
	uint64_t buffered;		/* bytes kept now for host ends that do not take them */
};

#define VMM_VSOCK_STATS_INIT	VMM_SIZED(struct vmm_vsock_stats)

/** Read them, without stopping anything. Returns 0 or -EINVAL. Any thread, while @vsock exists. */
VMM_API int vmm_vsock_stats(const struct vmm_vsock *vsock, struct vmm_vsock_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
