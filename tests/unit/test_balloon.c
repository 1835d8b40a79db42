/* SPDX-License-Identifier: MIT */
/* test_balloon.c - the balloon, what goes back to the host, and drivers that lie about it. */
#include <check.h>
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <unistd.h>

#include <libvmm/balloon.h>
#include "core/ram_priv.h"
#include "fake_virtio.h"

enum { INFLATE, DEFLATE, STATS, REPORT, REPORT_TOO, QUEUES };
enum { PAGE = 4096, PFNS_AT = DATA, STATS_AT = DATA + 0x10000, FREE_AT = DATA + 0x20000 };
enum { F_STATS = 1 << 1, F_OOM = 1 << 2, F_POISON = 1 << 4, F_REPORTING = 1 << 5 };

static struct vmm_balloon *balloon;
static struct ram huge;

static void make(const struct vmm_balloon_config *config)
{
	machine_make();
	ck_assert_int_eq(vmm_add_balloon(THE_VM, config, &balloon), 0);
}

static void setup(void)
{
	make(NULL);
	driver_start();
	memset(machine.ram + FREE_AT, 0x55, RAM - FREE_AT);
}

static void teardown(void)
{
	machine_unmake();
}

static struct vmm_balloon_stats stats(void)
{
	struct vmm_balloon_stats s = VMM_BALLOON_STATS_INIT;

	ck_assert_int_eq(vmm_balloon_stats(balloon, &s), 0);
	return s;
}

static bool is_gone(uint32_t gpa)
{
	const unsigned char *p = machine.ram + gpa;

	if (p[0] == 0x55)
		ck_assert(p[PAGE - 1] == 0x55 && memcmp(p, p + 1, PAGE - 1) == 0);
	else
		ck_assert(p[0] == 0 && memcmp(p, p + 1, PAGE - 1) == 0);
	return p[0] == 0;
}

static void put_pfns(const uint32_t *pfns, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t le = htole32(pfns[i]);

		memcpy(machine.ram + PFNS_AT + 4 * i, &le, 4);
	}
}

/* One chain of page numbers. */
static void give(uint32_t queue, const uint32_t *pfns, unsigned n)
{
	put_pfns(pfns, n);
	driver_buffer(queue, 0, PFNS_AT, 4 * n, false);
	driver_kick(queue);
	machine_run();
}

/* ---- configs ---- */

START_TEST(a_config_that_cannot_be_is_refused)
{
	struct vmm_balloon_config config = VMM_BALLOON_CONFIG_INIT;

	ck_assert_int_eq(vmm_add_balloon(NULL, NULL, NULL), -EINVAL);
	config.flags = 1 << 3;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, &config, NULL), -EINVAL);
	config.flags = 0;
	config.reserved = 1;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, &config, NULL), -EINVAL);
	config.reserved = 0;
	config.stats_ms = 99;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, &config, NULL), -EINVAL);
	config.stats_ms = 0;
	config.bytes = 1ull << 44;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, &config, NULL), -EINVAL);
	config.bytes = 0;
	config.size = 0;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, &config, NULL), -EINVAL);
	machine.add_result = -ENOSPC;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, NULL, NULL), -ENOSPC);
	ck_assert_int_eq(vmm_balloon_set(NULL, 0), -EINVAL);
	ck_assert_int_eq(vmm_balloon_set(balloon, 1ull << 44), -EINVAL);
	ck_assert_int_eq(vmm_balloon_refresh(NULL), -EINVAL);
	ck_assert_int_eq(vmm_balloon_stats(NULL, NULL), -EINVAL);
}
END_TEST

/* Each row: flags, host pages of 2 MiB, and what is offered. */
static const struct {
	uint32_t flags;
	bool huge;
	uint32_t offer, queues;
} offers[] = {
	{ 0, false, F_STATS | F_OOM | F_POISON | F_REPORTING, 5 },
	{ VMM_BALLOON_NO_DEFLATE, false, F_STATS | F_POISON | F_REPORTING, 5 },
	{ VMM_BALLOON_NO_REPORTING, false, F_STATS | F_OOM, 3 },
	{ 0, true, F_STATS | F_OOM, 3 },
	{ VMM_BALLOON_HUGE, true, F_STATS | F_OOM | F_POISON | F_REPORTING, 5 },
	{ VMM_BALLOON_HUGE | VMM_BALLOON_NO_REPORTING, true, F_STATS | F_OOM, 3 },
};

