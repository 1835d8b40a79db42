/* SPDX-License-Identifier: MIT */
/*
 * test_reset.c - a reset leaves a used vCPU, and a used VM, as new ones are.
 *
 * KVM's own idea of a new vCPU is what the constants of the library are held against.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libvmm/regs.h>
#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"

#define SKIP	77

/* What KVM can tell of a vCPU, but for its MSRs. */
struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;
	struct kvm_lapic_state apic;
	struct kvm_fpu fpu;
};

static int kvm_fd, vm_fd, vcpu_fd;
static struct arch_vm *vm;
static struct arch_cpu cpu;

static void vcpu_new(uint32_t id)
{
	cpu.id = id;
	vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, vmm__arch_vcpu_id(&cpu));
	ck_assert_int_ge(vcpu_fd, 0);
	ck_assert_int_eq(vmm__arch_vcpu_init(kvm_fd, vcpu_fd, &cpu), 0);
}

static void setup(void)
{
	kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(kvm_fd, 0);
	ck_assert_int_eq(vmm__arch_check(kvm_fd), 0);
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	ck_assert_int_ge(vm_fd, 0);
	ck_assert_int_eq(vmm__arch_vm_create(&(struct arch_vm_config){
		.kvm_fd = kvm_fd, .vm_fd = vm_fd, .nr_vcpus = 2, .irqchip = true,
		.layout = vmm__arch_layout(kvm_fd),
	}, &vm), 0);
	cpu = (struct arch_cpu){ .vm = vm, .nr = 2, .irqchip = true };
}

static void get(unsigned long request, void *what)
{
	ck_assert_msg(ioctl(vcpu_fd, request, what) >= 0, "%lx: %s", request, strerror(errno));
}

static void state_get(struct state *s)
{
	memset(s, 0, sizeof(*s));
	get(KVM_GET_REGS, &s->regs);
	get(KVM_GET_SREGS, &s->sregs);
	if (ioctl(vcpu_fd, KVM_GET_XCRS, &s->xcrs) < 0)
		s->xcrs.nr_xcrs = 0;
	get(KVM_GET_DEBUGREGS, &s->debug);
	get(KVM_GET_VCPU_EVENTS, &s->events);
	get(KVM_GET_MP_STATE, &s->mp);
	get(KVM_GET_LAPIC, &s->apic);
	get(KVM_GET_FPU, &s->fpu);
}

static void ck_same(const struct state *a, const struct state *b)
{
	ck_assert_mem_eq(&a->regs, &b->regs, sizeof(a->regs));
	ck_assert_mem_eq(&a->sregs, &b->sregs, sizeof(a->sregs));
	ck_assert_mem_eq(&a->xcrs, &b->xcrs, sizeof(a->xcrs));
	ck_assert_mem_eq(&a->debug, &b->debug, sizeof(a->debug));
	ck_assert_mem_eq(&a->events, &b->events, sizeof(a->events));
	ck_assert_mem_eq(&a->mp, &b->mp, sizeof(a->mp));
	ck_assert_mem_eq(&a->apic, &b->apic, sizeof(a->apic));
	ck_assert_mem_eq(&a->fpu, &b->fpu, sizeof(a->fpu));
}

/*
 * Which processor it is (ours is older than any); on AMD, CS and SS were not accessed yet
 * and TR is a 16-bit one.
 */
static void forget_details(struct state *s)
{
	s->regs.rdx = 0;
	s->sregs.cs.type |= 1;
	s->sregs.ss.type |= 1;
	s->sregs.tr.type |= 8;
}

START_TEST(a_reset_vcpu_is_what_kvm_makes_new)
{
	struct state fresh, reset;

	vcpu_new((uint32_t)_i);
	state_get(&fresh);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, NULL), 0);
	state_get(&reset);
	forget_details(&fresh);
	forget_details(&reset);
	ck_same(&fresh, &reset);
}
END_TEST

/* ---- after use ---- */

static bool msr_get(uint32_t index, uint64_t *ret_value)
{
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));
	bool there;

	one->nmsrs = 1;
	one->entries[0].index = index;
	there = ioctl(vcpu_fd, KVM_GET_MSRS, one) == 1;
	*ret_value = one->entries[0].data;
	free(one);

	return there;
}

