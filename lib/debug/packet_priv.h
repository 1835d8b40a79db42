/* SPDX-License-Identifier: MIT */
/*
 * packet_priv.h - framing of gdb's remote protocol: $data#checksum, acknowledged by + or -.
 *
 * The peer is not trusted. A packet that is longer than there is room is refused as one with a
 * wrong checksum is; nothing grows.
 */
#ifndef DEBUG_PACKET_PRIV_H
#define DEBUG_PACKET_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX	4096u	/* bytes between $ and #, both ways */

enum packet_event {
	PACKET_NOTHING	= 0,	/* more bytes are needed */
	PACKET_WHOLE	= 1,	/* @bytes, @len */
	PACKET_BAD	= 2,	/* a wrong checksum, or too long */
	PACKET_BREAK	= 3,	/* 0x03: interrupt */
	PACKET_NACK	= 4,	/* the peer wants the last packet again */
};

struct packet_in {
	uint8_t state;
	bool too_long;
	uint8_t sum, told;
	uint32_t len;
	char bytes[PACKET_MAX + 1];	/* ends with a NUL */
};

/* Take one byte. */
enum packet_event vmm__packet_take(struct packet_in *in, uint8_t byte);

/* What is to be sent. What does not fit is cut: callers stay below PACKET_MAX. */
struct packet_out {
	uint32_t len;
	char bytes[PACKET_MAX + 8];
};

void vmm__packet_begin(struct packet_out *out);
void vmm__packet_text(struct packet_out *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void vmm__packet_hex(struct packet_out *out, const void *bytes, size_t len);
void vmm__packet_binary(struct packet_out *out, const void *bytes, size_t len);
void vmm__packet_end(struct packet_out *out);

/* Two digits for each byte of @dst. False: they are not all there. */
bool vmm__packet_from_hex(const char *hex, void *dst, size_t len);

/* Undo the escapes of binary data in place. Returns what is left of @len bytes. */
size_t vmm__packet_unescape(char *bytes, size_t len);

#endif
