/* SPDX-License-Identifier: MIT */
/* test_vsock.c - the socket device between hostile drivers and backends in every mood. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_ids.h>

#include "devices/virtio/vsock_priv.h"
#include "fake_vsock.h"

enum { RX, TX, EVENT };
enum { OP_REQUEST = 1, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW, OP_CREDIT, OP_ASK };

/* ---- the backend: takes @room bytes of each connection, and has @typed for the guest ---- */

static struct vmm_vsock *backend;
static struct vmm_vsock_link *the_link;
static struct vmm_vsock_conn *last;	/* the guest's latest */
static char said[2 << 20];
static size_t said_len, room, typed_left;
static int connects, connecteds, closeds, shutdowns, destroys, writes, attach_result, connect_result;
static uint32_t halves;
static bool ended, hold_accept;
static ssize_t read_error, write_error;
/* To be done inside the named callback, once. */
static void (*in_connect)(struct vmm_vsock_conn *), (*in_connected)(struct vmm_vsock_conn *),
	(*in_write)(struct vmm_vsock_conn *), (*in_read)(struct vmm_vsock_conn *),
	(*in_shutdown)(struct vmm_vsock_conn *), (*in_closed)(struct vmm_vsock_conn *);

static bool act(void (**what)(struct vmm_vsock_conn *), struct vmm_vsock_conn *conn)
{
	void (*now)(struct vmm_vsock_conn *) = *what;

	*what = NULL;
	if (now)
		now(conn);
	return now;
}

static int back_attach(void *state, struct vmm_vsock_link *l, struct vmm_loop *loop)
{
	the_link = l;
	return attach_result;
}

static int back_connect(void *state, struct vmm_vsock_conn *conn)
{
	connects++;
	last = conn;
	act(&in_connect, conn);
	if (connect_result == 0 && !hold_accept)
		vmm_vsock_conn_accept(conn);
	return connect_result;
}

static void back_connected(void *state, struct vmm_vsock_conn *conn)
{
	connecteds++;
	act(&in_connected, conn);
}

static ssize_t back_write(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			  uint32_t nr)
{
	size_t done = 0;

	writes++;
	if (write_error)
		return write_error;
	act(&in_write, conn);
	for (uint32_t i = 0; i < nr && done < room; i++) {
		size_t n = iov[i].iov_len < room - done ? iov[i].iov_len : room - done;

		ck_assert_uint_le(said_len + n, sizeof(said));
		memcpy(said + said_len, iov[i].iov_base, n);
		said_len += n;
		done += n;
	}
	room -= done;
	return (ssize_t)done;
}

static ssize_t back_read(void *state, struct vmm_vsock_conn *conn, const struct iovec *iov,
			 uint32_t nr)
{
	size_t done = 0;

	act(&in_read, conn);
	if (read_error)
		return read_error;
	if (typed_left == 0)
		return ended ? 0 : -EAGAIN;
	for (uint32_t i = 0; i < nr && typed_left > 0; i++) {
		size_t n = iov[i].iov_len < typed_left ? iov[i].iov_len : typed_left;

		memset(iov[i].iov_base, 'h', n);
		done += n;
		typed_left -= n;
	}
	return (ssize_t)done;
}

static void back_shutdown(void *state, struct vmm_vsock_conn *conn, uint32_t which)
{
	shutdowns++;
	ck_assert_uint_eq(halves & which, 0);
	halves |= which;
	act(&in_shutdown, conn);
}

static void back_closed(void *state, struct vmm_vsock_conn *conn)
{
	closeds++;
	act(&in_closed, conn);
}

static void back_detach(void *state)
{
	the_link = NULL;
}

static void back_destroy(void *state)
{
	destroys++;
}

static const struct vmm_vsock_ops back_ops = {
	.size = sizeof(struct vmm_vsock_ops),
	.name = "test",
	.attach = back_attach,
	.connect = back_connect,
	.connected = back_connected,
	.write = back_write,
	.read = back_read,
	.shutdown = back_shutdown,
	.closed = back_closed,
	.detach = back_detach,
	.destroy = back_destroy,
};

/* ---- the fixture ---- */

enum { MOST = 16, BUFFER = 16384, SLOT_OF_FLOOD = 1 };

static void setup(void)
{
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;

	machine_make();
	room = SIZE_MAX;
	said_len = typed_left = 0;
	connects = connecteds = closeds = shutdowns = destroys = writes = 0;
	attach_result = connect_result = 0;
	halves = 0;
	ended = hold_accept = false;
	read_error = write_error = 0;
	last = NULL;
	in_connect = in_connected = in_write = in_read = in_shutdown = in_closed = NULL;
	ck_assert_int_eq(vmm_vsock_create(&back_ops, NULL, &backend), 0);
	config.backend = backend;
	config.max_connections = MOST;
	config.buffer_bytes = BUFFER;
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), 0);
	vsock_driver_start();
}

static void teardown(void)
{
	machine_unmake();
	ck_assert_int_eq(destroys, 1);
	ck_assert_ptr_null(the_link);
}

static struct vmm_vsock_stats stats(void)
{
	struct vmm_vsock_stats s = VMM_VSOCK_STATS_INIT;

	ck_assert_int_eq(vmm_vsock_stats(backend, &s), 0);
	return s;
}

static void send_op(uint32_t guest_port, uint32_t host_port, uint32_t op)
{
	struct guest_packet p = packet_of(guest_port, host_port, op);

	driver_send(&p, NULL, 0);
}

static void send_shutdown(uint32_t flags)
{
	struct guest_packet p = packet_of(1000, 80, OP_SHUTDOWN);

	p.flags = flags;
	driver_send(&p, NULL, 0);
}

static void send_data(uint32_t guest_port, uint32_t host_port, uint32_t len)
{
	static const char bytes[TX_SLOT] = { 'g', 'u', 'e', 's', 't' };
	struct guest_packet p = packet_of(guest_port, host_port, OP_RW);

	p.len = len;
	driver_send(&p, bytes, len);
}

static struct guest_packet expect(uint32_t op)
{
	struct guest_packet p;

