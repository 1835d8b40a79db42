/* SPDX-License-Identifier: MIT */
/*
 * start.S - where a test guest begins: the header of a Linux Image, then EL1 with the MMU on, so that RAM is
 * as cacheable for the guest as it is for its host.
 *
 * Memory is mapped one to one: the first GiB for devices, the second for RAM.
 */
#define ENTRY_DEVICE	((1 << 54) | (1 << 10) | 1)			/* execute never, accessed, block */
#define ENTRY_RAM	((1 << 30) | (1 << 10) | (3 << 8) | (1 << 2) | 1)	/* inner shareable, attribute 1 */
#define MAIR		0xff00						/* 0: device, 1: write-back */
/* 39 bits of address, pages of 4 KiB; tables are write-back and shared; no second half; 36 bits come out. */
#define TCR		(25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23) | (1 << 32))
#define SCTLR_ON	((1 << 0) | (1 << 2) | (1 << 12))		/* MMU, caches */

	.section .head, "ax"
	.globl	_start
_start:
	b	begin
	.long	0
	.quad	0		/* text_offset */
	.quad	0x200000	/* image_size: more than any has */
	.quad	0xa		/* little endian, pages of 4 KiB, anywhere */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

begin:
	adrp	x0, tables
	ldr	x1, =ENTRY_DEVICE
	ldr	x2, =ENTRY_RAM
	stp	x1, x2, [x0]
	dsb	ish
	msr	ttbr0_el1, x0
	ldr	x1, =MAIR
	msr	mair_el1, x1
	ldr	x1, =TCR
	msr	tcr_el1, x1
	adr	x1, vectors
	msr	vbar_el1, x1
	isb
	mrs	x1, sctlr_el1
	ldr	x2, =SCTLR_ON
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb
	adrp	x0, stack_end
	add	sp, x0, :lo12:stack_end
	mov	x29, xzr
	mov	x30, xzr
	bl	guest_main
	bl	guest_done
1:	wfi
	b	1b
	.ltorg

	/* Nothing of this is expected: say what it was. */
	.balign	2048
vectors:
	.rept	16
	.balign	128
	mrs	x1, esr_el1
	mov	w0, #9999
	b	guest_fail
	.endr

	.bss
	.balign	4096
tables:
	.skip	4096
	.skip	16384
stack_end:

	.section .note.GNU-stack, "", %progbits
