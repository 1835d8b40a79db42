/* SPDX-License-Identifier: MIT */
/* test_console_fd.c - a console on descriptors of every kind, none of which may block it. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "backends/console/nbio_priv.h"
#include "backends/console/stream_priv.h"
#include "fake_front.h"

static struct fake_front *front;
static struct vmm_chardev *chardev;
static int descriptors;
static int ours[2];	/* what the application has: [0] is read, [1] is written */

static void setup(void)
{
	descriptors = open_descriptors();
	front = front_create();
	ours[0] = ours[1] = -1;
}

static void teardown(void)
{
	front_destroy(front);
	for (int i = 0; i < 2; i++) {
		if (ours[i] >= 0)
			close(ours[i]);
	}
	ck_assert_int_eq(open_descriptors(), descriptors);
}

static void plug(int input, int output)
{
	ck_assert_int_eq(vmm_console_open_fd(input, output, &chardev), 0);
	front_plug(front, chardev);
}

/* A terminal: ours[0] is the master, ours[1] the other side, raw. */
static void make_terminal(void)
{
	struct termios termios;

	ours[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(ours[0], 0);
	ck_assert_int_eq(unlockpt(ours[0]), 0);
	ours[1] = ioctl(ours[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(ours[1], 0);
	ck_assert_int_eq(tcgetattr(ours[1], &termios), 0);
	cfmakeraw(&termios);
	ck_assert_int_eq(tcsetattr(ours[1], TCSANOW, &termios), 0);
}

enum { PIPE, STREAM, TERMINAL, NR_KINDS };

static void make(int kind)
{
	switch (kind) {
	case PIPE:
		ck_assert_int_eq(pipe2(ours, O_CLOEXEC), 0);
		break;
	case STREAM:
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ours), 0);
		break;
	case TERMINAL:
		make_terminal();
		break;
	}
}

/*
 * What the application reads of the console's output. (A terminal's bytes take a
 * moment on their way through the kernel.)
 */
static size_t take(unsigned char *dst, size_t len)
{
	struct pollfd p = { .fd = ours[0], .events = POLLIN };
	size_t done = 0;

	while (done < len && poll(&p, 1, done ? 0 : 200) > 0 && (p.revents & POLLIN)) {
		ssize_t n = read(ours[0], dst + done, len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static unsigned char letter(size_t i)
{
	return (unsigned char)('a' + i % 23);
}

START_TEST(output_arrives)
{
	unsigned char bytes[8];

	make(_i);
	plug(-1, ours[1]);
	ck_assert_uint_eq(vmm__console_write(&front->port, "hello", 5), 5);
	for (size_t n = 0; n < 5;)
		n += take(bytes + n, sizeof(bytes) - n);
	ck_assert_mem_eq(bytes, "hello", 5);
}
END_TEST

START_TEST(a_stalled_reader_bounds_memory_and_later_gets_all_that_was_taken_in_order)
{
	static unsigned char chunk[1000], bytes[1 << 16];
	size_t sent = 0, seen = 0, n, taken;

	make(_i);
	plug(-1, ours[1]);
	for (;;) {
		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = letter(sent + i);
		taken = vmm__console_write(&front->port, chunk, sizeof(chunk));
		sent += taken;
		if (taken < sizeof(chunk))
			break;
		ck_assert_uint_lt(sent, 4u << 20);
	}
	ck_assert_uint_ge(sent, STREAM_BUFFER);
	/* And it goes on refusing. */
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(vmm__console_write(&front->port, chunk, sizeof(chunk)), 0);
	ck_assert_int_lt(front_run(front), 10);
	/* Nor is it told of each byte that finds room. */
	seen = take(bytes, 8192);
	front_wait(front, 1000);
	ck_assert_int_eq(front->writables, 0);

	while (seen < sent) {
		n = take(bytes, sizeof(bytes));
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(bytes[i], letter(seen + i));
		seen += n;
		front_wait(front, 1000);
	}
	ck_assert_int_eq(front->writables, 1);
	ck_assert_uint_eq(take(bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(vmm__console_write(&front->port, "x", 1), 1);
}
END_TEST

START_TEST(a_shared_descriptor_is_not_made_non_blocking)
{
	make(_i);
	plug(_i == PIPE ? -1 : ours[1], ours[1]);
	vmm__console_write(&front->port, "x", 1);
	front_run(front);
	ck_assert_int_eq(fcntl(ours[1], F_GETFL) & O_NONBLOCK, 0);
}
END_TEST

START_TEST(a_reader_that_is_gone_raises_no_signal_and_holds_nobody_up)
{
	static unsigned char chunk[100000];
	sigset_t pending;

	ck_assert(signal(SIGPIPE, SIG_DFL) == SIG_DFL);
	make(_i);
	plug(-1, ours[1]);
	close(ours[0]);
	ours[0] = -1;
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(vmm__console_write(&front->port, chunk, sizeof(chunk)),
				  sizeof(chunk));
	ck_assert_int_lt(front_run(front), 10);
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGPIPE));
}
END_TEST

START_TEST(a_reader_that_goes_while_output_waits_ends_the_wait)
{
	static unsigned char chunk[100000];

	make(_i);
	plug(-1, ours[1]);
	while (vmm__console_write(&front->port, chunk, sizeof(chunk)) == sizeof(chunk))
		continue;
	close(ours[0]);
	ours[0] = -1;
	ck_assert_int_lt(front_run(front), 10);
	ck_assert_int_eq(front->writables, 1);
	ck_assert_uint_eq(vmm__console_write(&front->port, chunk, sizeof(chunk)), sizeof(chunk));
}
END_TEST

START_TEST(a_signal_that_was_pending_before_is_left_alone)
{
	struct nbio io;
	sigset_t set;

	make(PIPE);
	ck_assert_int_eq(vmm__nbio_open(&io, ours[1], true), 0);
	close(ours[0]);
	ours[0] = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	ck_assert_int_eq(vmm__nbio_write(&io, "x", 1), -EPIPE);
	sigpending(&set);
	ck_assert(!sigismember(&set, SIGPIPE));

	raise(SIGPIPE);
	ck_assert_int_eq(vmm__nbio_write(&io, "x", 1), -EPIPE);
	sigpending(&set);
	ck_assert(sigismember(&set, SIGPIPE));
	vmm__nbio_close(&io);
}
END_TEST

/* The way for a descriptor that cannot be opened anew: here it is taken by force. */
START_TEST(polling_first_never_blocks_either)
{
	static unsigned char chunk[1 << 16], bytes[1 << 16];
	struct nbio io = { .kind = NBIO_POLL }, reader = { .kind = NBIO_POLL };
	size_t sent = 0, seen = 0, n;
	ssize_t r;

	make(_i);
	io.fd = ours[1];
	io.pty_master = false;
	io.piece = _i == PIPE ? 4096 : 1;
	while ((r = vmm__nbio_write(&io, chunk, sizeof(chunk))) > 0) {
		ck_assert_int_le(r, io.piece);
		sent += (size_t)r;
	}
	ck_assert_int_eq(r, -EAGAIN);
	while (seen < sent && (n = take(bytes, sizeof(bytes))) > 0)
		seen += n;
	ck_assert_uint_eq(seen, sent);
	reader.fd = ours[0];
	ck_assert_int_eq(vmm__nbio_read(&reader, bytes, 1), -EAGAIN);
}
END_TEST

START_TEST(a_master_that_nobody_reads_holds_nobody_up_and_does_not_spin)
{
	static unsigned char chunk[1 << 16], bytes[1 << 16];
	char path[64];
	size_t sent = 0, n;

	make(TERMINAL);
	ck_assert_int_eq(ptsname_r(ours[0], path, sizeof(path)), 0);
	plug(ours[0], ours[0]);
	while ((n = vmm__console_write(&front->port, chunk, sizeof(chunk))) == sizeof(chunk))
		sent += n;
	sent += n;

	/* The other side is closed, and later opened again. */
	close(ours[1]);
	ours[1] = -1;
	front_run(front);
	ck_assert_int_lt(front_wait(front, 50), 3);
	ours[1] = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(ours[1], 0);
	for (size_t seen = 0; seen < sent && front->writables == 0;) {
		ssize_t r = read(ours[1], bytes, sizeof(bytes));

		front_wait(front, 300);
		seen += r > 0 ? (size_t)r : 0;
	}
	ck_assert_int_eq(front->writables, 1);
	ck_assert_int_eq(write(ours[1], "typed", 5), 5);
	for (int i = 0; i < 10 && front->got_len < 5; i++)
		front_wait(front, 300);
	ck_assert_mem_eq(front->got, "typed", 5);
}
END_TEST

START_TEST(a_master_that_is_only_written_does_not_spin_when_it_is_left)
{
	static unsigned char chunk[1 << 16];

	make(TERMINAL);
	plug(-1, ours[0]);
	while (vmm__console_write(&front->port, chunk, sizeof(chunk)) == sizeof(chunk))
		continue;
	close(ours[1]);
	ours[1] = -1;
	ck_assert_int_lt(front_run(front), 10);
	ck_assert_int_lt(front_wait(front, 50), 3);
	ck_assert_uint_eq(vmm__console_write(&front->port, chunk, 1), 0);
}
END_TEST

static const struct {
	const char *path;
	int flags;
	enum nbio_kind kind;
	bool terminal;
} kinds[] = {
	{ NULL,		O_RDWR,		NBIO_SOCKET,	false },
	{ "/dev/null",	O_WRONLY,	NBIO_ALWAYS,	false },
	{ "/dev/ptmx",	O_RDWR,		NBIO_POLL,	true },
	{ "/tmp",	O_RDWR | O_TMPFILE,	NBIO_ALWAYS,	false },
	{ "fifo",	O_RDWR,		NBIO_NONBLOCK,	false },
	{ "slave",	O_RDWR,		NBIO_NONBLOCK,	true },
};

/* How each kind is kept from blocking: by its own means where it has one. */
START_TEST(each_kind_is_known)
{
	const struct stream *s;
	int fd = -1;

	if (!kinds[_i].path) {
		make(STREAM);
		fd = dup(ours[1]);
	} else if (strcmp(kinds[_i].path, "fifo") == 0) {
		make(PIPE);
		fd = dup(ours[1]);
	} else if (strcmp(kinds[_i].path, "slave") == 0) {
		make(TERMINAL);
		fd = dup(ours[1]);
	} else {
		fd = open(kinds[_i].path, kinds[_i].flags | O_NOCTTY | O_CLOEXEC, 0600);
	}
	plug(-1, fd);
	close(fd);
	s = chardev->state;
	ck_assert_int_eq(s->out.kind, kinds[_i].kind);
	ck_assert(!s->look == !kinds[_i].terminal);
}
END_TEST

START_TEST(a_full_disk_and_a_size_limit_lose_bytes_and_nothing_else)
{
	char path[] = "/tmp/test_console.XXXXXX";
	struct rlimit limit = { 4096, 4096 };
	struct vmm_chardev *full;
	int null = open("/dev/full", O_WRONLY | O_CLOEXEC);
	static unsigned char chunk[8192];

	ck_assert_int_eq(vmm_console_open_fd(-1, null, &full), 0);
	front_plug(front, full);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(vmm__console_write(&front->port, chunk, sizeof(chunk)),
				  sizeof(chunk));
	vmm__console_finish(&front->port);
	close(null);

	ours[1] = mkstemp(path);
	unlink(path);
	ck_assert(signal(SIGXFSZ, SIG_DFL) == SIG_DFL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	plug(-1, ours[1]);
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(vmm__console_write(&front->port, chunk, sizeof(chunk)),
				  sizeof(chunk));
}
END_TEST

START_TEST(a_file_and_the_null_device_take_everything)
{
	static unsigned char chunk[300000];
	char path[] = "/tmp/test_console.XXXXXX";
	struct stat st;

	ours[1] = _i ? mkstemp(path) : open("/dev/null", O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(ours[1], 0);
	plug(-1, ours[1]);
	ck_assert_uint_eq(vmm__console_write(&front->port, chunk, sizeof(chunk)), sizeof(chunk));
	ck_assert_int_eq(fstat(ours[1], &st), 0);
	if (_i) {
		unlink(path);
		ck_assert_int_eq(st.st_size, sizeof(chunk));
	}
}
END_TEST

START_TEST(input_arrives_and_what_the_guest_does_not_take_is_kept)
{
	static const char words[] = "the quick brown fox";
	int writer;

	make(_i);
	plug(_i == PIPE ? ours[0] : ours[1], -1);
	writer = _i == PIPE ? ours[1] : ours[0];
	front->room = 4;
	ck_assert_int_eq(write(writer, words, 9), 9);
	ck_assert_int_lt(front_wait(front, 1000), 5);
	ck_assert_uint_eq(front->got_len, 4);

	/* More comes, and is not read until the guest has the first. */
	ck_assert_int_eq(write(writer, words + 9, 10), 10);
	ck_assert_int_eq(front_wait(front, 20), 0);
	front->room = 3;
	vmm__console_readable(&front->port);
	ck_assert_uint_eq(front->got_len, 7);
	front->room = 100;
	vmm__console_readable(&front->port);
	while (front->got_len < 19)
		front_wait(front, 1000);
	ck_assert_mem_eq(front->got, words, 19);
	ck_assert_int_eq(front_run(front), 0);
}
END_TEST

START_TEST(the_end_of_input_is_not_the_end_of_the_console)
{
	int pipes[2];
	unsigned char bytes[4];

	make(PIPE);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	plug(pipes[0], ours[1]);
	close(pipes[0]);
	ck_assert_int_eq(write(pipes[1], "bye", 3), 3);
	close(pipes[1]);
	ck_assert_int_lt(front_run(front), 5);
	ck_assert_uint_eq(front->got_len, 3);
	ck_assert_int_eq(front_wait(front, 20), 0);
	vmm__console_readable(&front->port);
	ck_assert_int_eq(front_run(front), 0);
	ck_assert_uint_eq(vmm__console_write(&front->port, "out", 3), 3);
	ck_assert_uint_eq(take(bytes, sizeof(bytes)), 3);
}
END_TEST

START_TEST(a_hang_up_while_the_guest_takes_nothing_does_not_spin_and_loses_nothing)
{
	static unsigned char chunk[6000];
	int writer;

	make(_i);
	plug(_i == PIPE ? ours[0] : ours[1], -1);
	writer = _i == PIPE ? 1 : 0;
	front->room = 0;
	memset(chunk, 'z', sizeof(chunk));
	ck_assert_int_eq(write(ours[writer], chunk, sizeof(chunk)), sizeof(chunk));
	front_run(front);
	close(ours[writer]);
	ours[writer] = -1;
	ck_assert_int_lt(front_run(front), 5);
	ck_assert_int_eq(front_wait(front, 20), 0);

	front->room = SIZE_MAX;
	vmm__console_readable(&front->port);
	front_run(front);
	ck_assert_uint_eq(front->got_len, sizeof(chunk));
	ck_assert_int_eq(front_wait(front, 20), 0);
}
END_TEST

START_TEST(a_file_is_typed_in_a_chunk_a_turn_as_the_guest_takes_it)
{
	static unsigned char chunk[10000];
	char path[] = "/tmp/test_console.XXXXXX";

	ours[0] = mkstemp(path);
	unlink(path);
	memset(chunk, 'f', sizeof(chunk));
	ck_assert_int_eq(pwrite(ours[0], chunk, sizeof(chunk), 0), sizeof(chunk));
	front->room = 5000;
	plug(ours[0], -1);
	front_run(front);
	ck_assert_uint_eq(front->got_len, 5000);
	front->room = SIZE_MAX;
	vmm__console_readable(&front->port);
	front_run(front);
	ck_assert_uint_eq(front->got_len, sizeof(chunk));
	ck_assert_int_eq(front_run(front), 0);
}
END_TEST

START_TEST(input_without_end_leaves_the_loop_to_others)
{
	ours[0] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	plug(ours[0], -1);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_gt(vmm_loop_dispatch(front->loop), 0);
		ck_assert_uint_le(front->got_len, (size_t)(i + 1) * 2 * STREAM_CHUNK);
	}
	ck_assert_uint_ge(front->got_len, 4 * STREAM_CHUNK);
}
END_TEST

START_TEST(what_waits_is_written_when_the_guest_goes)
{
	static unsigned char chunk[1 << 20], bytes[1 << 20];
	size_t sent, seen;

	make(PIPE);
	plug(-1, ours[1]);
	sent = vmm__console_write(&front->port, chunk, sizeof(chunk));
	ck_assert_uint_lt(sent, sizeof(chunk));
	seen = take(bytes, 65536);
	vmm__console_finish(&front->port);
	seen += take(bytes, sizeof(bytes));
	ck_assert_uint_eq(seen, sent);
}
END_TEST

START_TEST(descriptors_that_will_not_do_are_refused_with_words)
{
	struct vmm_chardev *none = NULL;
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int path = open("/dev/null", O_PATH | O_CLOEXEC);

	make(PIPE);
	ck_assert_int_eq(vmm_console_open_fd(-1, 0, &none), -EINVAL);
	ck_assert_int_eq(vmm_console_open_fd(999, -1, &none), -EBADF);
	ck_assert_int_eq(vmm_console_open_fd(ours[0], 999, &none), -EBADF);
	ck_assert_int_eq(vmm_console_open_fd(ours[1], -1, &none), -EINVAL);
	ck_assert_int_eq(vmm_console_open_fd(-1, ours[0], &none), -EINVAL);
	ck_assert_int_eq(vmm_console_open_fd(dir, -1, &none), -EINVAL);
	ck_assert_int_eq(vmm_console_open_fd(path, -1, &none), -EBADF);
	ck_assert_int_eq(vmm_console_open_fd(ours[0], -1, NULL), -EINVAL);
	ck_assert_str_ne(vmm_last_error(), "");
	ck_assert_ptr_null(none);
	close(dir);
	close(path);
}
END_TEST

START_TEST(a_console_may_come_and_go_while_its_loop_runs)
{
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;
	struct vmm_loop *by_hand = front->loop;

	config.flags = VMM_LOOP_THREAD;
	ck_assert_int_eq(vmm_loop_create(&config, &front->loop), 0);
	for (int round = 0; round < 100; round++) {
		make(_i);
		front->room = round % 3 == 0 ? 1 : SIZE_MAX;
		front->got_len = 0;
		plug(_i == PIPE ? ours[0] : ours[1], -1);
		ck_assert_int_eq(write(ours[_i == PIPE], "some input", 10), 10);
		if (round % 2 == 0)
			usleep(100);
		close(ours[_i == PIPE]);
		if (round % 4 == 0)
			usleep(100);
		vmm__console_finish(&front->port);
		ck_assert_uint_le(front->got_len, 10);
		close(ours[_i != PIPE]);
	}
	ours[0] = ours[1] = -1;
	ck_assert_int_eq(vmm_loop_destroy(front->loop), 0);
	front->loop = by_hand;
}
END_TEST

/* ---- a background job ---- */

/* In the background group, as a loop's thread with its signals blocked. */
static void background_job(int gate)
{
	sigset_t all;
	char go;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	front_destroy(front);
	front = front_create();
	plug(ours[1], -1);
	if (read(gate, &go, 1) != 1)
		_exit(1);
	front_wait(front, 1000);
	if (front->got_len != 0)
		_exit(2);
	/* Give word that input was tried and failed. */
	if (write(gate, "b", 1) != 1)
		_exit(3);
	for (int i = 0; i < 20 && front->got_len < 3; i++)
		front_wait(front, 100);
	_exit(front->got_len >= 3 && memcmp(front->got, "abc", 3) == 0 ? 0 : 4);
}

/* A session of its own, whose terminal is ours[1]. */
static void session(void)
{
	int gate[2], status;
	char word;
	pid_t job;

	if (setsid() < 0 || ioctl(ours[1], TIOCSCTTY, 0) < 0)
		_exit(10);
	signal(SIGTTOU, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, gate) < 0)
		_exit(11);
	job = fork();
	if (job == 0) {
		setpgid(0, 0);
		background_job(gate[1]);
	}
	setpgid(job, job);
	if (write(ours[0], "abc", 3) != 3 || write(gate[0], "g", 1) != 1 || read(gate[0], &word, 1) != 1)
		_exit(12);
	tcsetpgrp(ours[1], job);
	waitpid(job, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 13);
}

START_TEST(a_background_job_gets_its_input_once_it_is_in_the_foreground)
{
	int status;
	pid_t pid;

	make(TERMINAL);
	pid = fork();
	if (pid == 0)
		session();
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console_fd");
	TCase *tcase = tcase_create("fd");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 20);
	tcase_add_loop_test(tcase, output_arrives, 0, NR_KINDS);
	tcase_add_loop_test(tcase,
			    a_stalled_reader_bounds_memory_and_later_gets_all_that_was_taken_in_order,
			    0, NR_KINDS);
	tcase_add_loop_test(tcase, a_shared_descriptor_is_not_made_non_blocking, 0, NR_KINDS);
	tcase_add_loop_test(tcase, a_reader_that_is_gone_raises_no_signal_and_holds_nobody_up, 0,
			    NR_KINDS);
	tcase_add_loop_test(tcase, a_reader_that_goes_while_output_waits_ends_the_wait, 0,
			    NR_KINDS);
	tcase_add_test(tcase, a_signal_that_was_pending_before_is_left_alone);
	tcase_add_loop_test(tcase, polling_first_never_blocks_either, 0, NR_KINDS);
	tcase_add_test(tcase, a_master_that_nobody_reads_holds_nobody_up_and_does_not_spin);
	tcase_add_test(tcase, a_master_that_is_only_written_does_not_spin_when_it_is_left);
	tcase_add_loop_test(tcase, each_kind_is_known, 0, (int)(sizeof(kinds) / sizeof(kinds[0])));
	tcase_add_test(tcase, a_full_disk_and_a_size_limit_lose_bytes_and_nothing_else);
	tcase_add_loop_test(tcase, a_file_and_the_null_device_take_everything, 0, 2);
	tcase_add_loop_test(tcase, input_arrives_and_what_the_guest_does_not_take_is_kept, 0,
			    NR_KINDS);
	tcase_add_test(tcase, the_end_of_input_is_not_the_end_of_the_console);
	tcase_add_loop_test(tcase,
			    a_hang_up_while_the_guest_takes_nothing_does_not_spin_and_loses_nothing,
			    0, TERMINAL);
	tcase_add_test(tcase, a_file_is_typed_in_a_chunk_a_turn_as_the_guest_takes_it);
	tcase_add_test(tcase, input_without_end_leaves_the_loop_to_others);
	tcase_add_test(tcase, what_waits_is_written_when_the_guest_goes);
	tcase_add_test(tcase, descriptors_that_will_not_do_are_refused_with_words);
	tcase_add_loop_test(tcase, a_console_may_come_and_go_while_its_loop_runs, 0, NR_KINDS);
	tcase_add_test(tcase, a_background_job_gets_its_input_once_it_is_in_the_foreground);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
