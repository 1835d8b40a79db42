/* SPDX-License-Identifier: MIT */
/*
 * devices.c - a guest that uses each device it is told of, once, and checks the answers.
 *
 * With several rounds it does so again and again, from the devices' reset on.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

#define SECTOR		512u
#define NET_HEADER	12u		/* virtio_net_hdr_v1 (VIRTIO 1.2, 5.1.6) */
#define NET_FRAME	60u
#define RING_RX		0u		/* net and console alike */
#define RING_TX		1u

static uint32_t transport;

static void find(struct device *dev, uint32_t id)
{
	CHECK(device_find(dev, transport, id), id);
	CHECK(device_status(dev) == 0, device_status(dev));
}

/* ---- disk ---- */

struct block_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

static struct device disk;
static struct block_header header;
static volatile uint8_t status;
static uint8_t written[SECTOR], found[2 * SECTOR];

/* One request with up to two pieces of data. Returns its status. */
static uint8_t block_request(uint32_t type, uint64_t sector, const void *data, uint32_t length,
			     bool to_device)
{
	struct segment s[4] = { { &header, sizeof(header) } };
	uint32_t n = 1, used;

	header = (struct block_header){ .type = type, .sector = sector };
	if (length > 0) {
		uint32_t half = length / 2;

		s[n++] = (struct segment){ data, half };
		s[n++] = (struct segment){ (const uint8_t *)data + half, length - half };
	}
	status = 0xff;
	s[n++] = (struct segment){ (const void *)(uintptr_t)&status, 1 };
	ring_offer(&disk, 0, 0, s, to_device ? n - 1 : 1, to_device ? 1 : n - 1);
	used = ring_wait(&disk, 0, 0);
	CHECK(status != VIRTIO_BLK_S_OK || used == 1 + (to_device ? 0 : length), used);
	return status;
}

static void check_disk(void)
{
	const uint32_t sectors = param(PARAM_SECTORS);
	uint8_t r;

	CHECK(load32(disk.config) == sectors, load32(disk.config));
	for (uint32_t i = 0; i < SECTOR; i++)
		written[i] = (uint8_t)(i * 7 + 3);

	r = block_request(VIRTIO_BLK_T_OUT, 5, written, SECTOR, true);
	CHECK(r == VIRTIO_BLK_S_OK, r);
	r = block_request(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, true);
	CHECK(r == VIRTIO_BLK_S_OK, r);
	/* Sector 4 with it: the host put its own bytes there. */
	r = block_request(VIRTIO_BLK_T_IN, 4, found, 2 * SECTOR, false);
	CHECK(r == VIRTIO_BLK_S_OK, r);
	CHECK(found[0] == 'h' && found[SECTOR - 1] == 'h', found[0]);
	CHECK(memcmp(found + SECTOR, written, SECTOR) == 0, 0);

	r = block_request(VIRTIO_BLK_T_IN, sectors, found, SECTOR, false);
	CHECK(r == VIRTIO_BLK_S_IOERR, r);
	r = block_request(VIRTIO_BLK_T_OUT, sectors, found, SECTOR, true);
	CHECK(r == VIRTIO_BLK_S_IOERR, r);
	r = block_request(VIRTIO_BLK_T_IN, UINT64_MAX / SECTOR, found, SECTOR, false);
	CHECK(r == VIRTIO_BLK_S_IOERR, r);
	r = block_request(0x5555, 0, found, SECTOR, true);
	CHECK(r == VIRTIO_BLK_S_UNSUPP, r);

	memset(found, 0xee, sizeof(found));
	r = block_request(VIRTIO_BLK_T_GET_ID, 0, found, VIRTIO_BLK_ID_BYTES, false);
	CHECK(r == VIRTIO_BLK_S_OK, r);
	CHECK(memcmp(found, DISK_SERIAL, sizeof(DISK_SERIAL)) == 0, found[0]);
	CHECK(found[VIRTIO_BLK_ID_BYTES] == 0xee, found[VIRTIO_BLK_ID_BYTES]);
}

/* ---- a request in flight when the disk is reset ---- */

static void check_reset(void)
{
	const struct segment s[] = {
		{ &header, sizeof(header) }, { found, SECTOR }, { (const void *)(uintptr_t)&status, 1 },
	};
	uint8_t r;

	/* The first request is held back by the backend until it is told to drain. */
	header = (struct block_header){ .type = VIRTIO_BLK_T_IN };
	ring_offer(&disk, 0, 0, s, 1, 2);
	for (uint32_t i = 0; i < 2000; i++)
		CHECK(disk.rings[0].memory->used.index == 0, i);
	device_reset(&disk);
	step(STEP_RESET);

	/* After the reset nothing of it comes any more: the memory is the driver's again. */
	memset(found, 0xee, SECTOR);
	status = 0xee;
	for (uint32_t i = 0; i < 2000; i++)
		CHECK(disk.rings[0].memory->used.index == 0 && status == 0xee, i);
	CHECK(found[0] == 0xee && found[SECTOR - 1] == 0xee, found[0]);

	device_up(&disk, 0, 1);
	r = block_request(VIRTIO_BLK_T_IN, 4, found, SECTOR, false);
	CHECK(r == VIRTIO_BLK_S_OK, r);
	CHECK(found[0] == 'h', found[0]);
}

