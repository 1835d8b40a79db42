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
#include <libvmm/rate.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_netdev;	/* a backend: where frames go to and come from */
struct vmm_net_port;	/* the front end as its backend sees it */

/* ---- a backend of the application's own ---- */

/**
 * What of a frame one side may leave to the other. Each but CSUM comes only with
 * CSUM, and ECN only with one of the TSOs.
 */
enum vmm_net_offload {
	VMM_NET_CSUM	= 1 << 0,	/* a checksum that is still to be filled in */
	VMM_NET_TSO4	= 1 << 1,	/* TCP over IPv4 that is still to be cut into segments */
	VMM_NET_TSO6	= 1 << 2,	/* likewise over IPv6 */
	VMM_NET_ECN	= 1 << 3,	/* such TCP with a congestion mark (RFC 3168) */
	VMM_NET_USO4	= 1 << 4,	/* UDP over IPv4 that is still to be cut into datagrams */
	VMM_NET_USO6	= 1 << 5,	/* likewise over IPv6 */
	VMM_NET_OFFLOADS = 0x3f,	/* all of them */
};

#define VMM_NET_QUEUE_PAIRS_MAX	16	/* of an interface: a receive and a transmit queue each */

/**
 * One Ethernet frame: up to 65553 bytes. The offload fields are those of struct
 * virtio_net_hdr (VIRTIO 1.2, 5.1.6) in the host's byte order, and zero unless
 * the offload was agreed on. Those of a guest's frame have been checked: the checksum
 * lies in the frame, a gso_size is not zero, hdr_len is between the checksum's
 * end and @length. The bytes have not: they are the guest's, who may still change them.
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
	uint16_t queue;			/* the pair it comes from or is for; 0 .. */
	uint16_t reserved[2];
};

/** What a backend can do. Zero in any field is none, or the least. */
struct vmm_net_info {
	size_t size;			/* sizeof(struct vmm_net_info) */
	uint32_t takes;			/* VMM_NET_*: transmit() does so much for the guest */
	uint32_t gives;			/* VMM_NET_*: it may leave so much to a guest that agrees */
	uint32_t queue_pairs;		/* at most; default 1; up to VMM_NET_QUEUE_PAIRS_MAX */
	uint32_t reserved;
};

#define VMM_NET_INFO_INIT	VMM_SIZED(struct vmm_net_info)

struct vmm_net_stats;

/**
 * What a kind of network does. One const table per kind. @queue is the number
 * of a pair, 0 where there is one.
 */
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
	 * taken; -EAGAIN to be given it again after vmm_net_port_writable();
	 * any other negative errno counts as lost. Do not block. Required.
	 */
	int (*transmit)(void *state, const struct vmm_net_frame *frame);

	/* All frames of this turn were given. Optional. */
	void (*commit)(void *state, uint32_t queue);

	/*
	 * The guest has receive buffers again after it was said that there are
	 * none: after -EAGAIN, and only then. Optional.
	 */
	void (*receivable)(void *state, uint32_t queue);

	/*
	 * The guest takes @offloads from now on, a subset of info.gives, in frames for
	 * pairs 0 .. @queue_pairs - 1. None and 1 before its driver is up. Optional for
	 * a backend that gives none and has one pair.
	 */
	void (*agreed)(void *state, uint32_t offloads, uint32_t queue_pairs);

	/*
	 * Add what was lost behind the interface to backend_rx_lost and
	 * backend_tx_lost of @stats. Any thread, between attach() and detach(). Optional.
	 */
	void (*stats)(void *state, struct vmm_net_stats *stats);

	/* Undo attach(): use @port no more. Required. */
	void (*detach)(void *state);

	/* Free @state. Called once, after detach(). Optional. */
	void (*destroy)(void *state);
};

/**
 * Make a backend from a table. @ops is borrowed until the backend is destroyed.
 * @info is read during the call; NULL: plain frames, one pair of queues. @state is the
 * backend's on success and the caller's on failure. The caller owns *@ret_netdev until
 * vmm_add_net() takes it.
 *
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_net_create(const struct vmm_net_ops *ops, void *state,
			   const struct vmm_net_info *info,
			   struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

/** Destroy a backend that was not given to a guest. NULL is allowed. */
VMM_API void vmm_net_destroy(struct vmm_netdev *netdev);

/**
 * Give the guest a frame: copied. On the loop only. A @frame->queue that the guest
 * does not use counts modulo those it does.
 *
 * Returns 0, also when the guest's own filter dropped it; -EAGAIN when the guest has no
 * buffer for it now (the receivable call will come); or for a frame that is dropped:
 * -EMSGSIZE when it is larger than the guest takes, -ENETDOWN when the link is down,
 * -EPROTO when it needs an offload that the guest does not take, -EINVAL when it is none.
 */
