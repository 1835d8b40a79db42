/* SPDX-License-Identifier: MIT */
/* exits.c - counts and notes of a vCPU's exits, and their names. */
#include <linux/kvm.h>
#include <time.h>

#include "core/exits_priv.h"

struct exit_note *vmm__exits_note(struct exit_log *log, uint32_t reason)
{
	struct exit_note *note = &log->notes[log->next++ % EXIT_NOTES];
	struct timespec t;

	count_up(&log->counts[reason < EXIT_KINDS ? reason : EXIT_KINDS - 1]);
	/* A few milliseconds coarse and a few nanoseconds cheap. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	note->time_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	note->reason = reason;
	return note;
}

int vmm__exits_get(const struct exit_log *log, uint32_t back, struct vmm_exit_record *ret_exit)
{
	const struct exit_note *note = &log->notes[(log->next - 1 - back) % EXIT_NOTES];

	if (back >= EXIT_NOTES || back >= log->next)
		return 0;
	*ret_exit = (struct vmm_exit_record){
		.size = sizeof(*ret_exit), .time_ns = note->time_ns, .address = note->address,
		.value = note->value, .kvm_reason = note->reason, .width = note->width,
		.count = note->count, .write = note->write,
	};
	return 1;
}

const char *vmm__exits_name(uint32_t reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "unknown", [KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_IO] = "io", [KVM_EXIT_HYPERCALL] = "hypercall",
		[KVM_EXIT_DEBUG] = "debug", [KVM_EXIT_HLT] = "hlt", [KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window_open", [KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail_entry", [KVM_EXIT_INTR] = "intr",
		[KVM_EXIT_SET_TPR] = "set_tpr", [KVM_EXIT_TPR_ACCESS] = "tpr_access",
		[KVM_EXIT_NMI] = "nmi", [KVM_EXIT_INTERNAL_ERROR] = "internal_error",
		[KVM_EXIT_SYSTEM_EVENT] = "system_event", [KVM_EXIT_IOAPIC_EOI] = "ioapic_eoi",
		[KVM_EXIT_HYPERV] = "hyperv", [KVM_EXIT_ARM_NISV] = "no_syndrome",
		[KVM_EXIT_X86_RDMSR] = "rdmsr", [KVM_EXIT_X86_WRMSR] = "wrmsr",
		[KVM_EXIT_DIRTY_RING_FULL] = "dirty_ring_full",
		[KVM_EXIT_X86_BUS_LOCK] = "bus_lock", [KVM_EXIT_XEN] = "xen",
		[KVM_EXIT_RISCV_SBI] = "sbi",
	};

	return reason < sizeof(names) / sizeof(names[0]) && names[reason] ? names[reason] : "other";
}
