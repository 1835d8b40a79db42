/* SPDX-License-Identifier: MIT */
/*
 * worker.c - a guest that works a little, for ever, and sleeps in between: for the example server.
 *
 * Ten times a second it writes a number to its disk, flushes, and then says so on the serial port;
 * it sends a frame to everybody on its network, and counts those it hears. What is typed comes back,
 * and a line that is one of its commands is obeyed. It does without what it has not got. After a
 * start it goes on from the highest number on its disk.
 *
 * Sector n % sectors of the disk holds number n, that is: n, ~n.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "virtio.h"

#define COM1		0x3f8
#define COM1_STATUS	0x3fd
#define KEYBOARD	0x64
#define POWER		0x600
#define PVPANIC		0x505
#define LAPIC		0xfee00000u
#define TIMER		0x41u
#define SPURIOUS	0xffu
#define TICKS		50000000u	/* of the local APIC, which counts nanoseconds in KVM: 20 a second */
#define SECTOR		512u
#define SECTORS_MAX	64u
#define RX_BUFFERS	8u
#define FRAME		60u
#define NET_HEADER	12u

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* ---- words ---- */

static void print(const char *text)
{
	while (*text)
		out8(COM1, (uint8_t)*text++);
}

static void print_number(uint64_t n)
{
	char digits[21], *at = digits + 20;

	*at = '\0';
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	print(at);
}

/* ---- time ---- */

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
static volatile uint32_t ticks;

struct frame;

__attribute__((interrupt)) static void on_timer(struct frame *frame)
{
	ticks++;
	*(volatile uint32_t *)(uintptr_t)(LAPIC + 0xb0) = 0;
}

__attribute__((interrupt)) static void on_spurious(struct frame *frame)
{
}

static void gate(uint8_t vector, void (*handler)(struct frame *))
{
	uintptr_t at = (uintptr_t)handler;

	idt[vector] = (struct gate){
		.low = (uint16_t)at, .middle = (uint16_t)(at >> 16), .high = (uint32_t)(at >> 32),
		.selector = 0x10, .type = 0x8e,		/* the boot protocol's __BOOT_CS */
	};
}

/* A periodic interrupt (Intel SDM volume 3, 11.5.4). */
static void timer_up(void)
{
	const struct table_register reg = { sizeof(idt) - 1, (uintptr_t)idt };

	gate(TIMER, on_timer);
	gate(SPURIOUS, on_spurious);
	__asm__ volatile("lidt %0" : : "m"(reg));
	store32(LAPIC + 0xf0, 0x100 | SPURIOUS);
	store32(LAPIC + 0x3e0, 0xb);			/* divided by 1 */
	store32(LAPIC + 0x320, 1u << 17 | TIMER);	/* periodic */
	store32(LAPIC + 0x380, TICKS);
}

/* ---- disk ---- */

static struct device disk;
static uint32_t sectors;	/* 0: no disk */
static struct {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
} header;
static volatile uint8_t status;
static uint64_t sector_data[SECTOR / 8];

static void request(uint32_t type, uint64_t sector)
{
	const struct segment s[] = {
		{ &header, sizeof(header) }, { sector_data, SECTOR }, { (const void *)(uintptr_t)&status, 1 },
	};
	const struct segment flush[] = { s[0], s[2] };

	header.type = type;
	header.sector = sector;
	status = 0xff;
	if (type == VIRTIO_BLK_T_FLUSH)
		ring_offer(&disk, 0, 0, flush, 1, 1);
	else
		ring_offer(&disk, 0, 0, s, type == VIRTIO_BLK_T_OUT ? 2 : 1, type == VIRTIO_BLK_T_OUT ? 1 : 2);
	(void)ring_wait(&disk, 0, 0);
	if (status != VIRTIO_BLK_S_OK)
		print("the disk failed\r\n");
	CHECK(status == VIRTIO_BLK_S_OK, status);
}

/* The highest number that the disk holds; 0: none. */
static uint64_t disk_up(void)
{
	uint64_t highest = 0;

	if (!device_find(&disk, TRANSPORT_PCI, VIRTIO_ID_BLOCK))
		return 0;
	device_up(&disk, 1ull << VIRTIO_BLK_F_FLUSH, 1);
	sectors = load32(disk.config) < SECTORS_MAX ? load32(disk.config) : SECTORS_MAX;
	for (uint32_t i = 0; i < sectors; i++) {
		request(VIRTIO_BLK_T_IN, i);
		if (sector_data[0] == ~sector_data[1] && sector_data[0] > highest)
			highest = sector_data[0];
	}
	return highest;
}

