/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/dump.h> - a guest's memory and registers as a core file.
 *
 * What is written is an ELF core of the guest's machine: a PT_LOAD for each region of RAM, at its
 * guest physical address, and for each vCPU the notes NT_PRSTATUS, which make it a thread for
 * gdb, and "QEMU", from which crash learns where a kernel was loaded.
 *
 *	gdb vmlinux core		addresses are physical ones: kernels that run where they were
 *					loaded, firmware, guests without page tables
 *	crash vmlinux core		a Linux kernel, with its page tables
 */
#ifndef LIBVMM_DUMP_H
#define LIBVMM_DUMP_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Write the memory and registers of a paused or stopped guest to @fd.
 *
 * @fd is borrowed for the call. A plain file (opened without O_APPEND) is cut off at its present
 * position and written from there, with holes where the guest's memory is zero: it takes the room
 * of what the guest used. Everything else (a pipe, a socket) gets all bytes, and is waited for
 * when it is full. No signal is raised, whatever the descriptor is.
 *
 * The guest stays as it is meanwhile: vmm_resume() and vmm_reset() take effect afterwards,
 * vmm_start() is -EBUSY. vmm_stop() is obeyed. Devices with requests in flight may still write.
 * It takes as long as copying the memory: not in a callback of a loop that others need.
 *
 * Returns 0; -EINVAL; -EBUSY (not paused or stopped; or dumped, changed or started by another
 * thread); -EOPNOTSUPP (not for this architecture); -ENOMEM; what the system said of @fd
 * (-ENOSPC, -EPIPE, -EFBIG, -EIO, …): then a part is written, and the file is the caller's to remove.
 *
 * Thread safety: any thread.
 */
VMM_API int vmm_dump(struct vmm *vm, int fd) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
