/* SPDX-License-Identifier: MIT */
/*
 * interrupts.c - a guest that sleeps until a device's MSI-X interrupt wakes it.
 *
 * Also masks a vector while it is in use: the interrupt must wait and come when
 * the vector is unmasked, and a vector that was changed must come as the new one
 * (VIRTIO 1.2, 4.1.5.1; PCI 3.0, 6.8.2). Needs a ring 0 that takes interrupts.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include "virtio.h"

#define LAPIC		0xfee00000u
#define LAPIC_EOI	0xb0u
#define LAPIC_SVR	0xf0u
#define VECTOR_A	0x41u
#define VECTOR_B	0x42u
#define VECTOR_SPURIOUS	0xffu

/* A 64-bit interrupt gate (Intel SDM volume 3, 7.14.1). */
struct gate {
	uint16_t low;
	uint16_t selector;
	uint8_t stack;
	uint8_t type;
	uint16_t middle;
	uint32_t high;
	uint32_t zero;
};

struct __attribute__((packed)) table_register {
	uint16_t limit;
	uint64_t base;
};

static struct gate idt[256] __attribute__((aligned(16)));
static volatile uint32_t count_a, count_b, count_spurious;
static struct device rng;
static uint8_t bytes[16];

struct frame;

/* Not a function: a handler that calls one has to save every register. */
#define END_OF_INTERRUPT()	(*(volatile uint32_t *)(uintptr_t)(LAPIC + LAPIC_EOI) = 0)

__attribute__((interrupt)) static void on_a(struct frame *frame)
{
	count_a++;
	END_OF_INTERRUPT();
}

__attribute__((interrupt)) static void on_b(struct frame *frame)
{
	count_b++;
	END_OF_INTERRUPT();
}

__attribute__((interrupt)) static void on_spurious(struct frame *frame)
{
	count_spurious++;
}

static void gate(uint8_t vector, void (*handler)(struct frame *))
{
	uintptr_t at = (uintptr_t)handler;

	idt[vector] = (struct gate){
		.low = (uint16_t)at, .middle = (uint16_t)(at >> 16), .high = (uint32_t)(at >> 32),
		.selector = 0x10, .type = 0x8e,		/* the boot protocol's __BOOT_CS */
	};
}

static void interrupts_up(void)
{
	const struct table_register reg = { sizeof(idt) - 1, (uintptr_t)idt };

	gate(VECTOR_A, on_a);
	gate(VECTOR_B, on_b);
	gate(VECTOR_SPURIOUS, on_spurious);
	__asm__ volatile("lidt %0" : : "m"(reg));
	store32(LAPIC + LAPIC_SVR, 0x100 | VECTOR_SPURIOUS);
}

static void vector_set(uint32_t entry, uint8_t vector, bool masked)
{
	uintptr_t at = rng.msix_table + entry * PCI_MSIX_ENTRY_SIZE;

	store32(at + PCI_MSIX_ENTRY_LOWER_ADDR, LAPIC);	/* APIC 0, physical */
	store32(at + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
	store32(at + PCI_MSIX_ENTRY_DATA, vector);
	store32(at + PCI_MSIX_ENTRY_VECTOR_CTRL, masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

static void mask(uint32_t entry, bool masked)
{
	store32(rng.msix_table + entry * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL,
		masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

/* STI takes effect after the instruction that follows: nothing is lost before HLT. */
static void sleep_until(volatile uint32_t *count, uint32_t value)
{
	for (;;) {
		__asm__ volatile("cli" : : : "memory");
		if (*count == value)
			break;
		__asm__ volatile("sti; hlt" : : : "memory");
	}
	__asm__ volatile("sti" : : : "memory");
}

static void request(uint16_t head)
{
	const struct segment in = { bytes, sizeof(bytes) };

	ring_offer(&rng, 0, head, &in, 0, 1);
}

void guest_main(void)
{
	uintptr_t common;

	interrupts_up();
	CHECK(device_find(&rng, TRANSPORT_PCI, VIRTIO_ID_RNG), 0);
	CHECK(rng.msix_capability, 0);
	device_up(&rng, 0, 1);
	common = rng.common;

	/* Entry 1 for the queue. */
	store16(rng.function + rng.msix_capability + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
	vector_set(1, VECTOR_A, false);
	store16(common + offsetof(struct virtio_pci_common_cfg, queue_select), 0);
	store16(common + offsetof(struct virtio_pci_common_cfg, queue_msix_vector), 1);
	CHECK(load16(common + offsetof(struct virtio_pci_common_cfg, queue_msix_vector)) == 1, 0);

	for (uint16_t i = 0; i < 5; i++) {
		request(i);
		sleep_until(&count_a, i + 1u);
		ring_wait(&rng, 0, i);
	}

	/* Masked: the request ends, the interrupt waits. */
	mask(1, true);
	request(5);
	ring_wait(&rng, 0, 5);
	for (uint32_t i = 0; i < 20000; i++)
		relax();
	CHECK(count_a == 5, count_a);
	mask(1, false);
	sleep_until(&count_a, 6);

	/* Another vector in the same entry, changed while masked. */
	mask(1, true);
	request(6);
	ring_wait(&rng, 0, 6);
	vector_set(1, VECTOR_B, false);
	sleep_until(&count_b, 1);
	CHECK(count_a == 6, count_a);

	/* Gone: nothing comes. */
	store16(common + offsetof(struct virtio_pci_common_cfg, queue_msix_vector), 0xffff);
	request(7);
	ring_wait(&rng, 0, 7);
	for (uint32_t i = 0; i < 20000; i++)
		relax();
	CHECK(count_a == 6 && count_b == 1, count_b);
	CHECK(count_spurious == 0, count_spurious);
	__asm__ volatile("cli" : : : "memory");
}
