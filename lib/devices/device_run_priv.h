/* SPDX-License-Identifier: MIT */
/* device_run_priv.h - what device.c needs of device_run.c. */
#ifndef DEVICES_DEVICE_RUN_PRIV_H
#define DEVICES_DEVICE_RUN_PRIV_H

#include <stdint.h>

struct device_queue;
struct vmm_deferred;
struct vmm_device;
struct vmm_queue;

/* The callbacks of a queue: its eventfd, its own deferred call, its interrupt, its end. */
void vmm__device_queue_ready(void *data, uint32_t revents);
void vmm__device_queue_again(struct vmm_deferred *deferred);
void vmm__device_queue_interrupt(struct vmm_queue *queue);
void vmm__device_queue_broke(struct vmm_queue *queue, const char *why);

/* On the loop, or while it is kept still: nothing is in flight afterwards. */
void vmm__device_reset_now(struct vmm_device *dev);

#endif
