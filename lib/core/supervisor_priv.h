/* SPDX-License-Identifier: MIT */
/* supervisor_priv.h - what a supervisor hears of a guest. From any thread, and nothing waits. */
#ifndef CORE_SUPERVISOR_PRIV_H
#define CORE_SUPERVISOR_PRIV_H

struct supervision;

/* The watchdog was not fed. On the guest's loop. */
void vmm__supervision_watchdog(struct supervision *s);

/* The guest's state has changed. With its lock. */
void vmm__supervision_changed(struct supervision *s);

#endif
