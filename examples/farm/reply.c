/* SPDX-License-Identifier: MIT */
/* reply.c - answers, and the headers that tell a browser to be careful. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

static const char *const headers[][2] = {
	{ "Cache-Control", "no-store" },
	/* xterm.js places its characters by style elements. */
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
	  "connect-src 'self'; img-src 'self' data:; font-src data:; base-uri 'none'; "
	  "form-action 'none'; frame-ancestors 'none'" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Referrer-Policy", "no-referrer" },
	{ "X-Content-Type-Options", "nosniff" },
};

enum MHD_Result reply_with(struct request *r, unsigned status, const char *type,
			   struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		(void)MHD_add_response_header(response, headers[i][0], headers[i][1]);
	(void)MHD_add_response_header(response, "Content-Type", type);
	if (status == MHD_HTTP_UNAUTHORIZED)
		(void)MHD_add_response_header(response, "WWW-Authenticate",
					      "Bearer realm=\"libvmm farm\"");
	result = MHD_queue_response(r->connection, status, response);
	MHD_destroy_response(response);
	r->answered = true;
	return result;
}

enum MHD_Result reply(struct request *r, unsigned status, const char *type, const void *bytes,
		      size_t len)
{
	void *copy = malloc(len + 1);

	if (!copy)
		return MHD_NO;
	memcpy(copy, bytes, len);
	return reply_with(r, status, type,
			  MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE));
}

enum MHD_Result reply_words(struct request *r, unsigned status, const char *format, ...)
{
	char words[400];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(words, sizeof(words) - 1, format, args);
	va_end(args);
	if (n < 0)
		return MHD_NO;
	if (n > (int)sizeof(words) - 2)
		n = sizeof(words) - 2;
	words[n++] = '\n';
	return reply(r, status, "text/plain; charset=utf-8", words, (size_t)n);
}

enum MHD_Result reply_text(struct request *r, const char *type, struct text *text)
{
	enum MHD_Result result =
		text->failed ? reply_words(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory")
			     : reply(r, MHD_HTTP_OK, type, text->bytes, text->len);

	text_free(text);
	return result;
}
