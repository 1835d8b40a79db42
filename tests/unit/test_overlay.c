/* SPDX-License-Identifier: MIT */
/* test_overlay.c - a copy-on-write overlay: its file, its reads and writes, and crashes at any moment. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "backends/block/overlay_priv.h"
#include "block_ops.h"
#include "fake_store.h"

enum {
	BASE	= (700 << 10) + 1536,	/* bytes, no whole cluster; the disk is larger */
	DISK	= STORE_BYTES,
	SECTOR	= 512,
};

static int fd = -1;			/* the overlay's file, as its owner sees it */
static unsigned char *model;		/* what the disk should hold */
static unsigned fds_before;

static unsigned char base_byte(uint64_t at)
{
	return at < BASE ? (unsigned char)(at / SECTOR * 7 + at % 11 + 1) : 0;
}

static struct vmm_blk *open_base(void)
{
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct vmm_blk *base = store_open(&info, STORE_AT_ONCE);

	/* What lies past its end must never be seen. */
	for (uint64_t i = 0; i < STORE_BYTES; i++)
		store.bytes[i] = i < BASE ? base_byte(i) : 0xee;
	ck_assert_int_eq(vmm_blk_resize(base, BASE), 0);
	return base;
}

static int open_overlay(uint32_t flags, uint32_t cluster)
{
	struct vmm_blk_overlay_config config = VMM_BLK_OVERLAY_CONFIG_INIT;
	int r;

	config.base = open_base();
	config.fd = fd;
	config.flags = flags | VMM_BLK_FILE_UNLOCKED;
	config.cluster_bytes = cluster;
	config.capacity = fd < 0 || (flags & VMM_BLK_OVERLAY_CREATE) ? DISK : 0;
	r = vmm_blk_open_overlay(&config, &blk);
	if (r < 0)
		vmm_blk_destroy(config.base);
	return r;
}

