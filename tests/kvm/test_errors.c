/* SPDX-License-Identifier: MIT */
/* test_errors.c - bad input: a negative errno, words that name the thing, and nothing left behind. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <libvmm/boot.h>
#include <libvmm/host.h>
#include "bare.h"

static struct holdings before;

static void setup(void)
{
	before = holdings_now();
}

static void teardown(void)
{
	assert_nothing_left(before);
}

/* ---- vmm_create() ---- */

static void no_ram(struct vmm_config *c) { c->ram_bytes = 0; }
static void huge_ram(struct vmm_config *c) { c->ram_bytes = 1ull << 60; }
static void all_ram(struct vmm_config *c) { c->ram_bytes = UINT64_MAX; }
static void many_vcpus(struct vmm_config *c) { c->nr_vcpus = VMM_VCPUS_MAX + 1; }
static void odd_threads(struct vmm_config *c) { c->nr_vcpus = 3; c->threads_per_core = 2; }
static void odd_sockets(struct vmm_config *c) { c->nr_vcpus = 4; c->nr_sockets = 3; }
static void wrapping_topology(struct vmm_config *c) { c->nr_sockets = c->threads_per_core = 0x10000; }
static void bad_flags(struct vmm_config *c) { c->flags |= 1u << 31; }
static void long_name(struct vmm_config *c) { c->name = "0123456789012345678901234567890123456789012345678901234567890123"; }
static void bad_kind(struct vmm_config *c) { c->ram_kind = 9; }
static void no_fd(struct vmm_config *c) { c->ram_kind = VMM_RAM_FD; }
static void closed_fd(struct vmm_config *c) { c->ram_kind = VMM_RAM_FD; c->ram_fd = 900; }
static void fd_and_memfd(struct vmm_config *c) { c->ram_fd = 1; }
static void odd_offset(struct vmm_config *c) { c->ram_kind = VMM_RAM_FD; c->ram_fd = 1; c->ram_fd_offset = 1; }
static void odd_huge(struct vmm_config *c) { c->ram_kind = VMM_RAM_HUGE; c->huge_page_bytes = 12345; }
static void bad_transport(struct vmm_config *c) { c->transport = 7; }
static void few_events(struct vmm_config *c) { c->max_events = 1; }
static void no_size(struct vmm_config *c) { c->size = 0; }
static void not_kvm(struct vmm_config *c) { c->kvm_fd = 1; }
static void closed_kvm(struct vmm_config *c) { c->kvm_fd = 900; }

static const struct {
	void (*spoil)(struct vmm_config *config);
	int want;
	const char *words;
} creations[] = {
	{ no_ram,		-EINVAL, "ram_bytes" },
	{ huge_ram,		-ENOMEM, "the host has" },
	{ all_ram,		-ENOMEM, "the host has" },
	{ many_vcpus,		-EINVAL, "nr_vcpus" },
	{ odd_threads,		-EINVAL, "whole number" },
	{ odd_sockets,		-EINVAL, "whole number" },
	{ wrapping_topology,	-EINVAL, "whole number" },
	{ bad_flags,		-EINVAL, "VMM_F_" },
	{ long_name,		-EINVAL, "at most 63" },
	{ bad_kind,		-EINVAL, "VMM_RAM_" },
	{ no_fd,		-EINVAL, "ram_fd" },
	{ closed_fd,		-EBADF,	 "900" },
	{ fd_and_memfd,		-EINVAL, "VMM_RAM_FD" },
	{ odd_offset,		-EINVAL, "page size" },
	{ odd_huge,		-EINVAL, "huge_page_bytes" },
	{ bad_transport,	-EINVAL, "VMM_TRANSPORT_" },
	{ few_events,		-EINVAL, "max_events" },
	{ no_size,		-EINVAL, "_INIT" },
	{ not_kvm,		-ENODEV, "/dev/kvm" },
	{ closed_kvm,		-EBADF,	 "900" },
};

