/* SPDX-License-Identifier: MIT */
/* test_elf.c - ELF kernels, honest and otherwise, and what a PVH kernel is told. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>

#include "boot_fixture.h"

enum {
	TEXT = 0x1000, TEXT_SIZE = 0x800, TEXT_GPA = 0x1000000,
	DATA = 0x2000, DATA_SIZE = 0x400, DATA_GPA = 0x1400000,
	NOTES = 0x400, NOTES_GPA = 0x1800000,
	PVH_ENTRY = TEXT_GPA + 0x100, ELF_ENTRY = TEXT_GPA + 0x200,
};

static Elf64_Ehdr *const header = (Elf64_Ehdr *)(void *)kernel;
static Elf64_Phdr *const segments = (Elf64_Phdr *)(void *)(kernel + sizeof(Elf64_Ehdr));
static size_t notes_size;

static void note_add(const char *name, uint32_t type, const void *desc, uint32_t size)
{
	unsigned char *at = kernel + NOTES + notes_size;
	Elf64_Nhdr note = { (uint32_t)strlen(name) + 1, size, type };

	memcpy(at, &note, sizeof(note));
	strcpy((char *)at + sizeof(note), name);
	at += sizeof(note) + ((note.n_namesz + 3) & ~3u);
	memcpy(at, desc, size);
	notes_size = (size_t)(at + ((size + 3) & ~3u) - kernel) - NOTES;
	segments[2].p_filesz = segments[2].p_memsz = notes_size;
}

static void setup(void)
{
	const uint64_t pvh = PVH_ENTRY;

	fixture_init();
	notes_size = 0;
	kernel_size = DATA + DATA_SIZE;
	memcpy(header->e_ident, ELFMAG, SELFMAG);
	header->e_ident[EI_CLASS] = ELFCLASS64;
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_ident[EI_VERSION] = EV_CURRENT;
	header->e_type = ET_EXEC;
	header->e_machine = EM_X86_64;
	header->e_version = EV_CURRENT;
	header->e_entry = ELF_ENTRY;
	header->e_phoff = sizeof(*header);
	header->e_phentsize = sizeof(*segments);
	header->e_phnum = 3;
	segments[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = TEXT, .p_paddr = TEXT_GPA,
		.p_filesz = TEXT_SIZE, .p_memsz = TEXT_SIZE,
	};
	segments[1] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = DATA, .p_paddr = DATA_GPA,
		.p_filesz = DATA_SIZE, .p_memsz = 0x10000,
	};
	segments[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTES, .p_paddr = NOTES_GPA };
	note_add("GNU", 3, "build id", 8);
	note_add("Xen", 5, "other", 5);
	note_add("Xen", 18, &pvh, sizeof(pvh));
	for (size_t i = 0; i < TEXT_SIZE; i++)
		kernel[TEXT + i] = (unsigned char)i;
	memset(kernel + DATA, 0xda, DATA_SIZE);
}

/* ---- honest ones ---- */

START_TEST(segments_go_to_their_physical_addresses)
{
	ck_assert_int_eq(load(), 0);
	ck_assert_mem_eq(guest(TEXT_GPA), kernel + TEXT, TEXT_SIZE);
	ck_assert_mem_eq(guest(DATA_GPA), kernel + DATA, DATA_SIZE);
	ck_assert_uint_eq(*guest(DATA_GPA + DATA_SIZE), 0);
	/* … and what is not to be loaded, nowhere. */
	ck_assert_uint_eq(guest_get(NOTES_GPA, 8), 0);
}
END_TEST

START_TEST(a_note_chooses_pvh_and_none_the_64_bit_entry)
{
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.kind, X86_BOOT_PVH);
	ck_assert_uint_eq(entry.entry, PVH_ENTRY);

	config.protocol = VMM_BOOT_ELF;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.kind, X86_BOOT_LINUX64);
	ck_assert_uint_eq(entry.entry, ELF_ENTRY);

	config.protocol = VMM_BOOT_AUTO;
	segments[2].p_type = PT_NULL;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.kind, X86_BOOT_LINUX64);
}
END_TEST

START_TEST(a_pvh_entry_may_be_4_bytes)
{
	const uint32_t pvh = PVH_ENTRY + 4;

	notes_size = 0;
	note_add("Xen", 18, &pvh, sizeof(pvh));
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.entry, PVH_ENTRY + 4);
}
END_TEST

