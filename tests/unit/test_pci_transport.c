/* SPDX-License-Identifier: MIT */
/* test_pci_transport.c - a device behind virtio-pci, as a driver finds and uses it. */
#include <check.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fake_machine.h"
#include "transport/pci_priv.h"

enum {
	ACK = VIRTIO_CONFIG_S_ACKNOWLEDGE,
	DRV = VIRTIO_CONFIG_S_DRIVER,
	FOK = VIRTIO_CONFIG_S_FEATURES_OK,
	DOK = VIRTIO_CONFIG_S_DRIVER_OK,
	BAD = VIRTIO_CONFIG_S_NEEDS_RESET,
	QSIZE = 16, NR = 3, CONFIG_BYTES = 10, MESSAGE = 0xfee00000, NONE = VIRTIO_MSI_NO_VECTOR,
};

static struct fake_device device;
static const struct arch_layout *layout;
static int fds_before;

/* Where the driver found things. */
static uint64_t common, notify, isr, config, msix_table;
static uint32_t multiplier, msix_cap, window_cap;

static uint32_t get(uint32_t reg, uint32_t width)
{
	return (uint32_t)fake_read(layout->ecam_base + (1 << 15) + reg, width);
}

static void put(uint32_t reg, uint32_t width, uint32_t value)
{
	fake_write(layout->ecam_base + (1 << 15) + reg, width, value);
}

static uint64_t bar(uint32_t index)
{
	uint32_t low = get(PCI_BASE_ADDRESS_0 + 4 * index, 4);
	uint64_t base = low & ~0xfu;

	if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
		base |= (uint64_t)get(PCI_BASE_ADDRESS_0 + 4 * index + 4, 4) << 32;
	return base;
}

