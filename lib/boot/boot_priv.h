/* SPDX-License-Identifier: MIT */
/*
 * boot_priv.h - from files to a loaded kernel.
 *
 * Loaders treat the files as hostile: every number of a header is checked on a
 * copy against the file's size and the guest's memory before it is used. (The
 * files may also change between two reads.)
 */
#ifndef BOOT_BOOT_PRIV_H
#define BOOT_BOOT_PRIV_H

#include <libvmm/boot.h>

struct vmm_mem;
struct boot_entry;

/* What to load, held open between loads. */
struct boot_source {
	int kernel_fd;
	int initrd_fd;		/* -1: none */
	uint64_t kernel_size;
	uint64_t initrd_size;
	char *cmdline;		/* owned; never NULL */
	uint32_t protocol;	/* enum vmm_boot_protocol */
};

/* Open and copy what @config names. On failure *@ret_source is untouched and nothing is left. */
int vmm__boot_source_open(struct boot_source *ret_source, const struct vmm_boot_config *config);
void vmm__boot_source_close(struct boot_source *source);

/*
 * All of the kernel's bytes at @offset, or -ENOEXEC: the file is shorter; -EIO. @what is for words.
 */
int vmm__boot_read(const struct boot_source *source, uint64_t offset, void *dst, size_t len,
		   const char *what);

/* Load kernel, initrd, command line and start information. Architecture-specific. */
int vmm__boot_load(const struct vmm_mem *mem, const struct boot_source *source,
		   struct boot_entry *ret_entry);

#endif
