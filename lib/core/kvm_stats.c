/* SPDX-License-Identifier: MIT */
/*
 * kvm_stats.c - KVM's binary statistics (Documentation/virt/kvm/api.rst, 4.133): a header,
 * descriptors with names, and values, all read from one descriptor.
 */
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/stats_priv.h"

/* More than any KVM has: a host's numbers are bounded like all others. */
#define DESCS_MAX	1024u
#define NAME_MAX_BYTES	256u
#define VALUES_MAX	64u

int vmm__kvm_stats_open(int fd)
{
	return ioctl(fd, KVM_GET_STATS_FD, NULL);
}

static bool read_at(int fd, void *to, size_t len, uint64_t offset)
{
	return pread(fd, to, len, (off_t)offset) == (ssize_t)len;
}

/* To the units of <libvmm/stats.h>: nanoseconds, bytes. */
static uint64_t scale(const struct kvm_stats_desc *desc, uint64_t value)
{
	int exponent = desc->exponent;

	if ((desc->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW2)
		return exponent > 0 && exponent < 64 ? value << exponent : value;
	if ((desc->flags & KVM_STATS_UNIT_MASK) == KVM_STATS_UNIT_SECONDS)
		exponent += 9;
	for (; exponent > 0 && exponent < 20; exponent--)
		value *= 10;
	for (; exponent < 0 && exponent > -20; exponent++)
		value /= 10;
	return value;
}

static uint32_t kind_of(uint32_t flags)
{
	switch (flags & KVM_STATS_TYPE_MASK) {
	case KVM_STATS_TYPE_INSTANT:	return VMM_STAT_GAUGE;
	case KVM_STATS_TYPE_PEAK:	return VMM_STAT_PEAK;
	default:			return VMM_STAT_COUNTER;
	}
}

static uint32_t unit_of(uint32_t flags)
{
	switch (flags & KVM_STATS_UNIT_MASK) {
	case KVM_STATS_UNIT_BYTES:	return VMM_STAT_BYTES;
	case KVM_STATS_UNIT_SECONDS:	return VMM_STAT_NS;
	case KVM_STATS_UNIT_CYCLES:	return VMM_STAT_CYCLES;
	case KVM_STATS_UNIT_BOOLEAN:	return VMM_STAT_BOOLEAN;
	default:			return VMM_STAT_NUMBER;
	}
}

static void add(struct vmm_stats *stats, const struct kvm_stats_desc *desc, const char *name,
		const uint64_t *values, uint32_t flags)
{
	uint32_t type = desc->flags & KVM_STATS_TYPE_MASK;
	char bucket[NAME_MAX_BYTES + 16];

	if (type != KVM_STATS_TYPE_LINEAR_HIST && type != KVM_STATS_TYPE_LOG_HIST) {
		vmm_stats_add(stats, name, scale(desc, values[0]), kind_of(desc->flags),
			      unit_of(desc->flags));
		return;
	}
	/* A bucket holds a number of times, whatever unit its borders have. */
	for (uint32_t i = 0; (flags & VMM_STATS_HISTOGRAMS) && i < desc->size; i++) {
		snprintf(bucket, sizeof(bucket), "%s.%u", name, i);
		vmm_stats_add(stats, bucket, values[i], VMM_STAT_COUNTER, VMM_STAT_NUMBER);
	}
}

/* @bytes: one descriptor with its name. */
static void read_one(struct vmm_stats *stats, int fd, const struct kvm_stats_header *header,
		     const char *bytes, uint32_t flags)
{
	struct kvm_stats_desc desc;
	uint64_t values[VALUES_MAX];
	char name[NAME_MAX_BYTES + 1] = { 0 };

	memcpy(&desc, bytes, sizeof(desc));
	memcpy(name, bytes + sizeof(desc), header->name_size);
	if (desc.size == 0 || desc.size > VALUES_MAX ||
	    !read_at(fd, values, desc.size * sizeof(values[0]),
		     header->data_offset + (uint64_t)desc.offset))
		return;
	add(stats, &desc, name, values, flags);
}

void vmm__kvm_stats_read(struct vmm_stats *stats, int stats_fd, uint32_t flags)
{
	struct kvm_stats_header header;
	size_t desc_size;
	char *descs;

	if (!read_at(stats_fd, &header, sizeof(header), 0) || header.num_desc > DESCS_MAX ||
	    header.name_size == 0 || header.name_size > NAME_MAX_BYTES)
		return;
	desc_size = sizeof(struct kvm_stats_desc) + header.name_size;
	descs = calloc(header.num_desc ? header.num_desc : 1, desc_size);
	if (!descs || !read_at(stats_fd, descs, header.num_desc * desc_size, header.desc_offset))
		goto free_descs;
	for (uint32_t i = 0; i < header.num_desc; i++)
		read_one(stats, stats_fd, &header, descs + i * desc_size, flags);

free_descs:
	free(descs);
}
