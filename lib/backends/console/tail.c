/* SPDX-License-Identifier: MIT */
/*
 * tail.c - the last that a console printed, kept for a crash record, and who listens to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console/tail_priv.h"

struct console_tail *vmm__console_tail_new(const char *name)
{
	struct console_tail *tail = calloc(1, sizeof(*tail));

	if (!tail)
		return NULL;
	snprintf(tail->name, sizeof(tail->name), "%s", name);
	pthread_mutex_init(&tail->lock, NULL);
	return tail;
}

void vmm__console_tail_free(struct console_tail *tail)
{
	if (!tail)
		return;
	pthread_mutex_destroy(&tail->lock);
	free(tail);
}

void vmm__console_tail_put(struct console_tail *tail, const void *data, size_t len)
{
	const char *from = data;
	const size_t all = len;

	pthread_mutex_lock(&tail->lock);
	tail->total += len;
	if (len > CONSOLE_TAIL) {
		from += len - CONSOLE_TAIL;
		len = CONSOLE_TAIL;
	}
	while (len > 0) {
		uint32_t at = (uint32_t)((tail->total - len) % CONSOLE_TAIL);
		size_t n = CONSOLE_TAIL - at < len ? CONSOLE_TAIL - at : len;

		memcpy(tail->bytes + at, from, n);
		from += n;
		len -= n;
	}
	if (tail->heard)
		tail->heard(tail->heard_data, tail, all);
	pthread_mutex_unlock(&tail->lock);
}

/* With the lock: the last @len bytes, or as many as there are. Returns how many. */
static size_t copy_last(const struct console_tail *tail, char *dst, size_t len)
{
	size_t at, n;

	if (len > CONSOLE_TAIL)
		len = CONSOLE_TAIL;
	if (len > tail->total)
		len = (size_t)tail->total;
	at = (size_t)((tail->total - len) % CONSOLE_TAIL);
	n = CONSOLE_TAIL - at < len ? CONSOLE_TAIL - at : len;
	memcpy(dst, tail->bytes + at, n);
	memcpy(dst + n, tail->bytes, len - n);
	return len;
}

void vmm__console_tail_listen(struct console_tail *tail,
			      void (*heard)(void *data, struct console_tail *tail, size_t len),
			      void *data)
{
	pthread_mutex_lock(&tail->lock);
	tail->heard = heard;
	tail->heard_data = data;
	pthread_mutex_unlock(&tail->lock);
}

bool vmm__console_tail_holds(const struct console_tail *tail, const char *text, size_t len)
{
	char last[CONSOLE_TAIL];
	size_t want = strlen(text);

	/* It may have begun in the output before. */
	len = copy_last(tail, last, len + want - 1);
	return memmem(last, len, text, want) != NULL;
}

size_t vmm__console_tail_copy(struct console_tail *tail, char *dst, uint64_t *ret_total)
{
	size_t len;

	pthread_mutex_lock(&tail->lock);
	len = copy_last(tail, dst, CONSOLE_TAIL);
	*ret_total = tail->total;
	pthread_mutex_unlock(&tail->lock);
	return len;
}

uint64_t vmm__console_tail_total(struct console_tail *tail)
{
	uint64_t total;

	pthread_mutex_lock(&tail->lock);
	total = tail->total;
	pthread_mutex_unlock(&tail->lock);
	return total;
}
