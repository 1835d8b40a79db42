/* SPDX-License-Identifier: MIT */
/*
 * tap_open.c - getting at a tap interface, by name or by descriptors, and what the kernel
 * is told about it (Linux Documentation/networking/tuntap.rst).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/net/tap_priv.h"
#include "core/error_priv.h"

#define HEADER_BYTES	((int)sizeof(struct virtio_net_hdr_v1))

/* Newer than some systems' headers: since Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

static const struct {
	uint32_t offload;
	unsigned flag;
} offload_flags[] = {
	{ VMM_NET_CSUM, TUN_F_CSUM },
	{ VMM_NET_TSO4, TUN_F_TSO4 },
	{ VMM_NET_TSO6, TUN_F_TSO6 },
	{ VMM_NET_ECN, TUN_F_TSO_ECN },
	{ VMM_NET_USO4, TUN_F_USO4 },
	{ VMM_NET_USO6, TUN_F_USO6 },
};

/* ---- offloads ---- */

bool vmm__tap_set_offloads(const struct tap *tap, uint32_t offloads)
{
	unsigned flags = 0;

	for (size_t i = 0; i < sizeof(offload_flags) / sizeof(offload_flags[0]); i++) {
		if (offloads & offload_flags[i].offload)
			flags |= offload_flags[i].flag;
	}
	/* They are the interface's, whichever queue tells them. */
	return ioctl(tap->queues[0].fd, TUNSETOFFLOAD, (unsigned long)flags) == 0;
}

void vmm__tap_use_queue(struct tap_queue *queue, bool use)
{
	struct ifreq ifr = { .ifr_flags = use ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (queue->off != use)
		return;
	queue->off = !use;
	(void)ioctl(queue->fd, TUNSETQUEUE, &ifr);
}

/* A kernel that does not know one refuses them all. */
static int find_offloads(struct tap *tap)
{
	const uint32_t tso = VMM_NET_CSUM | VMM_NET_TSO4 | VMM_NET_TSO6 | VMM_NET_ECN;

	if (tap->header_bytes == 0)
		tap->can = 0;
	else if (vmm__tap_set_offloads(tap, VMM_NET_OFFLOADS))
		tap->can = VMM_NET_OFFLOADS;
	else
		tap->can = vmm__tap_set_offloads(tap, tso) ? tso : 0;

	/* No offload is agreed on yet: have the host's kernel do the work. */
	if (!vmm__tap_set_offloads(tap, 0))
		return vmm__fail_errno("cannot turn the tap's offloads off");
	return 0;
}

/* ---- by name ---- */

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
		return vmm__fail(-EINVAL, "interface \"%s\" is no tap interface, or was not made for "
				 "that many queues", name);
	default:
		return vmm__fail_errno("cannot use interface \"%s\"", name);
	}
}

/* The interface may have been made for one queue or for several: its flags must match. */
static int set_iff(int fd, const char *name, bool several)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (several)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return 0;
	if (errno == EINVAL && !several) {
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
		if (ioctl(fd, TUNSETIFF, &ifr) == 0)
			return 0;
	}
	return fail_set_iff(name);
}

static struct tap_queue *queue_add(struct tap *tap, int fd)
{
	struct tap_queue *q = &tap->queues[tap->nr_queues];

	q->tap = tap;
	q->index = tap->nr_queues++;
	q->fd = fd;
	return q;
}

static int open_queue(struct tap *tap, const char *name, bool several)
{
	const int header_bytes = HEADER_BYTES, little_endian = 1;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int r;

	if (fd < 0)
		return vmm__fail_errno("cannot open /dev/net/tun");
	(void)queue_add(tap, fd);
	r = set_iff(fd, name, several);
	if (r < 0)
		return r;
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 ||
	    ioctl(fd, TUNSETVNETLE, &little_endian) < 0)
		return vmm__fail_errno("interface \"%s\" takes no virtio header", name);
	tap->header_bytes = header_bytes;
	return 0;
}

static int open_name(struct tap *tap, const char *name, uint32_t nr)
{
	size_t length = strlen(name);
	int r = 0;

	/* The kernel takes '%' for a place to put a number. */
	if (length == 0 || length >= IFNAMSIZ || strpbrk(name, "/% \t\n"))
		return vmm__fail(-EINVAL, "\"%s\" is no name of an interface", name);
	for (uint32_t i = 0; i < nr && r == 0; i++)
		r = open_queue(tap, name, nr > 1);
	return r;
}

