/* SPDX-License-Identifier: MIT */
/*
 * dump.c - a guest as an ELF core: headers, notes of vCPUs, and memory, with holes where it is zero.
 *
 * Memory behind a file is read only where the file has data: reading elsewhere would have the host
 * back the guest's whole RAM.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libvmm/dump.h>
#include "arch/arch_debug_priv.h"
#include "core/error_priv.h"
#include "core/io_priv.h"
#include "core/vm_priv.h"

#define ALIGN		4096u		/* of memory in the file */
#define PIECE		(64u << 10)	/* what is looked at for zeros, and written, at once */

struct dump {
	struct vmm *vm;
	int fd;
	bool sparse;		/* @fd is a plain file: zeros may be left out */
	uint64_t hole;		/* bytes left out since the last write */
	int data_fd;		/* RAM's file, opened again so that its position is ours; or -1 */
	unsigned char *notes;
	size_t notes_bytes;
	uint64_t start;		/* of the dump in the file */
};

/* ---- writing ---- */

static int put(struct dump *d, const void *bytes, size_t len)
{
	if (d->hole > 0) {
		if (lseek(d->fd, (off_t)d->hole, SEEK_CUR) < 0)
			return vmm__fail_errno("cannot leave a hole in the dump");
		d->hole = 0;
	}
	return vmm__io_write(d->fd, bytes, len, "the dump");
}

static int put_zeros(struct dump *d, uint64_t len)
{
	static const unsigned char zeros[PIECE];
	int r = 0;

	if (d->sparse) {
		d->hole += len;
		return 0;
	}
	while (len > 0 && r == 0) {
		size_t n = len < PIECE ? (size_t)len : PIECE;

		r = put(d, zeros, n);
		len -= n;
	}
	return r;
}

