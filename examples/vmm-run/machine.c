/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the guest that the options describe, plugged together.
 *
 * A device is two halves: a backend, made first, and a front end that takes it.
 * Until that has happened the backend is ours to destroy.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvmm/block.h>
#include <libvmm/boot.h>
#include <libvmm/debug.h>
#include <libvmm/net.h>
#include <libvmm/rng.h>
#include <libvmm/supervisor.h>
#include <libvmm/vcpu.h>
#include <libvmm/watchdog.h>

#include "machine.h"
#include "nets.h"
#include "tty.h"

/*
 * Say why what an option asked for failed; the library's words name the thing.
 * @hint, what to do about it, may be NULL. Returns -1.
 */
static int fail(const char *option, const char *hint)
{
	say("%s: %s%s%s%s", option, vmm_last_error(), hint ? " (" : "", hint ? hint : "",
	    hint ? ")" : "");
	return -1;
}

static const char *kvm_hint(int error)
{
	switch (error) {
	case -ENOENT:
		return "is the kvm module loaded, and virtualization enabled in the firmware?";
	case -EACCES:
	case -EPERM:
		return "is this user in the group of /dev/kvm?";
	case -ENOMEM:
		return "less --memory?";
	default:
		return NULL;
	}
}

static void remark(void *data, struct vmm *vm, uint32_t level, const char *message)
{
	static const char *const names[] = { "", "error: ", "warning: ", "", "" };

	say("%s%s", level < sizeof(names) / sizeof(names[0]) ? names[level] : "", message);
}

static int create(struct machine *m, const struct options *o, struct vmm_loop *loop)
{
	struct vmm_config config = VMM_CONFIG_INIT;
	int r;

	config.name = o->name;
	config.ram_bytes = o->memory;
	config.ram_kind = o->huge_page_bytes ? VMM_RAM_HUGE : VMM_RAM_MEMFD;
	config.huge_page_bytes = o->huge_page_bytes;
	config.nr_vcpus = o->cpus;
	config.threads_per_core = o->threads_per_core;
	config.nr_sockets = o->sockets;
	config.flags = o->vm_flags;
	config.transport = o->transport;
	config.loop = loop;
	config.log = remark;
	config.log_level = o->log_level;
	r = vmm_create(&config, &m->vm);
	if (r < 0)
		return fail("cannot make a guest", kvm_hint(r));

	for (uint32_t i = 0; i < o->nr_pins && i < o->cpus; i++) {
		if (vmm_vcpu_pin(vmm_vcpu(m->vm, i), &o->pins[i], 1) < 0)
			return fail("--pin", NULL);
	}
	return 0;
}

/* A loop with a thread of its own for a device that asked for one. */
static int thread_for(struct machine *m, bool wanted, const char *kind, struct vmm_loop **ret_loop)
{
	struct vmm_loop_config config = VMM_LOOP_CONFIG_INIT;
	char name[16];

	*ret_loop = NULL;
	if (!wanted)
		return 0;
	snprintf(name, sizeof(name), "%s%u", kind, m->nr_threads);
	config.name = name;
	config.flags = VMM_LOOP_THREAD;
	if (vmm_loop_create(&config, &m->threads[m->nr_threads]) < 0)
		return fail("cannot make a thread for a device", NULL);
	*ret_loop = m->threads[m->nr_threads++];
	return 0;
}

static const char *disk_hint(int error)
{
	switch (error) {
	case -EBUSY:
		return "does another guest use it?";
	case -EACCES:
	case -EROFS:
		return "\",ro\" after it asks only to read";
	default:
		return NULL;
	}
}

static int open_overlay(const struct disk_option *d, struct vmm_blk **ret_blk)
{
	struct vmm_blk_file_config base = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk_overlay_config overlay = VMM_BLK_OVERLAY_CONFIG_INIT;
	int r;

	base.path = d->base;
	base.flags = VMM_BLK_READ_ONLY | d->flags;
	r = vmm_blk_open_file(&base, &overlay.base);
	if (r < 0)
		return r;
	overlay.path = d->path;
	overlay.flags = d->flags;
	r = vmm_blk_open_overlay(&overlay, ret_blk);
	if (r == -ENOENT) {
		overlay.flags |= VMM_BLK_OVERLAY_CREATE;
		r = vmm_blk_open_overlay(&overlay, ret_blk);
	}
	if (r < 0)
		vmm_blk_destroy(overlay.base);
	return r;
}

