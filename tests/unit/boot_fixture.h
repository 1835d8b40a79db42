/* SPDX-License-Identifier: MIT */
/* boot_fixture.h - a guest's RAM and a kernel file to fill by hand, for tests of loaders. */
#ifndef TESTS_BOOT_FIXTURE_H
#define TESTS_BOOT_FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvmm/boot.h>
#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "boot/boot_priv.h"
#include "core/memory_priv.h"

#define MIB	(1ull << 20)
#define GIB	(1ull << 30)

static unsigned char kernel[64 * 1024];
static size_t kernel_size;
static struct vmm_mem mem;
static struct vmm_boot_config config;
static struct boot_entry entry;
static int kernel_fd, initrd_fd;

static void ram_init(uint64_t bytes)
{
	int n;

	for (size_t i = 0; i < mem.nr_regions; i++)
		munmap(mem.regions[i].host, mem.regions[i].size);
	n = vmm__arch_ram_layout(vmm__arch_layout(-1), bytes, mem.regions, MEM_REGIONS_MAX);
	ck_assert_int_gt(n, 0);
	mem.nr_regions = (size_t)n;
	for (int i = 0; i < n; i++) {
		mem.regions[i].host = mmap(NULL, mem.regions[i].size, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		ck_assert_ptr_ne(mem.regions[i].host, MAP_FAILED);
	}
}

static void fixture_init(void)
{
	ram_init(64 * MIB);
	kernel_fd = memfd_create("kernel", MFD_CLOEXEC);
	initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	config = (struct vmm_boot_config)VMM_BOOT_CONFIG_INIT;
	config.kernel_fd = kernel_fd;
	memset(kernel, 0, sizeof(kernel));
	memset(&entry, 0, sizeof(entry));
}

static void initrd_init(size_t size)
{
	ck_assert_int_eq(ftruncate(initrd_fd, (off_t)size), 0);
	ck_assert_int_eq(pwrite(initrd_fd, "first", 5, 0), 5);
	ck_assert_int_eq(pwrite(initrd_fd, "last", 4, (off_t)size - 4), 4);
	config.initrd_fd = initrd_fd;
}

static void kernel_write(void)
{
	ck_assert_int_eq(ftruncate(kernel_fd, 0), 0);
	ck_assert_int_eq(pwrite(kernel_fd, kernel, kernel_size, 0), (ssize_t)kernel_size);
}

/* The kernel as it is now, with what config says. */
static int load(void)
{
	struct boot_source source;
	int r;

	kernel_write();
	r = vmm__boot_source_open(&source, &config);
	if (r < 0)
		return r;
	r = vmm__boot_load(&mem, &source, &entry);
	vmm__boot_source_close(&source);

	return r;
}

static const unsigned char *guest(vmm_gpa_t gpa)
{
	const unsigned char *p = vmm__mem_ptr(&mem, gpa, 1, VMM_MEM_READ);

	ck_assert_ptr_nonnull(p);
	return p;
}

static uint64_t guest_get(vmm_gpa_t gpa, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, guest(gpa), bytes);
	return value;
}

#define ck_refused(error, words)							\
	do {										\
		ck_assert_int_eq(load(), error);					\
		ck_assert_msg(strstr(vmm_last_error(), words), "\"%s\" has no \"%s\"",	\
			      vmm_last_error(), words);					\
	} while (0)

#endif
