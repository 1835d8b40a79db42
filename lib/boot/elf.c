/* SPDX-License-Identifier: MIT */
/*
 * elf.c - load an uncompressed kernel, an ELF64 executable for x86-64.
 *
 * Segments go to their physical addresses. All of them are checked before the
 * first byte is loaded. It is entered by its PVH note (XEN_ELFNOTE_PHYS32_ENTRY:
 * Xen's docs/misc/pvh.pandoc) or at its entry address.
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/layout_priv.h"
#include "boot/boot_priv.h"
#include "boot/x86_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

#define SEGMENTS_MAX	64
#define NOTES_MAX	(1u << 20)	/* bytes of notes that are searched */

#define NOTE_PHYS32_ENTRY	18
#define LINUX_CMDLINE_SIZE	2048	/* COMMAND_LINE_SIZE of Linux on x86 */

struct elf {
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];
	vmm_gpa_t start, end;		/* of what is loaded */
};

static unsigned long long ull(uint64_t value)
{
	return value;
}

static int header_check(const Elf64_Ehdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return vmm__fail(-ENOEXEC, "the kernel is not an ELF file");
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		return vmm__fail(-ENOEXEC,
				 "the kernel is an ELF file of class %u, not a 64-bit one",
				 h->e_ident[EI_CLASS]);
	if (h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return vmm__fail(-ENOEXEC,
				 "the kernel is an ELF file for machine %u, not for x86-64 (%u)",
				 h->e_machine, EM_X86_64);
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return vmm__fail(-ENOEXEC,
				 "the kernel is an ELF file of type %u, not an executable",
				 h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return vmm__fail(-ENOEXEC, "program headers of %u bytes, not %zu", h->e_phentsize,
				 sizeof(Elf64_Phdr));
	if (h->e_phnum == 0 || h->e_phnum > SEGMENTS_MAX)
		return vmm__fail(-ENOEXEC,
				 "%u program headers, not 1 to %u", h->e_phnum, SEGMENTS_MAX);

	return 0;
}

static int elf_read(const struct boot_source *source, struct elf *elf)
{
	int r = vmm__boot_read(source, 0, &elf->header, sizeof(elf->header), "ELF header");

	if (r == 0)
		r = header_check(&elf->header);
	if (r < 0)
		return r;

	return vmm__boot_read(source, elf->header.e_phoff, elf->segments,
			      elf->header.e_phnum * sizeof(elf->segments[0]), "program headers");
}

/* ---- segments ---- */

static bool is_loaded(const Elf64_Phdr *p)
{
	return p->p_type == PT_LOAD && p->p_memsz > 0;
}

static int segment_check(const struct vmm_mem *mem, const struct boot_source *source,
			 const Elf64_Phdr *p, unsigned i)
{
	if (p->p_filesz > p->p_memsz)
		return vmm__fail(-ENOEXEC,
				 "segment %u has 0x%llx bytes in the file, 0x%llx in memory",
				 i, ull(p->p_filesz), ull(p->p_memsz));
	if (p->p_offset > source->kernel_size || p->p_filesz > source->kernel_size - p->p_offset)
		return vmm__fail(-ENOEXEC,
				 "the kernel is truncated: segment %u is 0x%llx bytes at 0x%llx, "
				 "the file has 0x%llx",
				 i, ull(p->p_filesz), ull(p->p_offset), ull(source->kernel_size));
	if (p->p_memsz > UINT64_MAX - p->p_paddr)
		return vmm__fail(-ENOEXEC, "segment %u, 0x%llx bytes at 0x%llx, wraps", i,
				 ull(p->p_memsz), ull(p->p_paddr));

	return vmm__x86_room(mem, p->p_paddr, p->p_memsz);
}

/* Checked segments do not wrap. */
static bool overlap(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
	return a->p_paddr < b->p_paddr + b->p_memsz && b->p_paddr < a->p_paddr + a->p_memsz;
}

static int segments_check(const struct vmm_mem *mem, const struct boot_source *source,
			  struct elf *elf)
{
	const Elf64_Phdr *p = elf->segments;

	elf->start = UINT64_MAX;
	elf->end = 0;
	for (unsigned i = 0; i < elf->header.e_phnum; i++) {
		int r;

		if (!is_loaded(&p[i]))
			continue;
		r = segment_check(mem, source, &p[i], i);
		if (r < 0)
			return r;
		for (unsigned j = 0; j < i; j++) {
			if (is_loaded(&p[j]) && overlap(&p[i], &p[j]))
				return vmm__fail(-ENOEXEC, "segments %u and %u overlap", j, i);
		}
		if (p[i].p_paddr < elf->start)
			elf->start = p[i].p_paddr;
		if (p[i].p_paddr + p[i].p_memsz > elf->end)
			elf->end = p[i].p_paddr + p[i].p_memsz;
	}

	return elf->end ? 0 : vmm__fail(-ENOEXEC, "the kernel has nothing to load");
}

/* An entry is in bytes that come from the file. */
static int entry_check(const struct elf *elf, vmm_gpa_t entry)
{
	for (unsigned i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *p = &elf->segments[i];

		if (is_loaded(p) && entry >= p->p_paddr && entry - p->p_paddr < p->p_filesz)
			return 0;
	}

	return vmm__fail(-ENOEXEC, "the entry 0x%llx is not in what is loaded", ull(entry));
}

static int segments_load(const struct vmm_mem *mem, const struct boot_source *source,
			 const struct elf *elf)
{
	for (unsigned i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *p = &elf->segments[i];

		if (is_loaded(p) && vmm__mem_read_file(mem, p->p_paddr, p->p_filesz,
						       source->kernel_fd, p->p_offset) < 0)
			return -EIO;
	}

	return 0;
}

/* ---- notes ---- */

/* The note's entry in @notes. 1 found, 0 none, -ENOEXEC malformed. */
static int notes_find(const unsigned char *notes, size_t length, size_t align, uint64_t *ret_entry)
{
	size_t at = 0;

	while (length - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		size_t name, desc;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		if (note.n_namesz > length - name)
			return vmm__fail(-ENOEXEC,
					 "a note's name of %u bytes passes the end", note.n_namesz);
		desc = (name + note.n_namesz + align - 1) & ~(align - 1);
		if (desc > length || note.n_descsz > length - desc)
			return vmm__fail(-ENOEXEC,
					 "a note of %u bytes passes the end", note.n_descsz);

		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
		    memcmp(notes + name, "Xen", 4) == 0) {
			uint64_t entry = 0;

			if (note.n_descsz != 4 && note.n_descsz != 8)
				return vmm__fail(-ENOEXEC, "a PVH note of %u bytes, not 4 or 8",
						 note.n_descsz);
			memcpy(&entry, notes + desc, note.n_descsz);
			*ret_entry = le64toh(entry);
			return 1;
		}

		at = (desc + note.n_descsz + align - 1) & ~(align - 1);
		if (at > length)
			break;
	}

	return 0;
}

static int segment_find_pvh(const struct boot_source *source, const Elf64_Phdr *p,
			    uint64_t *ret_entry)
{
	unsigned char *notes;
	int r;

	if (p->p_filesz > NOTES_MAX)
		return vmm__fail(-ENOEXEC,
				 "0x%llx bytes of notes, more than 0x%x", ull(p->p_filesz),
				 NOTES_MAX);

	notes = malloc(p->p_filesz ? p->p_filesz : 1);
	if (!notes)
		return vmm__fail(-ENOMEM, "no memory for the kernel's notes");

	r = vmm__boot_read(source, p->p_offset, notes, p->p_filesz, "notes");
	if (r == 0)
		r = notes_find(notes, p->p_filesz, p->p_align == 8 ? 8 : 4, ret_entry);
	free(notes);

	return r;
}

static int find_pvh(const struct boot_source *source, const struct elf *elf, uint64_t *ret_entry)
{
	for (unsigned i = 0; i < elf->header.e_phnum; i++) {
		int r;

		if (elf->segments[i].p_type != PT_NOTE)
			continue;
		r = segment_find_pvh(source, &elf->segments[i], ret_entry);
		if (r != 0)
			return r;
	}

	return 0;
}

int vmm__elf_has_pvh(const struct boot_source *source)
{
	uint64_t entry;
	struct elf elf;
	int r = elf_read(source, &elf);

	return r < 0 ? r : find_pvh(source, &elf, &entry);
}

/* ---- loading ---- */

static int elf_load(const struct vmm_mem *mem, const struct boot_source *source, struct elf *elf,
		    vmm_gpa_t entry, struct boot_kernel *ret_kernel)
{
	int r = segments_check(mem, source, elf);

	if (r == 0)
		r = entry_check(elf, entry);
	if (r == 0)
		r = segments_load(mem, source, elf);
	if (r < 0)
		return r;

	ret_kernel->entry = entry;
	ret_kernel->start = elf->start;
	ret_kernel->end = elf->end;
	ret_kernel->initrd_end = X86_HOLE_BASE;
	return 0;
}

int vmm__elf_load_pvh(const struct vmm_mem *mem, const struct boot_source *source,
		      struct boot_kernel *ret_kernel)
{
	uint64_t entry;
	struct elf elf;
	int r = elf_read(source, &elf);

	if (r < 0)
		return r;
	r = find_pvh(source, &elf, &entry);
	if (r == 0)
		return vmm__fail(-ENOEXEC, "the kernel has no PVH note: built without CONFIG_PVH?");
	if (r < 0)
		return r;
	if (entry > UINT32_MAX)
		return vmm__fail(-ENOEXEC, "the PVH entry 0x%llx is over 4 GiB", ull(entry));

	ret_kernel->kind = X86_BOOT_PVH;
	ret_kernel->cmdline_size = X86_CMDLINE_SIZE;
	return elf_load(mem, source, &elf, entry, ret_kernel);
}

int vmm__elf_load_linux64(const struct vmm_mem *mem, const struct boot_source *source,
			  struct boot_kernel *ret_kernel)
{
	struct elf elf;
	int r = elf_read(source, &elf);

	if (r < 0)
		return r;

	ret_kernel->kind = X86_BOOT_LINUX64;
	ret_kernel->cmdline_size = LINUX_CMDLINE_SIZE;
	ret_kernel->header = (struct setup_header){
		.boot_flag = 0xaa55,
		.header = 0x53726448,		/* "HdrS" */
		.version = 0x20f,
		.kernel_alignment = 0x1000000,
		.cmdline_size = LINUX_CMDLINE_SIZE - 1,
	};
	return elf_load(mem, source, &elf, elf.header.e_entry, ret_kernel);
}
