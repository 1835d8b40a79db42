/* SPDX-License-Identifier: MIT */
/* test_memory.c - the one door to guest memory, at every edge. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/memory_priv.h"
#include "core/ram_priv.h"

/* Two adjacent regions, then a hole, then a read-only one. */
enum { PAGE = 4096, LOW = 0x1000, NEXT = LOW + PAGE, ROM = NEXT + 2 * PAGE, ROM_END = ROM + PAGE };

static unsigned char low[PAGE], next[PAGE], rom[PAGE];
static struct vmm_mem mem;

static void setup(void)
{
	memset(low, 0x11, PAGE);
	memset(next, 0x22, PAGE);
	memset(rom, 0x33, PAGE);
	mem = (struct vmm_mem){
		.regions = {
			{ .gpa = LOW, .size = PAGE, .host = low },
			{ .gpa = NEXT, .size = PAGE, .host = next },
			{ .gpa = ROM, .size = PAGE, .host = rom, .read_only = true },
		},
		.nr_regions = 3,
	};
}

START_TEST(a_copy_may_cross_regions)
{
	unsigned char bytes[16];

	ck_assert_int_eq(vmm_mem_read(&mem, NEXT - 8, bytes, 16), 0);
	ck_assert_mem_eq(bytes, "\x11\x11\x11\x11\x11\x11\x11\x11\x22\x22\x22\x22\x22\x22\x22\x22", 16);
	memset(bytes, 0x44, sizeof(bytes));
	ck_assert_int_eq(vmm_mem_write(&mem, NEXT - 8, bytes, 16), 0);
	ck_assert_int_eq(low[PAGE - 1], 0x44);
	ck_assert_int_eq(next[7], 0x44);
	ck_assert_int_eq(next[8], 0x22);
}
END_TEST

/* Each row is a range that is not, or not all, guest memory. */
static const struct {
	const char *name;
	vmm_gpa_t gpa;
	uint64_t len;
} holes[] = {
	{ "below the first region",	LOW - 1,	2 },
	{ "into the hole",		ROM - 2 * PAGE + PAGE - 1,	2 },
	{ "inside the hole",		NEXT + PAGE,	1 },
	{ "past the last region",	ROM_END - 1,	2 },
	{ "far away",			1ull << 40,	1 },
	{ "wraps",			UINT64_MAX,	2 },
	{ "wraps to the start",		UINT64_MAX - 7,	LOW + 16 },
	{ "all of it",			0,		UINT64_MAX },
};

START_TEST(a_range_outside_memory_moves_nothing)
{
	static unsigned char bytes[2 * PAGE];
	struct iovec iov[8];
	size_t len = holes[_i].len < sizeof(bytes) ? holes[_i].len : sizeof(bytes);

	memset(bytes, 0x55, sizeof(bytes));
	ck_assert_msg(vmm_mem_iov(&mem, holes[_i].gpa, holes[_i].len, VMM_MEM_READ, iov, 8) == -EFAULT,
		      "%s", holes[_i].name);
	ck_assert_int_lt(vmm_mem_write(&mem, holes[_i].gpa, bytes, len), 0);
	ck_assert_int_eq(vmm_mem_read(&mem, holes[_i].gpa, bytes, len), -EFAULT);
	ck_assert_int_eq(bytes[0], 0x55);
	for (int i = 0; i < PAGE; i++)
		ck_assert(low[i] == 0x11 && next[i] == 0x22 && rom[i] == 0x33);
}
END_TEST

START_TEST(read_only_memory_is_read_and_not_written)
{
	unsigned char bytes[4] = { 0 };
	struct iovec iov[2];

	ck_assert_int_eq(vmm_mem_read(&mem, ROM, bytes, 4), 0);
	ck_assert_int_eq(bytes[3], 0x33);
	ck_assert_int_eq(vmm_mem_write(&mem, ROM, bytes, 4), -EACCES);
	ck_assert_int_eq(vmm_mem_iov(&mem, ROM, 4, VMM_MEM_READ | VMM_MEM_WRITE, iov, 2), -EACCES);
	ck_assert_int_eq(vmm__mem_store16(&mem, ROM, 1), -EFAULT);
}
END_TEST