VMM_API int vmm_net_receive(struct vmm_net_port *port,
			    const struct vmm_net_frame *frame) VMM_MUST_CHECK;

/**
 * The same without a copy. Lend the receive buffers for the next frame as up to @max
 * segments of guest memory (VMM_CHAIN_MAX of <libvmm/device.h> is always enough); fill
 * them front to back, then call vmm_net_receive_end() with the frame, of which iov and
 * nr_iov do not matter, or with NULL to give the buffers back unused. One at a time,
 * and in one callback: a reset by the guest takes the buffers back.
 *
 * Returns the number of segments; -EAGAIN or -ENETDOWN as vmm_net_receive(); -EINVAL.
 * vmm_net_receive_end() returns as vmm_net_receive(), never -EAGAIN; -EMSGSIZE for a
 * length beyond what was lent. On the loop only.
 */
VMM_API int vmm_net_receive_begin(struct vmm_net_port *port, uint32_t queue, struct iovec *iov,
				  uint32_t max) VMM_MUST_CHECK;
VMM_API int vmm_net_receive_end(struct vmm_net_port *port, const struct vmm_net_frame *frame);

/** All frames of this turn were given: interrupt the guest if it wants that. On the loop. */
VMM_API void vmm_net_receive_commit(struct vmm_net_port *port, uint32_t queue);

/** transmit() will take frames again. On the loop only. */
VMM_API void vmm_net_port_writable(struct vmm_net_port *port, uint32_t queue);

/**
 * Whether there is anything at the other end, as at first. Without it the guest sees
 * its link down, and no frame passes. On the loop, or in attach().
 */
VMM_API void vmm_net_port_carrier(struct vmm_net_port *port, int carrier);

/* ---- built-in backends ---- */

/**
 * A tap interface of the host's, by name (needs CAP_NET_ADMIN or an interface
 * that is the user's) or as descriptors of /dev/net/tun that are already set up
 * (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR; without IFF_VNET_HDR there are no offloads).
 *
 * Bringing the interface up, and its addresses or bridge, are the caller's
 * affair. Its offloads are set to what the guest agrees to, of what the host's
 * kernel can do; they are off while no driver is up. A descriptor without
 * O_NONBLOCK stays so, for it is shared; only a kernel older than 6.4 needs it set,
 * and it is then.
 *
 * With several pairs of queues the interface is one of several queues
 * (IFF_MULTI_QUEUE), and the host's kernel spreads flows over those that the guest uses.
 */
struct vmm_net_tap_config {
	size_t size;			/* sizeof(struct vmm_net_tap_config) */
	const char *name;		/* "tap0": it must exist or we may create it; or: */
	int fd;				/* duplicated; > 0; or: */
	uint32_t queue_pairs;		/* with @name: 0: 1; up to VMM_NET_QUEUE_PAIRS_MAX */
	const int *fds;			/* one for each pair, duplicated, all of one interface */
	uint32_t nr_fds;		/* 1 .. VMM_NET_QUEUE_PAIRS_MAX */
	uint32_t reserved;
};

#define VMM_NET_TAP_CONFIG_INIT	VMM_SIZED(struct vmm_net_tap_config)

