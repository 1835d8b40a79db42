/* SPDX-License-Identifier: MIT */
/*
 * aml.c - write ACPI Machine Language (ACPI 6.4, chapter 20).
 *
 * A term with a body starts with its length, whose own size depends on it. So a
 * body is written first and moved up when it is closed; inner ones close first.
 */
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "arch/x86_64/aml_priv.h"

enum {
	OP_NAME		= 0x08,
	OP_BYTE		= 0x0a,
	OP_WORD		= 0x0b,
	OP_DWORD	= 0x0c,
	OP_STRING	= 0x0d,
	OP_QWORD	= 0x0e,
	OP_SCOPE	= 0x10,
	OP_BUFFER	= 0x11,
	OP_PACKAGE	= 0x12,
	OP_METHOD	= 0x14,
	OP_DUAL_NAME	= 0x2e,
	OP_MULTI_NAME	= 0x2f,
	OP_EXT		= 0x5b,
	OP_IF		= 0xa0,
	OP_ELSE		= 0xa1,
	EXT_REGION	= 0x80,
	EXT_FIELD	= 0x81,
	EXT_DEVICE	= 0x82,
};

void vmm__aml_init(struct aml *aml, uint8_t *bytes, size_t max)
{
	*aml = (struct aml){ .bytes = bytes, .max = max };
}

void vmm__aml_bytes(struct aml *aml, const void *bytes, size_t length)
{
	if (aml->failed || length > aml->max - aml->length) {
		aml->failed = true;
		return;
	}

	memcpy(aml->bytes + aml->length, bytes, length);
	aml->length += length;
}

static void byte(struct aml *aml, unsigned value)
{
	uint8_t b = (uint8_t)value;

	vmm__aml_bytes(aml, &b, 1);
}

static void little_endian(struct aml *aml, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		byte(aml, value >> 8 * i & 0xff);
}

/* Make room for @length bytes at @at and write them there. */
static void insert(struct aml *aml, size_t at, const uint8_t *bytes, size_t length)
{
	if (aml->failed || length > aml->max - aml->length) {
		aml->failed = true;
		return;
	}

	memmove(aml->bytes + at + length, aml->bytes + at, aml->length - at);
	memcpy(aml->bytes + at, bytes, length);
	aml->length += length;
}

/* ---- lengths ---- */

static void open_body(struct aml *aml, bool buffer, bool resources)
{
	assert(aml->depth < AML_DEPTH_MAX);
	aml->open[aml->depth].start = aml->length;
	aml->open[aml->depth].buffer = buffer;
	aml->open[aml->depth].resources = resources;
	aml->depth++;
}

/*
 * PkgLength (20.2.4) counts itself: 6 bits in one byte, or 4 bits and the
 * number of bytes that follow with 8 each.
 */
static size_t package_length(uint8_t encoded[4], size_t body)
{
	size_t n = 1, length;

	if (body + 1 < 64) {
		encoded[0] = (uint8_t)(body + 1);
		return 1;
	}

	do {
		n++;
		length = body + n;
	} while (length >> (4 + 8 * (n - 1)) != 0 && n < 4);

	encoded[0] = (uint8_t)((n - 1) << 6 | (length & 15));
	for (size_t i = 1; i < n; i++)
		encoded[i] = (uint8_t)(length >> (4 + 8 * (i - 1)));

	return n;
}

/* BufferSize, the count before a buffer's bytes: an integer term. */
static size_t buffer_size(uint8_t encoded[3], size_t bytes)
{
	if (bytes < 256) {
		encoded[0] = OP_BYTE;
		encoded[1] = (uint8_t)bytes;
		return 2;
	}

	assert(bytes < 65536);
	encoded[0] = OP_WORD;
	encoded[1] = (uint8_t)bytes;
	encoded[2] = (uint8_t)(bytes >> 8);
	return 3;
}

