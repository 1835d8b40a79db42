/* SPDX-License-Identifier: MIT */
/*
 * hotplug.c - disks and network interfaces that come and go while a guest runs: asked
 * for, torn out, idle and in the middle of I/O.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/block.h>
#include <libvmm/device.h>
#include <libvmm/net.h>

#include "files.h"
#include "guest.h"
#include "harness.h"

#define DISK_MB	16

static struct vmm_device *plug_disk(struct guest *g, const char *name)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_device *dev;

	config.name = name;
	must(vmm_blk_open_ram((uint64_t)DISK_MB << 20, &config.backend), "open RAM disk");
	must(vmm_add_block(g->vm, &config, &dev), "plug a disk");
	return dev;
}

/* On a file: its requests are on their way for longer. */
static struct vmm_device *plug_file(struct guest *g, const char *name, const char *path)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_device *dev;

	file.path = path;
	config.name = name;
	must(vmm_blk_open_file(&file, &config.backend), "open disk");
	must(vmm_add_block(g->vm, &config, &dev), "plug a disk");
	return dev;
}

static struct vmm_device *plug_net(struct guest *g)
{
	struct vmm_net_user_config user = VMM_NET_USER_CONFIG_INIT;
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	struct vmm_device *dev;

	must(vmm_net_open_user(&user, &config.backend), "open user network");
	must(vmm_add_net(g->vm, &config, &dev), "plug an interface");
	return dev;
}

/* Say "@what @dev", and wait for "GUEST @answer @dev". */
static void tell(struct guest *g, const char *what, const char *dev, const char *answer)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %s\n", what, dev);
	guest_type(g, text);
	snprintf(text, sizeof(text), "%s %s", answer, dev);
	guest_expect(g, text, 30);
}

static void come(struct guest *g, const char *dev)
{
	tell(g, "wait", dev, "came");
	tell(g, "use", dev, "used");
}

/* Ask, or tear out; and see that both sides are rid of it. */
static void go(struct guest *g, struct vmm_device *device, const char *dev, uint32_t flags)
{
	must(vmm_remove_device(g->vm, device, flags), "remove");
	guest_event(g, VMM_EVENT_DEVICE_REMOVED, 0, 30);
	tell(g, "gone", dev, "went");
}

static void plug(const void *arg)
{
	const struct guest_spec spec = { .kernel = arg, .cpus = 2, .words = "test.do=plug" };
	char *path = files_copy_disk("disk");
	struct vmm_device *disk, *net, *other;
	struct guest g;

	guest_open(&g, &spec);
	guest_start(&g);
	guest_expect(&g, "ready plug", 40);

	disk = plug_disk(&g, "first");
	come(&g, "vda");
	net = plug_net(&g);
	come(&g, "eth0");
	other = plug_file(&g, "second", path);
	come(&g, "vdb");

	/* Asked to go in the middle of I/O, and at rest; and torn out. */
	tell(&g, "busy", "vda", "busy");
	go(&g, disk, "vda", 0);
	CHECK(vmm_remove_device(g.vm, disk, 0) < 0);
	go(&g, net, "eth0", 0);
	go(&g, other, "vdb", VMM_REMOVE_SURPRISE);

	/* Once more, into slots that were used before. */
	for (int i = 0; i < 2; i++) {
		disk = plug_disk(&g, "again");
		come(&g, "vda");
		if (i > 0)
			tell(&g, "busy", "vda", "busy");
		go(&g, disk, "vda", 0);
	}

	/*
	 * Torn out in the middle of I/O: Linux's driver waits for ever for what was in flight, and
	 * the rest of the guest lives on. What was plugged in is there after a reset, as if it
	 * had always been.
	 */
	(void)plug_disk(&g, "stays");
	come(&g, "vda");
	other = plug_file(&g, "second", path);
	come(&g, "vdb");
	tell(&g, "busy", "vdb", "busy");
	go(&g, other, "vdb", VMM_REMOVE_SURPRISE);
	tell(&g, "use", "vda", "used");
	must(vmm_reset(g.vm), "reset");
	guest_event(&g, VMM_EVENT_RESET, 0, 10);
	guest_expect(&g, "ready plug", 40);
	come(&g, "vda");
	guest_type(&g, "end\n");
	guest_expect(&g, "ok plug", 10);
	guest_ends(&g, VMM_STOP_POWEROFF, 20);
	guest_close(&g);
	free(path);
}

void hotplug_add(void)
{
	harness_add(&(struct scenario){ "hotplug/6.1", plug, "6.1", 200, true });
	harness_add(&(struct scenario){ "hotplug/6.12", plug, "6.12", 200, true });
}
