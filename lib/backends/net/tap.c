/* SPDX-License-Identifier: MIT */
/*
 * tap.c - a tap interface of the host's (Linux Documentation/networking/tuntap.rst).
 *
 * A read fills the guest's receive buffer and a write empties its transmit
 * buffer where they lie; what virtio header the tap has before each frame goes to
 * bytes of our own. While the guest has no buffer the tap is not watched, and the
 * host's queue for it fills and drops, as a wire does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libvmm/device.h>
#include <libvmm/net.h>
#include "backends/net/net_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

#define TURN_MAX	64	/* frames received in one turn; the loop comes back for more */
#define HEADER_MAX	64	/* bytes of virtio header that a given tap may have */
#define HEADER_BYTES	((int)sizeof(struct virtio_net_hdr_v1))

struct tap {
	int fd;
	int header_bytes;		/* before each frame; 0: none */
	int nowait;			/* RWF_NOWAIT for a descriptor that would block, else 0 */
	struct vmm_net_port *port;
	struct vmm_source *source;	/* NULL: the interface is gone */
	bool no_buffer;			/* the guest has none; do not read */
	bool full;			/* the guest waits to write */
};

/* ---- frames ---- */

static void tap_watch(struct tap *tap)
{
	if (tap->source)
		(void)vmm_source_watch(tap->source, (tap->no_buffer ? 0 : (uint32_t)EPOLLIN) |
						    (tap->full ? (uint32_t)EPOLLOUT : 0));
}

/*
 * The descriptor's own O_NONBLOCK is shared with whoever gave it, so it is set
 * only where the kernel cannot do without (before 5.10).
 */
static ssize_t tap_io(struct tap *tap, const struct iovec *iov, int nr,
		      ssize_t (*io)(int, const struct iovec *, int, off_t, int))
{
	ssize_t n = io(tap->fd, iov, nr, -1, tap->nowait);

	if (n < 0 && errno == EOPNOTSUPP && tap->nowait) {
		tap->nowait = 0;
		if (fcntl(tap->fd, F_SETFL, fcntl(tap->fd, F_GETFL) | O_NONBLOCK) < 0)
			return -1;
		n = io(tap->fd, iov, nr, -1, 0);
	}
	return n;
}

/* A frame that asks for more than the guest agreed to: somebody changed the tap behind us. */
static bool header_is_plain(const struct tap *tap, const struct virtio_net_hdr_v1 *header)
{
	return tap->header_bytes == 0 ||
	       (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
		header->gso_type == VIRTIO_NET_HDR_GSO_NONE);
}

/* Returns 1 when the guest was given a frame, 0 when one was lost, -EAGAIN, or what read said. */
static int tap_receive(struct tap *tap)
{
	union {
		struct virtio_net_hdr_v1 header;
		unsigned char bytes[HEADER_MAX];
	} head;
	unsigned char excess;
	struct iovec iov[1 + VMM_CHAIN_MAX + 1];
	size_t room = 0;
	ssize_t got;
	int n = vmm_net_receive_begin(tap->port, iov + 1, VMM_CHAIN_MAX);

	if (n < 0) {
		tap->no_buffer = true;
		return -EAGAIN;
	}
	for (int i = 1; i <= n; i++)
		room += iov[i].iov_len;
	iov[0] = (struct iovec){ .iov_base = &head, .iov_len = (size_t)tap->header_bytes };
	/* One byte more tells a frame that fits from one that was cut. */
	iov[n + 1] = (struct iovec){ .iov_base = &excess, .iov_len = 1 };

	got = tap_io(tap, iov, n + 2, preadv2);
	if (got < 0) {
		got = -errno;
		vmm_net_receive_end(tap->port, 0);
		return got == -EINTR ? 0 : (int)got;
	}

	got -= tap->header_bytes;
	if (got < (ssize_t)NET_ETH_HEADER || (size_t)got > room ||
	    !header_is_plain(tap, &head.header)) {
		vmm_net_receive_end(tap->port, 0);
		return 0;
	}
	vmm_net_receive_end(tap->port, (uint32_t)got);
	return 1;
}

