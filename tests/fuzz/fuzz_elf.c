/* SPDX-License-Identifier: MIT */
/* fuzz_elf.c - ELF kernels: headers, segments and notes. */
#include <elf.h>

#include "fuzz_boot.h"

static uint8_t honest[FUZZ_FILE];

static void make_honest(void)
{
	static const uint8_t note[20] = { 4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 'X', 'e', 'n', 0,
					  0x00, 0x00, 0x10, 0x00 };
	Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_entry = 0x100000, .e_phoff = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
	};
	const Elf64_Phdr segments[3] = {
		{ .p_type = PT_LOAD, .p_offset = 0x400, .p_paddr = 0x100000,
		  .p_filesz = 0x400, .p_memsz = 0x400 },
		{ .p_type = PT_LOAD, .p_offset = 0x800, .p_paddr = 0x200000,
		  .p_filesz = 0x800, .p_memsz = 0x2000 },
		{ .p_type = PT_NOTE, .p_offset = 0x200,
		  .p_filesz = sizeof(note), .p_memsz = sizeof(note) },
	};

	memcpy(honest, &header, sizeof(header));
	memcpy(honest + sizeof(header), segments, sizeof(segments));
	memcpy(honest + 0x200, note, sizeof(note));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (honest[0] == 0)
		make_honest();
	fuzz_load(honest, data, size);
	return 0;
}
