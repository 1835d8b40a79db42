/* SPDX-License-Identifier: MIT */
/*
 * files.c - kernels, disks, and what a process holds.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "harness.h"

static char folder[256];

const char *files_image(enum file_kind kind, const char *kernel)
{
	static const char *const names[] = {
		"VMLINUX", "BZIMAGE", "IMAGE", "IMAGE_GZ", "INITRD", "DISK",
	};
	char name[64];
	const char *path;

	snprintf(name, sizeof(name), "LIBVMM_TEST_%s%s", names[kind],
		 kind != FILE_DISK && strcmp(kernel, "6.12") == 0 ? "_6_12" : "");
	path = getenv(name);
	if (!path || access(path, R_OK) < 0)
		skip("no %s (tests/lab/images makes it)", name);
	return path;
}

void files_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/test-linux.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder)) {
		fprintf(stderr, "cannot make %s: %s\n", folder, strerror(errno));
		exit(1);
	}
}

void files_end(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

char *files_path(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		fail("out of memory");
	return path;
}

/* Run a program; what it says goes to the file @log. Returns its exit status, or -1. */
static int spawn(const char *const argv[], const char *log)
{
	posix_spawn_file_actions_t actions;
	int status = -1, r;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC,
					 0600);
	posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	if (r == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&actions);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_log(const char *log)
{
	FILE *file = fopen(log, "re");
	int c;

	while (file && (c = getc(file)) != EOF)
		putc(c, stderr);
	if (file)
		fclose(file);
}

static bool is_zero(const char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* What is zero becomes a hole. */
char *files_copy_disk(const char *name)
{
	static char block[65536];
	const char *source = files_image(FILE_DISK, "");
	char *path = files_path(name);
	int in = open(source, O_RDONLY | O_CLOEXEC);
	int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t at = 0;
	ssize_t n;

	if (in < 0 || out < 0)
		fail("cannot copy %s to %s: %s", source, path, strerror(errno));
	while ((n = pread(in, block, sizeof(block), at)) > 0) {
		if (!is_zero(block, (size_t)n) && pwrite(out, block, (size_t)n, at) != n)
			fail("cannot write %s: %s", path, strerror(errno));
		at += n;
	}
	if (n < 0 || ftruncate(out, at) < 0)
		fail("cannot copy %s to %s: %s", source, path, strerror(errno));
	close(in);
	close(out);
	return path;
}

void files_check_disk(const char *path)
{
	char *log = files_path("e2fsck.log");
	const char *const e2fsck[] = { "/sbin/e2fsck", "-fn", path, NULL };
	int status = spawn(e2fsck, log);

	if (status != 0) {
		show_log(log);
		fail("e2fsck -fn %s: status %d", path, status);
	}
	free(log);
}

char *files_make(const char *name, const char *source, uint64_t bytes)
{
	char *path = files_path(name);
	int in = source ? open(source, O_RDONLY | O_CLOEXEC) : -1;
	int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (out < 0 || ftruncate(out, (off_t)bytes) < 0 || (source && in < 0))
		fail("cannot make %s: %s", path, strerror(errno));
	for (uint64_t done = 0; source && done < bytes;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, bytes - done, 0);

		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
			char block[65536];

			n = read(in, block,
				 bytes - done < sizeof(block) ? bytes - done : sizeof(block));
			if (n > 0 && write(out, block, (size_t)n) != n)
				n = -1;
		}
		if (n <= 0)
			fail("cannot copy %s: %s", source, n < 0 ? strerror(errno) : "too short");
		done += (uint64_t)n;
	}
	close(out);
	if (in >= 0)
		close(in);
	return path;
}

uint32_t files_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	if (!dir)
		fail("cannot read /proc/self/fd");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3;	/* ".", ".." and the folder's own */
}

/* The kernel's own workers of an io_uring are shown as threads; an idle one may stay. */
static bool is_ours(const char *tid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", tid);
	file = fopen(path, "re");
	if (!file || !fgets(name, sizeof(name), file))
		name[0] = '\0';
	if (file)
		fclose(file);
	return name[0] != '\0' && strncmp(name, "iou-", 4) != 0;
}

uint32_t files_count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	uint32_t n = 0;

	if (!dir)
		fail("cannot read /proc/self/task");
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.' && is_ours(entry->d_name);
	closedir(dir);
	return n;
}
