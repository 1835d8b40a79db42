/* SPDX-License-Identifier: MIT */
/*
 * tree.c - the device tree of a riscv64 machine.
 *
 * Bindings: Linux, Documentation/devicetree/bindings: riscv/cpus.yaml,
 * interrupt-controller/riscv,{cpu-intc,imsics,aplic}.yaml and sifive,plic-1.0.0.yaml,
 * timer/riscv,timer.yaml, serial/8250.yaml, rtc/google,goldfish-rtc.yaml, cpu/cpu-topology.txt.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>

#include <libvmm/vmm.h>
#include "arch/riscv64/layout_priv.h"
#include "arch/riscv64/plic_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "boot/fdt_priv.h"
#include "core/error_priv.h"

/* Phandles: one for each of these, then two for each hart. */
enum { PHANDLE_INTC = 1, PHANDLE_MSI = 2, PHANDLE_HARTS = 16 };

#define PHANDLE_CPU(hart)	(PHANDLE_HARTS + 2 * (hart))
#define PHANDLE_CPU_INTC(hart)	(PHANDLE_HARTS + 2 * (hart) + 1)

/* Interrupts of a hart, by their number in sie and sip. */
enum { HART_TIMER = 5, HART_EXTERNAL = 9 };

enum { APLIC_EDGE_RISING = 1, APLIC_LEVEL_HIGH = 4 };

#define SERIAL_CLOCK	1843200u	/* Hz: what a PC's has */

static uint32_t aplic_irq(uint32_t gsi, bool edge, uint32_t cells[FDT_IRQ_CELLS_MAX])
{
	cells[0] = gsi;
	cells[1] = edge ? APLIC_EDGE_RISING : APLIC_LEVEL_HIGH;
	return 2;
}

/* A PLIC's gateways take edges and levels alike. */
static uint32_t plic_irq(uint32_t gsi, bool edge, uint32_t cells[FDT_IRQ_CELLS_MAX])
{
	cells[0] = gsi;
	return 1;
}

/* ---- processors ---- */

static void cpu_isa(struct fdt *fdt, const struct riscv_cpu *cpu)
{
	char isa[RISCV_ISA_BYTES];

	(void)vmm__riscv_isa_string(cpu, isa);
	vmm__fdt_string(fdt, "riscv,isa", isa);
	vmm__fdt_string(fdt, "riscv,isa-base", "rv64i");
	vmm__fdt_bytes(fdt, "riscv,isa-extensions", isa, vmm__riscv_isa_list(cpu, isa));
	if (cpu->zicbom_block_size)
		vmm__fdt_u32(fdt, "riscv,cbom-block-size", (uint32_t)cpu->zicbom_block_size);
	if (cpu->zicboz_block_size)
		vmm__fdt_u32(fdt, "riscv,cboz-block-size", (uint32_t)cpu->zicboz_block_size);
	if (vmm__riscv_mmu_type(cpu))
		vmm__fdt_string(fdt, "mmu-type", vmm__riscv_mmu_type(cpu));
}

static void cpu_node(struct fdt *fdt, const struct riscv_cpu *cpu, uint32_t hart)
{
	vmm__fdt_begin_at(fdt, "cpu", hart);
	vmm__fdt_string(fdt, "device_type", "cpu");
	vmm__fdt_string(fdt, "compatible", "riscv");
	vmm__fdt_u32(fdt, "reg", hart);
	vmm__fdt_string(fdt, "status", "okay");
	vmm__fdt_u32(fdt, "phandle", PHANDLE_CPU(hart));
	cpu_isa(fdt, cpu);

	vmm__fdt_begin(fdt, "interrupt-controller");
	vmm__fdt_string(fdt, "compatible", "riscv,cpu-intc");
	vmm__fdt_empty(fdt, "interrupt-controller");
	vmm__fdt_u32(fdt, "#interrupt-cells", 1);
	vmm__fdt_u32(fdt, "phandle", PHANDLE_CPU_INTC(hart));
	vmm__fdt_end(fdt);
	vmm__fdt_end(fdt);
}

static void begin_nth(struct fdt *fdt, const char *name, uint32_t n)
{
	char full[32];

	snprintf(full, sizeof(full), "%s%u", name, n);
	vmm__fdt_begin(fdt, full);
}