/* What a driver's probe does: walk the list, take the first of each kind (4.1.4). */
static void probe(void)
{
	common = notify = isr = config = 0;
	msix_cap = window_cap = 0;
	for (uint32_t at = get(PCI_CAPABILITY_LIST, 1); at; at = get(at + 1, 1)) {
		uint64_t where;

		ck_assert_uint_eq(at % 4, 0);
		if (get(at, 1) == PCI_CAP_ID_MSIX) {
			msix_cap = at;
			msix_table = bar(get(at + PCI_MSIX_TABLE, 4) & 7) +
				     (get(at + PCI_MSIX_TABLE, 4) & ~7u);
			continue;
		}
		ck_assert_uint_eq(get(at, 1), PCI_CAP_ID_VNDR);
		where = bar(get(at + VIRTIO_PCI_CAP_BAR, 1)) + get(at + VIRTIO_PCI_CAP_OFFSET, 4);
		switch (get(at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
		case VIRTIO_PCI_CAP_COMMON_CFG:
			ck_assert_uint_ge(get(at + VIRTIO_PCI_CAP_LENGTH, 4),
					  sizeof(struct virtio_pci_common_cfg));
			common = where;
			break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			ck_assert_uint_eq(get(at + VIRTIO_PCI_CAP_LEN, 1), 20);
			multiplier = get(at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
			ck_assert_uint_ge(get(at + VIRTIO_PCI_CAP_LENGTH, 4), NR * multiplier);
			notify = where;
			break;
		case VIRTIO_PCI_CAP_ISR_CFG:
			isr = where;
			break;
		case VIRTIO_PCI_CAP_DEVICE_CFG:
			ck_assert_uint_ge(get(at + VIRTIO_PCI_CAP_LENGTH, 4), CONFIG_BYTES);
			config = where;
			break;
		case VIRTIO_PCI_CAP_PCI_CFG:
			window_cap = at;
			break;
		}
	}
}

static void device_create(uint32_t config_bytes)
{
	const struct vmm_device_config wanted = {
		.size = sizeof(wanted), .ops = &fake_device_ops, .state = &device,
		.config_space = "0123456789", .config_bytes = config_bytes, .nr_queues = NR,
		.queue_size = QSIZE, .features = { { 1 << 5 } },
	};

	device = (struct fake_device){ 0 };
	ck_assert_int_eq(vmm__device_create(&fake.host, &wanted, &device.dev), 0);
	probe();
}

static void setup(void)
{
	fds_before = fake_count_fds();
	fake_setup(true);
	layout = vmm__arch_layout(-1);
	device_create(CONFIG_BYTES);
}

static void teardown(void)
{
	vmm__device_destroy(device.dev);
	ck_assert_int_eq(device.destroyed, 1);
	fake_teardown();
	ck_assert_int_eq(fake_count_fds(), fds_before);
}

static uint32_t reg(uint32_t offset, uint32_t width)
{
	return (uint32_t)fake_read(common + offset, width);
}

static void set(uint32_t offset, uint32_t width, uint64_t value)
{
	fake_write(common + offset, width, value);
}

static void status(uint32_t value)
{
	set(VIRTIO_PCI_COMMON_STATUS, 1, value);
}

static void negotiate(void)
{
	status(ACK);
	status(ACK | DRV);
	set(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	set(VIRTIO_PCI_COMMON_GF, 4, 0x20);
	set(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	set(VIRTIO_PCI_COMMON_GF, 4, 1);
	status(ACK | DRV | FOK);
}

static void set_queue(uint32_t queue)
{
	driver_clear(queue);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	set(VIRTIO_PCI_COMMON_Q_SIZE, 2, QSIZE);
	set(VIRTIO_PCI_COMMON_Q_DESCLO, 4, RING_DESC(queue));
	set(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, RING_AVAIL(queue));
	set(VIRTIO_PCI_COMMON_Q_USEDLO, 4, RING_USED(queue));
	set(VIRTIO_PCI_COMMON_Q_USEDHI, 4, 0);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void bring_up(void)
{
	negotiate();
	set_queue(0);
	set_queue(1);
	status(ACK | DRV | FOK | DOK);
	fake_run();
	memset(device.kicks, 0, sizeof(device.kicks));
}

static void offer(uint32_t queue, uint16_t head)
{
	driver_desc(queue, head, BUFFERS + 64 * head, 64, VRING_DESC_F_WRITE, 0);
	driver_offer(queue, QSIZE, head);
}

static uint64_t doorbell(uint32_t queue)
{
	return notify + (uint64_t)multiplier * queue;
}

static void ring(uint32_t queue)
{
	fake_write(doorbell(queue), 2, queue);
	fake_run();
}

/* ---- what a driver finds ---- */

START_TEST(a_driver_finds_a_modern_device)
{
	ck_assert_uint_eq(get(PCI_VENDOR_ID, 4), 0x10421af4);
	ck_assert_uint_eq(get(PCI_REVISION_ID, 1), 1);
	ck_assert_uint_ge(get(PCI_SUBSYSTEM_ID, 2), 0x40);
	ck_assert_uint_eq(get(PCI_CLASS_REVISION, 4) >> 8, 0x018000);
	ck_assert(common && notify && isr && config && msix_cap && window_cap);
	ck_assert_uint_eq(multiplier, 4);
	ck_assert_uint_eq(get(msix_cap + PCI_MSIX_FLAGS, 2), NR);	/* table size - 1 */
}
END_TEST

START_TEST(a_device_without_config_space_shows_none)
{
	vmm__device_destroy(device.dev);
	device_create(0);
	ck_assert(common && notify && isr && !config);
}
END_TEST

/* What the common structure reads before anything was written. */
static const struct { uint32_t offset, width, value; } fields[] = {
	{ VIRTIO_PCI_COMMON_DF, 4, 0x30000020 }, { VIRTIO_PCI_COMMON_MSIX, 2, NONE },
	{ VIRTIO_PCI_COMMON_NUMQ, 2, NR }, { VIRTIO_PCI_COMMON_Q_SIZE, 2, QSIZE },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, NONE },
};

START_TEST(every_offset_reads_as_the_table_says_with_every_width)
{
	uint8_t bytes[0x3000] = { 0 };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		memcpy(bytes + fields[i].offset, &fields[i].value, fields[i].width);
	memcpy(bytes + (config - common), "0123456789", CONFIG_BYTES);
	for (uint32_t offset = 0; offset < 0x2000; offset++) {
		for (uint32_t width = 1; width <= 8 && offset + width <= 0x2000; width *= 2) {
			uint64_t expected = 0;

			memcpy(&expected, bytes + offset, width);
			/* A read that begins in a gap ends there. */
			if (offset > 0x80 && offset < config - common)
				expected = 0;
			ck_assert_uint_eq(fake_read(common + offset, width), expected);
		}
	}
}
END_TEST

START_TEST(writes_count_only_as_wide_as_the_field)
{
	static const struct { uint32_t offset, width; } writable[] = {
		{ VIRTIO_PCI_COMMON_DFSELECT, 4 }, { VIRTIO_PCI_COMMON_GFSELECT, 4 },
		{ VIRTIO_PCI_COMMON_GF, 4 }, { VIRTIO_PCI_COMMON_MSIX, 2 },
		{ VIRTIO_PCI_COMMON_STATUS, 1 }, { VIRTIO_PCI_COMMON_Q_SELECT, 2 },
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2 }, { VIRTIO_PCI_COMMON_Q_MSIX, 2 },
		{ VIRTIO_PCI_COMMON_Q_ENABLE, 2 }, { VIRTIO_PCI_COMMON_Q_DESCLO, 4 },
		{ VIRTIO_PCI_COMMON_Q_DESCHI, 4 }, { VIRTIO_PCI_COMMON_Q_AVAILLO, 4 },
		{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4 }, { VIRTIO_PCI_COMMON_Q_USEDLO, 4 },
		{ VIRTIO_PCI_COMMON_Q_USEDHI, 4 }, { VIRTIO_PCI_COMMON_Q_DESCLO, 8 },
		{ VIRTIO_PCI_COMMON_Q_AVAILLO, 8 }, { VIRTIO_PCI_COMMON_Q_USEDLO, 8 },
	};

	for (uint32_t offset = 0; offset < 0x100; offset++) {
		for (uint32_t width = 1; width <= 8; width *= 2) {
			bool counts = false;

			for (size_t i = 0; i < sizeof(writable) / sizeof(writable[0]); i++)
				counts |= writable[i].offset == offset &&
					  writable[i].width == width;
			if (!counts)
				set(offset, width, 0x0101010101010101);
		}
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ck_assert_uint_eq(reg(fields[i].offset, fields[i].width), fields[i].value);
	for (uint32_t offset = VIRTIO_PCI_COMMON_Q_ENABLE; offset < 56; offset += 4)
		ck_assert_uint_eq(reg(offset, 4), 0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_STATUS, 1), 0);
}
END_TEST

START_TEST(features_past_the_offered_words_read_0)
{
	static const uint32_t words[] = { 0x30000020, 1, 0, 0, 0, 0 };

	for (uint32_t i = 0; i < 6; i++) {
		set(VIRTIO_PCI_COMMON_DFSELECT, 4, i);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_DF, 4), words[i]);
	}
	set(VIRTIO_PCI_COMMON_GFSELECT, 4, 0x80000000);
	set(VIRTIO_PCI_COMMON_GF, 4, 0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_GF, 4), 0);
}
END_TEST

