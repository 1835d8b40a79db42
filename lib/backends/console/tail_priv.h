/* SPDX-License-Identifier: MIT */
/*
 * tail_priv.h - the last that a console printed.
 *
 * It belongs to the guest and outlives the console, which writes to it on its own loop; any
 * thread may copy it.
 */
#ifndef BACKENDS_CONSOLE_TAIL_PRIV_H
#define BACKENDS_CONSOLE_TAIL_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_TAIL	4096u	/* bytes that are kept */

struct console_tail {
	struct console_tail *next;	/* of the same guest */
	char name[64];
	pthread_mutex_t lock;
	uint64_t total;			/* bytes printed ever */
	void (*heard)(void *data, struct console_tail *tail, size_t len);
	void *heard_data;
	char bytes[CONSOLE_TAIL];
};

/* NULL: no memory. */
struct console_tail *vmm__console_tail_new(const char *name);
void vmm__console_tail_free(struct console_tail *tail);

void vmm__console_tail_put(struct console_tail *tail, const void *data, size_t len);

/*
 * Call @heard after each output with its length, on the console's loop, with the lock; NULL: nobody.
 * When this returns the one before is not called any more.
 */
void vmm__console_tail_listen(struct console_tail *tail,
			      void (*heard)(void *data, struct console_tail *tail, size_t len),
			      void *data);

/* With the lock: whether the last @len bytes hold @text, or the end of it. */
bool vmm__console_tail_holds(const struct console_tail *tail, const char *text, size_t len);

/* Bytes printed ever. */
uint64_t vmm__console_tail_total(struct console_tail *tail);

/* Copy what is kept, at most CONSOLE_TAIL bytes, to @dst. Returns how much. */
size_t vmm__console_tail_copy(struct console_tail *tail, char *dst, uint64_t *ret_total);

#endif
