/* SPDX-License-Identifier: MIT */
/* test_console_ring.c - the last bytes of output in memory, read by position from any thread. */
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "fake_front.h"

static struct fake_front *front;
static struct vmm_chardev *chardev;
static struct vmm_ring *ring;
static uint64_t position;
static int descriptors;

static void setup(void)
{
	descriptors = open_descriptors();
	front = front_create();
	ck_assert_int_eq(vmm_console_open_ring(10, &chardev, &ring), 0);
	front_plug(front, chardev);
	position = 0;
}

static void teardown(void)
{
	front_destroy(front);
	vmm_ring_close(ring);
	ck_assert_int_eq(open_descriptors(), descriptors);
}

static void say(const char *words)
{
	ck_assert_uint_eq(vmm__console_write(&front->port, words, strlen(words)), strlen(words));
}

static bool polls(void)
{
	struct pollfd p = { .fd = vmm_ring_fd(ring), .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

START_TEST(a_size_is_rounded_up_and_bounded)
{
	struct vmm_chardev *c;
	struct vmm_ring *r;
	char bytes[20];

	/* 10 became 16. */
	say("0123456789abcdefg");
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 16);
	ck_assert_mem_eq(bytes, "123456789abcdefg", 16);

	ck_assert_int_eq(vmm_console_open_ring(0, &c, &r), -EINVAL);
	ck_assert_int_eq(vmm_console_open_ring((16u << 20) + 1, &c, &r), -EINVAL);
	ck_assert_int_eq(vmm_console_open_ring(1, NULL, &r), -EINVAL);
	ck_assert_int_eq(vmm_console_open_ring(1, &c, NULL), -EINVAL);
	ck_assert_int_eq(vmm_console_open_ring(16u << 20, &c, &r), 0);
	vmm_ring_close(r);
	vmm_console_destroy(c);
}
END_TEST

START_TEST(a_reader_goes_on_where_it_was)
{
	char bytes[20];

	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 0);
	say("hello ");
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, 4), 4);
	ck_assert_uint_eq(position, 4);
	say("world");
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 7);
	ck_assert_mem_eq(bytes, "o world", 7);
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(position, 11);
}
END_TEST

START_TEST(a_position_that_was_overwritten_moves_to_the_oldest_byte)
{
	char bytes[20];

	say("abcdefghij");
	say("klmnopqrst");
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, 3), 3);
	ck_assert_mem_eq(bytes, "efg", 3);
	ck_assert_uint_eq(position, 7);
	/* The difference tells how much was lost; more output moves it on. */
	say("uvwxyz");
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 16);
	ck_assert_uint_eq(position, 26);
	ck_assert_mem_eq(bytes, "klmnopqrstuvwxyz", 16);
}
END_TEST

START_TEST(a_position_from_the_future_gives_nothing)
{
	char bytes[4];

	say("abc");
	position = 100;
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 0);
	ck_assert_uint_eq(position, 100);
	position = UINT64_MAX;
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 0);
	position = 0;
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 3);
}
END_TEST

START_TEST(output_larger_than_the_ring_keeps_its_end)
{
	char bytes[20], book[1000];

	for (size_t i = 0; i < sizeof(book); i++)
		book[i] = (char)('a' + i % 26);
	vmm__console_write(&front->port, book, sizeof(book));
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 16);
	ck_assert_mem_eq(bytes, book + sizeof(book) - 16, 16);
	ck_assert_uint_eq(position, sizeof(book));
}
END_TEST

