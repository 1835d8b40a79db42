/* SPDX-License-Identifier: MIT */
/*
 * bzimage.c - load a bzImage (Linux's Documentation/arch/x86/boot.rst), protocol 2.12 or
 * later, for its 64-bit entry.
 *
 * The file is boot sector, setup code, and the kernel proper, which unpacks
 * itself. Only the last is loaded; of the rest, the setup header is read.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arch/x86_64/layout_priv.h"
#include "boot/boot_priv.h"
#include "boot/x86_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

#define SECTOR		512u
#define HEADER_OFFSET	0x1f1u
#define HEADER_MAGIC	0x53726448u	/* "HdrS" */
#define ENTRY_64	0x200u

struct bzimage {
	struct setup_header header;
	uint64_t offset;		/* of the kernel proper in the file */
	uint64_t size;
};

static int header_read(const struct boot_source *source, struct setup_header *header)
{
	int r = vmm__boot_read(source, HEADER_OFFSET, header, sizeof(*header), "setup header");

	if (r < 0)
		return r;
	if (header->boot_flag != 0xaa55 || header->header != HEADER_MAGIC)
		return vmm__fail(-ENOEXEC, "the kernel is not a bzImage");
	if (header->version < 0x20c)
		return vmm__fail(-ENOEXEC, "boot protocol %u.%02u, at least 2.12 is needed",
				 header->version >> 8, header->version & 0xff);
	if (!(header->xloadflags & XLF_KERNEL_64))
		return vmm__fail(-ENOEXEC, "the kernel has no 64-bit entry");
	if (!(header->loadflags & LOADED_HIGH))
		return vmm__fail(-ENOEXEC, "the kernel is a zImage, to be loaded below 1 MiB");

	return 0;
}

/* The header's end is in its second byte of code, a short jump over the rest. */
static void header_trim(struct setup_header *header)
{
	size_t end = (size_t)0x202 + (header->jump >> 8) - HEADER_OFFSET;

	if (end < sizeof(*header))
		memset((unsigned char *)header + end, 0, sizeof(*header) - end);
}

static int sizes_check(const struct boot_source *source, struct bzimage *image)
{
	const struct setup_header *h = &image->header;
	unsigned sectors = h->setup_sects ? h->setup_sects : 4;

	image->offset = (uint64_t)(sectors + 1) * SECTOR;
	image->size = (uint64_t)h->syssize * 16;
	if (image->offset > source->kernel_size ||
	    image->size > source->kernel_size - image->offset + 15)
		return vmm__fail(-ENOEXEC,
				 "the kernel is truncated: %llu bytes at %llu, the file has %llu",
				 (unsigned long long)image->size, (unsigned long long)image->offset,
				 (unsigned long long)source->kernel_size);
	/* The size is rounded up to 16; the file need not be. */
	if (image->size > source->kernel_size - image->offset)
		image->size = source->kernel_size - image->offset;
	if (image->size <= ENTRY_64)
		return vmm__fail(-ENOEXEC, "the kernel has %llu bytes, its 64-bit entry is at 512",
				 (unsigned long long)image->size);
	if (h->payload_offset > image->size || h->payload_length > image->size - h->payload_offset)
		return vmm__fail(-ENOEXEC,
				 "the payload, 0x%x bytes at 0x%x, is not in the kernel's 0x%llx",
				 h->payload_length, h->payload_offset,
				 (unsigned long long)image->size);
	if (h->init_size < image->size)
		return vmm__fail(-ENOEXEC,
				 "the kernel has 0x%llx bytes but asks for 0x%x of memory",
				 (unsigned long long)image->size, h->init_size);
	if (h->cmdline_size == 0 || h->initrd_addr_max == 0)
		return vmm__fail(-ENOEXEC, "the kernel allows no command line or no initrd");

	return 0;
}

/*
 * Where it prefers to be; a relocatable one that does not fit there, at the
 * first address above 1 MiB that it can run at.
 */
static int place(const struct vmm_mem *mem, const struct setup_header *h, vmm_gpa_t *ret_gpa)
{
	uint64_t align = h->kernel_alignment;
	int r = vmm__x86_room(mem, h->pref_address, h->init_size);

	*ret_gpa = h->pref_address;
	if (r == 0 || !h->relocatable_kernel)
		return r;
	if (align == 0 || (align & (align - 1)) != 0)
		return vmm__fail(-ENOEXEC,
				 "kernel_alignment 0x%x is no power of two", h->kernel_alignment);

	*ret_gpa = (X86_HIGH_START + align - 1) & ~(align - 1);
	return vmm__x86_room(mem, *ret_gpa, h->init_size);
}

int vmm__bzimage_load(const struct vmm_mem *mem, const struct boot_source *source,
		      struct boot_kernel *ret_kernel)
{
	struct bzimage image;
	vmm_gpa_t gpa = 0;
	int r = header_read(source, &image.header);

	if (r == 0)
		r = sizes_check(source, &image);
	if (r == 0)
		r = place(mem, &image.header, &gpa);
	if (r < 0)
		return r;
	if (vmm__mem_read_file(mem, gpa, image.size, source->kernel_fd, image.offset) < 0)
		return -EIO;

	header_trim(&image.header);
	image.header.code32_start = (uint32_t)gpa;
	*ret_kernel = (struct boot_kernel){
		.kind = X86_BOOT_LINUX64,
		.entry = gpa + ENTRY_64,
		.start = gpa,
		.end = gpa + image.header.init_size,
		.initrd_end = (uint64_t)image.header.initrd_addr_max + 1,
		.cmdline_size = (uint64_t)image.header.cmdline_size + 1,
		.header = image.header,
	};
	if (ret_kernel->cmdline_size > X86_CMDLINE_SIZE)
		ret_kernel->cmdline_size = X86_CMDLINE_SIZE;
	return 0;
}
