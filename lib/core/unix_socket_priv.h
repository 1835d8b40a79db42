/* SPDX-License-Identifier: MIT */
/* unix_socket_priv.h - sockets of the unix domain, for backends and the debugger. */
#ifndef CORE_UNIX_SOCKET_PRIV_H
#define CORE_UNIX_SOCKET_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct unix_path {
	struct sockaddr_un address;
	socklen_t length;
	/* Of a socket that we made there: only that one is removed. */
	uint64_t device, inode;
};

/* -EINVAL with words: too long, or empty. */
int vmm__unix_path_set(struct unix_path *path, const char *text);

/* A socket of @type, not blocking. -errno with words. */
int vmm__unix_socket(int type);

/* Bind @fd there. -errno with words. */
int vmm__unix_bind(int fd, struct unix_path *path);

/*
 * A stream socket that listens there, not blocking; its file has @mode, or what the umask makes of
 * it when that is 0. -errno with words, and then there is no file.
 */
int vmm__unix_serve(struct unix_path *path, mode_t mode, int backlog);

/* Remove what bind made, unless somebody else's is there now. */
void vmm__unix_unlink(struct unix_path *path);

/* A duplicate of @fd, which must be a socket of @type. -errno with words. */
int vmm__unix_dup(int fd, int type);

#endif
