/* SPDX-License-Identifier: MIT */
/* test_pci.c - configuration space and BARs, as firmware leaves them and as a guest abuses them. */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "fake_machine.h"

enum { CF8 = 0xcf8, CFC = 0xcfc, CAP = 0x09, SMALL = 0x1000, LARGE = 0x2000 };

/* A function with a wide BAR 0 and a narrow BAR 4, that writes down what it hears. */
struct fake_function {
	struct pci_function f;
	uint64_t bar_base[PCI_BARS];
	bool bar_answers[PCI_BARS];
	uint32_t written, before, after;
	uint64_t registers[LARGE / 8];
};

static struct fake_function one, two;
static uint32_t capability;
static const struct arch_layout *layout;

static uint64_t range_read(void *state, uint64_t offset, uint32_t width)
{
	struct fake_function *f = state;

	return f->registers[offset / 8];
}

static void range_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct fake_function *f = state;

	f->registers[offset / 8] = value;
}

static const struct vmm_range_ops range_ops = {
	.size = sizeof(range_ops), .name = "fake", .read = range_read, .write = range_write,
};

static void written(void *state, uint32_t offset, uint32_t width)
{
	((struct fake_function *)state)->written++;
}

static void bar_moved(void *state, uint32_t bar, bool answers, uint64_t base)
{
	struct fake_function *f = state;

	f->bar_answers[bar] = answers;
	f->bar_base[bar] = base;
}

static void before_read(void *state, uint32_t offset, uint32_t width)
{
	((struct fake_function *)state)->before++;
}

static void after_write(void *state, uint32_t offset, uint32_t width)
{
	((struct fake_function *)state)->after++;
}

static const struct pci_function_ops function_ops = {
	.written = written, .bar_moved = bar_moved,
	.before_read = before_read, .after_write = after_write,
};

static const struct pci_identity identity = {
	.vendor = 0x1af4, .device = 0x1042, .subsystem_vendor = 0x1af4, .subsystem = 0x42,
	.class = 0x018000, .revision = 1,
};

static void function_create(struct fake_function *f)
{
	*f = (struct fake_function){ 0 };
	ck_assert_int_eq(vmm__pci_add(fake.pci, &f->f, &identity, &function_ops, f), 0);
	capability = vmm__pci_add_capability(&f->f, CAP, "\6\0\0\1", "\0\0\0\xff", 6);
	vmm__pci_add_capability(&f->f, CAP, "\4\2", NULL, 4);
	ck_assert_int_eq(vmm__pci_add_bar(&f->f, 0, LARGE, true, &range_ops, f), 0);
	ck_assert_int_eq(vmm__pci_add_bar(&f->f, 4, SMALL, false, &range_ops, f), 0);
}

static void setup(void)
{
	fake_setup(true);
	layout = vmm__arch_layout(-1);
	function_create(&one);
	function_create(&two);
}

static void teardown(void)
{
	vmm__pci_remove(&one.f);
	vmm__pci_remove(&two.f);
	fake_teardown();
}

static uint64_t ecam(uint32_t slot, uint32_t reg)
{
	return layout->ecam_base + (slot << 15) + reg;
}

static uint32_t get(uint32_t slot, uint32_t reg, uint32_t width)
{
	return (uint32_t)fake_read(ecam(slot, reg), width);
}

static void put(uint32_t slot, uint32_t reg, uint32_t width, uint32_t value)
{
	fake_write(ecam(slot, reg), width, value);
}

static uint64_t port_read(uint32_t port, uint32_t width)
{
	uint64_t value;

	vmm__bus_read(&fake.ports, port, width, &value);
	return width < 8 ? value & ((1ull << 8 * width) - 1) : value;
}

static void port_write(uint32_t port, uint32_t width, uint32_t value)
{
	vmm__bus_write(&fake.ports, port, width, value);
}

/* ---- headers ---- */

START_TEST(slot_0_is_a_host_bridge_and_empty_slots_are_all_ones)
{
	ck_assert_uint_eq(get(0, PCI_CLASS_REVISION, 4) >> 8, 0x060000);
	ck_assert_uint_ne(get(0, PCI_VENDOR_ID, 2), 0xffff);
	ck_assert_uint_eq(get(0, PCI_HEADER_TYPE, 1), 0);
	for (uint32_t slot = 3; slot < 32; slot++)
		ck_assert_uint_eq(get(slot, PCI_VENDOR_ID, 4), 0xffffffff);
	/* Other functions of a slot that is there. */
	for (uint32_t function = 1; function < 8; function++)
		ck_assert_uint_eq(fake_read(ecam(1, function << 12), 4), 0xffffffff);
	put(3, PCI_COMMAND, 2, 7);
	fake_write(ecam(1, 1 << 12), 4, 7);
}
END_TEST

