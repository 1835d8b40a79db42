/* SPDX-License-Identifier: MIT */
/* test_block_file.c - a disk in a file: through the ring, through threads, past the page cache. */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "backends/block/file_priv.h"
#include "block_ops.h"

#define CAPACITY	(4u << 20)

/* Each way to the file. */
static const uint32_t ways[] = {
	0,
	VMM_BLK_FILE_THREADS,
	VMM_BLK_FILE_DIRECT,
	VMM_BLK_FILE_DIRECT | VMM_BLK_FILE_THREADS,
};
#define NR_WAYS	((int)(sizeof(ways) / sizeof(ways[0])))

static int fd;			/* the file, as its owner sees it */
static char path[64];
static unsigned char *buffer;	/* aligned as O_DIRECT likes it */
static unsigned fds_before;

/* A file without a name that can be opened again by path. */
static void make_file(off_t size)
{
	char name[] = "disk.XXXXXX";

	fd = mkostemp(name, O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

static int open_disk(uint32_t flags, struct vmm_blk **ret_blk)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;

	config.path = path;
	config.flags = flags;
	return vmm_blk_open_file(&config, ret_blk);
}

static void setup(void)
{
	settled = 0;
	buffer = aligned_alloc(4096, 1 << 20);
	ck_assert_ptr_nonnull(buffer);
	memset(buffer, 0, 1 << 20);
	make_file(CAPACITY);
	fds_before = count_fds();
}

static void teardown(void)
{
	ck_assert_uint_eq(count_fds(), fds_before);
	close(fd);
	free(buffer);
}

/* False: this file system or kernel has no O_DIRECT. */
static bool plug_disk(uint32_t flags)
{
	int r = open_disk(flags, &blk);

	if ((flags & VMM_BLK_FILE_DIRECT) && r == -EINVAL)
		return false;
	ck_assert_msg(r == 0, "%s", vmm_last_error());
	plug();
	return true;
}

static void fill(unsigned char *bytes, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i * 13 + i / 512 + seed);
}

/* ---- the size ---- */

static uint64_t size_of_file(void)
{
	struct stat stat;

	ck_assert_int_eq(fstat(fd, &stat), 0);
	return (uint64_t)stat.st_size;
}

static uint64_t capacity(void)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert_int_eq(vmm_blk_info(blk, &info), 0);
	return info.capacity;
}

START_TEST(a_disk_follows_its_file_or_makes_it_longer_and_never_cuts_it)
{
	if (!plug_disk(ways[_i]))
		return;
	ck_assert_int_eq(ftruncate(fd, 2 * CAPACITY), 0);
	ck_assert_int_eq(vmm_blk_resize(blk, 0), 0);
	ck_assert_uint_eq(capacity(), 2 * CAPACITY);

	ck_assert_int_eq(vmm_blk_resize(blk, 3 * CAPACITY), 0);
	ck_assert_uint_eq(capacity(), 3 * CAPACITY);
	ck_assert_uint_eq(size_of_file(), 3 * CAPACITY);
	memset(buffer, 0x77, 4096);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 3 * CAPACITY - 4096, buffer, 4096), 0);

	ck_assert_int_eq(vmm_blk_resize(blk, 4096), 0);
	ck_assert_uint_eq(capacity(), 4096);
	ck_assert_uint_eq(size_of_file(), 3 * CAPACITY);
	ck_assert_int_eq(vmm_blk_resize(blk, 0), 0);
	ck_assert_uint_eq(capacity(), 3 * CAPACITY);
	memset(buffer, 0, 4096);
	ck_assert_int_eq(run(VMM_BLK_READ, 3 * CAPACITY - 4096, buffer, 4096), 0);
	ck_assert(all_bytes(buffer, 4096, 0x77));
	unplug();
}
END_TEST

