/* SPDX-License-Identifier: MIT */
/*
 * fuzz_vsock.c - the socket device under a driver that writes anything into its rings and
 * packets, and a backend that takes, gives, shuts, resets and connects whenever it likes.
 *
 * Checked beside memory safety: connections and kept bytes stay within their bounds; the
 * backend hears of each connection's end exactly once, and of no other; nothing is
 * written but the rings and the buffers that the driver offered as writable.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include <libvmm/vsock.h>
#include "../unit/fake_vsock.h"
#include "input.h"

enum {
	MOST = 8, BUFFER = 4096,
	IN_AT = DATA, OUT_AT = DATA + (RAM - DATA) / 2,
	LAST_AT = OUT_AT + (SLOTS + 1) * TX_SLOT,	/* nothing from here on is offered */
};

static struct vmm_vsock *backend;
static struct vmm_vsock_link *the_link;
static struct vmm_vsock_conn *live[MOST];	/* those the backend knows */
static struct input in;
static size_t room, typed;
static int depth;

static void forget(struct vmm_vsock_conn *conn)
{
	for (int i = 0; i < MOST; i++) {
		if (live[i] == conn) {
			live[i] = NULL;
			return;
		}
	}
	assert(!"a connection that nobody knows");
}

static void know(struct vmm_vsock_conn *conn)
{
	for (int i = 0; i < MOST; i++) {
		assert(live[i] != conn);
		if (!live[i]) {
			live[i] = conn;
			return;
		}
	}
	assert(!"more connections than may be");
}

static bool known(const struct vmm_vsock_conn *conn)
{
	for (int i = 0; i < MOST; i++) {
		if (live[i] == conn)
			return true;
	}
	return false;
}

/* Something that a backend may do, also inside any of its callbacks. */
static void whim(void)
{
	struct vmm_vsock_conn *conn;
	unsigned what = take8(&in);

	if (depth > 3)
		return;
	depth++;
	conn = live[(what >> 4) % MOST];
	switch (what & 7) {
	case 0:
		if (vmm_vsock_connect(the_link, what >> 4, NULL, &conn) == 0)
			know(conn);
		break;
	case 1:
		if (conn)
			vmm_vsock_conn_accept(conn);
		break;
	case 2:
		typed += 3000;
		if (conn)
			vmm_vsock_conn_readable(conn);
		break;
	case 3:
		room += 3000;
		if (conn)
			vmm_vsock_conn_writable(conn);
		break;
	case 4:
		if (conn)
			vmm_vsock_conn_shutdown(conn, take8(&in));
		break;
	case 5:
		if (conn) {
			forget(conn);
			vmm_vsock_conn_reset(conn);
		}
		break;
	case 6:
		(void)vmm_vsock_transport_reset(backend, (what & 0x80) ? 0 : GUEST_CID);
		break;
	default:
		break;
	}
	depth--;
}

static int back_attach(void *state, struct vmm_vsock_link *l, struct vmm_loop *loop)
{
	the_link = l;
	return 0;
}

static int back_connect(void *state, struct vmm_vsock_conn *conn)
{
	int r = (int8_t)take8(&in) < -64 ? -ECONNREFUSED : 0;

	know(conn);
	whim();
	if (!known(conn))
		return r;
	if (r < 0)
		forget(conn);
	else if (take8(&in) & 3)
		vmm_vsock_conn_accept(conn);
	return r;
}

static void back_connected(void *state, struct vmm_vsock_conn *conn)
{
	assert(known(conn));
	whim();
}

static ssize_t back_write(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			  uint32_t nr)
{
	static unsigned char copy[RAM];
	size_t all = 0;

	assert(known(conn));
	if (room == 77)
		return -EPIPE;
	if (room & 2)
		whim();
	for (uint32_t i = 0; i < nr; i++) {
		assert(iov[i].iov_len <= sizeof(copy));
		memcpy(copy, iov[i].iov_base, iov[i].iov_len);
		all += iov[i].iov_len;
	}
	assert(all > 0 && all <= BUFFER);
	if (all > room)
		all = room;
	room -= all;
	if (room & 1)
		whim();
	return (ssize_t)all;
}

static ssize_t back_read(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			 uint32_t nr)
{
	size_t done = 0;

	assert(known(conn));
	if (typed & 1)
		whim();
	if (typed == 0)
		return take8(&in) & 1 ? 0 : take8(&in) & 1 ? -EAGAIN : -EIO;
	for (uint32_t i = 0; i < nr && typed > 0; i++) {
		size_t n = iov[i].iov_len < typed ? iov[i].iov_len : typed;

		memset(iov[i].iov_base, 'x', n);
		typed -= n;
		done += n;
	}
	return (ssize_t)done;
}

static void back_shutdown(void *state, struct vmm_vsock_conn *conn, uint32_t halves)
{
	assert(known(conn) && halves != 0 && halves <= 3);
	whim();
}

static void back_closed(void *state, struct vmm_vsock_conn *conn)
{
	forget(conn);
	whim();
}

static void back_detach(void *state)
{
	the_link = NULL;
}

