/* SPDX-License-Identifier: MIT */
/*
 * test_block_nbd.c - a network disk at real servers (nbdkit, qemu-nbd) that answer, err, stall, die
 * and come back, and at a peer that is none. Tests of a server that is not installed skip, by name.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "block_ops.h"

#define CAPACITY	(8u << 20)

static char dir[32], sock[64], file[64], uri[128];
static pid_t server;
static unsigned char *buffer, *model;
static unsigned fds_before;

/* ---- servers ---- */

static pid_t spawn(const char *const *argv)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

static bool can_run(const char *const *argv, const char *name)
{
	int status;
	pid_t pid = spawn(argv);

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	printf("skipped: no %s on this machine\n", name);
	return false;
}

static bool have_nbdkit(void)
{
	static const char *const argv[] = { "nbdkit", "--version", NULL };

	return can_run(argv, "nbdkit");
}

/* Until somebody listens there. */
static void wait_for_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timespec nap = { .tv_nsec = 5000000 };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", sock);
	for (int i = 0; i < 4000; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

		r = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
		close(fd);
		if (r == 0)
			return;
		nanosleep(&nap, NULL);
	}
	ck_abort_msg("the server did not come up");
}

static void start(const char *const *argv)
{
	(void)unlink(sock);
	server = spawn(argv);
	wait_for_socket();
}

static void kill_server(void)
{
	if (server > 0) {
		kill(server, SIGKILL);
		kill(server, SIGCONT);
		waitpid(server, NULL, 0);
	}
	server = 0;
}

/* It stands still when this returns. */
static void stop_server(void)
{
	int status;

	kill(server, SIGSTOP);
	ck_assert_int_eq(waitpid(server, &status, WUNTRACED), server);
	ck_assert(WIFSTOPPED(status));
}

#define NBDKIT	"nbdkit", "-f", "--exit-with-parent", "-U", sock

static void start_file(void)
{
	const char *const argv[] = { NBDKIT, "file", file, NULL };

	start(argv);
}

static void setup(void)
{
	int fd;

	settled = 0;
	server = 0;
	strcpy(dir, P_tmpdir "/nbd.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/socket", dir);
	snprintf(file, sizeof(file), "%s/disk", dir);
	snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", sock);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, CAPACITY), 0);
	close(fd);
	buffer = calloc(1, CAPACITY);
	model = calloc(1, CAPACITY);
	ck_assert(buffer && model);
	fds_before = count_fds();
}

static void teardown(void)
{
	kill_server();
	(void)unlink(sock);
	(void)unlink(file);
	(void)rmdir(dir);
	ck_assert_uint_eq(count_fds(), fds_before);
	free(buffer);
	free(model);
}

static int open_nbd(uint32_t flags, uint32_t timeout_ms, uint32_t reconnect_ms)
{
	struct vmm_blk_nbd_config config = VMM_BLK_NBD_CONFIG_INIT;

	config.uri = uri;
	config.flags = flags;
	config.timeout_ms = timeout_ms;
	config.reconnect_ms = reconnect_ms;
	return vmm_blk_open_nbd(&config, &blk);
}

static void plug_nbd(uint32_t flags, uint32_t timeout_ms, uint32_t reconnect_ms)
{
	ck_assert_msg(open_nbd(flags, timeout_ms, reconnect_ms) == 0, "%s", vmm_last_error());
	plug();
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void fill(unsigned char *bytes, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 512 + seed);
}

/* ---- data ---- */

