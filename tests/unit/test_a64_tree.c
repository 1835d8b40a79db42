/* SPDX-License-Identifier: MIT */
/* test_a64_tree.c - the device tree of an aarch64 machine, read by libfdt as a guest would. */
#include <check.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/aarch64/layout_priv.h"
#include "arch/aarch64/vm_priv.h"
#include "arch/arch_priv.h"
#include "boot/fdt_priv.h"
#include "core/memory_priv.h"

#define RAM	(16u << 20)
#define TREE	(A64_RAM_BASE + (2u << 20))

static struct vmm_mem mem;
static struct arch_vm vm;
static struct boot_entry boot;
static struct machine_desc desc;
static const void *tree;

static void setup(void)
{
	mem.nr_regions = 1;
	mem.regions[0] = (struct mem_region){
		.gpa = A64_RAM_BASE, .size = RAM,
		.host = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	};
	vm = (struct arch_vm){ .gic = 3, .gic_fd = -1, .its_fd = 3, .pmu = true, .nr_vcpus = 2 };
	boot = (struct boot_entry){ .argument = TREE, .argument_size = FDT_ROOM };
	desc = (struct machine_desc){
		.nr_vcpus = 2, .threads_per_core = 1, .nr_sockets = 1, .has_pci = true, .has_serial = true,
		.name = "test", .vm = &vm, .layout = vmm__arch_layout(-1), .boot = &boot,
		.cmdline = "console=ttyAMA0 quiet",
	};
	tree = mem.regions[0].host + (TREE - A64_RAM_BASE);
}

static void write_tree(void)
{
	int r = vmm__arch_write_tables(&mem, &desc);

	ck_assert_msg(r == 0, "%d: %s", r, vmm_last_error());
	ck_assert_int_eq(fdt_check_full(tree, FDT_ROOM), 0);
}

static int node(const char *path)
{
	int at = fdt_path_offset(tree, path);

	ck_assert_msg(at >= 0, "no node %s", path);
	return at;
}

static const void *property(const char *path, const char *name, int want)
{
	int len = 0;
	const void *p = fdt_getprop(tree, node(path), name, &len);

	ck_assert_msg(p && (want < 0 || len == want), "%s: %s has %d bytes, not %d", path, name, len, want);
	return p;
}

static uint32_t cell(const char *path, const char *name, int i)
{
	return fdt32_ld((const fdt32_t *)property(path, name, -1) + i);
}

static uint64_t wide(const char *path, const char *name, int i)
{
	return (uint64_t)cell(path, name, i) << 32 | cell(path, name, i + 1);
}

static bool has(const char *path)
{
	return fdt_path_offset(tree, path) >= 0;
}

START_TEST(it_tells_what_was_loaded)
{
	const char *seed, *again;

	boot.initrd = A64_RAM_BASE + (4u << 20);
	boot.initrd_size = 12345;
	write_tree();
	ck_assert_str_eq(property("/chosen", "bootargs", -1), "console=ttyAMA0 quiet");
	ck_assert_str_eq(property("/chosen", "stdout-path", -1), "serial0");
	ck_assert_uint_eq(wide("/chosen", "linux,initrd-start", 0), boot.initrd);
	ck_assert_uint_eq(wide("/chosen", "linux,initrd-end", 0), boot.initrd + 12345);
	seed = memcpy(malloc(64), property("/chosen", "rng-seed", 64), 64);
	property("/chosen", "kaslr-seed", 8);
	write_tree();
	again = property("/chosen", "rng-seed", 64);
	ck_assert_int_ne(memcmp(seed, again, 64), 0);
	boot.initrd_size = 0;
	desc.has_serial = false;
	write_tree();
	ck_assert_ptr_null(fdt_getprop(tree, node("/chosen"), "linux,initrd-start", NULL));
	ck_assert_ptr_null(fdt_getprop(tree, node("/chosen"), "stdout-path", NULL));
	ck_assert(!has("/serial@9000000") && !has("/aliases"));
}
END_TEST