START_TEST(the_last_note_need_not_be_padded)
{
	notes_size = 0;
	note_add("Xen", 5, "other", 5);
	segments[2].p_filesz = 12 + 4 + 5;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(entry.kind, X86_BOOT_LINUX64);
}
END_TEST

/* Offsets: Xen's start_info.h. */
START_TEST(a_pvh_kernel_is_told_what_there_is)
{
	uint64_t info, module, map;

	config.cmdline = "console=ttyS0 quiet";
	initrd_init(10000);
	ck_assert_int_eq(load(), 0);
	info = entry.argument;
	ck_assert_uint_eq(guest_get(info, 4), 0x336ec578);
	ck_assert_uint_eq(guest_get(info + 4, 4), 1);
	ck_assert_uint_eq(guest_get(info + 12, 4), 1);
	ck_assert_str_eq((const char *)guest(guest_get(info + 24, 8)), "console=ttyS0 quiet");
	ck_assert_uint_eq(guest_get(info + 32, 8), 0xe0000);

	module = guest_get(info + 16, 8);
	ck_assert_uint_eq(guest_get(module, 8), 64 * MIB - 3 * 4096);
	ck_assert_uint_eq(guest_get(module + 8, 8), 10000);
	ck_assert_mem_eq(guest(64 * MIB - 3 * 4096), "first", 5);
	ck_assert_mem_eq(guest(64 * MIB - 3 * 4096 + 9996), "last", 4);

	map = guest_get(info + 40, 8);
	ck_assert_uint_eq(guest_get(info + 48, 4), 5);
	ck_assert_uint_eq(guest_get(map, 8), 0);
	ck_assert_uint_eq(guest_get(map + 8, 8), 0x9fc00);
	ck_assert_uint_eq(guest_get(map + 16, 4), 1);
	ck_assert_uint_eq(guest_get(map + 3 * 24, 8), 1 * MIB);
	ck_assert_uint_eq(guest_get(map + 3 * 24 + 8, 8), 63 * MIB);
	ck_assert_uint_eq(guest_get(map + 4 * 24, 8), X86_ECAM_BASE);
	ck_assert_uint_eq(guest_get(map + 4 * 24 + 16, 4), 2);
}
END_TEST

START_TEST(no_initrd_is_no_module)
{
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(guest_get(entry.argument + 12, 4), 0);
	initrd_init(4);
	ck_assert_int_eq(ftruncate(initrd_fd, 0), 0);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(guest_get(entry.argument + 12, 4), 0);
}
END_TEST

START_TEST(ram_above_4_gib_is_in_the_map)
{
	uint64_t map;

	ram_init(5 * GIB);
	initrd_init(4096);
	ck_assert_int_eq(load(), 0);
	map = guest_get(entry.argument + 40, 8);
	ck_assert_uint_eq(guest_get(entry.argument + 48, 4), 6);
	for (uint64_t at = map; at < map + 5 * 24; at += 24)
		ck_assert_uint_le(guest_get(at, 8) + guest_get(at + 8, 8), guest_get(at + 24, 8));
	ck_assert_uint_eq(guest_get(map + 5 * 24, 8), 4 * GIB);
	ck_assert_uint_eq(guest_get(map + 5 * 24 + 8, 8), 2 * GIB);
	/* The initrd stays where 32 bits reach. */
	ck_assert_mem_eq(guest(3 * GIB - 4096), "first", 5);
}
END_TEST

/* ---- room ---- */

START_TEST(a_kernel_that_does_not_fit_is_told_what_would)
{
	segments[1].p_memsz = 43 * MIB;
	ram_init(32 * MIB);
	ck_refused(-ENOSPC, "the kernel needs 43 MiB at 20 MiB, the guest has 32 MiB of RAM");
	ram_init(MIB);
	ck_refused(-ENOSPC, "1 MiB");
	ram_init(4096);
	ck_refused(-ENOSPC, "4 KiB");
}
END_TEST

