/* SPDX-License-Identifier: MIT */
/*
 * fake_vsock.h - a driver of a socket device, on fake_virtio.h's machine: packets by hand.
 *
 * Transmit and receive buffers lie in slots, used round and round. Included by one file of
 * a program.
 */
#ifndef TESTS_FAKE_VSOCK_H
#define TESTS_FAKE_VSOCK_H

#include <linux/virtio_vsock.h>
#include "fake_virtio.h"

enum {
	GUEST_CID	= 3,
	SLOTS		= 32,
	TX_SLOT		= 8192,		/* bytes */
	RX_SLOT		= 4096,
	TX_AT		= DATA,
	RX_AT		= TX_AT + SLOTS * TX_SLOT,
	EVENT_AT	= RX_AT + SLOTS * RX_SLOT,
	HDR		= sizeof(struct virtio_vsock_hdr),
};

struct guest_packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len, type, op, flags, buf_alloc, fwd_cnt;
	const unsigned char *data;	/* until its slot is offered again */
};

static struct {
	unsigned tx_next, rx_next;
	uint16_t rx_seen;
} driver;

static inline void vsock_driver_start(void)
{
	driver_start();
	memset(&driver, 0, sizeof(driver));
}

/* A packet of connection @guest_port to @host_port, in good order unless it is changed. */
static inline struct guest_packet packet_of(uint32_t guest_port, uint32_t host_port, uint32_t op)
{
	return (struct guest_packet){
		.src_cid = GUEST_CID, .dst_cid = 2, .src_port = guest_port, .dst_port = host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .buf_alloc = 1 << 20,
	};
}

/* Offer it with @bytes of payload; p->len says how many that is unless it lies. No kick. */
static inline void driver_put(const struct guest_packet *p, const void *payload, uint32_t bytes)
{
	unsigned slot = driver.tx_next++ % SLOTS;
	uint32_t at = TX_AT + slot * TX_SLOT;
	const struct virtio_vsock_hdr h = {
		.src_cid = htole64(p->src_cid), .dst_cid = htole64(p->dst_cid),
		.src_port = htole32(p->src_port), .dst_port = htole32(p->dst_port),
		.len = htole32(p->len), .type = htole16((uint16_t)p->type),
		.op = htole16((uint16_t)p->op), .flags = htole32(p->flags),
		.buf_alloc = htole32(p->buf_alloc), .fwd_cnt = htole32(p->fwd_cnt),
	};

	memcpy(machine.ram + at, &h, sizeof(h));
	if (bytes > 0)
		memcpy(machine.ram + at + HDR, payload, bytes);
	driver_buffer(1, slot, at, HDR + bytes, false);
}

static inline void driver_send(const struct guest_packet *p, const void *payload, uint32_t bytes)
{
	driver_put(p, payload, bytes);
	driver_kick(1);
	machine_run();
}

/* Offer @n receive buffers. */
static inline void driver_receive(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = driver.rx_next++ % SLOTS;

		driver_buffer(0, slot, RX_AT + slot * RX_SLOT, RX_SLOT, true);
	}
	driver_kick(0);
	machine_run();
}

/* The next packet that came. False: there is none. */
static inline bool driver_got(struct guest_packet *ret)
{
	uint32_t slot, at = USED_AT + 4 + 8u * (driver.rx_seen % ENTRIES);
	struct virtio_vsock_hdr h;

	if (driver_used(0) == driver.rx_seen)
		return false;
	slot = driver_load32(at);
	memcpy(&h, machine.ram + RX_AT + slot * RX_SLOT, sizeof(h));
	*ret = (struct guest_packet){
		.src_cid = le64toh(h.src_cid), .dst_cid = le64toh(h.dst_cid),
		.src_port = le32toh(h.src_port), .dst_port = le32toh(h.dst_port),
		.len = le32toh(h.len), .type = le16toh(h.type), .op = le16toh(h.op),
		.flags = le32toh(h.flags),
		.buf_alloc = le32toh(h.buf_alloc), .fwd_cnt = le32toh(h.fwd_cnt),
		.data = machine.ram + RX_AT + slot * RX_SLOT + HDR,
	};
	/* Used as many bytes as it says it is long. */
	if (driver_used_len(0, driver.rx_seen) != HDR + ret->len)
		abort();
	driver.rx_seen++;
	return true;
}

#endif