START_TEST(it_offers_what_it_was_asked_for_and_nothing_more)
{
	struct vmm_balloon_config config = VMM_BALLOON_CONFIG_INIT;

	machine_unmake();
	machine_make();
	huge = (struct ram){ .page_bytes = 2 << 20, .fd = -1 };
	machine.mem.regions[0].ram = offers[_i].huge ? &huge : NULL;
	config.flags = offers[_i].flags;
	config.bytes = 4096 * 3 + 17;
	ck_assert_int_eq(vmm_add_balloon(THE_VM, &config, &balloon), 0);
	ck_assert_uint_eq(machine.dev->virtio.offered.word[0] & 0x00ffffff, offers[_i].offer);
	ck_assert_uint_eq(machine.dev->virtio.offered.word[2], 0);
	ck_assert_uint_eq(machine.dev->virtio.nr_queues, offers[_i].queues);
	ck_assert_uint_eq(machine.dev->ops.virtio_id, VIRTIO_ID_BALLOON);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 8), 3);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 8, 8), 0);
	ck_assert_uint_eq(stats().target, 3 * 4096);
}
END_TEST

/* ---- the balloon ---- */

START_TEST(a_target_is_told_and_the_guest_says_how_far_it_is)
{
	uint32_t offset = offsetof(struct virtio_balloon_config, actual);

	ck_assert_int_eq(vmm_balloon_set(balloon, 10 << 20), 0);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 4), 2560);
	ck_assert_int_eq(machine.config_interrupts, 1);
	ck_assert_uint_eq(stats().target, 10 << 20);
	ck_assert_uint_eq(stats().actual, 0);
	vmm__device_write_config(machine.dev, offset, 4, 256);
	ck_assert_uint_eq(stats().actual, 1 << 20);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, offset, 4), 256);
	/* In pieces, over the edge, and where it is not the driver's to write. */
	vmm__device_write_config(machine.dev, offset + 1, 1, 2);
	ck_assert_uint_eq(stats().actual, 2 << 20);
	vmm__device_write_config(machine.dev, 0, 8, 0x300ffffffffull);
	ck_assert_uint_eq(stats().actual, 0x300 << 12);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 4), 2560);
	vmm__device_write_config(machine.dev, 8, 4, 7);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 8, 4), 0);
	vmm__device_write_config(machine.dev, 14, 4, UINT32_MAX);
	vmm__device_write_config(machine.dev, UINT32_MAX, 4, 7);
	/* A reset empties it; the target stays. */
	driver_reset();
	ck_assert_uint_eq(stats().actual, 0);
	ck_assert_uint_eq(vmm__device_read_config(machine.dev, 0, 8), 2560);
}
END_TEST

START_TEST(pages_that_are_given_up_are_gone_and_no_others)
{
	const uint32_t first = FREE_AT / PAGE;
	/* In no order, one twice, and a run. */
	const uint32_t pfns[] = { first + 9, first + 1, first + 3, first + 2, first + 9, first + 20 };

	give(INFLATE, pfns, 6);
	ck_assert_uint_eq(driver_used(INFLATE), 1);
	ck_assert_uint_eq(driver_used_len(INFLATE, 0), 0);
	ck_assert_uint_eq(stats().returned, 5 * PAGE);
	ck_assert_uint_eq(stats().refused, 0);
	for (uint32_t i = 0; i < 32; i++)
		ck_assert_int_eq(is_gone(FREE_AT + i * PAGE),
				 (i >= 1 && i <= 3) || i == 9 || i == 20);
	/* It is RAM as before. */
	memset(machine.ram + FREE_AT, 0x55, 32 * PAGE);
	give(DEFLATE, pfns, 6);
	ck_assert_uint_eq(driver_used(DEFLATE), 1);
	ck_assert(!is_gone(FREE_AT + PAGE));
	ck_assert_int_ge(machine.queue_interrupts[INFLATE], 1);
	ck_assert_int_ge(machine.queue_interrupts[DEFLATE], 1);
}
END_TEST

START_TEST(pages_that_are_not_ram_are_refused_and_cost_nothing)
{
	const uint32_t last = RAM / PAGE - 1;
	/* At the edge, into the hole behind it, far away, and at the end of everything. */
	const uint32_t pfns[] = { last, last + 1, last + 2, 0x80000000, UINT32_MAX - 1, UINT32_MAX };

	give(INFLATE, pfns, 6);
	ck_assert_uint_eq(driver_used(INFLATE), 1);
	ck_assert_int_eq(machine.broken, 0);
	ck_assert(is_gone(last * PAGE));
	ck_assert_uint_eq(stats().returned, PAGE);
	ck_assert_uint_eq(stats().refused, 5 * PAGE);
}
END_TEST

