/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/vmm.h> - create, run and destroy a guest.
 *
 *	created -> running <-> paused
 *	              \           /
 *	               \         /
 *	                 stopped -> running (started again) …
 *
 * Calls that ask a guest for something (start, pause, resume, stop, reset)
 * return at once. What a guest does on its own, and when it has done what it
 * was asked, arrives as an event; vmm_wait() and vmm_wait_state() block until
 * then for those who want that.
 *
 * With VMM_F_CALLER_VCPUS the caller decides when a vCPU runs: vmm_start() sets
 * the machine up, vmm_stop() ends it; pause, resume and reset are -EOPNOTSUPP.
 *
 * Thread safety: every call may be made from any thread, unless it says
 * otherwise. vmm_destroy() must be the last one for its guest.
 */
#ifndef LIBVMM_VMM_H
#define LIBVMM_VMM_H

#include <libvmm/common.h>
#include <libvmm/log.h>
#include <libvmm/loop.h>
#include <libvmm/regs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making one ---- */

/*
 * Large pages make a guest that touches much memory considerably faster. With VMM_F_THP anonymous
 * memory gets them nearly everywhere; a memfd only where the host's
 * /sys/kernel/mm/transparent_hugepage/shmem_enabled says "advise" or more.
 */
enum vmm_ram_kind {
	VMM_RAM_MEMFD	= 0,	/* a memfd, sealed against shrinking: can be shared */
	VMM_RAM_ANON	= 1,	/* anonymous private memory */
	VMM_RAM_HUGE	= 2,	/* a memfd of huge pages (hugetlbfs), huge_page_bytes each */
	VMM_RAM_FD	= 3,	/* the caller's descriptor: ram_fd from ram_fd_offset on */
};

enum {
	VMM_F_KVM_ONLY		= 1 << 0,	/* memory and vCPUs and nothing else: no interrupt
						   controller, no bus, no tables; see <libvmm/vcpu.h> */
	VMM_F_CALLER_VCPUS	= 1 << 1,	/* no vCPU threads: the caller runs each with vmm_vcpu_run() */
	VMM_F_THP		= 1 << 2,	/* ask for transparent huge pages for the RAM */
	VMM_F_PREALLOC		= 1 << 3,	/* have all RAM backed before vmm_create() returns */
	VMM_F_NESTED		= 1 << 4,	/* show VMX or SVM to the guest, where KVM does */
	VMM_F_FIXED_RAM_FD	= 1 << 5,	/* the file of ram_fd never shrinks: the caller's promise, needed
						   where it cannot be sealed (a file that shrinks under a
						   mapping ends the process with SIGBUS) */
};

/*
 * The kinds of interrupt controller in an architecture's machine, where there are several. One that
 * this host's KVM lacks is -ENODEV, one that the architecture does not know -EINVAL.
 */
enum vmm_irqchip {
	VMM_IRQCHIP_DEFAULT	= 0,	/* the best that this host has */
	VMM_IRQCHIP_GIC_V2	= 2,	/* Arm: up to 8 vCPUs; some 60 MSIs, by a GICv2m frame */
	VMM_IRQCHIP_GIC_V3	= 3,	/* Arm: with an ITS for MSIs */
	VMM_IRQCHIP_AIA		= 4,	/* RISC-V: APLIC, and an IMSIC for MSIs */
	VMM_IRQCHIP_PLIC	= 5,	/* RISC-V: no MSIs; the library's own, on any KVM */
};

#define VMM_VCPUS_MAX	255

/**
 * What a guest is made of. Zero in any field asks for the default.
 */
struct vmm_config {
	size_t size;		/* sizeof(struct vmm_config) */
	const char *name;	/* copied; up to 63 bytes; logs, thread names; default "guest" */
	uint64_t ram_bytes;	/* required; rounded up to a page (or huge page) */
	uint32_t nr_vcpus;	/* 1 .. VMM_VCPUS_MAX or what KVM allows; default 1 */
	uint32_t threads_per_core;	/* topology shown to the guest; divides nr_vcpus; default 1 */
	uint32_t nr_sockets;	/* likewise; default 1 */
	uint32_t flags;		/* VMM_F_* */
	uint8_t uuid[16];	/* RFC 9562 order; all zero: a random one */
	struct vmm_loop *loop;	/* borrowed: valid until vmm_destroy(); default one of its own
				   with its own thread */
	int kvm_fd;		/* an open /dev/kvm; duplicated; > 0 */
	int ram_fd;		/* for VMM_RAM_FD; duplicated; > 0; a memfd is sealed against shrinking */
	uint64_t ram_fd_offset;	/* a multiple of the page size */
	uint32_t ram_kind;	/* enum vmm_ram_kind */
	uint32_t transport;	/* enum vmm_transport of <libvmm/device.h> for devices that do not say */
	uint64_t huge_page_bytes;	/* for VMM_RAM_HUGE: 2 MiB or 1 GiB; default 2 MiB */
	vmm_log_fn log;		/* called from any thread of this guest; optional */
	void *log_data;
	uint32_t log_level;	/* enum vmm_log_level: the least urgent wanted; default VMM_LOG_WARNING */
	uint32_t max_events;	/* events kept unread; default 64; 8 .. 65536 */
	uint32_t kick_signal;	/* the number that brings vCPUs out of KVM, SIGRTMIN .. SIGRTMAX; default
				   SIGRTMIN. No handler is installed and only vCPU threads get it;
				   but do not send this number to the process: it may be lost */
	uint32_t queue_format;	/* enum vmm_queue_format of <libvmm/device.h> for devices that do
				   not say */
	uint32_t irqchip;	/* enum vmm_irqchip: which interrupt controller; default the best of this host's */
	uint32_t reserved;
	/*
	 * Called on each vCPU's new thread, whose number is @tid, before it runs any of the guest:
	 * to put it into a cgroup, or to set its scheduling. Others wait for none of it, except
	 * who stops or destroys the guest. It may not call back into @vm. Optional.
	 */
	void (*vcpu_thread)(void *data, struct vmm *vm, uint32_t vcpu, uint32_t tid);
	void *vcpu_thread_data;
};