static bool msr_set(uint32_t index, uint64_t value)
{
	struct kvm_msrs *one = calloc(1, sizeof(*one) + sizeof(one->entries[0]));
	bool done;

	one->nmsrs = 1;
	one->entries[0].index = index;
	one->entries[0].data = value;
	done = ioctl(vcpu_fd, KVM_SET_MSRS, one) == 1;
	free(one);

	return done;
}

static const struct { uint32_t index; uint64_t used; } msrs[] = {
	{ 0x174, 0x10 }, { 0x175, 0x1234 }, { 0x176, 0x5678 },
	{ 0xc0000081, 0x0023001000000000 }, { 0xc0000082, 0xffffffff81000000 },
	{ 0xc0000083, 0x1000 }, { 0xc0000084, 0x47700 }, { 0xc0000102, 0x7000 },
	{ 0x277, 0x0407050600070106 }, { 0x200, 0xc0000006 }, { 0x201, 0x3fc0000800 },
	{ 0x250, 0x0606060606060606 }, { 0x2ff, 0xc00 }, { 0x3b, 0x1000 },
	{ MSR_KVM_SYSTEM_TIME_NEW, 0x5001 }, { MSR_KVM_STEAL_TIME, 0x6001 },
	{ MSR_KVM_PV_EOI_EN, 0x7001 }, { MSR_KVM_POLL_CONTROL, 0 },
};

#define NR_MSRS	(sizeof(msrs) / sizeof(msrs[0]))

/* Whatever a guest could have left behind. */
static void use(void)
{
	struct state s;

	state_get(&s);
	memset(&s.regs, 0x11, sizeof(s.regs));
	s.regs.rflags = 0x246;
	s.sregs.cr0 = 0x80050033;
	s.sregs.cr2 = 0xdead;
	s.sregs.cr3 = 0x10000;
	s.sregs.cr4 = 0x6a0;
	s.sregs.efer = 0xd01;
	s.sregs.cr8 = 3;
	s.sregs.gdt.base = 0x1000;
	s.sregs.idt.base = 0x2000;
	s.sregs.cs = (struct kvm_segment){
		.limit = UINT32_MAX, .selector = 0x10, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	s.debug.db[0] = 0x1234;
	s.debug.dr7 = 0x402;
	s.mp.mp_state = KVM_MP_STATE_HALTED;
	s.events.nmi.pending = 1;
	s.events.nmi.masked = 1;
	s.apic.regs[0xf0] = 0xff;
	s.apic.regs[0xf1] = 1;			/* enabled */
	s.apic.regs[0x320] = 0xec;
	s.apic.regs[0x322] = 2;			/* periodic timer */
	s.apic.regs[0x380] = 0xff;
	s.apic.regs[0x80] = 0x20;		/* task priority */
	s.apic.regs[0x104] = 0x10;		/* in service */
	s.apic.regs[0x204] = 0x20;		/* requested */
	s.fpu.fcw = 0x27f;
	s.fpu.mxcsr = 0x1fa0;
	memset(s.fpu.xmm, 0x55, sizeof(s.fpu.xmm));
	memset(s.fpu.fpr, 0x66, sizeof(s.fpu.fpr));
	get(KVM_SET_REGS, &s.regs);
	get(KVM_SET_SREGS, &s.sregs);
	get(KVM_SET_FPU, &s.fpu);
	if (s.xcrs.nr_xcrs) {
		s.xcrs.xcrs[0].value = 3;
		get(KVM_SET_XCRS, &s.xcrs);
	}
	get(KVM_SET_DEBUGREGS, &s.debug);
	get(KVM_SET_LAPIC, &s.apic);
	get(KVM_SET_VCPU_EVENTS, &s.events);
	get(KVM_SET_MP_STATE, &s.mp);
}

START_TEST(a_used_vcpu_is_as_new_after_a_reset)
{
	struct state before, used, after;
	uint64_t msr_before[NR_MSRS], value;
	bool there[NR_MSRS];

	vcpu_new((uint32_t)_i);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, NULL), 0);
	state_get(&before);
	for (size_t i = 0; i < NR_MSRS; i++)
		there[i] = msr_get(msrs[i].index, &msr_before[i]);

	use();
	for (size_t i = 0; i < NR_MSRS; i++)
		there[i] = there[i] && msr_set(msrs[i].index, msrs[i].used);
	state_get(&used);
	ck_assert_mem_ne(&used.sregs, &before.sregs, sizeof(used.sregs));
	ck_assert_mem_ne(&used.fpu, &before.fpu, sizeof(used.fpu));

	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, NULL), 0);
	state_get(&after);
	ck_same(&before, &after);
	for (size_t i = 0; i < NR_MSRS; i++) {
		if (there[i] && msr_get(msrs[i].index, &value))
			ck_assert_msg(value == msr_before[i], "MSR %x: %lx, was %lx", msrs[i].index,
				      value, msr_before[i]);
	}
}
END_TEST

START_TEST(memory_types_and_fast_strings_are_as_firmware_leaves_them)
{
	uint64_t value;

	vcpu_new(0);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, NULL), 0);
	ck_assert(msr_get(0x2ff, &value));
	ck_assert_uint_eq(value, 0x806);
	ck_assert(msr_get(0x277, &value));
	ck_assert_uint_eq(value, 0x0007040600070406);
	if (msr_get(0x1a0, &value))
		ck_assert_uint_eq(value & 1, 1);
}
END_TEST

/* ---- entries ---- */

START_TEST(only_the_boot_processor_enters_the_kernel)
{
	const struct boot_entry entry = {
		.kind = X86_BOOT_LINUX64, .entry = 0x1000200, .argument = X86_BOOT_PARAMS,
	};
	struct state s;

	vcpu_new(1);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, &entry), 0);
	state_get(&s);
	ck_assert_uint_eq(s.regs.rip, 0xfff0);
	ck_assert_uint_eq(s.mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	ck_assert_uint_eq(s.sregs.apic_base & 0x100, 0);

	vcpu_new(0);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, &entry), 0);
	state_get(&s);
	ck_assert_uint_eq(s.regs.rip, 0x1000200);
	ck_assert_uint_eq(s.regs.rsi, X86_BOOT_PARAMS);
	ck_assert_uint_eq(s.sregs.cr3, X86_PAGE_TABLES);
	ck_assert_uint_eq(s.sregs.efer, 0x500);
	ck_assert_uint_eq(s.sregs.cs.l, 1);
	ck_assert_uint_eq(s.sregs.cs.selector, 0x10);
	ck_assert_uint_eq(s.mp.mp_state, KVM_MP_STATE_RUNNABLE);
}
END_TEST

START_TEST(pvh_is_entered_in_protected_mode)
{
	const struct boot_entry entry = {
		.kind = X86_BOOT_PVH, .entry = 0x1000850, .argument = X86_START_INFO,
	};
	struct state s;

	vcpu_new(0);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, &entry), 0);
	state_get(&s);
	ck_assert_uint_eq(s.regs.rip, 0x1000850);
	ck_assert_uint_eq(s.regs.rbx, X86_START_INFO);
	ck_assert_uint_eq(s.regs.rflags, 2);
	ck_assert_uint_eq(s.sregs.cr0, 0x11);
	ck_assert_uint_eq(s.sregs.cr4, 0);
	ck_assert_uint_eq(s.sregs.cs.base, 0);
	ck_assert_uint_eq(s.sregs.cs.limit, UINT32_MAX);
	ck_assert_uint_eq(s.sregs.cs.db, 1);
	ck_assert_uint_eq(s.sregs.ss.limit, UINT32_MAX);
	ck_assert_uint_eq(s.sregs.tr.limit, 0x67);
}
END_TEST

/* ---- the VM ---- */

static void chip_get(uint32_t id, struct kvm_irqchip *chip)
{
	memset(chip, 0, sizeof(*chip));
	chip->chip_id = id;
	ck_assert_int_eq(ioctl(vm_fd, KVM_GET_IRQCHIP, chip), 0);
}

