/* SPDX-License-Identifier: MIT */
/*
 * x86_start.c - what a kernel is told at its entry, and the tables it starts on.
 *
 * Two forms of the same: Linux's boot_params (Documentation/arch/x86/boot.rst and
 * zero-page.rst) and Xen's hvm_start_info (xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <assert.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "boot/x86_priv.h"
#include "core/memory_priv.h"

/* ---- the memory map ---- */

enum { MAP_RAM = 1, MAP_RESERVED = 2, MAP_MAX = MEM_REGIONS_MAX + 4 };

struct map_entry {
	uint64_t start;
	uint64_t size;
	uint32_t type;
};

struct memory_map {
	struct map_entry entries[MAP_MAX];
	uint32_t nr;
};

static void map_add(struct memory_map *map, uint64_t start, uint64_t end, uint32_t type)
{
	if (start < end)
		map->entries[map->nr++] = (struct map_entry){ start, end - start, type };
}

/* RAM, less what a PC has between 639 KiB and 1 MiB; and PCI configuration space. */
static void map_make(struct memory_map *map, const struct vmm_mem *mem)
{
	const uint64_t ecam = X86_ECAM_BASE;
	bool ecam_done = false;

	map->nr = 0;
	map_add(map, 0, X86_LOW_END, MAP_RAM);
	map_add(map, X86_LOW_END, 0xa0000, MAP_RESERVED);
	map_add(map, X86_ACPI, X86_HIGH_START, MAP_RESERVED);
	for (size_t i = 0; i < mem->nr_regions; i++) {
		const struct mem_region *r = &mem->regions[i];
		uint64_t start = r->gpa < X86_HIGH_START ? X86_HIGH_START : r->gpa;

		if (start > ecam && !ecam_done) {
			map_add(map, ecam, ecam + X86_ECAM_SIZE, MAP_RESERVED);
			ecam_done = true;
		}
		map_add(map, start, r->gpa + r->size, MAP_RAM);
	}
	if (!ecam_done)
		map_add(map, ecam, ecam + X86_ECAM_SIZE, MAP_RESERVED);
}

/* ---- descriptors and pages ---- */

/* Flat segments as the 64-bit Linux boot protocol names them, and a task state segment. */
static int write_gdt(const struct vmm_mem *mem)
{
	static const uint64_t gdt[X86_GDT_ENTRIES] = {
		[X86_SEL_CODE32 / 8] = 0x00cf9b000000ffff,
		[X86_SEL_CODE64 / 8] = 0x00af9b000000ffff,
		[X86_SEL_DATA / 8] = 0x00cf93000000ffff,
		[X86_SEL_TSS / 8] = 0x00008b0000000067,		/* and 8 bytes of 0 */
	};

	return vmm_mem_write(mem, X86_GDT, gdt, sizeof(gdt));
}

/* The first 4 GiB one to one, in pages of 2 MiB: a root, four entries, four tables of 512. */
static void write_page_tables(const struct vmm_mem *mem)
{
	enum { PRESENT = 1, WRITABLE = 2, LARGE = 1 << 7, TABLE_BYTES = 4096, NR_TABLES = 6 };
	uint64_t *root = vmm__mem_ptr(mem, X86_PAGE_TABLES, NR_TABLES * TABLE_BYTES, VMM_MEM_WRITE);
	uint64_t *gigabytes, *entries;

	assert(root);			/* there is more than 1 MiB of RAM */
	gigabytes = root + 512;
	entries = gigabytes + 512;
	root[0] = (X86_PAGE_TABLES + TABLE_BYTES) | WRITABLE | PRESENT;
	for (uint64_t i = 0; i < 4; i++)
		gigabytes[i] = (X86_PAGE_TABLES + (2 + i) * TABLE_BYTES) | WRITABLE | PRESENT;
	for (uint64_t i = 0; i < 4ull * 512; i++)
		entries[i] = i << 21 | LARGE | WRITABLE | PRESENT;
}

/* ---- Xen's hvm_start_info, version 1 ---- */

#define START_MAGIC	0x336ec578u

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t map;
	uint32_t nr_map;
	uint32_t reserved;
};

struct start_module {
	uint64_t address;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct start_map_entry {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* The structure and all that it points to lie together. */
struct start_page {
	struct start_info info;
	struct start_module module;
	struct start_map_entry map[MAP_MAX];
};

static int write_start_info(const struct vmm_mem *mem, const struct boot_extras *extras,
			    const struct memory_map *map)
{
	struct start_page page = {
		.info = {
			.magic = START_MAGIC,
			.version = 1,
			.nr_modules = extras->initrd_size ? 1 : 0,
			.modules = X86_START_INFO + offsetof(struct start_page, module),
			.cmdline = X86_CMDLINE,
			.rsdp = X86_ACPI,
			.map = X86_START_INFO + offsetof(struct start_page, map),
			.nr_map = map->nr,
		},
		.module = { .address = extras->initrd, .size = extras->initrd_size },
	};

	for (uint32_t i = 0; i < map->nr; i++)
		page.map[i] = (struct start_map_entry){
			.address = map->entries[i].start,
			.size = map->entries[i].size,
			.type = map->entries[i].type,
		};

	return vmm_mem_write(mem, X86_START_INFO, &page, sizeof(page));
}

/* ---- Linux's boot_params ---- */

static int write_boot_params(const struct vmm_mem *mem, const struct boot_kernel *kernel,
			     const struct boot_extras *extras, const struct memory_map *map)
{
	struct boot_params params;

	memset(&params, 0, sizeof(params));
	params.hdr = kernel->header;
	params.hdr.type_of_loader = 0xff;		/* none of the registered ones */
	params.hdr.vid_mode = 0xffff;			/* "normal" */
	params.hdr.loadflags |= LOADED_HIGH;
	params.hdr.cmd_line_ptr = X86_CMDLINE;
	params.hdr.ramdisk_image = (uint32_t)extras->initrd;
	params.hdr.ramdisk_size = (uint32_t)extras->initrd_size;
	params.acpi_rsdp_addr = X86_ACPI;
	params.e820_entries = (uint8_t)map->nr;
	for (uint32_t i = 0; i < map->nr; i++) {
		params.e820_table[i].addr = map->entries[i].start;
		params.e820_table[i].size = map->entries[i].size;
		params.e820_table[i].type = map->entries[i].type;
	}

	return vmm_mem_write(mem, X86_BOOT_PARAMS, &params, sizeof(params));
}

int vmm__x86_start(const struct vmm_mem *mem, const struct boot_kernel *kernel,
		   const struct boot_extras *extras, vmm_gpa_t *ret_argument)
{
	struct memory_map map;
	int r = write_gdt(mem);

	if (r < 0)
		return r;

	map_make(&map, mem);
	if (kernel->kind == X86_BOOT_PVH) {
		*ret_argument = X86_START_INFO;
		return write_start_info(mem, extras, &map);
	}

	write_page_tables(mem);
	*ret_argument = X86_BOOT_PARAMS;
	return write_boot_params(mem, kernel, extras, &map);
}
