/* SPDX-License-Identifier: MIT */
/* test_vsock_unix.c - a guest's sockets and the host's unix sockets, with peers in every mood. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/vsock/unix_priv.h"
#include "backends/vsock/vsock_priv.h"
#include "count_fds.h"
#include "fake_vsock.h"

enum { OP_REQUEST = 1, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW, OP_CREDIT, OP_ASK };
enum { CLIENTS = 8, BUFFER = 65536 };

static char folder[64], path[96];
static struct vmm_vsock *backend;
static int fds;

static void add(void)
{
	struct vmm_vsock_unix_config unix_config = VMM_VSOCK_UNIX_CONFIG_INIT;
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;

	unix_config.path = path;
	unix_config.max_clients = CLIENTS;
	ck_assert_int_eq(vmm_vsock_open_unix(&unix_config, &backend), 0);
	config.backend = backend;
	config.buffer_bytes = BUFFER;
	ck_assert_msg(vmm_add_vsock(THE_VM, &config, NULL) == 0, "%s", vmm_last_error());
}

static void setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/vsock-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/v", folder);
	fds = count_fds();
	machine_make();
	add();
	vsock_driver_start();
	driver_receive(20);
}

static void teardown(void)
{
	machine_unmake();
	ck_assert_int_eq(count_fds(), fds);
	/* Nothing of ours is left in it. */
	ck_assert_int_eq(rmdir(folder), 0);
}

/* ---- the host ---- */

static struct sockaddr_un address(const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	return a;
}