void vmm__aml_end(struct aml *aml)
{
	uint8_t encoded[4];
	size_t start;

	assert(aml->depth > 0);
	aml->depth--;
	start = aml->open[aml->depth].start;

	if (aml->open[aml->depth].resources) {
		byte(aml, 0x79);		/* end tag, with a checksum of 0: not checked */
		byte(aml, 0);
	}
	if (aml->open[aml->depth].buffer && !aml->failed)
		insert(aml, start, encoded, buffer_size(encoded, aml->length - start));
	if (!aml->failed)
		insert(aml, start, encoded, package_length(encoded, aml->length - start));
}

/* ---- names ---- */

static void name_segment(struct aml *aml, const char *name, size_t length)
{
	assert(length >= 1 && length <= 4);
	vmm__aml_bytes(aml, name, length);
	vmm__aml_bytes(aml, "___", 4 - length);
}

/* NameString (20.2.2): "\\_SB.PCI0" and the like. */
void vmm__aml_path(struct aml *aml, const char *path)
{
	unsigned segments = 1;

	if (*path == '\\') {
		byte(aml, '\\');
		path++;
	}
	for (const char *p = path; *p; p++)
		segments += *p == '.';
	if (segments == 2) {
		byte(aml, OP_DUAL_NAME);
	} else if (segments > 2) {
		byte(aml, OP_MULTI_NAME);
		byte(aml, segments);
	}

	for (;;) {
		size_t length = strcspn(path, ".");

		name_segment(aml, path, length);
		if (path[length] == '\0')
			break;
		path += length + 1;
	}
}

/* ---- terms ---- */

void vmm__aml_scope(struct aml *aml, const char *path)
{
	byte(aml, OP_SCOPE);
	open_body(aml, false, false);
	vmm__aml_path(aml, path);
}

void vmm__aml_device(struct aml *aml, const char *path)
{
	byte(aml, OP_EXT);
	byte(aml, EXT_DEVICE);
	open_body(aml, false, false);
	vmm__aml_path(aml, path);
}

void vmm__aml_method(struct aml *aml, const char *path, unsigned args)
{
	const unsigned serialized = 1 << 3;	/* it makes names, or may block */

	byte(aml, OP_METHOD);
	open_body(aml, false, false);
	vmm__aml_path(aml, path);
	byte(aml, args | serialized);
}

void vmm__aml_package(struct aml *aml, uint8_t elements)
{
	byte(aml, OP_PACKAGE);
	open_body(aml, false, false);
	byte(aml, elements);
}

void vmm__aml_if(struct aml *aml)
{
	byte(aml, OP_IF);
	open_body(aml, false, false);
}

void vmm__aml_else(struct aml *aml)
{
	byte(aml, OP_ELSE);
	open_body(aml, false, false);
}

void vmm__aml_buffer(struct aml *aml)
{
	byte(aml, OP_BUFFER);
	open_body(aml, true, false);
}

void vmm__aml_op(struct aml *aml, enum aml_opcode opcode)
{
	byte(aml, opcode);
}

void vmm__aml_name(struct aml *aml, const char *path)
{
	byte(aml, OP_NAME);
	vmm__aml_path(aml, path);
}

void vmm__aml_int(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		byte(aml, (unsigned)value);	/* ZeroOp, OneOp */
	} else if (value <= UINT8_MAX) {
		byte(aml, OP_BYTE);
		little_endian(aml, value, 1);
	} else if (value <= UINT16_MAX) {
		byte(aml, OP_WORD);
		little_endian(aml, value, 2);
	} else if (value <= UINT32_MAX) {
		byte(aml, OP_DWORD);
		little_endian(aml, value, 4);
	} else {
		byte(aml, OP_QWORD);
		little_endian(aml, value, 8);
	}
}

void vmm__aml_string(struct aml *aml, const char *string)
{
	byte(aml, OP_STRING);
	vmm__aml_bytes(aml, string, strlen(string) + 1);
}

