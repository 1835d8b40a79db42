/* SPDX-License-Identifier: MIT */
/*
 * guest.S - the smallest guest that a person could talk to.
 *
 * It is entered by PVH (32-bit, no paging), says "ready" on the first serial port
 * and then does what it reads there, one letter a time:
 *
 *	o	power off (ACPI 6.4, 4.8.3.7: sleep type 5 and SLP_EN)
 *	r	reset through the keyboard controller
 *	t	triple fault
 *	c	jump to where there is nothing
 *	p	panic, by pvpanic
 *	f	print without end
 *	h	halt for ever
 *
 * Every other letter comes back as <letter>.
 */
#define COM1		0x3f8
#define COM1_LSR	0x3fd
#define LSR_DATA	0x01
#define LSR_EMPTY	0x20
#define KEYBOARD	0x64
#define POWER		0x600
#define PVPANIC		0x505
#define NOWHERE		0xd0000000

	.section .note.Xen, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start

	.text
	.code32
	.globl	_start
_start:
	mov	$stack, %esp
	mov	$ready, %esi
1:	lodsb
	test	%al, %al
	jz	loop
	call	put
	jmp	1b

loop:	mov	$COM1_LSR, %edx
	inb	%dx, %al
	test	$LSR_DATA, %al
	jz	loop
	mov	$COM1, %edx
	inb	%dx, %al
	cmp	$'o', %al
	je	off
	cmp	$'r', %al
	je	reset
	cmp	$'t', %al
	je	fault
	cmp	$'c', %al
	je	crash
	cmp	$'p', %al
	je	panic
	cmp	$'f', %al
	je	flood
	cmp	$'h', %al
	je	halt
	mov	%al, %bl
	mov	$'<', %al
	call	put
	mov	%bl, %al
	call	put
	mov	$'>', %al
	call	put
	jmp	loop

off:	mov	$POWER, %edx
	mov	$0x34, %al
	outb	%al, %dx
	jmp	halt
reset:	mov	$0xfe, %al
	outb	%al, $KEYBOARD
	jmp	halt
fault:	lidt	no_idt		/* then a selector past the end of the table */
	mov	$0xfff8, %eax
	mov	%eax, %ds
crash:	mov	$NOWHERE, %eax
	jmp	*%eax
panic:	mov	$PVPANIC, %edx
	mov	$1, %al
	outb	%al, %dx
halt:	cli
	hlt
	jmp	halt
flood:	mov	$'#', %al
	call	put
	jmp	flood

/* Print %al. */
put:	mov	%al, %ah
	mov	$COM1_LSR, %edx
1:	inb	%dx, %al
	test	$LSR_EMPTY, %al
	jz	1b
	mov	$COM1, %edx
	mov	%ah, %al
	outb	%al, %dx
	ret

	.section .rodata
ready:	.asciz	"ready\r\n"
no_idt:	.word	0
	.long	0

	.bss
	.balign	16
	.skip	256
stack:
	.section .note.GNU-stack, "", @progbits
