/* SPDX-License-Identifier: MIT */
/*
 * guest.c - a stock Linux guest that runs tests/guest/init.
 *
 * The guest talks on a virtio console, which is cheap; its serial port carries what
 * the kernel has to say before that driver is there, for the reader of a failure.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/block.h>
#include <libvmm/boot.h>
#include <libvmm/net.h>
#include <libvmm/rng.h>

#include "arch.h"
#include "files.h"
#include "guest.h"

#define RING_BYTES	(1 << 20)
#define MAX_GUESTS	4
#define SHOWN_BYTES	6000	/* of each console, for a failure */

static struct guest *open_guests[MAX_GUESTS];

/* ---- making one ---- */

static void add_consoles(struct guest *g)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	must(vmm_console_open_ring(RING_BYTES, &config.backend, &g->serial), "ring");
	must(vmm_add_serial(g->vm, &config), "serial port");
	if (g->spec.serial) {
		g->console = g->serial;
		return;
	}
	must(vmm_console_open_ring(RING_BYTES, &config.backend, &g->console), "ring");
	must(vmm_add_console(g->vm, &config, NULL), "console");
}

static void add_disks(struct guest *g)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;

	if (g->spec.disks)
		g->spec.disks(g);
	config.nr_queues = g->spec.cpus;
	if (g->spec.disk) {
		struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;

		file.path = g->spec.disk;
		must(vmm_blk_open_file(&file, &config.backend), "open disk");
		must(vmm_add_block(g->vm, &config, NULL), "disk");
	}
	if (g->spec.ram_disk_mb) {
		must(vmm_blk_open_ram((uint64_t)g->spec.ram_disk_mb << 20, &config.backend),
		     "open RAM disk");
		config.serial = "of-memory";
		must(vmm_add_block(g->vm, &config, NULL), "RAM disk");
	}
}

static void add_net(struct guest *g)
{
	struct vmm_net_user_config user = VMM_NET_USER_CONFIG_INIT;
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;

	if (!g->spec.net && !g->spec.netdev)
		return;
	config.backend = g->spec.netdev;
	config.flags = g->spec.net_flags;
	if (!config.backend)
		must(vmm_net_open_user(&user, &config.backend), "open user network");
	must(vmm_add_net(g->vm, &config, &g->nic), "network");
}

void guest_load(struct guest *g, const char *words)
{
	struct vmm_boot_config config = VMM_BOOT_CONFIG_INIT;
	uint32_t protocol = g->spec.packed ? VMM_BOOT_AUTO : g->spec.protocol;
	char cmdline[1024];

	snprintf(cmdline, sizeof(cmdline), "%s quiet panic=-1 cryptomgr.notests=1 %s",
		 g->spec.serial ? "console=" SERIAL_CONSOLE : EARLY_CONSOLE " console=hvc0", words);
	config.kernel_path = files_image(arch_kernel(protocol), g->spec.kernel);
	config.initrd_path = files_image(FILE_INITRD, g->spec.kernel);
	config.protocol = protocol;
	config.cmdline = cmdline;
	must(vmm_boot_linux(g->vm, &config), "load the kernel");
}

static void remark(void *data, struct vmm *vm, uint32_t level, const char *message)
{
	fprintf(stderr, "remark on %s: %s\n", vmm_name(vm), message);
}

