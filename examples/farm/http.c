/* SPDX-License-Identifier: MIT */
/*
 * http.c - libmicrohttpd in our epoll set, and a request from its first byte to its last.
 *
 * The daemon has no thread: it has an epoll descriptor of its own, which stands in our set, and
 * MHD_run() does what there is to do. So all that a request does happens in the server's one
 * thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"

#define HEADERS_MAX  (16u << 10) /* memory of a connection, its headers included */
#define IDLE_SECONDS 30u
#define BODY_DRAIN \
	(16 * BODY_MAX) /* of one that is too large we read so much, to answer it in words */

/* ---- where it listens ---- */

static int refuse(const char *address, const char *why)
{
	fprintf(stderr, "farm: cannot listen at %s: %s\n", address, why);
	return -1;
}

union any_address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse_address(const char *text, union any_address *ret, socklen_t *ret_len)
{
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len == 0 || len >= sizeof(host) || colon[1] < '0' || colon[1] > '9' || *end ||
	    port > 65535)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	memset(ret, 0, sizeof(*ret));
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(ret->v6);
		return inet_pton(AF_INET6, host + 1, &ret->v6.sin6_addr) == 1;
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons((uint16_t)port);
	*ret_len = sizeof(ret->v4);
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	return inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1;
}

static bool is_loopback(const union any_address *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	return ntohl(a->v4.sin_addr.s_addr) >> 24 == 127;
}

static int listen_at(struct http *http, const char *text)
{
	union any_address a;
	socklen_t len;
	int one = 1;

	if (!parse_address(text, &a, &len))
		return refuse(text, "ADDRESS:PORT expected, such as 127.0.0.1:8080 or [::1]:8080");
	http->listener = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (http->listener < 0)
		return refuse(text, strerror(errno));
	(void)setsockopt(http->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(http->listener, &a.sa, len) < 0 || listen(http->listener, 64) < 0)
		return refuse(text, strerror(errno));
	if (!is_loopback(&a))
		fprintf(stderr,
			"farm: warning: others can reach %s, and HTTP hides nothing from those on "
			"the way\n",
			text);
	return 0;
}

void http_address(const struct http *http, char *ret_address, size_t room)
{
	union any_address a;
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN] = "?";

	if (getsockname(http->listener, &a.sa, &len) < 0)
		memset(&a, 0, sizeof(a));
	if (a.sa.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a.v6.sin6_addr, host, sizeof(host));
		snprintf(ret_address, room, "[%s]:%u", host, ntohs(a.v6.sin6_port));
	} else {
		inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof(host));
		snprintf(ret_address, room, "%s:%u", host, ntohs(a.v4.sin_port));
	}
}

/* ---- a request ---- */

static const char *header(struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static struct request *request_begin(struct http *http, struct MHD_Connection *connection,
				     const char *method)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->connection = connection;
	r->http = http;
	r->method = method;
	r->host = header(r, "Host");
	return r;
}

/* False: it goes on and on. */
static bool request_body(struct request *r, const char *bytes, size_t len)
{
	char *body;

	if (r->body_len + len > BODY_MAX)
		r->too_large = true;
	if (r->too_large) {
		r->body_len += len;
		return r->body_len <= BODY_DRAIN;
	}
	body = realloc(r->body, r->body_len + len + 1);
	if (!body)
		return false;
	memcpy(body + r->body_len, bytes, len);
	r->body = body;
	r->body_len += len;
	body[r->body_len] = '\0';
	return true;
}

static bool says_too_large(struct request *r)
{
	const char *length = header(r, "Content-Length");

	return length && strtoull(length, NULL, 10) > BODY_MAX;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_len, void **state)
{
	struct request *r = *state;

	if (!r) {
		r = *state = request_begin(data, connection, method);
		if (!r)
			return MHD_NO;
		if (says_too_large(r))
			return reply_words(r, MHD_HTTP_CONTENT_TOO_LARGE,
					   "a body of at most %u bytes expected", BODY_MAX);
		return MHD_YES;
	}
	if (r->answered)
		return MHD_YES;
	if (*upload_len > 0) {
		if (!request_body(r, upload, *upload_len))
			return MHD_NO;
		*upload_len = 0;
		return MHD_YES;
	}
	if (r->too_large)
		return reply_words(r, MHD_HTTP_CONTENT_TOO_LARGE,
				   "a body of at most %u bytes expected", BODY_MAX);
	return route(r, url);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct request *r = *state;

	if (!r)
		return;
	free(r->body);
	free(r);
	*state = NULL;
}

/* ---- in the set ---- */

static void daemon_ready(void *data)
{
	struct http *http = data;

	http->due = true;
}

int http_timeout(struct http *http)
{
	unsigned MHD_LONG_LONG ms;

	if (http->due)
		return 0;
	if (MHD_get_timeout(http->daemon, &ms) != MHD_YES)
		return -1;
	return ms > 60000 ? 60000 : (int)ms;
}

void http_run(struct http *http, bool timeout)
{
	if (!http->due && !timeout && http_timeout(http) != 0)
		return;
	http->due = false;
	(void)MHD_run(http->daemon);
}

static void make_state(struct http *http)
{
	http->state.len = 0;
	http->state.failed = false;
	api_state(http->farm, &http->state);
	http->state_serial++;
	http->state_ns = now_ns();
	http->farm->changed = false;
}

void http_tick(struct http *http)
{
	http->due = true; /* connections that have been idle for too long */
	if (http->nr_streams > 0)
		make_state(http);
	streams_wake(http);
}

void http_output(struct http *http)
{
	/* A guest that changes its state all the time does not keep us busy. */
	if (http->nr_streams > 0 && http->farm->changed && now_ns() - http->state_ns > 200000000)
		make_state(http);
	streams_wake(http);
}

static int start_daemon(struct http *http)
{
	const union MHD_DaemonInfo *info;

	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, http->listener, MHD_OPTION_CONNECTION_LIMIT,
		CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADERS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_END);
	info = http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		fprintf(stderr, "farm: libmicrohttpd does not start\n");
		return -1;
	}
	return farm_watch(http->farm, &http->watch, info->epoll_fd, EPOLLIN, daemon_ready, http);
}

int http_start(struct farm *farm, const char *address, struct http **ret_http)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http) {
		fprintf(stderr, "farm: out of memory\n");
		return -1;
	}
	*ret_http = http; /* and http_stop() releases it in any case */
	http->farm = farm;
	http->listener = -1;
	return listen_at(http, address) < 0 ? -1 : start_daemon(http);
}

void http_stop(struct http *http)
{
	if (!http)
		return;
	http->ending = true;
	if (http->daemon) {
		/* A connection that is suspended cannot be closed. */
		streams_wake(http);
		(void)MHD_run(http->daemon);
		MHD_stop_daemon(http->daemon); /* and closes its listener */
	} else if (http->listener >= 0) {
		close(http->listener);
	}
	text_free(&http->state);
	free(http);
}
