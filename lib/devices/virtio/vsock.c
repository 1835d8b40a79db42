/* SPDX-License-Identifier: MIT */
/*
 * vsock.c - virtio-vsock (VIRTIO 1.2, section 5.10), stream sockets.
 *
 * The device: its three queues, and what is done when. Nothing of the guest's memory is
 * held between two callbacks: a packet is handled and given back, a receive
 * buffer is filled or put back.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include <libvmm/vmm.h>
#include "core/config_priv.h"
#include "core/error_priv.h"
#include "devices/virtio/vsock_priv.h"

#define ROUNDS		4u		/* of work before the others of the loop have their turn */
#define BUFFER_BYTES	(256u << 10)	/* what Linux has itself */
#define BUFFER_MIN	4096u
#define BUFFER_MAX	(16u << 20)
#define FIRST_PORT	(1u << 30)

/* ---- work ---- */

static void flush_all(struct vmm_vsock_link *v)
{
	v->any_flush = false;
	for (struct vmm_vsock_conn *c = v->all.next; c != &v->all; c = c->next) {
		if (!c->flush)
			continue;
		c->flush = false;
		if (c->backend)
			vmm__vsock_flush(c);
	}
}

/* 5.10.6.7. It waits for the driver's buffer. */
static void send_event(struct vmm_vsock_link *v)
{
	const struct virtio_vsock_event event = {
		.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET),
	};
	struct vmm_queue *queue = vmm_device_queue(v->dev, VSOCK_EVENT);

	if (!v->event_due || vmm_queue_pop(queue, &v->rx) <= 0)
		return;
	if (v->rx.in_len < sizeof(event)) {
		vmm_device_break(v->dev, "an event buffer is too small for an event");
		return;
	}
	vmm_chain_write(&v->rx, 0, &event, sizeof(event));
	vmm_queue_push(queue, &v->rx, sizeof(event));
	vmm_queue_notify(queue);
	v->event_due = false;
}

static bool may_transmit(const struct vmm_vsock_link *v)
{
	return v->tx_due || (v->tx_held && v->nr_strays < VSOCK_RESETS);
}

static void round_of_work(struct vmm_vsock_link *v)
{
	if (v->any_flush)
		flush_all(v);
	if (v->active && !v->cut && may_transmit(v)) {
		v->tx_due = false;
		vmm__vsock_tx(v);
	}
	if (v->active && !v->cut)
		vmm__vsock_rx(v);
	if (v->active && !v->cut && may_transmit(v))
		v->again = true;
}

void vmm__vsock_work(struct vmm_vsock_link *v)
{
	if (v->running) {
		v->again = true;
		return;
	}
	v->running = true;
	for (unsigned i = 0; i < ROUNDS; i++) {
		v->again = false;
		round_of_work(v);
		if (!v->again)
			break;
	}
	if (v->again)
		vmm_defer(&v->more);
	v->running = false;
	vmm__vsock_reap(v);
}

bool vmm__vsock_enter(struct vmm_vsock_link *v)
{
	bool outer = !v->running;

	v->running = true;
	return outer;
}

void vmm__vsock_leave(struct vmm_vsock_link *v, bool outer)
{
	if (outer)
		v->running = false;
	vmm__vsock_work(v);
}

static void more(struct vmm_deferred *deferred)
{
	struct vmm_vsock_link *v =
		(struct vmm_vsock_link *)((char *)deferred - offsetof(struct vmm_vsock_link, more));

	v->cut = false;
	v->tx_due = true;
	vmm__vsock_work(v);
}

/* ---- the device ---- */

static int vsock_activate(struct vmm_device *dev, const struct vmm_features *features)
{
	struct vmm_vsock_link *v = vmm_device_state(dev);

	/* All queues are kicked next. */
	v->active = true;
	return 0;
}

static void vsock_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct vmm_vsock_link *v = vmm_device_state(dev);

	switch (vmm_queue_index(queue)) {
	case VSOCK_EVENT:
		send_event(v);
		break;
	case VSOCK_TX:
		v->tx_due = true;
		vmm__vsock_work(v);
		break;
	default:
		vmm__vsock_work(v);
		break;
	}
}

/* The guest's ends are gone. */
static void end_all(struct vmm_vsock_link *v, bool last)
{
	bool was_active = v->active;

	/* So that closed() does not connect anew. */
	v->active = false;
	assert(!v->running);
	v->running = true;
	vmm__vsock_end_all(v, last);
	v->running = false;
	vmm__vsock_reap(v);
	v->active = was_active;
	v->nr_strays = 0;
}

static void vsock_reset(struct vmm_device *dev)
{
	struct vmm_vsock_link *v = vmm_device_state(dev);

	end_all(v, false);
	v->active = v->cut = v->tx_due = v->tx_held = v->event_due = false;
}

static void vsock_queue_reset(struct vmm_device *dev, struct vmm_queue *queue)
{
	/* Nothing is in flight between two turns. */
}

static void link_free(struct vmm_vsock_link *v)
{
	vmm_timer_remove(v->timer);
	vmm_deferred_cancel(&v->more);
	free(v->hash);
	free(v);
}

static void vsock_destroy(void *state)
{
	struct vmm_vsock_link *v = state;
	struct vmm_vsock *backend = v->backend;

	end_all(v, true);
	backend->ops.detach(backend->state);
	backend->link = NULL;
	link_free(v);
	vmm_vsock_destroy(backend);
}

static const struct vmm_device_ops vsock_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "virtio-vsock",
	.virtio_id = VIRTIO_ID_VSOCK,
	.activate = vsock_activate,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.destroy = vsock_destroy,
	.queue_reset = vsock_queue_reset,
};

/* ---- plugging it in ---- */

