/* SPDX-License-Identifier: MIT */
/*
 * farm.h - the server: its guests, its one epoll set, and who looks at it.
 *
 * All of it runs in one thread: no lock is needed anywhere.
 */
#ifndef FARM_FARM_H
#define FARM_FARM_H

#include <stdbool.h>
#include <stdint.h>

#include <libvmm/block.h>
#include <libvmm/console.h>
#include <libvmm/crash.h>
#include <libvmm/loop.h>
#include <libvmm/net.h>
#include <libvmm/supervisor.h>
#include <libvmm/vmm.h>

#include "auth.h"
#include "config.h"

/* A descriptor in the epoll set, and who is called when it is ready. Embedded in what it belongs
 * to. */
struct watch {
	void (*ready)(void *data);
	void *data;
	int fd;
	uint32_t events;
};

/* What a guest has used so far; counters but for memory. */
struct sample {
	uint64_t time_ns;
	uint64_t cpu_ns;
	uint64_t memory_bytes; /* what the host holds of its RAM */
	uint64_t disk_read, disk_written;
	uint64_t net_in, net_out; /* as the guest sees it */
	uint64_t starts;
	uint64_t exits;
};

struct guest {
	struct farm *farm;
	const struct guest_config *config;
	char name[NAME_MAX_LEN + 1];
	struct vmm *vm;
	struct vmm_blk *disk;   /* the guest's, for its counters; NULL: none */
	struct vmm_device *net; /* likewise */
	struct vmm_ring *ring;  /* its console */
	uint64_t printed;       /* bytes, so far */
	struct watch events, console;
	bool crash_when_paused;
	char last[160];             /* what happened last, in words */
	uint64_t crashes, restarts; /* so far: ends that were failures; starts by the supervisor */
	struct vmm_crash *crash;    /* of the last one that was; NULL: none yet */
};

struct http;

struct farm {
	struct config config;
	struct auth auth;
	struct vmm_loop *loop;
	struct vmm_supervisor *supervisor;
	struct vmm_switch *sw; /* made when the first guest wants it */
	struct guest *guests;
	uint32_t nr_guests;
	struct http *http;

	int epoll;
	struct watch dispatch, signals, tick, pace;
	bool pacing;  /* @pace is armed */
	bool changed; /* a guest's state, since the pages were told */
	bool end;
	char id[17]; /* of this run of the server: what a page compares */
};

/* ---- main.c ---- */

int farm_watch(struct farm *farm, struct watch *watch, int fd, uint32_t events,
	       void (*ready)(void *data), void *data);

/* There is console output: let the streams take it in a moment, together with what else comes until
 * then. */
void farm_pace(struct farm *farm);

/* A guest has changed its state: the pages hear of it soon. */
void farm_changed(struct farm *farm);

/* ---- guests.c ---- */

/* Make and start all guests of the configuration. Returns 0, or -1 after saying why. */
int guests_start(struct farm *farm);
void guests_destroy(struct farm *farm);
struct guest *guests_find(struct farm *farm, const char *name);

/* After farm_pace(): look for output again. */
void guests_pace(struct farm *farm);

/* ---- actions.c ---- */

enum action { PAUSE, RESUME, STOP, CRASH, RESTART, NR_ACTIONS };

/* The action called @word, or -1. */
int action_find(const char *word);

/* Returns 0, or -errno and vmm_last_error() says why. */
int action_do(struct guest *g, enum action action);

/* A guest that is to crash has paused. */
void action_crash_now(struct guest *g);

/* ---- samples.c ---- */

void sample_take(const struct guest *g, struct sample *ret_sample);

uint64_t now_ns(void);

#endif