/* Any segments, any lengths, many at a time, against a model. */
static void use_disk(unsigned seed, uint32_t block, uint32_t flags)
{
	enum { N = 40 };
	struct op *ops = calloc(N, sizeof(*ops));

	ck_assert_ptr_nonnull(ops);
	for (int round = 0; round < 8; round++) {
		for (int i = 0; i < N; i++) {
			/* Each has a stretch of the disk for itself. */
			uint64_t stretch = CAPACITY / N / 4096 * 4096;
			uint64_t at = (uint64_t)i * stretch;
			uint64_t len = (1 + (uint64_t)rand_r(&seed) % (stretch / block)) * block;
			uint32_t kind = (uint32_t)rand_r(&seed) % 5;
			unsigned char *bytes = buffer + at;

			if ((kind == VMM_BLK_DISCARD && !(flags & VMM_BLK_CAN_DISCARD)) ||
			    (kind == VMM_BLK_WRITE_ZEROES && !(flags & VMM_BLK_CAN_ZERO)) ||
			    (kind == VMM_BLK_FLUSH && !(flags & VMM_BLK_CAN_FLUSH)))
				kind = VMM_BLK_READ;
			op_init(&ops[i], kind, at, kind >= VMM_BLK_DISCARD ? len : 0);
			if (kind == VMM_BLK_FLUSH)
				ops[i].io.req.offset = 0;
			if (kind == VMM_BLK_WRITE)
				fill(bytes, len, (unsigned)rand_r(&seed));
			if (kind == VMM_BLK_WRITE && rand_r(&seed) % 2)
				ops[i].io.req.flags = flags & VMM_BLK_CAN_THROUGH ? VMM_BLK_THROUGH : 0;
			for (int s = 0; kind <= VMM_BLK_WRITE && len > 0; s++) {
				size_t n = s == 7 ? len : 1 + (size_t)rand_r(&seed) % len;

				if (rand_r(&seed) % 2 && n > 5000)
					n = 5000;
				if (s == 7)
					n = len;
				op_add(&ops[i], bytes, n);
				bytes += n;
				len -= n;
			}
			vmm__blk_submit(blk, &ops[i].io);
		}
		vmm__blk_commit(blk);
		for (int i = 0; i < N; i++) {
			const struct vmm_blk_request *r = &ops[i].io.req;

			ck_assert_int_eq(op_wait(&ops[i]), 0);
			if (r->op == VMM_BLK_READ)
				ck_assert_int_eq(memcmp(buffer + r->offset, model + r->offset,
							r->length), 0);
			else if (r->op == VMM_BLK_WRITE)
				memcpy(model + r->offset, buffer + r->offset, r->length);
			else if (r->op == VMM_BLK_WRITE_ZEROES)
				memset(model + r->offset, 0, r->length);
			else if (r->op == VMM_BLK_DISCARD)	/* whatever it is by now */
				ck_assert_int_eq(run(VMM_BLK_READ, r->offset, model + r->offset,
						     r->length), 0);
		}
	}
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, CAPACITY), 0);
	ck_assert_int_eq(memcmp(buffer, model, CAPACITY), 0);
	free(ops);
}

static struct vmm_blk_info info_of(void)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert_int_eq(vmm_blk_info(blk, &info), 0);
	return info;
}

START_TEST(a_disk_at_nbdkit_is_a_disk)
{
	const char *const memory[] = { NBDKIT, "memory", "8M", NULL };
	const char *const blocks[] = { NBDKIT, "--filter=blocksize-policy", "memory", "8M",
				       "blocksize-error-policy=error", "blocksize-minimum=4096",
				       "blocksize-maximum=64k", "blocksize-preferred=8192", NULL };
	struct vmm_blk_info info;

	if (!have_nbdkit())
		return;
	start(_i ? blocks : memory);
	plug_nbd(0, 0, 0);
	info = info_of();
	ck_assert_uint_eq(info.capacity, CAPACITY);
	ck_assert_uint_eq(info.block_size, _i ? 4096 : 512);
	ck_assert_uint_eq(info.physical_block_size, _i ? 8192 : info.physical_block_size);
	ck_assert_uint_eq(info.flags, VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_DISCARD | VMM_BLK_CAN_ZERO |
				      VMM_BLK_CAN_THROUGH);
	use_disk(1 + (unsigned)_i, info.block_size, info.flags);
	unplug();
}
END_TEST

