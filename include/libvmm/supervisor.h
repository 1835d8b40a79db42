/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/supervisor.h> - start guests again when they end, with patience and with a limit.
 *
 * One supervisor looks after any number of guests. It has no thread: what it decides about a guest
 * is decided on that guest's loop, and told by VMM_EVENT_SUPERVISOR, with enum
 * vmm_supervisor_decision as its value and words for people.
 *
 * What counts as a failure: a crash, a panic, a triple fault, a watchdog that was not fed, and what
 * the guest's consoles say or do not say (see below). A power off is an end and no failure. A reboot
 * is done as one. A guest that the application stops stays stopped.
 *
 * A failed guest is started again after a delay that doubles with each failure in a row, up to a
 * limit. Once a guest has run for a while the row is forgotten. It starts from its image as after
 * power on, and the image is loaded on a thread of the guest's own, not on the loop.
 */
#ifndef LIBVMM_SUPERVISOR_H
#define LIBVMM_SUPERVISOR_H

#include <libvmm/common.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_supervisor;

/** What holds for all guests of a supervisor together. */
struct vmm_supervisor_config {
	size_t size;			/* sizeof(struct vmm_supervisor_config) */
	uint32_t restarts_per_minute;	/* of all its guests; what is over waits; default: no limit */
	uint32_t reserved;
};

#define VMM_SUPERVISOR_CONFIG_INIT	VMM_SIZED(struct vmm_supervisor_config)

/**
 * Make a supervisor. @config may be NULL. The caller owns *@ret_supervisor.
 * Returns 0, -EINVAL, -E2BIG or -ENOMEM. Thread safety: any thread, as all calls here.
 */
VMM_API int vmm_supervisor_create(const struct vmm_supervisor_config *config,
				  struct vmm_supervisor **ret_supervisor) VMM_MUST_CHECK;

/** Release it. NULL is allowed. Returns 0, or -EBUSY while it has guests. */
VMM_API int vmm_supervisor_destroy(struct vmm_supervisor *supervisor);

enum vmm_restart_policy {
	VMM_RESTART_NEVER	= 0,	/* only tell */
	VMM_RESTART_ON_FAILURE	= 1,	/* and when it reboots */
	VMM_RESTART_ALWAYS	= 2,	/* also when it powered itself off */
};

/** How one guest is looked after. */
struct vmm_supervise_config {
	size_t size;			/* sizeof(struct vmm_supervise_config) */
	uint32_t policy;		/* enum vmm_restart_policy */
	uint32_t backoff_ms;		/* the first delay; default 1000 */
	uint32_t backoff_max_ms;	/* the longest; default 60000, or backoff_ms if that is more */
	uint32_t healthy_ms;		/* having run so long, its failures are forgotten; default 60000 */
	uint32_t max_restarts;		/* failures in a row after which it is given up; default: no limit */
	uint32_t ready_ms;		/* with ready_text: the guest fails if that has not come by then;
					   default 0: there is no hurry */
	const char *ready_text;		/* copied; 1 to 127 bytes: a console says that when the guest is ready */
	const char *failure_text;	/* copied; likewise: the guest has failed */
};

#define VMM_SUPERVISE_CONFIG_INIT	VMM_SIZED(struct vmm_supervise_config)

enum vmm_supervisor_decision {
	VMM_SUPERVISOR_RESTARTING	= 1,	/* it will be started again: when, and the how manieth in a row */
	VMM_SUPERVISOR_RESTARTED	= 2,	/* it is being started */
	VMM_SUPERVISOR_GAVE_UP		= 3,	/* too many failures in a row, or no way to start it */
	VMM_SUPERVISOR_UNHEALTHY	= 4,	/* it runs and has failed all the same; with a policy that restarts
						   it is stopped, unless its watchdog has done something already */
	VMM_SUPERVISOR_READY		= 5,	/* a console said ready_text */
};

/**
 * Look after @vm from now on, until vmm_unsupervise() or vmm_destroy(). A guest that has stopped
 * already is left alone until it is started.
 *
 * Returns 0; -EINVAL; -E2BIG; -EBUSY (it is looked after already); -EOPNOTSUPP
 * (VMM_F_CALLER_VCPUS); -ENOMEM.
 */
VMM_API int vmm_supervise(struct vmm_supervisor *supervisor, struct vmm *vm,
			  const struct vmm_supervise_config *config) VMM_MUST_CHECK;

/** No longer; a restart that was decided is not done. Returns 0, -EINVAL (it is not looked after). */
VMM_API int vmm_unsupervise(struct vmm *vm);

#ifdef __cplusplus
}
#endif
#endif