START_TEST(memory_and_what_is_kept_of_it)
{
	uint64_t address, size;

	write_tree();
	ck_assert_uint_eq(wide("/memory@40000000", "reg", 0), A64_RAM_BASE);
	ck_assert_uint_eq(wide("/memory@40000000", "reg", 2), RAM);
	ck_assert_int_eq(fdt_num_mem_rsv(tree), 0);
	vm.steal = A64_RAM_BASE + RAM - A64_STEAL_SIZE;
	write_tree();
	ck_assert_int_eq(fdt_num_mem_rsv(tree), 1);
	ck_assert_int_eq(fdt_get_mem_rsv(tree, 0, &address, &size), 0);
	ck_assert(address == vm.steal && size == A64_STEAL_SIZE);
}
END_TEST

/* Each processor once, with the affinity that KVM gives it, and each in the map. */
START_TEST(every_processor_is_there)
{
	static const uint32_t counts[] = { 1, 2, 16, 17, 255 };

	for (size_t n = 0; n < 5; n++) {
		desc.nr_vcpus = vm.nr_vcpus = counts[n];
		write_tree();
		for (uint32_t id = 0; id < counts[n]; id++) {
			char path[32], core[64];

			snprintf(path, sizeof(path), "/cpus/cpu@%x", (id & 15) | id >> 4 << 8);
			ck_assert_uint_eq(cell(path, "reg", 0), (id & 15) | id >> 4 << 8);
			ck_assert_str_eq(property(path, "enable-method", -1), "psci");
			snprintf(core, sizeof(core), "/cpus/cpu-map/socket0/cluster0/core%u", id);
			ck_assert_uint_eq(cell(core, "cpu", 0), cell(path, "phandle", 0));
		}
		ck_assert_uint_eq(wide("/interrupt-controller@8000000", "reg", 6),
				  A64_GICR_STRIDE * counts[n]);
	}
	desc.nr_vcpus = vm.nr_vcpus = 8;
	desc.threads_per_core = desc.nr_sockets = 2;
	write_tree();
	ck_assert_uint_eq(cell("/cpus/cpu-map/socket1/cluster0/core1/thread1", "cpu", 0),
			  cell("/cpus/cpu@7", "phandle", 0));
	ck_assert(!has("/cpus/cpu-map/socket1/cluster0/core2"));
}
END_TEST

START_TEST(the_interrupt_controller_is_the_one_there_is)
{
	write_tree();
	ck_assert_str_eq(property("/interrupt-controller@8000000", "compatible", -1), "arm,gic-v3");
	ck_assert_uint_eq(cell("/pcie@3f000000", "msi-map", 1),
			  cell("/interrupt-controller@8000000/msi-controller@8080000", "phandle", 0));
	ck_assert_uint_eq(cell("/timer", "interrupts", 2), 4);
	ck_assert(has("/pmu"));

	vm.its_fd = -1;
	vm.pmu = false;
	write_tree();
	ck_assert_ptr_null(fdt_getprop(tree, node("/pcie@3f000000"), "msi-map", NULL));
	ck_assert(!has("/interrupt-controller@8000000/msi-controller@8080000") && !has("/pmu"));

	vm.gic = 2;
	write_tree();
	ck_assert_str_eq(property("/interrupt-controller@8000000", "compatible", -1), "arm,cortex-a15-gic");
	ck_assert_uint_eq(cell("/pcie@3f000000", "msi-parent", 0),
			  cell("/interrupt-controller@8000000/v2m@8020000", "phandle", 0));
	ck_assert_uint_eq(cell("/timer", "interrupts", 2), 0x304);	/* in processors 0 and 1 */
}
END_TEST

