/* SPDX-License-Identifier: MIT */
/*
 * bench_block.c - a disk in a file against plain pread() on the same file, in the same run.
 *
 * Random reads of 4 KiB: the disk keeps 32 in flight through all of its parts (submit,
 * commit, ring or threads, completion on the loop); pread() does one after the other. Twice:
 * from the page cache, where only the price of the way counts, and past it, where
 * the depth should win.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backends/block/block_priv.h"

#define FILE_BYTES	(64u << 20)
#define READ_BYTES	4096u
#define DEPTH		32
#define ROUNDS		201
#define READS		512		/* of a round */

static struct vmm_loop *loop;
static unsigned char *buffers;
static uint64_t offsets[READS];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, vmm_last_error());
	exit(EXIT_FAILURE);
}

/* ---- the two ways ---- */

static void read_plainly(int fd)
{
	for (int i = 0; i < READS; i++) {
		if (pread(fd, buffers, READ_BYTES, (off_t)offsets[i]) != READ_BYTES)
			die("pread");
	}
}

struct slot {
	struct blk_io io;
	struct iovec iov;
};

static struct {
	struct vmm_blk *blk;
	int next, done;
} disk;

static void slot_start(struct slot *slot)
{
	if (disk.next == READS)
		return;
	slot->io.req.op = VMM_BLK_READ;
	slot->io.req.offset = offsets[disk.next++];
	slot->io.req.length = READ_BYTES;
	slot->io.req.iov = &slot->iov;
	slot->io.req.nr_iov = 1;
	vmm__blk_submit(disk.blk, &slot->io);
}

static void slot_done(struct blk_io *io, int result)
{
	if (result != 0)
		die("read");
	disk.done++;
	slot_start((struct slot *)io);
}

static void settled(void *data)
{
	vmm__blk_commit(disk.blk);
}

static const struct blk_front front = { .settled = settled };

static void read_by_disk(struct slot *slots)
{
	disk.next = disk.done = 0;
	for (int i = 0; i < DEPTH; i++)
		slot_start(&slots[i]);
	vmm__blk_commit(disk.blk);
	while (disk.done < READS) {
		struct pollfd p = { .fd = vmm_loop_fd(loop), .events = POLLIN };

		if (vmm_loop_dispatch(loop) == 0)
			(void)poll(&p, 1, -1);
	}
}

/* ---- figures ---- */

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many times as many reads a second the disk does; 99 of 100 rounds reach p99. */
static double compare(const char *name, int fd, struct slot *slots)
{
	double ratio[ROUNDS], plain = 0, ours = 0;

	for (int round = -1; round < ROUNDS; round++) {
		double t0, t1, t2;

		for (int i = 0; i < READS; i++)
			offsets[i] = (uint64_t)(random() % (FILE_BYTES / READ_BYTES)) * READ_BYTES;
		t0 = now();
		read_plainly(fd);
		t1 = now();
		read_by_disk(slots);
		t2 = now();
		if (round < 0)
			continue;	/* warms up */
		ratio[round] = (t1 - t0) / (t2 - t1);
		plain += t1 - t0;
		ours += t2 - t1;
	}
	qsort(ratio, ROUNDS, sizeof(ratio[0]), ascending);
	printf("%-16s n %d: ratio %.2f, p99 %.2f (pread %.2f us, disk %.2f us a read)\n", name,
	       ROUNDS, ratio[ROUNDS / 2], ratio[ROUNDS / 100], plain / ROUNDS / READS * 1e6,
	       ours / ROUNDS / READS * 1e6);
	return ratio[ROUNDS / 2];
}

static double bench(const char *name, const char *path, uint32_t flags)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	struct slot slots[DEPTH];
	double median;
	int fd = open(path, O_RDONLY | O_CLOEXEC | (flags & VMM_BLK_FILE_DIRECT ? O_DIRECT : 0));

	if (fd < 0)
		return 1e9;	/* no O_DIRECT here: nothing to compare */
	config.path = path;
	config.flags = flags | VMM_BLK_READ_ONLY;
	if (vmm_blk_open_file(&config, &disk.blk) < 0 || vmm_loop_create(NULL, &loop) < 0 ||
	    vmm__blk_attach(disk.blk, loop, &front) < 0)
		die("disk");
	memset(slots, 0, sizeof(slots));
	for (int i = 0; i < DEPTH; i++) {
		slots[i].iov = (struct iovec){ buffers + (size_t)i * READ_BYTES, READ_BYTES };
		slots[i].io.done = slot_done;
	}

	median = compare(name, fd, slots);
	vmm__blk_drain(disk.blk);
	vmm__blk_detach(disk.blk);
	vmm_blk_destroy(disk.blk);
	(void)vmm_loop_destroy(loop);
	close(fd);
	return median;
}

int main(void)
{
	char path[64] = "bench.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	double direct;

	buffers = aligned_alloc(4096, (size_t)DEPTH * READ_BYTES);
	if (fd < 0 || !buffers)
		die("cannot make a file");
	(void)unlink(path);
	memset(buffers, 0x5a, (size_t)DEPTH * READ_BYTES);
	for (uint64_t at = 0; at < FILE_BYTES; at += (uint64_t)DEPTH * READ_BYTES) {
		if (pwrite(fd, buffers, (size_t)DEPTH * READ_BYTES, (off_t)at) < 0)
			die("write");
	}
	(void)fdatasync(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	(void)bench("cached, ring", path, 0);
	(void)bench("cached, threads", path, VMM_BLK_FILE_THREADS);
	direct = bench("direct, ring", path, VMM_BLK_FILE_DIRECT);
	(void)bench("direct, threads", path, VMM_BLK_FILE_DIRECT | VMM_BLK_FILE_THREADS);

	close(fd);
	free(buffers);
	/* 32 in flight must not be slower than one at a time. */
	return direct >= 1.0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