static int open_disk(const struct disk_option *d, struct vmm_blk **ret_blk)
{
	struct vmm_blk_file_config file = VMM_BLK_FILE_CONFIG_INIT;
	struct vmm_blk_nbd_config nbd = VMM_BLK_NBD_CONFIG_INIT;

	if (!d->path)
		return vmm_blk_open_ram(d->ram_bytes, ret_blk);
	switch (d->format) {
	case DISK_OVERLAY:
		return open_overlay(d, ret_blk);
	case DISK_NBD:
		nbd.uri = d->path;
		nbd.flags = d->flags;
		return vmm_blk_open_nbd(&nbd, ret_blk);
	default:
		file.path = d->path;
		file.flags = d->flags;
		return vmm_blk_open_file(&file, ret_blk);
	}
}

static int add_disk(struct machine *m, const struct disk_option *d)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	const char *option = d->path ? "--disk" : "--ram-disk";
	int r = open_disk(d, &config.backend);

	if (r < 0)
		return fail(option, disk_hint(r));
	config.serial = d->serial;
	config.cache = d->cache;
	config.nr_queues = d->queues;
	if ((vmm_blk_set_rate(config.backend, &d->rate) < 0 && fail(option, NULL)) ||
	    thread_for(m, d->own_thread, "disk", &config.loop) < 0 ||
	    (vmm_add_block(m->vm, &config, NULL) < 0 && fail(option, NULL))) {
		vmm_blk_destroy(config.backend);
		return -1;
	}
	return 0;
}

static int add_net(struct machine *m, const struct options *o, const struct net_option *n)
{
	struct vmm_net_config config = VMM_NET_CONFIG_INIT;
	struct vmm_rate rate = VMM_RATE_INIT;
	struct vmm_device *dev;
	const char *hint;

	if (nets_open(o, n, &config.backend, &hint) < 0)
		return fail("--net", hint);
	memcpy(config.mac, n->mac, sizeof(config.mac));
	config.mtu = n->mtu;
	config.flags = n->plain ? VMM_NET_PLAIN : 0;
	if (thread_for(m, n->own_thread, "net", &config.loop) < 0 ||
	    (vmm_add_net(m->vm, &config, &dev) < 0 && fail("--net", NULL))) {
		vmm_net_destroy(config.backend);
		return -1;
	}
	rate.bytes_per_second = n->rate;
	return n->rate > 0 && vmm_net_set_rate(dev, &rate, &rate) < 0 ? fail("--net rate", NULL) : 0;
}

static int add_consoles(struct machine *m, const struct options *o, struct terminal *terminal)
{
	for (uint32_t kind = CONSOLE_SERIAL; kind <= CONSOLE_VIRTIO; kind <<= 1) {
		struct vmm_console_config config = VMM_CONSOLE_CONFIG_INIT;
		int r;

		if (!(o->console & kind))
			continue;
		if (terminal_open(terminal, &config.backend) < 0)
			return fail("--console", NULL);
		config.flags = VMM_CONSOLE_WAIT;
		if (kind == CONSOLE_VIRTIO) {
			terminal_size(&config.columns, &config.rows);
			r = vmm_add_console(m->vm, &config, NULL);
		} else {
			r = vmm_add_serial(m->vm, &config);
		}
		if (r < 0) {
			fail("--console", NULL);
			vmm_console_destroy(config.backend);
			return -1;
		}
	}
	return 0;
}

/* How Linux is told to use the serial port before it has a driver for it. */
#ifdef __x86_64__
#define EARLY_CONSOLE	"earlyprintk=ttyS0"
#else
#define EARLY_CONSOLE	"earlycon"
#endif

