/* SPDX-License-Identifier: MIT */
/*
 * text.h - a text that grows.
 *
 * Without memory it stops growing and says so in @failed: look once, at the end.
 */
#ifndef FARM_TEXT_H
#define FARM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *bytes; /* not ended by a zero */
	size_t len;
	size_t room;
	bool failed;
};

void text_add(struct text *t, const void *bytes, size_t len);
void text_print(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As a JSON string, with its quotes. What is not ASCII is escaped byte by byte. */
void text_json(struct text *t, const char *words);

/* In base64 (RFC 4648, 4). */
void text_base64(struct text *t, const void *bytes, size_t len);

void text_free(struct text *t);

/* The end of @text that follows @start, or NULL. */
const char *text_after(const char *text, const char *start);

#endif
