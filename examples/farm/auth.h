/* SPDX-License-Identifier: MIT */
/*
 * auth.h - who may ask for anything.
 *
 * Whoever has the token may do everything. A program sends it in a header with each request; a
 * page trades it for a cookie that holds another secret, which ends with the server.
 */
#ifndef FARM_AUTH_H
#define FARM_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_MIN   16u
#define TOKEN_MAX   128u
#define COOKIE_NAME "libvmm-farm"

struct auth {
	char token[TOKEN_MAX + 1];
	char session[33];
	char *const *hosts; /* borrowed: valid as long as the configuration */
	uint32_t nr_hosts;
};

/*
 * Take the token from @token_file, or make one (NULL). The file must be a plain one that nobody
 * else may read. Returns 0, or -1 after saying why.
 */
int auth_init(struct auth *auth, const char *token_file, char *const *hosts, uint32_t nr_hosts);

/* @text is the token. Takes the same time whatever @text is, but for its length. */
bool auth_is_token(const struct auth *auth, const char *text);

/* The value of an Authorization header, or of a Cookie header; each may be NULL. */
bool auth_header(const struct auth *auth, const char *authorization);
bool auth_cookie(const struct auth *auth, const char *cookies);

/*
 * A Host header that a page of ours can have been asked for by: an address, localhost, or a name
 * of the configuration. Any other is a name that somebody made to point here (DNS rebinding).
 */
bool auth_host(const struct auth *auth, const char *host);

/* An Origin header is that of a page which @host served. */
bool auth_origin(const char *origin, const char *host);

/* 128 random bits as 32 digits. */
int auth_secret(char ret_secret[33]);

#endif
