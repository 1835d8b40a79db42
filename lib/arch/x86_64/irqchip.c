/* SPDX-License-Identifier: MIT */
/*
 * irqchip.c - interrupt controllers, timer and clock that KVM itself emulates.
 *
 * The i8254 is there for systems that measure other clocks with it. It keeps
 * KVM's default of making up for lost ticks: turning that off costs some 15 ms
 * for each VM (it waits for an SRCU grace period), and Linux never uses it here.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <libvmm/vmm.h>
#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "core/error_priv.h"

struct arch_vm {
	int vm_fd;
};

unsigned long vmm__arch_vm_type(int kvm_fd)
{
	return 0;
}

static int vm_init(int vm_fd, bool irqchip)
{
	/* Port 0x61 counts refreshes and gates the speaker: part of the timer. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = X86_IDENTITY_MAP;

	if (ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return vmm__fail_errno("cannot place KVM's identity map");
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, (unsigned long)X86_TSS_BASE) < 0)
		return vmm__fail_errno("cannot place KVM's task state segment");
	if (!irqchip)
		return 0;
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return vmm__fail_errno("cannot create the interrupt controllers");
	if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return vmm__fail_errno("cannot create the timer");

	return 0;
}

int vmm__arch_vm_create(const struct arch_vm_config *config, struct arch_vm **ret_vm)
{
	struct arch_vm *vm = malloc(sizeof(*vm));
	int r;

	if (!vm)
		return vmm__fail(-ENOMEM, "no memory for a guest");
	if (config->irqchip_kind != VMM_IRQCHIP_DEFAULT) {
		free(vm);
		return vmm__fail(-EINVAL, "irqchip %u: a machine here has but one kind", config->irqchip_kind);
	}
	*vm = (struct arch_vm){ .vm_fd = config->vm_fd };
	r = vm_init(vm->vm_fd, config->irqchip);
	if (r < 0) {
		free(vm);
		return r;
	}
	*ret_vm = vm;
	return 0;
}

void vmm__arch_vm_destroy(struct arch_vm *vm)
{
	free(vm);
}

const struct arch_pins *vmm__arch_pins(const struct arch_vm *vm)
{
	return NULL;
}

int vmm__arch_vm_complete(struct arch_vm *vm, const int *vcpu_fds, const struct vmm_mem *mem)
{
	return 0;
}

static int pic_reset(int vm_fd, uint32_t chip_id)
{
	struct kvm_irqchip chip = { .chip_id = chip_id };
	uint8_t elcr_mask;

	if (ioctl(vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
		return vmm__fail_errno("cannot read interrupt controller %u", chip_id);

	/* Which inputs can be level triggered is no state, but wiring. */
	elcr_mask = chip.chip.pic.elcr_mask;
	memset(&chip.chip, 0, sizeof(chip.chip));
	chip.chip.pic.elcr_mask = elcr_mask;

	if (ioctl(vm_fd, KVM_SET_IRQCHIP, &chip) < 0)
		return vmm__fail_errno("cannot reset interrupt controller %u", chip_id);

	return 0;
}

static int ioapic_reset(int vm_fd)
{
	struct kvm_irqchip chip = {
		.chip_id = KVM_IRQCHIP_IOAPIC,
		.chip.ioapic.base_address = X86_IOAPIC_BASE,
	};

	for (size_t i = 0; i < KVM_IOAPIC_NUM_PINS; i++)
		chip.chip.ioapic.redirtbl[i].fields.mask = 1;
	if (ioctl(vm_fd, KVM_SET_IRQCHIP, &chip) < 0)
		return vmm__fail_errno("cannot reset the IOAPIC");

	return 0;
}

static int pit_reset(int vm_fd)
{
	struct kvm_pit_state2 pit = { .flags = 0 };

	for (size_t i = 0; i < 3; i++) {
		pit.channels[i].mode = 0xff;	/* none set: does not count */
		pit.channels[i].gate = i != 2;
	}
	if (ioctl(vm_fd, KVM_SET_PIT2, &pit) < 0)
		return vmm__fail_errno("cannot reset the timer");

	return 0;
}

int vmm__arch_vm_reset(struct arch_vm *vm)
{
	int vm_fd = vm->vm_fd;
	struct kvm_clock_data clock = { .clock = 0 };
	int r;

	/* The timer first: a tick of it must not get into a controller that was reset. */
	r = pit_reset(vm_fd);
	/* The slave before the master, which latches what the slave has pending. */
	if (r == 0)
		r = pic_reset(vm_fd, KVM_IRQCHIP_PIC_SLAVE);
	if (r == 0)
		r = pic_reset(vm_fd, KVM_IRQCHIP_PIC_MASTER);
	if (r == 0)
		r = ioapic_reset(vm_fd);
	if (r < 0)
		return r;
	if (ioctl(vm_fd, KVM_SET_CLOCK, &clock) < 0)
		return vmm__fail_errno("cannot reset the clock");

	return 0;
}
