/* SPDX-License-Identifier: MIT */
/* test_image.c - Linux's Image: where it goes, what is refused, plain and compressed. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvmm/regs.h>
#include "boot/boot_priv.h"
#include "boot/image_priv.h"
#include "core/memory_priv.h"

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#define MIB	(1ull << 20)
#define BASE	(1ull << 30)
#define RAM	(16 * MIB)
#define SIZE	400000u			/* of the image, with what is not in the file */
#define PE_AT	64u
#define SECTION(n)	(PE_AT + 24 + 240 + 40u * (n))

static unsigned char kernel[300000], packed[400000];
static size_t packed_size;
static struct vmm_mem mem;
static struct vmm_boot_config config;
static struct image_place at;
static const struct image_rules *rules;
static int kernel_fd;

static void put(size_t offset, uint64_t value, size_t bytes)
{
	memcpy(kernel + offset, &value, bytes);
}

static const uint32_t archs[] = { VMM_ARCH_AARCH64, VMM_ARCH_RISCV64 };
static const char *const magics[] = { "ARM\x64", "RSC\5" };

/* The header of an architecture's, and a PE header with two sections that end where the file does. */
static void image_init(int i)
{
	rules = vmm__image_rules(archs[i]);
	ck_assert_ptr_nonnull(rules);
	for (size_t n = 0; n < sizeof(kernel); n++)
		kernel[n] = (unsigned char)(n * 7 + n / 251);
	memset(kernel, 0, 1024);
	memcpy(kernel, "MZ", 2);
	put(8, 0, 8);
	put(16, SIZE, 8);
	memcpy(kernel + 56, magics[i], 4);
	put(60, PE_AT, 4);
	memcpy(kernel + PE_AT, "PE\0\0", 4);
	put(PE_AT + 6, 2, 2);
	put(PE_AT + 20, 240, 2);
	put(SECTION(0) + 16, 100000, 4);
	put(SECTION(0) + 20, 4096, 4);
	put(SECTION(1) + 16, sizeof(kernel) - 104096, 4);
	put(SECTION(1) + 20, 104096, 4);
}

static void setup(void)
{
	mem.nr_regions = 1;
	mem.regions[0] = (struct mem_region){
		.gpa = BASE, .size = RAM,
		.host = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	};
	kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	config = (struct vmm_boot_config)VMM_BOOT_CONFIG_INIT;
	config.kernel_fd = kernel_fd;
	image_init(0);
}

static int load_bytes(const void *bytes, size_t size)
{
	struct boot_source source;
	int r;

	ck_assert_int_eq(ftruncate(kernel_fd, 0), 0);
	ck_assert_int_eq(pwrite(kernel_fd, bytes, size, 0), (ssize_t)size);
	r = vmm__boot_source_open(&source, &config);
	if (r < 0)
		return r;
	r = vmm__image_load(&mem, &source, rules, &at);
	vmm__boot_source_close(&source);
	return r;
}

static int load(void)
{
	return load_bytes(kernel, sizeof(kernel));
}

static const unsigned char *guest(vmm_gpa_t gpa)
{
	return mem.regions[0].host + (gpa - BASE);
}

#define ck_refused(result, error, words)						\
	do {										\
		ck_assert_int_eq(result, error);					\
		ck_assert_msg(strstr(vmm_last_error(), words), "\"%s\" has no \"%s\"",	\
			      vmm_last_error(), words);					\
	} while (0)

START_TEST(an_image_goes_where_it_wants_to_be)
{
	static const uint64_t offsets[] = { 0, 0x80000, 0x200000 };

	for (size_t i = 0; i < 3; i++) {
		image_init(_i);
		put(8, offsets[i], 8);
		ck_assert_msg(load() == 0, "%s", vmm_last_error());
		ck_assert_uint_eq(at.start, BASE + offsets[i]);
		ck_assert_uint_eq(at.end, at.start + SIZE);
		ck_assert_mem_eq(guest(at.start), kernel, sizeof(kernel));
	}
}
END_TEST

