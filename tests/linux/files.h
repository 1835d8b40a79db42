/* SPDX-License-Identifier: MIT */
/*
 * files.h - kernels, disks, and what a process holds.
 */
#ifndef LINUX_FILES_H
#define LINUX_FILES_H

#include <stdint.h>

enum file_kind {
	FILE_VMLINUX,
	FILE_BZIMAGE,
	FILE_IMAGE,
	FILE_IMAGE_GZ,
	FILE_INITRD,
	FILE_DISK,
};

/* A file of tests/lab/images for @kernel ("6.1", "6.12"); skips the scenario when not there. */
const char *files_image(enum file_kind kind, const char *kernel);

/* A folder for the scenario's own files, from its start to its end. */
void files_begin(void);
void files_end(void);

/* The path of @name in that folder. The caller frees it. */
char *files_path(const char *name);

/* A copy of the ext4 template, with its holes. The caller frees the path. */
char *files_copy_disk(const char *name);

/* The file system on @path is clean, or fail. */
void files_check_disk(const char *path);

/* A file of the scenario's, the first @bytes of @source (NULL: a hole). The path is the caller's. */
char *files_make(const char *name, const char *source, uint64_t bytes);

/* How many descriptors this process has, and threads of its own making. */
uint32_t files_count_fds(void);
uint32_t files_count_threads(void);

#endif
