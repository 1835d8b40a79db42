/* SPDX-License-Identifier: MIT */
/* test_console_unix.c - a console on a unix socket, with clients in every mood. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/console/stream_priv.h"
#include "fake_front.h"

static struct fake_front *front;
static struct vmm_chardev *chardev;
static int descriptors;
static char folder[64], path[96];

static void setup(void)
{
	descriptors = open_descriptors();
	snprintf(folder, sizeof(folder), "/tmp/console-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/c", folder);
	front = front_create();
	ck_assert_int_eq(vmm_console_open_unix(path, &chardev), 0);
	front_plug(front, chardev);
}

static void teardown(void)
{
	front_destroy(front);
	ck_assert_int_eq(open_descriptors(), descriptors);
	/* Nothing of ours is left in it. */
	ck_assert_int_eq(rmdir(folder), 0);
}

static int client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	front_run(front);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	front_run(front);
}

static void came(const char *text)
{
	ck_assert_uint_eq(front->got_len, strlen(text));
	ck_assert_mem_eq(front->got, text, strlen(text));
	front->got_len = 0;
}

static void hears(int fd, const char *text)
{
	char got[256] = "";

	ck_assert_int_eq(recv(fd, got, sizeof(got) - 1, 0), (ssize_t)strlen(text));
	ck_assert_str_eq(got, text);
}

START_TEST(paths_are_checked)
{
	char longest[109];
	struct vmm_chardev *c;

	memset(longest, 'a', 108);
	longest[108] = '\0';
	ck_assert_int_eq(vmm_console_open_unix(NULL, &c), -EINVAL);
	ck_assert_int_eq(vmm_console_open_unix("", &c), -EINVAL);
	ck_assert_int_eq(vmm_console_open_unix(longest, &c), -EINVAL);
	ck_assert_int_eq(vmm_console_open_unix(path, NULL), -EINVAL);
	longest[107] = '\0';
	ck_assert_int_eq(vmm_console_open_unix(longest, &c), 0);
	vmm_console_destroy(c);
}
END_TEST