	ck_assert_msg(driver_got(&p), "no packet, operation %u was expected", op);
	ck_assert_msg(p.op == op, "operation %u, not %u", p.op, op);
	ck_assert_uint_eq(p.dst_cid, GUEST_CID);
	return p;
}

static void expect_nothing(void)
{
	struct guest_packet p;

	ck_assert_msg(!driver_got(&p), "operation %u, nothing was expected", p.op);
}

/* A connection of the guest's from port 1000 to 80, accepted. */
static void open_one(void)
{
	driver_receive(16);
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
}

static struct vmm_vsock_conn *ask_guest(uint32_t port)
{
	struct vmm_vsock_conn *conn = NULL;

	vmm_loop_enter(machine.loop);
	ck_assert_int_eq(vmm_vsock_connect(the_link, port, NULL, &conn), 0);
	vmm_loop_leave(machine.loop);
	machine_run();
	return conn;
}

static void type(size_t n)
{
	typed_left = n;
	vmm_vsock_conn_readable(last);
	machine_run();
}

/* ---- tables and configs ---- */

START_TEST(a_table_must_have_what_is_required)
{
	struct vmm_vsock_ops ops;
	struct vmm_vsock *v = NULL;

#define REQUIRED(member)						\
	ops = back_ops;							\
	ops.member = NULL;						\
	ck_assert_int_eq(vmm_vsock_create(&ops, NULL, &v), -EINVAL)
	REQUIRED(attach);
	REQUIRED(write);
	REQUIRED(read);
	REQUIRED(closed);
	REQUIRED(detach);
	ops = back_ops;
	ops.size = 0;
	ck_assert_int_eq(vmm_vsock_create(&ops, NULL, &v), -EINVAL);
	ck_assert_int_eq(vmm_vsock_create(NULL, NULL, &v), -EINVAL);
	ck_assert_int_eq(vmm_vsock_create(&back_ops, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(v);
	vmm_vsock_destroy(NULL);

	/* An older table, from before destroy(). */
	ops = back_ops;
	ops.size = offsetof(struct vmm_vsock_ops, destroy);
	ck_assert_int_eq(vmm_vsock_create(&ops, NULL, &v), 0);
	ck_assert_int_eq(vmm_vsock_transport_reset(v, 0), -EBUSY);
	vmm_vsock_destroy(v);
	ck_assert_int_eq(destroys, 0);
	ck_assert_int_eq(vmm_vsock_stats(NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(a_config_that_cannot_be_is_refused_and_leaves_the_backend)
{
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;
	const struct vmm_vsock_config base = VMM_VSOCK_CONFIG_INIT;
	struct vmm_vsock *v;

	ck_assert_int_eq(vmm_vsock_create(&back_ops, NULL, &v), 0);
	ck_assert_int_eq(vmm_add_vsock(THE_VM, NULL, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_vsock(NULL, &config, NULL), -EINVAL);
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -EINVAL);
	config.backend = backend;
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -EBUSY);
#define REFUSED(member, value)						\
	config = base;							\
	config.backend = v;						\
	config.member = value;						\
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -EINVAL)
	REFUSED(guest_cid, 1);
	REFUSED(guest_cid, 2);
	REFUSED(guest_cid, 0xffffffff);
	REFUSED(guest_cid, 1ull << 32 | 3);
	REFUSED(max_connections, 4097);
	REFUSED(buffer_bytes, 4095);
	REFUSED(buffer_bytes, (16 << 20) + 1);
	REFUSED(reserved, 1);
	REFUSED(size, 0);
	config = base;
	config.backend = v;
	machine.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -ENOSPC);
	machine.add_result = 0;
	attach_result = -EIO;
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -EIO);
	ck_assert_int_eq(destroys, 0);
	vmm_vsock_destroy(v);
	ck_assert_int_eq(destroys, 1);
	destroys = 0;
}
END_TEST

START_TEST(it_offers_no_feature_of_its_own_and_shows_its_cid)
{
	const struct virtio *v = &machine.dev->virtio;

	ck_assert_uint_eq(machine.dev->ops.virtio_id, VIRTIO_ID_VSOCK);
	ck_assert_uint_eq(v->offered.word[0] & 0x00ffffff, 0);
	ck_assert_uint_eq(v->offered.word[2] | v->offered.word[3], 0);
	ck_assert_uint_eq(v->nr_queues, 3);
	ck_assert_uint_eq(v->config_bytes, 8);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 8), GUEST_CID);
}
END_TEST

/* ---- in good order ---- */

START_TEST(a_guest_connects_and_bytes_go_both_ways)
{
	struct guest_packet p;

	driver_receive(8);
	send_op(1000, 80, OP_REQUEST);
	p = expect(OP_RESPONSE);
	ck_assert_uint_eq(p.src_cid, 2);
	ck_assert_uint_eq(p.src_port, 80);
	ck_assert_uint_eq(p.dst_port, 1000);
	ck_assert_uint_eq(p.type, VIRTIO_VSOCK_TYPE_STREAM);
	ck_assert_uint_eq(p.buf_alloc, BUFFER);
	ck_assert_uint_eq(vmm_vsock_conn_host_port(last), 80);
	ck_assert_uint_eq(vmm_vsock_conn_guest_port(last), 1000);

	send_data(1000, 80, 300);
	ck_assert_uint_eq(said_len, 300);
	ck_assert_int_eq(memcmp(said, "guest", 5), 0);
	expect_nothing();

	type(5000);
	p = expect(OP_RW);
	ck_assert_uint_eq(p.len, RX_SLOT - HDR);
	ck_assert_uint_eq(p.data[0], 'h');
	ck_assert_uint_eq(p.data[p.len - 1], 'h');
	ck_assert_uint_eq(p.fwd_cnt, 300);
	ck_assert_uint_eq(expect(OP_RW).len, 5000 - (RX_SLOT - HDR));
	expect_nothing();

	ck_assert_uint_eq(stats().connections, 1);
	ck_assert_uint_eq(stats().from_guest, 1);
	ck_assert_uint_eq(stats().tx_bytes, 300);
	ck_assert_uint_eq(stats().rx_bytes, 5000);
	ck_assert_uint_eq(stats().tx_packets, 2);
	ck_assert_uint_eq(stats().rx_packets, 3);
}
END_TEST