START_TEST(a_header_reads_as_it_was_made)
{
	ck_assert_uint_eq(get(1, PCI_VENDOR_ID, 4), 0x10421af4);
	ck_assert_uint_eq(get(1, PCI_DEVICE_ID, 2), 0x1042);
	ck_assert_uint_eq(get(1, PCI_DEVICE_ID + 1, 1), 0x10);
	ck_assert_uint_eq(get(1, PCI_CLASS_REVISION, 4), 0x01800001);
	ck_assert_uint_eq(get(1, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x00421af4);
	ck_assert_uint_eq(get(1, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(get(1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	ck_assert_uint_eq(get(1, PCI_INTERRUPT_PIN, 1), 1);
	ck_assert_uint_eq(get(1, PCI_INTERRUPT_LINE, 1), layout->pci_gsi + 1);
	ck_assert_uint_eq(get(2, PCI_INTERRUPT_LINE, 1), layout->pci_gsi + 2);
	ck_assert_uint_eq(fake_read(ecam(1, 0), 8), 0x0010000610421af4);
}
END_TEST

START_TEST(capabilities_form_a_list)
{
	uint32_t at = get(1, PCI_CAPABILITY_LIST, 1);

	ck_assert_uint_eq(at, 0x40);
	ck_assert_uint_eq(get(1, at, 4), CAP | 0x48 << 8 | 6 << 16);
	at = get(1, at + 1, 1);
	ck_assert_uint_eq(get(1, at, 4), CAP | 0 << 8 | 4 << 16 | 2u << 24);
}
END_TEST

START_TEST(writes_of_every_width_change_only_what_may_change)
{
	uint8_t before[256], changed[256] = { 0 };

	for (uint32_t i = 0; i < 256; i++)
		before[i] = (uint8_t)get(1, i, 1);
	for (uint32_t width = 1; width <= 8; width *= 2) {
		for (uint32_t i = 0; i < 256; i++) {
			fake_write(ecam(1, i), width, UINT64_MAX);
			for (uint32_t j = 0; j < 256; j++)
				changed[j] |= before[j] ^ (uint8_t)get(1, j, 1);
			fake_write(ecam(1, i), width, 0);
			for (uint32_t j = 0; j < 256; j++)
				changed[j] |= before[j] ^ (uint8_t)get(1, j, 1);
		}
	}
	for (uint32_t i = 0; i < 256; i++)
		ck_assert_msg((changed[i] & ~one.f.writable[i]) == 0, "byte %#x", i);
	ck_assert_uint_eq(one.f.writable[PCI_VENDOR_ID], 0);
	ck_assert_uint_eq(one.f.writable[PCI_COMMAND], 0x06);
	ck_assert_uint_eq(one.f.writable[PCI_COMMAND + 1], 0x04);
	ck_assert_uint_eq(one.f.writable[PCI_STATUS], 0);
	ck_assert_uint_eq(one.f.writable[capability + 5], 0xff);
	ck_assert_uint_gt(one.written, 0);
	ck_assert_uint_gt(one.after, 0);
	ck_assert_uint_gt(one.before, 0);
	/* The neighbour heard of nothing. */
	ck_assert_uint_eq(two.written, 0);
}
END_TEST

START_TEST(extended_space_is_empty_and_the_edges_hold)
{
	for (uint32_t reg = 256; reg < 4096; reg++)
		ck_assert_uint_eq(get(1, reg, 1), 0);
	ck_assert_uint_eq(get(1, 0xfe, 4), 0);
	put(1, 0xfe, 4, UINT32_MAX);
	put(1, 0xffe, 4, UINT32_MAX);
	ck_assert_uint_eq(get(1, 0xffe, 4), 0);
	ck_assert_uint_eq(fake_read(layout->ecam_base + 0xfffff, 1), 0xff);
	ck_assert_uint_eq(fake_read(layout->ecam_base + 0xffffe, 4), 0xffffffff);
}
END_TEST

/* ---- the ports ---- */

START_TEST(the_ports_lead_to_the_same_registers)
{
	port_write(CF8, 4, 0x80000000 | 1 << 11 | PCI_VENDOR_ID);
	ck_assert_uint_eq(port_read(CF8, 4), 0x80000000 | 1 << 11);
	ck_assert_uint_eq(port_read(CFC, 4), 0x10421af4);
	ck_assert_uint_eq(port_read(CFC + 2, 2), 0x1042);
	ck_assert_uint_eq(port_read(CFC + 3, 1), 0x10);
	port_write(CF8, 4, 0x80000000 | 1 << 11 | PCI_INTERRUPT_LINE);
	port_write(CFC, 1, 0x55);
	ck_assert_uint_eq(get(1, PCI_INTERRUPT_LINE, 1), 0x55);
}
END_TEST

START_TEST(the_ports_answer_only_when_and_where_they_should)
{
	static const uint32_t elsewhere[] = {
		1 << 11,			/* not enabled */
		0x80000000 | 1 << 16 | 1 << 11,	/* bus 1 */
		0x80000000 | 1 << 11 | 1 << 8,	/* function 1 */
		0x80000000 | 9 << 11,		/* an empty slot */
	};

	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		port_write(CF8, 4, elsewhere[i]);
		ck_assert_uint_eq(port_read(CFC, 4), 0xffffffff);
		port_write(CFC, 4, 0);
	}
	/* How Linux looks for configuration mechanism 1. */
	port_write(CF8, 4, 0x80000000);
	port_write(CF8 + 3, 1, 1);
	ck_assert_uint_eq(port_read(CF8, 4), 0x80000000);
	/* The address register is whole or nothing; 0xcf9 is not its. */
	for (uint32_t port = CF8; port < CFC; port++) {
		port_write(port, 1, 0xff);
		port_write(port, 2, 0xffff);
		ck_assert_uint_eq(port_read(port, 1), 0xff);
	}
	ck_assert_uint_eq(port_read(CF8, 4), 0x80000000);
	ck_assert_uint_eq(port_read(CFC + 2, 4), 0xffffffff);
	port_write(CF8, 4, 0xffffffff);
	ck_assert_uint_eq(port_read(CF8, 4), 0x80fffffc);
}
END_TEST

static void count_reset(void *data)
{
	++*(int *)data;
}

START_TEST(the_reset_control_port_resets)
{
	int resets = 0;

	port_write(CF8 + 1, 1, 6);
	vmm__pci_on_reset(fake.pci, count_reset, &resets);
	port_write(CF8 + 1, 1, 2);
	ck_assert_int_eq(resets, 0);
	port_write(CF8 + 1, 1, 6);
	ck_assert_int_eq(resets, 1);
	port_write(CF8 + 1, 2, 6);
	port_write(CF8, 4, 0x80000600);
	ck_assert_int_eq(resets, 1);
}
END_TEST

/* ---- BARs ---- */

START_TEST(bars_answer_where_firmware_put_them)
{
	uint64_t a = one.bar_base[0], b = one.bar_base[4], c = two.bar_base[0];

	ck_assert(one.bar_answers[0] && one.bar_answers[4] && two.bar_answers[0]);
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_0, 4), a | PCI_BASE_ADDRESS_MEM_TYPE_64);
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_1, 4), 0);
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_4, 4), b);
	ck_assert(a % LARGE == 0 && b % SMALL == 0);
	ck_assert(a >= layout->pci_base && a + LARGE <= layout->pci_base + layout->pci_size);
	ck_assert(a != b && a != c);
	fake_write(a + 8, 8, 0x1122334455667788);
	ck_assert_uint_eq(one.registers[1], 0x1122334455667788);
	ck_assert_uint_eq(fake_read(c + 8, 8), 0);
}
END_TEST

