/* SPDX-License-Identifier: MIT */
/*
 * overlay_priv.h - the parts of a copy-on-write overlay: overlay_format.c (its file),
 * overlay_map.c (what is in it), overlay_io.c (reads and writes), overlay_flush.c (what makes
 * them last), overlay.c (the table), overlay_open.c (where it comes from).
 */
#ifndef BACKENDS_BLOCK_OVERLAY_PRIV_H
#define BACKENDS_BLOCK_OVERLAY_PRIV_H

#include <stdbool.h>

#include "backends/block/block_priv.h"

#define OVERLAY_BLOCK		4096u		/* of the header and the map */
#define OVERLAY_CLUSTER_MIN	4096u
#define OVERLAY_CLUSTER_MAX	(1u << 20)
#define OVERLAY_CLUSTERS_MAX	(1ull << 30)	/* 128 MiB of map */

/* ---- overlay_format.c ---- */

struct overlay_layout {
	uint64_t capacity;
	uint64_t base_capacity;
	uint32_t cluster;		/* bytes */
	uint64_t nr_clusters;
	uint64_t map_bytes;
	uint64_t data_offset;
	uint64_t file_bytes;
};

/* The cluster size that is best for a disk of @capacity bytes. */
uint32_t vmm__overlay_default_cluster(uint64_t capacity);

/* -EINVAL with words. */
int vmm__overlay_layout(uint64_t capacity, uint64_t base_capacity, uint32_t cluster,
			struct overlay_layout *ret_layout);

/* To and from the first OVERLAY_BLOCK bytes of the file. -EINVAL with words. */
void vmm__overlay_build(const struct overlay_layout *layout, unsigned char *block);
int vmm__overlay_parse(const unsigned char *block, struct overlay_layout *ret_layout);

/* ---- overlay_map.c ---- */

enum {
	OVERLAY_DIRTY	= 1,		/* of a block of the map: it has bits that the file lacks */
	OVERLAY_SEALED	= 2,		/* its image is on the way to the file */
};

struct overlay_map {
	uint64_t nr_clusters;
	unsigned char *bits;
	unsigned char *image;
	unsigned char *state;		/* of each block */
	uint64_t bytes;
	uint64_t nr_blocks;
	uint64_t nr_dirty;
};

int vmm__overlay_map_init(struct overlay_map *map, const struct overlay_layout *layout);
void vmm__overlay_map_finish(struct overlay_map *map);

/* After map->bits was read from a file. -EINVAL with words. */
int vmm__overlay_map_check(const struct overlay_map *map);

bool vmm__overlay_map_test(const struct overlay_map *map, uint64_t n);

/* Where the run of bits like bit @n ends, at @end at the latest. */
uint64_t vmm__overlay_map_run(const struct overlay_map *map, uint64_t n, uint64_t end);

void vmm__overlay_map_set(struct overlay_map *map, uint64_t first, uint64_t end);

/* Make an image of all dirty blocks. None is sealed. */
void vmm__overlay_map_seal(struct overlay_map *map);

/* The next sealed blocks in a row, from @from on, @most of them. */
bool vmm__overlay_map_sealed(const struct overlay_map *map, uint64_t from, uint64_t most,
			     uint64_t *ret_first, uint64_t *ret_end);

/* They are in the file; or they are not, and dirty again. */
void vmm__overlay_map_unseal(struct overlay_map *map, bool written);

/* ---- the disk ---- */

#define OVERLAY_PARTS		4		/* of a request, in flight at a time */
#define OVERLAY_BOUNCES		8		/* clusters being copied up at a time */
#define OVERLAY_RUN_BYTES	(64u << 20)	/* of one part */

struct blk_overlay;
struct overlay_job;

/* What one of the disks below does for a request. */
struct overlay_part {
	struct blk_io io;		/* first */
	struct overlay_job *job;
	struct overlay_part *next;	/* in the list of free ones */
	uint64_t first, end;		/* clusters that are the overlay's own after it */
	struct iovec iov[128];
};

enum overlay_phase {
	OVERLAY_PLAIN,			/* pieces that need no copy of what lies below */
	OVERLAY_COPY_READ,		/* the cluster below is on its way to the bounce buffer */
	OVERLAY_COPY_WRITE,		/* and from there to the file */
};

/* A request on its way. */
struct overlay_job {
	struct vmm_blk_request *req;
	struct blk_overlay *overlay;
	struct overlay_job *next;	/* in whichever list it is */
	struct overlay_job *next_owner;	/* in the list of those that own clusters */
	uint64_t at, end;		/* bytes of the disk: what is not started yet */
	uint32_t pending;		/* parts in flight */
	int result;
	enum overlay_phase phase;
	bool owner;			/* of its clusters: nobody else may bring them up */
	bool ready;			/* in the list of those to go on */
	unsigned char *bounce;
};

struct overlay_list {
	struct overlay_job *first;
	struct overlay_job **last;
};

static inline void vmm__overlay_list_init(struct overlay_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static inline void vmm__overlay_list_append(struct overlay_list *list, struct overlay_job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
}

static inline struct overlay_job *vmm__overlay_list_take(struct overlay_list *list)
{
	struct overlay_job *job = list->first;

	if (job) {
		list->first = job->next;
		if (!list->first)
			list->last = &list->first;
	}
	return job;
}

enum overlay_round {
	OVERLAY_IDLE,
	OVERLAY_DATA,			/* the data is being made stable */
	OVERLAY_MAP,			/* then blocks of the map are written */
	OVERLAY_SEAL,			/* and made stable */
};

struct overlay_flush {
	struct blk_io io;
	struct iovec iov;
	enum overlay_round round;
	bool in_flight;			/* @io */
	bool last;			/* a round is wanted though nobody waits for it */
	int result;
	uint64_t block;			/* of the map: the next to write */
	struct overlay_list waiting;	/* for the next round */
	struct overlay_list served;	/* by this one */
};

struct blk_overlay {
	struct vmm_blk *base;
	struct vmm_blk *top;
	bool persistent;		/* the top is a file, with a header and a map */
	struct overlay_layout layout;
	uint64_t data_offset;		/* in the top */
	struct overlay_map map;
	bool made;			/* the file is new: not to be left behind by a failure */

	struct vmm_deferred again;	/* there are jobs to go on with */
	struct overlay_list ready;
	struct overlay_list blocked;	/* by an owner of the same clusters */
	struct overlay_list starved;	/* of a bounce buffer or a part */
	struct overlay_job *owners;
	struct overlay_flush flush;
	uint64_t nr_jobs;

	struct overlay_part *parts;	/* free ones */
	uint32_t nr_parts;
	unsigned char *bounces[OVERLAY_BOUNCES];	/* free ones */
	uint32_t nr_free_bounces;
	uint32_t nr_bounces;
};

extern const struct vmm_blk_ops vmm__overlay_ops;

/* The job goes on as soon as the jobs before it had their turn. */
void vmm__overlay_ready(struct overlay_job *job);

/* Answer a job and let go of it. */
void vmm__overlay_answer(struct overlay_job *job, int result);

/* ---- overlay_io.c ---- */

/* Start what of @job can be started now. */
void vmm__overlay_step(struct overlay_job *job);

void vmm__overlay_io_finish(struct blk_overlay *o);

/* ---- overlay_flush.c ---- */

/* Go on with the round, or begin one for those that wait. */
void vmm__overlay_flush_step(struct blk_overlay *o);

#endif
