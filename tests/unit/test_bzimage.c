/* SPDX-License-Identifier: MIT */
/* test_bzimage.c - bzImages, honest and otherwise, and what a Linux kernel is told. */
#include <asm/bootparam.h>

#include "boot_fixture.h"

enum { SECTORS = 7, IMAGE = (SECTORS + 1) * 512, IMAGE_SIZE = 0x4000, PREFERRED = 0x1000000 };

static struct setup_header *const header = (struct setup_header *)(void *)(kernel + 0x1f1);

static void setup(void)
{
	fixture_init();
	config.cmdline = "console=ttyS0";
	kernel_size = IMAGE + IMAGE_SIZE;
	for (size_t i = 0; i < IMAGE_SIZE; i++)
		kernel[IMAGE + i] = (unsigned char)(i * 7 + 1);
	memset(kernel, 0xff, 0x1f1);		/* the sentinel must not be taken along */
	*header = (struct setup_header){
		.setup_sects = SECTORS,
		.syssize = IMAGE_SIZE / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x20f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.min_alignment = 21,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.payload_offset = 0x300,
		.payload_length = 0x3000,
		.pref_address = PREFERRED,
		.init_size = 0x800000,
		.handover_offset = 0x190,
	};
	memset(kernel + 0x202 + 0x6a, 0xcc, 64);	/* code, after the header */
}

static const struct boot_params *params(void)
{
	return (const struct boot_params *)(const void *)guest(entry.argument);
}

/* ---- honest ones ---- */

START_TEST(the_kernel_is_loaded_where_it_prefers)
{
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.kind, X86_BOOT_LINUX64);
	ck_assert_uint_eq(entry.entry, PREFERRED + 0x200);
	ck_assert_mem_eq(guest(PREFERRED), kernel + IMAGE, IMAGE_SIZE);
	ck_assert_uint_eq(*guest(PREFERRED + IMAGE_SIZE), 0);
}
END_TEST

START_TEST(a_size_rounded_up_to_16_may_pass_the_end)
{
	kernel_size -= 15;
	ck_assert_int_eq(load(), 0);
	kernel_size -= 1;
	ck_refused(-ENOEXEC, "truncated");
}
END_TEST

START_TEST(no_setup_sectors_means_four)
{
	header->setup_sects = 0;
	ck_assert_int_eq(load(), 0);
	ck_assert_mem_eq(guest(PREFERRED), kernel + 5 * 512, IMAGE_SIZE);
}
END_TEST

START_TEST(a_relocatable_kernel_moves_to_a_small_guest)
{
	ram_init(16 * MIB);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.entry, 2 * MIB + 0x200);
	ck_assert_uint_eq(params()->hdr.code32_start, 2 * MIB);
	ram_init(9 * MIB);
	ck_refused(-ENOSPC, "the kernel needs 8 MiB at 2 MiB, the guest has 9 MiB of RAM");
	ram_init(16 * MIB);
	header->relocatable_kernel = 0;
	ck_refused(-ENOSPC, "the kernel needs 8 MiB at 16 MiB, the guest has 16 MiB of RAM");
}
END_TEST

START_TEST(linux_is_told_what_there_is)
{
	const struct boot_params *p;

	initrd_init(5000);
	ck_assert_int_eq(load(), 0);
	p = params();
	ck_assert_uint_eq(p->sentinel, 0);
	ck_assert_uint_eq(p->hdr.header, 0x53726448);
	ck_assert_uint_eq(p->hdr.type_of_loader, 0xff);
	ck_assert_uint_eq(p->hdr.init_size, 0x800000);
	ck_assert_uint_eq(p->hdr.kernel_info_offset, 0);
	ck_assert_str_eq((const char *)guest(p->hdr.cmd_line_ptr), "console=ttyS0");
	ck_assert_uint_eq(p->hdr.ramdisk_image, 64 * MIB - 8192);
	ck_assert_uint_eq(p->hdr.ramdisk_size, 5000);
	ck_assert_mem_eq(guest(64 * MIB - 8192), "first", 5);
	ck_assert_mem_eq(guest(64 * MIB - 8192 + 4996), "last", 4);
	ck_assert_uint_eq(p->acpi_rsdp_addr, 0xe0000);
	ck_assert_uint_eq(p->e820_entries, 5);
	ck_assert_uint_eq(p->e820_table[0].size, 0x9fc00);
	ck_assert_uint_eq(p->e820_table[3].addr, MIB);
	ck_assert_uint_eq(p->e820_table[3].size, 63 * MIB);
	/* What follows the header in the file is code, not header. */
	for (size_t i = 0x202 + 0x6a; i < 0x2d0; i++)
		ck_assert_uint_eq(((const unsigned char *)p)[i], 0);
}
END_TEST

/* Protocol 2.12's header ends before the last field of today's. */
START_TEST(an_older_header_ends_where_it_says)
{
	header->version = 0x20c;
	header->jump = 0x66eb;
	header->kernel_info_offset = 0xcccccccc;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(params()->hdr.handover_offset, 0x190);
	ck_assert_uint_eq(params()->hdr.kernel_info_offset, 0);
}
END_TEST

