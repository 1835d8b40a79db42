/* SPDX-License-Identifier: MIT */
/* one_reg_priv.h - a vCPU's registers by KVM's numbers (KVM_GET_ONE_REG, KVM_SET_ONE_REG). */
#ifndef ARCH_RISCV64_ONE_REG_PRIV_H
#define ARCH_RISCV64_ONE_REG_PRIV_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define RISCV_REG_64	(KVM_REG_RISCV | KVM_REG_SIZE_U64)
#define RISCV_REG_32	(KVM_REG_RISCV | KVM_REG_SIZE_U32)

#define RISCV_CONFIG(name)	(RISCV_REG_64 | KVM_REG_RISCV_CONFIG | KVM_REG_RISCV_CONFIG_REG(name))
#define RISCV_CORE(n)		(RISCV_REG_64 | KVM_REG_RISCV_CORE | (n))	/* 0: pc; 1 .. 31: x1 .. x31 */
#define RISCV_MODE		RISCV_CORE(KVM_REG_RISCV_CORE_REG(mode))
#define RISCV_CSR(name)		(RISCV_REG_64 | KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_GENERAL | \
				 KVM_REG_RISCV_CSR_REG(name))
#define RISCV_TIMER(name)	(RISCV_REG_64 | KVM_REG_RISCV_TIMER | KVM_REG_RISCV_TIMER_REG(name))
#define RISCV_ISA_EXT(n)	(RISCV_REG_64 | KVM_REG_RISCV_ISA_EXT | KVM_REG_RISCV_ISA_SINGLE | (n))
#define RISCV_SBI_EXT(n)	(RISCV_REG_64 | KVM_REG_RISCV_SBI_EXT | KVM_REG_RISCV_SBI_SINGLE | (n))

/* The largest register: a vector register, of up to 65536 bits. */
#define RISCV_REG_BYTES_MAX	8192u

/* @value has as many bytes as @id says. 0, or what KVM said, with words. */
int vmm__riscv_get_reg(int vcpu_fd, uint64_t id, void *ret_value);
int vmm__riscv_set_reg(int vcpu_fd, uint64_t id, const void *value);

/* Registers of 64 bits. */
int vmm__riscv_get(int vcpu_fd, uint64_t id, uint64_t *ret_value);
int vmm__riscv_set(int vcpu_fd, uint64_t id, uint64_t value);

/* Likewise, of a register that this KVM or this processor may lack: false then, and no words. */
bool vmm__riscv_has(int vcpu_fd, uint64_t id, uint64_t *ret_value);

/* All that KVM has of a vCPU. The caller frees *@ret_list. */
int vmm__riscv_reg_list(int vcpu_fd, struct kvm_reg_list **ret_list);

#endif
