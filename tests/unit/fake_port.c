/* SPDX-License-Identifier: MIT */
/* fake_port.c - see fake_port.h. */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_port.h"

#define FRAMES_BYTES	(FAKE_PORT_FRAMES * sizeof(struct fake_frame))

static struct fake_frame *slot(struct fake_port *p)
{
	return &p->frames[p->nr_frames % FAKE_PORT_FRAMES];
}

static int receive_begin(void *front, uint32_t queue, uint32_t need, struct iovec *iov,
			 uint32_t max)
{
	struct fake_port *p = front;
	uint32_t first = p->buffer_bytes / 3;

	if (p->down)
		return -ENETDOWN;
	if (p->buffers == 0) {
		p->starved++;
		return -EAGAIN;
	}
	iov[0] = (struct iovec){ .iov_base = slot(p)->bytes, .iov_len = p->buffer_bytes };
	if (max < 2)
		return 1;
	iov[0].iov_len = first;
	iov[1] = (struct iovec){ .iov_base = slot(p)->bytes + first,
				 .iov_len = p->buffer_bytes - first };
	return 2;
}

static int receive_end(void *front, const struct vmm_net_frame *frame, uint32_t lent)
{
	struct fake_port *p = front;

	if (frame->length == 0)
		return 0;
	if (frame->length > lent)
		return -EMSGSIZE;
	if (p->offloads == 0 && ((frame->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || frame->gso_type)) {
		p->refused++;
		return -EPROTO;
	}
	slot(p)->length = frame->length;
	slot(p)->head = *frame;
	p->queue = frame->queue;
	p->nr_frames++;
	p->buffers--;
	return 0;
}

static void receive_commit(void *front, uint32_t queue)
{
	((struct fake_port *)front)->commits++;
}

static void writable(void *front, uint32_t queue)
{
	((struct fake_port *)front)->writables++;
}

static void carrier(void *front, bool there)
{
	((struct fake_port *)front)->carrier = there;
}

static const struct net_front_ops front_ops = {
	.receive_begin = receive_begin,
	.receive_end = receive_end,
	.receive_commit = receive_commit,
	.writable = writable,
	.carrier = carrier,
};

int fake_port_attach(struct fake_port *p, struct vmm_netdev *netdev, struct vmm_loop *loop)
{
	int r;

	*p = (struct fake_port){
		.netdev = netdev,
		.port = { .ops = &front_ops, .front = p },
		.buffers = UINT32_MAX,
		.buffer_bytes = 1514,
		.carrier = true,
		/* Most of it is never touched. */
		.frames = mmap(NULL, FRAMES_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
	};
	if (p->frames == MAP_FAILED)
		abort();
	vmm_loop_enter(loop);
	r = vmm__netdev_attach(netdev, &p->port, loop);
	vmm_loop_leave(loop);
	if (r < 0)
		munmap(p->frames, FRAMES_BYTES);
	return r;
}

void fake_port_detach(struct fake_port *p)
{
	struct vmm_loop *loop = p->netdev->loop;

	vmm_loop_enter(loop);
	vmm__netdev_detach(p->netdev);
	vmm_loop_leave(loop);
	vmm_net_destroy(p->netdev);
	munmap(p->frames, FRAMES_BYTES);
}

void fake_port_buffers(struct fake_port *p, uint32_t nr)
{
	p->buffers = nr;
	if (nr > 0 && p->starved > 0) {
		p->starved = 0;
		p->netdev->ops.receivable(p->netdev->state, 0);
	}
}

void fake_port_agree(struct fake_port *p, uint32_t offloads, uint32_t queue_pairs)
{
	p->offloads = offloads;
	if (p->netdev->ops.agreed)
		p->netdev->ops.agreed(p->netdev->state, offloads, queue_pairs);
}

int fake_port_send_as(struct fake_port *p, const struct vmm_net_frame *head, const void *bytes,
		      size_t length)
{
	/* In two pieces, as a guest might. */
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = length / 2 },
		{ .iov_base = (char *)(uintptr_t)bytes + length / 2,
		  .iov_len = length - length / 2 },
	};
	struct vmm_net_frame frame = *head;

	frame.iov = iov;
	frame.nr_iov = 2;
	frame.length = (uint32_t)length;
	return p->netdev->ops.transmit(p->netdev->state, &frame);
}

int fake_port_send(struct fake_port *p, const void *bytes, size_t length)
{
	const struct vmm_net_frame plain = { 0 };

	return fake_port_send_as(p, &plain, bytes, length);
}

void fake_port_commit(struct fake_port *p)
{
	if (p->netdev->ops.commit)
		p->netdev->ops.commit(p->netdev->state, 0);
}

const struct fake_frame *fake_port_next(struct fake_port *p)
{
	if (p->nr_frames - p->next > FAKE_PORT_FRAMES)
		p->next = p->nr_frames - FAKE_PORT_FRAMES;
	return p->next < p->nr_frames ? &p->frames[p->next++ % FAKE_PORT_FRAMES] : NULL;
}
