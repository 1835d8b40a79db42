/* SPDX-License-Identifier: MIT */
/* count_fds.h - for tests that must leave no descriptor behind. */
#ifndef TESTS_COUNT_FDS_H
#define TESTS_COUNT_FDS_H

#include <dirent.h>

/* Descriptors that are open in this process. */
static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif
