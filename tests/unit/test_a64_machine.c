/* SPDX-License-Identifier: MIT */
/* test_a64_machine.c - an aarch64 machine's addresses, interrupts, messages, and the devices it has in itself. */
#include <check.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/loop.h>
#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "bus/bus_priv.h"
#include "core/irq_priv.h"
#include "core/memory_priv.h"

#define GIB	(1ull << 30)

static struct bus mmio;
static struct vmm_loop *loop;
static struct arch_vm vm;
static struct arch_machine *machine;
static int requests, pulses;
static enum arch_request last_request;
static bool lines[64];

int vmm__irq_set_line(struct irqs *irqs, uint32_t gsi, bool level)
{
	ck_assert_uint_lt(gsi, 64);
	pulses += gsi == A64_GSI_BUTTON && lines[gsi] && !level;
	lines[gsi] = level;
	return 0;
}

static void note_request(void *data, enum arch_request request)
{
	requests++;
	last_request = request;
}

static struct arch_machine_host host = { .vm = &vm, .mmio = &mmio, .request = note_request };

static void setup(void)
{
	ck_assert_int_eq(vmm__bus_init(&mmio, "MMIO", 0), 0);
	ck_assert_int_eq(vmm_loop_create(NULL, &loop), 0);
	host.loop = loop;
	vm = (struct arch_vm){ .gic = 2, .gic_fd = -1, .its_fd = -1 };
	ck_assert_int_eq(vmm__arch_machine_create(&host, &machine), 0);
}

static void teardown(void)
{
	vmm__arch_machine_destroy(machine);
	ck_assert_uint_eq(mmio.nr, 0);
	vmm__bus_finish(&mmio);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
}

/* ---- addresses ---- */

START_TEST(nothing_lies_over_anything_else)
{
	const struct arch_layout *l = vmm__arch_layout(-1);
	const struct { uint64_t base, size; } areas[] = {
		{ A64_GICD_BASE, A64_GICD_SIZE }, { A64_GICC_BASE, 0x10000 }, { A64_V2M_BASE, A64_V2M_SIZE },
		{ A64_ITS_BASE, A64_ITS_SIZE }, { A64_UART_BASE, 0x1000 }, { A64_RTC_BASE, 0x1000 },
		{ A64_PVPANIC_BASE, 1 }, { l->mmio_base, (uint64_t)l->mmio_stride * l->mmio_max },
		{ A64_GICR_BASE, A64_GICR_STRIDE * 255 }, { l->pci_base, l->pci_size },
		{ l->ecam_base, 1 << 20 }, { A64_RAM_BASE, l->ram_max - A64_RAM_BASE },
		{ l->pci64_base, l->pci64_size },
	};

	for (size_t i = 1; i < sizeof(areas) / sizeof(areas[0]); i++)
		ck_assert_uint_le(areas[i - 1].base + areas[i - 1].size, areas[i].base);
	ck_assert_uint_le(l->pci64_base + l->pci64_size, 1ull << 36);
	/* What KVM maps is aligned for pages of 64 KiB. */
	ck_assert_uint_eq((A64_GICD_BASE | A64_GICC_BASE | A64_ITS_BASE | A64_GICR_BASE) % 65536, 0);
}
END_TEST

START_TEST(ram_ends_where_the_layout_says)
{
	const struct arch_layout *l = vmm__arch_layout(-1);
	struct mem_region r[1];

	ck_assert_int_eq(vmm__arch_ram_layout(l, 0, r, 1), -EINVAL);
	ck_assert_int_eq(vmm__arch_ram_layout(l, 4096, r, 0), -EINVAL);
	ck_assert_int_eq(vmm__arch_ram_layout(l, l->ram_max - A64_RAM_BASE, r, 1), 1);
	ck_assert_uint_eq(r[0].gpa, A64_RAM_BASE);
	ck_assert_uint_eq(r[0].gpa + r[0].size, l->ram_max);
	ck_assert_int_eq(vmm__arch_ram_layout(l, l->ram_max - A64_RAM_BASE + 1, r, 1), -EINVAL);
	ck_assert_int_eq(vmm__arch_ram_layout(l, UINT64_MAX, r, 1), -EINVAL);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(pins_are_shared_interrupts)
{
	const struct arch_layout *l = vmm__arch_layout(-1);
	struct kvm_irq_routing_entry routes[64];
	uint64_t taken = 1ull << A64_GSI_UART | 1ull << A64_GSI_RTC | 1ull << A64_GSI_BUTTON | 15ull << A64_GSI_PCI;

	ck_assert_uint_eq(vmm__arch_pin_routes(routes, 64), A64_NR_PINS);
	ck_assert_uint_eq(vmm__arch_pin_routes(routes, 10), 10);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert(routes[i].gsi == i && routes[i].u.irqchip.pin == i);
	ck_assert_uint_eq(vmm__arch_irq_line(5), 1u << 24 | 37);
	ck_assert_uint_eq(l->pins_free & taken, 0);
	ck_assert_int_eq(__builtin_popcountll(l->pins_free), 32);
	ck_assert_uint_eq(vmm__arch_serial()->gsi, A64_GSI_UART);
}
END_TEST

START_TEST(messages_go_where_the_controller_takes_them)
{
	struct kvm_irq_routing_entry e = { 0 };
	struct arch_msi msi = { .address = A64_ITS_BASE + 0x10040, .data = 7, .requester = 0x18 };

	/* To an ITS, with who sends it. */
	vm.gic = 3;
	vm.its_fd = 0;
	ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), 0);
	ck_assert_uint_eq(e.type, KVM_IRQ_ROUTING_MSI);
	ck_assert_uint_eq(e.flags, KVM_MSI_VALID_DEVID);
	ck_assert(e.u.msi.devid == 0x18 && e.u.msi.data == 7 && e.u.msi.address_lo == msi.address);
	msi.address++;
	ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), -EINVAL);
	msi.address = A64_RAM_BASE;
	ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), -EINVAL);
	vm.its_fd = -1;
	msi.address = A64_ITS_BASE + 0x10040;
	ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), -EINVAL);
	ck_assert_int_eq(vmm__arch_msi_route(NULL, &msi, &e), -EINVAL);

	/* To the frame of a GICv2: only its own interrupts. */
	vm.gic = 2;
	ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), -EINVAL);
	msi.address = A64_V2M_BASE + 0x40;
	for (uint32_t data = 0; data < 300; data++) {
		bool own = data >= A64_V2M_FIRST && data < A64_V2M_FIRST + A64_V2M_NR;

		msi.data = data;
		ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), own ? 0 : -EINVAL);
		if (own)
			ck_assert(e.type == KVM_IRQ_ROUTING_IRQCHIP && e.u.irqchip.pin == data - 32);
	}
	msi.data = UINT32_MAX;
	ck_assert_int_eq(vmm__arch_msi_route(&vm, &msi, &e), -EINVAL);
}
END_TEST

/* ---- devices ---- */

static uint64_t get(uint64_t address, uint32_t width)
{
	uint64_t value = 0;

	ck_assert(vmm__bus_read(&mmio, address, width, &value));
	return value;
}

START_TEST(the_message_frame_says_which_interrupts_are_its_own)
{
	ck_assert_uint_eq(get(A64_V2M_BASE + 8, 4), A64_V2M_FIRST << 16 | A64_V2M_NR);
	for (uint32_t offset = 0; offset < A64_V2M_SIZE; offset += 4) {
		ck_assert(vmm__bus_write(&mmio, A64_V2M_BASE + offset, 4, UINT32_MAX));
		if (offset != 8)
			ck_assert_uint_eq(get(A64_V2M_BASE + offset, 4), 0);
	}
	/* A GICv3 has none. */
	vmm__arch_machine_destroy(machine);
	vm.gic = 3;
	ck_assert_int_eq(vmm__arch_machine_create(&host, &machine), 0);
	ck_assert(!vmm__bus_write(&mmio, A64_V2M_BASE, 4, 0));
}
END_TEST

START_TEST(the_button_is_an_edge_and_panic_is_told)
{
	vmm__arch_machine_power_button(machine);
	vmm__arch_machine_power_button(machine);
	ck_assert_int_eq(pulses, 2);
	ck_assert(!lines[A64_GSI_BUTTON]);
	ck_assert_uint_eq(get(A64_PVPANIC_BASE, 1), 1);
	ck_assert(vmm__bus_write(&mmio, A64_PVPANIC_BASE, 1, 1));
	ck_assert(requests == 1 && last_request == ARCH_PANIC);
	vmm__arch_machine_reset(machine);
}
END_TEST

START_TEST(a_machine_whose_places_are_taken_leaves_nothing)
{
	struct arch_machine *second;
	uint32_t before = mmio.nr;

	ck_assert_int_eq(vmm__arch_machine_create(&host, &second), -EEXIST);
	ck_assert_uint_eq(mmio.nr, before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("a64_machine");
	TCase *tcase = tcase_create("machine");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nothing_lies_over_anything_else);
	tcase_add_test(tcase, ram_ends_where_the_layout_says);
	tcase_add_test(tcase, pins_are_shared_interrupts);
	tcase_add_test(tcase, messages_go_where_the_controller_takes_them);
	tcase_add_test(tcase, the_message_frame_says_which_interrupts_are_its_own);
	tcase_add_test(tcase, the_button_is_an_edge_and_panic_is_told);
	tcase_add_test(tcase, a_machine_whose_places_are_taken_leaves_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
