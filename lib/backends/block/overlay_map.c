/* SPDX-License-Identifier: MIT */
/*
 * overlay_map.c - which clusters of an overlay are its own.
 *
 * A bit is set when the cluster's data has been written, and is never cleared. What goes to
 * the file is an image of it, a block at a time: a block is sealed, that is copied, before
 * the data is made stable, so that no bit gets there before its data. A block that is torn
 * by a crash is as good as either of its halves, for each bit stands alone.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/block/overlay_priv.h"
#include "core/error_priv.h"

#define BLOCK_BITS	(OVERLAY_BLOCK * 8u)

static unsigned char *zeros(uint64_t bytes)
{
	/* Page by page as it is used: a map is mostly zeros. */
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int vmm__overlay_map_init(struct overlay_map *map, const struct overlay_layout *layout)
{
	*map = (struct overlay_map){
		.nr_clusters = layout->nr_clusters,
		.bytes = layout->map_bytes,
		.nr_blocks = layout->map_bytes / OVERLAY_BLOCK,
	};
	map->bits = zeros(map->bytes);
	map->image = zeros(map->bytes);
	map->state = zeros(map->nr_blocks);
	if (map->bits && map->image && map->state)
		return 0;
	vmm__overlay_map_finish(map);
	return vmm__fail(-ENOMEM, "no memory for the map of an overlay");
}

void vmm__overlay_map_finish(struct overlay_map *map)
{
	if (map->bits)
		munmap(map->bits, map->bytes);
	if (map->image)
		munmap(map->image, map->bytes);
	if (map->state)
		munmap(map->state, map->nr_blocks);
	*map = (struct overlay_map){ .bits = NULL };
}

int vmm__overlay_map_check(const struct overlay_map *map)
{
	for (uint64_t n = map->nr_clusters; n < map->bytes * 8; n++) {
		if (vmm__overlay_map_test(map, n))
			return vmm__fail(-EINVAL, "the map of this overlay is damaged: it says that "
					 "there is a cluster past the end");
	}
	return 0;
}

/* 64 bits from bit @n, a multiple of 64, on. */
static uint64_t word(const struct overlay_map *map, uint64_t n)
{
	uint64_t w;

	memcpy(&w, map->bits + n / 8, sizeof(w));
	return le64toh(w);
}

bool vmm__overlay_map_test(const struct overlay_map *map, uint64_t n)
{
	return map->bits[n / 8] >> (n % 8) & 1;
}

uint64_t vmm__overlay_map_run(const struct overlay_map *map, uint64_t n, uint64_t end)
{
	uint64_t flip = vmm__overlay_map_test(map, n) ? ~0ull : 0;

	/* Look for the first bit that is not like bit n, a word at a time. */
	while (n < end) {
		uint64_t different = (word(map, n / 64 * 64) ^ flip) >> (n % 64);

		if (different) {
			n += (uint64_t)__builtin_ctzll(different);
			return n < end ? n : end;
		}
		n = n / 64 * 64 + 64;
	}
	return end;
}

/* [@first, @end), which lies in one block. */
static void set_bits(struct overlay_map *map, uint64_t first, uint64_t end)
{
	for (uint64_t n = first; n < end;) {
		if (n % 8 == 0 && end - n >= 8) {
			map->bits[n / 8] = 0xff;
			n += 8;
		} else {
			map->bits[n / 8] |= (unsigned char)(1u << (n % 8));
			n++;
		}
	}
}

void vmm__overlay_map_set(struct overlay_map *map, uint64_t first, uint64_t end)
{
	while (first < end) {
		uint64_t b = first / BLOCK_BITS;
		uint64_t until = (b + 1) * BLOCK_BITS < end ? (b + 1) * BLOCK_BITS : end;

		/* What is set already costs no write of the map. */
		if (!vmm__overlay_map_test(map, first) ||
		    vmm__overlay_map_run(map, first, until) < until) {
			set_bits(map, first, until);
			if (!(map->state[b] & OVERLAY_DIRTY))
				map->nr_dirty++;
			map->state[b] |= OVERLAY_DIRTY;
		}
		first = until;
	}
}

void vmm__overlay_map_seal(struct overlay_map *map)
{
	for (uint64_t b = 0; map->nr_dirty > 0 && b < map->nr_blocks; b++) {
		if (!(map->state[b] & OVERLAY_DIRTY))
			continue;
		memcpy(map->image + b * OVERLAY_BLOCK, map->bits + b * OVERLAY_BLOCK, OVERLAY_BLOCK);
		map->state[b] = OVERLAY_SEALED;
		map->nr_dirty--;
	}
}

bool vmm__overlay_map_sealed(const struct overlay_map *map, uint64_t from, uint64_t most,
			     uint64_t *ret_first, uint64_t *ret_end)
{
	uint64_t b = from;

	while (b < map->nr_blocks && !(map->state[b] & OVERLAY_SEALED))
		b++;
	if (b == map->nr_blocks)
		return false;
	*ret_first = b;
	while (b < map->nr_blocks && b - *ret_first < most && (map->state[b] & OVERLAY_SEALED))
		b++;
	*ret_end = b;
	return true;
}

void vmm__overlay_map_unseal(struct overlay_map *map, bool written)
{
	for (uint64_t b = 0; b < map->nr_blocks; b++) {
		if (!(map->state[b] & OVERLAY_SEALED))
			continue;
		map->state[b] &= (unsigned char)~OVERLAY_SEALED;
		if (!written && !(map->state[b] & OVERLAY_DIRTY)) {
			map->state[b] |= OVERLAY_DIRTY;
			map->nr_dirty++;
		}
	}
}
