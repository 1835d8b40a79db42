/* SPDX-License-Identifier: MIT */
/*
 * plic_priv.h - a Platform-Level Interrupt Controller (RISC-V PLIC 1.0), for a KVM that has no AIA.
 *
 * One context for each hart, its supervisor mode; sources 1 to 63. Thread safety: all calls
 * lock; none blocks.
 */
#ifndef ARCH_RISCV64_PLIC_PRIV_H
#define ARCH_RISCV64_PLIC_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/range.h>

#define PLIC_SOURCES	63u

struct plic;

struct plic_config {
	uint32_t nr_harts;
	/* Drive the external interrupt of @hart. With the lock. */
	void (*drive)(void *data, uint32_t hart, bool level);
	void *data;
};

int vmm__plic_create(const struct plic_config *config, struct plic **ret_plic);
void vmm__plic_destroy(struct plic *plic);	/* NULL is allowed */

/* As after power on, but for the wires, which are the devices'. */
void vmm__plic_reset(struct plic *plic);

/* The wire of @source; it interrupts for as long as it is up. Sources that are not there are ignored. */
void vmm__plic_set_line(struct plic *plic, uint32_t source, bool level);

/* An edge: it interrupts once; while it is being handled, once more afterwards. */
void vmm__plic_pulse(struct plic *plic, uint32_t source);

/* The registers. The state is the struct plic. */
extern const struct vmm_range_ops vmm__plic_range;

#endif