static int host_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static int host_connect(void)
{
	struct sockaddr_un a = address("");
	int fd = host_socket();

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int host_listen(const char *suffix, int backlog)
{
	struct sockaddr_un a = address(suffix);
	int fd = host_socket();

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void unlisten(int fd, const char *suffix)
{
	struct sockaddr_un a = address(suffix);

	close(fd);
	unlink(a.sun_path);
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	machine_run();
}

/* The host reads exactly this. */
static void hears(int fd, const char *text)
{
	char got[256] = "";

	machine_run();
	ck_assert_int_eq(recv(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(text));
	ck_assert_str_eq(got, text);
}

static bool hung_up(int fd)
{
	char byte;

	machine_run();
	return recv(fd, &byte, 1, 0) == 0;
}

static bool quiet(int fd)
{
	char byte;

	machine_run();
	return recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN;
}

/* ---- the guest ---- */

static struct guest_packet expect(uint32_t op)
{
	struct guest_packet p;

	ck_assert_msg(driver_got(&p), "no packet, operation %u was expected", op);
	ck_assert_msg(p.op == op, "operation %u, not %u", p.op, op);
	return p;
}

static void expect_nothing(void)
{
	struct guest_packet p;

	ck_assert_msg(!driver_got(&p), "operation %u, nothing was expected", p.op);
}

static void guest_op(uint32_t port, uint32_t host_port, uint32_t op, uint32_t flags)
{
	struct guest_packet p = packet_of(port, host_port, op);

	p.flags = flags;
	driver_send(&p, NULL, 0);
}

static void guest_says(uint32_t port, uint32_t host_port, const char *text)
{
	struct guest_packet p = packet_of(port, host_port, OP_RW);

	p.len = (uint32_t)strlen(text);
	driver_send(&p, text, p.len);
}

/* A client that is through to port 52 of the guest. */
static int through(uint32_t *ret_port)
{
	int fd = host_connect();
	char line[32];

	say(fd, "CONNECT 52\n");
	*ret_port = expect(OP_REQUEST).src_port;
	guest_op(52, *ret_port, OP_RESPONSE, 0);
	snprintf(line, sizeof(line), "OK %u\n", *ret_port);
	hears(fd, line);
	return fd;
}

/* The guest at port 1000 is through to a listener at "_80". */
static int accepted(int listener)
{
	int fd;

	guest_op(1000, 80, OP_REQUEST, 0);
	expect(OP_RESPONSE);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* ---- configs ---- */

START_TEST(a_config_that_cannot_be_is_refused)
{
	struct vmm_vsock_unix_config c = VMM_VSOCK_UNIX_CONFIG_INIT;
	struct vmm_vsock *v = NULL;
	char longest[98];

	ck_assert_int_eq(vmm_vsock_open_unix(NULL, &v), -EINVAL);
	ck_assert_int_eq(vmm_vsock_open_unix(&c, &v), -EINVAL);
	c.path = "";
	ck_assert_int_eq(vmm_vsock_open_unix(&c, &v), -EINVAL);
	memset(longest, 'a', 97);
	longest[97] = '\0';
	c.path = longest;
	ck_assert_int_eq(vmm_vsock_open_unix(&c, &v), -EINVAL);
	longest[96] = '\0';
	ck_assert_int_eq(vmm_vsock_open_unix(&c, NULL), -EINVAL);
	c.reserved = 1;
	ck_assert_int_eq(vmm_vsock_open_unix(&c, &v), -EINVAL);
	c.reserved = 0;
	c.max_clients = 4097;
	ck_assert_int_eq(vmm_vsock_open_unix(&c, &v), -EINVAL);
	c.max_clients = 0;
	ck_assert_int_eq(vmm_vsock_open_unix(&c, &v), 0);
	vmm_vsock_destroy(v);
}
END_TEST

START_TEST(a_path_that_is_taken_is_left_alone)
{
	struct vmm_vsock_unix_config unix_config = VMM_VSOCK_UNIX_CONFIG_INIT;
	struct vmm_vsock_config config = VMM_VSOCK_CONFIG_INIT;
	struct vmm_vsock *second;
	struct stat st;

	unix_config.path = path;
	ck_assert_int_eq(vmm_vsock_open_unix(&unix_config, &second), 0);
	config.backend = second;
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -EADDRINUSE);
	vmm_vsock_destroy(second);
	ck_assert_int_eq(stat(path, &st), 0);
	unix_config.path = "/nonexistent/v";
	ck_assert_int_eq(vmm_vsock_open_unix(&unix_config, &second), 0);
	config.backend = second;
	ck_assert_int_eq(vmm_add_vsock(THE_VM, &config, NULL), -ENOENT);
	/* One that failed may be tried again elsewhere; nothing of it is left. */
	vmm_vsock_destroy(second);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_not_removed)
{
	ck_assert_int_eq(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	vmm__device_destroy(machine.dev);
	machine.dev = NULL;
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* ---- from the host ---- */

START_TEST(a_client_connects_and_bytes_go_both_ways)
{
	uint32_t port;
	int fd = through(&port);
	struct guest_packet p;

	say(fd, "hello");
	p = expect(OP_RW);
	ck_assert_uint_eq(p.len, 5);
	ck_assert_int_eq(memcmp(p.data, "hello", 5), 0);
	guest_says(52, port, "good day");
	hears(fd, "good day");
	close(fd);
	machine_run();
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, 3);
	guest_op(52, port, OP_RST, 0);
	expect_nothing();
}
END_TEST

START_TEST(what_follows_the_line_is_for_the_guest)
{
	int fd = host_connect();
	struct guest_packet p;
	uint32_t port;

	say(fd, "CONNECT 4294967295\r\nhello\nCONNECT 1\n");
	p = expect(OP_REQUEST);
	ck_assert_uint_eq(p.dst_port, 4294967295u);
	port = p.src_port;
	expect_nothing();
	guest_op(4294967295u, port, OP_RESPONSE, 0);
	p = expect(OP_RW);
	ck_assert_uint_eq(p.len, 16);
	ck_assert_int_eq(memcmp(p.data, "hello\nCONNECT 1\n", 16), 0);
	close(fd);
}
END_TEST

START_TEST(a_line_may_come_in_pieces)
{
	const char line[] = "CONNECT 52\n";
	int fd = host_connect();

	for (size_t i = 0; line[i]; i++) {
		expect_nothing();
		say(fd, (char[]){ line[i], '\0' });
	}
	ck_assert_uint_eq(expect(OP_REQUEST).dst_port, 52);
	close(fd);
}
END_TEST

static const char *const wrong_lines[] = {
	"CONNECT\n", "CONNECT \n", "CONNECT -1\n", "CONNECT 4294967296\n", "CONNECT 52 \n", "CONNECT 0x10\n",
	"connect 52\n", "GET / HTTP/1.1\n", "\n", "CONNECT 99999999999\n", "CONNECT 5\r2\n", "CONNECT \r\n",
	"CONNECT 00000000000000000000000052", "CONNECT 52\r\r\n",
	/* 2^64 + 52. */
	"CONNECT 18446744073709551668\n",
};

START_TEST(a_wrong_line_is_answered_by_hanging_up)
{
	int fd = host_connect();

	say(fd, wrong_lines[_i]);
	ck_assert(hung_up(fd) || errno == ECONNRESET);
	expect_nothing();
	close(fd);
}
END_TEST

START_TEST(a_guest_that_refuses_hangs_up)
{
	int fd = host_connect();

	say(fd, "CONNECT 52\n");
	guest_op(52, expect(OP_REQUEST).src_port, OP_RST, 0);
	ck_assert(hung_up(fd));
	close(fd);
	/* And one that runs no driver. */
	driver_reset();
	fd = host_connect();
	say(fd, "CONNECT 52\n");
	ck_assert(hung_up(fd));
	close(fd);
}
END_TEST

START_TEST(a_client_that_goes_early_leaves_nothing)
{
	struct vmm_vsock_stats stats = VMM_VSOCK_STATS_INIT;
	int fd = host_connect(), before = count_fds();
	uint32_t port;

	machine_run();
	close(fd);
	machine_run();
	ck_assert_int_eq(count_fds(), before - 1);
	fd = host_connect();
	say(fd, "CONN");
	close(fd);
	machine_run();
	/* While the guest is being asked. */
	fd = host_connect();
	say(fd, "CONNECT 52\n");
	close(fd);
	machine_run();
	port = expect(OP_REQUEST).src_port;
	guest_op(52, port, OP_RESPONSE, 0);
	expect(OP_RST);
	ck_assert_int_eq(vmm_vsock_stats(backend, &stats), 0);
	ck_assert_uint_eq(stats.connections, 0);
	ck_assert_int_eq(count_fds(), before - 1);
}
END_TEST

START_TEST(a_client_that_says_nothing_is_not_waited_for_long)
{
	struct vsock_unix *u = backend->state;
	int fd = host_connect();

	machine_run();
	ck_assert_uint_eq(u->nr_clients, 1);
	ck_assert(u->timer_set);
	vmm__unix_client_tick(u->clients.next, vmm__unix_now());
	ck_assert(quiet(fd));
	vmm__unix_client_tick(u->clients.next, vmm__unix_now() + 11000000000u);
	ck_assert(hung_up(fd));
	close(fd);
}
END_TEST

START_TEST(clients_too_many_wait_in_the_backlog)
{
	struct vsock_unix *u = backend->state;
	int client[CLIENTS + 5], listener = host_listen("_80", 4);

	for (int i = 0; i < CLIENTS + 5; i++) {
		client[i] = host_connect();
		machine_run();
	}
	ck_assert_uint_eq(u->nr_clients, CLIENTS);
	/* Nor does the guest get one. */
	guest_op(1000, 80, OP_REQUEST, 0);
	expect(OP_RST);
	/* And the loop rests. */
	ck_assert_int_eq(machine_run(), 0);
	for (int i = 0; i < 5; i++)
		close(client[i]);
	machine_run();
	ck_assert_uint_eq(u->nr_clients, CLIENTS);
	say(client[CLIENTS + 4], "CONNECT 52\n");
	expect(OP_REQUEST);
	for (int i = 5; i < CLIENTS + 5; i++)
		close(client[i]);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(without_descriptors_clients_wait_and_the_loop_rests)
{
	struct vsock_unix *u = backend->state;
	struct rlimit limit, low;
	int fd = host_connect();

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	machine_run();
	ck_assert_uint_eq(u->nr_clients, 0);
	ck_assert_int_eq(machine_run(), 0);
	guest_op(1000, 80, OP_REQUEST, 0);
	expect(OP_RST);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 100 && u->nr_clients == 0; i++) {
		usleep(20000);
		machine_run();
	}
	ck_assert_uint_eq(u->nr_clients, 1);
	close(fd);
}
END_TEST

/* ---- from the guest ---- */

START_TEST(a_guest_connects_to_a_listener)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);

	guest_says(1000, 80, "from the guest");
	hears(fd, "from the guest");
	say(fd, "from the host");
	ck_assert_uint_eq(expect(OP_RW).len, 13);
	close(fd);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_port_without_a_listener_is_refused)
{
	int listener;

	guest_op(1000, 80, OP_REQUEST, 0);
	expect(OP_RST);
	/* Left behind. */
	listener = host_listen("_81", 4);
	close(listener);
	guest_op(1000, 81, OP_REQUEST, 0);
	expect(OP_RST);
	unlisten(-1, "_81");
	/* With a full backlog. */
	listener = host_listen("_4294967295", 0);
	guest_op(1000, UINT32_MAX, OP_REQUEST, 0);
	expect(OP_RESPONSE);
	guest_op(1001, UINT32_MAX, OP_REQUEST, 0);
	expect(OP_RST);
	unlisten(listener, "_4294967295");
}
END_TEST

/* ---- closing ---- */

START_TEST(each_half_closes_on_its_own)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);

	guest_says(1000, 80, "over");
	guest_op(1000, 80, OP_SHUTDOWN, VMM_VSOCK_NO_SEND);
	hears(fd, "over");
	ck_assert(hung_up(fd));
	say(fd, "and out");
	ck_assert_uint_eq(expect(OP_RW).len, 7);
	shutdown(fd, SHUT_WR);
	machine_run();
	/* Both directions are closed: so is the socket. */
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, 3);
	ck_assert_int_eq(machine_run(), 0);
	close(fd);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_host_that_closes_one_half_still_listens)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);

	say(fd, "question");
	shutdown(fd, SHUT_WR);
	machine_run();
	expect(OP_RW);
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, VMM_VSOCK_NO_SEND);
	ck_assert_int_eq(machine_run(), 0);
	guest_says(1000, 80, "answer");
	hears(fd, "answer");
	/* And when it goes altogether, that is seen though nobody sends. */
	close(fd);
	machine_run();
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, 3);
	ck_assert_int_eq(machine_run(), 0);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_host_that_has_gone_is_found_out_by_writing)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);

	/* It has not read this: the connection is aborted. */
	guest_says(1000, 80, "lost");
	close(fd);
	machine_run();
	expect(OP_RST);
	expect_nothing();
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_guest_that_closes_both_ends_it)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);

	guest_says(1000, 80, "bye");
	guest_op(1000, 80, OP_SHUTDOWN, 3);
	expect(OP_RST);
	hears(fd, "bye");
	ck_assert(hung_up(fd));
	close(fd);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_guest_that_reads_no_more_stops_the_host)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);

	guest_op(1000, 80, OP_SHUTDOWN, VMM_VSOCK_NO_RECEIVE);
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	guest_says(1000, 80, "still here");
	hears(fd, "still here");
	close(fd);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_reset_of_the_guest_hangs_up)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);
	uint32_t port;
	int other = through(&port);

	guest_op(1000, 80, OP_RST, 0);
	ck_assert(hung_up(fd));
	driver_reset();
	ck_assert(hung_up(other));
	close(fd);
	close(other);
	unlisten(listener, "_80");
}
END_TEST

