/* SPDX-License-Identifier: MIT */
/*
 * gzip.c - read a kernel that was compressed with gzip, through zlib.
 *
 * It is unpacked in one pass, straight to where it goes. zlib checks the lengths and the
 * checksum at the end.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boot/boot_priv.h"
#include "boot/image_priv.h"
#include "core/error_priv.h"

#ifdef HAVE_ZLIB
#include <zlib.h>

#define IN_BYTES	65536u

struct gzip {
	const struct boot_source *source;
	uint64_t offset;		/* of what was read of the file */
	bool ended;
	z_stream stream;
	unsigned char in[IN_BYTES];
};

int vmm__gzip_open(const struct boot_source *source, struct gzip **ret_gzip)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return vmm__fail(-ENOMEM, "no memory to unpack the kernel");
	gzip->source = source;
	/* 16: the format of gzip. */
	if (inflateInit2(&gzip->stream, 16 + MAX_WBITS) != Z_OK) {
		free(gzip);
		return vmm__fail(-ENOMEM, "no memory to unpack the kernel");
	}
	*ret_gzip = gzip;
	return 0;
}

void vmm__gzip_close(struct gzip *gzip)
{
	(void)inflateEnd(&gzip->stream);
	free(gzip);
}

static int refill(struct gzip *gzip)
{
	uint64_t left = gzip->source->kernel_size - gzip->offset;
	size_t n = left < IN_BYTES ? (size_t)left : IN_BYTES;
	int r;

	if (n == 0)
		return vmm__fail(-ENOEXEC, "the kernel is truncated: its compressed data does not end");
	r = vmm__boot_read(gzip->source, gzip->offset, gzip->in, n, "compressed data");
	if (r < 0)
		return r;
	gzip->offset += n;
	gzip->stream.next_in = gzip->in;
	gzip->stream.avail_in = (unsigned)n;
	return 0;
}

int64_t vmm__gzip_read(struct gzip *gzip, void *dst, uint64_t len)
{
	z_stream *s = &gzip->stream;
	uint64_t done = 0;

	while (done < len && !gzip->ended) {
		unsigned piece = len - done < INT_MAX ? (unsigned)(len - done) : INT_MAX;
		int r = s->avail_in == 0 ? refill(gzip) : 0;

		if (r < 0)
			return r;
		s->next_out = (unsigned char *)dst + done;
		s->avail_out = piece;
		r = inflate(s, Z_NO_FLUSH);
		done += piece - s->avail_out;
		if (r == Z_MEM_ERROR)
			return vmm__fail(-ENOMEM, "no memory to unpack the kernel");
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return vmm__fail(-ENOEXEC, "the kernel's compressed data is corrupt: %s",
					 s->msg ? s->msg : "unknown");
		gzip->ended = r == Z_STREAM_END;
	}
	return (int64_t)done;
}

#else

int vmm__gzip_open(const struct boot_source *source, struct gzip **ret_gzip)
{
	return vmm__fail(-ENOEXEC, "the kernel is compressed with gzip, and this library was built without zlib");
}

void vmm__gzip_close(struct gzip *gzip)
{
}

int64_t vmm__gzip_read(struct gzip *gzip, void *dst, uint64_t len)
{
	return -ENOEXEC;
}

#endif
