/* SPDX-License-Identifier: MIT */
/*
 * image.c - load Linux's flat "Image" (Documentation/arch/arm64/booting.rst and
 * Documentation/arch/riscv/boot-image-header.rst), as it is or compressed with gzip.
 *
 * The image is code; its first 64 bytes are a header that says where it wants to be, from a multiple
 * of 2 MiB on, and how much memory it takes, its uninitialised data included. So the file may be
 * shorter than that; whether it is too short, its PE header says where there is one (UEFI starts it by that).
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libvmm/regs.h>
#include "boot/boot_priv.h"
#include "boot/image_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

#define MIB(x)		((unsigned long long)(((x) + (1 << 20) - 1) >> 20))
#define FLAG_BIG_ENDIAN	(1u << 0)	/* the same bit in both headers */

/* Offsets in the header: the same in both, as far as they are used here. */
enum { AT_TEXT_OFFSET = 8, AT_IMAGE_SIZE = 16, AT_FLAGS = 24, AT_MAGIC = 56, AT_PE = 60 };

static const struct image_rules all_rules[] = {
	{
		.arch = VMM_ARCH_AARCH64, .name = "aarch64",
		.magic = { 'A', 'R', 'M', 0x64 }, .magic_offset = AT_MAGIC, .magic_bytes = 4,
		.cmdline_size = 2048,
	},
	{
		.arch = VMM_ARCH_RISCV64, .name = "riscv64",
		.magic = { 'R', 'S', 'C', 5 }, .magic_offset = AT_MAGIC, .magic_bytes = 4,
		.cmdline_size = 1024,
	},
};

#define NR_RULES	(sizeof(all_rules) / sizeof(all_rules[0]))

/* The numbers of a header. */
struct image {
	uint64_t text_offset;
	uint64_t size;
	uint64_t flags;
	uint32_t pe;			/* offset of a PE header; 0: there is none */
};

const struct image_rules *vmm__image_rules(uint32_t arch)
{
	for (size_t i = 0; i < NR_RULES; i++) {
		if (all_rules[i].arch == arch)
			return &all_rules[i];
	}
	return NULL;
}

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

static uint32_t load32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return le32toh(value);
}

/* ---- the header ---- */

static bool has_magic(const uint8_t *header, const struct image_rules *rules)
{
	return memcmp(header + rules->magic_offset, rules->magic, rules->magic_bytes) == 0;
}

/* Say what it is instead, as far as its first bytes tell. */
static int not_ours(const uint8_t *header, const struct image_rules *rules)
{
	for (size_t i = 0; i < NR_RULES; i++) {
		if (has_magic(header, &all_rules[i]))
			return vmm__fail(-ENOEXEC, "the kernel is an Image for %s, this machine is %s",
					 all_rules[i].name, rules->name);
	}
	if (memcmp(header, "MZ", 2) == 0 && memcmp(header + 4, "zimg", 4) == 0)
		return vmm__fail(-ENOEXEC, "the kernel is a compressed EFI program (zboot), which needs "
				 "firmware: give the Image inside");
	if (memcmp(header, "\177ELF", 4) == 0)
		return vmm__fail(-ENOEXEC, "the kernel is an ELF file: %s boots an Image", rules->name);
	return vmm__fail(-ENOEXEC, "the kernel is no Image for %s: it starts with %02x %02x %02x %02x and "
			 "has no magic number at %zu", rules->name, header[0], header[1], header[2],
			 header[3], rules->magic_offset);
}

static int header_parse(const uint8_t *header, const struct image_rules *rules, struct image *ret_image)
{
	struct image image = {
		.text_offset = load64(header + AT_TEXT_OFFSET),
		.size = load64(header + AT_IMAGE_SIZE),
		.flags = load64(header + AT_FLAGS),
		.pe = memcmp(header, "MZ", 2) == 0 ? load32(header + AT_PE) : 0,
	};

	if (!has_magic(header, rules))
		return not_ours(header, rules);
	if (image.flags & FLAG_BIG_ENDIAN)
		return vmm__fail(-ENOEXEC, "the kernel is big-endian");
	if (image.size == 0)
		return vmm__fail(-ENOEXEC, "the kernel does not say its size: it is older than Linux 3.17");
	if (image.size < IMAGE_HEADER_BYTES || image.text_offset % 4096 != 0)
		return vmm__fail(-ENOEXEC, "the kernel says that it has %llu bytes and begins at 0x%llx",
				 (unsigned long long)image.size, (unsigned long long)image.text_offset);
	*ret_image = image;
	return 0;
}

/* ---- is all of it there? (PE format, COFF file header and section headers) ---- */

enum {
	PE_BYTES = 24,			/* signature and COFF header */
	PE_NR_SECTIONS = 6,
	PE_OPTIONAL_BYTES = 20,
	PE_SECTION_BYTES = 40,
	PE_SECTION_RAW_SIZE = 16,
	PE_SECTION_RAW = 20,
	PE_SECTIONS_MAX = 16,
};

/*
 * @bytes is all of the file that was loaded, @have bytes. A PE header that makes no sense
 * is none: the kernel itself does not look at it.
 */
