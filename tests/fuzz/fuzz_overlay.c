/* SPDX-License-Identifier: MIT */
/*
 * fuzz_overlay.c - the file of an overlay by whoever wrote it, and requests of all kinds on what
 * opens: header and map are damaged at will, with a checksum that is right or not.
 */
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/block/overlay_priv.h"

#define CAPACITY	(256u << 10)

static struct vmm_loop *loop;
static struct vmm_blk *blk;

struct request {
	struct blk_io io;
	struct iovec iov;
	int done;
};

static void request_done(struct blk_io *io, int result)
{
	((struct request *)io)->done = 1;
}

static void settled(void *data)
{
}

static const struct blk_front front = { .settled = settled };

/* A well-made file, bent by the input. */
static int make_file(const uint8_t *data, size_t size)
{
	static unsigned char file[2 * OVERLAY_BLOCK];
	static const uint32_t clusters[] = { 4096, 8192, 65536, 1u << 20 };
	struct overlay_layout l;
	int fd = memfd_create("overlay", MFD_CLOEXEC);

	if (fd < 0 || vmm__overlay_layout(CAPACITY, CAPACITY, clusters[data[0] & 3], &l) < 0)
		abort();
	memset(file, 0, sizeof(file));
	vmm__overlay_build(&l, file);
	for (size_t i = 2; i + 2 < size; i += 3) {
		size_t at = (size_t)(data[i] << 8 | data[i + 1]);

		/* Header and map are what counts. */
		file[data[1] & 1 ? at % 80 : OVERLAY_BLOCK + at % 80] = data[i + 2];
	}
	if (data[1] & 2) {
		/* The number that a forger would compute. */
		uint32_t crc = ~0u;

		for (size_t i = 0; i < 76; i++) {
			crc ^= file[i];
			for (int bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
		}
		crc = ~crc;
		for (int i = 0; i < 4; i++)
			file[76 + i] = (unsigned char)(crc >> (8 * i));
	}
	if (write(fd, file, sizeof(file)) != sizeof(file) ||
	    ftruncate(fd, data[1] & 4 ? (off_t)l.file_bytes : (data[1] >> 3) * 65536 + 4096) < 0)
		abort();
	return fd;
}

static void run(struct request *requests, int n)
{
	vmm__blk_commit(blk);
	for (int i = 0; i < n; i++) {
		while (!requests[i].done) {
			if (vmm_loop_dispatch(loop) < 0)
				abort();
		}
	}
}

static void use(const uint8_t *data, size_t size)
{
	static unsigned char buffer[65536];
	static struct request requests[8];

	for (size_t i = 0; i + 3 < size; i += 4) {
		struct request *r = &requests[i / 4 % 8];
		uint64_t sectors = CAPACITY / 512, length = 1 + data[i + 1] % 100;

		memset(r, 0, sizeof(*r));
		r->io.done = request_done;
		r->io.req.op = data[i] % 5;
		r->io.req.offset = (uint64_t)(data[i + 2] << 8 | data[i + 3]) % sectors;
		if (length > sectors - r->io.req.offset)
			length = sectors - r->io.req.offset;
		r->io.req.offset *= 512;
		r->io.req.length = r->io.req.op == VMM_BLK_FLUSH ? 0 : length * 512;
		r->iov = (struct iovec){ buffer, length * 512 };
		r->io.req.iov = &r->iov;
		r->io.req.nr_iov = r->io.req.op <= VMM_BLK_WRITE;
		vmm__blk_submit(blk, &r->io);
		if (i / 4 % 8 == 7)
			run(requests, 8);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_blk_overlay_config config = VMM_BLK_OVERLAY_CONFIG_INIT;

	if (size < 2)
		return 0;
	config.fd = make_file(data, size < 64 ? size : 64);
	config.flags = VMM_BLK_FILE_UNLOCKED | VMM_BLK_FILE_THREADS;
	if (vmm_blk_open_ram(CAPACITY, &config.base) < 0 || vmm_loop_create(NULL, &loop) < 0)
		abort();
	if (vmm_blk_open_overlay(&config, &blk) < 0) {
		vmm_blk_destroy(config.base);
	} else {
		if (vmm__blk_attach(blk, loop, &front) < 0)
			abort();
		if (size > 64)
			use(data + 64, size - 64);
		vmm__blk_drain(blk);
		vmm__blk_detach(blk);
		vmm_blk_destroy(blk);
	}
	close(config.fd);
	if (vmm_loop_destroy(loop) < 0)
		abort();
	return 0;
}
