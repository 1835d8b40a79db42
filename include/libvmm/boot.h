/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/boot.h> - what a guest boots.
 */
#ifndef LIBVMM_BOOT_H
#define LIBVMM_BOOT_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vmm_boot_protocol {
	VMM_BOOT_AUTO		= 0,	/* what the image says: bzImage, else PVH if it has the note, else ELF;
					   on aarch64 and riscv64 an Image */
	VMM_BOOT_BZIMAGE	= 1,	/* Linux x86 boot protocol 2.12 or later, 64-bit entry */
	VMM_BOOT_PVH		= 2,	/* ELF with a XEN_ELFNOTE_PHYS32_ENTRY note (Xen's x86/HVM direct boot ABI) */
	VMM_BOOT_ELF		= 3,	/* ELF64 vmlinux by its entry address, as the 64-bit Linux boot protocol wants */
	VMM_BOOT_IMAGE		= 4,	/* Linux's Image on aarch64 and riscv64, also compressed with gzip (where
					   the library was built with zlib); it is given a device tree */
};

/** A kernel, and what it is given. Each file by path or by descriptor. */
struct vmm_boot_config {
	size_t size;			/* sizeof(struct vmm_boot_config) */
	const char *kernel_path;	/* or: */
	int kernel_fd;			/* duplicated; > 0; read by position: a plain file */
	int initrd_fd;			/* duplicated; > 0 */
	const char *initrd_path;	/* optional */
	const char *cmdline;		/* copied; default "" */
	uint32_t protocol;		/* enum vmm_boot_protocol */
	uint32_t reserved;
};

#define VMM_BOOT_CONFIG_INIT	VMM_SIZED(struct vmm_boot_config)

/**
 * Load a kernel into the memory of a guest that is created or stopped.
 *
 * The files stay open: vmm_start() of a stopped guest and vmm_reset() load them
 * again. A second call replaces the first, and on failure leaves it as it was
 * except for the guest's memory, which is loaded again at the next start.
 *
 * Returns 0, or
 *   -EINVAL   no kernel, or path and descriptor both; not a plain file
 *   -ENOENT, -EACCES, …   of open(2)
 *   -ENOEXEC  not a kernel of that protocol for this architecture, or one that is truncated or corrupt
 *   -ENOSPC   kernel, initrd or command line do not fit: the words say what would
 *   -EBUSY    running or paused
 *   -EIO      reading failed
 */
VMM_API int vmm_boot_linux(struct vmm *vm, const struct vmm_boot_config *config) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
