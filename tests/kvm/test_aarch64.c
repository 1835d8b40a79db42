/* SPDX-License-Identifier: MIT */
/*
 * test_aarch64.c - what is this processor's own: interrupt controllers, PSCI, exits, registers, reset.
 */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <libvmm/boot.h>
#include <libvmm/memory.h>
#include <libvmm/range.h>
#include <libvmm/vcpu.h>
#include "arch/aarch64/layout_priv.h"
#include "harness.h"

#define RAM		(4u << 20)
#define CODE		(A64_RAM_BASE + 0x1000)
#define NOWHERE		0x09800000ull		/* neither RAM nor a device */

static struct vmm *vm;
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

/* The versions that this host has: bits 2 and 3. */
static unsigned versions(void)
{
	unsigned have = 0;

	for (uint32_t v = 2; v <= 3; v++) {
		int r = create(1, 0, v);

		if (r == 0)
			have |= 1u << v;
		else
			ck_assert_msg(r == -ENODEV && strstr(vmm_last_error(), "GICv"), "%d: %s", r,
				      vmm_last_error());
		if (r == 0)
			vmm_destroy(vm);
		vm = NULL;
		ck_assert_uint_eq(harness_count_fds(), fds);
	}
	return have;
}

START_TEST(a_gic_that_the_host_lacks_is_refused_with_words)
{
	unsigned have = versions();

	ck_assert_uint_ne(have, 0);
	must(create(1, 0, VMM_IRQCHIP_DEFAULT));
	vmm_destroy(vm);
	vm = NULL;
	ck_assert_int_eq(create(1, 0, 4), -EINVAL);
	ck_assert_int_eq(create(1, 0, 1), -EINVAL);
	if (have != 0xc)
		ck_assert_int_eq(create(1, 0, have & 4 ? 3 : 2), -ENODEV);
}
END_TEST

START_TEST(the_gics_limit_is_the_guests)
{
	unsigned have = versions();
	int r;

	if (have & 4) {
		r = create(9, 0, VMM_IRQCHIP_GIC_V2);
		ck_assert_msg(r == -EINVAL && strlen(vmm_last_error()) > 10, "%d: %s", r, vmm_last_error());
		must(create(8, 0, VMM_IRQCHIP_GIC_V2));
	} else {
		must(create(33, 0, VMM_IRQCHIP_DEFAULT));
	}
}
END_TEST

/* ---- exits of a bare guest, run by hand ---- */

static struct vmm_vcpu *vcpu;

static uint64_t range_read(void *state, uint64_t offset, uint32_t width)
{
	return 0x1122334455667788 + offset;
}

static uint64_t written;

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

/* @code runs at CODE with x2 at @address. */
static void enter(const uint32_t *code, size_t bytes, uint64_t address)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	must(vmm_mem_write(vmm_memory(vm), CODE, code, bytes));
	must(vmm_vcpu_read_regs(vcpu, &regs));
	ck_assert_uint_eq(regs.arch, VMM_ARCH_AARCH64);
	regs.aarch64.pc = CODE;
	regs.aarch64.x[0] = 0xaabbccdd;
	regs.aarch64.x[2] = address;
	must(vmm_vcpu_write_regs(vcpu, &regs));
}

static void by_hand(void)
{
	must(create(1, VMM_F_KVM_ONLY | VMM_F_CALLER_VCPUS, 0));
	vcpu = vmm_vcpu(vm, 0);
	must(vmm_vcpu_attach(vcpu));
}

static void run(struct vmm_exit *exit, uint32_t type)
{
	*exit = (struct vmm_exit)VMM_EXIT_INIT;
	must(vmm_vcpu_run(vcpu, exit));
	ck_assert_msg(exit->type == type, "exit %u (KVM %u), not %u", exit->type, exit->kvm_reason, type);
}

START_TEST(addresses_come_to_a_range_or_to_the_caller)
{
	static const uint32_t code[] = {
		0xb9000440,	/* str w0, [x2, #4] */
		0xf9400041,	/* ldr x1, [x2] */
		0x39000860,	/* strb w0, [x3, #2] */
		0x79400061,	/* ldrh w1, [x3] */
		0x14000000,	/* b . */
	};
	struct vmm_range_config range = VMM_RANGE_CONFIG_INIT;
	struct vmm_regs regs = VMM_REGS_INIT;
	struct vmm_exit exit;

	by_hand();
	range.base = 0x09700000;
	range.length = 16;
	range.ops = &range_ops;
	must(vmm_add_range(vm, &range));
	range.space = VMM_SPACE_PORT;
	ck_assert_int_eq(vmm_add_range(vm, &range), -EOPNOTSUPP);
	enter(code, sizeof(code), 0x09700000);
	must(vmm_vcpu_read_regs(vcpu, &regs));
	regs.aarch64.x[3] = NOWHERE;
	must(vmm_vcpu_write_regs(vcpu, &regs));

	run(&exit, VMM_EXIT_MMIO);
	ck_assert_uint_eq(written, 0xaabbccddull + 4);
	ck_assert(exit.write && exit.address == NOWHERE + 2 && exit.width == 1);
	ck_assert_uint_eq(*(uint8_t *)exit.bytes, 0xdd);
	run(&exit, VMM_EXIT_MMIO);
	ck_assert(!exit.write && exit.address == NOWHERE && exit.width == 2);
	memcpy(exit.bytes, "\x34\x12", 2);
	must(vmm_vcpu_kick(vcpu));
	run(&exit, VMM_EXIT_KICKED);
	must(vmm_vcpu_read_regs(vcpu, &regs));
	ck_assert_uint_eq(regs.aarch64.x[1], 0x1234);
	must(vmm_vcpu_detach(vcpu));
}
END_TEST