START_TEST(a_file_that_may_not_grow_says_why)
{
	struct rlimit limit = { CAPACITY, RLIM_INFINITY };

	ck_assert_int_eq(open_disk(VMM_BLK_READ_ONLY, &blk), 0);
	plug();
	ck_assert_int_eq(vmm_blk_resize(blk, CAPACITY + 4096), -EROFS);
	ck_assert_int_eq(vmm_blk_resize(blk, CAPACITY / 2), 0);
	unplug();

	/* No signal comes of it, neither here nor from a write later on. */
	ck_assert_int_eq(open_disk(0, &blk), 0);
	plug();
	ck_assert_int_eq(ftruncate(fd, CAPACITY + 4096), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(vmm_blk_resize(blk, CAPACITY + 8192), -EFBIG);
	(void)!vmm_blk_resize(blk, 0);	/* with threads, which block the signal, it may */
	memset(buffer, 0, 4096);
	if (capacity() > CAPACITY)
		ck_assert_int_eq(run(VMM_BLK_WRITE, CAPACITY, buffer, 4096), -EFBIG);
	ck_assert_int_eq(vmm_blk_resize(blk, UINT64_MAX), -EFBIG);
	unplug();
}
END_TEST

/* ---- data ---- */

START_TEST(byte_n_of_the_disk_is_byte_n_of_the_file)
{
	struct op op;

	if (!plug_disk(ways[_i]))
		return;
	fill(buffer, 16384, 1);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 8192, buffer, 16384), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(pread(fd, buffer + 65536, 16384, 8192), 16384);
	ck_assert_mem_eq(buffer, buffer + 65536, 16384);

	memset(buffer + 65536, 0, 16384);
	op_init(&op, VMM_BLK_READ, 8192, 0);
	op_add(&op, buffer + 65536, 4096);
	op_add(&op, buffer + 65536 + 4096, 8192);
	op_add(&op, buffer + 65536 + 12288, 4096);
	ck_assert_int_eq(op_run(&op), 0);
	ck_assert_mem_eq(buffer, buffer + 65536, 16384);
	unplug();
}
END_TEST

START_TEST(buffers_need_no_alignment)
{
	size_t len = 300 * 1024;	/* more than a bounce buffer */
	unsigned char *odd = buffer + 512 * 1024 + 1;
	struct op op;

	if (!plug_disk(ways[_i]))
		return;
	fill(odd, len, 2);
	op_init(&op, VMM_BLK_WRITE, 4096, 0);
	op_add(&op, odd, 16);
	op_add(&op, odd + 16, 1);
	op_add(&op, odd + 17, len - 17);
	ck_assert_int_eq(op_run(&op), 0);
	ck_assert_int_eq(pread(fd, buffer, len, 4096), (ssize_t)len);
	ck_assert_mem_eq(buffer, odd, len);

	memset(odd, 0, len);
	op_init(&op, VMM_BLK_READ, 4096, 0);
	op_add(&op, odd, 4095);
	op_add(&op, odd + 4095, len - 4095);
	ck_assert_int_eq(op_run(&op), 0);
	ck_assert_mem_eq(buffer, odd, len);
	unplug();
}
END_TEST

/* O_DSYNC for one write: nobody can see the difference but a crash, only that it is done. */
START_TEST(a_write_that_goes_through_is_written)
{
	unsigned char *odd = buffer + 1;

	if (!plug_disk(ways[_i]))
		return;
	for (int unaligned = 0; unaligned < 2; unaligned++) {
		unsigned char *from = unaligned ? odd : buffer;
		struct op op;

		fill(from, 8192, (unsigned)unaligned);
		op_init(&op, VMM_BLK_WRITE, 4096, 0);
		op_add(&op, from, 4096);
		op_add(&op, from + 4096, 4096);
		op.io.req.flags = VMM_BLK_THROUGH;
		ck_assert_int_eq(op_run(&op), 0);
		ck_assert_int_eq(pread(fd, buffer + 65536, 8192, 4096), 8192);
		ck_assert_mem_eq(from, buffer + 65536, 8192);
	}
	unplug();
}
END_TEST

/* As after a transfer that moved only part: at every place where it can have stopped. */
START_TEST(the_rest_of_a_request_is_done_from_where_it_stopped)
{
	struct blk_file file = { .fd = fd, .align = 1, .capacity = CAPACITY };

	fill(buffer, 2048, 4);
	ck_assert_int_eq(pwrite(fd, buffer, 2048, 512), 2048);
	for (uint64_t done = 0; done <= 2048; done++) {
		unsigned char *to = buffer + 4096;
		struct op op;

		memset(to, 0, 2048);
		op_init(&op, VMM_BLK_READ, 512, 0);
		op_add(&op, to, 1000);
		op_add(&op, to + 1000, 24);
		op_add(&op, to + 1024, 1024);
		vmm__file_job(&op.io.req)->done = done;
		ck_assert_int_eq(vmm__file_run(&file, &op.io.req), 0);
		ck_assert(all_bytes(to, done, 0));
		ck_assert_int_eq(memcmp(to + done, buffer + done, 2048 - done), 0);
	}
}
END_TEST