void guest_open(struct guest *g, const struct guest_spec *spec)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	*g = (struct guest){ .spec = *spec };
	g->name = spec->name ? spec->name : "guest";
	if (!g->spec.kernel)
		g->spec.kernel = "6.1";
	if (!g->spec.protocol)
		g->spec.protocol = USUAL_PROTOCOL;
	g->fds = files_count_fds();
	g->threads = files_count_threads();

	config.name = g->name;
	config.ram_bytes = (uint64_t)(spec->memory_mb ? spec->memory_mb : 320) << 20;
	config.nr_vcpus = spec->cpus;
	config.transport = spec->transport;
	config.queue_format = spec->queue_format;
	config.loop = spec->loop;
	config.log = remark;
	must(vmm_create(&config, &g->vm), "create a guest");
	for (int i = 0; i < MAX_GUESTS; i++) {
		if (!open_guests[i]) {
			open_guests[i] = g;
			break;
		}
	}
	add_consoles(g);
	add_disks(g);
	add_net(g);
	if (spec->plug)
		spec->plug(g->vm, spec->plug_data);
	must(vmm_add_rng(g->vm, NULL, NULL), "rng");
	if (spec->words)
		guest_load(g, spec->words);
}

void guest_start(struct guest *g)
{
	must(vmm_start(g->vm), "start");
}

/* ---- what it says ---- */

static void append(struct guest *g, const char *bytes, size_t len)
{
	g->text = realloc(g->text, g->text_len + len + 1);
	if (!g->text)
		abort();
	memcpy(g->text + g->text_len, bytes, len);
	g->text_len += len;
	g->text[g->text_len] = '\0';
	if (harness_verbose())
		fprintf(stderr, "%.*s", (int)len, bytes);
}

static void collect(struct guest *g)
{
	char bytes[4096];
	size_t n;

	while ((n = vmm_ring_read(g->console, &g->position, bytes, sizeof(bytes))) > 0)
		append(g, bytes, n);
}

/* The next whole line of what it said, without its end; NULL: none yet. */
static char *next_line(struct guest *g)
{
	char *line, *end;

	if (!g->text)
		return NULL;
	line = g->text + g->seen;
	end = strchr(line, '\n');
	if (!end)
		return NULL;
	g->seen = (size_t)(end + 1 - g->text);
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line;
}

/* Wait up to @ms for a descriptor of the guest; drive its loop if it is ours to drive. */
static void pump(struct guest *g, int ms)
{
	struct pollfd fds[] = {
		{ .fd = vmm_ring_fd(g->console), .events = POLLIN },
		{ .fd = vmm_event_fd(g->vm), .events = POLLIN },
		{ .fd = g->spec.loop ? vmm_loop_fd(g->spec.loop) : -1, .events = POLLIN },
	};

	(void)poll(fds, 3, ms);
	if (g->spec.loop)
		must(vmm_loop_dispatch(g->spec.loop), "dispatch");
	collect(g);
}

/*
 * The next line that begins with "GUEST @prefix"; NULL when there is none before
 * @deadline. A stopped guest says no more: what it said before still counts.
 */
static const char *find_line(struct guest *g, const char *prefix, uint64_t deadline)
{
	size_t len = strlen(prefix);
	char *line;

	for (;;) {
		bool stopped = vmm_state(g->vm) == VMM_STATE_STOPPED;
		uint64_t now = now_ns();

		collect(g);
		while ((line = next_line(g)) != NULL) {
			if (strncmp(line, "GUEST FAIL", 10) == 0)
				fail("%s says: %s", g->name, line);
			if (strncmp(line, "GUEST ", 6) == 0 && strncmp(line + 6, prefix, len) == 0)
				return line + 6 + len;
		}
		if (stopped || now >= deadline)
			return NULL;
		pump(g, deadline - now < 100000000 ? (int)((deadline - now) / 1000000) + 1 : 100);
	}
}

static uint64_t deadline_in(uint32_t seconds)
{
	return now_ns() + (uint64_t)seconds * harness_slow() * 1000000000;
}

const char *guest_expect(struct guest *g, const char *prefix, uint32_t seconds)
{
	const char *rest = find_line(g, prefix, deadline_in(seconds));
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;

	if (rest)
		return rest;
	if (vmm_state(g->vm) != VMM_STATE_STOPPED)
		fail("%s did not say \"GUEST %s\" in %u s", g->name, prefix,
		     seconds * harness_slow());
	must(vmm_stop_info(g->vm, &info), "stop info");
	fail("%s stopped (reason %u: %s) and did not say \"GUEST %s\"", g->name, info.reason,
	     info.words, prefix);
}

