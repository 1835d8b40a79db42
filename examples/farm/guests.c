/* SPDX-License-Identifier: MIT */
/*
 * guests.c - the guests of the configuration: how each is plugged together, what it tells, how it
 * is let go.
 *
 * All share one loop, which the server's own epoll set drives.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <libvmm/boot.h>
#include <libvmm/rng.h>
#include <libvmm/watchdog.h>

#include "farm.h"

#define CONSOLE_BYTES (64u << 10)

static int fail(const struct guest *g, const char *what)
{
	fprintf(stderr, "farm: guest %s: %s: %s\n", g->name, what, vmm_last_error());
	return -1;
}

/* ---- what it tells ---- */

static bool is_failure(const struct vmm_stop_info *info)
{
	return info->reason == VMM_STOP_CRASHED || info->reason == VMM_STOP_PANIC ||
	       info->reason == VMM_STOP_WATCHDOG ||
	       (info->reason == VMM_STOP_RESET && info->exit_reason == KVM_EXIT_SHUTDOWN);
}

static void stopped(struct guest *g)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_crash *crash;

	(void)vmm_stop_info(g->vm, &info);
	snprintf(g->last, sizeof(g->last), "%s", info.words);
	if (!is_failure(&info))
		return;
	g->crashes++;
	if (vmm_crash_record(g->vm, &crash) == 0) {
		vmm_crash_free(g->crash);
		g->crash = crash;
	}
}

static void state_event(struct guest *g, const struct vmm_event *event)
{
	if (event->value == VMM_STATE_STOPPED) {
		g->crash_when_paused = false;
		stopped(g);
	} else if (event->value == VMM_STATE_PAUSED && g->crash_when_paused) {
		g->crash_when_paused = false;
		action_crash_now(g);
	}
}

static void tell(struct guest *g, const struct vmm_event *event)
{
	snprintf(g->last, sizeof(g->last), "%.60s%s%.90s", event->device,
		 event->device[0] ? ": " : "", event->words);
}

static void events_ready(void *data)
{
	struct guest *g = data;
	struct vmm_event event = VMM_EVENT_INIT;

	while (vmm_next_event(g->vm, &event) == 1) {
		if (event.type == VMM_EVENT_STATE)
			state_event(g, &event);
		else if (event.words[0])
			tell(g, &event);
		if (event.type == VMM_EVENT_SUPERVISOR && event.value == VMM_SUPERVISOR_RESTARTED)
			g->restarts++;
	}
	farm_changed(g->farm);
}

/*
 * Whoever reads the console has a position of its own: here it is only found out how much there is.
 * A guest that prints without end is not listened to before the next turn of farm_pace().
 */
static void console_ready(void *data)
{
	struct guest *g = data;
	char bytes[4096];
	uint64_t most = g->printed + CONSOLE_BYTES;

	while (g->printed < most && vmm_ring_read(g->ring, &g->printed, bytes, sizeof(bytes)) > 0)
		continue;
	farm_pace(g->farm);
}

void guests_pace(struct farm *farm)
{
	for (uint32_t i = 0; i < farm->nr_guests; i++) {
		struct guest *g = &farm->guests[i];
		struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT,
					     .data.ptr = &g->console };

		(void)epoll_ctl(farm->epoll, EPOLL_CTL_MOD, g->console.fd, &event);
	}
}

/* ---- what it has ---- */

/* The disk's path, with the guest's number for %n. The caller frees it. */
static char *disk_path(const struct guest_config *c, uint32_t number)
{
	const char *at = strstr(c->disk, "%n");
	char *path;
	int n;

	if (at)
		n = asprintf(&path, "%.*s%u%s", (int)(at - c->disk), c->disk, number, at + 2);
	else
		n = asprintf(&path, "%s", c->disk);
	return n < 0 ? NULL : path;
}

/* A disk of zeros, unless there is one. */
static int make_disk(const char *path, uint64_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return errno == EEXIST ? 0 : -1;
	r = ftruncate(fd, (off_t)bytes);
	close(fd);
	return r;
}

/*
 * Of a server that was killed a moment ago the kernel may hold the lock until its last request is
 * done: wait for that, five seconds at most.
 */
static int open_disk(const char *path, struct vmm_blk **ret_blk)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	int r;

	file.path = path;
	for (int i = 0; (r = vmm_blk_open_file(&file, ret_blk)) == -EBUSY && i < 50; i++)
		usleep(100000);
	return r;
}

static int add_disk(struct guest *g, uint32_t number)
{
	const struct guest_config *c = g->config;
	struct vmm_block_config block = VMM_BLOCK_CONFIG_INIT;
	char *path;
	int r;

	if (!c->disk)
		return 0;
	path = disk_path(c, number);
	if (!path || (c->disk_bytes && make_disk(path, c->disk_bytes) < 0)) {
		fprintf(stderr, "farm: guest %s: disk %s: %s\n", g->name, path ? path : "",
			strerror(errno));
		free(path);
		return -1;
	}
	r = open_disk(path, &block.backend);
	free(path);
	if (r < 0)
		return fail(g, "disk");
	if (vmm_add_block(g->vm, &block, NULL) < 0) {
		vmm_blk_destroy(block.backend);
		return fail(g, "disk");
	}
	g->disk = block.backend;
	return 0;
}

