/* SPDX-License-Identifier: MIT */
/*
 * image_load.c - load an Image, its initrd, and choose a place for the device tree.
 *
 * All lie at the start of RAM, in this order: the kernel where it wants to be, room for the
 * tree at the next multiple of 2 MiB (so that it crosses none), the initrd. The tree itself
 * is written last, when it is known which devices there are (lib/arch).
 */
#include <errno.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "boot/boot_priv.h"
#include "boot/fdt_priv.h"
#include "boot/image_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

#define INITRD_ALIGN	65536ull	/* the largest page */
#define MIB(x)		((unsigned long long)(((x) + (1 << 20) - 1) >> 20))

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

static int check_protocol(const struct boot_source *source, const struct image_rules *rules)
{
	if (source->protocol != VMM_BOOT_AUTO && source->protocol != VMM_BOOT_IMAGE)
		return vmm__fail(-ENOEXEC, "boot protocol %u is not one of %s, which boots an Image",
				 source->protocol, rules->name);
	if (strlen(source->cmdline) >= rules->cmdline_size)
		return vmm__fail(-ENOSPC, "the command line has %zu bytes, Linux on %s takes %u",
				 strlen(source->cmdline), rules->name, rules->cmdline_size - 1);
	return 0;
}

/* Room for the tree and the initrd behind the kernel. */
static int place_rest(const struct vmm_mem *mem, const struct boot_source *source,
		      const struct image_place *kernel, struct boot_entry *entry)
{
	const struct mem_region *ram = &mem->regions[0];
	uint64_t end = ram->gpa + (ram->size > BOOT_TAIL ? ram->size - BOOT_TAIL : 0);
	uint64_t tree = align_up(kernel->end, IMAGE_ALIGN);
	uint64_t initrd = align_up(tree + FDT_ROOM, INITRD_ALIGN);

	if (tree < kernel->end || tree > end || FDT_ROOM > end - tree)
		return vmm__fail(-ENOSPC, "no room for the device tree behind the kernel's %llu MiB, the guest has %llu MiB "
				 "of RAM", MIB(kernel->end - kernel->start), MIB(ram->size));
	entry->argument = tree;
	entry->argument_size = FDT_ROOM;
	if (source->initrd_size == 0)
		return 0;

	if (initrd > end || source->initrd_size > end - initrd)
		return vmm__fail(-ENOSPC, "the initrd needs %llu MiB beside the kernel's %llu, the guest has %llu MiB of RAM",
				 MIB(source->initrd_size), MIB(kernel->end - kernel->start),
				 MIB(ram->size));
	entry->initrd = initrd;
	entry->initrd_size = source->initrd_size;
	return 0;
}

int vmm__boot_load(const struct vmm_mem *mem, const struct boot_source *source,
		   struct boot_entry *ret_entry)
{
	const struct image_rules *rules = vmm__image_rules(vmm__arch_id());
	struct boot_entry entry = { 0 };
	struct image_place kernel;
	int r = check_protocol(source, rules);

	if (r == 0)
		r = vmm__image_load(mem, source, rules, &kernel);
	if (r == 0)
		r = place_rest(mem, source, &kernel, &entry);
	if (r < 0)
		return r;
	if (entry.initrd_size > 0 &&
	    vmm__mem_read_file(mem, entry.initrd, entry.initrd_size, source->initrd_fd, 0) < 0)
		return -EIO;

	entry.entry = kernel.start;
	*ret_entry = entry;
	return 0;
}
