/* SPDX-License-Identifier: MIT */
/*
 * tty.h - standard input, output and error, and the terminal behind them.
 */
#ifndef VMM_RUN_TTY_H
#define VMM_RUN_TTY_H

/* Put /dev/null where a standard descriptor is closed, lest another file gets its number. */
void tty_fill_standard(void);

/* A copy of @fd for @access (O_RDONLY or O_WRONLY) that does not block, if that can be had. */
int tty_own(int fd, int access);

/*
 * Switch standard input, a terminal, to raw mode; its modes of the first call are
 * kept. From then on a message that the terminal has no room for is left out.
 */
void tty_raw(void);

/* Put the modes back. May be called at any time, also from a signal handler. */
void tty_restore(void);

/* A message of our own on standard error, of one line, in any mode. Any thread. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
