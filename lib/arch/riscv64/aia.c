/* SPDX-License-Identifier: MIT */
/*
 * aia.c - KVM's Advanced Interrupt Architecture: an APLIC that makes messages of wires, and
 * an IMSIC file for each vCPU that takes messages (RISC-V AIA 1.0, chapters 3 and 4).
 *
 * The interrupt files are in the processor where it has some to spare and emulated by
 * KVM else; that is KVM's choice (its mode stays what it is). KVM wants all vCPUs first.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "arch/riscv64/layout_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "core/error_priv.h"

/* APLIC registers (AIA 1.0, 4.5) that a reset changes. */
#define APLIC_DOMAINCFG		0x0000u
#define APLIC_SOURCECFG(n)	(0x0004u + 4 * ((n) - 1))
#define APLIC_CLRIP(n)		(0x1d00u + 4 * (n))
#define APLIC_CLRIE(n)		(0x1f00u + 4 * (n))
#define APLIC_TARGET(n)		(0x3004u + 4 * ((n) - 1))

/* IMSIC registers (AIA 1.0, 3.8); those of 64 bits have even numbers. */
#define IMSIC_EIDELIVERY	0x70u
#define IMSIC_EITHRESHOLD	0x72u
#define IMSIC_EIP(n)		(0x80u + 2 * (n))
#define IMSIC_EIE(n)		(0xc0u + 2 * (n))

static int attr_set(int fd, uint32_t group, uint64_t attr, const void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return ioctl(fd, KVM_SET_DEVICE_ATTR, &a);
}

static int attr_get(int fd, uint32_t group, uint64_t attr, void *ret_value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)ret_value };

	return ioctl(fd, KVM_GET_DEVICE_ATTR, &a);
}

static int config_set(int fd, uint64_t attr, uint32_t value, const char *what)
{
	if (attr_set(fd, KVM_DEV_RISCV_AIA_GRP_CONFIG, attr, &value) < 0)
		return vmm__fail_errno("KVM's AIA does not take %u %s", value, what);
	return 0;
}

static int address_set(int fd, uint64_t attr, uint64_t address, const char *what)
{
	if (attr_set(fd, KVM_DEV_RISCV_AIA_GRP_ADDR, attr, &address) < 0)
		return vmm__fail_errno("KVM's AIA does not take its %s at 0x%llx", what,
				       (unsigned long long)address);
	return 0;
}

bool vmm__riscv_aia_offered(int vm_fd)
{
	struct kvm_create_device device = {
		.type = KVM_DEV_TYPE_RISCV_AIA, .flags = KVM_CREATE_DEVICE_TEST,
	};

	return ioctl(vm_fd, KVM_CREATE_DEVICE, &device) == 0;
}

/* Bits that number @n harts. */
static uint32_t hart_bits(uint32_t n)
{
	uint32_t bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

static int configure(struct arch_vm *vm)
{
	int fd = vm->aia_fd, r;

	if (attr_get(fd, KVM_DEV_RISCV_AIA_GRP_CONFIG, KVM_DEV_RISCV_AIA_CONFIG_IDS, &vm->nr_ids) < 0)
		return vmm__fail_errno("KVM's AIA does not say how many interrupts it has");

	r = config_set(fd, KVM_DEV_RISCV_AIA_CONFIG_SRCS, RISCV_NR_PINS, "sources");
	if (r == 0)
		r = config_set(fd, KVM_DEV_RISCV_AIA_CONFIG_HART_BITS, hart_bits(vm->nr_vcpus), "hart bits");
	if (r == 0)
		r = address_set(fd, KVM_DEV_RISCV_AIA_ADDR_APLIC, RISCV_APLIC_BASE, "APLIC");
	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++)
		r = address_set(fd, KVM_DEV_RISCV_AIA_ADDR_IMSIC(i),
				RISCV_IMSIC_BASE + (uint64_t)i * KVM_DEV_RISCV_IMSIC_SIZE, "IMSIC");
	return r;
}

int vmm__riscv_aia_create(struct arch_vm *vm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_RISCV_AIA };
	int r;

	if (ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &device) < 0)
		return vmm__fail_errno("cannot create the interrupt controller (AIA)");
	vm->aia_fd = (int)device.fd;

	r = configure(vm);
	if (r < 0)
		return r;
	if (attr_set(vm->aia_fd, KVM_DEV_RISCV_AIA_GRP_CTRL, KVM_DEV_RISCV_AIA_CTRL_INIT, NULL) < 0)
		return vmm__fail_errno("cannot set up the interrupt controller (AIA)");
	return 0;
}

/* ---- reset ---- */

static int aplic_write(const struct arch_vm *vm, uint32_t offset, uint32_t value)
{
	if (attr_set(vm->aia_fd, KVM_DEV_RISCV_AIA_GRP_APLIC, offset, &value) < 0)
		return vmm__fail_errno("cannot reset the APLIC's register 0x%x", offset);
	return 0;
}

/* A source that is inactive takes no other writes, so that comes last. */
static int aplic_reset(const struct arch_vm *vm)
{
	int r = aplic_write(vm, APLIC_DOMAINCFG, 0);

	for (uint32_t i = 0; i <= RISCV_NR_PINS / 32 && r == 0; i++) {
		r = aplic_write(vm, APLIC_CLRIE(i), UINT32_MAX);
		if (r == 0)
			r = aplic_write(vm, APLIC_CLRIP(i), UINT32_MAX);
	}
	for (uint32_t n = 1; n <= RISCV_NR_PINS && r == 0; n++) {
		r = aplic_write(vm, APLIC_TARGET(n), 0);
		if (r == 0)
			r = aplic_write(vm, APLIC_SOURCECFG(n), 0);
	}
	return r;
}

static int imsic_write(const struct arch_vm *vm, uint32_t vcpu, uint32_t reg)
{
	const unsigned long zero = 0;
	uint64_t attr = KVM_DEV_RISCV_AIA_IMSIC_MKATTR((uint64_t)vcpu, reg);

	if (attr_set(vm->aia_fd, KVM_DEV_RISCV_AIA_GRP_IMSIC, attr, &zero) < 0)
		return vmm__fail_errno("cannot reset the IMSIC's register 0x%x of vCPU %u", reg, vcpu);
	return 0;
}

static int imsic_reset(const struct arch_vm *vm, uint32_t vcpu)
{
	int r = imsic_write(vm, vcpu, IMSIC_EIDELIVERY);

	if (r == 0)
		r = imsic_write(vm, vcpu, IMSIC_EITHRESHOLD);
	for (uint32_t i = 0; i <= vm->nr_ids / 64 && r == 0; i++) {
		r = imsic_write(vm, vcpu, IMSIC_EIE(i));
		if (r == 0)
			r = imsic_write(vm, vcpu, IMSIC_EIP(i));
	}
	return r;
}

int vmm__riscv_aia_reset(const struct arch_vm *vm)
{
	int r = aplic_reset(vm);

	for (uint32_t i = 0; i < vm->nr_vcpus && r == 0; i++)
		r = imsic_reset(vm, i);
	return r;
}
