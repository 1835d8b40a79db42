/* SPDX-License-Identifier: MIT */
/*
 * config.c - the configuration file: lines of "key = value", a [guest NAME] for each guest.
 *
 * A key is looked up in a table that says where its value goes and how it is read.
 */
#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/supervisor.h>
#include <libvmm/watchdog.h>

#include "config.h"
#include "text.h"

struct reader {
	struct config *config;
	struct guest_config *guest; /* NULL: before the first */
	const char *path;
	unsigned line;
};

static int wrong(const struct reader *r, const char *what, const char *value, const char *expected)
{
	fprintf(stderr, "farm: %s:%u: %s%s%s: %s expected\n", r->path, r->line, what,
		*value ? " " : "", value, expected);
	return -1;
}

/* ---- values ---- */

struct choice {
	const char *word;
	uint32_t value;
};

static const struct choice net_words[] = {
	{ "none", NET_NONE },
	{ "user", NET_USER },
	{ "switch", NET_SWITCH },
	{ NULL, 0 },
};
static const struct choice console_words[] = {
	{ "serial", CONSOLE_SERIAL },
	{ "virtio", CONSOLE_VIRTIO },
	{ NULL, 0 },
};
static const struct choice restart_words[] = {
	{ "never", VMM_RESTART_NEVER },
	{ "on-failure", VMM_RESTART_ON_FAILURE },
	{ "always", VMM_RESTART_ALWAYS },
	{ NULL, 0 },
};
static const struct choice watchdog_words[] = {
	{ "none", 0 },
	{ "reset", VMM_WATCHDOG_RESET + 1 },
	{ "stop", VMM_WATCHDOG_STOP + 1 },
	{ "notify", VMM_WATCHDOG_NOTIFY + 1 },
	{ NULL, 0 },
};

enum form { PATH, WORDS, SIZE, NUMBER, CHOICE };

struct key {
	const char *name;
	enum form form;
	size_t offset;
	const struct choice *choices;
	uint32_t max;
};

#define IN_GUEST(field)  offsetof(struct guest_config, field)
#define IN_CONFIG(field) offsetof(struct config, field)

static const struct key guest_keys[] = {
	{ "kernel", PATH, IN_GUEST(kernel), NULL, 0 },
	{ "initrd", PATH, IN_GUEST(initrd), NULL, 0 },
	{ "cmdline", WORDS, IN_GUEST(cmdline), NULL, 0 },
	{ "disk", PATH, IN_GUEST(disk), NULL, 0 },
	{ "disk-size", SIZE, IN_GUEST(disk_bytes), NULL, 0 },
	{ "memory", SIZE, IN_GUEST(memory), NULL, 0 },
	{ "cpus", NUMBER, IN_GUEST(cpus), NULL, 255 },
	{ "count", NUMBER, IN_GUEST(count), NULL, GUESTS_MAX },
	{ "net", CHOICE, IN_GUEST(net), net_words, 0 },
	{ "console", CHOICE, IN_GUEST(console), console_words, 0 },
	{ "restart", CHOICE, IN_GUEST(restart), restart_words, 0 },
	{ "watchdog", CHOICE, IN_GUEST(watchdog), watchdog_words, 0 },
	{ "backoff-ms", NUMBER, IN_GUEST(backoff_ms), NULL, 3600000 },
	{ "ready", WORDS, IN_GUEST(ready), NULL, 0 },
	{ "failure", WORDS, IN_GUEST(failure), NULL, 0 },
	{ NULL, 0, 0, NULL, 0 },
};

static const struct key server_keys[] = {
	{ "listen", WORDS, IN_CONFIG(listen), NULL, 0 },
	{ "token-file", PATH, IN_CONFIG(token_file), NULL, 0 },
	{ NULL, 0, 0, NULL, 0 },
};

static int put_string(const struct reader *r, char **place, const char *value, bool is_path)
{
	int n;

	free(*place);
	*place = NULL;
	if (is_path && value[0] != '/')
		n = asprintf(place, "%s/%s", r->config->folder, value);
	else
		n = asprintf(place, "%s", value);
	return n < 0 ? wrong(r, "value", "", "more memory") : 0;
}

static int put_number(const struct reader *r, const struct key *key, void *place, const char *value)
{
	static const char units[] = "KMGT";
	char *end = NULL, expected[64];
	const char *unit;
	unsigned shift = 0;
	uint64_t n;

	errno = 0;
	n = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 10) : 0;
	if (key->form == NUMBER) {
		snprintf(expected, sizeof(expected), "a number from 1 to %u", key->max);
		if (!end || *end || errno || n < 1 || n > key->max)
			return wrong(r, key->name, value, expected);
		*(uint32_t *)place = (uint32_t)n;
		return 0;
	}
	unit = end && *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (!end || *end || errno || n < 1 || n > UINT64_MAX >> shift)
		return wrong(r, key->name, value, "a size such as 64M");
	*(uint64_t *)place = n << shift;
	return 0;
}

static int put_choice(const struct reader *r, const struct key *key, uint32_t *place,
		      const char *value)
{
	char expected[80] = "one of";
	size_t at = strlen(expected);

	for (const struct choice *c = key->choices; c->word; c++) {
		if (strcmp(c->word, value) == 0) {
			*place = c->value;
			return 0;
		}
		at += (size_t)snprintf(expected + at, sizeof(expected) - at, " %s", c->word);
	}
	return wrong(r, key->name, value, expected);
}

