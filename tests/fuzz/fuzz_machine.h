/* SPDX-License-Identifier: MIT */
/* fuzz_machine.h - see fuzz_machine.c. */
#ifndef TESTS_FUZZ_MACHINE_H
#define TESTS_FUZZ_MACHINE_H

#include "fake_machine.h"

struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

struct fuzz_step {
	uint32_t kind;
	uint32_t width;
	uint32_t where;
	uint32_t value;
};

struct fake_device *fuzz_setup(bool with_pci);
void fuzz_teardown(void);
bool fuzz_next(struct fuzz_input *in, struct fuzz_step *step);
void fuzz_other(struct fuzz_step *step);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