static bool is_zero(const unsigned char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* ---- memory ---- */

/* The next piece of RAM that may hold anything else than zeros, from @offset on in RAM. */
static uint64_t next_data(const struct dump *d, uint64_t offset, uint64_t end, uint64_t *ret_end)
{
	const uint64_t base = d->vm->ram.fd_offset;
	off_t data, hole;

	*ret_end = end;
	if (d->data_fd < 0)
		return offset;
	data = lseek(d->data_fd, (off_t)(base + offset), SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? end : offset;
	if ((uint64_t)data - base >= end)
		return end;
	hole = lseek(d->data_fd, data, SEEK_HOLE);
	if (hole >= 0 && (uint64_t)hole - base < end)
		*ret_end = (uint64_t)hole - base;
	return (uint64_t)data - base;
}

static int put_data(struct dump *d, const unsigned char *bytes, uint64_t len)
{
	int r = 0;

	while (len > 0 && r == 0) {
		size_t n = len < PIECE ? (size_t)len : PIECE;

		r = d->sparse && is_zero(bytes, n) ? put_zeros(d, n) : put(d, bytes, n);
		bytes += n;
		len -= n;
	}
	return r;
}

static int put_region(struct dump *d, const struct mem_region *region)
{
	uint64_t at = (uint64_t)(region->host - d->vm->ram.host), end = at + region->size;
	int r = 0;

	while (at < end && r == 0) {
		uint64_t data_end, data = next_data(d, at, end, &data_end);

		r = put_zeros(d, data - at);
		if (r == 0 && data < data_end)
			r = put_data(d, d->vm->ram.host + data, data_end - data);
		at = data < end ? data_end : end;
	}
	return r;
}

/* ---- headers ---- */

static uint64_t memory_offset(const struct dump *d)
{
	uint64_t bytes = sizeof(Elf64_Ehdr) + (d->vm->mem.nr_regions + 1) * sizeof(Elf64_Phdr) +
			 d->notes_bytes;

	return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static int put_headers(struct dump *d)
{
	const struct vmm_mem *mem = &d->vm->mem;
	const Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE, .e_machine = vmm__arch_core_machine(), .e_version = EV_CURRENT,
		.e_phoff = sizeof(header), .e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (Elf64_Half)(mem->nr_regions + 1),
	};
	Elf64_Phdr phdr[MEM_REGIONS_MAX + 1] = { {
		.p_type = PT_NOTE, .p_filesz = d->notes_bytes, .p_align = 4,
		.p_offset = sizeof(header) + (mem->nr_regions + 1) * sizeof(phdr[0]),
	} };
	uint64_t offset = memory_offset(d);
	int r;

	for (size_t i = 0; i < mem->nr_regions; i++) {
		phdr[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_align = ALIGN,
			.p_offset = offset, .p_vaddr = mem->regions[i].gpa, .p_paddr = mem->regions[i].gpa,
			.p_filesz = mem->regions[i].size, .p_memsz = mem->regions[i].size,
		};
		offset += mem->regions[i].size;
	}
	r = put(d, &header, sizeof(header));
	if (r == 0)
		r = put(d, phdr, (mem->nr_regions + 1) * sizeof(phdr[0]));
	if (r == 0)
		r = put(d, d->notes, d->notes_bytes);
	if (r == 0)
		r = put_zeros(d, memory_offset(d) - phdr[0].p_offset - d->notes_bytes);
	return r;
}

/* With vm->lock, while no vCPU runs. */
static int take_notes(struct dump *d)
{
	for (uint32_t i = 0; i < d->vm->nr_vcpus; i++) {
		struct vmm_regs regs = VMM_REGS_INIT;
		int r = vmm__arch_read_regs(d->vm->vcpus[i].fd, &regs);

		if (r < 0)
			return r;
		d->notes_bytes += vmm__arch_core_notes(&regs, i + 1, d->notes + d->notes_bytes);
	}
	return 0;
}

/* ---- the dump ---- */

static int begin(struct dump *d)
{
	struct vmm *vm = d->vm;
	int r;

	pthread_mutex_lock(&vm->lock);
	if (vm->state != VMM_STATE_PAUSED && vm->state != VMM_STATE_STOPPED)
		r = vmm__fail(-EBUSY, "%s is neither paused nor stopped", vm->name);
	else if (vm->claimed)
		r = vmm__fail(-EBUSY, "another thread changes, starts or dumps %s now", vm->name);
	else
		r = take_notes(d);
	if (r == 0) {
		vm->claimed = vm->dumping = true;
		vmm__state_hold(vm);
	}
	pthread_mutex_unlock(&vm->lock);
	return r;
}

static void end(struct dump *d)
{
	pthread_mutex_lock(&d->vm->lock);
	d->vm->claimed = d->vm->dumping = false;
	vmm__state_unhold(d->vm);
	pthread_mutex_unlock(&d->vm->lock);
}

/* A plain file can have holes; one that appends puts what comes after them in the wrong place. */
static int prepare(struct dump *d)
{
	struct stat st;
	int flags = fcntl(d->fd, F_GETFL);
	off_t at;
	char path[32];

	if (flags < 0 || fstat(d->fd, &st) < 0)
		return vmm__fail_errno("cannot use descriptor %d for a dump", d->fd);
	at = S_ISREG(st.st_mode) && !(flags & O_APPEND) ? lseek(d->fd, 0, SEEK_CUR) : -1;
	d->sparse = at >= 0;
	d->start = d->sparse ? (uint64_t)at : 0;
	/* What was there before must not shine through the holes. */
	if (d->sparse && ftruncate(d->fd, at) < 0)
		return vmm__fail_errno("cannot write the dump");
	if (d->vm->ram.fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", d->vm->ram.fd);
		d->data_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return 0;
}

static int put_all(struct dump *d)
{
	uint64_t bytes = memory_offset(d) + d->vm->ram.bytes;
	int r = put_headers(d);

	for (size_t i = 0; i < d->vm->mem.nr_regions && r == 0; i++)
		r = put_region(d, &d->vm->mem.regions[i]);
	/* A hole at the end is none until the file is that long. */
	if (r == 0 && d->hole > 0 &&
	    (ftruncate(d->fd, (off_t)(d->start + bytes)) < 0 || lseek(d->fd, 0, SEEK_END) < 0))
		r = vmm__fail_errno("cannot write the dump");
	return r;
}

int vmm_dump(struct vmm *vm, int fd)
{
	struct dump d = { .vm = vm, .fd = fd, .data_fd = -1 };
	sigset_t before;
	int r;

	if (!vm || fd < 0)
		return vmm__fail(-EINVAL, "no guest, or no descriptor");
	if (vmm__arch_core_machine() == EM_NONE)
		return vmm__fail(-EOPNOTSUPP, "guests of this architecture cannot be dumped");
	d.notes = calloc(vm->nr_vcpus, ARCH_NOTES_MAX);
	if (!d.notes)
		return vmm__fail(-ENOMEM, "no memory for a dump");
	r = begin(&d);
	if (r < 0)
		goto free_notes;

	vmm__io_hold(&before);
	r = prepare(&d);
	if (r == 0)
		r = put_all(&d);
	vmm__io_release(&before);
	if (d.data_fd >= 0)
		close(d.data_fd);
	end(&d);

free_notes:
	free(d.notes);
	return r;
}