#define VMM_CONFIG_INIT	VMM_SIZED(struct vmm_config)

/**
 * Create a guest that is not yet running.
 *
 * @config is read during the call and not kept. On success the caller owns
 * *@ret_vm and releases it with vmm_destroy(). On failure no descriptor, thread
 * or mapping is left.
 *
 * Returns 0, or
 *   -EINVAL  a required field is missing or out of range
 *   -E2BIG   @config sets a field this library is too old to know
 *   -ENOENT  there is no /dev/kvm
 *   -EACCES  /dev/kvm may not be opened
 *   -ENODEV  this KVM is too old or lacks something required
 *   -ENOMEM  more RAM than the host has, or out of memory
 *   -EMFILE, -ENFILE
 */
VMM_API int vmm_create(const struct vmm_config *config, struct vmm **ret_vm) VMM_MUST_CHECK;

/**
 * Stop the guest if it runs, join its threads, free it and everything plugged
 * into it. NULL is allowed. When this returns no callback of @vm is running or
 * will run. Not from a callback of one of its devices or backends.
 */
VMM_API void vmm_destroy(struct vmm *vm);

/** The guest's memory. Borrowed: valid until vmm_destroy(). */
VMM_API struct vmm_mem *vmm_memory(struct vmm *vm);

/** The guest's loop. Borrowed. */
VMM_API struct vmm_loop *vmm_loop_of(struct vmm *vm);

/** The guest's name. Borrowed. */
VMM_API const char *vmm_name(const struct vmm *vm);

/** Copy the guest's UUID, in RFC 9562 order, to @ret_uuid. */
VMM_API void vmm_uuid(const struct vmm *vm, uint8_t ret_uuid[16]);

/* ---- running it ---- */

enum vmm_state {
	VMM_STATE_CREATED	= 0,
	VMM_STATE_RUNNING	= 1,
	VMM_STATE_PAUSED	= 2,
	VMM_STATE_STOPPED	= 3,
};

enum vmm_stop_reason {
	VMM_STOP_NONE		= 0,	/* it has not stopped */
	VMM_STOP_POWEROFF	= 1,	/* the guest powered itself off */
	VMM_STOP_RESET		= 2,	/* the guest asked for a reset (reboot); vmm_start() boots it again */
	VMM_STOP_REQUESTED	= 3,	/* vmm_stop() */
	VMM_STOP_CRASHED	= 4,	/* KVM could not go on, or this library could not: see the rest */
	VMM_STOP_PANIC		= 5,	/* the guest's kernel said that it panicked (pvpanic) */
	VMM_STOP_WATCHDOG	= 6,	/* it did not feed its watchdog (<libvmm/watchdog.h>) */
};

/** Why a guest stopped, and for a crash, where it was. */
struct vmm_stop_info {
	size_t size;		/* sizeof(struct vmm_stop_info), set by the caller */
	uint32_t reason;	/* enum vmm_stop_reason */
	uint32_t vcpu;		/* which vCPU stopped it; ~0u: none did */
	uint32_t exit_reason;	/* KVM_EXIT_* of <linux/kvm.h>: the exit in which it stopped */
	uint32_t nr_exit_data;
	uint64_t exit_data[16];	/* what KVM added: sub-error, entry failure, bytes of the instruction */
	char words[160];	/* the same for people */
	struct vmm_regs regs;	/* of that vCPU, when crashed; regs.arch is 0 when unknown */
};

#define VMM_STOP_INFO_INIT	VMM_SIZED(struct vmm_stop_info)

/**
 * Let a guest that was created or stopped run from its boot image's start. The
 * guest's machine is as after power on; its RAM holds the image and zeros.
 *
 * A guest without a boot image (<libvmm/boot.h>) runs from the registers that
 * vmm_vcpu_write_regs() gave its vCPU 0, on memory as it is.
 *
 * Returns 0; -EBUSY (running or paused); -EINVAL (neither image nor registers);
 * -EAGAIN or -ENOMEM (no thread); what loading the image again says; what KVM said.
 */
