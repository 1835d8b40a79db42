/* SPDX-License-Identifier: MIT */
/*
 * pollset_priv.h - for a library that says with every turn what it wants polled.
 *
 * Such a library hands out its whole list of descriptors again and again, and
 * mostly the same one. This keeps it as an epoll set of its own and changes only
 * what differs. The epoll descriptor is the one thing that the loop watches.
 */
#ifndef BACKENDS_NET_POLLSET_PRIV_H
#define BACKENDS_NET_POLLSET_PRIV_H

#include <stdbool.h>
#include <stdint.h>

struct pollset_entry {
	int fd;				/* -1: closed since */
	uint32_t events;		/* EPOLL*: what epoll was told */
	uint32_t ready;			/* EPOLL*: what epoll said */
};

struct pollset_list {
	struct pollset_entry *entries;
	uint32_t nr, max;
};

struct pollset {
	int fd;				/* the epoll set: readable while something is ready */
	struct pollset_list list;	/* what is watched, in the order it was listed */
	struct pollset_list old;	/* while a new list is made: the one before */
	uint32_t hint;			/* where in @old the next descriptor is looked for */
};

int vmm__pollset_init(struct pollset *set);
void vmm__pollset_finish(struct pollset *set);

/* A new list: begin, add each descriptor, end. What was not added is watched no more. */
void vmm__pollset_begin(struct pollset *set);
void vmm__pollset_end(struct pollset *set);

/* The descriptor's index in the list, or -1 when it could not be watched. */
int vmm__pollset_add(struct pollset *set, int fd, uint32_t events);

/* @fd was opened or is about to be closed: a number that comes back is another descriptor. */
void vmm__pollset_forget(struct pollset *set, int fd);

/* Find out what is ready, without waiting. */
void vmm__pollset_poll(struct pollset *set);
void vmm__pollset_clear(struct pollset *set);	/* nothing is */

/* What entry @index was listed for, and what of that and of EPOLLERR and EPOLLHUP is ready. */
const struct pollset_entry *vmm__pollset_entry(const struct pollset *set, int index);

#endif
