/* SPDX-License-Identifier: MIT */
/*
 * pci_config.c - accesses to configuration space, by ECAM (PCI Express 5.0, 7.2.2) and
 * by the ports of a PC (PCI 3.0, 3.2.2.3.2).
 *
 * Each byte of a header has a mask of the bits that a guest may change. What a
 * change means for BARs and wires follows from the registers afterwards.
 */
#include <linux/pci_regs.h>

#include "bus/pci_impl_priv.h"

/* ---- registers of one function ---- */

static uint32_t bytes_load(const uint8_t *bytes, uint32_t width)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < width; i++)
		value |= (uint32_t)bytes[i] << (8 * i);
	return value;
}

static bool in_header(uint32_t offset, uint32_t width)
{
	return offset < 256 && width <= 256 - offset;
}

/* With the bus's lock. */
static uint32_t registers_read(struct pci_function *f, uint32_t offset, uint32_t width)
{
	/* 6.2.3: whether the function wants an interrupt, also while that is disabled. */
	f->config[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	if (vmm__pci_intx_pending(f))
		f->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	return bytes_load(f->config + offset, width);
}

/* With the bus's lock. */
static void registers_write(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value)
{
	for (uint32_t i = 0; i < width; i++) {
		uint8_t mask = f->writable[offset + i];
		uint8_t byte = (uint8_t)(value >> (8 * i));

		f->config[offset + i] = (uint8_t)((f->config[offset + i] & ~mask) | (byte & mask));
	}

	if (offset < PCI_CARDBUS_CIS) {
		vmm__pci_intx_mask(f, bytes_load(f->config + PCI_COMMAND, 2) &
				      PCI_COMMAND_INTX_DISABLE);
		vmm__pci_place_bars(f->bus);
	}
	if (f->ops->written)
		f->ops->written(f->state, offset, width);
}

uint32_t vmm__pci_load(const struct pci_function *f, uint32_t offset, uint32_t width)
{
	return bytes_load(f->config + offset, width);
}

void vmm__pci_store(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value)
{
	for (uint32_t i = 0; i < width; i++)
		f->config[offset + i] = (uint8_t)(value >> (8 * i));
}

uint32_t vmm__pci_peek(const struct pci_function *f, uint32_t offset, uint32_t width)
{
	uint32_t value;

	pthread_mutex_lock(&f->bus->lock);
	value = vmm__pci_load(f, offset, width);
	pthread_mutex_unlock(&f->bus->lock);
	return value;
}

void vmm__pci_poke(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value)
{
	pthread_mutex_lock(&f->bus->lock);
	vmm__pci_store(f, offset, width, value);
	pthread_mutex_unlock(&f->bus->lock);
}

static uint32_t function_read(struct pci_function *f, uint32_t offset, uint32_t width)
{
	uint32_t value;

	/* No extended capabilities. */
	if (!in_header(offset, width))
		return 0;
	if (f->ops->before_read)
		f->ops->before_read(f->state, offset, width);

	pthread_mutex_lock(&f->bus->lock);
	value = registers_read(f, offset, width);
	pthread_mutex_unlock(&f->bus->lock);
	return value;
}

static void function_write(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value)
{
	if (!in_header(offset, width))
		return;

	pthread_mutex_lock(&f->bus->lock);
	registers_write(f, offset, width, value);
	pthread_mutex_unlock(&f->bus->lock);

	if (f->ops->after_write)
		f->ops->after_write(f->state, offset, width);
}

/* ---- ways to them ---- */

/* ECAM's address of a function and register: bus 27:20, slot 19:15, function 14:12. */
static struct pci_function *function_at(struct pci_bus *pci, uint64_t address)
{
	struct pci_function *f;

	if ((address >> 20) != 0 || (address >> 12 & 7) != 0)
		return NULL;
	f = __atomic_load_n(&pci->slots[address >> 15 & 31], __ATOMIC_ACQUIRE);
	/* Pairs with the store in vmm__pci_show(). */
	return f && !__atomic_load_n(&f->hidden, __ATOMIC_ACQUIRE) ? f : NULL;
}

static uint64_t config_read(struct pci_bus *pci, uint64_t address, uint32_t width)
{
	struct pci_function *f = function_at(pci, address);
	uint32_t offset = address & 0xfff;

	if (!f)
		return UINT64_MAX;
	if (width == 8)
		return function_read(f, offset, 4) |
		       (uint64_t)function_read(f, offset + 4, 4) << 32;
	return function_read(f, offset, width);
}

static void config_write(struct pci_bus *pci, uint64_t address, uint32_t width, uint64_t value)
{
	struct pci_function *f = function_at(pci, address);
	uint32_t offset = address & 0xfff;

	if (!f)
		return;
	function_write(f, offset, width < 4 ? width : 4, (uint32_t)value);
	if (width == 8)
		function_write(f, offset + 4, 4, (uint32_t)(value >> 32));
}

static uint64_t ecam_read(void *state, uint64_t offset, uint32_t width)
{
	return config_read(state, offset, width);
}

static void ecam_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	config_write(state, offset, width, value);
}

const struct vmm_range_ops vmm__pci_ecam_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "pci-ecam",
	.read = ecam_read,
	.write = ecam_write,
};

/* The ECAM address that the ports point at. False: configuration access is off, or elsewhere. */
static bool port_target(const struct pci_bus *pci, uint64_t offset, uint64_t *ret_address)
{
	uint32_t address = __atomic_load_n(&pci->address, __ATOMIC_RELAXED);

	if (!(address & 1u << 31) || (address >> 16 & 0xff) != 0)
		return false;
	*ret_address = (uint64_t)(address >> 8 & 0xff) << 12 | (address & 0xfc) | (offset & 3);
	return true;
}

static uint64_t port_read(void *state, uint64_t offset, uint32_t width)
{
	struct pci_bus *pci = state;
	uint64_t target;

	if (offset == 0 && width == 4)
		return __atomic_load_n(&pci->address, __ATOMIC_RELAXED);
	if (offset >= 4 && port_target(pci, offset, &target))
		return config_read(pci, target, width);
	return UINT64_MAX;
}

static void port_write(void *state, uint64_t offset, uint32_t width, uint64_t value)
{
	struct pci_bus *pci = state;
	uint64_t target;

	/* 0xcf9 is the chipset's reset control: bit 2 resets. */
	if (offset == 1 && width == 1) {
		if ((value & 4) && pci->reset)
			pci->reset(pci->reset_data);
		return;
	}
	/* Only whole: a byte written to 0xcfb is how systems look for another mechanism. */
	if (offset == 0 && width == 4)
		__atomic_store_n(&pci->address, (uint32_t)value & 0x80fffffcu, __ATOMIC_RELAXED);
	else if (offset >= 4 && port_target(pci, offset, &target))
		config_write(pci, target, width, value);
}

const struct vmm_range_ops vmm__pci_port_range = {
	.size = sizeof(struct vmm_range_ops),
	.name = "pci-ports",
	.read = port_read,
	.write = port_write,
};
