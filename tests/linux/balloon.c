/* SPDX-License-Identifier: MIT */
/*
 * balloon.c - memory that a stock guest gives up, seen where it counts: in our RSS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <libvmm/balloon.h>
#include <libvmm/device.h>

#include "guest.h"
#include "harness.h"

#define MIB		(1ull << 20)
#define FILL_MIB	96u
#define SEEN_MIB	60u	/* how much of that at least: the guest uses some itself */

struct wish {
	uint32_t flags;
	struct vmm_balloon *balloon;
};

static void plug(struct vmm *vm, void *data)
{
	struct vmm_balloon_config config = VMM_BALLOON_CONFIG_INIT;
	struct wish *wish = data;

	config.flags = wish->flags;
	must(vmm_add_balloon(vm, &config, &wish->balloon), "balloon");
}

static uint64_t rss(void)
{
	unsigned long long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%llu %llu", &size, &resident) != 2)
		fail("cannot read /proc/self/statm");
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct vmm_balloon_stats stats(const struct wish *wish)
{
	struct vmm_balloon_stats s = VMM_BALLOON_STATS_INIT;

	must(vmm_balloon_stats(wish->balloon, &s), "figures");
	return s;
}

/* Wait until @done says so, up to @seconds. */
static bool until(bool (*done)(const struct wish *wish, uint64_t value), const struct wish *wish,
		  uint64_t value, uint32_t seconds)
{
	const struct timespec wait = { .tv_nsec = 50000000 };

	for (uint32_t i = 0; i < seconds * 20 * harness_slow(); i++) {
		if (done(wish, value))
			return true;
		nanosleep(&wait, NULL);
	}
	return done(wish, value);
}

static bool actual_is(const struct wish *wish, uint64_t value)
{
	return stats(wish).actual == value;
}

static bool actual_is_over(const struct wish *wish, uint64_t value)
{
	return stats(wish).actual > value;
}

static bool rss_is_below(const struct wish *wish, uint64_t value)
{
	return rss() < value;
}

static bool figures_are_newer(const struct wish *wish, uint64_t value)
{
	return stats(wish).guest_time_ns > value;
}

static void begin(struct guest *g, struct wish *wish, bool mmio)
{
	const struct guest_spec spec = {
		.kernel = mmio ? "6.12" : "6.1",
		.transport = mmio ? VMM_TRANSPORT_MMIO : VMM_TRANSPORT_PCI,
		.plug = plug,
		.plug_data = wish,
		.words = "test.do=boot,balloon test.mb=96",
	};

	guest_open(g, &spec);
	guest_start(g);
	guest_expect(g, "boot ", 60);
	guest_expect(g, "ready full", 30);
}

static void end(struct guest *g)
{
	guest_type(g, "again\n");
	guest_expect(g, "ok balloon", 30);
	guest_expect(g, "done", 10);
	guest_ends(g, VMM_STOP_POWEROFF, 20);
	guest_close(g);
}

/* Up and down. */
static void balloon(const void *arg)
{
	struct wish wish = { .flags = VMM_BALLOON_NO_REPORTING };
	uint64_t full, free_rss, after, asked;
	struct guest g;

	begin(&g, &wish, arg);
	full = rss();
	guest_type(&g, "free\n");
	guest_expect(&g, "ready free", 10);
	free_rss = rss();
	/* What it has freed stays with it. */
	CHECK(full - free_rss < 10 * MIB);

	must(vmm_balloon_set(wish.balloon, FILL_MIB * MIB), "inflate");
	if (!until(actual_is, &wish, FILL_MIB * MIB, 30))
		fail("the balloon has %llu MiB", (unsigned long long)(stats(&wish).actual / MIB));
	after = rss();
	note("RSS %llu MiB, %llu with a balloon of %u", (unsigned long long)(full / MIB),
	     (unsigned long long)(after / MIB), FILL_MIB);
	CHECK(after + SEEN_MIB * MIB < full);
	CHECK(stats(&wish).refused == 0 && stats(&wish).reported == 0);

	asked = stats(&wish).guest_time_ns;
	must(vmm_balloon_refresh(wish.balloon), "refresh");
	CHECK(until(figures_are_newer, &wish, asked, 10));
	CHECK((stats(&wish).known & (VMM_BALLOON_FREE | VMM_BALLOON_TOTAL)) ==
	      (VMM_BALLOON_FREE | VMM_BALLOON_TOTAL));
	CHECK(stats(&wish).total < 320 * MIB && stats(&wish).total > 100 * MIB);
	CHECK(stats(&wish).free < stats(&wish).total);

	must(vmm_balloon_set(wish.balloon, 0), "deflate");
	CHECK(until(actual_is, &wish, 0, 30));
	end(&g);
}

/* So much in the balloon that the guest needs some of it back, and takes it. */
static void out_of_memory(const void *arg)
{
	struct wish wish = { .flags = VMM_BALLOON_NO_REPORTING };
	uint64_t before;
	struct guest g;

	begin(&g, &wish, arg);
	guest_type(&g, "free\n");
	guest_expect(&g, "ready free", 10);
	must(vmm_balloon_set(wish.balloon, 200 * MIB), "inflate");
	CHECK(until(actual_is_over, &wish, 150 * MIB, 60));
	before = stats(&wish).actual;
	guest_type(&g, "again\n");
	guest_expect(&g, "ok balloon", 120);
	note("%llu MiB in the balloon, %llu when memory had run out",
	     (unsigned long long)(before / MIB),
	     (unsigned long long)(stats(&wish).actual / MIB));
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
}

/* Nobody asks: what is freed comes back. */
static void reporting(const void *arg)
{
	struct wish wish = { 0 };
	struct guest g;
	uint64_t full;

	begin(&g, &wish, arg);
	full = rss();
	guest_type(&g, "free\n");
	guest_expect(&g, "ready free", 10);
	if (!until(rss_is_below, &wish, full - SEEN_MIB * MIB, 30))
		fail("RSS %llu MiB, %llu when all was used; %llu MiB were reported",
		     (unsigned long long)(rss() / MIB), (unsigned long long)(full / MIB),
		     (unsigned long long)(stats(&wish).reported / MIB));
	note("RSS %llu MiB, %llu after %u were freed", (unsigned long long)(full / MIB),
	     (unsigned long long)(rss() / MIB), FILL_MIB);
	CHECK(stats(&wish).reported >= SEEN_MIB * MIB);
	CHECK(stats(&wish).returned == stats(&wish).reported);
	CHECK(stats(&wish).actual == 0);
	end(&g);
}

void balloon_add(void)
{
	harness_add(&(struct scenario){ "balloon/6.1/pci", balloon, NULL, 200, true });
	harness_add(&(struct scenario){ "balloon/6.12/mmio", balloon, "", 200, false });
	harness_add(&(struct scenario){ "balloon/oom", out_of_memory, NULL, 400, false });
	harness_add(&(struct scenario){ "reporting/6.12/mmio", reporting, "", 150, true });
	harness_add(&(struct scenario){ "reporting/6.1/pci", reporting, NULL, 150, false });
}
