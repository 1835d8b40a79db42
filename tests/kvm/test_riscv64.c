/* SPDX-License-Identifier: MIT */
/*
 * test_riscv64.c - what is this processor's own: interrupt controllers, SBI, exits, registers, reset.
 */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvmm/console.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/rng.h>
#include <libvmm/device.h>
#include <libvmm/vcpu.h>
#include "arch/riscv64/layout_priv.h"
#include "arch/riscv64/one_reg_priv.h"
#include "harness.h"

#define RAM		(4u << 20)
#define CODE		(RISCV_RAM_BASE + 0x1000)
#define RANGE		0x09700000ull
#define NOWHERE		0x09800000ull		/* neither RAM nor a device */

enum { A0 = 10, A1, A2, A3, A4, A5, A6, A7 };

#define INSN_LOOP	0x0000006fu		/* j . */
#define INSN_ECALL	0x00000073u

static struct vmm *vm;
static struct vmm_vcpu *vcpu;
static unsigned fds;

static int create(uint32_t cpus, uint32_t flags, uint32_t irqchip)
{
	struct vmm_config config = VMM_CONFIG_INIT;

	config.ram_bytes = RAM;
	config.nr_vcpus = cpus;
	config.flags = flags;
	config.irqchip = irqchip;
	return vmm_create(&config, &vm);
}

static void setup(void)
{
	fds = harness_count_fds();
	vm = NULL;
}

static void teardown(void)
{
	vmm_destroy(vm);
	ck_assert_uint_eq(harness_count_fds(), fds);
}

static void must(int r)
{
	ck_assert_msg(r == 0, "%d: %s", r, vmm_last_error());
}

/* ---- the interrupt controller ---- */

/* Whether this host has it; if not, it says so. */
static bool have(uint32_t irqchip)
{
	int r = create(1, 0, irqchip);

	ck_assert_msg(r == 0 || (r == -ENODEV && strstr(vmm_last_error(), "AIA")), "%d: %s", r,
		      vmm_last_error());
	vmm_destroy(vm);
	vm = NULL;
	ck_assert_uint_eq(harness_count_fds(), fds);
	return r == 0;
}

START_TEST(a_controller_that_there_is_not_is_refused_with_words)
{
	ck_assert(have(VMM_IRQCHIP_DEFAULT));
	ck_assert(have(VMM_IRQCHIP_PLIC));
	(void)have(VMM_IRQCHIP_AIA);
	ck_assert_int_eq(create(1, 0, VMM_IRQCHIP_GIC_V3), -EINVAL);
	ck_assert_int_eq(create(1, 0, 6), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "PLIC"));
}
END_TEST

static void devices(uint32_t irqchip, uint32_t transport)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_rng_config rng = VMM_RNG_CONFIG_INIT;
	struct guest guest;

	config.irqchip = irqchip;
	guest_create(&guest, &config);
	guest.params[PARAM_TRANSPORT] = rng.transport = transport;
	guest.params[PARAM_DEVICES] = WITH_RNG;
	must(vmm_add_rng(guest.vm, &rng, NULL));
	guest_start(&guest, "devices");
	guest_wait_done(&guest);
	guest_destroy(&guest);
}

START_TEST(devices_work_on_a_plic_over_each_transport)
{
	devices(VMM_IRQCHIP_PLIC, VMM_TRANSPORT_PCI);
	devices(VMM_IRQCHIP_PLIC, VMM_TRANSPORT_MMIO);
}
END_TEST

/* The guest sleeps until it is interrupted, each time: an interrupt that is lost is its end. */
static void pins(uint32_t irqchip, uint32_t transport)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_rng_config rng = VMM_RNG_CONFIG_INIT;
	struct guest guest;

	config.irqchip = irqchip;
	guest_create(&guest, &config);
	guest.params[PARAM_TRANSPORT] = rng.transport = transport;
	guest.params[PARAM_IRQCHIP] = irqchip;
	guest.params[PARAM_ROUNDS] = 50;
	must(vmm_add_rng(guest.vm, &rng, NULL));
	guest_start(&guest, "pins");
	guest_wait_step(&guest, STEP_ROUND, 50);
	guest_wait_done(&guest);
	guest_destroy(&guest);
}

START_TEST(each_request_interrupts_once_by_a_wire_of_the_plic)
{
	pins(VMM_IRQCHIP_PLIC, VMM_TRANSPORT_MMIO);
	pins(VMM_IRQCHIP_PLIC, VMM_TRANSPORT_PCI);
}
END_TEST

