/* SPDX-License-Identifier: MIT */
/*
 * x86_priv.h - between the parts of the x86-64 boot loader.
 *
 * A loader (bzimage.c, elf.c) checks and loads a kernel and describes it; the
 * description says what the rest (x86_load.c, x86_start.c) may do beside it.
 */
#ifndef BOOT_X86_PRIV_H
#define BOOT_X86_PRIV_H

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/common.h>

struct boot_source;
struct vmm_mem;

/* A kernel in guest memory. */
struct boot_kernel {
	uint32_t kind;			/* enum x86_boot_kind */
	vmm_gpa_t entry;
	vmm_gpa_t start;		/* what it takes: [start, end) */
	vmm_gpa_t end;
	uint64_t initrd_end;		/* the initrd lies below this address */
	uint64_t cmdline_size;		/* bytes of command line, with the final zero */
	struct setup_header header;	/* of a bzImage; else made up */
};

/* What else was loaded. */
struct boot_extras {
	vmm_gpa_t initrd;
	uint64_t initrd_size;		/* 0: none */
	uint64_t cmdline_length;
};

int vmm__bzimage_load(const struct vmm_mem *mem, const struct boot_source *source,
		      struct boot_kernel *ret_kernel);

/* An ELF file by its PVH note, or by its entry as the 64-bit Linux boot protocol has it. */
int vmm__elf_load_pvh(const struct vmm_mem *mem, const struct boot_source *source,
		      struct boot_kernel *ret_kernel);
int vmm__elf_load_linux64(const struct vmm_mem *mem, const struct boot_source *source,
			  struct boot_kernel *ret_kernel);

/* 1: it has a PVH note; 0: it has none. */
int vmm__elf_has_pvh(const struct boot_source *source);

/* End of the RAM that starts at 0: where kernel and initrd go. */
uint64_t vmm__x86_low_ram(const struct vmm_mem *mem);

/*
 * Whether a kernel's [gpa, gpa + size) is in the RAM that starts at 0, and not where
 * the start information lies. -ENOSPC, and words with numbers.
 */
int vmm__x86_room(const struct vmm_mem *mem, vmm_gpa_t gpa, uint64_t size);

/* Descriptor table, page tables, and hvm_start_info or boot_params. Returns the argument. */
int vmm__x86_start(const struct vmm_mem *mem, const struct boot_kernel *kernel,
		   const struct boot_extras *extras, vmm_gpa_t *ret_argument);

#endif