START_TEST(queues_past_the_last_read_as_absent)
{
	static const uint32_t selects[] = { NR, 63, 64, 65, 255, 256, 0x7fff, 0xffff };

	for (size_t i = 0; i < sizeof(selects) / sizeof(selects[0]); i++) {
		set(VIRTIO_PCI_COMMON_Q_SELECT, 2, selects[i]);
		set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 8);
		set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
		set(VIRTIO_PCI_COMMON_Q_DESCLO, 8, UINT64_MAX);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_MSIX, 2), NONE);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
	}
}
END_TEST

START_TEST(only_a_1_enables_a_queue_and_nothing_disables_it)
{
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}
END_TEST

START_TEST(each_queue_has_its_own_doorbell)
{
	for (uint32_t queue = 0; queue < NR; queue++) {
		set(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_NOFF, 2), queue);
	}
}
END_TEST

/* ---- a life ---- */

START_TEST(a_driver_brings_the_device_up_and_uses_it)
{
	bring_up();
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_STATUS, 1), ACK | DRV | FOK | DOK);
	ck_assert_uint_eq(device.features.word[0], 0x20);
	ck_assert_uint_eq(fake.nr_ioevents, 2);
	offer(1, 0);
	/* A doorbell of any width, with any value. */
	for (uint32_t width = 1; width <= 8; width *= 2)
		ck_assert(fake_caught(doorbell(1), width, 0xffff));
	fake_run();
	ck_assert_uint_eq(driver_used(1), 1);
	ck_assert_int_eq(device.kicks[0], 0);
}
END_TEST

START_TEST(doorbells_that_are_not_there_do_nothing)
{
	bring_up();
	for (uint32_t at = 0; at < 0x1000; at++) {
		if (at == 0 || at == 4)
			continue;
		fake_write(notify + at, 1, 0);
		fake_write(notify + at, 4, 1);
		ck_assert_uint_eq(fake_read(notify + at, 1), 0);
	}
	fake_run();
	ck_assert(device.kicks[0] == 0 && device.kicks[1] == 0 && device.kicks[2] == 0);
}
END_TEST

