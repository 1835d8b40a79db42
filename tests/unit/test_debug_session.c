/* SPDX-License-Identifier: MIT */
/* test_debug_session.c - gdb's protocol with a peer that may say anything. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_target.h"

static struct session session;
static char said[4 * SESSION_SEND_MAX];

static void setup(void)
{
	memset(&fake, 0, sizeof(fake));
	for (size_t i = 0; i < sizeof(fake.memory); i++)
		fake.memory[i] = (uint8_t)(i * 3);
	for (uint32_t t = 0; t < 4; t++)
		memset(fake.blocks[t], (int)(0x10 + t), sizeof(fake.blocks[t]));
	vmm__session_init(&session, &fake_target_ops, NULL, 4);
}

/* Feed @len bytes and return all that is answered. */
static const char *raw(const void *bytes, size_t len)
{
	const char *from = bytes;
	size_t n = 0;

	said[0] = '\0';
	while (len > 0) {
		size_t taken = vmm__session_feed(&session, from, len);
		size_t got = vmm__session_take(&session, said + n);

		n += got;
		ck_assert_uint_lt(n, 3 * SESSION_SEND_MAX);
		if (taken == 0 && got == 0)
			break;
		from += taken;
		len -= taken;
	}
	said[n] = '\0';
	return said;
}

static size_t frame(char *packet, const char *text, size_t len)
{
	uint8_t sum = 0;

	packet[0] = '$';
	memcpy(packet + 1, text, len);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + (uint8_t)text[i]);
	return len + 1 + (size_t)sprintf(packet + len + 1, "#%02x", sum);
}

/* The data of the answer to @text, which is acknowledged; NULL when there is none. */
static const char *ask_bytes(const char *text, size_t len)
{
	static char packet[2 * PACKET_MAX];
	char *answer;

	(void)raw(packet, frame(packet, text, len));
	ck_assert_int_eq(said[0], '+');
	if (said[1] == '\0')
		return NULL;
	ck_assert_int_eq(said[1], '$');
	answer = strrchr(said, '#');
	ck_assert_ptr_nonnull(answer);
	*answer = '\0';
	return said + 2;
}

static const char *ask(const char *text)
{
	return ask_bytes(text, strlen(text));
}

static void expect(const char *question, const char *answer)
{
	const char *got = ask(question);

	ck_assert_msg(got && strcmp(got, answer) == 0, "%s: %s, not %s", question, got ? got : "nothing", answer);
}

/* ---- framing ---- */

START_TEST(wrong_checksums_are_refused_and_right_ones_acknowledged)
{
	ck_assert_str_eq(raw("$?#3f", 5), "+$T05thread:1;#d7");
	ck_assert_str_eq(raw("$?#40", 5), "-");
	ck_assert_str_eq(raw("$?#zz", 5), "-");
	ck_assert_str_eq(raw("+++junk$?#3F", 12), "+$T05thread:1;#d7");
}
END_TEST

START_TEST(the_last_answer_is_said_again_when_asked_for)
{
	(void)ask("qC");
	ck_assert_str_eq(raw("-", 1), "$QC1#c5");
	ck_assert_str_eq(raw("+", 1), "");
}
END_TEST

START_TEST(acknowledgements_end_when_agreed)
{
	expect("QStartNoAckMode", "OK");
	ck_assert_str_eq(raw("$qC#b4", 6), "$QC1#c5");
	ck_assert_str_eq(raw("$qC#00", 6), "");
	ck_assert_str_eq(raw("-", 1), "");
}
END_TEST

START_TEST(a_packet_that_is_too_long_is_refused_and_the_next_one_taken)
{
	static char packet[3 * PACKET_MAX], text[2 * PACKET_MAX];

	memset(text, 'a', sizeof(text));
	ck_assert_str_eq(raw(packet, frame(packet, text, PACKET_MAX + 1)), "-");
	ck_assert_str_eq(raw(packet, frame(packet, text, sizeof(text))), "-");
	ck_assert_ptr_nonnull(ask_bytes(text, PACKET_MAX));
	expect("qC", "QC1");
}
END_TEST

START_TEST(bytes_may_come_one_by_one_and_many_packets_at_once)
{
	static const char packet[] = "$?#3f", two[] = "$qC#b4$qC#b4";

	for (size_t i = 0; i < 4; i++)
		ck_assert_str_eq(raw(packet + i, 1), "");
	ck_assert_str_eq(raw(packet + 4, 1), "+$T05thread:1;#d7");
	ck_assert_str_eq(raw(two, 12), "+$QC1#c5+$QC1#c5");
}
END_TEST