START_TEST(a_packet_may_lie_in_many_pieces)
{
	struct guest_packet p = packet_of(1000, 80, OP_RW);

	open_one();
	p.len = 10;
	driver_put(&p, "0123456789", 10);
	/* The same once more as four descriptors, cut in the header and in the data. */
	driver_desc(TX, 50, TX_AT + TX_SLOT, 20, VRING_DESC_F_NEXT, 51);
	driver_desc(TX, 51, TX_AT + TX_SLOT + 20, HDR - 20 + 3, VRING_DESC_F_NEXT, 52);
	driver_desc(TX, 52, TX_AT + TX_SLOT + HDR + 3, 1, VRING_DESC_F_NEXT, 53);
	driver_desc(TX, 53, TX_AT + TX_SLOT + HDR + 4, 100, 0, 0);
	driver_offer(TX, 50);
	driver_kick(TX);
	machine_run();
	ck_assert_uint_eq(said_len, 20);
	ck_assert_int_eq(memcmp(said, "01234567890123456789", 20), 0);
}
END_TEST

START_TEST(the_host_connects_when_the_guest_agrees)
{
	struct vmm_vsock_conn *conn;
	struct guest_packet p;

	driver_receive(8);
	conn = ask_guest(22);
	p = expect(OP_REQUEST);
	ck_assert_uint_eq(p.dst_port, 22);
	ck_assert_uint_ge(p.src_port, 1u << 30);
	ck_assert_int_eq(connecteds, 0);
	send_op(22, p.src_port, OP_RESPONSE);
	ck_assert_int_eq(connecteds, 1);
	typed_left = 7;
	vmm_vsock_conn_readable(conn);
	machine_run();
	ck_assert_uint_eq(expect(OP_RW).len, 7);
	send_data(22, p.src_port, 9);
	ck_assert_uint_eq(said_len, 9);

	/* And when it does not. */
	ask_guest(23);
	p = expect(OP_REQUEST);
	send_op(23, p.src_port, OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().refused, 1);
	ck_assert_uint_eq(stats().from_host, 2);
	ck_assert_uint_eq(stats().connections, 1);
}
END_TEST

START_TEST(a_guest_that_does_not_answer_has_refused)
{
	struct vmm_vsock_conn *conn;

	driver_receive(8);
	conn = ask_guest(22);
	expect(OP_REQUEST);
	vmm__vsock_expire(the_link);
	ck_assert_int_eq(closeds, 0);
	conn->deadline = 1;
	vmm__vsock_expire(the_link);
	ck_assert_int_eq(closeds, 1);
	expect(OP_RST);
	ck_assert_uint_eq(stats().connections, 0);
	ck_assert_uint_eq(stats().refused, 1);
}
END_TEST

START_TEST(without_a_driver_nobody_can_be_asked)
{
	struct vmm_vsock_conn *conn;

	driver_reset();
	ck_assert_int_eq(vmm_vsock_connect(the_link, 22, NULL, &conn), -ENOTCONN);
	vsock_driver_start();
	vmm_device_break(machine.dev, "for a test");
	ck_assert_int_eq(vmm_vsock_connect(the_link, 22, NULL, &conn), -ENOTCONN);
}
END_TEST

START_TEST(a_refused_connection_is_answered_with_a_reset)
{
	driver_receive(8);
	connect_result = -ECONNREFUSED;
	send_op(1000, 80, OP_REQUEST);
	ck_assert_uint_eq(expect(OP_RST).src_port, 80);
	ck_assert_int_eq(closeds, 0);
	ck_assert_uint_eq(stats().refused, 1);

	/* Later. */
	connect_result = 0;
	hold_accept = true;
	send_op(1001, 80, OP_REQUEST);
	expect_nothing();
	vmm_vsock_conn_reset(last);
	machine_run();
	ck_assert_uint_eq(expect(OP_RST).dst_port, 1001);
	ck_assert_int_eq(closeds, 0);
	ck_assert_uint_eq(stats().connections, 0);

	/* And what is accepted late is accepted. */
	send_op(1002, 80, OP_REQUEST);
	vmm_vsock_conn_accept(last);
	vmm_vsock_conn_accept(last);
	machine_run();
	expect(OP_RESPONSE);
	expect_nothing();
}
END_TEST

/* ---- closing ---- */

START_TEST(each_half_closes_on_its_own)
{
	struct guest_packet p;

	open_one();
	send_shutdown(VMM_VSOCK_NO_SEND);
	ck_assert_uint_eq(halves, VMM_VSOCK_NO_SEND);
	ck_assert_int_eq(closeds, 0);
	/* Twice is once. */
	send_shutdown(VMM_VSOCK_NO_SEND);
	ck_assert_int_eq(shutdowns, 1);
	/* The host still talks. */
	type(10);
	expect(OP_RW);
	ended = true;
	vmm_vsock_conn_readable(last);
	machine_run();
	p = expect(OP_SHUTDOWN);
	ck_assert_uint_eq(p.flags, VMM_VSOCK_NO_SEND);
	send_shutdown(VSOCK_ALL_HALVES);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().connections, 0);
	ck_assert_uint_eq(stats().resets, 0);
}
END_TEST

START_TEST(a_guest_that_reads_no_more_is_sent_no_more)
{
	open_one();
	send_shutdown(VMM_VSOCK_NO_RECEIVE);
	ck_assert_uint_eq(halves, VMM_VSOCK_NO_RECEIVE);
	type(10);
	expect_nothing();
	ck_assert_uint_eq(typed_left, 10);
	send_data(1000, 80, 10);
	ck_assert_uint_eq(said_len, 10);
}
END_TEST

START_TEST(a_host_that_has_gone_is_told_to_the_guest_and_its_last_words_first)
{
	struct guest_packet p;

	open_one();
	typed_left = 10;
	ended = true;
	vmm_vsock_conn_readable(last);
	machine_run();
	expect(OP_RW);
	vmm_vsock_conn_readable(last);
	vmm_vsock_conn_shutdown(last, VMM_VSOCK_NO_RECEIVE);
	machine_run();
	expect(OP_SHUTDOWN);
	p = expect(OP_SHUTDOWN);
	ck_assert_uint_eq(p.flags, VSOCK_ALL_HALVES);
	/* What the guest sends meanwhile goes nowhere, and is no fault of its. */
	send_data(1000, 80, 1000);
	ck_assert_int_eq(writes, 0);
	expect_nothing();
	send_op(1000, 80, OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().resets, 0);
}
END_TEST

