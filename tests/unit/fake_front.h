/* SPDX-License-Identifier: MIT */
/*
 * fake_front.h - a front end made of two counters, for tests of console backends.
 *
 * It takes @room bytes of input and remembers them, and counts the rest of what a
 * backend says. The loop is driven by hand.
 */
#ifndef TESTS_FAKE_FRONT_H
#define TESTS_FAKE_FRONT_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/console/console_priv.h"

#define FRONT_MAX	(256u << 10)

struct fake_front {
	struct vmm_loop *loop;
	struct vmm_console_port port;
	size_t room;
	size_t got_len;
	unsigned char got[FRONT_MAX];
	int calls;
	int writables;
	int resizes;
	uint16_t columns, rows;
	int connects;			/* each time somebody came or went */
	bool connected;
};

static inline size_t fake_input(void *state, const void *data, size_t len)
{
	struct fake_front *f = state;

	f->calls++;
	if (len > f->room)
		len = f->room;
	if (len > FRONT_MAX - f->got_len)
		len = FRONT_MAX - f->got_len;
	memcpy(f->got + f->got_len, data, len);
	f->got_len += len;
	f->room -= len;
	return len;
}

static inline void fake_writable(void *state)
{
	struct fake_front *f = state;

	f->writables++;
}

static inline void fake_resize(void *state, uint16_t columns, uint16_t rows)
{
	struct fake_front *f = state;

	f->resizes++;
	f->columns = columns;
	f->rows = rows;
}

static inline void fake_connected(void *state, bool connected)
{
	struct fake_front *f = state;

	f->connects++;
	f->connected = connected;
}

static const struct console_front fake_front_ops = {
	.input = fake_input, .writable = fake_writable, .resize = fake_resize,
	.connected = fake_connected,
};

static inline struct fake_front *front_create(void)
{
	struct fake_front *f = calloc(1, sizeof(*f));

	ck_assert_ptr_nonnull(f);
	f->room = SIZE_MAX;
	ck_assert_int_eq(vmm_loop_create(NULL, &f->loop), 0);
	return f;
}

static inline void front_plug(struct fake_front *f, struct vmm_chardev *chardev)
{
	ck_assert_int_eq(vmm__console_attach(&f->port, &fake_front_ops, f, chardev, f->loop), 0);
}

/* Run the loop while it has something to do. Returns how many turns that took. */
static inline int front_run(struct fake_front *f)
{
	int turns = 0;

	while (turns < 10000 && vmm_loop_dispatch(f->loop) > 0)
		turns++;
	return turns;
}

static inline void front_destroy(struct fake_front *f)
{
	vmm__console_finish(&f->port);
	/* A call that was left behind would be made now. */
	front_run(f);
	ck_assert_int_eq(vmm_loop_destroy(f->loop), 0);
	free(f);
}

/* Run the loop for @ms at most, until it has had something to do. */
static inline int front_wait(struct fake_front *f, int ms)
{
	struct pollfd p = { .fd = vmm_loop_fd(f->loop), .events = POLLIN };

	if (poll(&p, 1, ms) <= 0)
		return 0;
	return front_run(f);
}

static inline int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