static void new_file(void)
{
	fd = memfd_create("overlay", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_ge(fd, 0);
}

static void setup(void)
{
	fds_before = count_fds();
	model = malloc(DISK);
	ck_assert_ptr_nonnull(model);
	for (uint64_t i = 0; i < DISK; i++)
		model[i] = base_byte(i);
	fd = -1;
}

static void teardown(void)
{
	free(model);
	if (fd >= 0)
		close(fd);
	ck_assert_uint_eq(count_fds(), fds_before);
}

static void check_all(void)
{
	unsigned char *bytes = malloc(DISK);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(run(VMM_BLK_READ, 0, bytes, DISK), 0);
	ck_assert_int_eq(memcmp(bytes, model, DISK), 0);
	free(bytes);
}

/* ---- the format ---- */

START_TEST(a_header_says_what_it_was_made_of_and_any_damage_shows)
{
	struct overlay_layout made, read;
	unsigned char block[OVERLAY_BLOCK];

	ck_assert_int_eq(vmm__overlay_layout(10ull << 30, 5ull << 30, 65536, &made), 0);
	ck_assert_uint_eq(made.nr_clusters, 163840);
	ck_assert_uint_eq(made.map_bytes, 20480);
	ck_assert_uint_eq(made.data_offset, 1 << 20);
	ck_assert_uint_eq(made.file_bytes, (1 << 20) + (10ull << 30));
	vmm__overlay_build(&made, block);
	ck_assert_int_eq(vmm__overlay_parse(block, &read), 0);
	ck_assert_uint_eq(read.capacity, made.capacity);
	ck_assert_uint_eq(read.base_capacity, made.base_capacity);
	ck_assert_uint_eq(read.cluster, made.cluster);
	ck_assert_uint_eq(read.nr_clusters, made.nr_clusters);
	ck_assert_uint_eq(read.map_bytes, made.map_bytes);
	ck_assert_uint_eq(read.data_offset, made.data_offset);
	ck_assert_uint_eq(read.file_bytes, made.file_bytes);

	for (int bit = 0; bit < 80 * 8; bit++) {
		block[bit / 8] ^= (unsigned char)(1u << bit % 8);
		ck_assert_int_eq(vmm__overlay_parse(block, &read), -EINVAL);
		block[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
}
END_TEST

static const struct {
	uint64_t capacity, base;
	uint32_t cluster;
} no_layouts[] = {
	{ 0, 0, 4096 }, { 513, 512, 4096 }, { 1024, 513, 4096 }, { 512, 1024, 4096 },
	{ 1 << 20, 0, 0 }, { 1 << 20, 0, 2048 }, { 1 << 20, 0, 12288 }, { 1 << 20, 0, 1 << 21 },
	{ (OVERLAY_CLUSTERS_MAX * 4096) + 512, 0, 4096 }, { UINT64_MAX / 512 * 512, 0, 4096 },
	{ UINT64_MAX / 512 * 512, 0, 1 << 20 },
};

START_TEST(what_cannot_be_laid_out_is_refused)
{
	struct overlay_layout l;

	ck_assert_int_eq(vmm__overlay_layout(no_layouts[_i].capacity, no_layouts[_i].base,
					     no_layouts[_i].cluster, &l), -EINVAL);
	ck_assert_int_eq(vmm__overlay_layout(OVERLAY_CLUSTERS_MAX * 4096, 0, 4096, &l), 0);
	ck_assert_int_eq(vmm__overlay_layout(512, 0, 1 << 20, &l), 0);
	ck_assert_uint_eq(l.nr_clusters, 1);
}
END_TEST

/* ---- the map ---- */

START_TEST(the_map_knows_its_runs)
{
	struct overlay_layout l;
	struct overlay_map map;
	bool bits[1000] = { false };
	unsigned seed = (unsigned)_i;

	ck_assert_int_eq(vmm__overlay_layout(1000 * 4096, 0, 4096, &l), 0);
	ck_assert_int_eq(vmm__overlay_map_init(&map, &l), 0);
	for (int round = 0; round < 60; round++) {
		uint64_t first = (uint64_t)rand_r(&seed) % 1000;
		uint64_t end = first + (uint64_t)rand_r(&seed) % (1001 - first);

		if (end - first > 100)
			end = first + (end - first) / 10;
		vmm__overlay_map_set(&map, first, end);
		for (uint64_t n = first; n < end; n++)
			bits[n] = true;
		for (uint64_t n = 0; n < 1000; n++) {
			uint64_t stop = n, limit = n + 1 + (uint64_t)rand_r(&seed) % (1000 - n);

			ck_assert_msg(vmm__overlay_map_test(&map, n) == bits[n], "bit %d", (int)n);
			while (stop < limit && bits[stop] == bits[n])
				stop++;
			if (vmm__overlay_map_run(&map, n, limit) != stop)
				ck_abort_msg("the run from %d is not to %d", (int)n, (int)stop);
		}
	}
	vmm__overlay_map_finish(&map);
}
END_TEST

START_TEST(what_is_sealed_does_not_change_and_is_dirty_again_if_it_failed)
{
	struct overlay_layout l;
	struct overlay_map map;
	uint64_t first, end;

	/* Three blocks of map. */
	ck_assert_int_eq(vmm__overlay_layout(3ull * 32768 * 4096, 0, 4096, &l), 0);
	ck_assert_int_eq(vmm__overlay_map_init(&map, &l), 0);
	ck_assert(!vmm__overlay_map_sealed(&map, 0, 9, &first, &end));
	vmm__overlay_map_set(&map, 32767, 32769);
	ck_assert_uint_eq(map.nr_dirty, 2);
	vmm__overlay_map_seal(&map);
	ck_assert_uint_eq(map.nr_dirty, 0);
	ck_assert(vmm__overlay_map_sealed(&map, 0, 9, &first, &end));
	ck_assert(first == 0 && end == 2);
	ck_assert(vmm__overlay_map_sealed(&map, 0, 1, &first, &end));
	ck_assert(first == 0 && end == 1);
	ck_assert(!vmm__overlay_map_sealed(&map, 2, 9, &first, &end));

	vmm__overlay_map_set(&map, 0, 1);
	ck_assert_uint_eq(map.image[0], 0);
	ck_assert_uint_eq(map.nr_dirty, 1);
	vmm__overlay_map_unseal(&map, false);
	ck_assert_uint_eq(map.nr_dirty, 2);
	vmm__overlay_map_seal(&map);
	ck_assert_uint_eq(map.image[0], 1);
	vmm__overlay_map_unseal(&map, true);
	ck_assert_uint_eq(map.nr_dirty, 0);
	vmm__overlay_map_finish(&map);
}
END_TEST

/* ---- reads and writes against a model ---- */

/* Memory; files of small and large clusters, by ring, by threads. */
static const struct {
	bool file;
	uint32_t flags, cluster;
} ways[] = {
	{ false, 0, 4096 }, { false, 0, 65536 },
	{ true, VMM_BLK_OVERLAY_CREATE, 4096 }, { true, VMM_BLK_OVERLAY_CREATE, 16384 },
	{ true, VMM_BLK_OVERLAY_CREATE | VMM_BLK_FILE_THREADS, 1 << 20 },
};

static void model_do(uint32_t op, uint64_t offset, uint64_t length, const unsigned char *bytes)
{
	if (op == VMM_BLK_WRITE)
		memcpy(model + offset, bytes, length);
	else if (op == VMM_BLK_WRITE_ZEROES)
		memset(model + offset, 0, length);
}

/* A discard may leave edges as they were: ask the disk, once it is done. */
static void model_discard(uint64_t offset, uint64_t length)
{
	unsigned char *bytes = malloc(length);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(run(VMM_BLK_READ, offset, bytes, length), 0);
	for (uint64_t i = 0; i < length; i++)
		ck_assert(bytes[i] == 0 || bytes[i] == model[offset + i]);
	memcpy(model + offset, bytes, length);
	free(bytes);
}

static void random_range(unsigned *seed, uint64_t *offset, uint64_t *length)
{
	uint64_t most = rand_r(seed) % 4 ? 24 : 400;

	*offset = (uint64_t)rand_r(seed) % (DISK / SECTOR);
	*length = 1 + (uint64_t)rand_r(seed) % most;
	if (rand_r(seed) % 3 == 0) {
		*offset &= ~7ull;
		*length = (*length + 7) & ~7ull;
	}
	if (*length > DISK / SECTOR - *offset)
		*length = DISK / SECTOR - *offset;
	*offset *= SECTOR;
	*length *= SECTOR;
}

static void cut(struct op *op, unsigned char *bytes, uint64_t length, unsigned *seed)
{
	for (int i = 0; i < 7 && length > 1 && rand_r(seed) % 2; i++) {
		size_t n = 1 + (size_t)rand_r(seed) % (length - 1);

		op_add(op, bytes, n);
		bytes += n;
		length -= n;
	}
	op_add(op, bytes, length);
}

START_TEST(an_overlay_is_a_disk)
{
	static const uint32_t kinds[] = { VMM_BLK_READ, VMM_BLK_WRITE, VMM_BLK_WRITE,
					  VMM_BLK_WRITE_ZEROES, VMM_BLK_DISCARD, VMM_BLK_FLUSH };
	unsigned char *bytes = malloc(DISK), *base = malloc(BASE);
	unsigned seed = 1000 + (unsigned)_i;

	ck_assert(bytes && base);
	if (ways[_i].file)
		new_file();
	ck_assert_msg(open_overlay(ways[_i].flags, ways[_i].cluster) == 0, "%s", vmm_last_error());
	memcpy(base, store.bytes, BASE);
	plug();
	check_all();
	for (int round = 0; round < 300; round++) {
		uint32_t kind = kinds[rand_r(&seed) % 6];
		uint64_t offset, length;
		struct op op;

		random_range(&seed, &offset, &length);
		op_init(&op, kind, offset, kind >= VMM_BLK_DISCARD ? length : 0);
		if (kind == VMM_BLK_WRITE_ZEROES && rand_r(&seed) % 2)
			op.io.req.flags = VMM_BLK_MAY_UNMAP;
		if (kind <= VMM_BLK_WRITE) {
			for (uint64_t i = 0; i < length; i++)
				bytes[i] = (unsigned char)rand_r(&seed);
			cut(&op, bytes, length, &seed);
		}
		ck_assert_int_eq(op_run(&op), 0);
		if (kind == VMM_BLK_READ)
			ck_assert_mem_eq(bytes, model + offset, length);
		model_do(kind, offset, length, bytes);
		if (kind == VMM_BLK_DISCARD)
			model_discard(offset, length);
	}
	check_all();
	/* The base never was touched. */
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE], 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_WRITE_ZEROES], 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_DISCARD], 0);
	ck_assert_mem_eq(base, store.bytes, BASE);
	unplug();

	if (ways[_i].file) {	/* and it is all there the next time */
		ck_assert_int_eq(open_overlay(0, 0), 0);
		plug();
		check_all();
		unplug();
	}
	free(base);
	free(bytes);
}
END_TEST