START_TEST(a_guest_that_ignores_the_end_is_reset)
{
	open_one();
	vmm_vsock_conn_shutdown(last, VSOCK_ALL_HALVES);
	machine_run();
	expect(OP_SHUTDOWN);
	ck_assert_uint_ne(last->deadline, 0);
	last->deadline = 1;
	vmm__vsock_expire(the_link);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().connections, 0);
}
END_TEST

START_TEST(a_write_that_fails_closes_that_half)
{
	open_one();
	write_error = -EPIPE;
	send_data(1000, 80, 100);
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, VMM_VSOCK_NO_RECEIVE);
	send_data(1000, 80, 100);
	ck_assert_int_eq(writes, 1);
	write_error = 0;
	type(10);
	ck_assert_uint_eq(expect(OP_RW).fwd_cnt, 200);
}
END_TEST

static void do_shut_all(struct vmm_vsock_conn *conn)
{
	vmm_vsock_conn_shutdown(conn, VSOCK_ALL_HALVES);
}

START_TEST(a_host_that_closes_inside_its_write_keeps_nothing_and_is_not_asked)
{
	open_one();
	room = 0;
	in_write = do_shut_all;
	send_data(1000, 80, 100);
	ck_assert_uint_eq(stats().buffered, 0);
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, VSOCK_ALL_HALVES);
	type(10);
	expect_nothing();
	ck_assert_uint_eq(typed_left, 10);
}
END_TEST

START_TEST(a_host_that_takes_no_more_is_owed_nothing)
{
	open_one();
	room = 0;
	send_data(1000, 80, 100);
	ck_assert_uint_eq(stats().buffered, 100);
	vmm_vsock_conn_shutdown(last, VMM_VSOCK_NO_RECEIVE);
	machine_run();
	ck_assert_uint_eq(stats().buffered, 0);
	ck_assert_uint_eq(expect(OP_SHUTDOWN).fwd_cnt, 100);
}
END_TEST

START_TEST(a_read_that_fails_resets_the_connection)
{
	open_one();
	read_error = -ECONNRESET;
	vmm_vsock_conn_readable(last);
	machine_run();
	expect(OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().resets, 1);
}
END_TEST

START_TEST(what_a_guest_sent_before_it_closed_goes_out_later)
{
	open_one();
	room = 100;
	send_data(1000, 80, 1000);
	ck_assert_uint_eq(said_len, 100);
	ck_assert_uint_eq(stats().buffered, 900);
	send_shutdown(VSOCK_ALL_HALVES);
	/* The guest need not wait. */
	expect(OP_RST);
	ck_assert_int_eq(closeds, 0);
	ck_assert_uint_eq(halves, VMM_VSOCK_NO_RECEIVE);
	/* Its ports are free. */
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	/* What is left outlives the driver's reset, and goes out when there is room. */
	driver_reset();
	ck_assert_int_eq(closeds, 1);
	room = SIZE_MAX;
	for (struct vmm_vsock_conn *c = the_link->all.next; c != &the_link->all; c = c->next) {
		if (c->state == VSOCK_LINGERS) {
			vmm_vsock_conn_writable(c);
			break;
		}
	}
	ck_assert_uint_eq(said_len, 1000);
	ck_assert_int_eq(closeds, 2);
	ck_assert_uint_eq(stats().buffered, 0);
	ck_assert_uint_eq(stats().connections, 0);
}
END_TEST

START_TEST(what_is_left_at_the_end_is_offered_once_more)
{
	open_one();
	room = 100;
	send_data(1000, 80, 1000);
	send_shutdown(VSOCK_ALL_HALVES);
	room = 500;
	vmm__device_destroy(machine.dev);
	machine.dev = NULL;
	ck_assert_uint_eq(said_len, 600);
	ck_assert_int_eq(closeds, 1);
}
END_TEST

START_TEST(a_reset_of_the_device_ends_all_and_leaves_nothing)
{
	open_one();
	for (uint32_t i = 1; i < 5; i++)
		send_op(1000 + i, 80, OP_REQUEST);
	room = 0;
	send_data(1003, 80, 1000);
	ask_guest(22);
	driver_reset();
	ck_assert_int_eq(closeds, 6);
	ck_assert_uint_eq(stats().connections, 0);
	ck_assert_uint_eq(stats().buffered, 0);
	/* As new. */
	room = SIZE_MAX;
	vsock_driver_start();
	open_one();
	send_data(1000, 80, 10);
	ck_assert_uint_eq(said_len, 10);
}
END_TEST

/* ---- credit ---- */

START_TEST(a_stalled_host_keeps_no_more_than_the_buffer_and_then_all_goes_on)
{
	struct guest_packet p;

	open_one();
	room = 0;
	for (int i = 0; i < 4; i++)
		send_data(1000, 80, 4096);
	ck_assert_uint_eq(stats().buffered, BUFFER);
	ck_assert_int_eq(closeds, 0);
	expect_nothing();
	/* Round the end of the ring. */
	room = 6000;
	vmm_vsock_conn_writable(last);
	machine_run();
	p = expect(OP_CREDIT);
	ck_assert_uint_eq(p.fwd_cnt, 6000);
	ck_assert_uint_eq(p.buf_alloc, BUFFER);
	send_data(1000, 80, 6000);
	ck_assert_uint_eq(stats().buffered, BUFFER);
	room = SIZE_MAX;
	vmm_vsock_conn_writable(last);
	machine_run();
	ck_assert_uint_eq(said_len, BUFFER + 6000);
	for (size_t i = 0; i < BUFFER; i += 4096)
		ck_assert_int_eq(memcmp(said + i, "guest", 5), 0);
	ck_assert_int_eq(memcmp(said + BUFFER, "guest", 5), 0);
	ck_assert_uint_eq(expect(OP_CREDIT).fwd_cnt, BUFFER + 6000);
	ck_assert_uint_eq(stats().buffered, 0);
	ck_assert_ptr_null(last->kept);
}
END_TEST

