/* SPDX-License-Identifier: MIT */
/*
 * tty.c - standard input, output and error, and the terminal behind them.
 *
 * However the process ends (but for SIGKILL), the shell finds its terminal as it was:
 * by tty_restore(), by exit(), and by the signals that kill. Those that ask to
 * end are not handled here: main.c reads them from a descriptor.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "tty.h"

/* Signal handlers have no argument of ours: these are of the process's one terminal. */
static struct termios saved;
static volatile sig_atomic_t have_saved, raw;
static int error_fd = -1;	/* standard error while the guest runs */

/* ---- descriptors ---- */

void tty_fill_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/*
 * O_NONBLOCK belongs to the open file, which a shell or a log may share: so a pipe or
 * a terminal is opened anew. A file is not: it would get a position of its own. Where
 * opening is not possible (a socket; another user's terminal) it is a plain copy.
 */
int tty_own(int fd, int access)
{
	char path[32];
	struct stat st;
	int own;

	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		own = open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0)
			return own;
	}
	return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

/* ---- modes ---- */

static void die(int sig)
{
	tty_restore();
	raise(sig);	/* its default action is back (SA_RESETHAND) */
}

static void install(void)
{
	static const int deadly[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS };
	struct sigaction action = { .sa_handler = die, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		sigaction(deadly[i], &action, NULL);
	atexit(tty_restore);
}

void tty_raw(void)
{
	struct termios modes;

	if (!have_saved) {
		if (tcgetattr(STDIN_FILENO, &saved) < 0)
			return;
		error_fd = tty_own(STDERR_FILENO, O_WRONLY);
		install();
		have_saved = 1;
	}
	modes = saved;
	cfmakeraw(&modes);
	raw = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &modes);
}

void tty_restore(void)
{
	sigset_t ttou, before;

	if (!raw)
		return;
	/* A process in the background would be stopped by this signal. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &before);
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	raw = 0;
}

/* ---- messages ---- */

void say(const char *format, ...)
{
	char line[512] = "vmm-run: ";
	const int start = 9, room = (int)sizeof(line) - 2;	/* the end of the line */
	va_list ap;
	int len;

	va_start(ap, format);
	len = start + vsnprintf(line + start, (size_t)(room - start), format, ap);
	va_end(ap);
	if (len < start)
		return;
	if (len >= room)
		len = room - 1;
	/* Raw mode moves down at a newline, and not to the left. */
	if (raw)
		line[len++] = '\r';
	line[len++] = '\n';
	(void)!write(raw ? error_fd : STDERR_FILENO, line, (size_t)len);
}
