/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/net.h> - give a guest a network interface, and write what stands behind it.
 *
 * As with disks: a front end that the guest sees (virtio-net, vmm_add_net()) and
 * a backend (struct vmm_netdev) made by a vmm_net_open_ call or from a table.
 */
#ifndef LIBVMM_NET_H
#define LIBVMM_NET_H

#include <sys/uio.h>
#include <libvmm/common.h>
#include <libvmm/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_netdev;	/* a backend: where frames go to and come from */
struct vmm_net_port;	/* the front end as its backend sees it */

/* ---- a backend of the application's own ---- */

/**
 * One Ethernet frame. The offload fields are those of struct virtio_net_hdr
 * (VIRTIO 1.2, 5.1.6) and zero unless an offload was agreed on.
 */
struct vmm_net_frame {
	const struct iovec *iov;
	uint32_t nr_iov;
	uint32_t length;		/* bytes; the sum of @iov */
	uint8_t flags;			/* VIRTIO_NET_HDR_F_* */
	uint8_t gso_type;		/* VIRTIO_NET_HDR_GSO_* */
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t reserved[3];
};

/** What a kind of network does. One const table per kind. */
struct vmm_net_ops {
	size_t size;			/* sizeof(struct vmm_net_ops) */
	const char *name;		/* "tap" */

	/*
	 * The interface is plugged in. @port is for the vmm_net_receive and
	 * vmm_net_port_ calls and valid until detach(). This call and detach()
	 * come in the application's thread, inside vmm_loop_enter(); all others
	 * come on @loop. Required. A negative errno fails vmm_add_net().
	 */
	int (*attach)(void *state, struct vmm_net_port *port, struct vmm_loop *loop);

	/*
	 * The guest sends @frame, lent during the call. Return 0 when it was
	 * taken (or dropped), or -EAGAIN to be given it again after
	 * vmm_net_port_writable(). Do not block. Required.
	 */
	int (*transmit)(void *state, const struct vmm_net_frame *frame);

	/* All frames of this turn were given. Optional. */
	void (*commit)(void *state);

	/*
	 * The guest has receive buffers again after it was said that there are
	 * none: after -EAGAIN, and only then. Optional.
	 */
	void (*receivable)(void *state);

	/* Undo attach(): use @port no more. Required. */
	void (*detach)(void *state);

	/* Free @state. Called once, after detach(). Optional. */
	void (*destroy)(void *state);
};

/**
 * Make a backend from a table. @ops is borrowed until the backend is destroyed.
 * @state is the backend's on success and the caller's on failure. The caller
 * owns *@ret_netdev until vmm_add_net() takes it.
 *
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_net_create(const struct vmm_net_ops *ops, void *state,
			   struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

/** Destroy a backend that was not given to a guest. NULL is allowed. */
VMM_API void vmm_net_destroy(struct vmm_netdev *netdev);

/**
 * Give the guest a frame: copied. On the loop only.
 *
 * Returns 0; -EAGAIN when the guest has no buffer for it now (the receivable
 * call will come); -EMSGSIZE when it is larger than the guest takes: dropped.
 */
VMM_API int vmm_net_receive(struct vmm_net_port *port,
			    const struct vmm_net_frame *frame) VMM_MUST_CHECK;

/**
 * The same without a copy. Lend the next receive buffer as up to @max segments
 * of guest memory; fill them front to back, then call vmm_net_receive_end()
 * with the frame's length, or 0 to give the buffer back unused. One at a time,
 * and in one callback: a reset by the guest takes the buffer back.
 *
 * Returns the number of segments, or -EAGAIN as vmm_net_receive(). On the loop only.
 */
VMM_API int vmm_net_receive_begin(struct vmm_net_port *port, struct iovec *iov,
				  uint32_t max) VMM_MUST_CHECK;
VMM_API void vmm_net_receive_end(struct vmm_net_port *port, uint32_t length);

/** All frames of this turn were given: interrupt the guest if it wants that. On the loop. */
VMM_API void vmm_net_receive_commit(struct vmm_net_port *port);

/** transmit() will take frames again. On the loop only. */
VMM_API void vmm_net_port_writable(struct vmm_net_port *port);

/* ---- built-in backends ---- */

