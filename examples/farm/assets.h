/* SPDX-License-Identifier: MIT */
/* assets.h - the page's files, which page/embed.py put into the program. */
#ifndef FARM_ASSETS_H
#define FARM_ASSETS_H

#include <stddef.h>

struct asset {
	const char *url, *type;
	const void *bytes;
	size_t len;
};

/* Ends with a url of NULL. */
extern const struct asset assets[];

#endif
