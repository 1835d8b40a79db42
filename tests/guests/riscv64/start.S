/* SPDX-License-Identifier: MIT */
/*
 * start.S - where a test guest begins: the header of a Linux Image, then supervisor mode without
 * translation. Other harts begin at hart_entry, once they are started.
 */
	.option norelax
	.option norvc

	.section .head, "ax"
	.globl	_start
_start:
	j	begin
	.word	0
	.quad	0		/* text_offset */
	.quad	0x200000	/* image_size: more than any has */
	.quad	0		/* little endian */
	.word	2, 0		/* version 0.2 */
	.quad	0
	.ascii	"RISCV\0\0\0"
	.ascii	"RSC\x05"
	.word	0

begin:
	la	t0, unexpected
	csrw	stvec, t0
	la	t0, boot_hart
	sd	a0, 0(t0)
	la	t0, boot_tree
	sd	a1, 0(t0)
	la	sp, stack_end
	call	guest_main
	call	guest_done
1:	wfi
	j	1b

	.globl	hart_entry
	.weak	guest_hart
hart_entry:
	la	t0, unexpected
	csrw	stvec, t0
	la	sp, hart_stack_end
	call	guest_hart
1:	wfi
	j	1b

	/* Nothing of this is expected: say what it was. */
	.balign	4
unexpected:
	csrr	a1, scause
	li	a0, 9999
	j	guest_fail

	.bss
	.balign	16
	.globl	boot_hart, boot_tree
boot_hart:
	.skip	8
boot_tree:
	.skip	8
	.skip	16384
stack_end:
	.skip	16384
hart_stack_end:

	.section .note.GNU-stack, "", %progbits
