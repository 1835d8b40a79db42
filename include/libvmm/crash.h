/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/crash.h> - what is known of a guest that stopped: to read, and to save as text.
 *
 * A record is a copy: it stays as it is when the guest is started again or destroyed. Take it
 * when VMM_EVENT_STATE says that the guest stopped, before vmm_start().
 *
 *	if (vmm_crash_record(vm, &record) == 0) {
 *		vmm_crash_write(record, fd);
 *		vmm_crash_free(record);
 *	}
 *
 * What a record can hold is bounded: registers and 32 exits for each vCPU, 4 KiB of output for
 * each console.
 */
#ifndef LIBVMM_CRASH_H
#define LIBVMM_CRASH_H

#include <libvmm/common.h>
#include <libvmm/regs.h>
#include <libvmm/vmm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmm_crash;

/** One exit of a vCPU from KVM to this library. */
struct vmm_exit_record {
	size_t size;		/* sizeof(struct vmm_exit_record), set by the caller */
	uint64_t time_ns;	/* CLOCK_MONOTONIC, some milliseconds coarse */
	uint64_t address;	/* port or guest physical address, of a port or memory access */
	uint64_t value;		/* of that access; of several, the first for a write, the last for a read */
	uint32_t kvm_reason;	/* KVM_EXIT_* of <linux/kvm.h> */
	uint32_t width;		/* bytes of one access; 0: the exit was none */
	uint32_t count;		/* accesses in a row; at most 65535 are told */
	uint32_t write;		/* 1: the guest wrote */
};

#define VMM_EXIT_RECORD_INIT	VMM_SIZED(struct vmm_exit_record)

/**
 * Record why the guest stopped, the registers of all its vCPUs, their last exits and the last
 * output of its consoles. A paused guest, or one that stopped for another reason than a crash,
 * may be recorded as well.
 *
 * The caller owns *@ret_crash and releases it with vmm_crash_free().
 *
 * Returns 0; -EINVAL; -EBUSY (created only, or it runs); -ENOMEM.
 *
 * Registers that KVM does not give are missing from the record: that is no failure.
 * Thread safety: any thread, also a callback of the guest's loop.
 */
VMM_API int vmm_crash_record(struct vmm *vm, struct vmm_crash **ret_crash) VMM_MUST_CHECK;

/** Release a record. NULL is allowed. */
VMM_API void vmm_crash_free(struct vmm_crash *crash);

/** Why the guest stopped; reason VMM_STOP_NONE: it was paused. Returns 0 or -EINVAL. */
VMM_API int vmm_crash_info(const struct vmm_crash *crash, struct vmm_stop_info *ret_info);

/** How many vCPUs it has. */
VMM_API uint32_t vmm_crash_vcpus(const struct vmm_crash *crash);

/**
 * Registers of a vCPU. For the one that crashed vmm_stop_info.regs are those of the moment; the
 * registers here are from after all had stopped, which some KVMs have reset by then (a triple
 * fault on AMD). Returns 0, -EINVAL (no such vCPU), -ENOENT (KVM did not give them).
 */
VMM_API int vmm_crash_regs(const struct vmm_crash *crash, uint32_t vcpu, struct vmm_regs *ret_regs);

/**
 * The exit @back exits before the last one of @vcpu. Returns 1 with *@ret_exit filled, 0 when
 * there is none (so count @back up from 0), -EINVAL.
 */
VMM_API int vmm_crash_exit(const struct vmm_crash *crash, uint32_t vcpu, uint32_t back,
			   struct vmm_exit_record *ret_exit);

/**
 * What console @index printed last, as its backend took it: the bytes, which may hold anything,
 * and the console's name. Both are borrowed: valid until vmm_crash_free().
 * @ret_name may be NULL. Returns the bytes, or NULL when there is no such console.
 */
VMM_API const char *vmm_crash_console(const struct vmm_crash *crash, uint32_t index,
				      const char **ret_name, size_t *ret_len);

/**
 * Write the record to @fd as ASCII text for people. Of what the guest printed, bytes other than
 * printable ASCII, newline and tab are shown as \xNN. Waits for a descriptor that is full.
 *
 * Returns 0, -EINVAL, -ENOMEM, or what the system said of @fd (-ENOSPC, -EPIPE, -EFBIG, …): then
 * a part of it may be written. No signal is raised, whatever the descriptor is.
 */
VMM_API int vmm_crash_write(const struct vmm_crash *crash, int fd) VMM_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
