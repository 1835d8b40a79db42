/* SPDX-License-Identifier: MIT */
/* pair.c - two guests that print their consoles line by line, and what to watch for them. */
#include <stdio.h>
#include <string.h>

#include <libvmm/boot.h>

#include "pair.h"

static int fail(const char *what)
{
	fprintf(stderr, "cannot %s: %s\n", what, vmm_last_error());
	return -1;
}

/* ---- when a descriptor is ready ---- */

/* One bounded turn; if something is left, the descriptor stays ready. */
static void dispatch(void *data)
{
	struct pair *pair = data;

	(void)!vmm_loop_dispatch(pair->loop);
}

static void print(struct pair_guest *g, char c)
{
	if (c != '\n' && c != '\r')
		g->line[g->line_len++] = c;
	if (c == '\n' || g->line_len == sizeof(g->line)) {
		printf("%s: %.*s\n", g->name, (int)g->line_len, g->line);
		g->line_len = 0;
	}
}

static void console(void *data)
{
	struct pair_guest *g = data;
	char bytes[4096];
	size_t n;

	while ((n = vmm_ring_read(g->ring, &g->position, bytes, sizeof(bytes))) > 0) {
		for (size_t i = 0; i < n; i++)
			print(g, bytes[i]);
	}
	fflush(stdout);
}

static void events(void *data)
{
	struct pair_guest *g = data;
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_event event = VMM_EVENT_INIT;

	while (vmm_next_event(g->vm, &event) > 0) {
		if (event.type == VMM_EVENT_STATE && event.value == VMM_STATE_STOPPED) {
			console(g);
			vmm_stop_info(g->vm, &info);
			printf("%s: stopped: %s\n", g->name, info.words);
			g->stopped = true;
		} else if (event.words[0]) {
			printf("%s: %s: %s\n", g->name, event.device, event.words);
		}
	}
	fflush(stdout);
}

/* ---- life ---- */

static int guest_start(struct pair *pair, struct pair_guest *g, const struct vmm_boot_config *boot)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_console_config serial = VMM_CONSOLE_CONFIG_INIT;

	config.name = g->name;
	config.ram_bytes = 256 << 20;
	config.loop = pair->loop;
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
	return vmm_start(g->vm) < 0 ? fail("start a guest") : 0;
}

int pair_start(struct pair *pair, int argc, char **argv)
{
	static const char *const names[PAIR_GUESTS] = { "one", "two" };
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	struct pair_fd *fd = pair->fds;
	char cmdline[2048];

	*pair = (struct pair){ 0 };
	if (argc < 2) {
		fprintf(stderr, "usage: %s KERNEL [INITRD [CMDLINE...]]\n", argv[0]);
		return -1;
	}
	snprintf(cmdline, sizeof(cmdline), "console=%s", vmm_serial_name());
	for (int i = 3; i < argc; i++)
		snprintf(cmdline + strlen(cmdline), sizeof(cmdline) - strlen(cmdline), " %s",
			 argv[i]);
	boot.kernel_path = argv[1];
	boot.initrd_path = argc > 2 ? argv[2] : NULL;
	boot.cmdline = cmdline;

	if (vmm_loop_create(NULL, &pair->loop) < 0)
		return fail("make a loop");
	*fd++ = (struct pair_fd){ vmm_loop_fd(pair->loop), dispatch, pair };
	for (int i = 0; i < PAIR_GUESTS; i++) {
		struct pair_guest *g = &pair->guests[i];

		g->name = names[i];
		if (guest_start(pair, g, &boot) < 0)
			return -1;
		*fd++ = (struct pair_fd){ vmm_event_fd(g->vm), events, g };
		*fd++ = (struct pair_fd){ vmm_ring_fd(g->ring), console, g };
	}
	return 0;
}

void pair_type(struct pair *pair, const void *bytes, size_t len)
{
	for (int i = 0; i < PAIR_GUESTS; i++)
		vmm_ring_write(pair->guests[i].ring, bytes, len);
}

void pair_stop(struct pair *pair)
{
	for (int i = 0; i < PAIR_GUESTS; i++)
		vmm_stop(pair->guests[i].vm);
}

bool pair_over(const struct pair *pair)
{
	for (int i = 0; i < PAIR_GUESTS; i++) {
		if (!pair->guests[i].stopped)
			return false;
	}
	return true;
}

void pair_destroy(struct pair *pair)
{
	for (int i = 0; i < PAIR_GUESTS; i++) {
		vmm_destroy(pair->guests[i].vm);
		vmm_ring_close(pair->guests[i].ring);
	}
	vmm_loop_destroy(pair->loop);
}