static const struct vmm_vsock_ops back_ops = {
	.size = sizeof(struct vmm_vsock_ops),
	.name = "fuzz",
	.attach = back_attach,
	.connect = back_connect,
	.connected = back_connected,
	.write = back_write,
	.read = back_read,
	.shutdown = back_shutdown,
	.closed = back_closed,
	.detach = back_detach,
};

/* Addresses: mostly where a buffer may be, now and then anything that must not be written. */
static void any_desc(uint32_t queue)
{
	uint32_t i = take8(&in) % ENTRIES, flags = take8(&in), next = take8(&in), len = take16(&in);
	uint64_t addr = flags & VRING_DESC_F_WRITE ? IN_AT : OUT_AT;

	if (flags & 0x80)
		addr = (uint64_t)take16(&in) << (flags >> 2 & 0x3e);
	else
		addr += take8(&in) * 16;
	if (flags & 0x40)
		len <<= 16;
	if (flags & 0x80)
		flags &= ~(uint32_t)VRING_DESC_F_WRITE;
	driver_desc(queue, i, addr, len, flags & 7, (uint16_t)next);
}

/* A packet that may well mean something: few ports, mostly right addresses. */
static void send_packet(void)
{
	uint32_t how = take8(&in), ports = take8(&in), slot = driver.tx_next++ % SLOTS;
	uint32_t at = OUT_AT + slot * TX_SLOT, len = how & 0x40 ? take16(&in) % (BUFFER + 2) : how & 15;
	struct virtio_vsock_hdr h = {
		.src_cid = htole64(GUEST_CID + (ports == 0xff)), .dst_cid = htole64(2 + (ports == 0xfe)),
		.src_port = htole32(ports & 7), .dst_port = htole32(ports >> 3 & 7),
		.len = htole32(how == 0x7f ? take32(&in) : len), .type = htole16(1 + (ports == 0xfd)),
		.op = htole16(take8(&in) % 9), .flags = htole32(how >> 4),
		.buf_alloc = htole32(how & 0x80 ? take16(&in) : 1u << 20),
		.fwd_cnt = htole32(how & 0x80 ? take16(&in) : 0),
	};

	/* To what the host opened, too. */
	if (ports & 0x80)
		h.dst_port = htole32((1u << 30) + (ports >> 3 & 7));
	memcpy(machine.ram + at, &h, sizeof(h));
	driver_buffer(1, slot, at, (uint32_t)HDR + len, false);
}

static void check(void)
{
	struct vmm_vsock_stats stats = VMM_VSOCK_STATS_INIT;

	if (vmm_vsock_stats(backend, &stats) < 0)
		abort();
	assert(stats.connections <= MOST && stats.buffered <= MOST * BUFFER);
}

static void step(void)
{
	uint32_t op = take8(&in), queue = (op >> 4) % 3;

	switch (op & 15) {
	case 0:
		any_desc(queue);
		break;
	case 1:
		driver_offer(queue, take8(&in));
		break;
	case 2:
		driver_store16(queue * QUEUE_BYTES + AVAIL_AT + (take8(&in) & 0xfe), take16(&in));
		break;
	case 3: case 4: case 5: case 6:
		send_packet();
		driver_kick(1);
		break;
	case 7: case 8: {
		unsigned slot = driver.rx_next++ % SLOTS;

		driver_buffer(queue == 2 ? 2 : 0, slot, IN_AT + slot * RX_SLOT,
			      op & 0x80 ? take16(&in) & 4095 : RX_SLOT, true);
		driver_kick(queue == 2 ? 2 : 0);
		break;
	}
	case 9:
		driver_kick(queue);
		break;
	case 10: case 11:
		(void)machine_turn();
		check();
		break;
	case 12: case 13:
		vmm_loop_enter(machine.loop);
		whim();
		vmm_loop_leave(machine.loop);
		break;
	case 14:
		room = take8(&in) * 16;
		typed = take8(&in) * 16;
		break;
	case 15:
		driver_reset();
		if (op & 0x10)
			vsock_driver_start();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;

	in = (struct input){ data, size };
	if (!machine.loop)
		machine_make();
	memset(machine.ram, 0, RAM);
	memset(live, 0, sizeof(live));
	room = typed = 0;
	if (vmm_vsock_create(&back_ops, NULL, &backend) < 0)
		abort();
	config.backend = backend;
	config.max_connections = MOST;
	config.buffer_bytes = BUFFER;
	if (vmm_add_vsock(THE_VM, &config, NULL) < 0)
		abort();
	vsock_driver_start();

	while (in.size > 0)
		step();
	for (int i = 0; i < 10 && machine_turn(); i++)
		check();
	/* All zero: each byte equals the next, and the first is. */
	assert(machine.ram[LAST_AT] == 0 &&
	       memcmp(machine.ram + LAST_AT, machine.ram + LAST_AT + 1, RAM - LAST_AT - 1) == 0);
	vmm__device_destroy(machine.dev);
	for (int i = 0; i < MOST; i++)
		assert(!live[i]);
	machine_run();
	return 0;
}