START_TEST(no_register_moves_a_live_queue)
{
	bring_up();
	for (uint32_t queue = 0; queue < NR; queue++) {
		set(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
		set(VIRTIO_PCI_COMMON_Q_SIZE, 2, 4);
		for (uint32_t at = VIRTIO_PCI_COMMON_Q_DESCLO; at < 56; at += 4)
			set(at, 4, 0xdead0000);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_ENABLE, 2), queue < 2);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_Q_DESCLO, 4),
				  queue < 2 ? RING_DESC(queue) : 0);
	}
	offer(1, 15);
	ring(1);
	ck_assert_uint_eq(driver_used(1), 1);
}
END_TEST

START_TEST(a_reset_takes_everything_back)
{
	set(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	bring_up();
	offer(0, 1);
	ring(0);
	status(0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_MSIX, 2), NONE);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	ck_assert_uint_eq(fake_read(isr, 1), 0);
	ck_assert(!fake.lines[layout->pci_gsi + 1]);
	bring_up();
	offer(0, 1);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(vectors_alone_are_reset_too)
{
	/* No status was ever written. */
	set(VIRTIO_PCI_COMMON_MSIX, 2, 1);
	status(0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_MSIX, 2), NONE);
}
END_TEST

/* ---- moving under a live device ---- */

START_TEST(doorbells_move_with_the_bar)
{
	uint64_t old = doorbell(1), to = layout->pci64_base + 0x10000;

	bring_up();
	put(PCI_BASE_ADDRESS_0, 4, 0);
	ck_assert_uint_eq(fake.nr_ioevents, 0);		/* half way it is over RAM */
	put(PCI_BASE_ADDRESS_1, 4, (uint32_t)(to >> 32));
	put(PCI_BASE_ADDRESS_0, 4, (uint32_t)to);
	probe();
	ck_assert_uint_eq(common, to);
	ck_assert_uint_eq(fake.nr_ioevents, 2);
	ck_assert(!fake_caught(old, 2, 1));
	offer(1, 0);
	ring(1);
	ck_assert_uint_eq(driver_used(1), 1);
	/* Down while it is nowhere, up again elsewhere. */
	put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	ck_assert_uint_eq(fake.nr_ioevents, 2);
	status(0);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	/* Brought up while the BAR is away, through the window of 4.1.4.9 say: nothing to catch. */
	put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
}
END_TEST

START_TEST(without_bus_mastering_the_device_leaves_memory_alone)
{
	bring_up();
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	offer(0, 0);
	ring(0);
	ck_assert_int_eq(device.popped, 0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fake_run();
	ck_assert_int_eq(device.popped, 1);

	/* Off before DRIVER_OK. */
	status(0);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	bring_up();
	offer(0, 1);
	ring(0);
	ck_assert_int_eq(device.popped, 1);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fake_run();
	ck_assert_int_eq(device.popped, 2);
}
END_TEST

/* ---- the old interrupts ---- */

START_TEST(without_msi_x_a_wire_is_up_until_isr_is_read)
{
	uint32_t gsi = layout->pci_gsi + 1;

	bring_up();
	offer(0, 0);
	ring(0);
	ck_assert(fake.lines[gsi]);
	vmm_device_set_config(device.dev, 0, "x", 1, true);
	ck_assert_uint_eq(fake_read(isr, 1), 3);
	ck_assert(!fake.lines[gsi]);
	ck_assert_uint_eq(fake_read(isr, 1), 0);
}
END_TEST

/* ---- MSI-X ---- */

static void msix_entry(uint32_t vector, uint32_t data, bool masked)
{
	uint64_t at = msix_table + 16 * vector;

	fake_write(at + PCI_MSIX_ENTRY_LOWER_ADDR, 4, MESSAGE);
	fake_write(at + PCI_MSIX_ENTRY_UPPER_ADDR, 4, 0);
	fake_write(at + PCI_MSIX_ENTRY_DATA, 4, data);
	fake_write(at + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, masked);
}

static void msix_flags(uint32_t flags)
{
	put(msix_cap + PCI_MSIX_FLAGS, 2, flags);
}

static uint32_t queue_vector(uint32_t queue, uint32_t vector)
{
	set(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
	return reg(VIRTIO_PCI_COMMON_Q_MSIX, 2);
}

/* The GSI whose route carries @data. */
static uint32_t gsi_of(uint32_t data)
{
	for (uint32_t gsi = 0; gsi < FAKE_GSIS; gsi++) {
		if (fake.routes[gsi].set && fake.routes[gsi].data == data)
			return gsi;
	}
	ck_abort_msg("no route for %u", data);
	return 0;
}

/* As Linux does it: enable with all masked, write the entries, unmask. */
static void msix_up(void)
{
	msix_flags(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (uint32_t i = 0; i <= NR; i++)
		msix_entry(i, 100 + i, false);
	msix_flags(PCI_MSIX_FLAGS_ENABLE);
	set(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_MSIX, 2), 0);
	ck_assert_uint_eq(queue_vector(0, 1), 1);
	ck_assert_uint_eq(queue_vector(1, 2), 2);
}

START_TEST(each_queue_signals_its_vector)
{
	negotiate();
	msix_up();
	set_queue(0);
	set_queue(1);
	status(ACK | DRV | FOK | DOK);
	offer(1, 0);
	ring(1);
	ck_assert_uint_eq(fake_raised(gsi_of(102)), 1);
	ck_assert_uint_eq(fake_raised(gsi_of(101)), 0);
	vmm_device_set_config(device.dev, 0, "x", 1, true);
	ck_assert_uint_eq(fake_raised(gsi_of(100)), 1);
	/* 4.1.4.5.1: the configuration bit is set nevertheless; the wire stays down. */
	ck_assert(!fake.lines[layout->pci_gsi + 1]);
	ck_assert_uint_eq(fake_read(isr, 1), 2);
	ck_assert_uint_eq(fake.line_changes, 0);
}
END_TEST

START_TEST(a_vector_that_cannot_be_had_reads_back_as_none)
{
	static const uint32_t vectors[] = { NR + 1, 64, 255, 256, 0x7fff, 0xfffe, NONE };

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		ck_assert_uint_eq(queue_vector(0, vectors[i]), NONE);
		set(VIRTIO_PCI_COMMON_MSIX, 2, vectors[i]);
		ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_MSIX, 2), NONE);
	}
	fake.refuse_gsis = true;
	ck_assert_uint_eq(queue_vector(0, 1), NONE);
	fake.refuse_gsis = false;
	ck_assert_uint_eq(queue_vector(0, NR), NR);
}
END_TEST

