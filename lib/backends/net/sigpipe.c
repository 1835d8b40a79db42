/* SPDX-License-Identifier: MIT */
/* sigpipe.c - hold SIGPIPE off for a while, in this thread. */
#include <errno.h>
#include <pthread.h>

#include "backends/net/sigpipe_priv.h"

void vmm__sigpipe_hold(sigset_t *ret_before)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, ret_before);
}

void vmm__sigpipe_release(const sigset_t *before)
{
	const struct timespec at_once = { 0 };
	sigset_t pipe;

	/* As in the library's own threads: nothing was changed, nothing can arrive. */
	if (sigismember(before, SIGPIPE))
		return;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
		continue;
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