/* ---- registers and memory ---- */

START_TEST(registers_are_read_and_written_by_block_and_number)
{
	const struct arch_gdb *arch = vmm__arch_gdb();
	char all[2 * ARCH_GDB_BLOCK_MAX + 8] = "G";
	uint32_t offset, bytes, total = 0;

	ck_assert_uint_eq(strlen(ask("g")), 2 * arch->block_bytes);
	for (uint32_t n = 0; n < arch->nr_regs; n++) {
		ck_assert(vmm__arch_gdb_place(n, &offset, &bytes));
		ck_assert_uint_eq(offset, total);
		total += bytes;
	}
	ck_assert_uint_eq(total, arch->block_bytes);
	ck_assert(!vmm__arch_gdb_place(arch->nr_regs, &offset, &bytes));
	expect("p0", "1010101010101010");
	expect("p41", "E16");
	expect("pffffffffffffffff", "E16");
	expect("P1=8877665544332211", "OK");
	ck_assert_uint_eq(fake.blocks[0][8], 0x88);
	expect("P1=88776655443322", "E16");
	expect("P1=887766554433221g", "E16");
	expect("P41=00", "E16");
	expect("P1", "E16");
	memset(all + 1, '5', 2 * arch->block_bytes);
	expect(all, "OK");
	ck_assert_uint_eq(fake.blocks[0][arch->block_bytes - 1], 0x55);
	all[2 * arch->block_bytes] = '\0';
	expect(all, "E16");
	fake.fail = -EIO;
	expect("g", "E05");
	expect("p0", "E05");
	expect("P1=8877665544332211", "E05");
}
END_TEST

START_TEST(memory_is_read_and_written_as_far_as_there_is_any)
{
	char text[64];

	expect("m1000,4", "00030609");
	expect("m4ffe,10", "fafd");
	expect("m5000,1", "E0e");
	expect("m0,1", "E0e");
	expect("mffffffffffffffff,ffffffffffffffff", "E0e");
	expect("m1000,0", "");
	ck_assert_uint_eq(strlen(ask("m1000,ffffffff")), PACKET_MAX);
	expect("M1000,2:abcd", "OK");
	ck_assert_uint_eq(fake.memory[1], 0xcd);
	expect("M1000,3:abcd", "E16");
	expect("M1000,2:abcg", "E16");
	expect("M1000,ffffffffffffffff:", "E16");
	expect("M4fff,2:abcd", "E0e");
	expect("M1000,2", "E16");
	expect("X1000,0:", "OK");
	memcpy(text, "X1000,4:a\0}\x03z", 13);
	ck_assert_str_eq(ask_bytes(text, 13), "OK");
	ck_assert_mem_eq(fake.memory, "a\0#z", 4);
	expect("X1000,4:abc", "E16");
	expect("X1000,4:abcde", "E16");
	expect("X1000,1:}", "OK");		/* an escape of nothing is a brace */
}
END_TEST

/* ---- breakpoints and running ---- */

static const struct {
	const char *question, *answer;
	uint32_t kind;
	uint64_t address;
	uint32_t bytes;
} points[] = {
	{ "Z0,1000,1", "OK", ARCH_WATCH_NONE, 0x1000, 1 },
	{ "Z1,ffffffff81000000,1", "OK", ARCH_WATCH_EXEC, 0xffffffff81000000, 1 },
	{ "Z2,2000,8", "OK", ARCH_WATCH_WRITE, 0x2000, 8 },
	{ "Z4,2000,4", "OK", ARCH_WATCH_ACCESS, 0x2000, 4 },
	{ "Z0,1000,1;X1,aa", "OK", ARCH_WATCH_NONE, 0x1000, 1 },
	{ "Z3,2000,4", "", 0, 0, 0 },
	{ "Z5,2000,4", "", 0, 0, 0 },
	{ "Z", "E16", 0, 0, 0 },
	{ "Z2,2000", "E16", 0, 0, 0 },
	{ "Z2,2000,fffffffff", "E16", 0, 0, 0 },
};

