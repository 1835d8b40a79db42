/* SPDX-License-Identifier: MIT */
/* text.c - a text that grows, and the two forms in which the page gets what is no plain text. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* True when there is room for @more bytes. */
static bool make_room(struct text *t, size_t more)
{
	size_t room = t->room ? t->room : 512;
	char *bytes;

	if (t->failed)
		return false;
	while (room - t->len < more)
		room *= 2;
	if (room == t->room)
		return true;
	bytes = realloc(t->bytes, room);
	if (!bytes) {
		t->failed = true;
		return false;
	}
	t->bytes = bytes;
	t->room = room;
	return true;
}

void text_add(struct text *t, const void *bytes, size_t len)
{
	if (len == 0 || !make_room(t, len))
		return;
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

void text_print(struct text *t, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n >= 0 && make_room(t, (size_t)n + 1)) {
		vsnprintf(t->bytes + t->len, (size_t)n + 1, format, again);
		t->len += (size_t)n;
	}
	va_end(again);
}

void text_json(struct text *t, const char *words)
{
	text_add(t, "\"", 1);
	for (const char *c = words; *c; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\' || byte == '<')
			text_print(t, "\\u%04x", byte);
		else
			text_add(t, c, 1);
	}
	text_add(t, "\"", 1);
}

void text_base64(struct text *t, const void *bytes, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) |
			     (left > 2 ? b[i + 2] : 0);
		char four[4] = { letters[v >> 18], letters[v >> 12 & 63],
				 left > 1 ? letters[v >> 6 & 63] : '=',
				 left > 2 ? letters[v & 63] : '=' };

		text_add(t, four, 4);
	}
}

void text_free(struct text *t)
{
	free(t->bytes);
	*t = (struct text){ 0 };
}

const char *text_after(const char *text, const char *start)
{
	size_t len = strlen(start);

	return strncmp(text, start, len) == 0 ? text + len : NULL;
}