START_TEST(more_requests_than_the_ring_holds_are_all_answered)
{
	enum { N = 1000 };
	struct op *ops = calloc(N, sizeof(*ops));

	ck_assert_ptr_nonnull(ops);
	if (!plug_disk(ways[_i])) {
		free(ops);
		return;
	}
	for (int i = 0; i < N; i++)
		memset(buffer + i * 512, i % 251, 512);
	ck_assert_int_eq(pwrite(fd, buffer, N * 512, 0), N * 512);
	memset(buffer, 0xff, N * 512);

	for (int i = 0; i < N; i++) {
		op_init(&ops[i], VMM_BLK_READ, (uint64_t)i * 512, 0);
		op_add(&ops[i], buffer + i * 512, 512);
		if (i % 50 == 0)
			op_init(&ops[i], VMM_BLK_FLUSH, 0, 0);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	for (int i = 0; i < N; i++) {
		/* O_DIRECT may want more than 512: then it is an error, and an answer. */
		int r = op_wait(&ops[i]);

		if (i % 50 != 0 && r == 0)
			ck_assert(all_bytes(buffer + i * 512, 512, (unsigned char)(i % 251)));
		ck_assert(r == 0 || (ways[_i] & VMM_BLK_FILE_DIRECT));
	}
	unplug();
	free(ops);
}
END_TEST

/* All in the page cache: each completes as it is submitted, and none is left to wake us. */
START_TEST(more_cached_reads_than_the_ring_holds_are_all_answered)
{
	enum { N = 4000 };
	struct op *ops = calloc(N, sizeof(*ops));

	ck_assert_ptr_nonnull(ops);
	ck_assert(plug_disk(0));
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 1 << 20), 0);
	for (int i = 0; i < N; i++) {
		op_init(&ops[i], VMM_BLK_READ, 0, 0);
		op_add(&ops[i], buffer, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	unplug();
	free(ops);
}
END_TEST

START_TEST(drain_and_destroy_with_requests_in_flight)
{
	struct op ops[64];

	if (!plug_disk(ways[_i]))
		return;
	for (int i = 0; i < 64; i++) {
		op_init(&ops[i], i % 2 ? VMM_BLK_WRITE : VMM_BLK_READ, (uint64_t)i * 16384, 0);
		op_add(&ops[i], buffer + i * 16384, 16384);
		vmm__blk_submit(blk, &ops[i].io);
	}
	if (_i % 2)
		vmm__blk_commit(blk);
	unplug();
	for (int i = 0; i < 64; i++) {
		ck_assert(ops[i].done);
		ck_assert_int_eq(ops[i].result, 0);
	}
}
END_TEST

/* ---- discard and write zeroes ---- */

static long blocks(void)
{
	struct stat stat;

	ck_assert_int_eq(fdatasync(fd), 0);
	ck_assert_int_eq(fstat(fd, &stat), 0);
	return (long)stat.st_blocks;
}

static int zero_unmap(uint64_t offset, uint64_t length)
{
	struct op op;

	op_init(&op, VMM_BLK_WRITE_ZEROES, offset, length);
	op.io.req.flags = VMM_BLK_MAY_UNMAP;
	return op_run(&op);
}

START_TEST(discard_gives_storage_back_and_zeroing_keeps_it_unless_allowed)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	long full;

	if (!plug_disk(ways[_i]))
		return;
	ck_assert_int_eq(vmm_blk_info(blk, &info), 0);
	ck_assert_uint_eq(info.flags & VMM_BLK_CAN_ZERO, VMM_BLK_CAN_ZERO);
	memset(buffer, 0xaa, 1 << 20);
	ck_assert_int_eq(pwrite(fd, buffer, 1 << 20, 0), 1 << 20);
	full = blocks();

	ck_assert_int_eq(run(VMM_BLK_WRITE_ZEROES, 65536, NULL, 65536), 0);
	ck_assert_int_ge(blocks(), full);
	ck_assert_int_eq(zero_unmap(131072, 65536), 0);
	if (info.flags & VMM_BLK_CAN_DISCARD) {
		ck_assert_int_lt(blocks(), full);
		ck_assert_int_eq(run(VMM_BLK_DISCARD, 196608, NULL, 65536), 0);
		ck_assert_int_eq(pread(fd, buffer, 65536, 196608), 65536);
		ck_assert(all_bytes(buffer, 65536, 0));
	}
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 1 << 20), 0);
	ck_assert(all_bytes(buffer, 65536, 0xaa));
	ck_assert(all_bytes(buffer + 65536, 131072, 0));
	ck_assert(all_bytes(buffer + 262144, (1 << 20) - 262144, 0xaa));
	unplug();
}
END_TEST

