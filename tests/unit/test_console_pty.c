/* SPDX-License-Identifier: MIT */
/* test_console_pty.c - a pseudo terminal that is opened, left and opened again. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "backends/console/stream_priv.h"
#include "fake_front.h"

static struct fake_front *front;
static struct vmm_chardev *chardev;
static const char *path;
static int descriptors;

static void setup(void)
{
	descriptors = open_descriptors();
	front = front_create();
	ck_assert_int_eq(vmm_console_open_pty(&chardev, &path), 0);
	front_plug(front, chardev);
}

static void teardown(void)
{
	front_destroy(front);
	ck_assert_int_eq(open_descriptors(), descriptors);
}

static int open_terminal(void)
{
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

static size_t say(const char *words)
{
	return vmm__console_write(&front->port, words, strlen(words));
}

static void expect(int fd, const char *words)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char bytes[64];
	size_t n = 0;

	while (n < strlen(words) && poll(&p, 1, 1000) > 0) {
		ssize_t r = read(fd, bytes + n, sizeof(bytes) - n);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	ck_assert_uint_eq(n, strlen(words));
	ck_assert_mem_eq(bytes, words, n);
}

static void type(int fd, const char *words)
{
	size_t want = front->got_len + strlen(words);

	ck_assert_int_eq(write(fd, words, strlen(words)), (ssize_t)strlen(words));
	for (int i = 0; i < 20 && front->got_len < want; i++)
		front_wait(front, 200);
	ck_assert_uint_eq(front->got_len, want);
	ck_assert_mem_eq(front->got + want - strlen(words), words, strlen(words));
}

START_TEST(nobody_there_means_no_room_and_no_spinning)
{
	ck_assert_int_lt(front_run(front), 5);
	ck_assert_uint_eq(say("lost"), 0);
	/* A timer looks now and then. */
	for (int i = 0; i < 3; i++)
		ck_assert_int_le(front_wait(front, 100), 1);
	ck_assert_int_eq(front->writables, 0);
}
END_TEST

START_TEST(whoever_opens_it_gets_what_the_guest_writes_from_then_on)
{
	int fd;

	front_run(front);
	ck_assert_uint_eq(say("before"), 0);
	fd = open_terminal();
	ck_assert_uint_eq(say("after"), 5);
	expect(fd, "after");
	type(fd, "typed\r");
	close(fd);
}
END_TEST

START_TEST(a_front_end_that_waits_is_told_when_somebody_comes)
{
	int fd;

	front_run(front);
	ck_assert_uint_eq(say("x"), 0);
	fd = open_terminal();
	for (int i = 0; i < 10 && front->writables == 0; i++)
		front_wait(front, 200);
	ck_assert_int_eq(front->writables, 1);
	close(fd);
}
END_TEST

START_TEST(it_may_be_opened_and_closed_many_times)
{
	for (int i = 0; i < 5; i++) {
		int fd = open_terminal();

		type(fd, "in");
		ck_assert_uint_eq(say("out"), 3);
		expect(fd, "out");
		close(fd);
		front_run(front);
		ck_assert_uint_eq(say("gone"), 0);
	}
	ck_assert_int_le(front_wait(front, 100), 1);
}
END_TEST

START_TEST(what_was_typed_before_the_hang_up_arrives)
{
	int fd = open_terminal();

	front->room = 2;
	ck_assert_int_eq(write(fd, "last words", 10), 10);
	front_run(front);
	close(fd);
	front_run(front);
	ck_assert_int_eq(front_wait(front, 20), 0);
	front->room = SIZE_MAX;
	vmm__console_readable(&front->port);
	for (int i = 0; i < 5 && front->got_len < 10; i++)
		front_wait(front, 200);
	ck_assert_mem_eq(front->got, "last words", 10);
}
END_TEST

START_TEST(a_terminal_that_is_not_read_bounds_memory_and_does_not_spin_when_left)
{
	static unsigned char chunk[10000];
	int fd = open_terminal();
	size_t sent = 0, n;

	front_run(front);
	while ((n = vmm__console_write(&front->port, chunk, sizeof(chunk))) == sizeof(chunk))
		sent += n;
	ck_assert_uint_lt(sent, 2 * STREAM_BUFFER + 65536);
	ck_assert_int_le(front_wait(front, 20), 1);
	close(fd);
	front_run(front);
	for (int i = 0; i < 3; i++)
		ck_assert_int_le(front_wait(front, 50), 1);
}
END_TEST

START_TEST(it_is_raw_and_stays_so)
{
	struct termios termios;

	for (int i = 0; i < 2; i++) {
		int fd = open_terminal();

		ck_assert_int_eq(tcgetattr(fd, &termios), 0);
		ck_assert_uint_eq(termios.c_lflag & (ICANON | ECHO | ISIG), 0);
		ck_assert_uint_eq(termios.c_oflag & OPOST, 0);
		close(fd);
	}
}
END_TEST

START_TEST(the_terminals_size_is_passed_on_once)
{
	struct winsize size = { .ws_row = 50, .ws_col = 132 };
	int fd = open_terminal();

	ck_assert_int_eq(ioctl(fd, TIOCSWINSZ, &size), 0);
	for (int i = 0; i < 3; i++)
		say("x");
	ck_assert_int_eq(front->resizes, 1);
	ck_assert_uint_eq(front->columns, 132);
	ck_assert_uint_eq(front->rows, 50);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console_pty");
	TCase *tcase = tcase_create("pty");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, nobody_there_means_no_room_and_no_spinning);
	tcase_add_test(tcase, whoever_opens_it_gets_what_the_guest_writes_from_then_on);
	tcase_add_test(tcase, a_front_end_that_waits_is_told_when_somebody_comes);
	tcase_add_test(tcase, it_may_be_opened_and_closed_many_times);
	tcase_add_test(tcase, what_was_typed_before_the_hang_up_arrives);
	tcase_add_test(tcase, a_terminal_that_is_not_read_bounds_memory_and_does_not_spin_when_left);
	tcase_add_test(tcase, it_is_raw_and_stays_so);
	tcase_add_test(tcase, the_terminals_size_is_passed_on_once);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
