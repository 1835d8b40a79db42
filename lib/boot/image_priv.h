/* SPDX-License-Identifier: MIT */
/*
 * image_priv.h - Linux's flat "Image", as 64-bit Arm and RISC-V have it, and what is beside it.
 */
#ifndef BOOT_IMAGE_PRIV_H
#define BOOT_IMAGE_PRIV_H

#include <stddef.h>
#include <stdint.h>
#include <libvmm/common.h>

struct boot_source;
struct vmm_mem;

#define IMAGE_HEADER_BYTES	64u
#define IMAGE_ALIGN		(2ull << 20)	/* text_offset counts from a multiple of this */

/* What the header of one architecture's has to say. */
struct image_rules {
	uint32_t arch;			/* enum vmm_arch */
	const char *name;
	uint8_t magic[8];
	size_t magic_offset;
	size_t magic_bytes;
	uint32_t cmdline_size;		/* COMMAND_LINE_SIZE: with the final zero */
};

/* The rules of enum vmm_arch; NULL: it has no such image. */
const struct image_rules *vmm__image_rules(uint32_t arch);

/* A kernel in guest memory: [start, end), entered at its start. */
struct image_place {
	vmm_gpa_t start;
	vmm_gpa_t end;
};

/*
 * Load the kernel, plain or compressed with gzip, into the first region of RAM. -ENOEXEC: it is no image
 * by these rules, or corrupt; -ENOSPC: it does not fit; -EIO.
 */
int vmm__image_load(const struct vmm_mem *mem, const struct boot_source *source,
		    const struct image_rules *rules, struct image_place *ret_place);

/* ---- gzip.c ---- */

struct gzip;

/* -ENOEXEC with words where the library was built without zlib. */
int vmm__gzip_open(const struct boot_source *source, struct gzip **ret_gzip);
void vmm__gzip_close(struct gzip *gzip);

/*
 * Unpack the next @len bytes; fewer only at the end. Returns how many, -ENOEXEC (corrupt or cut off),
 * -EIO, -ENOMEM.
 */
int64_t vmm__gzip_read(struct gzip *gzip, void *dst, uint64_t len);

#endif
