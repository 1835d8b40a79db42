/* SPDX-License-Identifier: MIT */
/*
 * x86_load.c - load a kernel, its initrd and its command line on x86-64.
 *
 * Everything goes into the RAM below 3 GiB: the kernel where it wants to be,
 * the initrd as high as it may, all else below 640 KiB. The RAM is zero before,
 * so a kernel's uninitialised data need not be cleared.
 */
#include <errno.h>
#include <string.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "boot/boot_priv.h"
#include "boot/x86_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

#define PAGE	4096ull
#define MIB(x)	((unsigned long long)(((x) + (1 << 20) - 1) >> 20))

uint64_t vmm__x86_low_ram(const struct vmm_mem *mem)
{
	return mem->regions[0].size;
}

int vmm__x86_room(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t size)
{
	uint64_t ram = vmm__x86_low_ram(mem);

	if (gpa < X86_HIGH_START)
		return vmm__fail(-ENOSPC,
				 "the kernel wants 0x%llx, below 1 MiB, where its start "
				 "information lies",
				 (unsigned long long)gpa);
	if (gpa > ram || size > ram - gpa)
		return vmm__fail(-ENOSPC,
				 "the kernel needs %llu MiB at %llu MiB, the guest has %llu MiB of "
				 "RAM%s",
				 MIB(size), (unsigned long long)gpa >> 20, MIB(ram),
				 mem->nr_regions > 1 ? " there" : "");

	return 0;
}

/* ELF and bzImage are known by their first bytes; of an ELF file, PVH by its note. */
static int choose(const struct boot_source *source, uint32_t *ret_protocol)
{
	unsigned char elf[4];
	uint32_t header = 0;
	int r;

	*ret_protocol = source->protocol;
	if (source->protocol != VMM_BOOT_AUTO)
		return 0;

	r = vmm__boot_read(source, 0, elf, sizeof(elf), "magic number");
	if (r < 0)
		return r;
	if (memcmp(elf, "\177ELF", 4) == 0) {
		r = vmm__elf_has_pvh(source);
		*ret_protocol = r > 0 ? VMM_BOOT_PVH : VMM_BOOT_ELF;
		return r < 0 ? r : 0;
	}

	if (source->kernel_size >= 0x206) {
		r = vmm__boot_read(source, 0x202, &header, sizeof(header), "setup header");
		if (r < 0)
			return r;
	}
	if (header != 0x53726448)		/* "HdrS" */
		return vmm__fail(-ENOEXEC,
				 "the kernel is neither a bzImage nor an ELF file: it starts with "
				 "%02x %02x %02x %02x%s",
				 elf[0], elf[1], elf[2], elf[3],
				 elf[0] == 0x1f && elf[1] == 0x8b ? ", which is gzip" : "");

	*ret_protocol = VMM_BOOT_BZIMAGE;
	return 0;
}

static int load_kernel(const struct vmm_mem *mem, const struct boot_source *source,
		       struct boot_kernel *ret_kernel)
{
	uint32_t protocol;
	int r = choose(source, &protocol);

	if (r < 0)
		return r;

	memset(ret_kernel, 0, sizeof(*ret_kernel));
	switch (protocol) {
	case VMM_BOOT_BZIMAGE:
		return vmm__bzimage_load(mem, source, ret_kernel);
	case VMM_BOOT_PVH:
		return vmm__elf_load_pvh(mem, source, ret_kernel);
	case VMM_BOOT_ELF:
		return vmm__elf_load_linux64(mem, source, ret_kernel);
	default:
		return vmm__fail(-ENOEXEC, "boot protocol %u is not one of x86-64", protocol);
	}
}

/* As high as it may be, and beside the kernel. */
static int place_initrd(const struct vmm_mem *mem, const struct boot_kernel *kernel,
			uint64_t size, vmm_gpa_t *ret_gpa)
{
	uint64_t ram = vmm__x86_low_ram(mem);
	uint64_t end = kernel->initrd_end < ram ? kernel->initrd_end : ram;
	uint64_t start;

	if (size <= end) {
		start = (end - size) & ~(PAGE - 1);
		if (start < kernel->end && kernel->start < end && size <= kernel->start)
			start = (kernel->start - size) & ~(PAGE - 1);
		if (start >= X86_HIGH_START &&
		    (start >= kernel->end || start + size <= kernel->start)) {
			*ret_gpa = start;
			return 0;
		}
	}

	return vmm__fail(-ENOSPC,
			 "the initrd needs %llu MiB beside the kernel's %llu, the guest has %llu "
			 "MiB of RAM below 3 GiB",
			 MIB(size), MIB(kernel->end - kernel->start), MIB(ram));
}

static int load_initrd(const struct vmm_mem *mem, const struct boot_source *source,
		       const struct boot_kernel *kernel, struct boot_extras *extras)
{
	int r;

	if (source->initrd_size == 0)
		return 0;

	r = place_initrd(mem, kernel, source->initrd_size, &extras->initrd);
	if (r < 0)
		return r;

	extras->initrd_size = source->initrd_size;
	r = vmm__mem_read_file(mem, extras->initrd, source->initrd_size, source->initrd_fd, 0);
	return r < 0 ? -EIO : 0;
}

static int load_cmdline(const struct vmm_mem *mem, const struct boot_source *source,
			const struct boot_kernel *kernel, struct boot_extras *extras)
{
	size_t length = strlen(source->cmdline);

	if (length >= kernel->cmdline_size)
		return vmm__fail(-ENOSPC, "the command line has %zu bytes, this kernel takes %llu",
				 length, (unsigned long long)kernel->cmdline_size - 1);

	extras->cmdline_length = length;
	return vmm_mem_write(mem, X86_CMDLINE, source->cmdline, length + 1);
}

int vmm__boot_load(const struct vmm_mem *mem, const struct boot_source *source,
		   struct boot_entry *ret_entry)
{
	struct boot_extras extras = { 0 };
	struct boot_kernel kernel;
	vmm_gpa_t argument;
	int r;

	if (vmm__x86_low_ram(mem) <= X86_HIGH_START)
		return vmm__fail(-ENOSPC,
				 "a kernel needs more than 1 MiB of RAM, the guest has %llu KiB",
				 (unsigned long long)vmm__x86_low_ram(mem) / 1024);

	r = load_kernel(mem, source, &kernel);
	if (r == 0)
		r = load_initrd(mem, source, &kernel, &extras);
	if (r == 0)
		r = load_cmdline(mem, source, &kernel, &extras);
	if (r == 0)
		r = vmm__x86_start(mem, &kernel, &extras, &argument);
	if (r < 0)
		return r;

	*ret_entry = (struct boot_entry){
		.kind = kernel.kind,
		.entry = kernel.entry,
		.argument = argument,
	};
	return 0;
}
