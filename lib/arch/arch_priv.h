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

struct arch_vm;
struct boot_entry;
struct bus;
struct irqs;
struct kvm_irq_routing_entry;
struct kvm_run;
struct mem_region;
struct serial_model;
struct vmm_loop;
struct vmm_mem;

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

struct arch_machine;	/* what the machine has in itself: below */

/* How to tell a guest that runs of its PCI slots. Any thread. */
struct arch_hotplug {
	void (*inserted)(struct arch_machine *machine, uint32_t slot);
	void (*leave)(struct arch_machine *machine, uint32_t slot);
};

struct arch_layout {
	bool has_ports;			/* there is a port space beside that of addresses */
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
	const struct arch_hotplug *hotplug;	/* NULL: slots stay as they were at the start */
};

/*
 * The one that fits the addresses this KVM gives a guest (@kvm_fd -1: those of any host).
 * Of static duration.
 */
const struct arch_layout *vmm__arch_layout(int kvm_fd);

/* Where @ram_bytes of RAM lie: fills gpa and size of @regions. Returns their number, -EINVAL. */
int vmm__arch_ram_layout(const struct arch_layout *layout, uint64_t ram_bytes,
			 struct mem_region *regions, size_t max);

/* ---- the machine ---- */

/* What KVM_CREATE_VM is asked for. */
unsigned long vmm__arch_vm_type(int kvm_fd);

struct arch_vm_config {
	int kvm_fd;			/* both outlive the arch_vm */
	int vm_fd;
	uint32_t nr_vcpus;
	bool irqchip;			/* interrupt controllers and timers in the kernel */
	uint32_t irqchip_kind;		/* vmm_config.irqchip */
	const struct arch_layout *layout;
};

/*
 * What KVM itself needs of a new VM, and what the architecture keeps of it: descriptors, what
 * the host's KVM offers. Before its vCPUs. -ENODEV with words: KVM lacks something.
 */
int vmm__arch_vm_create(const struct arch_vm_config *config, struct arch_vm **ret_vm);
void vmm__arch_vm_destroy(struct arch_vm *vm);	/* NULL is allowed */

/* What needs all vCPUs, whose descriptors are @vcpu_fds (read during the call), and the RAM. */
int vmm__arch_vm_complete(struct arch_vm *vm, const int *vcpu_fds, const struct vmm_mem *mem);

/* ---- interrupts ---- */

/* Routes of the pins, as KVM sets them up. Returns how many; at most @max. */
uint32_t vmm__arch_pin_routes(struct kvm_irq_routing_entry *entries, uint32_t max);

/* What KVM_IRQ_LINE calls the pin @gsi. */
uint32_t vmm__arch_irq_line(uint32_t gsi);

/* The pins of an interrupt controller that is ours, or where KVM's irqfds make no edges. Any thread; they never wait for a guest. */
struct arch_pins {
	void (*set)(const struct arch_vm *vm, uint32_t gsi, bool level);
	void (*pulse)(const struct arch_vm *vm, uint32_t gsi);
};

/* NULL: KVM_IRQ_LINE and irqfds do it all. Since vmm__arch_vm_complete(). @vm may be NULL. */
const struct arch_pins *vmm__arch_pins(const struct arch_vm *vm);

/* A message that a device sends. */
struct arch_msi {
	uint64_t address;
	uint32_t data;
	uint32_t requester;		/* who sends it: bus, slot and function of PCI */
};

/* Its route: all of @ret_entry but the GSI. -EINVAL: nothing takes messages there. @vm may be NULL. */
int vmm__arch_msi_route(const struct arch_vm *vm, const struct arch_msi *msi,
			struct kvm_irq_routing_entry *ret_entry);

/* ---- processors ---- */

/* What a vCPU is told about itself. */
struct arch_cpu {
	struct arch_vm *vm;
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
	uint64_t argument_size;		/* room for it, where it is written later */
	vmm_gpa_t initrd;		/* where the initrd was put, likewise */
	uint64_t initrd_size;		/* 0: there is none */
};

/*
 * Registers as after reset; the boot processor (id 0) as @entry wants, the others wait to
 * be woken. @entry NULL: plain reset state.
 */
int vmm__arch_vcpu_reset(int vcpu_fd, const struct arch_cpu *cpu, const struct boot_entry *entry);

/* The interrupt controller and timers as after reset; no vCPU runs. */
int vmm__arch_vm_reset(struct arch_vm *vm);

int vmm__arch_read_regs(int vcpu_fd, struct vmm_regs *ret_regs);
int vmm__arch_write_regs(int vcpu_fd, const struct vmm_regs *regs);

/* ---- exits that only this architecture has ---- */

enum arch_exit_kind {
	ARCH_EXIT_UNKNOWN	= 0,	/* none of ours */
	ARCH_EXIT_ANSWERED	= 1,	/* the guest goes on */
	ARCH_EXIT_CRASHED	= 2,	/* it cannot: @data */
};

struct arch_exit {
	uint32_t nr_data;
	uint64_t data[4];
};

struct arch_machine;

/* What an exit that only this architecture has is called; NULL: it is none of ours. */
const char *vmm__arch_exit_name(uint32_t reason);

/* On the vCPU's thread. @machine may be NULL. @ret_exit is filled when it crashed. */
enum arch_exit_kind vmm__arch_exit(struct arch_machine *machine, struct kvm_run *run,
				   struct arch_exit *ret_exit);

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

	/* For tables that also say what was loaded. */
	const struct arch_vm *vm;
	const struct arch_layout *layout;
	const struct boot_entry *boot;
	const char *cmdline;
};

/* Write ACPI and SMBIOS tables (or a device tree) into guest memory. */
int vmm__arch_write_tables(const struct vmm_mem *mem, const struct machine_desc *desc);

/*
 * ---- devices that the architecture's machine has in itself: struct arch_machine ----
 * (keyboard controller's reset, reset port, clock, power controls)
 */

enum arch_request {
	ARCH_POWEROFF	= 1,
	ARCH_RESET	= 2,
	ARCH_PANIC	= 3,	/* the guest's kernel says it panicked */
};

struct arch_machine_host {
	struct arch_vm *vm;
	const struct vmm_mem *mem;
	struct vmm_loop *loop;		/* the guest's home loop */
	struct bus *mmio;
	struct bus *ports;
	struct irqs *irqs;
	/* A device saw a power off or a reset. Called on a vCPU thread, in an exit. */
	void (*request)(void *data, enum arch_request request);
	/* The guest has let go of the devices in these PCI slots, a bit for each. Likewise. */
	void (*ejected)(void *data, uint32_t slots);
	/*
	 * What firmware prints and reads on the console: that of the serial port. Any thread;
	 * never blocks. Return the bytes taken or given, or -ENODEV: there is no such console.
	 */
	int (*console_write)(void *data, const void *bytes, size_t len);
	int (*console_read)(void *data, void *bytes, size_t len);
	void *data;
};

int vmm__arch_machine_create(const struct arch_machine_host *host, struct arch_machine **ret_machine);
void vmm__arch_machine_destroy(struct arch_machine *machine);
void vmm__arch_machine_reset(struct arch_machine *machine);
/* The power button. Any thread. */
void vmm__arch_machine_power_button(struct arch_machine *machine);

/* The first serial port: which kind, and where: on @ports or @mmio at @base, wired to @gsi. */
struct arch_serial {
	const struct serial_model *model;
	const char *name;		/* Linux's; NULL: ttyS0 */
	bool port;
	uint64_t base;
	uint32_t gsi;
};
const struct arch_serial *vmm__arch_serial(void);

#endif
