/* SPDX-License-Identifier: MIT */
/*
 * <libvmm/vcpu.h> - one virtual CPU: registers, pinning, and running it by hand.
 *
 * Most applications need none of this: vmm_start() runs each vCPU in a thread of
 * its own. It is for debuggers, and for those who write a hypervisor of their own
 * on the library: a guest made with VMM_F_CALLER_VCPUS (and mostly
 * VMM_F_KVM_ONLY) has no vCPU threads, and the caller runs a vCPU like this:
 *
 *	vmm_vcpu_attach(vcpu);
 *	while ((r = vmm_vcpu_run(vcpu, &exit)) == 0)
 *		handle(&exit);
 *	vmm_vcpu_detach(vcpu);
 *
 * Ports and MMIO ranges added with vmm_add_range() are answered inside
 * vmm_vcpu_run(); what nothing answers is given to the caller.
 */
#ifndef LIBVMM_VCPU_H
#define LIBVMM_VCPU_H

#include <libvmm/common.h>
#include <libvmm/regs.h>

#ifdef __cplusplus
extern "C" {
#endif

/** vCPU @index, or NULL if there is none such. Borrowed: valid until vmm_destroy(). Any thread. */
VMM_API struct vmm_vcpu *vmm_vcpu(struct vmm *vm, uint32_t index);

/**
 * Bind the vCPU's thread to @nr host CPUs, now and whenever it is started; 0: to
 * none in particular. Not for a vCPU that the caller runs.
 *
 * Returns 0, -EINVAL (no such CPU, or none that this process may use), -EBUSY (VMM_F_CALLER_VCPUS).
 * Thread safety: any thread.
 */
VMM_API int vmm_vcpu_pin(struct vmm_vcpu *vcpu, const uint32_t *cpus, uint32_t nr) VMM_MUST_CHECK;

/**
 * The kernel's number (gettid()) of the library's thread that runs @vcpu; 0 when there is none:
 * the guest does not run, or the caller runs its vCPUs. For cgroups (cgroup.threads), affinity,
 * scheduling class: see docs/observing.md. A guest that is started again has new threads;
 * vmm_config.vcpu_thread hears of each before it runs any of the guest.
 *
 * Thread safety: any thread.
 */
VMM_API uint32_t vmm_vcpu_tid(struct vmm_vcpu *vcpu);

/**
 * Read or write the registers of a vCPU that does not run: its guest is
 * created, paused or stopped, or the caller runs it and is between two runs.
 *
 * @regs->size is set by the caller; for a write @regs->arch too.
 * Returns 0, -EINVAL, -E2BIG, -EBUSY (it runs), or what KVM said.
 */
VMM_API int vmm_vcpu_read_regs(struct vmm_vcpu *vcpu, struct vmm_regs *ret_regs) VMM_MUST_CHECK;
VMM_API int vmm_vcpu_write_regs(struct vmm_vcpu *vcpu, const struct vmm_regs *regs) VMM_MUST_CHECK;

/*
 * Every register by its number in KVM (KVM_REG_* of <linux/kvm.h>): what <libvmm/regs.h> leaves out too,
 * for whoever saves a vCPU or debugs one. A register's size is in its number. All three return
 * -EINVAL; -EBUSY as above; -EOPNOTSUPP where KVM has no such numbers, which is so on x86_64.
 */

/**
 * Fill @ret_ids with up to @max of the numbers. Returns how many there are, which may be more than @max.
 */
VMM_API int vmm_vcpu_list_regs(struct vmm_vcpu *vcpu, uint64_t *ret_ids, size_t max) VMM_MUST_CHECK;

/**
 * Read or write one; @size must be the register's. Returns 0, -ENOENT (the vCPU has none such), or what KVM said.
 */
VMM_API int vmm_vcpu_get_reg(struct vmm_vcpu *vcpu, uint64_t id, void *ret_value, size_t size) VMM_MUST_CHECK;
VMM_API int vmm_vcpu_set_reg(struct vmm_vcpu *vcpu, uint64_t id, const void *value, size_t size) VMM_MUST_CHECK;

/* ---- running it by hand ---- */

enum vmm_exit_type {
	VMM_EXIT_NONE		= 0,
	VMM_EXIT_PORT		= 1,	/* a port that no range answers */
	VMM_EXIT_MMIO		= 2,	/* an address that is neither RAM nor in a range */
	VMM_EXIT_HALT		= 3,	/* HLT, without an interrupt controller in the kernel */
	VMM_EXIT_SHUTDOWN	= 4,	/* triple fault */
	VMM_EXIT_POWEROFF	= 5,	/* the guest powered itself off */
	VMM_EXIT_RESET		= 6,	/* the guest asked for a reset */
	VMM_EXIT_KICKED		= 7,	/* vmm_vcpu_kick(), or the guest is being stopped */
	VMM_EXIT_CRASHED	= 8,	/* KVM cannot go on: @kvm_reason, @data */
	VMM_EXIT_OTHER		= 9,	/* an exit of KVM's that libvmm does not know: @kvm_reason */
	VMM_EXIT_PANIC		= 10,	/* the guest's kernel said that it panicked (pvpanic) */
};

/** Why vmm_vcpu_run() came back. */
struct vmm_exit {
	size_t size;		/* sizeof(struct vmm_exit), set by the caller */
	uint32_t type;		/* enum vmm_exit_type */
	uint32_t kvm_reason;	/* KVM_EXIT_* */
	uint64_t address;	/* port or guest physical address */
	uint32_t width;		/* bytes of one access: 1, 2, 4 (MMIO: 1 .. 8) */
	uint32_t count;		/* accesses (string instructions make more than one) */
	uint32_t write;		/* 1: the guest wrote @bytes; 0: fill them before the next run */
	uint32_t nr_data;
	void *bytes;		/* width * count bytes, lent until the next run */
	uint64_t data[16];	/* what KVM adds to a crash */
	void *kvm_run;		/* struct kvm_run, lent likewise: for what is not covered above */
};

#define VMM_EXIT_INIT	VMM_SIZED(struct vmm_exit)

/**
 * Make the calling thread the vCPU's. Blocks, in this thread only, the signal
 * that kicks (vmm_config.kick_signal), until vmm_vcpu_detach().
 *
 * Returns 0, -EBUSY (has a thread already; or not VMM_F_CALLER_VCPUS), or what KVM said.
 */
VMM_API int vmm_vcpu_attach(struct vmm_vcpu *vcpu) VMM_MUST_CHECK;

/** Undo it, in the same thread. Returns 0 or -EINVAL (another thread's). */
VMM_API int vmm_vcpu_detach(struct vmm_vcpu *vcpu);

/**
 * Run the vCPU until something happens that libvmm does not answer itself.
 *
 * A guest made with a boot image is set up by vmm_start(), which with
 * VMM_F_CALLER_VCPUS starts no thread; one without needs no start.
 *
 * Returns 0 with *@ret_exit filled; -EBUSY (not attached by this thread); -EINVAL; what KVM said.
 */
VMM_API int vmm_vcpu_run(struct vmm_vcpu *vcpu, struct vmm_exit *ret_exit) VMM_MUST_CHECK;

/** Have a run, the present or the next one, come back with VMM_EXIT_KICKED. Any thread. */
VMM_API int vmm_vcpu_kick(struct vmm_vcpu *vcpu);

/** KVM's descriptor of the vCPU, for ioctls of one's own. Borrowed. */
VMM_API int vmm_vcpu_fd(const struct vmm_vcpu *vcpu);

/** KVM's descriptor of the guest, likewise. Borrowed. */
VMM_API int vmm_kvm_fd(const struct vmm *vm);

#ifdef __cplusplus
}
#endif
#endif
