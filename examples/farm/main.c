/* SPDX-License-Identifier: MIT */
/*
 * main.c - the server's one thread: one epoll set, and all that stands in it.
 *
 *	farm [--listen ADDRESS:PORT] [--token-file FILE] CONFIG
 *
 * In the set are the guests' loop, their events and consoles, the web server, a signalfd and two
 * timers. There is no other thread but the guests' vCPUs.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "farm.h"
#include "http.h"

#define DEFAULT_LISTEN "127.0.0.1:8080"
#define PACE_NS        30000000

static int fail(const char *what)
{
	fprintf(stderr, "farm: %s: %s\n", what, strerror(errno));
	return -1;
}

/* ---- the set ---- */

int farm_watch(struct farm *farm, struct watch *watch, int fd, uint32_t events,
	       void (*ready)(void *data), void *data)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	*watch = (struct watch){ .ready = ready, .data = data, .fd = fd, .events = events };
	return fd < 0 || epoll_ctl(farm->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? fail("epoll") : 0;
}

static void dispatch_ready(void *data)
{
	struct farm *farm = data;

	/* One bounded turn: what is left makes the descriptor ready again. */
	(void)!vmm_loop_dispatch(farm->loop);
}

static void signals_ready(void *data)
{
	struct farm *farm = data;
	struct signalfd_siginfo info;

	while (read(farm->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		farm->end = true;
}

/* Take what the timer has counted. */
static bool expired(const struct watch *timer)
{
	uint64_t count;

	return read(timer->fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static void tick_ready(void *data)
{
	struct farm *farm = data;

	if (!expired(&farm->tick))
		return;
	http_tick(farm->http);
}

void farm_pace(struct farm *farm)
{
	const struct itimerspec once = { .it_value.tv_nsec = PACE_NS };

	if (farm->pacing)
		return;
	farm->pacing = timerfd_settime(farm->pace.fd, 0, &once, NULL) == 0;
}

void farm_changed(struct farm *farm)
{
	farm->changed = true;
	farm_pace(farm);
}

static void pace_ready(void *data)
{
	struct farm *farm = data;

	if (!expired(&farm->pace))
		return;
	farm->pacing = false;
	guests_pace(farm);
	http_output(farm->http);
}

static int watch_timer(struct farm *farm, struct watch *watch, time_t seconds,
		       void (*ready)(void *data))
{
	const struct itimerspec each = { .it_value.tv_sec = seconds,
					 .it_interval.tv_sec = seconds };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &each, NULL) < 0)
		return fail("timerfd");
	return farm_watch(farm, watch, fd, EPOLLIN, ready, farm);
}

static int watch_signals(struct farm *farm)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return farm_watch(farm, &farm->signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
			  EPOLLIN, signals_ready, farm);
}

static int run(struct farm *farm)
{
	struct epoll_event events[64];

	while (!farm->end) {
		int n = epoll_wait(farm->epoll, events, 64, http_timeout(farm->http));

		if (n < 0 && errno != EINTR)
			return fail("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct watch *watch = events[i].data.ptr;

			watch->ready(watch->data);
		}
		http_run(farm->http, n == 0);
	}
	return 0;
}

/* ---- from the first to the last ---- */

/* A guest takes a few dozen descriptors: as many as we may have. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int make(struct farm *farm)
{
	char secret[33];

	if (auth_init(&farm->auth, farm->config.token_file, farm->config.hosts,
		      farm->config.nr_hosts) < 0 ||
	    auth_secret(secret) < 0)
		return -1;
	memcpy(farm->id, secret, sizeof(farm->id) - 1);
	farm->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (farm->epoll < 0)
		return fail("epoll");
	if (watch_signals(farm) < 0 || watch_timer(farm, &farm->tick, 1, tick_ready) < 0 ||
	    watch_timer(farm, &farm->pace, 0, pace_ready) < 0)
		return -1;
	if (vmm_loop_create(NULL, &farm->loop) < 0 ||
	    vmm_supervisor_create(NULL, &farm->supervisor) < 0) {
		fprintf(stderr, "farm: %s\n", vmm_last_error());
		return -1;
	}
	if (farm_watch(farm, &farm->dispatch, vmm_loop_fd(farm->loop), EPOLLIN, dispatch_ready,
		       farm) < 0 ||
	    http_start(farm, farm->config.listen ? farm->config.listen : DEFAULT_LISTEN,
		       &farm->http) < 0)
		return -1;
	return guests_start(farm);
}

static void close_ours(int fd)
{
	if (fd > 0)
		close(fd);
}

static void unmake(struct farm *farm)
{
	http_stop(farm->http);
	guests_destroy(farm);
	(void)vmm_supervisor_destroy(farm->supervisor);
	(void)vmm_loop_destroy(farm->loop);
	close_ours(farm->signals.fd);
	close_ours(farm->tick.fd);
	close_ours(farm->pace.fd);
	close_ours(farm->epoll);
	config_free(&farm->config);
}

static void greet(const struct farm *farm)
{
	char address[80];

	http_address(farm->http, address, sizeof(address));
	printf("farm: %u guests; http://%s/%s%s\n", farm->nr_guests, address,
	       farm->config.token_file ? "" : "#", farm->config.token_file ? "" : farm->auth.token);
	printf("farm: Ctrl-C ends it\n");
	fflush(stdout);
}

static int usage(FILE *file, int status)
{
	fprintf(file, "usage: farm [--listen ADDRESS:PORT] [--token-file FILE] CONFIG\n"
		      "hosts the guests of CONFIG and serves a page about them; see "
		      "examples/farm/README.md\n");
	return status;
}

/* The command line's word goes before the file's. */
static int prefer(char **place, const char *word)
{
	char *copy = word ? strdup(word) : NULL;

	if (!word)
		return 0;
	if (!copy)
		return fail("out of memory");
	free(*place);
	*place = copy;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "token-file", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *listen_at = NULL, *token_file = NULL;
	struct farm farm = { .end = false };
	int option, r;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (option) {
		case 'l':
			listen_at = optarg;
			break;
		case 't':
			token_file = optarg;
			break;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (optind + 1 != argc)
		return usage(stderr, 2);
	raise_limits();
	r = config_read(&farm.config, argv[optind]);
	if (r == 0)
		r = prefer(&farm.config.listen, listen_at);
	if (r == 0)
		r = prefer(&farm.config.token_file, token_file);
	if (r == 0)
		r = make(&farm);
	if (r == 0) {
		greet(&farm);
		r = run(&farm);
	}
	unmake(&farm);
	return r < 0 ? 1 : 0;
}
