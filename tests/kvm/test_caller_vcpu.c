/* SPDX-License-Identifier: MIT */
/*
 * test_caller_vcpu.c - a hypervisor of one's own: vCPUs that the caller runs.
 *
 * The guests are a few instructions in real mode, at CODE in 64 KiB of RAM.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <libvmm/boot.h>
#include <libvmm/device.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/rng.h>
#include <libvmm/vcpu.h>

#include "harness.h"

enum {
	RAM = 64 << 10,
	CODE = 0x1000,
	HOLE = 0x20000,		/* no RAM: the data segment of the guests */
	PORT_RANGE = 0x80,	/* two ports that a range answers */
	PORT_NONE = 0x90,	/* and one that nothing does */
};

/* Programs, by name: what lies between NAME and NAME_end. */
#define PROGRAM(name, code)						\
	__asm__(".pushsection .rodata\n.code16\n"			\
		#name ":\n" code "\n" #name "_end:\n"			\
		".code64\n.popsection");				\
	extern const char name[], name##_end[]

PROGRAM(program_ports,
	"movb $0x41, %al; outb %al, $0x80\n"	/* the range */
	"inb $0x81, %al\n"
	"outb %al, $0x90\n"			/* nobody */
	"inb $0x90, %al\n"
	"outb %al, $0x80\n"
	"hlt\n");

PROGRAM(program_string,
	"movw $1f - program_string + 0x1000, %si; movw $3, %cx; movw $0x90, %dx\n"
	"cld; xorw %ax, %ax; movw %ax, %ds; rep outsb\n"
	"hlt\n"
	"1: .ascii \"abc\"\n");

PROGRAM(program_mmio,
	"movw $0x1234, 0x10\n"			/* the range */
	"movw 0x12, %ax\n"
	"movw %ax, 0x100\n"			/* nobody */
	"movl 0x100, %ebx\n"
	"hlt\n");

PROGRAM(program_spin, "1: jmp 1b\n");

PROGRAM(program_out_forever, "1: outb %al, $0x80; jmp 1b\n");

static struct vmm *vm;
static struct vmm_vcpu *vcpu;
static unsigned fds;
static uint64_t range_seen[8];
static unsigned range_writes;

static void check(int r, const char *what)
{
	ck_assert_msg(r == 0, "%s: %d, %s", what, r, vmm_last_error());
}

/* ---- ranges: a write is noted, a read says 0x5a and where ---- */

static uint64_t range_read(void *state, uint64_t offset, uint32_t width)
{
	return 0x5a00 + 0x1f + offset;
}

static void range_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	unsigned n = __atomic_fetch_add(&range_writes, 1, __ATOMIC_RELAXED);

	if (n < 8)
		range_seen[n] = offset << 32 | value;
}

static const struct vmm_range_ops range_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "noted",
	.read = range_read,
	.write = range_write,
};

static void add_range(uint32_t space, uint64_t base, uint64_t length)
{
	struct vmm_range_config config = VMM_RANGE_CONFIG_INIT;

	config.space = space;
	config.base = base;
	config.length = length;
	config.ops = &range_ops;
	check(vmm_add_range(vm, &config), "vmm_add_range");
}

static void setup(void)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	fds = harness_count_fds();
	config.ram_bytes = RAM;
	config.flags = VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS;
	check(vmm_create(&config, &vm), "vmm_create");
	vcpu = vmm_vcpu(vm, 0);
	add_range(VMM_SPACE_PORT, PORT_RANGE, 2);
	add_range(VMM_SPACE_MMIO, HOLE, 0x100);
	range_writes = 0;
}

static void teardown(void)
{
	vmm_destroy(vm);
	ck_assert_uint_eq(harness_count_fds(), fds);
}

/* The program at CODE, in real mode, with the hole for its data. */
static void load(const char *program, const char *end)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	check(vmm_mem_write(vmm_memory(vm), CODE, program, (size_t)(end - program)),
	      "vmm_mem_write");
	check(vmm_vcpu_read_regs(vcpu, &regs), "vmm_vcpu_read_regs");
	regs.x86.cs.base = 0;
	regs.x86.cs.selector = 0;
	regs.x86.ds.base = HOLE;
	regs.x86.ds.selector = HOLE >> 4;
	regs.x86.rip = CODE;
	regs.x86.rflags = 2;
	check(vmm_vcpu_write_regs(vcpu, &regs), "vmm_vcpu_write_regs");
}