START_TEST(a_qcow2_at_qemu_nbd_is_a_disk)
{
	static const char *const version[] = { "qemu-nbd", "--version", NULL };
	const char *const create[] = { "qemu-img", "create", "-f", "qcow2", file, "8M", NULL };
	const char *const serve[] = { "qemu-nbd", "-f", "qcow2", "-k", sock, "-t", "--discard=unmap",
				      "-e", "4", file, NULL };
	char path[256];

	if (!can_run(version, "qemu-nbd") || !can_run(create, "qemu-img"))
		return;
	/* qemu-nbd takes a relative socket for an error. */
	ck_assert_ptr_nonnull(realpath(dir, path));
	strncat(path, "/s", sizeof(path) - strlen(path) - 1);
	ck_assert_uint_lt(strlen(path), sizeof(sock));
	strcpy(sock, path);
	snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", sock);
	start(serve);
	plug_nbd(0, 0, 0);
	ck_assert_uint_eq(info_of().capacity, CAPACITY);
	use_disk(7, info_of().block_size, info_of().flags);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	unplug();

	/* It is a qcow2, and it holds what was written. */
	plug_nbd(VMM_BLK_READ_ONLY, 0, 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, CAPACITY), 0);
	ck_assert_int_eq(memcmp(buffer, model, CAPACITY), 0);
	unplug();
}
END_TEST

START_TEST(a_server_that_only_reads_says_so)
{
	const char *const argv[] = { NBDKIT, "-r", "memory", "8M", NULL };

	if (!have_nbdkit())
		return;
	start(argv);
	ck_assert_int_eq(open_nbd(0, 0, 0), -EROFS);
	plug_nbd(VMM_BLK_READ_ONLY, 0, 0);
	ck_assert_uint_eq(info_of().flags & VMM_BLK_READ_ONLY, VMM_BLK_READ_ONLY);
	ck_assert_int_eq(run(VMM_BLK_READ, 4096, buffer, 4096), 0);
	unplug();
}
END_TEST

static const struct { const char *name; int error; } server_errors[] = {
	{ "EIO", -EIO }, { "ENOSPC", -ENOSPC }, { "EPERM", -EPERM }, { "ENOMEM", -ENOMEM },
};

START_TEST(an_error_of_the_server_is_an_error_of_the_request)
{
	char error[32];
	const char *const argv[] = { NBDKIT, "--filter=error", "memory", "8M", error,
				     "error-pwrite-rate=100%", NULL };

	if (!have_nbdkit())
		return;
	snprintf(error, sizeof(error), "error=%s", server_errors[_i].name);
	start(argv);
	plug_nbd(0, 0, 0);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 8192), server_errors[_i].error);
	/* Of many commands, one error. */
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 5 << 20), server_errors[_i].error);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 8192), 0);
	unplug();
}
END_TEST

/* ---- servers that go ---- */

START_TEST(requests_wait_for_a_server_that_comes_back)
{
	enum { N = 100 };
	struct op *ops = calloc(N, sizeof(*ops));

	ck_assert_ptr_nonnull(ops);
	if (!have_nbdkit()) {
		free(ops);
		return;
	}
	start_file();
	plug_nbd(VMM_BLK_NBD_KEEPS, 0, 0);
	fill(buffer, N * 8192, 3);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 4 << 20, buffer, 8192), 0);
	for (int i = 0; i < N; i++) {
		op_init(&ops[i], VMM_BLK_WRITE, (uint64_t)i * 8192, 0);
		op_add(&ops[i], buffer + i * 8192, 5000);
		op_add(&ops[i], buffer + i * 8192 + 5000, 3192);
		vmm__blk_submit(blk, &ops[i].io);
		if (i == N / 2) {
			vmm__blk_commit(blk);
			kill_server();
		}
	}
	vmm__blk_commit(blk);
	while (vmm_loop_dispatch(loop) > 0)
		continue;
	start_file();
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	/* The server keeps what it answered: a flush is one. */
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	memcpy(model, buffer, N * 8192);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, N * 8192), 0);
	ck_assert_int_eq(memcmp(buffer, model, N * 8192), 0);
	unplug();
	free(ops);
}
END_TEST

