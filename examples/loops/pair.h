/* SPDX-License-Identifier: MIT */
/*
 * pair.h - two guests on an application-driven loop, whatever drives it.
 *
 * An event loop has to watch five descriptors for reading and call what belongs to each when it is
 * ready: the guests' loop, the events of each guest, and its console. Nothing else is asked of it.
 */
#ifndef LOOPS_PAIR_H
#define LOOPS_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libvmm/console.h>
#include <libvmm/loop.h>
#include <libvmm/vmm.h>

#define PAIR_GUESTS 2
#define PAIR_FDS    (1 + 2 * PAIR_GUESTS)

struct pair_guest {
	const char *name;
	struct vmm *vm;
	struct vmm_ring *ring;
	uint64_t position; /* in the ring */
	char line[256];
	size_t line_len;
	bool stopped;
};

/* A descriptor to watch, and what to call when it is readable. */
struct pair_fd {
	int fd;
	void (*ready)(void *data);
	void *data;
};

struct pair {
	struct vmm_loop *loop;
	struct pair_guest guests[PAIR_GUESTS];
	struct pair_fd fds[PAIR_FDS];
};

/* KERNEL [INITRD [CMDLINE...]]: make both guests and start them. Returns 0, or -1 after saying why.
 */
int pair_start(struct pair *pair, int argc, char **argv);

void pair_type(struct pair *pair, const void *bytes, size_t len);
void pair_stop(struct pair *pair);
bool pair_over(const struct pair *pair);
void pair_destroy(struct pair *pair);

#endif