START_TEST(a_spoilt_configuration_is_refused_with_words)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm *vm = (void *)1;

	config.ram_bytes = 1 << 20;
	config.flags = VMM_F_KVM_ONLY;
	creations[_i].spoil(&config);
	ck_assert_msg(vmm_create(&config, &vm) == creations[_i].want, "row %d: %s", _i,
		      vmm_last_error());
	ck_assert_msg(strstr(vmm_last_error(), creations[_i].words) != NULL, "row %d: %s", _i,
		      vmm_last_error());
	ck_assert_ptr_eq(vm, (void *)1);
}
END_TEST

START_TEST(a_config_from_a_newer_header_is_refused_only_if_it_asks_for_more)
{
	struct {
		struct vmm_config config;
		uint64_t more;
	} newer = { .config = VMM_CONFIG_INIT };
	struct vmm *vm;

	newer.config.size = sizeof(newer);
	newer.config.ram_bytes = 1 << 20;
	newer.config.flags = VMM_F_KVM_ONLY;
	newer.more = 1;
	ck_assert_int_eq(vmm_create(&newer.config, &vm), -E2BIG);
	newer.more = 0;
	ck_assert_int_eq(vmm_create(&newer.config, &vm), 0);
	vmm_destroy(vm);
}
END_TEST

START_TEST(creating_fails_cleanly_at_each_descriptor_it_cannot_have)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct rlimit old, tight;
	struct vmm *vm = NULL;
	int failures = 0;

	config.ram_bytes = 1 << 20;
	config.nr_vcpus = 2;
	getrlimit(RLIMIT_NOFILE, &old);
	for (int spare = 0; !vm; spare++) {
		int r;

		tight = (struct rlimit){ .rlim_cur = (rlim_t)(before.fds - 3 + spare), .rlim_max = old.rlim_max };
		ck_assert_int_lt(spare, 64);
		setrlimit(RLIMIT_NOFILE, &tight);
		r = vmm_create(&config, &vm);
		setrlimit(RLIMIT_NOFILE, &old);
		if (r < 0) {
			ck_assert_msg(r == -EMFILE, "%d: %s", r, vmm_last_error());
			ck_assert_str_ne(vmm_last_error(), "");
			assert_nothing_left(before);
			failures++;
		}
	}
	ck_assert_int_ge(failures, 5);
	vmm_destroy(vm);
}
END_TEST

START_TEST(memory_of_every_kind_is_zero_and_writable)
{
	static const uint32_t kinds[] = { VMM_RAM_MEMFD, VMM_RAM_ANON, VMM_RAM_FD };
	struct vmm_config config = VMM_CONFIG_INIT;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), end = RAM_BASE + (1u << 20) + page;
	unsigned char bytes[8] = { 1 };
	struct vmm *vm;
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	config.ram_bytes = (1 << 20) + 1;
	config.flags = VMM_F_KVM_ONLY | VMM_F_PREALLOC;
	config.ram_kind = kinds[_i];
	if (kinds[_i] == VMM_RAM_FD) {
		config.ram_fd = fd;
		config.ram_fd_offset = page;
		ck_assert_int_eq(vmm_create(&config, &vm), -EINVAL);
		ck_assert_ptr_nonnull(strstr(vmm_last_error(), "bytes"));
		ck_assert_int_eq(ftruncate(fd, (off_t)((1 << 20) + 2 * page)), 0);
	}
	ck_assert_msg(vmm_create(&config, &vm) == 0, "%s", vmm_last_error());
	ck_assert_int_eq(vmm_mem_read(vmm_memory(vm), end - 8, bytes, 8), 0);
	ck_assert_int_eq(bytes[0], 0);
	ck_assert_int_eq(vmm_mem_write(vmm_memory(vm), RAM_BASE, "libvmm", 6), 0);
	ck_assert_int_eq(vmm_mem_read(vmm_memory(vm), end, bytes, 1), -EFAULT);
	if (kinds[_i] == VMM_RAM_FD) {
		ck_assert_int_eq(pread(fd, bytes, 6, (off_t)page), 6);
		ck_assert_mem_eq(bytes, "libvmm", 6);
		/* Sealed: nobody can take the memory from under the guest. */
		ck_assert_int_eq(ftruncate(fd, 0), -1);
	}
	vmm_destroy(vm);
	close(fd);
}
END_TEST

