/* SPDX-License-Identifier: MIT */
/* fdt.c - write a device tree, by libfdt's sequential calls. */
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "boot/fdt_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

static void note(struct fdt *fdt, int error)
{
	if (fdt->error == 0 && error < 0)
		fdt->error = error;
}

#define DO(fdt, call)						\
	do {							\
		if ((fdt)->error == 0)				\
			note(fdt, call);			\
	} while (0)

int vmm__fdt_init(struct fdt *fdt, size_t room, vmm_gpa_t reserved, uint64_t reserved_size)
{
	*fdt = (struct fdt){ .bytes = calloc(1, room), .room = room };
	if (!fdt->bytes)
		return vmm__fail(-ENOMEM, "no memory for a device tree");

	DO(fdt, fdt_create(fdt->bytes, (int)room));
	if (reserved_size > 0)
		DO(fdt, fdt_add_reservemap_entry(fdt->bytes, reserved, reserved_size));
	DO(fdt, fdt_finish_reservemap(fdt->bytes));
	vmm__fdt_begin(fdt, "");
	return 0;
}

void vmm__fdt_finish(struct fdt *fdt)
{
	free(fdt->bytes);
	*fdt = (struct fdt){ 0 };
}

int vmm__fdt_store(struct fdt *fdt, const struct vmm_mem *mem, const struct boot_entry *entry)
{
	vmm__fdt_end(fdt);
	DO(fdt, fdt_finish(fdt->bytes));
	if (fdt->error == -FDT_ERR_NOSPACE)
		return vmm__fail(-ENOSPC, "the device tree does not fit in its %zu bytes", fdt->room);
	if (fdt->error < 0)
		return vmm__fail(-EINVAL, "cannot make a device tree: %s", fdt_strerror(fdt->error));
	if (fdt_totalsize(fdt->bytes) > entry->argument_size)
		return vmm__fail(-ENOSPC, "the device tree has %u bytes, there is room for %llu",
				 fdt_totalsize(fdt->bytes), (unsigned long long)entry->argument_size);
	return vmm_mem_write(mem, entry->argument, fdt->bytes, fdt_totalsize(fdt->bytes));
}

/* ---- nodes and properties ---- */

void vmm__fdt_begin(struct fdt *fdt, const char *name)
{
	DO(fdt, fdt_begin_node(fdt->bytes, name));
}

void vmm__fdt_begin_at(struct fdt *fdt, const char *name, uint64_t address)
{
	char full[64];

	snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)address);
	vmm__fdt_begin(fdt, full);
}

void vmm__fdt_end(struct fdt *fdt)
{
	DO(fdt, fdt_end_node(fdt->bytes));
}

void vmm__fdt_empty(struct fdt *fdt, const char *name)
{
	DO(fdt, fdt_property(fdt->bytes, name, NULL, 0));
}

void vmm__fdt_u32(struct fdt *fdt, const char *name, uint32_t value)
{
	DO(fdt, fdt_property_u32(fdt->bytes, name, value));
}

void vmm__fdt_u64(struct fdt *fdt, const char *name, uint64_t value)
{
	DO(fdt, fdt_property_u64(fdt->bytes, name, value));
}

void vmm__fdt_cells(struct fdt *fdt, const char *name, const uint32_t *cells, size_t nr)
{
	void *to = NULL;

	DO(fdt, fdt_property_placeholder(fdt->bytes, name, (int)(nr * sizeof(fdt32_t)), &to));
	for (size_t i = 0; i < nr && fdt->error == 0; i++)
		fdt32_st((fdt32_t *)to + i, cells[i]);
}

void vmm__fdt_string(struct fdt *fdt, const char *name, const char *value)
{
	DO(fdt, fdt_property_string(fdt->bytes, name, value));
}

void vmm__fdt_bytes(struct fdt *fdt, const char *name, const void *bytes, size_t len)
{
	DO(fdt, fdt_property(fdt->bytes, name, bytes, (int)len));
}

void vmm__fdt_reg(struct fdt *fdt, uint64_t base, uint64_t size)
{
	const uint32_t cells[] = {
		(uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32), (uint32_t)size,
	};

	vmm__fdt_cells(fdt, "reg", cells, 4);
}

void vmm__fdt_reg2(struct fdt *fdt, uint64_t base, uint64_t size, uint64_t base2, uint64_t size2)
{
	const uint32_t cells[] = {
		(uint32_t)(base >> 32), (uint32_t)base, (uint32_t)(size >> 32), (uint32_t)size,
		(uint32_t)(base2 >> 32), (uint32_t)base2, (uint32_t)(size2 >> 32), (uint32_t)size2,
	};

	vmm__fdt_cells(fdt, "reg", cells, 8);
}
