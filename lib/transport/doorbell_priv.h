/* SPDX-License-Identifier: MIT */
/* doorbell_priv.h - the addresses where a driver notifies of its queues. */
#ifndef TRANSPORT_DOORBELL_PRIV_H
#define TRANSPORT_DOORBELL_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/common.h>

struct doorbells {
	struct vmm_device *dev;
	uint32_t stride;	/* between queues; 0: one address for all, the value says which */
	uint32_t width;		/* of a write; 0: any */
	pthread_mutex_t lock;	/* of what follows; taken before the device's */
	bool mapped;		/* the first one is at: */
	vmm_gpa_t base;
	uint64_t caught;	/* queues whose doorbell KVM knows, a bit for each */
};

void vmm__doorbells_init(struct doorbells *d, struct vmm_device *dev, uint32_t stride,
			 uint32_t width);
void vmm__doorbells_finish(struct doorbells *d);

/*
 * Have KVM catch the doorbells of the queues that are live, and no others. A
 * doorbell that it cannot take is answered by the bus, through vmm__device_notify().
 */
void vmm__doorbells_sync(struct doorbells *d);

/* They are at @base from now on, or nowhere. */
void vmm__doorbells_move(struct doorbells *d, bool mapped, vmm_gpa_t base);

#endif
