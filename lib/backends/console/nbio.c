/* SPDX-License-Identifier: MIT */
/*
 * nbio.c - read and write a descriptor without ever blocking, whatever it is.
 *
 * O_NONBLOCK belongs to the open file description, which the caller may share
 * with a shell, a parent, a log: setting it would make their writes fail. So:
 *
 *   a socket       MSG_DONTWAIT on each call
 *   pipe, tty      opened anew through /proc: that description is ours alone
 *   where that is not possible (no /proc, another user's terminal, the master
 *                  side of a pty): poll first, then move so little that there
 *                  is room for it
 *   plain file, /dev/null   always ready, as everywhere in Unix
 *
 * A write to a pipe without a reader raises SIGPIPE, one past RLIMIT_FSIZE raises
 * SIGXFSZ, both in the writing thread and both fatal by default. What they do is
 * the application's to say, so they are blocked around the write and, if the write
 * raised one, taken away again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backends/console/nbio_priv.h"
#include "core/error_priv.h"

/* ---- opening ---- */

/* The same file with a description of our own, or -1. */
static int reopen(int fd, int access)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Opening the master side of a pty makes a new pty. */
static bool is_pty_master(int fd)
{
	unsigned number;

	return ioctl(fd, TIOCGPTN, &number) == 0;
}

static int check_access(int fd, int flags, bool out)
{
	int access = flags & O_ACCMODE;

	if (flags & O_PATH)
		return vmm__fail(-EBADF, "descriptor %d is open with O_PATH only", fd);
	if (access == (out ? O_RDONLY : O_WRONLY))
		return vmm__fail(-EINVAL, "descriptor %d is not open for %s", fd,
				 out ? "writing" : "reading");
	return 0;
}

/*
 * How much may be written after POLLOUT. A pipe has a page free then, and a
 * write of up to PIPE_BUF goes as a whole (pipe(7)); a pty's master has room for a
 * buffer of 256 bytes; of another tty nothing is known but that there is some.
 */
static void poll_kind(struct nbio *io, bool fifo)
{
	io->kind = NBIO_POLL;
	io->piece = fifo ? PIPE_BUF : io->pty_master ? 256 : 1;
}

int vmm__nbio_open(struct nbio *ret_io, int fd, bool out)
{
	struct nbio io = { .fd = -1 };
	int flags = fcntl(fd, F_GETFL), r;
	bool fifo, chr;
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return vmm__fail_errno("cannot use descriptor %d", fd);
	r = check_access(fd, flags, out);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return vmm__fail(-EINVAL, "descriptor %d is a directory", fd);

	fifo = S_ISFIFO(st.st_mode);
	chr = S_ISCHR(st.st_mode);
	io.pty_master = chr && is_pty_master(fd);
	if (fifo || (chr && !io.pty_master && isatty(fd))) {
		io.fd = reopen(fd, flags & O_ACCMODE);
		io.kind = NBIO_NONBLOCK;
	}
	if (io.fd < 0) {
		io.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (io.fd < 0)
			return vmm__fail_errno("cannot duplicate descriptor %d", fd);
		if (S_ISSOCK(st.st_mode))
			io.kind = NBIO_SOCKET;
		else if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
			io.kind = NBIO_ALWAYS;
		else
			poll_kind(&io, fifo);
	}

	*ret_io = io;
	return 0;
}

void vmm__nbio_adopt_pty(struct nbio *ret_io, int fd)
{
	*ret_io = (struct nbio){ .fd = fd, .kind = NBIO_NONBLOCK, .pty_master = true };
}

void vmm__nbio_close(struct nbio *io)
{
	if (io->fd >= 0)
		close(io->fd);
	io->fd = -1;
}

/* ---- moving ---- */

static bool ready(const struct nbio *io, short events)
{
	struct pollfd p = { .fd = io->fd, .events = events };

	return poll(&p, 1, 0) > 0;
}

ssize_t vmm__nbio_read(struct nbio *io, void *data, size_t len)
{
	ssize_t n;

	do {
		if (io->kind == NBIO_POLL && !ready(io, POLLIN))
			return -EAGAIN;
		n = io->kind == NBIO_SOCKET ? recv(io->fd, data, len, MSG_DONTWAIT)
					    : read(io->fd, data, len);
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : n;
}

/* Take away a signal that is pending in this thread. */
static void swallow(int number)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	while (sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		continue;
}

static ssize_t write_without_signals(int fd, const void *data, size_t len)
{
	static const int numbers[] = { SIGPIPE, SIGXFSZ };
	sigset_t block, old, before;
	ssize_t n;

	sigemptyset(&block);
	sigemptyset(&before);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&block, numbers[i]);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	/* Only what was blocked already can be waiting already: that one is not ours. */
	if (sigismember(&old, SIGPIPE) || sigismember(&old, SIGXFSZ))
		sigpending(&before);

	n = write(fd, data, len);
	if (n < 0)
		n = -errno;

	for (size_t i = 0; n < (ssize_t)len && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!sigismember(&before, numbers[i]))
			swallow(numbers[i]);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n;
}

ssize_t vmm__nbio_write(struct nbio *io, const void *data, size_t len)
{
	ssize_t n;

	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	do {
		if (io->kind == NBIO_SOCKET) {
			n = send(io->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
			n = n < 0 ? -errno : n;
			continue;
		}
		if (io->kind == NBIO_POLL) {
			if (!ready(io, POLLOUT))
				return -EAGAIN;
			if (len > io->piece)
				len = io->piece;
		}
		n = write_without_signals(io->fd, data, len);
	} while (n == -EINTR);

	return n;
}
