/* SPDX-License-Identifier: MIT */
/*
 * features.c - what stock drivers negotiate, against golden lists, and that it works.
 *
 * /sys/bus/virtio/devices/N/features shows what driver and device agreed on. A
 * feature that appears or goes is a change that somebody has to mean: here it is
 * written down for each device, each transport and each format of the rings. Then
 * all of the devices are used.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/device.h>

#include "files.h"
#include "guest.h"
#include "harness.h"
#include "server.h"

#define END	255
#define BITS	128
#define TEXT	(4 * BITS)

/* By the driver's name, what is of the device itself; each as often as the guest has one. */
static const struct golden {
	const char *driver;
	uint32_t nr;
	uint8_t bits[16];
} golden[] = {
	{ "virtio_blk", 2, {
		VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE,
		VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_CONFIG_WCE,
		VIRTIO_BLK_F_MQ, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES, END } },
	{ "virtio_net", 1, {
		VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_MRG_RXBUF,
		VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VLAN,
		VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_GUEST_ANNOUNCE, END } },
	{ "virtio_console", 1, { VIRTIO_CONSOLE_F_SIZE, END } },
	{ "virtio_rng", 1, { END } },
};

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

/* ---- comparing ---- */

static void show(const bool bits[BITS], char text[TEXT])
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < BITS; i++) {
		if (bits[i])
			at += (size_t)snprintf(text + at, TEXT - at, " %u", i);
	}
}

/* What the driver and the library agree on whatever the device. */
static void expect_ours(bool bits[BITS], const struct guest_spec *spec)
{
	bits[VIRTIO_RING_F_INDIRECT_DESC] = bits[VIRTIO_RING_F_EVENT_IDX] = true;
	bits[VIRTIO_F_VERSION_1] = true;
	bits[VIRTIO_F_RING_PACKED] = spec->queue_format == VMM_QUEUE_PACKED;
	/* Linux's virtio-mmio does not take it. */
	bits[VIRTIO_F_RING_RESET] = spec->transport != VMM_TRANSPORT_MMIO;
}

static void compare(const struct golden *g, const char *features, const struct guest_spec *spec)
{
	bool want[BITS] = { false }, got[BITS] = { false };
	char want_text[TEXT], got_text[TEXT];

	expect_ours(want, spec);
	for (size_t i = 0; g->bits[i] != END; i++)
		want[g->bits[i]] = true;
	for (size_t i = 0; i < BITS && (features[i] == '0' || features[i] == '1'); i++)
		got[i] = features[i] == '1';
	show(want, want_text);
	show(got, got_text);
	if (memcmp(want, got, sizeof(want)) != 0)
		fail("%s negotiates%s; the golden list says%s", g->driver, got_text, want_text);
}

/* "virtio3 id=0x0002 driver=virtio_blk features=0010…" */
static const struct golden *take_line(const char *line, const struct guest_spec *spec)
{
	const char *driver = strstr(line, "driver="), *features = strstr(line, "features=");

	CHECK(driver && features);
	for (size_t i = 0; i < NR(golden); i++) {
		size_t len = strlen(golden[i].driver);

		if (strncmp(driver + 7, golden[i].driver, len) == 0 && driver[7 + len] == ' ') {
			compare(&golden[i], features + 9, spec);
			return &golden[i];
		}
	}
	fail("no golden list for \"%s\"", line);
}

static void negotiated(struct guest *g)
{
	uint32_t seen[NR(golden)] = { 0 }, all = 0;

	for (size_t i = 0; i < NR(golden); i++)
		all += golden[i].nr;
	for (; all > 0; all--)
		seen[take_line(guest_expect(g, "virtio ", 20), &g->spec) - golden]++;
	for (size_t i = 0; i < NR(golden); i++) {
		if (seen[i] != golden[i].nr)
			fail("%u of %s, %u wanted", seen[i], golden[i].driver, golden[i].nr);
	}
}

/* ---- the guests ---- */

struct row {
	char name[48];
	const char *kernel;
	uint32_t transport, format;
};

static struct row rows[8];

static void features(const void *arg)
{
	const struct row *row = arg;
	struct server *server = server_start();
	char *disk = files_copy_disk("disk");
	const struct guest_spec spec = {
		.kernel = row->kernel, .cpus = 2, .transport = row->transport,
		.queue_format = row->format, .disk = disk, .ram_disk_mb = 64, .net = true,
	};
	struct guest g;
	char words[256];

	snprintf(words, sizeof(words),
		 "test.do=boot,disk,rawdisk,net,rng,echo test.mb=4 test.net=10.0.2.2:%u test.netmb=4",
		 server_port(server));
	guest_open(&g, &spec);
	guest_load(&g, words);
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	negotiated(&g);
	guest_expect(&g, "ok disk", 60);
	guest_expect(&g, "ok rawdisk", 60);
	guest_expect(&g, "ok net", 60);
	guest_expect(&g, "ok rng", 10);
	guest_expect(&g, "ready echo", 10);
	guest_type(&g, "round the ring\n");
	guest_expect(&g, "echo round the ring", 5);
	guest_type(&g, "end\n");
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
	files_check_disk(disk);
	server_stop(server);
	free(disk);
}

void features_add(void)
{
	for (uint32_t i = 0; i < NR(rows); i++) {
		bool new = i & 1, mmio = i & 2, packed = i & 4;
		struct row *row = &rows[i];
		struct scenario scenario = { .name = row->name, .run = features, .arg = row };

		row->kernel = new ? "6.12" : "6.1";
		row->transport = mmio ? VMM_TRANSPORT_MMIO : VMM_TRANSPORT_PCI;
		row->format = packed ? VMM_QUEUE_PACKED : VMM_QUEUE_SPLIT;
		snprintf(row->name, sizeof(row->name), "features/%s/%s/%s", row->kernel,
			 mmio ? "mmio" : "pci", packed ? "packed" : "split");
		scenario.seconds = 150;
		/* Each pair of two columns' values at least once. */
		scenario.quick = new ^ mmio ^ packed;
		harness_add(&scenario);
	}
}
