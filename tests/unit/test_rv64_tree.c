/* SPDX-License-Identifier: MIT */
/* test_rv64_tree.c - the device tree that a riscv64 guest is given, read back by libfdt. */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/vmm.h>
#include "arch/riscv64/layout_priv.h"
#include "arch/riscv64/plic_priv.h"
#include "arch/riscv64/vm_priv.h"
#include "boot/fdt_priv.h"
#include "core/memory_priv.h"

#define RAM_BYTES	(4u << 20)
#define TREE		(RISCV_RAM_BASE + (2u << 20))
#define ROOM		(1u << 20)

static struct vmm_mem mem;
static unsigned char *ram;
static struct arch_vm vm;
static struct boot_entry boot;
static struct machine_desc desc;
static const void *tree;

static void setup(void)
{
	static const uint32_t ids[] = {
		KVM_RISCV_ISA_EXT_A, KVM_RISCV_ISA_EXT_C, KVM_RISCV_ISA_EXT_D, KVM_RISCV_ISA_EXT_F,
		KVM_RISCV_ISA_EXT_I, KVM_RISCV_ISA_EXT_M, KVM_RISCV_ISA_EXT_SSTC,
	};

	ram = calloc(1, RAM_BYTES);
	memset(&mem, 0, sizeof(mem));
	mem.regions[0] = (struct mem_region){ .gpa = RISCV_RAM_BASE, .size = RAM_BYTES, .host = ram };
	mem.nr_regions = 1;
	vm = (struct arch_vm){ .nr_vcpus = 2, .irqchip = true, .has_aia = true, .nr_ids = 255, .aia_fd = -1 };
	vm.cpu = (struct riscv_cpu){ .timebase = 10000000, .satp_mode = 9, .zicbom_block_size = 64 };
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		vm.cpu.extensions[ids[i] / 64] |= 1ull << ids[i] % 64;
	boot = (struct boot_entry){ .argument = TREE, .argument_size = ROOM };
	desc = (struct machine_desc){
		.nr_vcpus = 2, .threads_per_core = 1, .nr_sockets = 1, .has_pci = true, .has_serial = true,
		.nr_mmio = 1, .mmio = { { .base = RISCV_MMIO_BASE, .size = RISCV_MMIO_STRIDE, .gsi = 17 } },
		.name = "g", .vm = &vm, .layout = vmm__arch_layout(-1), .boot = &boot, .cmdline = "quiet x=1",
	};
}

static void teardown(void)
{
	free(ram);
}

static void write_tree(void)
{
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), 0);
	tree = ram + (TREE - RISCV_RAM_BASE);
	ck_assert_int_eq(fdt_check_full(tree, ROOM), 0);
}

static int node(const char *path)
{
	int at = fdt_path_offset(tree, path);

	ck_assert_msg(at >= 0, "no node %s", path);
	return at;
}

static const char *string(const char *path, const char *name)
{
	const char *value = fdt_getprop(tree, node(path), name, NULL);

	ck_assert_msg(value != NULL, "%s has no %s", path, name);
	return value;
}

static uint32_t cell(const char *path, const char *name, int n)
{
	int len;
	const fdt32_t *cells = fdt_getprop(tree, node(path), name, &len);

	ck_assert_msg(cells && len >= 4 * (n + 1), "%s has no cell %d of %s", path, n, name);
	return fdt32_to_cpu(cells[n]);
}

static uint64_t reg(const char *path, int n)
{
	return (uint64_t)cell(path, "reg", 2 * n) << 32 | cell(path, "reg", 2 * n + 1);
}