/* tmpfs has holes, but cannot zero a range that keeps its place: it is written. */
START_TEST(zeros_are_written_where_the_file_system_has_no_better_way)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	int mem = memfd_create("disk", MFD_CLOEXEC);

	ck_assert_int_ge(mem, 0);
	memset(buffer, 0xaa, 1 << 20);
	ck_assert_int_eq(write(mem, buffer, 1 << 20), 1 << 20);
	config.fd = mem;
	config.flags = ways[_i] & VMM_BLK_FILE_THREADS;
	ck_assert_int_eq(vmm_blk_open_file(&config, &blk), 0);
	plug();
	for (int again = 0; again < 2; again++) {
		ck_assert_int_eq(run(VMM_BLK_WRITE_ZEROES, 512, NULL, 600 * 1024), 0);
		ck_assert_int_eq(pread(mem, buffer, 1 << 20, 0), 1 << 20);
		ck_assert(all_bytes(buffer, 512, 0xaa));
		ck_assert(all_bytes(buffer + 512, 600 * 1024, 0));
		ck_assert(all_bytes(buffer + 512 + 600 * 1024, 100 * 1024, 0xaa));
	}
	unplug();
	close(mem);
}
END_TEST

/* ---- what a file can do to us ---- */

START_TEST(a_file_that_becomes_shorter_fails_the_request_and_nothing_else)
{
	if (!plug_disk(ways[_i]))
		return;
	ck_assert_int_eq(ftruncate(fd, 8192), 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 65536, buffer, 4096), -EIO);
	ck_assert_int_eq(run(VMM_BLK_READ, 4096, buffer, 8192), -EIO);	/* half of it is there */
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 8192), 0);

	/* It may grow again. */
	ck_assert_int_eq(run(VMM_BLK_WRITE, 65536, buffer, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 65536, buffer, 4096), 0);
	unplug();
}
END_TEST

START_TEST(a_sealed_file_fails_the_write_and_nothing_else)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	int mem = memfd_create("disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(mem, 0);
	ck_assert_int_eq(ftruncate(mem, CAPACITY), 0);
	config.fd = mem;
	config.flags = ways[_i] & VMM_BLK_FILE_THREADS;
	ck_assert_int_eq(vmm_blk_open_file(&config, &blk), 0);
	plug();
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	ck_assert_int_eq(fcntl(mem, F_ADD_SEALS, F_SEAL_WRITE), 0);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), -EPERM);
	ck_assert_int_eq(run(VMM_BLK_DISCARD, 0, NULL, 4096), -EPERM);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), 0);
	unplug();
	close(mem);
}
END_TEST

/* SIGXFSZ keeps its default action here, as in an application that never heard of it. */
START_TEST(a_limit_of_file_size_fails_the_write_and_nothing_else)
{
	struct rlimit limit = { 65536, RLIM_INFINITY };

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	if (!plug_disk(ways[_i]))
		return;
	ck_assert_int_eq(run(VMM_BLK_WRITE, 131072, buffer, 4096), -EFBIG);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	unplug();
}
END_TEST