START_TEST(a_path_that_is_taken_is_left_alone)
{
	struct vmm_console_port port = { 0 };
	struct vmm_chardev *c;

	ck_assert_int_eq(vmm_console_open_unix(path, &c), 0);
	ck_assert_int_eq(vmm__console_attach(&port, &fake_front_ops, front, c, front->loop),
			 -EADDRINUSE);
	ck_assert_int_eq(access(path, F_OK), 0);
	vmm_console_destroy(c);
	ck_assert_int_eq(vmm_console_open_unix("/nonexistent/c", &c), 0);
	ck_assert_int_eq(vmm__console_attach(&port, &fake_front_ops, front, c, front->loop),
			 -ENOENT);
	vmm_console_destroy(c);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_not_removed)
{
	ck_assert_int_eq(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	vmm__console_finish(&front->port);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(bytes_go_both_ways_and_coming_and_going_is_told)
{
	int fd;

	ck_assert(!front->connected);
	ck_assert_int_eq(front->connects, 1);
	fd = client();
	ck_assert(front->connected);
	say(fd, "to the guest");
	came("to the guest");
	ck_assert_uint_eq(vmm__console_write(&front->port, "to the host", 11), 11);
	hears(fd, "to the host");
	close(fd);
	front_run(front);
	ck_assert(!front->connected);
	ck_assert_int_eq(front->connects, 3);
	/* Another one. */
	fd = client();
	ck_assert(front->connected);
	say(fd, "again");
	came("again");
	close(fd);
}
END_TEST

START_TEST(without_a_client_output_is_refused_until_there_is_one)
{
	int fd;

	ck_assert_uint_eq(vmm__console_write(&front->port, "x", 1), 0);
	ck_assert_int_eq(front->writables, 0);
	fd = client();
	ck_assert_int_eq(front->writables, 1);
	close(fd);
	front_run(front);
	fd = client();
	ck_assert_int_eq(front->writables, 1);
	close(fd);
}
END_TEST

START_TEST(a_second_client_waits_for_the_first_to_go)
{
	int first = client(), second = client();

	say(second, "second");
	ck_assert_uint_eq(front->got_len, 0);
	ck_assert_int_eq(front_run(front), 0);
	say(first, "first");
	came("first");
	close(first);
	front_run(front);
	came("second");
	ck_assert(front->connected);
	ck_assert_int_eq(front->connects, 4);
	close(second);
}
END_TEST

START_TEST(a_client_that_closes_its_half_still_reads)
{
	int fd = client();

	say(fd, "question");
	shutdown(fd, SHUT_WR);
	front_run(front);
	came("question");
	ck_assert(front->connected);
	ck_assert_int_eq(front_run(front), 0);
	ck_assert_uint_eq(vmm__console_write(&front->port, "answer", 6), 6);
	hears(fd, "answer");
	close(fd);
	front_run(front);
	ck_assert(!front->connected);
	ck_assert_int_eq(front_run(front), 0);
}
END_TEST

START_TEST(what_a_client_said_before_it_went_is_not_lost)
{
	int fd = client(), next;

	front->room = 3;
	say(fd, "last words");
	close(fd);
	front_run(front);
	came("las");
	/* The guest stalls: no busy loop, and no end before it has read. */
	ck_assert_int_eq(front_run(front), 0);
	ck_assert(front->connected);
	next = client();
	front->room = SIZE_MAX;
	vmm__console_readable(&front->port);
	front_run(front);
	came("t words");
	ck_assert_int_eq(front->connects, 4);
	ck_assert(front->connected);
	close(next);
}
END_TEST

START_TEST(a_client_that_does_not_read_costs_64_KiB_and_is_told_of_room_once)
{
	static char block[4096];
	size_t taken = 0, read = 0, n;
	int fd = client();
	ssize_t got;

	memset(block, 'b', sizeof(block));
	do {
		n = vmm__console_write(&front->port, block, sizeof(block));
		taken += n;
	} while (n == sizeof(block) && taken < (16u << 20));
	ck_assert_uint_lt(taken, 16u << 20);
	ck_assert_int_eq(front_run(front), 0);
	ck_assert_int_eq(front->writables, 0);
	while (read < taken) {
		got = recv(fd, block, sizeof(block), 0);
		if (got > 0)
			read += (size_t)got;
		else
			ck_assert_int_gt(front_run(front), 0);
	}
	front_run(front);
	ck_assert_int_eq(front->writables, 1);

	/* One that goes while it is owed some: the front end hears when the next comes. */
	do {
		n = vmm__console_write(&front->port, block, sizeof(block));
	} while (n == sizeof(block));
	close(fd);
	front_run(front);
	fd = client();
	ck_assert_int_ge(front->writables, 2);
	ck_assert_uint_eq(vmm__console_write(&front->port, "new", 3), 3);
	hears(fd, "new");
	close(fd);
}
END_TEST

START_TEST(without_descriptors_clients_wait_and_the_loop_rests)
{
	struct rlimit limit, low;
	int first = client(), fd = client();

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	close(first);
	front_run(front);
	ck_assert(!front->connected);
	ck_assert_int_eq(front_run(front), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 100 && !front->connected; i++)
		front_wait(front, 50);
	ck_assert(front->connected);
	say(fd, "at last");
	came("at last");
	close(fd);
}
END_TEST

START_TEST(it_goes_with_a_client_and_another_waiting)
{
	int first = client(), second = client();
	char byte;

	vmm__console_write(&front->port, "bye", 3);
	vmm__console_finish(&front->port);
	hears(first, "bye");
	ck_assert_int_eq(recv(first, &byte, 1, 0), 0);
	ck_assert_int_le(recv(second, &byte, 1, 0), 0);
	close(first);
	close(second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console_unix");
	TCase *tcase = tcase_create("console_unix");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, paths_are_checked);
	tcase_add_test(tcase, a_path_that_is_taken_is_left_alone);
	tcase_add_test(tcase, a_file_that_is_not_ours_is_not_removed);
	tcase_add_test(tcase, bytes_go_both_ways_and_coming_and_going_is_told);
	tcase_add_test(tcase, without_a_client_output_is_refused_until_there_is_one);
	tcase_add_test(tcase, a_second_client_waits_for_the_first_to_go);
	tcase_add_test(tcase, a_client_that_closes_its_half_still_reads);
	tcase_add_test(tcase, what_a_client_said_before_it_went_is_not_lost);
	tcase_add_test(tcase, a_client_that_does_not_read_costs_64_KiB_and_is_told_of_room_once);
	tcase_add_test(tcase, without_descriptors_clients_wait_and_the_loop_rests);
	tcase_add_test(tcase, it_goes_with_a_client_and_another_waiting);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
