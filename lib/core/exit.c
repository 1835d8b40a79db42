/* SPDX-License-Identifier: MIT */
/*
 * exit.c - from KVM_EXIT_* to the bus, or to words for whoever runs the vCPU.
 *
 * The common case, a port or an address that a range answers, is a look-up and a
 * call: no lock, no system call, no allocation.
 */
#include <linux/kvm.h>
#include <string.h>

#include "core/trace_priv.h"
#include "core/vm_priv.h"

static uint64_t load(const uint8_t *bytes, uint32_t width)
{
	uint64_t value = 0;

	memcpy(&value, bytes, width <= sizeof(value) ? width : sizeof(value));
	return value;
}

/* Something outside the ranges has to see the access: describe it. */
static int give(struct vmm_exit *exit, uint32_t type, struct kvm_run *run)
{
	exit->type = type;
	exit->kvm_reason = run->exit_reason;
	exit->address = 0;
	exit->width = exit->count = exit->write = exit->nr_data = 0;
	exit->bytes = NULL;
	exit->data[0] = 0;
	exit->kvm_run = run;
	return 1;
}

/* A device of the machine may have asked for something in the access just made. */
static int requested(struct vmm *vm, struct vmm_exit *exit, struct kvm_run *run)
{
	uint32_t type;

	if (__atomic_load_n(&vm->request, __ATOMIC_RELAXED) == 0)
		return 0;
	type = __atomic_exchange_n(&vm->request, 0, __ATOMIC_ACQ_REL);
	return type ? give(exit, type, run) : 0;
}

static int port_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct vmm *vm = vcpu->vm;
	struct kvm_run *run = vcpu->run;
	uint8_t *bytes = (uint8_t *)run + run->io.data_offset;
	uint32_t width = run->io.size, count = run->io.count;
	bool write = run->io.direction == KVM_EXIT_IO_OUT, answered = true;
	struct exit_note *note = vmm__exits_note(&vcpu->exits, KVM_EXIT_IO);

	note->address = run->io.port;
	note->count = (uint16_t)(count > UINT16_MAX ? UINT16_MAX : count);
	note->width = (uint8_t)width;
	note->write = write;
	note->value = write ? load(bytes, width) : 0;
	for (uint32_t i = 0; i < count; i++, bytes += width) {
		uint64_t value;

		if (write) {
			answered &= vmm__bus_write(&vm->ports, run->io.port, width,
						   load(bytes, width));
		} else {
			answered &= vmm__bus_read(&vm->ports, run->io.port, width, &value);
			memcpy(bytes, &value, width);
			note->value = value;
		}
	}
	if (answered)
		return requested(vm, exit, run);

	(void)give(exit, VMM_EXIT_PORT, run);
	exit->address = run->io.port;
	exit->width = width;
	exit->count = count;
	exit->write = write;
	exit->bytes = (uint8_t *)run + run->io.data_offset;
	return 1;
}

static int mmio_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct vmm *vm = vcpu->vm;
	struct kvm_run *run = vcpu->run;
	uint32_t width = run->mmio.len;
	uint64_t value;
	bool answered;
	struct exit_note *note = vmm__exits_note(&vcpu->exits, KVM_EXIT_MMIO);

	note->address = run->mmio.phys_addr;
	note->count = 1;
	note->width = (uint8_t)width;
	note->write = run->mmio.is_write;
	note->value = 0;
	if (run->mmio.is_write) {
		note->value = load(run->mmio.data, width);
		answered = vmm__bus_write(&vm->mmio, run->mmio.phys_addr, width, note->value);
	} else {
		answered = vmm__bus_read(&vm->mmio, run->mmio.phys_addr, width, &value);
		memcpy(run->mmio.data, &value, sizeof(value));
		note->value = value;
	}
	if (answered)
		return requested(vm, exit, run);

	(void)give(exit, VMM_EXIT_MMIO, run);
	exit->address = run->mmio.phys_addr;
	exit->width = width;
	exit->count = 1;
	exit->write = run->mmio.is_write;
	exit->bytes = run->mmio.data;
	return 1;
}