START_TEST(each_request_interrupts_once_by_a_wire_of_the_aplic)
{
	if (!have(VMM_IRQCHIP_AIA)) {
		printf("skipped: this KVM has no AIA for its guests\n");
		return;
	}
	pins(VMM_IRQCHIP_AIA, VMM_TRANSPORT_MMIO);
	pins(VMM_IRQCHIP_AIA, VMM_TRANSPORT_PCI);
}
END_TEST

/* ---- SBI, and a reset in the middle of a mess ---- */

static void expect_output(struct vmm_ring *ring, const char *words)
{
	char text[256] = "";
	uint64_t position = 0;
	size_t n = 0;

	for (int i = 0; i < 1000 && !strstr(text, words); i++) {
		n += vmm_ring_read(ring, &position, text + n, sizeof(text) - 1 - n);
		usleep(10000);
	}
	ck_assert_msg(strstr(text, words) != NULL, "on the console: \"%s\"", text);
}

static void firmware(uint32_t irqchip)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_console_config console = VMM_CONSOLE_CONFIG_INIT;
	struct vmm_ring *ring;
	struct guest guest;

	config.irqchip = irqchip;
	config.nr_vcpus = 2;
	guest_create(&guest, &config);
	must(vmm_console_open_ring(4096, &console.backend, &ring));
	must(vmm_add_serial(guest.vm, &console));
	guest.params[PARAM_ROUNDS] = 2;
	guest_start(&guest, "sbi");
	for (uint32_t life = 1; life <= 3; life++) {
		guest_wait_step(&guest, STEP_CONSOLE, life);
		expect_output(ring, CONSOLE_OUT);
		ck_assert_uint_eq(vmm_ring_write(ring, CONSOLE_IN, strlen(CONSOLE_IN)), strlen(CONSOLE_IN));
		if (life == 3)
			break;
		guest_wait_step(&guest, STEP_RESET, life);
		if (life == 2)
			guest.params[PARAM_ROUNDS] = 1;
		must(vmm_reset(guest.vm));
	}
	guest_wait_done(&guest);
	guest_destroy(&guest);
	vmm_ring_close(ring);
}

START_TEST(firmware_answers_and_a_reset_leaves_nothing_behind)
{
	firmware(VMM_IRQCHIP_DEFAULT);
}
END_TEST

START_TEST(the_same_on_a_plic)
{
	firmware(VMM_IRQCHIP_PLIC);
}
END_TEST

/* ---- exits of a bare guest, run by hand ---- */

static uint64_t written;

static uint64_t range_read(void *state, uint64_t offset, uint32_t width)
{
	return 0x1122334455667788 + offset;
}

static void range_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	written = value + offset;
}

static const struct vmm_range_ops range_ops = {
	.size = sizeof(struct vmm_range_ops),
	.name = "test",
	.read = range_read,
	.write = range_write,
};

static void by_hand(void)
{
	must(create(1, VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS, 0));
	vcpu = vmm_vcpu(vm, 0);
	must(vmm_vcpu_attach(vcpu));
}

/* @code runs at CODE with a0 to a7 as in @args. */
static void enter(const uint32_t *code, size_t bytes, const uint64_t args[8])
{
	struct vmm_regs regs = VMM_REGS_INIT;

	must(vmm_mem_write(vmm_memory(vm), CODE, code, bytes));
	must(vmm_vcpu_read_regs(vcpu, &regs));
	ck_assert_uint_eq(regs.arch, VMM_ARCH_RISCV64);
	regs.riscv64.pc = CODE;
	memcpy(&regs.riscv64.x[A0], args, 8 * sizeof(args[0]));
	must(vmm_vcpu_write_regs(vcpu, &regs));
}

static void run(struct vmm_exit *exit, uint32_t type)
{
	*exit = (struct vmm_exit)VMM_EXIT_INIT;
	must(vmm_vcpu_run(vcpu, exit));
	ck_assert_msg(exit->type == type, "exit %u (KVM %u), not %u", exit->type, exit->kvm_reason, type);
}

/* Let it go on until it spins, then see. */
static struct vmm_regs regs_after(void)
{
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_exit exit;

	must(vmm_vcpu_kick(vcpu));
	run(&exit, VMM_EXIT_KICKED);
	must(vmm_vcpu_read_regs(vcpu, &regs));
	return regs;
}

