/* SPDX-License-Identifier: MIT */
/*
 * vm_priv.h - a guest: the assembled parts and the state machine.
 *
 * Locks, in the order in which they are taken:
 *   loop	vmm_loop_enter(), by a call that changes what callbacks use
 *   lock	the state machine; held for a few instructions, never while waiting
 *		for a loop or a vCPU
 * A call that changes what the guest is made of (plug, boot, start) claims it first,
 * and answers -EBUSY where it would have to wait: so there is nothing to dead-lock.
 */
#ifndef CORE_VM_PRIV_H
#define CORE_VM_PRIV_H

#include <pthread.h>
#include <libvmm/vmm.h>
#include "arch/arch_priv.h"
#include "boot/boot_priv.h"
#include "bus/bus_priv.h"
#include "core/event_priv.h"
#include "core/irq_priv.h"
#include "core/log_priv.h"
#include "core/loop_priv.h"
#include "core/memory_priv.h"
#include "core/ram_priv.h"
#include "core/vcpu_priv.h"
#include "devices/device_priv.h"

struct console_tail;
struct i6300esb;
struct serial_model;

struct vmm {
	char name[64];
	uint8_t uuid[16];
	uint32_t flags;			/* VMM_F_* */
	uint32_t threads_per_core;
	uint32_t nr_sockets;
	int kick_signal;

	/* ---- parts, in order of construction ---- */
	int kvm_fd;
	int vm_fd;
	const struct arch_layout *layout;
	struct arch_vm *arch;
	struct ram ram;
	struct vmm_mem mem;
	struct bus mmio, ports;
	struct irqs irqs;
	struct vmm_vcpu *vcpus;
	uint32_t nr_vcpus;
	struct vmm_loop *loop;
	bool own_loop;
	struct arch_machine *machine;	/* NULL with VMM_F_KVM_ONLY, as is pci */
	struct pci_bus *pci;
	struct device_host host;
	uint32_t mmio_taken;		/* virtio-mmio windows, a bit for each */
	const struct serial_model *serial_model;
	void *serial;			/* the serial port, of that kind; NULL: none */
	pthread_mutex_t devices_lock;	/* of the list and of graves; see hotplug.c */
	pthread_cond_t devices_changed;
	struct vmm_device **devices;
	uint32_t nr_devices;
	uint32_t walkers;		/* who go through it now */
	struct vmm_device *graves;	/* wait for the accesses that were under way when they were dug */
	struct vmm_device *new_graves;	/* are dug next */
	struct vmm_timer *grave_timer;	/* NULL: no device was ever removed */
	struct boot_source boot;
	bool has_boot;
	bool loaded;			/* the image is in memory and nothing has run since */
	struct boot_entry entry;
	void (*vcpu_thread)(void *data, struct vmm *vm, uint32_t vcpu, uint32_t tid);
	void *vcpu_thread_data;
	struct events events;
	struct log log;
	uint32_t request;		/* atomic: enum vmm_exit_type that a device of the machine asks for */

	/* ---- the state machine, guarded by lock ---- */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t state;			/* enum vmm_state */
	bool started;			/* once, ever */
	bool claimed;			/* a call changes what the guest is made of */
	bool stopping;			/* told to stop; vCPUs are leaving */
	bool pause_wanted;
	bool reset_wanted;
	bool attention;			/* atomic: any of these; each vCPU looks before it runs */
	uint32_t alive;			/* vCPU threads that have not left, or the caller's runs under way */
	uint32_t parked;
	struct vmm_stop_info stop;
	struct loop_cancel cancel;
	struct vmm_deferred finish;	/* on the loop, once all vCPUs left */
	uint64_t starts, resets;	/* guarded by lock, as is all that follows */
	uint64_t running_since;		/* CLOCK_MONOTONIC, ns: of the last time it began or went on to run */
	bool restarting;		/* the reset that is wanted is how a supervisor starts it again */
	struct supervision *supervision;	/* changed with the loop kept still as well */
	void (*heard)(void *data, struct console_tail *tail, size_t len);	/* listens to each console */
	uint32_t holds;			/* see vmm__state_hold() */
	bool dumping;			/* its memory is being copied: no reset, no start */
	struct vmm_deferred *debugger;	/* called on the loop after each change of the state */
	struct i6300esb *watchdog;	/* from here on with the loop kept still */
	uint32_t watchdog_action;
	struct vmm_debug *debug_server;	/* with the loop kept still */
	struct guest_debug *debug;	/* what the debugger asked for; once made it stays */
	struct console_tail *consoles;	/* the last output of each; added only */
};