VMM_API int vmm_start(struct vmm *vm) VMM_MUST_CHECK;

/**
 * Ask a running guest to pause; VMM_EVENT_STATE tells when no vCPU runs any more.
 * Devices finish what is in flight. A paused guest stays so. Returns 0 or -EBUSY.
 */
VMM_API int vmm_pause(struct vmm *vm) VMM_MUST_CHECK;

/**
 * Let a paused (or pausing) guest go on. A running guest stays so. One that is held by a debugger
 * (<libvmm/debug.h>) or while it is dumped (<libvmm/dump.h>) goes on when that lets it.
 * Returns 0 or -EBUSY.
 */
VMM_API int vmm_resume(struct vmm *vm) VMM_MUST_CHECK;

/**
 * Pull the plug of a running or paused guest. A stopped guest stays so.
 * Returns 0 or -EBUSY (not started).
 */
VMM_API int vmm_stop(struct vmm *vm);

/**
 * Press the reset button of a running or paused guest: it boots again from its image's start,
 * running, without passing through the stopped state. VMM_EVENT_RESET tells when.
 * Returns 0; -EBUSY (not running or paused, or stopping); -EOPNOTSUPP (no boot image).
 */
VMM_API int vmm_reset(struct vmm *vm) VMM_MUST_CHECK;

/**
 * Press the power button: the guest's system is told and does what it likes,
 * mostly an orderly power off. Returns 0; -EBUSY (not running);
 * -EOPNOTSUPP (a machine without one: VMM_F_KVM_ONLY).
 */
VMM_API int vmm_power_button(struct vmm *vm) VMM_MUST_CHECK;

/** The state now: enum vmm_state. */
VMM_API uint32_t vmm_state(const struct vmm *vm);

/**
 * Why the guest stopped last. @ret_info->size is set by the caller.
 * Returns 0 or -EINVAL; reason is VMM_STOP_NONE if it has not.
 */
VMM_API int vmm_stop_info(const struct vmm *vm, struct vmm_stop_info *ret_info);

/**
 * Block until the guest is in one of the states in @states (bits 1 << VMM_STATE_*)
 * or @timeout_ms (negative: for ever) is over.
 *
 * When the guest's loop is driven by the application, this drives it meanwhile.
 *
 * Returns the state; -ETIMEDOUT; -EINVAL; -EDEADLK (inside a callback of its loop).
 */
VMM_API int vmm_wait_state(struct vmm *vm, uint32_t states, int timeout_ms) VMM_MUST_CHECK;

/**
 * Block until the guest has stopped, then tell why. @ret_info may be NULL.
 *
 * Returns 0; -EINVAL; -EBUSY (never started); -EDEADLK.
 */
VMM_API int vmm_wait(struct vmm *vm, struct vmm_stop_info *ret_info) VMM_MUST_CHECK;

/* ---- what it does on its own ---- */

enum vmm_event_type {
	VMM_EVENT_NONE		= 0,
	VMM_EVENT_STATE		= 1,	/* @value: the new enum vmm_state; when stopped, @reason says why */
	VMM_EVENT_RESET		= 2,	/* vmm_reset() was carried out */
	VMM_EVENT_DEVICE_BROKEN	= 3,	/* a driver broke the rules: @device, @words */
	VMM_EVENT_ERROR		= 4,	/* something of ours failed while it ran: @words */
	VMM_EVENT_DEVICE_REMOVED = 5,	/* vmm_remove_device() was carried out: nothing of @device is left */
	VMM_EVENT_WATCHDOG	= 6,	/* it was not fed; @value: enum vmm_watchdog_action, what is done now */
	VMM_EVENT_SUPERVISOR	= 7,	/* @value: enum vmm_supervisor_decision, @words */
};

/** One event. */
struct vmm_event {
	size_t size;		/* sizeof(struct vmm_event), set by the caller */
	uint32_t type;		/* enum vmm_event_type */
	uint32_t value;
	uint32_t reason;	/* enum vmm_stop_reason */
	uint32_t reserved;
	uint64_t sequence;	/* counts every event of this guest from 1; a gap is what was lost */
	uint64_t lost;		/* events lost just before this one, since the application did not read */
	uint64_t time_ns;	/* CLOCK_MONOTONIC */
	char device[64];	/* the device's name */
	char words[160];
};

#define VMM_EVENT_INIT	VMM_SIZED(struct vmm_event)

/**
 * Take the oldest event. When @max_events are kept already the oldest is lost to a new one.
 *
 * Returns 1 with *@ret_event filled, 0 when there is none, -EINVAL.
 */
VMM_API int vmm_next_event(struct vmm *vm, struct vmm_event *ret_event) VMM_MUST_CHECK;

/** A descriptor that polls readable while there are events. Borrowed; do not read it. */
VMM_API int vmm_event_fd(const struct vmm *vm);

#ifdef __cplusplus
}
#endif
#endif