static int open_net(struct guest *g, struct vmm_netdev **ret_net)
{
	struct vmm_net_switch_config port = VMM_NET_SWITCH_CONFIG_INIT;
	struct vmm_net_user_config user = VMM_NET_USER_CONFIG_INIT;
	int r;

	if (g->config->net == NET_USER)
		return vmm_net_open_user(&user, ret_net);
	if (!g->farm->sw) {
		r = vmm_switch_create(NULL, &g->farm->sw);
		if (r < 0)
			return r;
	}
	port.sw = g->farm->sw;
	return vmm_net_open_switch(&port, ret_net);
}

static int add_net(struct guest *g)
{
	struct vmm_net_config net = VMM_NET_CONFIG_INIT;

	if (g->config->net == NET_NONE)
		return 0;
	if (open_net(g, &net.backend) < 0)
		return fail(g, "network");
	if (vmm_add_net(g->vm, &net, &g->net) < 0) {
		vmm_net_destroy(net.backend);
		return fail(g, "network");
	}
	return 0;
}

static int add_console(struct guest *g)
{
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;
	int r;

	if (vmm_console_open_ring(CONSOLE_BYTES, &console.backend, &g->ring) < 0)
		return fail(g, "console");
	if (g->config->console == CONSOLE_VIRTIO)
		r = vmm_add_console(g->vm, &console, NULL);
	else
		r = vmm_add_serial(g->vm, &console);
	if (r < 0) {
		vmm_console_destroy(console.backend);
		return fail(g, "console");
	}
	return 0;
}

static int add_watchdog(struct guest *g)
{
	struct vmm_watchdog_config watchdog = VMM_WATCHDOG_CONFIG_INIT;

	if (g->config->watchdog == 0)
		return 0;
	watchdog.action = g->config->watchdog - 1;
	return vmm_add_watchdog(g->vm, &watchdog) < 0 ? fail(g, "watchdog") : 0;
}

static int boot(struct guest *g)
{
	struct vmm_boot_config config = VMM_BOOT_CONFIG_INIT;

	config.kernel_path = g->config->kernel;
	config.initrd_path = g->config->initrd;
	config.cmdline = g->config->cmdline;
	return vmm_boot_linux(g->vm, &config) < 0 ? fail(g, "cannot boot") : 0;
}

static int supervise(struct guest *g)
{
	struct vmm_supervise_config config = VMM_SUPERVISE_CONFIG_INIT;

	config.policy = g->config->restart;
	config.backoff_ms = g->config->backoff_ms;
	config.ready_text = g->config->ready;
	config.failure_text = g->config->failure;
	return vmm_supervise(g->farm->supervisor, g->vm, &config) < 0 ? fail(g, "supervisor") : 0;
}

/* ---- life ---- */

static int guest_make(struct guest *g, uint32_t number)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	config.name = g->name;
	config.ram_bytes = g->config->memory;
	config.nr_vcpus = g->config->cpus;
	config.loop = g->farm->loop;
	if (vmm_create(&config, &g->vm) < 0)
		return fail(g, "cannot make it");
	if (add_console(g) < 0 || add_disk(g, number) < 0 || add_net(g) < 0 || add_watchdog(g) < 0)
		return -1;
	if (vmm_add_rng(g->vm, NULL, NULL) < 0)
		return fail(g, "entropy");
	if (boot(g) < 0 || supervise(g) < 0)
		return -1;
	if (farm_watch(g->farm, &g->events, vmm_event_fd(g->vm), EPOLLIN, events_ready, g) < 0 ||
	    farm_watch(g->farm, &g->console, vmm_ring_fd(g->ring), EPOLLIN | EPOLLONESHOT,
		       console_ready, g) < 0)
		return -1;
	return vmm_start(g->vm) < 0 ? fail(g, "cannot start it") : 0;
}

int guests_start(struct farm *farm)
{
	const struct config *c = &farm->config;
	uint32_t total = 0;

	for (uint32_t i = 0; i < c->nr_guests; i++)
		total += c->guests[i].count ? c->guests[i].count : 1;
	farm->guests = calloc(total, sizeof(*farm->guests));
	if (!farm->guests) {
		fprintf(stderr, "farm: out of memory\n");
		return -1;
	}
	for (uint32_t i = 0; i < c->nr_guests; i++) {
		const struct guest_config *gc = &c->guests[i];

		for (uint32_t n = 1; n <= (gc->count ? gc->count : 1); n++) {
			struct guest *g = &farm->guests[farm->nr_guests++];

			*g = (struct guest){ .farm = farm, .config = gc };
			if (gc->count)
				snprintf(g->name, sizeof(g->name), "%.*s-%u", (int)NAME_MAX_LEN - 4,
					 gc->name, n);
			else
				snprintf(g->name, sizeof(g->name), "%s", gc->name);
			if (guests_find(farm, g->name) != g) {
				fprintf(stderr, "farm: two guests are called %s\n", g->name);
				return -1;
			}
			if (guest_make(g, n) < 0)
				return -1;
		}
	}
	return 0;
}

void guests_destroy(struct farm *farm)
{
	for (uint32_t i = 0; i < farm->nr_guests; i++) {
		struct guest *g = &farm->guests[i];

		vmm_destroy(g->vm);
		vmm_ring_close(g->ring);
		vmm_crash_free(g->crash);
	}
	free(farm->guests);
	farm->guests = NULL;
	farm->nr_guests = 0;
	(void)vmm_switch_destroy(farm->sw);
}

struct guest *guests_find(struct farm *farm, const char *name)
{
	for (uint32_t i = 0; i < farm->nr_guests; i++) {
		if (strcmp(farm->guests[i].name, name) == 0)
			return &farm->guests[i];
	}
	return NULL;
}
