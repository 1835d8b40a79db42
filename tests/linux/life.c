/* SPDX-License-Identifier: MIT */
/*
 * life.c - a guest that is stopped, started again, reset, paused, and pulled the plug of.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch.h"
#include "files.h"
#include "guest.h"
#include "harness.h"

/* Started again after it rebooted, to something else; reset from outside; the power button. */
static void again(const void *arg)
{
	const struct guest_spec spec = { .cpus = 2, .words = "test.do=boot,reboot" };
	const char *ready = HAS_BUTTON ? "ready button" : "spin 1";
	struct guest g;

	guest_open(&g, &spec);
	guest_start(&g);
	guest_expect(&g, "boot ", 30);
	guest_expect(&g, "done", 10);
	guest_ends(&g, VMM_STOP_RESET, 20);
	CHECK(vmm_reset(g.vm) < 0);
	CHECK(vmm_pause(g.vm) < 0);
	guest_load(&g, HAS_BUTTON ? "test.do=button" : "test.do=spin");
	guest_start(&g);
	CHECK(vmm_start(g.vm) < 0);
	guest_expect(&g, ready, 30);
	must(vmm_reset(g.vm), "reset");
	guest_event(&g, VMM_EVENT_RESET, 0, 10);
	CHECK(vmm_state(g.vm) == VMM_STATE_RUNNING);
	guest_expect(&g, ready, 30);
	must(vmm_power_button(g.vm), "power button");
	if (HAS_BUTTON) {
		guest_expect(&g, "ok button", 10);
		guest_ends(&g, VMM_STOP_POWEROFF, 20);
	} else {
		must(vmm_stop(g.vm), "stop");
		guest_ends(&g, VMM_STOP_REQUESTED, 10);
	}
	guest_close(&g);
}

static uint32_t counter(struct guest *g)
{
	return (uint32_t)atoi(guest_expect(g, "io ", 10));
}

/*
 * Paused it says nothing; it goes on where it was. Its plug is pulled in the middle
 * of writing, and it finds its disk in order when it is started again; then it is
 * destroyed in the middle of it.
 */
static void pause_and_pull(const void *arg)
{
	char *disk = files_copy_disk("disk");
	const struct guest_spec spec = { .cpus = 2, .disk = disk, .words = "test.do=io" };
	struct guest g;
	uint32_t n;

	guest_open(&g, &spec);
	guest_start(&g);
	guest_expect(&g, "io 3", 40);
	for (int i = 0; i < 2; i++) {
		must(vmm_pause(g.vm), "pause");
		guest_event(&g, VMM_EVENT_STATE, VMM_STATE_PAUSED, 10);
		while (guest_listen(&g, "io ", 200))
			continue;	/* was said before */
		CHECK(guest_listen(&g, "io ", 1500) == NULL);
		must(vmm_resume(g.vm), "resume");
		guest_event(&g, VMM_EVENT_STATE, VMM_STATE_RUNNING, 10);
		n = counter(&g);
		CHECK(counter(&g) == n + 1);
	}
	must(vmm_stop(g.vm), "stop");
	guest_ends(&g, VMM_STOP_REQUESTED, 10);
	guest_start(&g);
	guest_expect(&g, "io 3", 40);
	guest_close(&g);
	free(disk);
}

void life_add(void)
{
	harness_add(&(struct scenario){ "life/again", again, NULL, 200, true });
	harness_add(&(struct scenario){ "life/pause-and-pull", pause_and_pull, NULL, 150, true });
}
