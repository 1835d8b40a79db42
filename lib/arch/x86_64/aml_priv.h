/* SPDX-License-Identifier: MIT */
/*
 * aml_priv.h - write ACPI Machine Language (ACPI 6.4, chapter 20).
 *
 * Calls append what they are named after, in the order of the grammar; terms
 * with a body stay open until aml_end(), which works out their length:
 *
 *	aml_device(&aml, "RTC0");
 *		aml_name(&aml, "_HID");
 *		aml_eisa_id(&aml, "PNP0B00");
 *	aml_end(&aml);
 *
 * What does not fit is not written, and aml.failed is set: look once, at the end.
 */
#ifndef ARCH_X86_64_AML_PRIV_H
#define ARCH_X86_64_AML_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH_MAX	16

struct aml {
	uint8_t *bytes;
	size_t length;
	size_t max;
	bool failed;
	unsigned depth;
	struct {
		size_t start;		/* of the body, where the length will go */
		bool buffer;		/* the body is bytes, with their own count before them */
		bool resources;		/* … and these are resource descriptors */
	} open[AML_DEPTH_MAX];
};

/* One-byte terms, for aml_op(). */
enum aml_opcode {
	AML_LOCAL0		= 0x60,
	AML_LOCAL1		= 0x61,
	AML_ARG0		= 0x68,
	AML_ARG1		= 0x69,
	AML_ARG3		= 0x6b,
	AML_STORE		= 0x70,	/* value, target */
	AML_AND			= 0x7b,	/* a, b, target */
	AML_OR			= 0x7d,
	AML_NOTIFY		= 0x86,	/* object, value */
	AML_CREATE_DWORD_FIELD	= 0x8a,	/* buffer, byte, name */
	AML_NOT			= 0x92,	/* logical */
	AML_EQUAL		= 0x93,	/* a, b */
	AML_RETURN		= 0xa4,
};

enum aml_space {
	AML_SPACE_IO		= 1,
};

void vmm__aml_init(struct aml *aml, uint8_t *bytes, size_t max);

void vmm__aml_scope(struct aml *aml, const char *path);
void vmm__aml_device(struct aml *aml, const char *path);
void vmm__aml_method(struct aml *aml, const char *path, unsigned args);
void vmm__aml_package(struct aml *aml, uint8_t elements);
void vmm__aml_if(struct aml *aml);	/* then the predicate, then the body */
void vmm__aml_else(struct aml *aml);
void vmm__aml_buffer(struct aml *aml);
void vmm__aml_end(struct aml *aml);

void vmm__aml_op(struct aml *aml, enum aml_opcode opcode);
void vmm__aml_name(struct aml *aml, const char *path);	/* then the object */
void vmm__aml_path(struct aml *aml, const char *path);	/* a reference */
void vmm__aml_int(struct aml *aml, uint64_t value);
void vmm__aml_string(struct aml *aml, const char *string);
void vmm__aml_eisa_id(struct aml *aml, const char *id);
void vmm__aml_bytes(struct aml *aml, const void *bytes, size_t length);

/* Registers of @bits bits each at @base, named in turn; NULL in @names skips one. */
void vmm__aml_registers(struct aml *aml, const char *region, enum aml_space space, uint64_t base,
			unsigned bits, const char *const *names, unsigned nr);

/* ---- resource descriptors (ACPI 6.4, 6.4), between aml_resources() and aml_end() ---- */

void vmm__aml_resources(struct aml *aml);
void vmm__aml_resource_ports(struct aml *aml, uint16_t base, uint8_t length);
void vmm__aml_resource_memory(struct aml *aml, uint32_t base, uint32_t length);
void vmm__aml_resource_interrupt(struct aml *aml, uint32_t gsi, bool edge);
void vmm__aml_resource_buses(struct aml *aml, uint16_t first, uint16_t last);
void vmm__aml_resource_window32(struct aml *aml, uint32_t base, uint32_t length);
void vmm__aml_resource_window64(struct aml *aml, uint64_t base, uint64_t length);

#endif