/* Writes of single sectors, all in flight together: many in each cluster, none overlap. */
START_TEST(parts_of_one_cluster_that_are_written_together_do_not_undo_each_other)
{
	enum { N = 256 };
	struct op *ops = calloc(N, sizeof(*ops));
	unsigned char *bytes = malloc(N * SECTOR);

	ck_assert(ops && bytes);
	if (ways[_i].file)
		new_file();
	ck_assert_int_eq(open_overlay(ways[_i].flags, ways[_i].cluster), 0);
	store.when = STORE_LATER;
	plug();
	for (int i = 0; i < N; i++) {
		uint64_t at = (uint64_t)(i * 37 % N) * SECTOR * 2 + BASE / 2 / 4096 * 4096;

		memset(bytes + i * SECTOR, i + 1, SECTOR);
		if (i % 16 == 5) {
			op_init(&ops[i], VMM_BLK_WRITE_ZEROES, at, SECTOR);
			model_do(VMM_BLK_WRITE_ZEROES, at, SECTOR, NULL);
		} else {
			op_init(&ops[i], VMM_BLK_WRITE, at, 0);
			op_add(&ops[i], bytes + i * SECTOR, SECTOR);
			model_do(VMM_BLK_WRITE, at, SECTOR, bytes + i * SECTOR);
		}
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	for (int turns = 0; turns < 100000; turns++) {
		(void)store_answer(1);
		if (vmm_loop_dispatch(loop) == 0 && store.nr_kept == 0 && ops[N - 1].done)
			break;
	}
	store.when = STORE_AT_ONCE;
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(op_wait(&ops[i]), 0);
	check_all();
	unplug();
	free(bytes);
	free(ops);
}
END_TEST

START_TEST(a_whole_cluster_costs_no_read_below)
{
	unsigned char bytes[8192];

	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	plug();
	memset(bytes, 0x5a, sizeof(bytes));
	ck_assert_int_eq(run(VMM_BLK_WRITE, 8192, bytes, 8192), 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 0);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 512, bytes, 512), 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 1);
	/* And once it is here, it stays. */
	ck_assert_int_eq(run(VMM_BLK_WRITE, 1024, bytes, 512), 0);
	ck_assert_uint_eq(store.submitted[VMM_BLK_READ], 1);
	unplug();
}
END_TEST

