/* SPDX-License-Identifier: MIT */
/*
 * overlay_format.c - the file of a copy-on-write overlay: its header.
 *
 *   0		header, in a block of 4096 bytes
 *   4096	the map: bit n, of byte n / 8, says that cluster n is in this file;
 *		padded with zeros to whole blocks
 *   data	byte n of the disk is byte data + n of the file, which is sparse
 *
 * Where things lie follows from the disk's capacity and the size of a cluster; the header
 * repeats it, and what differs is damage. Nothing in the file is an offset to follow, and no
 * base is named: whoever opens it says what lies below.
 *
 * All numbers are little endian.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "backends/block/overlay_priv.h"
#include "core/error_priv.h"

#define VERSION		1u
#define DATA_ALIGN	((uint64_t)OVERLAY_CLUSTER_MAX)

static const char magic[16] = "libvmm overlay\n";

struct overlay_header {
	char magic[16];
	uint32_t version;
	uint32_t header_bytes;
	uint32_t flags;			/* none are known */
	uint32_t cluster_bytes;
	uint64_t capacity;
	uint64_t base_capacity;		/* of what lies below; the rest of the disk is zeros */
	uint64_t map_offset;
	uint64_t map_bytes;
	uint64_t data_offset;
	uint32_t reserved;
	uint32_t crc;			/* CRC-32 (IEEE 802.3) of all before it */
};

_Static_assert(sizeof(struct overlay_header) == 80, "the format has no padding");
_Static_assert(sizeof(struct overlay_header) <= OVERLAY_BLOCK, "and one block");

static uint32_t crc32(const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint32_t crc = ~0u;

	while (len-- > 0) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

uint32_t vmm__overlay_default_cluster(uint64_t capacity)
{
	uint32_t cluster = OVERLAY_CLUSTER_MIN;

	/* 32 MiB of map for a disk of any size that allows it. */
	while (capacity / cluster >= 1u << 28 && cluster < OVERLAY_CLUSTER_MAX)
		cluster *= 2;
	return cluster;
}

int vmm__overlay_layout(uint64_t capacity, uint64_t base_capacity, uint32_t cluster,
			struct overlay_layout *ret_layout)
{
	struct overlay_layout l = { .capacity = capacity, .base_capacity = base_capacity,
				    .cluster = cluster };

	if (cluster < OVERLAY_CLUSTER_MIN || cluster > OVERLAY_CLUSTER_MAX ||
	    (cluster & (cluster - 1)))
		return vmm__fail(-EINVAL, "an overlay's clusters of %u bytes are no power of two from "
				 "%u to %u", cluster, OVERLAY_CLUSTER_MIN, OVERLAY_CLUSTER_MAX);
	if (capacity == 0 || capacity % 512 != 0 || base_capacity % 512 != 0 ||
	    base_capacity > capacity)
		return vmm__fail(-EINVAL, "an overlay of %llu bytes over %llu is not whole sectors, or "
				 "smaller than what lies below", (unsigned long long)capacity,
				 (unsigned long long)base_capacity);
	if ((capacity - 1) / cluster >= OVERLAY_CLUSTERS_MAX)
		return vmm__fail(-EINVAL, "an overlay of %llu bytes has too many clusters of %u",
				 (unsigned long long)capacity, cluster);

	l.nr_clusters = (capacity - 1) / cluster + 1;
	l.map_bytes = round_up((l.nr_clusters + 7) / 8, OVERLAY_BLOCK);
	l.data_offset = round_up(OVERLAY_BLOCK + l.map_bytes, DATA_ALIGN);
	l.file_bytes = l.data_offset + round_up(capacity, OVERLAY_BLOCK);
	*ret_layout = l;
	return 0;
}

void vmm__overlay_build(const struct overlay_layout *layout, unsigned char *block)
{
	struct overlay_header h = {
		.version = htole32(VERSION),
		.header_bytes = htole32(sizeof(h)),
		.cluster_bytes = htole32(layout->cluster),
		.capacity = htole64(layout->capacity),
		.base_capacity = htole64(layout->base_capacity),
		.map_offset = htole64(OVERLAY_BLOCK),
		.map_bytes = htole64(layout->map_bytes),
		.data_offset = htole64(layout->data_offset),
	};

	memcpy(h.magic, magic, sizeof(magic));
	h.crc = htole32(crc32(&h, offsetof(struct overlay_header, crc)));
	memset(block, 0, OVERLAY_BLOCK);
	memcpy(block, &h, sizeof(h));
}

int vmm__overlay_parse(const unsigned char *block, struct overlay_layout *ret_layout)
{
	struct overlay_layout l;
	struct overlay_header h;
	int r;

	memcpy(&h, block, sizeof(h));
	if (memcmp(h.magic, magic, sizeof(magic)) != 0)
		return vmm__fail(-EINVAL, "this file is no overlay of libvmm's");
	if (le32toh(h.crc) != crc32(&h, offsetof(struct overlay_header, crc)))
		return vmm__fail(-EINVAL, "the header of this overlay is damaged");
	if (le32toh(h.version) != VERSION || le32toh(h.flags) != 0 || h.reserved != 0 ||
	    le32toh(h.header_bytes) != sizeof(h))
		return vmm__fail(-EINVAL, "this overlay is of a newer version, %u with flags 0x%x",
				 le32toh(h.version), le32toh(h.flags));

	r = vmm__overlay_layout(le64toh(h.capacity), le64toh(h.base_capacity),
				le32toh(h.cluster_bytes), &l);
	if (r < 0)
		return r;
	if (le64toh(h.map_offset) != OVERLAY_BLOCK || le64toh(h.map_bytes) != l.map_bytes ||
	    le64toh(h.data_offset) != l.data_offset)
		return vmm__fail(-EINVAL, "the header of this overlay contradicts itself");
	*ret_layout = l;
	return 0;
}