static void tap_receive_some(struct tap *tap)
{
	bool given = false;
	int r = 0;

	for (int i = 0; i < TURN_MAX && r >= 0; i++) {
		r = tap_receive(tap);
		given |= r > 0;
	}
	if (given)
		vmm_net_receive_commit(tap->port);

	/* The interface was removed (EBADFD), or is down (EIO) until it polls readable again. */
	if (r == -EBADFD) {
		vmm_source_remove(tap->source);
		tap->source = NULL;
	}
}

static void tap_ready(void *data, uint32_t revents)
{
	struct tap *tap = data;

	if (revents & (EPOLLIN | EPOLLERR | EPOLLHUP))
		tap_receive_some(tap);
	if (revents & EPOLLOUT) {
		tap->full = false;
		vmm_net_port_writable(tap->port);
	}
	/* Polled with an error for ever, though nothing can be read or is wanted. */
	if (tap->source && (revents & (EPOLLERR | EPOLLHUP)) && tap->no_buffer) {
		vmm_source_remove(tap->source);
		tap->source = NULL;
	}
	tap_watch(tap);
}

static int tap_transmit(void *state, const struct vmm_net_frame *frame)
{
	static const unsigned char no_header[HEADER_MAX];
	struct tap *tap = state;
	struct iovec iov[1 + VMM_CHAIN_MAX];

	if (frame->nr_iov > VMM_CHAIN_MAX)
		return 0;
	iov[0] = (struct iovec){
		.iov_base = (void *)(uintptr_t)no_header,
		.iov_len = (size_t)tap->header_bytes,
	};
	memcpy(iov + 1, frame->iov, frame->nr_iov * sizeof(*iov));

	/* Refused (interface down, larger than its MTU, gone): lost, as on a wire. */
	if (tap_io(tap, iov, (int)frame->nr_iov + 1, pwritev2) >= 0 || errno != EAGAIN)
		return 0;

	tap->full = true;
	tap_watch(tap);
	return -EAGAIN;
}

static void tap_receivable(void *state)
{
	struct tap *tap = state;

	tap->no_buffer = false;
	tap_watch(tap);
}

/* ---- life ---- */

static int tap_attach(void *state, struct vmm_net_port *port, struct vmm_loop *loop)
{
	struct tap *tap = state;

	tap->port = port;
	tap->no_buffer = false;
	tap->full = false;
	return vmm_loop_add_fd(loop, tap->fd, EPOLLIN, tap_ready, tap, &tap->source);
}

static void tap_detach(void *state)
{
	struct tap *tap = state;

	vmm_source_remove(tap->source);
	tap->source = NULL;
	tap->port = NULL;
}

static void tap_destroy(void *state)
{
	struct tap *tap = state;

	close(tap->fd);
	free(tap);
}

static const struct vmm_net_ops tap_ops = {
	.size = sizeof(struct vmm_net_ops),
	.name = "tap",
	.attach = tap_attach,
	.transmit = tap_transmit,
	.receivable = tap_receivable,
	.detach = tap_detach,
	.destroy = tap_destroy,
};

/* ---- making one ---- */

static int fail_set_iff(const char *name)
{
	switch (errno) {
	case EPERM:
		if (if_nametoindex(name) == 0)
			return vmm__fail(-ENOENT, "there is no interface \"%s\", and making it "
					 "needs CAP_NET_ADMIN", name);
		return vmm__fail(-EPERM, "interface \"%s\" is not this user's, and we have no "
				 "CAP_NET_ADMIN", name);
	case EBUSY:
		return vmm__fail(-EBUSY, "interface \"%s\" is in use by another program", name);
	case EINVAL:
		return vmm__fail(-EINVAL, "interface \"%s\" is no tap interface", name);
	default:
		return vmm__fail_errno("cannot use interface \"%s\"", name);
	}
}