START_TEST(an_orderly_end_keeps_what_was_never_flushed)
{
	unsigned char bytes[4096];

	memset(bytes, 0x3c, sizeof(bytes));
	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	plug();
	ck_assert_int_eq(run(VMM_BLK_WRITE, 4096, bytes, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 512, bytes, 512), 0);
	model_do(VMM_BLK_WRITE, 4096, 4096, bytes);
	model_do(VMM_BLK_WRITE, 512, 512, bytes);
	unplug();
	ck_assert_int_eq(open_overlay(0, 0), 0);
	plug();
	check_all();
	unplug();
}
END_TEST

START_TEST(a_discard_gives_storage_back)
{
	unsigned char *bytes = malloc(DISK);
	struct stat before, after;

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, 0xa5, DISK);
	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	plug();
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, bytes, DISK), 0);
	ck_assert_int_eq(fstat(fd, &before), 0);
	ck_assert_int_eq(run(VMM_BLK_DISCARD, 0, NULL, DISK), 0);
	ck_assert_int_eq(fstat(fd, &after), 0);
	ck_assert_int_lt(after.st_blocks, before.st_blocks / 4);
	memset(model, 0, DISK);
	check_all();
	unplug();
	free(bytes);
}
END_TEST

/* ---- faults ---- */

START_TEST(a_base_that_fails_fails_the_request_and_marks_nothing)
{
	unsigned char bytes[4096] = { 1 };

	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	plug();
	store.result = -EIO;
	ck_assert_int_eq(run(VMM_BLK_READ, 0, bytes, 4096), -EIO);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 512, bytes, 512), -EIO);
	ck_assert_int_eq(run(VMM_BLK_WRITE_ZEROES, 4096 + 512, NULL, 512), -EIO);
	store.result = 0;
	check_all();
	unplug();
}
END_TEST

