/* SPDX-License-Identifier: MIT */
/*
 * ring.c - a console in memory: the last bytes of output, read by position.
 *
 * Output never waits for the reader. The object is shared by the guest's side
 * (the backend) and the reader's (struct vmm_ring), and freed by whoever lets go
 * last. Its lock is held for a copy and no call of the front end's is made under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backends/console/console_priv.h"
#include "core/error_priv.h"

#define RING_MAX	(16u << 20)
#define INPUT_MAX	4096u

struct vmm_ring {
	pthread_mutex_t lock;		/* of all that follows */
	unsigned users;			/* the backend, the reader */
	bool has_reader;

	unsigned char *data;
	uint32_t size;			/* a power of two */
	uint64_t written;		/* bytes ever */
	int event_fd;
	bool signalled;			/* event_fd is readable */

	struct vmm_console_port *port;	/* NULL: not attached */
	struct vmm_deferred deliver;
	uint32_t in_start, in_len;
	unsigned char input[INPUT_MAX];
};

static void ring_put(struct vmm_ring *ring)
{
	unsigned users;

	pthread_mutex_lock(&ring->lock);
	users = --ring->users;
	pthread_mutex_unlock(&ring->lock);
	if (users > 0)
		return;

	close(ring->event_fd);
	pthread_mutex_destroy(&ring->lock);
	free(ring->data);
	free(ring);
}

/* ---- the guest's side ---- */

/* With the lock: what waits from in_start on, up to the end of the array. */
static uint32_t input_piece(const struct vmm_ring *ring)
{
	uint32_t room = INPUT_MAX - ring->in_start;

	return ring->in_len < room ? ring->in_len : room;
}

/* Only the loop takes input out, so what was copied still stands there after the call. */
static void ring_deliver(struct vmm_deferred *deferred)
{
	struct vmm_ring *ring = (struct vmm_ring *)((char *)deferred -
						    offsetof(struct vmm_ring, deliver));
	unsigned char piece[INPUT_MAX];
	uint32_t len, taken;

	do {
		pthread_mutex_lock(&ring->lock);
		len = input_piece(ring);
		memcpy(piece, ring->input + ring->in_start, len);
		pthread_mutex_unlock(&ring->lock);

		taken = (uint32_t)vmm_console_port_input(ring->port, piece, len);

		pthread_mutex_lock(&ring->lock);
		ring->in_start = (ring->in_start + taken) % INPUT_MAX;
		ring->in_len -= taken;
		pthread_mutex_unlock(&ring->lock);
	} while (taken > 0);
}

static int ring_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	struct vmm_ring *ring = state;

	pthread_mutex_lock(&ring->lock);
	vmm_deferred_init(&ring->deliver, loop, ring_deliver);
	ring->port = port;
	if (ring->in_len > 0)
		vmm_defer(&ring->deliver);
	pthread_mutex_unlock(&ring->lock);
	return 0;
}

static void ring_detach(void *state)
{
	struct vmm_ring *ring = state;

	/* From the unlock on nobody defers the call again. */
	pthread_mutex_lock(&ring->lock);
	ring->port = NULL;
	pthread_mutex_unlock(&ring->lock);
	vmm_deferred_cancel(&ring->deliver);
}

static void ring_readable(void *state)
{
	struct vmm_ring *ring = state;

	ring_deliver(&ring->deliver);
}

/* With the lock. */
static void ring_signal(struct vmm_ring *ring)
{
	const uint64_t one = 1;

	if (ring->signalled)
		return;
	ring->signalled = true;
	(void)!write(ring->event_fd, &one, sizeof(one));
}

static size_t ring_append(void *state, const void *data, size_t len)
{
	struct vmm_ring *ring = state;
	const unsigned char *bytes = data;

	pthread_mutex_lock(&ring->lock);
	for (size_t left = ring->has_reader ? len : 0; left > 0;) {
		size_t at = ring->written & (ring->size - 1);
		size_t piece = left < ring->size - at ? left : ring->size - at;

		memcpy(ring->data + at, bytes, piece);
		ring->written += piece;
		bytes += piece;
		left -= piece;
	}
	if (len > 0 && ring->has_reader)
		ring_signal(ring);
	pthread_mutex_unlock(&ring->lock);
	return len;
}

