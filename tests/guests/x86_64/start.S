/* SPDX-License-Identifier: MIT */
/* start.S - where a test guest begins: 64-bit mode, memory mapped one to one, no stack yet. */
	.globl	_start
	.text
_start:
	lea	stack_end(%rip), %rsp
	xor	%ebp, %ebp
	call	guest_main
	call	guest_done
1:	hlt
	jmp	1b

	.bss
	.balign	16
	.skip	16384
stack_end:

	.section .note.GNU-stack, "", @progbits