START_TEST(read_only_memory_is_not_given_up)
{
	const uint32_t pfn = FREE_AT / PAGE;

	machine.mem.regions[0].size = FREE_AT;
	machine.mem.regions[1] = (struct mem_region){
		.gpa = FREE_AT, .size = RAM - FREE_AT, .host = machine.ram + FREE_AT, .read_only = true,
	};
	machine.mem.nr_regions = 2;
	give(INFLATE, &pfn, 1);
	ck_assert(!is_gone(FREE_AT));
	ck_assert_uint_eq(stats().refused, PAGE);
}
END_TEST

START_TEST(a_run_across_regions_is_given_up)
{
	const uint32_t pfns[] = { FREE_AT / PAGE, FREE_AT / PAGE + 1 };

	machine.mem.regions[0].size = FREE_AT + PAGE;
	machine.mem.regions[1] = (struct mem_region){
		.gpa = FREE_AT + PAGE, .size = RAM - FREE_AT - PAGE,
		.host = machine.ram + FREE_AT + PAGE,
	};
	machine.mem.nr_regions = 2;
	give(INFLATE, pfns, 2);
	ck_assert(is_gone(FREE_AT) && is_gone(FREE_AT + PAGE));
}
END_TEST

START_TEST(a_guest_may_give_up_its_rings_and_harms_only_itself)
{
	uint32_t pfns[QUEUE_BYTES * QUEUES / PAGE];

	for (uint32_t i = 0; i < QUEUE_BYTES * QUEUES / PAGE; i++)
		pfns[i] = i;
	give(INFLATE, pfns, QUEUE_BYTES * QUEUES / PAGE);
	machine_run();
	driver_start();
	give(INFLATE, (uint32_t[]){ FREE_AT / PAGE }, 1);
	ck_assert(is_gone(FREE_AT));
}
END_TEST

START_TEST(a_ragged_end_and_nothing_at_all_are_passed_over)
{
	put_pfns((uint32_t[]){ FREE_AT / PAGE, FREE_AT / PAGE + 1 }, 2);
	driver_buffer(INFLATE, 0, PFNS_AT, 7, false);
	driver_buffer(INFLATE, 1, PFNS_AT, 0, false);
	driver_buffer(INFLATE, 2, PFNS_AT, 8, true);
	driver_kick(INFLATE);
	machine_run();
	ck_assert_uint_eq(driver_used(INFLATE), 3);
	ck_assert_uint_eq(driver_used_len(INFLATE, 2), 0);
	ck_assert_uint_eq(stats().returned, PAGE);
}
END_TEST

/* Numbers of no pages, no two of them neighbours, in all of the memory that is not used. */
static void fill_with_numbers(void)
{
	for (uint32_t at = FREE_AT, i = 0; at < RAM; at += 4, i += 2) {
		uint32_t le = htole32(0x80000000 + i);

		memcpy(machine.ram + at, &le, 4);
	}
}