/* The interface may have been made for one queue or for several: its flags must match. */
static int set_iff(int fd, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return 0;
	if (errno == EINVAL) {
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
		if (ioctl(fd, TUNSETIFF, &ifr) == 0)
			return 0;
	}
	return fail_set_iff(name);
}

static int open_name(struct tap *tap, const char *name)
{
	const int header_bytes = HEADER_BYTES, little_endian = 1;
	size_t length = strlen(name);
	int r;

	/* The kernel takes '%' for a place to put a number. */
	if (length == 0 || length >= IFNAMSIZ || strpbrk(name, "/% \t\n"))
		return vmm__fail(-EINVAL, "\"%s\" is no name of an interface", name);

	tap->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap->fd < 0)
		return vmm__fail_errno("cannot open /dev/net/tun");
	r = set_iff(tap->fd, name);
	if (r < 0)
		return r;
	if (ioctl(tap->fd, TUNSETVNETHDRSZ, &header_bytes) < 0 ||
	    ioctl(tap->fd, TUNSETVNETLE, &little_endian) < 0)
		return vmm__fail_errno("interface \"%s\" takes no virtio header", name);
	tap->header_bytes = header_bytes;
	return 0;
}

static int open_fd(struct tap *tap, int fd)
{
	struct ifreq ifr = { 0 };

	tap->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (tap->fd < 0)
		return vmm__fail_errno("cannot duplicate descriptor %d", fd);
	if (ioctl(tap->fd, TUNGETIFF, &ifr) < 0)
		return vmm__fail(-EINVAL, "descriptor %d is not one of /dev/net/tun with an "
				 "interface", fd);
	/* IFF_NO_PI cannot be asked for: the answer's bit is also IFF_NOFILTER. */
	if ((ifr.ifr_flags & (IFF_TUN | IFF_TAP)) != IFF_TAP)
		return vmm__fail(-EINVAL, "interface \"%s\" carries no Ethernet: it was not made "
				 "with IFF_TAP", ifr.ifr_name);
	if ((ifr.ifr_flags & IFF_VNET_HDR) &&
	    (ioctl(tap->fd, TUNGETVNETHDRSZ, &tap->header_bytes) < 0 ||
	     tap->header_bytes > HEADER_MAX))
		return vmm__fail(-EINVAL, "interface \"%s\" has a virtio header of an unknown size",
				 ifr.ifr_name);
	if (!(fcntl(tap->fd, F_GETFL) & O_NONBLOCK))
		tap->nowait = RWF_NOWAIT;
	return 0;
}

static int tap_open(struct tap *tap, const struct vmm_net_tap_config *c)
{
	int r;

	if (c->reserved)
		return vmm__fail(-EINVAL, "tap: reserved bytes are not zero");
	if (!c->name == (c->fd <= 0))
		return vmm__fail(-EINVAL, "tap: a name or a descriptor, one of the two");

	r = c->name ? open_name(tap, c->name) : open_fd(tap, c->fd);
	if (r < 0)
		return r;
	/* No offload was agreed on with the guest: have the host's kernel do the work. */
	if (ioctl(tap->fd, TUNSETOFFLOAD, 0) < 0)
		return vmm__fail_errno("cannot turn the tap's offloads off");
	return 0;
}

int vmm_net_open_tap(const struct vmm_net_tap_config *config, struct vmm_netdev **ret_netdev)
{
	struct vmm_net_tap_config c;
	struct tap *tap;
	int r;

	if (!config || !ret_netdev)
		return vmm__fail(-EINVAL, "vmm_net_open_tap: a config and a place for the result");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r < 0)
		return r;

	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return vmm__fail(-ENOMEM, "no memory for a tap");
	tap->fd = -1;
	r = tap_open(tap, &c);
	if (r < 0)
		goto free_tap;
	r = vmm_net_create(&tap_ops, tap, ret_netdev);
	if (r < 0)
		goto free_tap;
	return 0;

free_tap:
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap);
	return r;
}