/* RAM need not begin at a multiple of 2 MiB: the kernel does. */
START_TEST(it_is_aligned_to_2_mib)
{
	mem.regions[0].gpa = BASE + 4096;
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(at.start, BASE + 2 * MIB);
	ck_assert_mem_eq(mem.regions[0].host + 2 * MIB - 4096, kernel, sizeof(kernel));
}
END_TEST

START_TEST(an_image_that_does_not_fit_is_refused)
{
	put(16, RAM + 1, 8);
	ck_refused(load(), -ENOSPC, "16 MiB");
	put(16, RAM, 8);
	ck_assert_int_eq(load(), 0);
	put(8, 4096, 8);
	ck_refused(load(), -ENOSPC, "needs");
	put(8, UINT64_MAX - 4095, 8);
	ck_refused(load(), -ENOSPC, "needs");
	put(8, 0, 8);
	put(16, UINT64_MAX, 8);
	ck_refused(load(), -ENOSPC, "needs");
	put(16, SIZE, 8);
	mem.regions[0].size = MIB;
	mem.regions[0].gpa = BASE + 4096;
	ck_refused(load(), -ENOSPC, "needs");
}
END_TEST

START_TEST(what_is_no_image_is_refused_with_words)
{
	static const unsigned char zboot[] = { 'M', 'Z', 0, 0, 'z', 'i', 'm', 'g' };

	memcpy(kernel + 56, magics[1], 4);
	ck_refused(load(), -ENOEXEC, "riscv64, this machine is aarch64");
	memcpy(kernel + 56, "none", 4);
	ck_refused(load(), -ENOEXEC, "no Image for aarch64");
	memcpy(kernel, zboot, sizeof(zboot));
	ck_refused(load(), -ENOEXEC, "zboot");
	memcpy(kernel, "\177ELF", 4);
	ck_refused(load(), -ENOEXEC, "ELF");
	ck_refused(load_bytes(kernel, 63), -ENOEXEC, "truncated");
	ck_refused(load_bytes(kernel, 1), -ENOEXEC, "truncated");
	image_init(1);
	memcpy(kernel + 56, magics[0], 4);
	ck_refused(load(), -ENOEXEC, "aarch64, this machine is riscv64");
}
END_TEST

START_TEST(a_header_with_impossible_numbers_is_refused)
{
	put(16, 0, 8);
	ck_refused(load(), -ENOEXEC, "3.17");
	put(16, 63, 8);
	ck_refused(load(), -ENOEXEC, "63 bytes");
	image_init(0);
	put(8, 0x800, 8);
	ck_refused(load(), -ENOEXEC, "0x800");
	image_init(0);
	put(24, 1, 8);
	ck_refused(load(), -ENOEXEC, "big-endian");
}
END_TEST

START_TEST(a_file_that_was_cut_off_is_refused)
{
	ck_refused(load_bytes(kernel, sizeof(kernel) - 1), -ENOEXEC, "truncated");
	ck_refused(load_bytes(kernel, sizeof(kernel) / 2), -ENOEXEC, "truncated");
	ck_refused(load_bytes(kernel, SECTION(1) + 10), -ENOEXEC, "truncated");
	ck_refused(load_bytes(kernel, PE_AT + 10), -ENOEXEC, "truncated");
	/* One without a PE header may be as short as it likes. */
	memcpy(kernel, "\0\0", 2);
	ck_assert_int_eq(load_bytes(kernel, 64), 0);
	/* Numbers that wrap. */
	image_init(0);
	put(SECTION(0) + 16, UINT32_MAX, 4);
	put(SECTION(0) + 20, UINT32_MAX, 4);
	ck_refused(load(), -ENOEXEC, "truncated");
	image_init(0);
	put(60, UINT32_MAX, 4);
	ck_refused(load(), -ENOEXEC, "truncated");
	image_init(0);
	put(PE_AT + 6, 0xffff, 2);
	put(PE_AT + 20, 0xffff, 2);
	ck_assert_int_le(load(), 0);
}
END_TEST

/* A signature behind the image is no part of it, and is not written behind its memory. */
START_TEST(what_is_behind_the_image_is_left_out)
{
	put(60, 0, 4);
	put(16, 200000, 8);
	ck_assert_int_eq(load(), 0);
	ck_assert_mem_eq(guest(at.start), kernel, 200000);
	for (uint32_t i = 0; i < 4096; i++)
		ck_assert_uint_eq(guest(at.start)[200000 + i], 0);
}
END_TEST

