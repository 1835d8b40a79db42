/* SPDX-License-Identifier: MIT */
/*
 * options.h - what the command line asked for, as a value.
 */
#ifndef VMM_RUN_OPTIONS_H
#define VMM_RUN_OPTIONS_H

#include <stdbool.h>
#include <libvmm/net.h>
#include <libvmm/rate.h>

#include "extras.h"

#define MAX_DISKS	24
#define MAX_NETS	8
#define MAX_FORWARDS	32
#define MAX_PINS	255

/* How vmm-run ends; --help lists them. */
enum {
	STATUS_POWEROFF	= 0,
	STATUS_ERROR	= 1,
	STATUS_USAGE	= 2,
	STATUS_RESET	= 10,
	STATUS_STOPPED	= 11,
	STATUS_CRASHED	= 12,
	STATUS_PANIC	= 13,
	STATUS_WATCHDOG	= 14,
};

enum {
	CONSOLE_SERIAL	= 1 << 0,
	CONSOLE_VIRTIO	= 1 << 1,
};

enum {
	DISK_RAW,
	DISK_OVERLAY,
	DISK_NBD,
};

struct disk_option {
	const char *path;	/* NULL: ram_bytes of memory; of DISK_NBD a URI */
	const char *base;	/* of DISK_OVERLAY */
	const char *serial;
	uint64_t ram_bytes;
	uint32_t format;	/* DISK_* */
	uint32_t flags;		/* VMM_BLK_* */
	uint32_t cache;		/* enum vmm_block_cache */
	uint32_t queues;
	struct vmm_rate rate;
	bool own_thread;
};

enum {
	NET_USER,
	NET_TAP,
	NET_TAP_FD,
	NET_STREAM,
	NET_LISTEN,
	NET_DGRAM,
};

struct net_option {
	uint32_t kind;		/* NET_* */
	uint32_t fd;		/* of NET_TAP_FD */
	const char *path;	/* of a socket, or a tap's name */
	const char *local_path;	/* of NET_DGRAM */
	uint64_t rate;		/* bytes a second, each way; 0: as many as can be */
	uint32_t queues;
	uint16_t mtu;
	uint8_t mac[6];
	bool own_thread, plain;
};

/* Zero is the default of each, as in the library. */
struct options {
	const char *kernel, *initrd, *append, *name;
	uint32_t protocol;	/* enum vmm_boot_protocol */
	uint64_t memory;
	uint64_t huge_page_bytes;
	uint32_t cpus, threads_per_core, sockets;
	uint32_t vm_flags;	/* VMM_F_* */
	uint32_t transport;	/* enum vmm_transport */
	uint32_t console;	/* CONSOLE_* */
	uint32_t log_level;	/* enum vmm_log_level */
	bool no_rng, reboot_again, query;
	bool watchdog;
	uint32_t watchdog_action;	/* enum vmm_watchdog_action */
	uint32_t restart;	/* enum vmm_restart_policy */
	const char *gdb;	/* where gdb may connect, or NULL */
	bool gdb_wait;		/* the guest begins when gdb lets it */
	const char *dump;	/* where a crash is saved, or NULL */

	struct disk_option disks[MAX_DISKS];
	uint32_t nr_disks;
	struct net_option nets[MAX_NETS];
	uint32_t nr_nets;
	bool no_net;
	struct vmm_net_forward forwards[MAX_FORWARDS];
	uint32_t nr_forwards;
	uint32_t pins[MAX_PINS];
	uint32_t nr_pins;
	struct extras extras;
};

/*
 * Read the command line into *@ret_options, whose strings are those of @argv.
 * Returns -1 to go on, else the status to exit with: all has been said.
 */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