START_TEST(a_queue_without_a_vector_is_silent)
{
	negotiate();
	msix_up();
	queue_vector(1, NONE);
	set_queue(0);
	set_queue(1);
	status(ACK | DRV | FOK | DOK);
	offer(1, 0);
	ring(1);
	ck_assert_uint_eq(driver_used(1), 1);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(fake_raised(gsi_of(100 + i)), 0);
	ck_assert_uint_eq(fake.line_changes, 0);
}
END_TEST

START_TEST(vectors_may_be_switched_under_traffic)
{
	negotiate();
	msix_up();
	set_queue(0);
	status(ACK | DRV | FOK | DOK);
	for (uint32_t i = 0; i < 400; i++) {
		uint32_t vector = i % 3, raised = 0;

		ck_assert_uint_eq(queue_vector(0, vector), vector);
		msix_entry(vector, 100 + vector, i & 1);
		offer(0, i % QSIZE);
		ring(0);
		ck_assert_uint_eq(driver_used(0), (uint16_t)(i + 1));
		msix_entry(vector, 100 + vector, false);
		for (uint32_t v = 0; v < 3; v++)
			raised += (uint32_t)fake_raised(gsi_of(100 + v));
		ck_assert_uint_eq(raised, 1);
	}
}
END_TEST

START_TEST(switching_msi_x_off_goes_back_to_the_wire)
{
	negotiate();
	msix_up();
	set_queue(0);
	status(ACK | DRV | FOK | DOK);
	msix_flags(0);
	offer(0, 0);
	ring(0);
	ck_assert(fake.lines[layout->pci_gsi + 1]);
	msix_flags(PCI_MSIX_FLAGS_ENABLE);
	ck_assert(!fake.lines[layout->pci_gsi + 1]);
}
END_TEST

START_TEST(the_machines_reset_forgets_bars_and_vectors)
{
	uint64_t first = common;

	negotiate();
	msix_up();
	put(PCI_BASE_ADDRESS_0, 4, (uint32_t)layout->pci_base + 0x100000);
	vmm__device_reset(device.dev);
	vmm__device_machine_reset(device.dev);
	probe();
	ck_assert_uint_eq(common, first);
	ck_assert_uint_eq(get(msix_cap + PCI_MSIX_FLAGS, 2), NR);
	ck_assert_uint_eq(fake_read(msix_table + PCI_MSIX_ENTRY_VECTOR_CTRL, 4), 1);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_MSIX, 2), NONE);
	bring_up();
	offer(0, 0);
	ring(0);
	ck_assert(fake.lines[layout->pci_gsi + 1]);
}
END_TEST