START_TEST(the_descriptor_is_quiet_once_all_was_read)
{
	uint64_t count;
	char bytes[20];

	ck_assert(!polls());
	say("ab");
	say("cd");
	ck_assert(polls());
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, 3), 3);
	ck_assert(polls());
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 1);
	ck_assert(!polls());
	/* Signalled once, however much comes. */
	say("e");
	say("f");
	ck_assert(polls());
	ck_assert_int_eq(read(vmm_ring_fd(ring), &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(typing_waits_for_the_guest_up_to_a_bound)
{
	static char chunk[5000], expected[5000];

	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = expected[i] = (char)('a' + i % 26);
	front->room = 10;
	ck_assert_uint_eq(vmm_ring_write(ring, chunk, sizeof(chunk)), 4096);
	ck_assert_uint_eq(vmm_ring_write(ring, chunk, 1), 0);
	front_run(front);
	ck_assert_uint_eq(front->got_len, 10);
	ck_assert_uint_eq(vmm_ring_write(ring, chunk + 4096, 904), 10);
	ck_assert_int_eq(front_run(front), 1);

	front->room = SIZE_MAX;
	vmm__console_readable(&front->port);
	ck_assert_uint_eq(front->got_len, 4106);
	ck_assert_uint_eq(vmm_ring_write(ring, chunk + 4106, 894), 894);
	front_run(front);
	ck_assert_uint_eq(front->got_len, 5000);
	ck_assert_mem_eq(front->got, expected, 5000);
}
END_TEST

START_TEST(what_is_typed_before_there_is_a_guest_waits_for_it)
{
	struct fake_front *late = front_create();
	struct vmm_chardev *c;
	struct vmm_ring *r;

	ck_assert_int_eq(vmm_console_open_ring(64, &c, &r), 0);
	ck_assert_uint_eq(vmm_ring_write(r, "early", 5), 5);
	front_plug(late, c);
	front_run(late);
	ck_assert_mem_eq(late->got, "early", 5);
	front_destroy(late);
	ck_assert_uint_eq(vmm_ring_write(r, "late", 4), 0);
	vmm_ring_close(r);
}
END_TEST

START_TEST(either_side_may_go_first)
{
	struct vmm_chardev *c;
	struct vmm_ring *r;
	uint64_t at = 0;
	char bytes[8];

	ck_assert_int_eq(vmm_console_open_ring(8, &c, &r), 0);
	vmm_console_destroy(c);
	ck_assert_uint_eq(vmm_ring_read(r, &at, bytes, sizeof(bytes)), 0);
	vmm_ring_close(r);

	say("last");
	ck_assert_uint_eq(vmm_ring_write(ring, "x", 1), 1);
	vmm__console_finish(&front->port);
	front_run(front);
	ck_assert_uint_eq(vmm_ring_read(ring, &position, bytes, sizeof(bytes)), 4);

	ck_assert_int_eq(vmm_console_open_ring(8, &c, &r), 0);
	front_plug(front, c);
	vmm_ring_close(r);
	say("to nobody, and more of it than there is room for");
	vmm_ring_close(NULL);
}
END_TEST

/* ---- threads ---- */

enum { BOOK = 200000 };

static void *read_book(void *arg)
{
	uint64_t at = 0, expected = 0;
	unsigned char bytes[64];

	while (at < BOOK) {
		struct pollfd p = { .fd = vmm_ring_fd(arg), .events = POLLIN };
		size_t n;

		poll(&p, 1, 100);
		n = vmm_ring_read(arg, &at, bytes, sizeof(bytes));
		ck_assert_uint_ge(at - n, expected);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(bytes[i], (at - n + i) % 251);
		expected = at;
		vmm_ring_write(arg, bytes, n);
	}
	return NULL;
}

START_TEST(readers_in_other_threads_see_an_ordered_story)
{
	unsigned char piece[37];
	struct vmm_chardev *c;
	struct vmm_ring *r;
	struct fake_front *f = front_create();
	pthread_t readers[2];
	size_t typed = 0;

	ck_assert_int_eq(vmm_console_open_ring(256, &c, &r), 0);
	front_plug(f, c);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, read_book, r), 0);

	for (size_t at = 0; at < BOOK;) {
		size_t len = BOOK - at < sizeof(piece) ? BOOK - at : sizeof(piece);

		for (size_t i = 0; i < len; i++)
			piece[i] = (unsigned char)((at + i) % 251);
		at += vmm__console_write(&f->port, piece, len);
		(void)!vmm_loop_dispatch(f->loop);
		typed += f->got_len;
		f->got_len = 0;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	front_run(f);
	ck_assert_uint_gt(typed + f->got_len, 0);
	front_destroy(f);
	vmm_ring_close(r);
}
END_TEST

static void *type_until_refused(void *arg)
{
	/* The guest may go at any moment; then nothing is taken. */
	for (int idle = 0; idle < 1000;)
		idle = vmm_ring_write(arg, "x", 1) > 0 ? 0 : idle + 1;
	return NULL;
}

START_TEST(a_guest_may_go_while_somebody_types)
{
	for (int round = 0; round < 20; round++) {
		struct fake_front *f = front_create();
		struct vmm_chardev *c;
		struct vmm_ring *r;
		pthread_t typist;

		ck_assert_int_eq(vmm_console_open_ring(256, &c, &r), 0);
		ck_assert_int_eq(pthread_create(&typist, NULL, type_until_refused, r), 0);
		front_plug(f, c);
		for (int i = 0; i < 5; i++)
			(void)!vmm_loop_dispatch(f->loop);
		front_destroy(f);
		pthread_join(typist, NULL);
		vmm_ring_close(r);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console_ring");
	TCase *tcase = tcase_create("ring");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_size_is_rounded_up_and_bounded);
	tcase_add_test(tcase, a_reader_goes_on_where_it_was);
	tcase_add_test(tcase, a_position_that_was_overwritten_moves_to_the_oldest_byte);
	tcase_add_test(tcase, a_position_from_the_future_gives_nothing);
	tcase_add_test(tcase, output_larger_than_the_ring_keeps_its_end);
	tcase_add_test(tcase, the_descriptor_is_quiet_once_all_was_read);
	tcase_add_test(tcase, typing_waits_for_the_guest_up_to_a_bound);
	tcase_add_test(tcase, what_is_typed_before_there_is_a_guest_waits_for_it);
	tcase_add_test(tcase, either_side_may_go_first);
	tcase_add_test(tcase, readers_in_other_threads_see_an_ordered_story);
	tcase_add_test(tcase, a_guest_may_go_while_somebody_types);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
