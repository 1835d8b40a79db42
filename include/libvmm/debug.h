/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/debug.h> - let gdb look into a guest.
 *
 * A stub of gdb's remote protocol for one guest, on a socket:
 *
 *	(gdb) target remote /run/guest.gdb
 *
 * Each vCPU is a thread. Registers and memory (by virtual address, through the vCPU's page tables)
 * can be read and written, breakpoints and watchpoints set in software and hardware, vCPUs stepped
 * one by one; all stop together. Interrupt, detach and kill work as with a process; kill is
 * vmm_stop(). A guest that crashes while gdb is attached is held, so that it can be looked at,
 * and stops when gdb lets it go on.
 *
 * While gdb holds a guest it is paused, with VMM_EVENT_STATE to say so; what the application asks
 * for meanwhile (pause, resume) takes effect when gdb lets it go on. vmm_stop() is obeyed at once.
 * The guest's time goes on.
 *
 * Whoever can connect owns the guest: read, written and killed. Nobody else is harmed: the peer is
 * not trusted with anything but the guest. One debugger at a time; another one is turned away.
 */
#ifndef LIBVMM_DEBUG_H
#define LIBVMM_DEBUG_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_debug;

enum {
	VMM_DEBUG_WAIT	= 1 << 0,	/* hold the guest from now on until gdb lets it go: one that was not
					   started is held at its first instruction */
};

/** Where gdb comes from: @fd or @path, one of them. */
struct vmm_debug_config {
	size_t size;		/* sizeof(struct vmm_debug_config) */
	const char *path;	/* read during the call: a unix socket is made there, for this user only, and
				   removed again by vmm_debug_close(); it must not exist */
	int fd;			/* a stream socket, duplicated: listening, or connected to gdb already; > 0 */
	uint32_t flags;		/* VMM_DEBUG_* */
};

#define VMM_DEBUG_CONFIG_INIT	VMM_SIZED(struct vmm_debug_config)

/**
 * Let gdb connect from now on. Served on the guest's loop; no thread is made.
 *
 * A connection to a guest that does not run and is not paused is closed at once. One whose guest
 * stops is told so, and closed.
 *
 * *@ret_debug is the caller's to close; vmm_destroy() closes it otherwise.
 *
 * Returns 0; -EINVAL; -E2BIG; -EBUSY (it has one); -EADDRINUSE (@path exists); -EOPNOTSUPP (not on
 * this architecture, or VMM_F_CALLER_VCPUS); -ENOMEM; what the system said of the socket.
 * Thread safety: any thread.
 */
VMM_API int vmm_debug_open(struct vmm *vm, const struct vmm_debug_config *config,
			   struct vmm_debug **ret_debug) VMM_MUST_CHECK;

/**
 * Take out all breakpoints, let the guest go on, end the connection. NULL is allowed.
 * Not after vmm_destroy(). Thread safety: any thread.
 */
VMM_API void vmm_debug_close(struct vmm_debug *debug);

#ifdef __cplusplus
}
#endif
#endif