START_TEST(an_initrd_goes_below_a_kernel_at_the_top)
{
	segments[1].p_paddr = 64 * MIB - 0x10000;
	segments[0].p_paddr = 64 * MIB - 0x20000;
	header->e_entry = segments[0].p_paddr;
	config.protocol = VMM_BOOT_ELF;
	initrd_init(8192);
	ck_assert_int_eq(load(), 0);
	ck_assert_mem_eq(guest(64 * MIB - 0x20000 - 8192), "first", 5);
}
END_TEST

START_TEST(an_initrd_that_does_not_fit_is_told_what_would)
{
	static const uint64_t sizes[] = { 44 * MIB, 63 * MIB, 64 * MIB, 65 * MIB, 1ull << 40 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		initrd_init(sizes[i]);
		ck_refused(-ENOSPC, "the initrd needs");
	}
	/* Exactly the room between the kernel and the end of RAM. */
	initrd_init(64 * MIB - (DATA_GPA + 0x10000));
	ck_assert_int_eq(load(), 0);
	ck_assert_mem_eq(guest(DATA_GPA), kernel + DATA, DATA_SIZE);
	initrd_init(64 * MIB - (DATA_GPA + 0x10000) + 1);
	ck_refused(-ENOSPC, "the initrd needs 44 MiB");
}
END_TEST

START_TEST(a_command_line_has_a_limit)
{
	static char cmdline[70000];

	memset(cmdline, 'x', sizeof(cmdline));
	config.cmdline = cmdline;
	cmdline[65535] = '\0';
	ck_assert_int_eq(load(), 0);
	ck_assert_str_eq((const char *)guest(X86_CMDLINE), cmdline);
	cmdline[65535] = 'x';
	cmdline[65536] = '\0';
	ck_refused(-ENOSPC, "65536 bytes");

	config.protocol = VMM_BOOT_ELF;
	cmdline[2047] = '\0';
	ck_assert_int_eq(load(), 0);
	cmdline[2047] = 'x';
	cmdline[2048] = '\0';
	ck_refused(-ENOSPC, "2048 bytes");
}
END_TEST

/* ---- lies ---- */

static void wrong_magic(void) { kernel[1] = 'e'; }
static void class_32(void) { header->e_ident[EI_CLASS] = ELFCLASS32; }
static void big_endian(void) { header->e_ident[EI_DATA] = ELFDATA2MSB; }
static void aarch64(void) { header->e_machine = EM_AARCH64; }
static void object(void) { header->e_type = ET_REL; }
static void core_dump(void) { header->e_type = ET_CORE; }
static void entry_size(void) { header->e_phentsize = 32; }
static void no_headers(void) { header->e_phnum = 0; }
static void many_headers(void) { header->e_phnum = 65; }
static void headers_after_end(void) { header->e_phoff = kernel_size - 3 * sizeof(*segments) + 1; }
static void headers_wrap(void) { header->e_phoff = UINT64_MAX - 10; }
static void file_over_memory(void) { segments[0].p_memsz = TEXT_SIZE - 1; }
static void file_after_end(void) { segments[1].p_offset++; }
static void offset_wraps(void) { segments[1].p_offset = UINT64_MAX - 16; }
static void filesz_wraps(void) { segments[1].p_filesz = segments[1].p_memsz = UINT64_MAX; }
static void paddr_wraps(void) { segments[1].p_paddr = UINT64_MAX - 0x1000; }
static void over_tables(void) { segments[1].p_paddr = 0xe0000; }
static void over_start_info(void) { segments[1].p_paddr = 0; }
static void just_below_1m(void) { segments[1].p_paddr = MIB - 1; }
static void past_ram(void) { segments[1].p_paddr = 64 * MIB - 0xffff; }
static void in_hole(void) { segments[1].p_paddr = X86_LAPIC_BASE; }
static void huge_bss(void) { segments[1].p_memsz = UINT64_MAX - DATA_GPA; }
static void overlapping(void) { segments[1].p_paddr = TEXT_GPA + TEXT_SIZE - 1; }
static void nothing_loaded(void) { segments[0].p_type = segments[1].p_type = PT_NULL; }
static void note_after_end(void) { segments[2].p_offset = kernel_size - notes_size + 1; }
static void note_huge(void) { segments[2].p_filesz = 1 << 30; }
static void note_name_long(void) { *(uint32_t *)(void *)(kernel + NOTES) = UINT32_MAX; }
static void note_desc_long(void) { *(uint32_t *)(void *)(kernel + NOTES + 4) = UINT32_MAX; }
static void note_desc_past(void) { segments[2].p_filesz -= 1; }