START_TEST(a_bar_tells_its_size)
{
	put(1, PCI_COMMAND, 2, 0);
	put(1, PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	put(1, PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	put(1, PCI_BASE_ADDRESS_4, 4, UINT32_MAX);
	put(1, PCI_BASE_ADDRESS_2, 4, UINT32_MAX);
	put(1, PCI_ROM_ADDRESS, 4, UINT32_MAX);
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_0, 4), (uint32_t)~(LARGE - 1) | 4);
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_1, 4), UINT32_MAX);
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_4, 4), (uint32_t)~(SMALL - 1));
	ck_assert_uint_eq(get(1, PCI_BASE_ADDRESS_2, 4), 0);
	ck_assert_uint_eq(get(1, PCI_ROM_ADDRESS, 4), 0);
}
END_TEST

START_TEST(a_bar_moves_and_takes_its_registers_along)
{
	uint64_t old = one.bar_base[0], low = layout->pci_base + 0x100000;

	one.registers[0] = 7;
	put(1, PCI_BASE_ADDRESS_0, 4, (uint32_t)low);
	ck_assert_uint_eq(one.bar_base[0], low);
	ck_assert_uint_eq(fake_read(low, 8), 7);
	ck_assert_uint_eq(fake_read(old, 8), UINT64_MAX);

	/* To the window above 4 GiB, half after half. */
	put(1, PCI_BASE_ADDRESS_1, 4, (uint32_t)(layout->pci64_base >> 32));
	put(1, PCI_BASE_ADDRESS_0, 4, (uint32_t)layout->pci64_base);
	ck_assert_uint_eq(one.bar_base[0], layout->pci64_base);
	ck_assert_uint_eq(fake_read(layout->pci64_base, 8), 7);
	ck_assert_uint_eq(fake_read(low, 8), UINT64_MAX);
}
END_TEST

