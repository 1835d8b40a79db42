/* SPDX-License-Identifier: MIT */
/*
 * tap_priv.h - a tap interface, open: tap_open.c makes it, tap.c moves its frames.
 */
#ifndef BACKENDS_NET_TAP_PRIV_H
#define BACKENDS_NET_TAP_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/net.h>

#define TAP_HEADER_MAX	64	/* bytes of virtio header that a given tap may have */

struct tap;

/* One queue of the interface: a descriptor. */
struct tap_queue {
	struct tap *tap;
	uint32_t index;
	int fd;
	int nowait;			/* RWF_NOWAIT for a descriptor that would block, else 0 */
	struct vmm_source *source;	/* NULL: the interface is gone */
	bool no_buffer;			/* the guest has none; do not read */
	bool full;			/* the guest waits to write */
	bool off;			/* the guest does not use this pair */
};

struct tap {
	int header_bytes;		/* before each frame; 0: none */
	uint32_t can;			/* offloads of this host's kernel */
	struct vmm_net_port *port;
	uint64_t lost;			/* frames that the host's side had and the guest did not get */
	uint32_t nr_queues;
	struct tap_queue queues[VMM_NET_QUEUE_PAIRS_MAX];
};

/*
 * Open the queues of @tap, which is zeros. On failure too, vmm__tap_close() closes what was
 * opened.
 */
int vmm__tap_open(struct tap *tap, const struct vmm_net_tap_config *config);
void vmm__tap_close(struct tap *tap);

/* What the kernel may leave to the guest from now on. False: it cannot. */
bool vmm__tap_set_offloads(const struct tap *tap, uint32_t offloads);

/* Have the kernel use @queue, or not. */
void vmm__tap_use_queue(struct tap_queue *queue, bool use);

#endif