static int put(const struct reader *r, const struct key *keys, void *object, const char *name,
	       const char *value)
{
	for (const struct key *key = keys; key->name; key++) {
		void *place = (char *)object + key->offset;

		if (strcmp(key->name, name) != 0)
			continue;
		switch (key->form) {
		case PATH:
		case WORDS:
			return put_string(r, place, value, key->form == PATH);
		case CHOICE:
			return put_choice(r, key, place, value);
		default:
			return put_number(r, key, place, value);
		}
	}
	return wrong(r, "key", name,
		     keys == guest_keys ? "a key of a guest's"
					: "listen, token-file, host or [guest NAME]");
}

/* ---- lines ---- */

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > NAME_MAX_LEN - 4) /* room for "-256" */
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	       len;
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

static int begin_guest(struct reader *r, char *head)
{
	struct config *c = r->config;
	size_t len = strlen(head);
	const char *name = NULL;
	struct guest_config *guests;

	if (head[len - 1] == ']') {
		head[len - 1] = '\0';
		name = text_after(head, "[guest ");
	}
	if (!name || !is_name(name))
		return wrong(r, head, "",
			     "[guest NAME], the name of letters, digits, - and _, at most 36,");
	for (uint32_t i = 0; i < c->nr_guests; i++) {
		if (strcmp(c->guests[i].name, name) == 0)
			return wrong(r, "guest", name, "a name that no other guest has");
	}
	guests = reallocarray(c->guests, c->nr_guests + 1, sizeof(*guests));
	if (!guests)
		return wrong(r, "guest", name, "more memory");
	c->guests = guests;
	r->guest = &guests[c->nr_guests++];
	*r->guest = (struct guest_config){
		.memory = 64 << 20,
		.cpus = 1,
		.restart = VMM_RESTART_ON_FAILURE,
		.backoff_ms = 1000,
	};
	snprintf(r->guest->name, sizeof(r->guest->name), "%s", name);
	return 0;
}

static int read_line(struct reader *r, char *line)
{
	char *text = trim(line), *equals = strchr(text, '='), *name, *value;

	if (*text == '\0' || *text == '#')
		return 0;
	if (*text == '[')
		return begin_guest(r, text);
	if (!equals)
		return wrong(r, text, "", "key = value");
	*equals = '\0';
	name = trim(text);
	value = trim(equals + 1);
	if (*value == '\0')
		return wrong(r, name, "", "a value");
	if (r->guest)
		return put(r, guest_keys, r->guest, name, value);
	if (strcmp(name, "host") != 0)
		return put(r, server_keys, r->config, name, value);
	if (r->config->nr_hosts == HOSTS_MAX)
		return wrong(r, "host", value, "at most 8 hosts");
	return put_string(r, &r->config->hosts[r->config->nr_hosts++], value, false);
}

static int check(const struct reader *r)
{
	const struct config *c = r->config;
	uint32_t total = 0;

	for (uint32_t i = 0; i < c->nr_guests; i++) {
		const struct guest_config *g = &c->guests[i];

		total += g->count ? g->count : 1;
		if (!g->kernel)
			return wrong(r, "guest", g->name, "kernel = PATH");
		if (g->disk_bytes && !g->disk)
			return wrong(r, "guest", g->name, "disk = PATH beside disk-size");
		if (g->disk && g->count > 1 && !strstr(g->disk, "%n"))
			return wrong(r, "guest", g->name,
				     "%n in the path of its disk, for there are several of it,");
	}
	if (total == 0 || total > GUESTS_MAX)
		return wrong(r, total ? "more guests" : "no guest", "", "1 to 256 guests");
	return 0;
}

int config_read(struct config *config, const char *path)
{
	struct reader r = { .config = config, .path = path };
	FILE *file = fopen(path, "re");
	char *copy = strdup(path), *line = NULL;
	size_t room = 0;
	int result = 0;

	*config = (struct config){ 0 };
	if (file && copy)
		config->folder = strdup(dirname(copy));
	free(copy);
	if (!file || !config->folder) {
		fprintf(stderr, "farm: %s: %s\n", path, strerror(errno));
		if (file)
			fclose(file);
		return -1;
	}
	while (result == 0 && getline(&line, &room, file) >= 0) {
		r.line++;
		result = read_line(&r, line);
	}
	if (result == 0 && ferror(file))
		result = wrong(&r, "reading failed", "", "a plain file");
	if (result == 0)
		result = check(&r);
	free(line);
	fclose(file);
	return result;
}

void config_free(struct config *config)
{
	for (uint32_t i = 0; i < config->nr_guests; i++) {
		struct guest_config *g = &config->guests[i];

		free(g->kernel);
		free(g->initrd);
		free(g->cmdline);
		free(g->disk);
		free(g->ready);
		free(g->failure);
	}
	for (uint32_t i = 0; i < config->nr_hosts; i++)
		free(config->hosts[i]);
	free(config->guests);
	free(config->folder);
	free(config->listen);
	free(config->token_file);
	*config = (struct config){ 0 };
}