/**
 * A tap interface of the host's, by name (needs CAP_NET_ADMIN or an interface
 * that is the user's) or as a descriptor of /dev/net/tun that is already set up
 * (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR; without IFF_VNET_HDR works too).
 *
 * Bringing the interface up, and its addresses or bridge, are the caller's
 * affair. Its offloads are turned off. A descriptor without O_NONBLOCK stays so,
 * for it is shared; only a kernel older than 5.10 needs it set, and it is then.
 */
struct vmm_net_tap_config {
	size_t size;			/* sizeof(struct vmm_net_tap_config) */
	const char *name;		/* "tap0": it must exist or we may create it; or: */
	int fd;				/* duplicated; > 0 */
	uint32_t reserved;
};

#define VMM_NET_TAP_CONFIG_INIT	VMM_SIZED(struct vmm_net_tap_config)

/** Returns 0, -EINVAL, -ENOENT, -EPERM, -EBUSY, -E2BIG, -ENOMEM. Any thread. */
VMM_API int vmm_net_open_tap(const struct vmm_net_tap_config *config,
			     struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

/** One port of the host that leads to one of the guest. */
struct vmm_net_forward {
	uint32_t udp;			/* 0: TCP; 1: UDP */
	uint16_t host_port;		/* 1 .. 65535 */
	uint16_t guest_port;		/* 1 .. 65535 */
	const char *host_address;	/* IPv4 in dots; default "127.0.0.1" */
	const char *guest_address;	/* IPv4 in dots; default what DHCP gives first */
};

/**
 * User mode: a network stack in the process (libslirp) that turns what the
 * guest sends into sockets of the application's user. Needs no privileges. The
 * guest gets 10.0.2.15 by DHCP; 10.0.2.2 is the host, 10.0.2.3 resolves names.
 *
 * IPv4, in frames of up to 1514 bytes; fragments are dropped, so a UDP datagram of
 * the guest's is at most 1472 bytes long. A guest has up to 512 sockets of the
 * process's at a time; beyond that what it opens is dropped. libslirp aborts the
 * process when the system has no memory left for it, and is a TCP stack in C:
 * for guests that nobody trusts, prefer a tap or a network in another process.
 */
struct vmm_net_user_config {
	size_t size;			/* sizeof(struct vmm_net_user_config) */
	const struct vmm_net_forward *forwards;
	uint32_t nr_forwards;		/* up to 256 */
	uint32_t flags;			/* VMM_NET_USER_* */
	const char *network;		/* "10.0.2.0/24" form; the default; /8 .. /27 */
	const char *hostname;		/* told to the guest by DHCP; up to 32 bytes; optional */
};

enum {
	VMM_NET_USER_RESTRICT	= 1 << 0,	/* only forwards, of TCP: the guest reaches nothing outside */
	VMM_NET_USER_NO_HOST	= 1 << 1,	/* the guest cannot reach the host's loopback by 10.0.2.2 */
};

#define VMM_NET_USER_CONFIG_INIT	VMM_SIZED(struct vmm_net_user_config)

/**
 * Returns 0; -EINVAL; -EADDRINUSE or -EACCES (a forward's port; at vmm_add_net());
 * -EOPNOTSUPP (built without libslirp); -E2BIG; -ENOMEM. Any thread.
 */
VMM_API int vmm_net_open_user(const struct vmm_net_user_config *config,
			      struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

/* ---- the front end ---- */

/** A virtio network device (VIRTIO 1.2, 5.1). */
struct vmm_net_config {
	size_t size;			/* sizeof(struct vmm_net_config) */
	struct vmm_netdev *backend;	/* the guest's on success, else the caller's */
	const char *name;		/* copied; default "net" */
	uint8_t mac[6];			/* all zero: a random local one */
	uint16_t mtu;			/* told to the driver; 0: not; 68 .. 65535 */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h> */
	uint32_t queue_size;		/* entries; default 256 */
	uint32_t reserved;
	struct vmm_loop *loop;		/* borrowed; default the guest's */
};

#define VMM_NET_CONFIG_INIT	VMM_SIZED(struct vmm_net_config)

/**
 * Plug a network interface into a guest that has not been started.
 *
 * Returns and threads as vmm_add_device(), and what the backend's attach says.
 */
VMM_API int vmm_add_net(struct vmm *vm, const struct vmm_net_config *config,
			struct vmm_device **ret_dev) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
