/* SPDX-License-Identifier: MIT */
/*
 * event.c - a bounded queue of events with a descriptor that tells of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/event_priv.h"
#include "core/trace_priv.h"

#define FIRST_ROOM	8u

int vmm__events_init(struct events *events, uint32_t max)
{
	*events = (struct events){ .fd = -1, .max = max };
	events->room = max < FIRST_ROOM ? max : FIRST_ROOM;
	events->ring = calloc(events->room, sizeof(events->ring[0]));
	if (!events->ring)
		return vmm__fail(-ENOMEM, "no memory for events");

	events->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (events->fd < 0) {
		int r = vmm__fail_errno("cannot open a descriptor for events");

		free(events->ring);
		events->ring = NULL;
		return r;
	}
	pthread_mutex_init(&events->lock, NULL);
	return 0;
}

void vmm__events_finish(struct events *events)
{
	if (!events->ring)
		return;
	close(events->fd);
	free(events->ring);
	pthread_mutex_destroy(&events->lock);
	*events = (struct events){ .fd = -1 };
}

/* With the lock. Without memory the ring stays as it is and loses its oldest. */
static void grow(struct events *events)
{
	uint32_t room = events->room * 2 < events->max ? events->room * 2 : events->max;
	struct vmm_event *ring;

	if (events->nr < events->room || events->room == events->max)
		return;
	ring = calloc(room, sizeof(ring[0]));
	if (!ring)
		return;
	for (uint32_t i = 0; i < events->nr; i++)
		ring[i] = events->ring[(events->first + i) % events->room];
	free(events->ring);
	events->ring = ring;
	events->room = room;
	events->first = 0;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void vmm__events_push(struct events *events, const struct vmm_event *event)
{
	const uint64_t one = 1;
	struct vmm_event *slot;

	pthread_mutex_lock(&events->lock);
	grow(events);
	if (events->nr == events->room) {
		events->first = (events->first + 1) % events->room;
		events->nr--;
		events->lost++;
		events->lost_ever++;
	}
	slot = &events->ring[(events->first + events->nr++) % events->room];
	*slot = *event;
	slot->size = sizeof(*slot);
	slot->sequence = ++events->sequence;
	slot->time_ns = now_ns();
	TRACE3(event, event->type, event->value, slot->sequence);
	if (events->nr == 1)
		(void)!write(events->fd, &one, sizeof(one));
	pthread_mutex_unlock(&events->lock);
}

int vmm__events_take(struct events *events, struct vmm_event *ret_event)
{
	uint64_t count;
	int taken = 0;

	pthread_mutex_lock(&events->lock);
	if (events->nr > 0) {
		*ret_event = events->ring[events->first];
		ret_event->lost = events->lost;
		events->lost = 0;
		events->first = (events->first + 1) % events->room;
		events->nr--;
		taken = 1;
		if (events->nr == 0)
			(void)!read(events->fd, &count, sizeof(count));
	}
	pthread_mutex_unlock(&events->lock);
	return taken;
}