/* ---- stalls ---- */

static const char block[4096] = { 1 };

START_TEST(a_host_that_does_not_read_costs_its_buffer_and_then_gets_all)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);
	struct vmm_vsock_stats stats = VMM_VSOCK_STATS_INIT;
	struct guest_packet p = packet_of(1000, 80, OP_RW), got;
	size_t sent = 0, read = 0;
	uint32_t allowed = BUFFER;
	char bytes[8192];
	ssize_t n;

	/* As a driver does: until it has no credit, which is when the socket is full and the buffer too. */
	p.len = sizeof(block);
	while (sent + sizeof(block) <= allowed) {
		driver_send(&p, block, sizeof(block));
		sent += sizeof(block);
		while (driver_got(&got)) {
			allowed = got.fwd_cnt + got.buf_alloc;
			driver_receive(1);
		}
	}
	ck_assert_int_eq(vmm_vsock_stats(backend, &stats), 0);
	ck_assert_uint_gt(stats.buffered, BUFFER / 2);
	ck_assert_uint_le(stats.buffered, BUFFER);
	ck_assert_int_eq(machine_run(), 0);
	/* Another connection is none the worse. */
	guest_op(1001, 80, OP_REQUEST, 0);
	expect(OP_RESPONSE);
	/* It is closed meanwhile, and then somebody reads. */
	guest_op(1000, 80, OP_SHUTDOWN, 3);
	expect(OP_RST);
	for (;;) {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n == 0)
			break;
		if (n > 0)
			read += (size_t)n;
		else
			ck_assert_int_gt(machine_run(), 0);
	}
	ck_assert_uint_eq(read, sent);
	ck_assert_int_eq(vmm_vsock_stats(backend, &stats), 0);
	ck_assert_uint_eq(stats.buffered, 0);
	close(fd);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_host_that_goes_while_it_is_owed_much_is_no_busy_loop)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);
	struct vmm_vsock_stats stats = VMM_VSOCK_STATS_INIT;
	struct guest_packet p = packet_of(1000, 80, OP_RW);

	p.len = sizeof(block);
	do {
		driver_send(&p, block, sizeof(block));
		ck_assert_int_eq(vmm_vsock_stats(backend, &stats), 0);
	} while (stats.buffered == 0);
	close(fd);
	machine_run();
	ck_assert_int_eq(machine_run(), 0);
	ck_assert_int_eq(vmm_vsock_stats(backend, &stats), 0);
	ck_assert_uint_eq(stats.buffered, 0);
	unlisten(listener, "_80");
}
END_TEST

