/* SPDX-License-Identifier: MIT */
/* io.c - whole writes that raise no signal. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/io_priv.h"

static const int held[] = { SIGPIPE, SIGXFSZ };

void vmm__io_hold(sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	pthread_sigmask(SIG_BLOCK, &set, ret_before);
}

void vmm__io_release(const sigset_t *before)
{
	const struct timespec at_once = { 0 };

	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		sigset_t one;

		/* What was blocked before may have been pending before: it is not ours to take. */
		if (sigismember(before, held[i]))
			continue;
		sigemptyset(&one);
		sigaddset(&one, held[i]);
		while (sigtimedwait(&one, NULL, &at_once) < 0 && errno == EINTR)
			continue;
	}
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

int vmm__io_write(int fd, const void *bytes, size_t len, const char *what)
{
	const char *from = bytes;

	while (len > 0) {
		ssize_t n = write(fd, from, len);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			(void)poll(&p, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return vmm__fail_errno("cannot write %s", what);
		} else if (n > 0) {
			from += n;
			len -= (size_t)n;
		}
	}
	return 0;
}