/* ---- the window of 4.1.4.9 ---- */

static void window(uint32_t bar_index, uint32_t offset, uint32_t length)
{
	put(window_cap + VIRTIO_PCI_CAP_BAR, 1, bar_index);
	put(window_cap + VIRTIO_PCI_CAP_OFFSET, 4, offset);
	put(window_cap + VIRTIO_PCI_CAP_LENGTH, 4, length);
}

/* ---- going while the guest runs ---- */

/* Everything that a guest can do to the function @f of @p, which it found before. */
static void access_all(struct virtio_pci *p, uint64_t value)
{
	struct pci_function *f = &p->function;

	for (uint32_t at = 0; at < VIRTIO_PCI_BAR_LENGTH; at++) {
		for (uint32_t width = 1; width <= 8; width *= 2) {
			(void)vmm__virtio_pci_range.read(p, at, width);
			vmm__virtio_pci_range.write(p, at, width, value);
		}
	}
	for (uint32_t at = 0; at < MSIX_BAR_LENGTH; at += 4) {
		(void)vmm__msix_range.read(&p->msix, at, 4);
		vmm__msix_range.write(&p->msix, at, 4, value);
	}
	for (uint32_t at = 0; at < 256; at += 4) {
		f->ops->before_read(p, at, 4);
		vmm__pci_store(f, at, 4, (uint32_t)value);
		f->ops->written(p, at, 4);
		f->ops->after_write(p, at, 4);
	}
}

