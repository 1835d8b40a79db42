/* SPDX-License-Identifier: MIT */
/*
 * sigpipe_priv.h - call a library that writes to sockets without MSG_NOSIGNAL.
 *
 * The disposition of SIGPIPE is the application's, and so may be its thread. The
 * signal is held off while the library runs, and one that came meanwhile is taken
 * before it is let in again.
 */
#ifndef BACKENDS_NET_SIGPIPE_PRIV_H
#define BACKENDS_NET_SIGPIPE_PRIV_H

#include <signal.h>

/* In pairs, in one thread. They may nest. */
void vmm__sigpipe_hold(sigset_t *ret_before);
void vmm__sigpipe_release(const sigset_t *before);

#endif
