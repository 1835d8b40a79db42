/* SPDX-License-Identifier: MIT */
/* input.h - take a fuzzer's input apart. Past its end there are zeros. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static inline size_t take(struct input *in, void *to, size_t n)
{
	if (n > in->size)
		n = in->size;
	memcpy(to, in->data, n);
	in->data += n;
	in->size -= n;
	return n;
}

static inline uint8_t take8(struct input *in)
{
	uint8_t v = 0;

	take(in, &v, sizeof(v));
	return v;
}

static inline uint16_t take16(struct input *in)
{
	uint16_t v = 0;

	take(in, &v, sizeof(v));
	return v;
}

static inline uint32_t take32(struct input *in)
{
	uint32_t v = 0;

	take(in, &v, sizeof(v));
	return v;
}

#endif