START_TEST(addresses_come_to_a_range_or_to_the_caller)
{
	static const uint32_t code[] = {
		0x00a62223,	/* sw a0, 4(a2) */
		0x00063583,	/* ld a1, 0(a2) */
		0x00a68123,	/* sb a0, 2(a3) */
		0x0006d583,	/* lhu a1, 0(a3): KVM, up to 6.12 at least, extends no sign */
		INSN_LOOP,
	};
	const uint64_t args[8] = { 0xaabbccdd, 0, RANGE, NOWHERE };
	struct vmm_range_config range = VMM_RANGE_CONFIG_INIT;
	struct vmm_exit exit;

	by_hand();
	range.base = RANGE;
	range.length = 16;
	range.ops = &range_ops;
	must(vmm_add_range(vm, &range));
	range.space = VMM_SPACE_PORT;
	ck_assert_int_eq(vmm_add_range(vm, &range), -EOPNOTSUPP);
	enter(code, sizeof(code), args);

	run(&exit, VMM_EXIT_MMIO);
	ck_assert_uint_eq(written, 0xaabbccddull + 4);
	ck_assert(exit.write && exit.address == NOWHERE + 2 && exit.width == 1);
	ck_assert_uint_eq(*(uint8_t *)exit.bytes, 0xdd);
	run(&exit, VMM_EXIT_MMIO);
	ck_assert(!exit.write && exit.address == NOWHERE && exit.width == 2);
	memcpy(exit.bytes, "\x34\x92", 2);
	ck_assert_uint_eq(regs_after().riscv64.x[A1], 0x9234);
	must(vmm_vcpu_detach(vcpu));
}
END_TEST

/* KVM fetches nothing from there: the run fails, and the vCPU can be sent elsewhere. */
START_TEST(code_where_no_memory_is_fails_the_run)
{
	static const uint32_t loop[] = { INSN_LOOP };
	static const uint64_t args[8] = { 0 };
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_exit exit = VMM_EXIT_INIT;

	by_hand();
	enter(loop, sizeof(loop), args);
	must(vmm_vcpu_read_regs(vcpu, &regs));
	regs.riscv64.pc = NOWHERE;
	must(vmm_vcpu_write_regs(vcpu, &regs));
	ck_assert_int_lt(vmm_vcpu_run(vcpu, &exit), 0);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "KVM_RUN"));
	enter(loop, sizeof(loop), args);
	ck_assert_uint_eq(regs_after().riscv64.pc, CODE);
	must(vmm_vcpu_detach(vcpu));
}
END_TEST

START_TEST(firmware_calls_power_off_and_reset)
{
	static const uint32_t code[] = { INSN_ECALL, INSN_LOOP };
	static const uint32_t exits[] = { VMM_EXIT_POWEROFF, VMM_EXIT_RESET, VMM_EXIT_RESET };

	for (unsigned type = 0; type < 3; type++) {
		const uint64_t srst[8] = { type, 0, 0, 0, 0, 0, 0, 0x53525354 };
		struct vmm_exit exit;

		by_hand();
		enter(code, sizeof(code), srst);
		run(&exit, exits[type]);
		must(vmm_vcpu_detach(vcpu));
		vmm_destroy(vm);
		vm = NULL;
	}
}
END_TEST

/* Without a machine the caller is the firmware, for the calls that KVM leaves over. */
START_TEST(other_firmware_calls_come_to_the_caller)
{
	static const uint32_t code[] = { INSN_ECALL, INSN_LOOP };
	static const uint64_t experimental[8] = { 'x', 0, 0, 0, 0, 0, 0, 0x08000000 };
	struct vmm_exit exit;
	struct kvm_run *kvm;

	by_hand();
	enter(code, sizeof(code), experimental);
	run(&exit, VMM_EXIT_OTHER);
	ck_assert_uint_eq(exit.kvm_reason, KVM_EXIT_RISCV_SBI);
	kvm = exit.kvm_run;
	ck_assert_uint_eq(kvm->riscv_sbi.args[0], 'x');
	kvm->riscv_sbi.ret[0] = 0x77;
	ck_assert_uint_eq(regs_after().riscv64.x[A0], 0x77);
	must(vmm_vcpu_detach(vcpu));
}
END_TEST

/* ---- registers ---- */