/* A file of a fixed size: whoever cut it, or a full disk. */
START_TEST(a_top_that_fails_fails_the_request_and_shows_the_base)
{
	unsigned char bytes[4096];

	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	plug();
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	memset(bytes, 0x77, sizeof(bytes));
	ck_assert_int_lt(run(VMM_BLK_WRITE, 8192, bytes, 4096), 0);
	ck_assert_int_lt(run(VMM_BLK_WRITE, 512, bytes, 512), 0);
	ck_assert_int_eq(run(VMM_BLK_READ, 8192, bytes, 4096), 0);
	ck_assert_mem_eq(bytes, model + 8192, 4096);
	unplug();
}
END_TEST

static const enum store_when drains[] = { STORE_AT_ONCE, STORE_LATER, STORE_AT_DRAIN };

START_TEST(a_drain_answers_all_however_many_steps_they_take)
{
	enum { N = 64 };
	struct op *ops = calloc(N, sizeof(*ops));
	unsigned char *bytes = calloc(N, 16384);

	ck_assert(ops && bytes);
	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	plug();
	store.when = drains[_i];
	for (int i = 0; i < N; i++) {
		uint64_t at = (uint64_t)(i % 8) * 6144;

		op_init(&ops[i], i % 4 == 3 ? VMM_BLK_FLUSH : (uint32_t)i % 2, at, 0);
		if (i % 4 != 3)
			op_add(&ops[i], bytes + i * 16384, 16384);
		else
			ops[i].io.req.offset = 0;
		vmm__blk_submit(blk, &ops[i].io);
	}
	vmm__blk_commit(blk);
	(void)!vmm_loop_dispatch(loop);
	vmm__blk_drain(blk);
	for (int i = 0; i < N; i++)
		ck_assert(ops[i].done && ops[i].result == 0);
	store.when = STORE_AT_ONCE;
	unplug();
	free(bytes);
	free(ops);
}
END_TEST

/* ---- files that are not what they should be ---- */

static void poke(uint64_t at, const void *bytes, size_t len)
{
	ck_assert_int_eq(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
}

START_TEST(a_file_that_is_no_overlay_or_a_damaged_one_is_refused)
{
	struct overlay_layout l;
	unsigned char block[OVERLAY_BLOCK];

	new_file();
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);		/* empty */
	ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);		/* zeros */
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 0), -EEXIST);
	close(fd);

	new_file();
	ck_assert_int_eq(open_overlay(VMM_BLK_OVERLAY_CREATE, 4096), 0);
	vmm_blk_destroy(blk);
	ck_assert_int_eq(open_overlay(0, 0), 0);
	vmm_blk_destroy(blk);
	ck_assert_int_eq(open_overlay(0, 4096), -EINVAL);	/* it has its clusters already */
	poke(4096 + DISK / 4096 / 8, "\1", 1);			/* a cluster past the end */
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "past the end"));
	poke(4096 + DISK / 4096 / 8, "\0", 1);
	poke(50, "x", 1);
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);
	poke(50, "\0", 1);
	ck_assert_int_eq(open_overlay(0, 0), 0);
	vmm_blk_destroy(blk);

	ck_assert_int_eq(ftruncate(fd, (1 << 20) + DISK - 4096), 0);
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "cut"));
	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);

	/* Well made, and for another base. */
	ck_assert_int_eq(ftruncate(fd, (1 << 20) + DISK), 0);
	ck_assert_int_eq(vmm__overlay_layout(DISK, BASE - 512, 4096, &l), 0);
	vmm__overlay_build(&l, block);
	poke(0, block, sizeof(block));
	ck_assert_int_eq(open_overlay(0, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(vmm_last_error(), "made over"));
}
END_TEST