START_TEST(a_flush_is_not_said_to_be_done_by_a_server_that_lost_the_writes)
{
	struct op flush, flush2;

	if (!have_nbdkit())
		return;
	start_file();
	plug_nbd(0, 0, 0);
	/* All was flushed: nothing can be lost. */
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	kill_server();
	start_file();
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);

	/* Something was not. The next flush tells, once. */
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	kill_server();
	start_file();
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);

	/* Or those that were on their way. */
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	stop_server();
	op_init(&flush, VMM_BLK_FLUSH, 0, 0);
	op_init(&flush2, VMM_BLK_FLUSH, 0, 0);
	vmm__blk_submit(blk, &flush.io);
	vmm__blk_submit(blk, &flush2.io);
	vmm__blk_commit(blk);
	kill_server();
	ck_assert_int_eq(op_wait(&flush), -EIO);
	ck_assert_int_eq(op_wait(&flush2), -EIO);
	start_file();
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);

	/* What went through was safe from the start. */
	op_init(&flush, VMM_BLK_WRITE, 0, 0);
	op_add(&flush, buffer, 4096);
	flush.io.req.flags = VMM_BLK_THROUGH;
	ck_assert_int_eq(op_run(&flush), 0);
	kill_server();
	start_file();
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	unplug();
}
END_TEST

START_TEST(a_server_that_stays_away_fails_the_requests_until_it_is_back)
{
	uint64_t begin;
	int r = -EIO;

	if (!have_nbdkit())
		return;
	start_file();
	plug_nbd(0, 0, 300);
	kill_server();
	begin = now_ms();
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), -EIO);
	ck_assert_uint_ge(now_ms() - begin, 250);
	/* The next do not wait. */
	begin = now_ms();
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), -EIO);
	ck_assert_uint_lt(now_ms() - begin, 250);
	start_file();
	for (int i = 0; i < 1000 && r < 0; i++) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		(void)poll(&p, 1, 20);
		r = run(VMM_BLK_READ, 0, buffer, 4096);
	}
	ck_assert_int_eq(r, 0);
	unplug();
}
END_TEST

START_TEST(a_server_that_is_silent_is_given_up_for_a_new_connection)
{
	struct op op;
	uint64_t begin = now_ms();

	if (!have_nbdkit())
		return;
	start_file();
	plug_nbd(0, 400, 60000);
	stop_server();
	op_init(&op, VMM_BLK_READ, 0, 0);
	op_add(&op, buffer, 4096);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_commit(blk);
	while (now_ms() - begin < 1500) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		(void)poll(&p, 1, 20);
		while (vmm_loop_dispatch(loop) > 0)
			continue;
	}
	ck_assert(!op.done);
	kill(server, SIGCONT);
	ck_assert_int_eq(op_wait(&op), 0);
	unplug();
}
END_TEST

START_TEST(a_drain_does_not_wait_for_ever)
{
	enum { N = 20 };
	struct op ops[N];
	uint64_t begin;

	if (!have_nbdkit())
		return;
	start_file();
	plug_nbd(0, 0, 0);
	if (_i == 0)
		stop_server();
	if (_i == 1)
		kill_server();
	for (int i = 0; i < N; i++) {
		op_init(&ops[i], i % 5 ? (uint32_t)i % 2 : VMM_BLK_FLUSH, 0, 0);
		if (i % 5)
			op_add(&ops[i], buffer, i % 3 ? 4096 : 3 << 20);
		vmm__blk_submit(blk, &ops[i].io);
	}
	begin = now_ms();
	vmm__blk_drain(blk);
	ck_assert_uint_lt(now_ms() - begin, 10000);
	for (int i = 0; i < N; i++)
		ck_assert(ops[i].done && (_i < 2 || ops[i].result == 0));
	unplug();
}
END_TEST

