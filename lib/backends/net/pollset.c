/* SPDX-License-Identifier: MIT */
/*
 * pollset.c - a list of descriptors that is given anew each turn, as an epoll set.
 *
 * Two lists take turns, the one being made and the one before. The library
 * behind it lists its descriptors in nearly the same order each time, so each is
 * found where the last search ended, and a turn in which nothing changed costs
 * no system call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "backends/net/pollset_priv.h"
#include "core/error_priv.h"

#define BATCH	64	/* descriptors found ready in one turn; the rest have the next */

int vmm__pollset_init(struct pollset *set)
{
	*set = (struct pollset){ .fd = epoll_create1(EPOLL_CLOEXEC) };
	if (set->fd < 0)
		return vmm__fail_errno("cannot make an epoll set");
	return 0;
}

void vmm__pollset_finish(struct pollset *set)
{
	if (set->fd >= 0)
		close(set->fd);
	free(set->list.entries);
	free(set->old.entries);
	*set = (struct pollset){ .fd = -1 };
}

void vmm__pollset_begin(struct pollset *set)
{
	struct pollset_list spare = set->old;

	set->old = set->list;
	set->list = spare;
	set->list.nr = 0;
	set->hint = 0;
}

/* Where @fd stands in @list, looking from @from on and round the end; NULL if it does not. */
static struct pollset_entry *find(const struct pollset_list *list, uint32_t from, int fd)
{
	for (uint32_t i = 0; i < list->nr; i++) {
		uint32_t at = from + i < list->nr ? from + i : from + i - list->nr;

		if (list->entries[at].fd == fd)
			return &list->entries[at];
	}
	return NULL;
}

static struct pollset_entry *append(struct pollset_list *list)
{
	if (list->nr == list->max) {
		uint32_t max = list->max ? 2 * list->max : 16;
		struct pollset_entry *entries = realloc(list->entries, max * sizeof(*entries));

		if (!entries)
			return NULL;
		list->entries = entries;
		list->max = max;
	}
	return &list->entries[list->nr++];
}

static int watch(struct pollset *set, int fd, uint32_t events, bool known)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(set->fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	/* It was closed and opened again behind our back, or the other way round. */
	if (errno == ENOENT || errno == EEXIST)
		return epoll_ctl(set->fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
	return -1;
}

int vmm__pollset_add(struct pollset *set, int fd, uint32_t events)
{
	struct pollset_entry *before = find(&set->old, set->hint, fd);
	struct pollset_entry *entry = append(&set->list);

	if (!entry)
		return -1;	/* @before is dropped from the set at the end of the list */

	*entry = (struct pollset_entry){ .fd = fd, .events = events };
	if ((!before || before->events != events) && watch(set, fd, events, before) < 0) {
		set->list.nr--;
		return -1;
	}
	if (before) {
		before->fd = -1;
		set->hint = (uint32_t)(before - set->old.entries) + 1;
	}
	return (int)set->list.nr - 1;
}

void vmm__pollset_end(struct pollset *set)
{
	for (uint32_t i = 0; i < set->old.nr; i++) {
		if (set->old.entries[i].fd >= 0)
			(void)epoll_ctl(set->fd, EPOLL_CTL_DEL, set->old.entries[i].fd, NULL);
	}
	set->old.nr = 0;
}

static void forget_in(struct pollset_list *list, int fd)
{
	struct pollset_entry *entry = find(list, 0, fd);

	if (entry)
		entry->fd = -1;
}

void vmm__pollset_forget(struct pollset *set, int fd)
{
	int error = errno;

	(void)epoll_ctl(set->fd, EPOLL_CTL_DEL, fd, NULL);
	forget_in(&set->list, fd);
	forget_in(&set->old, fd);
	errno = error;
}

void vmm__pollset_clear(struct pollset *set)
{
	for (uint32_t i = 0; i < set->list.nr; i++)
		set->list.entries[i].ready = 0;
}

void vmm__pollset_poll(struct pollset *set)
{
	struct epoll_event events[BATCH];
	uint32_t hint = 0;
	int n;

	vmm__pollset_clear(set);
	n = epoll_wait(set->fd, events, BATCH, 0);
	for (int i = 0; i < n; i++) {
		struct pollset_entry *entry = find(&set->list, hint, events[i].data.fd);

		if (!entry)
			continue;
		entry->ready = events[i].events;
		hint = (uint32_t)(entry - set->list.entries) + 1;
	}
}

const struct pollset_entry *vmm__pollset_entry(const struct pollset *set, int index)
{
	return &set->list.entries[index];
}