/* What the processor does not describe to KVM: the guest cannot go on, and nothing else happens. */
START_TEST(an_access_that_is_not_described_is_a_crash)
{
	static const uint32_t load_pair[] = { 0xa9400440, 0x14000000 };	/* ldp x0, x1, [x2] */
	struct vmm_exit exit;

	by_hand();
	enter(load_pair, sizeof(load_pair), NOWHERE);
	run(&exit, VMM_EXIT_CRASHED);
	ck_assert_uint_eq(exit.kvm_reason, KVM_EXIT_ARM_NISV);
	ck_assert_uint_eq(exit.nr_data, 2);
	ck_assert_uint_eq(exit.data[0], NOWHERE);
	must(vmm_vcpu_detach(vcpu));
}
END_TEST

START_TEST(firmware_calls_power_off_and_reset)
{
	static const uint32_t functions[] = { 0x84000008, 0x84000009 };
	static const uint32_t exits[] = { VMM_EXIT_POWEROFF, VMM_EXIT_RESET };

	for (int i = 0; i < 2; i++) {
		const uint32_t call[] = {
			0x52800000 | (functions[i] & 0xffff) << 5,	/* mov w0, #low */
			0x72a00000 | (functions[i] >> 16) << 5,		/* movk w0, #high, lsl #16 */
			0xd4000002,					/* hvc #0 */
			0x14000000,
		};
		struct vmm_exit exit;

		by_hand();
		enter(call, sizeof(call), 0);
		run(&exit, exits[i]);
		must(vmm_vcpu_detach(vcpu));
		vmm_destroy(vm);
		vm = NULL;
	}
}
END_TEST

START_TEST(registers_are_read_as_they_were_written)
{
	struct vmm_regs regs = VMM_REGS_INIT, again = VMM_REGS_INIT;

	must(create(1, VMM_F_KVM_ONLY, 0));
	vcpu = vmm_vcpu(vm, 0);
	must(vmm_vcpu_read_regs(vcpu, &regs));
	for (unsigned i = 0; i < 31; i++)
		regs.aarch64.x[i] = 0x1111111111111111ull * (i & 15) + i;
	for (unsigned i = 0; i < 32; i++) {
		regs.aarch64.v[i][0] = 0x100 + i;
		regs.aarch64.v[i][1] = 0xf00d000000000000ull + i;
	}
	regs.aarch64.pc = 0x123456789abcull;
	regs.aarch64.sp_el0 = 0x1000;
	regs.aarch64.sp_el1 = 0x2000;
	regs.aarch64.elr_el1 = 0x3000;
	regs.aarch64.spsr_el1 = 0x3c5;
	regs.aarch64.ttbr0_el1 = 0x4000;
	regs.aarch64.ttbr1_el1 = 0x5000;
	regs.aarch64.vbar_el1 = 0x6800;
	regs.aarch64.tpidr_el0 = 0x7001;
	regs.aarch64.tpidr_el1 = 0x7002;
	regs.aarch64.far_el1 = 0x8000;
	must(vmm_vcpu_write_regs(vcpu, &regs));
	must(vmm_vcpu_read_regs(vcpu, &again));
	ck_assert_mem_eq(&regs.aarch64, &again.aarch64, sizeof(regs.aarch64));

	regs.aarch64.mpidr_el1 ^= 1;
	ck_assert_int_eq(vmm_vcpu_write_regs(vcpu, &regs), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "mpidr"));
	regs.arch = VMM_ARCH_X86_64;
	ck_assert_int_eq(vmm_vcpu_write_regs(vcpu, &regs), -EINVAL);
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
	suite = suite_create("aarch64");
	tcase = tcase_create("aarch64");
	runner = srunner_create(suite);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 20);
	tcase_add_test(tcase, a_gic_that_the_host_lacks_is_refused_with_words);
	tcase_add_test(tcase, the_gics_limit_is_the_guests);
	tcase_add_test(tcase, addresses_come_to_a_range_or_to_the_caller);
	tcase_add_test(tcase, an_access_that_is_not_described_is_a_crash);
	tcase_add_test(tcase, firmware_calls_power_off_and_reset);
	tcase_add_test(tcase, registers_are_read_as_they_were_written);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
