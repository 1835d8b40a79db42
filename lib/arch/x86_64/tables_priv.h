/* SPDX-License-Identifier: MIT */
/*
 * tables_priv.h - the tables that describe the machine, as bytes.
 *
 * Each builder fills @area, @size zeroed bytes that will lie at @gpa. Returns
 * the bytes used, or -ENOSPC.
 */
#ifndef ARCH_X86_64_TABLES_PRIV_H
#define ARCH_X86_64_TABLES_PRIV_H

#include <libvmm/common.h>

struct aml;
struct machine_desc;
struct vmm_mem;

/* RSDP at the start of the area, then XSDT, FADT, MADT, MCFG, DSDT. */
int vmm__acpi_build(uint8_t *area, size_t size, vmm_gpa_t gpa, const struct machine_desc *desc);

/* The contents of the DSDT, after its header. */
void vmm__dsdt_write(struct aml *aml, const struct machine_desc *desc);

/* The entry point at the start of the area, then the structures. */
int vmm__smbios_build(uint8_t *area, size_t size, vmm_gpa_t gpa, const struct machine_desc *desc,
		      const struct vmm_mem *mem);

#endif
