/* SPDX-License-Identifier: MIT */
/*
 * routes.c - who may ask for what: each request passes the same gates in the same order.
 *
 * By what name we are called; whether the token is there; whose page asks, where something is
 * done; then what there is. GET looks, POST does.
 */
#include <stdio.h>
#include <string.h>

#include "assets.h"
#include "http.h"

static const char *header(struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static bool is_get(const struct request *r)
{
	return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}

static bool is_post(const struct request *r)
{
	return strcmp(r->method, "POST") == 0;
}

static enum MHD_Result only(struct request *r, const char *method)
{
	struct MHD_Response *response;
	char words[64];
	int n = snprintf(words, sizeof(words), "%s expected here\n", method);

	response = MHD_create_response_from_buffer((size_t)n, words, MHD_RESPMEM_MUST_COPY);
	if (response)
		(void)MHD_add_response_header(response, "Allow", method);
	return reply_with(r, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", response);
}

/* ---- the gates ---- */

/*
 * A page of another site, and one of another port of this host too, is held off: SameSite does
 * not tell ports apart. Programs send no Origin, and then the header with the token.
 */
static bool from_our_page(struct request *r, bool by_cookie)
{
	const char *origin = header(r, "Origin");

	return origin ? auth_origin(origin, r->host) : !by_cookie;
}

static enum MHD_Result login(struct request *r)
{
	const struct auth *auth = &r->http->farm->auth;
	struct MHD_Response *response;
	char cookie[160];

	if (!is_post(r))
		return only(r, "POST");
	if (!from_our_page(r, false))
		return reply_words(r, MHD_HTTP_FORBIDDEN,
				   "this was asked by a page from elsewhere");
	if (!r->body || !auth_is_token(auth, r->body))
		return reply_words(r, MHD_HTTP_UNAUTHORIZED, "that is not the token");
	snprintf(cookie, sizeof(cookie), COOKIE_NAME "=%s; Path=/; HttpOnly; SameSite=Strict",
		 auth->session);
	response = MHD_create_response_from_buffer(3, (void *)(uintptr_t) "{}\n",
						   MHD_RESPMEM_PERSISTENT);
	if (response)
		(void)MHD_add_response_header(response, "Set-Cookie", cookie);
	return reply_with(r, MHD_HTTP_OK, "application/json", response);
}

/* ---- what there is ---- */

static enum MHD_Result asset(struct request *r, const struct asset *a)
{
	if (!is_get(r))
		return only(r, "GET");
	return reply_with(r, MHD_HTTP_OK, a->type,
			  MHD_create_response_from_buffer(a->len, (void *)(uintptr_t)a->bytes,
							  MHD_RESPMEM_PERSISTENT));
}

/* /api/guests/NAME[/PART] */
static enum MHD_Result guest_route(struct request *r, const char *rest)
{
	const char *part = strchrnul(rest, '/');
	char name[NAME_MAX_LEN + 1];
	struct guest *g = NULL;
	int action;

	if ((size_t)(part - rest) < sizeof(name)) {
		memcpy(name, rest, (size_t)(part - rest));
		name[part - rest] = '\0';
		g = guests_find(r->http->farm, name);
	}
	if (!g)
		return reply_words(r, MHD_HTTP_NOT_FOUND, "there is no such guest");
	part += *part == '/';
	if (strcmp(part, "console") == 0) {
		if (is_get(r))
			return api_console(r, g);
		return is_post(r) ? api_type(r, g) : only(r, "GET, POST");
	}
	if (strcmp(part, "crash-record") == 0)
		return is_get(r) ? api_crash_record(r, g) : only(r, "GET");
	action = action_find(part);
	if (action < 0)
		return reply_words(r, MHD_HTTP_NOT_FOUND,
				   "a guest has console, crash-record, pause, resume, stop, crash "
				   "and restart");
	return is_post(r) ? api_act(r, g, action) : only(r, "POST");
}

static const struct {
	const char *url;
	enum MHD_Result (*get)(struct request *r);
} looks[] = {
	{ "/api/guests", api_guests },
	{ "/api/stream", stream_open },
	{ "/metrics", metrics },
};

static enum MHD_Result inside(struct request *r, const char *url)
{
	const char *rest = text_after(url, "/api/guests/");

	if (rest)
		return guest_route(r, rest);
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		if (strcmp(looks[i].url, url) == 0)
			return is_get(r) ? looks[i].get(r) : only(r, "GET");
	}
	return reply_words(r, MHD_HTTP_NOT_FOUND, "there is nothing at this address");
}

enum MHD_Result route(struct request *r, const char *url)
{
	const struct auth *auth = &r->http->farm->auth;
	bool by_cookie;

	if (!auth_host(auth, r->host))
		return reply_words(
			r, 421,
			"this server does not go by that name: see host in its configuration");
	for (const struct asset *a = assets; a->url; a++) {
		if (strcmp(a->url, url) == 0)
			return asset(r, a);
	}
	if (strcmp(url, "/login") == 0)
		return login(r);
	by_cookie = !auth_header(auth, header(r, "Authorization"));
	if (by_cookie && !auth_cookie(auth, header(r, "Cookie")))
		return reply_words(r, MHD_HTTP_UNAUTHORIZED,
				   "the token is missing or wrong: Authorization: Bearer TOKEN");
	if (!is_get(r) && !from_our_page(r, by_cookie))
		return reply_words(r, MHD_HTTP_FORBIDDEN,
				   "this was asked by a page from elsewhere");
	return inside(r, url);
}
