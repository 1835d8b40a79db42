/* SPDX-License-Identifier: MIT */
/*
 * guest.h - a stock Linux guest that runs tests/guest/init.
 *
 * What its init says are lines that begin with "GUEST ". All waits fail the
 * scenario when they take too long, when the guest ends meanwhile, and when a line
 * says that one of the guest's own checks failed. Seconds are those of hardware.
 */
#ifndef LINUX_GUEST_H
#define LINUX_GUEST_H

#include <libvmm/console.h>
#include <libvmm/vmm.h>

#include "harness.h"

struct guest;

/* Zero in any field is its default. */
struct guest_spec {
	const char *name;		/* "guest" */
	const char *kernel;		/* "6.1" or "6.12"; "6.1" */
	uint32_t protocol;		/* enum vmm_boot_protocol; the usual one */
	uint32_t cpus;			/* 1 */
	uint32_t transport;		/* enum vmm_transport; pci */
	uint32_t queue_format;		/* enum vmm_queue_format; split */
	uint32_t memory_mb;		/* 320 */
	bool packed;			/* the kernel is a compressed Image */
	const char *words;		/* for the command line */
	const char *disk;		/* path of vda; none */
	void (*disks)(struct guest *g);	/* plugs disks in, before those; none */
	uint32_t ram_disk_mb;		/* the next disk; none */
	bool net;			/* user mode; or: */
	struct vmm_netdev *netdev;	/* the guest's from then on */
	uint32_t net_flags;		/* VMM_NET_* */
	void (*plug)(struct vmm *vm, void *data);	/* for devices of the scenario's own */
	void *plug_data;
	bool serial;			/* its console is the serial port alone */
	struct vmm_loop *loop;		/* driven by the waits; one with a thread */
};

struct guest {
	struct vmm *vm;
	const char *name;
	struct guest_spec spec;
	struct vmm_device *nic;		/* of spec.net or spec.netdev */
	struct vmm_ring *console, *serial;	/* console is serial when spec.serial */
	uint64_t position;
	char *text;			/* all it said on its console */
	size_t text_len, seen;		/* seen: up to where lines were looked at */
	uint32_t fds, threads;		/* of the process before it */
};

void guest_open(struct guest *g, const struct guest_spec *spec);

/* Load the kernel, again or with other @words. */
void guest_load(struct guest *g, const char *words);

void guest_start(struct guest *g);

/* Wait for the next line "GUEST @prefix…". Returns what follows, valid until the next wait. */
const char *guest_expect(struct guest *g, const char *prefix, uint32_t seconds);

/* Look for such a line without failing; NULL when there is none after @ms milliseconds. */
const char *guest_listen(struct guest *g, const char *prefix, uint32_t ms);

void guest_type(struct guest *g, const char *text);

/* Wait for an event of that type (enum vmm_event_type) and value; others are passed over. */
void guest_event(struct guest *g, uint32_t type, uint32_t value, uint32_t seconds);

/* Wait until it has stopped, for that reason (enum vmm_stop_reason). */
void guest_ends(struct guest *g, uint32_t reason, uint32_t seconds);

/* Destroy it; all that the process had before, and nothing more, is there afterwards. */
void guest_close(struct guest *g);

/* The end of what each guest said, for a failure. */
void guest_show_all(void);

#endif