/** Returns 0, -EINVAL, -ENOENT, -EPERM, -EBUSY, -E2BIG, -ENOMEM. Any thread. */
VMM_API int vmm_net_open_tap(const struct vmm_net_tap_config *config,
			     struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

enum {
	VMM_NET_STREAM_LISTEN	= 1 << 0,	/* wait for a peer at @path, instead of going there */
};

/**
 * A stream socket of the unix domain to a program that has the rest of the network:
 * passt, QEMU's -netdev stream, another guest. Each frame goes behind its length, four
 * bytes with the highest first; there are no offloads.
 *
 * While there is no peer the guest sees its link down and frames are lost. When
 * a peer dies or breaks the framing it is let go; frames that were under way are lost; and
 * another is looked for every @reconnect_ms, or waited for with VMM_NET_STREAM_LISTEN. One
 * peer is served at a time, and the next waits for its end. A peer that does not
 * read holds the guest's frames up, and a guest without buffers the peer's: neither makes
 * memory grow. A socket that was made at @path is removed again.
 */
struct vmm_net_stream_config {
	size_t size;			/* sizeof(struct vmm_net_stream_config) */
	const char *path;		/* copied; up to 107 bytes; or: */
	int fd;				/* a connected socket, duplicated; > 0: for this peer only */
	uint32_t flags;			/* VMM_NET_STREAM_* */
	uint32_t reconnect_ms;		/* default 1000 */
	uint32_t reserved;
};

#define VMM_NET_STREAM_CONFIG_INIT	VMM_SIZED(struct vmm_net_stream_config)

/**
 * Nothing is connected or bound before the backend is given to a guest; then vmm_add_net()
 * may answer -EADDRINUSE, -EACCES or -ENOENT for a path to listen at. A peer that is
 * not there yet is no error.
 *
 * Returns 0, -EINVAL, -EBADF, -E2BIG, -ENOMEM. Any thread.
 */
VMM_API int vmm_net_open_stream(const struct vmm_net_stream_config *config,
				struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

/**
 * A datagram socket of the unix domain: each frame is a datagram, as with QEMU's
 * -netdev dgram. There are no offloads. Frames are sent to @path, and are lost while nobody
 * is there; what others send to @local_path is the guest's, whoever may write there. As a
 * datagram socket has no connection, the link is always up.
 */
struct vmm_net_dgram_config {
	size_t size;			/* sizeof(struct vmm_net_dgram_config) */
	const char *path;		/* copied; the peer's; up to 107 bytes, and: */
	const char *local_path;		/* copied; ours, made and removed again; or: */
	int fd;				/* a connected socket, duplicated; > 0 */
	uint32_t reserved;
};

#define VMM_NET_DGRAM_CONFIG_INIT	VMM_SIZED(struct vmm_net_dgram_config)

/** As vmm_net_open_stream(). */
VMM_API int vmm_net_open_dgram(const struct vmm_net_dgram_config *config,
			       struct vmm_netdev **ret_netdev) VMM_MUST_CHECK;

struct vmm_switch;	/* joins guests of this process */

/** Zero in any field is its default. */
struct vmm_switch_config {
	size_t size;			/* sizeof(struct vmm_switch_config) */
	uint32_t ageing_seconds;	/* an address unheard of for so long is forgotten; default 300 */
	uint32_t queue_kib;		/* KiB of frames that wait for one guest; default 2048;
					   256 .. 1048576 */
	uint64_t reserved;
};

#define VMM_SWITCH_CONFIG_INIT	VMM_SIZED(struct vmm_switch_config)
#define VMM_SWITCH_PORTS_MAX	64

/**
 * Make a switch: interfaces of guests that are plugged into it reach each other as
 * on one Ethernet, also where the guests are on different loops. It learns which
 * address is behind which port (up to 128 for each port), and sends to all what is for
 * all or for an address that it has not learnt.
 *
 * Offloads pass through: a large TCP frame reaches the other guest as it is, if that guest
 * takes such frames, and is cut into segments only if not. Frames that a guest has no
 * buffers for wait in memory of fixed size, and are dropped and counted beyond that; a
 * guest that floods another leaves a share of that memory to the rest. No guest waits for
 * another.
 *
 * @config is read during the call; NULL: the defaults. The caller owns *@ret_switch.
 *
 * Returns 0, -EINVAL, -E2BIG, -ENOMEM. Any thread.
 */
VMM_API int vmm_switch_create(const struct vmm_switch_config *config,
			      struct vmm_switch **ret_switch) VMM_MUST_CHECK;

/**
 * Release a switch. NULL is allowed. Returns 0, or -EBUSY while there are backends of it,
 * given to guests or not. Any thread.
 */
VMM_API int vmm_switch_destroy(struct vmm_switch *sw);

/** A port of a switch. */
struct vmm_net_switch_config {
	size_t size;			/* sizeof(struct vmm_net_switch_config) */
	struct vmm_switch *sw;		/* borrowed: valid until the backend is destroyed */
	uint8_t mac[6];			/* not zero: frames from other addresses are dropped, and
					   nobody else may use this one */
	uint16_t queue_pairs;		/* default 1; up to VMM_NET_QUEUE_PAIRS_MAX */
	uint32_t reserved;
};

#define VMM_NET_SWITCH_CONFIG_INIT	VMM_SIZED(struct vmm_net_switch_config)

/**
 * With several pairs of queues a flow arrives on the pair that the guest sends it from.
 *
 * Returns 0, -EINVAL, -ENOSPC (VMM_SWITCH_PORTS_MAX), -EADDRINUSE (another port has that
 * address), -E2BIG, -ENOMEM. Any thread.
 */
VMM_API int vmm_net_open_switch(const struct vmm_net_switch_config *config,
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

enum {
	VMM_NET_LINK_DOWN	= 1 << 0,	/* the link is down at first: vmm_net_set_link() */
	VMM_NET_PLAIN		= 1 << 1,	/* offer no offload, whatever the backend can do */
};

/** A virtio network device (VIRTIO 1.2, 5.1). */
struct vmm_net_config {
	size_t size;			/* sizeof(struct vmm_net_config) */
	struct vmm_netdev *backend;	/* the guest's on success, else the caller's */
	const char *name;		/* copied; default "net" */
	uint8_t mac[6];			/* all zero: a random local one */
	uint16_t mtu;			/* told to the driver; 0: not; 68 .. 65535 */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h> */
	uint32_t queue_size;		/* entries; default 256 */
	uint32_t queue_pairs;		/* up to what the backend has; default that */
	struct vmm_loop *loop;		/* borrowed; default the guest's */
	uint32_t flags;			/* VMM_NET_* */
	uint32_t reserved;
};

#define VMM_NET_CONFIG_INIT	VMM_SIZED(struct vmm_net_config)

/**
 * Plug a network interface into a guest that has not been started.
 *
 * Returns and threads as vmm_add_device(), and what the backend's attach says.
 */
VMM_API int vmm_add_net(struct vmm *vm, const struct vmm_net_config *config,
			struct vmm_device **ret_dev) VMM_MUST_CHECK;

/* ---- while it runs; @dev is what vmm_add_net() returned ---- */

/**
 * Pull the cable (0) or plug it in. The driver is told; while the link is down
 * frames are lost both ways. It is up when this says so and the backend has a carrier.
 * Returns 0 or -EINVAL. Any thread, also in callbacks.
 */
VMM_API int vmm_net_set_link(struct vmm_device *dev, int up);

/**
 * Have the driver announce its addresses, as after the guest came to another
 * place in the network (VIRTIO 1.2, 5.1.6.5.4). A driver that cannot, or is not up,
 * does nothing. Returns 0 or -EINVAL. Any thread, also in callbacks.
 */
VMM_API int vmm_net_announce(struct vmm_device *dev);

/**
 * Limit what passes: @from_guest of what the guest sends, @to_guest of what it gets; NULL:
 * no limit. An operation is a frame, also a large one that others cut into segments. What
 * is over the limit waits: the guest's frames on its ring, those for it where they come
 * from, which drops what it cannot keep. Limits may be set again at any time; what was spent
 * stays spent. Both are read during the call.
 *
 * Returns 0 or -EINVAL, and nothing changes. Any thread, but not in a callback of another
 * loop than the interface's: it waits for that loop's present turn.
 */
VMM_API int vmm_net_set_rate(struct vmm_device *dev, const struct vmm_rate *from_guest,
			     const struct vmm_rate *to_guest) VMM_MUST_CHECK;

/** What passed and what was lost since the interface was plugged in. Only ever grows. */
struct vmm_net_stats {
	size_t size;			/* sizeof(struct vmm_net_stats) */

	/* To the guest. */
	uint64_t rx_frames;
	uint64_t rx_bytes;		/* of Ethernet, from the address on */
	uint64_t rx_filtered;		/* dropped: not what the driver set its filter to */
	uint64_t rx_too_large;		/* dropped: for the driver's buffers */
	uint64_t rx_offload;		/* dropped: with an offload that the driver does not take */
	uint64_t rx_link_down;		/* dropped */
	uint64_t rx_no_buffer;		/* times the backend was told to wait for one */
	uint64_t rx_limited;		/* times it was told to wait for the rate */

	/* From the guest. */
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_bad_length;		/* dropped: none that a frame can have */
	uint64_t tx_bad_header;		/* dropped: an offload that cannot be or was not agreed on */
	uint64_t tx_link_down;		/* dropped */
	uint64_t tx_refused;		/* dropped by the backend */
	uint64_t tx_full;		/* times the backend had no room, and the frame waited */
	uint64_t tx_limited;		/* times one waited for the rate */

	/* Of the whole interface: dropped behind it, by the backend, for want of room or a peer. */
	uint64_t backend_rx_lost;
	uint64_t backend_tx_lost;
};

#define VMM_NET_STATS_INIT	VMM_SIZED(struct vmm_net_stats)
#define VMM_NET_ALL_PAIRS	UINT32_MAX

/**
 * Read the counters of one pair of queues, or the sums of all (VMM_NET_ALL_PAIRS).
 * Nothing is stopped for it: counters are each right, and together nearly.
 *
 * Returns 0 with *@ret_stats filled as far as its size goes, or -EINVAL. Any thread.
 */
VMM_API int vmm_net_stats(struct vmm_device *dev, uint32_t pair, struct vmm_net_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