START_TEST(a_chain_of_gigabytes_takes_many_turns)
{
	uint64_t before, after;

	/* 60 descriptors, each of all of that: 10 million page numbers. */
	fill_with_numbers();
	for (unsigned i = 0; i < 60; i++)
		driver_desc(INFLATE, i, FREE_AT, RAM - FREE_AT, i < 59 ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	driver_offer(INFLATE, 0);
	driver_kick(INFLATE);
	for (int i = 0; i < 20; i++) {
		before = stats().returned + stats().refused;
		driver_kick(INFLATE);
		ck_assert(machine_turn());
		after = stats().returned + stats().refused;
		/* Two shares in the first turn; from then on ringing makes no difference. */
		ck_assert_uint_le(after - before, (i == 0 ? 2 : 1) * 1024 * PAGE);
		ck_assert_uint_ge(after - before, 1024 * PAGE);
	}
	ck_assert_uint_eq(driver_used(INFLATE), 0);
	/* Others are served meanwhile, and a reset ends it. */
	driver_buffer(DEFLATE, 0, PFNS_AT, 4, false);
	driver_kick(DEFLATE);
	machine_turn();
	ck_assert_uint_eq(driver_used(DEFLATE), 1);
	driver_reset();
	before = stats().refused;
	machine_run();
	ck_assert_uint_eq(stats().refused, before);
	/* And the next chain is looked at from its start. */
	driver_start();
	memset(machine.ram + FREE_AT, 0x55, PAGE);
	give(INFLATE, (uint32_t[]){ FREE_AT / PAGE }, 1);
	ck_assert(is_gone(FREE_AT));
}
END_TEST

START_TEST(many_small_chains_are_a_bounded_part_a_turn)
{
	put_pfns((uint32_t[]){ FREE_AT / PAGE }, 1);
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_desc(INFLATE, i, PFNS_AT, 4, 0, 0);
	for (unsigned i = 0; i < ENTRIES; i++)
		driver_offer(INFLATE, (uint16_t)i);
	driver_kick(INFLATE);
	machine_run();
	ck_assert_uint_eq(driver_used(INFLATE), ENTRIES);
	ck_assert_uint_eq(stats().returned, ENTRIES * PAGE);
}
END_TEST

START_TEST(a_chain_that_changes_while_it_waits_harms_nobody)
{
	static const uint32_t lens[] = { 0, 4, 4096, RAM - FREE_AT };

	fill_with_numbers();
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		driver_start();
		driver_desc(INFLATE, 0, FREE_AT, RAM - FREE_AT, 0, 0);
		driver_offer(INFLATE, 0);
		driver_kick(INFLATE);
		machine_turn();
		ck_assert_uint_eq(driver_used(INFLATE), 0);
		driver_desc(INFLATE, 0, FREE_AT, lens[i], 0, 0);
		machine_run();
		ck_assert_uint_eq(driver_used(INFLATE), 1);
	}
	ck_assert_int_eq(machine.broken, 0);
}
END_TEST

static const struct {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next, head;
} lies[] = {
	{ RAM - 8, 16, 0, 0, 0 },
	{ RAM - 8, 16, VRING_DESC_F_WRITE, 0, 0 },
	{ UINT64_MAX - 7, 16, VRING_DESC_F_WRITE, 0, 0 },
	{ DATA, 16, VRING_DESC_F_NEXT, 0, 0 },
	{ DATA, 16, 0, 0, ENTRIES },
};

START_TEST(a_lie_in_any_queue_breaks_the_device_until_its_reset)
{
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		driver_start();
		machine.broken = 0;
		driver_desc(queue, 0, lies[_i].addr, lies[_i].len, lies[_i].flags, lies[_i].next);
		driver_offer(queue, lies[_i].head);
		driver_kick(queue);
		machine_run();
		ck_assert_msg(machine.broken == 1, "queue %u", queue);
		ck_assert_int_eq(vmm_balloon_set(balloon, 1 << 20), 0);
		ck_assert_int_eq(vmm_balloon_refresh(balloon), -EAGAIN);
	}
	driver_start();
	give(INFLATE, (uint32_t[]){ FREE_AT / PAGE }, 1);
	ck_assert(is_gone(FREE_AT));
}
END_TEST

/* ---- reports ---- */

static void report(uint32_t queue, uint32_t gpa, uint32_t len)
{
	driver_buffer(queue, 0, gpa, len, true);
	driver_kick(queue);
	machine_run();
}

