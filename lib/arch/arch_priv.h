/* SPDX-License-Identifier: MIT */
/*
 * arch_priv.h - what an architecture gives to the core and to boot.
 *
 * Each architecture implements all of it in lib/arch/<name>/ and lib/boot/.
 * Nothing else in the library may test for an architecture.
 */
#ifndef ARCH_ARCH_PRIV_H
#define ARCH_ARCH_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/common.h>
#include <libvmm/regs.h>

struct kvm_irq_routing_entry;
struct kvm_run;
struct mem_region;
struct irqs;
struct bus;

/* ---- the host ---- */

/* enum vmm_arch of the host this was built for. */
uint32_t vmm__arch_id(void);

/* Whether the processor shows virtualization extensions. */
bool vmm__arch_hardware(void);

/* Whether this KVM has what the architecture needs; -ENODEV with words. */
int vmm__arch_check(int kvm_fd);

/* Width of a guest physical address; 0 when it is not known. */
uint32_t vmm__arch_gpa_bits(int kvm_fd);

/* ---- layout of the machine's guest physical addresses ---- */

struct arch_layout {
	vmm_gpa_t mmio_base;		/* virtio-mmio windows: first, distance, most */
	uint32_t mmio_stride;
	uint32_t mmio_max;
	vmm_gpa_t ecam_base;		/* PCI configuration space: one bus, 1 MiB */
	vmm_gpa_t pci_base;		/* window for memory BARs, 32 bit */
	uint64_t pci_size;
	vmm_gpa_t pci64_base;		/* window for 64-bit BARs */
	uint64_t pci64_size;
	uint32_t pci_gsi;		/* pin A of PCI slot n is GSI pci_gsi + n % nr_pci_gsis; */
	uint32_t nr_pci_gsis;		/* 0: slots have no pins */
	uint32_t nr_pins;		/* GSIs that are pins of the interrupt controller */
	uint64_t pins_free;		/* those that devices may be given */
	vmm_gpa_t ram_max;		/* no RAM at or above this */
};

const struct arch_layout *vmm__arch_layout(void);

/* Where @ram_bytes of RAM lie: fills gpa and size of @regions. Returns their number, -EINVAL. */
int vmm__arch_ram_layout(uint64_t ram_bytes, struct mem_region *regions, size_t max);

/* ---- the machine ---- */

/* What KVM itself needs of a new VM; with @irqchip interrupt controllers and timers. Before its vCPUs. */
int vmm__arch_vm_init(int kvm_fd, int vm_fd, bool irqchip);

/* Routes of the pins, as KVM sets them up. Returns how many; at most @max. */
uint32_t vmm__arch_pin_routes(struct kvm_irq_routing_entry *entries, uint32_t max);

/* What a vCPU is told about itself. */
struct arch_cpu {
	uint32_t id;
	uint32_t nr;
	uint32_t threads_per_core;
	uint32_t nr_sockets;
	bool nested;			/* show VMX or SVM */
	bool irqchip;			/* the machine has an interrupt controller in the kernel */
};

/*
 * KVM's number for the vCPU, for KVM_CREATE_VCPU: the processor's own id, which tells its
 * place in the topology. -EINVAL when the topology is impossible.
 */
int vmm__arch_vcpu_id(const struct arch_cpu *cpu);

/* Processor identification, MSRs: once, after KVM_CREATE_VCPU. */
int vmm__arch_vcpu_init(int kvm_fd, int vcpu_fd, const struct arch_cpu *cpu);

/* How the boot processor enters what was loaded; made by vmm__boot_load(). */
struct boot_entry {
	uint32_t kind;			/* the architecture's */
	vmm_gpa_t entry;
	vmm_gpa_t argument;		/* boot_params, hvm_start_info, device tree */
};

/*
 * Registers as after reset; the boot processor (id 0) as @entry wants, the others wait to
 * be woken. @entry NULL: plain reset state.
 */
int vmm__arch_vcpu_reset(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry);

/* The interrupt controller and timers as after reset; no vCPU runs. */
int vmm__arch_vm_reset(int vm_fd);

int vmm__arch_read_regs(int vcpu_fd, struct vmm_regs *ret_regs);
int vmm__arch_write_regs(int vcpu_fd, const struct vmm_regs *regs);

/* ---- tables that describe the machine to the guest ---- */

#define MACHINE_MMIO_MAX	32

struct machine_desc {
	uint32_t nr_vcpus;
	uint32_t threads_per_core;
	uint32_t nr_sockets;
	bool has_pci;
	bool has_serial;
	uint32_t nr_mmio;
	struct {
		vmm_gpa_t base;
		uint32_t size;
		uint32_t gsi;
	} mmio[MACHINE_MMIO_MAX];	/* virtio-mmio devices */
	uint8_t uuid[16];
	const char *name;
};

struct vmm_mem;

/* Write ACPI and SMBIOS tables (or a device tree) into guest memory. */
int vmm__arch_write_tables(const struct vmm_mem *mem, const struct machine_desc *desc);

/* ---- devices that the architecture's machine has in itself ---- */

struct arch_machine;	/* keyboard controller's reset, reset port, RTC, power controls */

enum arch_request {
	ARCH_POWEROFF	= 1,
	ARCH_RESET	= 2,
	ARCH_PANIC	= 3,	/* the guest's kernel says it panicked */
};

struct arch_machine_host {
	struct bus *mmio;
	struct bus *ports;
	struct irqs *irqs;
	/* A device saw a power off or a reset. Called on a vCPU thread, in an exit. */
	void (*request)(void *data, enum arch_request request);
	void *data;
};

int vmm__arch_machine_create(const struct arch_machine_host *host, struct arch_machine **ret_machine);
void vmm__arch_machine_destroy(struct arch_machine *machine);
void vmm__arch_machine_reset(struct arch_machine *machine);
/* The power button. Any thread. */
void vmm__arch_machine_power_button(struct arch_machine *machine);

/*
 * Where the first serial port is: on @ports or @mmio at @base, @length bytes, wired to @gsi.
 */
struct arch_serial {
	bool port;
	uint64_t base;
	uint32_t gsi;
};
const struct arch_serial *vmm__arch_serial(void);

#endif
