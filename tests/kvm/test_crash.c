/* SPDX-License-Identifier: MIT */
/* test_crash.c - what is known of a guest after each way to stop, as values and as text. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/resource.h>

#include <libvmm/console.h>
#include <libvmm/crash.h>
#include "bare.h"

/* mov ax, 1234h; out 10h, ax; out 10h, ax; in al, 11h; then the end. */
#define WORK		"\xb8\x34\x12\xe7\x10\xe7\x10\xe4\x11"
/* The same in protected mode, and an invalid opcode without a table that says what to do about it. */
#define TRIPLE_FAULT	"\x66\xb8\x34\x12\x66\xe7\x10\x66\xe7\x10\xe4\x11\x0f\x0b"
#define JUMP_NOWHERE	"\xea\x10\x00\xff\xff"		/* jmp ffff:0010, where RAM has ended */

static struct holdings before;
static struct vmm *vm;
static uint32_t writes;		/* atomic */

static uint64_t port_read(void *state, uint64_t offset, uint32_t width)
{
	return 0x77;
}

static void port_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	__atomic_fetch_add(&writes, 1, __ATOMIC_RELAXED);
}

static const struct vmm_range_ops port_ops = {
	.size = sizeof(struct vmm_range_ops), .name = "ports", .read = port_read, .write = port_write,
};

static void setup(void)
{
	before = holdings_now();
}

static void teardown(void)
{
	vmm_destroy(vm);
	assert_nothing_left(before);
}

static void make(const char *code, size_t len)
{
	struct vmm_range_config range = VMM_RANGE_CONFIG_INIT;

	vm = bare_guest(0, NULL, code, len);
	range.space = VMM_SPACE_PORT;
	range.base = 0x10;
	range.length = 4;
	range.ops = &port_ops;
	ck_assert_int_eq(vmm_add_range(vm, &range), 0);
}

static void reach(uint32_t state)
{
	ck_assert_int_eq(vmm_wait_state(vm, 1u << state, 20000), (int)state);
}

/* The text of @crash. */
static char *text_of(const struct vmm_crash *crash)
{
	static char text[1 << 20];
	FILE *f = tmpfile();
	size_t n;

	ck_assert_ptr_nonnull(f);
	ck_assert_msg(vmm_crash_write(crash, fileno(f)) == 0, "%s", vmm_last_error());
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void expect(const char *text, const char *words)
{
	ck_assert_msg(strstr(text, words) != NULL, "no \"%s\" in:\n%s", words, text);
}

static const struct {
	const char *code;
	size_t len;
	uint32_t reason;
	const char *words;
} ends[] = {
	{ TRIPLE_FAULT, sizeof(TRIPLE_FAULT) - 1, VMM_STOP_RESET, "triple fault" },
	{ WORK CODE_HLT, sizeof(WORK CODE_HLT) - 1, VMM_STOP_CRASHED, "halted for ever" },
	{ WORK JUMP_NOWHERE, sizeof(WORK JUMP_NOWHERE) - 1, VMM_STOP_CRASHED, "KVM" },
};

/* The exits of WORK, wherever they stand: two writes and a read. */
static void check_work(const struct vmm_crash *crash)
{
	struct vmm_exit_record e = VMM_EXIT_RECORD_INIT;
	uint32_t back = 0;

	while (vmm_crash_exit(crash, 0, back, &e) == 1 && e.kvm_reason != KVM_EXIT_IO)
		back++;
	ck_assert_int_eq(vmm_crash_exit(crash, 0, back, &e), 1);
	ck_assert_uint_eq(e.address, 0x11);
	ck_assert_uint_eq(e.write, 0);
	ck_assert_uint_eq(e.width, 1);
	ck_assert_uint_eq(e.value & 0xff, 0x77);
	for (uint32_t i = 1; i <= 2; i++) {
		ck_assert_int_eq(vmm_crash_exit(crash, 0, back + i, &e), 1);
		ck_assert_uint_eq(e.kvm_reason, KVM_EXIT_IO);
		ck_assert_uint_eq(e.address, 0x10);
		ck_assert_uint_eq(e.write, 1);
		ck_assert_uint_eq(e.width, 2);
		ck_assert_uint_eq(e.count, 1);
		ck_assert_uint_eq(e.value, 0x1234);
		ck_assert_uint_gt(e.time_ns, 0);
	}
	ck_assert_int_eq(vmm_crash_exit(crash, 0, back + 3, &e), 0);
}

static void enter_protected(void)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	ck_assert_int_eq(vmm_vcpu_read_regs(vmm_vcpu(vm, 0), &regs), 0);
	regs.x86.cr0 |= 1;
	regs.x86.idt_limit = 0;
	regs.x86.cs.selector = 8;
	regs.x86.cs.limit = ~0u;
	regs.x86.cs.attributes = 0xc9b;		/* 32-bit code, present, granular */
	ck_assert_int_eq(vmm_vcpu_write_regs(vmm_vcpu(vm, 0), &regs), 0);
}

