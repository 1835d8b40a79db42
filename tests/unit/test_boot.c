/* SPDX-License-Identifier: MIT */
/* test_boot.c - opening what is to be booted: paths, descriptors, and what is neither. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/boot_priv.h"

static int kernel_fd, empty_fd;
static char kernel_path[64];
static struct vmm_boot_config config;
static struct boot_source source;

static unsigned nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);

	return n;
}

static void setup(void)
{
	kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	empty_fd = memfd_create("empty", MFD_CLOEXEC);
	ck_assert_int_gt(kernel_fd, 0);
	ck_assert_int_eq(ftruncate(kernel_fd, 4321), 0);
	snprintf(kernel_path, sizeof(kernel_path), "/proc/self/fd/%d", kernel_fd);
	config = (struct vmm_boot_config)VMM_BOOT_CONFIG_INIT;
	memset(&source, 0x77, sizeof(source));
}

static void ck_refused(int error, const char *words)
{
	struct boot_source untouched;
	unsigned before = nr_fds();

	memset(&untouched, 0x77, sizeof(untouched));
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), error);
	ck_assert_msg(strstr(vmm_last_error(), words), "\"%s\" has no \"%s\"", vmm_last_error(),
		      words);
	ck_assert_mem_eq(&source, &untouched, sizeof(source));
	ck_assert_uint_eq(nr_fds(), before);
}

START_TEST(files_are_opened_by_path_or_by_descriptor)
{
	unsigned before = nr_fds();

	config.kernel_path = kernel_path;
	config.initrd_fd = empty_fd;
	config.cmdline = "quiet";
	config.protocol = VMM_BOOT_PVH;
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), 0);
	ck_assert_uint_eq(source.kernel_size, 4321);
	ck_assert_uint_eq(source.initrd_size, 0);
	ck_assert_int_ne(source.initrd_fd, empty_fd);
	ck_assert_int_eq(fcntl(source.kernel_fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(source.initrd_fd, F_GETFD), FD_CLOEXEC);
	ck_assert_str_eq(source.cmdline, "quiet");
	ck_assert_uint_eq(source.protocol, VMM_BOOT_PVH);
	ck_assert_uint_eq(nr_fds(), before + 2);
	vmm__boot_source_close(&source);
	ck_assert_uint_eq(nr_fds(), before);
	vmm__boot_source_close(&source);
}
END_TEST

START_TEST(what_is_not_given_has_a_default)
{
	config.kernel_fd = kernel_fd;
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), 0);
	ck_assert_int_eq(source.initrd_fd, -1);
	ck_assert_str_eq(source.cmdline, "");
	ck_assert_uint_eq(source.protocol, VMM_BOOT_AUTO);
	vmm__boot_source_close(&source);
}
END_TEST

START_TEST(the_command_line_is_copied)
{
	char cmdline[] = "console=ttyS0";

	config.kernel_fd = kernel_fd;
	config.cmdline = cmdline;
	ck_assert_int_eq(vmm__boot_source_open(&source, &config), 0);
	cmdline[0] = 'X';
	ck_assert_str_eq(source.cmdline, "console=ttyS0");
	vmm__boot_source_close(&source);
}
END_TEST

START_TEST(a_kernel_is_required_once)
{
	ck_refused(-EINVAL, "no kernel");
	config.kernel_fd = -1;
	ck_refused(-EINVAL, "no kernel");
	config.kernel_fd = kernel_fd;
	config.kernel_path = kernel_path;
	ck_refused(-EINVAL, "not both");
}
END_TEST

START_TEST(an_initrd_is_given_once)
{
	config.kernel_fd = kernel_fd;
	config.initrd_fd = empty_fd;
	config.initrd_path = kernel_path;
	ck_refused(-EINVAL, "not both");
}
END_TEST

START_TEST(only_plain_files_are_taken)
{
	char path[] = "/tmp/libvmm-boot-XXXXXX", fifo[64];
	int pipes[2];

	config.kernel_path = "/";
	ck_refused(-EINVAL, "not a plain file");
	config.kernel_path = "/dev/null";
	ck_refused(-EINVAL, "not a plain file");

	/* Must not wait for a writer. */
	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	config.kernel_path = fifo;
	ck_refused(-EINVAL, "not a plain file");
	unlink(fifo);
	rmdir(path);

	ck_assert_int_eq(pipe(pipes), 0);
	config.kernel_path = NULL;
	config.kernel_fd = pipes[0];
	ck_refused(-EINVAL, "not a plain file");
	config.kernel_fd = kernel_fd;
	config.initrd_fd = pipes[0];
	ck_refused(-EINVAL, "initrd");
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

START_TEST(what_the_system_says_is_handed_on)
{
	config.kernel_path = "/nonexistent/vmlinux";
	ck_refused(-ENOENT, "/nonexistent/vmlinux");
	config.kernel_path = NULL;
	config.kernel_fd = 99999;
	ck_refused(-EBADF, "99999");
	config.kernel_fd = kernel_fd;
	config.initrd_path = "/nonexistent/initrd";
	ck_refused(-ENOENT, "initrd");
}
END_TEST

START_TEST(an_empty_kernel_is_none)
{
	config.kernel_fd = empty_fd;
	ck_refused(-ENOEXEC, "empty");
}
END_TEST

START_TEST(unknown_fields_and_values_are_refused)
{
	struct {
		struct vmm_boot_config config;
		char newer[8];
	} newer = { .newer = "x" };

	config.kernel_fd = kernel_fd;
	config.protocol = 5;
	ck_refused(-EINVAL, "protocol 5");
	config.protocol = 0;
	config.reserved = 1;
	ck_refused(-EINVAL, "reserved");
	config.reserved = 0;
	config.size = 0;
	ck_refused(-EINVAL, "size");

	newer.config = config;
	newer.config.size = sizeof(newer);
	ck_assert_int_eq(vmm__boot_source_open(&source, &newer.config), -E2BIG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot");
	TCase *tcase = tcase_create("boot");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, files_are_opened_by_path_or_by_descriptor);
	tcase_add_test(tcase, what_is_not_given_has_a_default);
	tcase_add_test(tcase, the_command_line_is_copied);
	tcase_add_test(tcase, a_kernel_is_required_once);
	tcase_add_test(tcase, an_initrd_is_given_once);
	tcase_add_test(tcase, only_plain_files_are_taken);
	tcase_add_test(tcase, what_the_system_says_is_handed_on);
	tcase_add_test(tcase, an_empty_kernel_is_none);
	tcase_add_test(tcase, unknown_fields_and_values_are_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