/*
 * The console that Linux is told of. With both, the serial port is a boot console,
 * which ends when the driver of the virtio console has come up. @words has room.
 */
static const char *console_words(const struct options *o, char *words, size_t room)
{
	if (o->append && (strncmp(o->append, "console=", 8) == 0 || strstr(o->append, " console=")))
		return "";
	switch (o->console) {
	case CONSOLE_SERIAL:
		snprintf(words, room, "console=%s ", vmm_serial_name());
		return words;
	case CONSOLE_VIRTIO:
		return "console=hvc0 ";
	default:
		return EARLY_CONSOLE " console=hvc0 ";
	}
}

static int boot(struct machine *m, const struct options *o)
{
	struct vmm_boot_config config = VMM_BOOT_CONFIG_INIT;
	char *cmdline, words[64];
	int r;

	if (asprintf(&cmdline, "%s%s", console_words(o, words, sizeof(words)), o->append ? o->append : "") < 0) {
		say("out of memory");
		return -1;
	}
	config.kernel_path = o->kernel;
	config.initrd_path = o->initrd;
	config.cmdline = cmdline;
	config.protocol = o->protocol;
	r = vmm_boot_linux(m->vm, &config);
	if (r < 0)
		fail("cannot boot", r == -ENOSPC ? "more --memory?" : NULL);
	free(cmdline);
	return r < 0 ? -1 : 0;
}

static int debug(struct machine *m, const struct options *o)
{
	struct vmm_debug_config config = VMM_DEBUG_CONFIG_INIT;
	struct vmm_debug *closed_with_the_guest;

	if (!o->gdb)
		return 0;
	config.path = o->gdb;
	config.flags = o->gdb_wait ? VMM_DEBUG_WAIT : 0;
	if (vmm_debug_open(m->vm, &config, &closed_with_the_guest) < 0)
		return fail("--gdb", NULL);
	return 0;
}

static int supervise(struct machine *m, const struct options *o)
{
	struct vmm_supervise_config config = VMM_SUPERVISE_CONFIG_INIT;

	if (o->restart == VMM_RESTART_NEVER)
		return 0;
	config.policy = o->restart;
	if (vmm_supervisor_create(NULL, &m->supervisor) < 0 ||
	    vmm_supervise(m->supervisor, m->vm, &config) < 0)
		return fail("--restart", NULL);
	return 0;
}

static int plug(struct machine *m, const struct options *o, struct terminal *terminal)
{
	struct vmm_watchdog_config watchdog = VMM_WATCHDOG_CONFIG_INIT;
	const char *failed;

	if (add_consoles(m, o, terminal) < 0)
		return -1;
	for (uint32_t i = 0; i < o->nr_disks; i++) {
		if (add_disk(m, &o->disks[i]) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < o->nr_nets; i++) {
		if (add_net(m, o, &o->nets[i]) < 0)
			return -1;
	}
	if (!o->no_rng && vmm_add_rng(m->vm, NULL, NULL) < 0)
		return fail("--rng", NULL);
	failed = extras_plug(m->vm, &o->extras);
	if (failed)
		return fail(failed, NULL);
	if (o->watchdog) {
		watchdog.action = o->watchdog_action;
		if (vmm_add_watchdog(m->vm, &watchdog) < 0)
			return fail("--watchdog", NULL);
	}
	if (boot(m, o) < 0 || debug(m, o) < 0)
		return -1;
	return supervise(m, o);
}

int machine_create(const struct options *o, struct vmm_loop *loop, struct terminal *terminal,
		   struct machine *ret_machine)
{
	*ret_machine = (struct machine){ 0 };
	if (create(ret_machine, o, loop) == 0 && plug(ret_machine, o, terminal) == 0)
		return 0;
	machine_destroy(ret_machine);
	return -1;
}

void machine_destroy(struct machine *m)
{
	vmm_destroy(m->vm);
	(void)vmm_supervisor_destroy(m->supervisor);
	for (uint32_t i = 0; i < m->nr_threads; i++)
		vmm_loop_destroy(m->threads[i]);
	*m = (struct machine){ 0 };
}