/* Run until something comes to us; it must be of @type. */
static void run(struct vmm_exit *exit, uint32_t type)
{
	*exit = (struct vmm_exit)VMM_EXIT_INIT;
	check(vmm_vcpu_run(vcpu, exit), "vmm_vcpu_run");
	ck_assert_msg(exit->type == type, "exit of type %u (KVM %u) at 0x%llx, not %u", exit->type,
		      exit->kvm_reason, (unsigned long long)exit->address, type);
	ck_assert_uint_eq(exit->size, sizeof(*exit));
	ck_assert_ptr_nonnull(exit->kvm_run);
}

/* ---- exits ---- */

START_TEST(ports_come_to_a_range_or_to_the_caller)
{
	struct vmm_exit exit;

	load(program_ports, program_ports_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");

	run(&exit, VMM_EXIT_PORT);
	ck_assert_uint_eq(range_writes, 1);
	ck_assert_uint_eq(range_seen[0], 0x41);
	ck_assert_uint_eq(exit.address, PORT_NONE);
	ck_assert_uint_eq(exit.width, 1);
	ck_assert_uint_eq(exit.count, 1);
	ck_assert_uint_eq(exit.write, 1);
	ck_assert_uint_eq(*(uint8_t *)exit.bytes, 0x20);	/* read from the range: 0x1f + 1 */

	run(&exit, VMM_EXIT_PORT);
	ck_assert_uint_eq(exit.write, 0);
	*(uint8_t *)exit.bytes = 0x77;

	run(&exit, VMM_EXIT_HALT);
	ck_assert_uint_eq(range_writes, 2);
	ck_assert_uint_eq(range_seen[1], 0x77);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
}
END_TEST

START_TEST(a_string_of_accesses_comes_whole)
{
	struct vmm_exit exit;
	char text[4] = "";
	unsigned n = 0;

	load(program_string, program_string_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");
	while (n < 3) {
		/* KVM may give them at once or one by one. */
		run(&exit, VMM_EXIT_PORT);
		ck_assert_uint_eq(exit.width, 1);
		ck_assert_uint_le(exit.count, 3 - n);
		memcpy(text + n, exit.bytes, exit.count);
		n += exit.count;
	}
	ck_assert_str_eq(text, "abc");
	run(&exit, VMM_EXIT_HALT);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
}
END_TEST

START_TEST(addresses_come_to_a_range_or_to_the_caller)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_exit exit;

	load(program_mmio, program_mmio_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");

	run(&exit, VMM_EXIT_MMIO);
	ck_assert_uint_eq(range_writes, 1);
	ck_assert_uint_eq(range_seen[0], 0x10ull << 32 | 0x1234);
	ck_assert_uint_eq(exit.address, HOLE + 0x100);
	ck_assert_uint_eq(exit.width, 2);
	ck_assert_uint_eq(exit.write, 1);
	ck_assert_uint_eq(*(uint8_t *)exit.bytes, 0x31);	/* 0x5a1f + 0x12 */
	ck_assert_uint_eq(((uint8_t *)exit.bytes)[1], 0x5a);

	run(&exit, VMM_EXIT_MMIO);
	ck_assert_uint_eq(exit.width, 4);
	ck_assert_uint_eq(exit.write, 0);
	memcpy(exit.bytes, "\x78\x56\x34\x12", 4);

	run(&exit, VMM_EXIT_HALT);
	check(vmm_vcpu_read_regs(vcpu, &regs), "vmm_vcpu_read_regs");
	ck_assert_uint_eq(regs.x86.rbx & UINT32_MAX, 0x12345678);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
}
END_TEST

START_TEST(an_older_caller_gets_a_shorter_exit)
{
	const size_t older = offsetof(struct vmm_exit, nr_data);
	struct vmm_exit exit;

	load(program_ports, program_ports_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");
	memset(&exit, 0xee, sizeof(exit));
	exit.size = older;
	check(vmm_vcpu_run(vcpu, &exit), "vmm_vcpu_run");
	ck_assert_uint_eq(exit.size, older);
	ck_assert_uint_eq(exit.type, VMM_EXIT_PORT);
	ck_assert_uint_eq(exit.address, PORT_NONE);
	ck_assert_uint_eq(exit.nr_data, 0xeeeeeeee);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
}
END_TEST

/* ---- kicks ---- */

static void *kick_later(void *arg)
{
	usleep(20000);
	(void)vmm_vcpu_kick(vcpu);
	return NULL;
}

START_TEST(a_kick_brings_a_run_back)
{
	struct vmm_exit exit;
	pthread_t thread;

	if (_i % 2)
		load(program_spin, program_spin_end);
	else
		load(program_out_forever, program_out_forever_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, kick_later, NULL), 0);
		run(&exit, VMM_EXIT_KICKED);
		pthread_join(thread, NULL);
	}

	/* One that comes before the run is not lost; two are one. */
	check(vmm_vcpu_kick(vcpu), "vmm_vcpu_kick");
	check(vmm_vcpu_kick(vcpu), "vmm_vcpu_kick");
	run(&exit, VMM_EXIT_KICKED);
	ck_assert_int_eq(pthread_create(&thread, NULL, kick_later, NULL), 0);
	run(&exit, VMM_EXIT_KICKED);
	pthread_join(thread, NULL);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
}
END_TEST

START_TEST(a_kick_does_not_spoil_an_access_under_way)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_exit exit;

	load(program_ports, program_ports_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");
	run(&exit, VMM_EXIT_PORT);
	run(&exit, VMM_EXIT_PORT);
	ck_assert_uint_eq(exit.write, 0);
	*(uint8_t *)exit.bytes = 0x66;

	/* The answer is taken although the run is over at once: the registers are whole. */
	check(vmm_vcpu_kick(vcpu), "vmm_vcpu_kick");
	run(&exit, VMM_EXIT_KICKED);
	check(vmm_vcpu_read_regs(vcpu, &regs), "vmm_vcpu_read_regs");
	ck_assert_uint_eq(regs.x86.rax & 0xff, 0x66);
	run(&exit, VMM_EXIT_HALT);
	ck_assert_uint_eq(range_seen[1], 0x66);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
}
END_TEST

/* ---- registers, threads and signals ---- */

static int seen_by_other;

static void *read_from_outside(void *arg)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_exit exit = VMM_EXIT_INIT;

	while (__atomic_load_n(&range_writes, __ATOMIC_RELAXED) < 10)
		usleep(1000);
	seen_by_other = vmm_vcpu_read_regs(vcpu, &regs) == -EBUSY &&
			vmm_vcpu_write_regs(vcpu, &regs) < 0 &&
			vmm_vcpu_attach(vcpu) == -EBUSY &&
			vmm_vcpu_run(vcpu, &exit) == -EBUSY &&
			vmm_vcpu_detach(vcpu) == -EINVAL;
	(void)vmm_vcpu_kick(vcpu);
	return NULL;
}

