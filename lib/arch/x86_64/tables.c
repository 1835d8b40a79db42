/* SPDX-License-Identifier: MIT */
/* tables.c - put the tables where a guest looks for them. */
#include <errno.h>
#include <stdlib.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "arch/x86_64/tables_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"
#include "devices/legacy/power_priv.h"

/*
 * The one piece of firmware. A system that jumps to f000:fff0 in real mode wants a reset;
 * Linux does, on a hardware-reduced machine that has no EFI.
 */
static const uint8_t reset_vector[] = {
	0xba, (X86_PORT_POWER + POWER_RESET) & 0xff,	/* mov dx, port */
	(X86_PORT_POWER + POWER_RESET) >> 8,
	0xb0, POWER_RESET_VALUE,			/* mov al, value */
	0xee,						/* out dx, al */
	0xf4,						/* hlt */
	0xeb, 0xfd,					/* jmp to hlt */
};

int vmm__arch_write_tables(const struct vmm_mem *mem, const struct machine_desc *desc)
{
	uint8_t *acpi = calloc(1, X86_ACPI_SIZE + X86_SMBIOS_SIZE);
	uint8_t *smbios;
	int r, n;

	if (!acpi)
		return vmm__fail(-ENOMEM, "no memory for the machine's tables");

	smbios = acpi + X86_ACPI_SIZE;
	r = n = vmm__acpi_build(acpi, X86_ACPI_SIZE, X86_ACPI, desc);
	if (r >= 0)
		r = vmm_mem_write(mem, X86_ACPI, acpi, (size_t)n);
	if (r >= 0)
		r = n = vmm__smbios_build(smbios, X86_SMBIOS_SIZE, X86_SMBIOS, desc, mem);
	if (r >= 0)
		r = vmm_mem_write(mem, X86_SMBIOS, smbios, (size_t)n);
	if (r >= 0)
		r = vmm_mem_write(mem, X86_RESET_VECTOR, reset_vector, sizeof(reset_vector));
	if (r == -EFAULT)
		r = vmm__fail(-ENOSPC, "a machine with tables needs at least 1 MiB of RAM");

	free(acpi);
	return r;
}
