/* SPDX-License-Identifier: MIT */
/*
 * stream.c - what a page is told while it looks on: server-sent events (HTML, 9.2), in one
 *connection.
 *
 *	event: state	data: what /api/guests says, once a second and when a guest's state changes
 *	event: console	data: {"guest":NAME,"at":POSITION,"data":BASE64}
 *
 * A stream has a place in each console, so that a page that reads slowly misses output and holds
 * up nobody. What waits for it is bounded: the next event is made when the last one is gone.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"

#define PIECE (8u << 10)  /* of one console in one event */
#define TURN  (64u << 10) /* of all consoles before the state has its turn again */

struct stream {
	struct stream *next, **link;
	struct http *http;
	struct MHD_Connection *connection;
	struct text out;
	size_t sent;     /* of @out */
	uint64_t serial; /* of the state told last */
	uint32_t turn;   /* the guest whose console comes first */
	bool asleep;
	uint64_t positions[]; /* one for each guest */
};

/* ---- what is new ---- */

static void add_state(struct stream *s)
{
	const struct http *http = s->http;

	if (s->serial == http->state_serial || http->state.failed)
		return;
	s->serial = http->state_serial;
	text_print(&s->out, "event: state\ndata: ");
	text_add(&s->out, http->state.bytes, http->state.len);
	text_print(&s->out, "\n\n");
}

static size_t add_console(struct stream *s, uint32_t i)
{
	const struct guest *g = &s->http->farm->guests[i];
	uint64_t *position = &s->positions[i];
	char bytes[PIECE];
	size_t n;

	if (*position >= g->printed)
		return 0;
	n = vmm_ring_read(g->ring, position, bytes, sizeof(bytes));
	if (n == 0)
		return 0;
	text_print(&s->out,
		   "event: console\ndata: {\"guest\":\"%s\",\"at\":%" PRIu64 ",\"data\":\"",
		   g->name, *position - n);
	text_base64(&s->out, bytes, n);
	text_print(&s->out, "\"}\n\n");
	return n;
}

/* Every guest has its turn, however much others print. */
static void add_consoles(struct stream *s)
{
	const uint32_t nr = s->http->farm->nr_guests;
	size_t total = 0;

	for (uint32_t n = 0; n < nr && total < TURN; n++) {
		total += add_console(s, s->turn);
		s->turn = (s->turn + 1) % nr;
	}
}

/* ---- the connection ---- */

/* Asked by the daemon for more, up to @max bytes. */
static ssize_t more(void *data, uint64_t position, char *buffer, size_t max)
{
	struct stream *s = data;
	size_t n;

	if (s->http->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (s->sent == s->out.len) {
		s->out.len = s->sent = 0;
		add_state(s);
		add_consoles(s);
	}
	if (s->out.failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = s->out.len - s->sent;
	if (n == 0) {
		s->asleep = true;
		MHD_suspend_connection(s->connection);
		return 0;
	}
	if (n > max)
		n = max;
	memcpy(buffer, s->out.bytes + s->sent, n);
	s->sent += n;
	return (ssize_t)n;
}

static void closed(void *data)
{
	struct stream *s = data;

	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	s->http->nr_streams--;
	text_free(&s->out);
	free(s);
}

void streams_wake(struct http *http)
{
	for (struct stream *s = http->streams; s; s = s->next) {
		if (!s->asleep)
			continue;
		s->asleep = false;
		MHD_resume_connection(s->connection);
		http->due = true;
	}
}

enum MHD_Result stream_open(struct request *r)
{
	struct http *http = r->http;
	struct stream *s;
	struct MHD_Response *response;

	if (strcmp(r->method, "GET") != 0)
		return reply(r, MHD_HTTP_OK, "text/event-stream", "", 0);
	if (http->nr_streams >= STREAMS_MAX)
		return reply_words(r, MHD_HTTP_SERVICE_UNAVAILABLE, "%u pages look on already",
				   STREAMS_MAX);
	s = calloc(1, sizeof(*s) + http->farm->nr_guests * sizeof(s->positions[0]));
	if (!s)
		return MHD_NO;
	s->http = http;
	s->connection = r->connection;
	s->serial = http->state_serial - 1;
	s->next = http->streams;
	s->link = &http->streams;
	if (s->next)
		s->next->link = &s->next;
	http->streams = s;
	http->nr_streams++;
	if (http->nr_streams == 1)
		http_tick(http); /* the state is made only while somebody looks */
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16u << 10, more, s, closed);
	if (!response)
		closed(s);
	return reply_with(r, MHD_HTTP_OK, "text/event-stream", response);
}
