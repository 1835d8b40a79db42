/* SPDX-License-Identifier: MIT */
/*
 * loop_uv.c - two guests in a libuv loop: no thread but the vCPUs'.
 *
 *	loop_uv KERNEL [INITRD [CMDLINE...]]
 *
 * Each descriptor of the guests has a uv_poll_t. Standard input is typed to both guests; Ctrl-C
 * stops them. Ends when both have stopped.
 */
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "pair.h"

struct app {
	struct pair pair;
	uv_loop_t loop;
	uv_poll_t polls[PAIR_FDS], input;
	uv_signal_t interrupt, terminate;
};

static void close_handle(uv_handle_t *handle, void *unused)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* With its last handle the loop ends. */
static void end_when_over(struct app *app)
{
	if (pair_over(&app->pair))
		uv_walk(&app->loop, close_handle, NULL);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct app *app = poll->loop->data;
	const struct pair_fd *fd = poll->data;

	fd->ready(fd->data);
	end_when_over(app);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
	struct app *app = poll->loop->data;
	char typed[512];
	ssize_t n = status < 0 ? 0 : read(STDIN_FILENO, typed, sizeof(typed));

	if (n > 0)
		pair_type(&app->pair, typed, (size_t)n);
	else
		uv_poll_stop(poll);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct app *app = handle->loop->data;

	pair_stop(&app->pair);
}

static int watch(struct app *app)
{
	for (int i = 0; i < PAIR_FDS; i++) {
		uv_poll_t *poll = &app->polls[i];
		int r = uv_poll_init(&app->loop, poll, app->pair.fds[i].fd);

		poll->data = &app->pair.fds[i];
		if (r == 0)
			r = uv_poll_start(poll, UV_READABLE, on_ready);
		if (r < 0)
			return r;
	}
	/* A plain file cannot be watched: then nobody types. */
	if (uv_poll_init(&app->loop, &app->input, STDIN_FILENO) == 0)
		(void)uv_poll_start(&app->input, UV_READABLE, on_input);
	uv_signal_init(&app->loop, &app->interrupt);
	uv_signal_init(&app->loop, &app->terminate);
	uv_signal_start(&app->interrupt, on_signal, SIGINT);
	return uv_signal_start(&app->terminate, on_signal, SIGTERM);
}

int main(int argc, char **argv)
{
	static struct app app;
	int r = uv_loop_init(&app.loop);

	if (r < 0) {
		fprintf(stderr, "cannot make a libuv loop: %s\n", uv_strerror(r));
		return 1;
	}
	app.loop.data = &app;
	r = pair_start(&app.pair, argc, argv);
	if (r == 0) {
		r = watch(&app);
		if (r < 0) {
			fprintf(stderr, "cannot watch the guests: %s\n", uv_strerror(r));
			uv_walk(&app.loop, close_handle, NULL);
		}
		uv_run(&app.loop, UV_RUN_DEFAULT);
	}
	pair_destroy(&app.pair);
	uv_loop_close(&app.loop);
	return r < 0 ? 1 : 0;
}
