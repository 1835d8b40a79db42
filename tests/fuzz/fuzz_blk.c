/* SPDX-License-Identifier: MIT */
/*
 * fuzz_blk.c - a driver that does anything with a virtio disk: rings, requests, resets, and
 * a disk that answers late or never. The disk checks what the front end promises it.
 */
#include "../unit/fake_device.h"
#include "../unit/fake_store.h"

/* The input, read from the front. */
struct input {
	const uint8_t *at;
	size_t left;
};

static uint32_t take(struct input *in, size_t bytes)
{
	uint32_t value = 0;

	while (bytes-- > 0 && in->left > 0) {
		value = value << 8 | *in->at++;
		in->left--;
	}
	return value;
}

/* Mostly inside guest memory, mostly where other things lie too. */
static vmm_gpa_t take_gpa(struct input *in)
{
	uint32_t value = take(in, 3);

	return value & 1 ? value : (vmm_gpa_t)(FAKE_DATA + (value & 0xfff));
}

/* A chain that is nearly right: a header and segments, each perhaps bent. */
static void driver_request(struct input *in)
{
	static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 14, 0x80000001 };
	uint16_t slot = (uint16_t)(take(in, 1) & 0xf8);
	uint8_t shape = (uint8_t)take(in, 1);
	uint64_t header[2] = { htole64(types[shape & 7]), htole64(take(in, 2)) };
	int n = shape >> 3 & 7, i = slot;

	memcpy(guest(FAKE_DATA), header, 16);
	driver_desc(i, FAKE_DATA, 16, n > 0 ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	while (n-- > 0) {
		uint8_t kind = (uint8_t)take(in, 1);
		uint32_t len = kind & 4 ? take(in, 2) : 512u << (kind >> 3 & 3);

		i++;
		driver_desc(i, take_gpa(in), kind & 2 ? 1 : len,
			    (kind & 1 ? VRING_DESC_F_WRITE : 0) | (n > 0 ? VRING_DESC_F_NEXT : 0),
			    (uint16_t)(i + 1));
	}
	driver_offer(slot);
}

static void driver_poke(struct input *in)
{
	vmm_gpa_t at = take(in, 3) % (FAKE_RAM / 2);

	*guest(at) = (uint8_t)take(in, 1);
}

static void step(struct input *in, struct vmm_loop *loop, const struct vmm_features *features)
{
	uint8_t byte;

	switch (take(in, 1) % 12) {
	case 0:
	case 1:
	case 2:
		driver_request(in);
		break;
	case 3:
		driver_poke(in);
		break;
	case 4:
		driver_desc((int)take(in, 1), take_gpa(in), take(in, 3), (uint16_t)take(in, 1),
			    (uint16_t)take(in, 1));
		break;
	case 5:
		driver_offer((uint16_t)take(in, 2));
		break;
	case 6:
		fake_kick();
		break;
	case 7:
		store.result = take(in, 1) & 1 ? -EIO : 0;
		(void)store_answer(take(in, 1));
		break;
	case 8:
		(void)vmm_loop_dispatch(loop);
		break;
	case 9:
		store.when = take(in, 1) & 1 ? STORE_AT_ONCE : STORE_LATER;
		break;
	case 10:
		byte = (uint8_t)take(in, 1);
		fake_config_write(take(in, 1) % fake.dev.space_bytes, &byte, 1);
		break;
	case 11:
		fake_reset();
		if (take(in, 1) & 3)
			fake_activate(features);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmm_block_config config = VMM_BLOCK_CONFIG_INIT;
	struct vmm_blk_info info = VMM_BLK_INFO_INIT;
	struct input in = { data, size };
	struct vmm_features features;
	struct vmm_loop *loop;

	if (vmm_loop_create(NULL, &loop) < 0)
		abort();
	fake_init(loop);
	info.flags = take(&in, 1) & 15;
	info.block_size = take(&in, 1) & 1 ? 4096 : 512;
	info.max_segments = 1 + take(&in, 1) % 128;
	config.backend = store_open(&info, STORE_LATER);
	config.queue_size = 1u << take(&in, 1) % 9;
	if (vmm_add_block(FAKE_VM, &config, NULL) < 0)
		abort();

	features = fake.dev.offered;
	features.word[0] &= take(&in, 4);
	fake_activate(&features);
	while (in.left > 0)
		step(&in, loop, &features);

	/* With whatever is in flight. */
	fake_finish();
	if (vmm_loop_destroy(loop) < 0 || store.nr_kept > 0)
		abort();
	return 0;
}