START_TEST(the_tables_it_starts_on_are_what_the_protocol_wants)
{
	uint64_t root, gigabytes;

	ck_assert_int_eq(load(), 0);
	/* 64-bit code at selector 0x10, data at 0x18. */
	ck_assert_uint_eq(guest_get(X86_GDT + 0x10, 8) >> 40 & 0x20ff, 0x209b);
	ck_assert_uint_eq(guest_get(X86_GDT + 0x18, 8) >> 40 & 0x40ff, 0x4093);

	root = guest_get(X86_PAGE_TABLES, 8);
	ck_assert_uint_eq(root & 0xfff, 3);
	gigabytes = root & ~0xfffull;
	for (uint64_t gpa = 0; gpa < 4 * GIB; gpa += 2 * MIB) {
		uint64_t table = guest_get(gigabytes + (gpa >> 30) * 8, 8), page;

		ck_assert_uint_eq(table & 0xfff, 3);
		page = guest_get((table & ~0xfffull) + (gpa >> 21) % 512 * 8, 8);
		ck_assert_uint_eq(page, gpa | 0x83);
	}
	ck_assert_uint_eq(guest_get(X86_PAGE_TABLES + 8, 8), 0);
}
END_TEST

START_TEST(an_initrd_stays_below_the_kernels_limit)
{
	initrd_init(4096);
	header->initrd_addr_max = 40 * MIB - 1;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(params()->hdr.ramdisk_image, 40 * MIB - 4096);
	header->initrd_addr_max = 40 * MIB - 2;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(params()->hdr.ramdisk_image, 40 * MIB - 8192);
	header->initrd_addr_max = 0xffffffff;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(params()->hdr.ramdisk_image, 64 * MIB - 4096);
	/* So low that it has to go below the kernel: */
	header->initrd_addr_max = PREFERRED + 0x1000;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(params()->hdr.ramdisk_image, PREFERRED - 4096);
	header->initrd_addr_max = MIB;
	ck_refused(-ENOSPC, "the initrd needs");
}
END_TEST

START_TEST(the_kernel_says_how_long_a_command_line_may_be)
{
	static char cmdline[70000];

	header->cmdline_size = 100;
	memset(cmdline, 'x', sizeof(cmdline) - 1);
	config.cmdline = cmdline;
	cmdline[100] = '\0';
	ck_assert_int_eq(load(), 0);
	cmdline[100] = 'x';
	cmdline[101] = '\0';
	ck_refused(-ENOSPC, "101 bytes, this kernel takes 100");
	/* … within what there is room for. */
	header->cmdline_size = UINT32_MAX;
	cmdline[101] = 'x';
	ck_refused(-ENOSPC, "this kernel takes 65535");
}
END_TEST

/* ---- lies ---- */

static void wrong_flag(void) { header->boot_flag = 0xaa54; }
static void wrong_magic(void) { header->header++; }
static void old_protocol(void) { header->version = 0x20b; }
static void no_64_bit_entry(void) { header->xloadflags = 0; }
static void loaded_low(void) { header->loadflags = 0; }
static void all_setup(void) { header->setup_sects = 255; }
static void long_system(void) { header->syssize++; }
static void endless_system(void) { header->syssize = UINT32_MAX; }
static void tiny_system(void) { header->syssize = 0x200 / 16; }
static void no_system(void) { header->syssize = 0; }
static void payload_offset(void) { header->payload_offset = IMAGE_SIZE + 1; }
static void payload_length(void) { header->payload_length = IMAGE_SIZE - 0x300 + 1; }
static void payload_wraps(void) { header->payload_length = UINT32_MAX; }
static void small_init(void) { header->init_size = IMAGE_SIZE - 1; }
static void no_cmdline(void) { header->cmdline_size = 0; }
static void no_initrd(void) { header->initrd_addr_max = 0; }
static void fixed(void) { header->relocatable_kernel = 0; }
static void huge_init(void) { header->init_size = UINT32_MAX; }
static void low_address(void) { header->pref_address = 0x10000; fixed(); }
static void high_address(void) { header->pref_address = 4 * GIB; fixed(); }
static void endless_address(void) { header->pref_address = UINT64_MAX; fixed(); }
static void past_ram(void) { header->pref_address = 56 * MIB + 1; fixed(); }
static void aligned(uint32_t to) { header->pref_address = 60 * MIB; header->kernel_alignment = to; }
static void odd_alignment(void) { aligned(0x300000); }
static void no_alignment(void) { aligned(0); }
static void far_alignment(void) { aligned(1u << 31); }