/* Arm and RISC-V firmware calls, and x86 with a paravirtual guest. */
static int system_event(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		return give(exit, VMM_EXIT_POWEROFF, run);
	case KVM_SYSTEM_EVENT_RESET:
		return give(exit, VMM_EXIT_RESET, run);
	case KVM_SYSTEM_EVENT_CRASH:
		return give(exit, VMM_EXIT_PANIC, run);
	default:
		(void)give(exit, VMM_EXIT_OTHER, run);
		exit->data[0] = run->system_event.type;
		exit->nr_data = 1;
		return 1;
	}
}

static int internal_error(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct kvm_run *run = vcpu->run;
	uint32_t n = run->internal.ndata, room = sizeof(exit->data) / sizeof(exit->data[0]) - 1;

	(void)give(exit, VMM_EXIT_CRASHED, run);
	exit->data[0] = run->internal.suberror;
	exit->nr_data = 1 + (n < room ? n : room);
	memcpy(&exit->data[1], run->internal.data, (exit->nr_data - 1) * sizeof(exit->data[0]));
	return 1;
}

/* An exit of the architecture's, or one that nobody knows. */
static int arch_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct kvm_run *run = vcpu->run;
	struct arch_exit arch = { 0 };

	switch (vmm__arch_exit(vcpu->vm->machine, run, &arch)) {
	case ARCH_EXIT_ANSWERED:
		return requested(vcpu->vm, exit, run);
	case ARCH_EXIT_CRASHED:
		(void)give(exit, VMM_EXIT_CRASHED, run);
		exit->nr_data = arch.nr_data;
		memcpy(exit->data, arch.data, arch.nr_data * sizeof(arch.data[0]));
		return 1;
	default:
		(void)give(exit, VMM_EXIT_OTHER, run);
		exit->data[0] = run->hw.hardware_exit_reason;
		exit->nr_data = 1;
		return 1;
	}
}

static int other_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit)
{
	struct kvm_run *run = vcpu->run;
	struct exit_note *note = vmm__exits_note(&vcpu->exits, run->exit_reason);

	note->address = note->value = 0;
	note->width = note->write = 0;
	note->count = 0;
	switch (run->exit_reason) {
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return 0;
	case KVM_EXIT_HLT:
		return give(exit, VMM_EXIT_HALT, run);
	case KVM_EXIT_SHUTDOWN:
		return give(exit, VMM_EXIT_SHUTDOWN, run);
	case KVM_EXIT_SYSTEM_EVENT:
		return system_event(vcpu, exit);
	case KVM_EXIT_INTERNAL_ERROR:
		return internal_error(vcpu, exit);
	case KVM_EXIT_FAIL_ENTRY:
		(void)give(exit, VMM_EXIT_CRASHED, run);
		exit->data[0] = run->fail_entry.hardware_entry_failure_reason;
		exit->data[1] = run->fail_entry.cpu;
		exit->nr_data = 2;
		return 1;
	default:
		return arch_exit(vcpu, exit);
	}
}

/* From here to the end of the access, what it finds on a bus is not freed: see hotplug.c. */
static void answer_begin(struct vmm_vcpu *vcpu)
{
	/* Also says that the access before is over. */
	__atomic_store_n(&vcpu->answering, vcpu->answering + 1, __ATOMIC_RELEASE);
	/* Before the look at the bus; pairs with the fence in dig(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void answer_end(struct vmm_vcpu *vcpu)
{
	/* Pairs with the acquire in dig() and all_passed(). */
	__atomic_store_n(&vcpu->answering, vcpu->answering + 1, __ATOMIC_RELEASE);
}

int vmm__vcpu_exit(struct vmm_vcpu *vcpu, struct vmm_exit *ret_exit)
{
	uint32_t reason = vcpu->run->exit_reason;
	int r;

	TRACE3(vcpu_exit, vcpu->vm->name, vcpu->id, reason);
	if (reason != KVM_EXIT_IO && reason != KVM_EXIT_MMIO)
		return other_exit(vcpu, ret_exit);
	answer_begin(vcpu);
	r = reason == KVM_EXIT_IO ? port_exit(vcpu, ret_exit) : mmio_exit(vcpu, ret_exit);
	answer_end(vcpu);
	return r;
}
