/* SPDX-License-Identifier: MIT */
/*
 * sbi.c - the firmware's console (SBI 2.0, chapter 12, and 5.2 to 5.4 for that of 0.1).
 *
 * KVM answers the other extensions itself: base, timer, IPI, remote fence, hart state
 * management, steal time; a system reset comes as KVM_EXIT_SYSTEM_EVENT. What the guest prints here
 * goes where its serial port's output goes, and in order with that.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>

#include <libvmm/memory.h>
#include "arch/arch_priv.h"
#include "arch/riscv64/sbi_priv.h"

enum {
	SBI_EXT_PUTCHAR	= 0x01,		/* SBI 0.1 */
	SBI_EXT_GETCHAR	= 0x02,
	SBI_EXT_DBCN	= 0x4442434e,
};

enum {
	DBCN_WRITE	= 0,
	DBCN_READ	= 1,
	DBCN_WRITE_BYTE	= 2,
};

#define SBI_SUCCESS		0l
#define SBI_ERR_NOT_SUPPORTED	(-2l)
#define SBI_ERR_INVALID_PARAM	(-3l)
#define SBI_ERR_DENIED		(-4l)

/* Bytes of one call: fewer than asked are allowed, and the caller comes again (12.1). */
#define PIECE	1024u

static void answer(struct kvm_run *run, long error, unsigned long value)
{
	run->riscv_sbi.ret[0] = (unsigned long)error;
	run->riscv_sbi.ret[1] = value;
}

/* args: bytes, address, its upper half (of 128 bits): which is zero. */
static void dbcn_transfer(const struct arch_machine_host *host, struct kvm_run *run, bool write)
{
	unsigned long len = run->riscv_sbi.args[0], high = run->riscv_sbi.args[2];
	vmm_gpa_t gpa = run->riscv_sbi.args[1];
	unsigned char piece[PIECE];
	int n;

	if (len > PIECE)
		len = PIECE;
	/* Into memory that is not there nothing must be lost of what was typed. */
	if (high != 0 || vmm_mem_read(host->mem, gpa, piece, len) < 0) {
		answer(run, SBI_ERR_INVALID_PARAM, 0);
		return;
	}

	n = write ? host->console_write(host->data, piece, len) :
		    host->console_read(host->data, piece, len);
	if (n < 0) {
		answer(run, SBI_ERR_DENIED, 0);
		return;
	}
	if (!write && vmm_mem_write(host->mem, gpa, piece, (size_t)n) < 0)
		answer(run, SBI_ERR_INVALID_PARAM, 0);
	else
		answer(run, SBI_SUCCESS, (unsigned long)n);
}

static void dbcn(const struct arch_machine_host *host, struct kvm_run *run)
{
	unsigned char byte = (unsigned char)run->riscv_sbi.args[0];

	switch (run->riscv_sbi.function_id) {
	case DBCN_WRITE:
	case DBCN_READ:
		dbcn_transfer(host, run, run->riscv_sbi.function_id == DBCN_WRITE);
		break;
	case DBCN_WRITE_BYTE:
		answer(run, host->console_write(host->data, &byte, 1) < 0 ? SBI_ERR_DENIED : SBI_SUCCESS, 0);
		break;
	default:
		answer(run, SBI_ERR_NOT_SUPPORTED, 0);
	}
}

void vmm__riscv_sbi(const struct arch_machine_host *host, struct kvm_run *run)
{
	unsigned char byte = (unsigned char)run->riscv_sbi.args[0];

	switch (run->riscv_sbi.extension_id) {
	case SBI_EXT_DBCN:
		dbcn(host, run);
		break;
	case SBI_EXT_PUTCHAR:
		(void)host->console_write(host->data, &byte, 1);
		answer(run, SBI_SUCCESS, 0);
		break;
	case SBI_EXT_GETCHAR:
		/* The byte itself, or -1: SBI 0.1 has one result. */
		answer(run, host->console_read(host->data, &byte, 1) == 1 ? byte : -1l, 0);
		break;
	default:
		answer(run, SBI_ERR_NOT_SUPPORTED, 0);
	}
}
