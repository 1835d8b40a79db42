/* SPDX-License-Identifier: MIT */
/*
 * fuzz_boot.h - load a kernel from a file that is an honest one, exclusive-or the input.
 *
 * So an empty input is accepted, and each bit of the input is one lie.
 */
#ifndef TESTS_FUZZ_BOOT_H
#define TESTS_FUZZ_BOOT_H

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch_priv.h"
#include "arch/x86_64/layout_priv.h"
#include "boot/boot_priv.h"
#include "core/memory_priv.h"

#define FUZZ_RAM	(32u << 20)
#define FUZZ_FILE	8192u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vmm_mem *fuzz_mem(void)
{
	static struct vmm_mem mem;

	if (mem.nr_regions == 0) {
		mem.nr_regions = 1;
		mem.regions[0].size = FUZZ_RAM;
		mem.regions[0].host = mmap(NULL, FUZZ_RAM, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		assert(mem.regions[0].host != MAP_FAILED);
	}

	return &mem;
}

/* The last byte of the input chooses protocol, truncation and initrd. */
static void fuzz_load(const uint8_t *honest, const uint8_t *data, size_t size)
{
	static int fd = -1;
	uint8_t file[FUZZ_FILE], choice = size ? data[size - 1] : 0;
	char cmdline[] = "console=ttyS0";
	struct boot_source source = {
		.initrd_fd = -1, .kernel_size = FUZZ_FILE, .cmdline = cmdline,
		.protocol = choice % 4,
	};
	struct boot_entry entry = { 0 };
	int r;

	if (fd < 0)
		fd = memfd_create("kernel", MFD_CLOEXEC);
	memcpy(file, honest, sizeof(file));
	for (size_t i = 0; i + 1 < size && i < sizeof(file); i++)
		file[i] ^= data[i];
	if (choice & 0x80)
		source.kernel_size = size * 4 < FUZZ_FILE ? size * 4 : FUZZ_FILE;
	if (pwrite(fd, file, sizeof(file), 0) != (ssize_t)sizeof(file))
		abort();
	source.kernel_fd = fd;
	if (choice & 0x40) {
		source.initrd_fd = fd;
		source.initrd_size = FUZZ_FILE;
	}

	r = vmm__boot_load(fuzz_mem(), &source, &entry);
	assert(r == 0 || r == -ENOEXEC || r == -ENOSPC || r == -EIO);
	if (r == 0) {
		assert(entry.entry >= X86_HIGH_START && entry.entry < FUZZ_RAM);
		assert(entry.kind == X86_BOOT_PVH || entry.kind == X86_BOOT_LINUX64);
	} else {
		assert(entry.kind == 0);
	}
}

#endif
