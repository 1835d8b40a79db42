/* SPDX-License-Identifier: MIT */
/*
 * values.c - read the value of an option, or say what was expected.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "values.h"

int wrong(const char *option, const char *text, const char *expected)
{
	fprintf(stderr, "vmm-run: --%s %s: %s expected; see --help\n", option, text, expected);
	return STATUS_USAGE;
}

int choose(const char *option, const char *text, const struct choice *choices,
	   uint32_t *ret_value)
{
	for (const struct choice *c = choices; c->word; c++) {
		if (strcmp(c->word, text) == 0) {
			*ret_value = c->value;
			return -1;
		}
	}
	fprintf(stderr, "vmm-run: --%s %s: one of", option, text);
	for (const struct choice *c = choices; c->word; c++)
		fprintf(stderr, " %s", c->word);
	fprintf(stderr, " expected\n");
	return STATUS_USAGE;
}

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
		  const char **ret_end)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	*ret_end = end;
	return errno == 0 && *ret_value >= min && *ret_value <= max;
}

int number(const char *option, const char *text, uint32_t max, uint32_t *ret_value)
{
	uint64_t value;
	const char *end;
	char expected[40];

	if (parse_number(text, 1, max, &value, &end) && *end == '\0') {
		*ret_value = (uint32_t)value;
		return -1;
	}
	snprintf(expected, sizeof(expected), "a number from 1 to %u", max);
	return wrong(option, text, expected);
}

int size(const char *option, const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KkMmGgTt";
	uint64_t value;
	const char *end, *unit;
	unsigned shift = 0;

	if (!parse_number(text, 1, UINT64_MAX, &value, &end))
		return wrong(option, text, "a size such as 512M or 4G");
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned)((unit - units) / 2 + 1);
		end++;
	}
	if (*end != '\0' || value > UINT64_MAX >> shift)
		return wrong(option, text, "a size such as 512M or 4G");
	*ret_bytes = value << shift;
	return -1;
}

char *cut_word(char *text)
{
	char *comma = strrchr(text, ',');

	if (!comma)
		return NULL;
	*comma = '\0';
	return comma + 1;
}

bool parse_mac(const char *text, uint8_t ret_mac[6])
{
	uint8_t *m = ret_mac;
	int end = 0;

	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3],
		      &m[4], &m[5], &end) == 6 &&
	       text[end] == '\0' && !(m[0] & 1);
}
