/* SPDX-License-Identifier: MIT */
/*
 * vm.c - what a guest needs of KVM beside memory and vCPUs: an interrupt controller.
 *
 * KVM's AIA where there is one. Elsewhere a PLIC of our own, which raises each vCPU's
 * external interrupt: without messages, so PCI functions use their pins.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libvmm/vmm.h>
#include "arch/riscv64/plic_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "core/error_priv.h"

int vmm__arch_vm_create(const struct arch_vm_config *config, struct arch_vm **ret_vm)
{
	uint32_t kind = config->irqchip_kind;
	struct arch_vm *vm;

	if (kind != VMM_IRQCHIP_DEFAULT && kind != VMM_IRQCHIP_AIA && kind != VMM_IRQCHIP_PLIC)
		return vmm__fail(-EINVAL, "irqchip %u is neither an AIA (%d) nor a PLIC (%d)", kind,
				 VMM_IRQCHIP_AIA, VMM_IRQCHIP_PLIC);
	if (kind == VMM_IRQCHIP_DEFAULT)
		kind = vmm__riscv_aia_offered(config->vm_fd) ? VMM_IRQCHIP_AIA : VMM_IRQCHIP_PLIC;
	else if (kind == VMM_IRQCHIP_AIA && config->irqchip && !vmm__riscv_aia_offered(config->vm_fd))
		return vmm__fail(-ENODEV, "this KVM has no AIA for its guests");

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return vmm__fail(-ENOMEM, "no memory for a guest");
	*vm = (struct arch_vm){
		.vm_fd = config->vm_fd, .nr_vcpus = config->nr_vcpus, .irqchip = config->irqchip,
		.has_aia = kind == VMM_IRQCHIP_AIA, .aia_fd = -1,
	};
	*ret_vm = vm;
	return 0;
}

void vmm__arch_vm_destroy(struct arch_vm *vm)
{
	if (!vm)
		return;
	vmm__plic_destroy(vm->plic);
	free(vm->vcpu_fds);
	if (vm->aia_fd >= 0)
		close(vm->aia_fd);
	free(vm);
}

/* ---- the PLIC's wires ---- */

/* KVM takes this from any thread, while the vCPU runs too. */
static void drive(void *data, uint32_t hart, bool level)
{
	const struct arch_vm *vm = data;
	struct kvm_interrupt interrupt = {
		.irq = level ? KVM_INTERRUPT_SET : KVM_INTERRUPT_UNSET,
	};

	(void)ioctl(vm->vcpu_fds[hart], KVM_INTERRUPT, &interrupt);
}

static void pin_set(const struct arch_vm *vm, uint32_t gsi, bool level)
{
	vmm__plic_set_line(vm->plic, gsi, level);
}

static void pin_pulse(const struct arch_vm *vm, uint32_t gsi)
{
	vmm__plic_pulse(vm->plic, gsi);
}

/* ---- the APLIC's wires ---- */

static void source_set(const struct arch_vm *vm, uint32_t gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	(void)ioctl(vm->vm_fd, KVM_IRQ_LINE, &line);
}

/*
 * Down and up: whoever pulses at the same time, there is an edge after each one's going down,
 * hence after what it has to tell.
 */
static void source_pulse(const struct arch_vm *vm, uint32_t gsi)
{
	source_set(vm, gsi, false);
	source_set(vm, gsi, true);
}

/* KVM's irqfds only raise a source of its APLIC (6.12): the first would be the only edge. So calls here, too. */
const struct arch_pins *vmm__arch_pins(const struct arch_vm *vm)
{
	static const struct arch_pins plic = { .set = pin_set, .pulse = pin_pulse };
	static const struct arch_pins aplic = { .set = source_set, .pulse = source_pulse };

	if (vm && vm->plic)
		return &plic;
	return vm && vm->aia_fd >= 0 ? &aplic : NULL;
}

static int plic_create(struct arch_vm *vm, const int *vcpu_fds)
{
	const struct plic_config config = { .nr_harts = vm->nr_vcpus, .drive = drive, .data = vm };

	vm->vcpu_fds = calloc(vm->nr_vcpus, sizeof(vm->vcpu_fds[0]));
	if (!vm->vcpu_fds)
		return vmm__fail(-ENOMEM, "no memory for an interrupt controller");
	memcpy(vm->vcpu_fds, vcpu_fds, vm->nr_vcpus * sizeof(vm->vcpu_fds[0]));
	return vmm__plic_create(&config, &vm->plic);
}

/* ---- */

int vmm__arch_vm_complete(struct arch_vm *vm, const int *vcpu_fds, const struct vmm_mem *mem)
{
	int r = vmm__riscv_cpu_read(vcpu_fds[0], &vm->cpu);

	if (r < 0 || !vm->irqchip)
		return r;
	/* Its registers in the processor are of no use without the rest. */
	if (!vm->has_aia)
		vm->cpu.extensions[KVM_RISCV_ISA_EXT_SSAIA / 64] &= ~(1ull << KVM_RISCV_ISA_EXT_SSAIA % 64);
	return vm->has_aia ? vmm__riscv_aia_create(vm) : plic_create(vm, vcpu_fds);
}

int vmm__arch_vm_reset(struct arch_vm *vm)
{
	if (vm->plic)
		vmm__plic_reset(vm->plic);
	return vm->aia_fd >= 0 ? vmm__riscv_aia_reset(vm) : 0;
}

/* An IMSIC takes a message from anybody: nothing depends on who sends it. */
int vmm__arch_msi_route(const struct arch_vm *vm, const struct arch_msi *msi,
			struct kvm_irq_routing_entry *ret_entry)
{
	if (vm && vm->plic)
		return vmm__fail(-EINVAL, "a PLIC takes no messages");
	*ret_entry = (struct kvm_irq_routing_entry){
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = (uint32_t)msi->address,
			.address_hi = (uint32_t)(msi->address >> 32),
			.data = msi->data,
		},
	};
	return 0;
}