START_TEST(pages_that_are_reported_are_gone)
{
	/* A chain of two, on either number. */
	driver_desc(REPORT, 0, FREE_AT, 4 * PAGE, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_desc(REPORT, 1, FREE_AT + 8 * PAGE, 2 * PAGE, VRING_DESC_F_WRITE, 0);
	driver_offer(REPORT, 0);
	driver_kick(REPORT);
	machine_run();
	report(REPORT_TOO, FREE_AT + 16 * PAGE, PAGE);
	for (uint32_t i = 0; i < 32; i++)
		ck_assert_int_eq(is_gone(FREE_AT + i * PAGE),
				 i < 4 || i == 8 || i == 9 || i == 16);
	ck_assert_uint_eq(stats().reported, 7 * PAGE);
	ck_assert_uint_eq(stats().returned, 7 * PAGE);
	ck_assert_uint_eq(driver_used_len(REPORT, 0), 0);
	ck_assert_int_ge(machine.queue_interrupts[REPORT], 1);
}
END_TEST

START_TEST(parts_of_pages_stay)
{
	report(REPORT, FREE_AT + 1, 2 * PAGE);
	ck_assert(!is_gone(FREE_AT) && is_gone(FREE_AT + PAGE) && !is_gone(FREE_AT + 2 * PAGE));
	driver_start();
	report(REPORT, FREE_AT + 5 * PAGE + 100, PAGE);
	ck_assert(!is_gone(FREE_AT + 5 * PAGE) && !is_gone(FREE_AT + 6 * PAGE));
	/* What is only to be read is not reported. */
	driver_start();
	driver_buffer(REPORT, 0, FREE_AT + 8 * PAGE, PAGE, false);
	driver_kick(REPORT);
	machine_run();
	ck_assert(!is_gone(FREE_AT + 8 * PAGE));
	ck_assert_uint_eq(stats().returned, PAGE);
}
END_TEST

START_TEST(poisoned_pages_keep_their_poison)
{
	const uint32_t at = offsetof(struct virtio_balloon_config, poison_val);
	struct virtio *v = &machine.dev->virtio;

	driver_reset();
	vmm__device_write_config(machine.dev, at, 4, 0xaa);
	/* As driver_start(), without its reset, which would take that back. */
	machine.dev->ops.activate(machine.dev, &v->offered);
	driver_start();
	vmm__device_write_config(machine.dev, at, 4, 0xaa);
	machine.dev->ops.activate(machine.dev, &v->offered);
	report(REPORT, FREE_AT, 4 * PAGE);
	ck_assert(!is_gone(FREE_AT));
	ck_assert_uint_eq(stats().reported, 4 * PAGE);
	ck_assert_uint_eq(stats().returned, 0);
	/* The balloon's are not free, and not poisoned. */
	give(INFLATE, (uint32_t[]){ FREE_AT / PAGE }, 1);
	ck_assert(is_gone(FREE_AT));
	/* Pages that are cleared when freed are as zeros are. */
	driver_start();
	report(REPORT, FREE_AT + PAGE, PAGE);
	ck_assert(is_gone(FREE_AT + PAGE));
}
END_TEST

START_TEST(queues_that_were_not_negotiated_are_not_served)
{
	struct virtio *v = &machine.dev->virtio;

	v->offered.word[0] &= ~(uint32_t)F_REPORTING;
	driver_start();
	report(REPORT, FREE_AT, PAGE);
	ck_assert(!is_gone(FREE_AT));
	ck_assert_uint_eq(driver_used(REPORT), 0);
	/* Without figures reports come on their queue. */
	v->offered.word[0] = (v->offered.word[0] | F_REPORTING) & ~(uint32_t)F_STATS;
	driver_start();
	report(STATS, FREE_AT, PAGE);
	ck_assert(is_gone(FREE_AT));
	ck_assert_uint_eq(stats().guest_time_ns, 0);
}
END_TEST

START_TEST(a_report_without_end_takes_many_turns)
{
	/* Each chain 60 times all of the memory that is not rings. */
	for (unsigned i = 0; i < 60; i++)
		driver_desc(REPORT, i, FREE_AT, RAM - FREE_AT,
			    VRING_DESC_F_WRITE | (i < 59 ? VRING_DESC_F_NEXT : 0), (uint16_t)(i + 1));
	driver_desc(REPORT, 60, FREE_AT, PAGE, VRING_DESC_F_WRITE, 0);
	driver_offer(REPORT, 0);
	for (int i = 0; i < 40; i++)
		driver_offer(REPORT, 60);
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, REPORT));
	ck_assert_uint_le(stats().reported, 260ull << 20);
	machine_run();
	/* The second offer of a chain in flight is none: it had gone back before. */
	ck_assert_uint_eq(driver_used(REPORT), 41);
	ck_assert_uint_eq(stats().reported, 60ull * (RAM - FREE_AT) + 40 * PAGE);
	ck_assert_int_eq(machine.broken, 0);
}
END_TEST

