/* SPDX-License-Identifier: MIT */
/*
 * event_priv.h - what the application is told, in order, bounded.
 */
#ifndef CORE_EVENT_PRIV_H
#define CORE_EVENT_PRIV_H

#include <pthread.h>
#include <libvmm/vmm.h>

struct events {
	pthread_mutex_t lock;
	int fd;			/* eventfd: readable while there are some */
	struct vmm_event *ring;	/* grown up to max, so that a quiet guest costs little */
	uint32_t room, max;
	uint32_t first, nr;
	uint64_t sequence;	/* of the newest */
	uint64_t lost;		/* since the last that was taken */
	uint64_t lost_ever;
};

int vmm__events_init(struct events *events, uint32_t max);
void vmm__events_finish(struct events *events);

/* Stamp and keep @event. Never fails: the oldest makes room. Any thread. */
void vmm__events_push(struct events *events, const struct vmm_event *event);

/* 1 with *@ret_event, or 0. */
int vmm__events_take(struct events *events, struct vmm_event *ret_event);

#endif
