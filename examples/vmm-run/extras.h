/* SPDX-License-Identifier: MIT */
/*
 * extras.h - ways between host and guest beside disks, networks and the terminal.
 */
#ifndef VMM_RUN_EXTRAS_H
#define VMM_RUN_EXTRAS_H

#include <stdbool.h>
#include <stdint.h>
#include <libvmm/common.h>

#define MAX_PORTS	30	/* VMM_CONSOLE_NAMED_MAX */

/* What was asked for; the strings are those of the command line. */
struct extras {
	struct {
		const char *name, *path;
	} ports[MAX_PORTS];
	uint32_t nr_ports;
	const char *vsock;	/* path; NULL: no socket device */
	uint64_t vsock_cid;	/* 0: the default */
	bool balloon;
	uint64_t balloon_bytes;
};

/* --vsock PATH[,cid=N], --port NAME=PATH and --balloon on|off|SIZE. As options_parse(). */
int extras_vsock(struct extras *e, char *text);
int extras_port(struct extras *e, char *text);
int extras_balloon(struct extras *e, const char *text);

/* Plug them in. Returns 0, or the name of the option that failed: vmm_last_error() says why. */
const char *extras_plug(struct vmm *vm, const struct extras *e);

#endif