START_TEST(segments_are_counted)
{
	struct iovec iov[2];

	ck_assert_int_eq(vmm_mem_iov(&mem, LOW, 0, VMM_MEM_READ, iov, 0), 0);
	ck_assert_int_eq(vmm_mem_iov(&mem, LOW, 2 * PAGE, VMM_MEM_READ, iov, 2), 2);
	ck_assert_uint_eq(iov[1].iov_len, PAGE);
	ck_assert_int_eq(vmm_mem_iov(&mem, LOW, 2 * PAGE, VMM_MEM_READ, iov, 1), -ENOBUFS);
}
END_TEST

START_TEST(indices_are_loaded_whole_or_not_at_all)
{
	uint16_t value = 0;

	ck_assert_int_eq(vmm__mem_store16(&mem, LOW + 2, 0x1234), 0);
	ck_assert_int_eq(vmm__mem_load16(&mem, LOW + 2, &value), 0);
	ck_assert_uint_eq(value, 0x1234);
	ck_assert_int_eq(vmm__mem_load16(&mem, LOW + 1, &value), -EFAULT);
	ck_assert_int_eq(vmm__mem_load16(&mem, NEXT - 1, &value), -EFAULT);
	ck_assert_int_eq(vmm__mem_load16(&mem, ROM_END - 1, &value), -EFAULT);
}
END_TEST

START_TEST(a_file_is_read_into_memory_or_its_early_end_is_told)
{
	char path[] = "/tmp/test_memory.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(pwrite(fd, "abcdefgh", 8, 0), 8);
	ck_assert_int_eq(vmm__mem_read_file(&mem, NEXT - 2, 4, fd, 1), 0);
	ck_assert_mem_eq(low + PAGE - 2, "bc", 2);
	ck_assert_mem_eq(next, "de", 2);
	ck_assert_int_eq(vmm__mem_read_file(&mem, LOW, 9, fd, 0), -EIO);
	ck_assert_int_eq(vmm__mem_read_file(&mem, ROM, 4, fd, 0), -EACCES);
	close(fd);
}
END_TEST

/* ---- what there is, and giving it back ---- */

START_TEST(ranges_are_described_in_order)
{
	struct vmm_mem_range ranges[3];

	memset(ranges, 0xee, sizeof(ranges));
	ck_assert_uint_eq(vmm_mem_ranges(&mem, ranges, 2), 3);
	ck_assert_uint_eq(ranges[0].gpa, LOW);
	ck_assert_uint_eq(ranges[1].gpa, NEXT);
	ck_assert_uint_eq(ranges[1].bytes, PAGE);
	ck_assert_uint_eq(ranges[1].page_bytes, (uint64_t)sysconf(_SC_PAGESIZE));
	ck_assert_uint_eq(ranges[1].access, VMM_MEM_READ | VMM_MEM_WRITE);
	ck_assert_uint_eq(ranges[2].gpa, 0xeeeeeeeeeeeeeeee);
	ck_assert_uint_eq(vmm_mem_ranges(&mem, ranges, 3), 3);
	ck_assert_uint_eq(ranges[2].access, VMM_MEM_READ);
	ck_assert_uint_eq(vmm_mem_ranges(&mem, NULL, 0), 3);
}
END_TEST

enum { RAM = 16 * PAGE };

/* Each row is a kind of RAM, and how much of its pages there is afterwards. */
static const struct {
	uint32_t kind;
	bool given;
} kinds[] = {
	{ VMM_RAM_ANON, false }, { VMM_RAM_MEMFD, false }, { VMM_RAM_FD, true },
};

/* Bytes of a private mapping or a file that have memory behind them. */
static uint64_t backed(const struct ram *ram)
{
	unsigned char there[RAM / PAGE];
	struct stat st;
	uint64_t n = 0;

	if (ram->fd >= 0) {
		ck_assert_int_eq(fstat(ram->fd, &st), 0);
		return (uint64_t)st.st_blocks * 512;
	}
	ck_assert_int_eq(mincore(ram->host, RAM, there), 0);
	for (size_t i = 0; i < RAM / PAGE; i++)
		n += there[i] & 1;
	return n * PAGE;
}