START_TEST(a_full_file_system_fails_the_write_and_nothing_else)
{
	char name[] = "blk.XXXXXX";
	int dir, full;

	ck_assert_ptr_nonnull(mkdtemp(name));
	/* Of this process alone, and gone with it. */
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", name, "tmpfs", 0, "size=256k") < 0) {
		(void)rmdir(name);
		return;
	}
	dir = open(name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	full = openat(dir, "disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(full, 0);
	ck_assert_int_eq(ftruncate(full, CAPACITY), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", full);

	ck_assert(plug_disk(ways[_i] & VMM_BLK_FILE_THREADS));
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 1 << 20), -ENOSPC);
	ck_assert_int_eq(run(VMM_BLK_DISCARD, 0, NULL, CAPACITY), 0);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 65536), 0);
	unplug();
	close(full);
	close(dir);
	ck_assert_int_eq(umount2(name, MNT_DETACH), 0);
	(void)rmdir(name);
}
END_TEST

/* ---- what a kernel can do to us ---- */

static void *submit_and_end(void *arg)
{
	struct op *ops = arg;

	for (int i = 0; i < 64; i++)
		vmm__blk_submit(blk, &ops[i].io);
	vmm__blk_commit(blk);
	return NULL;
}

/* io_uring cancels the requests of a thread that ends. */
START_TEST(requests_survive_the_thread_that_submitted_them)
{
	struct op ops[64];
	pthread_t thread;

	if (!plug_disk(ways[_i]))
		return;
	for (int i = 0; i < 64; i++) {
		op_init(&ops[i], i % 8 ? VMM_BLK_WRITE : VMM_BLK_FLUSH, (uint64_t)i * 65536, 0);
		if (i % 8)
			op_add(&ops[i], buffer + i * 4096, 65536);
	}
	ck_assert_int_eq(pthread_create(&thread, NULL, submit_and_end, ops), 0);
	pthread_join(thread, NULL);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	unplug();
}
END_TEST

