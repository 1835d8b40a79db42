/* SPDX-License-Identifier: MIT */
/*
 * fuzz_image.c - a kernel file that may be anything, to the loader of Linux's Image.
 *
 * Whatever comes, what was loaded lies in RAM and nothing beside it was touched (the RAM has guard pages).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <libvmm/regs.h>
#include "boot/boot_priv.h"
#include "boot/image_priv.h"
#include "core/memory_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE	(1ull << 30)
#define RAM	(4u << 20)
#define GUARD	65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char *area;
	struct vmm_mem mem = { .nr_regions = 1 };
	struct boot_source source = { .initrd_fd = -1, .kernel_size = size, .cmdline = NULL };
	struct image_place place;
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (!area) {
		area = mmap(NULL, RAM + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (area == MAP_FAILED || mprotect(area + GUARD, RAM, PROT_READ | PROT_WRITE) < 0)
			abort();
	}
	if (size == 0 || fd < 0 || write(fd, data, size) != (ssize_t)size) {
		close(fd);
		return 0;
	}
	source.kernel_fd = fd;
	mem.regions[0] = (struct mem_region){ .gpa = BASE, .size = RAM, .host = area + GUARD };
	for (uint32_t arch = VMM_ARCH_AARCH64; arch <= VMM_ARCH_RISCV64; arch++) {
		if (vmm__image_load(&mem, &source, vmm__image_rules(arch), &place) < 0)
			continue;
		assert(place.start >= BASE && place.start % 4096 == 0 && place.end > place.start &&
		       place.end <= BASE + RAM);
	}
	close(fd);
	return 0;
}
