/* SPDX-License-Identifier: MIT */
/*
 * fuzz_blk.c - a driver that does anything with a virtio disk: rings, requests, resets, and
 * a disk that answers late or never. The disk checks what the front end promises it.
 */
#include <linux/virtio_blk.h>

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

/* Mostly a place of its own, sometimes anywhere. */
static vmm_gpa_t take_gpa(struct input *in)
{
	uint32_t value = take(in, 2);

	return value & 1 ? (vmm_gpa_t)take(in, 3) : FAKE_DATA + 0x1000 + (vmm_gpa_t)value * 8;
}

static bool has_ranges(uint32_t type)
{
	return type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES;
}

static void put_range(struct input *in, vmm_gpa_t at)
{
	uint32_t value = take(in, 2);
	struct virtio_blk_discard_write_zeroes range = {
		htole64(value & 0xfff), htole32(value >> 12 & 7), htole32(value >> 15),
	};

	memcpy(guest(at), &range, sizeof(range));
}

/* A request as a driver makes it: header, data out, data in, status. Then perhaps a bent one. */
static void driver_request(struct input *in)
{
	static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 14, 0x80000001 };
	uint32_t shape = take(in, 2), type = types[shape & 7];
	uint16_t slot = (uint16_t)(shape >> 3 & 0xf8);
	uint64_t header[2] = { htole64(type), htole64(take(in, 2)) };
	vmm_gpa_t at = FAKE_DATA + (vmm_gpa_t)slot * 2;
	int n_out = shape & 1u << 14 ? 2 : 1, n_in = shape & 1u << 15 ? 2 : 1, i = slot;

	memcpy(guest(at), header, 16);
	driver_desc(i, at, 16, VRING_DESC_F_NEXT, (uint16_t)(i + 1));
	if (type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_FLUSH || type == VIRTIO_BLK_T_GET_ID)
		n_out = 0;
	if (type != VIRTIO_BLK_T_IN && type != VIRTIO_BLK_T_GET_ID)
		n_in = 0;
	for (int n = 0; n < n_out + n_in; n++) {
		uint32_t len = 512u << take(in, 1) % 5;

		i++;
		at = FAKE_DATA + 0x1000 + (vmm_gpa_t)i * 0x400;
		if (type == VIRTIO_BLK_T_GET_ID)
			len = n_in == 1 ? 20 : 10;
		if (has_ranges(type)) {
			put_range(in, at);
			len = 16;
		}
		driver_desc(i, at, len, VRING_DESC_F_NEXT | (n < n_out ? 0 : VRING_DESC_F_WRITE),
			    (uint16_t)(i + 1));
	}
	driver_desc(++i, FAKE_DATA + 0xe000 + slot, 1, VRING_DESC_F_WRITE, 0);

	if (shape & 1u << 13) {
		uint32_t bend = take(in, 1);

		driver_desc(slot + (int)(bend & 3), take_gpa(in), take(in, bend >> 6),
			    (uint16_t)(bend >> 2 & 3), (uint16_t)(slot + (bend >> 4 & 3)));
	}
	driver_offer(slot);
}

static void driver_poke(struct input *in)
{
	vmm_gpa_t at = take(in, 3) % (FAKE_RAM / 2);

	*guest(at) = (uint8_t)take(in, 1);
}

static struct vmm_blk *the_blk;

/* After a reset of all there is nothing in flight, whatever the disk does. */
static void stats_idle(void)
{
	struct vmm_blk_stats stats = VMM_BLK_STATS_INIT;

	if (vmm_blk_stats(the_blk, 0, &stats) < 0 || stats.in_flight != 0)
		abort();
}

static void step(struct input *in, struct vmm_loop *loop, const struct vmm_features *features)
{
	uint8_t byte;

	switch (take(in, 1) % 15) {
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
	case 12: {
		struct vmm_rate rate = VMM_RATE_INIT;

		rate.ops_per_second = take(in, 1) % 4 * 1000;
		rate.bytes_per_second = (uint64_t)take(in, 2) << 8;
		if (vmm_blk_set_rate(the_blk, &rate) < 0)
			abort();
		break;
	}
	case 13:
		/* Larger than the store it never becomes: that would be a lie of the backend's. */
		(void)!vmm_blk_resize(the_blk, take(in, 3) % (STORE_BYTES + 1));
		break;
	case 14: {
		struct vmm_blk_stats stats = VMM_BLK_STATS_INIT;

		if (vmm_blk_stats(the_blk, VMM_BLK_ALL_QUEUES, &stats) < 0 ||
		    stats.in_flight > FAKE_QUEUE || stats.held > stats.in_flight)
			abort();
		break;
	}
	case 11:
		if (take(in, 1) & 1) {
			/* Only the queue, as VIRTIO_F_RING_RESET has it. */
			if (fake.dev.queue.state != QUEUE_DOWN)
				vmm__queue_down(&fake.dev.queue);
			fake.dev.ops->queue_reset(&fake.dev, &fake.dev.queue);
			stats_idle();
		}
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
	info.flags = take(&in, 1) & 31;
	info.block_size = take(&in, 1) & 1 ? 4096 : 512;
	info.max_segments = 1 + take(&in, 1) % 128;
	config.backend = store_open(&info, STORE_LATER);
	the_blk = config.backend;
	config.cache = take(&in, 1) & 1;
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
