/* SPDX-License-Identifier: MIT */
/* boot.c - open and keep what a guest is booted from. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/boot_priv.h"
#include "core/config_priv.h"
#include "core/error_priv.h"

/*
 * A descriptor of our own, and the file's size. O_NONBLOCK: opening must not
 * wait, whatever the path turns out to be.
 */
static int file_open(const char *what, const char *path, int given_fd, uint64_t *ret_size)
{
	struct stat st;
	int fd, r;

	if (path)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	else
		fd = fcntl(given_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return path ? vmm__fail_errno("cannot open the %s %s", what, path) :
			      vmm__fail_errno("cannot use descriptor %d as the %s", given_fd, what);

	if (fstat(fd, &st) < 0) {
		r = vmm__fail_errno("cannot examine the %s", what);
		goto close_fd;
	}
	if (!S_ISREG(st.st_mode)) {
		r = vmm__fail(-EINVAL,
			      "the %s %s is not a plain file", what, path ? path : "given");
		goto close_fd;
	}

	*ret_size = (uint64_t)st.st_size;
	return fd;

close_fd:
	close(fd);
	return r;
}

static int config_check(const struct vmm_boot_config *config)
{
	if (!config->kernel_path && config->kernel_fd <= 0)
		return vmm__fail(-EINVAL, "no kernel: give kernel_path or kernel_fd");
	if (config->kernel_path && config->kernel_fd > 0)
		return vmm__fail(-EINVAL, "two kernels: give kernel_path or kernel_fd, not both");
	if (config->initrd_path && config->initrd_fd > 0)
		return vmm__fail(-EINVAL, "two initrds: give initrd_path or initrd_fd, not both");
	if (config->protocol > VMM_BOOT_IMAGE)
		return vmm__fail(-EINVAL, "boot protocol %u is none of enum vmm_boot_protocol",
				 config->protocol);
	if (config->reserved != 0)
		return vmm__fail(-EINVAL, "reserved field of the boot config is %u, not 0",
				 config->reserved);

	return 0;
}

int vmm__boot_source_open(struct boot_source *ret_source, const struct vmm_boot_config *config)
{
	struct boot_source source = { .kernel_fd = -1, .initrd_fd = -1 };
	struct vmm_boot_config c;
	int r;

	r = vmm__config_copy(&c, sizeof(c), config, config->size, sizeof(size_t));
	if (r == 0)
		r = config_check(&c);
	if (r < 0)
		return r;

	source.protocol = c.protocol;
	r = source.kernel_fd = file_open("kernel", c.kernel_path, c.kernel_fd, &source.kernel_size);
	if (r < 0)
		return r;
	if (source.kernel_size == 0) {
		r = vmm__fail(-ENOEXEC, "the kernel is an empty file");
		goto close_source;
	}

	if (c.initrd_path || c.initrd_fd > 0) {
		r = source.initrd_fd = file_open("initrd", c.initrd_path, c.initrd_fd,
						 &source.initrd_size);
		if (r < 0)
			goto close_source;
	}

	source.cmdline = strdup(c.cmdline ? c.cmdline : "");
	if (!source.cmdline) {
		r = vmm__fail(-ENOMEM, "no memory for the command line");
		goto close_source;
	}

	*ret_source = source;
	return 0;

close_source:
	vmm__boot_source_close(&source);
	return r;
}

void vmm__boot_source_close(struct boot_source *source)
{
	if (source->initrd_fd >= 0)
		close(source->initrd_fd);
	if (source->kernel_fd >= 0)
		close(source->kernel_fd);
	free(source->cmdline);
	*source = (struct boot_source){ .kernel_fd = -1, .initrd_fd = -1 };
}

int vmm__boot_read(const struct boot_source *source, uint64_t offset, void *dst, size_t len,
		   const char *what)
{
	unsigned char *to = dst;

	if (offset > source->kernel_size || len > source->kernel_size - offset)
		return vmm__fail(-ENOEXEC,
				 "the kernel is truncated: %s is %zu bytes at 0x%llx, the file has "
				 "%llu",
				 what, len, (unsigned long long)offset,
				 (unsigned long long)source->kernel_size);

	while (len > 0) {
		ssize_t n = pread(source->kernel_fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			vmm__fail_errno("cannot read the kernel's %s", what);
			return -EIO;
		}
		if (n == 0)
			return vmm__fail(-EIO, "the kernel shrank while its %s was read", what);
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}

	return 0;
}
