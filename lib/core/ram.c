/* SPDX-License-Identifier: MIT */
/*
 * ram.c - the host memory behind a guest's RAM: memfd, anonymous, huge pages, or the caller's.
 *
 * A file that shrinks under a mapping raises SIGBUS in whoever touches it, which
 * no library can survive without a signal handler. So a file is sealed against
 * shrinking, or the caller promises that it does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "core/error_priv.h"
#include "core/ram_priv.h"

#define MIB		(1ull << 20)
#define GIB		(1ull << 30)
#define HUGE_ALIGN	(2 * MIB)	/* so that transparent huge pages fit */

/* ---- what is asked for ---- */

static uint64_t page_bytes(const struct vmm_config *config)
{
	if (config->ram_kind != VMM_RAM_HUGE)
		return (uint64_t)sysconf(_SC_PAGESIZE);
	return config->huge_page_bytes ? config->huge_page_bytes : 2 * MIB;
}

static int check_size(const struct vmm_config *config, uint64_t *ret_bytes)
{
	uint64_t page = page_bytes(config), bytes = config->ram_bytes;
	struct sysinfo si;
	uint64_t host;

	if (bytes == 0)
		return vmm__fail(-EINVAL, "ram_bytes is 0: say how much RAM the guest has");
	if (sysinfo(&si) < 0)
		return vmm__fail_errno("sysinfo");

	host = (uint64_t)si.totalram * si.mem_unit;
	if (bytes > host)
		return vmm__fail(-ENOMEM, "ram_bytes is %llu MiB, the host has %llu MiB",
				 (unsigned long long)(bytes / MIB), (unsigned long long)(host / MIB));

	*ret_bytes = (bytes + page - 1) / page * page;	/* cannot wrap: below the host's RAM */
	return 0;
}

static int check_kind(const struct vmm_config *config)
{
	uint64_t huge = config->huge_page_bytes;

	if (config->ram_kind > VMM_RAM_FD)
		return vmm__fail(-EINVAL, "ram_kind %u is none of VMM_RAM_", config->ram_kind);
	if ((config->ram_kind == VMM_RAM_FD) != (config->ram_fd > 0))
		return vmm__fail(-EINVAL, config->ram_fd > 0 ? "ram_fd is for VMM_RAM_FD"
				 : "VMM_RAM_FD needs ram_fd, a descriptor above 0");
	if (config->ram_fd_offset != 0 && config->ram_kind != VMM_RAM_FD)
		return vmm__fail(-EINVAL, "ram_fd_offset is for VMM_RAM_FD");
	if (config->ram_fd_offset % (uint64_t)sysconf(_SC_PAGESIZE) != 0 ||
	    config->ram_fd_offset > INT64_MAX)
		return vmm__fail(-EINVAL, "ram_fd_offset is not a multiple of the page size");
	if (huge != 0 && (config->ram_kind != VMM_RAM_HUGE || (huge != 2 * MIB && huge != GIB)))
		return vmm__fail(-EINVAL, "huge_page_bytes is 2 MiB or 1 GiB, with VMM_RAM_HUGE");
	return 0;
}

/* ---- the file ---- */

static int seal(int fd, bool promised)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals >= 0 && (seals & F_SEAL_SHRINK))
		return 0;
	if (seals >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
		return 0;
	if (promised)
		return 0;
	return vmm__fail(-EINVAL, "the file of ram_fd cannot be sealed against shrinking: "
			 "use a memfd, or promise it with VMM_F_FIXED_RAM_FD");
}

static int file_given(struct ram *ram, const struct vmm_config *config)
{
	struct stat st;

	ram->fd = fcntl(config->ram_fd, F_DUPFD_CLOEXEC, 3);
	if (ram->fd < 0)
		return vmm__fail_errno("cannot use descriptor %d as RAM", config->ram_fd);
	ram->fd_offset = config->ram_fd_offset;

	if (fstat(ram->fd, &st) < 0)
		return vmm__fail_errno("cannot ask for the size of ram_fd");
	if (!S_ISREG(st.st_mode))
		return vmm__fail(-EINVAL, "ram_fd is not a memfd or plain file");
	if ((uint64_t)st.st_size < ram->fd_offset ||
	    (uint64_t)st.st_size - ram->fd_offset < ram->bytes)
		return vmm__fail(-EINVAL, "the file of ram_fd has %llu bytes, %llu from its offset on are needed",
				 (unsigned long long)st.st_size, (unsigned long long)ram->bytes);
	return seal(ram->fd, config->flags & VMM_F_FIXED_RAM_FD);
}