/* 5.10.4: 0, 1, 2 and all ones are taken, and the upper half is zero. */
static int check_cid(uint64_t cid)
{
	if (cid <= VSOCK_HOST_CID || cid >= UINT32_MAX)
		return vmm__fail(-EINVAL, "guest_cid %llu is not in 3 .. 4294967294",
				 (unsigned long long)cid);
	return 0;
}

static int config_check(struct vmm_vsock_config *c)
{
	if (c->guest_cid == 0)
		c->guest_cid = 3;
	if (c->max_connections == 0)
		c->max_connections = VSOCK_CONNECTIONS;
	if (c->buffer_bytes == 0)
		c->buffer_bytes = BUFFER_BYTES;

	if (!c->backend)
		return vmm__fail(-EINVAL, "a socket device needs a backend");
	if (c->backend->link)
		return vmm__fail(-EBUSY, "this socket backend belongs to another device");
	if (c->reserved)
		return vmm__fail(-EINVAL, "socket device: reserved bytes are not zero");
	if (c->max_connections > VSOCK_CONNECTIONS_MAX)
		return vmm__fail(-EINVAL, "max_connections %u is over %u", c->max_connections,
				 VSOCK_CONNECTIONS_MAX);
	if (c->buffer_bytes < BUFFER_MIN || c->buffer_bytes > BUFFER_MAX)
		return vmm__fail(-EINVAL, "buffer_bytes %u is not in %u .. %u", c->buffer_bytes,
				 BUFFER_MIN, BUFFER_MAX);
	return check_cid(c->guest_cid);
}

static int link_new(const struct vmm_vsock_config *c, struct vmm_loop *loop,
		    struct vmm_vsock_link **ret_link)
{
	struct vmm_vsock_link *v = calloc(1, sizeof(*v));
	uint32_t buckets = 16;
	int r;

	if (!v)
		return vmm__fail(-ENOMEM, "no memory for a socket device");
	while (buckets < c->max_connections)
		buckets *= 2;
	v->hash = calloc(buckets, sizeof(v->hash[0]));
	if (!v->hash) {
		free(v);
		return vmm__fail(-ENOMEM, "no memory for a socket device");
	}
	v->hash_mask = buckets - 1;
	v->backend = c->backend;
	v->loop = loop;
	v->guest_cid = c->guest_cid;
	v->max_connections = c->max_connections;
	v->buffer_bytes = c->buffer_bytes;
	v->next_port = FIRST_PORT;
	v->all.next = v->all.prev = &v->all;
	v->ready.ready_next = v->ready.ready_prev = &v->ready;
	vmm_deferred_init(&v->more, loop, more);
	r = vmm_loop_add_timer(loop, vmm__vsock_expire, v, &v->timer);
	if (r < 0) {
		link_free(v);
		return r;
	}
	*ret_link = v;
	return 0;
}

static int plug(struct vmm *vm, const struct vmm_vsock_config *c, struct vmm_vsock_link *v)
{
	const struct virtio_vsock_config space = { .guest_cid = htole64(c->guest_cid) };
	struct vmm_device_config device = VMM_DEVICE_CONFIG_INIT;

	device.ops = &vsock_ops;
	device.state = v;
	device.name = c->name ? c->name : "vsock";
	device.config_space = &space;
	device.config_bytes = sizeof(space);
	device.nr_queues = VSOCK_QUEUES;
	device.queue_size = 256;
	device.transport = c->transport;
	device.loop = v->loop;
	return vmm_add_device(vm, &device, &v->dev);
}

int vmm_add_vsock(struct vmm *vm, const struct vmm_vsock_config *config,
		  struct vmm_device **ret_dev)
{
	struct vmm_vsock_config c;
	struct vmm_vsock_link *v = NULL;
	struct vmm_loop *loop;
	int r;

	if (!vm || !config)
		return vmm__fail(-EINVAL, "vmm_add_vsock: a guest and a config");
	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r == 0)
		r = config_check(&c);
	if (r < 0)
		return r;
	loop = c.loop ? c.loop : vmm_loop_of(vm);
	r = link_new(&c, loop, &v);
	if (r < 0)
		return r;

	/* A client may come before there is a device. */
	vmm_loop_enter(loop);
	r = c.backend->ops.attach(c.backend->state, v, loop);
	if (r < 0)
		goto free_link;
	r = plug(vm, &c, v);
	if (r < 0)
		goto detach;
	c.backend->link = v;
	if (ret_dev)
		*ret_dev = v->dev;
	vmm_loop_leave(loop);
	return 0;

detach:
	c.backend->ops.detach(c.backend->state);
free_link:
	link_free(v);
	vmm_loop_leave(loop);
	return r;
}

int vmm_vsock_transport_reset(struct vmm_vsock *vsock, uint64_t guest_cid)
{
	struct vmm_vsock_link *v = vsock ? vsock->link : NULL;
	uint64_t bytes;
	int r = guest_cid ? check_cid(guest_cid) : 0;

	if (r < 0)
		return r;
	if (!vsock)
		return vmm__fail(-EINVAL, "no socket backend");
	if (!v)
		return vmm__fail(-EBUSY, "this socket backend is not in a guest");

	vmm_loop_enter(v->loop);
	if (v->running) {
		vmm_loop_leave(v->loop);
		return vmm__fail(-EDEADLK, "a transport reset inside a callback of the backend's");
	}
	end_all(v, false);
	if (guest_cid) {
		v->guest_cid = guest_cid;
		bytes = htole64(guest_cid);
		vmm_device_set_config(v->dev, 0, &bytes, sizeof(bytes), false);
	}
	v->event_due = v->active;
	if (v->active)
		send_event(v);
	vmm_loop_leave(v->loop);
	return 0;
}