START_TEST(many_reports_are_a_bounded_number_of_calls_a_turn)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		driver_desc(REPORT, i, FREE_AT + i * PAGE, PAGE, VRING_DESC_F_WRITE, 0);
		driver_offer(REPORT, (uint16_t)i);
	}
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, REPORT));
	ck_assert_uint_eq(driver_used(REPORT), ENTRIES);
	/* A chain and its pieces: 128 of those are all there can be in a turn. */
	driver_start();
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned n = 0; n < 128; n++) {
			const struct vring_desc d = {
				htole64(FREE_AT + n * PAGE), htole32(PAGE),
				htole16(VRING_DESC_F_WRITE | (n < 127 ? VRING_DESC_F_NEXT : 0)),
				htole16((uint16_t)(n + 1)),
			};

			memcpy(machine.ram + STATS_AT + n * sizeof(d), &d, sizeof(d));
		}
		driver_desc(REPORT, i, STATS_AT, 128 * sizeof(struct vring_desc),
			    VRING_DESC_F_INDIRECT, 0);
		driver_offer(REPORT, (uint16_t)i);
	}
	machine.dev->ops.kick(machine.dev, vmm_device_queue(machine.dev, REPORT));
	ck_assert_uint_eq(driver_used(REPORT), 1);
	machine_run();
	ck_assert_uint_eq(driver_used(REPORT), 3);
}
END_TEST

/* ---- figures ---- */

static uint32_t put_figure(unsigned i, uint16_t tag, uint64_t value)
{
	const struct virtio_balloon_stat s = { htole16(tag), htole64(value) };

	memcpy(machine.ram + STATS_AT + i * sizeof(s), &s, sizeof(s));
	return (i + 1) * (uint32_t)sizeof(s);
}

static void send_figures(unsigned desc, uint32_t len)
{
	driver_buffer(STATS, desc, STATS_AT, len, false);
	driver_kick(STATS);
	machine_run();
}

START_TEST(figures_come_and_are_asked_for_again)
{
	struct vmm_balloon_stats s;
	uint64_t first;

	ck_assert_int_eq(vmm_balloon_refresh(balloon), -EAGAIN);
	ck_assert_uint_eq(stats().guest_time_ns, 0);
	put_figure(0, VIRTIO_BALLOON_S_MEMFREE, 123456789012);
	put_figure(1, 77, 1);
	send_figures(0, put_figure(2, VIRTIO_BALLOON_S_HTLB_PGFAIL, 5));
	/* It is kept: that is how it asks. */
	ck_assert_uint_eq(driver_used(STATS), 0);
	s = stats();
	ck_assert_uint_eq(s.known, VMM_BALLOON_FREE | VMM_BALLOON_HUGE_FAILURES);
	ck_assert_uint_eq(s.free, 123456789012);
	ck_assert_uint_eq(s.huge_failures, 5);
	first = s.guest_time_ns;
	ck_assert_uint_ne(first, 0);

	ck_assert_int_eq(vmm_balloon_refresh(balloon), 0);
	ck_assert_uint_eq(driver_used(STATS), 1);
	ck_assert_int_ge(machine.queue_interrupts[STATS], 1);
	ck_assert_int_eq(vmm_balloon_refresh(balloon), -EAGAIN);
	send_figures(0, put_figure(0, VIRTIO_BALLOON_S_AVAIL, 99));
	s = stats();
	ck_assert_uint_eq(s.known, VMM_BALLOON_AVAILABLE);
	ck_assert_uint_eq(s.available, 99);
	ck_assert_uint_gt(s.guest_time_ns, first);
	/* A reset takes the buffer; it is not given back afterwards. */
	driver_reset();
	ck_assert_int_eq(vmm_balloon_refresh(balloon), -EAGAIN);
}
END_TEST

START_TEST(each_tag_has_its_figure)
{
	enum { FIGURES = VIRTIO_BALLOON_S_HTLB_PGFAIL + 1 };	/* (newer headers have tags that are not ours) */
	struct vmm_balloon_stats s;

	for (uint16_t i = 0; i < FIGURES; i++)
		put_figure(i, i, 1000u + i);
	send_figures(0, 10 * FIGURES);
	s = stats();
	ck_assert_uint_eq(s.known, (1 << FIGURES) - 1);
	ck_assert_uint_eq(s.swap_in, 1000);
	ck_assert_uint_eq(s.swap_out, 1001);
	ck_assert_uint_eq(s.major_faults, 1002);
	ck_assert_uint_eq(s.minor_faults, 1003);
	ck_assert_uint_eq(s.free, 1004);
	ck_assert_uint_eq(s.total, 1005);
	ck_assert_uint_eq(s.available, 1006);
	ck_assert_uint_eq(s.caches, 1007);
	ck_assert_uint_eq(s.huge_allocations, 1008);
	ck_assert_uint_eq(s.huge_failures, 1009);
}
END_TEST

