/* SPDX-License-Identifier: MIT */
/*
 * http.h - the web server: libmicrohttpd, driven from the server's own epoll set.
 */
#ifndef FARM_HTTP_H
#define FARM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "farm.h"
#include "text.h"

#define BODY_MAX        4096u /* bytes of a request's body */
#define CONNECTIONS_MAX 128u
#define STREAMS_MAX     32u /* pages that look on at once */

struct stream;

struct http {
	struct farm *farm;
	struct MHD_Daemon *daemon;
	int listener;
	struct watch watch;
	bool due; /* the daemon has something to do */
	struct stream *streams;
	uint32_t nr_streams;
	struct text state;     /* what the pages are told of all guests, */
	uint64_t state_serial; /* the how manieth that is, */
	uint64_t state_ns;     /* and when it was made */
	bool ending;
};

/* A request with its body, complete. */
struct request {
	struct MHD_Connection *connection;
	struct http *http;
	const char *method;
	const char *host;
	char *body;
	size_t body_len;
	bool too_large;
	bool answered;
};

/* Listen at @address (ADDRESS:PORT, [ADDRESS]:PORT; port 0: any). Returns 0, or -1 after saying
 * why. */
int http_start(struct farm *farm, const char *address, struct http **ret_http);
void http_stop(struct http *http);

/* Where it listens, as ADDRESS:PORT. */
void http_address(const struct http *http, char *ret_address, size_t room);

/* How long epoll_wait() may sleep, ms; then do what there is to do. @timeout: it slept so long. */
int http_timeout(struct http *http);
void http_run(struct http *http, bool timeout);

/* A second is over; there is console output, or a guest's state has changed. */
void http_tick(struct http *http);
void http_output(struct http *http);

/* ---- reply.c: each answers the request and returns what libmicrohttpd wants ---- */

/* @bytes are copied. */
enum MHD_Result reply(struct request *r, unsigned status, const char *type, const void *bytes,
		      size_t len);

/* The words of an error, as text. */
enum MHD_Result reply_words(struct request *r, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Then @text is empty. */
enum MHD_Result reply_text(struct request *r, const char *type, struct text *text);

/* Headers that every answer has. Answers with @response and lets it go; NULL: out of memory. */
enum MHD_Result reply_with(struct request *r, unsigned status, const char *type,
			   struct MHD_Response *response);

/* ---- routes.c ---- */

enum MHD_Result route(struct request *r, const char *url);

/* ---- api.c ---- */

enum MHD_Result api_guests(struct request *r);
enum MHD_Result api_console(struct request *r, struct guest *g);
enum MHD_Result api_type(struct request *r, struct guest *g);
enum MHD_Result api_crash_record(struct request *r, const struct guest *g);
enum MHD_Result api_act(struct request *r, struct guest *g, int action);
void api_state(const struct farm *farm, struct text *text);

/* ---- metrics.c ---- */

enum MHD_Result metrics(struct request *r);

/* ---- stream.c ---- */

enum MHD_Result stream_open(struct request *r);

/* Let all streams look for what is new. */
void streams_wake(struct http *http);

#endif
