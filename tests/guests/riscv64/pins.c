/* SPDX-License-Identifier: MIT */
/*
 * pins.c - a guest that sleeps until a device's wire wakes it, again and again.
 *
 * By a PLIC's registers (RISC-V PLIC 1.0), or an APLIC's and an IMSIC's (RISC-V AIA 1.0,
 * chapters 3 and 4). Virtio-mmio has edges, PCI functions without MSI-X have levels. Interrupts are
 * claimed without being taken.
 */
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>

#include "sbi.h"
#include "virtio.h"

#define FIRST_EDGE	16u		/* sources from here on are virtio-mmio's */
#define SOURCES		63u

#define PLIC		0x0c000000u
#define PLIC_PRIORITY(n) (PLIC + 4 * (n))
#define PLIC_ENABLE(n)	(PLIC + 0x2000 + 4 * (n))
#define PLIC_THRESHOLD	(PLIC + 0x200000)
#define PLIC_CLAIM	(PLIC + 0x200004)

#define APLIC		0x0d000000u
#define APLIC_SOURCE(n)	(APLIC + 4 * (n))
#define APLIC_SETIENUM	(APLIC + 0x1edc)
#define APLIC_TARGET(n)	(APLIC + 0x3000 + 4 * (n))
enum { DOMAIN_IE = 1 << 8, SOURCE_EDGE_RISES = 4, SOURCE_LEVEL_HIGH = 6 };

#define SISELECT	"0x150"
#define SIREG		"0x151"
#define STOPEI		"0x15c"
enum { EIDELIVERY = 0x70, EITHRESHOLD = 0x72, EIE0 = 0xc0 };

enum { IRQCHIP_AIA = 4 };	/* enum vmm_irqchip */
static bool aia;

/* ---- the interrupt controller ---- */

static void imsic_set(unsigned long reg, unsigned long value)
{
	csr_write(SISELECT, reg);
	csr_write(SIREG, value);
}

static void aia_up(void)
{
	for (uint32_t n = 1; n <= SOURCES; n++) {
		store32(APLIC_SOURCE(n), n < FIRST_EDGE ? SOURCE_LEVEL_HIGH : SOURCE_EDGE_RISES);
		store32(APLIC_TARGET(n), n);	/* hart 0, the same number */
		store32(APLIC_SETIENUM, n);
	}
	store32(APLIC, DOMAIN_IE);
	imsic_set(EIE0, ~1ul);
	imsic_set(EITHRESHOLD, 0);
	imsic_set(EIDELIVERY, 1);
}

static void plic_up(void)
{
	for (uint32_t n = 1; n <= SOURCES; n++)
		store32(PLIC_PRIORITY(n), 1);
	store32(PLIC_ENABLE(0), ~1u);
	store32(PLIC_ENABLE(1), ~0u);
	store32(PLIC_THRESHOLD, 0);
}

/* What interrupts, which then interrupts no more; 0: nothing. */
static uint32_t claim(void)
{
	unsigned long top = 0;

	if (!aia)
		return load32(PLIC_CLAIM);
	__asm__ volatile("csrrw %0, " STOPEI ", zero" : "=r"(top) : : "memory");
	return (uint32_t)(top >> 16);
}

static void complete(uint32_t source)
{
	if (!aia)
		store32(PLIC_CLAIM, source);
}

static uint32_t sleep_until_interrupted(void)
{
	while (!(csr_read("sip") & SIE_EXTERNAL))
		halt();
	return claim();
}

/* ---- one request, one interrupt ---- */

static struct device rng;
static uint8_t bytes[32];

/* Let the device let go of its wire. */
static void acknowledge(void)
{
	if (rng.transport == TRANSPORT_PCI) {
		CHECK(load8(rng.isr) == 1, 0);
		return;
	}
	CHECK(load32(rng.mmio + VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING, 0);
	store32(rng.mmio + VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
}

static void once(void)
{
	const struct segment in = { bytes, sizeof(bytes) };
	uint32_t source;

	ring_offer(&rng, 0, 0, &in, 0, 1);
	source = sleep_until_interrupted();
	CHECK(source != 0 && (source >= FIRST_EDGE) == (rng.transport == TRANSPORT_MMIO), source);
	CHECK(ring_wait(&rng, 0, 0) == sizeof(bytes), source);
	acknowledge();
	complete(source);
	CHECK(!(csr_read("sip") & SIE_EXTERNAL), claim());
	step(STEP_ROUND);
}

void guest_main(void)
{
	aia = param(PARAM_IRQCHIP) == IRQCHIP_AIA;
	CHECK(device_find(&rng, param(PARAM_TRANSPORT), VIRTIO_ID_RNG), 0);
	if (aia)
		aia_up();
	else
		plic_up();
	csr_set("sie", SIE_EXTERNAL);
	device_up(&rng, 0, 1);
	for (uint32_t i = 0; i < param(PARAM_ROUNDS); i++)
		once();
}