static void pvh(uint64_t value)
{
	memcpy(kernel + NOTES + notes_size - 8, &value, 8);
}

static void pvh_zero(void) { pvh(0); }
static void pvh_outside(void) { pvh(TEXT_GPA + TEXT_SIZE); }
static void pvh_in_bss(void) { pvh(DATA_GPA + DATA_SIZE); }
static void pvh_high(void) { pvh(1ull << 32 | PVH_ENTRY); }
static void pvh_odd_size(void) { kernel[NOTES + notes_size - 20] = 7; }

static const struct {
	const char *name;
	void (*tell)(void);
	int error;
	const char *words;
} *lies_at, lies[] = {
	{ "wrong magic", wrong_magic, -ENOEXEC, "neither a bzImage nor an ELF" },
	{ "32-bit", class_32, -ENOEXEC, "not a 64-bit" },
	{ "big endian", big_endian, -ENOEXEC, "not for x86-64" },
	{ "another architecture", aarch64, -ENOEXEC, "machine 183" },
	{ "an object file", object, -ENOEXEC, "type 1" },
	{ "a core dump", core_dump, -ENOEXEC, "type 4" },
	{ "program headers of another size", entry_size, -ENOEXEC, "32 bytes" },
	{ "no program headers", no_headers, -ENOEXEC, "0 program headers" },
	{ "too many program headers", many_headers, -ENOEXEC, "65 program headers" },
	{ "program headers pass the end", headers_after_end, -ENOEXEC, "truncated" },
	{ "program headers wrap", headers_wrap, -ENOEXEC, "truncated" },
	{ "more in the file than in memory", file_over_memory, -ENOEXEC, "segment 0" },
	{ "segment passes the end", file_after_end, -ENOEXEC, "truncated" },
	{ "segment offset wraps", offset_wraps, -ENOEXEC, "truncated" },
	{ "segment file size wraps", filesz_wraps, -ENOEXEC, "truncated" },
	{ "segment address wraps", paddr_wraps, -ENOEXEC, "wraps" },
	{ "segment over the tables", over_tables, -ENOSPC, "below 1 MiB" },
	{ "segment over the start information", over_start_info, -ENOSPC, "below 1 MiB" },
	{ "segment a byte below 1 MiB", just_below_1m, -ENOSPC, "below 1 MiB" },
	{ "segment a byte past RAM", past_ram, -ENOSPC, "64 MiB of RAM" },
	{ "segment in the hole", in_hole, -ENOSPC, "64 MiB of RAM" },
	{ "segment larger than RAM", huge_bss, -ENOSPC, "64 MiB of RAM" },
	{ "segments overlap", overlapping, -ENOEXEC, "segments 0 and 1 overlap" },
	{ "nothing to load", nothing_loaded, -ENOEXEC, "nothing to load" },
	{ "notes pass the end", note_after_end, -ENOEXEC, "truncated" },
	{ "a gigabyte of notes", note_huge, -ENOEXEC, "notes" },
	{ "a note's name passes the end", note_name_long, -ENOEXEC, "name" },
	{ "a note passes the end", note_desc_long, -ENOEXEC, "a note of 4294967295" },
	{ "the last note passes the end by a byte", note_desc_past, -ENOEXEC, "a note of 8" },
	{ "PVH entry 0", pvh_zero, -ENOEXEC, "the entry 0x0" },
	{ "PVH entry outside", pvh_outside, -ENOEXEC, "the entry" },
	{ "PVH entry not from the file", pvh_in_bss, -ENOEXEC, "the entry" },
	{ "PVH entry over 4 GiB", pvh_high, -ENOEXEC, "over 4 GiB" },
	{ "PVH note of 7 bytes", pvh_odd_size, -ENOEXEC, "7 bytes, not 4 or 8" },
};

static void ck_lie(uint32_t protocol, const char *words)
{
	config.protocol = protocol;
	ck_assert_msg(load() == lies_at->error, "%s: %s", lies_at->name, vmm_last_error());
	ck_assert_msg(strstr(vmm_last_error(), words), "%s: %s", lies_at->name, vmm_last_error());
	ck_assert_uint_eq(entry.kind, 0);
}