START_TEST(a_server_that_comes_back_with_another_disk_is_not_taken)
{
	const char *const other[] = { NBDKIT, "memory", "4M", NULL };
	const char *const readonly[] = { NBDKIT, "-r", "memory", "8M", NULL };

	if (!have_nbdkit())
		return;
	start_file();
	plug_nbd(0, 0, 400);
	kill_server();
	start(_i ? readonly : other);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), -EIO);
	unplug();
}
END_TEST

/* ---- no server ---- */

static int listen_there(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", sock);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

START_TEST(a_peer_that_is_no_server_is_refused)
{
	int fd = listen_there(), status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int peer = accept(fd, NULL, NULL);
		unsigned seed = (unsigned)_i;

		/* Garbage, or the right magic and then garbage, then the end. */
		if (_i % 2)
			(void)!write(peer, "NBDMAGICIHAVEOPT\0\3", 18);
		for (int i = 0; i < 1000; i++) {
			unsigned char byte = (unsigned char)rand_r(&seed);

			if (send(peer, &byte, 1, MSG_NOSIGNAL) < 0)
				break;
		}
		_exit(0);
	}
	ck_assert_int_lt(open_nbd(0, 5000, 0), 0);
	ck_assert_uint_gt(strlen(vmm_last_error()), 10);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(fd);
}
END_TEST

START_TEST(a_peer_that_says_nothing_is_not_waited_for)
{
	int fd = listen_there();

	ck_assert_int_eq(open_nbd(0, 200, 0), -ETIMEDOUT);
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_connected_to_is_refused)
{
	struct vmm_blk_nbd_config config = VMM_BLK_NBD_CONFIG_INIT;

	ck_assert_int_eq(vmm_blk_open_nbd(NULL, &blk), -EINVAL);
	ck_assert_int_eq(vmm_blk_open_nbd(&config, &blk), -EINVAL);
	config.uri = uri;
	config.flags = VMM_BLK_FILE_DIRECT;
	ck_assert_int_eq(vmm_blk_open_nbd(&config, &blk), -EINVAL);
	ck_assert_int_eq(open_nbd(0, 0, 0), -ENOENT);
	strcpy(uri, "nbd+unknown://");
	ck_assert_int_lt(open_nbd(0, 0, 0), 0);
	strcpy(uri, "nbds://127.0.0.1:1/");
	ck_assert_int_lt(open_nbd(0, 0, 0), 0);
	strcpy(uri, "nbd://127.0.0.1:1/");
	ck_assert_int_eq(open_nbd(0, 0, 0), -ECONNREFUSED);
}
END_TEST

#define LOOP(test, table) \
	tcase_add_loop_test(tc, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("block_nbd");
	TCase *tc = tcase_create("block_nbd");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, a_disk_at_nbdkit_is_a_disk, 0, 2);
	tcase_add_test(tc, a_qcow2_at_qemu_nbd_is_a_disk);
	tcase_add_test(tc, a_server_that_only_reads_says_so);
	LOOP(an_error_of_the_server_is_an_error_of_the_request, server_errors);
	tcase_add_test(tc, requests_wait_for_a_server_that_comes_back);
	tcase_add_test(tc, a_flush_is_not_said_to_be_done_by_a_server_that_lost_the_writes);
	tcase_add_test(tc, a_server_that_stays_away_fails_the_requests_until_it_is_back);
	tcase_add_test(tc, a_server_that_is_silent_is_given_up_for_a_new_connection);
	tcase_add_loop_test(tc, a_drain_does_not_wait_for_ever, 0, 3);
	tcase_add_loop_test(tc, a_server_that_comes_back_with_another_disk_is_not_taken, 0, 2);
	tcase_add_loop_test(tc, a_peer_that_is_no_server_is_refused, 0, 6);
	tcase_add_test(tc, a_peer_that_says_nothing_is_not_waited_for);
	tcase_add_test(tc, what_cannot_be_connected_to_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