START_TEST(a_guest_that_sends_past_its_credit_is_reset)
{
	open_one();
	room = 0;
	for (int i = 0; i < 4; i++)
		send_data(1000, 80, 4096);
	send_data(1000, 80, 1);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().resets, 1);
	ck_assert_uint_eq(stats().buffered, 0);
}
END_TEST

START_TEST(a_guest_is_sent_no_more_than_it_has_room_for)
{
	struct guest_packet p = packet_of(1000, 80, OP_REQUEST);

	driver_receive(16);
	p.buf_alloc = 100;
	driver_send(&p, NULL, 0);
	expect(OP_RESPONSE);
	type(1000);
	ck_assert_uint_eq(expect(OP_RW).len, 100);
	expect(OP_ASK);
	expect_nothing();
	ck_assert_uint_eq(typed_left, 900);
	/* It has read some. */
	p = packet_of(1000, 80, OP_CREDIT);
	p.buf_alloc = 100;
	p.fwd_cnt = 40;
	driver_send(&p, NULL, 0);
	ck_assert_uint_eq(expect(OP_RW).len, 40);
	expect(OP_ASK);
	/* Nothing new: it is not asked again and again. */
	driver_send(&p, NULL, 0);
	driver_send(&p, NULL, 0);
	expect_nothing();
}
END_TEST

START_TEST(a_guest_that_says_it_read_what_it_never_got_gets_nothing)
{
	static const uint32_t lies[] = { 101, 1u << 31, UINT32_MAX };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct guest_packet p = packet_of(1000 + (uint32_t)i, 80, OP_REQUEST);

		driver_receive(4);
		p.buf_alloc = 100;
		driver_send(&p, NULL, 0);
		expect(OP_RESPONSE);
		p.op = OP_CREDIT;
		p.fwd_cnt = lies[i];
		driver_send(&p, NULL, 0);
		/* Only what it would harm is its own. */
		typed_left = 1000;
		vmm_vsock_conn_readable(last);
		machine_run();
		if (lies[i] == UINT32_MAX)
			ck_assert_uint_eq(expect(OP_RW).len, 99);
		expect(OP_ASK);
		expect_nothing();
	}
}
END_TEST

START_TEST(a_guest_is_told_its_credit_when_it_asks)
{
	open_one();
	send_data(1000, 80, 10);
	send_op(1000, 80, OP_ASK);
	ck_assert_uint_eq(expect(OP_CREDIT).fwd_cnt, 10);
	send_op(1000, 80, OP_CREDIT);
	expect_nothing();
}
END_TEST

/* ---- lies ---- */

START_TEST(nobodys_packets_are_answered_with_a_reset_and_resets_with_nothing)
{
	static const uint32_t ops[] = { 0, OP_RESPONSE, OP_SHUTDOWN, OP_RW, OP_CREDIT, OP_ASK, 8, 0xffff };
	struct guest_packet p;

	driver_receive(16);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		send_op(1000, 80 + (uint32_t)i, ops[i]);
		p = expect(OP_RST);
		ck_assert_uint_eq(p.src_cid, 2);
		ck_assert_uint_eq(p.src_port, 80 + i);
		ck_assert_uint_eq(p.dst_port, 1000);
		ck_assert_uint_eq(p.type, VIRTIO_VSOCK_TYPE_STREAM);
	}
	send_op(1000, 80, OP_RST);
	expect_nothing();
	ck_assert_uint_eq(stats().dropped, 9);
}
END_TEST

START_TEST(wrong_addresses_and_types_reach_no_connection)
{
	struct guest_packet p;

	open_one();
	/* Somebody else's address: no answer, for it would go to that one. */
	p = packet_of(1000, 80, OP_RST);
	p.src_cid = 4;
	driver_send(&p, NULL, 0);
	p.src_cid = 1ull << 32 | GUEST_CID;
	driver_send(&p, NULL, 0);
	expect_nothing();
	/* Another host's. */
	p = packet_of(1000, 80, OP_REQUEST);
	p.dst_cid = 1ull << 32 | 2;
	driver_send(&p, NULL, 0);
	ck_assert_uint_eq(expect(OP_RST).src_cid, 1ull << 32 | 2);
	/* Another type's. */
	p = packet_of(1000, 80, OP_RW);
	p.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	driver_send(&p, NULL, 0);
	ck_assert_uint_eq(expect(OP_RST).type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	p.type = 0;
	driver_send(&p, NULL, 0);
	ck_assert_uint_eq(expect(OP_RST).type, 0);
	ck_assert_int_eq(closeds, 0);
	ck_assert_uint_eq(stats().dropped, 5);
	send_data(1000, 80, 5);
	ck_assert_uint_eq(said_len, 5);
}
END_TEST

/* Each row is an operation that an open connection does not know. */
static const uint32_t wrong_ops[] = { 0, OP_REQUEST, OP_RESPONSE, 8, 0xffff };

START_TEST(a_wrong_operation_resets_its_connection)
{
	open_one();
	send_op(1000, 80, wrong_ops[_i]);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 1);
	ck_assert_uint_eq(stats().resets, 1);
	ck_assert_uint_eq(stats().connections, 0);
}
END_TEST

START_TEST(what_comes_too_early_or_too_late_resets_its_connection)
{
	struct guest_packet p;

	driver_receive(16);
	/* Before it was accepted. */
	hold_accept = true;
	send_op(1000, 80, OP_REQUEST);
	send_data(1000, 80, 10);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 1);
	/* Before it was accepted by the guest. */
	ask_guest(22);
	p = expect(OP_REQUEST);
	send_data(22, p.src_port, 10);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 2);
	ask_guest(22);
	p = expect(OP_REQUEST);
	send_op(22, p.src_port, OP_SHUTDOWN);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 3);
	/* After it said it would send no more. */
	hold_accept = false;
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	send_shutdown(VMM_VSOCK_NO_SEND);
	send_data(1000, 80, 10);
	expect(OP_RST);
	ck_assert_int_eq(closeds, 4);
	ck_assert_uint_eq(said_len, 0);
}
END_TEST