START_TEST(a_config_that_makes_no_sense_is_refused)
{
	struct vmm_blk_overlay_config config = VMM_BLK_OVERLAY_CONFIG_INIT;

	ck_assert_int_eq(vmm_blk_open_overlay(NULL, &blk), -EINVAL);
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &blk), -EINVAL);
	config.base = open_base();
	config.path = "x";
	config.fd = 1;
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &blk), -EINVAL);
	config.fd = 0;
	config.flags = VMM_BLK_READ_ONLY;
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &blk), -EINVAL);
	config.flags = VMM_BLK_OVERLAY_CREATE;
	config.cluster_bytes = 5000;
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &blk), -EINVAL);
	config.cluster_bytes = 0;
	config.capacity = BASE - 512;
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &blk), -EINVAL);
	ck_assert_int_lt(access("x", F_OK), 0);
	config.flags = 0;
	config.capacity = 0;
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &blk), -ENOENT);
	ck_assert_uint_eq(store.destroys, 0);
	vmm_blk_destroy(config.base);
}
END_TEST

START_TEST(a_named_file_is_made_once_locked_and_not_resized)
{
	struct vmm_blk_overlay_config config = VMM_BLK_OVERLAY_CONFIG_INIT;
	char path[] = "overlay.XXXXXX";
	struct vmm_blk *second;

	close(mkstemp(path));
	unlink(path);
	config.base = open_base();
	config.path = path;
	config.flags = VMM_BLK_OVERLAY_CREATE;
	ck_assert_msg(vmm_blk_open_overlay(&config, &blk) == 0, "%s", vmm_last_error());
	plug();
	ck_assert_int_eq(vmm_blk_resize(blk, 2 * DISK), -EOPNOTSUPP);
	config.base = blk;		/* whatever: it is not looked at */
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &second), -EEXIST);
	config.flags = 0;
	ck_assert_int_eq(vmm_blk_open_overlay(&config, &second), -EBUSY);
	unplug();
	unlink(path);
}
END_TEST

/* ---- crashes ---- */

/*
 * A top whose writes are on stable storage only after a flush. At a crash each of those
 * since may be there or not, in blocks of its own.
 */
static struct {
	unsigned char *now, *stable;
	uint64_t bytes;
	struct { uint64_t offset; uint32_t length; } log[4096];
	unsigned nr_log, flushes, flush_fails;
} volatile_top;

static void top_submit(void *state, struct vmm_blk_request *req)
{
	uint64_t at = req->offset;
	int result = 0;

	switch (req->op) {
	case VMM_BLK_READ:
		for (uint32_t i = 0; i < req->nr_iov; at += req->iov[i++].iov_len)
			memcpy(req->iov[i].iov_base, volatile_top.now + at, req->iov[i].iov_len);
		break;
	case VMM_BLK_WRITE:
		for (uint32_t i = 0; i < req->nr_iov; at += req->iov[i++].iov_len)
			memcpy(volatile_top.now + at, req->iov[i].iov_base, req->iov[i].iov_len);
		break;
	case VMM_BLK_WRITE_ZEROES:
		memset(volatile_top.now + at, 0, req->length);
		break;
	case VMM_BLK_FLUSH:
		volatile_top.flushes++;
		if (volatile_top.flush_fails > 0) {
			volatile_top.flush_fails--;
			result = -EIO;
			break;
		}
		memcpy(volatile_top.stable, volatile_top.now, volatile_top.bytes);
		volatile_top.nr_log = 0;
		break;
	}
	if (req->op == VMM_BLK_WRITE || req->op == VMM_BLK_WRITE_ZEROES) {
		if (volatile_top.nr_log == 4096)
			abort();
		volatile_top.log[volatile_top.nr_log].offset = req->offset;
		volatile_top.log[volatile_top.nr_log++].length = (uint32_t)req->length;
	}
	vmm_blk_complete(req, result);
}

static void top_drain(void *state)
{
}

static const struct vmm_blk_ops top_ops = {
	.size = sizeof(struct vmm_blk_ops), .name = "volatile", .submit = top_submit, .drain = top_drain,
};