/* ---- state.c ---- */

void vmm__state_init(struct vmm *vm);
void vmm__state_finish(struct vmm *vm);

/* What is left of a stop once no vCPU runs: vm->finish, on the loop. */
void vmm__state_finish_stop(struct vmm_deferred *deferred);

/* Stop a guest that runs or is paused; the first reason given is kept. Any thread. */
void vmm__state_stop(struct vmm *vm, const struct vmm_stop_info *info);

/*
 * A vCPU thread saw attention: wait while the guest is paused, reset it if that is
 * wanted. False: leave.
 */
bool vmm__state_park(struct vmm_vcpu *vcpu);
void vmm__state_vcpu_left(struct vmm *vm);

/*
 * With the lock: keep all vCPUs parked, beside what the application asks for, until it is undone.
 * The guest is paused meanwhile, and says so; a stop takes place all the same.
 */
void vmm__state_hold(struct vmm *vm);
void vmm__state_unhold(struct vmm *vm);

/* The caller's run of a vCPU begins and ends. False: it may not begin. */
bool vmm__state_run_enter(struct vmm_vcpu *vcpu);
void vmm__state_run_leave(struct vmm_vcpu *vcpu);

/* @alive vCPU threads are about to start: running. */
void vmm__state_started(struct vmm *vm, uint32_t alive);

/* @missing of them could not be started after all: stop the others. */
void vmm__state_start_failed(struct vmm *vm, uint32_t missing);

/*
 * Begin a change of what the guest is made of. -EBUSY while it runs or is paused, while another
 * such call is under way, and with @fresh when it was ever started.
 */
int vmm__state_claim(struct vmm *vm, bool fresh, const char *what);
void vmm__state_release(struct vmm *vm);

/* The same in any state but while it is being stopped; whether it runs or is paused. */
int vmm__state_claim_any(struct vmm *vm, const char *what, bool *ret_on);

/* ---- hotplug.c ---- */

/* Call @fn for each device, in the order in which they came. It may enter their loops. */
void vmm__devices_walk(struct vmm *vm, void (*fn)(struct vmm_device *dev, void *data), void *data);

/* Free what was removed and is not free yet. No vCPU runs. */
void vmm__graves_finish(struct vmm *vm);

/* The guest has let go of what is in these slots. On a vCPU. */
void vmm__hotplug_ejected(void *vm, uint32_t slots);

/* The machine is reset: nobody was asked for anything. */
void vmm__hotplug_reset(struct vmm *vm);

/* Whether a device on @transport can come while the guest runs; -EOPNOTSUPP. Then tell the guest. */
int vmm__hotplug_check(const struct vmm *vm, uint32_t transport);
void vmm__hotplug_inserted(struct vmm *vm, const struct vmm_device *dev);
/* ---- consoles.c ---- */

/* After the consoles themselves. */
void vmm__consoles_finish(struct vmm *vm);

/* ---- start.c ---- */

/*
 * Make the machine as after power on and load the image again. For a reset, on
 * a vCPU thread while all others are parked.
 */
int vmm__machine_reboot(struct vmm *vm);

/*
 * Let a stopped guest run again from its image's start. Unlike vmm_start() it does not load the
 * image itself, but has the guest's own threads do it: for a loop's callback.
 */
int vmm__restart(struct vmm *vm);

/* Devices as the driver's reset leaves them. On the home loop. */
void vmm__machine_quiet(struct vmm *vm);

/* Have vCPUs that wait for any of the guest's loops look at their cancel. */
void vmm__machine_wake_callers(struct vmm *vm);

#endif