/* Harts are numbered thread by thread, core by core, socket by socket. */
static void cpu_map(struct fdt *fdt, const struct machine_desc *desc)
{
	uint32_t cores = desc->nr_vcpus / desc->nr_sockets / desc->threads_per_core, hart = 0;

	vmm__fdt_begin(fdt, "cpu-map");
	for (uint32_t s = 0; s < desc->nr_sockets; s++) {
		begin_nth(fdt, "socket", s);
		begin_nth(fdt, "cluster", 0);
		for (uint32_t c = 0; c < cores; c++) {
			begin_nth(fdt, "core", c);
			for (uint32_t t = 0; t < desc->threads_per_core; t++, hart++) {
				if (desc->threads_per_core > 1)
					begin_nth(fdt, "thread", t);
				vmm__fdt_u32(fdt, "cpu", PHANDLE_CPU(hart));
				if (desc->threads_per_core > 1)
					vmm__fdt_end(fdt);
			}
			vmm__fdt_end(fdt);
		}
		vmm__fdt_end(fdt);
		vmm__fdt_end(fdt);
	}
	vmm__fdt_end(fdt);
}

static void cpus(struct fdt *fdt, const struct machine_desc *desc)
{
	vmm__fdt_begin(fdt, "cpus");
	vmm__fdt_u32(fdt, "#address-cells", 1);
	vmm__fdt_u32(fdt, "#size-cells", 0);
	vmm__fdt_u32(fdt, "timebase-frequency", (uint32_t)desc->vm->cpu.timebase);
	for (uint32_t i = 0; i < desc->nr_vcpus; i++)
		cpu_node(fdt, &desc->vm->cpu, i);
	cpu_map(fdt, desc);
	vmm__fdt_end(fdt);
}

/* "interrupts-extended": interrupt @number of every hart. */
static void hart_interrupts(struct fdt *fdt, const struct machine_desc *desc, uint32_t number)
{
	uint32_t cells[2 * VMM_VCPUS_MAX];

	for (uint32_t i = 0; i < desc->nr_vcpus; i++) {
		cells[2 * i] = PHANDLE_CPU_INTC(i);
		cells[2 * i + 1] = number;
	}
	vmm__fdt_cells(fdt, "interrupts-extended", cells, 2 * (size_t)desc->nr_vcpus);
}

static void timer(struct fdt *fdt, const struct machine_desc *desc)
{
	vmm__fdt_begin(fdt, "timer");
	vmm__fdt_string(fdt, "compatible", "riscv,timer");
	hart_interrupts(fdt, desc, HART_TIMER);
	vmm__fdt_end(fdt);
}

/* ---- interrupt controllers ---- */

static void imsics(struct fdt *fdt, const struct machine_desc *desc)
{
	vmm__fdt_begin_at(fdt, "imsics", RISCV_IMSIC_BASE);
	vmm__fdt_string(fdt, "compatible", "riscv,imsics");
	vmm__fdt_reg(fdt, RISCV_IMSIC_BASE, (uint64_t)desc->nr_vcpus * KVM_DEV_RISCV_IMSIC_SIZE);
	vmm__fdt_empty(fdt, "interrupt-controller");
	vmm__fdt_u32(fdt, "#interrupt-cells", 0);
	vmm__fdt_empty(fdt, "msi-controller");
	vmm__fdt_u32(fdt, "#msi-cells", 0);
	vmm__fdt_u32(fdt, "riscv,num-ids", desc->vm->nr_ids);
	hart_interrupts(fdt, desc, HART_EXTERNAL);
	vmm__fdt_u32(fdt, "phandle", PHANDLE_MSI);
	vmm__fdt_end(fdt);
}

static void aplic(struct fdt *fdt)
{
	vmm__fdt_begin_at(fdt, "aplic", RISCV_APLIC_BASE);
	vmm__fdt_string(fdt, "compatible", "riscv,aplic");
	vmm__fdt_reg(fdt, RISCV_APLIC_BASE, KVM_DEV_RISCV_APLIC_SIZE);
	vmm__fdt_empty(fdt, "interrupt-controller");
	vmm__fdt_u32(fdt, "#interrupt-cells", 2);
	vmm__fdt_u32(fdt, "#address-cells", 0);
	vmm__fdt_u32(fdt, "msi-parent", PHANDLE_MSI);
	vmm__fdt_u32(fdt, "riscv,num-sources", RISCV_NR_PINS);
	vmm__fdt_u32(fdt, "phandle", PHANDLE_INTC);
	vmm__fdt_end(fdt);
}