/* ---- network: the other end sends back what it gets ---- */

static struct device net;
static uint8_t sent[NET_HEADER + NET_FRAME], received[NET_HEADER + 1514];

static void check_net(void)
{
	static const uint8_t mac[] = { NET_MAC };
	const struct segment rx = { received, sizeof(received) }, tx = { sent, sizeof(sent) };

	for (uint32_t i = 0; i < sizeof(mac); i++)
		CHECK(load8(net.config + i) == mac[i], i);

	for (uint32_t round = 0; round < 3; round++) {
		uint32_t used;

		for (uint32_t i = 0; i < NET_FRAME; i++)
			sent[NET_HEADER + i] = (uint8_t)(i + round);
		memset(received, 0xee, NET_HEADER + NET_FRAME);
		/* On the last round the frame comes before the buffer for it. */
		if (round < 2)
			ring_offer(&net, RING_RX, 0, &rx, 0, 1);
		ring_offer(&net, RING_TX, 0, &tx, 1, 0);
		ring_wait(&net, RING_TX, 0);
		if (round == 2)
			ring_offer(&net, RING_RX, 0, &rx, 0, 1);
		used = ring_wait(&net, RING_RX, 0);
		CHECK(used == NET_HEADER + NET_FRAME, used);
		CHECK(memcmp(received + NET_HEADER, sent + NET_HEADER, NET_FRAME) == 0, round);
		/* num_buffers, which is always there in version 1 */
		CHECK(received[10] == 1 && received[11] == 0, received[10]);
	}
}

/* ---- console ---- */

static struct device console;
static const char greeting[] = CONSOLE_OUT, answer[] = CONSOLE_IN;
static char typed[sizeof(answer)];

static void check_console(void)
{
	const struct segment out = { greeting, sizeof(greeting) - 1 };
	uint32_t have = 0;

	ring_offer(&console, RING_TX, 0, &out, 1, 0);
	ring_wait(&console, RING_TX, 0);
	step(STEP_CONSOLE);

	while (have < sizeof(answer) - 1) {
		const struct segment in = { typed + have, (uint32_t)(sizeof(answer) - 1 - have) };
		uint32_t used;

		ring_offer(&console, RING_RX, 0, &in, 0, 1);
		used = ring_wait(&console, RING_RX, 0);
		CHECK(used > 0 && used <= in.length, used);
		have += used;
	}
	CHECK(memcmp(typed, answer, sizeof(answer) - 1) == 0, typed[0]);
}

/* ---- entropy ---- */

static struct device rng;

static void check_rng(void)
{
	static uint8_t bytes[48];
	const struct segment in = { bytes, sizeof(bytes) - 8 };
	uint32_t used, sum = 0;

	memset(bytes, 0, sizeof(bytes));
	ring_offer(&rng, 0, 3, &in, 0, 1);
	used = ring_wait(&rng, 0, 3);
	CHECK(used == in.length, used);
	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		CHECK(i < in.length || bytes[i] == 0, i);
		sum += bytes[i] != 0;
	}
	CHECK(sum > 16, sum);
}

/* ---- all of it ---- */

static void devices_up(uint32_t with)
{
	/* No ring feature but the plain ring: the simple driver above knows no other. */
	const uint64_t block = 1ull << VIRTIO_BLK_F_FLUSH;

	if (with & (WITH_BLOCK | WITH_RESET))
		device_up(&disk, block, 1);
	if (with & WITH_NET)
		device_up(&net, 1ull << 5, 2);	/* VIRTIO_NET_F_MAC */
	if (with & WITH_CONSOLE)
		device_up(&console, 0, 2);
	if (with & WITH_RNG)
		device_up(&rng, 0, 1);
}

static void devices_check(uint32_t with)
{
	if (with & WITH_BLOCK)
		check_disk();
	if (with & WITH_RESET)
		check_reset();
	if (with & WITH_NET)
		check_net();
	if (with & WITH_CONSOLE)
		check_console();
	if (with & WITH_RNG)
		check_rng();
}

void guest_main(void)
{
	const uint32_t with = param(PARAM_DEVICES), rounds = param(PARAM_ROUNDS);

	transport = param(PARAM_TRANSPORT);
	if (with & (WITH_BLOCK | WITH_RESET))
		find(&disk, VIRTIO_ID_BLOCK);
	if (with & WITH_NET)
		find(&net, VIRTIO_ID_NET);
	if (with & WITH_CONSOLE)
		find(&console, VIRTIO_ID_CONSOLE);
	if (with & WITH_RNG)
		find(&rng, VIRTIO_ID_RNG);

	devices_up(with);
	step(STEP_UP);
	for (uint32_t i = 0; i < rounds; i++) {
		if (i > 0)
			devices_up(with);
		devices_check(with);
		step(STEP_ROUND);
	}
}
