/* SPDX-License-Identifier: MIT */
/*
 * disks.c - disks of all kinds under one stock kernel: an overlay over a disk that is only read, a
 * file that is written through, limited, discarded and made larger, a server's disk.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libvmm/block.h>

#include "files.h"
#include "guest.h"
#include "harness.h"

#define MB		8u		/* what rawdisk moves at either end */
#define RAW_MB		48ull

static struct {
	char *base, *overlay, *raw;
	struct vmm_blk *raw_blk, *overlay_blk;
} disks;

static void plug_disks(struct guest *g)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk_overlay_config overlay = VMM_BLK_OVERLAY_CONFIG_INIT;
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_rate rate = VMM_RATE_INIT;

	file.path = disks.base;
	file.flags = VMM_BLK_READ_ONLY;
	must(vmm_blk_open_file(&file, &overlay.base), "open the base");
	overlay.path = disks.overlay;
	overlay.flags = VMM_BLK_OVERLAY_CREATE;
	must(vmm_blk_open_overlay(&overlay, &config.backend), "open the overlay");
	disks.overlay_blk = config.backend;
	must(vmm_add_block(g->vm, &config, NULL), "add the overlay");

	file.path = disks.raw;
	file.flags = 0;
	must(vmm_blk_open_file(&file, &config.backend), "open the file");
	disks.raw_blk = config.backend;
	/* Less than one of its requests at a time, even in an emulated machine. */
	rate.bytes_per_second = 20 << 20;
	rate.bytes_burst = 64 << 10;
	must(vmm_blk_set_rate(config.backend, &rate), "limit the file");
	config.cache = VMM_BLOCK_WRITETHROUGH;
	config.nr_queues = 2;
	config.serial = "raw-and-through";
	must(vmm_add_block(g->vm, &config, NULL), "add the file");
}

static uint64_t stored(const char *path)
{
	struct stat stat_of;

	CHECK(stat(path, &stat_of) == 0);
	return (uint64_t)stat_of.st_blocks * 512;
}

static struct vmm_blk_stats stats_of(const struct vmm_blk *blk)
{
	struct vmm_blk_stats stats = VMM_BLK_STATS_INIT;

	must(vmm_blk_stats(blk, VMM_BLK_ALL_QUEUES, &stats), "vmm_blk_stats");
	return stats;
}

static void disks_run(const void *arg)
{
	const struct guest_spec spec = { .cpus = 2, .disks = plug_disks };
	struct vmm_blk_stats stats;
	struct guest g;
	const char *line;
	char words[128];

	disks.base = files_copy_disk("base");
	disks.overlay = files_make("overlay", NULL, 0);
	CHECK(unlink(disks.overlay) == 0);
	disks.raw = files_make("raw", NULL, RAW_MB << 20);
	snprintf(words, sizeof(words), "test.do=boot,disk,rawdisk,resize test.raw=vdb test.mb=%u", MB);
	guest_open(&g, &spec);
	guest_load(&g, words);
	guest_start(&g);
	guest_expect(&g, "boot ", 60);
	guest_expect(&g, "ok disk", 60);
	line = guest_expect(&g, "disk vdb ", 30);
	if (!strstr(line, "cache=write-through") || !strstr(line, "queues=2") ||
	    !strstr(line, "serial=raw-and-through"))
		fail("the guest sees another disk: %s", line);
	guest_expect(&g, "ok rawdisk", 60);

	/* Both ends were written, and the front was discarded: it is a hole in the file. */
	guest_expect(&g, "ready resize", 10);
	if (stored(disks.raw) > (MB + 2) << 20)
		fail("%llu bytes are stored after the discard", (unsigned long long)stored(disks.raw));
	stats = stats_of(disks.raw_blk);
	CHECK(stats.op[VMM_BLK_DISCARD].requests > 0);
	CHECK(stats.op[VMM_BLK_WRITE].bytes >= 2ull * MB << 20);
	CHECK(stats.op[VMM_BLK_WRITE].errors == 0);
	CHECK(stats.throttled > 0);
	/* Written through, in one operation each; only what has no such operation is flushed after. */
	CHECK(stats.op[VMM_BLK_FLUSH].requests <= stats.op[VMM_BLK_DISCARD].requests);
	CHECK(stats_of(disks.overlay_blk).op[VMM_BLK_FLUSH].requests > 0);

	must(vmm_blk_resize(disks.raw_blk, 2 * RAW_MB << 20), "resize");
	snprintf(words, sizeof(words), "to=%llu", 2 * RAW_MB * 2048);
	line = guest_expect(&g, "ok resize", 40);
	if (!strstr(line, words))
		fail("the guest sees %s, not %s", line, words);
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);

	/* The base is what it was: a file system in order, and the overlay holds the rest. */
	files_check_disk(disks.base);
	CHECK(stored(disks.overlay) > 1 << 20);
	free(disks.base);
	free(disks.overlay);
	free(disks.raw);
}

void disks_add(void)
{
	harness_add(&(struct scenario){ "disks", disks_run, NULL, 150, true });
}
