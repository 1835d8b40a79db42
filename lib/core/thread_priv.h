/* SPDX-License-Identifier: MIT */
/* thread_priv.h - the library's own threads. */
#ifndef CORE_THREAD_PRIV_H
#define CORE_THREAD_PRIV_H

#include <pthread.h>

/*
 * Start a thread with every signal blocked (the host's SIGTERM or SIGPROF never
 * lands in it), a small stack, and @name cut to what the system keeps (15 bytes).
 */
int vmm__thread_create(pthread_t *ret_thread, const char *name, void *(*main)(void *), void *arg);

#endif