START_TEST(memory_that_is_given_back_is_the_hosts_and_reads_as_zeros)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct ram ram;
	struct iovec iov[2];

	config.ram_bytes = RAM;
	config.ram_kind = kinds[_i].kind;
	if (kinds[_i].given) {
		config.ram_fd = memfd_create("given", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		config.ram_fd_offset = 2 * PAGE;
		ck_assert_int_eq(ftruncate(config.ram_fd, RAM + 2 * PAGE), 0);
	}
	ck_assert_int_eq(vmm__ram_init(&ram, &config), 0);
	ck_assert_uint_eq(ram.page_bytes, PAGE);
	mem = (struct vmm_mem){
		.regions = {
			{ .gpa = 0, .size = 8 * PAGE, .host = ram.host, .ram = &ram },
			{ .gpa = RAM, .size = 8 * PAGE, .host = ram.host + 8 * PAGE, .ram = &ram },
		},
		.nr_regions = 2,
	};
	memset(ram.host, 0x77, RAM);
	ck_assert_uint_eq(backed(&ram), RAM);

	/* A page and parts of two, in the first region; and two pages of the second. */
	iov[0] = (struct iovec){ ram.host + PAGE / 2, 2 * PAGE };
	iov[1] = (struct iovec){ ram.host + 10 * PAGE, 2 * PAGE };
	ck_assert_uint_eq(vmm_mem_discard(&mem, iov, 2), 3 * PAGE);
	ck_assert_uint_eq(backed(&ram), RAM - 3 * PAGE);
	for (size_t i = 0; i < RAM; i++) {
		size_t page = i / PAGE;

		ck_assert_uint_eq(ram.host[i], page == 1 || page == 10 || page == 11 ? 0 : 0x77);
	}
	/* It may be used again. */
	memset(ram.host, 0x78, RAM);
	ck_assert_uint_eq(backed(&ram), RAM);

	/* Across regions, outside, empty, and less than a page: nothing. */
	iov[0] = (struct iovec){ ram.host + 7 * PAGE, 2 * PAGE };
	iov[1] = (struct iovec){ ram.host + RAM, PAGE };
	ck_assert_uint_eq(vmm_mem_discard(&mem, iov, 2), 0);
	iov[0] = (struct iovec){ ram.host, 0 };
	iov[1] = (struct iovec){ ram.host + 1, 2 * PAGE - 2 };
	ck_assert_uint_eq(vmm_mem_discard(&mem, iov, 2), 0);
	iov[0] = (struct iovec){ &ram, PAGE };
	iov[1] = (struct iovec){ ram.host, SIZE_MAX };
	ck_assert_uint_eq(vmm_mem_discard(&mem, iov, 2), 0);
	mem.regions[0].read_only = true;
	iov[0] = (struct iovec){ ram.host, PAGE };
	ck_assert_uint_eq(vmm_mem_discard(&mem, iov, 1), 0);
	ck_assert_uint_eq(backed(&ram), RAM);
	vmm__ram_finish(&ram);
	if (kinds[_i].given)
		close(config.ram_fd);
}
END_TEST

/* Only where the machine has some to spare. */
START_TEST(of_huge_pages_whole_ones_are_given_back)
{
	const uint64_t size = 2 << 20;
	struct vmm_config config = VMM_CONFIG_INIT;
	struct ram ram;
	struct iovec iov;
	struct stat st;

	config.ram_bytes = 2 * size;
	config.ram_kind = VMM_RAM_HUGE;
	if (vmm__ram_init(&ram, &config) < 0)
		return;
	ck_assert_uint_eq(ram.page_bytes, size);
	mem = (struct vmm_mem){
		.regions = { { .gpa = 0, .size = 2 * size, .host = ram.host, .ram = &ram } },
		.nr_regions = 1,
	};
	memset(ram.host, 0x77, 2 * size);
	iov = (struct iovec){ ram.host, 2 * size - PAGE };
	ck_assert_uint_eq(vmm_mem_discard(&mem, &iov, 1), size);
	ck_assert_uint_eq(ram.host[size], 0x77);
	ck_assert_int_eq(fstat(ram.fd, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_blocks * 512, size);
	vmm__ram_finish(&ram);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tcase = tcase_create("memory");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, a_copy_may_cross_regions);
	tcase_add_loop_test(tcase, a_range_outside_memory_moves_nothing, 0,
			    (int)(sizeof(holes) / sizeof(holes[0])));
	tcase_add_test(tcase, read_only_memory_is_read_and_not_written);
	tcase_add_test(tcase, segments_are_counted);
	tcase_add_test(tcase, indices_are_loaded_whole_or_not_at_all);
	tcase_add_test(tcase, a_file_is_read_into_memory_or_its_early_end_is_told);
	tcase_add_test(tcase, ranges_are_described_in_order);
	tcase_add_loop_test(tcase, memory_that_is_given_back_is_the_hosts_and_reads_as_zeros, 0,
			    (int)(sizeof(kinds) / sizeof(kinds[0])));
	tcase_add_test(tcase, of_huge_pages_whole_ones_are_given_back);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