/* An overlay as vmm_blk_open_overlay() makes one, on that top. */
static void open_volatile(uint32_t cluster)
{
	struct blk_overlay *o = calloc(1, sizeof(*o));
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;

	ck_assert_ptr_nonnull(o);
	o->base = open_base();
	ck_assert_int_eq(vmm__overlay_layout(DISK, BASE, cluster, &o->layout), 0);
	ck_assert_int_eq(vmm__overlay_map_init(&o->map, &o->layout), 0);
	o->persistent = true;
	o->data_offset = o->layout.data_offset;
	vmm__overlay_list_init(&o->ready);
	vmm__overlay_list_init(&o->blocked);
	vmm__overlay_list_init(&o->starved);
	vmm__overlay_list_init(&o->flush.waiting);
	vmm__overlay_list_init(&o->flush.served);

	volatile_top.bytes = info.capacity = o->layout.file_bytes;
	volatile_top.now = calloc(1, volatile_top.bytes);
	volatile_top.stable = calloc(1, volatile_top.bytes);
	ck_assert(volatile_top.now && volatile_top.stable);
	vmm__overlay_build(&o->layout, volatile_top.now);
	memcpy(volatile_top.stable, volatile_top.now, OVERLAY_BLOCK);
	volatile_top.nr_log = volatile_top.flushes = volatile_top.flush_fails = 0;
	ck_assert_int_eq(vmm_blk_create(&top_ops, NULL, &info, &o->top), 0);
	info.capacity = DISK;
	info.flags = VMM_BLK_CAN_FLUSH | VMM_BLK_CAN_ZERO | VMM_BLK_CAN_DISCARD;
	ck_assert_int_eq(vmm_blk_create(&vmm__overlay_ops, o, &info, &blk), 0);
}

/* The host goes down now: what is left of the file, and what an overlay on it reads. */
static void crash(unsigned *seed, unsigned char *ret_disk)
{
	unsigned char *image = malloc(volatile_top.bytes);
	struct vmm_loop *loop_before = loop;
	struct vmm_blk *before = blk, *base;
	struct vmm_blk_overlay_config config = VMM_BLK_OVERLAY_CONFIG_INIT;
	unsigned char *bytes = store.bytes;

	ck_assert_ptr_nonnull(image);
	memcpy(image, volatile_top.stable, volatile_top.bytes);
	for (unsigned i = 0; i < volatile_top.nr_log; i++) {
		uint64_t at = volatile_top.log[i].offset, end = at + volatile_top.log[i].length;

		for (; at < end; at += SECTOR) {
			if (rand_r(seed) % 2)
				memcpy(image + at, volatile_top.now + at, SECTOR);
		}
	}
	new_file();
	ck_assert_int_eq(write(fd, image, volatile_top.bytes), (ssize_t)volatile_top.bytes);
	free(image);

	/* Over a base of the same bytes, of its own. */
	ck_assert_int_eq(vmm_blk_open_ram(BASE, &base), 0);
	blk = base;
	plug();
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, bytes, BASE), 0);
	vmm__blk_drain(blk);
	vmm__blk_detach(blk);
	ck_assert_int_eq(vmm_loop_destroy(loop), 0);
	config.base = base;
	config.fd = fd;
	ck_assert_msg(vmm_blk_open_overlay(&config, &blk) == 0, "%s", vmm_last_error());
	plug();
	ck_assert_int_eq(run(VMM_BLK_READ, 0, ret_disk, DISK), 0);
	unplug();
	close(fd);
	fd = -1;
	blk = before;
	loop = loop_before;
}

