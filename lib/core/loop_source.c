/* SPDX-License-Identifier: MIT */
/*
 * loop_source.c - descriptors that a loop watches.
 *
 * A source that is removed may still stand in a batch that another thread has
 * just taken out of epoll. It is therefore only marked, and freed by the owner
 * at a moment when no batch is out.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "core/error_priv.h"
#include "core/loop_impl_priv.h"

static int source_control(struct vmm_source *source, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	return epoll_ctl(source->loop->epoll_fd, operation, source->fd, &event);
}

int vmm__source_watch_first(struct vmm_source *source, uint32_t events)
{
	source->events = events;
	if (source_control(source, EPOLL_CTL_ADD, events) < 0)
		return vmm__fail_errno("cannot watch descriptor %d", source->fd);
	/* Added all the same, to learn whether it can be. See vmm_source_watch(). */
	if (events == 0)
		(void)source_control(source, EPOLL_CTL_DEL, 0);
	return 0;
}

int vmm_loop_add_fd(struct vmm_loop *loop, int fd, uint32_t events,
		    void (*ready)(void *data, uint32_t revents), void *data,
		    struct vmm_source **ret_source)
{
	struct vmm_source *source;
	int r;

	if (!loop || !ready || !ret_source || fd < 0)
		return vmm__fail(-EINVAL, "a source needs a loop, a descriptor and a function");

	source = calloc(1, sizeof(*source));
	if (!source)
		return vmm__fail(-ENOMEM, "no memory for a source");
	*source = (struct vmm_source){ .loop = loop, .fd = fd, .ready = ready, .data = data };

	/* It may be ready, and its callback look at *ret_source, at once. */
	vmm_loop_enter(loop);
	r = vmm__source_watch_first(source, events);
	if (r < 0) {
		free(source);
	} else {
		vmm__loop_get(loop);
		*ret_source = source;
	}
	vmm_loop_leave(loop);
	return r;
}

/* A set without events still reports errors and hang-ups, for ever: a paused source is in none. */
int vmm_source_watch(struct vmm_source *source, uint32_t events)
{
	struct vmm_loop *loop = source->loop;
	int r = 0;

	pthread_mutex_lock(&loop->lock);
	if (events != source->events) {
		r = source_control(source, events == 0 ? EPOLL_CTL_DEL :
				   source->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, events);
		if (r == 0)
			source->events = events;
	}
	pthread_mutex_unlock(&loop->lock);

	if (r < 0)
		return vmm__fail_errno("cannot change what descriptor %d is watched for",
				       source->fd);
	return 0;
}

void vmm_source_remove(struct vmm_source *source)
{
	struct vmm_loop *loop;

	if (!source)
		return;
	loop = source->loop;

	vmm_loop_enter(loop);
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->ready = NULL;
	source->next_dead = loop->dead;
	loop->dead = source;
	vmm__loop_put(loop);
	vmm_loop_leave(loop);
}

void vmm__loop_free_dead(struct vmm_loop *loop)
{
	while (loop->dead) {
		struct vmm_source *source = loop->dead;

		loop->dead = source->next_dead;
		free(source);
	}
}
