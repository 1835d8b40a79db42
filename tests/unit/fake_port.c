/* SPDX-License-Identifier: MIT */
/* fake_port.c - see fake_port.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_port.h"

static struct fake_frame *slot(struct fake_port *p)
{
	return &p->frames[p->nr_frames % FAKE_PORT_FRAMES];
}

static int receive_begin(void *front, struct iovec *iov, uint32_t max)
{
	struct fake_port *p = front;
	uint32_t first = p->buffer_bytes / 3;

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

static void receive_end(void *front, uint32_t length)
{
	struct fake_port *p = front;

	if (length == 0)
		return;
	slot(p)->length = length;
	p->nr_frames++;
	p->buffers--;
}

static void receive_commit(void *front)
{
	((struct fake_port *)front)->commits++;
}

static void writable(void *front)
{
	((struct fake_port *)front)->writables++;
}

static const struct net_front_ops front_ops = {
	.receive_begin = receive_begin,
	.receive_end = receive_end,
	.receive_commit = receive_commit,
	.writable = writable,
};

int fake_port_attach(struct fake_port *p, struct vmm_netdev *netdev, struct vmm_loop *loop)
{
	int r;

	*p = (struct fake_port){
		.netdev = netdev,
		.port = { .ops = &front_ops, .front = p },
		.buffers = UINT32_MAX,
		.buffer_bytes = 1514,
		.frames = calloc(FAKE_PORT_FRAMES, sizeof(struct fake_frame)),
	};
	vmm_loop_enter(loop);
	r = vmm__netdev_attach(netdev, &p->port, loop);
	vmm_loop_leave(loop);
	if (r < 0)
		free(p->frames);
	return r;
}

void fake_port_detach(struct fake_port *p)
{
	struct vmm_loop *loop = p->netdev->loop;

	vmm_loop_enter(loop);
	vmm__netdev_detach(p->netdev);
	vmm_loop_leave(loop);
	vmm_net_destroy(p->netdev);
	free(p->frames);
}

void fake_port_buffers(struct fake_port *p, uint32_t nr)
{
	p->buffers = nr;
	if (nr > 0 && p->starved > 0) {
		p->starved = 0;
		p->netdev->ops.receivable(p->netdev->state);
	}
}

int fake_port_send(struct fake_port *p, const void *bytes, size_t length)
{
	/* In two pieces, as a guest might. */
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = length / 2 },
		{ .iov_base = (char *)(uintptr_t)bytes + length / 2,
		  .iov_len = length - length / 2 },
	};
	struct vmm_net_frame frame = { .iov = iov, .nr_iov = 2, .length = (uint32_t)length };

	return p->netdev->ops.transmit(p->netdev->state, &frame);
}

void fake_port_commit(struct fake_port *p)
{
	if (p->netdev->ops.commit)
		p->netdev->ops.commit(p->netdev->state);
}

const struct fake_frame *fake_port_next(struct fake_port *p)
{
	if (p->nr_frames - p->next > FAKE_PORT_FRAMES)
		p->next = p->nr_frames - FAKE_PORT_FRAMES;
	return p->next < p->nr_frames ? &p->frames[p->next++ % FAKE_PORT_FRAMES] : NULL;
}