START_TEST(whenever_the_host_goes_down_nothing_flushed_is_lost)
{
	unsigned char *disk = malloc(DISK), *flushed = malloc(DISK), *touched = calloc(1, DISK / SECTOR);
	unsigned char *bytes = malloc(1 << 18);
	unsigned seed = 77 + (unsigned)_i;
	bool whole;

	ck_assert(disk && flushed && touched && bytes);
	open_volatile(_i % 2 ? 16384 : 4096);
	plug();
	memcpy(flushed, model, DISK);
	for (int round = 0; round < 60; round++) {
		uint64_t offset, length;

		random_range(&seed, &offset, &length);
		memset(bytes, rand_r(&seed) % 255 + 1, length);
		whole = rand_r(&seed) % 5 == 0;
		ck_assert_int_eq(whole ? run(VMM_BLK_WRITE_ZEROES, offset, NULL, length)
				       : run(VMM_BLK_WRITE, offset, bytes, length), 0);
		model_do(whole ? VMM_BLK_WRITE_ZEROES : VMM_BLK_WRITE, offset, length, bytes);
		memset(touched + offset / SECTOR, 1, length / SECTOR);
		if (rand_r(&seed) % 4 == 0) {
			volatile_top.flush_fails = rand_r(&seed) % 3 == 0;
			if (run(VMM_BLK_FLUSH, 0, NULL, 0) == 0) {
				memcpy(flushed, model, DISK);
				memset(touched, 0, DISK / SECTOR);
			}
		}
		if (rand_r(&seed) % 4)
			continue;

		crash(&seed, disk);
		/* What was not written since the last flush is as it was then, to the byte. */
		for (uint64_t s = 0; s < DISK / SECTOR; s++) {
			if (!touched[s] && memcmp(disk + s * SECTOR, flushed + s * SECTOR, SECTOR) != 0)
				ck_abort_msg("round %d: sector %d was lost", round, (int)s);
		}
	}
	check_all();
	unplug();
	free(volatile_top.now);
	free(volatile_top.stable);
	free(bytes);
	free(touched);
	free(flushed);
	free(disk);
}
END_TEST

START_TEST(a_flush_without_news_costs_one_flush_and_with_news_two)
{
	unsigned char bytes[4096] = { 1 };

	open_volatile(4096);
	plug();
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(volatile_top.flushes, 1);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, bytes, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(volatile_top.flushes, 3);
	ck_assert_uint_eq(volatile_top.stable[4096], 1);
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, bytes, 4096), 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(volatile_top.flushes, 4);
	unplug();
	free(volatile_top.now);
	free(volatile_top.stable);
}
END_TEST

START_TEST(a_flush_that_fails_says_so_and_the_next_makes_up_for_it)
{
	unsigned char bytes[4096] = { 1 };

	open_volatile(4096);
	plug();
	ck_assert_int_eq(run(VMM_BLK_WRITE, 0, bytes, 4096), 0);
	volatile_top.flush_fails = 1;
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), -EIO);
	ck_assert_uint_eq(volatile_top.now[4096], 0);
	ck_assert_int_eq(run(VMM_BLK_FLUSH, 0, NULL, 0), 0);
	ck_assert_uint_eq(volatile_top.stable[4096], 1);
	unplug();
	free(volatile_top.now);
	free(volatile_top.stable);
}
END_TEST

#define LOOP(test, table) \
	tcase_add_loop_test(tc, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("overlay");
	TCase *tc = tcase_create("overlay");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_header_says_what_it_was_made_of_and_any_damage_shows);
	LOOP(what_cannot_be_laid_out_is_refused, no_layouts);
	tcase_add_loop_test(tc, the_map_knows_its_runs, 0, 4);
	tcase_add_test(tc, what_is_sealed_does_not_change_and_is_dirty_again_if_it_failed);
	LOOP(an_overlay_is_a_disk, ways);
	LOOP(parts_of_one_cluster_that_are_written_together_do_not_undo_each_other, ways);
	tcase_add_test(tc, a_whole_cluster_costs_no_read_below);
	tcase_add_test(tc, an_orderly_end_keeps_what_was_never_flushed);
	tcase_add_test(tc, a_discard_gives_storage_back);
	tcase_add_test(tc, a_base_that_fails_fails_the_request_and_marks_nothing);
	tcase_add_test(tc, a_top_that_fails_fails_the_request_and_shows_the_base);
	LOOP(a_drain_answers_all_however_many_steps_they_take, drains);
	tcase_add_test(tc, a_file_that_is_no_overlay_or_a_damaged_one_is_refused);
	tcase_add_test(tc, a_config_that_makes_no_sense_is_refused);
	tcase_add_test(tc, a_named_file_is_made_once_locked_and_not_resized);
	tcase_add_loop_test(tc, whenever_the_host_goes_down_nothing_flushed_is_lost, 0, 6);
	tcase_add_test(tc, a_flush_without_news_costs_one_flush_and_with_news_two);
	tcase_add_test(tc, a_flush_that_fails_says_so_and_the_next_makes_up_for_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