START_TEST(figures_without_end_ragged_or_twice_are_bounded)
{
	/* The whole RAM as figures, then a ragged one; each returns the one before. */
	driver_buffer(STATS, 0, 0, RAM, false);
	driver_buffer(STATS, 1, STATS_AT, 9, false);
	driver_buffer(STATS, 2, STATS_AT, 0, false);
	driver_kick(STATS);
	machine_run();
	ck_assert_uint_eq(driver_used(STATS), 2);
	ck_assert_uint_eq(stats().known, 0);
	put_figure(64, VIRTIO_BALLOON_S_MEMFREE, 1);
	for (unsigned i = 0; i < 64; i++)
		put_figure(i, UINT16_MAX, 1);
	send_figures(3, 65 * 10);
	ck_assert_uint_eq(stats().known, 0);
	ck_assert_int_eq(vmm_balloon_refresh(balloon), 0);
	ck_assert_uint_eq(driver_used(STATS), 4);
}
END_TEST

START_TEST(a_queue_that_is_reset_alone_takes_its_buffer)
{
	send_figures(0, 0);
	vmm__queue_down(vmm_device_queue(machine.dev, STATS));
	for (uint32_t q = 0; q < QUEUES; q++)
		machine.dev->ops.queue_reset(machine.dev, vmm_device_queue(machine.dev, q));
	ck_assert_int_eq(vmm_balloon_refresh(balloon), -EAGAIN);
}
END_TEST

START_TEST(figures_are_asked_for_every_so_often)
{
	struct vmm_balloon_config config = VMM_BALLOON_CONFIG_INIT;

	machine_unmake();
	config.stats_ms = 100;
	make(&config);
	driver_start();
	send_figures(0, 0);
	for (int i = 0; i < 100 && driver_used(STATS) == 0; i++) {
		usleep(10000);
		machine_run();
	}
	ck_assert_uint_eq(driver_used(STATS), 1);
	/* Not without an answer; and not after a reset. */
	usleep(150000);
	machine_run();
	ck_assert_uint_eq(driver_used(STATS), 1);
	driver_reset();
	usleep(150000);
	ck_assert_int_eq(machine_run(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("balloon");
	TCase *tcase = tcase_create("balloon");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, a_config_that_cannot_be_is_refused);
	tcase_add_loop_test(tcase, it_offers_what_it_was_asked_for_and_nothing_more, 0,
			    sizeof(offers) / sizeof(offers[0]));
	tcase_add_test(tcase, a_target_is_told_and_the_guest_says_how_far_it_is);
	tcase_add_test(tcase, pages_that_are_given_up_are_gone_and_no_others);
	tcase_add_test(tcase, pages_that_are_not_ram_are_refused_and_cost_nothing);
	tcase_add_test(tcase, read_only_memory_is_not_given_up);
	tcase_add_test(tcase, a_run_across_regions_is_given_up);
	tcase_add_test(tcase, a_guest_may_give_up_its_rings_and_harms_only_itself);
	tcase_add_test(tcase, a_ragged_end_and_nothing_at_all_are_passed_over);
	tcase_add_test(tcase, a_chain_of_gigabytes_takes_many_turns);
	tcase_add_test(tcase, many_small_chains_are_a_bounded_part_a_turn);
	tcase_add_test(tcase, a_chain_that_changes_while_it_waits_harms_nobody);
	tcase_add_loop_test(tcase, a_lie_in_any_queue_breaks_the_device_until_its_reset, 0,
			    sizeof(lies) / sizeof(lies[0]));
	tcase_add_test(tcase, pages_that_are_reported_are_gone);
	tcase_add_test(tcase, parts_of_pages_stay);
	tcase_add_test(tcase, poisoned_pages_keep_their_poison);
	tcase_add_test(tcase, queues_that_were_not_negotiated_are_not_served);
	tcase_add_test(tcase, a_report_without_end_takes_many_turns);
	tcase_add_test(tcase, many_reports_are_a_bounded_number_of_calls_a_turn);
	tcase_add_test(tcase, figures_come_and_are_asked_for_again);
	tcase_add_test(tcase, each_tag_has_its_figure);
	tcase_add_test(tcase, figures_without_end_ragged_or_twice_are_bounded);
	tcase_add_test(tcase, a_queue_that_is_reset_alone_takes_its_buffer);
	tcase_add_test(tcase, figures_are_asked_for_every_so_often);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
