/* SPDX-License-Identifier: MIT */
/* io_priv.h - write to a descriptor of the caller's, whatever it is. */
#ifndef CORE_IO_PRIV_H
#define CORE_IO_PRIV_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Keep SIGPIPE and SIGXFSZ from this thread while it writes: they would end the process. The
 * failure is seen all the same, as -EPIPE and -EFBIG.
 */
void vmm__io_hold(sigset_t *ret_before);
void vmm__io_release(const sigset_t *before);

/*
 * All of @bytes, waiting for a full descriptor. With the signals held. @what is for the words.
 * Returns 0 or -errno.
 */
int vmm__io_write(int fd, const void *bytes, size_t len, const char *what);

#endif