START_TEST(a_file_that_may_shrink_needs_a_promise)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	char path[] = "/tmp/libvmm-ram.XXXXXX";
	int fd = mkstemp(path);
	struct vmm *vm;

	unlink(path);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	config.ram_bytes = 1 << 20;
	config.flags = VMM_F_KVM_ONLY;
	config.ram_kind = VMM_RAM_FD;
	config.ram_fd = fd;
	ck_assert_int_eq(vmm_create(&config, &vm), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "shrink"));
	config.flags |= VMM_F_FIXED_RAM_FD;
	ck_assert_int_eq(vmm_create(&config, &vm), 0);
	vmm_destroy(vm);
	close(fd);
}
END_TEST

/* ---- the host ---- */

START_TEST(the_host_says_what_it_offers)
{
	struct vmm_host_info info = VMM_HOST_INFO_INIT;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(vmm_host_query(0, &info), 0);
	ck_assert(info.flags & VMM_HOST_USABLE);
	ck_assert_str_eq(info.missing, "");
	ck_assert_uint_eq(info.kvm_api_version, 12);
	ck_assert_uint_ge(info.max_vcpus, 1);
	ck_assert_uint_gt(info.memory_bytes, 1 << 20);
	ck_assert_int_eq(vmm_host_query(null, &info), -ENODEV);
	ck_assert_int_eq(vmm_host_query(900, &info), -EBADF);
	info.size = 0;
	ck_assert_int_eq(vmm_host_query(0, &info), -EINVAL);
	close(null);
}
END_TEST

/* ---- booting ---- */

static void boot_fails(struct vmm *vm, const struct vmm_boot_config *boot, int want, const char *words)
{
	ck_assert_msg(vmm_boot_linux(vm, boot) == want, "wanted %d: %s", want, vmm_last_error());
	ck_assert_msg(strstr(vmm_last_error(), words) != NULL, "wanted '%s': %s", words, vmm_last_error());
}

START_TEST(files_that_cannot_be_booted)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	char path[] = "/tmp/libvmm-boot.XXXXXX";
	int fd = mkstemp(path);
	struct vmm *vm;

	config.ram_bytes = 32 << 20;
	ck_assert_msg(vmm_create(&config, &vm) == 0, "%s", vmm_last_error());
	boot_fails(vm, &boot, -EINVAL, "kernel");
	boot.kernel_path = "/nonexistent/vmlinuz";
	boot_fails(vm, &boot, -ENOENT, "/nonexistent/vmlinuz");
	boot.kernel_path = "/tmp";
	boot_fails(vm, &boot, -EINVAL, "/tmp");
	boot.kernel_path = path;
	boot_fails(vm, &boot, -ENOEXEC, "");
	ck_assert_int_eq(write(fd, "not a kernel at all, not even nearly", 36), 36);
	boot_fails(vm, &boot, -ENOEXEC, "");
	boot.kernel_fd = fd;
	boot_fails(vm, &boot, -EINVAL, "both");
	boot.kernel_path = NULL;
	boot_fails(vm, &boot, -ENOEXEC, "");
	boot.protocol = 77;
	boot_fails(vm, &boot, -EINVAL, "protocol");
	ck_assert_int_eq(vmm_start(vm), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "boot"));
	vmm_destroy(vm);
	unlink(path);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("errors");
	TCase *tcase = tcase_create("errors");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_spoilt_configuration_is_refused_with_words, 0,
			    (int)(sizeof(creations) / sizeof(creations[0])));
	tcase_add_test(tcase, a_config_from_a_newer_header_is_refused_only_if_it_asks_for_more);
	tcase_add_test(tcase, creating_fails_cleanly_at_each_descriptor_it_cannot_have);
	tcase_add_loop_test(tcase, memory_of_every_kind_is_zero_and_writable, 0, 3);
	tcase_add_test(tcase, a_file_that_may_shrink_needs_a_promise);
	tcase_add_test(tcase, the_host_says_what_it_offers);
	tcase_add_test(tcase, files_that_cannot_be_booted);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