START_TEST(an_answer_to_what_was_not_asked_yet_is_a_lie)
{
	struct vmm_vsock_conn *conn = ask_guest(22);

	/* There was no buffer for the request. */
	send_op(22, vmm_vsock_conn_host_port(conn), OP_RESPONSE);
	ck_assert_int_eq(connecteds, 0);
	ck_assert_int_eq(closeds, 1);
	driver_receive(4);
	expect(OP_RST);
	expect_nothing();
}
END_TEST

/* Each row is a packet that is none: how long its buffer is, and how long it says it is. */
static const struct {
	uint32_t buffer, says;
} broken[] = {
	{ 0, 0 }, { 43, 0 }, { 44, 1 }, { 144, 101 }, { 144, UINT32_MAX }, { 144, UINT32_MAX - 43 },
};

START_TEST(a_packet_longer_than_its_buffer_breaks_the_device)
{
	struct guest_packet p = packet_of(1000, 80, OP_RW);
	uint32_t at = TX_AT + driver.tx_next % SLOTS * TX_SLOT;

	open_one();
	p.len = broken[_i].says;
	at = TX_AT + driver.tx_next % SLOTS * TX_SLOT;
	driver_put(&p, NULL, 0);
	driver_desc(TX, driver.tx_next % SLOTS - 1, at, broken[_i].buffer, 0, 0);
	driver_kick(TX);
	machine_run();
	ck_assert_int_eq(machine.broken, 1);
	ck_assert_int_eq(writes, 0);
	/* Nothing more comes of it, also when the host has something to say. */
	type(100);
	expect_nothing();
	vsock_driver_start();
	ck_assert_int_eq(closeds, 1);
	open_one();
}
END_TEST

START_TEST(a_buffer_without_room_breaks_the_device)
{
	open_one();
	driver_reset();
	vsock_driver_start();
	driver_buffer(RX, 0, RX_AT, HDR, true);
	driver_kick(RX);
	machine_run();
	ck_assert_int_eq(machine.broken, 0);
	send_op(1000, 80, OP_REQUEST);
	ck_assert_int_eq(machine.broken, 1);
	for (unsigned i = 0; i < HDR; i++)
		ck_assert_uint_eq(machine.ram[RX_AT + RX_SLOT * 20 + i], 0);
}
END_TEST

START_TEST(a_buffer_outside_memory_breaks_the_device)
{
	open_one();
	driver_buffer(TX, 60, RAM - 20, 44, false);
	driver_kick(TX);
	machine_run();
	ck_assert_int_eq(machine.broken, 1);
	vsock_driver_start();
	driver_buffer(RX, 60, RAM - 20, 4096, true);
	send_op(1000, 80, OP_REQUEST);
	ck_assert_int_eq(machine.broken, 2);
}
END_TEST

START_TEST(what_comes_while_the_end_is_waiting_for_a_buffer_changes_nothing)
{
	driver_receive(1);
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	/* Closed in good order: what is kept goes out, and what comes now does not. */
	room = 0;
	send_data(1000, 80, 100);
	send_shutdown(VSOCK_ALL_HALVES);
	send_data(1000, 80, 100);
	send_op(1000, 80, OP_REQUEST);
	ck_assert_uint_eq(stats().buffered, 100);
	room = SIZE_MAX;
	vmm_vsock_conn_writable(last);
	machine_run();
	ck_assert_uint_eq(said_len, 100);
	ck_assert_int_eq(closeds, 1);
	driver_receive(2);
	expect(OP_RST);
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	/* Reset: it is so once. */
	vmm_vsock_conn_reset(last);
	send_data(1000, 80, 100);
	ck_assert_uint_eq(stats().resets, 1);
	driver_receive(2);
	expect(OP_RST);
	expect_nothing();
	/* The guest's own reset takes the place of ours. */
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	vmm_vsock_conn_reset(last);
	send_op(1000, 80, OP_RST);
	driver_receive(2);
	expect_nothing();
	ck_assert_uint_eq(stats().connections, 0);
}
END_TEST

/* ---- floods ---- */

START_TEST(a_flood_of_connections_is_bounded)
{
	unsigned responses = 0, resets = 0;
	struct guest_packet p;

	for (uint32_t i = 0; i < 100; i++) {
		driver_receive(1);
		send_op(1000 + i, 80, OP_REQUEST);
		while (driver_got(&p)) {
			responses += p.op == OP_RESPONSE;
			resets += p.op == OP_RST;
		}
	}
	ck_assert_uint_eq(responses, MOST);
	ck_assert_uint_eq(resets, 100 - MOST);
	ck_assert_int_eq(connects, MOST);
	ck_assert_uint_eq(stats().connections, MOST);
	ck_assert_uint_eq(stats().refused, 100 - MOST);
	/* The host's come out of the same number. */
	ck_assert_int_eq(vmm_vsock_connect(the_link, 1, NULL, &last), -ENOSPC);
	/* One ends, one may come. */
	driver_receive(2);
	send_op(1003, 80, OP_RST);
	send_op(2000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
}
END_TEST

START_TEST(replies_that_find_no_buffer_are_bounded_and_none_is_lost)
{
	unsigned resets = 0;
	struct guest_packet p;

	for (uint32_t i = 0; i < 200; i++) {
		p = packet_of(i, 80, OP_RW);
		if ((uint16_t)(driver.tx_next - driver_used(TX)) < SLOTS)
			driver_put(&p, NULL, 0);
		driver_kick(TX);
		machine_run();
	}
	/* The guest waits: its buffers stay where they are. */
	ck_assert_uint_eq(driver_used(TX), VSOCK_RESETS);
	ck_assert_uint_eq(driver.tx_next, VSOCK_RESETS + SLOTS);
	for (int i = 0; i < 20; i++) {
		driver_receive(5);
		while (driver_got(&p)) {
			ck_assert_uint_eq(p.op, OP_RST);
			ck_assert_uint_eq(p.dst_port, resets);
			resets++;
		}
	}
	ck_assert_uint_eq(resets, VSOCK_RESETS + SLOTS);
	ck_assert_uint_eq(driver_used(TX), VSOCK_RESETS + SLOTS);

	/* A driver that was reset meanwhile hears of none. */
	send_op(1, 80, OP_RW);
	driver_reset();
	vsock_driver_start();
	driver_receive(2);
	expect_nothing();
}
END_TEST

START_TEST(a_flood_of_data_takes_a_bounded_part_of_a_turn)
{
	struct guest_packet p = packet_of(1000, 80, OP_RW);

	open_one();
	/* One packet of 16 KiB, offered in as many descriptors as there are. */
	p.len = BUFFER;
	driver_put(&p, NULL, 0);
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_desc(TX, i, TX_AT + SLOT_OF_FLOOD * TX_SLOT, HDR + BUFFER, 0, 0);
	for (uint16_t i = 0; i < ENTRIES - 1; i++)
		driver_offer(TX, i == SLOT_OF_FLOOD ? ENTRIES - 1 : i);
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, TX));
	ck_assert_uint_eq(driver_used(TX), 1 + ENTRIES);
	ck_assert_uint_eq(said_len, ENTRIES * BUFFER);
	/* A ring in the same turn makes no difference; the next turn does. */
	driver_offer(TX, 0);
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, TX));
	ck_assert_uint_eq(driver_used(TX), 1 + ENTRIES);
	machine_run();
	ck_assert_uint_eq(driver_used(TX), 2 + ENTRIES);
}
END_TEST

