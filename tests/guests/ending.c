/* SPDX-License-Identifier: MIT */
/* ending.c - a guest that says hello on the serial port and then ends as it is told, or does not. */
#include "guest.h"

#define COM1		0x3f8
#define KEYBOARD	0x64
#define POWER		0x600
#define PVPANIC		0x505

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void print(const char *text)
{
	while (*text)
		out8(COM1, (uint8_t)*text++);
}

/* ---- the watchdog: Intel 6300ESB ---- */

static uint32_t slot;

static uint32_t pci_read(uint32_t reg)
{
	out32(0xcf8, 0x80000000u | slot << 11 | reg);
	return in32(0xcfc);
}

static void watchdog_put(uint64_t bar, uint32_t reg, uint32_t value)
{
	*(volatile uint16_t *)(bar + 0xc) = 0x80;
	*(volatile uint16_t *)(bar + 0xc) = 0x86;
	if (reg == 0xc)
		*(volatile uint16_t *)(bar + reg) = (uint16_t)value;
	else
		*(volatile uint32_t *)(bar + reg) = value;
}

static void watchdog_start(void)
{
	uint64_t bar;

	while (slot < 32 && pci_read(0) != 0x25ab8086)
		slot++;
	CHECK(slot < 32, slot);
	bar = pci_read(0x10) & ~15u;
	watchdog_put(bar, 0, 100);	/* a tenth of a second in each stage */
	watchdog_put(bar, 4, 100);
	pci_read(0x60);
	out16(0xcfc, 3);
	pci_read(0x68);
	out8(0xcfc, 2);
	watchdog_put(bar, 0xc, 0x100);
}

void guest_main(void)
{
	static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none;

	print("the guest is ready\n");
	step(STEP_UP);
	switch (param(PARAM_END)) {
	case END_POWEROFF:
		out8(POWER, 0x34);
		break;
	case END_REBOOT:
		out8(KEYBOARD, 0xfe);
		break;
	case END_FAULT:
		__asm__ volatile("lidt %0; ud2" : : "m"(none));
		break;
	case END_PANIC:
		out8(PVPANIC, 1);
		break;
	case END_OOPS:
		print("Kernel panic - not really\n");
		break;
	case END_UNFED:
		watchdog_start();
		break;
	}
	for (;;)
		relax();
}
