/* SPDX-License-Identifier: MIT */
/*
 * device.c - a virtio device of one's own: an entropy device (VIRTIO 1.2, 5.4)
 * whose bytes come from a file, and which counts what the guest takes.
 *
 * The guest's stock virtio-rng driver finds it like any other:
 *
 *	device KERNEL INITRD FILE	(FILE: /dev/urandom, or a recording)
 *
 * The first half is the device, the second a guest that has it and a console.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include <libvmm/boot.h>
#include <libvmm/console.h>
#include <libvmm/device.h>
#include <libvmm/vmm.h>

/* ---- the device ---- */

/* A guest may ask for gigabytes at once. Give a page; it will ask again. */
#define MAX_BYTES	4096u

struct source {
	int fd;
	uint64_t given;
};

/* Read into the guest's buffers, which @chain describes; @nr bytes at most. */
static ssize_t source_read(struct source *source, const struct vmm_chain *chain, size_t nr)
{
	struct iovec iov[VMM_CHAIN_MAX];
	int n = 0;

	for (; n < chain->nr_in && nr > 0; n++) {
		iov[n] = chain->iov[chain->nr_out + n];
		if (iov[n].iov_len > nr)
			iov[n].iov_len = nr;
		nr -= iov[n].iov_len;
	}
	return readv(source->fd, iov, n);
}

/* The guest rang: answer each request with some bytes, from the start again after the last. */
static void source_kick(struct vmm_device *dev, struct vmm_queue *queue)
{
	struct source *source = vmm_device_state(dev);
	struct vmm_chain chain;

	while (vmm_queue_pop(queue, &chain) > 0) {
		ssize_t n = source_read(source, &chain, MAX_BYTES);

		if (n == 0 && lseek(source->fd, 0, SEEK_SET) == 0)
			n = source_read(source, &chain, MAX_BYTES);
		if (n < 0) {
			vmm_device_break(dev, "the file cannot be read");
			return;
		}
		vmm_queue_push(queue, &chain, (uint32_t)n);
		source->given += (uint64_t)n;
	}
	vmm_queue_notify(queue);
}

static void source_reset(struct vmm_device *dev)
{
	/* Nothing is ever in flight: what kick takes it gives back at once. */
}

static const struct vmm_device_ops source_ops = {
	.size = sizeof(struct vmm_device_ops),
	.name = "file-rng",
	.virtio_id = VIRTIO_ID_RNG,
	.kick = source_kick,
	.reset = source_reset,
};

static int add_source(struct vmm *vm, struct source *source)
{
	struct vmm_device_config config = VMM_DEVICE_CONFIG_INIT;

	config.ops = &source_ops;
	config.state = source;
	config.nr_queues = 1;
	return vmm_add_device(vm, &config, NULL);
}

/* ---- the guest ---- */

static int add_console(struct vmm *vm)
{
	struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
	int in = dup(STDIN_FILENO), r;	/* a descriptor of 0 would mean "none" */

	r = vmm_console_open_fd(in, STDOUT_FILENO, &config.backend);
	if (r == 0) {
		r = vmm_add_console(vm, &config, NULL);
		if (r < 0)
			vmm_console_destroy(config.backend);
	}
	if (in >= 0)
		close(in);
	return r;
}

static int run(struct vmm *vm, struct source *source, const char *kernel, const char *initrd)
{
	struct vmm_boot_config boot = VMM_BOOT_CONFIG_INIT;
	struct vmm_stop_info stop = VMM_STOP_INFO_INIT;
	int r;

	boot.kernel_path = kernel;
	boot.initrd_path = initrd;
	boot.cmdline = "console=hvc0";

	r = add_source(vm, source);
	if (r == 0)
		r = add_console(vm);
	if (r == 0)
		r = vmm_boot_linux(vm, &boot);
	if (r == 0)
		r = vmm_start(vm);
	if (r == 0)
		r = vmm_wait(vm, &stop);
	if (r == 0)
		printf("\nstopped: %s; the guest took %" PRIu64 " bytes\n", stop.words,
		       source->given);
	return r;
}

int main(int argc, char **argv)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	struct source source;
	struct vmm *vm;
	int r;

	if (argc != 4) {
		fprintf(stderr, "usage: %s KERNEL INITRD FILE\n", argv[0]);
		return 2;
	}
	source = (struct source){ .fd = open(argv[3], O_RDONLY | O_CLOEXEC) };
	if (source.fd < 0) {
		perror(argv[3]);
		return 1;
	}

	config.ram_bytes = 256 << 20;
	r = vmm_create(&config, &vm);
	if (r == 0) {
		r = run(vm, &source, argv[1], argv[2]);
		if (r < 0)
			fprintf(stderr, "%s\n", vmm_last_error());
		vmm_destroy(vm);
	} else {
		fprintf(stderr, "%s\n", vmm_last_error());
	}
	close(source.fd);
	return r < 0;
}
