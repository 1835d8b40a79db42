/* SPDX-License-Identifier: MIT */
/*
 * fdt_priv.h - a device tree being written, and the nodes that all machines with one share.
 *
 * Devicetree Specification 0.4; bindings: Linux, Documentation/devicetree/bindings.
 */
#ifndef BOOT_FDT_PRIV_H
#define BOOT_FDT_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <libvmm/common.h>

struct boot_entry;
struct machine_desc;
struct vmm_mem;

#define BOOT_TAIL	(128u << 10)	/* of the first region's end: the loader leaves it to lib/arch */
#define FDT_ROOM	(512u << 10)	/* what is kept for a tree in guest memory: 255 processors take half of it */

/* ---- writing one ---- */

/* The first failure is kept, and everything after it does nothing. */
struct fdt {
	void *bytes;
	size_t room;
	int error;			/* of libfdt's, below 0 */
};

/* A tree of at most @room bytes, inside its root node. -ENOMEM. */
int vmm__fdt_init(struct fdt *fdt, size_t room, vmm_gpa_t reserved, uint64_t reserved_size);
void vmm__fdt_finish(struct fdt *fdt);

/* Close the root and put the tree where @entry says. -ENOSPC: it does not fit; -EFAULT. */
int vmm__fdt_store(struct fdt *fdt, const struct vmm_mem *mem, const struct boot_entry *entry);

/* A node; its name may have an address. */
void vmm__fdt_begin(struct fdt *fdt, const char *name);
void vmm__fdt_begin_at(struct fdt *fdt, const char *name, uint64_t address);
void vmm__fdt_end(struct fdt *fdt);

void vmm__fdt_empty(struct fdt *fdt, const char *name);
void vmm__fdt_u32(struct fdt *fdt, const char *name, uint32_t value);
void vmm__fdt_u64(struct fdt *fdt, const char *name, uint64_t value);
void vmm__fdt_cells(struct fdt *fdt, const char *name, const uint32_t *cells, size_t nr);
void vmm__fdt_string(struct fdt *fdt, const char *name, const char *value);
/* A list of strings: @bytes with a zero after each, the last one too. */
void vmm__fdt_bytes(struct fdt *fdt, const char *name, const void *bytes, size_t len);
/* "reg" with 64-bit addresses and sizes. */
void vmm__fdt_reg(struct fdt *fdt, uint64_t base, uint64_t size);
void vmm__fdt_reg2(struct fdt *fdt, uint64_t base, uint64_t size, uint64_t base2, uint64_t size2);

#define FDT_STRINGS(fdt, name, list)	vmm__fdt_bytes(fdt, name, list, sizeof(list))

/* ---- the machine ---- */

enum { FDT_IRQ_CELLS_MAX = 3 };

/* How the architecture's interrupt controller is spoken to. */
struct fdt_machine {
	const struct machine_desc *desc;
	const struct vmm_mem *mem;
	uint32_t intc;			/* phandle of the interrupt controller, parent of all devices */
	bool intc_below;		/* it has parents itself: the root does not name it, but a bus does */
	uint32_t intc_address_cells;	/* its #address-cells; 0: it has none */
	uint32_t msi;			/* phandle of what takes messages; 0: nothing does */
	bool msi_map;			/* it wants to know who sends (msi-map), else msi-parent */
	/* Cells that name the pin @gsi, with an edge or a (high) level. Returns how many. */
	uint32_t (*irq)(uint32_t gsi, bool edge, uint32_t cells[FDT_IRQ_CELLS_MAX]);
};

/* "interrupts" of one pin. */
void vmm__fdt_interrupt(struct fdt *fdt, const struct fdt_machine *machine, uint32_t gsi, bool edge);

/* The root's own properties; /chosen, its console at @serial (a path, or NULL); /memory. */
void vmm__fdt_root(struct fdt *fdt, const struct fdt_machine *machine);
void vmm__fdt_chosen(struct fdt *fdt, const struct fdt_machine *machine, const char *serial);
void vmm__fdt_memory(struct fdt *fdt, const struct fdt_machine *machine);

/* A generic PCI host with configuration space by ECAM; nothing on a machine without PCI. */
void vmm__fdt_pci(struct fdt *fdt, const struct fdt_machine *machine);

void vmm__fdt_virtio_mmio(struct fdt *fdt, const struct fdt_machine *machine);

/* A power button that is an edge on @gsi and nothing more; a panic device at @base. */
void vmm__fdt_power_button(struct fdt *fdt, const struct fdt_machine *machine, uint32_t gsi);
void vmm__fdt_pvpanic(struct fdt *fdt, uint64_t base);

#endif