static int check_whole(const uint8_t *bytes, uint64_t have, uint32_t at)
{
	uint64_t nr, sections;

	if (at == 0)
		return 0;
	if (at > have || have - at < PE_BYTES)
		return vmm__fail(-ENOEXEC, "the kernel is truncated: its PE header is at %u, the file has "
				 "%llu bytes", at, (unsigned long long)have);
	if (memcmp(bytes + at, "PE\0\0", 4) != 0)
		return 0;

	nr = bytes[at + PE_NR_SECTIONS] | (uint64_t)bytes[at + PE_NR_SECTIONS + 1] << 8;
	sections = at + PE_BYTES + (uint64_t)(bytes[at + PE_OPTIONAL_BYTES] |
					      bytes[at + PE_OPTIONAL_BYTES + 1] << 8);
	for (uint64_t i = 0; i < nr && i < PE_SECTIONS_MAX; i++) {
		uint64_t section = sections + i * PE_SECTION_BYTES, end;

		if (section > have || have - section < PE_SECTION_BYTES)
			return vmm__fail(-ENOEXEC, "the kernel is truncated: a section's header is at %llu, the "
					 "file has %llu bytes", (unsigned long long)section,
					 (unsigned long long)have);
		end = (uint64_t)load32(bytes + section + PE_SECTION_RAW) +
		      load32(bytes + section + PE_SECTION_RAW_SIZE);
		if (end > have)
			return vmm__fail(-ENOEXEC, "the kernel is truncated: a section ends at %llu, the file has "
					 "%llu bytes", (unsigned long long)end, (unsigned long long)have);
	}
	return 0;
}

/* ---- loading ---- */

/* Where it goes, and the host's memory there. */
static int place(const struct vmm_mem *mem, const struct image *image, struct image_place *ret_place,
		 uint8_t **ret_host)
{
	const struct mem_region *ram = &mem->regions[0];
	uint64_t base = (ram->gpa + IMAGE_ALIGN - 1) & ~(IMAGE_ALIGN - 1);
	uint64_t room = base - ram->gpa < ram->size ? ram->size - (base - ram->gpa) : 0;

	if (image->text_offset > room || image->size > room - image->text_offset)
		return vmm__fail(-ENOSPC, "the kernel needs %llu MiB at %llu MiB of the RAM, the guest has %llu MiB%s",
				 MIB(image->size), (unsigned long long)image->text_offset >> 20,
				 MIB(ram->size), mem->nr_regions > 1 ? " there" : "");
	ret_place->start = base + image->text_offset;
	ret_place->end = ret_place->start + image->size;
	*ret_host = ram->host + (ret_place->start - ram->gpa);
	return 0;
}

static int load_plain(const struct vmm_mem *mem, const struct boot_source *source,
		      const struct image_rules *rules, struct image_place *ret_place)
{
	uint8_t header[IMAGE_HEADER_BYTES], *host;
	struct image image;
	uint64_t have;
	int r = vmm__boot_read(source, 0, header, sizeof(header), "header");

	if (r == 0)
		r = header_parse(header, rules, &image);
	if (r == 0)
		r = place(mem, &image, ret_place, &host);
	if (r < 0)
		return r;

	/* What a file has beyond its image, a signature, is not loaded. */
	have = source->kernel_size < image.size ? source->kernel_size : image.size;
	if (vmm__mem_read_file(mem, ret_place->start, have, source->kernel_fd, 0) < 0)
		return -EIO;
	return check_whole(host, have, image.pe);
}

static int unpack(struct gzip *gzip, const struct vmm_mem *mem, const struct image_rules *rules,
		  struct image_place *ret_place)
{
	uint8_t header[IMAGE_HEADER_BYTES], *host;
	int64_t n = vmm__gzip_read(gzip, header, sizeof(header));
	struct image image;
	uint8_t more;
	int r;

	if (n < 0)
		return (int)n;
	if (n < (int64_t)sizeof(header))
		return vmm__fail(-ENOEXEC, "the kernel unpacks to %lld bytes, less than a header",
				 (long long)n);
	r = header_parse(header, rules, &image);
	if (r == 0)
		r = place(mem, &image, ret_place, &host);
	if (r < 0)
		return r;

	memcpy(host, header, sizeof(header));
	n = vmm__gzip_read(gzip, host + sizeof(header), image.size - sizeof(header));
	if (n < 0)
		return (int)n;
	r = check_whole(host, (uint64_t)n + sizeof(header), image.pe);
	/* On to the end: there is the checksum. A few bytes too many are a signature; a flood is not. */
	for (uint32_t i = 0; r == 0 && n > 0 && i < 1u << 20; i++) {
		n = vmm__gzip_read(gzip, &more, 1);
		r = n < 0 ? (int)n : 0;
	}
	return r;
}

int vmm__image_load(const struct vmm_mem *mem, const struct boot_source *source,
		    const struct image_rules *rules, struct image_place *ret_place)
{
	uint8_t magic[2];
	struct gzip *gzip;
	int r = vmm__boot_read(source, 0, magic, sizeof(magic), "magic number");

	if (r < 0)
		return r;
	if (magic[0] != 0x1f || magic[1] != 0x8b)
		return load_plain(mem, source, rules, ret_place);

	r = vmm__gzip_open(source, &gzip);
	if (r < 0)
		return r;
	r = unpack(gzip, mem, rules, ret_place);
	vmm__gzip_close(gzip);
	return r;
}
