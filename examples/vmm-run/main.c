/* SPDX-License-Identifier: MIT */
/*
 * main.c - run a guest on Linux KVM, with its console on this terminal.
 *
 * One thread, one loop: this program polls the library's loop beside two
 * descriptors of its own choice, the guest's events and its signals. Devices,
 * consoles and the keyboard are served inside vmm_loop_dispatch().
 */
#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <libvmm/supervisor.h>

#include "machine.h"
#include "options.h"
#include "report.h"
#include "terminal.h"
#include "tty.h"

struct app {
	struct options options;
	struct vmm_loop *loop;
	struct terminal *terminal;
	struct machine machine;
	int signal_fd;
	sigset_t signals;	/* blocked before ours were */
	uint32_t reason;	/* of the last stop */
	int status;	/* to exit with; -1: the guest runs */
};

static void key_help(void)
{
	say("Ctrl-] and then: q quit, r reset, p pause or go on, b power button, "
	    "Ctrl-] itself, h this");
}

/* What was typed after the escape key. Called on the loop; each request returns at once. */
static void key(void *data, int letter)
{
	struct app *app = data;
	struct vmm *vm = app->machine.vm;
	int r = 0;

	switch (letter) {
	case 'q':
		r = vmm_stop(vm);
		break;
	case 'r':
		r = vmm_reset(vm);
		break;
	case 'p':
		r = vmm_state(vm) == VMM_STATE_PAUSED ? vmm_resume(vm) : vmm_pause(vm);
		break;
	case 'b':
		r = vmm_power_button(vm);
		break;
	default:
		key_help();
	}
	if (r < 0)
		say("%s", vmm_last_error());
}

/* ---- what happens ---- */

static int status_of(uint32_t reason)
{
	switch (reason) {
	case VMM_STOP_POWEROFF:
		return STATUS_POWEROFF;
	case VMM_STOP_RESET:
		return STATUS_RESET;
	case VMM_STOP_REQUESTED:
		return STATUS_STOPPED;
	case VMM_STOP_PANIC:
		return STATUS_PANIC;
	case VMM_STOP_WATCHDOG:
		return STATUS_WATCHDOG;
	default:
		return STATUS_CRASHED;
	}
}

/* A triple fault is a reboot or a crash: nobody can tell. */
static bool crashed(const struct app *app, uint32_t reason)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	(void)vmm_stop_info(app->machine.vm, &info);
	return reason == VMM_STOP_CRASHED || reason == VMM_STOP_PANIC ||
	       (reason == VMM_STOP_RESET && info.exit_reason == KVM_EXIT_SHUTDOWN);
}

static bool supervised(const struct app *app, uint32_t reason)
{
	return app->options.restart != VMM_RESTART_NEVER && reason != VMM_STOP_REQUESTED &&
	       (reason != VMM_STOP_POWEROFF || app->options.restart == VMM_RESTART_ALWAYS);
}

static void stopped(struct app *app, uint32_t reason)
{
	if (app->options.dump && crashed(app, reason))
		report_save(app->machine.vm, app->options.dump);
	app->reason = reason;
	if (supervised(app, reason))
		return;		/* its supervisor says what becomes of it */
	if (reason != VMM_STOP_RESET || !app->options.reboot_again) {
		app->status = status_of(reason);
	} else if (vmm_start(app->machine.vm) < 0) {
		say("cannot start the guest again: %s", vmm_last_error());
		app->status = STATUS_ERROR;
	}
}

static void handle_event(struct app *app, const struct vmm_event *event)
{
	if (event->lost > 0)
		say("%llu events were lost", (unsigned long long)event->lost);
	switch (event->type) {
	case VMM_EVENT_STATE:
		if (event->value == VMM_STATE_STOPPED)
			stopped(app, event->reason);
		else if (event->value == VMM_STATE_PAUSED && !app->options.gdb)
			say("paused; Ctrl-] p lets the guest go on");
		break;
	case VMM_EVENT_RESET:
		say("the guest was reset");
		break;
	case VMM_EVENT_DEVICE_BROKEN:
		say("the guest's driver broke %s: %s", event->device, event->words);
		break;
	case VMM_EVENT_WATCHDOG:
		say("%s", event->words);
		break;
	case VMM_EVENT_SUPERVISOR:
		say("%s", event->words);
		if (event->value == VMM_SUPERVISOR_GAVE_UP)
			app->status = status_of(app->reason);
		break;
	case VMM_EVENT_ERROR:
		say("%s%s%s", event->device, event->device[0] ? ": " : "", event->words);
		break;
	}
}