/* From here on this process is refused a system call. */
static void refuse(long nr, int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static const int refusals[] = { ENOSYS, EPERM, ENOMEM };

START_TEST(a_kernel_without_io_uring_gets_threads)
{
	refuse(SYS_io_uring_setup, refusals[_i]);
	ck_assert(plug_disk(0));
	fill(buffer, 4096, 3);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	ck_assert_int_eq(pread(fd, buffer + 4096, 4096, 0), 4096);
	ck_assert_mem_eq(buffer, buffer + 4096, 4096);
	unplug();
}
END_TEST

START_TEST(a_ring_that_is_forbidden_later_is_replaced_by_threads)
{
	struct op ops[200];

	ck_assert(plug_disk(0));
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	refuse(SYS_io_uring_enter, EPERM);
	for (int i = 0; i < 200; i++) {
		op_init(&ops[i], VMM_BLK_WRITE, (uint64_t)i * 512, 0);
		op_add(&ops[i], buffer + i * 512, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), 0);
	unplug();
}
END_TEST

#ifdef HAVE_LIBURING
/* Out of memory for a moment: what could not be submitted waits and is tried again. */
START_TEST(a_ring_without_memory_tries_again)
{
	struct op op;

	ck_assert(plug_disk(0));
	refuse(SYS_io_uring_enter, EAGAIN);
	op_init(&op, VMM_BLK_WRITE, 0, 0);
	op_add(&op, buffer, 4096);
	vmm__blk_submit(blk, &op.io);
	vmm__blk_commit(blk);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(vmm_loop_dispatch(loop), 1);
	ck_assert(!op.done);
	/* It stays so here: EPERM comes on top and settles it. */
	refuse(SYS_io_uring_enter, EPERM);
	ck_assert_int_eq(op_wait(&op), 0);
	unplug();
}
END_TEST
#endif

static unsigned nr_tasks(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void *nothing(void *arg)
{
	return arg;
}

START_TEST(threads_start_when_they_are_needed_and_end_with_the_disk)
{
	struct op ops[100];
	pthread_t thread;
	unsigned before;

	/* A sanitizer starts one of its own with the first. */
	ck_assert_int_eq(pthread_create(&thread, NULL, nothing, NULL), 0);
	pthread_join(thread, NULL);
	usleep(100 * 1000);	/* the system forgets a thread a little after its end */
	before = nr_tasks();
	ck_assert(plug_disk(VMM_BLK_FILE_THREADS));
	ck_assert_uint_eq(nr_tasks(), before);
	for (int i = 0; i < 100; i++) {
		op_init(&ops[i], VMM_BLK_WRITE, (uint64_t)i * 512, 0);
		op_add(&ops[i], buffer, 512);
		vmm__blk_submit(blk, &ops[i].io);
	}
	ck_assert_uint_gt(nr_tasks(), before);
	ck_assert_uint_le(nr_tasks(), before + 8);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	unplug();
	for (int i = 0; i < 100 && nr_tasks() > before; i++)
		usleep(10 * 1000);
	ck_assert_uint_eq(nr_tasks(), before);
}
END_TEST

/* ---- opening ---- */

START_TEST(a_file_is_locked_for_one_writer_or_many_readers)
{
	struct vmm_blk *second = NULL;

	for (int again = 0; again < 3; again++) {
		ck_assert(plug_disk(ways[_i] & VMM_BLK_FILE_THREADS));
		ck_assert_int_eq(open_disk(0, &second), -EBUSY);
		ck_assert_int_eq(open_disk(VMM_BLK_READ_ONLY, &second), -EBUSY);
		ck_assert_ptr_null(second);
		ck_assert_int_eq(open_disk(VMM_BLK_FILE_UNLOCKED, &second), 0);
		vmm_blk_destroy(second);
		second = NULL;
		ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
		/* Released at once, also where a ring is still dying. */
		unplug();
	}

	ck_assert_int_eq(open_disk(VMM_BLK_READ_ONLY, &blk), 0);
	ck_assert_int_eq(open_disk(VMM_BLK_READ_ONLY, &second), 0);
	vmm_blk_destroy(blk);
	vmm_blk_destroy(second);
}
END_TEST

START_TEST(a_descriptor_is_duplicated_and_unlocked_at_the_end)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	int own = open(path, O_RDWR | O_CLOEXEC), dup_fd = dup(own);

	config.fd = dup_fd;
	ck_assert_int_eq(vmm_blk_open_file(&config, &blk), 0);
	close(dup_fd);
	plug();
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	unplug();

	/* Our descriptor is still open, and the file free. */
	ck_assert(plug_disk(0));
	unplug();
	close(own);
}
END_TEST

START_TEST(a_read_only_disk_cannot_be_written)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert(plug_disk(VMM_BLK_READ_ONLY | ways[_i]));
	ck_assert_int_eq(vmm_blk_info(blk, &info), 0);
	ck_assert_uint_eq(info.flags, VMM_BLK_READ_ONLY | VMM_BLK_CAN_FLUSH);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 4096), 0);
	/* The front end refuses it; and if it did not, the kernel would. */
	ck_assert_int_ne(run(VMM_BLK_WRITE, 0, buffer, 4096), 0);
	ck_assert_int_ne(run(VMM_BLK_WRITE_ZEROES, 0, NULL, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	unplug();
}
END_TEST

static int refused_fd(int open_flags, uint32_t flags)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk *none = NULL;
	int own = open(path, open_flags | O_CLOEXEC), r;

	ck_assert_int_ge(own, 0);
	config.fd = own;
	config.flags = flags;
	r = vmm_blk_open_file(&config, &none);
	ck_assert(r < 0 && !none);
	close(own);
	return r;
}

START_TEST(a_descriptor_that_would_not_do_is_refused)
{
	ck_assert_int_eq(refused_fd(O_WRONLY, 0), -EINVAL);
	ck_assert_int_eq(refused_fd(O_RDONLY, 0), -EINVAL);
	ck_assert_int_eq(refused_fd(O_RDWR | O_APPEND, 0), -EINVAL);
	ck_assert_int_eq(refused_fd(O_PATH, VMM_BLK_READ_ONLY), -EINVAL);
	ck_assert_int_eq(refused_fd(O_RDWR, VMM_BLK_FILE_DIRECT), -EINVAL);
}
END_TEST

static int refused_path(const char *name)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk *none = NULL;
	int r;

	config.path = name;
	config.flags = VMM_BLK_READ_ONLY;
	r = vmm_blk_open_file(&config, &none);
	ck_assert_ptr_null(none);
	ck_assert_str_ne(vmm_last_error(), "");
	return r;
}