START_TEST(an_access_that_found_a_device_before_it_went_does_nothing)
{
	static const uint64_t values[] = {
		0, 1, 3, 11, 15, UINT64_MAX, 0x0101010101010101, RING_DESC(0),
	};
	struct virtio_pci *p = device.dev->transport_state;
	struct vmm_device *dev = device.dev;

	bring_up();
	set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	put(msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	device.hold = true;
	offer(0, 0);
	ring(0);
	ck_assert_int_eq(device.nr_held, 1);

	vmm__device_unplug(dev);
	ck_assert_int_eq(device.destroyed, 1);
	ck_assert_int_eq(device.resets, 1);
	ck_assert_uint_eq(get(PCI_VENDOR_ID, 4), UINT32_MAX);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	device = (struct fake_device){ .dev = dev, .destroyed = 1 };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		access_all(p, values[i]);
		fake_run();
	}
	/* A driver that goes through all the steps, too. */
	for (uint32_t i = 0; i < 4; i++) {
		static const uint32_t steps[] = { 1, 3, 11, 15 };

		vmm__virtio_pci_range.write(p, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
		vmm__virtio_pci_range.write(p, VIRTIO_PCI_COMMON_GF, 4, 1);
		vmm__virtio_pci_range.write(p, VIRTIO_PCI_COMMON_STATUS, 1, i == 0 ? 0 : steps[i]);
		vmm__virtio_pci_range.write(p, VIRTIO_PCI_COMMON_STATUS, 1, steps[i]);
	}
	vmm__device_notify(dev, 0);
	vmm__device_write_config(dev, 0, 4, 1);
	fake_run();
	ck_assert_int_eq(device.activations + device.resets + device.config_writes, 0);
	ck_assert_int_eq(device.kicks[0] + device.popped, 0);
	ck_assert_uint_eq(fake.nr_ioevents, 0);
	ck_assert_int_eq(fake.broken, 0);
	for (uint32_t i = 24; i < FAKE_GSIS; i++)
		ck_assert(!fake.gsi_used[i]);
	for (uint32_t i = 0; i < 64; i++)
		ck_assert(!fake.lines[i]);
	vmm__device_free(dev);

	/* Its slot is free for the next. */
	device_create(CONFIG_BYTES);
	bring_up();
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(a_device_comes_into_a_running_machine_as_hardware_does)
{
	vmm__device_power_on(device.dev);
	ck_assert_uint_eq(vmm__device_slot(device.dev), 1);
	ck_assert_uint_eq(get(PCI_COMMAND, 2), 0);
	ck_assert_uint_eq(bar(0), 0);
	put(PCI_BASE_ADDRESS_0, 4, (uint32_t)layout->pci_base + 0x400000);
	put(PCI_BASE_ADDRESS_4, 4, (uint32_t)layout->pci_base + 0x500000);
	put(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	probe();
	ck_assert_uint_eq(common, layout->pci_base + 0x400000);
	bring_up();
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

START_TEST(registers_are_reached_through_configuration_space)
{
	const uint32_t data = window_cap + sizeof(struct virtio_pci_cap);

	put(PCI_COMMAND, 2, PCI_COMMAND_MASTER);	/* the BARs are not mapped */
	window(0, VIRTIO_PCI_COMMON_NUMQ, 2);
	ck_assert_uint_eq(get(data, 2), NR);
	window(0, VIRTIO_PCI_COMMON_STATUS, 1);
	put(data, 1, ACK);
	ck_assert_uint_eq(get(data, 1), ACK);
	put(data, 1, ACK | DRV);
	ck_assert_uint_eq(get(data, 4) & 0xff, ACK | DRV);
	window(4, PCI_MSIX_ENTRY_VECTOR_CTRL, 4);
	ck_assert_uint_eq(get(data, 4), 1);
	put(data, 4, 0);
	ck_assert_uint_eq(get(data, 4), 0);
}
END_TEST

START_TEST(a_ragged_window_shows_what_was_there_before)
{
	static const struct { uint32_t offset, length; } ragged[] = {
		{ VIRTIO_PCI_COMMON_NUMQ, 4 }, { 1, 2 }, { 0, 0 }, { 0, 3 }, { 0, 8 },
	};
	const uint32_t data = window_cap + sizeof(struct virtio_pci_cap);

	window(0, 0, 0);
	put(data, 4, 0x5a5a5a5a);
	for (size_t i = 0; i < sizeof(ragged) / sizeof(ragged[0]); i++) {
		window(0, ragged[i].offset, ragged[i].length);
		ck_assert_uint_eq(get(data, 4), 0x5a5a5a5a);
	}
}
END_TEST

static const struct { uint32_t bar, offset, length; } windows[] = {
	{ 1, 0, 4 }, { 2, 0, 4 }, { 5, 0, 4 }, { 6, 0, 4 }, { 255, 0, 4 },
	{ 0, 0x2000, 4 }, { 0, UINT32_MAX, 1 }, { 0, UINT32_MAX - 3, 4 }, { 4, 0x1000, 1 },
	{ 0, 1, 2 }, { 0, 2, 4 }, { 0, 0, 0 }, { 0, 0, 3 }, { 0, 0, 8 }, { 0, 0, UINT32_MAX },
};

START_TEST(a_window_out_of_bounds_shows_nothing)
{
	const uint32_t data = window_cap + sizeof(struct virtio_pci_cap);

	window(windows[_i].bar, windows[_i].offset, windows[_i].length);
	(void)get(data, 4);
	put(data, 4, UINT32_MAX);
	put(data + 3, 1, 1);
	(void)get(data + 1, 2);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_STATUS, 1), 0);
	ck_assert_uint_eq(reg(VIRTIO_PCI_COMMON_DFSELECT, 4), 0);
}
END_TEST

/* ---- memory ---- */

START_TEST(dma_never_reaches_a_register)
{
	const uint64_t targets[] = {
		common, isr, notify, config, msix_table, layout->ecam_base, 0xfee00000, 0xfec00000,
	};

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		bring_up();
		driver_desc(0, 0, targets[i], 4, VRING_DESC_F_WRITE, 0);
		driver_offer(0, QSIZE, 0);
		ring(0);
		ck_assert(reg(VIRTIO_PCI_COMMON_STATUS, 1) & BAD);
		status(0);

		negotiate();
		set_queue(0);
		set(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
		set(VIRTIO_PCI_COMMON_Q_DESCLO, 8, targets[i]);
		set(VIRTIO_PCI_COMMON_Q_AVAILLO, 8, targets[i]);
		set(VIRTIO_PCI_COMMON_Q_USEDLO, 8, targets[i]);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		status(ACK | DRV | FOK | DOK);
		ck_assert(reg(VIRTIO_PCI_COMMON_STATUS, 1) & BAD);
		status(0);
	}
	ck_assert_int_eq(device.popped, 0);
}
END_TEST

START_TEST(many_devices_get_slots_until_there_are_none)
{
	static struct fake_device many[31];
	struct vmm_device_config wanted = {
		.size = sizeof(wanted), .ops = &fake_device_ops, .nr_queues = 2,
	};
	int fds, n = 0;

	for (; n < 30; n++) {
		many[n] = (struct fake_device){ 0 };
		wanted.state = &many[n];
		ck_assert_int_eq(vmm__device_create(&fake.host, &wanted, &many[n].dev), 0);
	}
	fds = fake_count_fds();
	many[30] = (struct fake_device){ 0 };
	wanted.state = &many[30];
	ck_assert_int_eq(vmm__device_create(&fake.host, &wanted, &many[30].dev), -ENOSPC);
	ck_assert_int_eq(fake_count_fds(), fds);
	while (n > 0)
		vmm__device_destroy(many[--n].dev);
}
END_TEST

/* ---- vCPUs against each other, for TSan ---- */

static void *mover(void *arg)
{
	for (uint32_t i = 0; i < 300; i++) {
		put(PCI_BASE_ADDRESS_0, 4, (uint32_t)layout->pci_base + (i % 7) * 0x10000);
		put(PCI_COMMAND, 2, i & 7);
		put(msix_cap + PCI_MSIX_FLAGS, 2, i << 14);
		(void)get(PCI_STATUS, 2);
	}
	return NULL;
}

static void *driver(void *arg)
{
	for (uint32_t i = 0; i < 300; i++) {
		bring_up();
		msix_entry(i % 4, i, i & 1);
		queue_vector(0, i % 5);
		fake_write(doorbell(0), 2, 0);
		(void)fake_read(isr, 1);
		vmm_device_set_config(device.dev, 0, "z", 1, true);
		status(0);
	}
	return NULL;
}

START_TEST(vcpus_that_race_on_registers_leave_a_device_that_works)
{
	pthread_t a, b;

	fake.refuse_ioevents = true;
	device.stay = true;
	ck_assert_int_eq(pthread_create(&a, NULL, mover, NULL), 0);
	ck_assert_int_eq(pthread_create(&b, NULL, driver, NULL), 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);

	fake.refuse_ioevents = device.stay = false;
	vmm__device_reset(device.dev);
	vmm__device_machine_reset(device.dev);
	probe();
	bring_up();
	offer(0, 0);
	ring(0);
	ck_assert_uint_eq(driver_used(0), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pci_transport");
	TCase *tcase = tcase_create("virtio-pci");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, a_driver_finds_a_modern_device);
	tcase_add_test(tcase, a_device_without_config_space_shows_none);
	tcase_add_test(tcase, every_offset_reads_as_the_table_says_with_every_width);
	tcase_add_test(tcase, writes_count_only_as_wide_as_the_field);
	tcase_add_test(tcase, features_past_the_offered_words_read_0);
	tcase_add_test(tcase, queues_past_the_last_read_as_absent);
	tcase_add_test(tcase, only_a_1_enables_a_queue_and_nothing_disables_it);
	tcase_add_test(tcase, each_queue_has_its_own_doorbell);
	tcase_add_test(tcase, a_driver_brings_the_device_up_and_uses_it);
	tcase_add_test(tcase, doorbells_that_are_not_there_do_nothing);
	tcase_add_test(tcase, no_register_moves_a_live_queue);
	tcase_add_test(tcase, a_reset_takes_everything_back);
	tcase_add_test(tcase, vectors_alone_are_reset_too);
	tcase_add_test(tcase, doorbells_move_with_the_bar);
	tcase_add_test(tcase, without_bus_mastering_the_device_leaves_memory_alone);
	tcase_add_test(tcase, without_msi_x_a_wire_is_up_until_isr_is_read);
	tcase_add_test(tcase, each_queue_signals_its_vector);
	tcase_add_test(tcase, a_vector_that_cannot_be_had_reads_back_as_none);
	tcase_add_test(tcase, a_queue_without_a_vector_is_silent);
	tcase_add_test(tcase, vectors_may_be_switched_under_traffic);
	tcase_add_test(tcase, switching_msi_x_off_goes_back_to_the_wire);
	tcase_add_test(tcase, the_machines_reset_forgets_bars_and_vectors);
	tcase_add_test(tcase, an_access_that_found_a_device_before_it_went_does_nothing);
	tcase_add_test(tcase, a_device_comes_into_a_running_machine_as_hardware_does);
	tcase_add_test(tcase, registers_are_reached_through_configuration_space);
	tcase_add_test(tcase, a_ragged_window_shows_what_was_there_before);
	tcase_add_loop_test(tcase, a_window_out_of_bounds_shows_nothing, 0,
			    (int)(sizeof(windows) / sizeof(windows[0])));
	tcase_add_test(tcase, dma_never_reaches_a_register);
	tcase_add_test(tcase, many_devices_get_slots_until_there_are_none);
	tcase_add_test(tcase, vcpus_that_race_on_registers_leave_a_device_that_works);
	suite_add_tcase(suite, tcase);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