/* The host's windows, and for slot and pin the pin that the bus raises. */
START_TEST(pci_is_described_as_the_bus_is)
{
	const struct arch_layout *l = desc.layout;
	const int entry = 4 + 1 + 2 + 3;

	write_tree();
	ck_assert_uint_eq(wide("/pcie@3f000000", "reg", 0), l->ecam_base);
	ck_assert_uint_eq(wide("/pcie@3f000000", "reg", 2), 1 << 20);
	ck_assert_uint_eq(wide("/pcie@3f000000", "ranges", 1), l->pci_base);
	ck_assert_uint_eq(wide("/pcie@3f000000", "ranges", 3), l->pci_base);
	ck_assert_uint_eq(wide("/pcie@3f000000", "ranges", 5), l->pci_size);
	ck_assert_uint_eq(wide("/pcie@3f000000", "ranges", 10), l->pci64_base);
	ck_assert_uint_eq(wide("/pcie@3f000000", "ranges", 12), l->pci64_size);
	property("/pcie@3f000000", "interrupt-map", 4 * 4 * entry * 4);
	for (int slot = 0; slot < 4; slot++) {
		for (int pin = 0; pin < 4; pin++) {
			int at = (slot * 4 + pin) * entry;

			ck_assert_uint_eq(cell("/pcie@3f000000", "interrupt-map", at), (uint32_t)slot << 11);
			ck_assert_uint_eq(cell("/pcie@3f000000", "interrupt-map", at + 3), (uint32_t)pin + 1);
			ck_assert_uint_eq(cell("/pcie@3f000000", "interrupt-map", at + 8),
					  l->pci_gsi + (uint32_t)(slot + pin) % l->nr_pci_gsis);
			ck_assert_uint_eq(cell("/pcie@3f000000", "interrupt-map", at + 9), 4);
		}
	}
	desc.has_pci = false;
	write_tree();
	ck_assert(!has("/pcie@3f000000"));
}
END_TEST

START_TEST(each_virtio_mmio_window_is_there)
{
	desc.nr_mmio = MACHINE_MMIO_MAX;
	for (uint32_t i = 0; i < MACHINE_MMIO_MAX; i++) {
		desc.mmio[i].base = A64_MMIO_BASE + i * A64_MMIO_STRIDE;
		desc.mmio[i].size = A64_MMIO_STRIDE;
		desc.mmio[i].gsi = A64_GSI_MMIO + i;
	}
	write_tree();
	for (uint32_t i = 0; i < MACHINE_MMIO_MAX; i++) {
		char path[40];

		snprintf(path, sizeof(path), "/virtio_mmio@%llx", (unsigned long long)desc.mmio[i].base);
		ck_assert_uint_eq(wide(path, "reg", 0), desc.mmio[i].base);
		ck_assert_uint_eq(cell(path, "interrupts", 1), desc.mmio[i].gsi);
		ck_assert_uint_eq(cell(path, "interrupts", 2), 1);
		property(path, "dma-coherent", 0);
	}
	ck_assert_str_eq(property("/gpio-keys", "label", -1), "Power Button");
	ck_assert_uint_eq(cell("/gpio-keys/power", "interrupts", 1), A64_GSI_BUTTON);
}
END_TEST

START_TEST(a_tree_that_does_not_fit_is_refused)
{
	static char long_line[FDT_ROOM];

	boot.argument_size = 1000;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "1000"));
	boot.argument_size = FDT_ROOM;
	memset(long_line, 'x', sizeof(long_line) - 1);
	desc.cmdline = long_line;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "tree"));
	desc.cmdline = "";
	boot.argument = A64_RAM_BASE + RAM - 16;
	ck_assert_int_eq(vmm__arch_write_tables(&mem, &desc), -EFAULT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("a64_tree");
	TCase *tcase = tcase_create("tree");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, it_tells_what_was_loaded);
	tcase_add_test(tcase, memory_and_what_is_kept_of_it);
	tcase_add_test(tcase, every_processor_is_there);
	tcase_add_test(tcase, the_interrupt_controller_is_the_one_there_is);
	tcase_add_test(tcase, pci_is_described_as_the_bus_is);
	tcase_add_test(tcase, each_virtio_mmio_window_is_there);
	tcase_add_test(tcase, a_tree_that_does_not_fit_is_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