START_TEST(breakpoints_reach_the_target)
{
	char question[64];

	expect(points[_i].question, points[_i].answer);
	ck_assert_uint_eq(fake.inserts, strcmp(points[_i].answer, "OK") == 0);
	ck_assert_uint_eq(fake.watch.kind, points[_i].kind);
	ck_assert_uint_eq(fake.watch.address, points[_i].address);
	ck_assert_uint_eq(fake.watch.bytes, points[_i].bytes);
	snprintf(question, sizeof(question), "z%s", points[_i].question + 1);
	expect(question, points[_i].answer);
	ck_assert_uint_eq(fake.removes, fake.inserts);
}
END_TEST

static const struct {
	const char *question;
	uint8_t actions[4];
} runs[] = {
	{ "c", { THREAD_RUNS, THREAD_RUNS, THREAD_RUNS, THREAD_RUNS } },
	{ "s", { THREAD_STEPS, THREAD_RUNS, THREAD_RUNS, THREAD_RUNS } },
	{ "C05", { THREAD_RUNS, THREAD_RUNS, THREAD_RUNS, THREAD_RUNS } },
	{ "vCont;c", { THREAD_RUNS, THREAD_RUNS, THREAD_RUNS, THREAD_RUNS } },
	{ "vCont;s:2", { THREAD_STAYS, THREAD_STEPS, THREAD_STAYS, THREAD_STAYS } },
	{ "vCont;s:4;c", { THREAD_RUNS, THREAD_RUNS, THREAD_RUNS, THREAD_STEPS } },
	{ "vCont;S05:1;C05:3;s:-1", { THREAD_STEPS, THREAD_STEPS, THREAD_RUNS, THREAD_STEPS } },
};

START_TEST(each_thread_does_as_it_is_told)
{
	ck_assert_ptr_null(ask(runs[_i].question));
	ck_assert_uint_eq(fake.runs, 1);
	ck_assert_mem_eq(fake.actions, runs[_i].actions, 4);
	/* Nothing is answered while it runs; an interrupt is heard. */
	ck_assert_str_eq(raw("$g#67\x03", 6), "+");
	ck_assert_uint_eq(fake.interrupts, 1);
	vmm__session_stopped(&session, 2, STOP_INTERRUPTED, NULL);
	ck_assert_uint_gt(vmm__session_take(&session, said), 0);
	ck_assert(strncmp(said, "$T02thread:3;#", 14) == 0);
	(void)ask("g");
	ck_assert_uint_eq(fake.thread, 2);
}
END_TEST

static const char *const refused[] = {
	"vCont", "vCont;", "vCont;t", "vCont;c:5", "vCont;c:", "vCont;C", "vCont;c;x", "vCont;s:ffffffffffffffff0",
	"vCont;C:1",
};

START_TEST(a_run_that_makes_no_sense_is_refused)
{
	expect(refused[_i], "E16");
	ck_assert_uint_eq(fake.runs, 0);
	ck_assert(!session.running);
}
END_TEST

START_TEST(a_target_that_cannot_run_says_so)
{
	fake.fail = -EBUSY;
	expect("c", "E10");
	expect("vCont;c", "E10");
}
END_TEST

static const struct {
	enum session_stop why;
	uint32_t kind;
	const char *plain, *spoken;
} stops[] = {
	{ STOP_STEP, 0, "T05thread:2;", "T05thread:2;" },
	{ STOP_SOFTWARE, 0, "T05thread:2;", "T05swbreak:;thread:2;" },
	{ STOP_HARDWARE, 0, "T05thread:2;", "T05hwbreak:;thread:2;" },
	{ STOP_WATCH, ARCH_WATCH_WRITE, "T05watch:fedcba9876543210;thread:2;", "T05watch:fedcba9876543210;thread:2;" },
	{ STOP_WATCH, ARCH_WATCH_ACCESS, "T05awatch:fedcba9876543210;thread:2;", "T05awatch:fedcba9876543210;thread:2;" },
	{ STOP_CRASHED, 0, "T06thread:2;", "T06thread:2;" },
};

START_TEST(a_stop_says_why_in_words_that_gdb_knows)
{
	const struct arch_watch watch = { .kind = stops[_i].kind, .address = 0xfedcba9876543210 };

	for (int speaks = 0; speaks < 2; speaks++) {
		ck_assert_ptr_nonnull(strstr(ask(speaks ? "qSupported:swbreak+;hwbreak+" : "qSupported"), "swbreak+"));
		ck_assert_ptr_null(ask("c"));
		vmm__session_stopped(&session, 1, stops[_i].why, &watch);
		(void)vmm__session_take(&session, said);
		expect("?", speaks ? stops[_i].spoken : stops[_i].plain);
	}
}
END_TEST

/* ---- threads, questions and the end ---- */

