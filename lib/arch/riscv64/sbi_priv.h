/* SPDX-License-Identifier: MIT */
/* sbi_priv.h - calls of the Supervisor Binary Interface that KVM leaves to user space. */
#ifndef ARCH_RISCV64_SBI_PRIV_H
#define ARCH_RISCV64_SBI_PRIV_H

#include <stdbool.h>

struct arch_machine_host;
struct kvm_run;

/*
 * Answer the call in @run (KVM_EXIT_RISCV_SBI): the debug console, and the console of SBI
 * 0.1; what else comes is not supported. On a vCPU's thread; never blocks.
 */
void vmm__riscv_sbi(const struct arch_machine_host *host, struct kvm_run *run);

#endif