static const struct {
	const char *name;
	void (*tell)(void);
	int error;
	const char *words;
} lies[] = {
	{ "no boot flag", wrong_flag, -ENOEXEC, "not a bzImage" },
	{ "no magic", wrong_magic, -ENOEXEC, "neither a bzImage nor an ELF" },
	{ "an old protocol", old_protocol, -ENOEXEC, "protocol 2.11" },
	{ "no 64-bit entry", no_64_bit_entry, -ENOEXEC, "64-bit" },
	{ "a zImage", loaded_low, -ENOEXEC, "zImage" },
	{ "setup code past the end", all_setup, -ENOEXEC, "truncated" },
	{ "kernel past the end", long_system, -ENOEXEC, "truncated" },
	{ "kernel far past the end", endless_system, -ENOEXEC, "truncated" },
	{ "kernel that ends at its entry", tiny_system, -ENOEXEC, "512" },
	{ "no kernel", no_system, -ENOEXEC, "512" },
	{ "payload after the kernel", payload_offset, -ENOEXEC, "payload" },
	{ "payload passes the kernel's end", payload_length, -ENOEXEC, "payload" },
	{ "payload's end wraps", payload_wraps, -ENOEXEC, "payload" },
	{ "less memory than file", small_init, -ENOEXEC, "asks for" },
	{ "no command line", no_cmdline, -ENOEXEC, "command line" },
	{ "no initrd", no_initrd, -ENOEXEC, "initrd" },
	{ "4 GiB of memory", huge_init, -ENOSPC, "64 MiB of RAM" },
	{ "below 1 MiB", low_address, -ENOSPC, "below 1 MiB" },
	{ "above 4 GiB", high_address, -ENOSPC, "64 MiB of RAM" },
	{ "at the end of everything", endless_address, -ENOSPC, "64 MiB of RAM" },
	{ "a byte past RAM", past_ram, -ENOSPC, "64 MiB of RAM" },
	{ "alignment no power of two", odd_alignment, -ENOEXEC, "power of two" },
	{ "alignment 0", no_alignment, -ENOEXEC, "power of two" },
	{ "alignment past RAM", far_alignment, -ENOSPC, "at 2048 MiB" },
};

START_TEST(a_lying_kernel_is_refused)
{
	lies[_i].tell();
	ck_assert_msg(load() == lies[_i].error, "%s: %s", lies[_i].name, vmm_last_error());
	ck_assert_msg(strstr(vmm_last_error(), lies[_i].words), "%s: %s", lies[_i].name,
		      vmm_last_error());
	ck_assert_uint_eq(entry.kind, 0);
}
END_TEST

START_TEST(a_truncated_kernel_is_refused)
{
	const size_t whole = kernel_size;

	for (kernel_size = 0; kernel_size < whole - 15; kernel_size++)
		ck_assert_msg(load() == -ENOEXEC, "at %zu: %s", kernel_size, vmm_last_error());
	ck_assert_int_eq(load(), 0);
}
END_TEST

START_TEST(a_file_that_is_something_else_is_named)
{
	memcpy(kernel, "\x1f\x8b\x08", 4);
	header->header = 0;
	ck_refused(-ENOEXEC, "1f 8b 08 00, which is gzip");
	kernel_size = 3;
	ck_refused(-ENOEXEC, "truncated");
	config.protocol = VMM_BOOT_PVH;
	kernel_size = 1000;
	ck_refused(-ENOEXEC, "not an ELF file");
}
END_TEST

START_TEST(a_file_that_shrinks_is_an_io_error)
{
	struct boot_source source;

	kernel_write();
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), 0);
	ck_assert_int_eq(ftruncate(kernel_fd, IMAGE + 100), 0);
	ck_assert_int_eq(vmm__boot_load(&mem, &source, &entry), -EIO);
	ck_assert_int_eq(ftruncate(kernel_fd, 0x210), 0);
	ck_assert_int_eq(vmm__boot_load(&mem, &source, &entry), -EIO);
	vmm__boot_source_close(&source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bzimage");
	TCase *tcase = tcase_create("bzimage");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, the_kernel_is_loaded_where_it_prefers);
	tcase_add_test(tcase, a_size_rounded_up_to_16_may_pass_the_end);
	tcase_add_test(tcase, no_setup_sectors_means_four);
	tcase_add_test(tcase, a_relocatable_kernel_moves_to_a_small_guest);
	tcase_add_test(tcase, linux_is_told_what_there_is);
	tcase_add_test(tcase, an_older_header_ends_where_it_says);
	tcase_add_test(tcase, the_tables_it_starts_on_are_what_the_protocol_wants);
	tcase_add_test(tcase, an_initrd_stays_below_the_kernels_limit);
	tcase_add_test(tcase, the_kernel_says_how_long_a_command_line_may_be);
	tcase_add_loop_test(tcase, a_lying_kernel_is_refused, 0, sizeof(lies) / sizeof(lies[0]));
	tcase_add_test(tcase, a_truncated_kernel_is_refused);
	tcase_add_test(tcase, a_file_that_is_something_else_is_named);
	tcase_add_test(tcase, a_file_that_shrinks_is_an_io_error);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
