/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - the watchdog, driven by a stock kernel's i6300esb.
 *
 * Fed for longer than its time it does nothing. Then its feeder is stopped, and the rest of the
 * guest lives on: the library has to notice, tell, and do what was asked for.
 */
#include <libvmm/watchdog.h>

#include "guest.h"
#include "harness.h"

static void plug(struct vmm *vm, void *data)
{
	struct vmm_watchdog_config config = VMM_WATCHDOG_CONFIG_INIT;

	config.action = VMM_WATCHDOG_STOP;
	must(vmm_add_watchdog(vm, &config), "watchdog");
}

static void starve(const void *arg)
{
	const struct guest_spec spec = {
		.kernel = arg, .plug = plug, .words = "test.do=watchdog",
	};
	struct guest g;

	guest_open(&g, &spec);
	guest_start(&g);
	guest_expect(&g, "fed watchdog", 60);
	CHECK(vmm_state(g.vm) == VMM_STATE_RUNNING);
	guest_event(&g, VMM_EVENT_WATCHDOG, VMM_WATCHDOG_STOP, 20);
	guest_ends(&g, VMM_STOP_WATCHDOG, 10);
	guest_close(&g);
}

void watchdog_add(void)
{
	/* Debian's 6.1 for clouds has no such driver. */
	harness_add(&(struct scenario){ "watchdog/6.12", starve, "6.12", 120, true });
}