static int file_made(struct ram *ram, const struct vmm_config *config)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	if (ram->kind == VMM_RAM_HUGE)
		flags |= MFD_HUGETLB | (page_bytes(config) == GIB ? MFD_HUGE_1GB : MFD_HUGE_2MB);

	ram->fd = memfd_create("vmm-ram", flags);
	if (ram->fd < 0)
		return vmm__fail_errno("cannot make a memfd for RAM");
	if (ftruncate(ram->fd, (off_t)ram->bytes) < 0)
		return vmm__fail_errno("cannot size a memfd to %llu bytes",
				       (unsigned long long)ram->bytes);
	if (fcntl(ram->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return vmm__fail_errno("cannot seal the RAM's memfd");
	return 0;
}

/* ---- the mapping ---- */

/* Map at a multiple of @align: reserve more, map inside, give the rest back. */
static void *map_aligned(struct ram *ram, uint64_t align)
{
	int flags = ram->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	unsigned char *area = mmap(NULL, ram->bytes + align, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned char *host;
	uint64_t before;
	void *mapped;

	if (area == MAP_FAILED)
		return MAP_FAILED;
	before = (align - (uintptr_t)area % align) % align;
	host = area + before;

	mapped = mmap(host, ram->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, ram->fd,
		      (off_t)ram->fd_offset);
	if (mapped == MAP_FAILED) {
		int error = errno;

		munmap(area, ram->bytes + align);
		errno = error;
		return MAP_FAILED;
	}
	if (before > 0)
		munmap(area, before);
	if (align > before)
		munmap(host + ram->bytes, align - before);
	return host;
}

static int map_ram(struct ram *ram, const struct vmm_config *config)
{
	uint64_t align = ram->kind == VMM_RAM_HUGE ? page_bytes(config) : HUGE_ALIGN;
	void *host = map_aligned(ram, align);

	if (host == MAP_FAILED && ram->kind == VMM_RAM_HUGE)
		return vmm__fail(-ENOMEM, "the host has not %llu free huge pages of %llu MiB",
				 (unsigned long long)(ram->bytes / align),
				 (unsigned long long)(align / MIB));
	if (host == MAP_FAILED)
		return vmm__fail_errno("cannot map %llu MiB of RAM",
				       (unsigned long long)(ram->bytes / MIB));
	ram->host = host;

	/* A child of the application's has no use for it, nor has a core dump of the process. */
	(void)madvise(host, ram->bytes, MADV_DONTFORK);
	(void)madvise(host, ram->bytes, MADV_DONTDUMP);
	if (config->flags & VMM_F_THP)
		(void)madvise(host, ram->bytes, MADV_HUGEPAGE);
	if ((config->flags & VMM_F_PREALLOC) &&
	    madvise(host, ram->bytes, MADV_POPULATE_WRITE) < 0)
		return vmm__fail_errno("cannot have %llu MiB of RAM backed at once",
				       (unsigned long long)(ram->bytes / MIB));
	return 0;
}

int vmm__ram_init(struct ram *ram, const struct vmm_config *config)
{
	int r;

	*ram = (struct ram){ .fd = -1, .kind = config->ram_kind };
	r = check_kind(config);
	if (r == 0)
		ram->page_bytes = page_bytes(config);
	if (r == 0)
		r = check_size(config, &ram->bytes);
	if (r == 0 && ram->kind == VMM_RAM_FD)
		r = file_given(ram, config);
	else if (r == 0 && ram->kind != VMM_RAM_ANON)
		r = file_made(ram, config);
	if (r == 0)
		r = map_ram(ram, config);
	if (r < 0)
		vmm__ram_finish(ram);
	return r;
}

void vmm__ram_finish(struct ram *ram)
{
	if (ram->host)
		munmap(ram->host, ram->bytes);
	if (ram->fd >= 0)
		close(ram->fd);
	*ram = (struct ram){ .fd = -1 };
}

int vmm__ram_clear(struct ram *ram)
{
	if (ram->fd < 0) {
		if (madvise(ram->host, ram->bytes, MADV_DONTNEED) < 0)
			return vmm__fail_errno("cannot clear RAM");
		return 0;
	}

	if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)ram->fd_offset, (off_t)ram->bytes) == 0)
		return 0;
	/* A caller's file on a file system without holes. */
	memset(ram->host, 0, ram->bytes);
	return 0;
}

bool vmm__ram_discard(const struct ram *ram, unsigned char *host, uint64_t len)
{
	uint64_t offset;

	if (!ram || ram->fd < 0)
		return madvise(host, len, MADV_DONTNEED) == 0;
	offset = ram->fd_offset + (uint64_t)(host - ram->host);
	return fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			 (off_t)len) == 0;
}