START_TEST(what_is_no_disk_is_refused)
{
	char name[] = "fifo.XXXXXX";

	ck_assert_int_eq(refused_path("."), -EINVAL);
	ck_assert_int_eq(refused_path("/dev/null"), -EINVAL);
	ck_assert_int_eq(refused_path("/nowhere/at/all"), -ENOENT);
	ck_assert_int_eq(refused_path("/proc/self/status"), -EINVAL);
	ck_assert_ptr_nonnull(mkdtemp(name));
	snprintf(path, sizeof(path), "%s/fifo", name);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(refused_path(path), -EINVAL);	/* and it did not hang */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(name), 0);
}
END_TEST

static const off_t odd_sizes[] = { 0, 1, 511, 513, 4096 + 256 };

START_TEST(a_file_that_is_not_whole_sectors_is_refused)
{
	ck_assert_int_eq(ftruncate(fd, odd_sizes[_i]), 0);
	ck_assert_int_eq(refused_path(path), -EINVAL);
}
END_TEST

START_TEST(a_config_that_says_nothing_or_too_much_is_refused)
{
	struct vmm_blk_file_config config = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk *none = NULL;

	ck_assert_int_eq(vmm_blk_open_file(&config, &none), -EINVAL);
	config.path = path;
	config.fd = fd;
	ck_assert_int_eq(vmm_blk_open_file(&config, &none), -EINVAL);
	config.fd = -1;
	config.flags = VMM_BLK_CAN_DISCARD;
	ck_assert_int_eq(vmm_blk_open_file(&config, &none), -EINVAL);
	config.flags = 0;
	ck_assert_int_eq(vmm_blk_open_file(&config, NULL), -EINVAL);
	ck_assert_int_eq(vmm_blk_open_file(NULL, &none), -EINVAL);
	config.size = 0;
	ck_assert_int_eq(vmm_blk_open_file(&config, &none), -EINVAL);
	ck_assert_ptr_null(none);
}
END_TEST

/* ---- a block device: a loop device over our file, where we may make one ---- */

static int make_loop(char *name, size_t size)
{
	struct loop_config config = { .fd = (uint32_t)fd, .block_size = 4096,
				      .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), nr, dev = -1;

	if (control < 0)
		return -1;
	for (int i = 0; i < 10 && dev < 0; i++) {	/* others may be quicker */
		nr = ioctl(control, LOOP_CTL_GET_FREE);
		if (nr < 0)
			break;
		snprintf(name, size, "/dev/loop%d", nr);
		dev = open(name, O_RDWR | O_CLOEXEC);
		if (dev >= 0 && ioctl(dev, LOOP_CONFIGURE, &config) < 0) {
			close(dev);
			dev = -1;
		}
	}
	close(control);
	return dev;
}

START_TEST(a_block_device_is_a_disk_of_its_own_blocks)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	int dev = make_loop(path, sizeof(path));

	if (dev < 0) {
		printf("skipped: no loop device may be made here\n");
		return;
	}
	ck_assert(plug_disk(ways[_i]));
	ck_assert_int_eq(vmm_blk_info(blk, &info), 0);
	ck_assert_uint_eq(info.capacity, CAPACITY);
	ck_assert_uint_eq(info.block_size, 4096);
	ck_assert_uint_eq(info.physical_block_size, 4096);
	ck_assert_uint_eq(info.flags,
			  VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_ZERO | VMM_BLK_CAN_DISCARD |
			  VMM_BLK_CAN_THROUGH);

	memset(buffer, 0xaa, 1 << 20);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, buffer, 1 << 20), 0);
	ck_assert_int_eq(run(VMM_BLK_DISCARD, 4096, NULL, 65536), 0);
	ck_assert_int_eq(run(VMM_BLK_WRITE_ZEROES, 131072, NULL, 65536), 0);
	ck_assert_int_eq(zero_unmap(262144, 65536), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, buffer, 1 << 20), 0);
	ck_assert(all_bytes(buffer, 4096, 0xaa));
	ck_assert(all_bytes(buffer + 4096, 65536, 0));
	ck_assert(all_bytes(buffer + 131072, 65536, 0));
	ck_assert(all_bytes(buffer + 262144, 65536, 0));
	ck_assert(all_bytes(buffer + 327680, 65536, 0xaa));

	/* It grows when its owner has grown it, and not because we say so. */
	ck_assert_int_eq(vmm_blk_resize(blk, 2 * CAPACITY), -EINVAL);
	ck_assert_int_eq(ftruncate(fd, 2 * CAPACITY), 0);
	ck_assert_int_eq(ioctl(dev, LOOP_SET_CAPACITY), 0);
	ck_assert_int_eq(vmm_blk_resize(blk, 0), 0);
	ck_assert_uint_eq(capacity(), 2 * CAPACITY);
	memset(buffer, 0x66, 8192);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 2 * CAPACITY - 8192, buffer, 8192), 0);
	unplug();
	close(dev);
}
END_TEST

