/* SPDX-License-Identifier: MIT */
/*
 * ports.c - named ports of a virtio console: one by a unix socket, one that is hvc1.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libvmm/console.h>
#include <libvmm/device.h>

#include "files.h"
#include "guest.h"
#include "harness.h"

/* A backend of the application's: what comes is kept, and the terminal has a size. */
struct terminal {
	struct vmm_console_port *port;
	pthread_mutex_t lock;
	char said[256];
	size_t len;
};

static int terminal_attach(void *state, struct vmm_console_port *port, struct vmm_loop *loop)
{
	struct terminal *t = state;

	t->port = port;
	return 0;
}

static size_t terminal_write(void *state, const void *data, size_t len)
{
	struct terminal *t = state;
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = len < sizeof(t->said) - 1 - t->len ? len : sizeof(t->said) - 1 - t->len;
	memcpy(t->said + t->len, data, n);
	t->len += n;
	pthread_mutex_unlock(&t->lock);
	return len;
}

static void terminal_detach(void *state)
{
}

static const struct vmm_console_ops terminal_ops = {
	.size = sizeof(struct vmm_console_ops),
	.name = "terminal",
	.attach = terminal_attach,
	.write = terminal_write,
	.detach = terminal_detach,
};

struct devices {
	char *path;
	struct vmm_chardev *agent;
	struct terminal terminal;
};

static void plug(struct vmm *vm, void *data)
{
	struct devices *d = data;
	struct vmm_console_named ports[] = {
		{ .name = "agent" },
		{ .name = "terminal", .flags = VMM_CONSOLE_HVC, .columns = 132, .rows = 50 },
	};
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;

	must(vmm_console_open_unix(d->path, &d->agent), "open unix socket");
	ports[0].backend = d->agent;
	must(vmm_console_create(&terminal_ops, &d->terminal, &ports[1].backend), "terminal");
	config.name = "ports";
	config.ports = ports;
	config.nr_ports = 2;
	must(vmm_add_console(vm, &config, NULL), "ports");
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static void say(int fd, const char *text)
{
	CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void hear(int fd, const char *text)
{
	char got[128] = "";

	for (size_t len = 0; len < strlen(text);) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		CHECK(poll(&p, 1, (int)(20000 * harness_slow())) > 0);
		n = recv(fd, got + len, strlen(text) - len, 0);
		CHECK(n > 0);
		len += (size_t)n;
	}
	CHECK(strcmp(got, text) == 0);
}

/* Rows and columns, or the other way round in a Linux before 6.15. */
static void check_size(const char *said, const char *rows, const char *columns)
{
	char right[32], swapped[32];

	snprintf(right, sizeof(right), " %s %s", rows, columns);
	snprintf(swapped, sizeof(swapped), " %s %s", columns, rows);
	if (strcmp(said, right) != 0 && strcmp(said, swapped) != 0)
		fail("the size of hvc1 is%s, not%s", said, right);
}

static void terminal_resize(struct vmm *vm, struct terminal *t, uint16_t columns, uint16_t rows)
{
	vmm_loop_enter(vmm_loop_of(vm));
	vmm_console_port_resize(t->port, columns, rows);
	vmm_loop_leave(vmm_loop_of(vm));
}

static void terminal_type(struct vmm *vm, struct terminal *t, const char *text)
{
	size_t n;

	vmm_loop_enter(vmm_loop_of(vm));
	n = vmm_console_port_input(t->port, text, strlen(text));
	vmm_loop_leave(vmm_loop_of(vm));
	CHECK(n == strlen(text));
}

static void named(const void *arg)
{
	struct devices d = { .path = files_path("agent"), .terminal.lock = PTHREAD_MUTEX_INITIALIZER };
	const struct guest_spec spec = {
		.kernel = arg ? "6.12" : "6.1",
		.transport = arg ? VMM_TRANSPORT_MMIO : VMM_TRANSPORT_PCI,
		.plug = plug,
		.plug_data = &d,
		.words = "test.do=boot,ports",
	};
	struct vmm_console_stats stats = VMM_CONSOLE_STATS_INIT;
	struct guest g;
	int fd;

	guest_open(&g, &spec);
	/* Before the guest asks: who reads a port with nobody behind it is told that it ended. */
	fd = connect_to(d.path);
	say(fd, "early\n");
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	guest_expect(&g, "ready ports", 20);
	hear(fd, "agent: early\n");
	say(fd, "second line\n");
	hear(fd, "agent: second line\n");
	must(vmm_console_stats(d.agent, &stats), "figures");
	CHECK(stats.guest_open == 1 && stats.to_guest == 18 && stats.from_guest == 32);
	CHECK(stats.dropped == 0);
	say(fd, "end\n");
	CHECK(strcmp(guest_expect(&g, "ports ", 5), "agent terminal") == 0);
	check_size(guest_expect(&g, "ready size", 10), "50", "132");
	terminal_resize(g.vm, &d.terminal, 100, 40);
	check_size(guest_expect(&g, "size", 10), "40", "100");
	terminal_type(g.vm, &d.terminal, "typed\n");
	guest_expect(&g, "ok ports", 10);
	must(vmm_console_stats(d.agent, &stats), "figures");
	CHECK(stats.guest_open == 0);
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	if (!strstr(d.terminal.said, "hvc1: typed"))
		fail("hvc1 said \"%s\"", d.terminal.said);
	close(fd);
	guest_close(&g);
	free(d.path);
}

void ports_add(void)
{
	harness_add(&(struct scenario){ "ports/6.1/pci", named, NULL, 120, true });
	harness_add(&(struct scenario){ "ports/6.12/mmio", named, "", 120, true });
}
