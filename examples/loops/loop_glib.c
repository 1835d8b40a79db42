/* SPDX-License-Identifier: MIT */
/*
 * loop_glib.c - two guests in a GLib main loop: no thread but the vCPUs'.
 *
 *	loop_glib KERNEL [INITRD [CMDLINE...]]
 *
 * Each descriptor of the guests is a source of the default main context. Standard input is typed
 * to both guests; Ctrl-C stops them, by a signalfd, since g_unix_signal_add() starts a thread of
 * GLib's. Ends when both have stopped.
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "pair.h"

struct app {
	struct pair pair;
	GMainLoop *loop;
};

static struct app app;

static gboolean on_ready(gint unused, GIOCondition condition, gpointer data)
{
	const struct pair_fd *fd = data;

	fd->ready(fd->data);
	if (pair_over(&app.pair))
		g_main_loop_quit(app.loop);
	return G_SOURCE_CONTINUE;
}

static gboolean on_input(gint fd, GIOCondition condition, gpointer unused)
{
	char typed[512];
	ssize_t n = read(fd, typed, sizeof(typed));

	if (n <= 0)
		return G_SOURCE_REMOVE;
	pair_type(&app.pair, typed, (size_t)n);
	return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gint fd, GIOCondition condition, gpointer unused)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		pair_stop(&app.pair);
	return G_SOURCE_CONTINUE;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	int signals = open_signals(), r = signals < 0 ? -1 : pair_start(&app.pair, argc, argv);

	if (r == 0) {
		app.loop = g_main_loop_new(NULL, FALSE);
		for (int i = 0; i < PAIR_FDS; i++)
			g_unix_fd_add(app.pair.fds[i].fd, G_IO_IN, on_ready, &app.pair.fds[i]);
		g_unix_fd_add(signals, G_IO_IN, on_signal, NULL);
		g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input, NULL);
		g_main_loop_run(app.loop);
		g_main_loop_unref(app.loop);
	}
	pair_destroy(&app.pair);
	close(signals);
	return r < 0 ? 1 : 0;
}