START_TEST(a_host_that_floods_is_stopped_by_the_kernel)
{
	uint32_t port;
	int fd = through(&port), i;
	struct guest_packet got;
	size_t sent = 0, came = 0;
	ssize_t n;

	do {
		for (i = 0; (n = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0; i++)
			sent += (size_t)n;
		machine_run();
	} while (i > 0);
	/* No buffer, no turn of the loop. */
	ck_assert_int_eq(machine_run(), 0);
	while (came < sent) {
		while (driver_got(&got))
			came += got.len;
		driver_receive(10);
	}
	ck_assert_uint_eq(came, sent);
	say(fd, "and more");
	ck_assert_uint_eq(expect(OP_RW).len, 8);
	close(fd);
}
END_TEST

START_TEST(a_host_that_dies_while_the_guest_stalls_is_no_busy_loop)
{
	uint32_t port;
	int fd = through(&port), other = through(&port);
	struct guest_packet p;

	/* Use up the buffers. */
	for (int i = 0; i < 30; i++)
		say(fd, "x");
	while (driver_got(&p))
		continue;
	close(fd);
	machine_run();
	ck_assert_int_eq(machine_run(), 0);
	/* What it had said, then the end. */
	driver_receive(20);
	ck_assert_uint_gt(expect(OP_RW).len, 0);
	ck_assert_uint_eq(expect(OP_SHUTDOWN).flags, 3);
	close(other);
}
END_TEST

START_TEST(descriptors_that_are_passed_along_are_closed)
{
	uint32_t port;
	int fd = through(&port), before = count_fds();
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	char words[] = "fd";
	struct iovec iov = { .iov_base = words, .iov_len = 2 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			    .msg_controllen = sizeof(control.bytes) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(fd, &m, MSG_NOSIGNAL), 2);
	machine_run();
	ck_assert_uint_eq(expect(OP_RW).len, 2);
	ck_assert_int_eq(count_fds(), before);
	close(fd);
}
END_TEST

START_TEST(a_guest_that_goes_with_clients_in_every_state_leaves_nothing)
{
	int listener = host_listen("_80", 4), fd = accepted(listener);
	int silent = host_connect(), asking = host_connect();

	say(asking, "CONNECT 52\n");
	vmm__device_destroy(machine.dev);
	machine.dev = NULL;
	ck_assert(hung_up(fd));
	ck_assert(hung_up(asking));
	ck_assert(hung_up(silent));
	close(fd);
	close(silent);
	close(asking);
	unlisten(listener, "_80");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vsock_unix");
	TCase *tcase = tcase_create("vsock_unix");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_config_that_cannot_be_is_refused);
	tcase_add_test(tcase, a_path_that_is_taken_is_left_alone);
	tcase_add_test(tcase, a_file_that_is_not_ours_is_not_removed);
	tcase_add_test(tcase, a_client_connects_and_bytes_go_both_ways);
	tcase_add_test(tcase, what_follows_the_line_is_for_the_guest);
	tcase_add_test(tcase, a_line_may_come_in_pieces);
	tcase_add_loop_test(tcase, a_wrong_line_is_answered_by_hanging_up, 0,
			    sizeof(wrong_lines) / sizeof(wrong_lines[0]));
	tcase_add_test(tcase, a_guest_that_refuses_hangs_up);
	tcase_add_test(tcase, a_client_that_goes_early_leaves_nothing);
	tcase_add_test(tcase, a_client_that_says_nothing_is_not_waited_for_long);
	tcase_add_test(tcase, clients_too_many_wait_in_the_backlog);
	tcase_add_test(tcase, without_descriptors_clients_wait_and_the_loop_rests);
	tcase_add_test(tcase, a_guest_connects_to_a_listener);
	tcase_add_test(tcase, a_port_without_a_listener_is_refused);
	tcase_add_test(tcase, each_half_closes_on_its_own);
	tcase_add_test(tcase, a_host_that_closes_one_half_still_listens);
	tcase_add_test(tcase, a_host_that_has_gone_is_found_out_by_writing);
	tcase_add_test(tcase, a_guest_that_closes_both_ends_it);
	tcase_add_test(tcase, a_guest_that_reads_no_more_stops_the_host);
	tcase_add_test(tcase, a_reset_of_the_guest_hangs_up);
	tcase_add_test(tcase, a_host_that_does_not_read_costs_its_buffer_and_then_gets_all);
	tcase_add_test(tcase, a_host_that_goes_while_it_is_owed_much_is_no_busy_loop);
	tcase_add_test(tcase, a_host_that_floods_is_stopped_by_the_kernel);
	tcase_add_test(tcase, a_host_that_dies_while_the_guest_stalls_is_no_busy_loop);
	tcase_add_test(tcase, descriptors_that_are_passed_along_are_closed);
	tcase_add_test(tcase, a_guest_that_goes_with_clients_in_every_state_leaves_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