static void ring_destroy(void *state)
{
	ring_put(state);
}

static const struct vmm_console_ops ring_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "ring",
	.attach = ring_attach,
	.write = ring_append,
	.readable = ring_readable,
	.detach = ring_detach,
	.destroy = ring_destroy,
};

/* ---- the reader's side ---- */

/* With the lock. */
static size_t ring_copy(struct vmm_ring *ring, uint64_t position, unsigned char *dst, size_t len)
{
	size_t at = position & (ring->size - 1), first;

	if (len > ring->written - position)
		len = ring->written - position;
	first = len < ring->size - at ? len : ring->size - at;
	memcpy(dst, ring->data + at, first);
	memcpy(dst + first, ring->data, len - first);
	return len;
}

size_t vmm_ring_read(struct vmm_ring *ring, uint64_t *position, void *dst, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&ring->lock);
	if (ring->written > ring->size && *position < ring->written - ring->size)
		*position = ring->written - ring->size;
	if (*position < ring->written)
		n = ring_copy(ring, *position, dst, len);
	*position += n;

	if (*position >= ring->written && ring->signalled) {
		uint64_t count;

		ring->signalled = false;
		(void)!read(ring->event_fd, &count, sizeof(count));
	}
	pthread_mutex_unlock(&ring->lock);
	return n;
}

size_t vmm_ring_write(struct vmm_ring *ring, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	pthread_mutex_lock(&ring->lock);
	/* Nobody will take it once the guest is gone. */
	if (ring->users < 2)
		len = 0;
	else if (len > INPUT_MAX - ring->in_len)
		len = INPUT_MAX - ring->in_len;

	for (size_t i = 0; i < len; i++)
		ring->input[(ring->in_start + ring->in_len++) % INPUT_MAX] = bytes[i];
	if (len > 0 && ring->port)
		vmm_defer(&ring->deliver);
	pthread_mutex_unlock(&ring->lock);
	return len;
}

int vmm_ring_fd(const struct vmm_ring *ring)
{
	return ring->event_fd;
}

void vmm_ring_close(struct vmm_ring *ring)
{
	if (!ring)
		return;

	pthread_mutex_lock(&ring->lock);
	ring->has_reader = false;
	pthread_mutex_unlock(&ring->lock);
	ring_put(ring);
}

int vmm_console_open_ring(uint32_t bytes, struct vmm_chardev **ret_chardev,
			  struct vmm_ring **ret_ring)
{
	struct vmm_ring *ring;
	int r;

	if (!ret_chardev || !ret_ring)
		return vmm__fail(-EINVAL, "no place for a ring console's two sides");
	if (bytes == 0 || bytes > RING_MAX)
		return vmm__fail(-EINVAL, "a ring of %u bytes: 1 to %u will do", bytes, RING_MAX);

	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return vmm__fail(-ENOMEM, "no memory for a ring console");
	*ring = (struct vmm_ring){ .users = 2, .has_reader = true, .size = 1 };
	while (ring->size < bytes)
		ring->size *= 2;

	ring->data = malloc(ring->size);
	if (!ring->data) {
		r = vmm__fail(-ENOMEM, "no memory for a ring of %u bytes", ring->size);
		goto free_ring;
	}
	ring->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ring->event_fd < 0) {
		r = vmm__fail_errno("cannot make a ring's eventfd");
		goto free_data;
	}
	r = vmm_console_create(&ring_ops, ring, ret_chardev);
	if (r < 0)
		goto close_event;

	pthread_mutex_init(&ring->lock, NULL);
	*ret_ring = ring;
	return 0;

close_event:
	close(ring->event_fd);
free_data:
	free(ring->data);
free_ring:
	free(ring);
	return r;
}