START_TEST(interrupt_controllers_and_timer_are_as_new_after_a_reset)
{
	struct kvm_irqchip chips[3], now;
	struct kvm_pit_state2 pit, pit_now;

	vcpu_new(0);
	ck_assert_int_eq(ioctl(vm_fd, KVM_GET_PIT2, &pit), 0);
	for (uint32_t i = 0; i < 3; i++) {
		chip_get(i, &chips[i]);
		now = chips[i];
		if (i == KVM_IRQCHIP_IOAPIC) {
			now.chip.ioapic.redirtbl[4].bits = 0x0100000000000034;
			now.chip.ioapic.id = 3;
		} else {
			now.chip.pic.irq_base = 0x20;
			now.chip.pic.imr = 0xfb;
			now.chip.pic.isr = 1;
		}
		ck_assert_int_eq(ioctl(vm_fd, KVM_SET_IRQCHIP, &now), 0);
	}
	pit_now = pit;
	pit_now.channels[1].mode = 2;		/* those that raise no interrupt */
	pit_now.channels[1].count = 1000;
	pit_now.channels[2].mode = 3;
	pit_now.channels[2].gate = 1;
	ck_assert_int_eq(ioctl(vm_fd, KVM_SET_PIT2, &pit_now), 0);

	ck_assert_int_eq(vmm__arch_vm_reset(vm), 0);
	for (uint32_t i = 0; i < 3; i++) {
		chip_get(i, &now);
		ck_assert_mem_eq(&now, &chips[i], sizeof(now));
	}
	ck_assert_int_eq(ioctl(vm_fd, KVM_GET_PIT2, &pit_now), 0);
	for (int i = 0; i < 3; i++) {
		pit.channels[i].count_load_time = pit_now.channels[i].count_load_time = 0;
		ck_assert_mem_eq(&pit_now.channels[i], &pit.channels[i], sizeof(pit.channels[i]));
	}
	ck_assert_uint_eq(pit_now.flags, pit.flags);
}
END_TEST

/* What a system without 8259s leaves there, else the next one finds: an interrupt on vector 7, which is #NM. */
START_TEST(an_interrupt_that_the_slave_8259_holds_is_gone_after_a_reset)
{
	struct kvm_irq_level level = { .irq = 9, .level = 1 };
	struct kvm_irqchip chip;

	vcpu_new(0);
	ck_assert_int_eq(ioctl(vm_fd, KVM_IRQ_LINE, &level), 0);
	level.level = 0;
	ck_assert_int_eq(ioctl(vm_fd, KVM_IRQ_LINE, &level), 0);
	chip_get(KVM_IRQCHIP_PIC_SLAVE, &chip);
	ck_assert_uint_eq(chip.chip.pic.irr, 1u << 1);

	ck_assert_int_eq(vmm__arch_vm_reset(vm), 0);
	chip_get(KVM_IRQCHIP_PIC_SLAVE, &chip);
	ck_assert_uint_eq(chip.chip.pic.irr, 0);
	chip_get(KVM_IRQCHIP_PIC_MASTER, &chip);
	ck_assert_uint_eq(chip.chip.pic.irr, 0);
}
END_TEST

START_TEST(kvms_clock_starts_again)
{
	struct kvm_clock_data clock = { .clock = 1000000000000ull };

	vcpu_new(0);
	ck_assert_int_eq(ioctl(vm_fd, KVM_SET_CLOCK, &clock), 0);
	ck_assert_int_eq(vmm__arch_vm_reset(vm), 0);
	ck_assert_int_eq(ioctl(vm_fd, KVM_GET_CLOCK, &clock), 0);
	ck_assert_uint_lt(clock.clock, 100000000000ull);
}
END_TEST

/* KVM's routes, set again as they are, still lead where they led. */
START_TEST(pin_routes_are_those_that_kvm_makes)
{
	struct kvm_irq_routing *routing;
	struct kvm_irq_level level = { .irq = 4, .level = 1 };
	struct kvm_irqchip pic, ioapic;

	routing = calloc(1, sizeof(*routing) + 64 * sizeof(routing->entries[0]));
	ck_assert_ptr_nonnull(routing);
	vcpu_new(0);
	for (int round = 0; round < 2; round++) {
		level.level = 1;
		ck_assert_int_eq(ioctl(vm_fd, KVM_IRQ_LINE, &level), 0);
		chip_get(KVM_IRQCHIP_PIC_MASTER, &pic);
		chip_get(KVM_IRQCHIP_IOAPIC, &ioapic);
		ck_assert_uint_eq(pic.chip.pic.irr, 1u << 4);
		ck_assert_uint_eq(ioapic.chip.ioapic.irr & 1u << 4, 1u << 4);
		level.level = 0;
		ck_assert_int_eq(ioctl(vm_fd, KVM_IRQ_LINE, &level), 0);
		ck_assert_int_eq(vmm__arch_vm_reset(vm), 0);

		routing->nr = vmm__arch_pin_routes(routing->entries, 64);
		ck_assert_int_eq(ioctl(vm_fd, KVM_SET_GSI_ROUTING, routing), 0);
	}
	free(routing);
}
END_TEST

