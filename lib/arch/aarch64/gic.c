/* SPDX-License-Identifier: MIT */
/*
 * gic.c - the interrupt controller in the kernel: GICv3 with an ITS, or GICv2 (Linux,
 * Documentation/virt/kvm/devices/arm-vgic*.rst), and where messages go in each.
 *
 * A GICv3's messages go to the ITS, which KVM emulates and which wants to know who sends. KVM has no
 * message frame for a GICv2: there the frame is ours (v2m_priv.h), and a message to it is an SPI.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "core/error_priv.h"

#define GITS_TRANSLATER		(A64_ITS_BASE + 0x10040)	/* Arm IHI 0069, 12.18 */
#define V2M_SETSPI		(A64_V2M_BASE + 0x40)		/* Arm SBSA, appendix on GICv2m */

static int device_create(const struct arch_vm *vm, uint32_t type, bool test, int *ret_fd)
{
	struct kvm_create_device d = { .type = type, .flags = test ? KVM_CREATE_DEVICE_TEST : 0 };

	if (ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &d) < 0)
		return -errno;
	if (!test)
		*ret_fd = (int)d.fd;
	return 0;
}

static bool device_there(const struct arch_vm *vm, uint32_t type)
{
	return device_create(vm, type, true, NULL) == 0;
}

static int set(int fd, uint32_t group, uint64_t attr, const void *value, const char *what)
{
	const struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	if (ioctl(fd, KVM_SET_DEVICE_ATTR, &a) < 0)
		return vmm__fail_errno("cannot set the GIC's %s", what);
	return 0;
}

static int set_address(int fd, uint64_t attr, uint64_t address, const char *what)
{
	return set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, attr, &address, what);
}

/* ---- which ---- */

static int version_choose(const struct arch_vm *vm, uint32_t wanted, uint32_t *ret_version)
{
	bool v3 = device_there(vm, KVM_DEV_TYPE_ARM_VGIC_V3);
	bool v2 = device_there(vm, KVM_DEV_TYPE_ARM_VGIC_V2);

	if (!v2 && !v3)
		return vmm__fail(-ENODEV, "this host's KVM has no GIC for a guest");
	if ((wanted == 3 && !v3) || (wanted == 2 && !v2))
		return vmm__fail(-ENODEV, "this host's KVM has no GICv%u, only GICv%u", wanted, v3 ? 3 : 2);
	*ret_version = wanted ? wanted : v3 ? 3 : 2;
	return 0;
}

static int v2_create(struct arch_vm *vm)
{
	int r = device_create(vm, KVM_DEV_TYPE_ARM_VGIC_V2, false, &vm->gic_fd);

	if (r < 0)
		return vmm__fail(r, "cannot create a GICv2: %s", strerrordesc_np(-r));
	r = set_address(vm->gic_fd, KVM_VGIC_V2_ADDR_TYPE_DIST, A64_GICD_BASE, "distributor");
	if (r == 0)
		r = set_address(vm->gic_fd, KVM_VGIC_V2_ADDR_TYPE_CPU, A64_GICC_BASE, "CPU interface");
	return r;
}

static int its_create(struct arch_vm *vm)
{
	int r;

	if (!device_there(vm, KVM_DEV_TYPE_ARM_VGIC_ITS))
		return 0;
	r = device_create(vm, KVM_DEV_TYPE_ARM_VGIC_ITS, false, &vm->its_fd);
	if (r < 0)
		return vmm__fail(r, "cannot create an ITS: %s", strerrordesc_np(-r));
	return set_address(vm->its_fd, KVM_VGIC_ITS_ADDR_TYPE, A64_ITS_BASE, "ITS");
}

static int v3_create(struct arch_vm *vm)
{
	int r = device_create(vm, KVM_DEV_TYPE_ARM_VGIC_V3, false, &vm->gic_fd);

	if (r < 0)
		return vmm__fail(r, "cannot create a GICv3: %s", strerrordesc_np(-r));
	r = set_address(vm->gic_fd, KVM_VGIC_V3_ADDR_TYPE_DIST, A64_GICD_BASE, "distributor");
	if (r == 0)
		r = set_address(vm->gic_fd, KVM_VGIC_V3_ADDR_TYPE_REDIST, A64_GICR_BASE,
				"redistributors");
	return r < 0 ? r : its_create(vm);
}

int vmm__gic_create(struct arch_vm *vm, uint32_t wanted)
{
	uint32_t nr_irqs;
	int r;

	if (wanted != 0 && wanted != 2 && wanted != 3)
		return vmm__fail(-EINVAL, "irqchip %u: a machine here has a GICv2 or a GICv3", wanted);
	r = version_choose(vm, wanted, &vm->gic);
	if (r < 0)
		return r;
	if (vm->gic == 2 && vm->nr_vcpus > 8)
		return vmm__fail(-EINVAL, "a GICv2 serves 8 vCPUs, not %u", vm->nr_vcpus);

	r = vm->gic == 3 ? v3_create(vm) : v2_create(vm);
	if (r < 0)
		return r;
	nr_irqs = A64_FIRST_SPI + A64_NR_PINS + (vm->gic == 2 ? A64_V2M_NR : 0);
	return set(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr_irqs, "number of interrupts");
}

int vmm__gic_complete(struct arch_vm *vm)
{
	int r = set(vm->gic_fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL, "start");

	if (r == 0 && vm->its_fd >= 0)
		r = set(vm->its_fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
			"ITS's start");
	return r;
}

void vmm__gic_destroy(struct arch_vm *vm)
{
	if (vm->its_fd >= 0)
		close(vm->its_fd);
	if (vm->gic_fd >= 0)
		close(vm->gic_fd);
}

/* ---- messages ---- */

int vmm__arch_msi_route(const struct arch_vm *vm, const struct arch_msi *msi,
			struct kvm_irq_routing_entry *ret_entry)
{
	if (vm && vm->gic == 3 && vm->its_fd >= 0 && msi->address == GITS_TRANSLATER) {
		ret_entry->type = KVM_IRQ_ROUTING_MSI;
		ret_entry->flags = KVM_MSI_VALID_DEVID;
		ret_entry->u.msi.address_lo = (uint32_t)msi->address;
		ret_entry->u.msi.address_hi = (uint32_t)(msi->address >> 32);
		ret_entry->u.msi.data = msi->data;
		ret_entry->u.msi.devid = msi->requester;
		return 0;
	}
	if (vm && vm->gic == 2 && msi->address == V2M_SETSPI &&
	    msi->data - A64_V2M_FIRST < A64_V2M_NR) {
		ret_entry->type = KVM_IRQ_ROUTING_IRQCHIP;
		ret_entry->u.irqchip.irqchip = 0;
		ret_entry->u.irqchip.pin = msi->data - A64_FIRST_SPI;
		return 0;
	}
	return vmm__fail(-EINVAL, "nothing takes message 0x%x at 0x%llx", msi->data,
			 (unsigned long long)msi->address);
}