/* By whichever way the file is read. */
START_TEST(a_lying_kernel_is_refused)
{
	lies_at = &lies[_i];
	lies_at->tell();
	ck_lie(VMM_BOOT_AUTO, lies_at->words);
	if (lies_at->tell == wrong_magic)
		ck_lie(VMM_BOOT_PVH, "not an ELF file");
	else
		ck_lie(VMM_BOOT_PVH, lies_at->words);
}
END_TEST

START_TEST(a_flood_of_notes_is_refused)
{
	struct boot_source source;

	segments[2].p_filesz = (1 << 20) + 1;
	kernel_write();
	ck_assert_int_eq(ftruncate(kernel_fd, 4 << 20), 0);
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), 0);
	ck_assert_int_eq(vmm__boot_load(&mem, &source, &entry), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "bytes of notes"));
	vmm__boot_source_close(&source);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_io_error)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", kernel_fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_gt(fd, 0);
	config.kernel_fd = fd;
	ck_refused(-EIO, "cannot read the kernel's magic number");
	close(fd);
}
END_TEST

START_TEST(pvh_needs_a_note_when_asked_for)
{
	config.protocol = VMM_BOOT_PVH;
	ck_assert_int_eq(load(), 0);
	kernel[NOTES + 12 + 4 + 8] = 0;
	segments[2].p_filesz = 24;
	ck_refused(-ENOEXEC, "no PVH note");
	config.protocol = VMM_BOOT_BZIMAGE;
	ck_refused(-ENOEXEC, "not a bzImage");
}
END_TEST

/* Every length but the whole: an error, and no byte of the guest's memory out of bounds. */
START_TEST(a_truncated_kernel_is_refused)
{
	const size_t whole = kernel_size;

	for (kernel_size = 0; kernel_size < whole; kernel_size++)
		ck_assert_msg(load() == -ENOEXEC, "at %zu: %s", kernel_size, vmm_last_error());
	ck_assert_int_eq(load(), 0);
}
END_TEST

START_TEST(a_file_that_shrinks_is_an_io_error)
{
	struct boot_source source;

	kernel_write();
	initrd_init(8192);
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), 0);
	ck_assert_int_eq(ftruncate(initrd_fd, 100), 0);
	ck_assert_int_eq(vmm__boot_load(&mem, &source, &entry), -EIO);
	ck_assert_int_eq(ftruncate(kernel_fd, DATA), 0);
	ck_assert_int_eq(vmm__boot_load(&mem, &source, &entry), -EIO);
	ck_assert_int_eq(ftruncate(kernel_fd, 10), 0);
	ck_assert_int_eq(vmm__boot_load(&mem, &source, &entry), -EIO);
	ck_assert_uint_eq(entry.kind, 0);
	vmm__boot_source_close(&source);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("elf");
	TCase *tcase = tcase_create("elf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, segments_go_to_their_physical_addresses);
	tcase_add_test(tcase, a_note_chooses_pvh_and_none_the_64_bit_entry);
	tcase_add_test(tcase, a_pvh_entry_may_be_4_bytes);
	tcase_add_test(tcase, the_last_note_need_not_be_padded);
	tcase_add_test(tcase, a_pvh_kernel_is_told_what_there_is);
	tcase_add_test(tcase, no_initrd_is_no_module);
	tcase_add_test(tcase, ram_above_4_gib_is_in_the_map);
	tcase_add_test(tcase, a_kernel_that_does_not_fit_is_told_what_would);
	tcase_add_test(tcase, an_initrd_goes_below_a_kernel_at_the_top);
	tcase_add_test(tcase, an_initrd_that_does_not_fit_is_told_what_would);
	tcase_add_test(tcase, a_command_line_has_a_limit);
	tcase_add_loop_test(tcase, a_lying_kernel_is_refused, 0, sizeof(lies) / sizeof(lies[0]));
	tcase_add_test(tcase, a_flood_of_notes_is_refused);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_an_io_error);
	tcase_add_test(tcase, pvh_needs_a_note_when_asked_for);
	tcase_add_test(tcase, a_truncated_kernel_is_refused);
	tcase_add_test(tcase, a_file_that_shrinks_is_an_io_error);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