START_TEST(memory_decoding_can_be_switched_off)
{
	uint64_t at = one.bar_base[0];

	put(1, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert(!one.bar_answers[0] && !one.bar_answers[4]);
	ck_assert(two.bar_answers[0]);
	ck_assert_uint_eq(fake_read(at, 8), UINT64_MAX);
	put(1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(fake_read(at, 8), 0);
}
END_TEST

/* Each row is a place where a BAR must not answer. */
static const struct { const char *name; uint64_t base; } absurd[] = {
	{ "over RAM", 0 },			{ "over RAM, inside", 0x81000000 },
	{ "the local APIC", 0xfee00000 },	{ "the IOAPIC", 0xfec00000 },
	{ "ECAM", 0xe0000000 },			{ "virtio-mmio", 0xe8000000 },
	{ "the end of 32 bits", 0xffffe000 },	{ "above the 32-bit window", 0xe0002000 },
	{ "RAM above 4 GiB", 0x100000000 },	{ "the end of 64 bits", 0xffffffffffffe000 },
};

START_TEST(a_bar_in_an_absurd_place_answers_nowhere)
{
	uint32_t ranges;

	put(1, PCI_BASE_ADDRESS_1, 4, (uint32_t)(absurd[_i].base >> 32));
	put(1, PCI_BASE_ADDRESS_0, 4, (uint32_t)absurd[_i].base);
	ck_assert_msg(!one.bar_answers[0], "%s", absurd[_i].name);
	ranges = fake.mmio.nr;
	ck_assert_uint_eq(ranges, 4);	/* ECAM, one's other BAR, two's two */
	ck_assert_uint_eq(get(1, PCI_VENDOR_ID, 4), 0x10421af4);
}
END_TEST

START_TEST(a_bar_over_another_waits_until_the_place_is_free)
{
	uint64_t theirs = two.bar_base[0];

	two.registers[0] = 2;
	one.registers[0] = 1;
	put(1, PCI_BASE_ADDRESS_0, 4, (uint32_t)theirs);
	ck_assert(!one.bar_answers[0]);
	ck_assert_uint_eq(fake_read(theirs, 8), 2);
	/* Half over another one. */
	put(1, PCI_BASE_ADDRESS_4, 4, (uint32_t)theirs + SMALL);
	ck_assert(!one.bar_answers[4]);
	put(1, PCI_BASE_ADDRESS_4, 4, (uint32_t)layout->pci_base + 0x200000);
	ck_assert(one.bar_answers[4]);

	put(2, PCI_COMMAND, 2, 0);
	ck_assert(one.bar_answers[0] && !two.bar_answers[0]);
	ck_assert_uint_eq(fake_read(theirs, 8), 1);
	put(2, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(!two.bar_answers[0]);
	put(1, PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(fake_read(theirs, 8), 2);
}
END_TEST

START_TEST(a_reset_puts_everything_back)
{
	uint64_t first = one.bar_base[0];

	put(1, PCI_BASE_ADDRESS_0, 4, (uint32_t)two.bar_base[0]);
	put(2, PCI_BASE_ADDRESS_0, 4, (uint32_t)first);
	put(1, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MEMORY);
	put(1, PCI_INTERRUPT_LINE, 1, 0xaa);
	vmm__pci_reset(&one.f);
	vmm__pci_reset(&two.f);
	ck_assert(one.bar_answers[0] && two.bar_answers[0]);
	ck_assert_uint_eq(one.bar_base[0], first);
	ck_assert_uint_eq(get(1, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ck_assert_uint_eq(get(1, PCI_INTERRUPT_LINE, 1), layout->pci_gsi + 1);
}
END_TEST

START_TEST(bars_are_reached_past_their_addresses_within_their_size)
{
	one.registers[1] = 5;
	ck_assert_uint_eq(vmm__pci_bar_read(&one.f, 0, 8, 8), 5);
	ck_assert_uint_eq(vmm__pci_bar_read(&one.f, 0, LARGE - 4, 8), UINT64_MAX);
	ck_assert_uint_eq(vmm__pci_bar_read(&one.f, 0, UINT64_MAX - 3, 8), UINT64_MAX);
	ck_assert_uint_eq(vmm__pci_bar_read(&one.f, 1, 0, 4), UINT64_MAX);
	ck_assert_uint_eq(vmm__pci_bar_read(&one.f, 255, 0, 4), UINT64_MAX);
	vmm__pci_bar_write(&one.f, 0, 16, 4, 9);
	vmm__pci_bar_write(&one.f, 0, LARGE, 4, 9);
	vmm__pci_bar_write(&one.f, 6, 0, 4, 9);
	ck_assert_uint_eq(one.registers[2], 9);
}
END_TEST

/* ---- slots ---- */

START_TEST(there_are_31_slots)
{
	static struct fake_function many[30];
	int n = 0;

	while (n < 29) {
		ck_assert_int_eq(vmm__pci_add(fake.pci, &many[n].f, &identity, &function_ops,
					      &many[n]), 0);
		ck_assert_uint_eq(many[n].f.slot, n + 3u);
		n++;
	}
	ck_assert_int_eq(vmm__pci_add(fake.pci, &many[n].f, &identity, &function_ops, &many[n]),
			 -ENOSPC);
	vmm__pci_remove(&many[5].f);
	ck_assert_uint_eq(get(8, 0, 4), 0xffffffff);
	ck_assert_int_eq(vmm__pci_add(fake.pci, &many[5].f, &identity, &function_ops, &many[5]), 0);
	while (n > 0)
		vmm__pci_remove(&many[--n].f);
}
END_TEST

START_TEST(a_hidden_function_is_found_once_it_is_shown)
{
	struct pci_identity hidden = identity;
	struct fake_function third = { .written = 0 };
	uint64_t at = layout->ecam_base + (3 << 15);

	hidden.hidden = true;
	ck_assert_int_eq(vmm__pci_add(fake.pci, &third.f, &hidden, &function_ops, &third), 0);
	ck_assert_uint_eq(third.f.slot, 3);
	ck_assert_uint_eq(fake_read(at, 4), UINT32_MAX);
	fake_write(at + PCI_COMMAND, 2, 0);
	ck_assert_uint_eq(third.written, 0);
	vmm__pci_show(&third.f);
	ck_assert_uint_eq(fake_read(at, 4), 0x10421af4);
	vmm__pci_remove(&third.f);
	ck_assert_uint_eq(fake_read(at, 4), UINT32_MAX);
}
END_TEST

START_TEST(a_slot_that_is_held_is_given_to_nobody)
{
	struct fake_function other;
	uint32_t slot = one.f.slot;

	vmm__pci_hold(fake.pci, slot);
	vmm__pci_remove(&one.f);
	function_create(&other);
	ck_assert_uint_ne(other.f.slot, slot);
	vmm__pci_remove(&other.f);
	vmm__pci_release(fake.pci, ~(1u << slot));
	function_create(&other);
	ck_assert_uint_ne(other.f.slot, slot);
	vmm__pci_remove(&other.f);
	vmm__pci_release(fake.pci, 1u << slot);
	function_create(&one);
	ck_assert_uint_eq(one.f.slot, slot);
}
END_TEST

/* Linux's virtio-pci waits for a status of 0 there, for ever. */
START_TEST(where_a_torn_out_device_had_its_bars_are_zeros_until_the_guest_has_seen_it)
{
	uint64_t large = one.bar_base[0], small = one.bar_base[4];

	one.registers[0] = UINT64_MAX;
	ck_assert_uint_eq(fake_read(large, 4), UINT32_MAX);
	vmm__pci_hold(fake.pci, 1);
	vmm__pci_remove(&one.f);
	ck_assert_uint_eq(get(1, PCI_VENDOR_ID, 4), 0xffffffff);
	ck_assert_uint_eq(fake_read(large, 4), 0);
	ck_assert_uint_eq(fake_read(large + LARGE - 8, 8), 0);
	ck_assert_uint_eq(fake_read(small, 1), 0);
	fake_write(large, 4, 1);
	ck_assert_uint_eq(one.registers[0], UINT64_MAX);

	/* One that was moved there meanwhile gets the place afterwards. */
	put(2, PCI_BASE_ADDRESS_0, 4, (uint32_t)large);
	put(2, PCI_BASE_ADDRESS_1, 4, (uint32_t)(large >> 32));
	two.registers[0] = 0x1234;
	ck_assert_uint_eq(fake_read(large, 4), 0);
	vmm__pci_release(fake.pci, 1u << 1);
	ck_assert_uint_eq(fake_read(large, 4), 0x1234);
	ck_assert_uint_eq(fake_read(small, 1), 0xff);
	function_create(&one);
}
END_TEST

START_TEST(without_firmware_a_function_answers_nowhere_until_it_is_set_up)
{
	uint64_t base = one.bar_base[0], header = layout->ecam_base + (1 << 15);

	vmm__pci_unassign(&one.f);
	ck_assert(!one.bar_answers[0] && !one.bar_answers[4]);
	ck_assert_uint_eq(fake_read(header + PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(fake_read(header + PCI_BASE_ADDRESS_0, 8),
			  PCI_BASE_ADDRESS_MEM_TYPE_64);
	ck_assert_uint_eq(fake_read(header + PCI_BASE_ADDRESS_4, 4), 0);

	/* As its system does. */
	fake_write(header + PCI_BASE_ADDRESS_0, 4, (uint32_t)layout->pci_base + 0x100000);
	fake_write(header + PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(one.bar_answers[0]);
	ck_assert_uint_eq(one.bar_base[0], layout->pci_base + 0x100000);
	/* After a reset of the machine firmware has been there. */
	vmm__pci_reset(&one.f);
	ck_assert(one.bar_answers[0] && one.bar_answers[4]);
	ck_assert_uint_eq(one.bar_base[0], base);
}
END_TEST

START_TEST(a_bar_that_does_not_fit_is_refused)
{
	struct fake_function large = { 0 };

	ck_assert_int_eq(vmm__pci_add(fake.pci, &large.f, &identity, &function_ops, &large), 0);
	ck_assert_int_eq(vmm__pci_add_bar(&large.f, 0, 1ull << 31, true, &range_ops, &large),
			 -ENOSPC);
	ck_assert_int_eq(vmm__pci_add_bar(&large.f, 0, layout->pci_size, true, &range_ops, &large),
			 -ENOSPC);
	ck_assert_int_eq(vmm__pci_add_bar(&large.f, 0, 1 << 20, true, &range_ops, &large), 0);
	ck_assert_uint_eq(large.bar_base[0] % (1 << 20), 0);
	vmm__pci_remove(&large.f);
}
END_TEST

/* ---- wires ---- */

START_TEST(a_wire_is_up_while_there_is_a_cause)
{
	uint32_t gsi = layout->pci_gsi + 1;

	vmm__pci_intx_raise(&one.f, 1);
	vmm__pci_intx_raise(&one.f, 2);
	ck_assert(fake.lines[gsi]);
	ck_assert_uint_eq(get(1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT);
	ck_assert_uint_eq(vmm__pci_intx_take(&one.f), 3);
	ck_assert(!fake.lines[gsi]);
	ck_assert_uint_eq(vmm__pci_intx_take(&one.f), 0);
	ck_assert_uint_eq(get(1, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	ck_assert_uint_eq(fake.line_changes, 2);
}
END_TEST

START_TEST(an_interrupt_disable_holds_the_wire_down)
{
	uint32_t gsi = layout->pci_gsi + 1;

	vmm__pci_intx_raise(&one.f, 1);
	put(1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	ck_assert(!fake.lines[gsi]);
	ck_assert(get(1, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	put(1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	ck_assert(fake.lines[gsi]);
	vmm__pci_intx_mute(&one.f, true);
	ck_assert(!fake.lines[gsi]);
	vmm__pci_intx_mute(&one.f, false);
	ck_assert(fake.lines[gsi]);
	vmm__pci_reset(&one.f);
	ck_assert(!fake.lines[gsi]);
}
END_TEST

START_TEST(functions_share_a_wire)
{
	static struct fake_function many[29];
	uint32_t n = 29, sharing = 1 + layout->nr_pci_gsis;
	uint32_t gsi = layout->pci_gsi + 1;

	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(vmm__pci_add(fake.pci, &many[i].f, &identity, &function_ops,
					      &many[i]), 0);
	ck_assert_uint_lt(sharing, 32);
	vmm__pci_intx_raise(&one.f, 1);
	vmm__pci_intx_raise(&many[sharing - 3].f, 1);
	vmm__pci_intx_take(&one.f);
	ck_assert(fake.lines[gsi]);
	vmm__pci_remove(&many[sharing - 3].f);
	ck_assert(!fake.lines[gsi]);
	ck_assert_int_eq(vmm__pci_add(fake.pci, &many[sharing - 3].f, &identity, &function_ops,
				      &many[sharing - 3]), 0);
	for (uint32_t i = 0; i < n; i++)
		vmm__pci_remove(&many[i].f);
}
END_TEST

START_TEST(a_bus_that_cannot_have_its_addresses_leaves_nothing)
{
	struct pci_bus *other = NULL;
	uint32_t ranges = fake.mmio.nr;
	struct bus free_mmio;

	ck_assert_int_eq(vmm__pci_create(layout, &fake.mmio, &fake.ports, &fake.irqs, &other), -EEXIST);
	ck_assert_int_eq(vmm__bus_init(&free_mmio, "MMIO", 0), 0);
	ck_assert_int_eq(vmm__pci_create(layout, &free_mmio, &fake.ports, &fake.irqs, &other), -EEXIST);
	ck_assert_uint_eq(free_mmio.nr, 0);
	ck_assert_int_eq(vmm__pci_create(layout, &free_mmio, NULL, &fake.irqs, &other), 0);
	vmm__pci_destroy(other);
	vmm__pci_destroy(NULL);
	vmm__bus_finish(&free_mmio);
	ck_assert_uint_eq(fake.mmio.nr, ranges);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pci");
	TCase *tcase = tcase_create("pci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, slot_0_is_a_host_bridge_and_empty_slots_are_all_ones);
	tcase_add_test(tcase, a_header_reads_as_it_was_made);
	tcase_add_test(tcase, capabilities_form_a_list);
	tcase_add_test(tcase, writes_of_every_width_change_only_what_may_change);
	tcase_add_test(tcase, extended_space_is_empty_and_the_edges_hold);
	tcase_add_test(tcase, the_ports_lead_to_the_same_registers);
	tcase_add_test(tcase, the_ports_answer_only_when_and_where_they_should);
	tcase_add_test(tcase, the_reset_control_port_resets);
	tcase_add_test(tcase, bars_answer_where_firmware_put_them);
	tcase_add_test(tcase, a_bar_tells_its_size);
	tcase_add_test(tcase, a_bar_moves_and_takes_its_registers_along);
	tcase_add_test(tcase, memory_decoding_can_be_switched_off);
	tcase_add_loop_test(tcase, a_bar_in_an_absurd_place_answers_nowhere, 0,
			    (int)(sizeof(absurd) / sizeof(absurd[0])));
	tcase_add_test(tcase, a_bar_over_another_waits_until_the_place_is_free);
	tcase_add_test(tcase, a_reset_puts_everything_back);
	tcase_add_test(tcase, bars_are_reached_past_their_addresses_within_their_size);
	tcase_add_test(tcase, there_are_31_slots);
	tcase_add_test(tcase, a_hidden_function_is_found_once_it_is_shown);
	tcase_add_test(tcase, a_slot_that_is_held_is_given_to_nobody);
	tcase_add_test(tcase, where_a_torn_out_device_had_its_bars_are_zeros_until_the_guest_has_seen_it);
	tcase_add_test(tcase, without_firmware_a_function_answers_nowhere_until_it_is_set_up);
	tcase_add_test(tcase, a_bar_that_does_not_fit_is_refused);
	tcase_add_test(tcase, a_wire_is_up_while_there_is_a_cause);
	tcase_add_test(tcase, an_interrupt_disable_holds_the_wire_down);
	tcase_add_test(tcase, functions_share_a_wire);
	tcase_add_test(tcase, a_bus_that_cannot_have_its_addresses_leaves_nothing);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
