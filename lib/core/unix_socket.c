/* SPDX-License-Identifier: MIT */
/* unix_socket.c - sockets of the unix domain: names, making, listening, removing (unix(7)). */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/unix_socket_priv.h"

int vmm__unix_path_set(struct unix_path *path, const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= sizeof(path->address.sun_path))
		return vmm__fail(-EINVAL, "a socket's path has 1 to %zu bytes, not %zu",
				 sizeof(path->address.sun_path) - 1, length);
	memset(path, 0, sizeof(*path));
	path->address.sun_family = AF_UNIX;
	memcpy(path->address.sun_path, text, length);
	path->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
	return 0;
}

int vmm__unix_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? vmm__fail_errno("no socket") : fd;
}

int vmm__unix_bind(int fd, struct unix_path *path)
{
	struct stat st;

	if (bind(fd, (const struct sockaddr *)&path->address, path->length) < 0)
		return vmm__fail_errno("cannot make a socket at \"%s\"", path->address.sun_path);
	if (lstat(path->address.sun_path, &st) == 0) {
		path->device = st.st_dev;
		path->inode = st.st_ino;
	}
	return 0;
}

void vmm__unix_unlink(struct unix_path *path)
{
	struct stat st;

	if (path->inode != 0 && lstat(path->address.sun_path, &st) == 0 &&
	    st.st_dev == path->device && st.st_ino == path->inode)
		(void)unlink(path->address.sun_path);
	path->inode = 0;
}

int vmm__unix_serve(struct unix_path *path, mode_t mode, int backlog)
{
	int fd = vmm__unix_socket(SOCK_STREAM), r;

	if (fd < 0)
		return fd;
	/* The mode of a socket that is not bound yet is the mode it gets in the file system. */
	if (mode != 0 && fchmod(fd, mode) < 0) {
		r = vmm__fail_errno("cannot make a socket at \"%s\"", path->address.sun_path);
		goto close_fd;
	}
	r = vmm__unix_bind(fd, path);
	if (r < 0)
		goto close_fd;
	if (listen(fd, backlog) < 0) {
		r = vmm__fail_errno("cannot listen at \"%s\"", path->address.sun_path);
		vmm__unix_unlink(path);
		goto close_fd;
	}
	return fd;

close_fd:
	close(fd);
	return r;
}

int vmm__unix_dup(int fd, int type)
{
	int has = 0, own;
	socklen_t length = sizeof(has);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &has, &length) < 0)
		return vmm__fail_errno("descriptor %d is no socket", fd);
	if (has != type)
		return vmm__fail(-EINVAL, "descriptor %d is a socket of another type", fd);
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return own < 0 ? vmm__fail_errno("cannot duplicate descriptor %d", fd) : own;
}
