/* SPDX-License-Identifier: MIT */
/* fuzz_bzimage.c - bzImages: the setup header. The input starts at the header. */
#include <asm/bootparam.h>

#include "fuzz_boot.h"

static uint8_t honest[FUZZ_FILE];

static void make_honest(void)
{
	const struct setup_header header = {
		.setup_sects = 1, .syssize = (FUZZ_FILE - 1024) / 16, .boot_flag = 0xaa55,
		.jump = 0x6aeb, .header = 0x53726448, .version = 0x20f, .loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff, .kernel_alignment = 0x200000,
		.relocatable_kernel = 1, .min_alignment = 21, .xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047, .payload_offset = 0x300, .payload_length = 0x1000,
		.pref_address = 0x1000000, .init_size = 0x800000,
	};

	memcpy(honest + 0x1f1, &header, sizeof(header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t shifted[FUZZ_FILE];

	if (honest[0x1fe] == 0)
		make_honest();
	if (size > sizeof(struct setup_header) + 1)
		return -1;
	memset(shifted, 0, sizeof(shifted));
	memcpy(shifted + 0x1f1, data, size);
	fuzz_load(honest, shifted, size ? 0x1f1 + size : 0);
	return 0;
}
