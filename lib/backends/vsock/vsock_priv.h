/* SPDX-License-Identifier: MIT */
/*
 * vsock_priv.h - a backend of a socket device, as its front end sees it.
 *
 * The front end calls the table; what a backend calls is in <libvmm/vsock.h> and done by
 * the front end itself, since there is only one kind of it.
 */
#ifndef BACKENDS_VSOCK_VSOCK_PRIV_H
#define BACKENDS_VSOCK_VSOCK_PRIV_H

#include <libvmm/vsock.h>

#define VSOCK_CONNECTIONS	256u	/* default of the device and of its backends */
#define VSOCK_CONNECTIONS_MAX	4096u

struct vmm_vsock {
	struct vmm_vsock_ops ops;	/* a copy: what an older table lacks is NULL */
	void *state;
	struct vmm_vsock_link *link;	/* NULL: not plugged in */
	struct vmm_vsock_stats stats;	/* written on the loop, read anywhere: atomic, relaxed */
};

static inline void vsock_count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

#endif