START_TEST(threads_are_listed_chosen_and_named)
{
	expect("qfThreadInfo", "m1,2,3,4");
	expect("qsThreadInfo", "l");
	expect("qThreadExtraInfo,3", "764350552032");
	expect("qThreadExtraInfo,5", "E16");
	expect("Hg2", "OK");
	expect("qC", "QC2");
	(void)ask("g");
	ck_assert_uint_eq(fake.thread, 1);
	expect("Hg5", "E16");
	expect("H", "E16");
	expect("Hc-1", "OK");
	expect("T4", "OK");
	expect("T5", "E16");
	expect("T", "E16");
}
END_TEST

START_TEST(the_description_of_the_target_comes_in_pieces)
{
	const char *target = vmm__arch_gdb()->target;
	size_t total = strlen(target), at = 0;
	char question[64];
	const char *piece;

	do {
		snprintf(question, sizeof(question), "qXfer:features:read:target.xml:%zx,40", at);
		piece = ask(question);
		ck_assert(piece[0] == 'm' || piece[0] == 'l');
		ck_assert_mem_eq(piece + 1, target + at, strlen(piece) - 1);
		at += strlen(piece) - 1;
	} while (piece[0] == 'm');
	ck_assert_uint_eq(at, total);
	expect("qXfer:features:read:target.xml:ffffffff,10", "E16");
	expect("qXfer:features:read:target.xml:0", "E16");
	expect("qXfer:features:read:other.xml:0,10", "E00");
	ck_assert_uint_gt(strlen(ask("qXfer:features:read:target.xml:0,ffffffffffffffff")), 1000);
}
END_TEST

START_TEST(what_is_not_known_gets_the_empty_answer)
{
	static const char *const unknown[] = { "", "!", "qRcmd,00", "QNonStop:1", "vMustReplyEmpty", "vFile:open:", "R00", "b", "B", "d" };

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		expect(unknown[i], "");
	expect("qAttached", "1");
	expect("vCont?", "vCont;c;C;s;S");
}
END_TEST

START_TEST(detach_and_kill_are_the_last_words)
{
	expect("D", "OK");
	ck_assert_uint_eq(fake.detaches, 1);
	ck_assert_str_eq(raw("$g#67", 5), "");
	setup();
	ck_assert_ptr_null(ask("k"));
	ck_assert_uint_eq(fake.kills, 1);
	setup();
	expect("vKill;1", "OK");
	ck_assert_uint_eq(fake.kills, 1);
	setup();
	ck_assert_ptr_null(ask("c"));
	vmm__session_exited(&session, 0);
	ck_assert_uint_gt(vmm__session_take(&session, said), 0);
	ck_assert(strncmp(said, "$W00#", 5) == 0);
	ck_assert_str_eq(raw("$g#67", 5), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("debug_session");
	TCase *tcase = tcase_create("debug_session");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, wrong_checksums_are_refused_and_right_ones_acknowledged);
	tcase_add_test(tcase, the_last_answer_is_said_again_when_asked_for);
	tcase_add_test(tcase, acknowledgements_end_when_agreed);
	tcase_add_test(tcase, a_packet_that_is_too_long_is_refused_and_the_next_one_taken);
	tcase_add_test(tcase, bytes_may_come_one_by_one_and_many_packets_at_once);
	tcase_add_test(tcase, registers_are_read_and_written_by_block_and_number);
	tcase_add_test(tcase, memory_is_read_and_written_as_far_as_there_is_any);
	tcase_add_loop_test(tcase, breakpoints_reach_the_target, 0, (int)(sizeof(points) / sizeof(points[0])));
	tcase_add_loop_test(tcase, each_thread_does_as_it_is_told, 0, (int)(sizeof(runs) / sizeof(runs[0])));
	tcase_add_loop_test(tcase, a_run_that_makes_no_sense_is_refused, 0,
			    (int)(sizeof(refused) / sizeof(refused[0])));
	tcase_add_test(tcase, a_target_that_cannot_run_says_so);
	tcase_add_loop_test(tcase, a_stop_says_why_in_words_that_gdb_knows, 0,
			    (int)(sizeof(stops) / sizeof(stops[0])));
	tcase_add_test(tcase, threads_are_listed_chosen_and_named);
	tcase_add_test(tcase, the_description_of_the_target_comes_in_pieces);
	tcase_add_test(tcase, what_is_not_known_gets_the_empty_answer);
	tcase_add_test(tcase, detach_and_kill_are_the_last_words);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
