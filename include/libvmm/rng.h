/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/rng.h> - give a guest a source of entropy.
 */
#ifndef LIBVMM_RNG_H
#define LIBVMM_RNG_H

#include <libvmm/common.h>
#include <libvmm/loop.h>
#include <libvmm/rate.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A virtio entropy device (VIRTIO 1.2, 5.4), fed by the host's getrandom(2). Whatever its
 * rate, a request is answered with 64 KiB at most, and a turn of the loop gives no more.
 */
struct vmm_rng_config {
	size_t size;			/* sizeof(struct vmm_rng_config) */
	const char *name;		/* copied; default "rng" */
	uint32_t transport;		/* enum vmm_transport of <libvmm/device.h> */
	uint32_t reserved;
	struct vmm_loop *loop;		/* borrowed; default the guest's */
	const struct vmm_rate *rate;	/* read during the call; NULL: no limit but that of a turn */
};

#define VMM_RNG_CONFIG_INIT	VMM_SIZED(struct vmm_rng_config)

/**
 * Plug in an entropy device. @config may be NULL.
 * Returns and threads as vmm_add_device().
 */
VMM_API int vmm_add_rng(struct vmm *vm, const struct vmm_rng_config *config,
			struct vmm_device **ret_dev) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
