/* SPDX-License-Identifier: MIT */
/* thread.c - start a thread that is a good guest in somebody else's process. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/error_priv.h"
#include "core/thread_priv.h"

/* Address space only; a page or two of it is ever touched. libslirp and liburing fit well. */
#define STACK_BYTES	(256u << 10)

int vmm__thread_create(pthread_t *ret_thread, const char *name, void *(*main)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	char cut[16] = { 0 };
	int r;

	r = pthread_attr_init(&attr);
	if (r != 0)
		return vmm__fail(-r, "cannot prepare thread %s", name);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);

	/* The mask is inherited: no signal can come between start and a mask of its own. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret_thread, &attr, main, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return vmm__fail(-r, "cannot start thread %s: %s", name, strerrordesc_np(r));

	memcpy(cut, name, strnlen(name, sizeof(cut) - 1));
	(void)pthread_setname_np(*ret_thread, cut);
	return 0;
}