static void plic(struct fdt *fdt, const struct machine_desc *desc)
{
	static const char compatible[] = "sifive,plic-1.0.0\0riscv,plic0";

	vmm__fdt_begin_at(fdt, "plic", RISCV_PLIC_BASE);
	FDT_STRINGS(fdt, "compatible", compatible);
	vmm__fdt_reg(fdt, RISCV_PLIC_BASE, RISCV_PLIC_SIZE);
	vmm__fdt_empty(fdt, "interrupt-controller");
	vmm__fdt_u32(fdt, "#interrupt-cells", 1);
	vmm__fdt_u32(fdt, "#address-cells", 0);
	vmm__fdt_u32(fdt, "riscv,ndev", PLIC_SOURCES);
	hart_interrupts(fdt, desc, HART_EXTERNAL);
	vmm__fdt_u32(fdt, "phandle", PHANDLE_INTC);
	vmm__fdt_end(fdt);
}

/* ---- devices ---- */

static void serial(struct fdt *fdt, const struct fdt_machine *machine)
{
	vmm__fdt_begin_at(fdt, "serial", RISCV_SERIAL_BASE);
	vmm__fdt_string(fdt, "compatible", "ns16550a");
	vmm__fdt_reg(fdt, RISCV_SERIAL_BASE, RISCV_SERIAL_SIZE);
	vmm__fdt_u32(fdt, "clock-frequency", SERIAL_CLOCK);
	vmm__fdt_interrupt(fdt, machine, RISCV_GSI_SERIAL, false);
	vmm__fdt_end(fdt);
}

static void rtc(struct fdt *fdt, const struct fdt_machine *machine)
{
	vmm__fdt_begin_at(fdt, "rtc", RISCV_RTC_BASE);
	vmm__fdt_string(fdt, "compatible", "google,goldfish-rtc");
	vmm__fdt_reg(fdt, RISCV_RTC_BASE, RISCV_RTC_SIZE);
	vmm__fdt_interrupt(fdt, machine, RISCV_GSI_RTC, false);
	vmm__fdt_end(fdt);
}

static void devices(struct fdt *fdt, const struct fdt_machine *machine)
{
	vmm__fdt_begin(fdt, "soc");
	vmm__fdt_string(fdt, "compatible", "simple-bus");
	vmm__fdt_u32(fdt, "#address-cells", 2);
	vmm__fdt_u32(fdt, "#size-cells", 2);
	vmm__fdt_empty(fdt, "ranges");
	vmm__fdt_u32(fdt, "interrupt-parent", PHANDLE_INTC);
	if (machine->desc->vm->plic) {
		plic(fdt, machine->desc);
	} else {
		imsics(fdt, machine->desc);
		aplic(fdt);
	}
	if (machine->desc->has_serial)
		serial(fdt, machine);
	rtc(fdt, machine);
	vmm__fdt_pvpanic(fdt, RISCV_PVPANIC_BASE);
	vmm__fdt_virtio_mmio(fdt, machine);
	vmm__fdt_pci(fdt, machine);
	vmm__fdt_power_button(fdt, machine, RISCV_GSI_BUTTON);
	vmm__fdt_end(fdt);
}

int vmm__arch_write_tables(const struct vmm_mem *mem, const struct machine_desc *desc)
{
	const bool has_plic = desc->vm->plic;
	const struct fdt_machine machine = {
		.desc = desc, .mem = mem, .intc = PHANDLE_INTC, .intc_below = true,
		.msi = has_plic ? 0 : PHANDLE_MSI,
		.irq = has_plic ? plic_irq : aplic_irq,
	};
	char path[64];
	struct fdt fdt;
	int r = vmm__fdt_init(&fdt, FDT_ROOM, 0, 0);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/soc/serial@%llx", (unsigned long long)RISCV_SERIAL_BASE);
	vmm__fdt_root(&fdt, &machine);
	vmm__fdt_chosen(&fdt, &machine, desc->has_serial ? path : NULL);
	vmm__fdt_memory(&fdt, &machine);
	cpus(&fdt, desc);
	timer(&fdt, desc);
	devices(&fdt, &machine);
	r = vmm__fdt_store(&fdt, mem, desc->boot);
	vmm__fdt_finish(&fdt);
	return r;
}