START_TEST(registers_are_read_as_they_were_written)
{
	struct vmm_regs regs = VMM_REGS_INIT, again = VMM_REGS_INIT;
	struct vmm_riscv64_regs *x = &regs.riscv64;

	must(create(1, VMM_F_KVM_ONLY, 0));
	vcpu = vmm_vcpu(vm, 0);
	must(vmm_vcpu_read_regs(vcpu, &regs));
	ck_assert_uint_eq(x->x[0], 0);
	ck_assert_uint_eq(x->mode, 1);
	for (unsigned i = 1; i < 32; i++)
		x->x[i] = 0x1111111111111111ull * (i & 15) + i;
	for (unsigned i = 0; i < 32; i++)
		x->f[i] = 0xf00d000000000000ull + i;
	x->fcsr = 0x21;
	x->pc = 0x123456789abcull;
	x->sie = 0x222;
	x->stvec = 0x80001000;
	x->sscratch = ~0ull;
	x->sepc = 0x80002000;
	x->scause = 13;
	x->stval = 0xdead;
	x->satp = 8ull << 60 | 0x80003;
	x->scounteren = 2;
	must(vmm_vcpu_write_regs(vcpu, &regs));
	must(vmm_vcpu_read_regs(vcpu, &again));
	for (size_t i = 0; i < sizeof(*x) / 8; i++) {
		ck_assert_msg(regs.raw[i] == again.raw[i], "word %zu: 0x%llx, not 0x%llx", i,
			      (unsigned long long)again.raw[i], (unsigned long long)regs.raw[i]);
	}

	x->mode = 2;
	ck_assert_int_eq(vmm_vcpu_write_regs(vcpu, &regs), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "mode"));
	x->mode = 1;
	regs.arch = VMM_ARCH_AARCH64;
	ck_assert_int_eq(vmm_vcpu_write_regs(vcpu, &regs), -EINVAL);
}
END_TEST

/* threats: nested virtualization by accident. */
START_TEST(the_hypervisor_extension_is_not_shown)
{
	uint64_t isa, h = 0;

	must(create(1, VMM_F_NESTED, 0));
	vcpu = vmm_vcpu(vm, 0);
	must(vmm_vcpu_get_reg(vcpu, RISCV_CONFIG(isa), &isa, sizeof(isa)));
	ck_assert_uint_eq(isa & 1u << ('h' - 'a'), 0);
	if (vmm_vcpu_get_reg(vcpu, RISCV_ISA_EXT(KVM_RISCV_ISA_EXT_H), &h, sizeof(h)) == 0)
		ck_assert_uint_eq(h, 0);
}
END_TEST

/* What saves a vCPU reads all of them; what restores it writes those that can be written. */
START_TEST(every_register_that_kvm_lists_can_be_read)
{
	static uint64_t ids[4096];
	static unsigned char value[8192];
	int n;

	must(create(1, 0, 0));
	vcpu = vmm_vcpu(vm, 0);
	n = vmm_vcpu_list_regs(vcpu, ids, 4096);
	ck_assert_int_gt(n, 32 + 11);
	ck_assert_int_lt(n, 4096);
	for (int i = 0; i < n; i++) {
		size_t size = (size_t)1 << ((ids[i] & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);

		must(vmm_vcpu_get_reg(vcpu, ids[i], value, size));
	}
}
END_TEST

int main(void)
{
	Suite *suite;
	TCase *tcase;
	SRunner *runner;
	int failed = harness_skip();

	if (failed)
		return failed;
	suite = suite_create("riscv64");
	tcase = tcase_create("riscv64");
	runner = srunner_create(suite);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, a_controller_that_there_is_not_is_refused_with_words);
	tcase_add_test(tcase, devices_work_on_a_plic_over_each_transport);
	tcase_add_test(tcase, each_request_interrupts_once_by_a_wire_of_the_plic);
	tcase_add_test(tcase, each_request_interrupts_once_by_a_wire_of_the_aplic);
	tcase_add_test(tcase, firmware_answers_and_a_reset_leaves_nothing_behind);
	tcase_add_test(tcase, the_same_on_a_plic);
	tcase_add_test(tcase, addresses_come_to_a_range_or_to_the_caller);
	tcase_add_test(tcase, code_where_no_memory_is_fails_the_run);
	tcase_add_test(tcase, firmware_calls_power_off_and_reset);
	tcase_add_test(tcase, other_firmware_calls_come_to_the_caller);
	tcase_add_test(tcase, registers_are_read_as_they_were_written);
	tcase_add_test(tcase, the_hypervisor_extension_is_not_shown);
	tcase_add_test(tcase, every_register_that_kvm_lists_can_be_read);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
