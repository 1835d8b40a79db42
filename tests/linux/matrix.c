/* SPDX-License-Identifier: MIT */
/*
 * matrix.c - every kernel by every way in, on one and two CPUs, over each transport.
 *
 * One boot does all that a stock guest is for: a disk that is mounted, written,
 * synced and found clean by the host; an address by DHCP and transfers both ways
 * with checksums; entropy; a console that answers; and then an end, which has to
 * arrive as the right reason.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/boot.h>
#include <libvmm/device.h>

#include "arch.h"
#include "files.h"
#include "guest.h"
#include "harness.h"
#include "server.h"

#ifdef __x86_64__
static const char *const kernels[] = { "6.1", "6.12" };
#else
static const char *const kernels[] = { "stock" };
#endif

struct choice {
	const char *name;
	uint32_t value;
};

static const struct choice protocols[] = {
#ifdef __x86_64__
	{ "bzimage", VMM_BOOT_BZIMAGE },
	{ "pvh", VMM_BOOT_PVH },
	{ "elf", VMM_BOOT_ELF },
#else
	{ "image", VMM_BOOT_IMAGE },
	{ "image.gz", VMM_BOOT_AUTO },
#endif
};
static const struct choice transports[] = {
	{ "pci", VMM_TRANSPORT_PCI },
	{ "mmio", VMM_TRANSPORT_MMIO },
};

/* How a guest may end, and what the host has to be told. */
static const struct choice ends[] = {
	{ "poweroff", VMM_STOP_POWEROFF },
	{ "reboot", VMM_STOP_RESET },
#ifdef __x86_64__
	{ "panic", VMM_STOP_PANIC },	/* (Debian's other kernels have no driver for it) */
#endif
};

#ifdef __x86_64__
#define MANY_MB	64
#else
#define MANY_MB	4	/* (under emulation) */
#endif
#define NR(array)	(sizeof(array) / sizeof((array)[0]))
#define NR_ROWS		(NR(kernels) * NR(protocols) * 2 * 2)

/* One of all combinations, by its number. */
struct row {
	char name[64];
	const char *kernel;
	uint32_t protocol, cpus, transport;
	const struct choice *end;
	uint32_t net_mb;
};

static struct row rows[NR_ROWS];

static void echo(struct guest *g, const char *line)
{
	char text[64];

	snprintf(text, sizeof(text), "%s\n", line);
	guest_type(g, text);
	snprintf(text, sizeof(text), "echo %s", line);
	guest_expect(g, text, 5);
}

static void boot_row(const void *arg)
{
	const struct row *row = arg;
	struct server *server = server_start();
	char words[256];
	struct guest g;
	char *disk = files_copy_disk("disk");
	const struct guest_spec spec = {
		.kernel = row->kernel,
		.protocol = row->protocol,
		.packed = row->protocol == VMM_BOOT_AUTO,
		.cpus = row->cpus,
		.transport = row->transport,
		.disk = disk,
		.net = true,
	};
	const char *boot;
	char cpus[16];

	snprintf(words, sizeof(words),
		 "test.do=boot,disk,net,rng,echo,%s test.mb=4 test.net=10.0.2.2:%u test.netmb=%u",
		 row->end->name, server_port(server), row->net_mb);
	snprintf(cpus, sizeof(cpus), "cpus=%u ", row->cpus);

	guest_open(&g, &spec);
	guest_load(&g, words);
	guest_start(&g);
	boot = guest_expect(&g, "boot ", 30);
	CHECK(strstr(boot, cpus) != NULL);
	/* On PCI each device has messages of its own, if any has; there are none where it is not. */
	CHECK((strstr(boot, " msi=0 ") == NULL) == (row->transport == VMM_TRANSPORT_PCI && arch_has_messages()));
	guest_expect(&g, "ok disk", 30);
	note("%s", guest_expect(&g, "ok net", 60));
	CHECK(server_sent(server) == (uint64_t)row->net_mb << 20);
	CHECK(server_received(server) == (uint64_t)row->net_mb << 20);
	guest_expect(&g, "ok rng", 10);
	guest_expect(&g, "ready echo", 10);
	echo(&g, "hello");
	echo(&g, "The quick brown fox jumps over the lazy dog");
	guest_type(&g, "end\n");
	guest_expect(&g, "ok echo", 5);
	guest_expect(&g, "done", 10);
	guest_ends(&g, row->end->value, 20);
	guest_close(&g);
	files_check_disk(disk);
	server_stop(server);
	free(disk);
}

/*
 * The quick ones: six boots in which every two values of different columns meet.
 * (Kernel and protocol choose the row; the other two alternate.)
 */
static bool is_quick(uint32_t kernel, uint32_t protocol, uint32_t cpus, uint32_t transport)
{
#ifdef __x86_64__
	static const struct {
		uint32_t cpus, transport;
	} quick[2][3] = {
		{ { 0, 0 }, { 1, 1 }, { 0, 1 } },
		{ { 1, 1 }, { 0, 0 }, { 1, 0 } },
	};
#else
	/* Few, since each takes its time: the others on --all. */
	static const struct {
		uint32_t cpus, transport;
	} quick[1][2] = { { { 1, 0 }, { 0, 1 } } };
#endif

	return quick[kernel][protocol].cpus == cpus &&
	       quick[kernel][protocol].transport == transport;
}

void matrix_add(void)
{
	for (uint32_t i = 0; i < NR_ROWS; i++) {
		uint32_t kernel = i % NR(kernels), protocol = i / NR(kernels) % NR(protocols);
		uint32_t cpus = i / NR(kernels) / NR(protocols) % 2;
		uint32_t transport = i / NR(kernels) / NR(protocols) / 2;
		struct row *row = &rows[i];
		struct scenario scenario = { .name = row->name, .run = boot_row, .arg = row };

		scenario.quick = is_quick(kernel, protocol, cpus, transport);
		row->kernel = kernels[kernel];
		row->protocol = protocols[protocol].value;
		row->cpus = cpus + 1;
		row->transport = transports[transport].value;
		row->end = &ends[(kernel + protocol + cpus + transport) % NR(ends)];
		/* Among the quick ones the large transfer is made once on each transport. */
		row->net_mb = scenario.quick && protocol != 1 ? 4 : MANY_MB;
		snprintf(row->name, sizeof(row->name), "boot/%s/%s/%ucpu/%s/%s", row->kernel,
			 protocols[protocol].name, row->cpus, transports[transport].name,
			 row->end->name);
		scenario.seconds = 120;
		harness_add(&scenario);
	}
}