static void handle_events(struct app *app)
{
	struct vmm_event event = VMM_EVENT_INIT;

	while (app->status < 0 && vmm_next_event(app->machine.vm, &event) > 0)
		handle_event(app, &event);
}

static void handle_signals(struct app *app)
{
	struct signalfd_siginfo info;

	while (read(app->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCONT:	/* the shell has had its own modes meanwhile */
			terminal_raw(app->terminal);
			terminal_resized(app->terminal);
			break;
		case SIGWINCH:
			terminal_resized(app->terminal);
			break;
		default:
			say("%s: stopping the guest", strsignal((int)info.ssi_signo));
			vmm_stop(app->machine.vm);
		}
	}
}

/* ---- the program ---- */

/*
 * Signals that ask for something are read from a descriptor. Blocked before the
 * library makes threads, which block all of them anyway. A write to a pipe without
 * reader, or past a limit, is an error like others.
 */
static int open_signals(sigset_t *ret_before)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, ret_before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void run(struct app *app)
{
	struct pollfd fds[] = {
		{ .fd = vmm_loop_fd(app->loop), .events = POLLIN },
		{ .fd = vmm_event_fd(app->machine.vm), .events = POLLIN },
		{ .fd = app->signal_fd, .events = POLLIN },
	};

	while (app->status < 0) {
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), -1) < 0)
			continue;	/* EINTR */
		if (vmm_loop_dispatch(app->loop) < 0) {
			say("the loop: %s", vmm_last_error());
			app->status = STATUS_ERROR;
		}
		handle_signals(app);
		handle_events(app);
	}
}

static int setup(struct app *app)
{
	app->signal_fd = open_signals(&app->signals);
	if (app->signal_fd < 0) {
		say("signalfd: %s", strerror(errno));
		return -1;
	}
	if (vmm_loop_create(NULL, &app->loop) < 0) {
		say("cannot make a loop: %s", vmm_last_error());
		return -1;
	}
	if (terminal_create(app->loop, key, app, &app->terminal) < 0) {
		say("cannot use standard input and output: %s", vmm_last_error());
		return -1;
	}
	return machine_create(&app->options, app->loop, app->terminal, &app->machine);
}

static void start(struct app *app)
{
	report_no_hardware();
	terminal_raw(app->terminal);
	if (vmm_start(app->machine.vm) == 0) {
		run(app);
	} else {
		say("cannot start the guest: %s", vmm_last_error());
		app->status = STATUS_ERROR;
	}
}

/* In an order that gives the terminal and the signals back before words that may wait. */
static void teardown(struct app *app)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	if (app->machine.vm)
		(void)vmm_stop_info(app->machine.vm, &info);
	machine_destroy(&app->machine);
	terminal_destroy(app->terminal);
	vmm_loop_destroy(app->loop);
	tty_restore();
	if (app->signal_fd >= 0) {
		close(app->signal_fd);
		sigprocmask(SIG_SETMASK, &app->signals, NULL);
	}
	if (info.reason == VMM_STOP_CRASHED)
		report_crash(&info);
	else if (info.reason == VMM_STOP_PANIC)
		say("the guest's kernel panicked");
}

int main(int argc, char **argv)
{
	struct app app = { .status = -1, .signal_fd = -1 };
	int r;

	tty_fill_standard();
	r = options_parse(argc, argv, &app.options);
	if (r >= 0)
		return r;
	if (app.options.query)
		return report_host();

	if (setup(&app) == 0)
		start(&app);
	else
		app.status = STATUS_ERROR;
	teardown(&app);
	return app.status;
}
