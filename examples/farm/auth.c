/* SPDX-License-Identifier: MIT */
/* auth.c - the token, the page's cookie, and the headers by which a browser says whose page asks.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "text.h"

/* ---- secrets ---- */

int auth_secret(char ret_secret[33])
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		fprintf(stderr, "farm: no random bytes: %s\n", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret_secret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* The bytes that are equal say nothing: all are looked at. */
static bool same(const char *secret, const char *text, size_t len)
{
	volatile unsigned char differs = 0;

	if (strlen(secret) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		differs = (unsigned char)(differs | (secret[i] ^ text[i]));
	return differs == 0;
}

static int refuse(const char *path, const char *why)
{
	fprintf(stderr, "farm: token file %s: %s\n", path, why);
	return -1;
}

static int read_token(struct auth *auth, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return refuse(path, strerror(errno));
	n = fstat(fd, &st) < 0 ? -1 : read(fd, auth->token, TOKEN_MAX + 1);
	close(fd);
	if (n < 0)
		return refuse(path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(path, "it is no plain file");
	if (st.st_mode & 077)
		return refuse(path, "others may use it: chmod 600");
	while (n > 0 && isspace((unsigned char)auth->token[n - 1]))
		n--;
	if (n < (ssize_t)TOKEN_MIN || n > (ssize_t)TOKEN_MAX)
		return refuse(path, "16 to 128 characters expected");
	auth->token[n] = '\0';
	for (const char *c = auth->token; *c; c++) {
		if (!isgraph((unsigned char)*c))
			return refuse(path, "one word of printable ASCII expected");
	}
	return strlen(auth->token) == (size_t)n
		       ? 0
		       : refuse(path, "one word of printable ASCII expected");
}

int auth_init(struct auth *auth, const char *token_file, char *const *hosts, uint32_t nr_hosts)
{
	*auth = (struct auth){ .hosts = hosts, .nr_hosts = nr_hosts };
	if (auth_secret(auth->session) < 0)
		return -1;
	return token_file ? read_token(auth, token_file) : auth_secret(auth->token);
}

bool auth_is_token(const struct auth *auth, const char *text)
{
	return same(auth->token, text, strlen(text));
}

bool auth_header(const struct auth *auth, const char *authorization)
{
	const char *token = authorization && strncasecmp(authorization, "Bearer ", 7) == 0
				    ? authorization + 7
				    : NULL;

	return token && auth_is_token(auth, token);
}

bool auth_cookie(const struct auth *auth, const char *cookies)
{
	const char *at = cookies;

	while (at && *at) {
		const char *value = text_after(at, COOKIE_NAME "=");

		if (value && same(auth->session, value, strcspn(value, ";")))
			return true;
		at += strcspn(at, ";");
		at += strspn(at, "; ");
	}
	return false;
}

/* ---- whose page asks ---- */

/* Copy @host without its port. False: it is too long, or no such thing. */
static bool without_port(const char *host, char *name, size_t room)
{
	const char *end = host[0] == '[' ? strchr(host, ']') : strchr(host, ':');
	size_t len = !end ? strlen(host) : (size_t)(end - host) + (host[0] == '[');

	if (len == 0 || len >= room || (host[0] == '[' && !end))
		return false;
	if (host[len] == ':' ? strspn(host + len + 1, "0123456789") != strlen(host + len + 1)
			     : host[len] != '\0')
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return true;
}

bool auth_host(const struct auth *auth, const char *host)
{
	unsigned char address[16];
	char name[256];

	if (!host || !without_port(host, name, sizeof(name)))
		return false;
	if (name[0] == '[') {
		name[strlen(name) - 1] = '\0';
		return inet_pton(AF_INET6, name + 1, address) == 1;
	}
	if (strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1)
		return true;
	for (uint32_t i = 0; i < auth->nr_hosts; i++) {
		if (strcasecmp(name, auth->hosts[i]) == 0)
			return true;
	}
	return false;
}

bool auth_origin(const char *origin, const char *host)
{
	const char *from = origin ? text_after(origin, "http://") : NULL;

	if (origin && !from)
		from = text_after(origin, "https://"); /* a proxy in front of us */
	return from && strcasecmp(from, host) == 0;
}