START_TEST(a_talkative_connection_leaves_room_for_another)
{
	struct vmm_vsock_conn *first;
	unsigned from[2] = { 0, 0 };
	struct guest_packet p;

	driver_receive(2);
	send_op(1000, 80, OP_REQUEST);
	first = last;
	send_op(1001, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	expect(OP_RESPONSE);
	typed_left = SIZE_MAX;
	vmm_vsock_conn_readable(first);
	vmm_vsock_conn_readable(last);
	driver_receive(20);
	while (driver_got(&p))
		from[p.dst_port - 1000]++;
	ck_assert_uint_eq(from[0], 10);
	ck_assert_uint_eq(from[1], 10);
}
END_TEST

START_TEST(without_buffers_nothing_is_read_from_the_host)
{
	driver_receive(1);
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	type(100000);
	ck_assert_uint_eq(typed_left, 100000);
	driver_receive(2);
	ck_assert_uint_eq(typed_left, 100000 - 2 * (RX_SLOT - HDR));
	ck_assert_uint_eq(stats().buffered, 0);
}
END_TEST

START_TEST(a_false_alarm_costs_no_buffer)
{
	driver_receive(1);
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	driver_receive(1);
	for (int i = 0; i < 3; i++)
		type(0);
	expect_nothing();
	type(10);
	ck_assert_uint_eq(expect(OP_RW).len, 10);
}
END_TEST

/* ---- a backend that does things inside its callbacks ---- */

static void do_reset(struct vmm_vsock_conn *conn)
{
	vmm_vsock_conn_reset(conn);
}

static void do_writable(struct vmm_vsock_conn *conn)
{
	room = SIZE_MAX;
	vmm_vsock_conn_writable(conn);
}

static void do_connect(struct vmm_vsock_conn *conn)
{
	struct vmm_vsock_conn *other;

	ck_assert_int_le(vmm_vsock_connect(the_link, 7, NULL, &other), 0);
}

static void do_transport_reset(struct vmm_vsock_conn *conn)
{
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 0), -EDEADLK);
}

static struct vmm_vsock_conn *victim;

static void do_reset_victim(struct vmm_vsock_conn *conn)
{
	if (victim)
		vmm_vsock_conn_reset(victim);
	victim = NULL;
}

START_TEST(a_backend_may_reset_a_connection_anywhere)
{
	driver_receive(20);
	in_connect = do_reset;
	hold_accept = true;
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RST);
	connect_result = -EIO;
	in_connect = do_reset;
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RST);
	connect_result = 0;
	hold_accept = false;

	in_connected = do_reset;
	ask_guest(22);
	send_op(22, expect(OP_REQUEST).src_port, OP_RESPONSE);
	expect(OP_RST);

	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	in_write = do_reset;
	send_data(1000, 80, 10);
	expect(OP_RST);

	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	in_read = do_reset;
	type(10);
	expect(OP_RST);

	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	in_shutdown = do_reset;
	send_shutdown(VSOCK_ALL_HALVES);
	expect(OP_RST);

	/* While kept bytes go out. */
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	room = 5;
	send_data(1000, 80, 10);
	room = 100;
	in_write = do_reset;
	vmm_vsock_conn_writable(last);
	machine_run();
	expect(OP_RST);

	expect_nothing();
	ck_assert_int_eq(closeds, 0);
	ck_assert_uint_eq(stats().connections, 0);
	ck_assert_uint_eq(stats().buffered, 0);
}
END_TEST

START_TEST(a_backend_may_do_other_things_inside_its_callbacks)
{
	driver_receive(20);
	send_op(1000, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	/* Say that there is room before it is known that there was none. */
	room = 0;
	in_write = do_writable;
	send_data(1000, 80, 10);
	ck_assert_uint_eq(said_len, 10);
	in_write = do_transport_reset;
	send_data(1000, 80, 10);
	/* Connect when something closes, also when all do. */
	in_closed = do_connect;
	send_op(1000, 80, OP_RST);
	expect(OP_REQUEST);
	in_closed = do_connect;
	driver_reset();
	ck_assert_uint_eq(stats().connections, 0);
	vsock_driver_start();

	/* End one in the close of another. */
	driver_receive(20);
	send_op(1000, 80, OP_REQUEST);
	victim = last;
	send_op(1001, 80, OP_REQUEST);
	expect(OP_RESPONSE);
	expect(OP_RESPONSE);
	in_closed = do_reset_victim;
	send_op(1001, 80, OP_RST);
	ck_assert_uint_eq(expect(OP_RST).dst_port, 1000);
	send_op(1000, 80, OP_REQUEST);
	send_op(1001, 80, OP_REQUEST);
	victim = last;
	in_closed = do_reset_victim;
	driver_reset();
	ck_assert_uint_eq(stats().connections, 0);
}
END_TEST

/* ---- transport reset ---- */

START_TEST(a_transport_reset_ends_all_and_tells_the_driver)
{
	uint32_t id = 77;

	driver_buffer(EVENT, 0, EVENT_AT, 4, true);
	driver_kick(EVENT);
	open_one();
	ask_guest(22);
	expect(OP_REQUEST);
	memcpy(machine.ram + EVENT_AT, &id, sizeof(id));
	/* Nor is there a new one while they end. */
	in_closed = do_connect;
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 2), -EINVAL);
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 77), 0);
	machine_run();
	ck_assert_int_eq(closeds, 2);
	ck_assert_uint_eq(driver_used(EVENT), 1);
	ck_assert_uint_eq(driver_used_len(EVENT, 0), 4);
	ck_assert_uint_eq(driver_load32(EVENT_AT), VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 8), 77);
	/* No resets: the driver ends its side itself. */
	expect_nothing();
	ck_assert_uint_eq(stats().connections, 0);
	/* It has another address from here on. */
	send_op(1000, 80, OP_REQUEST);
	expect_nothing();
}
END_TEST

