/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - two guests in the epoll loop of an application: no thread but the vCPUs'.
 *
 *	epoll KERNEL [INITRD [CMDLINE...]]
 *
 * Both guests share one struct vmm_loop, which stands in our epoll set beside their events, the
 * rings that hold their console output, standard input (typed to both) and a signalfd: Ctrl-C
 * stops them. Each line that a guest prints is shown with its name. Ends when both have stopped.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/loop.h>
#include <libvmm/vmm.h>

#define NR_GUESTS	2
#define ALL		0

enum what { LOOP, EVENTS, CONSOLE, INPUT, SIGNALS };

struct guest {
	const char *name;
	struct vmm *vm;
	struct vmm_ring *ring;
	uint64_t position;		/* in the ring */
	char line[256];
	size_t line_len;
	bool stopped;
};

struct app {
	int epoll;
	int signals;
	struct vmm_loop *loop;
	struct guest guests[NR_GUESTS];
};

static int fail(const char *what)
{
	fprintf(stderr, "epoll: cannot %s: %s\n", what, vmm_last_error());
	return -1;
}

/* ---- the set ---- */

/* What became ready, and of which guest. */
static int watch(struct app *app, int fd, enum what what, unsigned guest)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)what << 32 | guest };

	return epoll_ctl(app->epoll, EPOLL_CTL_ADD, fd, &event);
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

/* ---- a guest ---- */

static int guest_make(struct app *app, unsigned i, const struct vmm_boot_config *boot)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_console_config serial = VMM_CONSOLE_CONFIG_INIT;
	struct guest *g = &app->guests[i];

	config.name = g->name;
	config.ram_bytes = 256 << 20;
	config.loop = app->loop;
	if (vmm_create(&config, &g->vm) < 0)
		return fail("create a guest");
	if (vmm_console_open_ring(64 << 10, &serial.backend, &g->ring) < 0)
		return fail("open a ring console");
	if (vmm_add_serial(g->vm, &serial) < 0) {
		vmm_console_destroy(serial.backend);
		return fail("add a serial port");
	}
	if (vmm_boot_linux(g->vm, boot) < 0)
		return fail("load the kernel");
	if (watch(app, vmm_event_fd(g->vm), EVENTS, i) < 0 ||
	    watch(app, vmm_ring_fd(g->ring), CONSOLE, i) < 0)
		return fail("watch a guest");
	return vmm_start(g->vm) < 0 ? fail("start a guest") : 0;
}

static void guest_print(struct guest *g, char c)
{
	if (c != '\n' && c != '\r')
		g->line[g->line_len++] = c;
	if (c == '\n' || g->line_len == sizeof(g->line)) {
		printf("%s: %.*s\n", g->name, (int)g->line_len, g->line);
		g->line_len = 0;
	}
}

static void guest_console(struct guest *g)
{
	char bytes[4096];
	size_t n;

	while ((n = vmm_ring_read(g->ring, &g->position, bytes, sizeof(bytes))) > 0) {
		for (size_t i = 0; i < n; i++)
			guest_print(g, bytes[i]);
	}
	fflush(stdout);
}

static void guest_events(struct guest *g)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_event event = VMM_EVENT_INIT;

	while (vmm_next_event(g->vm, &event) > 0) {
		if (event.type == VMM_EVENT_STATE && event.value == VMM_STATE_STOPPED) {
			guest_console(g);
			vmm_stop_info(g->vm, &info);
			printf("%s: stopped: %s\n", g->name, info.words);
			g->stopped = true;
		} else if (event.words[0]) {
			printf("%s: %s: %s\n", g->name, event.device, event.words);
		}
	}
}

/* ---- the application ---- */

static void handle(struct app *app, enum what what, unsigned guest)
{
	struct signalfd_siginfo info;
	char typed[512];
	ssize_t n;

	switch (what) {
	case LOOP:
		while (vmm_loop_dispatch(app->loop) > 0)
			continue;
		break;
	case EVENTS:
		guest_events(&app->guests[guest]);
		break;
	case CONSOLE:
		guest_console(&app->guests[guest]);
		break;
	case INPUT:
		n = read(STDIN_FILENO, typed, sizeof(typed));
		for (unsigned i = 0; i < NR_GUESTS && n > 0; i++)
			vmm_ring_write(app->guests[i].ring, typed, (size_t)n);
		if (n <= 0)
			epoll_ctl(app->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
		break;
	case SIGNALS:
		while (read(app->signals, &info, sizeof(info)) == sizeof(info))
			continue;
		for (unsigned i = 0; i < NR_GUESTS; i++)
			vmm_stop(app->guests[i].vm);
		break;
	}
}

static int run(struct app *app)
{
	struct epoll_event events[16];

	while (!app->guests[0].stopped || !app->guests[1].stopped) {
		int n = epoll_wait(app->epoll, events, 16, -1);

		for (int i = 0; i < n; i++)
			handle(app, (enum what)(events[i].data.u64 >> 32),
			       (unsigned)events[i].data.u64);
	}
	return 0;
}

static int app_make(struct app *app, const struct vmm_boot_config *boot)
{
	app->epoll = epoll_create1(EPOLL_CLOEXEC);
	app->signals = open_signals();
	if (app->epoll < 0 || app->signals < 0 || vmm_loop_create(NULL, &app->loop) < 0)
		return fail("make a loop");
	if (watch(app, vmm_loop_fd(app->loop), LOOP, ALL) < 0 ||
	    watch(app, app->signals, SIGNALS, ALL) < 0)
		return fail("watch the loop");
	(void)watch(app, STDIN_FILENO, INPUT, ALL);	/* a plain file cannot be: then nobody types */

	for (unsigned i = 0; i < NR_GUESTS; i++) {
		if (guest_make(app, i, boot) < 0)
			return -1;
	}
	return 0;
}

static void app_unmake(struct app *app)
{
	for (unsigned i = 0; i < NR_GUESTS; i++) {
		vmm_destroy(app->guests[i].vm);
		vmm_ring_close(app->guests[i].ring);
	}
	vmm_loop_destroy(app->loop);
	close(app->signals);
	close(app->epoll);
}

int main(int argc, char **argv)
{
	struct app app = { .guests = { { .name = "one" }, { .name = "two" } } };
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	char cmdline[2048];
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: epoll KERNEL [INITRD [CMDLINE...]]\n");
		return 2;
	}
	snprintf(cmdline, sizeof(cmdline), "console=%s", vmm_serial_name());
	for (int i = 3; i < argc; i++)
		snprintf(cmdline + strlen(cmdline), sizeof(cmdline) - strlen(cmdline), " %s", argv[i]);
	boot.kernel_path = argv[1];
	boot.initrd_path = argc > 2 ? argv[2] : NULL;
	boot.cmdline = cmdline;

	r = app_make(&app, &boot);
	if (r == 0)
		r = run(&app);
	app_unmake(&app);
	return r < 0 ? 1 : 0;
}
