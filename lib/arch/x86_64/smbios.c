/* SPDX-License-Identifier: MIT */
/*
 * smbios.c - what the guest's inventory shows (SMBIOS 3.3, DMTF DSP0134).
 *
 * A structure is a formatted part, then its strings, each ended by a zero, then
 * one more zero. Strings are counted from 1.
 */
#include <errno.h>
#include <string.h>

#include <libvmm/version.h>
#include "arch/arch_priv.h"
#include "arch/x86_64/tables_priv.h"
#include "core/error_priv.h"
#include "core/memory_priv.h"

#define ENTRY_POINT	24u

#define STRING(x)	#x
#define VERSION(a, b, c)	STRING(a) "." STRING(b) "." STRING(c)
static const char version[] = VERSION(VMM_VERSION_MAJOR, VMM_VERSION_MINOR, VMM_VERSION_PATCH);

struct smbios {
	uint8_t *bytes;
	size_t size;
	size_t used;
	bool failed;
	uint8_t *last;		/* the structure being made */
	unsigned strings;
	uint16_t handle;
};

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void append(struct smbios *s, const void *bytes, size_t length)
{
	if (s->failed || length > s->size - s->used) {
		s->failed = true;
		return;
	}

	memcpy(s->bytes + s->used, bytes, length);
	s->used += length;
}

/* Begin one: its formatted part, zero but for its header. NULL when it does not fit. */
static uint8_t *structure(struct smbios *s, uint8_t type, uint8_t length)
{
	static const uint8_t zeros[64];
	size_t start = s->used;

	append(s, zeros, length);
	if (s->failed)
		return NULL;

	s->strings = 0;
	s->last = s->bytes + start;
	s->last[0] = type;
	s->last[1] = length;
	put(s->last + 2, s->handle++, 2);
	return s->last;
}

/* Append a string to the structure and put its number at @offset. */
static void string(struct smbios *s, size_t offset, const char *text)
{
	if (!*text)
		return;

	append(s, text, strlen(text) + 1);
	if (!s->failed)
		s->last[offset] = (uint8_t)++s->strings;
}

static void structure_end(struct smbios *s)
{
	append(s, "\0", s->strings ? 1 : 2);
}

/* ---- the structures ---- */

static void bios(struct smbios *s)
{
	uint8_t *t = structure(s, 0, 26);

	if (!t)
		return;
	put(t + 6, 0xe000, 2);			/* segment it starts at */
	t[9] = 1;				/* 128 KiB */
	put(t + 10, 1 << 3, 8);			/* characteristics: not supported */
	t[19] = 1 << 3 | 1 << 4;		/* UEFI is not; this is a virtual machine */
	t[22] = t[23] = 0xff;			/* no embedded controller */
	t[20] = VMM_VERSION_MAJOR;
	t[21] = VMM_VERSION_MINOR;
	string(s, 4, "libvmm");
	string(s, 5, version);
	string(s, 8, "01/01/2025");
	structure_end(s);
}

/* 7.2.1: the first three fields of the UUID are little-endian here. */
static void uuid_fields(uint8_t to[16], const uint8_t uuid[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < 16; i++)
		to[i] = uuid[order[i]];
}

static void machine(struct smbios *s, const struct machine_desc *desc)
{
	uint8_t *t = structure(s, 1, 27);

	if (!t)
		return;
	uuid_fields(t + 8, desc->uuid);
	t[24] = 6;				/* woken by the power switch */
	string(s, 4, "libvmm");
	string(s, 5, "Virtual Machine");
	string(s, 6, version);
	string(s, 25, desc->name ? desc->name : "");	/* SKU */
	structure_end(s);
}

static void chassis(struct smbios *s)
{
	uint8_t *t = structure(s, 3, 22);

	if (!t)
		return;
	t[5] = 1;				/* other */
	t[9] = t[10] = t[11] = 3;		/* boot, power and thermal state: safe */
	t[12] = 3;				/* security: none */
	string(s, 4, "libvmm");
	structure_end(s);
}