START_TEST(a_transport_reset_waits_for_a_buffer)
{
	open_one();
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 0), 0);
	machine_run();
	ck_assert_uint_eq(driver_used(EVENT), 0);
	driver_buffer(EVENT, 0, EVENT_AT, 8, true);
	driver_buffer(EVENT, 1, EVENT_AT + 64, 8, true);
	driver_kick(EVENT);
	machine_run();
	ck_assert_uint_eq(driver_used(EVENT), 1);
	ck_assert_uint_eq(driver_used_len(EVENT, 0), 4);

	/* A driver that was reset meanwhile knows. */
	driver_reset();
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 0), 0);
	vsock_driver_start();
	driver_buffer(EVENT, 0, EVENT_AT, 8, true);
	driver_kick(EVENT);
	machine_run();
	ck_assert_uint_eq(driver_used(EVENT), 0);
	/* And one whose buffer is too small is broken. */
	driver_buffer(EVENT, 1, EVENT_AT, 3, true);
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 0), 0);
	ck_assert_uint_eq(driver_used(EVENT), 1);
	ck_assert_int_eq(vmm_vsock_transport_reset(backend, 0), 0);
	ck_assert_int_eq(machine.broken, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vsock");
	TCase *tcase = tcase_create("vsock");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_table_must_have_what_is_required);
	tcase_add_test(tcase, a_config_that_cannot_be_is_refused_and_leaves_the_backend);
	tcase_add_test(tcase, it_offers_no_feature_of_its_own_and_shows_its_cid);
	tcase_add_test(tcase, a_guest_connects_and_bytes_go_both_ways);
	tcase_add_test(tcase, a_packet_may_lie_in_many_pieces);
	tcase_add_test(tcase, the_host_connects_when_the_guest_agrees);
	tcase_add_test(tcase, a_guest_that_does_not_answer_has_refused);
	tcase_add_test(tcase, without_a_driver_nobody_can_be_asked);
	tcase_add_test(tcase, a_refused_connection_is_answered_with_a_reset);
	tcase_add_test(tcase, each_half_closes_on_its_own);
	tcase_add_test(tcase, a_guest_that_reads_no_more_is_sent_no_more);
	tcase_add_test(tcase, a_host_that_has_gone_is_told_to_the_guest_and_its_last_words_first);
	tcase_add_test(tcase, a_guest_that_ignores_the_end_is_reset);
	tcase_add_test(tcase, a_write_that_fails_closes_that_half);
	tcase_add_test(tcase, a_host_that_closes_inside_its_write_keeps_nothing_and_is_not_asked);
	tcase_add_test(tcase, a_host_that_takes_no_more_is_owed_nothing);
	tcase_add_test(tcase, a_read_that_fails_resets_the_connection);
	tcase_add_test(tcase, what_a_guest_sent_before_it_closed_goes_out_later);
	tcase_add_test(tcase, what_is_left_at_the_end_is_offered_once_more);
	tcase_add_test(tcase, a_reset_of_the_device_ends_all_and_leaves_nothing);
	tcase_add_test(tcase, a_stalled_host_keeps_no_more_than_the_buffer_and_then_all_goes_on);
	tcase_add_test(tcase, a_guest_that_sends_past_its_credit_is_reset);
	tcase_add_test(tcase, a_guest_is_sent_no_more_than_it_has_room_for);
	tcase_add_test(tcase, a_guest_that_says_it_read_what_it_never_got_gets_nothing);
	tcase_add_test(tcase, a_guest_is_told_its_credit_when_it_asks);
	tcase_add_test(tcase, nobodys_packets_are_answered_with_a_reset_and_resets_with_nothing);
	tcase_add_test(tcase, wrong_addresses_and_types_reach_no_connection);
	tcase_add_loop_test(tcase, a_wrong_operation_resets_its_connection, 0,
			    sizeof(wrong_ops) / sizeof(wrong_ops[0]));
	tcase_add_test(tcase, what_comes_too_early_or_too_late_resets_its_connection);
	tcase_add_test(tcase, an_answer_to_what_was_not_asked_yet_is_a_lie);
	tcase_add_loop_test(tcase, a_packet_longer_than_its_buffer_breaks_the_device, 0,
			    sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tcase, what_comes_while_the_end_is_waiting_for_a_buffer_changes_nothing);
	tcase_add_test(tcase, a_buffer_without_room_breaks_the_device);
	tcase_add_test(tcase, a_buffer_outside_memory_breaks_the_device);
	tcase_add_test(tcase, a_flood_of_connections_is_bounded);
	tcase_add_test(tcase, replies_that_find_no_buffer_are_bounded_and_none_is_lost);
	tcase_add_test(tcase, a_flood_of_data_takes_a_bounded_part_of_a_turn);
	tcase_add_test(tcase, a_talkative_connection_leaves_room_for_another);
	tcase_add_test(tcase, without_buffers_nothing_is_read_from_the_host);
	tcase_add_test(tcase, a_false_alarm_costs_no_buffer);
	tcase_add_test(tcase, a_backend_may_reset_a_connection_anywhere);
	tcase_add_test(tcase, a_backend_may_do_other_things_inside_its_callbacks);
	tcase_add_test(tcase, a_transport_reset_ends_all_and_tells_the_driver);
	tcase_add_test(tcase, a_transport_reset_waits_for_a_buffer);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