/* ---- registers ---- */

START_TEST(registers_come_back_as_they_were_written)
{
	const struct boot_entry entry = {
		.kind = X86_BOOT_LINUX64, .entry = 0x1000200, .argument = X86_BOOT_PARAMS,
	};
	struct vmm_regs regs = VMM_REGS_INIT, again = VMM_REGS_INIT;

	vcpu_new(0);
	ck_assert_int_eq(vmm__arch_vcpu_reset(vcpu_fd, &cpu, &entry), 0);
	ck_assert_int_eq(vmm__arch_read_regs(vcpu_fd, &regs), 0);
	ck_assert_uint_eq(regs.arch, VMM_ARCH_X86_64);
	ck_assert_uint_eq(regs.x86.rip, 0x1000200);
	ck_assert_uint_eq(regs.x86.cs.attributes, 0xa9b);	/* G, L, P, S, execute-read */
	ck_assert_uint_eq(regs.x86.ss.attributes, 0xc93);

	for (unsigned i = 0; i < 16; i++)
		(&regs.x86.rax)[i] = 0x1111111111111111ull * i;
	regs.x86.rip = 0x7654321;
	regs.x86.rflags = 0x202;
	regs.x86.cr2 = 0x5000;
	regs.x86.cr3 = 0x9000;
	regs.x86.cr8 = 5;
	regs.x86.fs.base = 0x123456789a;
	regs.x86.gs.base = 0x23456789ab;
	regs.x86.gdt_base = 0x500;
	regs.x86.gdt_limit = 0x2f;
	regs.x86.idt_base = 0x3000;
	regs.x86.idt_limit = 0xfff;
	ck_assert_int_eq(vmm__arch_write_regs(vcpu_fd, &regs), 0);
	ck_assert_int_eq(vmm__arch_read_regs(vcpu_fd, &again), 0);
	ck_assert_mem_eq(&again.x86, &regs.x86, sizeof(regs.x86));
}
END_TEST

START_TEST(registers_that_cannot_be_are_refused)
{
	struct vmm_regs regs = VMM_REGS_INIT;

	vcpu_new(0);
	ck_assert_int_eq(vmm__arch_read_regs(vcpu_fd, &regs), 0);
	regs.arch = VMM_ARCH_NONE;
	ck_assert_int_eq(vmm__arch_write_regs(vcpu_fd, &regs), -EINVAL);
	regs.arch = VMM_ARCH_X86_64;
	regs.x86.gdt_limit = 0x10000;
	ck_assert_int_eq(vmm__arch_write_regs(vcpu_fd, &regs), -EINVAL);
	regs.x86.gdt_limit = 0;
	regs.x86.cr4 = UINT64_MAX;
	ck_assert_int_lt(vmm__arch_write_regs(vcpu_fd, &regs), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reset");
	TCase *tcase = tcase_create("reset");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		fputs("skipped: no /dev/kvm\n", stderr);
		srunner_free(runner);
		return SKIP;
	}

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, a_reset_vcpu_is_what_kvm_makes_new, 0, 2);
	tcase_add_loop_test(tcase, a_used_vcpu_is_as_new_after_a_reset, 0, 2);
	tcase_add_test(tcase, memory_types_and_fast_strings_are_as_firmware_leaves_them);
	tcase_add_test(tcase, only_the_boot_processor_enters_the_kernel);
	tcase_add_test(tcase, pvh_is_entered_in_protected_mode);
	tcase_add_test(tcase, interrupt_controllers_and_timer_are_as_new_after_a_reset);
	tcase_add_test(tcase, an_interrupt_that_the_slave_8259_holds_is_gone_after_a_reset);
	tcase_add_test(tcase, kvms_clock_starts_again);
	tcase_add_test(tcase, pin_routes_are_those_that_kvm_makes);
	tcase_add_test(tcase, registers_come_back_as_they_were_written);
	tcase_add_test(tcase, registers_that_cannot_be_are_refused);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