/* ---- by descriptors ---- */

static int check_interface(const struct tap *tap, const struct ifreq *ifr, int fd)
{
	struct ifreq first = { 0 };

	/* IFF_NO_PI cannot be asked for: the answer's bit is also IFF_NOFILTER. */
	if ((ifr->ifr_flags & (IFF_TUN | IFF_TAP)) != IFF_TAP)
		return vmm__fail(-EINVAL, "interface \"%s\" carries no Ethernet: it was not made "
				 "with IFF_TAP", ifr->ifr_name);
	if (tap->nr_queues > 1 && ioctl(tap->queues[0].fd, TUNGETIFF, &first) == 0 &&
	    (strncmp(first.ifr_name, ifr->ifr_name, IFNAMSIZ) != 0 ||
	     !(ifr->ifr_flags & IFF_MULTI_QUEUE)))
		return vmm__fail(-EINVAL, "descriptor %d is no further queue of \"%s\"", fd,
				 first.ifr_name);
	return 0;
}

static int open_fd(struct tap *tap, int fd)
{
	struct ifreq ifr = { 0 };
	struct tap_queue *q;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), bytes = 0, r;

	if (own < 0)
		return vmm__fail_errno("cannot duplicate descriptor %d", fd);
	q = queue_add(tap, own);
	if (ioctl(own, TUNGETIFF, &ifr) < 0)
		return vmm__fail(-EINVAL, "descriptor %d is not one of /dev/net/tun with an "
				 "interface", fd);
	r = check_interface(tap, &ifr, fd);
	if (r < 0)
		return r;
	if ((ifr.ifr_flags & IFF_VNET_HDR) && (ioctl(own, TUNGETVNETHDRSZ, &bytes) < 0 ||
					       bytes > TAP_HEADER_MAX))
		return vmm__fail(-EINVAL, "interface \"%s\" has a virtio header of an unknown size",
				 ifr.ifr_name);
	tap->header_bytes = bytes;
	if (!(fcntl(own, F_GETFL) & O_NONBLOCK))
		q->nowait = RWF_NOWAIT;
	return 0;
}

static int open_fds(struct tap *tap, const int *fds, uint32_t nr)
{
	int r = 0;

	for (uint32_t i = 0; i < nr && r == 0; i++)
		r = open_fd(tap, fds[i]);
	return r;
}

/* ---- both ---- */

static int config_check(const struct vmm_net_tap_config *c)
{
	if (c->reserved)
		return vmm__fail(-EINVAL, "tap: reserved bytes are not zero");
	if ((c->name != NULL) + (c->fd > 0) + (c->fds != NULL) != 1)
		return vmm__fail(-EINVAL, "tap: a name, a descriptor or several, one of the three");
	if (c->queue_pairs > VMM_NET_QUEUE_PAIRS_MAX || (c->queue_pairs > 0 && !c->name))
		return vmm__fail(-EINVAL, "tap: %u pairs of queues; with a name, up to %u can be",
				 c->queue_pairs, VMM_NET_QUEUE_PAIRS_MAX);
	if (c->fds ? c->nr_fds == 0 || c->nr_fds > VMM_NET_QUEUE_PAIRS_MAX : c->nr_fds != 0)
		return vmm__fail(-EINVAL, "tap: %u descriptors; 1 to %u can be", c->nr_fds,
				 VMM_NET_QUEUE_PAIRS_MAX);
	return 0;
}

int vmm__tap_open(struct tap *tap, const struct vmm_net_tap_config *c)
{
	int r = config_check(c);

	if (r < 0)
		return r;
	if (c->name)
		r = open_name(tap, c->name, c->queue_pairs ? c->queue_pairs : 1);
	else
		r = open_fds(tap, c->fds ? c->fds : &c->fd, c->fds ? c->nr_fds : 1);
	return r < 0 ? r : find_offloads(tap);
}

void vmm__tap_close(struct tap *tap)
{
	for (uint32_t i = 0; i < tap->nr_queues; i++)
		close(tap->queues[i].fd);
	tap->nr_queues = 0;
}