START_TEST(each_hart_is_there_with_what_it_can)
{
	write_tree();
	ck_assert_uint_eq(cell("/cpus", "timebase-frequency", 0), 10000000);
	ck_assert_str_eq(string("/cpus/cpu@1", "riscv,isa"), "rv64imafdc_sstc");
	ck_assert_str_eq(string("/cpus/cpu@0", "riscv,isa-base"), "rv64i");
	ck_assert_int_eq(fdt_stringlist_search(tree, node("/cpus/cpu@0"), "riscv,isa-extensions", "sstc"), 6);
	ck_assert_str_eq(string("/cpus/cpu@0", "mmu-type"), "riscv,sv48");
	ck_assert_uint_eq(cell("/cpus/cpu@0", "riscv,cbom-block-size", 0), 64);
	ck_assert_ptr_null(fdt_getprop(tree, node("/cpus/cpu@0"), "riscv,cboz-block-size", NULL));
	ck_assert_uint_eq(cell("/cpus/cpu@1", "reg", 0), 1);
	ck_assert_int_lt(fdt_path_offset(tree, "/cpus/cpu@2"), 0);
	/* A hart's own controller has no parent: the root must not name one. */
	ck_assert_ptr_null(fdt_getprop(tree, 0, "interrupt-parent", NULL));
	ck_assert_str_eq(string("/cpus/cpu@1/interrupt-controller", "compatible"), "riscv,cpu-intc");
}
END_TEST

START_TEST(the_topology_is_as_configured)
{
	desc.nr_vcpus = 8;
	desc.threads_per_core = 2;
	desc.nr_sockets = 2;
	write_tree();
	ck_assert_uint_eq(cell("/cpus/cpu-map/socket1/cluster0/core1/thread1", "cpu", 0),
			  cell("/cpus/cpu@7", "phandle", 0));
	ck_assert_uint_eq(cell("/cpus/cpu-map/socket0/cluster0/core1/thread0", "cpu", 0),
			  cell("/cpus/cpu@2", "phandle", 0));
	ck_assert_int_lt(fdt_path_offset(tree, "/cpus/cpu-map/socket0/cluster0/core2"), 0);
}
END_TEST

START_TEST(an_aia_takes_wires_and_messages)
{
	uint32_t aplic, imsics;

	write_tree();
	aplic = cell("/soc/aplic@d000000", "phandle", 0);
	imsics = cell("/soc/imsics@28000000", "phandle", 0);
	ck_assert_uint_eq(cell("/soc/aplic@d000000", "msi-parent", 0), imsics);
	ck_assert_uint_eq(cell("/soc/aplic@d000000", "riscv,num-sources", 0), 64);
	ck_assert_uint_eq(reg("/soc/aplic@d000000", 1), 0x4000);
	ck_assert_uint_eq(cell("/soc/imsics@28000000", "riscv,num-ids", 0), 255);
	ck_assert_uint_eq(reg("/soc/imsics@28000000", 1), 2 * 4096);
	ck_assert_uint_eq(cell("/soc/imsics@28000000", "interrupts-extended", 2),
			  cell("/cpus/cpu@1/interrupt-controller", "phandle", 0));
	ck_assert_uint_eq(cell("/soc/imsics@28000000", "interrupts-extended", 3), 9);
	ck_assert_uint_eq(cell("/soc", "interrupt-parent", 0), aplic);
	ck_assert_uint_eq(cell("/soc/pcie@30000000", "msi-parent", 0), imsics);
	ck_assert_int_lt(fdt_path_offset(tree, "/soc/plic@c000000"), 0);
}
END_TEST

START_TEST(a_plic_takes_wires_alone)
{
	const struct plic_config config = { .nr_harts = 2 };

	ck_assert_int_eq(vmm__plic_create(&config, &vm.plic), 0);
	write_tree();
	ck_assert_uint_eq(cell("/soc/plic@c000000", "riscv,ndev", 0), 63);
	ck_assert_uint_eq(cell("/soc/plic@c000000", "#interrupt-cells", 0), 1);
	ck_assert_uint_eq(cell("/soc", "interrupt-parent", 0), cell("/soc/plic@c000000", "phandle", 0));
	ck_assert_int_lt(fdt_path_offset(tree, "/soc/aplic@d000000"), 0);
	ck_assert_ptr_null(fdt_getprop(tree, node("/soc/pcie@30000000"), "msi-parent", NULL));
	ck_assert_uint_eq(cell("/soc/serial@10000000", "interrupts", 0), RISCV_GSI_SERIAL);
	vmm__plic_destroy(vm.plic);
}
END_TEST