static unsigned hex_digit(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* Three letters of 5 bits and four digits in 32 bits, the highest byte first (19.3.4). */
void vmm__aml_eisa_id(struct aml *aml, const char *id)
{
	uint32_t value = 0;

	assert(strlen(id) == 7);
	for (unsigned i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (unsigned i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);

	byte(aml, OP_DWORD);
	little_endian(aml, __builtin_bswap32(value), 4);
}

void vmm__aml_registers(struct aml *aml, const char *region, enum aml_space space, uint64_t base,
			unsigned bits, const char *const *names, unsigned nr)
{
	const unsigned access = bits == 8 ? 1 : bits == 16 ? 2 : 3;

	assert(bits == 8 || bits == 16 || bits == 32);
	byte(aml, OP_EXT);
	byte(aml, EXT_REGION);
	vmm__aml_path(aml, region);
	byte(aml, space);
	vmm__aml_int(aml, base);
	vmm__aml_int(aml, nr * bits / 8);

	byte(aml, OP_EXT);
	byte(aml, EXT_FIELD);
	open_body(aml, false, false);
	vmm__aml_path(aml, region);
	byte(aml, access);			/* no lock, bits not written are kept */
	for (unsigned i = 0; i < nr; i++) {
		if (names[i])
			vmm__aml_path(aml, names[i]);
		else
			byte(aml, 0);
		byte(aml, bits);		/* a package length that does not count itself */
	}
	vmm__aml_end(aml);
}

/* ---- resource descriptors ---- */

void vmm__aml_resources(struct aml *aml)
{
	byte(aml, OP_BUFFER);
	open_body(aml, true, true);
}

/* 6.4.2.5 */
void vmm__aml_resource_ports(struct aml *aml, uint16_t base, uint8_t length)
{
	byte(aml, 0x47);
	byte(aml, 1);				/* decodes 16 bits */
	little_endian(aml, base, 2);
	little_endian(aml, base, 2);
	byte(aml, 1);
	byte(aml, length);
}

/* 6.4.3.4 */
void vmm__aml_resource_memory(struct aml *aml, uint32_t base, uint32_t length)
{
	byte(aml, 0x86);
	little_endian(aml, 9, 2);
	byte(aml, 1);				/* writable */
	little_endian(aml, base, 4);
	little_endian(aml, length, 4);
}

/* 6.4.3.6: consumer, active high, exclusive. */
void vmm__aml_resource_interrupt(struct aml *aml, uint32_t gsi, bool edge)
{
	byte(aml, 0x89);
	little_endian(aml, 6, 2);
	byte(aml, edge ? 3 : 1);
	byte(aml, 1);
	little_endian(aml, gsi, 4);
}

/* 6.4.3.5: an address space that the device hands on to those behind it. */
static void address_space(struct aml *aml, unsigned tag, unsigned type, unsigned type_flags,
			  unsigned bytes, uint64_t first, uint64_t last)
{
	byte(aml, tag);
	little_endian(aml, 3 + 5 * bytes, 2);
	byte(aml, type);
	byte(aml, 3 << 2);			/* producer, both ends fixed */
	byte(aml, type_flags);
	little_endian(aml, 0, bytes);		/* granularity */
	little_endian(aml, first, bytes);
	little_endian(aml, last, bytes);
	little_endian(aml, 0, bytes);		/* no translation */
	little_endian(aml, last - first + 1, bytes);
}

void vmm__aml_resource_buses(struct aml *aml, uint16_t first, uint16_t last)
{
	address_space(aml, 0x88, 2, 0, 2, first, last);
}

void vmm__aml_resource_window32(struct aml *aml, uint32_t base, uint32_t length)
{
	address_space(aml, 0x87, 0, 1, 4, base, (uint64_t)base + length - 1);
}

void vmm__aml_resource_window64(struct aml *aml, uint64_t base, uint64_t length)
{
	address_space(aml, 0x8a, 0, 1, 8, base, base + length - 1);
}
