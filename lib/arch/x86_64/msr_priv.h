/* SPDX-License-Identifier: MIT */
/* msr_priv.h - model-specific registers of a vCPU. */
#ifndef ARCH_X86_64_MSR_PRIV_H
#define ARCH_X86_64_MSR_PRIV_H

/* Set all that a guest can write, and that hold state, to their values after reset. */
int vmm__msr_reset(int vcpu_fd);

#endif
