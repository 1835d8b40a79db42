/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/watchdog.h> - a timer that a guest has to feed, and what happens when it does not.
 *
 * The device is an Intel 6300ESB watchdog on the PCI bus (8086:25ab), which Linux drives with
 * i6300esb: /dev/watchdog in the guest. Nothing happens until the guest starts it. A guest that is
 * paused, or held by a debugger, is not expected to feed it: its time begins again when it goes on.
 */
#ifndef LIBVMM_WATCHDOG_H
#define LIBVMM_WATCHDOG_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What to do when the guest's time is over. VMM_EVENT_WATCHDOG tells in any case. */
enum vmm_watchdog_action {
	VMM_WATCHDOG_RESET	= 0,	/* vmm_reset(); a guest without a boot image is stopped */
	VMM_WATCHDOG_STOP	= 1,	/* stop it, for the reason VMM_STOP_WATCHDOG */
	VMM_WATCHDOG_NOTIFY	= 2,	/* nothing more; the guest may feed it again */
};

/** A watchdog. */
struct vmm_watchdog_config {
	size_t size;		/* sizeof(struct vmm_watchdog_config) */
	uint32_t action;	/* enum vmm_watchdog_action */
	uint32_t reserved;
};

#define VMM_WATCHDOG_CONFIG_INIT	VMM_SIZED(struct vmm_watchdog_config)

/**
 * Plug in a watchdog, one for each guest. @config is read during the call; NULL: the defaults.
 *
 * Returns 0; -EINVAL; -E2BIG; -EBUSY (started before, or it has one); -EOPNOTSUPP (a machine
 * without PCI); -ENOSPC (no slot left); -ENOMEM. Thread safety: any thread.
 */
VMM_API int vmm_add_watchdog(struct vmm *vm, const struct vmm_watchdog_config *config) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