static TCase *add(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("block_file");
	SRunner *runner = srunner_create(suite);
	TCase *tcase = add(suite, "data");
	int failed;

	tcase_add_loop_test(tcase, byte_n_of_the_disk_is_byte_n_of_the_file, 0, NR_WAYS);
	tcase_add_loop_test(tcase, buffers_need_no_alignment, 0, NR_WAYS);
	tcase_add_loop_test(tcase, a_write_that_goes_through_is_written, 0, NR_WAYS);
	tcase_add_loop_test(tcase, a_disk_follows_its_file_or_makes_it_longer_and_never_cuts_it, 0,
			    NR_WAYS);
	tcase_add_test(tcase, a_file_that_may_not_grow_says_why);
	tcase_add_test(tcase, the_rest_of_a_request_is_done_from_where_it_stopped);
	tcase_add_loop_test(tcase, more_requests_than_the_ring_holds_are_all_answered, 0, NR_WAYS);
	tcase_add_test(tcase, more_cached_reads_than_the_ring_holds_are_all_answered);
	tcase_add_loop_test(tcase, drain_and_destroy_with_requests_in_flight, 0, NR_WAYS);
	tcase_add_loop_test(tcase, discard_gives_storage_back_and_zeroing_keeps_it_unless_allowed,
			    0, NR_WAYS);
	tcase_add_loop_test(tcase, zeros_are_written_where_the_file_system_has_no_better_way, 0, 2);
	tcase_add_loop_test(tcase, a_block_device_is_a_disk_of_its_own_blocks, 0, NR_WAYS);

	tcase = add(suite, "faults");
	tcase_add_loop_test(tcase, a_file_that_becomes_shorter_fails_the_request_and_nothing_else,
			    0, NR_WAYS);
	tcase_add_loop_test(tcase, a_sealed_file_fails_the_write_and_nothing_else, 0, 2);
	tcase_add_loop_test(tcase, a_limit_of_file_size_fails_the_write_and_nothing_else, 0, NR_WAYS);
	tcase_add_loop_test(tcase, a_full_file_system_fails_the_write_and_nothing_else, 0, 2);
	tcase_add_loop_test(tcase, requests_survive_the_thread_that_submitted_them, 0, NR_WAYS);
	tcase_add_loop_test(tcase, a_kernel_without_io_uring_gets_threads, 0, 3);
	tcase_add_test(tcase, a_ring_that_is_forbidden_later_is_replaced_by_threads);
#ifdef HAVE_LIBURING
	tcase_add_test(tcase, a_ring_without_memory_tries_again);
#endif
	tcase_add_test(tcase, threads_start_when_they_are_needed_and_end_with_the_disk);

	tcase = add(suite, "opening");
	tcase_add_loop_test(tcase, a_file_is_locked_for_one_writer_or_many_readers, 0, 2);
	tcase_add_test(tcase, a_descriptor_is_duplicated_and_unlocked_at_the_end);
	tcase_add_loop_test(tcase, a_read_only_disk_cannot_be_written, 0, 2);
	tcase_add_test(tcase, a_descriptor_that_would_not_do_is_refused);
	tcase_add_test(tcase, what_is_no_disk_is_refused);
	tcase_add_loop_test(tcase, a_file_that_is_not_whole_sectors_is_refused, 0,
			    (int)(sizeof(odd_sizes) / sizeof(odd_sizes[0])));
	tcase_add_test(tcase, a_config_that_says_nothing_or_too_much_is_refused);

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
