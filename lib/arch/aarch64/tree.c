/* SPDX-License-Identifier: MIT */
/* tree.c - the device tree of an aarch64 machine. */
#include <stdio.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "boot/boot_priv.h"
#include "boot/fdt_priv.h"

enum { PHANDLE_GIC = 1, PHANDLE_MSI = 2, PHANDLE_CLOCK = 3, PHANDLE_CPU = 16 };

/* Interrupt specifiers (arm,gic.yaml and arm,gic-v3.yaml). */
enum { SPI = 0, PPI = 1, EDGE_RISING = 1, LEVEL_HIGH = 4 };

static uint32_t irq(uint32_t gsi, bool edge, uint32_t cells[FDT_IRQ_CELLS_MAX])
{
	cells[0] = SPI;
	cells[1] = gsi;
	cells[2] = edge ? EDGE_RISING : LEVEL_HIGH;
	return 3;
}

/* A GICv2 wants to know in which processors a private interrupt is. */
static uint32_t ppi_flags(const struct machine_desc *desc)
{
	return LEVEL_HIGH | (desc->vm->gic == 2 ? ((1u << desc->nr_vcpus) - 1) << 8 : 0);
}

/* ---- processors ---- */

/* cpu-map (Linux, Documentation/devicetree/bindings/cpu/cpu-topology.txt): threads are the fastest to count. */
static void cpu_map(struct fdt *fdt, const struct machine_desc *desc)
{
	uint32_t cores = desc->nr_vcpus / desc->nr_sockets / desc->threads_per_core, id = 0;
	char name[24];

	vmm__fdt_begin(fdt, "cpu-map");
	for (uint32_t socket = 0; socket < desc->nr_sockets; socket++) {
		snprintf(name, sizeof(name), "socket%u", socket);
		vmm__fdt_begin(fdt, name);
		vmm__fdt_begin(fdt, "cluster0");
		for (uint32_t core = 0; core < cores; core++) {
			snprintf(name, sizeof(name), "core%u", core);
			vmm__fdt_begin(fdt, name);
			for (uint32_t thread = 0; thread < desc->threads_per_core; thread++) {
				snprintf(name, sizeof(name), "thread%u", thread);
				if (desc->threads_per_core > 1)
					vmm__fdt_begin(fdt, name);
				vmm__fdt_u32(fdt, "cpu", PHANDLE_CPU + id++);
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
	for (uint32_t id = 0; id < desc->nr_vcpus; id++) {
		vmm__fdt_begin_at(fdt, "cpu", vmm__a64_affinity(id));
		vmm__fdt_string(fdt, "device_type", "cpu");
		vmm__fdt_string(fdt, "compatible", "arm,armv8");
		vmm__fdt_u32(fdt, "reg", vmm__a64_affinity(id));
		vmm__fdt_string(fdt, "enable-method", "psci");
		vmm__fdt_u32(fdt, "phandle", PHANDLE_CPU + id);
		vmm__fdt_end(fdt);
	}
	cpu_map(fdt, desc);
	vmm__fdt_end(fdt);

	vmm__fdt_begin(fdt, "psci");
	FDT_STRINGS(fdt, "compatible", "arm,psci-1.0\0arm,psci-0.2");
	vmm__fdt_string(fdt, "method", "hvc");
	vmm__fdt_end(fdt);
}

static void private_interrupts(struct fdt *fdt, const struct machine_desc *desc)
{
	const uint32_t flags = ppi_flags(desc);
	const uint32_t timers[] = {
		PPI, A64_PPI_TIMER_SECURE, flags, PPI, A64_PPI_TIMER, flags,
		PPI, A64_PPI_TIMER_VIRT, flags, PPI, A64_PPI_TIMER_HYP, flags,
	};
	const uint32_t pmu[] = { PPI, A64_PPI_PMU, flags };

	vmm__fdt_begin(fdt, "timer");
	vmm__fdt_string(fdt, "compatible", "arm,armv8-timer");
	vmm__fdt_cells(fdt, "interrupts", timers, 12);
	vmm__fdt_empty(fdt, "always-on");
	vmm__fdt_end(fdt);

	if (!desc->vm->pmu)
		return;
	vmm__fdt_begin(fdt, "pmu");
	vmm__fdt_string(fdt, "compatible", "arm,armv8-pmuv3");
	vmm__fdt_cells(fdt, "interrupts", pmu, 3);
	vmm__fdt_end(fdt);
}

/* ---- the interrupt controller ---- */

static void its(struct fdt *fdt)
{
	vmm__fdt_begin_at(fdt, "msi-controller", A64_ITS_BASE);
	vmm__fdt_string(fdt, "compatible", "arm,gic-v3-its");
	vmm__fdt_reg(fdt, A64_ITS_BASE, A64_ITS_SIZE);
	vmm__fdt_empty(fdt, "msi-controller");
	vmm__fdt_u32(fdt, "#msi-cells", 1);
	vmm__fdt_u32(fdt, "phandle", PHANDLE_MSI);
	vmm__fdt_end(fdt);
}

static void v2m(struct fdt *fdt)
{
	vmm__fdt_begin_at(fdt, "v2m", A64_V2M_BASE);
	vmm__fdt_string(fdt, "compatible", "arm,gic-v2m-frame");
	vmm__fdt_reg(fdt, A64_V2M_BASE, A64_V2M_SIZE);
	vmm__fdt_empty(fdt, "msi-controller");
	vmm__fdt_u32(fdt, "phandle", PHANDLE_MSI);
	vmm__fdt_end(fdt);
}

static void gic(struct fdt *fdt, const struct machine_desc *desc)
{
	bool v2 = desc->vm->gic == 2;

	vmm__fdt_begin_at(fdt, "interrupt-controller", A64_GICD_BASE);
	vmm__fdt_string(fdt, "compatible", v2 ? "arm,cortex-a15-gic" : "arm,gic-v3");
	if (v2)
		vmm__fdt_reg2(fdt, A64_GICD_BASE, A64_GICD_SIZE, A64_GICC_BASE, A64_GICC_SIZE);
	else
		vmm__fdt_reg2(fdt, A64_GICD_BASE, A64_GICD_SIZE, A64_GICR_BASE,
			      A64_GICR_STRIDE * desc->nr_vcpus);
	vmm__fdt_empty(fdt, "interrupt-controller");
	vmm__fdt_u32(fdt, "#interrupt-cells", 3);
	vmm__fdt_u32(fdt, "#address-cells", 2);
	vmm__fdt_u32(fdt, "#size-cells", 2);
	vmm__fdt_empty(fdt, "ranges");
	vmm__fdt_u32(fdt, "phandle", PHANDLE_GIC);
	if (v2)
		v2m(fdt);
	else if (desc->vm->its_fd >= 0)
		its(fdt);
	vmm__fdt_end(fdt);
}

/* ---- devices of the board ---- */

static void clock_source(struct fdt *fdt)
{
	vmm__fdt_begin(fdt, "apb-pclk");
	vmm__fdt_string(fdt, "compatible", "fixed-clock");
	vmm__fdt_u32(fdt, "#clock-cells", 0);
	vmm__fdt_u32(fdt, "clock-frequency", 24000000);
	vmm__fdt_string(fdt, "clock-output-names", "clk24mhz");
	vmm__fdt_u32(fdt, "phandle", PHANDLE_CLOCK);
	vmm__fdt_end(fdt);
}

static void serial(struct fdt *fdt, const struct fdt_machine *machine)
{
	static const uint32_t clocks[] = { PHANDLE_CLOCK, PHANDLE_CLOCK };

	vmm__fdt_begin_at(fdt, "serial", A64_UART_BASE);
	FDT_STRINGS(fdt, "compatible", "arm,pl011\0arm,primecell");
	vmm__fdt_reg(fdt, A64_UART_BASE, 0x1000);
	vmm__fdt_interrupt(fdt, machine, A64_GSI_UART, false);
	FDT_STRINGS(fdt, "clock-names", "uartclk\0apb_pclk");
	vmm__fdt_cells(fdt, "clocks", clocks, 2);
	vmm__fdt_end(fdt);
}

static void rtc(struct fdt *fdt, const struct fdt_machine *machine)
{
	vmm__fdt_begin_at(fdt, "rtc", A64_RTC_BASE);
	FDT_STRINGS(fdt, "compatible", "arm,pl031\0arm,primecell");
	vmm__fdt_reg(fdt, A64_RTC_BASE, 0x1000);
	vmm__fdt_interrupt(fdt, machine, A64_GSI_RTC, false);
	vmm__fdt_string(fdt, "clock-names", "apb_pclk");
	vmm__fdt_u32(fdt, "clocks", PHANDLE_CLOCK);
	vmm__fdt_end(fdt);
}

static void aliases(struct fdt *fdt)
{
	char path[32];

	snprintf(path, sizeof(path), "/serial@%llx", A64_UART_BASE);
	vmm__fdt_begin(fdt, "aliases");
	vmm__fdt_string(fdt, "serial0", path);
	vmm__fdt_end(fdt);
}

/* ---- */

int vmm__arch_write_tables(const struct vmm_mem *mem, const struct machine_desc *desc)
{
	const struct fdt_machine machine = {
		.desc = desc, .mem = mem, .intc = PHANDLE_GIC, .intc_address_cells = 2,
		.msi = desc->vm->gic == 2 || desc->vm->its_fd >= 0 ? PHANDLE_MSI : 0,
		.msi_map = desc->vm->gic == 3, .irq = irq,
	};
	struct fdt fdt;
	int r = vmm__fdt_init(&fdt, FDT_ROOM, desc->vm->steal, desc->vm->steal ? A64_STEAL_SIZE : 0);

	if (r < 0)
		return r;

	vmm__fdt_root(&fdt, &machine);
	vmm__fdt_chosen(&fdt, &machine, desc->has_serial ? "serial0" : NULL);
	if (desc->has_serial)
		aliases(&fdt);
	vmm__fdt_memory(&fdt, &machine);
	cpus(&fdt, desc);
	private_interrupts(&fdt, desc);
	gic(&fdt, desc);
	clock_source(&fdt);
	if (desc->has_serial)
		serial(&fdt, &machine);
	rtc(&fdt, &machine);
	vmm__fdt_pvpanic(&fdt, A64_PVPANIC_BASE);
	vmm__fdt_power_button(&fdt, &machine, A64_GSI_BUTTON);
	vmm__fdt_virtio_mmio(&fdt, &machine);
	vmm__fdt_pci(&fdt, &machine);
	r = vmm__fdt_store(&fdt, mem, desc->boot);
	vmm__fdt_finish(&fdt);
	return r;
}