static void processor(struct smbios *s, uint32_t socket, uint32_t cores, uint32_t threads)
{
	char name[] = "CPU 000";
	uint8_t *t = structure(s, 4, 48);

	if (!t)
		return;
	name[4] = (char)('0' + socket / 100 % 10);
	name[5] = (char)('0' + socket / 10 % 10);
	name[6] = (char)('0' + socket % 10);
	t[5] = 3;				/* central processor */
	t[6] = 1;				/* family: other */
	t[24] = 1 << 6 | 1;			/* socket populated, enabled */
	t[25] = 1;				/* upgrade: other */
	put(t + 26, 0xffff, 2);			/* no cache structures */
	put(t + 28, 0xffff, 2);
	put(t + 30, 0xffff, 2);
	t[35] = t[36] = (uint8_t)cores;
	t[37] = (uint8_t)threads;
	put(t + 38, 1 << 2, 2);			/* 64-bit */
	put(t + 40, 1, 2);
	put(t + 42, cores, 2);
	put(t + 44, cores, 2);
	put(t + 46, threads, 2);
	string(s, 4, name);
	string(s, 7, "libvmm");
	structure_end(s);
}

/* The array, one module that is all of it, and the ranges it is mapped at. */
static void memory(struct smbios *s, const struct vmm_mem *mem)
{
	uint16_t array = s->handle;
	uint64_t total = 0, megabytes;
	uint8_t *t;

	for (size_t i = 0; i < mem->nr_regions; i++)
		total += mem->regions[i].size;
	megabytes = (total + (1 << 20) - 1) >> 20;

	t = structure(s, 16, 23);
	if (!t)
		return;
	t[4] = 1;				/* location: other */
	t[5] = 3;				/* system memory */
	t[6] = 6;				/* multi-bit ECC */
	put(t + 7, 0x80000000, 4);		/* see the extended capacity */
	put(t + 11, 0xfffe, 2);			/* no error information */
	put(t + 13, 1, 2);
	put(t + 15, total, 8);
	structure_end(s);

	t = structure(s, 17, 40);
	if (!t)
		return;
	put(t + 4, array, 2);
	put(t + 6, 0xfffe, 2);
	put(t + 8, 0xffff, 2);			/* width unknown */
	put(t + 10, 0xffff, 2);
	put(t + 12, megabytes < 0x7fff ? megabytes : 0x7fff, 2);
	put(t + 28, megabytes < 0x7fff ? 0 : megabytes, 4);
	t[14] = 9;				/* DIMM */
	t[18] = 7;				/* RAM */
	put(t + 19, 1 << 1, 2);
	string(s, 16, "DIMM 0");
	string(s, 23, "libvmm");
	structure_end(s);

	for (size_t i = 0; i < mem->nr_regions; i++) {
		t = structure(s, 19, 31);
		if (!t)
			return;
		put(t + 4, 0xffffffff, 4);	/* see the extended addresses */
		put(t + 8, 0xffffffff, 4);
		put(t + 12, array, 2);
		t[14] = 1;
		put(t + 15, mem->regions[i].gpa, 8);
		put(t + 23, mem->regions[i].gpa + mem->regions[i].size - 1, 8);
		structure_end(s);
	}
}

static void boot_status(struct smbios *s)
{
	structure(s, 32, 11);			/* no errors */
	structure_end(s);
	structure(s, 127, 4);			/* the end */
	structure_end(s);
}

/* 5.2.2: the 64-bit entry point. */
static void entry_point(uint8_t *e, vmm_gpa_t table, size_t length)
{
	uint8_t sum = 0;

	memcpy(e, "_SM3_", 5);
	e[6] = ENTRY_POINT;
	e[7] = 3;
	e[8] = 3;
	e[10] = 1;
	put(e + 12, length, 4);
	put(e + 16, table, 8);
	for (size_t i = 0; i < ENTRY_POINT; i++)
		sum = (uint8_t)(sum + e[i]);
	e[5] = (uint8_t)-sum;
}

int vmm__smbios_build(uint8_t *area, size_t size, vmm_gpa_t gpa, const struct machine_desc *desc,
		      const struct vmm_mem *mem)
{
	const size_t start = (ENTRY_POINT + 15) & ~15u;
	uint32_t sockets = desc->nr_sockets ? desc->nr_sockets : 1;
	uint32_t threads = desc->threads_per_core ? desc->threads_per_core : 1;
	struct smbios s = { .bytes = area, .size = size, .used = start };

	if (size < start)
		return vmm__fail(-ENOSPC, "no room for the SMBIOS tables");

	bios(&s);
	machine(&s, desc);
	chassis(&s);
	for (uint32_t i = 0; i < sockets; i++)
		processor(&s, i, desc->nr_vcpus / sockets / threads, desc->nr_vcpus / sockets);
	memory(&s, mem);
	boot_status(&s);
	if (s.failed)
		return vmm__fail(-ENOSPC, "no room for the SMBIOS tables");

	entry_point(area, gpa + start, s.used - start);
	return (int)s.used;
}