START_TEST(a_vcpu_that_runs_is_nobody_elses)
{
	struct vmm_exit exit;
	pthread_t thread;

	load(program_out_forever, program_out_forever_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");
	ck_assert_int_eq(vmm_vcpu_attach(vcpu), -EBUSY);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_from_outside, NULL), 0);
	run(&exit, VMM_EXIT_KICKED);
	pthread_join(thread, NULL);
	ck_assert_int_eq(seen_by_other, 1);
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");
	ck_assert_int_eq(vmm_vcpu_detach(vcpu), -EINVAL);
	exit = (struct vmm_exit)VMM_EXIT_INIT;
	ck_assert_int_eq(vmm_vcpu_run(vcpu, &exit), -EBUSY);
}
END_TEST

START_TEST(registers_are_read_as_they_were_written)
{
	struct vmm_regs regs = VMM_REGS_INIT, again = VMM_REGS_INIT;

	load(program_spin, program_spin_end);
	check(vmm_vcpu_read_regs(vcpu, &regs), "vmm_vcpu_read_regs");
	ck_assert_uint_eq(regs.arch, VMM_ARCH_X86_64);
	ck_assert_uint_eq(regs.x86.rip, CODE);
	regs.x86.rax = 0x1122334455667788;
	regs.x86.r15 = 0x8877665544332211;
	regs.x86.es.base = 0x3000;
	regs.x86.es.selector = 0x300;
	check(vmm_vcpu_write_regs(vcpu, &regs), "vmm_vcpu_write_regs");
	check(vmm_vcpu_read_regs(vcpu, &again), "vmm_vcpu_read_regs");
	ck_assert_mem_eq(&regs.x86, &again.x86, sizeof(regs.x86));

	regs.arch = VMM_ARCH_NONE;
	ck_assert_int_eq(vmm_vcpu_write_regs(vcpu, &regs), -EINVAL);
}
END_TEST

