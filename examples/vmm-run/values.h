/* SPDX-License-Identifier: MIT */
/*
 * values.h - read the value of an option, or say what was expected.
 *
 * What returns int says what is wrong on standard error and returns the status to
 * exit with; -1 is to go on.
 */
#ifndef VMM_RUN_VALUES_H
#define VMM_RUN_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* A word and what it stands for; a table ends with a word that is NULL. */
struct choice {
	const char *word;
	uint32_t value;
};

int wrong(const char *option, const char *text, const char *expected);
int choose(const char *option, const char *text, const struct choice *choices,
	   uint32_t *ret_value);
int number(const char *option, const char *text, uint32_t max, uint32_t *ret_value);
int size(const char *option, const char *text, uint64_t *ret_bytes);

/* A decimal number of @min .. @max that ends at *@ret_end. */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
		  const char **ret_end);

/* A unicast Ethernet address, xx:xx:xx:xx:xx:xx. */
bool parse_mac(const char *text, uint8_t ret_mac[6]);

/* Cut the last word after a comma off @text; NULL when there is none. */
char *cut_word(char *text);

#endif
