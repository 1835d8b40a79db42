/* SPDX-License-Identifier: MIT */
/*
 * pci_priv.h - one PCI bus: a host bridge, configuration space, BARs.
 *
 * Locks, outermost first: the bus's (configuration space and BARs), then
 * whatever a function's hooks take, then the wires'.
 */
#ifndef BUS_PCI_PRIV_H
#define BUS_PCI_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <libvmm/range.h>

struct arch_layout;
struct bus;
struct irqs;
struct pci_bus;
struct pci_function;

/*
 * Configuration space by ECAM and by ports 0xcf8/0xcfc (@ports NULL: there are no ports).
 * All outlive it.
 */
int vmm__pci_create(const struct arch_layout *layout, struct bus *mmio, struct bus *ports,
		    struct irqs *irqs, struct pci_bus **ret_pci);
void vmm__pci_destroy(struct pci_bus *pci);

/*
 * Port 0xcf9 lies among those of configuration space and resets the machine: call @reset, on the
 * vCPU's thread. Before the guest runs.
 */
void vmm__pci_on_reset(struct pci_bus *pci, void (*reset)(void *data), void *data);

/* ---- functions: one in each slot, on bus 0 ---- */

#define PCI_SLOTS	32
#define PCI_BARS	6

struct pci_identity {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint32_t class;			/* 24 bits: class, subclass, interface */
	uint8_t revision;
	bool hidden;			/* no guest finds it before vmm__pci_show() */
};

/* What a function wants to hear of. All optional. */
struct pci_function_ops {
	/* With the bus's lock: registers were written; a BAR answers at @base now, or nowhere. */
	void (*written)(void *state, uint32_t offset, uint32_t width);
	void (*bar_moved)(void *state, uint32_t bar, bool answers, uint64_t base);
	/* Without, on the vCPU's thread, before a read and after a write. */
	void (*before_read)(void *state, uint32_t offset, uint32_t width);
	void (*after_write)(void *state, uint32_t offset, uint32_t width);
};

struct pci_bar {
	uint64_t size;			/* a power of two from 16 up; 0: there is none */
	bool wide;			/* 64 bit: takes the next register too */
	const struct vmm_range_ops *ops;
	void *state;

	uint64_t assigned;		/* as firmware left it */
	uint64_t base;			/* where it answers, when it does */
	bool answers;
};

struct pci_function {
	struct pci_bus *bus;
	uint32_t slot;
	const struct pci_function_ops *ops;
	void *state;
	bool hidden;			/* atomic */

	/* With the bus's lock. */
	uint8_t config[256];
	uint8_t initial[256];		/* as firmware left it */
	uint8_t writable[256];		/* bits that the guest may change */
	struct pci_bar bars[PCI_BARS];
	uint32_t next_capability;
	uint32_t last_capability;	/* offset of the link to the next one */

	/* With the wires' lock. */
	uint32_t causes;
	bool muted;			/* MSI-X is in use */
	bool masked;			/* the command register's interrupt disable */
	bool raised;
};

/* Put @f into the first free slot. -ENOSPC. It answers from now on, or once it is shown. */
int vmm__pci_add(struct pci_bus *pci, struct pci_function *f, const struct pci_identity *identity,
		 const struct pci_function_ops *ops, void *state);
void vmm__pci_show(struct pci_function *f);

/*
 * Nothing finds @f any more. An access that found it before may still be under way: @f stays in
 * memory until no vCPU is in the middle of one.
 */
void vmm__pci_remove(struct pci_function *f);

/* A slot that was vacated is given to nobody else until the guest has seen that. */
void vmm__pci_hold(struct pci_bus *pci, uint32_t slot);
void vmm__pci_release(struct pci_bus *pci, uint32_t slots);	/* a bit for each */

/* A memory BAR, placed where firmware would. Register @index (and the next, when @wide). */
int vmm__pci_add_bar(struct pci_function *f, uint32_t index, uint64_t size, bool wide,
		     const struct vmm_range_ops *ops, void *state);

/*
 * A capability of @length bytes: @body follows the id and the link, @writable (may be
 * NULL) likewise. Returns its offset. There is room for what a virtio device has.
 */
uint32_t vmm__pci_add_capability(struct pci_function *f, uint8_t id, const void *body,
				 const void *writable, uint32_t length);

/* Who it is in a message: its slot and function. */
uint32_t vmm__pci_requester(const struct pci_function *f);

/* As after power on. */
void vmm__pci_reset(struct pci_function *f);

/* As when it was just plugged into a machine that runs: no firmware has placed its BARs. */
void vmm__pci_unassign(struct pci_function *f);

/*
 * Registers as they are, little endian, 1 to 4 bytes. load and store are for
 * hooks that have the bus's lock, and for setting up; peek and poke take it.
 */
uint32_t vmm__pci_load(const struct pci_function *f, uint32_t offset, uint32_t width);
void vmm__pci_store(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value);
uint32_t vmm__pci_peek(const struct pci_function *f, uint32_t offset, uint32_t width);
void vmm__pci_poke(struct pci_function *f, uint32_t offset, uint32_t width, uint32_t value);

/* The same access as through the BAR's addresses; outside it: all ones, or nothing. */
uint64_t vmm__pci_bar_read(const struct pci_function *f, uint32_t bar, uint64_t offset,
			   uint32_t width);
void vmm__pci_bar_write(const struct pci_function *f, uint32_t bar, uint64_t offset, uint32_t width,
			uint64_t value);

/* ---- wires: a function asserts its pin while it has a cause ---- */

void vmm__pci_intx_raise(struct pci_function *f, uint32_t causes);
uint32_t vmm__pci_intx_take(struct pci_function *f);	/* returns the causes and forgets them */
bool vmm__pci_intx_pending(struct pci_function *f);
void vmm__pci_intx_mute(struct pci_function *f, bool mute);

#endif