static void disk_write(uint64_t n)
{
	sector_data[0] = n;
	sector_data[1] = ~n;
	request(VIRTIO_BLK_T_OUT, n % sectors);
	request(VIRTIO_BLK_T_FLUSH, 0);
}

/* ---- network ---- */

static struct device net;
static bool have_net;
static uint8_t received[RX_BUFFERS][NET_HEADER + 1514], sent[NET_HEADER + FRAME];
static uint32_t heard;

static void rx_offer(uint16_t n)
{
	const struct segment s = { received[n], sizeof(received[n]) };

	ring_offer(&net, 0, n, &s, 0, 1);
}

static void net_up(void)
{
	have_net = device_find(&net, TRANSPORT_PCI, VIRTIO_ID_NET);
	if (!have_net)
		return;
	device_up(&net, 1ull << 5, 2);		/* VIRTIO_NET_F_MAC */
	for (uint16_t i = 0; i < RX_BUFFERS; i++)
		rx_offer(i);
	memset(sent + NET_HEADER, 0xff, 6);	/* to all, */
	for (uint32_t i = 0; i < 6; i++)	/* from us, */
		sent[NET_HEADER + 6 + i] = load8(net.config + i);
	sent[NET_HEADER + 12] = 0x88;		/* of a kind for experiments (IEEE 802, 9.2.3) */
	sent[NET_HEADER + 13] = 0xb5;
}

static void net_work(void)
{
	const struct segment s = { sent, sizeof(sent) };
	struct ring *rx = &net.rings[0];

	while (rx->memory->used.index != rx->last_used) {
		uint32_t id = rx->memory->used.ring[rx->last_used % RING_ENTRIES].id;

		rx->last_used++;
		heard++;
		CHECK(id < RX_BUFFERS, id);
		rx_offer((uint16_t)id);
	}
	ring_offer(&net, 1, 0, &s, 1, 0);
	(void)ring_wait(&net, 1, 0);
}

/* ---- commands ---- */

static char line[16];
static uint32_t line_len;

static bool said(const char *word)
{
	uint32_t n = 0;

	while (word[n] && n < line_len && word[n] == line[n])
		n++;
	return word[n] == '\0' && n == line_len;
}

static void obey(void)
{
	static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none;

	if (said("poweroff"))
		out8(POWER, 0x34);
	else if (said("reboot"))
		out8(KEYBOARD, 0xfe);
	else if (said("fault"))
		__asm__ volatile("lidt %0; ud2" : : "m"(none));
	else if (said("panic"))
		out8(PVPANIC, 1);
	else if (said("spin"))
		for (;;)
			relax();
	else if (line_len > 0)
		print("poweroff, reboot, fault, panic or spin\r\n");
}

static void listen(void)
{
	/* (no port reads as ones) */
	while ((in8(COM1_STATUS) & 0x81) == 1) {
		char c = (char)in8(COM1);

		if (c == '\r' || c == '\n') {
			print("\r\n");
			obey();
			line_len = 0;
		} else {
			out8(COM1, (uint8_t)c);
			if (line_len < sizeof(line))
				line[line_len++] = c;
		}
	}
}

/* ---- its life ---- */

static void work(uint64_t n)
{
	if (sectors)
		disk_write(n);
	if (have_net)
		net_work();
	/* Each number that is safe is said, so that it can be looked for. */
	if (line_len == 0) {
		print(sectors ? "flushed " : "counted ");
		print_number(n);
		if (have_net) {
			print(", heard ");
			print_number(heard);
		}
		print("\r\n");
	}
}

void guest_main(void)
{
	uint64_t n;
	uint32_t seen = 0;

	print("the guest is ready\r\n");
	n = disk_up();
	net_up();
	if (n > 0) {
		print("going on after ");
		print_number(n);
		print("\r\n");
	}
	timer_up();
	for (;;) {
		__asm__ volatile("sti; hlt; cli" : : : "memory");
		if (ticks == seen)
			continue;
		seen = ticks;
		listen();
		if (seen % 2 == 0)
			work(++n);
	}
}