START_TEST(devices_are_where_the_machine_has_them)
{
	write_tree();
	ck_assert_str_eq(string("/chosen", "stdout-path"), "/soc/serial@10000000");
	ck_assert_str_eq(string("/chosen", "bootargs"), "quiet x=1");
	ck_assert_ptr_null(fdt_getprop(tree, node("/chosen"), "linux,initrd-start", NULL));
	ck_assert_uint_eq(reg("/memory@80000000", 0), RISCV_RAM_BASE);
	ck_assert_uint_eq(reg("/memory@80000000", 1), RAM_BYTES);
	ck_assert_str_eq(string("/soc/serial@10000000", "compatible"), "ns16550a");
	ck_assert_uint_eq(cell("/soc/serial@10000000", "interrupts", 1), 4);
	ck_assert_str_eq(string("/soc/rtc@10001000", "compatible"), "google,goldfish-rtc");
	ck_assert_uint_eq(cell("/soc/virtio_mmio@10100000", "interrupts", 0), 17);
	ck_assert_uint_eq(cell("/soc/virtio_mmio@10100000", "interrupts", 1), 1);
	ck_assert_uint_eq(cell("/soc/gpio-keys/power", "linux,code", 0), 116);
	/* Slot 1, pin A of the PCI bus: as lib/bus wires it. */
	ck_assert_uint_eq(cell("/soc/pcie@30000000", "interrupt-map", 7 * 4 + 0), 1u << 11);
	ck_assert_uint_eq(cell("/soc/pcie@30000000", "interrupt-map", 7 * 4 + 3), 1);
	ck_assert_uint_eq(cell("/soc/pcie@30000000", "interrupt-map", 7 * 4 + 5), RISCV_GSI_PCI + 1);
}
END_TEST

START_TEST(what_the_machine_lacks_is_not_there)
{
	desc.has_serial = desc.has_pci = false;
	desc.nr_mmio = 0;
	boot.initrd = RISCV_RAM_BASE + 4096;
	boot.initrd_size = 100;
	write_tree();
	ck_assert_ptr_null(fdt_getprop(tree, node("/chosen"), "stdout-path", NULL));
	ck_assert_int_lt(fdt_path_offset(tree, "/soc/serial@10000000"), 0);
	ck_assert_int_lt(fdt_path_offset(tree, "/soc/pcie@30000000"), 0);
	ck_assert_int_lt(fdt_path_offset(tree, "/soc/virtio_mmio@10100000"), 0);
	ck_assert_uint_eq(cell("/chosen", "linux,initrd-end", 1), (uint32_t)RISCV_RAM_BASE + 4196);
}
END_TEST

/* The most processors there can be, with every extension there is. */
START_TEST(the_largest_tree_fits)
{
	memset(vm.cpu.extensions, 0xff, sizeof(vm.cpu.extensions));
	vm.nr_vcpus = desc.nr_vcpus = VMM_VCPUS_MAX;
	desc.nr_mmio = MACHINE_MMIO_MAX;
	for (uint32_t i = 0; i < MACHINE_MMIO_MAX; i++) {
		desc.mmio[i].base = RISCV_MMIO_BASE + i * RISCV_MMIO_STRIDE;
		desc.mmio[i].size = RISCV_MMIO_STRIDE;
		desc.mmio[i].gsi = RISCV_GSI_FREE + i;
	}
	boot.argument_size = FDT_ROOM;
	write_tree();
	ck_assert_uint_le(fdt_totalsize(tree), FDT_ROOM);
	ck_assert_uint_eq(cell("/cpus/cpu@fe", "reg", 0), VMM_VCPUS_MAX - 1);
}
END_TEST

START_TEST(a_tree_that_does_not_fit_is_refused_with_words)
{
	boot.argument_size = 1000;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "device tree"));
	ck_assert_uint_eq(ram[TREE - RISCV_RAM_BASE], 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rv64_tree");
	TCase *tc = tcase_create("tree");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, each_hart_is_there_with_what_it_can);
	tcase_add_test(tc, the_topology_is_as_configured);
	tcase_add_test(tc, an_aia_takes_wires_and_messages);
	tcase_add_test(tc, a_plic_takes_wires_alone);
	tcase_add_test(tc, devices_are_where_the_machine_has_them);
	tcase_add_test(tc, what_the_machine_lacks_is_not_there);
	tcase_add_test(tc, the_largest_tree_fits);
	tcase_add_test(tc, a_tree_that_does_not_fit_is_refused_with_words);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