START_TEST(a_stopped_guest_leaves_registers_exits_and_a_reason)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_crash *crash;
	char *text;

	make(ends[_i].code, ends[_i].len);
	if (ends[_i].reason == VMM_STOP_RESET)
		enter_protected();
	ck_assert_int_eq(vmm_crash_record(vm, &crash), -EBUSY);
	ck_assert_int_eq(vmm_start(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_msg(vmm_crash_record(vm, &crash) == 0, "%s", vmm_last_error());

	ck_assert_int_eq(vmm_crash_info(crash, &info), 0);
	ck_assert_uint_eq(info.reason, ends[_i].reason);
	expect(info.words, ends[_i].words);
	ck_assert_uint_eq(vmm_crash_vcpus(crash), 1);
	ck_assert_int_eq(vmm_crash_regs(crash, 0, &regs), 0);
	ck_assert_uint_eq(regs.arch, VMM_ARCH_X86_64);
	ck_assert_int_eq(vmm_crash_regs(crash, 1, &regs), -EINVAL);
	check_work(crash);

	text = text_of(crash);
	expect(text, "guest bare");
	expect(text, ends[_i].words);
	expect(text, "vCPU 0 registers:");
	expect(text, "rip ");
	expect(text, "io write 0x10, 2 bytes, 0x1234");
	expect(text, "io read 0x11, 1 bytes");
	vmm_crash_free(crash);
}
END_TEST

START_TEST(a_record_outlives_its_guest)
{
	struct vmm_crash *crash;

	make(WORK CODE_HLT, sizeof(WORK CODE_HLT) - 1);
	ck_assert_int_eq(vmm_start(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_int_eq(vmm_crash_record(vm, &crash), 0);
	vmm_destroy(vm);
	vm = NULL;
	check_work(crash);
	expect(text_of(crash), "guest bare");
	vmm_crash_free(crash);
}
END_TEST

START_TEST(a_paused_guest_can_be_recorded_and_a_running_one_not)
{
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_exit_record e = VMM_EXIT_RECORD_INIT;
	struct vmm_crash *crash;
	uint32_t n = 0;

	make(CODE_OUT, sizeof(CODE_OUT) - 1);
	ck_assert_int_eq(vmm_start(vm), 0);
	ck_assert_int_eq(vmm_crash_record(vm, &crash), -EBUSY);
	for (int i = 0; i < 20000 && __atomic_load_n(&writes, __ATOMIC_RELAXED) < 100; i++)
		usleep(1000);
	ck_assert_int_eq(vmm_pause(vm), 0);
	reach(VMM_STATE_PAUSED);
	ck_assert_int_eq(vmm_crash_record(vm, &crash), 0);
	ck_assert_int_eq(vmm_crash_info(crash, &info), 0);
	ck_assert_uint_eq(info.reason, VMM_STOP_NONE);
	/* A hundred at least, and a bounded number is kept. */
	while (vmm_crash_exit(crash, 0, n, &e) == 1)
		n++;
	ck_assert_uint_eq(n, 32);
	expect(text_of(crash), "paused");
	vmm_crash_free(crash);
}
END_TEST

START_TEST(bad_calls_are_refused_with_words)
{
	struct vmm_exit_record e = VMM_EXIT_RECORD_INIT;
	struct vmm_stop_info info = VMM_STOP_INFO_INIT;
	struct vmm_crash *crash;
	size_t len;

	make(CODE_HLT, 1);
	ck_assert_int_eq(vmm_start(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_int_eq(vmm_crash_record(NULL, &crash), -EINVAL);
	ck_assert_int_eq(vmm_crash_record(vm, NULL), -EINVAL);
	ck_assert_int_eq(vmm_crash_record(vm, &crash), 0);
	ck_assert_int_eq(vmm_crash_exit(crash, 1, 0, &e), -EINVAL);
	e.size = 0;
	ck_assert_int_eq(vmm_crash_exit(crash, 0, 0, &e), -EINVAL);
	info.size = 0;
	ck_assert_int_eq(vmm_crash_info(crash, &info), -EINVAL);
	ck_assert_ptr_null(vmm_crash_console(crash, 0, NULL, &len));
	ck_assert_int_eq(vmm_crash_write(crash, -1), -EINVAL);
	ck_assert_int_eq(vmm_crash_write(crash, 900), -EBADF);
	vmm_crash_free(crash);
	vmm_crash_free(NULL);
}
END_TEST

/* Neither ends the process: the default action of the signals would. */
START_TEST(a_descriptor_that_fails_is_an_error_and_no_signal)
{
	struct vmm_crash *crash;
	struct rlimit small = { 100, RLIM_INFINITY };
	FILE *f = tmpfile();
	sigset_t pending;
	int r, fds[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	make(CODE_HLT, 1);
	ck_assert_int_eq(vmm_start(vm), 0);
	reach(VMM_STATE_STOPPED);
	ck_assert_int_eq(vmm_crash_record(vm, &crash), 0);
	ck_assert_int_eq(vmm_crash_write(crash, full), -ENOSPC);

	ck_assert_int_eq(pipe(fds), 0);
	close(fds[0]);
	ck_assert_int_eq(vmm_crash_write(crash, fds[1]), -EPIPE);
	/* Nothing is asserted meanwhile: Check writes files as well. */
	(void)setrlimit(RLIMIT_FSIZE, &small);
	r = vmm_crash_write(crash, fileno(f));
	small.rlim_cur = RLIM_INFINITY;
	(void)setrlimit(RLIMIT_FSIZE, &small);
	ck_assert_int_eq(r, -EFBIG);
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGPIPE) && !sigismember(&pending, SIGXFSZ));
	vmm_crash_free(crash);
	close(fds[1]);
	close(full);
	fclose(f);
}
END_TEST

/* mov dx, 3f8h; mov si, 1020h; mov cx, 16; cs: rep outsb; then hlt with interrupts off. */
#define PRINT	"\xba\xf8\x03\xbe\x20\x10\xb9\x10\x00\xfc\xf3\x2e\x6e\xfa\xf4"

START_TEST(what_the_consoles_printed_is_in_the_record)
{
	static const char said[16] = "Oops!\r\n\x1b[31mred\n";
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_ring *ring;
	struct vmm_crash *crash;
	const char *name, *bytes;
	uint64_t position = 0;
	size_t len;
	char got[16];
	char *text;

	config.ram_bytes = 1 << 20;
	config.name = "talker";
	ck_assert_msg(vmm_create(&config, &vm) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(vmm_console_open_ring(4096, &console.backend, &ring), 0);
	console.name = "tty";
	ck_assert_int_eq(vmm_add_serial(vm, &console), 0);
	bare_enter(vm, 0, PRINT, sizeof(PRINT) - 1);
	ck_assert_int_eq(vmm_mem_write(vmm_memory(vm), CODE + 0x20, said, sizeof(said)), 0);
	ck_assert_int_eq(vmm_start(vm), 0);
	for (int i = 0; i < 20000 && position < sizeof(said); i++) {
		(void)vmm_ring_read(ring, &position, got, sizeof(got));
		usleep(1000);
	}
	ck_assert_int_eq(vmm_stop(vm), 0);
	reach(VMM_STATE_STOPPED);

	ck_assert_int_eq(vmm_crash_record(vm, &crash), 0);
	bytes = vmm_crash_console(crash, 0, &name, &len);
	ck_assert_str_eq(name, "tty");
	ck_assert_uint_eq(len, sizeof(said));
	ck_assert_mem_eq(bytes, said, sizeof(said));
	ck_assert_ptr_null(vmm_crash_console(crash, 1, NULL, &len));
	text = text_of(crash);
	expect(text, "console tty, the last 16 of 16 bytes:\nOops!\n\\x1b[31mred\n");
	vmm_crash_free(crash);
	vmm_ring_close(ring);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash");
	TCase *tcase = tcase_create("crash");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_stopped_guest_leaves_registers_exits_and_a_reason, 0,
			    (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(tcase, a_record_outlives_its_guest);
	tcase_add_test(tcase, a_paused_guest_can_be_recorded_and_a_running_one_not);
	tcase_add_test(tcase, bad_calls_are_refused_with_words);
	tcase_add_test(tcase, a_descriptor_that_fails_is_an_error_and_no_signal);
	tcase_add_test(tcase, what_the_consoles_printed_is_in_the_record);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