/* ---- compressed ---- */

#ifdef HAVE_ZLIB
static void pack(void)
{
	z_stream s = { 0 };

	ck_assert_int_eq(deflateInit2(&s, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	s.next_in = kernel;
	s.avail_in = sizeof(kernel);
	s.next_out = packed;
	s.avail_out = sizeof(packed);
	ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	packed_size = s.total_out;
	deflateEnd(&s);
}

START_TEST(a_compressed_image_is_unpacked)
{
	image_init(_i);
	put(8, 0x200000, 8);
	pack();
	ck_assert_msg(load_bytes(packed, packed_size) == 0, "%s", vmm_last_error());
	ck_assert_uint_eq(at.start, BASE + 2 * MIB);
	ck_assert_uint_eq(at.end, at.start + SIZE);
	ck_assert_mem_eq(guest(at.start), kernel, sizeof(kernel));
}
END_TEST

START_TEST(corrupt_data_is_refused)
{
	pack();
	for (size_t n = 2; n < packed_size; n += packed_size / 50)
		ck_refused(load_bytes(packed, n), -ENOEXEC, "truncated");
	ck_refused(load_bytes(packed, packed_size - 1), -ENOEXEC, "truncated");
	packed[packed_size - 6] ^= 1;		/* of the checksum */
	ck_refused(load_bytes(packed, packed_size), -ENOEXEC, "corrupt");
	pack();
	for (size_t n = 12; n < packed_size - 8; n += packed_size / 40) {
		packed[n] ^= 0x55;
		ck_assert_int_eq(load_bytes(packed, packed_size), -ENOEXEC);
		packed[n] ^= 0x55;
	}
	ck_assert_int_eq(load_bytes(packed, packed_size), 0);
}
END_TEST

START_TEST(what_is_unpacked_obeys_the_same_rules)
{
	memcpy(kernel + 56, magics[1], 4);
	pack();
	ck_refused(load_bytes(packed, packed_size), -ENOEXEC, "riscv64, this machine is aarch64");
	image_init(0);
	put(16, RAM + 1, 8);
	pack();
	ck_refused(load_bytes(packed, packed_size), -ENOSPC, "needs");
	image_init(0);
	put(SECTION(1) + 16, sizeof(kernel), 4);
	pack();
	ck_refused(load_bytes(packed, packed_size), -ENOEXEC, "truncated");
	/* More than its header says: not a byte of it is written behind its memory. */
	image_init(0);
	put(60, 0, 4);
	put(16, 200000, 8);
	pack();
	memset(mem.regions[0].host, 0, RAM);
	ck_assert_int_eq(load_bytes(packed, packed_size), 0);
	ck_assert_mem_eq(guest(at.start), kernel, 200000);
	for (uint32_t i = 0; i < 4096; i++)
		ck_assert_uint_eq(guest(at.start)[200000 + i], 0);
}
END_TEST
#else
START_TEST(a_compressed_image_is_refused_without_zlib)
{
	ck_refused(load_bytes("\x1f\x8b and more", 12), -ENOEXEC, "zlib");
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("image");
	TCase *tcase = tcase_create("image");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, an_image_goes_where_it_wants_to_be, 0, 2);
	tcase_add_test(tcase, it_is_aligned_to_2_mib);
	tcase_add_test(tcase, an_image_that_does_not_fit_is_refused);
	tcase_add_test(tcase, what_is_no_image_is_refused_with_words);
	tcase_add_test(tcase, a_header_with_impossible_numbers_is_refused);
	tcase_add_test(tcase, a_file_that_was_cut_off_is_refused);
	tcase_add_test(tcase, what_is_behind_the_image_is_left_out);
#ifdef HAVE_ZLIB
	tcase_add_loop_test(tcase, a_compressed_image_is_unpacked, 0, 2);
	tcase_add_test(tcase, corrupt_data_is_refused);
	tcase_add_test(tcase, what_is_unpacked_obeys_the_same_rules);
#else
	tcase_add_test(tcase, a_compressed_image_is_refused_without_zlib);
#endif
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