const char *guest_listen(struct guest *g, const char *prefix, uint32_t ms)
{
	return find_line(g, prefix, now_ns() + (uint64_t)ms * 1000000);
}

void guest_type(struct guest *g, const char *text)
{
	size_t len = strlen(text);

	CHECK(vmm_ring_write(g->console, text, len) == len);
}

/* ---- what becomes of it ---- */

void guest_event(struct guest *g, uint32_t type, uint32_t value, uint32_t seconds)
{
	uint64_t deadline = deadline_in(seconds);
	struct vmm_event event = VMM_EVENT_INIT;

	do {
		while (must(vmm_next_event(g->vm, &event), "event") > 0) {
			if (event.type == type && event.value == value)
				return;
			if (event.type == VMM_EVENT_DEVICE_BROKEN || event.type == VMM_EVENT_ERROR)
				fail("%s: event %u of %s: %s", g->name, event.type, event.device,
				     event.words);
		}
		pump(g, 100);
	} while (now_ns() < deadline);
	fail("%s: no event %u with value %u", g->name, type, value);
}

void guest_ends(struct guest *g, uint32_t reason, uint32_t seconds)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	int state = vmm_wait_state(g->vm, 1 << VMM_STATE_STOPPED,
				   (int)(seconds * harness_slow() * 1000));

	collect(g);
	if (state != VMM_STATE_STOPPED)
		fail("%s did not stop: %d (%s)", g->name, state, vmm_last_error());
	must(vmm_stop_info(g->vm, &info), "stop info");
	if (info.reason != reason)
		fail("%s stopped for reason %u (%s), not %u", g->name, info.reason, info.words,
		     reason);
}

/* A thread leaves /proc a moment after it was joined, one of before the guest too. */
static void check_nothing_left(const struct guest *g)
{
	uint32_t fds = 0, threads = 0;

	for (uint32_t i = 0; i < 100 * harness_slow(); i++) {
		const struct timespec wait = { .tv_nsec = 50000000 };

		fds = files_count_fds();
		threads = files_count_threads();
		if (fds == g->fds && threads <= g->threads)
			return;
		nanosleep(&wait, NULL);
	}
	fail("%s: %u descriptors and %u threads before, %u and %u after", g->name, g->fds,
	     g->threads, fds, threads);
}

void guest_close(struct guest *g)
{
	vmm_destroy(g->vm);
	if (g->console != g->serial)
		vmm_ring_close(g->console);
	vmm_ring_close(g->serial);
	free(g->text);
	for (int i = 0; i < MAX_GUESTS; i++) {
		if (open_guests[i] == g)
			open_guests[i] = NULL;
	}
	check_nothing_left(g);
}

static void show(const char *what, const char *name, const char *text, size_t len)
{
	size_t skip = len > SHOWN_BYTES ? len - SHOWN_BYTES : 0;

	fprintf(stderr, "---- %s of %s%s\n", what, name, skip ? ", the end" : "");
	for (size_t i = skip; i < len; i++) {
		if (text[i] != '\r')
			fputc(text[i] ? text[i] : '\n', stderr);
	}
	fprintf(stderr, "\n----\n");
}

void guest_show_all(void)
{
	static char bytes[64 << 10];

	for (int i = 0; i < MAX_GUESTS; i++) {
		struct guest *g = open_guests[i];
		uint64_t position = 0;
		size_t n, len = 0;

		if (!g || !g->serial)
			continue;
		do {
			n = vmm_ring_read(g->serial, &position, bytes + len, sizeof(bytes) - len);
			len += n;
		} while (n > 0);
		show("serial port", g->name, bytes, len);
		if (g->console != g->serial)
			show("console", g->name, g->text, g->text_len);
	}
}
