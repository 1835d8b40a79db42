/* SPDX-License-Identifier: MIT */
/* i6300esb_priv.h - the watchdog timer of an Intel 6300ESB. */
#ifndef DEVICES_LEGACY_I6300ESB_PRIV_H
#define DEVICES_LEGACY_I6300ESB_PRIV_H

#include <stdint.h>

struct i6300esb;
struct pci_bus;
struct vmm_loop;

struct i6300esb_host {
	struct pci_bus *pci;
	struct vmm_loop *loop;
	/* Since when the guest has run without a pause, CLOCK_MONOTONIC in ns; 0: it does not run now. */
	uint64_t (*running_since)(void *data);
	/* The guest's time is over. On the loop. */
	void (*expired)(void *data);
	void *data;
};

/* With the loop kept still, as the rest but the registers. */
int vmm__i6300esb_create(const struct i6300esb_host *host, struct i6300esb **ret_watchdog);
void vmm__i6300esb_destroy(struct i6300esb *watchdog);

/* As after power on, but for the flag by which a guest learns that it was the watchdog. */
void vmm__i6300esb_reset(struct i6300esb *watchdog);

#endif