START_TEST(the_threads_signals_are_as_before)
{
	sigset_t before, during, after, kick;
	struct sigaction action;
	struct vmm_exit exit;

	sigemptyset(&kick);
	sigaddset(&kick, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &kick, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &before);

	load(program_spin, program_spin_end);
	check(vmm_vcpu_attach(vcpu), "vmm_vcpu_attach");
	pthread_sigmask(SIG_BLOCK, NULL, &during);
	ck_assert(sigismember(&during, SIGRTMIN));
	ck_assert(!sigismember(&during, SIGTERM));
	check(vmm_vcpu_kick(vcpu), "vmm_vcpu_kick");
	run(&exit, VMM_EXIT_KICKED);
	/* One more that no run takes: it must not hit the process afterwards. */
	check(vmm_vcpu_kick(vcpu), "vmm_vcpu_kick");
	check(vmm_vcpu_detach(vcpu), "vmm_vcpu_detach");

	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (int i = 1; i <= SIGRTMAX; i++)
		ck_assert_msg(sigismember(&before, i) == sigismember(&after, i), "signal %d", i);
	sigaction(SIGRTMIN, NULL, &action);
	ck_assert_ptr_eq((void *)action.sa_handler, (void *)SIG_DFL);
}
END_TEST

/* ---- a whole machine, run by the caller ---- */

static struct guest guest;
static struct vmm_vcpu *guest_vcpu;

static void *kick_when_done(void *arg)
{
	(void)guest_wait_any_end(&guest);
	(void)vmm_vcpu_kick(guest_vcpu);
	return NULL;
}

START_TEST(a_machine_with_devices_runs_in_the_callers_thread)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_exit exit = VMM_EXIT_INIT;
	pthread_t thread;

	config.flags = VMM_F_CALLER_VCPUS;
	guest_create(&guest, &config);
	check(vmm_add_rng(guest.vm, NULL, NULL), "vmm_add_rng");
	guest.params[PARAM_TRANSPORT] = VMM_TRANSPORT_PCI;
	guest.params[PARAM_DEVICES] = WITH_RNG;
	guest_vcpu = vmm_vcpu(guest.vm, 0);
	check(vmm_vcpu_attach(guest_vcpu), "vmm_vcpu_attach");
	guest_start(&guest, "devices");

	ck_assert_int_eq(pthread_create(&thread, NULL, kick_when_done, NULL), 0);
	do {
		check(vmm_vcpu_run(guest_vcpu, &exit), "vmm_vcpu_run");
		if (exit.type == VMM_EXIT_MMIO && !exit.write)
			memset(exit.bytes, 0xff, exit.width);
	} while (exit.type == VMM_EXIT_MMIO);
	ck_assert_uint_eq(exit.type, VMM_EXIT_KICKED);
	pthread_join(thread, NULL);
	guest_wait_done(&guest);
	check(vmm_vcpu_detach(guest_vcpu), "vmm_vcpu_detach");
	guest_destroy(&guest);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("caller_vcpu");
	TCase *bare = tcase_create("bare"), *machine = tcase_create("machine");
	SRunner *runner = srunner_create(suite);
	int failed = harness_skip();

	if (failed)
		return failed;

	tcase_set_timeout(bare, 20);
	tcase_add_checked_fixture(bare, setup, teardown);
	tcase_add_test(bare, ports_come_to_a_range_or_to_the_caller);
	tcase_add_test(bare, a_string_of_accesses_comes_whole);
	tcase_add_test(bare, addresses_come_to_a_range_or_to_the_caller);
	tcase_add_test(bare, an_older_caller_gets_a_shorter_exit);
	tcase_add_loop_test(bare, a_kick_brings_a_run_back, 0, 2);
	tcase_add_test(bare, a_kick_does_not_spoil_an_access_under_way);
	tcase_add_test(bare, a_vcpu_that_runs_is_nobody_elses);
	tcase_add_test(bare, registers_are_read_as_they_were_written);
	tcase_add_test(bare, the_threads_signals_are_as_before);
	suite_add_tcase(suite, bare);

	tcase_set_timeout(machine, 40);
	tcase_add_test(machine, a_machine_with_devices_runs_in_the_callers_thread);
	suite_add_tcase(suite, machine);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
